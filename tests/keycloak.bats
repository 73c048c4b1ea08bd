# With Keycloak itself: its server, whose channel to the user's phone is a stand-in (peers/keycloak/channel.py).
# shellcheck source=helper.bash
load helper
# shellcheck source=gate.bash
load gate
# shellcheck source=keycloak.bash
load keycloak

make_keys() {
  authority
  certificate server DNS:localhost
  certificate client DNS:client.example
  certificate stranger DNS:stranger.example
  openssl genpkey -algorithm RSA -out RS256.key 2> /dev/null
  cp RS256.key PS256.key
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ES256.key
  openssl genpkey -algorithm ED25519 -out EdDSA.key
  signing_key issuer.key
  jq -nc "$jwks" > jwks
  for algorithm in RS256 PS256 ES256 EdDSA; do jwk "$algorithm.key" "$algorithm"; done | jq -s '{keys: .}' > clients.jwks
}

# A realm of the tests in Keycloak's folder: realm NAME ATTRIBUTES CLIENT_REGEX
realm() {
  jq -n -f "$keycloak/realm.jq" --slurpfile keys clients.jwks --arg channel "$channel" --arg realm "$1" \
    --argjson attributes "$2" --arg clients "$3" > "keycloak/data/import/$1.json"
}

setup_file() {
  keycloak_setup || return 1
  [ -z "$keycloak_missing" ] || return 0
  cd "$BATS_FILE_TMPDIR" || return 1
  make_keys || return 1
  channel_start "$PWD" || return 1
  channel=https://localhost:$(cat channel.port)
  keycloak_folder "$PWD" "$channel/request"
  realm tests '{"cibaInterval":"1","cibaExpiresIn":"600"}' .
  realm hasty '{"cibaInterval":"1","cibaExpiresIn":"5"}' '^secret$'
  touch lock
  keycloak_start "$PWD" --import-realm
}

teardown_file() {
  [ -z "$keycloak_missing" ] || return 0
  keycloak_stop "$BATS_FILE_TMPDIR" KILL
  [ ! -e "$BATS_FILE_TMPDIR/pids" ] || xargs kill < "$BATS_FILE_TMPDIR/pids" 2> /dev/null || true
}

# The test that starts Keycloak again has it for itself: all hold this lock.
setup() {
  [ -z "$keycloak_missing" ] || skip "$keycloak_missing"
  keys=$BATS_FILE_TMPDIR
  exec 8< "$keys/lock"
  case $BATS_TEST_DESCRIPTION in restart*) flock -x 8 ;; *) flock -s 8 ;; esac
  common_setup
  realms=https://localhost:$(cat "$keys/keycloak.port")/realms
  user=user-$BATS_TEST_NUMBER
  with_secret
  export SSL_CERT_FILE=$keys/ca.pem
  questions=0
}

with_secret() {
  export CIBA_ISSUER=$realms/tests CIBA_CLIENT_ID=secret CIBA_CLIENT_SECRET='a secret of at least 32 characters'
}

# The user will answer the next question so: answers STATUS; then, after the command, `wait`.
answers() {
  questions=$((questions + 1))
  answer "$user" "$1" "$questions" 3>&- 8>&- &
  answering=$!
}

# Asks, and waits for the answer, both with these options: ask STATUS [OPTION...]
ask() {
  answers "$1"
  run --separate-stderr bash -o pipefail -c 'ciba-authorize -n -m Hello --login-hint "$0" "$@" | timeout 200 ciba-poll "$@"' "$user" "${@:2}"
  echo "$status $stderr"
  wait "$answering"
}

# Nobody can be asked so: this exit status, and the user hears of nothing: unasked STATUS [OPTION...]
unasked() {
  run --separate-stderr ciba-authorize -n -m Hello --login-hint "$user" "${@:2}"
  echo "$status $stderr"
  [ "$status" -eq "$1" ]
  holds '.calls[0].authorization.status == "failed"'
  [ ! -e "$keys/channel/$user/$((questions + 1))" ]
}

approved() {
  [ "$status" -eq 0 ]
  holds '.calls[0] | .authorization.status == "approved" and (.token.id_token | length) > 100'
}

claims() {
  jq -r ".calls[0].token.$1" <<< "$output" | part 1
}

