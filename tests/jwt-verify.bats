# shellcheck source=helper.bash
load helper

base64url() {
  base64 -w0 | tr '+/' '-_' | tr -d =
}

# RSA and EC keys, and their JWKS; claims that are good.
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
  good=$(jq -nc '{iss:"https://i/",aud:"https://a/",sub:"s",scope:"x y",exp:(now+60|floor),iat:(now|floor)}')
}

# input HEADER CLAIMS; rs256 and es256 KEY sign what is on stdin; token HEADER CLAIMS SIGNER KEY
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
  run --separate-stderr jwt-verify --issuer https://i/ -a https://a/ --jwks jwks "$@" < token
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

# Each row: header, change of the claims (jq), signer, key, words of the refusal.
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
  # and the right one, to know that it is that
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
