# shellcheck source=helper.bash
load helper

# An approved order, with a token that contains it: an_order [TICKER] [QTY]
an_order() {
  a_call "$@" | ciba-authorize -m 'Buy \(.qty) \(.ticker)' -d '{type:"order",ticker,qty}' | ciba-poll
}

@test "an approved call is ordered at the broker: on paper, as a market order, under the key" {
  sandbox --approve yes --delay 0
  an_order brk.b 3 > approved
  run --separate-stderr stock-buy --broker alpaca < approved
  echo "$stderr $output"
  [ "$status" -eq 0 ]
  holds '.calls[0] | .result.status == 200 and .result.content.status == "OK" and .result.content.order.status == "accepted" and (has("token") | not)'
  [ "$(orders)" == '[{"ticker":"BRK.B","qty":3}]' ]
  [ "$(requests /v2/orders '.body | del(.client_order_id)')" == '{"symbol":"BRK.B","qty":"3","side":"buy","type":"market","time_in_force":"day"}' ]
  [ "$(requests /v2/orders '.body.client_order_id | length')" -eq 43 ]
  [ "$(requests /v2/orders .authorization)" == null ] # the user's token is not the broker's business
  no grep -qF -e "$APCA_API_SECRET_KEY" requests
}

@test "the whole flow at the broker" {
  sandbox --approve yes --delay 0
  stock-buy --describe > buy.json
  run bash -o pipefail -c "llm-chat -n -t buy.json 'Buy 3 stocks of Google' | ciba-authorize -m Buy -d '{type:\"order\",ticker,qty}' | ciba-poll |
    stock-buy --broker alpaca | llm-chat -r"
  [ "$status" -eq 0 ]
  [ "$output" == "I bought 3 shares of GOOGL for you." ]
}

@test "run again, it is one order: the broker is asked what it has under the key" {
  sandbox --approve yes --delay 0
  an_order > approved
  stock-buy --broker alpaca < approved > first
  jq -e '.calls[0].result.content.order.id | length > 0' first
  run --separate-stderr stock-buy --broker alpaca < approved
  [ "$status" -eq 0 ]
  [ "$(jq -c .calls[0].result.content.order.id <<< "$output")" == "$(jq -c .calls[0].result.content.order.id first)" ]
  [ "$(orders)" == '[{"ticker":"GOOGL","qty":3}]' ]
}

@test "where the answer is lost the order is looked up; if it is not there, a rerun places it" {
  for fault in '{drop:true,after:true}' '{status:504,body:"",after:true}'; do
    jq -n "[{path:\"/v2/orders\"} + $fault]" > faults
    sandbox --approve yes --delay 0 --faults-file faults
    run --separate-stderr stock-buy --broker alpaca < <(an_order)
    echo "$fault: $status $stderr"
    [ "$status" -eq 0 ]
    holds '.calls[0].result.content.order.status == "accepted"'
    kill "$CIBA_SANDBOX_PID"
  done
  for fault in '{drop:true}' '{status:500,body:""}' '{status:429,body:{}}'; do
    jq -n "[{path:\"/v2/orders\"} + $fault]" > faults
    sandbox --approve yes --delay 0 --faults-file faults
    run --separate-stderr stock-buy --broker alpaca < <(an_order)
    echo "$fault: $status $stderr"
    [ "$status" -eq 69 ]
    [[ $stderr == *"it places the order once"* ]]
    echo "$output" > again
    run --separate-stderr stock-buy --broker alpaca < again
    [ "$status" -eq 0 ]
    [ "$(orders)" == '[{"ticker":"GOOGL","qty":3}]' ]
    kill "$CIBA_SANDBOX_PID"
  done
}

@test "the broker's refusals are told in words" {
  sandbox --approve yes --delay 0
  run --separate-stderr stock-buy --broker alpaca < <(an_order GOOGL 5000)
  [ "$status" -eq 77 ]
  [[ $stderr == *"insufficient buying power; the account may not do this"* ]]
  holds '.calls[0].result | .error == "order_refused" and .content == "The broker refuses the order: insufficient buying power. Nothing was bought."'
  APCA_API_SECRET_KEY=wrong run --separate-stderr stock-buy --broker alpaca < <(an_order)
  [ "$status" -eq 77 ]
  [[ $stderr == *"unauthorized; check APCA_API_KEY_ID"* ]]
  kill "$CIBA_SANDBOX_PID"
  jq -n '[{path:"/v2/orders",status:422,body:{code:40010001,message:"qty must be integer"}}]' > faults
  sandbox --approve yes --delay 0 --faults-file faults
  run --separate-stderr stock-buy --broker alpaca < <(an_order)
  [ "$status" -eq 65 ]
  [[ $stderr == *"qty must be integer"* ]]
}

# Each row: a change to an approved document, words of the message.
@test "the approval is checked here: a token that is forged, of another request, user, API or scope is refused" {
  sandbox --approve yes --delay 0
  an_order > approved
  narrow=$(a_call | ciba-authorize -m Buy -s openid -d '{type:"order",ticker,qty}' | ciba-poll | jq -r '.calls[0].token.access_token')
  while IFS='~' read -r change words; do
    jq -c --arg narrow "$narrow" "$change" approved > changed
    run --separate-stderr stock-buy --broker alpaca < changed
    echo "$change: $status $stderr"
    [ "$status" -eq 65 ]
    holds '.calls[0].result.error == "refused"'
    [[ $stderr == *"$words"* ]]
  done <<'END'
.calls[0].token.access_token = "opaque"~does not hold
.calls[0].token.access_token |= .[:-4] + "AAAA"~does not hold
.calls[0].token.access_token = .calls[0].token.id_token~'aud'
.calls[0].token.access_token = $narrow~lacks the scope
.calls[0].authorization.auth_req_id = "another"~another request
.calls[0].authorization.user = "mallory"~not of the user
END
  AUDIENCE=https://other/ run stock-buy --broker alpaca < approved
  [ "$status" -eq 65 ]
  [ "$(orders)" == '[]' ]
}

@test "real money only with --live; settings that are missing are named" {
  sandbox
  APCA_API_BASE_URL=https://api.alpaca.markets run stock-buy --broker alpaca < /dev/null
  [ "$status" -eq 78 ]
  [[ $output == *"is the real account; --live says that you mean it"* ]]
  APCA_API_BASE_URL=https://api.alpaca.markets run stock-buy --broker alpaca --live < /dev/null
  [ "$status" -eq 0 ]
  APCA_API_KEY_ID='' run stock-buy --broker alpaca < /dev/null
  [ "$status" -eq 78 ]
  AUDIENCE='' run stock-buy --broker alpaca < /dev/null
  [ "$status" -eq 78 ]
  run stock-buy --broker other < /dev/null
  [ "$status" -eq 64 ]
  run stock-buy --live < /dev/null
  [ "$status" -eq 64 ]
}

@test "the real account is known in every spelling of its address" {
  nowhere
  export APCA_API_KEY_ID=k APCA_API_SECRET_KEY=s AUDIENCE=a
  for url in https://api.alpaca.markets HTTPS://API.Alpaca.Markets/ https://api.alpaca.markets. https://api%2ealpaca.markets https://api.alpaca.markets:443/v2; do
    APCA_API_BASE_URL=$url run --separate-stderr stock-buy --broker alpaca < /dev/null
    echo "$url: $status $stderr"
    [ "$status" -eq 78 ]
    [[ $stderr == *--live* ]]
  done
}
