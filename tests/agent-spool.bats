# shellcheck source=helper.bash
load helper

# Runs the spool's stages: flow [OPTION...]
flow() {
  timeout 200 agent-spool run "$@" spool -- llm-chat '|' \
    ciba-authorize -m 'Do you want to buy \(.qty) shares of \(.ticker)' '|' \
    ciba-poll --once '|' stock-buy '|' llm-chat
}

# A document in the spool with a message of the user; its name is in $name.
spooled() {
  name=$(jq -nc --arg words "${1:-Buy 3 stocks of Google}" --argjson tool "$(stock-buy --describe)" \
    '{messages: [{role: "user", content: $words}], tools: [$tool]}' | agent-spool add spool)
  [ -n "$name" ]
}

@test "add: each document is a file of its own, its name printed; what is no document is named" {
  printf '{"a":1}\n{"b":\n{"c":12345678901}' > input
  run --separate-stderr agent-spool add spool < input
  [ "$status" -eq 65 ]
  [ "${#lines[@]}" -eq 2 ]
  [[ $stderr == *"line 2"* ]]
  [ "$(jq -c 'del(.spool)' "spool/queue/${lines[0]}")" == '{"a":1}' ]
  [ "$(jq -c 'del(.spool)' "spool/queue/${lines[1]}")" == '{"c":12345678901}' ]
  [ "$(stat -c %a spool/queue/* | sort -u)" == 600 ]
  empty spool/tmp
}

@test "run: a document goes through the stages to its end, each stage once" {
  sandbox --approve yes --delay 0
  spooled
  run flow
  echo "$output"
  [ "$status" -eq 0 ]
  [ "$(jq -r '.messages[-1].content' "spool/done/$name")" == "I bought 3 shares of GOOGL for you." ]
  [ "$(count /bc-authorize) $(count /v1/chat/completions) $(count /stocks)" == "1 2 1" ]
  [ "$(find spool -type f)" == "spool/done/$name" ]
  no grep -q access_token "spool/done/$name"
}

@test "run: nothing is run on a document whose user has time, and the status is 75" {
  sandbox --approve ask --interval 100
  spooled
  run flow
  [ "$status" -eq 75 ]
  [ "$(stat -c %Y "spool/queue/$name")" -gt "$(date +%s)" ]
  before=$(wc -l < requests)
  ASAN_OPTIONS=detect_leaks=0 run strace -f -e trace=execve -o trace agent-spool run spool -- false
  [ "$status" -eq 75 ]
  [ "$(grep -c execve trace)" -eq 1 ]
  [ "$(wc -l < requests)" -eq "$before" ]
}

@test "run --wait: goes on until the queue is empty, also of what comes in meanwhile" {
  sandbox --approve ask --interval 1
  spooled
  flow --wait > log 2>&1 &
  local runner=$!
  await pending
  spooled 'Buy 5 stocks of Apple'
  await pending 2
  decide_about AAPL false
  decide_about GOOGL true
  wait "$runner"
  [ "$(orders)" == '[{"ticker":"GOOGL","qty":3}]' ]
  [ "$(find spool/done -type f | wc -l)" -eq 2 ]
}
# The user's decision on the phone, on the request whose message has TEXT: decide_about TEXT true|false
decide_about() {
  curl -s "${CIBA_SANDBOX_URL}phone/requests" | jq -c --arg text "$1" \
    "map(select(.message | contains(\$text)))[0] | {id, approve: $2}" |
    curl -sf -H 'Content-Type: application/json' -d @- "${CIBA_SANDBOX_URL}phone/decide" > /dev/null
}
pending() {
  [ "$(curl -s "${CIBA_SANDBOX_URL}phone/requests" | jq length)" -eq "${1:-1}" ]
}

