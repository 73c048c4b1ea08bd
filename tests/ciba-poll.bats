# shellcheck source=helper.bash
load helper

# A document asked about, in the file `asked`, with a sandbox with these faults at /oauth/token:
# asked_with FAULTS-JQ [SANDBOX OPTION...]
asked_with() {
  jq -n "[$1 | {path:\"/oauth/token\"} + .]" > faults
  sandbox --faults-file faults --interval 1 "${@:2}"
  a_call | ciba-authorize -m 'Buy \(.qty)' > asked
}

# The gaps between the token requests, in seconds, one per line.
gaps() {
  requests /oauth/token .at | jq -s '[.[1:], .[:-1]] | transpose[] | .[0] - .[1]'
}

@test "approved: 0, with the token, and the first poll is immediate" {
  sandbox --approve yes --delay 0 --interval 60
  a_call | ciba-authorize -m Buy > asked
  run --separate-stderr ciba-poll < asked
  [ "$status" -eq 0 ]
  holds '.calls[0].authorization.status == "approved"'
  holds '.calls[0].token | .token_type == "Bearer" and .scope == "openid stock:trade" and (.access_token | split(".") | length) == 3'
  holds '.calls[0].token.expires_at > now'
  [ "$(count /oauth/token)" -eq 1 ]
}

@test "denied: 1, with the provider's words" {
  sandbox --approve no --delay 0
  run --separate-stderr ciba-poll < <(a_call | ciba-authorize -m Buy)
  [ "$status" -eq 1 ]
  holds '.calls[0] | .authorization.status == "denied" and .authorization.error == "access_denied" and .authorization.error_description == "the user denied the request" and (has("token") | not)'
}

@test "expired: 1" {
  sandbox --approve never --interval 1
  a_call | ciba-authorize -m Buy --expiry 2 > asked
  run --separate-stderr ciba-poll < asked
  [ "$status" -eq 1 ]
  holds '.calls[0].authorization | .status == "expired" and .error == "expired_token"'
}

@test "it is never sooner than the interval, and goes on while the user has not decided" {
  sandbox --approve ask --interval 1
  a_call | ciba-authorize -m Buy > asked
  command ciba-poll < asked > decided &
  poll=$!
  started+=("$poll")
  await eval '[ "$(count /oauth/token)" -ge 3 ]'
  decide true
  wait "$poll"
  gaps | jq -es 'length >= 3 and all(. >= 1)'
  # the strict sandbox answers slow_down to polls that are too early
  [ "$(requests /oauth/token .status | sort -u | paste -sd' ')" == "200 400" ]
}

@test "slow_down makes the interval 5 seconds longer, for all later polls" {
  asked_with '{status:400,body:{error:"slow_down"}}' --approve never
  run --separate-stderr ciba-poll --once < asked
  [ "$status" -eq 75 ]
  holds '.calls[0].authorization | .interval == 6 and .status == "pending"'
  holds ".calls[0].authorization.next_poll_at - $(requests /oauth/token .at) >= 6"
}

@test "a provider that adds 5 seconds each time it is asked too early is caught up with, though a slow_down was lost" {
  asked_with '{status:400,times:20,body:{error:"slow_down"}}' --approve never
  local interval provider=25
  jq -c '.calls[0].authorization.interval = 20' asked > behind
  while
    provider=$((provider + 5))
    interval=$(ciba-poll --once < behind | jq '.calls[0].authorization.interval')
    [ "$(jq -n "$interval < $provider")" == true ]
  do
    [ "$provider" -lt 100 ]
    jq -c ".calls[0].authorization |= (.interval = $interval | del(.next_poll_at))" asked > behind
  done
}

@test "slow_down with Retry-After waits as long as that, if it is more" {
  asked_with '{status:429,body:{error:"slow_down"},headers:{"Retry-After":"30"}}' --approve never
  run --separate-stderr ciba-poll --once < asked
  holds '.calls[0].authorization.interval == 30'
  kill "$CIBA_SANDBOX_PID"
  asked_with '{status:400,body:{error:"slow_down"},headers:{"Retry-After":"2"}}' --approve never
  run --separate-stderr ciba-poll --once < asked
  holds '.calls[0].authorization.interval == 6'
}

