# shellcheck source=helper.bash
load helper

# A stage of agent-spool: it lives for many documents, and has no effect before the engine, here played by
# spool-stand-in, has written the intent down. What the two said is in `log`, in its order.

engine() {
  timeout 100 spool-stand-in "$@" 3> log
}

# A document with two calls: after the first has learned that the engine is gone, the second finds it so.
two_calls() {
  a_call | jq -c '.calls += [.calls[0] | .id = "call_2"]'
}

# Each row: the command, what the engine refuses, and how often it has an effect.
@test "what the engine refuses is not done: no question, no order, no program" {
  sandbox --approve yes --delay 0
  a_call > call
  an_approved_call > approved
  while IFS='|' read -r command refused document; do
    rm -f ran
    : > requests
    # shellcheck disable=SC2086 # words
    run --separate-stderr engine -r $refused -- $command < "$document"
    echo "$command: $refused: $status $stderr $(cat log)"
    [ "$status" -eq 0 ]
    [[ $stderr == *"the disk is full"* ]]
    grep -Ex 'RESULT 1 74( unchanged)?' log
    jq -se '.[0].calls == .[1].calls' - "$document" <<< "$output"
    [ "$(count /bc-authorize) $(count /stocks)" == "0 0" ]
    no [ -e ran ]
  done <<'END'
ciba-authorize -m Buy|ask|call
stock-buy|execute|approved
tool-run --tool buy -- touch ran|execute|approved
tool-run --tool buy -- touch ran|SPEND|approved
END
}

@test "while the engine is silent nothing is done; when it dies then, nothing is done either, and the status is 74" {
  sandbox --approve yes --delay 0
  two_calls > call
  ciba-authorize -m Buy < call | ciba-poll > approved
  mkfifo stdin
  while IFS='|' read -r command at document; do
    rm -f ran ended log
    : > requests
    touch log
    # shellcheck disable=SC2086
    { ended=0; engine -s $at -- $command < stdin 2> stderr || ended=$?; echo "$ended" > ended; } &
    started+=("$!")
    exec 7> stdin
    cat "$document" >&7
    await grep -qx SILENT log
    [ "$(count /bc-authorize) $(count /stocks)" == "0 0" ]
    no [ -e ran ]
    exec 7>&-
    await [ -s ended ]
    echo "$command: $(cat ended stderr log)"
    [ "$(cat ended)" -eq 74 ]
    grep -F 'agent-spool, which keeps the journal, has ended' stderr
    [ "$(count /bc-authorize) $(count /stocks)" == "0 0" ]
    no [ -e ran ]
  done <<'END'
ciba-authorize -m Buy|1|call
stock-buy|1|approved
tool-run --tool buy -- touch ran|1|approved
tool-run --tool buy -- touch ran|2|approved
END
}

@test "the engine dies at any message: the next run has its journal, and each thing is done once" {
  a_call > call
  for command in 'ciba-authorize -m Buy' ciba-poll stock-buy 'tool-run --at-most-once --tool buy -- sh -c "echo ran>>ran"'; do
    for ((k = 1; ; k++)); do
      sandbox --approve yes --delay 0 --interval 1
      case $command in
        ciba-authorize*) cp call document ;;
        ciba-poll) ciba-authorize -m Buy < call > document ;;
        *) an_approved_call > document ;;
      esac
      rm -f ran journal
      : > requests
      touch ran journal
      eval "run --separate-stderr engine -j journal -d $k -- $command" < document
      echo "$command $k: $status $stderr $output $(cat log)"
      if ! grep -qx DIED log; then
        [ "$status" -eq 0 ]
        kill "$CIBA_SANDBOX_PID"
        break
      fi
      [ "$status" -eq 74 ]
      before="$(count /bc-authorize) $(orders | jq length) $(wc -l < ran)"
      [ "$k" -gt 1 ] || [ "$before" == "0 0 0" ] || [ "$command" == ciba-poll ]
      eval "run --separate-stderr engine -j journal -- $command" < document
      echo "$status $stderr $output $(cat log) $before"
      [ "$(orders | jq length)" -le 1 ]
      [ "$(wc -l < ran)" -le 1 ]
      case $command in
        ciba-authorize*) [ "$(count /bc-authorize)" -le 1 ] ;;
        # What the provider said last is lost if nobody has written it down; it is not made up.
        ciba-poll) holds '.calls[0] | .authorization.status == "approved" and has("token") or .authorization.error == "invalid_grant"' ;;
        stock-buy) [ "$(orders)" == '[{"ticker":"GOOGL","qty":3}]' ] ;;
      esac
      kill "$CIBA_SANDBOX_PID"
    done
    [ "$k" -gt 1 ]
  done
}

