# Approvals for a time and a number of uses.
# shellcheck source=helper.bash
load helper

setup() {
  common_setup
  (umask 077 && openssl rand -hex 32 > key)
  export CIBA_STORE=$PWD/store CIBA_STORE_KEY
  CIBA_STORE_KEY=$(cat key)
}

# An approving sandbox.
willing() {
  sandbox --approve yes --delay 0 "$@"
}

# leased USES [OPTION...]: a decided call with that lease, from stdin
leased() {
  ciba-authorize -m Buy --lease 15m --uses "$@" | ciba-poll
}

# Whether the user was asked about the call on stdin: asked USES [OPTION...]
asked() {
  ciba-authorize -m Buy --lease 15m --uses "$@" > out || true
  empty out || jq -e '.calls[0].authorization | .status != "approved" and (has("use") | not)' out > /dev/null
}

# Whether the call on stdin was covered.
covered() {
  ciba-authorize -m Buy --lease 15m --uses "$@" > out
  jq -e '.calls[0].authorization | .status == "approved" and .use != null' out > /dev/null
}

# The store as it was: put_back FOLDER
put_back() {
  rm -rf store
  cp -r "$1" store
}

# The command with a fault at its call AT, which `counter` counts: faulty KIND AT COMMAND [ARGUMENT...]
faulty() {
  head -c 16 /dev/zero > counter
  (
    FAULT_COUNTER=counter FAULT_KIND=$1 FAULT_AT=$2 LD_PRELOAD=$(dirname "$(type -P ciba-poll)")/tests/faults.so command "${@:3}" || true
  ) 2> /dev/null
}

# The sequence of events in the audit log, with the uses that are left.
events() {
  jq -r '.event + (if .lease.uses_left then "(\(.lease.uses_left))" else "" end)' log | xargs
}

@test "one question for three documents: the message says the bound, each is executed, counted and told" {
  willing
  export CIBA_AUDIT=$PWD/log
  for i in 1 2 3; do
    a_call | leased 3 | stock-buy | jq -c '.calls[0]' >> bought
  done
  [ "$(requests /bc-authorize .form.binding_message)" == '"Buy, for 15 min, at most 3 times"' ]
  [ "$(orders | jq length)" -eq 3 ]
  jq -se 'map(.result.status == 200) == [true, true, true] and map(has("token")) == [false, false, false]' bought
  jq -se '(map(.authorization.use) | unique | length) == 3 and (map(.authorization.lease.id) | unique | length) == 1' bought
  [ "$(events)" == "asked approved executed leased(1) executed(1) leased(0) executed(0)" ]
  jq -se '.[1].lease | .tool == "buy" and .seconds == 900 and .uses == 3 and (has("filter") | not)' log
  audit-verify -q log
  a_call | asked 3
  [ "$(count /bc-authorize)" -eq 2 ]
}

@test "sealed, and with a journal: a run after a crash has the same use" {
  willing
  cp key seal
  export CIBA_SEAL_KEY
  CIBA_SEAL_KEY=$(cat seal)
  a_call | leased 3 | stock-buy > /dev/null
  for i in 1 2 3; do
    a_call | ciba-authorize -m Buy --lease 15m --uses 3 --journal-file asked | ciba-poll --journal-file polled |
      stock-buy --journal-file bought | jq -e '.calls[0].result.status == 200'
  done
  [ "$(orders | jq length)" -eq 2 ]
  [ "$(ciba-lease list --json | jq .uses_left)" -eq 1 ]
  a_call | leased 3 > third
  jq -c '.calls[0].authorization.lease.uses_left = 9' third > changed
  run --separate-stderr stock-buy < changed
  [ "$status" -eq 65 ]
  ciba-poll -q < third
  exits 65 ciba-poll -q < changed
}

@test "ciba-run: one question for as many runs as were approved, and it may go on without its ID token" {
  willing
  for i in 1 2 3; do
    # shellcheck disable=SC2016 # for the program
    ciba-run -m Deploy --lease 1h --uses 3 -- sh -c '[ -n "$ACCESS_TOKEN" ] && echo ran' >> ran
  done
  [ "$(wc -l < ran)" -eq 3 ]
  [ "$(requests /bc-authorize .form.binding_message)" == '"Deploy, for 1 h, at most 3 times"' ]
  # another command, with the same message, is another call
  ciba-run -m Deploy --lease 1h --uses 3 -- true
  ciba-run -m Deploy --lease 1h --uses 3 -- sh -c true
  [ "$(count /bc-authorize)" -eq 3 ]
  # the proof is the store's: the keys are not fetched for it
  before=$(count /jwks)
  ciba-run -m Deploy --lease 1h --uses 3 -- true
  [ "$(count /jwks)" -eq "$before" ]
}

