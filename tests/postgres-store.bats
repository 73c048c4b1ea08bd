# A spool in PostgreSQL (lib/agent/postgres_store.c), driven by store-check, with a server that is killed, cut off and
# lied to.
load helper
load postgres.bash

setup_file() {
  postgres_setup
}

teardown_file() {
  postgres_teardown
}

setup() {
  common_setup
  postgres=""
  declare -gA inputs=()
  pids=()
  export CIBA_SPOOL_KEY=a-key-of-32-bytes-or-so-for-tests
  [ -z "$postgres_missing" ] || skip "$postgres_missing"
}

teardown() {
  local pid
  for pid in "${started[@]}"; do kill -CONT "$pid" 2> /dev/null || true; done
  for pid in "${started[@]}"; do kill "$pid" 2> /dev/null || true; done
  postgres_stop
}

# A server with a spool.
spool() {
  postgres_start
  check "init $url" > made
}

# What the lines do, one after the other: check LINE...
check() {
  printf '%s\n' "$@" | store-check
}

# A process that takes lines while it lives: begin NAME LINE...
begin() {
  mkfifo "$1.in"
  store-check < "$1.in" > "$1.out" 2> "$1.err" 3>&- &
  started+=($!)
  eval "pid_$1=$!"
  local line name=$1 input
  exec {input}> "$1.in"
  inputs[$1]=$input
  shift
  for line in "$@"; do say "$name" "$line"; done
}

# The process does that: say NAME LINE
say() {
  echo "$2" >&"${inputs[$1]}"
}

# Waits for these processes: helper.bash has others in the background.
all_end() {
  local pid
  for pid in "$@"; do wait "$pid"; done
}

# No more lines for it: it closes its store, and ends.
hang_up() {
  local input=${inputs[$1]}
  exec {input}>&-
}

lines() {
  wc -l < "$1.out"
}

more() {
  [ "$(lines "$1")" -gt "$2" ]
}

# The same, and prints what it answers: ask NAME LINE
ask() {
  local before
  before=$(lines "$1")
  say "$1" "$2"
  await more "$1" "$before"
  tail -n "+$((before + 1))" "$1.out"
}

# A worker with a confined process: worker NAME [LINE...]
worker() {
  begin "$@" "open postgresql ${worker_url:-$url} runs" confine
  await grep -q ^confined "$1.out"
}

# So many documents without a token: add COUNT
add() {
  local i
  { echo "open postgresql $url adds"; for ((i = 1; i <= $1; i++)); do echo "add {\"i\":$i}"; done; echo commit; } | store-check > added
  grep -q ^committed added
}

@test "init makes the schema, once; migrates one of version 0; and leaves one of a later version alone" {
  postgres_start
  exits 66 check "open postgresql $url adds" > out
  grep -q 'agent-spool init makes it' out
  [ "$(check "init $url")" = "made 0 2" ]
  [ "$(check "init $url")" = "made 2 2" ]
  add 1
  sql "CREATE SCHEMA old; CREATE TABLE old.schema_version (version integer PRIMARY KEY, made timestamptz NOT NULL DEFAULT now())"
  [ "$(check "init $url&schema=old")" = "made 0 2" ]
  check "open postgresql $url&schema=old runs" "take 1" > out
  grep -q '^took none' out
  sql "INSERT INTO ciba.schema_version VALUES (3)"
  exits 78 check "open postgresql $url adds" > out
  grep -q 'later version' out
  exits 78 check "init $url" > out
  grep -q 'later version' out
}

@test "several inits at once make one schema" {
  postgres_start
  for i in 1 2 3 4; do check "init $url" > "made$i" 2>&1 3>&- & pids+=($!); done
  all_end "${pids[@]}"
  [ "$(sort ./made? | uniq -c | awk '{print $1, $2, $3, $4}' | sort | tr '\n' ,)" = "1 made 0 2,3 made 2 2," ]
}

