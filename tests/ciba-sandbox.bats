# shellcheck source=helper.bash
load helper

post() { curl -s -o body -w '%{http_code}' "$@"; }

@test "with a command it sets the environment and exits with its status" {
  # shellcheck disable=SC2016
  run ciba-sandbox -q -- sh -c 'echo "$CIBA_USER $CIBA_SCOPE"; exit 7'
  [ "$status" -eq 7 ]
  [ "$output" == "auth0|demo openid stock:trade" ]
  # shellcheck disable=SC2016
  run ciba-sandbox -q -- sh -c 'kill -TERM $$'
  [ "$status" -eq 143 ]
  run -127 ciba-sandbox -q -- no-such-program
  [ "$status" -eq 127 ]
}

@test "without a command it goes to the background and prints the settings for a shell" {
  sandbox
  kill -0 "$CIBA_SANDBOX_PID"
  curl -sf "${CIBA_ISSUER}jwks" > /dev/null
  [[ $STOCK_API_URL == http://127.0.0.1:*/stocks ]]
  kill "$CIBA_SANDBOX_PID"
  await gone "$CIBA_SANDBOX_PID"
}

@test "it listens on a loopback address only, each on a port of its own" {
  sandbox
  first=$CIBA_ISSUER
  sandbox
  [ "$first" != "$CIBA_ISSUER" ]
  port=${CIBA_ISSUER%/}; port=$(printf ':%04X' "${port##*:}")
  [ "$(awk -v p="$port\$" '$4 == "0A" && $2 ~ p {print $2}' /proc/net/tcp)" == "0100007F$port" ]
}

@test "a port that is taken is 69" {
  sandbox
  port=${CIBA_ISSUER%/}
  run ciba-sandbox --port "${port##*:}"
  [ "$status" -eq 69 ]
  [[ $output == *"cannot listen"* ]]
}

@test "without a terminal the user approves by himself, and it is said" {
  run --separate-stderr setsid ciba-sandbox --delay 0 -- true < /dev/null
  [[ $stderr == *"no terminal to ask at: the user approves after 0 s"* ]]
}

@test "at a terminal the user is asked there" {
  script -qec true /dev/null > /dev/null 2>&1 || skip "there is no pseudo-terminal, or no script(1)"
  cat > ask.sh <<'END'
ciba-authorize -n -m 'Deploy release 42' | ciba-poll -q; echo "status $?"
END
  for answer in y:0 n:1; do
    mkfifo "keys-$answer"
    rm -f shown # what the last one was shown is no answer to this one
    script -qec "ciba-sandbox --interval 1 -- sh ask.sh" screen < "keys-$answer" > shown &
    started+=($!)
    exec 6> "keys-$answer"
    await grep -qs 'Approve?' shown
    grep -q 'Deploy release 42' shown
    echo maybe >&6
    await grep -q 'type y or n' shown
    echo "${answer%:*}" >&6
    await grep -q "status ${answer#*:}" shown
    exec 6>&-
  done
}

# Each row: a change to a good authentication request, the error.
@test "the provider is strict about the authentication request" {
  sandbox
  hint="{\"format\":\"iss_sub\",\"iss\":\"$CIBA_ISSUER\",\"sub\":\"auth0|demo\"}"
  good=(client_id=sandbox-client "client_secret=$CIBA_CLIENT_SECRET" scope=openid binding_message=Hello "login_hint=$hint")
  bc() {
    local arguments=() pair
    for pair in "$@"; do arguments+=(--data-urlencode "$pair"); done
    post "${arguments[@]}" "${CIBA_ISSUER}bc-authorize"
  }
  [ "$(bc "${good[@]}")" == 200 ]
  jq -e '.expires_in == 300 and .interval == 5' body
  while IFS='~' read -r change code error; do
    key=${change%%=*}
    arguments=()
    for pair in "${good[@]}"; do [ "${pair%%=*}" == "$key" ] || arguments+=("$pair"); done
    [ -z "${change#*=}" ] || arguments+=("$change")
    [ "$(bc "${arguments[@]}")" == "$code" ] || { echo "$change: $(cat body)"; return 1; }
    [ "$(jq -r .error body)" == "$error" ] || { echo "$change: $(cat body)"; return 1; }
  done <<'END'
client_secret=~401~invalid_client
client_secret=x~401~invalid_client
client_id=other~401~invalid_client
scope=~400~invalid_scope
scope=profile~400~invalid_scope
scope=openidx~400~invalid_scope
binding_message=~400~invalid_binding_message
login_hint=~400~invalid_request
login_hint=demo~400~invalid_request
login_hint={"format":"iss_sub","iss":"https://evil/","sub":"auth0|demo"}~400~invalid_request
login_hint_token=x~400~invalid_request
id_token_hint=x~400~invalid_request
requested_expiry=-1~400~invalid_request
requested_expiry=soon~400~invalid_request
authorization_details=x~400~invalid_authorization_details
authorization_details={}~400~invalid_authorization_details
authorization_details=[{"a":1}]~400~invalid_authorization_details
audience=https://other/~400~invalid_target
END
  unknown="{\"format\":\"iss_sub\",\"iss\":\"$CIBA_ISSUER\",\"sub\":\"mallory\"}"
  [ "$(bc "${good[@]:0:4}" "login_hint=$unknown")" == 400 ]
  [ "$(jq -r .error body)" == unknown_user_id ]
  [ "$(bc "${good[@]}" scope=openid)" == 400 ] # twice
  [ "$(post -H 'Content-Type: application/json' -d '{}' "${CIBA_ISSUER}bc-authorize")" == 400 ]
  [ "$(post -u "sandbox-client:$CIBA_CLIENT_SECRET" -d "client_secret=$CIBA_CLIENT_SECRET" "${CIBA_ISSUER}bc-authorize")" == 400 ]
  [ "$(post -d 'a=%zz' "${CIBA_ISSUER}bc-authorize")" == 400 ]
}

@test "the token endpoint answers slow_down to who is too fast, and an auth_req_id is good once" {
  sandbox --approve ask --interval 60
  id=$(ciba-authorize -n -m Hello | jq -r '.calls[0].authorization.auth_req_id')
  token() {
    post -u "sandbox-client:$CIBA_CLIENT_SECRET" -d "auth_req_id=${1:-$id}" -d "grant_type=${2:-urn:openid:params:grant-type:ciba}" "${CIBA_ISSUER}oauth/token" > /dev/null
    jq -r '.error // "token"' body
  }
  [ "$(token)" == authorization_pending ]
  [ "$(token)" == slow_down ]
  [ "$(token other)" == invalid_grant ]
  [ "$(token "$id" password)" == unsupported_grant_type ]
  decide true
  kill "$CIBA_SANDBOX_PID"
  sandbox --approve yes --delay 0
  id=$(ciba-authorize -n -m Hello | jq -r '.calls[0].authorization.auth_req_id')
  [ "$(token)" == token ]
  [ "$(token)" == invalid_grant ]
}

@test "tokens carry who, what and for which request" {
  sandbox --approve yes --delay 0
  a_call | ciba-authorize -m Buy -d '{type:"order",ticker,qty}' | ciba-poll > approved
  claims() { jq -r ".calls[0].token.$1 | split(\".\")[1] | gsub(\"-\";\"+\") | gsub(\"_\";\"/\") | @base64d" approved; }
  id=$(jq -r '.calls[0].authorization.auth_req_id' approved)
  claims access_token | jq -e --arg i "$CIBA_ISSUER" --arg id "$id" \
    '.iss == $i and .aud == "https://stocks.sandbox/" and .sub == "auth0|demo" and .scope == "openid stock:trade"
     and .["urn:openid:params:jwt:claim:auth_req_id"] == $id and .authorization_details == [{type:"order",ticker:"GOOGL",qty:3}]'
  claims id_token | jq -e --arg id "$id" '.aud == "sandbox-client" and .["urn:openid:params:jwt:claim:auth_req_id"] == $id and has("at_hash")'
}

# Each row: the token, the order, the status.
@test "the stock API takes only a good token for the order, once for each key" {
  sandbox --approve yes --delay 0
  right=$(an_approved_call | jq -r '.calls[0].token.access_token')
  id_token=$(an_approved_call | jq -r '.calls[0].token.id_token')
  narrow=$(a_call | ciba-authorize -m Buy -s openid | ciba-poll | jq -r '.calls[0].token.access_token')
  detailed=$(a_call | ciba-authorize -m Buy -d '{type:"order",ticker,qty}' | ciba-poll | jq -r '.calls[0].token.access_token')
  order() { post -H "Authorization: Bearer $1" -H "Idempotency-Key: $3" -d "$2" "$STOCK_API_URL"; }
  [ "$(order x '{"ticker":"A","qty":1}' k)" == 401 ]
  [ "$(order "${right}x" '{"ticker":"A","qty":1}' k)" == 401 ]
  [ "$(order "$id_token" '{"ticker":"A","qty":1}' k)" == 401 ]
  [ "$(order "$narrow" '{"ticker":"A","qty":1}' k)" == 403 ]
  [ "$(order "$detailed" '{"ticker":"GOOGL","qty":3000}' k)" == 403 ]
  for bad in '{}' '[]' 'x' '{"ticker":"a","qty":1}' '{"ticker":"A","qty":0}' '{"ticker":"A","qty":1.5}' '{"ticker":"A","qty":1,"x":1}'; do
    [ "$(order "$right" "$bad" k)" == 422 ]
  done
  [ "$(orders)" == '[]' ]
  [ "$(order "$right" '{"ticker":"A","qty":1}' k)" == 200 ]
  [ "$(order "$right" '{"ticker":"A","qty":1}' k)" == 200 ]
  [ "$(order "$right" '{"ticker":"A","qty":2}' k)" == 422 ]
  [ "$(order "$right" '{"ticker":"A","qty":1}' l)" == 200 ]
  [ "$(order "$detailed" '{"ticker":"GOOGL","qty":3}' m)" == 200 ]
  [ "$(orders)" == '[{"ticker":"A","qty":1},{"ticker":"A","qty":1},{"ticker":"GOOGL","qty":3}]' ]
}

@test "the model believes that it was done when the result is OK, however that is written, and else not" {
  sandbox
  told() {
    jq -n --arg content "$1" '{model: "sandbox-model", messages: [{role: "user", content: "Buy 3 stocks of Google"},
      {role: "assistant", tool_calls: [{id: "c", type: "function", function: {name: "buy", arguments: "{\"ticker\":\"GOOGL\",\"qty\":3}"}}]},
      {role: "tool", tool_call_id: "c", content: $content}]}' |
      curl -s -H "Authorization: Bearer $OPENAI_API_KEY" -d @- "$OPENAI_BASE_URL/chat/completions" | jq -r '.choices[0].message.content'
  }
  for good in 'OK' '"OK"' '{"status":"OK"}'; do
    [ "$(told "$good")" == "I bought 3 shares of GOOGL for you." ]
  done
  for bad in '' 'Unauthorized' '"Unauthorized"' '{"status":"denied"}' '["OK"]'; do
    [ "$(told "$bad")" == "I did not buy 3 shares of GOOGL. $bad" ]
  done
}

