# shellcheck source=helper.bash
load helper

# With other software: oidc-provider, a certified OpenID provider, over TLS with a CA made for
# the run; nginx with fcgiwrap in front of ciba-notify.

make_keys() {
  authority
  certificate server DNS:localhost
  certificate client DNS:client.example
  certificate stranger DNS:stranger.example
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout self.key -out self.pem -days 3 -subj "/CN=self" 2> /dev/null
  openssl pkcs12 -export -inkey client.key -in client.pem -out client.p12 -passout pass:opensesame
  echo opensesame > password
  openssl genpkey -algorithm RSA -out rsa.key 2> /dev/null
  openssl genpkey -algorithm RSA -out provider.key 2> /dev/null
  openssl genpkey -algorithm ED25519 -out provider-ed.key
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ec.key
  openssl genpkey -algorithm ED25519 -out ed.key
  for key in rsa ec ed; do openssl pkey -in "$key.key" -pubout -out "$key.pub"; done
  openssl pkcs8 -topk8 -in rsa.key -out rsa-locked.key -passout pass:opensesame
  node -e 'const c = require("crypto"), f = require("fs"); f.writeFileSync("provider.jwks", JSON.stringify({keys: [
    {...c.createPrivateKey(f.readFileSync("provider.key")).export({format: "jwk"}), kid: "p1", use: "sig", alg: "RS256"},
    {...c.createPrivateKey(f.readFileSync("provider-ed.key")).export({format: "jwk"}), kid: "p2", use: "sig"}]}))'
}

# nginx on a free port with ciba-notify behind it; its address goes to the file `notify`.
start_nginx() {
  command -v nginx > /dev/null && command -v fcgiwrap > /dev/null || return 0
  fcgiwrap -s "unix:$PWD/fcgi.sock" > fcgi.log 2>&1 3>&- &
  echo $! >> pids
  local port
  port=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })')
  cat > nginx.conf <<END
daemon off; pid $PWD/nginx.pid; error_log $PWD/nginx.log; events {}
user $(id -un) $(id -gn);
http {
  access_log $PWD/nginx.access;
  client_body_temp_path $PWD/t1; proxy_temp_path $PWD/t2; fastcgi_temp_path $PWD/t3; uwsgi_temp_path $PWD/t4; scgi_temp_path $PWD/t5;
  server {
    listen 127.0.0.1:$port ssl http2; server_name localhost; root $PWD/www;
    ssl_certificate $PWD/server.pem; ssl_certificate_key $PWD/server.key;
    location = /notify {
      fastcgi_pass unix:$PWD/fcgi.sock;
      fastcgi_param SCRIPT_FILENAME $(command -v ciba-notify);
      fastcgi_param REQUEST_METHOD \$request_method; fastcgi_param CONTENT_TYPE \$content_type;
      fastcgi_param CONTENT_LENGTH \$content_length; fastcgi_param HTTP_AUTHORIZATION \$http_authorization;
      fastcgi_param GATEWAY_INTERFACE CGI/1.1; fastcgi_param CIBA_NOTIFICATION_DIR $PWD/spool;
    }
  }
}
END
  nginx -p "$PWD" -c "$PWD/nginx.conf" > nginx.out 2>&1 3>&- &
  echo $! >> pids
  echo "https://localhost:$port/notify" > notify
  await test -s nginx.pid
}

setup_file() {
  peers_setup
  [ -z "$peers_missing" ] || return 0
  cd "$BATS_FILE_TMPDIR" || return 1
  make_keys
  start_nginx
  NODE_EXTRA_CA_CERTS=$PWD/ca.pem node "$BATS_TEST_DIRNAME/peers/provider.mjs" "$PWD" > provider.log 2>&1 3>&- &
  echo $! >> pids
  await test -s issuer || { cat provider.log; return 1; }
}

teardown_file() {
  [ ! -e "$BATS_FILE_TMPDIR/pids" ] || xargs kill < "$BATS_FILE_TMPDIR/pids" 2> /dev/null || true
}