@test "what was added is taken in its order, kept with its journal, and the journal goes when it is done" {
  spool
  add 3
  check "open postgresql $url runs" confine "take 2" 'entry - {"step":"ask","n":1}' 'entry - {"step":"asked","n":2}' 'save - {"i":2,"s":1}' commit > out
  [ "$(grep -c "^took 2" out)" -eq 2 ]
  check "open postgresql $url runs" "take 3" 'put_back - queue 100 {"i":3}' commit due > out
  grep -q '^took .* {"i":1,.*} \[\]$' out
  grep -q '^took .* {"i":2,"s":1} \[{"step":"ask","n":1},{"step":"asked","n":2}\]$' out
  [ "$(tail -n 1 out)" = "due later" ]
  check "open postgresql $url runs" "take 5" 'put_back - done 0 {"d":1}' commit due "take 5" "each done" > out
  [ "$(grep -c "^took 2" out)" -eq 2 ]
  grep -q '^has .* {"d":1}' out
  sql "SELECT count(*) FROM ciba.journal j JOIN ciba.documents d USING (name) WHERE place = 'done'" > out
  [ "$(cat out)" -eq 0 ]
}

@test "two workers never have the same document, and together they have them all" {
  spool
  add 300
  for i in a b c; do
    { echo "open postgresql $url runs"; for ((n = 0; n < 60; n++)); do echo "take 5"; done; sleep 1; } | store-check > "$i.out" 3>&- & # lint: so that all have begun before the first gives up
    pids+=($!)
  done
  all_end "${pids[@]}"
  cat ./?.out | grep '^took 2' | cut -d' ' -f2 | sort > taken
  [ "$(wc -l < taken)" -eq 300 ]
  [ "$(sort -u taken | wc -l)" -eq 300 ]
}

# b takes over the document that has these words: takes_over WORDS
takes_over() {
  [ "$(ask b beat)" = beat ] || return 1
  ask b "take 1" | grep -q "$1"
}

@test "a worker that was stopped for longer than the timeout is given up, and writes nothing any more" {
  spool
  add 1
  worker a "timeout 5"
  worker b "timeout 5"
  ask a "take 1" | grep -q '"i":1'
  say a 'entry - {"step":"ask","by":"a"}'
  [ "$(ask a commit)" = committed ]
  kill -STOP "$pid_a"
  [ "$(ask b "take 1")" = "took none" ]
  [ "$(ask b due)" = "due later" ]
  await takes_over '"by":"a"'
  kill -CONT "$pid_a"
  say a 'entry - {"step":"execute","by":"a"}'
  say a 'audit - always [{"event":"executed"}]'
  say a 'spend - never-k k c'
  ask a commit | grep -q '^lost .*given up'
  say b 'entry - {"step":"execute","by":"b"}'
  [ "$(ask b commit)" = committed ]
  [ "$(sql "SELECT string_agg(entry::json->>'by', ',' ORDER BY number) FROM ciba.journal")" = a,b ]
  [ "$(sql "SELECT (SELECT count(*) FROM ciba.audit) + (SELECT count(*) FROM ciba.spent)")" -eq 0 ]
  ask a beat | grep -q ^lost
}

# Whether the worker takes the document that waits for a poll, and if so puts it back for one: polls NAME
polls() {
  if [ "$(ask "$1" "take 9")" = "took none" ]; then return 1; fi
  say "$1" "put_back - queue 0.01 $waits"
  [ "$(ask "$1" commit)" = committed ]
  read -rt 0.05 <> <(:) || true # lint: it is due again
}

@test "what only waits for a poll is polled by one worker, by another when that is gone, and by any when it is late" {
  spool
  poll_patience
  waits='{"i":1,"calls":[{"id":"c","name":"buy","authorization":{"status":"pending"}}]}'
  asks='{"i":2,"calls":[{"id":"c","name":"buy"},{"id":"d","name":"buy","authorization":{"status":"pending"}}]}'
  worker a "timeout 5"
  worker b "timeout 60"
  worker c "timeout 60"
  [ "$(ask b "take 1") $(ask a "take 1") $(ask c "take 1")" = "took none took none took none" ]
  add 1
  ask a "take 1" | grep -q '"i":1'
  say a "put_back - queue 0.01 $waits"
  [ "$(ask a commit)" = committed ]
  read -rt 0.05 <> <(:) || true # lint: it is due
  for i in {1..5}; do
    no polls a
    no polls c
    polls b
  done
  [ "$(ask a due) $(ask c due) $(ask b due)" = "due later due later due now" ]
  # What is new, or has another call to ask about, is anybody's.
  add 1
  ask c "take 9" | grep -q '"added_at"' # the other one has none
  say c "put_back - queue 0.01 $asks"
  [ "$(ask c commit)" = committed ]
  await takes a '"i":2'
  # It ends: the first of the others follows.
  say b close
  await polls a
  no polls c
  # It is killed: when it is given up, another one follows.
  kill -KILL "$pid_a"
  sql "UPDATE ciba.documents SET due = now() + interval '1 hour' WHERE lane = 'polls'"
  follows() {
    ask c beat > /dev/null
    ask c "take 9" > /dev/null
    [ "$(sql "SELECT string_agg(timeout::text, ' ') FROM ciba.holders WHERE polls")" = 00:01:00 ]
  }
  no follows
  await follows
  sql "UPDATE ciba.documents SET due = now() WHERE lane = 'polls'"
  polls c
  # It lives, but is busy: what is late is polled by any.
  worker d
  [ "$(ask d "take 9")" = "took none" ]
  sql "UPDATE ciba.documents SET due = now() - interval '6 minutes' WHERE lane = 'polls'"
  polls d
}