@test "the model speaks the APIs of several makers, at once and by streams: a call, then what came of it" {
  sandbox
  echo '{"name":"buy","input_schema":{"type":"object"}}' > tools
  export ANTHROPIC_API_KEY=$OPENAI_API_KEY ANTHROPIC_BASE_URL=$OPENAI_BASE_URL ANTHROPIC_MODEL=$OPENAI_MODEL
  for api in openai responses anthropic; do
    for how in "" --stream; do
      # shellcheck disable=SC2086 # an option or none
      llm-chat --api "$api" $how -t tools \
        -n '<date>today</date> Buy 3 stocks of Google and 2 of Apple' > asked
      [ "$(jq -c '[.calls[].arguments]' asked)" == '[{"ticker":"GOOGL","qty":3},{"ticker":"AAPL","qty":2}]' ]
      run jq -c '.calls[0].result = "OK" | .calls[1].result = "no"' asked
      # shellcheck disable=SC2086
      said=$(llm-chat --api "$api" $how -r <<< "$output")
      [ "$said" == $'I bought 3 shares of GOOGL for you.\nI did not buy 2 shares of AAPL. "no"' ]
    done
  done
}

@test "the model gives a call the namespace that its function is in, as Codex has one for each MCP server" {
  sandbox
  echo '{"model":"sandbox-model","input":"call write {\"a\":1}","tools":[{"type":"function","name":"read"},
    {"type":"namespace","name":"mcp__files","tools":[{"type":"function","name":"write"}]}]}' > asked
  said() { curl -s -H "Authorization: Bearer $OPENAI_API_KEY" -d "$1" "$OPENAI_BASE_URL/responses" | jq -c '.output[] | [.name, .namespace]'; }
  [ "$(said "$(cat asked)")" == '["write","mcp__files"]' ]
  [ "$(said "$(jq -c '.input = "call read {}"' asked)")" == '["read",null]' ]
  [ "$(said "$(jq -c '.tools[0].name = "write"' asked)")" == '["write",null]' ]
}

