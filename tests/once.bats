# shellcheck source=helper.bash
load helper

# One approval, one execution; and what may have been done is never reported as refused.

a_key() {
  (umask 077 && openssl rand -hex 32 > "${1:-key}")
}

# Each row: the API's answer to the second try; the first order was placed and its answer lost.
@test "an order that may have been placed is never called refused: its outcome is unknown from then on" {
  a_key
  for seal in '' '--seal-key-file key'; do
    while IFS='|' read -r answer; do
      jq -n '[{path:"/stocks",drop:true,after:true}]' > faults
      sandbox --approve yes --delay 0 --faults-file faults
      # shellcheck disable=SC2086 # two words
      a_call | ciba-authorize -m Buy $seal | ciba-poll $seal > approved
      # shellcheck disable=SC2086
      run --separate-stderr stock-buy $seal < approved
      [ "$status" -eq 69 ]
      holds '.calls[0] | has("token") and (has("result") | not) and .authorization.attempted_at > 0'
      echo "$output" > tried
      jq -n "[{path:\"/stocks\"} + $answer]" | spoil
      # shellcheck disable=SC2086
      run --separate-stderr stock-buy $seal < tried
      echo "$answer $seal: $status $stderr $output"
      attack
      [ "$status" -ge 65 ]
      holds '.calls[0] | .result.error == "outcome_unknown" and (.result.content | test("refused|Nothing was") | not) or (has("result") | not)'
      [ "$(orders)" == '[{"ticker":"GOOGL","qty":3}]' ]
      kill "$CIBA_SANDBOX_PID"
    done <<'END'
{status:401,body:""}
{status:403,body:{message:"no"}}
{status:422,body:{}}
{status:400,body:""}
{status:409,body:""}
END
  done
  attacks
}

# Each row: an answer to the first try that does not prove that nothing was done.
@test "409, 425, 429, 5xx, a redirection and what is no known refusal: the document goes again, with the same key" {
  while IFS='~' read -r answer expected; do
    jq -n "[{path:\"/stocks\",after:true} + $answer]" > faults
    sandbox --approve yes --delay 0 --faults-file faults
    an_approved_call > approved
    run --separate-stderr stock-buy < approved
    echo "$answer: $status $stderr"
    attack
    [ "$status" -eq "${expected:-69}" ]
    [[ $stderr == *"unknown; run stock-buy on this document again, it sends the same Idempotency-Key"* ]]
    holds '.calls[0] | has("token") and (has("result") | not)'
    echo "$output" | stock-buy | jq -e '.calls[0].result.status == 200'
    [ "$(requests /stocks .idempotency_key | sort -u | wc -l)" -eq 1 ]
    [ "$(orders)" == '[{"ticker":"GOOGL","qty":3}]' ]
    kill "$CIBA_SANDBOX_PID"
    rm requests
  done <<'END'
{status:409,body:""}
{status:425,body:""}
{status:408,body:""}
{status:429,body:""}
{status:500,body:""}
{status:504,body:""}
{status:499,body:""}
{status:424,body:""}
{status:302,headers:{Location:"http://127.0.0.1:9/"},body:""}~76
{status:303,headers:{Location:"/orders/1"},body:""}~76
{status:307,headers:{Location:"/orders"},body:""}~76
END
  attacks
}

@test "a token that has expired meanwhile, or a seal that broke, makes no refusal of an order that was sent" {
  jq -n '[{path:"/stocks",drop:true,after:true}]' > faults
  sandbox --approve yes --delay 0 --faults-file faults
  an_approved_call | stock-buy > tried || true
  for change in '.calls[0].token.expires_at = 1' '.calls[0].token.scope = "openid"'; do
    jq -c "$change" tried > later
    run --separate-stderr stock-buy < later
    [ "$status" -eq 69 ]
    holds '.calls[0].result | .error == "outcome_unknown" and (.content | contains("Nothing was done") | not)'
  done
}

@test "that an order was sent is sealed, and the seal holds for the next try" {
  a_key
  jq -n '[{path:"/stocks",status:503,body:"",times:2}]' > faults
  sandbox --approve yes --delay 0 --faults-file faults
  a_call | ciba-authorize -m Buy --seal-key-file key | ciba-poll --seal-key-file key > approved
  stock-buy --seal-key-file key < approved > one || true
  jq -c 'del(.calls[0].authorization.attempted_at)' one | stock-buy --seal-key-file key > forged || true
  jq -e '.calls[0].result.error == "refused"' forged
  [ "$(count /stocks)" -eq 1 ]
  stock-buy --seal-key-file key < one > two || true
  stock-buy --seal-key-file key < two | jq -e '.calls[0].result.status == 200'
}