@test "5xx, 429, a closed connection and HTML are no answer about the user: it goes on" {
  asked_with '({status:503,body:"<html>"},{status:429,body:"",headers:{"Retry-After":"2"}},{drop:true})' --approve yes --delay 0
  run --separate-stderr ciba-poll < asked
  [ "$status" -eq 0 ]
  holds '.calls[0].authorization.status == "approved"'
  [ "$(requests /oauth/token .status | paste -sd' ')" == "503 429 0 200" ]
  # growing waits: the interval; Retry-After or twice the interval; four times
  gaps | jq -es '.[0] >= 1 and .[1] >= 2 and .[2] >= 4'
}

@test "a provider that cannot be reached until the request expires is 69, not a no" {
  sandbox --approve never --interval 1
  a_call | ciba-authorize -m Buy --expiry 15 > asked
  kill "$CIBA_SANDBOX_PID"
  run --separate-stderr ciba-poll < asked
  [ "$status" -eq 69 ]
  holds '.calls[0].authorization | .status == "failed" and .error == "server_unavailable"'
  [[ $stderr == *"expired while the provider could not be reached"* ]]
}

@test "a provider that comes back in time is asked again" {
  sandbox --approve never --interval 1
  port=${CIBA_ISSUER%/}; port=${port##*:}
  a_call | ciba-authorize -m Buy > asked
  kill "$CIBA_SANDBOX_PID"
  await bash -c "! curl -s $CIBA_ISSUER > /dev/null"
  command ciba-poll < asked > decided 2> errors &
  poll=$!
  started+=("$poll")
  await grep -q 'trying again' errors
  # The new server does not know the client's secret: a final answer.
  await sandbox --port "$port" # another test may have the port for a moment
  expected=0; wait "$poll" || expected=$?
  cat errors decided
  [ "$expected" -eq 77 ]
  [ "$(jq -r '.calls[0].authorization.status' decided)" == failed ]
}

# Each row: what a proxy between us and the provider answers, with its status.
@test "a page of a gateway is no answer of the provider's: polling goes on, and the approval is not lost" {
  sandbox --approve yes --delay 0 --interval 1
  while read -r answer; do
    jq -n "[{path:\"/oauth/token\"} + $answer]" | spoil
    a_call | ciba-authorize -m Buy > asked
    run --separate-stderr ciba-poll < asked
    echo "$answer: $status $stderr"
    [ "$status" -eq 0 ]
    holds '.calls[0].token.access_token'
  done <<'END'
{status:200,body:"<html>sign in to the network</html>"}
{status:200,body:""}
{status:200,body:[1]}
{status:400,body:"<html>"}
{status:401,body:"<html>"}
{status:401,body:""}
{status:403,body:"<html>blocked</html>"}
{status:403,body:{}}
{status:404,body:"not found"}
{status:302,headers:{Location:"http://127.0.0.1:9/"}}
{status:429,body:{error:"slow"}}
{status:503,body:{error:"unknown_error"}}
END
}

# Each row: the answer, exit status, authorization's status and error.
@test "each final answer has its status, its words are kept" {
  while IFS='|' read -r answer expected state code; do
    asked_with "$answer"
    run --separate-stderr ciba-poll < asked
    kill "$CIBA_SANDBOX_PID"
    echo "$answer: $status, $stderr, $output"
    [ "$status" -eq "$expected" ]
    holds ".calls[0].authorization | .status == \"$state\" and .error == \"$code\" and (has(\"next_poll_at\") | not)"
    holds '.calls[0] | has("token") | not'
  done <<'END'
{status:400,body:{error:"access_denied",error_description:"no"}}|1|denied|access_denied
{status:403,body:{error:"access_denied"}}|1|denied|access_denied
{status:400,body:{error:"expired_token"}}|1|expired|expired_token
{status:400,body:{error:"invalid_grant"}}|77|failed|invalid_grant
{status:400,body:{error:"unauthorized_client"}}|77|failed|unauthorized_client
{status:401,body:{error:"invalid_client"}}|77|failed|invalid_client
{status:400,body:{error:"transaction_failed"}}|69|failed|transaction_failed
{status:400,body:{error:"something_new",x:1}}|76|failed|something_new
{body:{}}|76|failed|invalid_response
{body:{access_token:"x"}}|76|failed|invalid_response
{body:{access_token:1,token_type:"Bearer"}}|76|failed|invalid_response
{body:{access_token:"x",token_type:"Bearer",id_token:"x"}}|76|failed|invalid_id_token
{body:{access_token:"x",token_type:"Bearer",id_token:1}}|76|failed|invalid_id_token
END
}

@test "a token without an ID token is taken with --without-id-token alone" {
  asked_with '{body:{access_token:"x",token_type:"bearer",expires_in:"60",unknown:1}}'
  run --separate-stderr ciba-poll --without-id-token < asked
  [ "$status" -eq 0 ]
  holds '.calls[0].token | .access_token == "x" and .expires_at > now and (has("unknown") | not)'
}

@test "SIGTERM and SIGINT write every document as it stands and exit 75; the output goes on" {
  for signal in TERM INT; do
    sandbox --approve ask --interval 1
    { a_call; a_call AAPL 2; } | ciba-authorize -m 'Buy \(.ticker)' > asked
    rm -f pending decided
    # env restores SIGINT, which bash ignores in background jobs
    env --default-signal=INT ciba-poll < asked > pending &
    poll=$!
    await eval '[ "$(count /oauth/token)" -ge 2 ]'
    kill -s "$signal" "$poll"
    expected=0; wait "$poll" || expected=$?
    [ "$expected" -eq 75 ]
    [ "$(jq -s '[.[].calls[0].authorization.status] | . == ["pending","pending"]' pending)" == true ]
    decide true
    command ciba-poll < pending > decided &
    poll=$!
    await test -s decided # what is decided goes out at once
    kill "$poll"
    exits 75 wait "$poll"
    [ "$(jq -r '.calls[0].authorization.status' decided | sort | paste -sd' ')" == "approved pending" ]
    kill "$CIBA_SANDBOX_PID"
    rm requests
  done
}

@test "--max-wait writes what is pending and exits 75" {
  sandbox --approve never --interval 1
  a_call | ciba-authorize -m Buy > asked
  run --separate-stderr ciba-poll --max-wait 2 < asked
  [ "$status" -eq 75 ]
  holds '.calls[0].authorization.status == "pending"'
}

@test "--once polls each call once, and again not before its time" {
  sandbox --approve never --interval 1
  { a_call; a_call AAPL; } | ciba-authorize -m 'Buy \(.ticker)' > asked
  exits 75 ciba-poll --once < asked > once
  [ "$(count /oauth/token)" -eq 2 ]
  exits 75 ciba-poll --once < once > twice
  [ "$(count /oauth/token)" -eq 4 ]
  [ "$(requests /oauth/token .status | sort -u)" == 400 ]
  jq -es 'all(.calls[0].authorization | .status == "pending" and .interval == 1)' twice
}

@test "a decided document is not polled again" {
  sandbox --approve yes --delay 0
  an_approved_call > decided
  run --separate-stderr ciba-poll < decided
  [ "$status" -eq 0 ]
  [ "$output" == "$(cat decided)" ]
  [ "$(count /oauth/token)" -eq 1 ]
}

@test "-q writes nothing, the status tells" {
  sandbox --approve no --delay 0
  run ciba-poll -q < <(ciba-authorize -n -m Hello)
  [ "$status" -eq 1 ]
  [ -z "$output" ]
}

@test "the status is that of the worst: an error, else not yet, else no" {
  sandbox --approve never
  doc() { printf '{"calls":[{"id":"c","authorization":{"status":"%s","issuer":"%s","error":"%s","auth_req_id":"x"}}]}\n' "$1" "$CIBA_ISSUER" "${2:-}"; }
  run ciba-poll -q < <(doc denied access_denied; echo '{}')
  [ "$status" -eq 1 ]
  run ciba-poll -q < <(doc denied; doc expired)
  [ "$status" -eq 1 ]
  run ciba-poll -q < <(doc failed invalid_grant; doc denied)
  [ "$status" -eq 77 ]
  run ciba-poll -q < <(doc denied; echo x; doc denied)
  [ "$status" -eq 65 ]
  a_call | ciba-authorize -m Buy > asked
  run ciba-poll -q --once < <(doc denied; cat asked)
  [ "$status" -eq 75 ]
}

@test "what failed to be asked is not approved" {
  nowhere
  run ciba-poll -q < <(a_call | ciba-authorize 2> /dev/null)
  [ "$status" -eq 69 ]
}

@test "all pending calls are waited for at once; each document goes out when its own are decided" {
  sandbox --approve ask --interval 1
  { a_call A 1; a_call B 2; a_call C 3; } | ciba-authorize -m 'Buy \(.ticker)' > asked
  command ciba-poll < asked > decided &
  poll=$!
  started+=("$poll")
  decide true
  await test -s decided
  [ "$(jq -r '.calls[0].arguments.ticker' decided)" == C ]
  id=$(curl -s "${CIBA_SANDBOX_URL}phone/requests" | jq -r '.[1].id')
  for decision in "$(curl -s "${CIBA_SANDBOX_URL}phone/requests" | jq -r '.[2].id') false" "$id true"; do
    # shellcheck disable=SC2086
    set -- $decision
    curl -sf -H 'Content-Type: application/json' -d "{\"id\":\"$1\",\"approve\":$2}" "${CIBA_SANDBOX_URL}phone/decide" > /dev/null
  done
  expected=0; wait "$poll" || expected=$?
  [ "$expected" -eq 1 ]
  [ "$(jq -r '[.calls[0].arguments.ticker, .calls[0].authorization.status] | join(" ")' decided | sort | paste -sd,)" == \
    "A denied,B approved,C approved" ]
}

@test "documents are read while earlier ones wait" {
  sandbox --approve ask --interval 1
  a_call A 1 | ciba-authorize -m One > one
  a_call B 2 | ciba-authorize -m Two > two
  mkfifo pipe
  command ciba-poll < pipe > decided &
  poll=$!
  started+=("$poll")
  exec 5> pipe
  cat one >&5
  await bash -c 'grep -q oauth/token requests'
  cat two >&5
  decide true
  await test -s decided
  [ "$(jq -r '.calls[0].arguments.ticker' decided)" == B ]
  exec 5>&-
  kill "$poll"
  exits 75 wait "$poll"
}

@test "connections are kept from one round of polls to the next" {
  command -v strace > /dev/null || skip "strace is not installed"
  sandbox --approve never --interval 1
  for i in {1..60}; do printf '{"calls":[{"id":"c%s","name":"buy","arguments":{}}]}\n' "$i"; done | ciba-authorize -m Buy > asked
  # shellcheck disable=SC2016 # expanded by the inner shell
  ASAN_OPTIONS=detect_leaks=0 strace -f -e trace=connect -o connects sh -c 'echo $$ > pid; exec ciba-poll' < asked > pending &
  poll=$!
  await eval '[ "$(count /oauth/token)" -ge 180 ]'
  kill "$(cat pid)"
  exits 75 wait "$poll"
  connects=$(grep -c 'AF_INET' connects) polls=$(count /oauth/token)
  echo "$connects connections for $polls polls"
  [ "$connects" -ge 1 ]
  [ "$connects" -le 60 ]
}

@test "a document of another issuer is left alone and named" {
  sandbox --approve yes --delay 0
  echo '{"calls":[{"id":"c","authorization":{"status":"pending","issuer":"https://other.example/","auth_req_id":"x","expires_at":9999999999}}]}' > other
  run --separate-stderr ciba-poll < other
  [ "$status" -eq 78 ]
  [ "$output" == "$(cat other)" ]
  [[ $stderr == *"was asked at 'https://other.example/'"* ]]
  [ "$(count /oauth/token)" -eq 0 ]
}

@test "the ID token must hold: signature, issuer, audience, times, subject, request, at_hash" {
  openssl genrsa -out right.pem 2048 2> /dev/null
  openssl genrsa -out wrong.pem 2048 2> /dev/null
  base64url() { base64 -w0 | tr '+/' '-_' | tr -d =; }
  n=$(openssl rsa -in right.pem -noout -modulus | cut -d= -f2 | basenc -d --base16 | base64url)
  jwks="{keys:[{kty:\"RSA\",kid:\"k\",n:\"$n\",e:\"AQAB\"}]}"
  # a token signed with openssl: signed KEY HEADER CLAIMS
  signed() {
    local input
    input=$(printf %s "$2" | base64url).$(printf %s "$3" | base64url)
    printf '%s.%s' "$input" "$(printf %s "$input" | openssl dgst -sha256 -sign "$1" -binary | base64url)"
  }
  hash=$(printf access | openssl dgst -sha256 -binary | head -c 16 | base64url)
  header='{"alg":"RS256","kid":"k"}'
  sandbox --approve never --interval 1
  while IFS='|' read -r expected key head change; do
    [ -n "$head" ] || head=$header
    claims=$(jq -nc "{iss:\"$CIBA_ISSUER\",aud:\"sandbox-client\",sub:\"auth0|demo\",exp:(now+60|floor),iat:(now|floor),at_hash:\"$hash\"} $change")
    token=$(signed "$key" "$head" "$claims")
    jq -n "[{path:\"/jwks\",times:9,body:$jwks},{path:\"/oauth/token\",body:{access_token:\"access\",token_type:\"Bearer\",id_token:\"$token\"}}]" | spoil
    a_call | ciba-authorize -m Buy > asked
    run --separate-stderr ciba-poll < asked
    echo "$head $claims: $status $stderr"
    if [ "$expected" == holds ]; then
      [ "$status" -eq 0 ]
      holds '.calls[0].token.access_token == "access"'
    else
      [ "$status" -eq 76 ]
      [[ $stderr == *"the ID token does not hold"*"$expected"* ]]
      holds '.calls[0] | .authorization.error == "invalid_id_token" and (has("token") | not)'
      [[ $output != *'"access"'* ]]
    fi
  done <<END
holds|right.pem||
holds|right.pem|{"alg":"RS256"}|
holds|right.pem||+{aud:["x","sandbox-client"],azp:"sandbox-client"}
holds|right.pem||+{exp:(now-30|floor)}
holds|right.pem||+{iat:(now+30|floor)}
signature|wrong.pem||
no key|right.pem|{"alg":"RS256","kid":"other"}|
algorithm|right.pem|{"alg":"none","kid":"k"}|
algorithm|right.pem|{"alg":"HS256","kid":"k"}|
crit|right.pem|{"alg":"RS256","kid":"k","crit":["x"],"x":1}|
'iss'|right.pem||+{iss:"https://evil.example/"}
'aud'|right.pem||+{aud:"another"}
'aud'|right.pem||+{aud:["another"]}
'azp'|right.pem||+{aud:["x","sandbox-client"]}
'azp'|right.pem||+{azp:"another"}
expired|right.pem||+{exp:(now-70|floor)}
'exp'|right.pem||+{exp:"9999999999"}
'exp'|right.pem|| | del(.exp)
future|right.pem||+{iat:(now+90|floor)}
'iat'|right.pem|| | del(.iat)
'sub' is not|right.pem||+{sub:"auth0|mallory"}
no 'sub'|right.pem|| | del(.sub)
another auth_req_id|right.pem||+{"urn:openid:params:jwt:claim:auth_req_id":"x"}
'at_hash'|right.pem||+{at_hash:"x"}
END
}

@test "keys that are new at the provider are fetched once more, others are not asked for again" {
  jq -n '[{path:"/jwks",times:1,body:{keys:[]}}]' > faults
  sandbox --approve yes --delay 0 --faults-file faults
  run --separate-stderr ciba-poll < <(a_call | ciba-authorize -m Buy)
  [ "$status" -eq 0 ]
  [ "$(count /jwks)" -eq 2 ]
  kill "$CIBA_SANDBOX_PID"
  rm requests
  jq -n '[{path:"/jwks",times:9,body:{keys:[]}}]' > faults
  sandbox --approve yes --delay 0 --faults-file faults
  run --separate-stderr ciba-poll < <({ a_call; a_call; a_call; } | ciba-authorize -m Buy)
  [ "$status" -eq 76 ]
  [ "$(count /jwks)" -eq 2 ]
}

@test "errors of the token endpoint mean the same with any status of 4xx" {
  for status_code in 400 401 403 429; do
    asked_with "{status:$status_code,body:{error:\"authorization_pending\",unknown:[1]}}" --approve yes --delay 0
    run --separate-stderr ciba-poll < asked
    kill "$CIBA_SANDBOX_PID"
    [ "$status" -eq 0 ]
    asked_with "{status:$status_code,body:{error:\"slow_down\"}}" --approve never
    run --separate-stderr ciba-poll --once < asked
    kill "$CIBA_SANDBOX_PID"
    [ "$status" -eq 75 ]
    holds '.calls[0].authorization.interval == 6'
    asked_with "{status:$status_code,body:{error:\"access_denied\"}}"
    run --separate-stderr ciba-poll < asked
    kill "$CIBA_SANDBOX_PID"
    [ "$status" -eq 1 ]
  done
}

@test "with a certificate, mtls_endpoint_aliases are used where there are any (RFC 8705)" {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout self.key -out self.pem -days 3 -subj "/CN=self" 2> /dev/null
  sandbox --approve yes --delay 0
  curl -s "${CIBA_ISSUER}.well-known/openid-configuration" > metadata
  jq --arg i "$CIBA_ISSUER" '[{path:"/.well-known/openid-configuration",times:9,body:(. + {mtls_endpoint_aliases:{
    backchannel_authentication_endpoint:($i + "mtls/bc"), token_endpoint:($i + "mtls/token")}})}]' metadata | spoil
  run ciba-authorize -n -m Hello --tls-cert-file self.pem --tls-key-file self.key --client-auth tls_client_auth
  [ "$(count /mtls/bc)" -eq 1 ]
  [ "$(requests /mtls/bc '.form | [.client_id, has("client_secret")]')" == '["sandbox-client",false]' ]
  run ciba-authorize -n -m Hello
  [ "$(count /bc-authorize)" -eq 1 ]
}

