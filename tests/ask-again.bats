# shellcheck source=helper.bash
# shellcheck disable=SC2030,SC2031 # each test is a subshell
load helper

# ciba-authorize --again: a question that came to nothing is asked anew; what was done is not done twice.

# Asks anew about the document in the file: again FILE [OPTION...]
again() {
  run --separate-stderr ciba-authorize --again -m 'Buy \(.qty) \(.ticker)' "${@:2}" < "$1"
  echo "$status $stderr"
}

# A call whose approval's token has ended, as tool-run refuses it, in the file `refused`: refused [OPTION...]
refused() {
  a_call | ciba-authorize -m 'Buy \(.qty)' "$@" > asked
  curl -sf -u "$CIBA_CLIENT_ID:$CIBA_CLIENT_SECRET" -d grant_type=urn:openid:params:grant-type:ciba \
    -d "auth_req_id=$(jq -r '.calls[0].authorization.auth_req_id' asked)" "${CIBA_ISSUER}oauth/token" |
    jq '[{path:"/oauth/token",body:(.expires_in = 0)}]' | spoil
  ciba-poll "$@" < asked > approved
  run tool-run --tool buy "$@" -- touch made < approved
  [ "$status" -eq 1 ]
  echo "${lines[-1]}" > refused
  jq -e '.calls[0].result.error == "refused"' refused
  [ ! -e made ]
}

@test "an approval whose token has ended, a no and no answer are asked about anew, and a yes is executed then" {
  sandbox --approve yes --delay 0
  refused
  again refused
  [ "$status" -eq 0 ]
  holds '.calls[0] | .authorization.status == "pending" and (has("result") or has("token") | not)'
  echo "$output" | ciba-poll | tool-run --tool buy -- touch made
  [ -e made ]
  [ "$(count /bc-authorize)" -eq 2 ]
}

@test "a no is asked about anew, with its result or without, and expiry too; without --again it is not" {
  sandbox --approve ask
  a_call | ciba-authorize -m 'Buy \(.qty)' --expiry 300 > asked
  decide false
  ciba-poll < asked > denied || true
  tool-run --tool buy -- touch made < denied > told || true
  jq -c '.calls[0].authorization |= (.status = "expired" | .error = "expired_token")' denied > expired
  tool-run --tool buy -- touch made < expired > late || true
  n=1
  for file in denied told expired late; do
    run ciba-authorize -m Buy < "$file"
    [ "$(count /bc-authorize)" -eq "$n" ]
    again "$file"
    [ "$status" -eq 0 ]
    holds '.calls[0] | .authorization.status == "pending" and (has("result") | not)'
    [ "$(count /bc-authorize)" -eq $((++n)) ]
  done
  [ ! -e made ]
}

# Each row: what the document says, and why nobody is asked (nothing where there is nothing to say).
@test "what was done, may have been, or is not decided is never asked about" {
  sandbox --approve yes --delay 0
  refused
  while IFS='|' read -r change why; do
    jq -c "$change" refused > changed
    before=$(count /bc-authorize)
    again changed
    [ "$(count /bc-authorize)" -eq "$before" ]
    [ "$output" == "$(cat changed)" ]
    if [ -n "$why" ]; then
      [ "$status" -eq 65 ]
      [[ $stderr == *"not asked again: $why"* ]]
    else
      [ "$status" -eq 0 ]
      [ -z "$stderr" ]
    fi
  done <<'END'
.calls[0].result = {status: 0, content: "bought"}|
.calls[0].result = {error: "program_failed", status: 1}|
.calls[0].result = {error: "order_refused", status: 400}|
.calls[0].result = {error: "invalid_arguments"}|
.calls[0].result = "denied"|
.calls[0].result = {error: "outcome_unknown"}|it may have been done
.calls[0].result = {error: "already_used"}|it may have been done
.calls[0].authorization.attempted_at = 1790000000|it may have been done
del(.calls[0].result)|it is approved
.messages = [{role: "tool", tool_call_id: "call_1", content: "no"}]|the model has been told
del(.calls[0].authorization)|
END
  ciba-authorize -m x < <(a_call) > pending
  again pending
  [ "$status" -eq 0 ]
  [ "$output" == "$(cat pending)" ]
}

