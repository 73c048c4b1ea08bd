# shellcheck source=helper.bash
load helper

@test "the request is form-encoded and carries scope, audience, message, hint and the client" {
  sandbox --approve never
  a_call | ciba-authorize -m 'Do you want to buy \(.qty) shares of \(.ticker)' > /dev/null
  [ "$(requests /bc-authorize .content_type)" == '"application/x-www-form-urlencoded"' ]
  [ "$(requests /bc-authorize '.form | keys')" == '["audience","binding_message","client_id","login_hint","scope"]' ]
  [ "$(requests /bc-authorize '[.form.scope,.form.audience,.form.binding_message]')" == \
    '["openid stock:trade","https://stocks.sandbox/","Do you want to buy 3 shares of GOOGL"]' ]
  [ "$(requests /bc-authorize '.form.login_hint | fromjson')" == \
    "{\"format\":\"iss_sub\",\"iss\":\"$CIBA_ISSUER\",\"sub\":\"auth0|demo\"}" ]
}

@test "the pending request is recorded whole" {
  sandbox --approve never --interval 7
  now=$(date +%s)
  run --separate-stderr ciba-authorize -m 'Buy \(.qty)' < <(a_call)
  [ "$status" -eq 0 ]
  holds '.calls[0].authorization | .status == "pending" and .user == "auth0|demo" and .interval == 7'
  holds '.calls[0].authorization | .binding_message == "Buy 3" and .scope == "openid stock:trade" and .audience == "https://stocks.sandbox/"'
  holds '.calls[0].authorization | .expires_at - .requested_at == 300 and (.auth_req_id | length) > 20'
  holds ".calls[0].authorization.requested_at - $now | . >= 0 and . < 10"
  holds ".calls[0].authorization.issuer == \"$CIBA_ISSUER\""
  # SHA-256 of {"arguments":{"qty":3,"ticker":"GOOGL"},"name":"buy"}, by openssl
  digest=$(printf '{"arguments":{"qty":3,"ticker":"GOOGL"},"name":"buy"}' | openssl dgst -sha256 -binary |
    base64 | tr '+/' '-_' | tr -d =)
  holds ".calls[0].authorization.call_digest == \"sha-256:$digest\""
}

@test "every call of every document gets its own request" {
  sandbox --approve never
  echo '{"calls":[{"id":"a","name":"x","arguments":{}},{"id":"b","name":"y","arguments":{}}]}' > two
  run --separate-stderr ciba-authorize -m 'Go on' < <(cat two two)
  [ "$status" -eq 0 ]
  [ "$(jq -r '.calls[].authorization.auth_req_id' <<< "$output" | sort -u | wc -l)" -eq 4 ]
  [ "$(count /bc-authorize)" -eq 4 ]
  [ "$(count /.well-known/openid-configuration)" -eq 1 ]
}

@test "its own output is not asked about again" {
  sandbox --approve never
  a_call | ciba-authorize > first
  run --separate-stderr ciba-authorize < first
  [ "$status" -eq 0 ]
  [ "$output" == "$(cat first)" ]
  [ "$(count /bc-authorize)" -eq 1 ]
}

@test "-n makes a document with one call that has no tool" {
  sandbox --approve never
  run --separate-stderr ciba-authorize -n -m 'Deploy release 42'
  [ "$status" -eq 0 ]
  holds '.calls | length == 1 and (.[0] | has("name") | not)'
  holds '.calls[0] | .authorization.binding_message == "Deploy release 42" and (.id | test("^call_"))'
}

@test "--tool leaves the calls of other tools alone" {
  sandbox --approve never
  echo '{"calls":[{"id":"a","name":"x","arguments":{}},{"id":"b","name":"y","arguments":{}}]}' > two
  run --separate-stderr ciba-authorize --tool y --tool z < two
  holds '[.calls[] | has("authorization")] == [false,true]'
}

@test "scope always has openid, and only once" {
  sandbox --approve never
  for scope in 'stock:trade' 'openid stock:trade' 'stock:trade openid' 'xopenid'; do
    ciba-authorize -n -m Hello -s "$scope" > /dev/null
  done
  [ "$(requests /bc-authorize .form.scope | paste -sd' ')" == \
    '"openid stock:trade" "openid stock:trade" "stock:trade openid" "openid xopenid"' ]
}

