# shellcheck source=helper.bash
load helper

# What stands before `&& deploy`: the exit status decides whether it runs.

a_key() {
  (umask 077 && openssl rand -hex 32 > "${1:-key}")
}

# The gate stays closed for the document on stdin, with status 65 and one line that says why.
shut() {
  attack
  run --separate-stderr ciba-poll -q "$@"
  echo "$status: $stderr"
  [ "$status" -eq 65 ]
  [ -z "$output" ]
  [[ $stderr == "ciba-poll: "*"nobody approved anything: "* ]]
  # shellcheck disable=SC2154 # set by run
  [ "${#stderr_lines[@]}" -eq 1 ]
}

@test "the gate opens for an approval that came here, that is sealed, or that its ID token proves" {
  sandbox --approve yes --delay 0
  a_key
  ciba-authorize -n -m 'Deploy 42' | ciba-poll -q
  ciba-authorize -n -m 'Deploy 42' --seal-key-file key | ciba-poll -q --seal-key-file key
  ciba-authorize -n -m 'Deploy 42' | ciba-poll > decided
  ciba-poll -q < decided
  ciba-authorize -n -m 'Deploy 42' --seal-key-file key | ciba-poll --seal-key-file key > sealed
  ciba-poll -q --seal-key-file key < sealed
  cat sealed <(echo '{}') | ciba-poll -q --seal-key-file key
}

@test "the gate stays shut where nobody was asked: no document, no call, words alone, a call that was passed over" {
  sandbox --approve yes --delay 0
  shut < /dev/null
  shut < <(echo '{}')
  shut < <(echo '{"calls":[]}')
  shut < <(echo '{"calls":{"id":"x"}}')
  shut < <(echo '{"calls":["x"]}')
  shut < <(echo '{"calls":[{"id":"x","name":"deploy","arguments":{}}]}')
  shut < <(echo '{"messages":[{"role":"user","content":"Hello"},{"role":"assistant","content":"Deployed."}]}')
  shut < <(a_call | ciba-authorize -m Buy --tool bye)
  shut < <(echo '{"calls":[{"id":"x","name":"deploy","result":{"status":0}}]}')
  [ "$(count /bc-authorize)" -eq 0 ]
  attacks
}

@test "the gate stays shut while one call of an approved document is open" {
  sandbox --approve yes --delay 0
  an_approved_call > one
  jq -c '.calls += [{"id":"b","name":"buy","arguments":{}}]' one > two
  shut < two
  cat one <(a_call) > three
  shut < three
  kill "$CIBA_SANDBOX_PID"
  sandbox --approve never
  a_call | ciba-authorize -m Buy > asked
  run ciba-poll -q --once < asked
  [ "$status" -eq 75 ]
  attacks
}

# Each row: a change to an approved document, sealed and not; and to a denied one.
@test "the gate stays shut for an approval that was forged, altered, or is another's" {
  sandbox --approve yes --delay 0
  a_key
  an_approved_call > plain
  a_call | ciba-authorize -m Buy --seal-key-file key | ciba-poll --seal-key-file key > sealed
  local digest change
  digest=$(a_call GOOGL 3000 | ciba-authorize -m Buy | jq -r '.calls[0].authorization.call_digest')
  for change in '.calls[0].arguments.qty = 3000' \
    ".calls[0] |= (.arguments.qty = 3000 | .authorization.call_digest = \"$digest\" | del(.token.id_token))" \
    '.calls[0].authorization.user = "auth0|mallory"' \
    '.calls[0].authorization |= del(.user, .approved_by)' \
    '.calls[0].authorization.auth_req_id = "x"' \
    'del(.calls[0].authorization.auth_req_id)' \
    '.calls[0].authorization.issuer = "http://127.0.0.1:9/"' \
    'del(.calls[0].authorization.issuer)' \
    '.calls[0].token.access_token = "x"' \
    '.calls[0].token.scope = "openid"' \
    '.calls[0].authorization.scope = "openid stock:trade admin"' \
    'del(.calls[0].token)' \
    'del(.calls[0].token.id_token)' \
    '.calls[0].token.id_token |= .[:-8] + "AAAAAAAA"' \
    '.calls[0].token.id_token = 1' \
    '.calls[0].name = "sell"' \
    '.calls[0] |= {id,name,arguments,authorization:{status:"approved"}}'; do
    echo "$change"
    jq -c "$change" plain > changed
    if [[ $change == *'.token.scope = "openid"'* || $change == *admin* ]]; then
      run ciba-poll -q < changed
      [ "$status" -eq 77 ]
    else
      shut < changed
    fi
    jq -c "$change" sealed > changed
    shut --seal-key-file key < changed
  done
  shut --seal-key-file key < plain
  a_key other
  shut --seal-key-file other < sealed
  attacks
}

