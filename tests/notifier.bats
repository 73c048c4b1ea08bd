# shellcheck source=helper.bash
load helper
# shellcheck source=gate.bash
load gate

# A program for --notify-command that keeps what it gets in `noticed`, and its environment: notifier [LINE]
notifier() {
  cat > notifier << END
#!/bin/sh
echo "\$#" > arguments
env > environment
cat >> noticed
${1:-}
END
  chmod +x notifier
}

@test "--notify-command is told whom is asked what, where they can answer and until when, on stdin, without a secret" {
  sandbox --approve never
  notifier 'echo its own words; echo its trouble >&2'
  jq -n '[{path:"/bc-authorize",body:{auth_req_id:"r-1",expires_in:300,auth_url:"https://p.example/answer?a=1&b=2"}}]' | spoil
  before=$(date +%s)
  run --separate-stderr ciba-authorize --notify-command ./notifier -m 'Buy \(.qty)' < <(a_call)
  [ "$status" -eq 0 ]
  [ "$(wc -l <<< "$output")" -eq 1 ]
  holds '.calls[0].authorization | .status == "pending" and .verification_uri == "https://p.example/answer?a=1&b=2"'
  [ "$stderr" == "its trouble" ]
  [ "$(wc -l < noticed)" -eq 1 ]
  jq -e --argjson before "$before" 'keys == ["client","expires_at","id","message","url","user"] and .user == "auth0|demo" and
    .message == "Buy 3" and .url == "https://p.example/answer?a=1&b=2" and .client == "sandbox-client" and .id == "call_1" and
    .expires_at >= $before + 300 and .expires_at <= $before + 900' noticed
  [ "$(cat arguments)" == 0 ]
  no grep -E 'SECRET|TOKEN|CREDENTIALS' environment
  no grep -F "$CIBA_CLIENT_SECRET" environment noticed
  # what is not known is left out; of several calls each is told
  rm noticed
  ciba-authorize --notify-command ./notifier -n -m Hello --login-hint ann > asked || true
  [ ! -e noticed ] # the sandbox knows no such user
  a_call | jq -c '.calls[1] = (.calls[0] | .id = "call_2") | del(.calls[0].id)' | ciba-authorize -j 2 --notify-command ./notifier -m Buy > asked
  [ "$(jq -sc 'map([.message, has("url"), .id]) | sort' noticed)" == '[["Buy",false,null],["Buy",false,"call_2"]]' ]
  rm noticed
  { a_call; a_call; } | ciba-authorize --together --notify-command ./notifier -m '\(length) calls' > asked
  [ "$(jq -r .message noticed | paste -sd'|')" == '1 calls|1 calls' ]
}

@test "nobody is told of a question that was not asked, and the program is the operator's alone" {
  sandbox --approve never
  notifier
  spoil <<< '[{"path":"/bc-authorize","status":503},{"path":"/bc-authorize","status":400,"body":{"error":"unknown_user_id"}}]'
  for _ in 1 2; do
    run --separate-stderr ciba-authorize --notify-command ./notifier -n -m Hello
    [ "$status" -ne 0 ]
  done
  a_call | jq -c '. + {notify_command:"./notifier",program:"./notifier"} | .calls[0] += {notify_command:"./notifier"}' | ciba-authorize -m Buy > asked
  ciba-authorize --notify-command ./notifier < asked > again # it was asked about already
  [ ! -e noticed ]
  requests=$(count /bc-authorize)
  for program in ./none ./noticed/x . '' /dev/null; do
    run --separate-stderr ciba-authorize --notify-command "$program" -m Buy < <(a_call)
    echo "$program: $status $stderr"
    [ "$status" -eq 78 ]
    [[ $stderr == *"--notify-command: "* ]]
    [ -z "$output" ]
  done
  [ "$(count /bc-authorize)" -eq "$requests" ]
  # no shell reads its name
  run --separate-stderr ciba-authorize --notify-command './notifier; touch shell' -m Buy < <(a_call)
  [ "$status" -eq 78 ]
  [ ! -e shell ]
}

