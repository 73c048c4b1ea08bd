# shellcheck source=helper.bash
load helper

# The grant is what was asked for, or it is no approval: what ciba-poll reports, and what executors do with a document
# that claims otherwise.

# The answer of the token endpoint, a jq object in which $id is an ID token with the claims of id_claims: answer JQ [JQ]
answer() {
  jq -n --arg id "$(signed key.pem "$(id_claims "${2:-}")" "${3:-}")" \
    "[{path:\"/jwks\",times:9,body:$jwks},{path:\"/oauth/token\",body:({access_token:\"x\",token_type:\"Bearer\",expires_in:60,id_token:\$id} + $1)}]" | spoil
}

# An unsigned JWT of these claims, as an access token that nothing here verifies: jwt CLAIMS
jwt() {
  printf '%s.%s.c2ln' "$(printf '{"alg":"RS256"}' | base64url)" "$(printf %s "$1" | base64url)"
}

setup() {
  common_setup
  signing_key key.pem
}

# Each row: the answer, the change to the ID token's claims, the error, words of the message.
@test "less or other than was asked for is failed, told, and no token leaves ciba-poll" {
  sandbox --approve never
  opaque=$(jwt '{"aud":"https://other/","scope":"stock:trade"}')
  narrow=$(jwt '{"aud":"https://stocks.sandbox/","scope":"openid profile"}')
  broken=$(jwt '{"aud":"https://stocks.sandbox/","aud":"https://other/"}')
  while IFS='~' read -r change claims code words; do
    change=${change//OTHER/\"$opaque\"}
    change=${change//NARROW/\"$narrow\"}
    change=${change//BROKEN/\"$broken\"}
    answer "$change" "$claims"
    ciba-authorize -m Buy --acr-values 'phr push' < <(a_call) > asked
    run --separate-stderr ciba-poll < asked
    echo "$change $claims: $status $stderr"
    attack
    [ "$status" -ge 76 ]
    [[ $stderr == *"$words"* ]]
    holds ".calls[0] | .authorization.status == \"failed\" and .authorization.error == \"$code\" and (has(\"token\") | not)"
    stock-buy < <(echo "$output") > outcome || true
    jq -e '.calls[0].result.error == "failed"' outcome
    [ "$(count /stocks)" -eq 0 ]
  done <<'END'
{scope:"openid"}~+{acr:"phr"}~insufficient_scope~did not grant the scope stock:trade
{scope:""}~+{acr:"phr"}~insufficient_scope~did not grant the scope stock:trade
{scope:"openid stock:trader stock"}~+{acr:"phr"}~insufficient_scope~did not grant the scope stock:trade
{scope:["openid","stock:trade"]}~+{acr:"phr"}~insufficient_scope~did not grant the scope stock:trade
{access_token:NARROW}~+{acr:"phr"}~insufficient_scope~did not grant the scope stock:trade
{access_token:OTHER}~+{acr:"phr"}~invalid_target~'aud' is not https://stocks.sandbox/
{authorization_details:[{type:"order"}]}~+{acr:"phr"}~invalid_authorization_details~not what was asked
{token_type:"mac"}~+{acr:"phr"}~invalid_response~neither of the type Bearer nor DPoP
{token_type:"DPoP"}~+{acr:"phr"}~invalid_response~bound to a key, and none was proven
{access_token:"a b"}~+{acr:"phr"}~invalid_response~characters that no token has
{}~+{acr:"pwd"}~insufficient_user_authentication~was not authenticated as asked
{}~~insufficient_user_authentication~was not authenticated as asked
{expires_in:"soon"}~+{acr:"phr"}~invalid_response~expires_in is no number
{access_token:BROKEN}~+{acr:"phr"}~invalid_response~claims cannot be read
{id_token:null}~~invalid_id_token~not known who approved
{id_token:1}~~invalid_id_token~there is none
{}~+{acr:"phr",iat:(now-604800|floor)}~invalid_id_token~issued before the user was asked
END
  attacks
}

@test "what is as asked, and what providers add, is an approval; who approved is written down" {
  sandbox --approve never
  good=$(jwt '{"aud":["https://stocks.sandbox/","https://userinfo/"],"scope":"stock:trade"}')
  while IFS='~' read -r change claims; do
    answer "${change//GOOD/\"$good\"}" "$claims"
    ciba-authorize -m Buy --acr-values 'phr push' < <(a_call) > asked
    run --separate-stderr ciba-poll < asked
    echo "$change $claims: $status $stderr"
    [ "$status" -eq 0 ]
    holds '.calls[0].authorization | .status == "approved" and .approved_by == "auth0|demo"'
  done <<'END'
{}~+{acr:"phr"}
{scope:"openid stock:trade profile"}~+{acr:"push"}
{token_type:"bearer"}~+{acr:"phr"}
{access_token:GOOD}~+{acr:"phr"}
{authorization_details:[]}~+{acr:"phr"}
{scope:null}~+{acr:"phr"}
END
}

@test "an ID token of another kind, or signed with what the issuer does not offer, is none" {
  sandbox --approve never
  while IFS='~' read -r header words; do
    answer '{}' '' "$header"
    ciba-authorize -m Buy < <(a_call) > asked
    run --separate-stderr ciba-poll < asked
    echo "$header: $status $stderr"
    if [ -n "$words" ]; then
      attack
      [ "$status" -eq 76 ]
      [[ $stderr == *"$words"* ]]
    else
      [ "$status" -eq 0 ]
    fi
  done <<'END'
{"alg":"RS256","kid":"k","typ":"logout+jwt"}~'typ' is logout+jwt
{"alg":"RS256","kid":"k","typ":"at+jwt"}~'typ' is at+jwt
{"alg":"RS256","kid":"k","typ":1}~'typ'
{"alg":"RS256","kid":"k","typ":"JWT"}~
{"alg":"RS256","kid":"k","typ":"jwt"}~
END
  answer '{}'
  ciba-authorize -m Buy < <(a_call) > asked
  curl -s "${CIBA_ISSUER}.well-known/openid-configuration" | jq '.id_token_signing_alg_values_supported = ["PS256"]' > metadata
  jq -n --arg id "$(signed key.pem "$(id_claims)")" --slurpfile m metadata \
    "[{path:\"/.well-known/openid-configuration\",times:9,body:\$m[0]},{path:\"/jwks\",times:9,body:$jwks},
      {path:\"/oauth/token\",body:{access_token:\"x\",token_type:\"Bearer\",id_token:\$id}}]" | spoil
  run --separate-stderr ciba-poll < asked
  [ "$status" -eq 76 ]
  [[ $stderr == *"signed with RS256, which the issuer does not list"* ]]
  attacks
}

@test "a Bearer token where a DPoP key was given is a downgrade, to ciba-poll and to who executes" {
  sandbox --approve never
  openssl ecparam -name prime256v1 -genkey -noout -out dpop.pem
  answer '{}'
  ciba-authorize -m Buy < <(a_call) > asked
  run --separate-stderr ciba-poll --dpop-key-file dpop.pem < asked
  [ "$status" -eq 76 ]
  [[ $stderr == *"a downgrade"* ]]
  kill "$CIBA_SANDBOX_PID"
  sandbox --approve yes --delay 0
  an_approved_call > bearer
  for command in 'stock-buy --dpop-key-file dpop.pem' 'tool-run --tool buy --dpop-key-file dpop.pem -- touch ran'; do
    # shellcheck disable=SC2086 # words
    run --separate-stderr $command < bearer
    [ "$status" -eq 65 ]
    [[ $stderr == *"a downgrade"* ]]
  done
  [ ! -e ran ]
  [ "$(count /stocks)" -eq 0 ]
}

# Each row: a change to an approved document, the status, words of the message.
@test "a document whose grant is not what was asked for is refused by every executor" {
  sandbox --approve yes --delay 0
  a_call | ciba-authorize -m Buy -d '{type:"order",ticker,qty}' | ciba-poll > approved
  other=$(jwt '{"aud":"https://other/"}')
  while IFS='~' read -r change expected words; do
    jq -c --arg other "$other" "$change" approved > changed
    for command in stock-buy 'tool-run --tool buy -- touch ran'; do
      # shellcheck disable=SC2086 # words
      run --separate-stderr $command < changed
      echo "$command $change: $status $stderr"
      attack
      [ "$status" -eq "$expected" ]
      [[ $stderr == *"refused: "*"$words"* ]]
      holds '.calls[0].result.error == "refused"'
    done
  done <<'END'
.calls[0].token.scope = "openid"~77~did not grant the scope stock:trade
.calls[0].token.access_token = $other~65~'aud' is not
.calls[0].token |= (del(.authorization_details) | .access_token = "x")~65~granted no authorization_details
.calls[0].token.authorization_details[0].qty = 300~65~not what was asked
.calls[0].token.token_type = "mac"~65~neither of the type
.calls[0].authorization.acr_values = "phr"~77~was not authenticated as asked
END
  [ "$(count /stocks)" -eq 0 ]
  [ ! -e ran ]
  attacks
}

# Each row: asked, granted, the status. RFC 9396 §7.1 has the first.
@test "authorization_details: the provider may add and fill, at any depth, and change nothing" {
  sandbox --approve never
  while IFS='~' read -r asked granted expected; do
    answer "{authorization_details:$granted}"
    ciba-authorize -m Buy -d "$asked" < <(a_call) > document
    run --separate-stderr ciba-poll < document
    echo "$asked $granted: $status $stderr"
    attack
    [ "$status" -eq "$expected" ]
  done <<'END'
[{type:"a",access:{accounts:[],balances:[]}}]~[{type:"a",access:{accounts:[{iban:"DE1"}],balances:[{iban:"DE1"}],more:[]},recurring:true}]~0
[{type:"a",amount:{eur:"1"}}]~[{type:"a",amount:{eur:"1",note:"x"}}]~0
[{type:"a",n:[1,2]}]~[{type:"a",n:[2,1]}]~0
[{type:"a"},{type:"b"}]~[{type:"b",x:1},{type:"a"}]~0
[{type:"a"},{type:"a",x:1}]~[{type:"a",x:1},{type:"a"}]~0
[{type:"a",n:3}]~[{type:"a",n:3.0}]~0
[{type:"a",amount:{eur:"1"}}]~[{type:"a",amount:{eur:"1000"}}]~78
[{type:"a",n:[1]}]~[{type:"a",n:[1,2]}]~78
[{type:"a",n:[1,1]}]~[{type:"a",n:[1,1000]}]~78
[{type:"a",x:1},{type:"a",x:1}]~[{type:"a",x:1},{type:"a",x:1000}]~78
[{type:"a"}]~[{type:"a"},{type:"b"}]~78
[{type:"a"},{type:"b"}]~[{type:"a"}]~78
[{type:"a",x:null}]~[{type:"a",x:1}]~78
[{type:"a"}]~[]~78
END
  attacks
}

@test "details need a type, and one that the provider lists; else nobody is asked" {
  sandbox --approve never
  for details in '{ticker}' '[{type:"a"},{ticker}]' '{type:""}' '{type:1}' '[1]' '{type:"a",x:"y\u200bz"}' '{type:"a","x\u00ad":1}'; do
    run --separate-stderr ciba-authorize -m Buy -d "$details" < <(a_call)
    echo "$details: $status $stderr"
    attack
    [ "$status" -eq 65 ]
    [[ $stderr == *"nobody was asked"* ]]
    holds '.calls[0].authorization | .status == "failed" and .error == "invalid_authorization_details"'
  done
  curl -s "${CIBA_ISSUER}.well-known/openid-configuration" | jq '.authorization_details_types_supported = ["order","pay"]' > metadata
  jq -n --slurpfile m metadata '[{path:"/.well-known/openid-configuration",times:9,body:$m[0]}]' | spoil
  run --separate-stderr ciba-authorize -m Buy -d '[{type:"order"},{type:"deploy"}]' < <(a_call)
  [ "$status" -eq 78 ]
  [[ $stderr == *"does not list the detail's type 'deploy'"* ]]
  [ "$(count /bc-authorize)" -eq 0 ]
  ciba-authorize -m Buy -d '[{type:"order"},{type:"pay"}]' < <(a_call) > asked
  [ "$(count /bc-authorize)" -eq 1 ]
  attacks
}

@test "an approval that was granted less is not used again for more" {
  (umask 077 && openssl rand -hex 32 > key)
  export CIBA_STORE=$PWD/store CIBA_STORE_KEY
  CIBA_STORE_KEY=$(cat key)
  sandbox --approve never
  answer '{scope:"openid",expires_in:600}'
  a_call | ciba-authorize -m Buy --reuse agent | ciba-poll > first || true
  answer '{expires_in:600}' '+{acr:"pwd"}'
  a_call | ciba-authorize -m Buy --reuse agent | ciba-poll > second
  [ "$(count /bc-authorize)" -eq 2 ]
  a_call | ciba-authorize -m Buy --reuse agent --acr-values phr > third
  [ "$(count /bc-authorize)" -eq 3 ]
  a_call | ciba-authorize -m Buy --reuse agent > fourth
  [ "$(count /bc-authorize)" -eq 3 ]
}

@test "--resource is an absolute URI without a fragment; a signed request is for the issuer" {
  openssl genrsa -out client.pem 2048 2> /dev/null
  sandbox --approve never --client-key-file client.pem
  for resource in 'https://api/#x' 'https://api/a b' api '//api/x' '1https://x' '' $'https://a/\n' 'https://a/"'; do
    run ciba-authorize -n -m Deploy --resource "$resource"
    [ "$status" -eq 64 ]
  done
  [ "$(count /bc-authorize)" -eq 0 ]
  ciba-authorize -n -m Deploy --resource urn:example:api > asked
  jq -e '.calls[0].authorization.resource == ["urn:example:api"]' asked
  ciba-authorize -n -m Deploy --signed --client-auth private_key_jwt --client-key-file client.pem \
    --assertion-audience "${CIBA_ISSUER}oauth/token" > signed || true
  [ "$(requests /bc-authorize '.form | [.request.claims.aud, .client_assertion.claims.aud]' | tail -n 1)" == \
    "[\"$CIBA_ISSUER\",\"${CIBA_ISSUER}oauth/token\"]" ]
}
