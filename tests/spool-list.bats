# shellcheck source=helper.bash
load helper
# shellcheck source=postgres.bash
load postgres

setup_file() {
  postgres_setup
}

teardown_file() {
  postgres_teardown
}

teardown() {
  postgres_stop
}

# A document with a call that was asked so many seconds ago and expires in so many: asked AGO LEFT [JQ]
asked() {
  a_call | jq -c --argjson ago "$1" --argjson left "$2" '.calls[0].authorization = {status: "pending", user: "ann",
    binding_message: "Buy 3?", requested_at: (now - $ago | floor), expires_at: (now + $left | floor), auth_req_id: "r-1"} | '"${3:-.}"
}

# A spool with one document of each state.
four() {
  asked 250 215 | agent-spool add "${1:-spool}" > pending
  asked 90 300 '.calls[0].authorization.status = "approved"' | agent-spool add "${1:-spool}" > queued
  asked 90 300 | agent-spool add "${1:-spool}" > failed
  asked 90 300 '.calls[0].authorization.status = "denied"' | agent-spool add "${1:-spool}" > finished
}
four_in_a_folder() {
  four "${1:-spool}"
  mv "${1:-spool}/queue/$(cat failed)" "${1:-spool}/failed"
  mv "${1:-spool}/queue/$(cat finished)" "${1:-spool}/done"
}

# The screen of a terminal of so many columns: on_terminal COLUMNS COMMAND...
on_terminal() {
  script -qec true /dev/null > /dev/null 2>&1 || skip "there is no pseudo-terminal, or no script(1)"
  TERM=xterm script -qefc "stty cols $1 rows 12; ${*:2}" screen > /dev/null < /dev/null || true
  sed -i '/^Script/d; s/\r//' screen
}

@test "list: under a header who was asked, how long ago, how much time is left, and what came of it; then totals" {
  four_in_a_folder
  agent-spool list spool > listed
  cat listed
  [[ $(head -n 1 listed) == STATE*DOCUMENT*WHO*WHEN*MESSAGE ]]
  [[ $(grep "$(cat pending)" listed) =~ ^pending\ .*\ ann\ +asked\ 4\ min\ ago,\ 3\ min\ [0-9]*\ s\ left\ +Buy\ 3\?$ ]]
  [[ $(grep "$(cat queued)" listed) =~ ^approved\ .*\ ann\ +due\ now ]]
  [[ $(grep "$(cat failed)" listed) =~ ^failed\ .*\ ann\ +failed\ [0-9]+\ s\ ago ]]
  [[ $(grep "$(cat finished)" listed) =~ ^denied\ .*\ ann\ +done\ [0-9]+\ s\ ago ]]
  [ "$(tail -n 1 listed)" == "4 documents: 1 pending, 1 queued, 1 failed, 1 done" ]
  asked 60 -60 | agent-spool add late > name
  [[ $(agent-spool list late) == *"asked 1 min ago, the time is up"* ]]
  touch -d '+3 hours' "late/queue/$(cat name)"
  jq -c '.calls[0].authorization.status = "approved"' "late/queue/$(cat name)" > changed
  cat changed > "late/queue/$(cat name)"
  touch -d '+3 hours' "late/queue/$(cat name)"
  [[ $(agent-spool list late) == *"due in 2 h 59 min"* ]]
  mkdir empty
  agent-spool add empty < /dev/null
  [ "$(agent-spool list empty)" == "no documents" ]
  [ "$(agent-spool list --pending --queued --failed empty)" == "no documents that are pending, queued or failed" ]
  [ "$(agent-spool list --done --since today empty)" == "no documents that are done; --since leaves out the older ones" ]
}