setup() {
  [ -z "$peers_missing" ] || skip "$peers_missing"
  common_setup
  keys=$BATS_FILE_TMPDIR
  CIBA_ISSUER=$(cat "$keys/issuer")
  export CIBA_ISSUER CIBA_USER=alice SSL_CERT_FILE=$keys/ca.pem CIBA_SCOPE='openid stock:trade'
}

with_secret() {
  export CIBA_CLIENT_ID=$1 CIBA_CLIENT_SECRET='a secret: 100% &+ of at least 32 characters'
}

# Asks and waits, both with these options: approve [OPTION...]
approve() {
  run --separate-stderr bash -o pipefail -c 'ciba-authorize -n -m "${message:-Hello}" "$@" | timeout 200 ciba-poll "$@"' approve "$@"
  echo "$status $stderr"
}

approved() {
  [ "$status" -eq 0 ]
  holds '.calls[0] | .authorization.status == "approved" and (.token.id_token | length) > 100'
}

claims() {
  jq -r ".calls[0].token.$1 | split(\".\")[1] | gsub(\"-\";\"+\") | gsub(\"_\";\"/\") | @base64d" <<< "$output"
}

@test "oidc-provider: client_secret_post" {
  with_secret post
  approve
  approved
  holds '.calls[0].token.token_type == "Bearer"'
  claims id_token | jq -e '.sub == "alice" and .aud == "post"'
}

@test "oidc-provider: client_secret_basic, id and secret with characters that must be encoded" {
  with_secret 'basic with: special%'
  approve --client-auth client_secret_basic
  approved
}

@test "oidc-provider: client_secret_jwt" {
  with_secret secret-jwt
  approve --client-auth client_secret_jwt
  approved
}

@test "oidc-provider: private_key_jwt with RS256, PS256, ES256 and EdDSA, chosen by the key that is given" {
  for row in "RS256 rsa RS256" "PS256 rsa PS256" "ES256 ec ES256" "EdDSA ed EdDSA"; do
    read -r id key alg <<< "$row"
    export CIBA_CLIENT_ID=$id
    approve --client-key-file "$keys/$key.key" --client-key-alg "$alg" --client-key-id "$key"
    approved
  done
  # the key's default algorithm
  CIBA_CLIENT_ID=ES256 approve --client-key-file "$keys/ec.key"
  approved
  # a key with a password
  echo wrong > wrong
  CIBA_CLIENT_ID=RS256 approve --client-key-file "$keys/rsa-locked.key" --key-password-file "$keys/password"
  approved
  CIBA_CLIENT_ID=RS256 approve --client-key-file "$keys/rsa-locked.key" --key-password-file wrong
  [ "$status" -eq 78 ]
  CIBA_CLIENT_ID=RS256 approve --client-key-file "$keys/ec.key"
  [ "$status" -eq 77 ]
  CIBA_CLIENT_ID=RS256 approve --client-key-file "$keys/rsa.key" --assertion-audience https://elsewhere.example/
  [ "$status" -eq 77 ]
}

@test "oidc-provider: tls_client_auth, PEM and PKCS#12, with a token bound to the certificate" {
  export CIBA_CLIENT_ID=tls
  approve --tls-cert-file "$keys/client.pem" --tls-key-file "$keys/client.key"
  approved
  thumbprint=$(openssl x509 -in "$keys/client.pem" -outform DER | openssl dgst -sha256 -binary | base64 | tr '+/' '-_' | tr -d =)
  claims access_token | jq -e --arg t "$thumbprint" '.cnf["x5t#S256"] == $t'
  approve --tls-cert-file "$keys/client.p12" --key-password-file "$keys/password"
  approved
  approve --tls-cert-file "$keys/stranger.pem" --tls-key-file "$keys/stranger.key"
  [ "$status" -eq 77 ]
}

@test "oidc-provider: self_signed_tls_client_auth" {
  export CIBA_CLIENT_ID=self-signed
  approve --client-auth self_signed_tls_client_auth --tls-cert-file "$keys/self.pem" --tls-key-file "$keys/self.key"
  approved
  approve --client-auth self_signed_tls_client_auth --tls-cert-file "$keys/client.pem" --tls-key-file "$keys/client.key"
  [ "$status" -eq 77 ]
}

