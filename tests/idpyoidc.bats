# With other software: idpyoidc, IdentityPython's OpenID provider, over TLS with a CA made for the run. What it lacks
# for CIBA, and what it does otherwise than the specification says, stands in tests/peers/idpyoidc/provider.py.
# shellcheck source=helper.bash
load helper

setup_file() {
  umask 077
  export idpyoidc_missing=""
  local folder=$BATS_TEST_DIRNAME/peers/idpyoidc
  python_install "$folder" || idpyoidc_missing="pip cannot install idpyoidc"
  [ -z "$idpyoidc_missing" ] || return 0
  cd "$BATS_FILE_TMPDIR" || return 1
  authority
  certificate server DNS:localhost
  openssl genpkey -algorithm RSA -out rsa.key 2> /dev/null
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ec.key
  for key in rsa ec; do openssl pkey -in "$key.key" -pubout -out "$key.pub"; done
  "$folder/venv/bin/python" "$folder/provider.py" "$PWD" > provider.log 2>&1 3>&- &
  echo $! > pid
  await test -s issuer || { cat provider.log; return 1; }
}

teardown_file() {
  [ ! -e "$BATS_FILE_TMPDIR/pid" ] || xargs kill < "$BATS_FILE_TMPDIR/pid" 2> /dev/null || true
}

setup() {
  [ -z "$idpyoidc_missing" ] || skip "$idpyoidc_missing"
  common_setup
  keys=$BATS_FILE_TMPDIR
  CIBA_ISSUER=$(cat "$keys/issuer")
  export CIBA_ISSUER CIBA_USER=alice SSL_CERT_FILE=$keys/ca.pem CIBA_SCOPE=openid
}

with_secret() {
  export CIBA_CLIENT_ID=$1 CIBA_CLIENT_SECRET=a-secret-of-at-least-32-characters
}

# Asks with $asking's options too, and waits with $waiting's, both with these: approve [OPTION...]
asking=()
waiting=()
approve() {
  ciba-authorize -n -m "${message:-Hello}" "${asking[@]}" "$@" > asked 2> errors || true
  run --separate-stderr ciba-poll "${waiting[@]}" "$@" < asked
  stderr="$(cat errors) $stderr"
  echo "$status $stderr"
}

approved() {
  [ "$status" -eq 0 ]
  holds '.calls[0] | .authorization.status == "approved" and .authorization.approved_by == "alice" and (.token.id_token | length) > 100'
}

refused() {
  [ "$status" -eq "$1" ]
  holds '.calls[0] | .authorization.status != "approved" and (has("token") | not)'
}

@test "idpyoidc: the two commands of the README's start, with an issuer, a client and a user: yes, and the command runs" {
  with_secret client_secret_post
  run --separate-stderr timeout 200 ciba-run -m 'Hello' -- echo 'it runs'
  [ "$status" -eq 0 ]
  [ "$output" == "it runs" ]
  run --separate-stderr timeout 200 ciba-run -m 'Deny this' -- echo 'it runs'
  [ "$status" -ne 0 ]
  [ -z "$output" ]
}

@test "idpyoidc: client_secret_post, _basic and _jwt" {
  with_secret client_secret_post
  approve
  approved
  jq -r '.calls[0].token.id_token' <<< "$output" | part 1 | jq -e '.sub == "alice" and (.aud | index("client_secret_post"))'
  with_secret client_secret_basic
  approve --client-auth client_secret_basic
  approved
  with_secret client_secret_jwt
  approve --client-auth client_secret_jwt --assertion-audience "$CIBA_ISSUER/token"
  approved
}

@test "idpyoidc: private_key_jwt with RS256 and ES256" {
  for key in rsa ec; do
    CIBA_CLIENT_ID=$key approve --client-key-file "$keys/$key.key" --client-key-id "$key" --assertion-audience "$CIBA_ISSUER/token"
    approved
  done
  CIBA_CLIENT_ID=rsa approve --client-key-file "$keys/ec.key" --assertion-audience "$CIBA_ISSUER/token"
  refused 77
}

