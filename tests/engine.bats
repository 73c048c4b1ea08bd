# shellcheck source=helper.bash
load helper

# The engine of agent-spool: over a store in memory (helpers/engine-check.c), which prints each document with its place
# and journal, and over a folder.

# Documents with "a" from 1 to $1, of which the third has the member `hostile`.
documents() {
  jq -nc --argjson n "$1" 'range(1; $n + 1) | {a: .} + (if . == 3 then {hostile: true} else {} end)'
}

@test "a stage that breaks the protocol is ended, and only its document is put off" {
  local mode
  for mode in pour large torn unknown backwards other hello words name 'die' 'exit'; do
    documents 5 | exits 75 timeout 60 engine-check -j 5 -- cat '|' hostile-stage "$mode" > out 2> err
    echo "$mode: $(cat out err)"
    jq -se 'map(select(.place == "done").document.a) == [1, 2, 4, 5]' out
    jq -se '.[2] | .place == "queue" and .document.spool.tries == 1 and (.document.spool.reason | startswith("hostile-stage: exit status"))' out
  done
}

@test "a stage that has endlessly much written down is cut off" {
  documents 5 | exits 75 timeout 60 engine-check -j 5 -- hostile-stage flood > out
  jq -se 'map(select(.place == "done")) | length == 4' out
  jq -se '.[2] | .place == "queue" and (.document.spool.reason | endswith("it has more written down than a document needs"))' out
  jq -se '.[2].journal | length == 1000' out
}

@test "a stage that says nothing holds up no other document, and the time limit ends it" {
  local mode
  for mode in wait close; do
    documents 5 | exits 75 timeout 60 engine-check -j 5 -t 1 -- hostile-stage "$mode" > out
    jq -se 'map(select(.place == "done")) | length == 4' out
    jq -se '.[2].document.spool.reason == "hostile-stage: took longer than -t: exit status 143"' out
  done
}

@test "a stage that never reads makes nobody wait, whatever the size of the documents" {
  jq -nc '{hostile: true, text: ("x" * 1000000)}, {text: ("x" * 1000000)}' > large
  # the second document passes the stage while the first is stuck in it
  exits 75 timeout 60 engine-check -j 2 -t 2 -- sh -c 'if grep -q hostile; then exec tail -f /dev/null; fi; jq -nc {}' < large > out
  jq -se 'map(.place) == ["queue", "done"]' out
  jq -se '.[0].document.text | length == 1000000' out
}

@test "what cannot be written down is not done, and the document is put off" {
  a_call > call
  cat call call call | exits 75 timeout 60 engine-check -j 3 --refuse 1-1 -- tool-run --without-approval --tool buy -- sh -c 'echo >> ran' > out 2> err
  cat out err
  grep 'the store is full; nothing was done' err
  # whatever was in the refused commit
  local refused
  refused=$(jq -s 'map(select(.place == "queue")) | length' out)
  [ "$refused" -ge 1 ]
  [ "$(wc -l < ran)" -eq $((3 - refused)) ]
  jq -se 'map(select(.place == "queue")) | all(.journal == [] and .document.spool.status == 74)' out
}

@test "an outcome that could not be written down is not lost with its execution: the key is begun" {
  a_call | exits 75 timeout 60 engine-check --refuse 2-2 -- tool-run --without-approval --tool buy -- sh -c 'echo >> ran' > out
  cat out
  [ "$(wc -l < ran)" -eq 1 ]
  jq -e '[.journal[].step] == ["execute"]' out
}

@test "a document that cannot be saved does not keep a run from its end" {
  documents 3 | exits 74 timeout 60 engine-check --refuse 1-99 -- sh -c 'jq -c ".b = 1"' > out 2> err
  cat out err
  jq -se 'all(.place == "queue" and .document.b == null)' out
  [ "$(grep -c 'the store is full' err)" -eq 1 ] # one document at a time
}

@test "when the store is lost, its stages are ended, and nothing more is written" {
  a_call > call
  run --separate-stderr timeout 60 engine-check -w -j 2 --lose 1 -- tool-run --without-approval --tool buy -- sh -c 'echo >> ran' < <(cat call call)
  [ "$status" -eq 74 ]
  [[ $stderr == *"the store is lost"* ]]
  [ ! -e ran ]
  jq -se 'all(.place == "queue" and .journal == [])' <<< "$output"
}

@test "any program can be a stage, and a shell can join several that write the journal, in their turn" {
  a_call > call
  timeout 60 engine-check -- jq -c '.a = 1' '|' sh -c 'tool-run --without-approval --tool buy -- cat | tool-run --without-approval --tool sell -- cat | jq -c ".b = .a"' < call > out
  cat out
  jq -e '.place == "done" and .document.b == 1 and .document.calls[0].result.status == 0' out
  jq -e '[.journal[].step] == ["execute", "executed"]' out
}

