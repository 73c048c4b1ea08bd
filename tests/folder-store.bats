# shellcheck source=helper.bash
load helper

# Does what its arguments say, one after the other: check LINE...
check() {
  printf '%s\n' "$@" | timeout 60 store-check
}
runs='open folder spool runs'

# A spool with these documents; their names are in $names: added JSON...
added() {
  local lines=()
  for document; do lines+=("add $document"); done
  check 'open folder spool adds' "${lines[@]}" commit > added
  mapfile -t names < <(sed -n 's/^name //p' added)
  grep -qx committed added
}

# The documents of a folder without what the spool adds, by name.
documents() {
  find "spool/$1" -type f | sort | xargs -r cat | jq -c 'del(.spool)'
}
# The keys of the entries that a document has with it: entries FILE
entries() {
  jq -r '.spool.journal.entries[]? | fromjson.key' "$1"
}

# Runs store-check, with a script on its stdin, with a fault: faulty KIND AT
faulty() {
  head -c 16 /dev/zero > counter
  setsid -w env FAULT_COUNTER=counter FAULT_AT="$2" FAULT_KIND="$1" FAULT_LOG=call \
    LD_PRELOAD="$(dirname "$(command -v agent-spool)")/tests/faults.so" timeout 60 store-check
}
can_preload() {
  [[ $(command -v agent-spool) != */asan/* ]] || skip "the sanitizer cannot be preloaded over"
}

@test "a document is there for others from its commit on, whole, and its name sorts by time" {
  check 'open folder spool adds' 'add {"a":1}' 'add {"a":2}'
  empty spool/queue spool/tmp
  added '{"a":1}' '{"a":2}'
  [ "$(documents queue | sort)" == $'{"a":1}\n{"a":2}' ]
  [ "$(stat -c %a spool/queue/* | sort -u)" == 600 ]
  [[ ${names[0]} == "$(date -u +%Y%m%dT)"* ]]
  jq -e '.spool.added_at' "spool/queue/${names[0]}"
}

@test "a run has the longest due first, and what another has put back with its journal" {
  added '{"a":1}' '{"a":2}' '{"a":3}'
  touch -d '2020-01-01' "spool/queue/${names[2]}"
  touch -d '2021-01-01' "spool/queue/${names[0]}"
  run check "$runs" confine 'take 2' 'entry - {"step":"ask","key":"k"}' 'put_back - queue 0 {"a":11}' commit close
  [[ ${lines[2]} == "took ${names[2]} "*'[]' ]]
  [[ ${lines[3]} == "took ${names[0]} "*'[]' ]]
  run check "$runs" 'take 3' 'put_back - queue 100 {"a":11}' commit 'take 3' due
  [[ $output == *"took ${names[0]} "*'"a":11'*' [{"step":"ask","key":"k"}]'* ]]
  [ "${lines[-2]}" == "took none" ]
  [ "${lines[-1]}" == "due later" ]
  [ "$(stat -c %Y "spool/queue/${names[0]}")" -gt "$(date +%s)" ]
  empty spool/log spool/lock spool/tmp
}

@test "done and failed: where it was put, without a journal if it is done; list does not see the journal" {
  added '{"a":1}' '{"a":2}'
  run check "$runs" 'take 2' 'entry - {"step":"ask","key":"k"}' 'put_back - done 0 {"a":1}' \
    commit 'entry - {"step":"ask","key":"l"}' 'put_back - failed 0 {"a":2}' commit 'each failed' 'each done' due
  [[ $output == *'has '*' {"a":2,"spool":{}}'*end*'has '*' {"a":1}'* ]]
  [[ $output == *"due none" ]]
  [ "$(cat spool/done/*)" == '{"a":1}' ]
  [ "$(entries spool/failed/*)" == l ]
  empty spool/queue spool/log
  run check 'open folder spool adds' retry 'retry x'
  [[ $output == *'retried 1'*'error x: '* ]]
  run check "$runs" 'take 1'
  [[ $output == *'[{"step":"ask","key":"l"}]' ]]
}

@test "done: in the file that it had in the queue, unless that has another name too" {
  added '{"a":1}' '{"a":2}'
  ln "spool/queue/${names[1]}" kept
  cp kept before
  local file
  file=$(stat -c %i "spool/queue/${names[0]}")
  check "$runs" 'take 2' "put_back ${names[0]} done 0 {\"a\":1}" "put_back ${names[1]} done 0 {\"a\":3}" commit close
  [ "$(stat -c %i "spool/done/${names[0]}")" == "$file" ]
  [ "$(sort spool/done/*)" == $'{"a":1}\n{"a":3}' ]
  cmp kept before
  empty spool/queue spool/tmp
}

@test "a lock is used again, never over one that somebody has, and none is left, not by a killed run either" {
  added '{"a":1}' '{"a":2}' '{"a":3}'
  touch -d '3 hours ago' "spool/queue/${names[0]}" # in this order, whatever their names
  touch -d '2 hours ago' "spool/queue/${names[1]}"
  touch -d '1 hour ago' "spool/queue/${names[2]}"
  exec {held}> "spool/lock/${names[1]}"
  flock -n "$held"
  run check "$runs" 'take 1' 'put_back - done 0 {"a":1}' commit 'take 2' 'put_back - done 0 {"a":3}' commit crash
  [[ $output == *"took ${names[0]}"*"took ${names[2]}"* && $output != *"took ${names[1]}"* ]]
  [ "$(find spool/lock -type f | wc -l)" == 2 ]
  [ "$(stat -L -c %i "/proc/$BASHPID/fd/$held")" == "$(stat -c %i "spool/lock/${names[1]}")" ]
  exec {held}>&-
  run check "$runs" 'take 3' close
  [[ $output == *"took ${names[1]}"* ]]
  empty spool/lock
}

@test "crash: all that was committed is there in the next run, and nothing else" {
  added '{"a":1}'
  check "$runs" 'take 1' 'entry - {"step":"ask","key":"k"}' commit 'entry - {"step":"asked","key":"l"}' crash
  run check "$runs" 'take 1' 'save - {"a":2}' commit 'save - {"a":3}' crash
  [[ ${lines[1]} == *'"a":1'*' [{"step":"ask","key":"k"}]' ]]
  run check "$runs" 'take 1' 'entry - {"step":"ask","key":"m"}' 'put_back - done 0 {"a":4}' crash
  [[ ${lines[1]} == *'"a":2'*' [{"step":"ask","key":"k"}]' ]]
  run check "$runs" 'take 1' 'put_back - done 0 {"a":5}' commit crash
  [[ ${lines[1]} == *'"a":2'*' [{"step":"ask","key":"k"}]' ]]
  check 'open folder spool adds' # removes the locks of killed processes
  check "$runs"
  [ "$(find spool -type f)" == "spool/done/${names[0]}" ]
  [ "$(cat spool/done/*)" == '{"a":5}' ]
}

@test "a document of a killed run is not taken before that run's log is free: the kernel unlocks one after the other" {
  added '{"a":1}'
  check "$runs" 'take 1' 'entry - {"step":"ask","key":"k"}' commit crash
  run flock spool/log/* bash -c "printf '%s\n' '$runs' 'take 1' due crash | timeout 60 store-check"
  [ "${lines[1]}" == "took none" ]
  run check "$runs" 'take 1'
  [[ ${lines[1]} == *' [{"step":"ask","key":"k"}]' ]]
}

@test "taking up the log of one killed run does not lose what another has committed since, which is killed then" {
  local first second
  added '{"a":1}'
  check "$runs" 'take 1' 'entry - {"step":"ask","key":"k"}' 'put_back - queue 0 {"a":2}' commit crash
  first=$(echo spool/log/*)
  flock "$first" bash -c "printf '%s\n' '$runs' 'take 1' 'entry - {\"step\":\"ask\",\"key\":\"l\"}' commit crash | timeout 60 store-check"
  second=$(find spool/log -type f ! -path "$first")
  run flock "$second" bash -c "printf '%s\n' '$runs' 'take 1' crash | timeout 60 store-check"
  [ "${lines[1]}" == "took none" ]
  no [ -e "$first" ]
  run check "$runs" 'take 1'
  [[ ${lines[1]} == *'"a":2'*' [{"step":"ask","key":"k"},{"step":"ask","key":"l"}]' ]]
}

# What the script below commits is a number, which each commit makes greater: after `committed` number N, a of the
# document is at least N, and its journal has at least N entries.
script() {
  echo "$runs"
  echo 'take 1'
  local i
  for i in 1 2 3; do
    printf '%s\n' "entry - {\"step\":\"ask\",\"key\":\"$i\"}" "save - {\"a\":$i}" commit beat
  done
  printf '%s\n' 'entry - {"step":"ask","key":"4"}' 'put_back - queue 0 {"a":4}' commit 'take 1'
  printf '%s\n' 'entry - {"step":"ask","key":"5"}' 'put_back - failed 0 {"a":5}' commit close
}
# After a crash, and a run that recovers: recovered COMMITTED
recovered() {
  local file a count
  file=$(find spool/queue spool/failed spool/done -type f)
  [ "$(wc -l <<< "$file")" -eq 1 ] || { echo "not one: $file"; return 1; }
  a=$(jq .a "$file")
  count=$(entries "$file" | wc -l)
  { [ "$a" -ge "$1" ] && [ "$count" -eq "$a" ]; } || { echo "a is $a, $count entries, but $1 committed"; return 1; }
  [ "$a" -lt 5 ] || [[ $file == spool/failed/* ]]
  empty spool/log spool/tmp
}

@test "crash: killed at each call that writes, and at each again while that is put right, nothing is lost" {
  can_preload
  added '{"a":0}'
  mv spool first
  local at again committed points=0
  for ((at = 1; ; at++)); do
    rm -rf spool
    cp -a first spool
    script | faulty kill "$at" > out || points=$at
    committed=$(grep -cx committed out) || true
    mv spool crashed
    for again in $((at % 5 + 1)) $((at % 7 + 6)) $((at % 11 + 13)) 99; do
      rm -rf spool
      cp -a crashed spool
      echo "$runs" | faulty kill "$again" > again || true
      check "$runs" > last
      recovered "$committed" || { echo "$at, $again: $(tail -n 2 call)"; return 1; }
    done
    rm -rf crashed
    [ "$points" -eq "$at" ] || break
  done
  [ "$committed" -eq 5 ]
  [ "$points" -gt 30 ]
}

@test "a call that fails loses nothing that was committed, and what was refused did not happen" {
  can_preload
  added '{"a":0}'
  mv spool first
  local kind at committed
  cp -a first spool
  script | FAULT_ORDER=order faulty none 0 | cat > out
  grep -qx closed out
  empty order
  for kind in broken eio enospc short eintr; do
    for ((at = RANDOM % 3 + 1; at < 60; at += 3)); do
      rm -rf spool
      cp -a first spool
      script | faulty "$kind" "$at" > out 2> words || true
      # a refused commit is followed by others: what counts is the last that was committed
      check "$runs" > last
      [ "$(find spool/queue spool/failed spool/done -type f | wc -l)" -eq 1 ] || { echo "$kind $at"; find spool; return 1; }
      committed=$(awk '/^(committed|refused|lost)/ {n++} /^committed/ {last = n} END {print last + 0}' out)
      [ "$(cat spool/{queue,failed}/* 2> /dev/null | jq .a)" -ge "$committed" ] || { echo "$kind $at"; cat out words; return 1; }
      empty spool/log spool/tmp
      cat out >> outcomes
    done
  done
  grep -q '^refused ' outcomes
  grep -q '^lost ' outcomes
}

@test "power cut: the files are brought up from the log, however old, torn or missing they are" {
  added '{"a":0}' '{"b":0}'
  cp -a spool before
  check "$runs" 'take 2' "entry ${names[0]} {\"step\":\"ask\",\"key\":\"1\"}" commit \
    "put_back ${names[0]} queue 0 {\"a\":2}" "put_back ${names[1]} done 0 {\"b\":2}" commit crash
  sed -i -E 's/^(1 [0-9]+) [-0-9a-f]+/\1 00000000-other-boot/' spool/log/*
  mv spool after
  local torn
  for torn in no empty half missing moving; do
    rm -rf spool
    cp -a before spool
    cp -a after/log spool
    case $torn in
      empty) : | tee spool/queue/* spool/done/"${names[1]}" ;;
      half) truncate -s 5 spool/queue/* ;;
      missing) rm spool/queue/* ;;
      moving) echo '{"b":2}' > spool/queue/"${names[1]}" ;; # written, not yet in done
    esac
    check "$runs" || { echo "$torn"; return 1; }
    [ "$(find spool -type f | sort)" == "$(printf '%s\n' "spool/queue/${names[0]}" "spool/done/${names[1]}" | sort)" ]
    [ "$(documents queue) $(documents "done")" == '{"a":2} {"b":2}' ]
    [ "$(entries "spool/queue/${names[0]}")" == 1 ]
  done
}

@test "power cut: one that was worked on comes back whole, though its file was written meanwhile and is empty" {
  added '{"a":0}'
  check "$runs" 'take 1' 'entry - {"step":"execute","key":"1"}' commit beat crash
  : > "spool/queue/${names[0]}"
  check "$runs"
  [ "$(documents queue)" == '{"a":0}' ]
  [ "$(entries "spool/queue/${names[0]}")" == 1 ]
}

@test "a log that ends anywhere counts up to its last whole commit" {
  added '{"a":0}'
  check "$runs" 'take 1' 'save - {"a":1}' commit 'save - {"a":2}' commit crash
  local size second at
  size=$(stat -c %s spool/log/*)
  second=$(grep -abo '^1 [0-9]* ' spool/log/* | tail -n 1 | cut -d: -f1)
  mv spool crashed
  for ((at = second; at <= size; at += at + 7 > size && at < size ? size - at : 7)); do
    rm -rf spool
    cp -a crashed spool
    truncate -s "$at" spool/log/*
    check "$runs"
    [ "$(documents queue)" == "{\"a\":$((at == size ? 2 : 1))}" ]
  done
  rm -rf spool
  cp -a crashed spool
  printf x | dd of="$(echo spool/log/*)" bs=1 seek=$((size - 10)) conv=notrunc status=none
  check "$runs"
  [ "$(documents queue)" == '{"a":1}' ]
}

@test "a log of a later version is refused, and stays" {
  added '{"a":0}'
  check "$runs" 'take 1' 'entry - {"step":"execute","key":"k"}' commit crash
  sed -i 's/^1 /2 /' spool/log/*
  run check "$runs" 'take 1'
  [[ $output == *"was written by a later version of this command"* ]]
  [[ $output != *took* ]]
  sed -i 's/^2 /1 /' spool/log/*
  run check "$runs" 'take 1'
  [[ $output == *'[{"step":"execute","key":"k"}]'* ]]
}

@test "the files are synced before the log goes" {
  added '{"a":0}'
  printf '%s\n' "$runs" 'take 1' 'put_back - done 0 {"a":1}' commit close > lines
  ASAN_OPTIONS=detect_leaks=0 strace -y -e trace=fsync,syncfs,unlink,unlinkat,ftruncate -o trace store-check < lines
  local file gone
  file=$(grep -n "fsync.*spool/done/" trace | cut -d: -f1)
  gone=$(grep -n "unlink.*log/" trace | cut -d: -f1)
  [ "$file" -lt "$gone" ]
  # one sync for a commit of many
  added '{}' '{}' '{}' '{}'
  printf '%s\n' "$runs" 'take 4' "$(printf 'save %s {"a":1}\n' "${names[@]}")" commit crash > lines
  ASAN_OPTIONS=detect_leaks=0 strace -y -e trace=fsync,syncfs -o trace store-check < lines
  [ "$(grep -c 'fsync.*spool/log/' trace)" -eq 1 ]
  [ "$(grep -cv 'spool/log' trace)" -eq 1 ] # and the line of the exit
}

# A store-check to which lines are said, one at a time: begin NAME; say NAME LINE; its output is in the file NAME.
begin() {
  mkfifo "$1.in"
  timeout 100 store-check < "$1.in" > "$1" 2>&1 &
  started+=($!)
}
has() {
  grep -q -- "$2" "$1"
}

@test "two runs: each has what the other has not, and what one leaves by its end or death is free at once" {
  added '{"a":1}' '{"a":2}' '{"a":3}'
  begin one
  begin two
  exec 5> one.in 6> two.in
  printf '%s\n' "$runs" 'take 1' 'save - {"a":10}' 'entry - {"step":"ask","key":"k"}' commit >&5
  await has one committed
  printf '%s\n' "$runs" 'take 9' due >&6
  await has two '^due'
  [ "$(grep -c ^took two)" -eq 2 ]
  local name
  name=$(sed -n 's/^took \([^ ]*\).*/\1/p' one)
  no grep -q "$name" two
  grep -qx 'due later' two
  echo crash >&5
  exec 5>&-
  await gone "${started[0]}"
  more() {
    echo 'take 1' >&6
    has two "took $name"
  }
  await more
  grep -q "took $name .*\"a\":10.* \[{\"step\":\"ask\",\"key\":\"k\"}\]" two
  printf '%s\n' 'put_back - done 0 {"a":11}' commit >&6
  await has two committed
  exec 6>&-
  await gone "${started[1]}"
  [ "$(documents "done")" == '{"a":11}' ]
  [ "$(find spool -type f | wc -l)" -eq 3 ]
}
gone() {
  no kill -0 "$1" 2> /dev/null
}

@test "what comes while a run is open is found, and so is one that is touched" {
  added '{"a":1}'
  begin one
  exec 5> one.in
  printf '%s\n' "$runs" watch confine 'take 1' 'put_back - queue 1000 {"a":2}' commit 'take 1' >&5
  await has one 'took none'
  grep -qx watches one
  added '{"a":3}'
  printf '%s\n' 'wait 50' 'take 1' >&5
  await has one 'took .*"a":3'
  touch "$(grep -l '"a":2' spool/queue/*)"
  printf '%s\n' 'wait 50' 'take 1' >&5
  await has one 'took .*"a":2'
  exec 5>&-
}

@test "a full disk: the commit is refused, nothing of it happened, and the run goes on when there is room" {
  added '{"a":0}'
  run check "$runs" 'take 1' 'save - {"a":1}' commit 'limit 100' 'entry - {"step":"ask","key":"k"}' 'save - {"a":2}' commit \
    'put_back - done 0 {"a":3}' commit 'add {"b":1}' 'limit 0' 'entry - {"step":"ask","key":"l"}' 'put_back - failed 0 {"a":4}' commit close
  echo "$output"
  [ "$(grep -c '^refused log/.*: File too large' <<< "$output")" -eq 2 ]
  [ "$status" -eq 0 ]
  [ "$(documents failed)" == '{"a":4}' ]
  [ "$(entries spool/failed/*)" == l ]
  empty spool/log spool/tmp
}

@test "a full disk when the documents' files are written: they are in the log, and the next run writes them" {
  local text
  text=$(head -c 3000 /dev/zero | tr '\0' x)
  added '{"a":0}'
  run check "$runs" 'take 1' "save - {\"a\":\"$text\"}" commit 'limit 1000' close
  [ "$status" -eq 0 ]
  [[ $output == *"in the spool's log"* ]]
  [ "$(documents queue)" == '{"a":0}' ]
  check "$runs"
  [ "$(documents queue)" == "{\"a\":\"$text\"}" ]
  empty spool/log spool/tmp
}

@test "what somebody removes, or takes back from failed, stays so after a crash" {
  added '{"a":1}' '{"b":1}' '{"c":1}'
  begin one
  exec 5> one.in
  printf '%s\n' "$runs" 'take 3' "put_back ${names[0]} done 0 {\"a\":2}" "put_back ${names[1]} failed 0 {\"b\":2}" \
    "put_back ${names[2]} queue 0 {\"c\":2}" commit >&5
  await has one committed
  rm "spool/done/${names[0]}" "spool/queue/${names[2]}"
  mv "spool/failed/${names[1]}" spool/queue
  echo crash >&5
  exec 5>&-
  await gone "${started[0]}"
  check "$runs"
  [ "$(find spool -type f)" == "spool/queue/${names[1]}" ]
}

@test "spent approvals: used once, in whichever spool; what is not known is a no" {
  export CIBA_SPENT=$PWD/spent
  added '{}'
  local record=spent/1900000000-k
  run check "$runs" 'take 1' 'spend - 1900000000-k k me' 'spend - 1900000000-k k you' commit
  [ "$(grep ^spend <<< "$output" | sort)" == $'spend 1900000000-k now\nspend 1900000000-k unknown' ]
  [ "$(jq -c '[.format, .step, .key, .claim, (.time | type)]' $record)" == '[1,"execute","k","me","number"]' ]
  run check "$runs" 'take 1' 'spend - 1900000000-k k you' commit
  [[ $output == *'spend 1900000000-k unknown'* ]]
  # the same execution may go on; it perhaps used it before
  run check "$runs" 'take 1' 'spend - 1900000000-k k me' commit 'spent - 1900000000-k k me not_used' commit
  [[ $output == *'spend 1900000000-k now again'* ]]
  [ "$(wc -l < $record)" -eq 1 ]
  run check "$runs" 'take 1' 'spend - 1900000000-k k me' commit 'spent - 1900000000-k k me used' commit 'spend - 1900000000-k k me' commit \
    'spend - 1900000000-k k you' commit
  [ "$(grep ^spend <<< "$output")" == $'spend 1900000000-k now again\nspend 1900000000-k unknown\nspend 1900000000-k before' ]
  [ "$(jq -r .step $record)" == $'execute\nexecuted' ]
  # one that was not used may be used
  run check "$runs" 'take 1' 'spend - never-k k me' commit 'spent - never-k k me not_used' commit 'spend - never-k k you' commit
  [ "$(grep ^spend <<< "$output")" == $'spend never-k now\nspend never-k now' ]
  # somebody else has the record
  run flock $record bash -c "printf '%s\n' '$runs' 'take 1' 'spend - 1900000000-k k you' commit | store-check"
  [[ $output == *'spend 1900000000-k unknown'* ]]
  run check "$runs" 'take 1' 'spend - ../x k you' 'spend - .x k you' commit
  [ "$(grep -c 'unknown$' <<< "$output")" -eq 2 ]
  [ "$(find . -name x)" == "" ]
}

@test "spent approvals: an end that is late, as somebody had the record, ends no later use" {
  added '{"a":0}'
  local record=$XDG_STATE_HOME/ciba-tools/spent/never-k
  coproc CHECK { timeout 60 store-check; }
  started+=("$CHECK_PID")
  # what comes of LINE...
  said() {
    local line
    printf '%s\n' "$@" due >&"${CHECK[1]}"
    while read -r line <&"${CHECK[0]}" && [[ $line != due* ]]; do echo "$line"; done
  }
  [[ $(said "$runs" 'take 1' 'spend - never-k k me' commit) == *'spend never-k now'* ]]
  exec 5< "$record"
  flock 5
  [ "$(said 'spent - never-k k me not_used' commit)" == committed ]
  exec 5<&-
  [[ $(said 'spend - never-k k me' commit) == *'spend never-k now'* ]]
  [ "$(said 'spent - never-k k me used' commit)" == committed ]
  [[ $(said 'spend - never-k k you' commit) == *'spend never-k before'* ]]
}

@test "spent approvals: the end of a use outlives a crash before it is in the record" {
  export CIBA_SPENT=$PWD/spent
  added '{}'
  check "$runs" 'take 1' 'spend - never-k k me' commit
  flock spent/never-k bash -c "printf '%s\n' '$runs' 'take 1' 'spent - never-k k me used' commit crash | store-check"
  [ "$(wc -l < spent/never-k)" -eq 1 ]
  flock spent/never-k bash -c "printf '%s\n' '$runs' crash | store-check"
  [ "$(wc -l < spent/never-k)" -eq 1 ]
  check "$runs"
  [ "$(jq -r .step spent/never-k)" == $'execute\nexecuted' ]
  empty spool/log
}

@test "the spool of an earlier version is gone on with: each journal, unless a command has it; a bad one fails" {
  added '{"a":1}' '{"a":2}' '{"a":3}'
  printf '%s\n' '{"format":1,"step":"generation","key":"0123456789abcdef"}' '{"step":"ask","key":"k","time":1}' \
    '{"format":1,"step":"asked","key":"k","time":2}' > "spool/journal/${names[0]}"
  printf '{"torn' >> "spool/journal/${names[0]}"
  echo '{"format":1,"step":"ask","key":"l","time":1}' > "spool/journal/${names[1]}"
  echo '{"format":2,"step":"ask","key":"l","time":1}' > "spool/journal/${names[2]}"
  chmod 600 spool/journal/*
  run flock "spool/journal/${names[1]}" bash -c "printf '%s\n' '$runs' 'take 9' 'take 9' due crash | store-check"
  echo "$output"
  [[ $output == *"took ${names[0]} "*'[{"step":"ask","key":"k","time":1},{"format":1,"step":"asked","key":"k","time":2}]'* ]]
  [[ $output == *"error 65 "*"spool/journal/${names[2]}: was written by a later version"* ]]
  [[ $output != *"took ${names[1]} "* ]]
  [[ $output == *"due later" ]]
  [ -e "spool/failed/${names[2]}" ]
  [ ! -e "spool/journal/${names[0]}" ]
  run check "$runs" 'take 9'
  [[ $output == *"took ${names[0]} "*'"asked"'* ]]
  [[ $output == *"took ${names[1]} "*'[{"format":1,"step":"ask","key":"l","time":1}]'* ]]
}

@test "what does not belong into a queue holds up nothing" {
  added '{"a":1}'
  mkdir spool/queue/folder
  mkfifo spool/queue/fifo
  ln -s /etc/passwd spool/queue/link
  ln -s missing spool/queue/dangling
  printf '{"a":' > spool/queue/broken
  printf '[1]' > spool/queue/array
  printf '{"spool":{"journal":{"version":1,"entries":["x"]}}}' > spool/queue/journal
  truncate -s 70M spool/queue/large
  run check "$runs" 'take 9' 'take 9' 'take 9' 'take 9' 'take 9' due
  echo "$output"
  [ "$(grep -c '^error 65' <<< "$output")" -eq 4 ]
  [ "$(grep -c '^took [^n]' <<< "$output")" -eq 1 ]
  [ "${lines[-1]}" == "due none" ]
  [ "$(find spool/failed -type f -printf '%f\n' | sort | xargs)" == "array broken journal large" ]
  [ -p spool/queue/fifo ]
  [ -L spool/queue/link ]
}

@test "what a run leaves stays as it is, and comes again when it has changed" {
  added '{"mcp":{}}'
  local before
  before=$(stat -c %y "spool/queue/${names[0]}")
  run check "$runs" 'take 1' 'leave -' 'take 1' due
  [ "${lines[2]}" == "took none" ]
  [ "${lines[3]}" == "due none" ]
  [ "$(stat -c %y "spool/queue/${names[0]}")" == "$before" ]
  empty spool/lock
  begin one
  exec 5> one.in
  printf '%s\n' "$runs" 'take 1' 'leave -' 'take 1' >&5
  await has one 'took none'
  touch "spool/queue/${names[0]}"
  printf '%s\n' 'wait 50' 'take 1' >&5
  await eval '[ "$(grep -c "took 2" one)" -eq 2 ]'
  exec 5>&-
}

@test "many documents that wait: a run that has nothing to do looks at none; what is new is found" {
  local i
  for ((i = 0; i < 1200; i++)); do echo "add {\"a\":$i}"; done > lines
  { echo 'open folder spool adds'; cat lines; echo commit; } | store-check > added
  find spool/queue -type f -exec touch -d '+1 hour' {} +
  check "$runs" 'take 1' due > out
  [ "$(tail -n 1 out)" == "due later" ]
  [ -e spool/due ]
  printf '%s\n' "$runs" 'take 1' due > lines
  ASAN_OPTIONS=detect_leaks=0 strace -y -e trace=getdents64 -o trace store-check < lines > out
  [ "$(tail -n 1 out)" == "due later" ]
  no grep -q '/queue>' trace
  added '{"b":1}'
  run check "$runs" 'take 2' due
  [[ ${lines[1]} == *'"b":1'* ]]
  run check "$runs" 'take 2' 'put_back - done 0 {"b":2}' commit due
  [ "${lines[-1]}" == "due later" ]
  # after that too
  ASAN_OPTIONS=detect_leaks=0 strace -y -e trace=getdents64 -o trace store-check < lines > out
  [ "$(tail -n 1 out)" == "due later" ]
  no grep -q '/queue>' trace
  # all of them come when they are due, though they are only in the index
  sed -i -E '1s/ [0-9.]+$/ 1.0/; 2s/^[0-9.]+ /1.0 /' spool/due
  run check "$runs" 'take 2'
  [ "$(grep -c '^took' <<< "$output")" -eq 1 ]
  [[ $output == *'"a":'* ]]
}

@test "the folders of a spool that is missing are made to add, and not to run: 66" {
  run check "$runs"
  [ "$status" -eq 66 ]
  [ ! -e spool ]
  run check 'open folder spool lists'
  [ "$status" -eq 66 ]
  added '{}'
  ln -s /tmp spool/log
  run check "$runs"
  [ "$status" -eq 78 ]
}
