# agent-spool with a spool in PostgreSQL: the whole flow, with workers and a server that are killed.
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
  export CIBA_SPOOL_KEY=a-key-of-32-bytes-or-so-for-tests
  postgres_start
  agent-spool init "$url"
  stages=(llm-chat '|' ciba-authorize -m 'Do you want to buy \(.qty) shares of \(.ticker)' '|'
    ciba-poll --once '|' stock-buy '|' llm-chat)
}

teardown() {
  local pid
  for pid in "${started[@]}"; do kill "$pid" 2> /dev/null || true; done
  postgres_stop
}

# Runs the spool's stages: flow [OPTION...]
flow() {
  timeout 200 agent-spool run "$@" "$url" -- "${stages[@]}"
}

# Documents that each want so many stocks: spooled QTY...
spooled() {
  local qty
  for qty in "$@"; do
    jq -nc --arg words "Buy $qty stocks of Google" --argjson tool "$(stock-buy --describe)" \
      '{messages: [{role: "user", content: $words}], tools: [$tool]}'
  done | agent-spool add "$url" > names
  [ "$(wc -l < names)" -eq $# ]
}

@test "a document goes through the stages to its end, each stage once, and no token stays" {
  sandbox --approve yes --delay 0
  spooled 3
  flow > log 2>&1
  [ "$(sql "SELECT place, message FROM ciba.documents JOIN ciba.calls USING (name, place)")" = "done|Do you want to buy 3 shares of GOOGL" ]
  [ "$(sql "SELECT document::json->'messages'->-1->>'content' FROM ciba.documents")" = "I bought 3 shares of GOOGL for you." ]
  [ "$(count /bc-authorize) $(count /v1/chat/completions) $(count /stocks)" == "1 2 1" ]
  [ "$(sql "SELECT count(*) FROM ciba.journal")" -eq 0 ]
  [ "$(sql "SELECT count(*) FROM ciba.workers")" -eq 0 ]
  sql "SELECT document FROM ciba.documents" > document
  no grep -q access_token document
  agent-spool list --json "$url" > list
  [ "$(jq -r '.folder + " " + .calls[0].outcome' list)" = "done done" ]
}

@test "a run that finds nothing due ends with 75 if its user has time, and the next goes on" {
  sandbox --approve ask --interval 1
  spooled 3
  exits 75 flow > log 2>&1
  [ "$(sql "SELECT status FROM ciba.calls")" = pending ]
  [ "$(sql "SELECT count(*) FROM ciba.documents WHERE document LIKE '%auth_req_id\":\"%'")" -eq 0 ]
  decide true
  flow -w > log 2>&1
  [ "$(orders)" = '[{"ticker":"GOOGL","qty":3}]' ]
}

@test "a run that ends at once, as cron starts it, goes on with what a killed one had when its time is over" {
  spooled 3
  command agent-spool run "$url" -- sleep 300 > log 2>&1 3>&- &
  started+=($!)
  held() { [ "$(sql "SELECT count(holder) FROM ciba.documents")" = 1 ]; }
  await held
  kill -KILL "${started[-1]}"
  exits 75 agent-spool run "$url" -- cat
  sql "UPDATE ciba.workers SET heartbeat = 'epoch', timeout = '0'"
  agent-spool run "$url" -- jq -c '.calls = []'
  [ "$(sql "SELECT place FROM ciba.documents")" = "done" ]
}

@test "a worker that ends is gone, also if the server refuses that once for a deadlock" {
  sql "CREATE SEQUENCE ciba.tries; CREATE FUNCTION ciba.once() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN IF nextval(''ciba.tries'') = 1 THEN RAISE ''there is a deadlock'' USING ERRCODE = ''40P01''; END IF; RETURN NULL; END';
    CREATE TRIGGER once AFTER DELETE ON ciba.workers FOR EACH ROW EXECUTE FUNCTION ciba.once()"
  agent-spool run "$url" -- cat
  [ "$(sql "SELECT last_value FROM ciba.tries")" -eq 2 ]
  [ "$(sql "SELECT count(*) FROM ciba.workers")" -eq 0 ]
}

# Refuses the first commit with an entry of that step: refuse_once STEP
refuse_once() {
  sql "DROP SEQUENCE IF EXISTS ciba.tries CASCADE; CREATE SEQUENCE ciba.tries; CREATE OR REPLACE FUNCTION ciba.once() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN IF NEW.entry LIKE ''%\"step\":\"$1\"%'' AND nextval(''ciba.tries'') = 1 THEN RAISE ''the disk is full'' USING ERRCODE = ''53100''; END IF; RETURN NULL; END';
    DROP TRIGGER IF EXISTS once ON ciba.journal; CREATE TRIGGER once AFTER INSERT ON ciba.journal FOR EACH ROW EXECUTE FUNCTION ciba.once()"
}

@test "an outcome that the server refuses once is written with the document: nobody is asked again, nothing sent again, and the log has it" {
  local step
  sandbox --approve yes --delay 0
  for step in asked decided executed; do
    refuse_once "$step"
    spooled 3
    flow -w --backoff 0.1 > log 2>&1 || cat log
    [ "$(sql "SELECT last_value FROM ciba.tries")" -ge 1 ]
    grep -q 'the disk is full' log
  done
  [ "$(sql "SELECT DISTINCT place FROM ciba.documents")" = "done" ]
  [ "$(count /bc-authorize) $(count /stocks)" == "3 3" ]
  sql "SELECT line FROM ciba.audit ORDER BY n" > audit
  audit-verify audit
  [ "$(jq -r .event audit | sort | uniq -c | xargs)" = "3 approved 3 asked 3 executed" ]
}

# What it takes to see why documents are not done.
why_not_done() {
  local file
  for file in log.*; do
    echo "--- $file"
    tail -n 25 "$file"
  done
  sql "SELECT now(), name, place, due - now() AS due_in, holder, version, (SELECT string_agg(status, ' ') FROM ciba.calls c WHERE c.name = d.name) FROM ciba.documents d WHERE place <> 'done'"
  sql "SELECT document FROM ciba.documents WHERE place <> 'done' LIMIT 2"
  sql "SELECT name, number, entry, written FROM ciba.journal ORDER BY name, number LIMIT 20"
  sql "SELECT * FROM ciba.holders"
  sql "SELECT id, waiting, turn, written FROM ciba.workers"
  sql "SELECT * FROM ciba.places"
  sql "SELECT * FROM ciba.troubles"
  sql "SELECT pid, state, wait_event, query FROM pg_stat_activity WHERE datname IS NOT NULL"
  pgrep -af agent-spool || true
  tail -n 20 "$postgres/log"
}

@test "three workers are killed again and again, and the server too: nothing is lost, nothing bought twice" {
  sandbox --approve yes --delay 0
  spooled {1..30}
  # Who was perhaps asked when a worker was killed is otherwise asked again only after five minutes.
  stages=("${stages[@]:0:3}" --ask-again "${stages[@]:3}")
  ended() { [ "$(sql "SELECT count(*) FROM ciba.documents WHERE place <> 'done'" 2> /dev/null)" = 0 ]; }
  local i round
  declare -A runner
  for ((round = 0; round < 60; round++)); do
    ! ended || break
    for i in 1 2 3; do
      if [ -z "${runner[$i]:-}" ] || gone "${runner[$i]}"; then
        command agent-spool -v run -w -j 3 --backoff 0.1 --worker-timeout 5 "$url" -- "${stages[@]}" >> "log.$i" 2>&1 3>&- &
        runner[$i]=$!
        started+=($!)
      fi
    done
    read -rt "0.$((RANDOM % 9 + 1))" <> <(:) || true # lint: killed at any moment
    if ((round % 7 == 3)); then
      postgres_kill
      postgres_up
    elif ((round < 40)); then
      kill -KILL "${runner[$((RANDOM % 3 + 1))]}" 2> /dev/null || true
    fi
  done
  # What is left after the last kill is gone on with by one that is not killed.
  command agent-spool -v run -w -j 3 --backoff 0.1 --worker-timeout 5 "$url" -- "${stages[@]}" > log.last 2>&1 3>&- &
  started+=($!)
  await ended || { why_not_done; return 1; }
  [ "$(orders | jq -c 'map(.qty) | sort == [range(1; 31)]')" = true ]
}

# The numbers of the workers that poll next.
pollers() {
  local from
  from=$(wc -l < polled)
  await eval '[ "$(wc -l < polled)" -ge $((from + 16)) ]'
  tail -n "+$((from + 1))" polled | sort -u
}

@test "of three workers one polls for all, and another one when it is killed" {
  sandbox --approve ask --interval 1
  poll_patience
  spooled {1..6}
  local i first second
  declare -A runner
  : > polled
  for i in 1 2 3; do # a stage before the poll writes down who has come so far
    command agent-spool run -w -j 6 --backoff 0.1 --worker-timeout 5 "$url" -- "${stages[@]:0:6}" \
      sh -c "echo $i >> polled; exec cat" '|' "${stages[@]:6}" > "log.$i" 2>&1 3>&- &
    runner[$i]=$!
    started+=($!)
  done
  asked() { [ "$(sql "SELECT count(*) FROM ciba.documents WHERE lane = 'polls'")" = 6 ]; }
  await asked
  first=$(pollers)
  [[ $first == [123] ]]
  kill -KILL "${runner[$first]}"
  await eval "[ \"\$(sql 'SELECT count(*) FROM ciba.workers')\" = 2 ]"
  second=$(pollers)
  [[ $second == [123] ]]
  [ "$second" != "$first" ]
  curl -s "${CIBA_SANDBOX_URL}phone/requests" | jq -c '.[] | {id, approve: true}' |
    while read -r decision; do tell phone/decide <<< "$decision"; done
  await eval "[ \"\$(sql \"SELECT count(*) FROM ciba.documents WHERE place <> 'done'\")\" = 0 ]"
  [ "$(orders | jq -c 'map(.qty) | sort == [range(1; 7)]')" = true ]
}