@test "a program for --notify-command that fails is told on stderr, and changes nothing of the question" {
  sandbox --approve yes --delay 0
  while IFS='|' read -r line words; do
    # a new file: the one before may be about to be started still
    rm -f failing
    printf '#!/bin/sh\n%s\n' "$line" > failing
    chmod +x failing
    rm -f ran
    run --separate-stderr ciba-authorize --notify-command ./failing -m Buy < <(a_call)
    echo "$line: $status $stderr"
    [ "$status" -eq 0 ]
    [ "$stderr" == "$words" ]
    holds '.calls[0].authorization.status == "pending"'
    ciba-poll -q <<< "$output"
    timeout 200 ciba-run --notify-command ./failing -m Deploy -- touch ran
    [ -e ran ]
  done << 'END'
exit 3|ciba-authorize: ./failing: ended with exit status 3
kill -9 $$|ciba-authorize: ./failing: ended with exit status 137
exec yes|ciba-authorize: ./failing: was killed: it printed more than 1048576 bytes
exec <&-; exit 0|
exec true|
END
  # one that does not read a message larger than a pipe
  rm failing
  printf '#!/bin/sh\nexit 0\n' > failing
  chmod +x failing
  spoil <<< '[{"path":"/bc-authorize","body":{"auth_req_id":"r","expires_in":300}}]'
  ciba-authorize --any-message --notify-command ./failing -n --text "$(printf '%0120000d' 0)" > asked 2> said
  empty said
}

@test "a program for --notify-command that does not end is killed, with what it started" {
  sandbox --approve never
  printf '#!/bin/sh\nsleep 86399 &\necho $! > left\necho $$ > itself\nwait\n' > slow
  chmod +x slow
  run --separate-stderr timeout 150 ciba-authorize --notify-command ./slow -m Buy < <(a_call)
  [ "$status" -eq 0 ]
  [ "$stderr" == "ciba-authorize: ./slow: was killed: it had not ended after 30 s" ]
  await gone "$(cat left)"
  await gone "$(cat itself)"
}

@test "who waits for the answer does not wait for --notify-command: it ends with the question" {
  sandbox --approve ask --interval 1
  printf '#!/bin/sh\nsleep 86399 &\necho $! > left\necho $$ > itself\nwait\n' > slow
  chmod +x slow
  for signal in '' TERM KILL; do
    rm -f left itself ran
    command ciba-run --notify-command ./slow -m Deploy -- touch ran 2> said &
    pid=$!
    started+=("$pid")
    await test -s itself
    asked=$(count /bc-authorize)
    if [ -n "$signal" ]; then
      kill "-$signal" "$pid"
      wait "$pid" || true
    else
      decide true
      wait "$pid"
      [ -e ran ]
      no grep slow said
    fi
    # long before its own 30 seconds are over
    for ended in left itself; do
      timeout 20 bash -c "$(declare -f gone)"'; until gone "$1"; do read -rt 0.05 <> <(:) || true; done' - "$(cat "$ended")"
    done
    [ "$(count /bc-authorize)" -eq "$asked" ]
  done
}

@test "ciba-hook and mcp-gate have --notify-command too" {
  # The answer comes after the notice: with the answer the notifier is ended.
  sandbox --approve ask
  notifier
  event=$BATS_TEST_DIRNAME/hooks/claude-PreToolUse.json
  ciba-hook --notify-command ./notifier -m Hooked < "$event" > answer &
  hook=$!
  await test -s noticed
  [ "$(jq -r .message noticed)" == Hooked ]
  decide true
  wait "$hook"
  rm noticed
  gate --notify-command ./notifier -m Gated
  send "$(a_call_of buy)"
  await test -s noticed
  [ "$(jq -r .message noticed)" == Gated ]
  decide true
  await answered 1
  no grep -F "$CIBA_CLIENT_SECRET" environment
  leave
  [ "$ended" -eq 0 ]
}