takes() {
  ask "$1" "take 9" | grep -q "$2"
}

@test "a worker that was killed is given up after its timeout, and one that ended at once" {
  spool
  add 2
  worker a "timeout 5"
  ask a "take 1" | grep -q '"i":1'
  kill -KILL "$pid_a"
  check "open postgresql $url runs" "take 1" close > out
  grep -q '"i":2' out
  check "open postgresql $url runs" "take 2" close > out
  [ "$(grep -c "^took 2" out)" -eq 1 ]
  worker b
  await takes_over '"i":1'
}

# A worker whose connection goes through cut-proxy: cut_worker SIGNAL; then all of a document's kinds of writing
proxy() {
  mkdir proxy
  cut-proxy "$PWD/proxy/.s.PGSQL.5432" "$postgres/.s.PGSQL.5432" > cuts 3>&- &
  proxy_pid=$!
  started+=($!)
  await grep -q listening cuts
  worker_url="postgresql://postgres@/postgres?host=$PWD/proxy"
}

# A commit goes through, so that the connection has all statements prepared and the next thing it sends is a commit.
first_commit() {
  say a 'entry - {"step":"ask"}'
  [ "$(ask a commit)" = committed ]
}

written_once() {
  [ "$(sql "SELECT count(*) FROM ciba.journal WHERE entry::json->>'step' = 'execute'")" -eq 1 ]
  [ "$(sql "SELECT count(*) FROM ciba.audit")" -eq 1 ]
  [ "$(sql "SELECT state, perhaps FROM ciba.spent")" = "begun|f" ]
}

write_everything() {
  say a 'entry - {"step":"execute"}'
  say a 'save - {"i":1,"saved":true}'
  say a 'audit - always [{"event":"executing"}]'
  say a 'spend - never-k k c'
}

@test "a commit whose answer is lost is neither lost nor made twice, and its answers are known" {
  spool
  add 1
  proxy
  worker a
  ask a "take 1" | grep -q '"i":1'
  first_commit
  write_everything
  kill -USR1 "$proxy_pid"
  ask a commit > answer
  grep -qx 'spend never-k now' answer
  await grep -qx committed a.out
  grep -q cut cuts
  written_once
  say a 'put_back - done 0 {"i":1}'
  [ "$(ask a commit)" = committed ]
}

@test "a commit that does not reach the server is made again" {
  spool
  add 1
  proxy
  worker a
  ask a "take 1" | grep -q '"i":1'
  first_commit
  write_everything
  kill -USR2 "$proxy_pid"
  ask a commit > answer
  grep -qx 'spend never-k now' answer
  grep -q cut cuts
  written_once
}

waits() {
  [ "$(sql "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")" -ge "$1" ]
}

# The server goes on with what a connection has left behind.
@test "a commit that is still under way at the server when its connection is lost is made once" {
  spool
  add 1
  proxy
  worker a
  ask a "take 1" | grep -q '"i":1'
  first_commit
  write_everything
  mkfifo holds
  psql -Xq -h "$postgres" -U postgres -d postgres < holds > held 3>&- &
  started+=($!)
  exec {hold}> holds
  echo "BEGIN; LOCK TABLE ciba.audit_head; SELECT 'locked';" >&"$hold"
  await grep -q locked held
  kill -HUP "$proxy_pid"
  before=$(lines a)
  say a commit
  await grep -q cut cuts
  await waits 2 # the one left behind waits for the lock, and the new one for that
  echo "COMMIT;" >&"$hold"
  await more a "$before"
  await grep -qx committed a.out
  written_once
}