@test "oidc-provider: a wrong secret, and a client without the grant, are refused" {
  with_secret post
  CIBA_CLIENT_SECRET=wrong approve
  [ "$status" -eq 77 ]
  with_secret no-ciba
  approve
  # it does not answer unauthorized_client
  [ "$status" -eq 78 ]
  [[ $stderr == *"not allowed for this client"*"that the CIBA grant is enabled"* ]]
}

@test "oidc-provider: a signed request (CIBA Core 7.1.1)" {
  export CIBA_CLIENT_ID=signed
  run --separate-stderr bash -o pipefail -c 'ciba-authorize -n -m Hello --signed "$@" | timeout 200 ciba-poll "$@"' x \
    --client-key-file "$keys/ec.key" --client-key-id ec
  echo "$stderr"
  approved
  # this client must sign
  approve --client-key-file "$keys/ec.key" --client-key-id ec
  [ "$status" -ne 0 ]
  run ciba-authorize -n -m Hello --signed --client-auth client_secret_post --client-secret-file "$keys/password"
  [ "$status" -eq 78 ]
  [[ $output == *"--signed needs the client's key"* ]]
}

@test "oidc-provider: DPoP, with the nonce that it demands; the token is bound to the key" {
  with_secret dpop
  approve --dpop-key-file "$keys/ec.key"
  approved
  holds '.calls[0].token.token_type == "DPoP"'
  claims access_token | jq -e '.cnf.jkt | length == 43'
  approve
  [ "$status" -ne 0 ]
  holds '.calls[0] | has("token") | not'
}

# An approved call in the file `approved`: approved_call [OPTION...]
approved_call() {
  a_call | ciba-authorize -m Buy "$@" | timeout 200 ciba-poll "$@" > approved
}

@test "an API that checks the proof: stock-buy and tool-run prove the key that the token is bound to" {
  with_secret dpop
  export STOCK_API_URL=$CIBA_ISSUER/stocks
  for key in ec ed rsa; do
    approved_call --dpop-key-file "$keys/$key.key"
    run --separate-stderr stock-buy --dpop-key-file "$keys/$key.key" < approved
    echo "$stderr $output"
    [ "$status" -eq 0 ]
    holds '.calls[0] | .result.status == 200 and .result.content.body.order == {ticker:"GOOGL",qty:3} and (has("token") | not)'
  done
  run --separate-stderr stock-buy --dpop-key-file "$keys/ec.key" < approved
  [ "$status" -eq 77 ] # another key
  run --separate-stderr stock-buy < approved
  [ "$status" -eq 78 ]
  [[ $stderr == *"--dpop-key-file names that"* ]]
  cat > order.sh <<'END'
#!/bin/bash
exec curl -sSf --cacert "$SSL_CERT_FILE" -H "Authorization: DPoP $ACCESS_TOKEN" -H "$(dpop-proof --nonce n-1 POST "$STOCK_API_URL")" -d @- "$STOCK_API_URL"
END
  chmod +x order.sh
  run --separate-stderr tool-run --tool buy --dpop-key-file "$keys/rsa.key" -- ./order.sh < approved
  echo "$stderr $output"
  [ "$status" -eq 0 ]
  holds '.calls[0].result.content.order.qty == 3'
}

@test "an API that checks the certificate: stock-buy shows the one that the token is bound to" {
  export CIBA_CLIENT_ID=tls STOCK_API_URL=$CIBA_ISSUER/stocks
  approved_call --tls-cert-file "$keys/client.pem" --tls-key-file "$keys/client.key"
  run --separate-stderr stock-buy --tls-cert-file "$keys/stranger.pem" --tls-key-file "$keys/stranger.key" < approved
  [ "$status" -eq 77 ]
  run --separate-stderr stock-buy --tls-cert-file "$keys/client.pem" --tls-key-file "$keys/client.key" < approved
  [ "$status" -eq 0 ]
  holds '.calls[0].result.content.body.cnf["x5t#S256"] | length == 43'
}

