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
  # Keycloak's endpoint, here on a server that answers only the metadata.
  jq -n --arg i "$CIBA_ISSUER" '[{path:"/.well-known/openid-configuration",
    body:{issuer:$i,backchannel_authentication_endpoint:($i+"protocol/openid-connect/ext/ciba/auth"),token_endpoint:($i+"t")}}] | . + .' | spoil
  run --separate-stderr ciba-authorize -n -m 'Two words'
  [ "$status" -eq 65 ]
  [[ $stderr == *"has ' ', and Keycloak takes"* ]]
  run --separate-stderr ciba-authorize -n -m 'One/word?'
  [ "$status" -ne 65 ]
}

# Each row: options, exit status.
# Each row: the path of the endpoint, whether Auth0's rules are its own.
@test "Auth0's rules are for Auth0: another provider's /oauth2/bc-authorize has none of them" {
  sandbox
  while IFS='|' read -r path is_auth0; do
    jq -n --arg i "$CIBA_ISSUER" --arg p "$path" '[{path:"/.well-known/openid-configuration",times:9,
      body:{issuer:$i,backchannel_authentication_endpoint:($i+$p),token_endpoint:($i+"t")}}] +
      [{path:("/" + ($p | sub("[?].*"; ""))),times:9,body:{auth_req_id:"x",expires_in:300}}]' | spoil
    run --separate-stderr ciba-authorize -n -m 'Why? Pay $3 (now)' --expiry 600
    echo "$path: $status $stderr"
    if [ "$is_auth0" == yes ]; then
      [ "$status" -eq 65 ]
      [[ $stderr == *"and Auth0 takes"* ]]
    else
      [ "$status" -eq 0 ]
      [ -z "$stderr" ]
    fi
  done << 'END'
bc-authorize|yes
bc-authorize?tenant=1|yes
oauth2/bc-authorize|no
api/auth/oauth2/bc-authorize|no
t/bc-authorize|no
xbc-authorize|no
END
}

@test "what Auth0 asks by e-mail and not on the phone, from 301 s on, is told once; the request goes out" {
  sandbox
  for expiry in 300 301 259200; do
    spoil <<< '[{"path":"/bc-authorize","times":2,"body":{"auth_req_id":"x","expires_in":300}}]'
    run --separate-stderr ciba-authorize -m Buy --expiry "$expiry" < <(a_call && a_call)
    [ "$status" -eq 0 ]
    if [ "$expiry" -eq 300 ]; then
      [ -z "$stderr" ]
    else
      [ "$stderr" == "ciba-authorize: --expiry $expiry: Auth0 asks by e-mail, and not on the phone, where it is more than 300 s" ]
    fi
    [ "$(requests /bc-authorize .form.requested_expiry | tail -n 1)" == "\"$expiry\"" ]
  done
}