@test "documents of one process do not affect each other: each has the outcome that it has alone" {
  sandbox --approve yes --delay 0
  (umask 077 && openssl rand -hex 32 > key)
  a_call GOOGL 1 | ciba-authorize -m Buy --seal-key-file key > asked
  ciba-poll --seal-key-file key < asked > approved
  jq -c '.calls[0].arguments.qty = 9' approved > changed
  jq -c '.calls[0].authorization.status = "denied"' asked > denied
  echo '{"calls":[],"format":99}' > later
  a_call > new
  jq -c '.calls += [.calls[0] | .id = "call_2"]' new > two
  for command in 'stock-buy --seal-key-file key' 'tool-run --seal-key-file key --tool buy -- cat'; do
    : > documents
    : > expected
    for document in approved changed asked denied later new two approved changed; do
      cat "$document" >> documents
      # shellcheck disable=SC2086 # words
      run --separate-stderr engine $command < "$document"
      [ "${command%% *}" != tool-run ] || [ "$document" != approved ] || holds '.calls[0].result.status == 0'
      sed -n 's/^RESULT 1 //p' log >> expected
      jq -c '[.calls[] | .result.error, .result.status, .authorization.status]' <<< "$output" >> expected
    done
    [ "$(grep -cx 0 expected)" -eq 2 ]
    # shellcheck disable=SC2086
    run --separate-stderr engine $command < documents
    [ "$status" -eq 0 ]
    paste -d' ' <(sed -n 's/^RESULT [0-9]* //p' log) <(jq -c '[.calls[] | .result.error, .result.status, .authorization.status]' <<< "$output") > came
    paste -d' ' - - < expected > alone
    diff alone came
    [ "$(wc -l < came)" -eq 9 ]
  done
}

@test "the second document uses the first one's connection" {
  sandbox --approve yes --delay 0
  for ((i = 1; i <= 5; i++)); do a_call GOOGL "$i"; done > calls
  head -n 1 calls > one
  for calls in one calls; do
    ASAN_OPTIONS=detect_leaks=0 run strace -f -e trace=connect -o "$calls.trace" timeout 100 spool-stand-in ciba-authorize -m Buy < "$calls" 3> log
    echo "$status $output $(cat "$calls.trace" log)"
    [ "$status" -eq 0 ]
    grep -c 'connect(.*AF_INET' "$calls.trace" > "$calls.connects"
  done
  [ "$(grep -c ^RESULT log)" -eq 5 ]
  diff one.connects calls.connects
}