@test "oidc-provider: authorization_details come back with the token (RFC 9396)" {
  with_secret rar
  run --separate-stderr bash -o pipefail -c 'ciba-authorize -n -m Hello -d "{type:\"order\",qty:3}" | timeout 200 ciba-poll'
  echo "$stderr"
  approved
  claims access_token | jq -e '.authorization_details == [{type:"order",qty:3}]'
}

@test "oidc-provider: ID tokens with an HMAC, by Ed25519, encrypted to the client in each way, as the client is registered" {
  with_secret HS256
  approve --id-token-alg HS256
  approved
  approve
  [ "$status" -eq 76 ]
  [[ $stderr == *"the algorithm 'HS256' is not accepted"* ]]
  approve --id-token-alg HS512
  [ "$status" -eq 78 ] # the secret is too short
  with_secret 'id Ed25519'
  approve --id-token-alg Ed25519
  approved
  for row in "RSA-OAEP rsa" "RSA-OAEP-256 rsa" "ECDH-ES ec" "ECDH-ES+A128KW ec" "ECDH-ES+A256KW ec"; do
    read -r alg key <<< "$row"
    for enc in A128GCM A256GCM A128CBC-HS256 A256CBC-HS512; do
      with_secret "$alg $enc"
      approve --id-token-key-file "$keys/$key.key"
      approved
      claims id_token | jq -e --arg client "$alg $enc" '.sub == "alice" and .aud == $client'
    done
  done
  approve # no key
  [ "$status" -eq 76 ]
  approve --id-token-key-file "$keys/rsa.key" # another kind of key
  [ "$status" -eq 76 ]
  [[ $stderr == *"cannot be decrypted with the key of this client"* ]]
  with_secret post
  approve --id-token-key-file "$keys/ec.key" # of a client that is not registered so
  [ "$status" -eq 76 ]
  [[ $stderr == *"it is not encrypted"* ]]
  with_secret 'HS256 in JWE'
  approve --id-token-key-file "$keys/ec.key" --id-token-alg HS256
  approved
}

@test "oidc-provider: a token that has ended is refreshed, and revoked when the work is done; also one that is bound to a key or certificate" {
  openssl rand -hex 32 > seal.key
  CIBA_SEAL_KEY=$(cat seal.key)
  export CIBA_SEAL_KEY CIBA_SCOPE='openid stock:trade offline_access' STOCK_API_URL=$CIBA_ISSUER/stocks
  bought() { # bought OPTION...: with these of the client
    approved_call "$@"
    await jq -e '.calls[0].token | .refresh_token and .expires_at <= now' approved
    run --separate-stderr stock-buy "$@" < approved
    [ "$status" -eq 1 ]
    run --separate-stderr stock-buy --refresh-for 3600 --revoke "$@" < approved
    echo "$status $stderr"
    [ "$status" -eq 0 ]
    holds '.calls[0] | .result.content.body.order.qty == 3 and (has("token") | not)'
    # of the access token, a JWT, it says that it cannot
    [[ $stderr == *"a call is done, but its access_token is not revoked: HTTP 400, unsupported_token_type"* ]]
    run --separate-stderr stock-buy --refresh-for 3600 "$@" < approved
    [ "$status" -eq 1 ]
    [[ $stderr == *"invalid_grant"*"ask the user again"* ]]
  }
  with_secret refresh
  bought
  with_secret refresh-dpop
  bought --dpop-key-file "$keys/ec.key"
  export CIBA_CLIENT_ID=refresh-tls
  unset CIBA_CLIENT_SECRET
  bought --tls-cert-file "$keys/client.pem" --tls-key-file "$keys/client.key"
}

@test "oidc-provider: an opaque token is asked about (RFC 7662), and a refresh token is no access token" {
  export AUDIENCE=https://stocks.example/
  with_secret opaque
  approve
  approved
  jq -r '.calls[0].token.access_token' <<< "$output" > token
  no grep -q '[.]' token
  exits 1 jwt-verify < token
  run --separate-stderr jwt-verify --introspect -s stock:trade < token
  echo "$status $stderr $output"
  [ "$status" -eq 0 ]
  holds '.active and .sub == "alice" and .iss == env.CIBA_ISSUER and .client_id == "opaque"'
  exits 1 jwt-verify --introspect -s stock:sell < token
  exits 1 jwt-verify --introspect -a https://elsewhere/ < token
  CIBA_CLIENT_SECRET=wrong exits 77 jwt-verify --introspect < token
  echo made-up | exits 1 jwt-verify --introspect
  with_secret refresh
  CIBA_SCOPE='openid stock:trade offline_access' approve
  approved
  jq -r '.calls[0].token.refresh_token' <<< "$output" > token
  exits 1 jwt-verify --introspect < token
}

