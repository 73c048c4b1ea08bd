# shellcheck source=helper.bash
load helper

# Tokens that have ended are refreshed (RFC 6749 §6), and those whose work is done are revoked (RFC 7009).

# A sandbox with a client that gets refresh tokens; approvals are sealed.
refreshing() {
  openssl rand -hex 32 > seal.key
  CIBA_SEAL_KEY=$(cat seal.key)
  export CIBA_SEAL_KEY
  sandbox --approve yes --delay 0
  export CIBA_SCOPE='openid stock:trade offline_access'
}

# An approved call in the file `approved`, whose token is said to hold so many seconds: approved_for SECONDS
approved_for() {
  a_call | ciba-authorize -m 'Buy \(.qty)' > asked
  poll_for "$1"
}

# The same for the file `asked`.
poll_for() {
  curl -sf -u "$CIBA_CLIENT_ID:$CIBA_CLIENT_SECRET" -d grant_type=urn:openid:params:grant-type:ciba \
    -d "auth_req_id=$(jq -r '.calls[0].authorization.auth_req_id' asked)" "${CIBA_ISSUER}oauth/token" |
    jq "[{path:\"/oauth/token\",body:(.expires_in = $1)}]" | spoil
  ciba-poll < asked > approved
}

# The token in the document has ended.
ended() {
  jq -e '.calls[0].token.expires_at <= now' "${1:-approved}" > /dev/null
}

buy() {
  run --separate-stderr stock-buy "$@"
  echo "$status $stderr"
}