@test "inner commands of a shell knock, have the journal in turns, and leave it to the next" {
  sandbox --approve yes --delay 0
  a_call > call
  # Both are about the same document: the one whose turn is second finds what the first has asked.
  run --separate-stderr engine -o -- sh -c 'cat > it; ciba-authorize -m Buy < it > one & ciba-authorize -m Buy < it > two; wait' < call
  echo "$status $stderr $(cat log)"
  [ "$(grep -c '^KNOCK$' log)" -eq 2 ]
  [ "$(grep -v KNOCK log | xargs)" == 'JOURNAL 1 ENTRY 1 ask WRITTEN 1 ENTRY 1 asked WRITTEN 1 JOURNAL 1' ]
  [ "$(count /bc-authorize)" -eq 1 ]
  diff <(jq -c .calls[0].authorization.auth_req_id one) <(jq -c .calls[0].authorization.auth_req_id two)
  run --separate-stderr engine -o -- sh -c 'ciba-authorize -m Buy | ciba-poll | tool-run --tool buy -- cat' < call
  [ "$status" -eq 0 ]
  holds '.calls[0].result.status == 0'
  [ "$(grep -c '^JOURNAL 1$' log)" -eq 3 ]
}

@test "an inner command is for one document" {
  sandbox --approve yes --delay 0
  a_call > call
  run --separate-stderr engine -o -- sh -c 'cat > it; cat it it | ciba-authorize -m Buy' < call
  [ "$status" -eq 65 ]
  [[ $stderr == *"is for one document, and this is another"* ]]
  [ "$(count /bc-authorize)" -eq 1 ]
}

@test "an inner command whose engine dies does nothing, and ends with 74" {
  sandbox --approve yes --delay 0
  a_call > call
  run --separate-stderr engine -o -d 1 -- sh -c 'ciba-authorize -m Buy' < call
  [ "$status" -eq 74 ]
  [ "$(count /bc-authorize)" -eq 0 ]
  for setting in 9:1 3:$$ x 0:1 9: :; do
    CIBA_STAGE=$setting run --separate-stderr ciba-authorize -m Buy < call 3>&-
    echo "$setting: $status $stderr"
    [ "$status" -eq 74 ]
    [[ $stderr == *"the socket that CIBA_STAGE names is not open here"* ]]
    [ "$(count /bc-authorize)" -eq 0 ]
  done
}

# The intent, which is the first or second request, is answered with each of them.
@test "an engine that breaks the protocol is believed nothing: no effect, and 74" {
  sandbox --approve yes --delay 0
  a_call > call
  an_approved_call > approved
  while IFS='|' read -r command at document; do
    for what in kind side number none flags empty json array line more status words document same journal descriptor size torn spent again; do
      case $what:$at in spent:1 | again:1) continue ;; esac
      rm -f ran
      : > requests
      # shellcheck disable=SC2086
      run --separate-stderr engine -b $at:$what -- $command < "$document"
      echo "$command $what: $status $stderr $(cat log)"
      attack
      grep -qx BROKEN log
      [ "$status" -eq 74 ]
      [ "$(count /bc-authorize) $(count /stocks)" == "0 0" ]
      no [ -e ran ]
      no grep RESULT log
    done
  done <<'END'
ciba-authorize -m Buy|1|call
stock-buy|1|approved
tool-run --tool buy -- touch ran|1|approved
tool-run --tool buy -- touch ran|2|approved
END
  attacks
}

@test "approvals are spent at the engine: now, before, unknown, again" {
  sandbox --approve yes --delay 0
  an_approved_call > approved
  while IFS='|' read -r answer ran error end; do
    rm -f ran
    touch ran
    run --separate-stderr engine -p "$answer" -- tool-run --tool buy -- sh -c 'echo ran >> ran' < approved
    echo "$answer: $status $stderr $output $(cat log)"
    [ "$(wc -l < ran)" -eq "$ran" ]
    holds ".calls[0].result.error == $error"
    [ "$(sed -n 's/^SPENT 1 //p' log)" == "$end" ]
  done <<'END'
now|1|null|used
again|1|null|used
before|0|"already_used"|
unknown|0|"outcome_unknown"|
END
}