# Each row: what is wrong with the options, and the exit status.
@test "there is no lease without an end: both bounds are needed, within their limits, and a store" {
  nowhere
  while read -r expected options; do
    # shellcheck disable=SC2086 # words on purpose
    run ciba-authorize -m Buy $options < <(a_call)
    echo "$options: $status $output"
    [ "$status" -eq "$expected" ]
  done <<'END'
64 --lease 15m
64 --uses 10
64 --lease-if true
64 --lease 15m --lease-if true
64 --uses 10 --lease-if true
64 --lease 25h --uses 10
64 --lease 86401 --uses 10
64 --lease 15m --uses 1001
64 --lease 15m --uses 0
64 --lease 0 --uses 10
64 --lease 0m --uses 10
64 --lease m --uses 10
64 --lease 15x --uses 10
64 --lease 15ms --uses 10
64 --lease 1.5h --uses 10
64 --lease -15m --uses 10
64 --lease 99999999999h --uses 10
64 --lease 15m --uses 10 --reuse call
64 --lease 15m --uses 10 --lease-if .x==
END
  unset CIBA_STORE
  run ciba-authorize -m Buy --lease 15m --uses 10 < <(a_call)
  [ "$status" -eq 78 ]
  [[ $output == *"--lease needs a store"* ]]
  run ciba-run --lease 15m --uses 10 -- true
  [ "$status" -eq 78 ]
}

@test "the time is asked for in seconds, minutes or hours, and shown in the largest that is exact" {
  sandbox
  for time in 90 90s 2m 120 3600s 60m 24h; do
    a_call | ciba-authorize -m Buy --lease $time --uses 2 > /dev/null
  done
  a_call | ciba-authorize -m Buy --lease 2h --uses 1 > /dev/null
  [ "$(requests /bc-authorize .form.binding_message | tr -d '"' | sed 's/Buy, for //; s/, at most 2 times//' | xargs)" == \
    "90 s 90 s 2 min 2 min 1 h 1 h 24 h 2 h, at most 1 time" ]
}

# Each row: options of the question, or a change of the call.
@test "another argument, tool, user, client, scope, audience, message, details or bound is not covered" {
  willing --log-file requests
  a_call | leased 9 > /dev/null
  a_call | jq '.calls[0].id = "other"' | covered 9
  a_call GOOGL 3.0 | covered 9
  local n=1
  while IFS='|' read -r change options; do
    echo "$change|$options"
    attack
    # shellcheck disable=SC2086 # words on purpose
    a_call | jq -c "$change" | asked 9 $options
    [ "$(count /bc-authorize)" -ge $((++n)) ] || n=$((n - 1)) # some the sandbox's provider refuses before it asks
  done <<'END'
.calls[0].arguments.qty = 4|
.calls[0].arguments.extra = null|
.calls[0].arguments = {}|
.calls[0].name = "sell"|
.calls[0].name = null|
.|-u auth0|other
.|--login-hint demo
.|-s openid
.|-s stock:trade profile
.|-a https://other/
.|-d {type:"order"}
.|--acr-values high
.|--resource https://stocks.sandbox/x
.|--text Buy.
.|--lease 16m
.|--uses 8
.|--client-id other
.|--lease-if .qty
.|--lease-if true
END
  a_call | covered 9
  # the same words, but without a lease
  a_call | ciba-authorize -m Buy | jq -e '.calls[0].authorization.status == "pending"'
  attacks
}

@test "another issuer's lease is not covered" {
  willing
  a_call | leased 9 > /dev/null
  a_call | covered 9
  kill "$CIBA_SANDBOX_PID"
  sandbox
  a_call | asked 9
}

