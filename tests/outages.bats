# shellcheck source=helper.bash
load helper

# Clocks that are set, processes that are stopped, names that do not resolve: nothing is lost, nothing ends, nothing
# hangs.

# A poll in the background, which is $poll: polling INPUT OUTPUT [OPTION...]
polling() {
  command ciba-poll "${@:3}" < "$1" > "$2" 2> errors &
  poll=$!
  started+=("$poll")
}

polled() {
  [ "$(count /oauth/token)" -ge "$1" ]
}

# A request has arrived at the sandbox, which is stopped.
under_way() {
  local port=${CIBA_ISSUER%/}
  grep -q "^ *[0-9]*: [^ ]*:$(printf %04X "${port##*:}") [^ ]* 01 [^ ]*:0*[1-9A-F]" /proc/net/tcp
}

# Waits until that many seconds have passed.
passed() {
  local end=$(($(date +%s) + $1 + 1))
  await eval "[ \"\$(date +%s)\" -ge $end ]"
}

# A clock for commands that have $build/tests/clock_step.so preloaded: step SECONDS sets it.
clock_that_steps() {
  build=$(dirname "$(command -v ciba-poll)")
  [[ $build != */asan && $build != */static ]] || skip "nothing can be preloaded"
  export CLOCK_STEP=$PWD/step
  step 0
}
step() {
  printf '%-31s\n' "$1" 1<> step
}

# Polling continues while the clock is set back and forward; then the user approves.
decide_after_steps() {
  local by
  await polled 2
  for by in -3600 -1000000000 7200 0; do
    step "$by"
    await polled $(($(count /oauth/token) + 2))
  done
  decide true
}

@test "the time of day goes back an hour, or on: polling goes on at its interval, and nothing expires" {
  clock_that_steps
  sandbox --approve ask --interval 1
  a_call | ciba-authorize -m Buy > asked
  LD_PRELOAD=$build/tests/clock_step.so polling asked decided
  decide_after_steps
  wait "$poll"
  jq -e '.calls[0].authorization.status == "approved"' decided
}

@test "a document is polled whatever the time of day was when it was asked" {
  sandbox --approve yes --delay 0 --interval 1
  for by in -100000 100000; do
    a_call | ciba-authorize -m Buy |
      jq -c ".calls[0].authorization |= (.requested_at += $by | .expires_at += $by | .next_poll_at = .requested_at + 1)" > asked
    ciba-poll < asked | jq -e '.calls[0].authorization.status == "approved"'
  done
  # and one that the provider still waits for has not expired
  kill "$CIBA_SANDBOX_PID"
  sandbox --approve ask --interval 1
  a_call | ciba-authorize -m Buy | jq -c '.calls[0].authorization |= (.requested_at -= 100000 | .expires_at -= 100000)' > asked
  polling asked decided
  await polled 2
  decide true
  wait "$poll"
}

# The sandbox is stopped before the second poll, ten seconds after the first, so that an answer stays under way as long
# as the test needs.
@test "an answer that has come is read before a time limit is looked at: a stopped process loses no token" {
  sandbox --approve yes --delay 0 --interval 10
  a_call | ciba-authorize -m Buy > asked
  jq -n '[{path:"/oauth/token",status:400,body:{error:"authorization_pending"}}]' | spoil
  polling asked decided --max-time 5
  await polled 1
  kill -STOP "$CIBA_SANDBOX_PID"
  await under_way
  kill -STOP "$poll"
  kill -CONT "$CIBA_SANDBOX_PID"
  await polled 2
  passed 5
  kill -CONT "$poll"
  wait "$poll"
  jq -e '.calls[0].token.access_token' decided
}

@test "SIGTERM waits, briefly, for answers that are under way" {
  sandbox --approve yes --delay 0 --interval 10
  a_call | ciba-authorize -m Buy > asked
  jq -n '[{path:"/oauth/token",status:400,body:{error:"authorization_pending"}}]' | spoil
  polling asked decided
  await polled 1
  kill -STOP "$CIBA_SANDBOX_PID"
  await under_way
  kill -TERM "$poll"
  kill -CONT "$CIBA_SANDBOX_PID"
  wait "$poll" || true
  jq -e '.calls[0].token.access_token' decided
}

@test "when time is up every document that stdin held comes out as it stands, also while the provider hangs" {
  sandbox --approve ask
  for ((i = 0; i < 300; i++)); do a_call; done | jq -c . | ciba-authorize -m Buy -j 8 > asked
  kill -STOP "$CIBA_SANDBOX_PID"
  run --separate-stderr ciba-poll --max-wait 0.5 < asked
  [ "$status" -eq 75 ]
  as_it_stood() { jq -c 'del(.calls[].authorization.next_poll_at)' | sort; }
  echo "$output" | as_it_stood | cmp - <(as_it_stood < asked)
  polling asked out
  await under_way
  kill -TERM "$poll"
  expected=0; wait "$poll" || expected=$?
  [ "$expected" -eq 75 ]
  as_it_stood < out | cmp - <(as_it_stood < asked)
  kill -CONT "$CIBA_SANDBOX_PID"
}

# No resolver looks up a label of more than 63 characters.
@test "a name that does not resolve ends nothing: polling goes on, and the next request can be sent" {
  nowhere
  CIBA_ISSUER=https://$(printf 'a%.0s' {1..70}).invalid/
  jq -nc '{calls:[{id:"c",name:"t",arguments:{},authorization:{status:"pending",issuer:env.CIBA_ISSUER,auth_req_id:"x",
    requested_at:(now|floor),expires_at:(now+100|floor),interval:1,call_digest:"x"}}]}' > asked
  digest=$(jq -c '.calls[0] | {arguments, name}' asked | tr -d '\n' | openssl dgst -sha256 -binary | base64url)
  jq -c --arg digest "sha-256:$digest" '.calls[0].authorization.call_digest = $digest' asked > pending
  run --separate-stderr ciba-poll --max-wait 4 < pending
  echo "$status $stderr"
  [ "$status" -eq 75 ]
  [[ $stderr == *"trying again"* ]]
  [ "$(jq -c 'del(.calls[].authorization.next_poll_at)' <<< "$output")" == "$(cat pending)" ]
}