@test "oidc-provider: a client's assertion with the algorithm Ed25519, by its own name" {
  export CIBA_CLIENT_ID=Ed25519
  approve --client-key-file "$keys/ed.key" --client-key-alg Ed25519 --client-key-id ed
  approved
}

@test "oidc-provider: resource and audience (RFC 8707)" {
  with_secret post
  run --separate-stderr bash -o pipefail -c 'ciba-authorize -n -m Hello --resource https://stocks.example/ | timeout 200 ciba-poll'
  approved
  claims access_token | jq -e '.aud == "https://stocks.example/" and .scope == "stock:trade"'
}

@test "oidc-provider: every kind of hint" {
  with_secret post
  approve > /dev/null
  approved
  jq -r '.calls[0].token.id_token' <<< "$output" > id_token
  echo bob > token
  unset CIBA_USER
  ask() {
    run --separate-stderr bash -o pipefail -c 'ciba-authorize -n -m Hello "$@" | timeout 200 ciba-poll' x "$@"
    echo "$status $stderr"
  }
  ask --login-hint bob
  approved
  claims id_token | jq -e '.sub == "bob"'
  ask --login-hint-token-file token
  approved
  claims id_token | jq -e '.sub == "bob"'
  ask --id-token-hint-file id_token
  approved
  claims id_token | jq -e '.sub == "alice"'
  holds '.calls[0].authorization.user == "alice"'
  echo old > token
  ask --login-hint-token-file token
  [ "$status" -eq 78 ]
  [[ $stderr == *"expired_login_hint_token"* ]]
  ask --login-hint nobody
  [ "$status" -eq 78 ]
  [[ $stderr == *"unknown_user_id"* ]]
  run ciba-authorize -n -m Hello --login-hint bob -u alice
  [ "$status" -eq 64 ]
}

@test "oidc-provider: user_code, acr_values and a parameter of the provider's own" {
  with_secret code
  echo 1234 > code
  echo 1 > wrong
  ask() {
    run --separate-stderr bash -o pipefail -c 'ciba-authorize -n -m Hello --acr-values phone --param ui_locales=de "$@" | timeout 200 ciba-poll' x "$@"
  }
  ask --user-code-file code
  approved
  claims id_token | jq -e '.acr == "phone"'
  ask --user-code-file wrong
  [ "$status" -eq 78 ]
  [[ $stderr == *"invalid_user_code"* ]]
  ask
  [ "$status" -eq 78 ]
  [[ $stderr == *"missing_user_code"* ]]
  run ciba-authorize -n -m Hello --param scope=x
  [ "$status" -eq 64 ]
  run ciba-authorize -n -m Hello --param x
  [ "$status" -eq 64 ]
}

@test "oidc-provider: denied, not answered, a message that it forbids" {
  with_secret post
  message='Deny this' approve
  [ "$status" -eq 1 ]
  holds '.calls[0].authorization | .status == "denied" and .error == "access_denied"'
  run --separate-stderr bash -c 'ciba-authorize -n -m "Never answered" --expiry 1 | timeout 200 ciba-poll'
  [ "$status" -eq 1 ]
  holds '.calls[0].authorization.status == "expired"'
  message='<b>' approve
  [ "$status" -eq 78 ]
  [[ $stderr == *"invalid_binding_message: no such characters"* ]]
}

@test "oidc-provider: an auth_req_id that was used is invalid_grant: 77" {
  with_secret post
  ciba-authorize -n -m Hello > asked
  ciba-poll -q < asked
  run --separate-stderr ciba-poll < asked
  [ "$status" -eq 77 ]
  holds '.calls[0].authorization.error == "invalid_grant"'
}

