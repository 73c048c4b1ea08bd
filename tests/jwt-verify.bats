# shellcheck source=helper.bash
load helper

base64url() {
  base64 -w0 | tr '+/' '-_' | tr -d =
}

# RSA and EC keys, and their JWKS; valid claims.
keys() {
  openssl genrsa -out rsa.pem 2048 2> /dev/null
  openssl genrsa -out weak.pem 1024 2> /dev/null
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ec.pem 2> /dev/null
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out other-curve.pem 2> /dev/null
  modulus() { openssl rsa -in "$1" -noout -modulus | cut -d= -f2 | basenc -d --base16 | base64url; }
  point() { openssl pkey -in ec.pem -pubout -outform DER | tail -c 64 | "$@" -c 32 | base64url; }
  jq -n --arg n "$(modulus rsa.pem)" --arg w "$(modulus weak.pem)" --arg x "$(point head)" --arg y "$(point tail)" \
    '{keys: [{kty:"RSA",kid:"rsa",n:$n,e:"AQAB"}, {kty:"RSA",kid:"weak",n:$w,e:"AQAB"}, {kty:"EC",kid:"ec",crv:"P-256",x:$x,y:$y},
      {kty:"oct",kid:"oct",k:"c2VjcmV0"}]}' > jwks
  good=$(jq -nc '{iss:"https://i/",aud:"https://a/",sub:"s",scope:"x y",exp:(now+900|floor),iat:(now|floor)}')
}

# input HEADER CLAIMS; rs256 and es256 KEY sign stdin; token HEADER CLAIMS SIGNER KEY
input() {
  printf '%s.%s' "$(printf %s "$1" | base64url)" "$(printf %s "$2" | base64url)"
}
rs256() {
  openssl dgst -sha256 -sign "$1" -binary | base64url
}
# DER to r and s of 32 bytes each
es256() {
  openssl dgst -sha256 -sign "$1" -binary | openssl asn1parse -inform DER | sed -n 's/.*INTEGER *://p' |
    while read -r hex; do printf '%64s' "$hex" | tr ' ' 0 | tail -c 64; done | basenc -d --base16 | base64url
}
token() {
  printf '%s.%s' "$(input "$1" "$2")" "$(input "$1" "$2" | "$3" "$4")"
}

verify() {
  run --separate-stderr jwt-verify --issuer https://i/ -a https://a/ --jwks-file jwks "$@" < token
}

@test "a good token: 0 and its claims, from stdin, after Bearer, and from a document" {
  keys
  token '{"alg":"RS256","kid":"rsa"}' "$good" rs256 rsa.pem > token
  verify
  [ "$status" -eq 0 ]
  holds '.sub == "s"'
  token '{"alg":"ES256","kid":"ec"}' "$good" es256 ec.pem > token
  verify -s 'y x'
  echo "$stderr"
  [ "$status" -eq 0 ]
  sed -i 's/^/Bearer /' token
  verify
  [ "$status" -eq 0 ]
  verify -q
  [ -z "$output" ]
  jq -n --arg t "$(sed 's/Bearer //' token)" '{calls:[{token:{access_token:$t}}]}' > token
  verify
  [ "$status" -eq 0 ]
  echo '{"calls":[]}' > token
  verify
  [ "$status" -eq 65 ]
  : > token
  verify
  [ "$status" -eq 1 ]
}

@test "the whole of an Authorization header is taken, whatever the scheme and its spelling" {
  keys
  token '{"alg":"RS256","kid":"rsa"}' "$good" rs256 rsa.pem > bare
  for scheme in 'Bearer ' 'bearer ' 'DPoP ' 'DPOP ' 'dpop   '; do
    { printf '%s' "$scheme"; cat bare; } > token
    verify
    echo "$scheme: $status $stderr"
    [ "$status" -eq 0 ]
    holds '.sub == "s"'
  done
  for scheme in 'Basic ' 'DPoP' 'Bearer DPoP ' 'MAC '; do
    { printf '%s' "$scheme"; cat bare; } > token
    verify
    [ "$status" -eq 1 ]
  done
}