# Each row: an answer that means "not yet", and the minimum wait before the next poll.
@test "a provider says how long to wait: interval in the body of slow_down, Retry-After with pending" {
  while IFS='~' read -r answer least; do
    sandbox --approve yes --delay 0 --interval 1
    a_call | ciba-authorize -m Buy > asked
    jq -n "[{path:\"/oauth/token\"} + $answer]" | spoil
    before=$(date +%s)
    ciba-poll --once < asked > pending || true
    jq -e ".calls[0].authorization.next_poll_at >= $before + $least" pending
    kill "$CIBA_SANDBOX_PID"
  done <<'END'
{status:400,body:{error:"slow_down",interval:19}}~19
{status:400,body:{error:"slow_down",interval:"19"}}~19
{status:400,body:{error:"authorization_pending"},headers:{"Retry-After":"14"}}~14
{status:400,body:{error:"slow_down"}}~6
END
}

@test "the one key is replaced, no kid anywhere: the new set is asked for" {
  signing_key old.pem
  old=$jwks
  signing_key new.pem
  sandbox --approve never --interval 1
  a_call | ciba-authorize -m Buy > asked
  jq -n --arg id "$(signed new.pem "$(id_claims)" '{"alg":"RS256"}')" "[{path:\"/jwks\",body:${old/,kid:\"k\"/}},{path:\"/jwks\",times:9,body:${jwks/,kid:\"k\"/}},
    {path:\"/oauth/token\",body:{access_token:\"x\",token_type:\"Bearer\",id_token:\$id}}]" | spoil
  ciba-poll < asked | jq -e '.calls[0].authorization.status == "approved"'
}

@test "keys are rotated while they cannot be had for a moment: no token is lost" {
  signing_key old.pem
  old=$jwks
  signing_key new.pem
  for away in '{status:503,body:""}' '{drop:true}' '{status:403,body:"<html>"}' '{status:200,body:"<html>"}'; do
    sandbox --approve never --interval 1
    a_call | ciba-authorize -m Buy > asked
    jq -n --arg id "$(signed new.pem "$(id_claims)" '{"alg":"RS256","kid":"n"}')" "[{path:\"/jwks\",body:$old},{path:\"/jwks\"} + $away,
      {path:\"/jwks\",times:9,body:${jwks/\"k\"/\"n\"}}, {path:\"/oauth/token\",body:{access_token:\"x\",token_type:\"Bearer\",id_token:\$id}}]" | spoil
    ciba-poll < asked > decided
    jq -e '.calls[0].authorization.status == "approved"' decided
    kill "$CIBA_SANDBOX_PID"
  done
}

# The output is a full pipe; the time limit of each request passes while nobody reads it.
@test "a reader that stalls costs no approval, and one that ends costs none that has not been fetched" {
  sandbox --approve yes --delay 0 --interval 1
  for ((i = 0; i < 300; i++)); do a_call; done | ciba-authorize -m Buy -j 8 > asked
  mkfifo pipe
  command ciba-poll --max-time 15 < asked > pipe 2> errors &
  started+=($!)
  exec 8< pipe
  settled() {
    local before
    before=$(count /oauth/token)
    passed 1
    [ "$before" -gt 0 ] || return 1
    [ "$(count /oauth/token)" -eq "$before" ]
  }
  await settled
  passed 15
  cat <&8 > decided
  exec 8<&-
  [ "$(jq -r '.calls[0].authorization.status' decided | sort | uniq -c | xargs)" == "300 approved" ]
  for ((i = 0; i < 300; i++)); do a_call; done | ciba-authorize -m Buy -j 8 > asked
  before=$(count /oauth/token)
  command ciba-poll < asked 2> errors | head -n 10 > some || true
  [ "$(wc -l < some)" -eq 10 ]
  [ "$(count /oauth/token)" -lt $((before + 300)) ]
}

@test "--max-wait ends a poll whose input never does" {
  nowhere
  run timeout 200 bash -c "yes '{\"calls\":[]}' | ciba-poll --max-wait 0.5 > /dev/null"
  [ "$status" -ne 124 ]
}

# Each row: what a gateway makes of the provider's answer.
@test "a gateway's error after the provider has asked: the question is not repeated while the first can be approved" {
  while read -r answer; do
    rm -rf spool requests
    jq -n "[{path:\"/bc-authorize\",after:true} + $answer]" > faults
    sandbox --approve never --faults-file faults
    a_call | agent-spool add spool > id
    for ((i = 0; i < 3; i++)); do
      run agent-spool run --backoff 0.01 spool -- ciba-authorize -m Buy --expiry 100
      [ "$status" -eq 75 ]
      touch spool/queue/*
    done
    [ "$(count /bc-authorize)" -eq 1 ]
    jq -e '.calls[0].authorization | .error == "outcome_unknown" and .ask_again_at >= .requested_at + 100' spool/queue/*
    kill "$CIBA_SANDBOX_PID"
  done <<'END'
{status:502,body:"<html>Bad Gateway</html>"}
{status:504,body:""}
{status:500,body:"Internal Server Error"}
END
}

@test "the time of day is set: a spool goes on, gives nothing up before its time, and asks a lost question anew" {
  clock_that_steps
  sandbox --approve ask --interval 1
  a_call | agent-spool add spool
  LD_PRELOAD=$build/tests/clock_step.so agent-spool run -w spool -- ciba-authorize -m Buy '|' ciba-poll --once '|' stock-buy &
  started+=($!)
  runner=$!
  decide_after_steps
  wait "$runner"
  [ "$(orders | jq length)" -eq 1 ]
  # a document that fails for a second has not failed for an hour, or for years
  a_call | agent-spool add other
  for by in 0 3700 1000000000 0; do
    step "$by"
    touch -d @1 other/queue/*
    LD_PRELOAD=$build/tests/clock_step.so run agent-spool run --give-up 3600 other -- sh -c 'exit 69'
    [ "$status" -eq 75 ]
  done
  jq -e '.spool.tries == 4' other/queue/*
}

@test "a question whose answer was lost waits no longer than it can be approved, whatever the time of day was" {
  jq -n '[{path: "/bc-authorize", drop: true, after: true}]' > faults
  sandbox --approve never --faults-file faults
  a_call > call
  ciba-authorize -m Buy --expiry 50 --journal-file journal < call > lost || true
  jq -c '.calls[0].authorization |= (.requested_at += 90000 | .ask_again_at += 90000)' lost > ahead
  run --separate-stderr ciba-authorize -m Buy < ahead
  [ "$status" -eq 75 ]
  holds '.calls[0].authorization | .ask_again_at <= now + 54'
  jq -c '.time += 90000 | .until += 90000' journal > later
  chmod 600 later
  run --separate-stderr ciba-authorize -m Buy --journal-file later < call
  [ "$status" -eq 75 ]
  holds '.calls[0].authorization | .ask_again_at <= now + 54'
  jq -se '.[-1].until <= now + 54' later
  [ "$(count /bc-authorize)" -eq 1 ]
}

# In a mount namespace: a disk of 2 MiB, which `fill` fills and `empty_it` empties.
@test "no token is fetched that there is no room to keep: not in the journal, not in the output" {
  [ "$(id -u)" -eq 0 ] || skip "not root"
  unshare -m true 2> /dev/null || skip "no mount namespaces"
  sandbox --approve yes --delay 0 --interval 1
  a_call | ciba-authorize -m Buy > asked
  mkdir disk
  cat > on_disk << 'END'
mount -t tmpfs -o size=2m none disk
fill() { cat /dev/zero > disk/ballast 2> /dev/null || true; }
empty_it() { rm disk/ballast; }
said() { for ((i = 0; i < 1000; i++)); do grep -q "$1" words && return; sleep 0.02; done; exit 1; } # lint: awaited
END
  cat > journal_full << 'END'
. ./on_disk
fill
timeout 200 ciba-poll --once --journal-file disk/journal < asked > out
echo $? > status
empty_it
timeout 200 ciba-poll --journal-file disk/journal < asked > decided
ls -s --block-size=1 disk/journal | cut -d' ' -f1 > blocks
END
  cat > output_full << 'END'
. ./on_disk
fill
timeout 200 ciba-poll < asked > disk/decided 2> words &
said "no space left for an answer"
cp requests while_full
empty_it
wait $!
cp disk/decided .
END
  unshare -m bash journal_full
  [ "$(cat status)" -eq 74 ]
  jq -e '.calls[0].authorization.status == "pending"' out
  jq -e '.calls[0].token.access_token' decided
  [ "$(count /oauth/token)" -eq 1 ]
  [ "$(cat blocks)" -le 16384 ] # what was kept for the token is given back
  a_call | ciba-authorize -m Buy > asked
  unshare -m bash output_full
  [ "$(jq -s 'map(select(.path == "/oauth/token")) | length' while_full)" -eq 1 ]
  jq -e '.calls[0].token.access_token' decided
  [ "$(count /oauth/token)" -eq 2 ]
}

@test "what was asked or polled while the time of day was ahead is gone on with by the next run, not when that time comes" {
  sandbox --approve never --interval 1
  a_call | ciba-authorize -m Buy | ciba-poll --once > pending || true
  jq -n '[{path: "/bc-authorize", drop: true, after: true}]' | spoil
  a_call | ciba-authorize -m Buy --expiry 50 > lost || true
  local runs=0 document ahead
  while read -r document ahead; do
    jq -c ".calls[0].authorization |= ($ahead)" "$document" | agent-spool add spool
    run agent-spool run spool -- cat '|' sh -c 'cat; echo >> runs; exit 75'
    [ "$status" -eq 75 ]
    [ "$(wc -l < runs)" -eq $((++runs)) ]
  done << 'END'
pending .next_poll_at += 7200
pending .next_poll_at += 1e8
pending (.requested_at, .expires_at, .next_poll_at) += 7200
lost (.requested_at, .ask_again_at) += 7200
END
  # a server may ask for more than the interval, and plausible waits are kept
  for document in '.next_poll_at = now + 200 | .expires_at = now + 300' '.next_poll_at = now + 10'; do
    jq -c ".calls[0].authorization |= ($document)" pending | agent-spool add other
  done
  agent-spool add other < lost
  run agent-spool run other -- cat '|' sh -c 'cat; echo >> runs; exit 75'
  [ "$(wc -l < runs)" -eq "$runs" ]
}