@test "what the folder of spent approvals, or the journal, knows as executed is not asked about, whatever the document says" {
  sandbox --approve yes --delay 0
  an_approved_call > approved
  tool-run --tool buy --spent-dir spent -- touch first < approved > /dev/null
  # the outcome was lost; a day later the token has ended
  jq -c '.calls[0] |= (del(.token) | .result = {error: "refused"})' approved > refused
  CIBA_SPENT=$PWD/spent again refused
  [ "$status" -eq 65 ]
  [[ $stderr == *"it was executed, or begun"* ]]
  [ "$(count /bc-authorize)" -eq 1 ]
  again refused
  [ "$status" -eq 0 ]

  a_call | ciba-authorize -m 'Buy \(.qty)' --journal-file j | ciba-poll --journal-file j > approved
  tool-run --tool buy --journal-file j -- touch second < approved > /dev/null
  jq -c '.calls[0] |= (del(.token) | .result = {error: "refused"})' approved > refused
  before=$(count /bc-authorize)
  again refused --journal-file j
  [ "$status" -eq 65 ]
  [ "$(count /bc-authorize)" -eq "$before" ]
}

@test "with a journal: asked once anew, though the run is repeated, and the new answer counts" {
  sandbox --approve ask
  a_call | ciba-authorize -m 'Buy \(.qty)' --journal-file j > asked
  decide false
  ciba-poll --journal-file j < asked > denied || true
  again denied --journal-file j
  [ "$status" -eq 0 ]
  echo "$output" > first
  again denied --journal-file j # as after a crash that lost the output
  [ "$output" == "$(cat first)" ]
  [ "$(count /bc-authorize)" -eq 2 ]
  decide true
  ciba-poll --journal-file j < first > approved
  tool-run --tool buy --journal-file j -- touch made < approved > /dev/null
  [ -e made ]
}

@test "with a seal: a refusal is sealed, and what was executed cannot be made one" {
  sandbox --approve yes --delay 0
  (umask 077 && openssl rand -hex 32 > key)
  refused --seal-key-file key
  again refused --seal-key-file key
  [ "$status" -eq 0 ]
  holds '.calls[0].authorization | .status == "pending" and .seal'
  a_call | ciba-authorize -m 'Buy \(.qty)' --seal-key-file key | ciba-poll --seal-key-file key |
    tool-run --tool buy --seal-key-file key -- true > executed
  for change in '.calls[0].result = {error: "refused"}' '.calls[0].result = {error: "denied"} | .calls[0].authorization.status = "denied"' 'del(.calls[0].result) | .calls[0].authorization.status = "denied"'; do
    jq -c "$change" executed > changed
    before=$(count /bc-authorize)
    again changed --seal-key-file key
    [ "$status" -eq 65 ]
    [[ $stderr == *"not asked again: its seal is broken"* ]]
    [ "$(count /bc-authorize)" -eq "$before" ]
  done
}

@test "after a no neither the store nor a lease answers in the user's place" {
  sandbox --approve yes --delay 0
  (umask 077 && openssl rand -hex 32 > store.key)
  export CIBA_STORE=$PWD/store
  for how in '--reuse agent' '--lease 15m --uses 9'; do
    # shellcheck disable=SC2086 # words
    a_call | ciba-authorize -m 'Buy \(.qty)' $how --store-key-file store.key | ciba-poll --store-key-file store.key > approved
    jq -c '.calls[0] |= (.authorization.status = "denied" | del(.token))' approved > denied
    before=$(count /bc-authorize)
    # shellcheck disable=SC2086
    again denied $how --store-key-file store.key
    [ "$status" -eq 0 ]
    holds '.calls[0].authorization.status == "pending"'
    [ "$(count /bc-authorize)" -eq $((before + 1)) ]
  done
}