@test "a take whose answer is lost leaves nothing behind that nobody has" {
  spool
  add 4
  proxy
  worker a
  ask a "take 1" | grep -q '"i":1'
  kill -USR1 "$proxy_pid"
  ask a "take 1" | grep -q ^took
  grep -q cut cuts
  [ "$(sql "SELECT count(*) FROM ciba.documents WHERE holder IS NOT NULL")" -eq 2 ]
  check "open postgresql $url runs" "take 3" > out
  [ "$(grep -c "^took 2" out)" -eq 2 ]
}

@test "the server is killed and started again: what was written is there, and the workers go on" {
  spool
  add 20
  worker a
  worker b
  ask a "take 1" > /dev/null
  ask b "take 1" > /dev/null
  for i in 1 2 3; do
    say a "entry - {\"step\":\"ask\",\"n\":$i}"
    say b "entry - {\"step\":\"ask\",\"n\":$i}"
    postgres_kill
    say a commit
    say b commit
    postgres_up
    committed_both() { [ "$(cat a.out b.out | grep -c ^committed)" -eq $((2 * i)) ]; }
    await committed_both
  done
  [ "$(sql "SELECT string_agg(entry::json->>'n', '' ORDER BY name, number) FROM ciba.journal")" = 123123 ]
  ask a "take 20" | grep -c ^took > taken
  [ "$(cat taken)" -ge 1 ]
}

@test "a server that stays away costs a worker its documents, and nothing waits for ever" {
  spool
  add 1
  worker a "timeout 5"
  ask a "take 1" > /dev/null
  say a 'entry - {"step":"ask"}'
  postgres_kill
  ask a commit | grep -q '^lost .*'
  ask a beat | grep -q ^lost
  postgres_up
  [ "$(sql "SELECT count(*) FROM ciba.journal")" -eq 0 ]
}

@test "a server that has lost what it confirmed, as a standby that was behind, is noticed" {
  spool
  add 1
  worker a
  ask a "take 1" > /dev/null
  say a 'entry - {"step":"ask"}'
  [ "$(ask a commit)" = committed ]
  sql "UPDATE ciba.workers SET written = 0; SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'agent-spool'" > /dev/null
  say a 'entry - {"step":"execute"}'
  ask a commit | grep -q '^lost .*has lost what it had confirmed'
  [ "$(sql "SELECT count(*) FROM ciba.journal")" -eq 1 ]
}

@test "what the server refuses leaves documents and journals as they were" {
  spool
  add 1
  worker a
  ask a "take 1" > /dev/null
  sql "ALTER TABLE ciba.journal ADD CHECK (entry NOT LIKE '%refuse%')"
  say a 'entry - {"step":"refuse"}'
  say a 'put_back - done 0 {"lost":true}'
  ask a commit | grep -q ^refused
  say a 'entry - {"step":"ask"}'
  [ "$(ask a commit)" = committed ]
  hang_up a
  await gone "$pid_a"
  check "open postgresql $url runs" "take 1" > out
  grep -q '^took .* {"i":1,"spool":{"added_at":[0-9]*}} \[{"step":"ask"}\]$' out
}