with_key() {
  unset CIBA_CLIENT_SECRET
  export CIBA_CLIENT_ID=$1
}

# What an API with a token does, and its status: Keycloak's own, which checks the proof. userinfo [CURL OPTION...]
userinfo() {
  curl -s -o answer -w '%{http_code}' --cacert "$keys/ca.pem" "$@" "$CIBA_ISSUER/protocol/openid-connect/userinfo"
}

@test "approved: the call is made, once, with a token that jwt-verify takes" {
  export CIBA_SPENT=$PWD/spent
  answers SUCCEED
  a_call | ciba-authorize --login-hint "$user" -m 'Buy-\(.qty)' | ciba-poll > approved
  wait "$answering"
  tool-run --tool buy -- sh -c 'cat >> bought; printf %s "$ACCESS_TOKEN" > token' < approved > executed
  jq -e '.calls[0] | has("result") and (has("token") | not)' executed
  jq -es '. == [{ticker: "GOOGL", qty: 3}]' bought
  jwt-verify -a https://api.example/ -s openid < token > claims
  jq -e --arg user "$user" '.preferred_username == $user and .azp == "secret"' claims
  no jwt-verify -q -a https://other.example/ < token
  question "$user" > asked
  jq -e --arg user "$user" '.body | .login_hint == $user and .binding_message == "Buy-3" and (.scope | startswith("openid"))' asked
  # the approval is used up
  exits 65 tool-run --tool buy -- sh -c 'cat >> bought' < approved > again
  jq -es '. == [{ticker: "GOOGL", qty: 3}]' bought
}

@test "from the model to the order, and back: bought after a yes, and told in a log that audit-verify takes" {
  sandbox --approve no # only its model
  unset CIBA_USER CIBA_SCOPE AUDIENCE
  with_secret
  STOCK_API_URL=https://localhost:$(cat "$keys/channel.port")/stocks
  export STOCK_API_URL CIBA_AUDIT=$PWD/audit
  stock-buy --describe > buy.json
  buy() {
    llm-chat -n -t buy.json 'Buy 3 stocks of Google' |
      ciba-authorize --login-hint "$user" --fit -m 'Buy \(.qty) \(.ticker)' | ciba-poll | stock-buy | llm-chat
  }
  answers UNAUTHORIZED
  buy > unbought || true
  wait "$answering"
  [ ! -e "$keys/orders/$user" ]
  answers SUCCEED
  buy > bought
  wait "$answering"
  jq -e '.messages | .[-1].role == "assistant" and (map(select(.role == "tool")) | .[-1].content | contains("order"))' bought || { cat bought; return 1; }
  jq -es 'map({ticker, qty}) == [{ticker: "GOOGL", qty: 3}]' "$keys/orders/$user"
  audit-verify -q audit
}

@test "denied, and cancelled on the phone: the status is 1 and nothing is run" {
  for answer in UNAUTHORIZED CANCELLED; do
    ask "$answer"
    [ "$status" -eq 1 ]
    holds '.calls[0] | .authorization.status == "denied" and (has("token") | not)'
    answers "$answer"
    run --separate-stderr ciba-run --login-hint "$user" -- touch ran
    wait "$answering"
    [ "$status" -eq 1 ]
    [[ $stderr == *"not run: the user said no"* ]]
  done
  [ ! -e ran ]
}

@test "not answered until Keycloak's time is over: expired, and an answer that comes later is none" {
  CIBA_ISSUER=$realms/hasty
  run --separate-stderr ciba-run --login-hint "$user" -- touch ran
  echo "$stderr"
  [ "$status" -eq 1 ]
  [[ $stderr == *"did not answer in time"* ]]
  [ "$(call_back "$user" 1 SUCCEED)" == 403 ]
  [ ! -e ran ]
}

@test "a user whom Keycloak does not know is named as what to check" {
  user=nobody
  unasked 78
  holds '.calls[0].authorization.error == "invalid_request"'
  [[ $stderr == *"there is no such user"*"--login-hint"* ]]
  run --separate-stderr ciba-run --login-hint "$user" -- touch ran
  [ "$status" -eq 78 ]
  [ ! -e ran ]
}