@test "an approval that is used again is another execution each time, whatever ids the model chose" {
  sandbox --approve yes --delay 0
  a_key
  a_key seal
  export CIBA_STORE=$PWD/store CIBA_STORE_KEY CIBA_SEAL_KEY
  CIBA_STORE_KEY=$(cat key) CIBA_SEAL_KEY=$(cat seal)
  for i in 1 2 3; do
    a_call GOOGL 3 | ciba-authorize -m Buy --reuse call | ciba-poll > "approved.$i"
  done
  [ "$(count /bc-authorize)" -eq 1 ]
  for i in 1 2 3; do stock-buy < "approved.$i" > outcome; done
  [ "$(orders)" == '[{"ticker":"GOOGL","qty":3},{"ticker":"GOOGL","qty":3},{"ticker":"GOOGL","qty":3}]' ]
  # and the same one again is the same execution
  stock-buy < approved.2 > outcome
  [ "$(orders | jq length)" -eq 3 ]
  # for any call: other arguments under the same id have another key
  a_call AAPL 9 | ciba-authorize -m Buy --reuse agent | ciba-poll | tool-run --tool buy -- sh -c 'echo "$IDEMPOTENCY_KEY" >> keys' > outcome
  a_call MSFT 7 | ciba-authorize -m Buy --reuse agent | ciba-poll | tool-run --tool buy -- sh -c 'echo "$IDEMPOTENCY_KEY" >> keys' > outcome
  [ "$(sort -u keys | wc -l)" -eq 2 ]
}

# The number of runs of the program so far.
ran() {
  [ -e runs ] || echo 0
  [ ! -e runs ] || wc -l < runs
}

@test "with --spent-dir an approval runs a program once, whichever document it stands in" {
  sandbox --approve yes --delay 0
  a_key
  export CIBA_SEAL_KEY
  CIBA_SEAL_KEY=$(cat key)
  an_approved_call > approved
  pay=(tool-run --tool buy --spent-dir spent -- sh -c 'cat > /dev/null; echo ran >> runs')
  "${pay[@]}" < approved | jq -e '.calls[0].result.status == 0'
  for change in . '.id = "another"' '.calls = [.calls[0], .calls[0]]' '{calls: [{id: "x", name: "other"}, .calls[0]]}'; do
    jq -c "$change" approved > again
    run --separate-stderr "${pay[@]}" < again
    attack
    [ "$status" -eq 65 ]
    [[ $stderr == *"its approval has been used before"* ]]
    holds '[.calls[] | select(.name == "buy") | .result | .error, (.content | test("Nothing was done"))] | unique == [false, "already_used"]'
  done
  [ "$(ran)" -eq 1 ]
  [ "$(stat -c %a spent)" == 700 ]
  [ "$(stat -c %a spent/*)" == 600 ]
  # another approval of the same call is a different one
  an_approved_call | "${pay[@]}" > outcome
  [ "$(ran)" -eq 2 ]
  # two processes at once with one approval
  an_approved_call > approved
  "${pay[@]}" < approved > one &
  "${pay[@]}" < approved > two || true
  wait $! || true
  [ "$(ran)" -eq 3 ]
  [ "$(cat one two | jq -s 'map(.calls[0].result.error) | sort == [null, "already_used"]')" == true ]
  attacks
}

@test "with --spent-dir a program that could not be started, or whose arguments are refused, uses nothing up" {
  sandbox --approve yes --delay 0
  an_approved_call > approved
  tool-run --tool buy --spent-dir spent -- ./none < approved > left || true
  cmp approved left
  run tool-run --tool buy --spent-dir spent -- touch ran < approved
  [ "$status" -eq 0 ]
  [ -e ran ]
}

@test "with --spent-dir what was begun by a run that was killed is unknown to another, and taken up by its own journal" {
  sandbox --approve yes --delay 0
  an_approved_call > approved
  killed() { tool-run --tool buy --spent-dir spent "$@" -- sh -c 'echo ran >> runs; kill -9 $PPID $(ps -o ppid= -p $PPID)' < approved > out || true; }
  killed --journal-file journal
  [ "$(ran)" -eq 1 ]
  run --separate-stderr tool-run --tool buy --spent-dir spent -- sh -c 'echo ran >> runs' < approved
  [ "$status" -eq 69 ]
  holds '.calls[0].result.error == "outcome_unknown"'
  [ "$(ran)" -eq 1 ]
  run --separate-stderr tool-run --tool buy --spent-dir spent --journal-file journal -- sh -c 'echo ran >> runs' < approved
  [ "$status" -eq 0 ]
  [ "$(ran)" -eq 2 ]
  run --separate-stderr tool-run --tool buy --spent-dir spent -- sh -c 'echo ran >> runs' < approved
  [ "$status" -eq 65 ]
  [ "$(ran)" -eq 2 ]
}