@test "a no, a request, or another call's approval is not made a yes by writing that it is" {
  sandbox --approve no --delay 0
  a_key
  for seal in '' '--seal-key-file key'; do
    # shellcheck disable=SC2086 # two words
    ciba-authorize -n -m 'Deploy 42' $seal > asked
    # shellcheck disable=SC2086
    ciba-poll $seal < asked > denied || true
    jq -e '.calls[0].authorization.status == "denied"' denied
    for document in asked denied; do
      jq -c '.calls[0].authorization.status = "approved"' "$document" > yes
      # shellcheck disable=SC2086
      shut $seal < yes
      # an unrelated token does not help
      jq -c '.calls[0] |= (.authorization.status = "approved" | .token = {access_token: "x", token_type: "Bearer", id_token: "a.b.c"})' "$document" > yes
      # shellcheck disable=SC2086
      run ciba-poll -q $seal < yes
      [ "$status" -ne 0 ]
    done
  done
  attacks
}

@test "another issuer's approval opens no gate" {
  sandbox --approve yes --delay 0
  an_approved_call > theirs
  sandbox --approve yes --delay 0
  shut < theirs
  jq -c --arg issuer "$CIBA_ISSUER" '.calls[0].authorization.issuer = $issuer' theirs > claimed
  shut < claimed
  attacks
}