@test "the model speaks Google's API: a call, then what came of it; a key is needed" {
  sandbox
  gemini() { curl -s -H "x-goog-api-key: ${key-$OPENAI_API_KEY}" -d @- "${CIBA_SANDBOX_URL}v1beta/models/some:$1"; }
  echo '{"tools":[{}],"contents":[{"role":"user","parts":[{"text":"<context>a</context>"},{"text":"call sh {\"command\":\"true\"}"}]}]}' > asked
  for how in generateContent streamGenerateContent; do
    gemini "$how" < asked | sed 's/^data: //' | jq -cs '[.[].candidates[].content.parts[]]' > said
    [ "$(cat said)" == '[{"functionCall":{"name":"sh","args":{"command":"true"}}}]' ]
    run jq -c --slurpfile said said '.contents += [{role: "model", parts: $said[0]},
      {role: "user", parts: [{functionResponse: {name: "sh", response: {error: "blocked"}}}]}]' asked
    gemini "$how" <<< "$output" | sed 's/^data: //' | jq -rs 'map(.candidates[].content.parts[].text // "") | add' > said
    [ "$(cat said)" == "The tool says: blocked" ]
  done
  [ "$(key=wrong gemini generateContent < asked | jq .error.code)" == 401 ]
  [ "$(key='' gemini generateContent <<< '{"contents":[]}' | jq .error.code)" == 401 ]
}