@test "Keycloak's 503 names the authentication channel that it lacks; another's, and its other errors, do not" {
  sandbox
  for path in realms/r/protocol/openid-connect/ext/ciba/auth other; do
    while read -r answer; do
      jq -n --arg i "$CIBA_ISSUER" --arg p "$path" "[{path:\"/.well-known/openid-configuration\",
        body:{issuer:\$i,backchannel_authentication_endpoint:(\$i+\$p),token_endpoint:(\$i+\"t\")}},
        {path:(\"/\" + \$p)} + ($answer)]" | spoil
      run --separate-stderr ciba-authorize -n -m Hello
      echo "$path $answer: $status $stderr"
      case $path,$answer in
        other,* | *status:400* | *status:401*) [[ $stderr != *channel* ]] ;;
        *) [[ $stderr == *"Keycloak has no phone: it answers so until it reaches an authentication channel, which you provide; ciba-channel(1) is one" ]] ;;
      esac
      case $answer in *status:503*) [ "$status" -eq 69 ] ;; esac
    done << 'END'
{status:503,body:{error:"server_error",error_description:"Failed to send authentication request"}}
{status:503,body:{error:"server_error",error_description:("x" * 5000)}}
{status:503,body:"<html>"}
{status:400,body:{error:"invalid_request",error_description:"invalid user"}}
{status:401,body:{error:"invalid_client"}}
END
  done
}

@test "nobody is asked, and no document read, before all that is local has been looked at" {
  sandbox --approve yes --delay 0
  mkdir folder
  openssl rand -hex 32 > key
  echo 'no log' > file
  while IFS='|' read -r options expected; do
    # shellcheck disable=SC2086 # words on purpose
    run --separate-stderr ciba-authorize $options < <(a_call)
    echo "$options: $status $stderr"
    [ "$status" -eq "$expected" ]
    [ -z "$output" ]
    [ -n "$stderr" ]
  done <<'END'
-m Buy --audit-file none/log|74
-m Buy --audit-file folder|74
-m Buy --audit-file file|65
-m Buy --journal-file none/journal|74
-m Buy --journal-file folder|74
-m Buy --store-dir none/store --store-key-file key|74
-m Buy --store-dir file --store-key-file key|74
-m Buy --notification-dir none/spool|74
-m Buy --notification-dir file|74
-m Buy --seal-key-file none|66
-m Buy --dpop-key-file file|78
-m Buy --client-key-file file|78
-m Buy --expiry 0|64
-m \(.qty|64
-m Buy -d {|64
END
  CIBA_SPENT=none/spent run ciba-authorize -m Buy < <(a_call)
  [ "$status" -eq 74 ]
  empty requests
  mkdir readable
  [ ! -e readable/log ]
  ciba-authorize -m Buy --audit-file readable/log --journal-file readable/journal --store-dir readable/store/ --store-key-file key < <(a_call) > asked
  [ "$(count /bc-authorize)" -eq 1 ]
}

@test "-v tells of the calls that --tool leaves alone" {
  nowhere
  run --separate-stderr ciba-authorize -v --tool sell -m Sell < <(a_call)
  [ "$status" -eq 0 ]
  [[ $stderr == *"buy: nobody is asked: --tool does not name its tool"* ]]
}

@test "a template that jq cannot compile exits 64, before anything is sent" {
  sandbox --approve never
  # libjq 1.6 leaks memory when it cannot compile
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
  [[ $stderr == *'buy: the arguments have no value for \(.price)'* ]]
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

# The algorithms that signed the last question: the authentication's and the request's: signed_with
signed_with() {
  requests /bc-authorize '.form | .client_assertion, .request | .header.alg' | tail -n 2 | jq -r . | paste -sd' '
}

# Each row: the key, what the provider offers, what is chosen.
@test "what is signed is signed by an algorithm that the provider offers, and by RS256 where it may be" {
  openssl genrsa -out rsa.pem 2048 2> /dev/null
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out ec.pem 2> /dev/null
  openssl genpkey -algorithm ED25519 -out ed.pem
  while IFS='|' read -r key offered expected; do
    rm -f metadata
    sandbox --approve never --client-key-file "$key.pem"
    offer "{token_endpoint_auth_signing_alg_values_supported:$offered,backchannel_authentication_request_signing_alg_values_supported:$offered}"
    run --separate-stderr ciba-authorize --client-auth private_key_jwt --signed --client-key-file "$key.pem" -n -m Hello
    kill "$CIBA_SANDBOX_PID"
    echo "$key $offered: $status $stderr $(signed_with)"
    [ "$status" -eq 0 ]
    [ "$(signed_with)" == "$expected $expected" ]
  done <<'END'
rsa|null|RS256
rsa|[]|RS256
rsa|["PS256","RS256"]|RS256
rsa|["PS256","ES256"]|PS256
rsa|["RS512","PS512"]|PS512
rsa|["none","HS256","RS384"]|RS384
ec|["PS256","ES256","ES384"]|ES384
ed|["RS256","EdDSA","Ed25519"]|EdDSA
ed|["RS256","Ed448","Ed25519"]|Ed25519
END
}

@test "a signed request has the client_id inside, and once beside it, however the client authenticates itself" {
  openssl genrsa -out key.pem 2048 2> /dev/null
  sandbox --approve never --client-key-file key.pem
  for method in client_secret_basic client_secret_post private_key_jwt; do
    run --separate-stderr ciba-authorize --client-auth "$method" --signed --client-key-file key.pem -n -m Hello
    echo "$method: $status $stderr"
    [ "$status" -eq 0 ]
    [ "$(requests /bc-authorize '[.form.client_id, .form.request.claims.client_id]' | tail -n 1)" == '["sandbox-client","sandbox-client"]' ]
  done
}

@test "where nothing that the provider offers fits the key nobody is asked: 78; --client-key-alg is done as it says" {
  openssl genrsa -out rsa.pem 2048 2> /dev/null
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out ec.pem 2> /dev/null
  sandbox --approve never --client-key-file rsa.pem
  asks() {
    run --separate-stderr ciba-authorize --client-auth private_key_jwt --signed --client-key-file "$@" -n -m Hello
    echo "$*: $status $stderr"
  }
  for list in token_endpoint_auth backchannel_authentication_request dpop; do
    for row in 'rsa.pem ["ES256","EdDSA"]' 'ec.pem ["ES256","RS256"]'; do
      read -r key offered <<< "$row"
      offer "{backchannel_authentication_request_signing_alg_values_supported:null} + {${list}_signing_alg_values_supported:$offered}"
      asks "$key" --dpop-key-file "$key"
      [ "$status" -eq 78 ]
      [[ $stderr == *"its ${list}_signing_alg_values_supported has $offered, and the key fits none"* ]]
      holds '.calls[0].authorization | .status == "failed" and .error == "misconfigured"'
    done
  done
  [ "$(count /bc-authorize)" -eq 0 ]
  offer '{token_endpoint_auth_signing_alg_values_supported:["ES256"],backchannel_authentication_request_signing_alg_values_supported:["ES256"]}'
  asks rsa.pem --client-key-alg PS384
  [ "$status" -eq 0 ]
  [ "$(signed_with)" == "PS384 PS384" ]
}

# Each row: what the provider offers, what is chosen.
@test "client_secret_jwt is made with an HMAC that the provider offers" {
  sandbox --approve never
  while IFS='|' read -r offered expected; do
    offer "{token_endpoint_auth_signing_alg_values_supported:$offered}"
    run --separate-stderr ciba-authorize --client-auth client_secret_jwt -n -m Hello
    algorithm=$(requests /bc-authorize .form.client_assertion.header.alg | tail -n 1)
    echo "$offered: $status $stderr"
    [ "$status" -eq 77 ] # the sandbox takes none
    [ "$algorithm" == "\"$expected\"" ]
  done <<'END'
null|HS256
["HS512","HS256"]|HS256
["RS256","HS512"]|HS512
["HS512","HS384"]|HS384
END
  offer '{token_endpoint_auth_signing_alg_values_supported:["RS256","ES256"]}'
  run --separate-stderr ciba-authorize --client-auth client_secret_jwt -n -m Hello
  [ "$status" -eq 78 ]
  [ "$(count /bc-authorize)" -eq 4 ]
}

@test "a provider that only pushes is not asked by a client that takes no notification: 78" {
  sandbox --approve never
  offer '{backchannel_token_delivery_modes_supported:["push"]}'
  run --separate-stderr ciba-authorize -n -m Hello
  [ "$status" -eq 78 ]
  [[ $stderr == *"only pushes"*"--notification-dir"* ]]
  holds '.calls[0].authorization | .status == "failed" and .error == "misconfigured"'
  [ "$(count /bc-authorize)" -eq 0 ]
  mkdir spool
  run ciba-authorize --notification-dir spool -n -m Hello
  [ "$status" -eq 0 ]
  for modes in '["ping"]' '["push","ping"]' '["push","poll"]' '[]' null; do
    offer "{backchannel_token_delivery_modes_supported:$modes}"
    run ciba-authorize -n -m Hello
    [ "$status" -eq 0 ]
  done
}

@test "AUTH0_DOMAIN may be the address of the tenant; what has more than that is named" {
  nowhere
  unset CIBA_ISSUER
  for domain in 127.0.0.1:9 127.0.0.1:9/ https://127.0.0.1:9 https://127.0.0.1:9/ HTTPS://127.0.0.1:9//; do
    AUTH0_DOMAIN=$domain run --separate-stderr ciba-authorize -n -m Hello
    echo "$domain: $status $stderr"
    [ "$status" -eq 69 ]
    [[ $stderr == *"127.0.0.1: "* ]]
    holds '.calls[0].authorization.issuer == "https://127.0.0.1:9/"'
  done
  for domain in https:// / https://t.example/api/v2/ t.example/authorize http://t.example/ 't.example?x' 't.example#x' \
    https://user:pass@t.example/ 't example'; do
    AUTH0_DOMAIN=$domain run --separate-stderr ciba-authorize -n -m Hello
    echo "$domain: $status $stderr"
    [ "$status" -eq 78 ]
    [[ $stderr == *"AUTH0_DOMAIN is not a domain; write it as example.eu.auth0.com"* ]]
    [[ $stderr != *pass* ]]
  done
}

@test "any status of success acknowledges the question, if it comes with what an acknowledgement has" {
  sandbox --approve never
  for code in 200 201 202; do
    jq -n "[{path:\"/bc-authorize\",status:$code,body:{auth_req_id:\"x\",expires_in:300}}]" | spoil
    run --separate-stderr ciba-authorize -m Buy < <(a_call)
    echo "$code: $status $stderr"
    [ "$status" -eq 0 ]
    holds '.calls[0].authorization | .status == "pending" and .auth_req_id == "x"'
  done
}

@test "no coding of an answer is asked for that is not decoded; keys are asked for as what they are" {
  sandbox --approve yes --delay 0
  an_approved_call | stock-buy > bought
  [ "$(jq -r .accept_encoding requests | sort -u)" == identity ]
  [ "$(count /stocks)" -eq 1 ]
  [ "$(requests /jwks .accept)" == '"application/jwk-set+json, application/json"' ]
  [ "$(requests /oauth/token .accept)" == '"application/json"' ]
}

@test "id and secret are form-encoded before base64 in client_secret_basic" {
  printf 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n' > answer
  cat > echo-auth <<'END'
#!/bin/sh
END
  cat > meta.jq <<'END'
{issuer: $i, backchannel_authentication_endpoint: ($i + "bc"), token_endpoint_auth_methods_supported: ["client_secret_basic"]}
END
  # A provider whose metadata point to a server that keeps what it receives.
  sandbox
  jq -n --arg i "$CIBA_ISSUER" -f meta.jq > metadata
  jq -n --slurpfile m metadata '[{path:"/.well-known/openid-configuration",body:$m[0]},{path:"/bc",body:{}}]' | spoil
  CIBA_CLIENT_ID='a b:c' CIBA_CLIENT_SECRET='ü%' run ciba-authorize -v -n -m Hello
  [ "$(requests /bc .authorization)" == '"Basic"' ]
}

# Each row: the answer of /bc-authorize (jq), exit status, authorization's status and error, words of the message.
@test "each answer of the provider has its status, its words are kept, and what to do is said" {
  sandbox
  while IFS='|' read -r answer expected state code words; do
    jq -n "[{path:\"/bc-authorize\"} + ($answer)]" > faults
    kill "$CIBA_SANDBOX_PID"
    sandbox --faults-file faults
    run --separate-stderr ciba-authorize -m Buy < <(a_call)
    echo "$answer: $status, $stderr, $output"
    [ "$status" -eq "$expected" ]
    [[ $stderr == *"buy: "*"$words"* ]]
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
{status:400,headers:{"DPoP-Nonce":"n"},body:{error:"use_dpop_nonce"}}|78|failed|use_dpop_nonce|with the question none is sent
{status:201,body:"<html>"}|76|failed|invalid_response|not a JSON object
{status:202,body:{}}|76|failed|invalid_response|no auth_req_id
{status:418,body:"teapot"}|76|failed|http_418|http_418
{status:302,headers:{Location:"http://127.0.0.1:9/"}}|76|failed|http_302|http_302
{status:429,body:{}}|69|failed|too_many_requests|5 requests a minute
{status:429,body:{error:"too_many_requests"}}|69|failed|too_many_requests|5 requests a minute
{status:503,body:"<html>"}|69|failed|server_unavailable|HTTP 503
{status:500,body:{error:"unknown_error"}}|69|failed|server_unavailable|HTTP 500
{status:502,body:{error:"server_error"}}|69|failed|server_error|server_error
{status:502,body:"<html>"}|69|failed|outcome_unknown|HTTP 502
{status:504,body:{error:"timeout"}}|69|failed|outcome_unknown|HTTP 504
{status:500,body:"<html>"}|69|failed|outcome_unknown|HTTP 500
{status:599,body:{message:"x"}}|69|failed|outcome_unknown|HTTP 599
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
    sandbox --faults-file faults
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

# Each row: members of the acknowledgement (jq), the address that is kept, words on stderr.
@test "an address at which the user can answer is kept, if it is one that can be opened" {
  sandbox
  while IFS='|' read -r answer address words; do
    jq -n "[{path:\"/bc-authorize\",body:({auth_req_id:\"x\",expires_in:300} + ($answer))}]" | spoil
    run --separate-stderr ciba-authorize -m Buy < <(a_call)
    echo "$answer: $status $stderr $output"
    [ "$status" -eq 0 ]
    holds ".calls[0].authorization | .status == \"pending\" and .verification_uri == $address"
    if [ -n "$words" ]; then
      [[ $stderr == "ciba-authorize: buy: the provider's "*" is not used: "*"$words"* ]]
      [[ $stderr != *[[:cntrl:]]* ]]
    else
      [ -z "$stderr" ]
    fi
  done << 'END'
{verification_uri_complete:"https://p.example/a"}|"https://p.example/a"|
{auth_url:"https://p.example/ciba_webauthn?authCodeKey=1&x=%20y"}|"https://p.example/ciba_webauthn?authCodeKey=1&x=%20y"|
{auth_url:"https://p.example/w",verification_uri_complete:"https://p.example/v"}|"https://p.example/v"|
{auth_url:"https://p.example/w",verification_uri_complete:"javascript:1"}|"https://p.example/w"|
{auth_url:"http://127.0.0.1:8/w"}|"http://127.0.0.1:8/w"|
{auth_url:("https://p.example/" + "x" * 1982)}|("https://p.example/" + "x" * 1982)|
{auth_url:("https://p.example/" + "x" * 1983)}|null|longer than 2000
{auth_url:("https://p.example/" + "x" * 1000000)}|null|longer than 2000
{auth_url:"http://p.example/w"}|null|only https
{auth_url:"javascript:alert(1)"}|null|not a URL
{auth_url:"file:///etc/passwd"}|null|not a URL
{auth_url:"https://bank.example@p.example/"}|null|has a user in it
{auth_url:"https://p.example/\u001b[2J"}|null|characters that no URL has
{auth_url:"https://p.example/\n$(touch ran)"}|null|characters that no URL has
{auth_url:"https://p.example/a b"}|null|characters that no URL has
{auth_url:"https://p.example/\u202e"}|null|characters that no URL has
{auth_url:"https://p.example/\u0000"}|null|
{auth_url:"-o/etc/passwd"}|null|not
{auth_url:""}|null|
{auth_url:["https://p.example/"]}|null|
{auth_url:null}|null|
END
}

@test "what failed before anybody was asked is asked when the document comes again" {
  jq -n '[{path:"/bc-authorize",status:503}]' > faults
  sandbox --faults-file faults --approve yes --delay 0
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

# Each row: the metadata's answer, the exit status, words of the message.
@test "metadata that are missing, broken or elsewhere are named" {
  while IFS='|' read -r answer expected words; do
    jq -n "[{path:\"/.well-known/openid-configuration\"} + ($answer)]" > faults
    sandbox --faults-file faults
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

# Each row: the issuer's path, where its metadata are.
@test "metadata of OAuth (RFC 8414) are taken where there are none of OpenID, with the issuer's path behind their name" {
  sandbox
  origin=${CIBA_ISSUER%/}
  curl -sf "${CIBA_SANDBOX_URL}.well-known/openid-configuration" > metadata
  while IFS='|' read -r path openid oauth; do
    export CIBA_ISSUER=$origin$path
    jq --arg i "$CIBA_ISSUER" --arg openid "$openid" --arg oauth "$oauth" '[
      {path:$openid,times:9,status:404,body:"none"}, {path:$oauth,times:9,body:(. + {issuer:$i})},
      {path:"/bc-authorize",body:{auth_req_id:"x",expires_in:300}}]' metadata | spoil
    run --separate-stderr ciba-authorize -n -m Hello
    echo "$path: $status $stderr"
    [ "$status" -eq 0 ]
    [ "$(requests "$openid" .method | tail -n 1)" == '"GET"' ]
    holds ".calls[0].authorization | .status == \"pending\" and .issuer == env.CIBA_ISSUER"
    # its issuer must be ours to the byte
    jq --arg openid "$openid" --arg oauth "$oauth" '[
      {path:$openid,times:9,status:404,body:"none"}, {path:$oauth,times:9,body:(. + {issuer:"https://evil.example"})}]' metadata | spoil
    run --separate-stderr ciba-authorize -n -m Hello
    [ "$status" -eq 78 ]
    [[ $stderr == *"/.well-known/oauth-authorization-server"*"says that its issuer is 'https://evil.example'"* ]]
  done << 'END'
/|/.well-known/openid-configuration|/.well-known/oauth-authorization-server
|/.well-known/openid-configuration|/.well-known/oauth-authorization-server
/tenant|/tenant/.well-known/openid-configuration|/.well-known/oauth-authorization-server/tenant
/a/b/|/a/b/.well-known/openid-configuration|/.well-known/oauth-authorization-server/a/b
END
  # OpenID's come first, and nothing but their absence leads to the others
  export CIBA_ISSUER=$origin/
  while IFS='|' read -r openid oauth expected words; do
    asked=$(count /.well-known/oauth-authorization-server)
    jq --arg i "$CIBA_ISSUER" "[{path:\"/.well-known/openid-configuration\"} + ($openid),
      {path:\"/.well-known/oauth-authorization-server\"} + ($oauth)]" metadata | spoil
    run --separate-stderr ciba-authorize -n -m Hello
    echo "$openid $oauth: $status $stderr"
    [ "$status" -eq "$expected" ]
    [[ $stderr == *"$words"* ]]
    [[ $openid == *404* ]] || [ "$(count /.well-known/oauth-authorization-server)" -eq "$asked" ]
  done << 'END'
{body:{issuer:"https://evil.example"}}|{body:(. + {issuer:$i})}|78|says that its issuer is
{status:503}|{body:(. + {issuer:$i})}|69|openid-configuration: HTTP 503
{status:403}|{body:(. + {issuer:$i})}|76|openid-configuration: HTTP 403
{body:"<html>"}|{body:(. + {issuer:$i})}|76|openid-configuration: not a JSON object
{drop:true}|{body:(. + {issuer:$i})}|69|cannot be asked
{status:404}|{status:404}|76|openid-configuration: HTTP 404
{status:404}|{status:503}|69|oauth-authorization-server: HTTP 503
{status:404}|{body:"<html>"}|76|oauth-authorization-server: not a JSON object
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

@test "an answer of success that cannot be read may have asked: the question is not repeated at once" {
  while read -r answer; do
    rm -f journal
    jq -n "[{path:\"/bc-authorize\",after:true} + $answer]" > faults
    sandbox --approve never --faults-file faults
    a_call > call
    run --separate-stderr ciba-authorize -m Buy --expiry 50 --journal-file journal < call
    [ "$status" -eq 76 ]
    holds '.calls[0].authorization | .error == "invalid_response" and .ask_again_at >= .requested_at + 50'
    run --separate-stderr ciba-authorize -m Buy --expiry 50 --journal-file journal < call
    [ "$status" -eq 75 ]
    [ "$(count /bc-authorize)" -eq 1 ]
    kill "$CIBA_SANDBOX_PID"
    : > requests
  done <<'END'
{status:200,body:"<html>"}
{status:204,body:""}
{status:200,body:{}}
{status:201,body:{auth_req_id:"x",expires_in:1e12}}
END
}