@test "tokens are nowhere in the clear, and are read again only with the key, and only in their place" {
  spool
  token='{"access_token":"the-secret-ACCESS-token","refresh_token":"the-secret-REFRESH-token"}'
  check "open postgresql $url adds" "add {\"calls\":[{\"token\":$token,\"authorization\":{\"auth_req_id\":\"the-secret-REQUEST\"}}]}" 'add {"calls":[{"token":{"access_token":"x"}}]}' commit > added
  grep -q ^committed added
  check "open postgresql $url runs" "take 1" "entry - {\"step\":\"decided\",\"token\":$token}" "save - {\"calls\":[{\"token\":$token}]}" commit > out
  check "open postgresql $url runs" "take 1" "each queue" > out
  grep -q "^took .*the-secret-ACCESS-token.*the-secret-REFRESH-token.*the-secret-ACCESS-token" out
  grep '^has' out > listed
  grep -q encrypted listed
  no grep -q the-secret listed
  sql CHECKPOINT
  no grep -rqa 'the-secret' "$postgres"
  CIBA_SPOOL_KEY=another-key-that-is-wrong-here-too exits 78 check "open postgresql $url runs" > out
  grep -q 'another key' out
  CIBA_SPOOL_KEY=another-key-that-is-wrong-here-too exits 78 check "open postgresql $url adds" > out
  CIBA_SPOOL_KEY="" exits 78 check "open postgresql $url runs" > out
  grep -q 'CIBA_SPOOL_KEY' out
  CIBA_SPOOL_KEY=short exits 78 check "open postgresql $url runs" > out
  grep -q 'shorter than 32' out
  CIBA_SPOOL_KEY="" check "open postgresql $url adds" 'add {"calls":[{"token":{}}]}' 'add {"calls":[]}' commit > out
  grep -q '^error .*needs the key' out
  grep -q ^name out
  # Another document's token in its place.
  sql "UPDATE ciba.documents SET document = (SELECT document FROM ciba.documents WHERE document LIKE '%encrypted%' ORDER BY name LIMIT 1) WHERE name = (SELECT max(name) FROM ciba.documents WHERE document LIKE '%encrypted%')"
  check "open postgresql $url runs" "take 5" > out 2> err
  [ "$(grep -c "^took 2" out)" -eq 2 ]
  grep -q 'failed: .*cannot be decrypted' err
  [ "$(sql "SELECT count(*) FROM ciba.documents WHERE place = 'failed'")" -eq 1 ]
}

@test "a document that cannot be read fails by itself, and the views are not broken by it" {
  spool
  add 3
  sql "UPDATE ciba.documents SET document = '{\"calls\":[' WHERE document LIKE '%\"i\":1,%'; UPDATE ciba.documents SET document = '{\"calls\":[{\"id\":\"\\u0000\"}]}' WHERE document LIKE '%\"i\":2,%'"
  check "open postgresql $url runs" "take 5" > out 2> err
  [ "$(grep -c "^took 2" out)" -eq 2 ]
  grep -q 'failed: ' err
  check "open postgresql $url lists" "each failed" > out
  grep -q '^has ' out
  [ "$(sql "SELECT count(*) FROM ciba.calls")" -eq 0 ]
  sql "UPDATE ciba.documents SET document = '{\"calls\":[{\"id\":\"c1\",\"name\":\"buy\",\"authorization\":{\"status\":\"pending\",\"expires_at\":\"never\"}}],\"spool\":{\"reason\":\"r\"}}' WHERE document LIKE '%\"i\":3,%'"
  [ "$(sql "SELECT id, tool, status FROM ciba.calls")" = "c1|buy|pending" ]
  [ "$(sql "SELECT reason FROM ciba.troubles")" = r ]
  [ "$(sql "SELECT sum(documents) FROM ciba.places")" -eq 3 ]
}

@test "a worker that waits is woken by what is added, put back due, and retried" {
  spool
  worker a
  worker b
  [ "$(ask a "take 1")" = "took none" ]
  [ "$(ask a due)" = "due none" ]
  add 1
  [ "$(ask a "wait 60")" = readable ]
  [ "$(ask a due)" = "due now" ]
  ask a "take 1" | grep -q '"i":1'
  [ "$(ask b "take 1")" = "took none" ]
  [ "$(ask b "take 1")" = "took none" ]
  say a 'put_back - queue 0 {"i":1,"again":true}'
  [ "$(ask a commit)" = committed ]
  [ "$(ask b "wait 60")" = readable ]
  ask b "take 1" | grep -q '"again":true'
  say b 'put_back - failed 0 {"i":1}'
  [ "$(ask b commit)" = committed ]
  [ "$(ask b "take 1")" = "took none" ]
  [ "$(check "open postgresql $url adds" retry | tail -n 1)" = "retried 1" ]
  [ "$(ask b "wait 60")" = readable ]
}

comes() {
  ask a "take 1" | grep -q '"i":1'
}

@test "what is put off is not taken before, and the server's clock decides" {
  spool
  add 1
  worker a
  ask a "take 1" > /dev/null
  say a 'put_back - queue 2 {"i":1}'
  [ "$(ask a commit)" = committed ]
  [ "$(ask a due)" = "due later" ]
  [ "$(ask a "take 1")" = "took none" ]
  await comes
}

