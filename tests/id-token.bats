# shellcheck source=helper.bash
load helper

# ID tokens of clients that are registered for something else than a public key's signature alone.

secret=a-client-secret-of-32-characters

# A user who has been asked, a signing key of the issuer, and keys of the client.
asked() {
  signing_key issuer.pem
  sandbox --approve yes --delay 0
  a_call | ciba-authorize > document
  export CIBA_CLIENT_SECRET=$secret
  openssl genrsa -out client.pem 2048 2> /dev/null
  openssl genrsa -out other.pem 2048 2> /dev/null
  curl -sf "${CIBA_SANDBOX_URL}.well-known/openid-configuration" > metadata
}

# The provider answers with this ID token, and lists these algorithms: give ID-TOKEN [ALGORITHMS]
give() {
  jq -n --arg t "$1" --argjson algorithms "${2:-[\"RS256\",\"HS256\",\"HS512\",\"EdDSA\",\"Ed25519\"]}" --slurpfile metadata metadata "[
    {path:\"/.well-known/openid-configuration\",times:99,body:(\$metadata[0] + {id_token_signing_alg_values_supported:\$algorithms})},
    {path:\"/jwks\",times:99,body:$jwks}, {path:\"/oauth/token\",times:99,body:{access_token:\"a\",token_type:\"Bearer\",id_token:\$t}}]" | spoil
}

poll() {
  run --separate-stderr ciba-poll "$@" < document
  echo "$status $stderr"
}

# with_secret SECRET CLAIMS [HEADER] [DIGEST]: a JWT with an HMAC
with_secret() {
  local header=${3:-} input
  [ -n "$header" ] || header='{"alg":"HS256"}'
  input=$(printf %s "$header" | base64url).$(printf %s "$2" | base64url)
  printf '%s.%s' "$input" "$(printf %s "$input" | openssl dgst "-${4:-sha256}" -mac HMAC -macopt "hexkey:$(printf %s "$1" | basenc --base16 -w0)" -binary | base64url)"
}

bytes() {
  printf %s "${1^^}" | basenc -d --base16
}

# encrypted KEY TEXT [HEADER]: a JWE by RSA-OAEP with A128CBC-HS256, whatever the header says
encrypted() {
  local header=${3:-} key iv wrapped
  [ -n "$header" ] || header='{"alg":"RSA-OAEP","enc":"A128CBC-HS256","cty":"JWT"}'
  header=$(printf %s "$header" | base64url)
  key=$(openssl rand -hex 32)
  iv=$(openssl rand -hex 16)
  openssl pkey -in "$1" -pubout -out public 2> /dev/null
  wrapped=$(bytes "$key" | openssl pkeyutl -encrypt -pubin -inkey public -pkeyopt "rsa_padding_mode:${padding:-oaep}" | base64url)
  printf %s "$2" | openssl enc -aes-128-cbc -K "${key:32}" -iv "$iv" > content
  printf '%s.%s.%s.%s.%s' "$header" "$wrapped" "$(bytes "$iv" | base64url)" "$(base64url < content)" \
    "$({ printf %s "$header"; bytes "$iv"; cat content; bytes "$(printf %016x $((${#header} * 8)))"; } |
      openssl dgst -sha256 -mac HMAC -macopt "hexkey:${key:0:32}" -binary | head -c 16 | base64url)"
}

approved() {
  [ "$status" -eq 0 ]
  holds '.calls[0].authorization | .status == "approved" and .approved_by == "auth0|demo"'
}

# refused WORDS: the answer became no approval, and no token left the command
refused() {
  attack
  [ "$status" -eq 76 ]
  [[ $stderr == *"the ID token does not hold: "*"$1"* ]] || { echo "not: $1"; return 1; }
  holds '.calls[0] | .authorization.status == "failed" and (has("token") | not)'
}

@test "an ID token with an HMAC by the client's secret is taken only of a client that is registered so" {
  asked
  for row in 'HS256 sha256 32' 'HS512 sha512 64'; do
    read -r alg digest size <<< "$row"
    CIBA_CLIENT_SECRET=$(printf "%${size}s" "" | tr ' ' k)
    give "$(with_secret "$CIBA_CLIENT_SECRET" "$(id_claims)" "{\"alg\":\"$alg\"}" "$digest")"
    poll --id-token-alg "$alg"
    approved
    poll
    refused "the algorithm '$alg' is not accepted"
  done
  # The provider must list it too.
  CIBA_CLIENT_SECRET=$secret
  give "$(with_secret "$secret" "$(id_claims)")" '["RS256"]'
  poll --id-token-alg HS256
  refused "which the issuer does not list"
}

@test "a client that is registered for one algorithm takes no other, and no HMAC by anything but its secret" {
  asked
  openssl rsa -in issuer.pem -pubout -out issuer.pub 2> /dev/null
  openssl rsa -in issuer.pem -pubout -outform DER -out issuer.der 2> /dev/null
  openssl rsa -in issuer.pem -RSAPublicKey_out -out issuer.rsa 2> /dev/null
  # Confusions of secret and public key, which everybody has, in each form that it has been tried in.
  for public in "$(cat issuer.pub)" "$(cat issuer.pub)"$'\n' "$(cat issuer.rsa)" "$(jq -nc "$jwks")" "$(jq -nc "$jwks | .keys[0]")" \
    "$(jq -nr "$jwks | .keys[0].n")"; do
    give "$(with_secret "$public" "$(id_claims)" '{"alg":"HS256","kid":"k"}')"
    poll
    refused "the algorithm 'HS256' is not accepted"
    poll --id-token-alg HS256
    refused "the signature is not by the client's secret"
    poll --id-token-alg RS256
    refused "it is signed with HS256, not with RS256"
  done
  # A key of the set that says it is a secret is none of ours.
  jwks="{keys:[{kty:\"oct\",kid:\"k\",k:\"$(printf %s "$secret" | base64url)\"}]}"
  give "$(with_secret "$secret" "$(id_claims)" '{"alg":"HS256","kid":"k"}')"
  poll
  refused "the algorithm 'HS256' is not accepted"
  signing_key issuer.pem
  for row in "another|it is signed with RS256, not with HS256|$(signed issuer.pem "$(id_claims)")" \
    "none|the algorithm 'none' is not accepted|$(printf '{"alg":"none"}' | base64url).$(id_claims | tr -d '\n' | base64url)." \
    "HS512|it is signed with HS512, not with HS256|$(with_secret "$secret" "$(id_claims)" '{"alg":"HS512"}' sha512)" \
    "half|the signature is not by the client's secret|$(with_secret "$secret" "$(id_claims)" | sed -E 's/.{23}$//')" \
    "empty|the signature is not by the client's secret|$(with_secret "$secret" "$(id_claims)" | sed -E 's/[^.]*$//')" \
    "wrong|the signature is not by the client's secret|$(with_secret "${secret}x" "$(id_claims)")" \
    "client|its 'aud' is not this client|$(with_secret "$secret" "$(id_claims '| .aud = "other"')")" \
    "user|its 'sub' is not the user|$(with_secret "$secret" "$(id_claims '| .sub = "mallory"')")" \
    "crit|'crit'|$(with_secret "$secret" "$(id_claims)" '{"alg":"HS256","crit":["x"],"x":1}')"; do
    IFS='|' read -r name words token <<< "$row"
    echo "$name"
    give "$token"
    poll --id-token-alg HS256
    refused "$words"
  done
  give "$(signed issuer.pem "$(id_claims)")"
  poll --id-token-alg PS256
  refused "it is signed with RS256, not with PS256"
  poll --id-token-alg RS256
  approved
  attacks
}

@test "an HMAC needs a secret that is as long as its hash, and an algorithm that there is" {
  nowhere
  for row in 'HS256 31 78' 'HS256 32 69' 'HS384 47 78' 'HS512 63 78' 'HS1 99 64' 'none 99 64' 'A128GCM 99 64'; do
    read -r alg size expected <<< "$row"
    CIBA_CLIENT_SECRET=$(printf "%${size}s" "" | tr ' ' k)
    run --separate-stderr ciba-authorize -n --id-token-alg "$alg" -m Hello < /dev/null
    echo "$row: $status $stderr"
    [ "$status" -eq "$expected" ]
    [[ $stderr != *kkk* ]]
  done
  unset CIBA_CLIENT_SECRET
  openssl genpkey -algorithm ED25519 -out ed.pem
  run --separate-stderr ciba-authorize -n --client-key-file ed.pem --id-token-alg HS256 -m Hello < /dev/null
  [ "$status" -eq 78 ]
  [[ $stderr == *"needs the client's secret"* ]]
  run --separate-stderr ciba-authorize -n --client-key-file ed.pem --id-token-key-file ed.pem -m Hello < /dev/null
  [ "$status" -eq 78 ]
  [[ $stderr == *"neither RSA"* ]]
}

@test "an approval whose ID token has an HMAC is proven again from a document, by the same registration" {
  asked
  id=$(jq -r '.calls[0].authorization.auth_req_id' document)
  give "$(with_secret "$secret" "$(id_claims "+ {\"urn:openid:params:jwt:claim:auth_req_id\": \"$id\"}")")"
  poll --id-token-alg HS256
  approved
  echo "$output" > approved
  ciba-poll -q --id-token-alg HS256 < approved
  exits 65 ciba-poll -q < approved
  exits 65 ciba-poll -q --id-token-alg RS256 < approved
  CIBA_CLIENT_SECRET=another-secret-of-thirty-two-chars exits 65 ciba-poll -q --id-token-alg HS256 < approved
}

@test "an ID token that is encrypted to the client's key is taken, and the document has what is in it" {
  asked
  inner=$(signed issuer.pem "$(id_claims)")
  give "$(encrypted client.pem "$inner")"
  poll --id-token-key-file client.pem
  approved
  holds ".calls[0].token.id_token == \"$inner\""
  # Both registrations together.
  inner=$(with_secret "$secret" "$(id_claims)")
  give "$(encrypted client.pem "$inner")"
  poll --id-token-key-file client.pem --id-token-alg HS256
  approved
  poll
  refused "it is encrypted; --id-token-key-file names the key"
}

@test "an ID token is encrypted exactly if the client is registered so, and encryption proves nothing" {
  asked
  good=$(signed issuer.pem "$(id_claims)")
  while IFS='~' read -r name words token; do
    echo "$name"
    give "$token"
    poll --id-token-key-file client.pem
    refused "$words"
  done <<ROWS
plain~it is not encrypted, as --id-token-key-file says~$good
another's key~it cannot be decrypted with the key of this client~$(encrypted other.pem "$good")
unsigned~the algorithm 'none' is not accepted~$(encrypted client.pem "$(printf '{"alg":"none"}' | base64url).$(id_claims | tr -d '\n' | base64url).")
by a stranger~the signature is not by the issuer's key~$(encrypted client.pem "$(signed other.pem "$(id_claims)")")
twice~not a compact JWS~$(encrypted client.pem "$(encrypted client.pem "$good")")
no token~not a compact JWS~$(encrypted client.pem "$(id_claims)")
for another client~its 'aud' is not this client~$(encrypted client.pem "$(signed issuer.pem "$(id_claims '| .aud = "other"')")")
of another user~its 'sub' is not the user~$(encrypted client.pem "$(signed issuer.pem "$(id_claims '| .sub = "mallory"')")")
old~it has expired~$(encrypted client.pem "$(signed issuer.pem "$(id_claims '| .exp = (now - 900 | floor)')")")
RSA1_5~the encryption 'RSA1_5' with 'A128CBC-HS256' is not accepted~$(padding=pkcs1 encrypted client.pem "$good" '{"alg":"RSA1_5","enc":"A128CBC-HS256"}')
dir~the encryption 'dir' with~$(encrypted client.pem "$good" '{"alg":"dir","enc":"A128CBC-HS256"}')
PBES2~the encryption 'PBES2-HS256+A128KW' with~$(encrypted client.pem "$good" '{"alg":"PBES2-HS256+A128KW","p2c":2147483647,"p2s":"AAAA","enc":"A128CBC-HS256"}')
a secret~the encryption 'A128KW' with~$(encrypted client.pem "$good" '{"alg":"A128KW","enc":"A128CBC-HS256"}')
no algorithm~the encryption '' with~$(encrypted client.pem "$good" '{"enc":"A128CBC-HS256"}')
no content's~with 'A128CBC' is not accepted~$(encrypted client.pem "$good" '{"alg":"RSA-OAEP","enc":"A128CBC"}')
a number~the encryption '' with~$(encrypted client.pem "$good" '{"alg":1,"enc":"A128CBC-HS256"}')
zip~'zip'~$(encrypted client.pem "$good" '{"alg":"RSA-OAEP","enc":"A128CBC-HS256","zip":"DEF"}')
no zip~'zip'~$(encrypted client.pem "$good" '{"alg":"RSA-OAEP","enc":"A128CBC-HS256","zip":null}')
crit~'crit'~$(encrypted client.pem "$good" '{"alg":"RSA-OAEP","enc":"A128CBC-HS256","crit":["exp"],"exp":1}')
other content~'cty' is not JWT~$(encrypted client.pem "$good" '{"alg":"RSA-OAEP","enc":"A128CBC-HS256","cty":"json"}')
other padding~it cannot be decrypted~$(padding=pkcs1 encrypted client.pem "$good")
other digest~it cannot be decrypted~$(encrypted client.pem "$good" '{"alg":"RSA-OAEP-256","enc":"A128CBC-HS256"}')
other kind of key~it cannot be decrypted~$(encrypted client.pem "$good" '{"alg":"ECDH-ES+A128KW","enc":"A128CBC-HS256"}')
no header~header is not a JSON object~$(encrypted client.pem "$good" '[]')
twice alg~header is not a JSON object~$(encrypted client.pem "$good" '{"alg":"RSA-OAEP","alg":"RSA-OAEP","enc":"A128CBC-HS256"}')
ROWS
  attacks
}

@test "a changed byte in any part of an encrypted ID token is noticed, with one answer for all" {
  asked
  IFS=. read -r header key iv content tag <<< "$(encrypted client.pem "$(signed issuer.pem "$(id_claims)")")"
  turned() { # the first character is another
    local first=A
    [ "${1:0:1}" != A ] || first=B
    printf '%s%s' "$first" "${1:1}"
  }
  for changed in "$header.$(turned "$key").$iv.$content.$tag" "$header.$key.$(turned "$iv").$content.$tag" \
    "$header.$key.$iv.$(turned "$content").$tag" "$header.$key.$iv.$content.$(turned "$tag")" "$header..$iv.$content.$tag" \
    "$header.$key..$content.$tag" "$header.$key.$iv..$tag" "$header.$key.$iv.$content." "$header.$key.$iv.$content.${tag:0:20}AA" \
    "$(printf '{"alg":"RSA-OAEP","enc":"A128CBC-HS256"}' | base64url).$key.$iv.$content.$tag" \
    "$(printf '{"alg":"RSA-OAEP","enc":"A128GCM"}' | base64url).$key.$iv.$content.$tag" \
    "$(printf '{"alg":"RSA-OAEP","enc":"A256CBC-HS512"}' | base64url).$key.$iv.$content.$tag"; do
    give "$changed"
    poll --id-token-key-file client.pem
    refused "it cannot be decrypted with the key of this client"
  done
  for changed in "$header.$key!.$iv.$content.$tag" "$header.$key.$iv.$content.$tag=" "$header.$key.$iv.$content"; do
    give "$changed"
    poll --id-token-key-file client.pem
    refused ""
  done
  attacks
}

@test "Ed25519 is taken by its own name, as by EdDSA, and only for a key that fits" {
  asked
  openssl genpkey -algorithm ED25519 -out ed.pem
  openssl genpkey -algorithm ED448 -out ed448.pem
  public() { openssl pkey -in "$1" -pubout -outform DER | tail -c "$2" | base64url; }
  edwards() { # edwards ALG KEY
    input=$(printf '{"alg":"%s"}' "$1" | base64url).$(id_claims | tr -d '\n' | base64url)
    printf %s "$input" > input
    printf '%s.%s' "$input" "$(openssl pkeyutl -sign -inkey "$2" -rawin -in input | base64url)"
  }
  jwks="{keys:[{kty:\"OKP\",crv:\"Ed25519\",x:\"$(public ed.pem 32)\"},{kty:\"OKP\",crv:\"Ed448\",x:\"$(public ed448.pem 57)\"}]}"
  listed='["EdDSA","Ed25519","Ed448"]'
  for row in 'Ed25519 ed' 'EdDSA ed' 'Ed448 ed448' 'EdDSA ed448'; do
    read -r alg key <<< "$row"
    give "$(edwards "$alg" "$key.pem")" "$listed"
    poll
    approved
    poll --id-token-alg "$alg"
    approved
  done
  for row in 'Ed25519 ed448' 'Ed448 ed'; do
    read -r alg key <<< "$row"
    give "$(edwards "$alg" "$key.pem")" "$listed"
    poll
    refused "the signature is not by"
  done
  give "$(edwards Ed25519 ed.pem)" "$listed"
  poll --id-token-alg EdDSA
  refused "it is signed with Ed25519, not with EdDSA"
  give "$(edwards ed25519 ed.pem)" "$listed"
  poll
  refused "the algorithm 'ed25519' is not accepted"
}