@test "at a terminal one live line tells whom it waits for; elsewhere, and with NO_COLOR, it is said once, and what came of it" {
  sandbox --approve ask --interval 1
  a_call | ciba-authorize -m Buy > asked
  command ciba-poll < asked > decided 2> said &
  poll=$!
  await eval '[ "$(count /oauth/token)" -ge 2 ]'
  decide true
  wait "$poll"
  [[ $(cat said) == $'ciba-poll: asked auth0|demo: Buy; expires '??:??$'\nciba-poll: approved by auth0|demo' ]]
  { a_call; a_call; } | ciba-authorize -m Buy > asked
  polls=$(count /oauth/token)
  command ciba-poll < asked > decided 2> said &
  poll=$!
  await grep -q 'ciba-poll: asked auth0|demo: Buy; expires ..:.. (and 1 more)' said
  decide_both
  wait "$poll"
  grep -q 'ciba-poll: 2 approved, 0 denied, 0 expired, 0 failed, 0 not answered yet' said
  run --separate-stderr ciba-poll < decided # nothing is waited for
  [ -z "$stderr" ]
  a_call | ciba-authorize -m Buy > asked
  run --separate-stderr ciba-poll --max-wait 0.2 < asked
  [ "$status" -eq 75 ]
  [[ $stderr == *$'\nciba-poll: the user has not answered yet' ]]
  run --separate-stderr ciba-poll --once < asked
  [ -z "$stderr" ]
  decide false
  run --separate-stderr ciba-poll < asked
  [ "$stderr" == 'ciba-poll: the user said no' ]
  a_call | ciba-authorize -m Buy > asked
  command ciba-poll -v < asked > decided 2> said &
  poll=$!
  await grep -q 'buy: waiting for auth0|demo, [0-9]* s at most: Buy' said
  decide true
  wait "$poll"
  [ "$(grep -c 'waiting for' said)" -eq 1 ]
  script -qec true /dev/null > /dev/null 2>&1 || skip "there is no pseudo-terminal, or no script(1)"
  { a_call; a_call; } | ciba-authorize -m Buy > asked
  TERM=xterm script -qefc 'ciba-poll < asked > decided' screen > /dev/null < /dev/null &
  poll=$!
  await grep -qs $'\r\033\\[K[0-9]* s left for auth0|demo (and 1 more): Buy' screen
  decide_both
  wait "$poll"
  grep -q $'\r\033\\[Kciba-poll: 2 approved' screen # and it is gone
  { a_call; a_call; } | ciba-authorize -m Buy > asked
  polls=$(count /oauth/token)
  NO_COLOR=1 TERM=xterm script -qefc 'ciba-poll < asked > decided' screen > /dev/null < /dev/null &
  poll=$!
  await eval '[ "$(count /oauth/token)" -ge $((polls + 4)) ]'
  decide_both
  wait "$poll"
  no grep -q 'left for' screen
  [ "$(wc -l < decided)" -eq 2 ]
  no grep -q 'a terminal does not show' screen
  a_call | ciba-authorize -m Buy > asked
  decide false
  TERM=xterm script -qefc 'ciba-poll < asked' screen > /dev/null < /dev/null || true
  grep -q 'ciba-poll: a terminal does not show the access token of a yes, and nothing keeps it' screen
}
decide_both() {
  local id
  for id in $(curl -s "${CIBA_SANDBOX_URL}phone/requests" | jq -r '.[] | select(.state == "pending").id'); do
    tell phone/decide <<< "{\"id\":\"$id\",\"approve\":true}"
  done
}

