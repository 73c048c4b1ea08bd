# shellcheck source=helper.bash
load helper

a_key() {
  (umask 077 && openssl rand -hex 32 > "${1:-key}")
}

# The same pipeline as an_approved_call, sealed.
a_sealed_call() {
  a_call "$@" | ciba-authorize -m 'Buy \(.qty) \(.ticker)' --seal-key-file key | ciba-poll --seal-key-file key
}

@test "a sealed approval is executed; one without a seal, or sealed with another key, is refused" {
  sandbox --approve yes --delay 0
  a_key
  a_key other
  run --separate-stderr bash -c "$(declare -f a_call a_sealed_call); a_sealed_call | stock-buy --seal-key-file key"
  [ "$status" -eq 0 ]
  holds '.calls[0].result.status == 200'
  an_approved_call > unsealed
  run --separate-stderr stock-buy --seal-key-file key < unsealed
  [ "$status" -eq 65 ]
  [[ $stderr == *"no seal"* ]]
  a_sealed_call > sealed
  run --separate-stderr stock-buy --seal-key-file other < sealed
  [ "$status" -eq 65 ]
  [[ $stderr == *"seal is broken"* ]]
  [ "$(orders | jq length)" -eq 1 ]
}

@test "no member of an approved call can be changed, nor another approval put in its place" {
  sandbox --approve yes --delay 0
  a_key
  a_sealed_call GOOGL 3 > three
  a_sealed_call GOOGL 3000 > thousands # of which the token, say, is somebody's own
  local change digest
  digest=$(jq '.calls[0].authorization.call_digest' thousands)
  for change in '.calls[0].arguments.qty = 3000' \
    ".calls[0] |= (.arguments.qty = 3000 | .authorization.call_digest = $digest)" \
    '.calls[0].authorization = $other.calls[0].authorization' \
    '.calls[0].token = $other.calls[0].token' \
    '.calls[0] |= (.arguments = $other.calls[0].arguments | .authorization.call_digest = $other.calls[0].authorization.call_digest | .authorization.seal = $other.calls[0].authorization.seal)' \
    '.calls[0].id = "call_2"' \
    '.calls[0].authorization.user = "auth0|mallory"' \
    '.calls[0].authorization.expires_at += 1' \
    '.calls[0].authorization.binding_message = "Buy 3000"' \
    '.calls[0].authorization.auth_req_id = "x"'; do
    jq -c --slurpfile others thousands '$others[0] as $other | '"$change" three > changed
    no cmp -s three changed
    run --separate-stderr stock-buy --seal-key-file key < changed
    echo "$change: $stderr"
    [ "$status" -eq 65 ]
    holds '.calls[0].result.error == "refused"'
  done
  [ "$(orders)" == '[]' ]
  stock-buy --seal-key-file key < three > /dev/null
  [ "$(orders)" == '[{"ticker":"GOOGL","qty":3}]' ]
}

@test "a no cannot be made a yes, and a pending call that was changed is not polled" {
  a_key
  sandbox --approve no --delay 0
  a_sealed_call > denied || true
  jq -c '.calls[0] |= (.authorization.status = "approved" | .token = {access_token: "x", token_type: "Bearer"})' denied > yes
  run stock-buy --seal-key-file key < yes
  [ "$status" -eq 65 ]
  [ "$(count /stocks)" -eq 0 ]
  a_call | ciba-authorize -m Buy --seal-key-file key > asked
  before=$(count /oauth/token)
  for change in '.calls[0].arguments.qty = 3000' 'del(.calls[0].authorization.seal)' '.calls[0].authorization.user = "x"'; do
    jq -c "$change" asked > changed
    run --separate-stderr ciba-poll --seal-key-file key < changed
    [ "$status" -eq 65 ]
    [ "$output" == "$(cat changed)" ]
  done
  [ "$(count /oauth/token)" -eq "$before" ]
  # without a seal the digest still shows it
  jq -c '.calls[0].arguments.qty = 3000' asked > changed
  run --separate-stderr ciba-poll < changed
  [ "$status" -eq 65 ]
  [[ $stderr == *call_digest* ]]
}

@test "what polling changes is not sealed; a call polled over many runs keeps its seal" {
  sandbox --approve ask --interval 1
  a_key
  a_call | ciba-authorize -m Buy --seal-key-file key > asked
  ciba-poll --once --seal-key-file key < asked > pending || true
  jq -e '.calls[0].authorization.next_poll_at' pending
  decide true
  ciba-poll --seal-key-file key < pending | stock-buy --seal-key-file key > /dev/null
  [ "$(orders | jq length)" -eq 1 ]
}

@test "a forged journal is not believed where there is a seal" {
  sandbox --approve yes --delay 0
  a_key
  a_call GOOGL 3 | ciba-authorize -m Buy > small
  a_call GOOGL 3000 > large
  digest=$(ciba-authorize -m Buy < large | jq -r '.calls[0].authorization.call_digest')
  jq -c --arg digest "$digest" '{step: "asked", key: "call_1 \($digest)", time: 1,
    authorization: (.calls[0].authorization | .call_digest = $digest)}' small > journal
  ciba-authorize -m Buy --journal-file journal < large > taken # without a seal: that is what the journal says
  [ "$(jq '.calls[0].authorization.auth_req_id' taken)" == "$(jq '.calls[0].authorization.auth_req_id' small)" ]
  ciba-authorize -m Buy --journal-file journal --seal-key-file key < large > asked
  [ "$(jq '.calls[0].authorization.auth_req_id' asked)" != "$(jq '.calls[0].authorization.auth_req_id' small)" ]
}

@test "a short key is refused; the key may be a systemd credential" {
  nowhere
  echo short > key
  run ciba-authorize -m Buy --seal-key-file key < <(a_call)
  [ "$status" -eq 78 ]
  [[ $output == *"shorter than 32"* ]]
  sandbox --approve yes --delay 0
  mkdir credentials
  a_key credentials/CIBA_SEAL_KEY
  CREDENTIALS_DIRECTORY=$PWD/credentials ciba-authorize -m Buy < <(a_call) > asked
  jq -e '.calls[0].authorization.seal | startswith("hmac-sha-256:")' asked
  run env CREDENTIALS_DIRECTORY="$PWD/credentials" ciba-poll -q < asked
  [ "$status" -eq 0 ]
}