@test "the user is found by e-mail address too, and the channel is told the name" {
  name=$user
  answers SUCCEED
  user=$name@example.com
  run ciba-run --login-hint "$user" -- touch ran
  wait "$answering"
  [ "$status" -eq 0 ]
  question "$name" | jq -e --arg name "$name" '.body.login_hint == $name'
  [ -e ran ]
}

@test "a message that Keycloak would refuse is made to fit; unchanged, Keycloak refuses it" {
  answers SUCCEED
  run --separate-stderr ciba-run --login-hint "$user" -m 'Deploy 42 (now)' -- touch ran
  echo "$stderr"
  wait "$answering"
  [ -e ran ]
  question "$user" | jq -e '.body.binding_message | test("^Deploy_42_.*#[a-z0-9]{5}-[a-z0-9]{5}$")'
  for message in 'Deploy 42' 'é' 012345678901234567890123456789012345678901234567890; do
    unasked 78 -m "$message" --any-message
    holds '.calls[0].authorization.error == "invalid_binding_message"'
  done
}

@test "the channel gets the whole message, and what else the client says, in authorization_details" {
  ciba-authorize -n --login-hint "$user" -m 'Deploy 42 (now)' --fit --details-type message --acr-values 1 > asked
  question "$user" | jq -e '.body | .acr_values == "1" and
    (.authorization_details | fromjson | .[0] | .type == "message" and ([.. | strings] | any(. == "Deploy 42 (now)")))'
}

@test "the client authenticates itself by its secret: client_secret_basic, _post and _jwt" {
  while read -r client method; do
    CIBA_CLIENT_ID=$client
    ask SUCCEED --client-auth "$method"
    approved
    [ "$(claims id_token | jq -r .aud)" == "$client" ]
  done <<END
secret client_secret_basic
secret client_secret_post
secret-jwt client_secret_jwt
END
  for client in secret secret-jwt; do
    CIBA_CLIENT_ID=$client CIBA_CLIENT_SECRET='a wrong secret of at least 32 characters' unasked 77
    [[ $stderr == *"check client id, secret"* ]]
  done
  CIBA_CLIENT_ID=no-client unasked 77
  CIBA_CLIENT_ID=without-ciba unasked 77
  [[ $stderr == *'turn on "OIDC CIBA Grant"'* ]]
}

@test "the client authenticates itself by private_key_jwt: RS256, PS256, ES256 and EdDSA" {
  for algorithm in RS256 PS256 ES256 EdDSA; do
    with_key "$algorithm"
    ask SUCCEED --client-key-file "$keys/$algorithm.key" --client-key-alg "$algorithm" --client-key-id "$algorithm"
    approved
  done
  openssl genpkey -algorithm RSA -out another.key 2> /dev/null
  with_key RS256
  unasked 77 --client-key-file another.key --client-key-id RS256
  # it registered one algorithm
  unasked 77 --client-key-file "$keys/RS256.key" --client-key-alg PS256 --client-key-id RS256
  with_key ES256
  unasked 77 --client-key-file "$keys/ES256.key" --assertion-audience https://elsewhere.example/
}

@test "the client authenticates itself by its certificate, which a token may be bound to" {
  with_key certificate
  ask SUCCEED --tls-cert-file "$keys/client.pem" --tls-key-file "$keys/client.key"
  approved
  unasked 77 --tls-cert-file "$keys/stranger.pem" --tls-key-file "$keys/stranger.key"
  with_key bound-to-certificate
  ask SUCCEED --tls-cert-file "$keys/client.pem" --tls-key-file "$keys/client.key"
  approved
  thumbprint=$(openssl x509 -in "$keys/client.pem" -outform DER | openssl dgst -sha256 -binary | base64url)
  claims access_token | jq -e --arg thumbprint "$thumbprint" '.cnf["x5t#S256"] == $thumbprint'
  token=$(jq -r '.calls[0].token.access_token' <<< "$output")
  [ "$(userinfo -H "Authorization: Bearer $token" --cert "$keys/client.pem" --key "$keys/client.key")" == 200 ]
  [ "$(userinfo -H "Authorization: Bearer $token" --cert "$keys/stranger.pem" --key "$keys/stranger.key")" == 401 ]
}