# Each row: change of the claims (jq), required scopes, exit status.
@test "scopes stand in scope, or else in scp, or else in permissions, as a list or an array" {
  keys
  while IFS='~' read -r change wanted expected; do
    token '{"alg":"RS256","kid":"rsa"}' "$(jq -c "del(.scope) $change" <<< "$good")" rs256 rsa.pem > token
    verify -s "$wanted"
    echo "$change $wanted: $status $stderr"
    [ "$status" -eq "$expected" ]
    [ "$status" -eq 0 ] || [ -z "$output" ]
  done <<'END'
| .scp = ["read","write"]~read~0
| .scp = ["read","write"]~write read~0
| .scp = "read write"~write~0
| .permissions = ["read"]~read~0
| .scope = ["read"]~read~0
| .scope = null | .scp = ["read"]~read~0
| .scp = []~read~1
| .scp = ["read write"]~read~1
| .scp = ["reads",1,null,["read"],{"read":"read"}]~read~1
| .scp = {"read":true}~read~1
| .scp = 1 | .permissions = ["read"]~read~1
| .permissions = ["read"] | .scope = "openid"~read~1
| .permissions = ["read"] | .scope = ""~read~1
| .permissions = ["read"] | .scp = ["write"]~read~1
| .scp = ["read"] | .scope = "write"~read~1
| .roles = ["read"]~read~1
END
}