@test "with a filter: the calls for which it is true, and no other; it is shown" {
  willing
  filter='.qty <= 5 and .ticker == "GOOGL"'
  # shellcheck disable=SC2317 # called by leased
  few() { ciba-authorize --any-message --lease 10m --uses 9 --lease-if "$filter" "$@"; }
  a_call GOOGL 3 | few | ciba-poll | stock-buy > /dev/null
  requests /bc-authorize .form.binding_message > message
  [ "$(jq -r . message)" == "buy, if $filter, for 10 min, at most 9 times" ]
  for qty in 5 4.0 50e-1 -1; do
    a_call GOOGL $qty | few | ciba-poll | jq -e '.calls[0].authorization.lease.filter'
  done
  [ "$(count /bc-authorize)" -eq 1 ]
  # where it is false, the user is asked about the one call, and all of it
  a_call GOOGL 6 | few > out
  a_call AAPL 3 | few > out2
  [ "$(requests /bc-authorize .form.binding_message | tail -n 2 | xargs -d '\n')" == \
    '"buy: qty 6, ticker GOOGL" "buy: qty 3, ticker AAPL"' ]
  jq -e '.calls[0].authorization | has("lease") | not' out out2
  ciba-poll < out > /dev/null
  a_call GOOGL 6 | few | jq -e '.calls[0].authorization.status == "pending"'
  # an own message is a part of what is covered
  a_call GOOGL 5 | few -m Buy | jq -e '.calls[0].authorization.status == "pending"'
  a_call GOOGL 5 | few | jq -e '.calls[0].authorization.lease.uses_left == 3'
  a_call GOOGL 5 | jq '.calls[0].name = "sell"' | few | jq -e '.calls[0].authorization.status == "pending"'
  [ "$(ciba-lease list --json | jq -r .filter)" == "$filter" ]
}

@test "a filter that gives anything but true or false is an error, and nobody is asked; nor is it covered" {
  willing
  a_call | leased 9 --any-message --lease-if '.qty > 1' > /dev/null
  local n=0
  for filter in .qty '.none > 1' '.qty > 1, .qty > 1' empty null '"true"' '[true]' 'error("x")' '.ticker | tonumber > 1' 'input' 1; do
    run --separate-stderr ciba-authorize -m Buy --any-message --lease 15m --uses 9 --lease-if "$filter" < <(a_call)
    echo "$filter: $status $stderr"
    [ "$status" -eq 65 ]
    [[ $stderr == *"--lease-if"* ]]
    holds '.calls[0].authorization | .status == "failed" and .error == "invalid_lease"'
  done
  [ "$(count /bc-authorize)" -eq 1 ]
  jq -nc '{calls: [{id: "c", name: "buy", arguments: {qty: "many"}}]}' |
    ciba-authorize -m Buy --any-message --lease 15m --uses 9 --lease-if '.qty | tonumber > 1' > out || true
  jq -e '.calls[0].authorization.error == "invalid_lease"' out
}

@test "a bound or filter that the provider does not take is refused, and never cut" {
  willing
  for options in '--lease-if true==true' '--lease-if .abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz'; do
    # shellcheck disable=SC2086 # words on purpose
    run ciba-authorize -m Buy --lease 15m --uses 9 $options < <(jq -nc '{calls: [{name: "buy", arguments: {abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz: true}}]}')
    [ "$status" -eq 65 ]
    [[ $output == *"the message has"* ]]
  done
  run ciba-authorize -m "$(printf 'B%.0s' {1..40})" --lease 15m --uses 9 < <(a_call)
  [ "$status" -eq 65 ]
  [[ $output == *"the message has 69 characters"* ]]
  run ciba-authorize -m Buy --any-message --lease 15m --uses 9 --lease-if $'true\n' < <(a_call)
  [ "$status" -eq 65 ]
  [ "$(count /bc-authorize)" -eq 0 ]
}

@test "10 uses by 20 processes at once are exactly 10" {
  willing
  export CIBA_AUDIT=$PWD/log
  a_call | leased 10 > out.0
  local pids=() pid
  for i in {1..20}; do
    a_call | jq -c ".calls[0].id = \"$i\"" | ciba-authorize -m Buy --lease 15m --uses 10 > "out.$i" &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid"; done
  cat out.* | jq -c 'select(.calls[0].authorization.status == "approved")' | stock-buy > /dev/null
  [ "$(orders | jq length)" -eq 10 ]
  [ "$(count /bc-authorize)" -eq 12 ]
  [ "$(jq -r 'select(.event == "leased") | .lease.uses_left' log | sort -n | xargs)" == "0 1 2 3 4 5 6 7 8" ]
  audit-verify -q log
}