@test "signed requests: RS256, PS256, ES256 and EdDSA; by another algorithm or key Keycloak takes none" {
  for algorithm in RS256 PS256 ES256 EdDSA; do
    with_key "$algorithm"
    answers SUCCEED
    ciba-authorize -n -m "By-$algorithm" --login-hint "$user" --signed --client-key-file "$keys/$algorithm.key" \
      --client-key-alg "$algorithm" --client-key-id "$algorithm" > asked
    wait "$answering"
    question "$user" "$questions" | jq -e --arg message "By-$algorithm" '.body.binding_message == $message'
    timeout 200 ciba-poll -q --client-key-file "$keys/$algorithm.key" --client-key-alg "$algorithm" --client-key-id "$algorithm" < asked
  done
  # the secret authenticates the client, and another's key signs
  with_secret
  unasked 78 --signed --client-auth client_secret_post --client-key-file "$keys/ES256.key" --client-key-id ES256
}

@test "DPoP: the token is bound to the key, and an API is shown the proof; without one there is no token" {
  export CIBA_CLIENT_ID=dpop
  cat > order.sh <<'END'
#!/bin/bash
curl -sS -o answer -w '%{http_code}' --cacert "$SSL_CERT_FILE" -H "Authorization: DPoP $ACCESS_TOKEN" \
  -H "$(dpop-proof GET "$API")" "$API"
END
  chmod +x order.sh
  export API=$CIBA_ISSUER/protocol/openid-connect/userinfo
  for key in ES256 EdDSA RS256; do
    answers SUCCEED
    output=$(a_call | ciba-authorize -m Buy --login-hint "$user" --dpop-key-file "$keys/$key.key" | ciba-poll --dpop-key-file "$keys/$key.key")
    wait "$answering"
    holds '.calls[0].token.token_type == "DPoP"'
    claims access_token | jq -e '.cnf.jkt | length == 43'
    tool-run --tool buy --dpop-key-file "$keys/$key.key" -- ./order.sh <<< "$output" > executed
    jq -e '.calls[0].result.content | tostring == "200"' executed
    jq -e --arg user "$user" '.preferred_username == $user' answer
    token=$(jq -r '.calls[0].token.access_token' <<< "$output")
    jwt-verify -q -a https://api.example/ --binding-checked <<< "$token"
    exits 1 jwt-verify -q -a https://api.example/ <<< "$token"
    [ "$(userinfo -H "Authorization: Bearer $token")" == 401 ]
  done
  ask SUCCEED
  [ "$status" -eq 78 ]
  [[ $stderr == *"--dpop-key-file is needed"* ]]
  holds '.calls[0] | has("token") | not'
}

@test "ping: Keycloak's notification reaches ciba-notify, and wakes ciba-poll" {
  export CIBA_CLIENT_ID=ping
  unasked 78
  [[ $stderr == *"--notification-dir is needed"* ]]
  ciba-authorize -n -m Hello --login-hint "$user" --notification-dir "$keys/spool" > asked
  jq -e '.calls[0].authorization.notification_digest | startswith("sha-256:")' asked
  answer "$user" SUCCEED
  compgen -G "$keys/spool/new/*"
  grep -q 'Status: 204' "$keys/notified"
  timeout 200 ciba-poll -v --notification-dir "$keys/spool" < asked > decided 2> said
  jq -e '.calls[0].authorization.status == "approved"' decided
  # it waits until the ping comes
  mkfifo late
  (timeout 200 ciba-poll -v --notification-dir "$keys/spool" < late > decided 2> said) &
  poll=$!
  started+=("$poll")
  exec 5> late
  ciba-authorize -n -m Hello --login-hint "$user" --notification-dir "$keys/spool" > asked
  cat asked >&5
  exec 5>&-
  answer "$user" UNAUTHORIZED 2
  exits 1 wait "$poll"
  jq -e '.calls[0].authorization.status == "denied"' decided
  [ "$(grep -c 'HTTP 400' said)" -eq 1 ]
}

