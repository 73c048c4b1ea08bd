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

# Waits until that many seconds have passed.
passed() {
  local end=$(($(date +%s) + $1 + 1))
  await eval "[ \"\$(date +%s)\" -ge $end ]"
}

@test "the time of day goes back an hour, or on: polling goes on at its interval, and nothing expires" {
  build=$(dirname "$(command -v ciba-poll)")
  [[ $build != */asan && $build != */static ]] || skip "nothing can be preloaded"
  sandbox --approve ask --interval 1
  a_call | ciba-authorize -m Buy > asked
  step() { printf '%-31s\n' "$1" 1<> step; }
  step 0
  export CLOCK_STEP=$PWD/step
  LD_PRELOAD=$build/tests/clock_step.so polling asked decided
  await polled 2
  for by in -3600 -1000000000 7200 0; do
    step "$by"
    await polled $(($(count /oauth/token) + 2))
  done
  decide true
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

# The sandbox is stopped, so that an answer is under way for as long as the test likes.
@test "an answer that has come is read before a time limit is looked at: a stopped process loses no token" {
  sandbox --approve yes --delay 0 --interval 1
  a_call | ciba-authorize -m Buy > asked
  jq -n '[{path:"/oauth/token",status:400,body:{error:"authorization_pending"}}]' | spoil
  polling asked decided --max-time 3
  await polled 1
  kill -STOP "$CIBA_SANDBOX_PID"
  passed 1
  kill -STOP "$poll"
  kill -CONT "$CIBA_SANDBOX_PID"
  await polled 2
  passed 4
  kill -CONT "$poll"
  wait "$poll"
  jq -e '.calls[0].token.access_token' decided
}

@test "SIGTERM and --timeout wait, briefly, for answers that are under way" {
  for how in TERM timeout; do
    sandbox --approve yes --delay 0 --interval 1
    a_call | ciba-authorize -m Buy > asked
    jq -n '[{path:"/oauth/token",status:400,body:{error:"authorization_pending"}}]' | spoil
    polling asked decided
    await polled 1
    kill -STOP "$CIBA_SANDBOX_PID"
    passed 1
    kill -TERM "$poll"
    kill -CONT "$CIBA_SANDBOX_PID"
    wait "$poll" || true
    jq -e '.calls[0].token.access_token' decided
    rm requests
  done
}

@test "when time is up every document that stdin held comes out as it stands, also while the provider hangs" {
  sandbox --approve ask
  for ((i = 0; i < 300; i++)); do a_call; done | jq -c . | ciba-authorize -m Buy -j 8 > asked
  kill -STOP "$CIBA_SANDBOX_PID"
  run --separate-stderr ciba-poll --timeout 0.5 < asked
  [ "$status" -eq 75 ]
  as_it_stood() { jq -c 'del(.calls[].authorization.next_poll_at)' | sort; }
  echo "$output" | as_it_stood | cmp - <(as_it_stood < asked)
  polling asked out
  await grep -q . /proc/$poll/cmdline
  passed 1
  kill -TERM "$poll"
  expected=0; wait "$poll" || expected=$?
  [ "$expected" -eq 75 ]
  as_it_stood < out | cmp - <(as_it_stood < asked)
  kill -CONT "$CIBA_SANDBOX_PID"
}

# A label of more than 63 characters is looked up nowhere.
@test "a name that does not resolve ends nothing: polling goes on, and the next request can be sent" {
  nowhere
  CIBA_ISSUER=https://$(printf 'a%.0s' {1..70}).invalid/
  jq -nc '{calls:[{id:"c",name:"t",arguments:{},authorization:{status:"pending",issuer:env.CIBA_ISSUER,auth_req_id:"x",
    requested_at:(now|floor),expires_at:(now+100|floor),interval:1,call_digest:"x"}}]}' > asked
  digest=$(jq -c '.calls[0] | {arguments, name}' asked | tr -d '\n' | openssl dgst -sha256 -binary | base64url)
  jq -c --arg digest "sha-256:$digest" '.calls[0].authorization.call_digest = $digest' asked > pending
  run --separate-stderr ciba-poll --timeout 4 < pending
  echo "$status $stderr"
  [ "$status" -eq 75 ]
  [[ $stderr == *"trying again"* ]]
  [ "$(jq -c 'del(.calls[].authorization.next_poll_at)' <<< "$output")" == "$(cat pending)" ]
}

# Each row: an answer that is "not yet", and how long the next poll waits at the least.
@test "a provider says how long to wait: interval in the body of slow_down, Retry-After with pending" {
  while IFS='~' read -r answer least; do
    sandbox --approve yes --delay 0 --interval 1
    a_call | ciba-authorize -m Buy > asked
    jq -n "[{path:\"/oauth/token\"} + $answer]" | spoil
    ciba-poll --once < asked > pending || true
    jq -e ".calls[0].authorization.next_poll_at >= now + $least - 1" pending
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

@test "--timeout ends a poll whose input never does" {
  nowhere
  run timeout 30 bash -c "yes '{\"calls\":[]}' | ciba-poll --timeout 0.5 > /dev/null"
  [ "$status" -ne 124 ]
}