@test "an ID token that has expired, or names no request, proves nothing to the gate; a filter passes it" {
  signing_key key.pem
  sandbox --approve never
  request=urn:openid:params:jwt:claim:auth_req_id
  while IFS='~' read -r claims words; do
    jq -n "[{path:\"/jwks\",times:9,body:$jwks}]" | spoil
    a_call | ciba-authorize -m Buy > asked
    id=$(jq -r '.calls[0].authorization.auth_req_id' asked)
    token=$(signed key.pem "$(id_claims "+ {\"$request\":\"$id\"} $claims")")
    jq -c --arg token "$token" '.calls[0] |= (.authorization.status = "approved" | .token = {access_token:"x",token_type:"Bearer",scope:"openid stock:trade",id_token:$token})' asked > decided
    if [ -z "$words" ]; then
      ciba-poll -q < decided
    else
      shut < decided
      [[ $stderr == *"$words"* ]]
    fi
    ciba-poll < decided | cmp - decided
  done <<'END'
~
| del(.["urn:openid:params:jwt:claim:auth_req_id"])~does not name the request
+{exp:(now-90|floor)}~has expired
END
  attacks
}

@test "an approval whose access token has expired is none to the gate: 1, as to who executes it" {
  sandbox --approve yes --delay 0
  a_key
  a_call | ciba-authorize -m Buy --seal-key-file key > asked
  jq -n '[{path:"/oauth/token",body:{access_token:"x",token_type:"Bearer",expires_in:0}}]' | spoil
  run --separate-stderr ciba-poll -q --without-id-token --seal-key-file key < asked
  [ "$status" -eq 1 ]
  [[ $stderr == *"has expired"* ]]
}

@test "where the keys cannot be had an approval in a document is not proven: 69" {
  sandbox --approve yes --delay 0
  an_approved_call > decided
  jq -n '[{path:"/jwks",times:9,status:503,body:""}]' | spoil
  run --separate-stderr ciba-poll -q < decided
  [ "$status" -eq 69 ]
  [[ $stderr == *"nobody approved anything: "*"503"* ]]
}

@test "without -q what needs no approval passes with 0, and an approval that does not hold is refused" {
  sandbox --approve yes --delay 0
  for document in '{}' '{"calls":[]}' '{"calls":[{"id":"x","name":"read","arguments":{}}]}'; do
    run --separate-stderr ciba-poll < <(echo "$document")
    [ "$status" -eq 0 ]
    [ "$output" == "$document" ]
  done
  an_approved_call > decided
  for change in '.calls[0].arguments.qty = 3000' 'del(.calls[0].token.id_token)' '.calls[0].authorization.user = "x"' \
    '.calls[0].authorization.issuer = "https://other/"' '.calls[0] |= {id,name,arguments,authorization:{status:"approved"}}'; do
    jq -c "$change" decided > changed
    run --separate-stderr ciba-poll < changed
    [ "$status" -eq 65 ]
    [[ $stderr == *"nobody approved anything: "* ]]
    [ "$output" == "$(cat changed)" ]
  done
}

@test "ciba-run runs nothing for an approval whose grant is not what was asked for" {
  while IFS='|' read -r answer words; do
    jq -n "[{path:\"/oauth/token\",body:({access_token:\"x\",token_type:\"Bearer\",scope:\"openid deploy\",expires_in:60} + $answer)}]" > faults
    sandbox --approve yes --delay 0 --faults-file faults
    run --separate-stderr ciba-run --without-id-token -s 'openid deploy' -m Deploy -- touch ran
    echo "$answer: $status $stderr"
    attack
    [ "$status" -ne 0 ]
    [[ $stderr == *"$words"* ]]
    [ ! -e ran ]
    kill "$CIBA_SANDBOX_PID"
  done <<'END'
{scope:"openid"}|did not grant the scope deploy
{token_type:"mac"}|neither of the type
{expires_in:0}|has expired
{token_type:"DPoP"}|bound to a key
END
  sandbox --approve yes --delay 0
  ciba-run -m Deploy -- touch ran
  [ -e ran ]
  attacks
}

@test "no ID token: ciba-run does not run, for it is not known who approved" {
  jq -n '[{path:"/oauth/token",body:{access_token:"x",token_type:"Bearer",expires_in:60}}]' > faults
  sandbox --approve yes --delay 0 --faults-file faults
  run --separate-stderr ciba-run -m Deploy -- touch ran
  [ "$status" -eq 76 ]
  [[ $stderr == *"not known who approved"* ]]
  [ ! -e ran ]
}

@test "the gate stays shut while stdin has not been read to its end" {
  sandbox --approve yes --delay 0
  an_approved_call > approved
  for rest in '' '{"calls":[{"id":"b","name":'; do
    mkfifo pipe
    { cat approved; printf %s "$rest"; cat < hold; } > pipe &
    mkfifo hold
    run --separate-stderr ciba-poll -q --max-wait 0.5 < pipe
    echo "$rest: $status $stderr"
    [ "$status" -eq 75 ]
    [[ $stderr == *"not read to its end"* ]]
    : > hold
    wait $!
    rm pipe hold
  done
}

@test "a time for the next poll that was written into a document delays nothing beyond the request's own time" {
  sandbox --approve yes --delay 0
  a_key
  a_call | ciba-authorize -m Buy --seal-key-file key --expiry 2 | jq -c '.calls[0].authorization.next_poll_at = 9e12' > later
  run ciba-poll -q --seal-key-file key < later
  [ "$status" -ne 124 ]
}

@test "a journal tells only of the request that the call has" {
  sandbox --approve yes --delay 0
  a_key
  a_call | ciba-authorize -m Buy --seal-key-file key | ciba-poll --seal-key-file key --journal-file theirs > first
  kill "$CIBA_SANDBOX_PID"
  sandbox --approve no --delay 0 --port "$(jq -r '.calls[0].authorization.issuer | split(":")[2] | rtrimstr("/")' first)"
  a_call | ciba-authorize -m Buy --seal-key-file key > second
  jq -c --arg key "$(jq -r '.calls[0].authorization.auth_req_id' second)" 'select(.step == "decided") | .key = $key' theirs > forged
  run ciba-poll -q --seal-key-file key --journal-file forged < second
  [ "$status" -eq 1 ]
}

@test "an approval that expires while another is waited for opens no gate" {
  sandbox --approve ask --interval 1
  a_key
  a_call GOOGL 3 | ciba-authorize -m Buy --seal-key-file key > one
  jq -n '[{path:"/oauth/token",after:true,body:{access_token:"x",token_type:"Bearer",expires_in:1}}]' | spoil
  ciba-poll --without-id-token --seal-key-file key < one > first
  a_call AAPL 3 | ciba-authorize -m Buy --seal-key-file key > two
  jq -cs '.[0].calls += .[1].calls | .[0]' first two > both
  await eval '[ "$(date +%s)" -gt "$(jq ".calls[0].token.expires_at" first)" ]'
  decide true
  run --separate-stderr ciba-poll -q --seal-key-file key < both
  [ "$status" -eq 1 ]
  [[ $stderr == *"has expired"* ]]
}

# Each row: a call with a result, next to an approved one.
@test "the gate stays shut over a call that was refused or failed, also when it has its result" {
  sandbox --approve yes --delay 0
  an_approved_call > approved
  while read -r call; do
    jq -c --argjson call "$call" '.calls += [$call]' approved > both
    attack
    run --separate-stderr ciba-poll -q < both
    echo "$call: $status $stderr"
    [ "$status" -ne 0 ]
  done <<'END'
{"id":"b","name":"x","arguments":{},"authorization":{"status":"failed","auth_req_id":"q","error":"insufficient_scope"},"result":{"error":"failed"}}
{"id":"b","name":"x","arguments":{},"authorization":{"status":"approved"},"result":{"error":"refused"}}
{"id":"b","name":"x","arguments":{},"authorization":{"status":"denied"},"result":{"error":"denied"}}
{"id":"b","name":"x","arguments":{},"result":false}
END
  attacks
  jq -c '.calls += [{"id":"b","name":"x","arguments":{},"result":{"status":0}}]' approved | ciba-poll -q
}