@test "list: the states and --since choose, in the table as in JSON" {
  four_in_a_folder
  [ "$(agent-spool list --json spool | jq -r '"\(.state) \(.folder) \(.name)"' | sort)" == "$(printf '%s\n' "done done $(cat finished)" \
    "failed failed $(cat failed)" "pending queue $(cat pending)" "queued queue $(cat queued)")" ]
  local state
  for state in pending queued failed 'done'; do
    [ "$(agent-spool list --json "--$state" spool | jq -r .name)" == "$(cat "${state/done/finished}")" ]
    [ "$(agent-spool list "--$state" spool | tail -n 1)" == "1 document: 1 $state" ]
  done
  [ "$(agent-spool list --json --failed --done spool | jq -sr 'map(.state) | join(" ")')" == "failed done" ]
  for state in pending queued; do
    jq -c '.spool.added_at -= 90000 | .calls[0].authorization.requested_at -= 90000' "spool/queue/$(cat $state)" > changed
    cat changed > "spool/queue/$(cat $state)"
  done
  touch -d '3 days ago' "spool/done/$(cat finished)"
  [ "$(agent-spool list --json --since 90s spool | jq -r .state)" == failed ]
  [ "$(agent-spool list --json --since 2d spool | wc -l)" -eq 3 ]
  agent-spool list --json --since yesterday --done spool > listed
  empty listed
  [ "$(agent-spool list --json --since "$(date -d '1 hour ago' '+%F %T')" spool | jq -r .state)" == failed ]
  [ "$(agent-spool list --json --since "$(date -ud '1 hour ago' +%FT%TZ)" spool | jq -r .state)" == failed ]
  [ "$(TZ=Asia/Tokyo agent-spool list --json --since "$(TZ=Asia/Tokyo date -d '4 days ago' +%F)" spool | wc -l)" -eq 4 ]
  for state in 5x soon 2026-13-01 2026-1-1 '' -1; do
    run agent-spool list --since "$state" spool
    [ "$status" -eq 64 ]
  done
  for state in '--json --watch' '--json --metrics' '--metrics --failed' '--watch'; do
    # shellcheck disable=SC2086 # words
    run agent-spool list $state spool < /dev/null
    [ "$status" -eq 64 ]
  done
}

@test "list: several spools, folders and PostgreSQL alike; one that cannot be read is named, and the others are listed" {
  postgres_start
  export CIBA_SPOOL_KEY=a-key-of-32-bytes-or-so-for-tests
  agent-spool init "$url"
  four_in_a_folder one
  mkdir two
  asked 10 300 | agent-spool add two/deep > deep
  asked 20 300 | agent-spool add "$url" > database
  run --separate-stderr agent-spool list one two/deep "$url"
  echo "$output"
  [ "$status" -eq 0 ]
  [[ $output == *"= $PWD/one: 4 documents: 1 pending, 1 queued, 1 failed, 1 done"*"= $PWD/two/deep: 1 document: 1 pending"*"$(cat database)"*"= postgresql://"*": 1 document: 1 pending"*"6 documents: 3 pending, 1 queued, 1 failed, 1 done" ]]
  no grep -q "$postgres" <<< "$output"
  [ "$(agent-spool list --json two/deep one "$url" | jq -r .store | uniq | sed "s,^$PWD/,,; s,postgresql:.*,database," | paste -sd' ')" == "two/deep one database" ]
  [ "$(agent-spool list --json --since 1h "$url" | jq -r .name)" == "$(cat database)" ]
  run --separate-stderr agent-spool list one none two/deep
  [ "$status" -eq 66 ]
  [[ $stderr == *"none: No such file or directory"* ]]
  [[ $output == *"5 documents: 2 pending, 1 queued, 1 failed, 1 done" ]]
  run agent-spool list none
  [ "$status" -eq 66 ]
  [ ! -e none ]
}