@test "idpyoidc: an assertion that is not for its token endpoint is refused, and the advice names --assertion-audience" {
  export CIBA_CLIENT_ID=rsa
  approve --client-key-file "$keys/rsa.key"
  refused 77
  [[ $stderr == *"invalid_client"*"--assertion-audience"* ]]
  run ciba-doctor --client-key-file "$keys/rsa.key"
  [ "$status" -eq 77 ]
  [[ $output == *"FAIL client: rsa by private_key_jwt is refused"*"--assertion-audience"* ]]
  run ciba-doctor --client-key-file "$keys/rsa.key" --assertion-audience "$CIBA_ISSUER/token"
  [ "$status" -eq 0 ]
}

@test "idpyoidc: a signed request (CIBA Core 7.1.1)" {
  export CIBA_CLIENT_ID=ec
  asking=(--signed)
  approve --client-key-file "$keys/ec.key" --client-key-id ec --assertion-audience "$CIBA_ISSUER/token"
  approved
  message='Deny this' approve --client-key-file "$keys/ec.key" --client-key-id ec --assertion-audience "$CIBA_ISSUER/token"
  refused 1
}

@test "idpyoidc: approved after a while, denied, never answered" {
  with_secret client_secret_post
  message=Later approve
  approved
  message='Deny this' approve
  refused 1
  holds '.calls[0].authorization | .status == "denied" and .error == "access_denied"'
  asking=(--expiry 1)
  message='Never answered' approve
  refused 1
  holds '.calls[0].authorization.status == "expired"'
}

@test "idpyoidc: an auth_req_id that was used, or that is another client's, is invalid_grant: 77" {
  with_secret client_secret_post
  approve
  approved
  run --separate-stderr ciba-poll < asked
  refused 77
  ciba-authorize -n -m Hello > asked
  with_secret client_secret_basic
  run --separate-stderr ciba-poll --client-auth client_secret_basic < asked
  refused 77
}

@test "idpyoidc: a wrong secret, a secret that it does not decode, a user that is not known, a client without the grant" {
  with_secret client_secret_post
  CIBA_CLIENT_SECRET=wrong approve
  refused 77
  with_secret 'basic with: special%'
  approve --client-auth client_secret_basic
  refused 77
  with_secret client_secret_post
  CIBA_USER=nobody approve
  refused 78
  [[ $stderr == *"invalid_request: Login hint didn't lead to a known user"* ]]
  with_secret no-ciba
  approve
  refused 78
  run ciba-doctor
  [ "$status" -eq 78 ]
  with_secret client_secret_post
  run ciba-doctor
  [ "$status" -eq 0 ]
}

@test "idpyoidc: a ping tells of a yes and of a no; without a spool the advice names --notification-dir" {
  with_secret ping
  approve
  refused 78
  [[ $stderr == *"--notification-dir is needed"* ]]
  approve --notification-dir "$keys/spool"
  approved
  message='Deny this' approve --notification-dir "$keys/spool"
  refused 1
}

@test "idpyoidc: a push brings the tokens, or the no, and nothing is polled" {
  with_secret push
  waiting=(--push)
  approve --notification-dir "$keys/spool"
  approved
  message='Deny this' approve --notification-dir "$keys/spool"
  refused 1
  holds '.calls[0].authorization | .status == "denied" and .error == "access_denied"'
}

@test "idpyoidc: a push with the ID token as it makes it, without auth_req_id (CIBA Core 10.3.1), is not believed: 76" {
  with_secret push
  waiting=(--push)
  message=bare approve --notification-dir "$keys/spool"
  refused 76
  holds '.calls[0].authorization.error == "invalid_id_token"'
}

@test "idpyoidc as it is answers no token request, and so nothing is approved" {
  with_secret untouched
  asking=(--expiry 3)
  approve
  refused 69
  # a second request of this client for this user
  approve
  refused 78
  [[ $stderr == *"More then one authentication found"* ]]
}

@test "jwt-verify: idpyoidc's access tokens name no audience, and so are for no API" {
  with_secret client_secret_post
  approve
  approved
  jq -r '.calls[0].token.access_token' <<< "$output" > token
  part 1 < token | jq -e 'has("aud") | not'
  run jwt-verify -a https://stocks.example/ < token
  [ "$status" -eq 1 ]
  [[ $output == *"its 'aud' is not https://stocks.example/"* ]]
}
