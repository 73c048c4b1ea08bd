# shellcheck source=helper.bash
load helper

# The engine of agent-spool over a store in memory (helpers/engine-check.c), which prints each document with its place
# and journal.

# Documents with "a" from 1 to $1, of which the third has the member `hostile`.
documents() {
  jq -nc --argjson n "$1" 'range(1; $n + 1) | {a: .} + (if . == 3 then {hostile: true} else {} end)'
}

@test "a stage that breaks the protocol is ended, and only its document is put off" {
  local mode
  for mode in pour large torn unknown backwards other hello words name 'die' 'exit'; do
    documents 5 | timeout 60 engine-check -j 5 -- cat '|' hostile-stage "$mode" > out 2> err || [ $? -eq 75 ]
    echo "$mode: $(cat out err)"
    jq -se 'map(select(.place == "done").document.a) == [1, 2, 4, 5]' out
    jq -se '.[2] | .place == "queue" and .document.spool.tries == 1 and (.document.spool.reason | startswith("hostile-stage: exit status"))' out
  done
}

@test "a stage that has endlessly much written down is cut off" {
  documents 5 | timeout 60 engine-check -j 5 -- hostile-stage flood > out || [ $? -eq 75 ]
  jq -se 'map(select(.place == "done")) | length == 4' out
  jq -se '.[2] | .place == "queue" and (.document.spool.reason | endswith("it has more written down than a document needs"))' out
  jq -se '.[2].journal | length == 1000' out
}

@test "a stage that says nothing holds up no other document, and the time limit ends it" {
  local mode
  for mode in wait close; do
    documents 5 | timeout 60 engine-check -j 5 -t 1 -- hostile-stage "$mode" > out || [ $? -eq 75 ]
    jq -se 'map(select(.place == "done")) | length == 4' out
    jq -se '.[2].document.spool.reason == "hostile-stage: took longer than -t: exit status 143"' out
  done
}

@test "a stage that never reads makes nobody wait, whatever the size of the documents" {
  jq -nc '{hostile: true, text: ("x" * 1000000)}, {text: ("x" * 1000000)}' > large
  # the second document passes the stage while the first is stuck in it
  timeout 60 engine-check -j 2 -t 2 -- sh -c 'if grep -q hostile; then exec tail -f /dev/null; fi; jq -nc {}' < large > out || [ $? -eq 75 ]
  jq -se 'map(.place) == ["queue", "done"]' out
  jq -se '.[0].document.text | length == 1000000' out
}

@test "what cannot be written down is not done, and the document is put off" {
  a_call > call
  cat call call call | timeout 60 engine-check -j 3 --refuse 1-1 -- tool-run --without-approval --tool buy -- sh -c 'echo >> ran' > out 2> err || [ $? -eq 75 ]
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
  a_call | timeout 60 engine-check --refuse 2-2 -- tool-run --without-approval --tool buy -- sh -c 'echo >> ran' > out || [ $? -eq 75 ]
  cat out
  [ "$(wc -l < ran)" -eq 1 ]
  jq -e '[.journal[].step] == ["execute"]' out
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

@test "a stage of ours is started once, and works on many documents" {
  jq -nc 'range(50) | {a: .}' > fifty
  ASAN_OPTIONS=detect_leaks=0 strace -f -e trace=execve -o trace timeout 60 engine-check -- tool-run --tool buy -- true < fifty > out
  jq -se 'length == 50 and all(.place == "done")' out
  [ "$(grep -c 'execve(.*/tool-run", .* = 0$' trace)" -eq 1 ]
}