@test "an access token need not say when it was issued, an ID token must" {
  keys
  token '{"alg":"RS256","kid":"rsa"}' "$(jq -c 'del(.iat)' <<< "$good")" rs256 rsa.pem > token
  verify
  echo "$stderr"
  [ "$status" -eq 0 ]
  token '{"alg":"RS256","kid":"rsa"}' "$(jq -c '.iat = "1"' <<< "$good")" rs256 rsa.pem > token
  verify
  [ "$status" -eq 1 ]
  [[ $stderr == *"'iat' is no number"* ]]
  signing_key issuer.pem
  sandbox --approve yes --delay 0
  a_call | ciba-authorize > asked
  id_token=$(signed issuer.pem "$(id_claims '| del(.iat)')")
  jq -n --arg t "$id_token" "[{path:\"/jwks\",times:9,body:$jwks},
    {path:\"/oauth/token\",body:{access_token:\"a\",token_type:\"Bearer\",id_token:\$t}}]" | spoil
  run --separate-stderr ciba-poll < asked
  [ "$status" -eq 76 ]
  [[ $stderr == *"it has no 'iat'"* ]]
}

@test "a token that is bound to a key or certificate is refused, unless the proof is said to be checked" {
  keys
  for binding in '{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}' '{"x5t#S256":"bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}' \
    '{"jwk":{"kty":"OKP"}}' '{"kid":"k"}' '{}' '"x"' null; do
    token '{"alg":"RS256","kid":"rsa"}' "$(jq -c ".cnf = $binding" <<< "$good")" rs256 rsa.pem > bare
    for scheme in '' 'Bearer ' 'DPoP '; do
      { printf '%s' "$scheme"; cat bare; } > token
      verify
      echo "$scheme $binding: $status $stderr"
      [ "$status" -eq 1 ]
      [ -z "$output" ]
      [[ $stderr == *"bound to a key or certificate"*"--binding-checked"* ]]
      verify --binding-checked
      [ "$status" -eq 0 ]
      holds 'has("cnf")'
    done
    jq -n --arg t "$(cat bare)" '{calls:[{token:{access_token:$t,token_type:"DPoP"}}]}' > token
    verify
    [ "$status" -eq 1 ]
    [ -z "$output" ]
  done
}

hex() {
  printf %s "$1" | tr a-f A-F | basenc -d --base16 | base64url
}

# For jose-check: tokens with a signature made without a key, for each public key X. If X is of small order, it holds
# for one message in a few: forgeries CURVE SIGNATURE X..., in hexadecimal
forgeries() {
  local x
  for x in "${@:3}"; do
    jq -nc --arg x "$(hex "$x")" --arg s "$(hex "$2")" "range(48) |
      {id:\"$x\",jws:([({alg:\"EdDSA\"}, {jti:.} | tojson | @base64 | gsub(\"=\";\"\") | gsub(\"/\";\"_\") | gsub(\"[+]\";\"-\")), \$s] | join(\".\")),
       keys:{keys:[{kty:\"OKP\",crv:\"$1\",x:\$x}]}}"
  done
}

@test "a public key of small order, under which anybody can sign, is not used" {
  zero=$(printf '%062d' 0) ones=$(printf '%060d' 0 | tr 0 f)
  # the neutral point and 0
  forgeries Ed25519 "01$zero${zero}00" "01$zero" "00$zero" "01${zero%00}80" "00${zero%00}80" "ec${ones}7f" "ec${ones}ff" "ed${ones}7f" "ed${ones}ff" \
    "ee${ones}7f" "ee${ones}ff" 26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05 \
    26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85 \
    c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a \
    c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa > forged
  zero=$(printf '%0112d' 0) ones=$(printf '%054d' 0 | tr 0 f)
  # five times the base point and 5
  five=eb35f4721473b44354221f88125540583cb3d259eea4d727710198b6f75165d8ce8fb13a82a10c26de0a58fde49c10b9d3ed17251a75fdad00
  forgeries Ed448 "${five}05$zero" "01$zero" "00$zero" "01${zero%00}80" "00${zero%00}80" "fe${ones}fe${ones}00" "ff${ones}fe${ones}00" >> forged
  jose-check < forged > verdicts
  grep ' valid' verdicts | sort | uniq -c
  [ "$(grep -c ' invalid ' verdicts)" -eq $((20 * 48)) ]
  attacks=20
  keys
  # and valid ones
  for row in 'Ed25519 32' 'Ed448 57'; do
    read -r curve size <<< "$row"
    openssl genpkey -algorithm "$curve" -out "$curve.pem"
    jq -n --arg x "$(openssl pkey -in "$curve.pem" -pubout -outform DER | tail -c "$size" | base64url)" \
      "{keys:[{kty:\"OKP\",crv:\"$curve\",x:\$x}]}" > jwks
    input '{"alg":"EdDSA"}' "$good" > signed
    openssl pkeyutl -sign -rawin -inkey "$curve.pem" -in signed -out signature
    printf '%s.%s' "$(cat signed)" "$(base64url < signature)" > token
    verify
    echo "$curve: $stderr"
    [ "$status" -eq 0 ]
  done
  attacks
}

# Each row: header, change of the claims (jq), signer, key, words of the message.
@test "what should not be accepted is not: 1" {
  keys
  while IFS='~' read -r header change signer key words; do
    token "$header" "$(jq -c ". $change" <<< "$good")" "$signer" "$key" > token
    verify -s x
    echo "$header $change: $status $stderr"
    [ "$status" -eq 1 ]
    [ -z "$output" ]
    [[ $stderr == *"$words"* ]]
  done <<'END'
{"alg":"none"}~~rs256~rsa.pem~'none' is not accepted
{"alg":"None"}~~rs256~rsa.pem~'None' is not accepted
{"alg":"nOnE","kid":"rsa"}~~rs256~rsa.pem~is not accepted
{"alg":"HS256","kid":"rsa"}~~rs256~rsa.pem~'HS256' is not accepted
{"alg":"HS256","kid":"oct"}~~rs256~rsa.pem~'HS256' is not accepted
{"alg":"rs256","kid":"rsa"}~~rs256~rsa.pem~is not accepted
{"alg":"RS256","alg":"none","kid":"rsa"}~~rs256~rsa.pem~header
{"alg":["RS256"],"kid":"rsa"}~~rs256~rsa.pem~is not accepted
{"kid":"rsa"}~~rs256~rsa.pem~is not accepted
{"alg":"RS256","kid":"rsa","crit":["exp"]}~~rs256~rsa.pem~crit
{"alg":"RS256","kid":"rsa","b64":false}~~rs256~rsa.pem~crit
{"alg":"RS256","kid":"../../etc/passwd"}~~rs256~rsa.pem~no key
{"alg":"RS256","kid":"x' OR '1'='1"}~~rs256~rsa.pem~no key
{"alg":"RS256","kid":1}~~rs256~rsa.pem~no key
{"alg":"RS256","kid":"ec"}~~rs256~rsa.pem~no key
{"alg":"ES256","kid":"rsa"}~~es256~ec.pem~no key
{"alg":"RS256","kid":"weak"}~~rs256~weak.pem~signature
{"alg":"RS256","kid":"rsa"}~~rs256~weak.pem~signature
{"alg":"PS256","kid":"rsa"}~~rs256~rsa.pem~signature
{"alg":"RS384","kid":"rsa"}~~rs256~rsa.pem~signature
{"alg":"ES256","kid":"ec"}~~rs256~ec.pem~signature
{"alg":"ES256","kid":"ec"}~~es256~other-curve.pem~signature
{"alg":"RS256","kid":"rsa"}~| .iss = "https://evil/"~rs256~rsa.pem~'iss'
{"alg":"RS256","kid":"rsa"}~| .aud = "https://b/"~rs256~rsa.pem~'aud'
{"alg":"RS256","kid":"rsa"}~| .aud = ["https://b/"]~rs256~rsa.pem~'aud'
{"alg":"RS256","kid":"rsa"}~| .aud = {"https://a/":1}~rs256~rsa.pem~'aud'
{"alg":"RS256","kid":"rsa"}~| .exp = (now - 61)~rs256~rsa.pem~exp
{"alg":"RS256","kid":"rsa"}~| .exp = "9999999999"~rs256~rsa.pem~exp
{"alg":"RS256","kid":"rsa"}~| del(.exp)~rs256~rsa.pem~exp
{"alg":"RS256","kid":"rsa"}~| .nbf = 9999999999~rs256~rsa.pem~nbf
{"alg":"RS256","kid":"rsa"}~| .iat = 9999999999~rs256~rsa.pem~future
{"alg":"RS256","kid":"rsa"}~| .scope = "xx"~rs256~rsa.pem~lacks the scope x
{"alg":"RS256","kid":"rsa"}~| del(.scope)~rs256~rsa.pem~lacks the scope x
END
}

@test "malformed tokens, keys that come with the token, and signatures of another are refused" {
  keys
  right=$(token '{"alg":"RS256","kid":"rsa"}' "$good" rs256 rsa.pem)
  head=${right%%.*}; rest=${right#*.}; payload=${rest%%.*}; signature=${rest#*.}
  other=$(token '{"alg":"RS256","kid":"rsa"}' "$(jq -c '.sub = "mallory"' <<< "$good")" rs256 rsa.pem)
  own=$(openssl genrsa 2048 2> /dev/null | tee own.pem | openssl rsa -noout -modulus 2> /dev/null | cut -d= -f2 | basenc -d --base16 | base64url)
  embedded=$(token "{\"alg\":\"RS256\",\"kid\":\"own\",\"jwk\":{\"kty\":\"RSA\",\"n\":\"$own\",\"e\":\"AQAB\"},\"jku\":\"https://evil/jwks\",\"x5u\":\"https://evil/\"}" "$good" rs256 own.pem)
  nested=$(token '{"alg":"RS256","kid":"rsa","cty":"JWT"}' "\"$right\"" rs256 rsa.pem)
  zero=$(input '{"alg":"ES256","kid":"ec"}' "$good").$(head -c 64 /dev/zero | base64url)
  der=$(input '{"alg":"ES256","kid":"ec"}' "$good").$(input '{"alg":"ES256","kid":"ec"}' "$good" | rs256 ec.pem)
  for wrong in "$head.$payload." "$head.$payload" "$head..$signature" ".$payload.$signature" "$head.$payload.$signature.x" \
    "$head.$payload.$signature=" "$head.$payload.${signature}A" "$head.$payload.A" "${head}=.$payload.$signature" \
    "$head.$payload.${signature:1}" "${other%.*}.$signature" "$embedded" "$nested" "$zero" "$der" "..." "." "x" '"x"'; do
    printf %s "$wrong" > token
    verify
    echo "$wrong: $status $stderr"
    [ "$status" -eq 1 ]
  done
  printf '%s' "${right/./.$'\n'}" > token
  verify
  [ "$status" -eq 1 ]
  # and the right one, to show that only that matters
  printf '%s' "$right" > token
  verify
  [ "$status" -eq 0 ]
}

@test "the issuer's keys are fetched, and again if none fits; an issuer that cannot be reached is 69" {
  sandbox --approve yes --delay 0
  an_approved_call | jq -r '.calls[0].token.access_token' > token
  run --separate-stderr jwt-verify --typ at+jwt -s stock:trade < token
  [ "$status" -eq 0 ]
  an_approved_call | jq -r '.calls[0].token.id_token' > id_token
  run jwt-verify -a sandbox-client --typ at+jwt < id_token
  [ "$status" -eq 1 ]
  kill "$CIBA_SANDBOX_PID"
  await bash -c "! curl -s $CIBA_ISSUER > /dev/null"
  run jwt-verify < token
  [ "$status" -eq 69 ]
}

# Introspection (RFC 7662). The sandbox's issuer answers what `told` says of any token: told JQ [STATUS]
told() {
  jq -nc "{active:true,aud:\"https://stocks.sandbox/\",scope:\"openid stock:trade\",sub:\"auth0|demo\",exp:(now+900|floor)} | $1 |
    [{path:\"/oauth/introspect\",times:9,status:${2:-200},body:.}]" | spoil
}

ask_about() {
  run --separate-stderr jwt-verify --introspect "${@:2}" <<< "$1"
  echo "$status $stderr"
}

@test "a token that is no JWT is asked about at the issuer, only with --introspect, and not by its word active alone" {
  sandbox
  export AUDIENCE=https://stocks.sandbox/
  told .
  exits 1 jwt-verify <<< opaque 2> /dev/null
  [ "$(count /oauth/introspect)" -eq 0 ]
  ask_about 'Bearer opaque-token' -s stock:trade
  [ "$status" -eq 0 ]
  holds '.sub == "auth0|demo" and .active'
  [ "$(requests /oauth/introspect '.form.token_type_hint')" == '"access_token"' ]
  while IFS='~' read -r answer expected words; do
    [ "$expected" -eq 0 ] || attack
    told "$answer"
    ask_about opaque-token -s stock:trade
    echo "$answer"
    [ "$status" -eq "$expected" ]
    [[ $stderr == *"$words"* ]]
    [ "$expected" -eq 0 ] || [ -z "$output" ]
  done <<'ROWS'
.~0~
.aud = ["x","https://stocks.sandbox/"]~0~
.iss = env.CIBA_ISSUER~0~
del(.exp)~0~
.token_type = "bearer"~0~
.active = false~1~not active
{active:true}~1~'aud' is not
.aud = "https://elsewhere/"~1~'aud' is not
.aud = ["https://elsewhere/"]~1~'aud' is not
.iss = "https://elsewhere/"~1~'iss' is not
.iss = null~1~'iss' is not
.exp = (now - 900 | floor)~1~expired
.exp = "tomorrow"~1~no 'exp'
.exp = null~1~no 'exp'
.nbf = (now + 900 | floor)~1~not valid yet
del(.exp) | .nbf = (now + 900 | floor)~1~not valid yet
.scope = "openid"~1~lacks the scope
del(.scope)~1~lacks the scope
.cnf = {jkt:"x"}~1~bound to a key
.cnf = null~1~bound to a key
.token_type = "refresh_token"~1~no access token
.token_type = null~1~no access token
.token_use = "refresh_token"~1~no access token
.typ = "Refresh"~1~no access token
.typ = "ID"~1~no access token
.active = "true"~76~does not say
.active = 1~76~does not say
del(.active)~76~does not say
[.]~76~does not tell
"<p>a page</p>"~76~does not tell
ROWS
  told '.cnf = {jkt:"x"}'
  ask_about opaque-token --binding-checked
  [ "$status" -eq 0 ]
  told .
  ask_about opaque-token --typ at+jwt
  [ "$status" -eq 1 ]
  attacks
}

@test "an issuer that does not answer, or does not know this client, says nothing about a token" {
  sandbox
  export AUDIENCE=https://stocks.sandbox/
  while IFS='~' read -r answer code expected words; do
    told "$answer" "$code"
    ask_about opaque-token
    echo "$answer $code"
    [ "$status" -eq "$expected" ]
    [ -z "$output" ]
    [[ $stderr == *"$words"* ]]
  done <<'ROWS'
.~503~69~HTTP 503
.~429~69~HTTP 429
{error:"invalid_client"}~401~77~check client id
""~401~77~HTTP 401
""~404~76~HTTP 404
.~201~76~HTTP 201
ROWS
  told '{error:"invalid_request",error_description:"not opaque-token"}' 400
  ask_about opaque-token
  [[ $stderr == *"not [secret]"* ]]
  offer '{introspection_endpoint:null}'
  ask_about opaque-token
  [ "$status" -eq 78 ]
  (unset CIBA_CLIENT_SECRET; exits 78 jwt-verify --introspect <<< opaque-token)
  : > requests
  for strange in 'a"b' "$(printf '%070000d' 0)" 'a%00b' 'ä'; do
    ask_about "$strange"
    [ "$status" -eq 1 ]
  done
  [ "$(count /oauth/introspect)" -eq 0 ]
}

@test "with --introspect a JWT must hold by itself too, and not be revoked" {
  sandbox --approve yes --delay 0
  export AUDIENCE=https://stocks.sandbox/
  an_approved_call | jq -r '.calls[0].token.access_token' > token
  run --separate-stderr jwt-verify --introspect -s stock:trade --typ at+jwt < token
  echo "$stderr"
  [ "$status" -eq 0 ]
  holds '.iss == env.CIBA_ISSUER and (has("active") | not)'
  [ "$(count /oauth/introspect)" -eq 1 ]
  signing_key stranger.pem
  told .
  ask_about "$(signed stranger.pem "$(part 1 < token)")" # the issuer would say active
  [ "$status" -eq 1 ]
  ask_about "$(sed 's/[^.]*$//' token)"
  [ "$status" -eq 1 ]
  ask_about "$(printf '{"alg":"none"}' | base64url).$(part 1 < token | base64url)."
  [ "$status" -eq 1 ]
  [ "$(count /oauth/introspect)" -eq 1 ]
  echo '[]' | spoil
  curl -sf -u "$CIBA_CLIENT_ID:$CIBA_CLIENT_SECRET" -d "token=$(cat token)" "${CIBA_ISSUER}oauth/revoke"
  jwt-verify < token
  run --separate-stderr jwt-verify --introspect < token
  [ "$status" -eq 1 ]
  [[ $stderr == *"not active"* ]]
}

@test "who acts for the user (act) is among the claims, and an executor writes it into the audit log" {
  keys
  token '{"alg":"RS256","kid":"rsa"}' "$(jq -c '.act = {sub:"agent-7",act:{sub:"planner"}}' <<< "$good")" rs256 rsa.pem > token
  verify
  holds '.act == {sub:"agent-7",act:{sub:"planner"}}'
  signing_key issuer.pem
  sandbox --approve yes --delay 0
  for actor in '{sub:"agent-7",act:{sub:"planner"}}' '{sub:("x"*5000)}' '"agent"'; do
    a_call | ciba-authorize > asked
    jq -n --arg id "$(signed issuer.pem "$(id_claims)")" \
      --arg t "$(signed issuer.pem "$(jq -nc "{iss:env.CIBA_ISSUER,aud:env.AUDIENCE,act:$actor}")")" "[{path:\"/jwks\",times:9,body:$jwks},
      {path:\"/oauth/token\",body:{access_token:\$t,token_type:\"Bearer\",id_token:\$id}}]" | spoil
    ciba-poll < asked | tool-run --tool buy --audit-file log -- true > /dev/null
  done
  [ "$(jq -c 'select(.event == "executed").act' log | paste -sd' ')" == '{"sub":"agent-7","act":{"sub":"planner"}} "(too large)" null' ]
  audit-verify log
}