@test "as many documents as -j says are in a stage at a time, and no more" {
  documents 8 > eight
  mkfifo gate
  # each waits until all have come
  timeout 60 engine-check -j 4 -- sh -c 'echo >> come; read -r line < gate; cat' < eight > out &
  local runner=$!
  await bash -c '[ "$(wc -l < come)" -eq 4 ]'
  exec 5<> gate
  printf '1\n2\n3\n4\n5\n6\n7\n8\n' >&5
  wait "$runner"
  exec 5>&-
  jq -se 'map(.place == "done") | length == 8 and all' out
}

@test "-j: fewer at a time if so many files cannot be open, and each is done" {
  jq -nc 'range(30) | {a: .}' | agent-spool add spool > names
  (
    ulimit -n 64
    timeout 30 agent-spool run -w --backoff 0.1 -j 30 spool -- sh -c 'cat' '|' tool-run --without-approval --tool buy -- true
  ) 2> err
  cat err
  grep -F 'no more than 2 at a time' err
  [ "$(find spool/done -type f | wc -l)" -eq 30 ]
}

@test "a stage of ours is started once, and works on many documents" {
  jq -nc 'range(50) | {a: .}' > fifty
  ASAN_OPTIONS=detect_leaks=0 strace -f -e trace=execve -o trace timeout 60 engine-check -- tool-run --tool buy -- true < fifty > out
  jq -se 'length == 50 and all(.place == "done")' out
  [ "$(grep -c 'execve(.*/tool-run", .* = 0$' trace)" -eq 1 ]
}

# Documents in the spool, each with a call for another quantity: orders_in_spool COUNT
orders_in_spool() {
  for ((i = 1; i <= $1; i++)); do a_call GOOGL "$i"; done | agent-spool add spool > names
  [ "$(wc -l < names)" -eq "$1" ]
}

@test "-j: eight executions are begun before any has ended" {
  orders_in_spool 8
  mkfifo gate
  agent-spool run -j 8 spool -- tool-run --without-approval --tool buy -- sh -c 'echo >> begun; read -r line < gate' 3>&- &
  local runner=$!
  await bash -c '[ -e begun ] && [ "$(wc -l < begun)" -eq 8 ]'
  empty spool/done
  exec 5<> gate
  printf '\n\n\n\n\n\n\n\n' >&5
  wait "$runner"
  exec 5>&-
  [ "$(find spool/done -type f | wc -l)" -eq 8 ]
  [ "$(wc -l < begun)" -eq 8 ]
}

@test "a stage that is killed in an order takes only its document, and the order is sent again with the same key" {
  local faults
  faults=$(dirname "$(command -v agent-spool)")/tests/faults.so
  [[ $faults != */asan/* ]] || skip "the sanitizer cannot be preloaded over"
  sandbox --approve yes --delay 0
  orders_in_spool 4
  head -c 16 /dev/zero > counter
  FAULT_COUNTER=counter FAULT_AT=1 FAULT_ONLY="stock-buy recv" FAULT_KIND=kill FAULT_LOG=call LD_PRELOAD=$faults \
    run agent-spool run -j 4 spool -- ciba-authorize -m Buy '|' ciba-poll '|' stock-buy
  echo "$output"
  [ "$status" -eq 75 ]
  grep stock-buy call
  [ "$(find spool/done -type f | wc -l)" -eq 3 ]
  jq -e '.spool.tries == 1 and (.spool.reason | startswith("stock-buy: exit status 13"))' spool/queue/*
  touch spool/queue/*
  agent-spool run spool -- ciba-authorize -m Buy '|' ciba-poll '|' stock-buy
  [ "$(orders | jq -c 'map(.qty) | sort')" == '[1,2,3,4]' ]
  [ "$(count /stocks)" -eq 5 ]
  [ "$(requests /stocks .idempotency_key | sort -u | wc -l)" -eq 4 ]
  [ "$(count /bc-authorize)" -eq 4 ]
}

@test "a document whose stage cannot be started because the process for it has ended is put off" {
  local faults runner helper server
  faults=$(dirname "$(command -v agent-spool)")/tests/faults.so
  [[ $faults != */asan/* ]] || skip "the sanitizer cannot be preloaded over"
  a_call | agent-spool add spool
  # It is held before it asks for the stage: the lock is what it writes first, the request what it writes next.
  head -c 16 /dev/zero > counter
  FAULT_COUNTER=counter FAULT_AT=2 FAULT_ONLY="agent-spool write" FAULT_KIND=hold FAULT_LOG=call LD_PRELOAD=$faults \
    agent-spool run spool -- tool-run --without-approval --tool buy -- cat 2> said &
  runner=$!
  await test -s call
  helper=$(pgrep -P "$runner")
  await pgrep -P "$helper"
  server=$(pgrep -P "$helper")
  kill -9 "$server"
  await gone "$server"
  printf '\1' | dd of=counter bs=1 seek=8 conv=notrunc status=none
  status=0
  wait "$runner" || status=$?
  cat said
  [ "$status" -eq 75 ]
  jq -e '.spool.tries == 1 and .spool.reason == "tool-run: exit status 137"' spool/queue/*
  touch spool/queue/*
  agent-spool run spool -- tool-run --without-approval --tool buy -- cat
  [ "$(find spool/done -type f | wc -l)" -eq 1 ]
}

@test "a call that was begun before a crash says nothing about the next one of the document" {
  sandbox --approve yes --delay 0
  a_call | jq -c '.calls += [.calls[0] | .id = "call_2" | .arguments = {ticker: "A\u0000"}]' |
    ciba-authorize -m Buy | ciba-poll | agent-spool add spool
  exits 75 agent-spool run spool -- sh -c 'exec tool-run --tool buy --env ARG_ -- sh -c "echo >> begun; kill -9 $$"'
  touch -d '1 hour ago' spool/queue/*
  run agent-spool run spool -- tool-run --tool buy --env ARG_ -- sh -c 'echo >> begun'
  echo "$output" "$(cat spool/*/*)"
  [ "$(wc -l < begun)" -eq 2 ]
  jq -e '[.calls[].result.error] == [null, "invalid_arguments"]' spool/*/*
}

@test "SIGTERM ends a run that waits for users, and nobody is asked again" {
  sandbox --approve ask --interval 1
  orders_in_spool 3
  agent-spool run -w -j 3 spool -- ciba-authorize -m Buy '|' ciba-poll '|' stock-buy 3>&- &
  local runner=$! id
  await bash -c '[ "$(curl -s "${CIBA_SANDBOX_URL}phone/requests" | jq length)" -eq 3 ]'
  kill "$runner"
  exits 75 wait "$runner"
  [ "$(find spool/queue -type f | wc -l)" -eq 3 ]
  jq -se 'all(.spool.tries == null)' spool/queue/*
  for id in $(curl -s "${CIBA_SANDBOX_URL}phone/requests" | jq -r '.[].id'); do
    jq -nc --arg id "$id" '{id: $id, approve: true}' | curl -sf -H 'Content-Type: application/json' -d @- "${CIBA_SANDBOX_URL}phone/decide" > /dev/null
  done
  timeout 60 agent-spool run -w spool -- ciba-authorize -m Buy '|' ciba-poll '|' stock-buy
  [ "$(orders | jq -c 'map(.qty) | sort')" == '[1,2,3]' ]
  [ "$(count /bc-authorize)" -eq 3 ]
}

@test "SIGTERM or SIGINT to all processes of a run: what a stage has begun is waited for, and not lost" {
  local signal runner
  for signal in TERM INT; do
    rm -rf spool begun fifo
    mkfifo fifo
    echo '{"a":1}' | agent-spool add spool
    setsid --wait sh -c 'trap - INT; echo $$ > group; exec agent-spool run spool -- sh -c "trap : INT TERM; cat > given; echo > begun; until read -r x <> fifo; do :; done; jq -c .a=2 given"' 3>&- &
    runner=$!
    await [ -s begun ]
    kill -"$signal" -- "-$(cat group)"
    echo > fifo
    wait "$runner"
    jq -e '.a == 2' spool/done/*
  done
}

@test "a run that is killed while it works on many documents loses none, and buys nothing twice" {
  sandbox --approve yes --delay 0
  orders_in_spool 30
  local runner i
  for i in 3 8 15 25; do
    agent-spool run -w -j 8 --backoff 0.1 spool -- ciba-authorize --expiry 30 -m Buy '|' ciba-poll '|' stock-buy 3>&- &
    runner=$!
    # at a moment that depends on how far it has come
    await bash -c "[ \"\$(grep -c /stocks requests)\" -ge $i ]"
    kill -9 "$runner"
    wait "$runner" || true
  done
  timeout 60 agent-spool run -w -j 8 --backoff 0.1 spool -- ciba-authorize --expiry 30 -m Buy '|' ciba-poll '|' stock-buy
  [ "$(find spool/done -type f | wc -l)" -eq 30 ]
  [ "$(orders | jq -c 'map(.qty) | sort')" == "$(jq -nc '[range(1; 31)]')" ]
}

@test "--stage-timeout ends a stage that has a document for longer, and others go on" {
  printf '{"slow":true}\n{}\n' | agent-spool add spool > names
  run agent-spool run -j 2 --stage-timeout 1 spool -- sh -c 'read -r line; case $line in *slow*) exec tail -f /dev/null ;; esac; echo "$line"'
  [ "$status" -eq 75 ]
  jq -e '.spool.reason == "sh: took longer than --stage-timeout: exit status 143"' spool/queue/*
  [ "$(find spool/done -type f | wc -l)" -eq 1 ]
}

@test "retry: failed documents are tried again: those that are named, or all" {
  printf '{"a":1}\n{"a":2}\n{"a":3}\n' | agent-spool add spool > names
  exits 65 agent-spool run spool -- sh -c 'exit 65'
  [ "$(find spool/failed -type f | wc -l)" -eq 3 ]
  agent-spool retry spool "$(sed -n 2p names)"
  [ "$(jq .a spool/queue/*)" -eq 2 ]
  exits 66 agent-spool retry spool no-such-name
  agent-spool retry spool
  agent-spool run -j 3 spool -- cat
  [ "$(find spool/done -type f | wc -l)" -eq 3 ]
  exits 66 agent-spool retry no-such-spool
  [ ! -e no-such-spool ]
}