@test "with --spent-dir what was begun stays unknown to others when its own next try cannot begin" {
  sandbox --approve yes --delay 0
  for next in ./none .; do
    rm -rf journal runs
    an_approved_call > approved
    # shellcheck disable=SC2016 # its own
    tool-run --tool buy --spent-dir spent --journal-file journal -- sh -c 'echo ran >> runs; kill -9 $PPID $(ps -o ppid= -p $PPID)' < approved > out || true
    [ "$(ran)" -eq 1 ]
    tool-run --tool buy --spent-dir spent --journal-file journal -- "$next" < approved > left || true
    cmp approved left
    run --separate-stderr tool-run --tool buy --spent-dir spent -- sh -c 'echo ran >> runs' < approved
    echo "$next: $status $stderr"
    [ "$status" -eq 69 ]
    holds '.calls[0].result.error == "outcome_unknown"'
    [ "$(ran)" -eq 1 ]
  done
}

@test "under agent-spool an approval runs a program once, in all spools of a user" {
  sandbox --approve yes --delay 0
  a_key
  export CIBA_SEAL_KEY
  CIBA_SEAL_KEY=$(cat key)
  an_approved_call > approved
  for spool in one one two; do
    agent-spool add "$spool" < approved > ids
    agent-spool run "$spool" -- tool-run --tool buy -- sh -c 'echo ran >> runs' || true
  done
  [ "$(ran)" -eq 1 ]
  [ "$(find one two -path '*/done/*' -o -path '*/failed/*' | grep -c .)" -eq 3 ]
  [ "$(stat -c %a "$XDG_STATE_HOME/ciba-tools/spent")" == 700 ]
  # a folder that cannot be created is an error, not a way around it
  touch file
  agent-spool add three < <(an_approved_call) > ids
  CIBA_SPENT=$PWD/file/spent run --separate-stderr agent-spool run three -- tool-run --tool buy -- touch never
  [ "$status" -eq 74 ]
  [[ $stderr == *CIBA_SPENT* ]]
  [ ! -e never ]
  # what expired a day ago is removed
  touch "$XDG_STATE_HOME/ciba-tools/spent/1000000000-old"
  agent-spool run two -- true || true
  [ ! -e "$XDG_STATE_HOME/ciba-tools/spent/1000000000-old" ]
}

@test "a harmless tool that needs no approval uses none up" {
  sandbox --approve yes --delay 0
  echo '{"calls":[{"id":"c","name":"t","arguments":{}}]}' > new
  for i in 1 2; do tool-run --tool t --without-approval --spent-dir spent -- sh -c 'echo ran >> runs' < new > outcome; done
  [ "$(ran)" -eq 2 ]
}

# Each row: a change to an approved document, or to what was asked; words of the message.
@test "--broker wants the user, the request and the order in the token" {
  a_key
  sandbox --approve yes --delay 0
  a_call GOOGL 5 | ciba-authorize -m Buy -d '{type:"order",ticker,qty}' | ciba-poll > approved
  digest=$(a_call GOOGL 500 | ciba-authorize -m Buy | jq -r '.calls[0].authorization.call_digest')
  while IFS='~' read -r change words; do
    jq -c --arg digest "$digest" "$change" approved > changed
    run --separate-stderr stock-buy --broker alpaca < changed
    echo "$change: $status $stderr"
    attack
    [ "$status" -eq 65 ]
    [[ $stderr == *"$words"* ]]
  done <<'END'
.calls[0].authorization |= del(.user, .approved_by)~does not say who was asked
.calls[0].authorization |= (.user = "mallory")~not of the user
.calls[0].authorization |= del(.auth_req_id)~who was asked
.calls[0] |= (.id = "call_9" | .arguments.qty = 500 | .authorization.call_digest = $digest)~no authorization_details with this ticker and qty
.calls[0] |= (.arguments.qty = 500 | .authorization.call_digest = $digest | .authorization.authorization_details[0].qty = 500)~not what was asked
END
  a_call | ciba-authorize -m Buy | ciba-poll > plain
  run --separate-stderr stock-buy --broker alpaca < plain
  [ "$status" -eq 65 ]
  run stock-buy --broker alpaca --unbound-token < plain
  [ "$status" -eq 78 ]
  [ "$(count /v2/orders)" -eq 0 ]
  a_call | ciba-authorize -m Buy --seal-key-file key | ciba-poll --seal-key-file key |
    stock-buy --broker alpaca --unbound-token --seal-key-file key | jq -e '.calls[0].result.status == 200'
  stock-buy --broker alpaca < approved | jq -e '.calls[0].result.status == 200'
  attacks
}