# Keycloak judges: it answers slow_down to who polls before the interval is over, whatever the decision. The interval in
# the document grows with each.
@test "ciba-poll keeps Keycloak's interval, and obeys slow_down when another polls too" {
  ciba-authorize -n -m Hello --login-hint "$user" > asked
  (timeout 200 ciba-poll -v < asked > decided 2> said) &
  poll=$!
  started+=("$poll")
  await eval '[ "$(grep -c "HTTP 400" said)" -ge 4 ]'
  answer "$user" SUCCEED
  wait "$poll"
  jq -e '.calls[0].authorization | .status == "approved" and .interval == 1' decided
  # a hand-made client that does not wait
  ciba-authorize -n -m Hello --login-hint "$user" > asked
  jq -r '.calls[0].authorization.auth_req_id' asked > auth_req_id
  (while curl -s --cacert "$keys/ca.pem" -d grant_type=urn:openid:params:grant-type:ciba -d "client_id=$CIBA_CLIENT_ID" \
    --data-urlencode "client_secret=$CIBA_CLIENT_SECRET" --data-urlencode auth_req_id@auth_req_id \
    "$CIBA_ISSUER/protocol/openid-connect/token" >> answers; do :; done) &
  hasty=$!
  started+=("$hasty")
  await grep -q '"slow_down"' answers
  slowed() {
    exits 75 ciba-poll --once < asked > slower
    jq -e '.calls[0].authorization.interval == 6' slower
  }
  await slowed
  kill "$hasty"
  answer "$user" SUCCEED 2
  ciba-poll < slower > decided
  jq -e '.calls[0].authorization | .status == "approved"' decided
}

@test "several calls of a document are questions of their own: what was approved is done, and nothing else" {
  jq -nc '{calls: [range(3) | {id: "call_\(.)", name: "buy", arguments: {qty: (. + 1)}}]}' |
    ciba-authorize --login-hint "$user" -m 'Buy-\(.qty)' > asked
  answer "$user" UNAUTHORIZED 2
  answer "$user" SUCCEED 1
  answer "$user" CANCELLED 3
  approved=$(question "$user" 1 | jq -r '.body.binding_message[4:]')
  ciba-poll < asked > decided || true
  tool-run --tool buy -- sh -c 'cat >> bought' < decided > executed || true
  jq -e --argjson qty "$approved" '.calls | map(.authorization.status) | sort == ["approved", "denied", "denied"]' executed
  [ "$(jq -c . bought)" == "{\"qty\":$approved}" ]
}

@test "another client cannot fetch the answer, nor this one twice" {
  ciba-authorize -n -m Hello --login-hint "$user" > asked
  answer "$user" SUCCEED
  exits 77 env CIBA_CLIENT_ID=dpop ciba-poll --dpop-key-file "$keys/ES256.key" < asked > stolen
  jq -e '.calls[0] | has("token") | not' stolen
  ciba-poll < asked > decided
  jq -e '.calls[0].authorization.status == "approved"' decided
  exits 77 ciba-poll < asked > twice
  jq -e '.calls[0] | .authorization.error == "invalid_grant" and (has("token") | not)' twice
}

# The header of the question, with its claims changed by the jq filter and signed by a key of ours: forged JQ HEADER
forged() {
  printf 'Bearer %s' "$(signed ours.key "$(jq -r '.authorization | ltrimstr("Bearer ")' asked | part 1 | jq -c "$1")" "$2")"
}