# Every point is tried, but with the sanitizers, where a process takes ten times as long to start, each third.
a_stride() {
  stride=1
  [ -z "${ASAN_OPTIONS:-}" ] || stride=3
}

# Each step of a use fails once; then the lease, which had one use left, is used again.
@test "a use that is killed, or whose write fails, at any step is lost at worst, and never two" {
  local kind at ended stride
  a_stride
  sandbox --approve yes --delay 0
  a_call | leased 2 > /dev/null
  cp -r store begun
  for kind in kill eio enospc eintr short; do
    ended=0
    for ((at = 1; ended == 0; at += stride)); do
      put_back begun
      a_call > call
      faulty "$kind" "$at" ciba-authorize -m Buy --lease 15m --uses 2 < call > first
      a_call | ciba-authorize -m Buy --lease 15m --uses 2 > second
      cat first second | jq -cR 'fromjson? | select(.calls[0].authorization.use)' > used
      [ "$(wc -l < used)" -le 1 ] || { echo "$kind at $at"; cat used; return 1; }
      [ "$kind" != eintr ] || [ "$(wc -l < used)" -eq 1 ]
      [ "$(od -An -tu8 -N8 counter)" -ge "$at" ] || ended=$at
    done
    echo "$kind: $ended points"
    [ "$ended" -gt 10 ]
  done
}

@test "a begin that is killed at any step begins nothing more than was approved" {
  local at ended=0 stride
  a_stride
  willing
  for ((at = 1; ended == 0; at += stride)); do
    rm -rf store
    a_call | ciba-authorize -m Buy --lease 15m --uses 2 > pending
    faulty kill "$at" ciba-poll < pending > first
    for i in 1 2 3; do
      a_call | ciba-authorize -m Buy --lease 15m --uses 2 > next
      jq -c 'select(.calls[0].authorization.use)' next
    done > used
    [ "$(wc -l < used)" -le 1 ]
    [ "$(od -An -tu8 -N8 counter)" -ge "$at" ] || ended=$at
  done
  [ "$(wc -l < used)" -eq 1 ]
  [ "$ended" -gt 10 ]
}

@test "a lease's file that was changed, cut, copied, or is of another key is none; it is 0600 and tells nothing" {
  willing
  a_call | leased 9 > first
  file=$(echo store/lease-*)
  [ "$(stat -c %a store)" == 700 ]
  [ "$(stat -c %a "$file")" == 600 ]
  for word in access_token auth0 Buy uses "$(jq -r '.calls[0].token.access_token' first)"; do
    no grep -qaF -e "$word" "$file"
  done
  cp "$file" good
  a_call GOOGL 3000 | leased 9 > /dev/null
  other=$(find store -name 'lease-*' ! -path "$file")
  a_call GOOGL 3000 | ciba-authorize -m Buy --reuse call | ciba-poll > /dev/null
  approval=$(find store -type f ! -name 'lease-*' ! -name lock)
  for change in 'cat good' 'head -c 20 good' 'head -c 0 good' 'head -c -1 good' 'tr a-m b-n < good' 'cat good key' "cat $approval"; do
    attack
    eval "$change" > "$other"
    a_call GOOGL 3000 | asked 9
    run --separate-stderr ciba-lease list
    [ "$status" -eq 65 ]
    [[ $stderr == *"1 of the store's leases cannot be read"* ]]
  done
  rm "$other"
  CIBA_STORE_KEY=$(openssl rand -hex 32) asked 9 < <(a_call)
  a_call | covered 9
  # a lease is no reusable approval
  cp good "$approval"
  a_call GOOGL 3000 | ciba-authorize -m Buy --reuse call | jq -e '.calls[0].authorization.status == "pending"'
  attacks
}

# Each row: the clocks, and whether the lease still holds.
@test "a lease ends when its time is over by the clock or by what has passed, and when the clock was set back" {
  willing
  local build
  build=$(dirname "$(command -v ciba-authorize)")
  export CLOCK_STEP=$PWD/step
  step() { printf '%-31s\n' "$1" 1<> "$CLOCK_STEP"; }
  step 0
  ciba-authorize() { LD_PRELOAD=$build/tests/clock_step.so command ciba-authorize "$@"; }
  ciba-poll() { LD_PRELOAD=$build/tests/clock_step.so command ciba-poll "$@"; }
  a_call | leased 9 > /dev/null
  cp -r store begun
  while read -r expected first second; do
    put_back begun
    step "${first/,/ }"
    echo "$first $second: $expected"
    if [ -n "$second" ]; then
      a_call | covered 9
      step "${second/,/ }"
    fi
    a_call | "$expected" 9
    step 0
    [ "$expected" != asked ] || a_call | asked 9 # it has ended for good
  done <<'END'
covered 0,0
covered 800,800
asked 901,0
asked 901,901
asked 10,901
asked 0,901
asked -400,0
asked -3600,0
asked 500,500 400,501
asked 500,500 0,0
asked 500,500 500,-100
covered 500,500 501,501
END
}

