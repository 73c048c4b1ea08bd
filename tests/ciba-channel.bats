# shellcheck source=helper.bash
load helper
# shellcheck source=channel.bash
load channel

# The sandbox takes Keycloak's part in the callbacks, and has the realm's key: faults answer them, its log has them.
callback=/protocol/openid-connect/ext/ciba/auth/callback
keys=/jwks
build=$(dirname "$(type -P ciba-channel)")

setup_file() {
  signing_key "$BATS_FILE_TMPDIR/realm"
  jq -nc "$jwks" > "$BATS_FILE_TMPDIR/jwks"
}

setup() {
  common_setup
  realm=$BATS_FILE_TMPDIR/realm
  sandbox
  echo '[]' | behave
  export CIBA_CHANNEL_DIR=$PWD/spool CIBA_CHANNEL_URL=https://phone.example/approve/
  export CIBA_CHANNEL_SECRET=the-secret-of-keycloak CIBA_AUDIT=$PWD/audit
}

# Sets the sandbox's faults, from stdin, after that with the realm's keys.
behave() {
  jq -c --slurpfile jwks "$BATS_FILE_TMPDIR/jwks" ". + [{path:\"$keys\",times:100000,body:\$jwks[0]}]" | spoil
}

# The claims of the token that Keycloak sends with a question: question_claims [JQ]
question_claims() {
  jq -nc "{exp:(now+300|floor),iat:(now|floor),jti:\"$RANDOM$RANDOM\",iss:env.CIBA_ISSUER,aud:env.CIBA_ISSUER,sub:\"7f-2\",typ:\"Bearer\",azp:\"agent\"} ${1:-}"
}

# That token: bearer [JQ [KEY [HEADER]]]
bearer() {
  signed "${2:-$realm}" "$(question_claims "${1:-}")" "${3:-}"
}

# A question of Keycloak's: ask [JQ [NAME=VALUE...]]; its token is in $token
ask() {
  token=$(bearer)
  post "$(jq -nc "{binding_message:\"Deploy-42\",login_hint:\"alice\",scope:\"openid deploy\",is_consent_required:false,acr_values:null} ${1:-}")" "${@:2}"
}

# A request to the channel, as a web server hands it over: post BODY [NAME=VALUE...]
post() {
  run --separate-stderr env REQUEST_METHOD=POST "PATH_INFO=/request/$CIBA_CHANNEL_SECRET" CONTENT_TYPE=application/json \
    "CONTENT_LENGTH=$(printf %s "$1" | wc -c)" "HTTP_AUTHORIZATION=Bearer $token" "${@:2}" ciba-channel <<< "$1"
}

# A page: get USER PATH [NAME=VALUE...]
get() {
  run --separate-stderr env REQUEST_METHOD=GET "PATH_INFO=$2" "REMOTE_USER=$1" "${@:3}" ciba-channel < /dev/null
}

# The answer of the user's page: answer USER yes|no [NAME=VALUE...]; what it posts is in $form
answer() {
  form="id=$(hidden id)&token=$(hidden token)&answer=$2"
  send "$1" "$form" "${@:3}"
}
send() {
  run --separate-stderr env REQUEST_METHOD=POST PATH_INFO=/answer CONTENT_TYPE=application/x-www-form-urlencoded \
    "CONTENT_LENGTH=${#2}" "REMOTE_USER=$1" "${@:3}" ciba-channel <<< "$2"
}

# The page of a user who has been asked: page USER
page() {
  get "$1" /
  printf '%s\n' "$output" > page
}

# The callbacks are answered so, all of them: keycloak STATUS [MEMBERS]
keycloak() {
  jq -nc "[{path:\"$callback\",times:1000,status:$1}${2:+ + $2}]" | behave
}