@test "audit records go to the engine if it takes them, else to the file; refused ones are told later" {
  sandbox --approve yes --delay 0
  export CIBA_AUDIT=$PWD/audit
  a_call > call
  run --separate-stderr engine -a -- ciba-authorize -m Buy < call
  [ "$status" -eq 0 ]
  grep -x 'AUDIT 1 asked' log
  no [ -e audit ]
  echo "$output" > asked
  run --separate-stderr engine -a -- ciba-poll < asked
  grep -x 'AUDIT 1 approved' log
  no [ -e audit ]
  run --separate-stderr engine -a -r AUDIT -- ciba-poll < asked
  grep -x 'RESULT 1 74' log
  run --separate-stderr engine -- ciba-authorize -m Buy < call
  [ "$(jq -r .event audit)" == asked ]
}

@test "ciba-poll has many documents at once, and gives each back when it is settled or its time is over" {
  sandbox --approve ask --interval 1
  for ((i = 1; i <= 3; i++)); do a_call GOOGL "$i" | ciba-authorize -m Buy; done > asked
  decide true
  run --separate-stderr engine ciba-poll --max-wait 3 < asked
  echo "$status $stderr $(cat log)"
  [ "$status" -eq 0 ]
  [ "$(sed -n 2,4p log | xargs)" == 'DOCUMENT 1 DOCUMENT 2 DOCUMENT 3' ]
  [ "$(grep -n ^RESULT log | cut -d: -f2 | head -n 1)" == 'RESULT 3 0' ]
  [ "$(grep ^RESULT log | sort | xargs)" == 'RESULT 1 75 RESULT 2 75 RESULT 3 0' ]
  [ "$(grep '^[A-Z]* 3' log | xargs)" == 'DOCUMENT 3 ENTRY 3 decided WRITTEN 3 RESULT 3 0' ]
  [ "$(jq -r .calls[0].authorization.status <<< "$output" | xargs)" == 'approved pending pending' ]
  run --separate-stderr engine ciba-poll --once < asked
  [ "$(grep ^RESULT log | sort | cut -d' ' -f1-3 | xargs)" == 'RESULT 1 75 RESULT 2 75 RESULT 3 76' ] ||
    [ "$(grep ^RESULT log | sort | cut -d' ' -f1-3 | head -n 2 | xargs)" == 'RESULT 1 75 RESULT 2 75' ]
}

@test "ciba-poll polls a request for several calls each time, also where one of them is done: nothing is kept of it" {
  sandbox --approve never --interval 1
  jq -cn '{calls: [1, 2 | {id: "call_\(.)", name: "buy", arguments: {ticker: "GOOGL", qty: .}}]}' |
    ciba-authorize -m Buy --together | jq -c '.calls[1].result = {content: "done"}' > asked
  cat asked asked > twice
  run --separate-stderr engine -1 ciba-poll --once < twice
  echo "$status $stderr $(cat log)"
  [ "$(grep -c '^RESULT [12] 75' log)" -eq 2 ]
  [ "$(count /oauth/token)" -eq 2 ]
}

@test "ciba-poll: a decision on a request for several documents is in the journal of each" {
  sandbox --approve yes --delay 0
  a_call GOOGL 1 > calls
  a_call GOOGL 2 >> calls
  ciba-authorize -m Buy --together-documents 2 < calls > asked
  run --separate-stderr engine ciba-poll < asked
  echo "$status $stderr $(cat log)"
  [ "$(count /oauth/token)" -eq 1 ]
  for number in 1 2; do
    [ "$(grep "^[A-Z]* $number\>" log | xargs)" == "DOCUMENT $number ENTRY $number decided WRITTEN $number RESULT $number 0" ]
  done
}