# What the provider answers to the next refresh, from the answer to the last one: answers JQ
answers() {
  jq -nc --slurpfile t approved "[{path:\"/oauth/token\",body:(\$t[0].calls[0].token |
    {access_token,token_type,scope,expires_in:3600,refresh_token:\"the-next-refresh-token\"} | $1)}]" | spoil
}

refreshes() {
  requests /oauth/token 'select(.form.grant_type == "refresh_token").status' | paste -sd' '
}

bought() {
  [ "$status" -eq 0 ]
  holds '.calls[0] | .result.status == 200 and (has("token") | not)'
  [ "$(orders)" == '[{"ticker":"GOOGL","qty":3}]' ]
}

nothing() {
  [ "$(orders)" == '[]' ]
}

@test "a token that has ended is refreshed, and nobody is asked again; without --refresh-for it is refused" {
  refreshing
  approved_for 0
  buy < approved
  [ "$status" -eq 1 ]
  [[ $stderr == *"its access token has expired; ask the user again, by ciba-authorize --again"* ]]
  nothing
  [ "$(refreshes)" == "" ]
  buy --refresh-for 3600 < approved
  bought
  [ "$(refreshes)" == 200 ]
  [ "$(count /bc-authorize)" -eq 1 ]
  no grep -q "$(jq -r '.calls[0].token.refresh_token' approved)" <(echo "$output$stderr")
}

@test "a token that the API does not take any more is refreshed, once, and the same order is sent" {
  refreshing
  approved_for 3600
  for answer in '{headers:{"WWW-Authenticate":"Bearer realm=\"x\", error=\"invalid_token\""},body:""}' '{body:{error:"invalid_token"}}'; do
    an_approved_call > approved
    : > requests
    jq -n "[{path:\"/stocks\",status:401} + $answer]" | spoil
    buy --refresh-for 3600 < approved
    [ "$status" -eq 0 ]
    [ "$(requests /stocks .status | paste -sd' ')" == "401 200" ]
    [ "$(requests /stocks .idempotency_key | sort -u | wc -l)" -eq 1 ]
    [ "$(refreshes)" == 200 ]
  done
  an_approved_call > approved
  : > requests
  jq -n '[{path:"/stocks",status:401,times:9,body:{error:"invalid_token"}}]' | spoil
  buy --refresh-for 3600 < approved
  [ "$status" -eq 77 ]
  holds '.calls[0].result | .status == 401 and .error == "order_refused"'
  [ "$(refreshes)" == 200 ]
  [ "$(count /stocks)" -eq 2 ]
  # Another refusal is none of the token.
  an_approved_call > approved
  : > requests
  jq -n '[{path:"/stocks",status:401,body:{error:"unauthorized"}}]' | spoil
  buy --refresh-for 3600 < approved
  [ "$status" -eq 77 ]
  [ "$(refreshes)" == "" ]
}

# Each row: what the provider answers to a refresh, the exit status, words of the message.
@test "a refreshed token counts only if it is what the user approved: same user, nothing more and nothing less" {
  refreshing
  approved_for 0
  signing_key stranger.pem
  jwt() { # jwt JQ: the access token with other claims, which only the API could check
    printf '%s.%s.AA' "$(printf '{"alg":"RS256"}' | base64url)" "$(jq -r '.calls[0].token.access_token' approved | part 1 | jq -c "$1" | tr -d '\n' | base64url)"
  }
  while IFS='~' read -r change expected words; do
    attack
    answers "$change"
    buy --refresh-for 3600 < approved
    echo "$change"
    [ "$status" -eq "$expected" ]
    [[ $stderr == *"refreshed, but not as it was approved: "*"$words"* ]]
    holds '.calls[0] | .result.error == "refused" and (has("token") | not)'
    nothing
  done <<ROWS
.scope = "openid stock:trade offline_access admin"~77~wider than the one that was approved: it has the scope admin
.scope = "openid offline_access"~77~did not grant the scope stock:trade
.scope = ""~77~did not grant
.access_token = "$(jwt '.scope += " admin"')"~77~wider
.access_token = "$(jwt '.scope = "openid"')" | del(.scope)~77~did not grant the scope
.access_token = "$(jwt '.scope = (.scope / " ") + ["admin"]')"~77~wider than the one that was approved: it has the scope admin
.access_token = "$(jwt '.scp = ["stock:trade","admin"]')"~77~wider than the one that was approved: it has the scope admin
.access_token = "$(jwt '.scp = ["stock:trade admin"]')"~77~wider
.access_token = "$(jwt '.scp = "stock:trade admin"')"~77~wider
.access_token = "$(jwt '.permissions = ["stock:trade","admin"]')"~77~wider
.access_token = "$(jwt '.iss = "https://elsewhere/"')"~76~another user's
.access_token = "$(jwt '.sub = "mallory"')"~76~another user's
.access_token = "$(jwt 'del(.sub)')"~76~another user's
.access_token = "$(jwt '.aud = "https://elsewhere/"')"~76~'aud' is not
.access_token = "$(jwt '.cnf = {jkt:"x"}')"~76~not bound to the key or certificate that the first was
.access_token = "opaque"~76~another user's
.access_token = "a b"~76~another user's
.access_token = 1~76~no access_token
del(.access_token)~76~no access_token
del(.token_type)~76~no access_token or token_type
.token_type = "DPoP"~76~not bound to the key
.token_type = "mac"~76~not bound to the key
.expires_in = "soon"~76~expires_in is no number
.refresh_token = 1~76~refresh_token is not text
.id_token = "$(signed stranger.pem "$(id_claims)")"~76~ID token does not hold
.id_token = "$(printf '{"alg":"none"}' | base64url).$(id_claims | tr -d '\n' | base64url)."~76~ID token does not hold
.id_token = 1~76~ID token does not hold: it is not text
ROWS
  attacks
}

@test "a new ID token must be of the same user, client and authentication (OIDC Core 12.2)" {
  signing_key issuer.pem
  refreshing
  approved_for 0
  jq -r '.calls[0].token.id_token' approved | part 1 > first
  while IFS='~' read -r change expected words; do
    claims=$(id_claims "+ {auth_time:$(jq .auth_time first)} | $change")
    jq -nc --slurpfile t approved --arg id "$(signed issuer.pem "$claims")" "[{path:\"/jwks\",times:9,body:$jwks}, {path:\"/oauth/token\",body:(\$t[0].calls[0].token |
      {access_token,token_type,scope,expires_in:3600,id_token:\$id})}]" | spoil
    buy --refresh-for 3600 < approved
    echo "$change"
    [ "$status" -eq "$expected" ]
    [[ $stderr == *"$words"* ]]
    [ "$expected" -eq 0 ] || nothing
  done <<'ROWS'