@test "only JSON decides, and only from its own address" {
  sandbox --approve ask
  ciba-authorize -n -m Hello > /dev/null
  id=$(curl -s "${CIBA_SANDBOX_URL}phone/requests" | jq -r '.[0].id')
  [ "$(post -d "{\"id\":\"$id\",\"approve\":true}" "${CIBA_SANDBOX_URL}phone/decide")" == 415 ]
  [ "$(post -H 'Content-Type: application/json' -H 'Host: evil.example' -d "{\"id\":\"$id\",\"approve\":true}" "${CIBA_SANDBOX_URL}phone/decide")" == 421 ]
  [ "$(post -H 'Content-Type: application/json' -d "{\"id\":\"$id\"}" "${CIBA_SANDBOX_URL}phone/decide")" == 404 ]
  [ "$(curl -s "${CIBA_SANDBOX_URL}phone/requests" | jq -r '.[0].state')" == pending ]
  decide true
  run decide true
  [ "$status" -ne 0 ]
}

@test "faults can be changed while it runs, by JSON alone; what is none changes nothing" {
  echo '[{"path":"/portfolio","status":418,"times":9}]' > faults
  sandbox --faults-file faults
  [ "$(post -G "${CIBA_SANDBOX_URL}portfolio")" == 418 ]
  [ "$(post -d '[]' "${CIBA_SANDBOX_URL}faults")" == 415 ]
  exits 22 spoil <<< '{}' # of curl, that the server refuses
  exits 22 spoil <<< '[] []'
  [ "$(post -G "${CIBA_SANDBOX_URL}portfolio")" == 418 ]
  spoil <<< '[{"path":"/portfolio","body":"a <b>text</b>"}]'
  [ "$(curl -s "${CIBA_SANDBOX_URL}portfolio")" == 'a <b>text</b>' ]
  [ "$(post -G "${CIBA_SANDBOX_URL}portfolio")" == 200 ]
}

@test "many requests at once are answered" {
  sandbox
  seq 200 | xargs -P 50 -I{} curl -sf -o /dev/null "${CIBA_ISSUER}jwks"
  curl -s "${CIBA_ISSUER}none" | jq -e '.error == "not_found"'
}

@test "no secret is in the log, which others cannot read: of a JWT the claims are, of a token its digest" {
  openssl genrsa -out key.pem 2048 2> /dev/null
  sandbox --approve yes --delay 0 --client-key-file key.pem
  # as the client sends it, in each way that it can
  printf 'refresh-%032d' 0 > hint
  printf Mellon-1234 > code
  an_approved_call > approved
  stock-buy < approved > /dev/null
  ciba-authorize -n -m Hello --client-auth client_secret_post > /dev/null
  ciba-authorize -n -m Hello --notification-dir spool --client-auth private_key_jwt --client-key-file key.pem > /dev/null
  ciba-authorize -n -m Hello --notification-dir spool --user-code-file code --signed --client-auth private_key_jwt --client-key-file key.pem > /dev/null
  ciba-authorize -n -m Hello --login-hint-token-file hint > /dev/null || true
  ciba-authorize -n -m Hello --id-token-hint-file <(jq -j '.calls[0].token.id_token' approved) > /dev/null || true
  # and as nobody should send it
  access=$(jq -r '.calls[0].token.access_token' approved)
  curl -s -H "Authorization: $access" "${CIBA_SANDBOX_URL}portfolio" > /dev/null
  jq -c '{a:[{Access_Token:.calls[0].token.access_token,password:{x:"hunter2"}}]}' approved |
    curl -s -H 'Content-Type: application/json' --data-binary @- "${CIBA_SANDBOX_URL}stocks" > /dev/null
  for secret in "$CIBA_CLIENT_SECRET" "$(cat hint)" "$access" "${access##*.}" hunter2 Mellon-1234; do
    no grep -qF -e "$secret" requests
  done
  no grep -qE 'eyJ[A-Za-z0-9_-]+\.eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+' requests
  # but digests for comparison are there
  requests /bc-authorize '.form | .client_notification_token, .request.claims?.client_notification_token | strings' > digests
  [ "$(grep -cE '^"sha-256:[A-Za-z0-9_-]{43}"$' digests)" -eq 2 ]
  for digest in spool/expected/*; do grep -qF -e "${digest##*/}" digests; done
  requests /bc-authorize .form | jq -es 'map(select(.client_assertion.claims.iss == "sandbox-client")) | length == 2'
  requests /bc-authorize .form | jq -es 'map(select(.request.claims.user_code == "(not shown)")) | length == 1'
  [ "$(requests /portfolio .authorization)" == '"(not known)"' ]
  [ "$(stat -c %a requests)" == 600 ]
}

@test "with --client-key-file the client signs: its authentication, its requests, each once" {
  for algorithm in "RSA -pkeyopt rsa_keygen_bits:2048" "EC -pkeyopt ec_paramgen_curve:P-256" ED25519; do
    # shellcheck disable=SC2086 # words on purpose
    openssl genpkey -algorithm $algorithm -out key.pem 2> /dev/null
    sandbox --approve yes --delay 0 --client-key-file key.pem
    unset CIBA_CLIENT_SECRET
    run --separate-stderr bash -o pipefail -c 'ciba-authorize --client-key-file key.pem --signed --expiry 60 -n -m Hello \
      -d "{type:\"x\"}" | ciba-poll --client-key-file key.pem'
    echo "$stderr $output"
    [ "$status" -eq 0 ]
    holds '.calls[0] | .authorization.status == "approved" and .token.authorization_details == [{type:"x"}]'
    [ "$(requests /bc-authorize '.form | keys')" == '["client_assertion","client_assertion_type","client_id","request"]' ]
    openssl genpkey -algorithm RSA -out other.pem 2> /dev/null
    run ciba-authorize --client-key-file other.pem -n -m Hello
    [ "$status" -eq 77 ]
    kill "$CIBA_SANDBOX_PID"
    rm requests
  done
}

@test "an assertion of the client's is taken once" {
  openssl genrsa -out key.pem 2048 2> /dev/null
  sandbox --approve never --client-key-file key.pem
  ask_with() {
    post --data-urlencode "client_assertion=$1" -d client_id=sandbox-client -d scope=openid -d binding_message=Hello \
      -d client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer \
      --data-urlencode "login_hint={\"format\":\"iss_sub\",\"iss\":\"$CIBA_ISSUER\",\"sub\":\"$CIBA_USER\"}" "${CIBA_ISSUER}bc-authorize"
  }
  claims=$(jq -nc '{iss:"sandbox-client",sub:"sandbox-client",aud:env.CIBA_ISSUER,iat:(now|floor),exp:(now+60|floor),jti:"one"}')
  assertion=$(signed key.pem "$claims" '{"alg":"RS256"}')
  [ "$(ask_with "$assertion")" == 200 ]
  [ "$(ask_with "$assertion")" == 401 ]
  [ "$(ask_with "$(signed key.pem "$(jq -c '.jti = "two"' <<< "$claims")" '{"alg":"RS256"}')")" == 200 ]
}

@test "with --notification-url the client is told of the decision" {
  # ciba-notify behind a small server that passes each connection to it
  cat > serve.mjs <<'END'
import net from 'node:net';
import { spawn } from 'node:child_process';
const server = net.createServer((c) => {
  const p = spawn('ciba-notify', ['--inetd', '--notification-dir', 'spool'], { stdio: [c, c, 'inherit'] });
  p.on('exit', () => c.end());
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
END
  command -v node > /dev/null || skip "node is not installed"
  node serve.mjs > port &
  started+=($!)
  await test -s port
  sandbox --approve yes --delay 0 --notification-url "http://127.0.0.1:$(cat port)/notify"
  run ciba-authorize -n -m Hello
  [ "$status" -eq 78 ] # a token is needed
  ciba-authorize -n -m Hello --notification-dir spool > asked
  await compgen -G 'spool/new/*'
  run --separate-stderr ciba-poll --notification-dir spool < asked
  [ "$status" -eq 0 ]
  [ "$(count /oauth/token)" -eq 1 ]
}