@test "a forged callback approves nothing: whatever its token, the user is asked on" {
  ask SUCCEED
  approved
  access_token=$(jq -r '.calls[0].token.access_token' <<< "$output")
  (timeout 200 ciba-run --login-hint "$user" -- touch ran 2> said) &
  run=$!
  started+=("$run")
  question "$user" 2 > asked
  openssl genrsa -out ours.key 2048 2> /dev/null
  bearer=$(jq -r .authorization asked)
  kid=$(jq -r '.authorization | ltrimstr("Bearer ")' asked | part 0 | jq -r .kid)
  none=$(jq -nr '{alg: "none"} | tojson | @base64' | tr '+/' '-_' | tr -d =)
  claims=${bearer#*.}
  claims=${claims%.*}
  while IFS= read -r authorization; do
    said=$(call_back "$user" 2 SUCCEED "$authorization")
    echo "$said $authorization"
    [[ $said == 40[0-3] ]]
    attack
  done <<END

Bearer
Bearer $access_token
Bearer ${bearer#Bearer }x
Bearer $none.$claims.
Bearer ${bearer%.*}.
$(forged . '{"alg":"RS256","kid":"'"$kid"'"}')
$(forged . '{"alg":"HS256","kid":"'"$kid"'"}')
$(forged '.exp += 3600' '{"alg":"RS256"}')
$(jq -r .authorization "$keys/channel/$user/1")
END
  no gone "$run"
  answer "$user" UNAUTHORIZED 2
  exits 1 wait "$run"
  # Keycloak takes a yes after a no: the channel must not send it, and nobody waits for it any more
  [ "$(call_back "$user" 2 SUCCEED)" == 200 ]
  attack
  [ ! -e ran ]
  attacks
}

@test "while the channel is away, nobody can be asked: 69, and nothing is run; when it is back, it works" {
  mkdir -p "$keys/channel/$user"
  for says in nothing 200 401 500; do
    echo "$says" > "$keys/channel/$user/says"
    run --separate-stderr ciba-run --login-hint "$user" -- touch ran
    echo "$stderr"
    [ "$status" -eq 69 ]
    [[ $stderr == *server_error* ]]
  done
  [ ! -e ran ]
  rm "$keys/channel/$user/says"
  questions=4
  answers SUCCEED
  ciba-run --login-hint "$user" -- touch ran
  wait "$answering"
  [ -e ran ]
}

@test "ciba-run: becomes the command, with the token and without the secret" {
  answers SUCCEED
  run --separate-stderr ciba-run --login-hint "$user" -s 'openid email' -- sh -c 'env; exit 7'
  wait "$answering"
  [ "$status" -eq 7 ]
  token=$(sed -n 's/^ACCESS_TOKEN=//p' <<< "$output")
  jwt-verify -a https://api.example/ -s email <<< "$token" | jq -e --arg user "$user" '.email == $user + "@example.com"'
  [[ $output != *"$CIBA_CLIENT_SECRET"* ]]
}

@test "a lease: one question for two runs, and the third is a question again" {
  openssl rand -base64 32 > store.key
  run_it() {
    ciba-run --login-hint "$user" --lease 15m --uses 2 --store-dir store --store-key-file store.key -m Deploy -- sh -c 'echo ran >> ran'
  }
  answers SUCCEED
  run_it
  wait "$answering"
  question "$user" | jq -e '.body.binding_message | contains("15_min")'
  run_it
  [ ! -e "$keys/channel/$user/2" ]
  ciba-lease list --store-dir store --store-key-file store.key > leases
  answers UNAUTHORIZED
  exits 1 run_it
  wait "$answering"
  [ "$(wc -l < ran)" -eq 2 ]
}

@test "ciba-hook: a coding agent's tool runs after a yes, and only then" {
  answers SUCCEED
  run --separate-stderr ciba-hook --login-hint "$user" < "$BATS_TEST_DIRNAME/hooks/claude-PreToolUse.json"
  wait "$answering"
  [ "$status" -eq 0 ]
  holds '.hookSpecificOutput.permissionDecision == "allow"'
  answers UNAUTHORIZED
  run --separate-stderr ciba-hook --login-hint "$user" < "$BATS_TEST_DIRNAME/hooks/claude-PreToolUse.json"
  wait "$answering"
  [ "$status" -eq 2 ] || holds '.hookSpecificOutput.permissionDecision == "deny"'
}

@test "mcp-gate: a tool of an MCP server is called after a yes, and only then" {
  gate --login-hint "$user" --fit
  send "$(a_call_of buy '{"qty":3}')"
  answer "$user" UNAUTHORIZED
  refused 1 'not approved: the user said no; the tool was not called'
  settled
  heard_nothing
  send "$(a_call_of buy '{"qty":3}' 2)"
  answer "$user" SUCCEED 2
  await answered 2
  grep -q '"qty":3' heard
  leave
  [ "$ended" -eq 0 ]
}

@test "agent-spool: a document waits for the user, through a killed run, and its call is made once" {
  flow() {
    timeout 200 agent-spool run "$@" spool -- ciba-authorize --login-hint "$user" -m 'Buy-\(.qty)' '|' \
      ciba-poll --once '|' tool-run --tool buy -- sh -c 'cat >> bought'
  }
  name=$(a_call | agent-spool add spool)
  exits 75 flow
  flow --wait &
  runner=$!
  started+=("$runner")
  question "$user" > /dev/null
  kill -KILL "$runner"
  answer "$user" SUCCEED
  flow --wait
  jq -es '. == [{ticker: "GOOGL", qty: 3}]' bought
  [ -e "spool/done/$name" ]
  [ ! -e "$keys/channel/$user/2" ]
}

@test "ciba-doctor: all is right; a wrong secret, a client without CIBA, another issuer and an unknown CA are named" {
  run --separate-stderr ciba-doctor
  echo "$output"
  [ "$status" -eq 0 ]
  for step in issuer CIBA keys client; do grep -q "^ok   $step:" <<< "$output"; done
  while IFS='|' read -r setting expected line; do
    run --separate-stderr env "$setting" ciba-doctor
    echo "$setting: $status $output"
    [ "$status" -eq "$expected" ]
    grep -q "^$line" <<< "$output"
  done <<END
CIBA_CLIENT_SECRET=wrong|77|FAIL client: .*Invalid client or Invalid client credentials
CIBA_CLIENT_ID=without-ciba|77|FAIL client: .*Client not allowed OIDC CIBA Grant
CIBA_ISSUER=$realms/other|76|FAIL issuer: .*404
CIBA_ISSUER=$CIBA_ISSUER/|78|FAIL issuer: .*the two must be the same
SSL_CERT_FILE=$keys/stranger.pem|69|FAIL issuer: .*its certificate is not trusted
END
  [ ! -e "$keys/channel/$user" ]
}

# A token of another issuer, as a pipeline's: assertion [JQ]
assertion() {
  signed "$keys/issuer.key" "$(jq -nc --arg issuer "https://localhost:$(cat "$keys/channel.port")" \
    "{iss: \$issuer, sub: \"repo:owner/project:ref:refs/heads/main\", aud: env.CIBA_ISSUER, exp: (now + 300 | floor),
      iat: (now | floor), jti: \"$RANDOM-$RANDOM\"} ${1:-}")" '{"alg":"RS256","kid":"k","typ":"JWT"}'
}

@test "the client authenticates itself by another issuer's token, which Keycloak looks up there" {
  with_key federated
  assertion > token
  ask SUCCEED --client-assertion-file token
  approved
  [ "$(claims id_token | jq -r .aud)" == federated ]
  while read -r expected wrong; do
    assertion "$wrong" > token
    unasked "$expected" --client-assertion-file token
  done <<END
77 + {sub: "repo:owner/project:pull_request"}
77 + {iss: "https://elsewhere.example/"}
69 + {exp: (now - 300 | floor)}
78 + {aud: "https://elsewhere.example/"}
END
  # signed by a key that is not the issuer's
  openssl genrsa -out ours.key 2048 2> /dev/null
  signed ours.key "$(assertion | part 1)" '{"alg":"RS256","kid":"k"}' > token
  unasked 77 --client-assertion-file token
}

@test "restart: while Keycloak is away ciba-poll waits, and a question that it has forgotten is a clear no" {
  ciba-authorize -n -m Hello --login-hint "$user" > asked
  ciba-authorize -n -m Hello --login-hint "$user" > answered
  answer "$user" SUCCEED 2
  keycloak_stop "$keys" "${signal:-KILL}"
  (timeout 500 ciba-poll -v < asked > decided 2> said) &
  poll=$!
  started+=("$poll")
  await eval '[ "$(grep -c ": failed: " said)" -ge 2 ]'
  no gone "$poll"
  keycloak_start "$keys"
  exits 77 wait "$poll"
  jq -e '.calls[0] | .authorization.error == "invalid_grant" and (has("token") | not)' decided
  grep -q 'ask anew' said
  # neither a yes from before, nor one that comes now, counts
  exits 77 ciba-poll < answered > decided
  [ "$(call_back "$user" 1 SUCCEED)" == 403 ]
  ciba-authorize -n -m Hello --login-hint "$user" > asked
  answer "$user" SUCCEED 3
  ciba-poll < asked > decided
  jq -e '.calls[0].authorization.status == "approved"' decided
}