# CPU time, independent of the load on the machine: if each call cost a check of all others, it would take minutes.
@test "each of thousands of calls in a document costs the same, also where the time is up" {
  sandbox --approve yes --delay 0 --interval 1
  jq -nc '{calls: [range(600) | {id: "c\(.)", name: "buy", arguments: {ticker: "GOOGL", qty: (. + 1)}}]}' > calls
  ask_for_them() { (ulimit -t 6; ciba-authorize -m Buy --expiry 3600 --journal-file a < calls); }
  # What ciba-poll has left in the sandbox's queue when its time was up may be answered after that; so others are asked
  # for before any is approved.
  spoil <<< '[{"path": "/oauth/token", "times": 1000000, "status": 400, "body": {"error": "authorization_pending"}}]'
  ask_for_them > asked
  (ulimit -t 6; exits 75 command ciba-poll --max-wait 0.5 < asked > some)
  jq -e '.calls | map(select(.authorization.status == "pending")) | length == 600' some
  spoil <<< '[]'
  ask_for_them > asked
  (ulimit -t 6; command ciba-poll --journal-file p < asked > decided)
  jq -e '.calls | map(select(.authorization.status == "approved")) | length == 600' decided
  (ulimit -t 6; stock-buy --journal-file s < decided > bought)
  jq -e '.calls | map(select(.result.status == 200)) | length == 600' bought
}