@test "a lease that another boot of the machine has begun is over" {
  unshare -rm true 2> /dev/null || skip "no namespaces here"
  willing
  a_call | leased 9 > /dev/null
  cat /proc/sys/kernel/random/uuid > boot
  # shellcheck disable=SC2016 # for the inner shell
  a_call | unshare -rm sh -c 'mount --bind boot /proc/sys/kernel/random/boot_id && exec ciba-authorize -m Buy --lease 15m --uses 9' > out
  jq -e '.calls[0].authorization.status == "pending"' out
  a_call | asked 9
}

@test "a lease ends with its token; where that does not say when, by its own end" {
  jq -n '[{path: "/oauth/token", times: 3, body: {access_token: "x", token_type: "Bearer", expires_in: 20}},
    {path: "/oauth/token", times: 1, body: {access_token: "x", token_type: "Bearer", expires_in: 100}},
    {path: "/oauth/token", times: 1, body: {access_token: "x", token_type: "Bearer"}}]' > faults
  willing --faults-file faults
  a_call | ciba-authorize -m Buy --lease 15m --uses 9 | ciba-poll --without-id-token > /dev/null
  [ -z "$(ciba-lease list)" ]
  for i in 1 2; do a_call | asked 9; ciba-poll --without-id-token < out > /dev/null; done
  a_call | asked 9
  ciba-poll --without-id-token < out > /dev/null
  ciba-lease list --json | jq -e '.ends_at - .began_at | . > 60 and . < 80'
  ciba-lease end --all
  a_call | asked 9
  ciba-poll --without-id-token < out > /dev/null
  ciba-lease list --json | jq -e '.ends_at - .began_at | . > 890 and . <= 900'
  a_call | covered 9
}

# Each row: a change of the document that was asked about, before its approval arrives.
@test "a document cannot invent a lease, nor make one longer, wider or another's" {
  willing
  a_call | ciba-authorize -m Buy --lease 15m --uses 2 > pending
  a_call AAPL 9 | ciba-authorize -m Buy --lease 24h --uses 1000 > other
  a_call | ciba-authorize -m Buy > plain
  while read -r change; do
    echo "$change"
    attack
    a_call | ciba-authorize -m Buy --lease 15m --uses 2 > pending
    jq -c --slurpfile other other "$change" pending > changed
    run --separate-stderr ciba-poll < changed
    [ "$status" -ne 0 ]
    [ -z "$(ciba-lease list)" ]
  done <<'END'
.calls[0].authorization.lease.uses = 1000
.calls[0].authorization.lease.seconds = 86400
.calls[0].authorization.lease.filter = "true"
.calls[0].authorization.lease.tool = "sell"
.calls[0].authorization.lease.id = "other"
.calls[0].authorization.lease.covers = $other[0].calls[0].authorization.lease.covers
.calls[0].authorization.lease = $other[0].calls[0].authorization.lease
.calls[0].authorization.lease.without_token = true
.calls[0].authorization.lease |= del(.proof)
.calls[0].authorization.lease.proof = null
.calls[0].authorization.lease.proof = ["x"]
.calls[0].authorization.lease = {}
.calls[0].authorization.lease = "always"
.calls[0].authorization.expires_at += 10000
.calls[0].authorization.scope = "openid"
.calls[0].authorization.audience = "https://other/"
.calls[0].authorization.binding_message = "Buy"
.calls[0].authorization.login_hint = "x"
.calls[0].authorization.authorization_details = []
.calls[0].authorization.call_digest = $other[0].calls[0].authorization.call_digest
END
  attack # a lease for a request that was without
  jq -c --slurpfile pending pending '.calls[0].authorization.lease = $pending[0].calls[0].authorization.lease' plain > changed
  exits 65 ciba-poll < changed > /dev/null
  [ -z "$(ciba-lease list)" ]
  attacks
}