status_is() {
  [[ ${lines[0]} == "Status: $1 "* ]] || { echo "$output" "$stderr"; return 1; }
}
question() {
  jq -r "$1" spool/questions/*
}
settled() {
  [ "$(question .outcome)" == "$1" ]
}
called() {
  [ "$(count "$callback")" -ge "$1" ]
}
# Ends what requests of this test have left behind them. It waits for what is planned, and would do it as well.
end_waiting() {
  local process
  for process in $(pgrep -x ciba-channel); do
    [ "$(readlink "/proc/$process/cwd")" == "$PWD" ] || continue
    kill -9 "$process" 2> /dev/null || true
    await gone "$process"
  done
}
# Makes all that is planned for later due now
due() {
  local file
  end_waiting
  for file in spool/questions/*; do
    jq -c "(.callback // .notice | .next_at?) |= 0 ${1:-}" "$file" > due
    cat due > "$file"
  done
}

@test "a question is durable before Keycloak is told so, for its owner only, and the page shows all of it to who is asked" {
  ask '+ {urgency:"high",ticket:{id:7}}'
  [ "$status" -eq 0 ]
  [ "${lines[0]}" == $'Status: 201 Created\r' ]
  [ "$(stat -c %a spool spool/questions spool/questions/*)" == $'700\n700\n600' ]
  page alice
  [ "$status" -eq 0 ]
  for text in Deploy-42 alice agent 'openid deploy' urgency high '{&quot;id&quot;:7}' 'Answer until'; do
    grep -qF "$text" page || { echo "$text is not on the page"; return 1; }
  done
  no grep -qF "$token" page
  no grep -qF "$token" audit
  keycloak 200
  answer alice yes
  status_is 200
  [[ $output == *"Approved. You can close this page."* ]]
  [ "$(requests "$callback" '[.method, .body.status, .content_type, .authorization]')" == \
    '["POST","SUCCEED","application/json","Bearer"]' ]
  # what Keycloak needs no more is gone
  no grep -rqF -e "$token" -e Deploy-42 -e deploy spool
  jq -s -e 'map(.event) == ["asked","answered","delivered"] and all(.[]; .user == "alice" and .client == "agent" and .binding_message == "Deploy-42")
    and .[1].answer == "yes" and .[2].outcome == "taken"' audit
  no grep -qF "$token" audit
  audit-verify audit
}

@test "no is sent as no" {
  keycloak 200
  ask
  page alice
  answer alice no
  [[ $output == *"Denied. You can close this page."* ]]
  [ "$(requests "$callback" .body.status)" == '"UNAUTHORIZED"' ]
}

@test "the question is written, synced and named before 201 is answered, and it is in the audit log" {
  rm -f counter
  head -c 16 /dev/zero > counter
  ask '' FAULT_ORDER=order FAULT_COUNTER=counter LD_PRELOAD="$build/tests/faults.so"
  status_is 201
  [ ! -s order ] || { cat order; return 1; } # lint: only written where something is wrong
}

@test "killed at each step, a question that was answered with 201 is there, and one that comes again is one" {
  local at codes=0 named
  for ((at = 1; at < 60; at++)); do
    rm -rf spool audit
    head -c 16 /dev/zero > counter
    ask '' FAULT_COUNTER=counter FAULT_KIND=kill FAULT_AT=$at LD_PRELOAD="$build/tests/faults.so"
    if [[ $output == *" 201 "* ]]; then
      codes=$((codes + 1))
      [ "$(question .state)" == open ]
      [ "$(jq -s 'map(select(.event == "asked")) | length' audit)" -eq 1 ]
    fi
    post '{"binding_message":"Deploy-42","login_hint":"alice"}' # Keycloak's, again
    status_is 201
    named=(spool/questions/*)
    [ "${#named[@]}" -eq 1 ]
    ciba-channel --deliver
    [ "$(jq -s 'map(select(.event == "asked")) | length' audit)" -eq 1 ]
    [ "$codes" -lt 3 ] || break
  done
  [ "$codes" -eq 3 ]
  [ "$at" -gt 8 ]
}

@test "killed at each step of an answer, it is sent once or told to be unknown, and never as another" {
  local at
  keycloak 200
  for ((at = 1 + RANDOM % 3; at < 200; at += 3)); do
    rm -rf spool audit
    ask
    page alice
    : > requests
    head -c 16 /dev/zero > counter
    answer alice yes FAULT_COUNTER=counter FAULT_KIND=killall FAULT_AT=$at LD_PRELOAD="$build/tests/faults.so"
    [ "$status" -ne 0 ] || [[ $output == *"Your answer"* ]]
    await not_held
    if [ "$(question .state)" == open ]; then
      send alice "${form/yes/no}" # who had not been heard may still decide
      status_is 200
      await settled taken
      [ "$(requests "$callback" .body.status)" == '"UNAUTHORIZED"' ]
    else
      send alice "${form/yes/no}" # and else not
      status_is 409
      due
      ciba-channel --deliver
      settled taken
      [ "$(requests "$callback" .body.status | sort -u)" == '"SUCCEED"' ]
    fi
    [ "$(jq -s 'map(select(.event == "answered")) | length' audit)" -eq 1 ]
    [ "$(jq -s 'map(select(.event == "delivered")) | length' audit)" -eq 1 ]
    audit-verify audit
    [ "$(od -An -tu8 -N8 counter)" -ge "$at" ] || break
  done
  [ "$at" -gt 20 ]
}
# No process holds the spool any more.
not_held() {
  flock -n spool/questions true
}

@test "a question is its user's alone: another one, or none, learns nothing, not even that there is one" {
  ask
  page alice
  local id user
  id=$(hidden id)
  get alice "/$id"
  status_is 200
  for user in bob Alice 'alice ' alice@example.com; do
    get "$user" /
    status_is 200
    [[ $output == *"Nothing is waiting"* ]]
    [[ $output != *Deploy* ]]
    get "$user" "/$id"
    status_is 404
    theirs=${output//[A-Za-z0-9_-][A-Za-z0-9_-][A-Za-z0-9_-][A-Za-z0-9_-][A-Za-z0-9_-][A-Za-z0-9_-][A-Za-z0-9_-]*/}
    get "$user" "/${id//?/x}"
    status_is 404
    [ "$theirs" == "${output//[A-Za-z0-9_-][A-Za-z0-9_-][A-Za-z0-9_-][A-Za-z0-9_-][A-Za-z0-9_-][A-Za-z0-9_-][A-Za-z0-9_-]*/}" ]
    answer "$user" yes
    status_is 404
  done
  [ "$(question .state)" == open ]
  run --separate-stderr env REQUEST_METHOD=GET "PATH_INFO=/$id" HTTP_REMOTE_USER=alice HTTP_X_REMOTE_USER=alice \
    "HTTP_AUTHORIZATION=Basic $(printf alice:x | base64)" ciba-channel < /dev/null
  status_is 403
  [[ $stderr == *"the web server names no user"* ]]
  [[ $output != *Deploy* ]]
  send '' "$form"
  status_is 403
  for id in ../audit .. . "$id/" "$id%00" "${id}x" "${id%?}"; do
    get alice "/$id"
    status_is 404
  done
  called 0
  [ "$(count "$callback")" -eq 0 ]
}

@test "GET and HEAD change nothing, whatever is in them" {
  ask
  page alice
  form="id=$(hidden id)&token=$(hidden token)&answer=yes"
  local method
  for method in GET HEAD PUT DELETE OPTIONS; do
    run --separate-stderr env REQUEST_METHOD=$method PATH_INFO=/answer "QUERY_STRING=$form" CONTENT_TYPE=application/x-www-form-urlencoded \
      "CONTENT_LENGTH=${#form}" REMOTE_USER=alice ciba-channel <<< "$form"
    status_is 405
    [ "$(question .state)" == open ]
  done
  run --separate-stderr env REQUEST_METHOD=GET "PATH_INFO=/request/$CIBA_CHANNEL_SECRET" ciba-channel < /dev/null
  status_is 405
}