@test "run: any number of runs at once work on each document once" {
  sandbox --approve yes --delay 0
  local i runners=()
  for i in 1 2 3 4 5 6; do spooled "Buy $i stocks of Google"; done
  for i in 1 2 3 4 5; do
    flow --wait > "log.$i" 2>&1 &
    runners+=($!)
  done
  for i in "${runners[@]}"; do wait "$i"; done
  [ "$(orders | jq -c 'map(.qty) | sort')" == '[1,2,3,4,5,6]' ]
  [ "$(count /bc-authorize)" -eq 6 ]
  [ "$(count /v1/chat/completions)" -eq 12 ]
  [ "$(find spool -type f | wc -l)" -eq 6 ]
}

@test "a stage that a killed run has left does nothing more, and its document is gone on with at once" {
  sandbox --approve yes --delay 0
  a_call | agent-spool add spool
  mkfifo fifo
  setsid agent-spool run spool -- ciba-authorize -m Buy '|' ciba-poll '|' sh -c 'touch begun; read -r x <> fifo; stock-buy; echo $? > left-ended' 3>&- &
  local runner=$!
  await [ -e begun ]
  kill -9 "$runner"
  wait "$runner" || true
  await bash -c 'agent-spool run spool -- ciba-poll "|" stock-buy'
  [ "$(orders | jq length)" -eq 1 ]
  echo > fifo
  await [ -s left-ended ]
  [ "$(cat left-ended)" -eq 74 ]
  [ "$(orders | jq length)" -eq 1 ]
}

# A stage in a program that has begun, whose run is killed alone: left_at_work STAGE...
left_at_work() {
  sandbox --approve yes --delay 0
  an_approved_call | agent-spool add spool > name
  mkfifo fifo
  cat > slow << 'END'
#!/bin/sh
echo "$IDEMPOTENCY_KEY" >> begun
read -r x <> fifo
END
  chmod +x slow
  setsid agent-spool run spool -- "$@" 3>&- &
  local runner=$!
  await [ -s begun ]
  kill -9 "$runner"
  wait "$runner" || true
}

@test "a stage that a killed run has left at its work, or a command in it, keeps the document until it ends" {
  local stage
  for stage in 'tool-run --tool buy -- ./slow' 'sh -c "tool-run --tool buy -- ./slow"'; do
    rm -rf spool begun fifo
    eval "left_at_work $stage"
    for _ in 1 2; do # the first may tidy up
      run --separate-stderr agent-spool run spool -- tool-run --tool buy -- ./slow
      [ "$status" -eq 75 ]
    done
    [ -e "spool/lock/$(cat name)" ]
    [ "$(wc -l < begun)" -eq 1 ]
    sed -i '/^read/d' slow
    echo > fifo
    await agent-spool run spool -- tool-run --tool buy -- ./slow
    [ "$(wc -l < begun)" -eq 2 ]
    [ "$(uniq begun | wc -l)" -eq 1 ]
    empty <(ls spool/lock)
    kill "$CIBA_SANDBOX_PID"
  done
}