@test "oidc-provider, nginx and fcgiwrap: a ping wakes ciba-poll at once" {
  [ -s "$keys/notify" ] || skip "nginx and fcgiwrap are not installed"
  with_secret ping
  # asked, and approved before any command waits
  ciba-authorize -n -m Hello --notification-dir "$keys/spool" > asked
  await compgen -G "$keys/spool/new/*"
  jq -e '.calls[0].authorization.notification_digest | startswith("sha-256:")' asked
  no grep -q '"client_notification_token"' asked
  run --separate-stderr ciba-poll --notification-dir "$keys/spool" < asked
  echo "$stderr"
  approved
  empty "$keys/spool"
  # waiting when the ping arrives: far sooner than the safety poll
  mkfifo late
  (timeout 200 ciba-poll --notification-dir "$keys/spool" < late > decided) &
  poll=$!
  started+=("$poll")
  exec 5> late
  ciba-authorize -n -m Hello --notification-dir "$keys/spool" > asked
  cat asked >&5
  exec 5>&-
  wait "$poll"
  jq -e '.calls[0].authorization.status == "approved"' decided
  grep -q '"POST /notify HTTP/[12].[01]" 204' "$keys/nginx.access"
}

@test "nginx: HTTP/2 is spoken where it is offered" {
  [ -s "$keys/notify" ] || skip "nginx and fcgiwrap are not installed"
  with_secret post
  CIBA_ISSUER=$(sed 's/notify$//' "$keys/notify")
  run ciba-authorize -n -m Hello
  [ "$status" -eq 76 ]
  [[ $output == *"HTTP 404 instead of 200"* ]]
  grep -q '"GET /.well-known/openid-configuration HTTP/2.0" 404' "$keys/nginx.access"
}

@test "nginx and fcgiwrap: a notification with a wrong token, body or method is refused" {
  [ -s "$keys/notify" ] || skip "nginx and fcgiwrap are not installed"
  with_secret ping
  url=$(cat "$keys/notify")
  post() { curl -s -o answer -w '%{http_code}' --cacert "$keys/ca.pem" "$@" "$url"; }
  [ "$(post -H 'Authorization: Bearer wrong' -H 'Content-Type: application/json' -d '{"auth_req_id":"x"}')" == 401 ]
  [ "$(post -H 'Content-Type: application/json' -d '{"auth_req_id":"x"}')" == 401 ]
  [ "$(post)" == 405 ] || [ "$(post)" == 413 ]
  # Another test may be expecting a notification there.
  no grep -rqF '"auth_req_id":"x"' "$keys/spool/new"
}

@test "jwt-verify: the provider's access tokens, for the API, and for no other" {
  with_secret post
  approve
  approved
  jq -r '.calls[0].token.access_token' <<< "$output" > token
  echo "$output" > document
  run --separate-stderr jwt-verify -a https://stocks.example/ -s stock:trade --typ at+jwt < token
  [ "$status" -eq 0 ]
  holds '.sub == "alice" and .scope == "stock:trade"'
  run --separate-stderr jwt-verify -a https://stocks.example/ < document
  [ "$status" -eq 0 ]
  run jwt-verify -q -a https://stocks.example/ -s 'stock:trade stock:admin' < token
  [ "$status" -eq 1 ]
  run jwt-verify -q -a https://other.example/ < token
  [ "$status" -eq 1 ]
}

@test "ciba-doctor: a client that is right, a wrong secret, a client without the grant" {
  with_secret post
  run ciba-doctor
  echo "$output"
  [ "$status" -eq 0 ]
  [[ $output == *"ok   client: post is authenticated by client_secret_post, and may use CIBA"* ]]
  CIBA_CLIENT_SECRET=wrong run ciba-doctor
  [ "$status" -eq 77 ]
  with_secret no-ciba
  run ciba-doctor
  echo "$output"
  [ "$status" -ne 0 ]
  [[ $output == *"FAIL client"*"not allowed"* ]]
  CIBA_CLIENT_ID=ES256 run ciba-doctor --client-key-file "$keys/ec.key"
  [ "$status" -eq 0 ]
}