@test "what a worker leaves is others', and its own only after a change" {
  spool
  add 1
  worker a
  ask a "take 1" > /dev/null
  say a 'leave -'
  [ "$(ask a "take 1")" = "took none" ]
  [ "$(ask a due)" = "due none" ]
  check "open postgresql $url runs" "take 1" 'put_back - queue 0 {"changed":true}' commit > out
  grep -q '"i":1' out
  ask a "take 1" | grep -q '"changed":true'
}

spends() {
  say "$1" "spend - 1900000000-k k $2"
  ask "$1" commit | head -n 1 | cut -d' ' -f3-
}

ends() {
  say "$1" "spent - 1900000000-k k $2 $3"
  ask "$1" commit > /dev/null
}

@test "an approval is used once, whichever worker, and a try that perhaps used it stays" {
  spool
  add 2
  worker a
  worker b
  ask a "take 1" > /dev/null
  ask b "take 1" > /dev/null
  [ "$(spends a one)" = now ]
  [ "$(spends b two)" = unknown ]
  ends a one not_used
  [ "$(spends b two)" = now ]
  [ "$(spends b two)" = "now again" ]
  ends b two not_used
  [ "$(spends a one)" = unknown ]
  [ "$(spends b two)" = "now again" ]
  ends b two used
  [ "$(spends a one)" = before ]
  [ "$(spends b two)" = unknown ]
  sql "UPDATE ciba.spent SET expires = now() - interval '2 days'"
  check "open postgresql $url runs" > /dev/null
  [ "$(sql "SELECT count(*) FROM ciba.spent")" -eq 0 ]
}

@test "the audit log is one chain over all workers, with each id once, as audit-verify says" {
  spool
  add 4
  for i in a b c d; do
    { echo "open postgresql $url runs"; echo "take 1"
      for ((n = 0; n < 25; n++)); do printf '%s\n' "audit - once [{\"event\":\"asked\",\"id\":\"$n\"},{\"event\":\"told\",\"text\":\"\\u202e\\\"né \\\\\"}]" commit; done; } | store-check > "$i.out" 3>&- &
    pids+=($!)
  done
  all_end "${pids[@]}"
  [ "$(cat ./?.out | grep -c ^committed)" -eq 100 ]
  sql "SELECT line FROM ciba.audit ORDER BY n" > log
  audit-verify log > verified
  grep -q '^125 ' verified
  [ "$(jq -r 'select(.event == "asked").id' log | sort -u | wc -l)" -eq 25 ]
  sed -i '60s/"event":"/&un/' log
  exits 1 audit-verify log > verified 2>&1
}

@test "a long list is read in pages, by time, whole" {
  spool
  add 450
  big=$(head -c 3000000 /dev/zero | tr '\0' x)
  printf '%s\n' "open postgresql $url adds" "add {\"i\":451,\"big\":\"$big\"}" "add {\"i\":452,\"big\":\"$big\"}" "add {\"i\":453,\"big\":\"$big\"}" commit | store-check > out
  check "open postgresql $url lists" "each queue" > out
  [ "$(grep -c ^has out)" -eq 453 ]
  [ "$(grep -o '"i":[0-9]*' out | cut -d: -f2 | sort -un | wc -l)" -eq 453 ]
  [ "$(tail -n 1 out)" = end ]
}

rows_read() {
  sql "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'documents'"
}

rows_are_counted() {
  [ "$(rows_read)" -ge "$1" ]
}

@test "a long queue, waiting or due, is not read to take what is due first" {
  spool
  sql "INSERT INTO ciba.documents (name, due, document) SELECT 'w' || i, now() + i * interval '1 hour', '{}' FROM generate_series(1, 10000) AS i"
  await rows_are_counted 0
  before=$(rows_read)
  check "open postgresql $url runs" "take 1" due > out
  grep -qx 'due later' out
  sql "UPDATE ciba.documents SET due = due - interval '2 years'; SELECT count(*) FROM ciba.documents" > /dev/null
  await rows_are_counted $((before + 10000)) # of the UPDATE
  before=$(rows_read)
  check "open postgresql $url runs" "take 5" "take 5" due "take 5" > out
  [ "$(grep '^took w' out | cut -d' ' -f2 | tr '\n' ' ')" = "w1 w2 w3 w4 w5 w6 w7 w8 w9 w10 w11 w12 w13 w14 w15 " ]
  await rows_are_counted $((before + 15))
  [ "$(rows_read)" -lt $((before + 1000)) ]
}