@test "the engine ends its stream: what is under way comes back, and nothing more is begun" {
  sandbox --approve yes --delay 0
  two_calls > call
  ciba-authorize -m Buy < call | ciba-poll > approved
  for command in stock-buy 'ciba-authorize -m Buy' 'tool-run --tool buy -- touch ran'; do
    : > requests
    # shellcheck disable=SC2086 # words
    run --separate-stderr engine -e $command < "$([ "${command%% *}" == ciba-authorize ] && echo call || echo approved)"
    echo "$command: $status $stderr $(cat log)"
    [ "$status" -eq 0 ]
    grep -E '^RESULT 1 74' log
    [ "$(count /bc-authorize) $(count /stocks)" == "0 0" ]
    no [ -e ran ]
  done
  kill "$CIBA_SANDBOX_PID"
  sandbox --approve never
  ciba-authorize -m Buy < call > asked
  cat asked asked > twice
  run --separate-stderr engine -e ciba-poll < twice
  echo "$status $stderr $(cat log)"
  [ "$status" -eq 0 ]
  [ "$(grep -c '^RESULT [12] 75' log)" -eq 2 ]
}

@test "ciba-poll that is asked to end gives back what it has" {
  sandbox --approve never
  a_call | ciba-authorize -m Buy > asked
  : > log
  { ended=0; engine sh -c 'echo $$ > pid; exec ciba-poll' < asked > back || ended=$?; echo "$ended" > ended; } &
  started+=("$!")
  await eval '[ "$(count /oauth/token)" -ge 1 ]'
  kill "$(cat pid)"
  await [ -s ended ]
  grep -x 'RESULT 1 75' log
  jq -e '.calls[0].authorization | .status == "pending" and .next_poll_at > 0' back
}

@test "ciba-poll: a decision that the engine does not write down is given back with 74" {
  sandbox --approve yes --delay 0
  a_call | ciba-authorize -m Buy > asked
  run --separate-stderr engine -r decided ciba-poll < asked
  [[ $stderr == *"it is not written down: the disk is full"* ]]
  grep -x 'RESULT 1 74' log
  holds '.calls[0].authorization.status == "approved"'
}

@test "programs that a stage starts have neither its socket nor the variable" {
  sandbox --approve yes --delay 0
  an_approved_call > approved
  run --separate-stderr engine tool-run --tool buy -- sh -c 'env; ls -l /proc/self/fd' < approved
  [ "$status" -eq 0 ]
  jq -r '.calls[0].result.content' <<< "$output" > had
  grep -q PATH= had
  no grep -e CIBA_STAGE -e socket: had
}

@test "an MCP server that has ended: the stage says that it ends too, and takes no other document" {
  (umask 077 && openssl rand -hex 32 > key)
  for ((i = 1; i <= 2; i++)); do echo '{"calls":[{"id":"call_'"$i"'","name":"die","arguments":{}}]}'; done > calls
  # shellcheck disable=SC2016
  printf '%s\n' '#!/bin/sh' 'while read -r line; do case $line in *tools/call*) exit ;; *initialize\"*) echo "{\"jsonrpc\":\"2.0\",\"id\":$(printf %s "$line" | sed "s/.*\"id\":\([^,}]*\).*/\1/"),\"result\":{\"protocolVersion\":\"2025-06-18\",\"capabilities\":{\"tools\":{}},\"serverInfo\":{\"name\":\"s\",\"version\":\"1\"}}}" ;; *\"id\"*) echo "{\"jsonrpc\":\"2.0\",\"id\":$(printf %s "$line" | sed "s/.*\"id\":\([^,}]*\).*/\1/"),\"error\":{\"code\":-32601,\"message\":\"no\"}}" ;; esac; done' > server
  chmod +x server
  run --separate-stderr engine tool-run --mcp --tool die --without-approval -- ./server < calls
  echo "$status $stderr $(cat log)"
  grep -E '^RESULT 1 [0-9]+( unchanged)? last$' log
  no grep 'RESULT 2' log
}

@test "in a stage --journal-file is refused: the journal is the engine's" {
  sandbox --approve yes --delay 0
  a_call > call
  run --separate-stderr engine ciba-authorize -m Buy --journal-file journal < call
  [ "$status" -eq 64 ]
  [[ $stderr == *"--journal-file: here agent-spool keeps the journal"* ]]
  [ "$(count /bc-authorize)" -eq 0 ]
}
