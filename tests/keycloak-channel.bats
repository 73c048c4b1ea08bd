# With Keycloak itself, and ciba-channel as its channel, behind nginx with a login: from the question to the command.
# shellcheck source=helper.bash
load helper
# shellcheck source=keycloak.bash
load keycloak
# shellcheck source=channel.bash
load channel

setup_file() {
  keycloak_setup || return 1
  [ -z "$keycloak_missing" ] || return 0
  cd "$BATS_FILE_TMPDIR" || return 1
  authority
  certificate server DNS:localhost
  # Keycloak is told the address before anything listens there; so the tests take turns, at a port that no client is given.
  export BATS_NO_PARALLELIZE_WITHIN_FILE=true
  port=$(python3 -c '
import random, socket
while True:
    port = random.randrange(20000, 32000)
    try:
        socket.create_server(("127.0.0.1", port)).close()
        break
    except OSError:
        pass
print(port)')
  echo "$port" > phone.port
  echo '{"keys":[]}' > jwks
  keycloak_folder "$PWD" "http://127.0.0.1:$port/approve/request/the-secret-of-keycloak"
  jq -n -f "$keycloak/realm.jq" --slurpfile keys jwks --arg channel "https://localhost:$port" --arg realm tests \
    --argjson attributes '{"cibaInterval":"1","cibaExpiresIn":"600"}' --arg clients '^secret$' > keycloak/data/import/tests.json
  keycloak_start "$PWD" --import-realm
}

teardown_file() {
  [ -z "$keycloak_missing" ] || return 0
  keycloak_stop "$BATS_FILE_TMPDIR" KILL
}

setup() {
  [ -z "$keycloak_missing" ] || skip "$keycloak_missing"
  common_setup
  port=$(cat "$BATS_FILE_TMPDIR/keycloak.port")
  export CIBA_ISSUER=https://localhost:$port/realms/tests CIBA_CLIENT_ID=secret CIBA_CLIENT_SECRET='a secret of at least 32 characters' SSL_CERT_FILE=$BATS_FILE_TMPDIR/ca.pem
  phone=http://127.0.0.1:$(cat "$BATS_FILE_TMPDIR/phone.port")
  export CIBA_CHANNEL_DIR=$PWD/spool CIBA_CHANNEL_URL=$phone/approve/ CIBA_CHANNEL_SECRET=the-secret-of-keycloak CIBA_AUDIT=$PWD/audit
  user=user-$BATS_TEST_NUMBER
  web=()
  serve_channel "${phone#http://}" "$user" another
}

# Asks, and opens the page that the notice leads to, as the user: asked
asked() {
  ciba-authorize -n -m Deploy-42 --login-hint "${1:-$user}" > asked
  await test -s notice
  web -u "$user:$user-password" "$(jq -r .url notice)" > page
  grep -q Deploy-42 page
}

# The user's answer on the page: answers yes|no
answers() {
  web -u "$user:$user-password" -H "Origin: $phone" -d "id=$(hidden id)&token=$(hidden token)&answer=$1" "$phone/approve/answer" > answered
}

@test "Keycloak, yes: the question comes to the page of the user who was asked, and the command runs" {
  asked "${user^^}@example.com" # Keycloak calls the user by the name that it has
  grep -q '<dd>secret</dd>' page
  [ "$(web -o /dev/null -w '%{http_code}' -u another:another-password "$(jq -r .url notice)")" == 404 ]
  answers yes
  grep -q 'Approved' answered
  run --separate-stderr timeout 200 ciba-poll < asked
  [ "$status" -eq 0 ]
  holds '.calls[0].authorization.status == "approved"'
  jq -s -e 'map(select(.command == "ciba-channel") | .event) == ["asked", "answered", "delivered"]' audit || { cat audit; return 1; }
}

@test "Keycloak, no: nothing runs" {
  asked
  answers no
  grep -q 'Denied' answered
  run --separate-stderr timeout 200 ciba-poll -q < asked
  [ "$status" -eq 1 ]
}

# The status of a question with that token, as Keycloak would post it: questions TOKEN
questions() {
  web -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $1" -H 'Content-Type: application/json' \
    -d "{\"login_hint\":\"$user\",\"binding_message\":\"Deploy-43\"}" "$phone/approve/request/the-secret-of-keycloak"
}

@test "Keycloak, a forged question, or one with another token of the realm's: nobody is asked" {
  asked
  bearer=$(jq -r .bearer spool/questions/*)
  part 0 <<< "$bearer" | jq -e '.alg == "RS256"'
  part 1 <<< "$bearer" | jq -e '.typ == "Bearer" and .aud == .iss and (has("scope") or has("sid") | not)'
  [ "$(questions "$bearer")" == 201 ] # it is the same one
  answers yes
  run --separate-stderr timeout 200 ciba-poll < asked
  [ "$status" -eq 0 ]
  jq '.calls[0].token' <<< "$output" > token
  # what tells them apart, also where an access token is for the realm
  jq -r .access_token token | part 1 | jq -e '.typ == "Bearer" and has("scope") and has("sid")'
  rm -r spool
  for forged in "$(jq -r .access_token token)" "$(jq -r .id_token token)" "$(jq -r '.refresh_token // "x"' token)" "${bearer%.*}.$(printf %064d 0 | base64url)" \
    "$(printf '{"alg":"none"}' | base64url).$(cut -d. -f2 <<< "$bearer")." "$(printf '{"alg":"HS512","typ":"JWT"}' | base64url).${bearer#*.}"; do
    [ "$(questions "$forged")" == 401 ]
  done
  empty spool/questions
}

@test "Keycloak, an answer that comes twice cancels what was approved: why one that may have been taken waits" {
  asked
  cp -r spool before
  answers yes
  grep -q Approved answered
  bearer=$(jq -r .bearer before/questions/*)
  [ "$(curl -s -o refused -w '%{http_code}' --cacert "$SSL_CERT_FILE" -H "Authorization: Bearer $bearer" -H 'Content-Type: application/json' \
    -d '{"status":"SUCCEED"}' "$CIBA_ISSUER/protocol/openid-connect/ext/ciba/auth/callback")" == 403 ]
  exits 77 timeout 200 ciba-poll -q < asked # invalid_grant
}

@test "Keycloak, while the channel cannot be had: nobody is asked, and the program is told what to look at" {
  mv channel gone
  run --separate-stderr ciba-authorize -n -m Deploy-42 --login-hint "$user"
  echo "$stderr"
  [ "$status" -ne 0 ]
  holds '.calls[0].authorization.status == "failed"'
}