@test "retry takes the failed ones that are named, or all; one that is not there is an error" {
  spool
  add 3
  worker a
  ask a "take 3" > /dev/null
  await grep -q '"i":3' a.out
  grep '^took' a.out | cut -d' ' -f2 > names
  while read -r name; do say a "put_back $name failed 0 {}"; done < names
  name=$(head -n 1 names)
  [ "$(ask a commit)" = committed ]
  check "open postgresql $url adds" "retry nobody $name" "each failed" > out
  grep -q '^error nobody: ' out
  [ "$(grep -c '^has' out)" -eq 3 ]
  check "open postgresql $url adds" "retry $name" retry retry > out
  [ "$(grep ^retried out | tr '\n' ,)" = "retried 1,retried 2,retried 0," ]
}

@test "the roles of the page suffice, and each may do no more" {
  spool
  sed -n '/^CREATE ROLE/,/^\.Ed/p' "$project/man/ciba-postgresql.7" | sed '/^\.Ed/d; s/\\-/-/g; s/\\e/\\/g' > roles.sql
  [ "$(wc -l < roles.sql)" -gt 10 ]
  psql -Xq -v ON_ERROR_STOP=1 -h "$postgres" -U postgres -d postgres -f roles.sql
  check "open postgresql ${url/postgres@/ciba_add@} adds" 'add {"i":1,"token":"t"}' commit > out
  grep -q ^committed out
  worker_url=${url/postgres@/ciba_work@}
  worker a
  ask a "take 1" | grep -q '"i":1'
  write_everything
  ask a commit | grep -q 'never-k now'
  say a 'spent - never-k k c used'
  say a 'put_back - failed 0 {"i":1}'
  [ "$(ask a commit)" = committed ]
  [ "$(ask a beat)" = beat ]
  [ "$(ask a retry)" = "retried 1" ]
  ask a "take 1" > /dev/null
  say a 'put_back - done 0 {"i":1}'
  [ "$(ask a commit)" = committed ]
  check "open postgresql ${url/postgres@/ciba_look@} lists" "each done" > out
  grep -q '^has' out
  sql_user=ciba_look sql "SELECT * FROM ciba.calls, ciba.places, ciba.holders, ciba.troubles, ciba.audit" > /dev/null
  for try in "ciba_work|DELETE FROM ciba.audit" "ciba_work|UPDATE ciba.audit SET line = ''" "ciba_work|DROP TABLE ciba.spent" \
    "ciba_work|DELETE FROM ciba.documents" "ciba_add|SELECT document FROM ciba.documents" "ciba_add|UPDATE ciba.documents SET holder = NULL" \
    "ciba_add|SELECT * FROM ciba.journal" "ciba_add|DELETE FROM ciba.workers" "ciba_look|SELECT entry FROM ciba.journal" \
    "ciba_look|UPDATE ciba.documents SET due = now()"; do
    sql_user=${try%%|*} exits 1 sql "${try#*|}" 2> err || { echo "$try"; return 1; }
    grep -q 'permission denied\|must be owner' err
  done
}

said() {
  check "open postgresql $url runs" 2> err > /dev/null || return 1
  grep -q 'synchronous_commit is off' err || return 1
  grep -q 'fsync is off' err
}

reads_only() {
  exits 69 check "open postgresql $url runs" > out || return 1
  grep -q 'name the primary' out
}