@test "an approval that arrives twice begins its lease once, also when that was used up or ended since" {
  willing
  jq -n '[{path: "/oauth/token", times: 9, body: {access_token: "x", token_type: "Bearer", expires_in: 3600}}]' | spoil
  a_call | ciba-authorize -m Buy --lease 15m --uses 3 > pending
  ciba-poll --without-id-token < pending > /dev/null
  a_call | covered 3
  ciba-poll --without-id-token < pending > /dev/null
  [ "$(ciba-lease list --json | jq .uses_left)" -eq 1 ]
  a_call | covered 3
  ciba-poll --without-id-token < pending > /dev/null
  a_call | asked 3
  ciba-poll --without-id-token < out > /dev/null
  a_call | covered 3
  ciba-lease end --all
  ciba-poll --without-id-token < pending > /dev/null
  [ -z "$(ciba-lease list)" ]
}

@test "an older copy of the file is found where there is an audit log, and ends the lease" {
  willing
  export CIBA_AUDIT=$PWD/log
  a_call | leased 9 > /dev/null
  cp -r store older
  for i in 1 2 3; do a_call | covered 9; done
  [ "$(ciba-lease list --json | jq .uses_left)" -eq 5 ]
  put_back older
  attack
  run --separate-stderr ciba-authorize -m Buy --lease 15m --uses 9 < <(a_call)
  [[ $stderr == *"an older copy of its file was put back"* ]]
  holds '.calls[0].authorization.status == "pending"'
  [ -z "$(ciba-lease list)" ]
  # and it stays ended, as does one that a person has ended
  put_back older
  attack
  a_call | asked 9
  ciba-poll < out > /dev/null
  cp -r store newer
  ciba-lease end --all
  put_back newer
  mv log log.1
  attack
  a_call | asked 9
  [ "$(cat log.1 log | jq -r 'select(.event == "leased").lease.uses_left' | xargs)" == "7 6 5" ]
  [ "$(cat log.1 log | jq -r 'select(.event == "lease_ended").command' | xargs)" == "ciba-authorize ciba-authorize ciba-lease ciba-authorize" ]
  audit-verify -q log.1 log
  attacks
}

@test "a use that cannot be told in the audit log is not given: the user is asked" {
  willing
  a_call | leased 9 > /dev/null
  echo '{"not":"ours"}' > log
  run --separate-stderr ciba-authorize -m Buy --lease 15m --uses 9 --audit-file log < <(a_call)
  [ "$status" -eq 65 ]
  [ "$(count /bc-authorize)" -eq 1 ]
  cp -r store begun
  local at given=0
  for at in {1..30}; do
    put_back begun
    rm -f log
    a_call > call
    faulty eio "$at" ciba-authorize -m Buy --lease 15m --uses 9 --audit-file log < call > out
    jq -cR 'fromjson? | select(.calls[0].authorization.use)' out > used
    [ -s used ] || continue
    given=$((given + 1))
    [ "$(events)" == "leased(7)" ]
  done
  [ "$given" -gt 10 ]
}

@test "ciba-poll says that without a store no lease begins, and the approval holds for its call" {
  willing
  a_call | ciba-authorize -m Buy --lease 15m --uses 9 > pending
  CIBA_STORE='' run --separate-stderr ciba-poll < pending
  [ "$status" -eq 0 ]
  [[ $stderr == *"no lease begins: this command has no store"* ]]
  stock-buy <<< "$output" | jq -e '.calls[0].result.status == 200'
  a_call | asked 9
}

@test "a denied question begins no lease" {
  sandbox --approve no --delay 0
  exits 1 leased 9 < <(a_call) > /dev/null
  [ -z "$(ciba-lease list)" ]
  a_call | asked 9
}

@test "documents of a spool use the same lease" {
  willing
  for i in 1 2 3; do a_call GOOGL 3 | agent-spool add spool > /dev/null; done
  timeout 200 agent-spool run -w spool -- ciba-authorize -m Buy --lease 15m --uses 3 '|' ciba-poll '|' stock-buy
  [ "$(find spool/done -type f | wc -l)" -eq 3 ]
  [ "$(count /bc-authorize)" -eq 1 ]
  [ "$(orders | jq length)" -eq 3 ]
  agent-spool list --json spool | jq -se 'map(.calls[0].lease.uses_left) | sort == [null, 0, 1]'
}