@test "--together asks one question anew about those that came to nothing" {
  sandbox --approve no --delay 0
  jq -nc '{calls: [range(3) | {id: "call_\(.)", name: "buy", arguments: {n: .}}]}' |
    ciba-authorize --together -m 'Buy \(length)' | ciba-poll > denied || true
  jq -c '.calls[1] |= (.authorization.status = "approved" | .result = {status: 0, content: "done"})' denied > mixed
  run --separate-stderr ciba-authorize --again --together -m 'Buy \(length)' < mixed
  [ "$status" -eq 0 ]
  holds '[.calls[].authorization.status] == ["pending", "approved", "pending"] and .calls[0].authorization.binding_message == "Buy 2"'
  [ "$(count /bc-authorize)" -eq 2 ]
}

@test "--again is refused where it would go on for ever, or means nothing" {
  nowhere
  exits 64 ciba-authorize --again -n -m x
  a_call | agent-spool add spool > /dev/null
  run agent-spool run -v spool -- ciba-authorize --again -m x
  [[ $output == *"--again: not in agent-spool"* ]]
}

@test "after a no and a question that failed, the store does not answer in a later run either" {
  sandbox --approve yes --delay 0
  (umask 077 && openssl rand -hex 32 > store.key)
  export CIBA_STORE=$PWD/store
  for how in '--reuse agent' '--lease 15m --uses 9'; do
    # shellcheck disable=SC2086 # words
    a_call | ciba-authorize -m 'Buy \(.qty)' $how --store-key-file store.key | ciba-poll --store-key-file store.key > approved
    jq -c '.calls[0] |= (.authorization.status = "denied" | del(.token))' approved > denied
    # the provider answers with an error, or nothing comes back
    for fault in '{status: 400, body: {error: "access_denied_for_now"}}' '{drop: true, after: true}'; do
      jq -n "[{path: \"/bc-authorize\"} + $fault]" | spoil
      # shellcheck disable=SC2086
      again denied $how --store-key-file store.key
      [ "$status" -ne 0 ]
      echo "$output" > failed
      jq -e '.calls[0].authorization | .status == "failed" and .anew' failed
      before=$(count /bc-authorize)
      # shellcheck disable=SC2086
      ciba-authorize -m 'Buy \(.qty)' $how --ask-again --store-key-file store.key < failed > asked
      [ "$(count /bc-authorize)" -eq $((before + 1)) ]
      jq -e '.calls[0].authorization.status == "pending"' asked
    done
  done
}

@test "with a seal: a decision without the request that it is about is none" {
  sandbox --approve yes --delay 0
  (umask 077 && openssl rand -hex 32 > key)
  a_call | ciba-authorize -m 'Buy \(.qty)' --seal-key-file key | ciba-poll --seal-key-file key |
    tool-run --tool buy --seal-key-file key -- true > executed
  for status in denied expired approved; do
    jq -c --arg status "$status" '.calls[0] |= (.result = {error: "refused"} | .authorization = {status: $status})' executed > changed
    again changed --seal-key-file key
    [ "$status" -eq 65 ]
    [ "$(count /bc-authorize)" -eq 1 ]
  done
}

@test "a no that the log lacks is logged later as a no, not as an execution, though the call has its result" {
  sandbox --approve no --delay 0
  a_call | ciba-authorize -m 'Buy \(.qty)' | ciba-poll > denied || true
  tool-run --tool buy -- touch made < denied > told || true
  jq -c '.calls[0].untold = true' told > untold
  for how in 'ciba-authorize --again -m Buy' 'tool-run --tool buy -- true'; do
    rm -f log
    # shellcheck disable=SC2086 # words
    CIBA_AUDIT=$PWD/log $how < untold > out
    head -n 1 log | jq -e '.event == "denied"'
    no grep -q '"event":"executed"' log
  done
}