@test "an answer that is not from the question's page is none" {
  ask
  page alice
  form="id=$(hidden id)&token=$(hidden token)&answer=yes"
  send alice "id=$(hidden id)&token=$(hidden token | tr 'A-Za-z' 'B-ZAb-za')&answer=yes"
  status_is 403
  send alice "id=$(hidden id)&token=&answer=yes"
  status_is 403
  local spoiled
  for spoiled in "id=$(hidden id)&answer=yes" "$form&answer=no" "${form/yes/maybe}" "${form/yes/}" "" "&&" "%zz" "answer=yes"; do
    send alice "$spoiled"
    status_is 400
  done
  send alice "$form" CONTENT_TYPE=text/plain
  status_is 400
  send alice "{\"id\":\"$(hidden id)\",\"token\":\"$(hidden token)\",\"answer\":\"yes\"}" CONTENT_TYPE=application/json
  status_is 400
  local origin
  for origin in https://evil.example null https://phone.example.evil.example https://phone.example:8443 http://phone.example; do
    send alice "$form" "HTTP_ORIGIN=$origin"
    status_is 403
  done
  for origin in cross-site same-site none; do
    send alice "$form" HTTP_SEC_FETCH_SITE=$origin
    status_is 403
  done
  [ "$(question .state)" == open ]
  [ "$(count "$callback")" -eq 0 ]
  # another question's token is not this one's
  ask '+ {binding_message:"Other"}'
  other=$(jq -r 'select(.message == "Other") | .page_token' spool/questions/*)
  send alice "id=$(hidden id | head -1)&token=$other&answer=yes"
  [ "$(jq -s 'map(select(.state != "open")) | length' spool/questions/*)" -le 1 ]
  rm -rf spool
  keycloak 200
  ask
  page alice
  answer alice yes HTTP_ORIGIN=https://phone.example HTTP_SEC_FETCH_SITE=same-origin
  status_is 200
}

@test "of many answers at once one counts, and it is the one that Keycloak gets" {
  keycloak 200
  ask
  page alice
  form="id=$(hidden id)&token=$(hidden token)&answer="
  local i word words=(yes no) pids=()
  for i in {0..11}; do
    word=${words[i % 2]}
    printf %s "$form$word" | env REQUEST_METHOD=POST PATH_INFO=/answer CONTENT_TYPE=application/x-www-form-urlencoded \
      REMOTE_USER=alice timeout 200 ciba-channel > "answer-$i" 2> "stderr-$i" &
    pids+=($!)
  done
  for i in "${pids[@]}"; do wait "$i" || true; done
  await settled taken
  [ "$(count "$callback")" -eq 1 ]
  local sent
  sent=$(requests "$callback" .body.status)
  case $(question .answer) in
    yes) [ "$sent" == '"SUCCEED"' ] ;;
    no) [ "$sent" == '"UNAUTHORIZED"' ] ;;
    *) return 1 ;;
  esac
  [ "$(jq -s 'map(select(.event == "answered")) | length' audit)" -eq 1 ]
}

@test "a yes after a no is never sent, and a second click is harmless" {
  keycloak 200
  ask
  page alice
  answer alice no
  status_is 200
  answer alice no
  status_is 200
  [[ $output == *Denied* ]]
  answer alice yes
  status_is 409
  [[ $output == *"have answered before"*Denied* ]]
  post '{"binding_message":"Deploy-42","login_hint":"alice"}' # the same token does not open it again
  status_is 201
  page alice
  [ -z "$(hidden token)" ]
  due
  ciba-channel --deliver
  [ "$(requests "$callback" .body.status)" == '"UNAUTHORIZED"' ]
}

@test "no answer counts after the expiry, and what has expired is removed by whatever comes next" {
  ask
  page alice
  form="id=$(hidden id)&token=$(hidden token)&answer=yes"
  due '| .expires_at = (now | floor)'
  send alice "$form"
  status_is 410
  get bob /
  await empty spool/questions
  jq -s -e 'map(.event) == ["asked", "expired"]' audit
  ask
  page alice
  keycloak 503
  answer alice yes
  due '| .expires_at = (now | floor)'
  run --separate-stderr ciba-channel --deliver
  [ "$status" -eq 69 ]
  [[ $stderr == *"was not delivered before the request expired"* ]]
  empty spool/questions
  tail -n 1 audit | jq -e '.event == "delivered" and .outcome == "expired" and .answer == "yes"'
}

@test "an answer that is being sent at the expiry is told as what becomes of it, or as unknown" {
  ask
  due '| .state = "answered" | .answer = "yes" | .expires_at = (now | floor) |
    .callback = {tries:1, next_at:(now + 80), maybe_taken:true, claimed:true}'
  ciba-channel --deliver # while another process waits for Keycloak
  [ "$(question .state)" == answered ]
  due
  run --separate-stderr ciba-channel --deliver # it was killed
  [ "$status" -eq 69 ]
  [[ $stderr == *"not known whether Keycloak has taken it"* ]]
  tail -n 1 audit | jq -e '.event == "delivered" and .outcome == "unknown" and .answer == "yes"'
  empty spool/questions
}

@test "an outage of Keycloak's delays the answer and does not lose it" {
  keycloak 503
  ask
  page alice
  answer alice yes
  status_is 200
  [[ $output == *"on its way"* ]]
  await called 1
  run --separate-stderr ciba-channel --deliver # not due, or once more
  keycloak 200
  await settled taken # by what the answer has started
  [ "$(requests "$callback" .body.status | sort -u)" == '"SUCCEED"' ]
  page alice
  [[ $output == *"Approved."* ]]
}

@test "an answer whose taking is unknown is not repeated before the client has polled, and a refusal then is told as what it is" {
  keycloak 200 '{drop:true}'
  ask
  page alice
  answer alice yes
  await called 1
  [[ $output == *"on its way"* ]]
  # a second callback has Keycloak cancel what it has approved
  question '.callback.maybe_taken == true and .callback.next_at - now > 20' | grep -qx true
  ciba-channel --deliver
  [ "$(count "$callback")" -eq 1 ]
  keycloak 403
  due
  run --separate-stderr ciba-channel --deliver
  [ "$status" -eq 69 ]
  [[ $stderr == *"may have taken it"* ]]
  settled unknown
  no grep -rqF "$token" spool
  page alice
  [[ $output == *"not known whether Keycloak has taken"* ]]
  tail -n 1 audit | jq -e '.outcome == "unknown"'
}

@test "what Keycloak refuses for good is told on the page, to the operator and in the audit log, and not repeated" {
  local code
  for code in 400 401 403; do
    rm -rf spool
    : > requests
    keycloak "$code" '{body:{error:"invalid_token",error_description:"Invalid token"}}'
    ask
    due '| .asked_at -= 60'
    page alice
    answer alice yes
    [[ $output == *"could not be delivered"* ]]
    settled refused
    due
    ciba-channel --deliver
    [ "$(count "$callback")" -eq 1 ]
    tail -n 1 audit | jq -e '.outcome == "refused"'
    get alice /
    [[ $output == *"could not be delivered"* ]]
    no grep -rqF "$token" spool
  done
}

@test "a very fast answer, before Keycloak has stored the request, is sent again" {
  jq -nc "[{path:\"$callback\",status:403},{path:\"$callback\",times:99,status:200}]" | behave
  ask
  page alice
  answer alice yes
  await settled taken
}

@test "what is not a question of Keycloak's is refused, and nothing is kept" {
  token=$(bearer)
  local body
  for body in '' x '[]' '"x"' '{}' '{"login_hint":1}' '{"login_hint":null}' '{"login_hint":""}' '{"login_hint":"a\u0000b"}' \
    '{"login_hint":"a","login_hint":"b"}' '{"login_hint":"a","binding_message":{}}' '{"login_hint":"a","scope":[]}' \
    '{"login_hint":"a","is_consent_required":"yes"}' '{"login_hint":"a","acr_values":1}' '{"login_hint":"a","binding_message":"\u0000"}' \
    '{"login_hint\u0000":"a"}' '{"login_hint":"a","login_hint\u0000":"b"}' '{"login_hint":"a"' '{"login_hint":"a"}}' \
    $'{"login_hint":"a\xff"}' '{"login_hint":"\ud800"}' "{\"login_hint\":\"$(head -c 2000 /dev/zero | tr '\0' a)\"}"; do
    post "$body" "CONTENT_LENGTH=$(printf %s "$body" | wc -c)"
    status_is 400
  done
  printf '{"login_hint":"a\0"}' > nul
  run --separate-stderr env REQUEST_METHOD=POST "PATH_INFO=/request/$CIBA_CHANNEL_SECRET" CONTENT_TYPE=application/json \
    "HTTP_AUTHORIZATION=Bearer $token" ciba-channel < nul
  status_is 400
  good='{"login_hint":"alice"}'
  post "$good" CONTENT_LENGTH=65537
  status_is 413
  head -c 70000 /dev/zero | tr '\0' ' ' > big
  run --separate-stderr env REQUEST_METHOD=POST "PATH_INFO=/request/$CIBA_CHANNEL_SECRET" CONTENT_TYPE=application/json \
    "HTTP_AUTHORIZATION=Bearer $token" ciba-channel < big
  status_is 413
  post "$good" CONTENT_LENGTH=1000
  status_is 400
  for length in -1 +19 0x13 '19, 19'; do
    post "$good" "CONTENT_LENGTH=$length"
    status_is 400
  done
  post "$good" CONTENT_TYPE=text/plain
  status_is 415
  local claims
  for claims in '| .iss = "https://evil.example/"' '| .aud = "another"' '| .exp = (now - 1 | floor)' '| .exp = now + 9999999' '| del(.exp)' \
    '| .exp = "x"' '| del(.azp)' '| .azp = {}' '| del(.iss)' '| .aud = []'; do
    token=$(bearer "$claims")
    post "$good"
    status_is 401
  done
  for token in x a.b.c "$(bearer)\"" '' "$(bearer | tr . ,)" 'eyJhbGciOiJIUzUxMiJ9.W10.c2ln'; do
    post "$good"
    status_is 401
  done
  empty spool/questions
  [ ! -s audit ] # lint: nothing has happened
}

@test "what the realm has not signed for a question is refused, and nothing is kept" {
  openssl genrsa -out other 2048 2> /dev/null
  local claims one input modulus forged good='{"login_hint":"alice"}'
  claims=$(question_claims)
  openssl rsa -in "$realm" -pubout -out public 2> /dev/null
  input=$(printf '{"alg":"HS256","kid":"k"}' | base64url).$(printf %s "$claims" | base64url)
  modulus=$(openssl rsa -in other -noout -modulus | cut -d= -f2 | basenc -d --base16 | base64url)
  one=$(signed "$realm" "$claims")
  forged=(
    "$(signed other "$claims")"
    "$(signed other "$claims" '{"alg":"RS256","kid":"other"}')"
    "$(signed other "$claims" '{"alg":"RS256"}')"
    "$(signed other "$claims" "$(jq -nc --arg n "$modulus" '{alg:"RS256",jwk:{kty:"RSA",n:$n,e:"AQAB"}}')")"
    "$(signed "$realm" "$claims" '{"alg":"none"}')"
    "$(signed "$realm" "$claims" '{"alg":"RS512","kid":"k"}')"
    "$(signed "$realm" "$claims" '{"alg":"RS256","kid":"k","crit":["exp"]}')"
    "$(printf '{"alg":"none"}' | base64url).$(printf %s "$claims" | base64url)."
    "${one%.*}."
    "${one%%.*}.$(question_claims '+ {azp:"another"}' | base64url).${one##*.}"
    "$input.$(printf %s "$input" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$(od -An -v -tx1 public | tr -d ' \n')" -binary | base64url)"
    # what else the realm signs
    "$(bearer '+ {scope:"openid",sid:"s"}')" "$(bearer '+ {scope:""}')" "$(bearer '+ {sid:"s"}')"
    "$(bearer '+ {aud:[env.CIBA_ISSUER,"account"]}')" "$(bearer '+ {aud:"account"}')"
    "$(bearer '| del(.typ)')" "$(bearer '| del(.jti)')" "$(bearer '+ {cnf:{jkt:"x"}}')" "$(bearer '+ {iat:(now + 600 | floor)}')"
  )
  for one in ID Refresh Offline RegistrationAccessToken InitialAccessToken Logout DPoP bearer; do forged+=("$(bearer "+ {typ:\"$one\"}")"); done
  for token in "${forged[@]}"; do
    post "$good"
    status_is 401
  done
  empty spool/questions
  [ ! -s audit ] # lint: nothing has happened
  token=$(signed "$realm" "$claims")
  post "$good"
  status_is 201
}

@test "a new key of the realm's is fetched, once, and one that is gone is worth nothing" {
  local good='{"login_hint":"alice"}'
  signing_key new
  # a cache between us still has the old ones, for the first time that they are asked for
  jq -nc --slurpfile old "$BATS_FILE_TMPDIR/jwks" "($jwks | .keys[0].kid = \"new\") as \$new | [{path:\"$keys\",body:\$old[0]},{path:\"$keys\",times:100,body:\$new}]" | spoil
  : > requests
  token=$(bearer '' new '{"alg":"RS256","kid":"new"}')
  post "$good"
  status_is 201
  [ "$(count "$keys")" -eq 2 ]
  token=$(bearer)
  post "$good"
  status_is 401
  [ "$(count "$keys")" -eq 4 ]
}

@test "while the realm's keys cannot be had, Keycloak is told to try again, and nothing is kept" {
  token=$(bearer)
  local fault metadata=/.well-known/openid-configuration
  for fault in "{path:\"$keys\",status:503}" "{path:\"$keys\",status:404}" "{path:\"$keys\",drop:true}" "{path:\"$keys\",body:\"x\"}" \
    "{path:\"$metadata\",status:503}" "{path:\"$metadata\",drop:true}" "{path:\"$metadata\",body:{issuer:\"https://evil.example/\"}}" \
    "{path:\"$metadata\",body:{issuer:env.CIBA_ISSUER}}"; do
    jq -nc "[$fault + {times:9}]" | spoil
    post '{"login_hint":"alice"}'
    status_is 503
    [[ $stderr == *"it cannot be checked now"* ]]
    no grep -qF "$token" <<< "$stderr"
  done
  empty spool/questions
  [ ! -s audit ] # lint: nothing has happened
  echo '[]' | behave
  post '{"login_hint":"alice"}' # Keycloak's client, again
  status_is 201
}

@test "who does not know the secret has Keycloak asked for nothing" {
  token=$(bearer)
  : > requests
  post '{"login_hint":"alice"}' PATH_INFO=/request/wrong-wrong-wrong-wrong
  status_is 404
  [ "$(count "$keys")" -eq 0 ]
  [ "$(count /.well-known/openid-configuration)" -eq 0 ]
}

@test "the same request to Keycloak is one question, whatever its token looks like" {
  token=$(bearer '+ {jti:"one"}')
  post '{"login_hint":"alice","binding_message":"Deploy-42"}'
  status_is 201
  token=$(bearer '+ {jti:"one",iat:(now - 1 | floor)}')
  post '{"login_hint":"alice","binding_message":"Deploy-43"}'
  status_is 201
  [ "$(question .message)" == Deploy-42 ]
}

@test "a question that could not be read again, once it is answered, is refused, and holds up nobody" {
  keycloak 200
  local depth refused=0
  for depth in 150 194 195 196 197 198 199; do
    token=$(bearer)
    post "{\"login_hint\":\"user-$depth\",\"x\":$(printf "%${depth}s" | tr ' ' '[')$(printf "%${depth}s" | tr ' ' ']')}"
    if [ "$status" -eq 0 ]; then
      page "user-$depth"
      answer "user-$depth" yes
      [[ $output == *"Approved. You can close this page."* ]]
    else
      status_is 400
      refused=$((refused + 1))
    fi
  done
  rm -f spool/questions/*
  [ "$refused" -gt 0 ]
  [ "$refused" -lt 7 ]
  post "$(jq -nc '{login_hint:"alice"} + ([range(7000) | {"\(.)":1}] | add)')"
  status_is 400
  empty spool/questions
  ask
  status_is 201
  audit-verify audit
}

@test "who does not know the secret of Keycloak's address cannot ask anybody" {
  token=$(bearer)
  local path
  for path in /request/wrong-wrong-wrong-wrong /request/ /request "/request/$CIBA_CHANNEL_SECRET/" "/request/${CIBA_CHANNEL_SECRET}x" \
    "/request/${CIBA_CHANNEL_SECRET%?}" "/request//$CIBA_CHANNEL_SECRET" "/x/request/$CIBA_CHANNEL_SECRET"; do
    post '{"login_hint":"alice"}' "PATH_INFO=$path"
    [ "$status" -eq 65 ]
    [[ ${lines[0]} == *" 40"[45]" "* ]]
  done
  empty spool/questions
  [[ $stderr$output != *"$CIBA_CHANNEL_SECRET"* ]]
}

@test "without a setting, or with a wrong one, it answers 500, exits 78 and says which" {
  refused() {
    run --separate-stderr env "$@" REQUEST_METHOD=GET PATH_INFO=/ REMOTE_USER=alice ciba-channel < /dev/null
    echo "$* -> $status $stderr"
    [ "$status" -eq 78 ]
    status_is 500
  }
  refused -u CIBA_CHANNEL_DIR
  [[ $stderr == *CIBA_CHANNEL_DIR* ]]
  refused -u CIBA_CHANNEL_URL
  refused CIBA_CHANNEL_URL=https://phone.example/approve
  refused CIBA_CHANNEL_URL=http://phone.example/
  refused -u CIBA_CHANNEL_SECRET
  refused CIBA_CHANNEL_SECRET=short
  refused CIBA_CHANNEL_SECRET='a secret/with other characters'
  refused CIBA_ISSUER=http://keycloak.example/realms/r
  refused -u AUDIENCE CIBA_USER_CLAIM=sub
  [[ $stderr == *AUDIENCE* ]]
  chmod a+w spool 2> /dev/null || { mkdir spool; chmod a+w spool; }
  refused
  chmod 700 spool
  run --separate-stderr env -u PATH_INFO REQUEST_METHOD=GET REMOTE_USER=alice ciba-channel < /dev/null
  status_is 500
  [[ $stderr == *PATH_INFO* ]]
}

@test "what others have written is shown as it is, and nothing of it is markup" {
  local evil='</p><script>alert(1)</script><img src=x onerror="x" '"'"'>&amp;'
  token=$(signed "$realm" "$(question_claims | jq -c --arg evil "$evil" '.azp = $evil')")
  post "$(jq -nc --arg evil "$evil" '{login_hint:$evil,binding_message:$evil,scope:$evil,acr_values:$evil} + {($evil):$evil,list:[$evil]}')"
  status_is 201
  page "$evil"
  [ "$(grep -c '&lt;script&gt;alert(1)&lt;/script&gt;' page)" -eq 8 ]
  no grep -qiE '<(script|img)|onerror="' page
  # what changes the order of characters, or cannot be seen, is shown by its number
  ask '+ {binding_message:"pay \u202e1\u200b\u0007\u2028\u00a0€ ü 日本",login_hint:"bob"}'
  page bob
  grep -qF 'pay [U+202E]1[U+200B][U+0007][U+2028][U+00A0]€ ü 日本' page
}

@test "a page is for its user and nobody else's cache, frame or script" {
  ask
  page alice
  grep -qi $'^Cache-Control: no-store\r' page
  grep -qi $'^X-Content-Type-Options: nosniff\r' page
  grep -qi $'^Referrer-Policy: same-origin\r' page
  policy=$(sed -n 's/^Content-Security-Policy: \(.*\)\r/\1/p' page)
  nonce=$(sed -n 's/.*<style nonce="\([^"]*\)">.*/\1/p' page)
  [ "$policy" == "default-src 'none'; style-src 'nonce-$nonce'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'" ]
  [ "${#nonce}" -ge 20 ]
  no grep -qiE '<script|https?:' page
}

@test "one user, and all together, can have only so many questions open" {
  local i
  for i in {1..20}; do ask "+ {binding_message:\"$i\"}"; status_is 201; done
  ask
  status_is 503
  [[ $stderr == *"20 questions to alice"* ]]
  keycloak 200 # who denies what is too much can be asked again
  page alice
  form="id=$(hidden id | head -n 1)&token=$(hidden token | head -n 1)&answer=no"
  send alice "$form"
  status_is 200
  ask
  status_is 201
  ask
  status_is 503
  due '| .expires_at = (now | floor)' # nor does what has expired, and is not removed yet, take room
  ask
  status_is 201
  rm -f spool/questions/*
  ask '+ {login_hint:"bob"}'
  status_is 201
for ((i = 1; i < 1000; i++)); do : > "spool/questions/$(printf '%022d.%022d' 0 "$i")"; done
  ask '+ {login_hint:"carol"}'
  status_is 503
  [[ $stderr == *"1000 questions"* ]]
}

@test "the notifier gets the question and no secret, and Keycloak does not wait for it" {
  cat > notifier << END
#!/bin/sh
read -r line <&3
env > $PWD/environment
cat > $PWD/notice
END
  chmod +x notifier
  mkfifo hold
  exec 9<> hold
  sed -i "s,<&3,< $PWD/hold," notifier
  ask '' CIBA_NOTIFY_COMMAND="$PWD/notifier" HTTP_COOKIE=session=secret REQUEST_URI="/approve/request/$CIBA_CHANNEL_SECRET" MINE=kept
  status_is 201 # while the notifier waits
  [ ! -e notice ]
  echo >&9
  await test -s notice
  jq -e '.user == "alice" and .message == "Deploy-42" and .client == "agent" and (.expires_at > now) and
    .url == "https://phone.example/approve/" + .id and keys == ["client","expires_at","id","message","url","user"]' notice
  no grep -qF -e "$token" -e "$CIBA_CHANNEL_SECRET" -e session= environment
  grep -qx MINE=kept environment
  told() { [ "$(question .notice)" == null ]; }
  await told
  page alice
  get alice "/$(jq -r .id notice)"
  status_is 200
}

@test "a notifier that fails, or was never started, is tried again and changes nothing else" {
  printf '#!/bin/sh\ncat > /dev/null\necho x >> %s/tries\nexit 3\n' "$PWD" > notifier
  chmod +x notifier
  export CIBA_NOTIFY_COMMAND=$PWD/notifier
  ask
  status_is 201
  await test -s tries
  failed() { question '.notice.tries == 1 and .notice.next_at - now < 60' | grep -qx true; }
  await failed
  due
  run --separate-stderr ciba-channel --deliver
  [ "$status" -eq 69 ]
  [[ $stderr == *"alice has not been told of the question"*"exit status 3"* ]]
  [ "$(question .state)" == open ]
  printf '#!/bin/sh\ncat > %s/notice\n' "$PWD" > notifier
  due
  run --separate-stderr ciba-channel --deliver
  [ "$status" -eq 0 ]
  jq -e '.user == "alice"' notice
  rm notice
  ciba-channel --deliver
  [ ! -e notice ]
}

@test "a notifier that is out of order holds up no answer" {
  printf '#!/bin/sh\nexit 3\n' > notifier
  chmod +x notifier
  keycloak 200
  local i
  for i in {1..15}; do ask "+ {login_hint:\"user-$i\"}"; done
  due '| if .user | test("-[1-3]$") then .state = "answered" | .answer = "no" | .callback = {} else .notice = {} end'
  run --separate-stderr ciba-channel --deliver --notify-command "$PWD/notifier"
  [ "$status" -eq 69 ]
  [ "$(count "$callback")" -eq 3 ]
  [ "$(jq -s 'map(select(.outcome == "taken")) | length' spool/questions/*)" -eq 3 ]
}

@test "the user can be the claim of a token of the proxy's that is verified, and no other" {
  export CIBA_USER_CLAIM=preferred_username AUDIENCE=proxy
  claims=$(jq -nc '{iss:env.CIBA_ISSUER,aud:"proxy",sub:"7f-2",preferred_username:"alice",exp:(now+300|floor),iat:(now|floor)}')
  ask
  good=$(signed "$realm" "$claims")
  get '' / "HTTP_X_FORWARDED_ACCESS_TOKEN=$good"
  status_is 200
  [[ $output == *Deploy-42* ]]
  get '' / "HTTP_AUTHORIZATION=Bearer $good"
  [[ $output == *Deploy-42* ]]
  get '' / "HTTP_X_FORWARDED_ACCESS_TOKEN=$(signed "$realm" "${claims/alice/bob}")"
  [[ $output != *Deploy-42* ]]
  get alice / # REMOTE_USER is not looked at
  status_is 403
  local bad
  openssl genrsa -out other 2048 2> /dev/null
  for bad in "$(signed other "$claims")" "$(signed "$realm" "$(jq -c '.aud = "other"' <<< "$claims")")" "$(signed "$realm" "$(jq -c '.exp = 1' <<< "$claims")")" \
    "$(signed "$realm" "$(jq -c '.iss = "https://evil.example/"' <<< "$claims")")" "$(signed "$realm" "$(jq -c 'del(.preferred_username)' <<< "$claims")")" \
    "$(signed "$realm" "$(jq -c '.preferred_username = ["alice"]' <<< "$claims")")" x "$token"; do
    get alice / "HTTP_X_FORWARDED_ACCESS_TOKEN=$bad" "HTTP_AUTHORIZATION=Bearer $good"
    status_is 403
    [[ $output != *Deploy* ]]
  done
  # with `sub` the user is the one of Keycloak's token, whatever its name is
  rm -rf spool
  export CIBA_USER_CLAIM=sub
  ask '+ {login_hint:"renamed"}'
  get '' / "HTTP_X_FORWARDED_ACCESS_TOKEN=$good"
  [[ $output == *Deploy-42* ]]
}

@test "behind inetd it speaks HTTP, and takes a body in chunks" {
  token=$(bearer)
  printf '%s\r\n' "POST /approve/request/$CIBA_CHANNEL_SECRET HTTP/1.1" 'Host: x' "Authorization: Bearer $token" 'Content-Type: application/json' \
    'Transfer-Encoding: chunked' '' 16 '{"login_hint":"alice"}' 0 '' > request
  run --separate-stderr timeout 200 ciba-channel --inetd < request
  [ "${lines[0]}" == $'HTTP/1.1 201 Created\r' ]
  [ "$(question .user)" == alice ]
  # a header cannot be the user, nor can an environment that is not CGI's
  printf '%s\r\n' 'GET /approve/ HTTP/1.1' 'Host: x' 'Remote-User: alice' 'Remote_User: alice' '' > request
  REMOTE_USER=alice run --separate-stderr timeout 200 ciba-channel --inetd < request
  [ "${lines[0]}" == $'HTTP/1.1 403 Forbidden\r' ]
  printf 'POST /approve/answer HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc' > request
  run --separate-stderr timeout 200 ciba-channel --inetd < request
  [ "${lines[0]}" == $'HTTP/1.1 400 Bad Request\r' ]
}

@test "without room on the disk nothing is answered as if it were kept" {
  head -c 16 /dev/zero > counter
  local at
  for at in 1 2 3 4 5 6 7 8; do
    rm -rf spool audit
    head -c 16 /dev/zero > counter
    ask '' FAULT_COUNTER=counter FAULT_KIND=enospc FAULT_AT=$at LD_PRELOAD="$build/tests/faults.so"
    if [[ $output == *" 201 "* ]]; then
      [ "$(question .state)" == open ]
      [ "$(jq -s length audit)" -eq 1 ]
    else
      [ "$status" -ne 0 ]
    fi
  done
}

@test "what the disk did not take for certain is not kept, and an answer of which the user is told so is not sent" {
  keycloak 200
  local at told=0
  for ((at = 1; at < 10; at++)); do
    await rm -rf spool audit # what still runs may write meanwhile
    head -c 16 /dev/zero > counter
    ask '' FAULT_COUNTER=counter FAULT_KIND=eio FAULT_AT=$at FAULT_ONLY='ciba-channel fsync' LD_PRELOAD="$build/tests/faults.so"
    [ "$status" -eq 0 ] || [ ! -e spool/questions ] || empty spool/questions
  done
  for ((at = 1; at < 6; at++)); do
    await rm -rf spool audit # what still runs may write meanwhile
    ask
    page alice
    : > requests
    head -c 16 /dev/zero > counter
    answer alice yes FAULT_COUNTER=counter FAULT_KIND=eio FAULT_AT=$at FAULT_ONLY='ciba-channel fsync' LD_PRELOAD="$build/tests/faults.so"
    [[ $output == *"It has not been given"* ]] || continue
    told=$((told + 1))
    await not_held
    [ "$(question .state)" == open ]
    send alice "${form/yes/no}"
    status_is 200
    [ "$(requests "$callback" .body.status)" == '"UNAUTHORIZED"' ]
  done
  [ "$told" -ge 2 ]
}

@test "what cannot be put into the audit log is not asked, and not sent" {
  keycloak 200
  ask
  page alice
  cp audit good
  echo garbage >> audit
  answer alice yes
  status_is 500
  [ "$(question .state)" == open ]
  run --separate-stderr ciba-channel --deliver
  [ "$status" -eq 65 ]
  ask '+ {login_hint:"bob"}'
  status_is 500
  [ "$(question .user)" == alice ]
  cp good audit
  # written down, and not in the log yet: killed in between
  jq -c '.state = "answered" | .answer = "no" | .callback = {} | .log = [{event:"answered",id:"once"}]' spool/questions/* > due
  cat due > "$(echo spool/questions/*)"
  ciba-channel --deliver
  settled taken
  cp due "$(echo spool/questions/*)" # and once more: a line is there once
  due '| .callback = {next_at: (now + 600)}'
  ciba-channel --deliver
  jq -s -e 'map(.event) == ["asked", "answered", "delivered"]' audit
  audit-verify audit
}

@test "behind nginx with a login: Keycloak's question, the user's yes, and nobody waits for the notifier" {
  serve_channel "unix:$PWD/web" alice bob
  web=(--unix-socket web)
  keycloak 200
  token=$(bearer)
  question='{"binding_message":"Deploy-42","login_hint":"alice","scope":"openid"}'
  # answered, and the connection is free, while the notifier runs
  [ "$(web -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $token" -H 'Content-Type: application/json' -d "$question" \
    "http://phone/approve/request/$CIBA_CHANNEL_SECRET")" == 201 ]
  await test -s notice
  [ "$(web -o /dev/null -w '%{http_code}' "http://phone/approve/")" == 401 ]
  [ "$(web -o /dev/null -w '%{http_code}' -u alice:wrong "http://phone/approve/")" == 401 ]
  path=$(jq -r '.url | sub("https://phone.example"; "")' notice)
  [ "$(web -o bobs -w '%{http_code}' -u bob:bob-password -H 'Remote-User: alice' -H 'Remote_User: alice' "http://phone$path")" == 404 ]
  no grep -q Deploy bobs
  web -u alice:alice-password "http://phone$path" > page
  grep -q Deploy-42 page
  form="id=$(hidden id)&token=$(hidden token)&answer=yes"
  [ "$(web -o /dev/null -w '%{http_code}' -u bob:bob-password -d "$form" http://phone/approve/answer)" == 404 ]
  [ "$(web -o /dev/null -w '%{http_code}' -u alice:alice-password -H 'Origin: https://evil.example' -d "$form" http://phone/approve/answer)" == 403 ]
  web -u alice:alice-password -H 'Origin: https://phone.example' -d "$form" http://phone/approve/answer > answered
  grep -q 'Approved' answered
  [ "$(requests "$callback" .body.status)" == '"SUCCEED"' ]
  no grep -q "$CIBA_CHANNEL_SECRET" access
}

@test "the notifiers of examples/notify tell the user, and take no name or text for an option or an address" {
  local example=$project/examples/notify
  notice='{"user":"alice","message":"Deploy-42","url":"https://phone.example/approve/x","client":"agent","expires_at":1,"id":"x"}'
  printf '#!/bin/sh\nprintf "%%s\\n" "$@" > %s/words\ncat > %s/letter\n' "$PWD" "$PWD" > sendmail
  chmod +x sendmail
  export SENDMAIL=$PWD/sendmail NOTIFY_DOMAIN=example.com
  "$example/mail" <<< "$notice"
  [ "$(cat words)" == $'-i\n--\nalice@example.com' ]
  grep -qx 'To: alice@example.com' letter
  grep -q 'Message:  Deploy-42' letter
  grep -qx https://phone.example/approve/x letter
  "$example/mail" <<< "$(jq -c '.message = "x\n\nBcc: eve@evil.example\r.\r\n"' <<< "$notice")"
  no grep -q '^Bcc' letter
  local user
  for user in -bd 'alice, eve@evil.example' $'a\nBcc: eve@evil.example' 'eve@evil.example,x'; do
    rm -f letter
    exits 65 "$example/mail" <<< "$(jq -c --arg user "$user" '.user = $user' <<< "$notice")"
    [ ! -e letter ]
  done
  echo '[{"path":"/ntfy","times":9},{"path":"/pushover","times":9}]' | spoil
  echo '{"alice":"a-topic"}' > topics
  echo ntfy-access-token > token
  NTFY_URL=${CIBA_SANDBOX_URL}ntfy NOTIFY_TOPICS=topics NTFY_TOKEN_FILE=token "$example/ntfy" <<< "$notice"
  [ "$(requests /ntfy '[.authorization, .content_type, .body.topic, .body.message, .body.click]')" == \
    '["Bearer","application/json","a-topic","Deploy-42 (agent)","https://phone.example/approve/x"]' ]
  NTFY_URL=${CIBA_SANDBOX_URL}ntfy NOTIFY_TOPICS=topics "$example/ntfy" <<< "$(jq -c '.message = "a\"b\\\n\u0001 \"url = x"' <<< "$notice")"
  [ "$(requests /ntfy .body.message | tail -n 1 | jq -r .)" == "$(printf 'a"b\\\n\001 "url = x (agent)')" ]
  echo '{"token":"an-application-token","users":{"alice":"a-key-of-alice"}}' > keys
  PUSHOVER_URL=${CIBA_SANDBOX_URL}pushover NOTIFY_KEYS=keys "$example/pushover" <<< "$notice"
  [ "$(requests /pushover '[.body.message, .body.url]')" == '["Deploy-42 (agent)","https://phone.example/approve/x"]' ]
  # nobody is told where nobody is known, or nobody listens
  unknown=$(jq -c '.user = "bob"' <<< "$notice")
  exits 5 env NOTIFY_KEYS=keys PUSHOVER_URL="${CIBA_SANDBOX_URL}pushover" "$example/pushover" <<< "$unknown"
  [ "$(count /pushover)" -eq 1 ]
  exits 5 env NOTIFY_TOPICS=topics NTFY_URL="${CIBA_SANDBOX_URL}ntfy" "$example/ntfy" <<< "$unknown"
  [ "$(count /ntfy)" -eq 2 ]
  NTFY_URL=http://127.0.0.1:9/ NOTIFY_TOPICS=topics exits 7 "$example/ntfy" <<< "$notice"
}