# A hook's event: an_event COMMAND
an_event() {
  jq -c --arg command "$1" '.tool_input = {command: $command}' "$BATS_TEST_DIRNAME/hooks/claude-PreToolUse.json"
}

# Whether the hook lets the tool run: allowed COMMAND [OPTION...]
allowed() {
  an_event "$1" > event
  ciba-hook --without-id-token "${@:2}" < event > answer 2> said || true
  jq -e '.hookSpecificOutput.permissionDecision == "allow"' answer > /dev/null
}

@test "ciba-hook: one question for as many calls; no token is kept, and the lease outlives the approval's" {
  jq -n '[{path: "/oauth/token", times: 9, body: {access_token: "t0ken", token_type: "Bearer", expires_in: 40}}]' > faults
  willing --faults-file faults
  export CIBA_AUDIT=$PWD/log
  for i in 1 2 3; do allowed 'make deploy' --lease 15m --uses 3; done
  [ "$(count /bc-authorize)" -eq 1 ]
  [ "$(events)" == "asked approved started leased(1) started(1) leased(0) started(0)" ]
  allowed 'make deploy' --lease 15m --uses 3
  [ "$(count /bc-authorize)" -eq 2 ]
  ciba-lease list --json | jq -e '.ends_at - .began_at > 890'
  # other words, and the same elsewhere
  allowed 'make clean' --lease 15m --uses 3
  mkdir elsewhere
  (cd elsewhere && allowed 'make deploy' --lease 15m --uses 3)
  [ "$(count /bc-authorize)" -eq 4 ]
}

@test "ciba-hook: with a filter the message is the tool and the filter, and other words are covered" {
  willing
  local n
  for n in 1 2 3; do
    allowed "make test-$n" --any-message --lease 15m --uses 9 --lease-if '.command | startswith("make test-")'
  done
  [ "$(count /bc-authorize)" -eq 1 ]
  [ "$(requests /bc-authorize .form.binding_message | jq -r .)" == \
    'Bash, if .command | startswith("make test-"), for 15 min, at most 9 times' ]
  allowed 'make test-' --any-message --lease 15m --uses 9 --lease-if '.command | startswith("make test-")'
  [ "$(count /bc-authorize)" -eq 1 ]
  allowed 'rm -rf x' --any-message --lease 15m --uses 9 --lease-if '.command | startswith("make test-")'
  [ "$(count /bc-authorize)" -eq 2 ]
  [ "$(ciba-lease list --json | jq .uses_left)" -eq 5 ]
  no allowed 'make test-4' --any-message --lease 15m --uses 9 --lease-if '.none'
  [ "$(count /bc-authorize)" -eq 2 ]
}

@test "an approval from a lease without a token is none for an executor or a gate" {
  willing
  a_call > call
  ask-without-token Buy 900 3 < call > first
  jq -e '.authorization.status == "approved" and .token' first
  ask-without-token Buy 900 3 < call > second
  jq -e '.authorization | .status == "approved" and .lease.uses_left == 1' second
  jq -e 'has("token") | not' second
  jq -c '{calls: [.]}' second > document
  exits 65 stock-buy < document > /dev/null
  exits 65 ciba-poll -q < document
  [ "$(orders)" == '[]' ]
  a_call | asked 3 # and none where a token is needed
}

@test "ciba-run: a lease is for the file of the command and the directory; with a filter for other words" {
  willing
  printf '#!/bin/sh\necho "$0 $*"\n' > tool
  chmod +x tool
  local filter='.command[1] == "check"'
  few() { ciba-run --any-message --lease 15m --uses 9 --lease-if "$filter" -- "$@" 2>> said; }
  few ./tool check
  [ "$(few ./tool check again)" == "./tool check again" ]
  [ "$(requests /bc-authorize .form.binding_message | jq -r .)" == "ciba-run, if $filter, for 15 min, at most 9 times" ]
  few ./tool clean
  [ "$(count /bc-authorize)" -eq 2 ]
  [ "$(requests /bc-authorize .form.binding_message | tail -n 1)" == '"Run ./tool clean"' ]
  mkdir elsewhere
  (cd elsewhere && few ../tool check)
  [ "$(count /bc-authorize)" -eq 3 ]
  few ./tool check
  [ "$(count /bc-authorize)" -eq 3 ]
  echo '# changed' >> tool
  few ./tool check
  [ "$(count /bc-authorize)" -eq 4 ]
}

