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

# A program for --on-decision that keeps what it gets in `told`, and its environment: teller [LINE]
teller() {
  cat > teller << END
#!/bin/sh
echo "\$#" > arguments
env > environment
cat >> told
${1:-}
END
  chmod +x teller
}

# Of what came: of_told JQ
of_told() {
  jq -se "$1" told
}

@test "ciba-poll --on-decision: PROG is told who has decided what about which call, without a token or a secret" {
  sandbox --approve ask --interval 1
  teller 'echo its own words; echo its trouble >&2'
  a_call | ciba-authorize -m 'Buy \(.qty)' > asked
  command ciba-poll --on-decision ./teller < asked > decided 2> said &
  local poll=$!
  await eval '[ "$(count /oauth/token)" -ge 1 ]'
  [ ! -e told ]
  decide true
  wait "$poll"
  await [ -s told ]
  await grep -q 'its trouble' said
  cat told
  jq -e '.calls[0].token.access_token and (has("its own words") | not)' decided
  of_told 'length == 1 and (.[0] | keys - ["reused"] == ["call","decided_at","expires_at","message","name","requested_at","status","user"] and
    .call == "call_1" and .name == "buy" and .message == "Buy 3" and .status == "approved" and .user == "auth0|demo" and
    .decided_at >= .requested_at and .expires_at > .requested_at)'
  [ "$(cat arguments)" == 0 ]
  no grep -E 'SECRET|TOKEN|CREDENTIALS' environment
  no grep -F "$CIBA_CLIENT_SECRET" environment told
  no grep -F "$(jq -r '.calls[0].token.access_token' decided)" environment told
  no grep -F "$(jq -r '.calls[0].authorization.auth_req_id' asked)" environment told
  # what is decided already is not told again
  ciba-poll --on-decision ./teller < decided > again
  of_told 'length == 1'
}

@test "ciba-poll --on-decision: a no, an end of the time and a failure are told, each of many calls, and with -q" {
  sandbox --approve no --delay 0
  teller
  { a_call; a_call; } | ciba-authorize -m Buy > asked
  exits 1 ciba-poll -q --on-decision ./teller < asked
  await eval '[ "$(wc -l < told)" -eq 2 ]'
  of_told 'map(.status) == ["denied", "denied"] and .[0].error == "access_denied"'
  rm told
  kill "$CIBA_SANDBOX_PID"
  sandbox --approve never
  a_call | ciba-authorize --expiry 1 -m Buy > asked
  exits 1 ciba-poll --on-decision ./teller < asked > decided
  await [ -s told ]
  of_told '.[0].status == "expired"'
}

@test "--on-decision: a program that is missing, and one that is no program, is said before anything is asked: 78" {
  nowhere
  a_call | jq -c '.calls[0].authorization = {status: "pending", auth_req_id: "r"}' > asked
  agent-spool add spool < asked > name
  local program
  for program in ./none ./asked '' './teller; touch shell'; do
    run --separate-stderr ciba-poll --on-decision "$program" < asked
    [ "$status" -eq 78 ]
    [[ $stderr == *"--on-decision: $program: "* ]]
    [ -z "$output" ]
    run --separate-stderr agent-spool run --on-decision "$program" spool -- touch ran
    [ "$status" -eq 78 ]
    [[ $stderr == *"--on-decision: $program: "* ]]
  done
  [ ! -e ran ]
  [ ! -e shell ]
}

@test "--on-decision: a program that hangs holds nobody up, and is ended with its children; one that fails is named" {
  sandbox --approve yes --delay 0
  mkfifo never
  # shellcheck disable=SC2016 # expanded by the program
  teller 'echo $$ > pid; read -r x <> never'
  a_call | ciba-authorize -m Buy > asked
  timeout 20 ciba-poll -q --on-decision ./teller < asked 2> said
  await [ -s pid ]
  kill -0 "$(cat pid)" # it works on though ciba-poll has ended
  kill "$(cat pid)"
  teller 'exit 3'
  a_call | ciba-authorize -m Buy > asked
  ciba-poll --on-decision ./teller < asked > decided 2> said
  jq -e '.calls[0].authorization.status == "approved"' decided
  await grep -q '^ciba-poll: ./teller: ended with exit status 3$' said
}

@test "--on-decision: what has taken 30 seconds is killed with what it has started" {
  sandbox --approve yes --delay 0
  a_call | ciba-authorize -m Buy > asked
  mkfifo never
  # shellcheck disable=SC2016
  teller 'sh -c "echo \$\$ > child; read -r x <> never" & wait'
  ciba-poll --on-decision ./teller < asked > decided 2> said
  await [ -s child ]
  LIMIT=600 await gone "$(cat child)" || true
  gone "$(cat child)"
  await grep -q 'teller.*30 s' said
}