@test "list: what a document, a user or a folder says cannot steer a terminal" {
  printf '{"calls":[{"id":"c","authorization":{"status":"pending","user":"\\u001b[2J","binding_message":"a\\nb\\u202e\\u009b"}}],"spool":{}}' > hostile
  agent-spool add $'evil\e[2J' < hostile > name
  cp "$PWD"/$'evil\e[2J'/queue/* $'evil\e[2J/failed/x\e[2Jx'
  agent-spool list $'evil\e[2J' "$PWD"/$'evil\e[2J' > list
  [ "$(wc -l < list)" -eq 8 ]
  no grep -q $'\e\|\u202e\|\u009b' list
  agent-spool list --json $'evil\e[2J' > list
  jq -se 'length == 2 and .[0].calls[0].binding_message == "a\nb\u202e\u009b"' list
  no grep -q $'\e\|\u202e\|\u009b' list
  agent-spool list --metrics $'evil\e[2J' > list
  no grep -q $'\e' list
  on_terminal 60 agent-spool list "evil*"
  no grep -q $'\e\|\u202e\|\u009b' screen
  no grep -q 'agent-spool:' screen
}

@test "list: on a terminal no line is wider than it, in two lines where it is narrow, whatever is in it; elsewhere nothing is cut" {
  asked 250 215 '.calls[0].authorization.binding_message = "買う " * 60 + "é́" * 60' | agent-spool add spool > pending
  [ "$(agent-spool list spool | grep -o '買' | wc -l)" -eq 60 ]
  local columns
  for columns in 20 40 79 111 112 140 200; do
    on_terminal "$columns" agent-spool list spool
    cat screen
    [ "$(python3 -c '
import sys, unicodedata
width = lambda c: 0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
print(max(sum(map(width, line.rstrip("\n"))) for line in open("screen")))')" -le "$columns" ]
  done
  [ "$(grep -c '買' screen)" -eq 1 ]
  [ "$(grep -o '買' screen | wc -l)" -gt 10 ]
  on_terminal 80 agent-spool list spool
  grep -q "left *$(cat pending)$" screen
  grep -q '^ *ann: 買う.*\.\.\.$' screen
}

@test "list: a reader that has gone ends it without a word" {
  asked 250 215 > one
  local i
  for ((i = 0; i < 300; i++)); do cat one; done | agent-spool add spool > names
  { agent-spool list spool 2> said || echo $? > status; } | head -n 1 > first
  { agent-spool list --json spool 2>> said || true; } | true
  (trap '' PIPE && agent-spool list spool 2>> said || true) | true
  empty said
  [ ! -e status ] || [ "$(cat status)" -eq 141 ]
}


@test "list --watch: draws what changes, without scrolling, until q; and gives the terminal back as it was" {
  script -qec true /dev/null > /dev/null 2>&1 || skip "there is no pseudo-terminal, or no script(1)"
  asked 250 215 | agent-spool add spool > pending
  mkfifo keys
  TERM=xterm script -qefc 'stty cols 100 rows 12; stty -a > before; agent-spool list --watch spool; echo "status $?" > ended; stty -a > after' screen > /dev/null < keys 3>&- &
  local shown=$!
  exec 5> keys
  await grep -qs "$(cat pending)" screen
  asked 10 300 | agent-spool add spool > second
  await grep -q "$(cat second)" screen
  mv "spool/queue/$(cat pending)" spool/failed
  await grep -q '2 documents: 1 pending, 1 failed' screen
  for ((i = 0; i < 30; i++)); do asked 10 300; done | agent-spool add spool > many
  await grep -q '32 documents: 31 pending, 1 failed; .* have no room here' screen
  printf x >&5
  printf q >&5
  wait "$shown"
  exec 5>&-
  [ "$(cat ended)" == "status 0" ]
  diff before after
  [ "$(grep -o $'\e\\[?1049[hl]' screen | paste -sd' ')" == $'\e[?1049h \e[?1049l' ]
  [ "$(grep -o $'\e\\[?25[hl]' screen | tail -n 1)" == $'\e[?25h' ]
  no grep -q $'\e\\[2J' screen # it does not flicker: nothing is wiped before it is drawn
  # each picture fits on the screen
  [ "$(python3 -c '
import re
print(max(picture.count("\n") for picture in re.findall(r"\x1b\[\?2026h(.*?)\x1b\[\?2026l", open("screen", newline="").read(), re.S)))')" -eq 11 ]
}

@test "list --watch: SIGTERM and a terminal that goes away end it" {
  script -qec true /dev/null > /dev/null 2>&1 || skip "there is no pseudo-terminal, or no script(1)"
  asked 250 215 | agent-spool add spool > pending
  mkfifo keys
  exec 5<> keys
  TERM=xterm script -qefc 'stty -a > before; sh -c "echo \$\$ > pid; exec agent-spool list --watch spool"; echo "status $?" > ended; stty -a > after' screen > /dev/null < keys 3>&- &
  local shown=$!
  await grep -qs "$(cat pending)" screen
  kill "$(cat pid)"
  wait "$shown"
  [ "$(cat ended)" == "status 0" ]
  diff before after
  run agent-spool list --watch spool < /dev/null
  [ "$status" -eq 64 ]
  [[ $output == *"--watch needs a terminal"* ]]
}

@test "list --metrics: what waits, for how long, until when; one family after the other, spools as labels" {
  four_in_a_folder 'a "b" \c'
  agent-spool add other < /dev/null
  jq -c '.spool.tries = 2 | .spool.reason = "why"' 'a "b" \c/queue/'"$(cat queued)" > changed
  cat changed > 'a "b" \c/queue/'"$(cat queued)"
  run --separate-stderr agent-spool list --metrics 'a "b" \c' other none
  echo "$output"
  [ "$status" -eq 66 ]
  echo "$output" > metrics
  local label='spool="'$PWD'/a \\"b\\" \\\\c"'
  for state in pending queued failed 'done'; do
    grep -Fqx "ciba_spool_documents{${label//\\\\/\\},state=\"$state\"} 1" metrics
    grep -Fqx "ciba_spool_documents{spool=\"$PWD/other\",state=\"$state\"} 0" metrics
  done
  grep -Fqx "ciba_spool_up{spool=\"$PWD/other\"} 1" metrics
  grep -q '^ciba_spool_up{spool="none"} 0$' metrics
  grep -q '^ciba_spool_retried_documents{.*c"} 1$' metrics
  [ "$(sed -n 's/^ciba_spool_oldest_question_seconds{.*c"} \([0-9]*\).*/\1/p' metrics)" -ge 250 ]
  local until
  until=$(sed -n 's/^ciba_spool_next_expiry_timestamp_seconds{.*c"} \([0-9]*\).*/\1/p' metrics)
  [ $((until - $(date +%s))) -le 215 ]
  [ $((until - $(date +%s))) -gt 100 ]
  [ "$(grep -c '^ciba_spool_next_expiry' metrics)" -eq 1 ]
  # each name has its help and type once, and all its samples behind them
  [ "$(grep -v '^#' metrics | sed 's/{.*//' | uniq)" == "$(sed -n 's/^# TYPE \([^ ]*\) gauge/\1/p' metrics)" ]
  [ "$(sed -n 's/^# TYPE \([^ ]*\) .*/\1/p' metrics | sort | uniq -d)" == "" ]
}