@test "a stage whose end nobody sees, as what waited for it was killed, keeps the document until it ends" {
  sandbox --approve yes --delay 0
  an_approved_call | agent-spool add spool
  mkfifo fifo
  printf '#!/bin/sh\necho >> begun\nread -r x <> fifo\n' > slow
  chmod +x slow
  agent-spool run spool -- sh -c 'echo "$PPID" > waits; exec tool-run --tool buy -- ./slow' 3>&- &
  local runner=$!
  await [ -s begun ]
  kill -9 "$(cat waits)"
  exits 75 wait "$runner"
  touch -d '1 hour ago' spool/queue/* # it is due
  run timeout 20 agent-spool run spool -- tool-run --tool buy -- ./slow
  [ "$status" -eq 75 ]
  [ "$(wc -l < begun)" -eq 1 ]
  sed -i '/^read/d' slow
  echo > fifo
  await agent-spool run spool -- tool-run --tool buy -- ./slow
  [ "$(wc -l < begun)" -eq 2 ]
}

@test "a command that a shell has left in the background keeps the document until it ends" {
  sandbox --approve yes --delay 0
  an_approved_call | agent-spool add spool > name
  mkfifo fifo
  printf '#!/bin/sh\necho >> begun\nread -r x <> fifo\n' > slow
  chmod +x slow
  run agent-spool run spool -- sh -c 'cat > given; tool-run --tool buy -- ./slow < given > /dev/null 2>&1 &
    while [ ! -s begun ]; do :; done; cat given; exit 75' 3>&-
  [ "$status" -eq 75 ]
  touch -d '1 hour ago' spool/queue/* # it is due
  run agent-spool run spool -- tool-run --tool buy -- ./slow
  [ "$status" -eq 75 ]
  [ "$(wc -l < begun)" -eq 1 ]
  sed -i '/^read/d' slow
  echo > fifo
  await agent-spool run spool -- tool-run --tool buy -- ./slow
  [ "$(wc -l < begun)" -eq 2 ]
}

@test "what goes wrong for a while is tried again, later and later, and says why; then it is given up" {
  a_call | agent-spool add spool
  local stage='echo "who: what: why" >&2; exit 69'
  begun=$(date +%s)
  run agent-spool run --backoff 100 spool -- sh -c "$stage"
  [ "$status" -eq 75 ]
  [ $(($(stat -c %Y spool/queue/*) - begun)) -ge 100 ]
  [[ $(agent-spool list spool) == *"sh: exit status 69: who: what: why"* ]]
  touch spool/queue/*
  begun=$(date +%s)
  run agent-spool run --backoff 100 spool -- sh -c "$stage"
  [ $(($(stat -c %Y spool/queue/*) - begun)) -ge 200 ]
  jq -e '.spool.tries == 2' spool/queue/*
  touch spool/queue/*
  run agent-spool run --give-up 0 spool -- sh -c "$stage"
  [ "$status" -eq 69 ]
  [[ $(agent-spool list spool) == *"failed "*"given up: sh: exit status 69: who: what: why"* ]]
  # a success clears the failure
  mv spool/failed/* spool/queue
  run agent-spool run spool -- jq -c 'del(.calls)'
  [ "$status" -eq 0 ]
  [ "$(jq -c '.spool | keys' spool/done/*)" == '["added_at"]' ]
}

@test "a document at fault fails with the reason; a stage that writes no document loses none" {
  local stage
  for stage in 'exit 65' 'cat > /dev/null' 'cat; cat x' 'cat x; echo 1' 'tr } x' 'exit 76' 'exit 3'; do
    rm -rf spool
    echo '{"a":1}' > x
    agent-spool add spool < x
    run agent-spool run spool -- sh -c "$stage"
    echo "$stage: $output"
    [ "$status" -ne 0 ]
    [ "$status" -ne 75 ]
    [ "$(jq -c .a spool/failed/*)" == 1 ]
    jq -e '.spool.reason | length > 0' spool/failed/*
  done
}

@test "a killed stage, a missing command and a wrong setting are not the document's fault" {
  local stage
  for stage in 'kill -9 $$' 'exit 78' 'no-such-command'; do
    rm -rf spool
    echo '{"a":1}' | agent-spool add spool
    run agent-spool run spool -- sh -c "$stage"
    [ "$status" -eq 75 ]
    [ "$(jq -c .a spool/queue/*)" == 1 ]
  done
}

@test "run: a stage that cannot be started is said at once, and is the status; nothing is run or lost" {
  echo '{"a":1}' | agent-spool add spool
  printf 'no program' > script
  chmod 644 script
  local stage
  for stage in no-such-command ./script ./missing .; do
    run agent-spool run spool -- sh -c 'touch asked; cat' '|' "$stage"
    [ "$status" -eq 69 ]
    [[ $output == *"$stage: "* ]]
    [ ! -e asked ]
    [ "$(jq -c 'del(.spool.added_at)' spool/queue/*)" == '{"a":1,"spool":{}}' ]
  done
}

# Root can write everywhere except to a read-only file system.
@test "run: a spool that cannot be written is said at once, and is the status" {
  echo '{"a":1}' | agent-spool add spool
  chmod 500 spool/lock spool/tmp
  local runs=(agent-spool run -v spool -- cat)
  if [ "$(id -u)" -eq 0 ]; then
    unshare -m true 2> /dev/null || skip "no mount namespaces"
    runs=(unshare -m sh -c 'mount --bind spool spool && mount -o remount,bind,ro spool && exec "$@"' - "${runs[@]}")
  fi
  run "${runs[@]}"
  [ "$status" -eq 74 ]
  [[ $output == *spool*"lo"*": "* ]] # its locks or its log
  [ "$(jq -c .a spool/queue/*)" == 1 ]
  chmod 700 spool/lock spool/tmp
}

# Its first stage is held between its start and its first check of the journal, and only the run is killed. Then
# COMMAND advances the document, and the stage continues: comes_late COMMAND...
comes_late() {
  rm -rf spool ran late-ended started gate
  mkfifo gate
  printf '#!/bin/sh\necho > started; read -r line < gate; "$@"; echo $? > late-ended\n' > late
  chmod +x late
  a_call | agent-spool add spool > id
  agent-spool run spool -- ./late tool-run --without-approval --at-most-once --tool buy -- sh -c 'echo ran >> ran' 2> late-words 3>&- &
  local run_alone=$!
  await [ -e started ]
  kill -9 "$run_alone"
  wait "$run_alone" || true
  "$@" || true
  echo > gate
  await [ -s late-ended ]
}

@test "a stage that comes late does nothing to a document that has gone on: finished, waiting or failed" {
  comes_late agent-spool run spool -- tool-run --without-approval --at-most-once --tool buy -- sh -c 'echo ran >> ran'
  [ "$(wc -l < ran)" -eq 1 ]
  [ "$(find spool -type f)" == "spool/done/$(cat id)" ]
  comes_late agent-spool run spool -- sh -c 'exit 65'
  [ -e "spool/failed/$(cat id)" ]
  [ ! -e ran ]
  comes_late agent-spool run spool -- sh -c 'exit 69'
  [ -e "spool/queue/$(cat id)" ]
  [ ! -e ran ]
  [ "$(cat late-ended)" -eq 74 ]
}

@test "a stage that comes while its document is at rest does nothing, and the next run does the work" {
  comes_late true
  [ ! -e ran ]
  run agent-spool run spool -- tool-run --without-approval --at-most-once --tool buy -- sh -c 'echo ran >> ran'
  [ "$(wc -l < ran)" -eq 1 ]
  [ "$(find spool -type f)" == "spool/done/$(cat id)" ]
}

@test "the journal of an earlier version is gone on with; one of a later version, or with a NUL, is refused" {
  a_call > call
  agent-spool add spool < call > id
  local journal
  journal=spool/journal/$(cat id)
  run tool-run --journal-file old --without-approval --tool buy -- sh -c 'echo ran >> ran; kill -9 $PPID' < call
  [ "$(wc -l < ran)" -eq 1 ]
  jq -e '.format == 1' old
  # as earlier versions wrote it
  jq -nc '{format: 1, step: "generation", key: "AAAAAAAAAAAAAAAA"}' > "$journal"
  jq -c 'del(.format)' old >> "$journal"
  chmod 600 "$journal"
  run agent-spool run spool -- tool-run --without-approval --at-most-once --tool buy -- sh -c 'echo ran >> ran'
  echo "$output"
  [ "$(wc -l < ran)" -eq 1 ]
  [ "$(find spool/queue spool/done -type f | wc -l)" -eq 1 ]
  agent-spool add spool < call > id
  journal=spool/journal/$(cat id)
  local line
  for line in '{"format":2,"step":"execute","key":"x"}' '{"format":"1","step":"execute","key":"x"}' '{"step":"revoked","key":"x"}' '{"step":"execute"}' 'a\0b' '\0'; do
    printf '%b\n' "$line" > "$journal"
    chmod 600 "$journal"
    touch spool/queue/*
    run agent-spool run spool -- tool-run --without-approval --tool buy -- sh -c 'echo ran >> ran'
    echo "$line: $output"
    [ "$status" -eq 65 ]
    [[ $output == *"$journal: "* ]]
    mv "spool/failed/$(cat id)" spool/queue
  done
  [ "$(wc -l < ran)" -eq 1 ]
}

@test "--max-stage-time ends a stage that takes longer, which may still write its document, and it is tried again" {
  sandbox --approve ask --interval 60
  for limit in 0.5 5 50; do # on a busy machine it has not come so far in the first
    rm -rf spool
    a_call | agent-spool add spool
    run timeout 200 agent-spool run --max-stage-time "$limit" spool -- ciba-authorize -m Buy '|' ciba-poll
    jq -e '.calls[0].authorization.next_poll_at and .spool.tries == null' spool/queue/* && break
  done
  [ "$status" -eq 75 ]
  jq -e '.calls[0].authorization | .status == "pending" and .next_poll_at' spool/queue/*
  jq -e '.spool.tries == null' spool/queue/*
  rm -rf spool
  a_call | agent-spool add spool
  run timeout 200 agent-spool run --max-stage-time 0.5 spool -- sh -c 'exec tail -f /dev/null'
  [ "$status" -eq 75 ]
  jq -e '.spool.tries == 1 and (.spool.reason | contains("took longer than --max-stage-time") and contains("143"))' spool/queue/*
}

@test "a call that no stage works on is named, and the document fails" {
  a_call | agent-spool add spool
  run agent-spool run spool -- cat
  [ "$status" -eq 65 ]
  [[ $output == *"no stage works on the call call_1 (buy)"* ]]
  [ "$(find spool/failed -type f | wc -l)" -eq 1 ]
}

@test "a file that is no document goes to failed as it is" {
  mkdir -p spool
  agent-spool add spool < /dev/null
  echo '{"a":' > spool/queue/broken
  run agent-spool run spool -- cat
  [ "$status" -eq 65 ]
  [[ $output == *broken* ]]
  [ "$(cat spool/failed/broken)" == '{"a":' ]
}

@test "the stages are parted by |, and none may be empty" {
  agent-spool add spool < /dev/null
  for words in '' '|' 'cat |' '| cat' 'cat | | cat'; do
    # shellcheck disable=SC2086
    run agent-spool run spool -- $words
    [ "$status" -eq 64 ]
  done
}

@test "what a killed run has left goes in the next, unless somebody works" {
  echo '{"a":1}' | agent-spool add spool
  touch spool/tmp/x spool/lock/y spool/journal/z
  exec 5< spool
  flock -s 5
  agent-spool list spool
  [ -e spool/tmp/x ]
  exec 5<&-
  agent-spool run spool -- cat
  [ "$(find spool -type f | wc -l)" -eq 1 ]
}

@test "a link in place of a lock is not followed: what it leads to stays as it is, and nothing is run" {
  echo '{"a":1}' | agent-spool add spool > name
  echo precious > spool/done/file
  ln -s ../done/file "spool/lock/$(cat name)"
  run --separate-stderr agent-spool run spool -- touch ran
  [ "$status" -eq 74 ]
  [[ $stderr == *"lock/$(cat name)"* ]]
  [ "$(cat spool/done/file)" == precious ]
  [ ! -e ran ]
  jq -e '.a == 1' spool/queue/*
}

@test "a spool that is not there is an error of run and list, and is not made: 66" {
  local action
  for action in "run spol -- cat" "list spol"; do
    # shellcheck disable=SC2086 # words
    run agent-spool $action
    [ "$status" -eq 66 ]
    [[ $output == *"spol: No such file or directory; agent-spool add makes it" ]]
    [ ! -e spol ]
  done
}

@test "what is missing in a command line of agent-spool is named, and stages that are one word" {
  while IFS='|' read -r arguments text; do
    # shellcheck disable=SC2086 # words
    run agent-spool $arguments
    echo "$output"
    [ "$status" -eq 64 ]
    [ "$output" == "agent-spool: $text; try 'agent-spool --help'" ]
  done <<'END'
|add, run, list, retry or init, and a directory or URL are needed
list --failed|list: a directory or URL is needed
retry|retry: a directory or URL is needed
lits spool|'lits' is not add, run, list, retry or init
END
  agent-spool add spool < /dev/null
  run agent-spool run spool -- 'ciba-authorize | ciba-poll'
  [ "$status" -eq 69 ]
  [ "$output" == "agent-spool: ciba-authorize | ciba-poll: No such file or directory; each word of a stage, and each '|', is an argument of its own" ]
}

@test "back-off and --give-up count for the stage that goes wrong, whatever passes in front of it" {
  echo '{}' | agent-spool add spool > ids
  run --separate-stderr timeout 200 agent-spool run -w --backoff 0.1 --give-up 1 spool -- cat '|' cat '|' sh -c 'cat > /dev/null; echo >> tries; exit 69'
  [ "$status" -eq 69 ]
  [ -e "spool/failed/$(cat ids)" ]
  [ "$(wc -l < tries)" -lt 10 ]
  jq -e '.spool.reason | startswith("given up")' "spool/failed/$(cat ids)"
}

@test "a call on which no decision can be had goes on, so that the model is told" {
  sandbox --approve yes --delay 0 --interval 1
  for answer in '{status:400,body:{error:"transaction_failed"}}' '{status:400,body:{error:"unauthorized_client"}}' '{body:{access_token:"x",token_type:"mac"}}'; do
    rm -rf spool
    stock-buy --describe > buy.json
    llm-chat -n -t buy.json 'Buy 3 stocks of Google' | agent-spool add spool > ids
    jq -n "[{path:\"/oauth/token\"} + $answer]" | spoil
    timeout 200 agent-spool run -w spool -- ciba-authorize -m Buy '|' ciba-poll --once '|' stock-buy '|' llm-chat
    jq -e '.calls[0].result.error == "failed" and (.messages[-1].content | startswith("I did not buy"))' "spool/done/$(cat ids)"
  done
}

@test "an order whose answer was lost is tried again, beside a call on which no decision can be had" {
  sandbox --approve yes --delay 0
  printf '{"calls":[%s,%s]}\n' "$(a_call | jq -c '.calls[0] | .id = "call_2"')" "$(a_call AAPL | jq -c '.calls[0]')" |
    ciba-authorize -m Buy | ciba-poll |
    jq -c '.calls[0] |= (del(.token) | .authorization |= (.status = "failed" | .error = "invalid_id_token"))' | agent-spool add spool > id
  jq -n '[{path: "/stocks", status: 502, body: "x", after: true}]' | spoil
  run timeout 200 agent-spool run -w --backoff 0.1 spool -- stock-buy '|' cat
  jq -e '.calls[1].result.status == 200' "spool/done/$(cat id)"
  [ "$(orders | jq length)" -eq 1 ]
}

@test "torture: after a fault at any call of the flow nothing is lost, and nothing is bought twice" {
  local build
  build=$(dirname "$(command -v agent-spool)")
  [[ $build != */asan ]] || skip "the sanitizer cannot be preloaded over"
  # in the directory of the test, so that the test's teardown ends what it leaves behind
  TMPDIR=$PWD FAULTS=$build/tests/faults.so run timeout 240 "$BATS_TEST_DIRNAME/torture/run" 120
  echo "$output"
  [ "$status" -eq 0 ]
  [[ $output == *"nothing went wrong" ]]
}