.sub = "mallory"~76~ID token does not hold: its 'sub' is not the user
.iss = "https://elsewhere/"~76~'iss' is not
.aud = "other"~76~'aud' is not this client
.aud = ["sandbox-client","other"]~76~'azp' is not this client
.auth_time -= 3600~76~'auth_time' is of another authentication
.exp = (now - 900 | floor)~76~it has expired
.at_hash = "x"~76~'at_hash' is of another token
.~0~
ROWS
  bought
}

@test "a refresh that fails for a time leaves the call as it is; one that fails for good asks for a new question" {
  refreshing
  approved_for 0
  while IFS='~' read -r answer expected kept words; do
    jq -nc "[{path:\"/oauth/token\"} + $answer]" | spoil
    buy --refresh-for 3600 < approved
    echo "$answer"
    [ "$status" -eq "$expected" ]
    [[ $stderr == *"$words"* ]]
    holds ".calls[0] | has(\"token\") == $kept and has(\"result\") != $kept"
    nothing
  done <<'ROWS'
{status:503,body:""}~69~true~refreshing it failed: http
{status:429,body:{error:"too_many_requests"}}~69~true~HTTP 429
{drop:true}~69~true~refreshing it failed
{status:200,body:"<p>a page</p>"}~76~true~refreshing it failed
{status:403,body:"<p>a page</p>"}~76~true~refreshing it failed: HTTP 403
{status:400,body:{error:"invalid_client"}}~77~true~check client id
{status:400,body:{error:"unauthorized_client"}}~77~true~enable the grant refresh_token
{status:400,body:{error:"temporarily_unavailable"}}~69~true~try again later
{status:400,body:{error:"invalid_grant",error_description:"was revoked"}}~1~false~does not refresh it any more (HTTP 400, invalid_grant: was revoked); ask the user again
ROWS
  [ "$(count /stocks)" -eq 0 ]
  buy --refresh-for 3600 < approved
  bought
}

@test "while the keys for a new ID token cannot be had, the refresh token is not used up" {
  signing_key issuer.pem
  refreshing
  approved_for 0
  jq -r '.calls[0].token.id_token' approved | part 1 > first
  jq -nc --slurpfile t approved --arg id "$(signed issuer.pem "$(id_claims "+ {auth_time:$(jq .auth_time first)}")")" "[{path:\"/jwks\",status:503},
    {path:\"/jwks\",times:9,body:$jwks}, {path:\"/oauth/token\",times:2,body:(\$t[0].calls[0].token |
    {access_token,token_type,scope,expires_in:3600,id_token:\$id})}]" | spoil
  buy --refresh-for 3600 < approved
  [ "$status" -eq 69 ]
  [[ $stderr == *"/jwks: HTTP 503; nothing was done"* ]]
  [ "$(refreshes)" == "" ]
  nothing
  buy --refresh-for 3600 <<< "$output"
  bought
}