@test "the broker's order under the key is ours only if it is the same order" {
  sandbox --approve yes --delay 0
  a_call GOOGL 5 | ciba-authorize -m Buy -d '{type:"order",ticker,qty}' | ciba-poll > approved
  jq -n '[{path:"/v2/orders",status:422,body:{message:"client_order_id must be unique"}}]' | spoil
  # shellcheck disable=SC2030
  key=$(tool-run --tool buy -- sh -c 'echo "$IDEMPOTENCY_KEY"' < approved | jq -r '.calls[0].result.content')
  jq -n --arg key "$key" '[{path:"/v2/orders",status:422,body:{message:"client_order_id must be unique"}},
    {path:"/v2/orders:by_client_order_id",body:{client_order_id:$key,symbol:"AAPL",qty:"5",side:"buy",status:"filled"}}]' | spoil
  run --separate-stderr stock-buy --broker alpaca < approved
  [ "$status" -eq 76 ]
  [[ $stderr == *"another order under this key"* ]]
  holds '.calls[0].result | .error == "order_refused" and (has("order") | not)'
}

# Each row: the broker's answer after it has placed the order.
@test "an order at the broker is looked up unless the answer is it: never refused where it is there" {
  while read -r answer; do
    jq -n "[{path:\"/v2/orders\",after:true} + $answer]" > faults
    sandbox --approve yes --delay 0 --faults-file faults
    run --separate-stderr stock-buy --broker alpaca < <(a_call | ciba-authorize -m Buy -d '{type:"order",ticker,qty}' | ciba-poll)
    echo "$answer: $status $stderr"
    attack
    [ "$status" -eq 0 ]
    holds '.calls[0].result | .status == 200 and .content.order.status == "accepted"'
    kill "$CIBA_SANDBOX_PID"
  done <<'END'
{status:200,body:""}
{status:204,body:""}
{status:302,headers:{Location:"/x"},body:""}
{status:401,body:{message:"unauthorized"}}
{status:403,body:{message:"no"}}
{status:404,body:""}
{status:409,body:""}
{status:422,body:{code:1}}
{status:422,body:{message:"client_order_id is not unique"}}
{status:429,body:""}
{status:499,body:""}
{status:500,body:""}
{drop:true}
END
  attacks
}

@test "an approval that is used again is one execution for a document and its journals, however often they are run" {
  sandbox --approve yes --delay 0
  a_key
  export CIBA_STORE=$PWD/store CIBA_STORE_KEY
  CIBA_STORE_KEY=$(cat key)
  a_call | ciba-authorize -m Buy --reuse call | ciba-poll > first
  for i in 1 2 3; do
    a_call | ciba-authorize -m Buy --reuse call --journal-file asked | ciba-poll --journal-file polled | stock-buy --journal-file bought > outcome
  done
  [ "$(orders | jq length)" -eq 1 ]
  [ "$(count /bc-authorize)" -eq 1 ]
}

@test "that an order was sent is believed where the seal holds, and a program that kills its runner loses nothing" {
  sandbox --approve yes --delay 0
  a_key
  jq -nc --arg issuer "$CIBA_ISSUER" '{calls:[{id:"c",name:"buy",arguments:{ticker:"GOOGL",qty:3},authorization:{status:"approved",
    issuer:$issuer,user:"auth0|ceo",attempted_at:1},token:{access_token:"x",token_type:"Bearer"}}]}' > forged
  run --separate-stderr stock-buy --seal-key-file key --audit-file log < forged
  [ "$status" -eq 65 ]
  holds '.calls[0].result.error == "refused"'
  [ "$(jq -r .event log)" == refused ]
  echo '{"calls":[{"id":"c","name":"t","arguments":{}}]}' > new
  run --separate-stderr tool-run --tool t --without-approval -- sh -c 'kill -9 $PPID' < new
  [ "$status" -eq 74 ]
  [ "$output" == "$(cat new)" ]
}