# Runs the stages once: flow WHERE [OPTION...]
flow() {
  timeout 200 agent-spool run --on-decision ./teller "${@:2}" "$1" -- ciba-authorize -m Buy '|' ciba-poll --once '|' stock-buy
}

# The spool at $1 tells of what was decided, once: told_of WHERE NAME
told_of() {
  await [ -s told ]
  jq -se --arg where "$1" --arg name "$2" 'length == 1 and (.[0] | .document == $name and .spool == $where and .status == "approved" and
    .call == "call_1" and .name == "buy" and .user == "auth0|demo" and (tostring | contains("token") | not))' told
}

@test "agent-spool run --on-decision: PROG is told of the document, its spool and the decision, once, in a folder and in PostgreSQL" {
  sandbox --approve ask --interval 1
  teller
  a_call | agent-spool add spool > name
  exits 75 flow spool
  [ ! -e told ] # nobody has decided
  decide true
  flow spool --wait
  told_of "$PWD/spool" "$(cat name)"
  [ "$(orders | jq length)" -eq 1 ]
  no grep -E 'SECRET|TOKEN|CREDENTIALS|CIBA_STAGE|PASSWORD' environment
  postgres_start
  export CIBA_SPOOL_KEY=a-key-of-32-bytes-or-so-for-tests
  rm told
  agent-spool init "$url"
  a_call | agent-spool add "$url" > name
  exits 75 flow "$url"
  decide true
  flow "$url" --wait
  told_of "$(agent-spool list --json "$url" | jq -r .store)" "$(cat name)"
  no grep -E 'SECRET|TOKEN|CREDENTIALS|SPOOL_KEY' environment
}

@test "agent-spool run --on-decision: a stage of a shell's and a jq's decision are told, too; a hanging PROG holds up no document" {
  sandbox --approve yes --delay 0
  mkfifo never
  # shellcheck disable=SC2016
  teller 'echo $$ >> pids; read -r x <> never'
  a_call | agent-spool add spool > name
  timeout 20 agent-spool run --on-decision ./teller spool -- sh -c 'ciba-authorize -m Buy | ciba-poll | stock-buy' 2> /dev/null
  [ -e "spool/done/$(cat name)" ]
  told_of "$PWD/spool" "$(cat name)"
  await [ -s pids ]
  kill "$(cat pids)"
  # nor in a stage
  rm told pids
  a_call | agent-spool add spool > name
  timeout 20 agent-spool run spool -- ciba-authorize -m Buy '|' ciba-poll --on-decision ./teller '|' stock-buy 2> /dev/null
  [ -e "spool/done/$(cat name)" ]
  await [ -s pids ]
  jq -e '.status == "approved" and (has("document") | not)' told
  kill "$(cat pids)"
}

@test "agent-spool run --on-decision: of a run that is killed when it has told, the next tells again: at least once" {
  sandbox --approve yes --delay 0 --interval 1
  # the run is killed while the decision is told, before what comes next is on disk or after
  # shellcheck disable=SC2016
  teller '[ -e killed ] || { echo > killed; kill -9 "$(cat runner)"; }'
  a_call | agent-spool add spool > name
  sh -c 'echo $$ > runner; exec agent-spool run -w --on-decision ./teller spool -- ciba-authorize -m Buy "|" ciba-poll "|" stock-buy' || true
  await [ -e killed ]
  timeout 60 agent-spool run -w --on-decision ./teller spool -- ciba-authorize -m Buy '|' ciba-poll '|' stock-buy
  [ -e "spool/done/$(cat name)" ]
  [ "$(orders | jq length)" -eq 1 ]
  of_told 'length >= 1 and all(.[]; .status == "approved")'
}

@test "--on-decision: of 200 decisions at once 32 are told at a time, and all in the end, though ciba-poll has ended" {
  sandbox --approve yes --delay 0
  mkdir running
  mkfifo gate
  # shellcheck disable=SC2016 # expanded by the program
  teller 'touch "running/$$"; read -r x < gate; echo x >> ended'
  jq -nc '{calls: [range(200) | {id: "call_\(.)", name: "buy", arguments: {n: .}}]}' |
    ciba-authorize -j 20 -m 'Buy \(.n)' > asked
  timeout 60 ciba-poll -q --on-decision ./teller < asked
  await eval '[ "$(ls running | wc -l)" -eq 32 ]'
  exec 7<> gate # none can end before
  [ "$(find running -type f | wc -l)" -eq 32 ]
  yes | head -n 200 >&7
  await eval '[ "$(wc -l < ended)" -eq 200 ]'
  exec 7>&-
  of_told 'length == 200 and (map(.call) | unique | length) == 200 and all(.status == "approved")'
}