@test "a token is refreshed only at the issuer where the user was asked, for a sealed approval, and not for ever" {
  refreshing
  approved_for 0
  # too long after the question
  buy --refresh-for 0.001 < approved
  [ "$status" -eq 1 ]
  [[ $stderr == *"has expired; ask the user again"* ]]
  # changed by somebody
  for change in '.authorization.requested_at += 9' '.token.refresh_token = "another"' '.token.expires_at = 9999999999' \
    '.authorization.issuer = "http://127.0.0.1:9/"' '.arguments.qty = 9' 'del(.token.refresh_token)'; do
    attack
    jq -c ".calls[0] |= ($change)" approved > changed
    buy --refresh-for 3600 < changed
    echo "$change"
    [ "$status" -eq 65 ]
    nothing
  done
  # of another issuer, with a good seal
  other=$(CIBA_ISSUER=http://127.0.0.1:9/ stock-buy --refresh-for 3600 < approved 2>&1 > out) || true
  [[ $other == *"has expired; ask the user again"* ]]
  [ "$(refreshes)" == "" ]
  # no seal, no client, too long a time
  (unset CIBA_SEAL_KEY; exits 78 stock-buy --refresh-for 3600 < approved 2> err; grep -q 'needs a seal' err)
  (unset CIBA_CLIENT_SECRET; exits 78 stock-buy --refresh-for 3600 < approved 2> err; grep -q 'no client secret' err)
  exits 64 stock-buy --refresh-for 432001 < approved
  exits 64 tool-run --tool buy --refresh-for 432001 -- true < approved
  [ "$(refreshes)" == "" ]
  nothing
  attacks
}

@test "a program gets the access token alone, the refreshed one, and neither the refresh token nor the client's secret" {
  refreshing
  approved_for 0
  cat > program <<'END'
#!/bin/sh
{ cat; env; tr '\0' '\n' < /proc/self/environ; } > seen
echo done
END
  chmod +x program
  run --separate-stderr tool-run --tool buy --refresh-for 3600 -- ./program < approved
  echo "$stderr"
  [ "$status" -eq 0 ]
  holds '.calls[0] | .result.content == "done" and (has("token") | not)'
  [ "$(refreshes)" == 200 ]
  sed -n 's/^ACCESS_TOKEN=//p' seen | head -n 1 | part 1 | jq -e '.sub == "auth0|demo" and .scope == "openid stock:trade offline_access"'
  no grep -qF "$(jq -r '.calls[0].token.access_token' approved)" seen
  no grep -qF "$(jq -r '.calls[0].token.refresh_token' approved)" seen
  no grep -qE 'CLIENT_SECRET|SEAL_KEY' seen
  no grep -qF -e "$CIBA_CLIENT_SECRET" -e "$CIBA_SEAL_KEY" seen
}

@test "an approval that was used is not refreshed for another execution" {
  refreshing
  approved_for 0
  tool() {
    run --separate-stderr tool-run --tool buy --refresh-for 3600 --spent-dir spent -- sh -c 'echo ran >> runs'
    echo "$status $stderr"
  }
  cp approved again
  tool < approved
  [ "$status" -eq 0 ]
  for _ in 1 2; do
    attack
    tool < again
    [ "$status" -ne 0 ]
    holds '.calls[0].result.error != null'
  done
  [ "$(cat runs)" == ran ]
  # Used before its token ended, and sent again after that.
  approved_for 2
  tool < approved
  [ "$status" -eq 0 ]
  await ended
  attack
  tool < approved
  [ "$status" -eq 65 ]
  holds '.calls[0].result.error == "already_used"'
  [ "$(wc -l < runs)" -eq 2 ]
  attacks
}

@test "a new token is in the journal before it is used, and a run after a crash goes on with it" {
  refreshing
  approved_for 0
  jq -n '[{path:"/stocks",drop:true}]' | spoil
  buy --refresh-for 3600 --journal-file journal < approved
  [ "$status" -eq 69 ]
  [ "$(jq -r .step journal | paste -sd' ')" == "refreshed execute" ]
  # The output was lost: the old document comes again, whose refresh token has been used up.
  cp journal kept
  buy --refresh-for 3600 --journal-file journal < approved
  bought
  # A journal that somebody has changed proves no token.
  attack
  jq -c 'if .step == "refreshed" then .token.access_token += "x" else . end' kept > journal
  buy --refresh-for 3600 --journal-file journal < approved
  [ "$status" -ne 0 ]
  holds '.calls[0].result.error != null'
  attacks
}

@test "without a journal, a lost new token is a clear no" {
  refreshing
  approved_for 0
  jq -n '[{path:"/stocks",drop:true}]' | spoil
  buy --refresh-for 3600 < approved
  [ "$status" -eq 69 ]
  echo "$output" > after
  holds '.calls[0] | .token.refresh_token != null and (has("result") | not)'
  [ "$(jq -c '.calls[0].token.refresh_token' after)" != "$(jq -c '.calls[0].token.refresh_token' approved)" ]
  # The output was lost.
  buy --refresh-for 3600 < approved
  [ "$status" -eq 1 ]
  [[ $stderr == *"invalid_grant"*"ask the user again"* ]]
  holds '.calls[0].result.error == "refused"'
}

@test "calls that were asked about together have one token, which is refreshed once" {
  refreshing
  approved_for 3600
  jq -c '.calls = [range(3) as $i | .calls[0] | {id:"c\($i)",name,arguments}]' approved |
    ciba-authorize --together -m 'Buy \(length)' > asked
  poll_for 0
  buy --refresh-for 3600 --journal-file journal < approved
  [ "$status" -eq 0 ]
  holds '[.calls[].result.status] == [200,200,200]'
  [ "$(refreshes)" == 200 ]
}

@test "with --revoke the tokens of a call are revoked when it is done, and only then" {
  refreshing
  approved_for 0
  revoked() { requests /oauth/revoke '.form.token_type_hint' | jq -r . | paste -sd' '; }
  jq -n '[{path:"/stocks",drop:true}]' | spoil
  buy --revoke --refresh-for 3600 < approved
  [ "$status" -eq 69 ]
  echo "$output" > after
  [ "$(revoked)" == "" ]
  buy --revoke --refresh-for 3600 < after
  [ "$status" -eq 0 ]
  [ "$(revoked)" == "refresh_token access_token" ]
  [ "$(requests /oauth/revoke .status | paste -sd' ')" == "200 200" ]
  # What is left of the first document is of no use.
  buy --refresh-for 3600 < approved
  [ "$status" -eq 1 ]
  [[ $stderr == *"invalid_grant"* ]]
}

@test "with --revoke a call that is refused loses its tokens too, a program's as well" {
  refreshing
  CIBA_SCOPE='openid stock:trade' approved_for 0
  buy --revoke < approved
  [ "$status" -eq 1 ]
  [ "$(requests /oauth/revoke '.form.token_type_hint')" == '"access_token"' ]
  an_approved_call > approved
  run --separate-stderr tool-run --tool buy --revoke --refresh-for 3600 -- true < approved
  [ "$status" -eq 0 ]
  [ "$(count /oauth/revoke)" -eq 3 ]
}

@test "a revocation that fails is told, and changes no outcome" {
  refreshing
  while IFS='~' read -r answer words; do
    an_approved_call > approved
    jq -n "[{path:\"/oauth/revoke\",times:2} + $answer]" | spoil
    buy --revoke < approved
    [ "$status" -eq 0 ]
    holds '.calls[0].result.status == 200'
    [[ $stderr == *"a call is done, but its refresh_token is not revoked: $words"* ]]
  done <<'ROWS'
{status:503,body:""}~
{status:400,body:{error:"unsupported_token_type"}}~HTTP 400, unsupported_token_type
{status:401,body:{error:"invalid_client"}}~HTTP 401, invalid_client
{drop:true}~
ROWS
  an_approved_call > approved
  offer '{revocation_endpoint:null}'
  buy --revoke < approved
  [ "$status" -eq 0 ]
  [[ $stderr == *"its metadata has no revocation_endpoint"* ]]
}

@test "a token that another call still has, or that can be used again, is not revoked" {
  refreshing
  store=(--store-dir store --store-key-file seal.key)
  for options in '--reuse call' '--lease 60 --uses 3'; do
    # shellcheck disable=SC2086 # two words
    a_call | ciba-authorize -m 'Buy \(.qty) \(.ticker)' "${store[@]}" $options > asked
    ciba-poll "${store[@]}" < asked > approved
    buy --revoke < approved
    [ "$status" -eq 0 ]
  done
  [ "$(count /oauth/revoke)" -eq 0 ]
  # Two calls with one token: one is done, the other is of another tool.
  CIBA_SCOPE='openid stock:trade' an_approved_call > approved
  jq -c '.calls += [.calls[0] + {name:"sell"}]' approved > two
  buy --revoke < two
  [ "$status" -eq 0 ]
  [ "$(count /oauth/revoke)" -eq 0 ]
}