@test "--expiry and -d are sent; an object becomes an array of one" {
  sandbox --approve never
  run --separate-stderr ciba-authorize -m Buy --expiry 90 -d '{type:"order",ticker,qty}' < <(a_call)
  [ "$status" -eq 0 ]
  holds '.calls[0].authorization | .expires_at - .requested_at == 90 and .authorization_details == [{type:"order",ticker:"GOOGL",qty:3}]'
  [ "$(requests /bc-authorize '[.form.requested_expiry,(.form.authorization_details|fromjson)]')" == \
    '["90",[{"type":"order","ticker":"GOOGL","qty":3}]]' ]
}

@test "templates: paths, jq, quotes, escapes" {
  sandbox --approve never
  echo '{"calls":[{"id":"a","name":"x","arguments":{"a":{"b":["x",1]},"s":"t","n":1.5,"f":false}}]}' > in
  while IFS='~' read -r template expected; do
    run --separate-stderr ciba-authorize --any-message -m "$template" < in
    [ "$(jq -r '.calls[0].authorization.binding_message' <<< "$output")" == "$expected" ] ||
      { echo "$template: $output $stderr"; return 1; }
  done <<'END'
plain~plain
\(.s) and \(.n)~t and 1.5
\(.a.b) \(.f)~["x",1] false
say "\(.s)"~say "t"
\(.a.b[0])~x
\(.s | ascii_upcase + "(\")" + "x")!~T(")x!
\(if .n > 1 then "many" else "one" end)~many
50% \u0041~50% A
END
}

@test "a message that the provider is known not to take is refused whole: 65, and nobody is asked" {
  sandbox --approve never
  long=$(printf '%064d' 0)
  ciba-authorize -n -m "$long" > asked
  ciba-authorize -n -m 'Buy 3, at 1.50: +10 -2 a_b #7' > asked
  for message in "${long}0|65 characters, and Auth0 takes 64" 'Pay 3$|has '"'$'" 'Why?|has '"'?'" 'M\u00fcller|has '"'\u00fc'"; do
    run --separate-stderr ciba-authorize -n -m "$(printf '%b' "${message%%|*}")"
    [ "$status" -eq 65 ]
    [[ $stderr == *"$(printf '%b' "${message#*|}")"*"nobody was asked"* ]]
    holds '.calls[0].authorization | .status == "failed" and .error == "invalid_message"'
  done
  [ "$(count /bc-authorize)" -eq 2 ]
  ciba-authorize --any-message -n -m 'Why?' > asked
  [ "$(requests /bc-authorize .form.binding_message | tail -n 1)" == '"Why?"' ]
  # Keycloak's endpoint, here at a server that answers the metadata alone.
  jq -n --arg i "$CIBA_ISSUER" '[{path:"/.well-known/openid-configuration",
    body:{issuer:$i,backchannel_authentication_endpoint:($i+"protocol/openid-connect/ext/ciba/auth"),token_endpoint:($i+"t")}}] | . + .' | spoil
  run --separate-stderr ciba-authorize -n -m 'Two words'
  [ "$status" -eq 65 ]
  [[ $stderr == *"has ' ', and Keycloak takes"* ]]
  run --separate-stderr ciba-authorize -n -m 'One/word?'
  [ "$status" -ne 65 ]
}

@test "a template that jq cannot compile exits 64, before anything is sent" {
  sandbox --approve never
  # libjq 1.6 loses memory where it cannot compile
  export ASAN_OPTIONS=detect_leaks=0
  run --separate-stderr ciba-authorize -m '\(.x |)' < <(a_call)
  [ "$status" -eq 64 ]
  [[ $stderr == *"syntax error"* ]]
  run ciba-authorize -d '{' < <(a_call)
  [ "$status" -eq 64 ]
  [ "$(count /bc-authorize)" -eq 0 ]
}

@test "a message with a hole, a control or a direction character asks nobody and exits 65" {
  sandbox --approve never
  run --separate-stderr ciba-authorize -m 'Buy \(.price)' < <(a_call)
  [ "$status" -eq 65 ]
  [[ $stderr == *'call_1: the arguments have no value for \(.price)'* ]]
  holds '.calls[0].authorization | .status == "failed" and .error == "invalid_message"'
  for evil in '\u001b[2K' '\u202e' '\n' '\u0000'; do
    run --separate-stderr ciba-authorize -m 'Buy \(.ticker)' < <(a_call "X$evil")
    [ "$status" -eq 65 ]
    holds '.calls[0].authorization.error == "invalid_message"'
  done
  run ciba-authorize -d '.x,.y' -m Buy < <(a_call)
  [ "$status" -eq 65 ]
  run ciba-authorize -d '1' -m Buy < <(a_call)
  [ "$status" -eq 65 ]
  [ "$(count /bc-authorize)" -eq 0 ]
}

@test "without -m the message is the tool and its arguments" {
  sandbox --approve never
  run --separate-stderr ciba-authorize < <(a_call)
  holds '.calls[0].authorization.binding_message == "buy: qty 3, ticker GOOGL"'
}

@test "both ways of client authentication are accepted, and what discovery offers is chosen" {
  sandbox --approve never
  for method in client_secret_post client_secret_basic; do
    run --separate-stderr ciba-authorize --client-auth "$method" -n -m Hello
    [ "$status" -eq 0 ]
  done
  [ "$(requests /bc-authorize '[.authorization,.form.client_id]' | paste -sd' ')" == \
    '[null,"sandbox-client"] ["Basic",null]' ]
  run ciba-authorize --client-auth none -n -m Hello
  [ "$status" -eq 64 ]
}

@test "id and secret are form-encoded before base64 in client_secret_basic" {
  printf 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n' > answer
  cat > echo-auth <<'END'
#!/bin/sh
END
  cat > meta.jq <<'END'
{issuer: $i, backchannel_authentication_endpoint: ($i + "bc"), token_endpoint_auth_methods_supported: ["client_secret_basic"]}
END
  # A provider whose metadata point to a server that keeps what it is sent.
  sandbox
  jq -n --arg i "$CIBA_ISSUER" -f meta.jq > metadata
  jq -n --slurpfile m metadata '[{path:"/.well-known/openid-configuration",body:$m[0]},{path:"/bc",body:{}}]' | spoil
  CIBA_CLIENT_ID='a b:c' CIBA_CLIENT_SECRET='ü%' run ciba-authorize -v -n -m Hello
  [ "$(requests /bc .authorization)" == '"Basic"' ]
}

# Each row: the answer of /bc-authorize (jq), exit status, authorization's status and error, words.
@test "each answer of the provider has its status, its words are kept, and what to do is said" {
  sandbox
  while IFS='|' read -r answer expected state code words; do
    jq -n "[{path:\"/bc-authorize\"} + ($answer)]" > faults
    kill "$CIBA_SANDBOX_PID"
    sandbox --faults faults
    run --separate-stderr ciba-authorize -m Buy < <(a_call)
    echo "$answer: $status, $stderr, $output"
    [ "$status" -eq "$expected" ]
    [[ $stderr == *"call_1: "*"$words"* ]]
    holds ".calls[0].authorization | .status == \"$state\" and .error == \"$code\" and (has(\"auth_req_id\") | not)"
  done <<'END'
{status:400,body:{error:"unknown_user_id",error_description:"who?"}}|78|failed|unknown_user_id|who?; check the user
{status:400,body:{error:"invalid_request",error_description:"no device"}}|78|failed|invalid_request|no push device enrolled
{status:400,body:{error:"invalid_scope"}}|78|failed|invalid_scope|check -s
{status:400,body:{error:"invalid_binding_message"}}|78|failed|invalid_binding_message|forbids
{status:400,body:{error:"missing_user_code"}}|78|failed|missing_user_code|user's code
{status:400,body:{error:"unauthorized_client"}}|77|failed|unauthorized_client|enable the CIBA grant
{status:401,body:{error:"invalid_client"}}|77|failed|invalid_client|check client id
{status:401,body:"no"}|77|failed|invalid_client|check client id
{status:403,body:{error:"access_denied",error_description:"blocked"}}|1|denied|access_denied|blocked
{status:400,body:{error:"a_new_one"}}|76|failed|a_new_one|a_new_one
{status:418,body:"teapot"}|76|failed|http_418|http_418
{status:302,headers:{Location:"http://127.0.0.1:9/"}}|76|failed|http_302|http_302
{status:429,body:{}}|69|failed|too_many_requests|5 requests a minute
{status:429,body:{error:"too_many_requests"}}|69|failed|too_many_requests|5 requests a minute
{status:503,body:"<html>"}|69|failed|server_unavailable|HTTP 503
{status:200,body:"<html>"}|76|failed|invalid_response|not a JSON object
{status:200,body:{expires_in:300}}|76|failed|invalid_response|no auth_req_id
{status:200,body:{auth_req_id:"x"}}|76|failed|invalid_response|no expires_in
{status:200,body:{auth_req_id:"x",expires_in:0}}|76|failed|invalid_response|expires_in is absurd
{status:200,body:{auth_req_id:"x",expires_in:1e12}}|76|failed|invalid_response|expires_in is absurd
{drop:true}|69|failed|outcome_unknown|may have been asked
END
}

@test "interval is 5 where the provider says none, 0 or nonsense; numbers in strings are read" {
  while IFS='|' read -r answer interval; do
    jq -n "[{path:\"/bc-authorize\",body:({auth_req_id:\"x\",expires_in:300} + $answer)}]" > faults
    sandbox --faults faults
    run --separate-stderr ciba-authorize -m Buy < <(a_call)
    kill "$CIBA_SANDBOX_PID"
    [ "$status" -eq 0 ]
    holds ".calls[0].authorization | .interval == $interval and .expires_at - .requested_at == 300"
  done <<'END'
{}|5
{interval:0}|5
{interval:-1}|5
{interval:"x"}|5
{interval:"8"}|8
{expires_in:"300",unknown:{}}|5
END
}

@test "an address at which the user can answer is kept" {
  jq -n '[{path:"/bc-authorize",body:{auth_req_id:"x",expires_in:300,verification_uri_complete:"https://p.example/a"}}]' > faults
  sandbox --faults faults
  run --separate-stderr ciba-authorize -m Buy < <(a_call)
  holds '.calls[0].authorization.verification_uri == "https://p.example/a"'
}

@test "what failed before anybody was asked is asked when the document comes again" {
  jq -n '[{path:"/bc-authorize",status:503}]' > faults
  sandbox --faults faults --approve yes --delay 0
  a_call | exits 69 ciba-authorize > first
  run --separate-stderr ciba-authorize < first
  [ "$status" -eq 0 ]
  holds '.calls[0].authorization | .status == "pending" and (has("error") | not)'
}

@test "the issuer in the metadata must be ours to the byte" {
  sandbox
  CIBA_ISSUER=${CIBA_ISSUER%/} run --separate-stderr ciba-authorize -n -m Hello
  [ "$status" -eq 78 ]
  [[ $stderr == *"the two must be the same"* ]]
  holds '.calls[0].authorization | .status == "failed" and .error == "misconfigured"'
  [ "$(count /bc-authorize)" -eq 0 ]
}

# Each row: the metadata's answer, the exit status, words.
@test "metadata that are missing, broken or elsewhere are named" {
  while IFS='|' read -r answer expected words; do
    jq -n "[{path:\"/.well-known/openid-configuration\"} + ($answer)]" > faults
    sandbox --faults faults
    run --separate-stderr ciba-authorize -n -m Hello
    kill "$CIBA_SANDBOX_PID"
    echo "$answer: $status, $stderr"
    [ "$status" -eq "$expected" ]
    [[ $stderr == *"$words"* ]]
  done <<'END'
{status:404,body:"no"}|76|HTTP 404 instead of 200; is the issuer right
{status:301,headers:{Location:"http://127.0.0.1:9/"}}|76|HTTP 301
{status:503,body:""}|69|HTTP 503
{body:"<html>"}|76|not a JSON object
{body:[]}|76|not a JSON object
{body:{issuer:"https://evil.example/"}}|78|says that its issuer is 'https://evil.example/'
END
}

@test "an endpoint or issuer that is not https, nor http to a loopback host, is never asked" {
  nowhere
  for issuer in http://example.com/ ftp://127.0.0.1/ http://127.0.0.1.example.com/ http://127.evil/ \
    file:///etc/passwd https://user:pass@example.com/ nonsense: ''; do
    CIBA_ISSUER=$issuer run --separate-stderr ciba-authorize -n -m Hello
    [ "$status" -eq 78 ]
    [ -z "$output" ]
  done
  sandbox
  jq -n --arg i "$CIBA_ISSUER" '[{path:"/.well-known/openid-configuration",body:{issuer:$i,backchannel_authentication_endpoint:"http://example.com/bc"}}]' | spoil
  run ciba-authorize -n -m Hello
  [ "$status" -eq 78 ]
  [[ $output == *"only https is used"* ]]
}

@test "the secret is in no output and no document" {
  sandbox
  run ciba-authorize -v -n -m Hello
  [ "$status" -eq 0 ]
  [[ $output != *"$CIBA_CLIENT_SECRET"* ]]
}