@test "a server of no use is said in words: too little, read-only, not there; the password never is" {
  spool
  with_password=${url/postgres@/postgres:the-PASSWORD@}
  exits 69 check "open postgresql ${with_password/ciba-/no-} runs" > out 2>&1
  no grep -q the-PASSWORD out
  exits 78 check "open postgresql postgresql://u:the-PASSWORD%@/x runs" > out 2>&1
  no grep -q the-PASSWORD out
  exits 77 check "open postgresql ${url/postgres@/nobody:the-PASSWORD@} runs" > out 2>&1
  grep -q nobody out
  no grep -q the-PASSWORD out
  exits 78 check "open postgresql ${url/\/postgres\?/\/nothing?} runs" > out
  grep -q nothing out
  exits 78 check "open postgresql $url&schema=Wrong;x runs" > out
  sql "ALTER SYSTEM SET synchronous_commit = off; ALTER SYSTEM SET fsync = off" 2> /dev/null || { sql "ALTER SYSTEM SET synchronous_commit = off"; sql "ALTER SYSTEM SET fsync = off"; }
  sql "SELECT pg_reload_conf()" > /dev/null
  await said
  sql "ALTER SYSTEM SET default_transaction_read_only = on"
  sql "SELECT pg_reload_conf()" > /dev/null
  await reads_only
  check "open postgresql $url lists" "each queue" > out
  grep -q ^end out
}

@test "a synchronous standby that is promoted has all that was confirmed, and the worker goes on with it" {
  spool
  standby_start
  add 2
  worker_url="postgresql://postgres@/postgres?host=$postgres,$postgres&port=5432,5433"
  worker a
  ask a "take 1" > /dev/null
  write_everything
  ask a commit | grep -q 'never-k now'
  say a 'entry - {"step":"executed"}'
  postgres_kill
  before=$(lines a)
  say a commit
  postgres_do pg_ctl -D "$postgres/standby" -w promote > /dev/null
  await more a "$before"
  [ "$(tail -n 1 a.out)" = committed ]
  export sql_port=5433
  written_once
  [ "$(sql "SELECT count(*) FROM ciba.journal")" -eq 2 ]
  ask a "take 1" | grep -q ^took
  check "open postgresql ${worker_url/5432/5439} adds" 'add {"late":1}' commit > out
  grep -q ^committed out
}

waits_for_standby() {
  sql "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'" > waiting || return 1
  [ -s waiting ]
}

@test "a commit whose wait for the standby was cancelled is not answered before the standby has it" {
  spool
  standby_start
  add 1
  worker a
  ask a "take 1" > /dev/null
  standby_stop
  say a 'entry - {"step":"execute"}'
  before=$(lines a)
  say a commit
  await waits_for_standby
  sql "SELECT pg_cancel_backend($(head -n 1 waiting))" > /dev/null
  await grep -q 'canceling wait' a.err
  await waits_for_standby
  [ "$(lines a)" -eq "$before" ]
  standby_start
  await more a "$before"
  [ "$(tail -n 1 a.out)" = committed ]
  [ "$(sql "SELECT count(*) FROM ciba.journal")" -eq 1 ]
}

@test "the server of another machine must have a certificate for its name, from a CA that is known" {
  authority
  certificate db DNS:db.example
  postgres_start
  cp db.key db.pem "$postgres/data"
  postgres_give "$postgres/data"
  tries=0
  until [ "$tries" -eq 20 ] || {
    port=$((20000 + RANDOM % 20000))
    postgres_do pg_ctl -D "$postgres/data" -m fast -w stop > /dev/null || true
    printf '%s\n' "listen_addresses='127.0.0.1'" "port=$port" "ssl=on" "ssl_cert_file='db.pem'" "ssl_key_file='db.key'" >> "$postgres/data/postgresql.conf"
    postgres_up > /dev/null 2>&1
  }; do tries=$((tries + 1)); done
  far="postgresql://postgres@db.example:$port/postgres?hostaddr=127.0.0.1"
  SSL_CERT_FILE=$PWD/ca.pem check "init $far" > out
  grep -q ^made out
  SSL_CERT_FILE=$PWD/ca.pem check "open postgresql $far adds" 'add {"i":1}' commit > out
  worker_url=$far
  SSL_CERT_FILE=$PWD/ca.pem worker a
  ask a "take 1" | grep -q '"i":1'
  sql_port=$port sql "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'agent-spool'" > /dev/null
  say a 'entry - {"step":"ask"}'
  [ "$(ask a commit)" = committed ] # over a new connection, with the rights that are left
  exits 69 check "open postgresql $far runs" > out
  grep -q certificate out
  exits 69 check "open postgresql ${far/db.example/other.example} runs" > out
  SSL_CERT_FILE=$PWD/ca.pem exits 69 check "open postgresql ${far/db.example/other.example} runs" > out
  grep -q 'does not match host name' out
  check "open postgresql $far&sslmode=require runs" > out
  grep -q ^opened out
}