@test "list --metrics: a document whose times nobody can mean does not spoil the lines of the others" {
  local time
  for time in 1e300 -1e305 0 -1 1e12 '"1795761926"' null; do
    a_call | jq -c --argjson time "$time" '.calls[0].authorization = {status: "pending", auth_req_id: "r", requested_at: $time, expires_at: $time}'
  done | agent-spool add spool > /dev/null
  agent-spool list --metrics spool > metrics
  cat metrics
  no grep -vE '^(# (HELP|TYPE) .*|[a-z_]+\{[^}]*\} [0-9]+(\.[0-9]{3})?)$' metrics
  grep -q '^ciba_spool_documents{.*state="pending"} 7$' metrics
  no grep -q '^ciba_spool_oldest_question_timestamp' metrics
  # one that is right counts, whatever the others say
  a_call | jq -c '.calls[0].authorization = {status: "pending", auth_req_id: "r", requested_at: 1790000000, expires_at: 1790000300}' | agent-spool add spool > /dev/null
  agent-spool list --metrics spool > metrics
  grep -q '^ciba_spool_oldest_question_timestamp_seconds{.*} 1790000000$' metrics
  grep -q '^ciba_spool_next_expiry_timestamp_seconds{.*} 1790000300$' metrics
}

@test "list --metrics: the parser of Prometheus' own client reads it, and promtool finds nothing" {
  four_in_a_folder 'a "b" \c'
  agent-spool list --metrics 'a "b" \c' > metrics
  if command -v promtool > /dev/null; then promtool check metrics < metrics; fi
  python3 -m venv --system-site-packages venv > /dev/null 2>&1 && timeout 60 venv/bin/pip install -q prometheus-client > installed 2>&1 ||
    venv/bin/python -c 'import prometheus_client' 2> /dev/null || skip "prometheus-client is not to be had"
  venv/bin/python - "$PWD/a \"b\" \\c" << 'END'
import sys
from prometheus_client.parser import text_string_to_metric_families
families = {f.name: f for f in text_string_to_metric_families(open("metrics").read())}
states = {s.labels["state"]: s.value for s in families["ciba_spool_documents"].samples}
assert states == {"pending": 1, "queued": 1, "failed": 1, "done": 1}, states
assert len(families) == 8 and all(f.type == "gauge" and f.documentation for f in families.values()), families
for family in families.values():
    for sample in family.samples:
        assert sample.labels["spool"] == sys.argv[1], sample
END
}

@test "list --metrics: the same of a spool in PostgreSQL" {
  postgres_start
  export CIBA_SPOOL_KEY=a-key-of-32-bytes-or-so-for-tests
  agent-spool init "$url"
  { asked 250 215; asked 10 300; asked 10 300 '.calls[0].authorization.status = "approved"'; } | agent-spool add "$url" > names
  agent-spool list --metrics "$url" > metrics
  grep -q '^ciba_spool_documents{.*,state="pending"} 2$' metrics
  grep -q '^ciba_spool_documents{.*,state="queued"} 1$' metrics
  grep -q '^ciba_spool_documents{.*,state="done"} 0$' metrics
  [ "$(sed -n 's/^ciba_spool_oldest_question_seconds{.*} \([0-9]*\).*/\1/p' metrics)" -ge 250 ]
  no grep -q 'postgres@' metrics
}