@test "a message that is made to fit keeps the bound whole, and the lease is found again" {
  willing
  long=$(printf 'Deploy %.0s' {1..20})
  a_call | ciba-authorize --fit -m "$long" --lease 15m --uses 3 2> said | ciba-poll > /dev/null
  [[ $(requests /bc-authorize .form.binding_message) == *', for 15 min, at most 3 times #'* ]]
  a_call | ciba-authorize --fit -m "$long" --lease 15m --uses 3 | jq -e '.calls[0].authorization.lease.uses_left == 1'
  a_call | ciba-authorize --fit -m "$long." --lease 15m --uses 3 2> said | jq -e '.calls[0].authorization.status == "pending"'
}

@test "a filter that does not fit is cut, never the time and the number, and two filters have two leases" {
  willing
  for filter in '.qty < 100 and (.ticker | test("^GOOGL$"))' '.qty > 0 and (.ticker | test("^GOOGL$"))'; do
    a_call | ciba-authorize --fit -m Buy --lease 15m --uses 3 --lease-if "$filter" 2> said | ciba-poll | jq -e '.calls[0].authorization.status == "approved"'
    grep -qF "$(jq -cn --arg filter "$filter" '"Buy, if \($filter), for 15 min, at most 3 times"')" said
    [[ $(requests /bc-authorize .form.binding_message | tail -n 1) == *', for 15 min, at most 3 times #'* ]]
  done
  [ "$(count /bc-authorize)" -eq 2 ]
  a_call GOOGL 5 | ciba-authorize --fit -m Buy --lease 15m --uses 3 --lease-if "$filter" | jq -e '.calls[0].authorization.lease.uses_left == 1'
}

@test "ciba-lease lists who gave what, until when and for how often, and never a token" {
  willing
  [ -z "$(ciba-lease list)" ]
  a_call | leased 9 > first
  a_call | jq -c '.calls[0].name = "b\u001b[2Juy"' | ciba-authorize -m Sell --lease 2h --uses 5 | ciba-poll > /dev/null
  ciba-lease list > table
  [ "$(wc -l < table)" -eq 2 ]
  grep -E '^[A-Za-z0-9_-]{8}  8/9  .* auth0\|demo +buy +Buy, for 15 min, at most 9 times$' table
  no grep -q $'\e' table
  ciba-lease list --json > lines
  jq -se 'length == 2 and all(.id and .uses_left and .ends_at > .began_at and .client_id == "sandbox-client" and .user == "auth0|demo")' lines
  no grep -qE 'token|proof|auth_req_id' lines
  no grep -qF "$(jq -r '.calls[0].token.access_token' first)" lines table
}

@test "ciba-lease ends one or all, for good, and tells it in the audit log" {
  willing
  export CIBA_AUDIT=$PWD/log
  a_call | leased 9 > /dev/null
  a_call AAPL 1 | leased 9 > /dev/null
  id=$(ciba-lease list --json | jq -r 'select(.uses_left == 8).id' | head -n 1)
  ciba-lease end "$id"
  run --separate-stderr ciba-lease end "$id"
  [ "$status" -eq 65 ]
  [[ $stderr == *"$id: there is no such lease, or it is over"* ]]
  ciba-lease list --json | jq -se "length == 1 and .[0].id != \"$id\""
  ciba-lease end --all
  ciba-lease end --all
  [ -z "$(ciba-lease list)" ]
  a_call | asked 9
  a_call AAPL 1 | asked 9
  jq -se 'map(select(.event == "lease_ended")) | length == 2 and all(.lease.uses_left == 8 and .user == "auth0|demo" and .command == "ciba-lease")' log
  audit-verify -q log
}

@test "ciba-lease: what is wrong with its words, its store and its key" {
  for words in '' 'begin' 'list x' 'list --all' 'end' 'end --all x'; do
    # shellcheck disable=SC2086 # words on purpose
    exits 64 ciba-lease $words
  done
  CIBA_STORE='' exits 78 ciba-lease list
  CIBA_STORE_KEY='' exits 78 ciba-lease list
  CIBA_STORE_KEY=short exits 78 ciba-lease list
  mkdir -m 777 open
  chmod 777 open
  exits 78 ciba-lease list --store-dir open
  exits 78 ciba-lease end --all --store-dir open
  echo x > file
  exits 74 ciba-lease end --all --store-dir file
  ciba-lease list
  [ ! -e store ]
}
