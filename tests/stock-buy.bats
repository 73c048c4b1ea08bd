# shellcheck source=helper.bash
load helper

@test "--describe prints the tool's definition" {
  run --separate-stderr stock-buy --describe
  [ "$status" -eq 0 ]
  holds '.type == "function" and .function.name == "buy" and .function.parameters.required == ["ticker","qty"]'
  run --separate-stderr stock-buy --describe --tool order
  holds '.function.name == "order"'
}

@test "an approved call is ordered, with the token, once; the token is gone then" {
  sandbox --approve yes --delay 0
  an_approved_call > approved
  run --separate-stderr stock-buy < approved
  [ "$status" -eq 0 ]
  holds '.calls[0] | has("token") | not'
  holds '.calls[0].result | .status == 200 and .content.status == "OK" and .content.body.ticker == "GOOGL" and (has("error") | not)'
  [ "$(orders)" == '[{"ticker":"GOOGL","qty":3}]' ]
  [ "$(requests /stocks '[.authorization,.body,.content_type]')" == '["Bearer",{"ticker":"GOOGL","qty":3},"application/json"]' ]
  echo "$output" > bought
  run --separate-stderr stock-buy < bought
  [ "$output" == "$(cat bought)" ]
  [ "$(count /stocks)" -eq 1 ]
}

@test "the model is told the status text alone where the body is no JSON, and any 2xx is a success" {
  jq -n '[{path:"/stocks",status:201,body:"<p>done</p>"},{path:"/stocks",status:204,body:""}]' > faults
  sandbox --approve yes --delay 0 --faults-file faults
  an_approved_call > approved
  run --separate-stderr stock-buy < approved
  [ "$status" -eq 0 ]
  holds '.calls[0].result == {status:201,content:"Created"}'
  run --separate-stderr stock-buy < approved
  [ "$status" -eq 0 ]
  holds '.calls[0].result == {status:204,content:"No Content"}'
}

@test "a denied, expired or failed call gets the refusal, and nothing is sent" {
  sandbox
  while read -r state expected words; do
    echo "{\"calls\":[{\"id\":\"c\",\"name\":\"buy\",\"arguments\":{},\"token\":{\"access_token\":\"t\"},\"authorization\":{\"status\":\"$state\",\"error\":\"invalid_client\",\"auth_req_id\":\"x\"}}]}" > in
    run --separate-stderr stock-buy < in
    [ "$status" -eq "$expected" ]
    holds ".calls[0].result | .error == \"$state\" and (.content | test(\"$words.*Nothing was done\"))"
    holds '.calls[0] | has("token") | not'
  done <<'END'
denied 1 denied the request
expired 1 did not answer in time
failed 77 could not be asked .invalid_client
END
  [ "$(count /stocks)" -eq 0 ]
}

@test "a call that nobody was asked about, or that is pending, is not executed: 75" {
  sandbox --approve never
  run --separate-stderr stock-buy < <(a_call)
  [ "$status" -eq 75 ]
  [[ $stderr == *"run ciba-authorize first"* ]]
  [ "$output" == "$(a_call)" ]
  a_call | ciba-authorize -m Buy > asked
  run --separate-stderr stock-buy < asked
  [ "$status" -eq 75 ]
  [[ $stderr == *"run ciba-poll first"* ]]
  [ "$output" == "$(cat asked)" ]
  [ "$(count /stocks)" -eq 0 ]
}

# Each row: a change to an approved document, exit status, words of the message.
@test "what was approved is what runs: anything changed since is refused" {
  sandbox --approve yes --delay 0
  a_call | ciba-authorize -m Buy -d '{type:"order",ticker,qty}' | ciba-poll > approved
  while IFS='~' read -r change expected words; do
    jq -c "$change" approved > changed
    run --separate-stderr stock-buy < changed
    echo "$change: $status $stderr $output"
    [ "$status" -eq "$expected" ]
    holds '.calls[0] | .result.error == "refused" and (has("token") | not)'
    [[ $stderr == *"buy: refused: "*"$words"* ]]
  done <<'END'
.calls[0].arguments.qty = 3000~65~not what was approved
.calls[0].arguments.ticker = "AAPL"~65~not what was approved
.calls[0].arguments.more = 1~65~not what was approved
.calls[0].authorization.call_digest = "sha-256:x"~65~not what was approved
del(.calls[0].authorization.call_digest)~65~not what was approved
del(.calls[0].token)~65~no access token
.calls[0].token.access_token = ""~65~characters that no token has
.calls[0].token.access_token = "a\r\nX: y"~65~characters that no token has
.calls[0].token.access_token = 1~65~no access token
.calls[0].token.token_type = "DPoP"~78~bound to a key
.calls[0].token.expires_at = 1~1~has expired
.calls[0].token.authorization_details[0].qty = 4~65~not what was asked
.calls[0].token.authorization_details += [{type:"x"}]~65~not what was asked
del(.calls[0].authorization.authorization_details)~65~not what was asked
.calls[0].authorization.authorization_details[0].qty = 4 | del(.calls[0].token.authorization_details)~65~not what was asked
END
  [ "$(count /stocks)" -eq 0 ]
  # members that the provider adds to a detail are no contradiction
  jq -c '.calls[0].token.authorization_details[0].added = true' approved > added
  run --separate-stderr stock-buy < added
  [ "$status" -eq 0 ]
  [ "$(orders)" == '[{"ticker":"GOOGL","qty":3}]' ]
}

@test "ticker and quantity are checked before anything is sent" {
  sandbox --approve yes --delay 0
  while IFS='~' read -r arguments words; do
    echo "{\"calls\":[{\"id\":\"c\",\"name\":\"buy\",\"arguments\":$arguments}]}" |
      ciba-authorize -m 'Buy' | ciba-poll > approved
    run --separate-stderr stock-buy < approved
    echo "$arguments: $status $stderr"
    [ "$status" -eq 65 ]
    holds '.calls[0].result | .error == "invalid_arguments" and (.content | test("Nothing was bought"))'
    [[ $stderr == *"$words"* ]]
  done <<'END'
{}~ticker
{"ticker":"","qty":1}~ticker
{"ticker":"ABCDEFGHIJKLMNOP","qty":1}~ticker
{"ticker":"A B","qty":1}~ticker
{"ticker":"Ä","qty":1}~ticker
{"ticker":"A\u0000B","qty":1}~ticker
{"ticker":"../x","qty":1}~ticker
{"ticker":7,"qty":1}~ticker
{"ticker":"A"}~qty
{"ticker":"A","qty":"3"}~qty
{"ticker":"A","qty":0}~qty
{"ticker":"A","qty":-3}~qty
{"ticker":"A","qty":1.5}~qty
{"ticker":"A","qty":1e+300}~qty
{"ticker":"A","qty":null}~qty
END
  [ "$(count /stocks)" -eq 0 ]
  an_approved_call brk.b 1 | stock-buy > /dev/null
  [ "$(orders)" == '[{"ticker":"BRK.B","qty":1}]' ]
}

# Each row: the answer, exit status, result's error.
@test "a refused order is told to the model as it was" {
  while IFS='|' read -r answer expected content; do
    jq -n "[{path:\"/stocks\"} + ($answer)]" > faults
    sandbox --approve yes --delay 0 --faults-file faults
    run --separate-stderr stock-buy < <(an_approved_call)
    kill "$CIBA_SANDBOX_PID"
    echo "$answer: $status $stderr $output"
    [ "$status" -eq "$expected" ]
    holds ".calls[0].result | .error == \"order_refused\" and .content == $content"
  done <<'END'
{status:401,body:"no"}|77|"Unauthorized"
{status:403,body:{message:"insufficient funds"}}|77|{status:"Forbidden",body:{message:"insufficient funds"}}
{status:422,body:{x:1}}|65|{status:"Unprocessable Content",body:{x:1}}
END
}

# Each row: the challenge of the API's 401, words of the message; "no" for none of these.
@test "an API that wants the user authenticated otherwise (RFC 9470): how to ask for that is said" {
  sandbox --approve yes --delay 0
  while IFS='|' read -r challenge words; do
    jq -n --arg c "$challenge" '[{path:"/stocks",status:401,headers:{"WWW-Authenticate":$c}}]' | spoil
    an_approved_call > approved
    run --separate-stderr stock-buy < approved
    echo "$challenge: $status $stderr"
    [ "$status" -eq 77 ]
    if [ "$words" == no ]; then
      [[ $stderr == *": the order was refused: HTTP 401 Unauthorized" ]]
    else
      [[ $stderr == *": the order was refused: HTTP 401 Unauthorized; the API wants the user to be authenticated otherwise$words" ]]
    fi
    holds '.calls[0].result.error == "order_refused"'
  done << 'END'
Bearer error="insufficient_user_authentication", error_description="A different level", acr_values="urn:phr push"|: ask with ciba-authorize --acr-values 'urn:phr push'
DPoP realm="x, acr_values=no", acr_values="a\"b", error=insufficient_user_authentication|, or anew: ask again
Basic realm="acr_values=\"x\"", Bearer ERROR = "insufficient_user_authentication" , acr_values = gold|: ask with ciba-authorize --acr-values 'gold'
Bearer error="insufficient_user_authentication", max_age="5"|, or anew: ask again
Bearer error="insufficient_user_authentication", acr_values="x'; rm -rf '"|, or anew: ask again
Bearer error="insufficient_user_authentication", acr_values="unclosed|: ask with ciba-authorize --acr-values 'unclosed'
Bearer error="invalid_token", acr_values="gold"|no
Bearer realm="error=insufficient_user_authentication"|no
Bearer|no
END
}

@test "where the answer is lost the outcome is unknown; a rerun has the same key and orders once" {
  for fault in '{drop:true,after:true}' '{status:503,body:"",after:true}' '{status:503,body:""}' '{drop:true}' '{status:429,body:{}}'; do
    jq -n "[{path:\"/stocks\"} + $fault]" > faults
    sandbox --approve yes --delay 0 --faults-file faults
    run --separate-stderr stock-buy < <(an_approved_call)
    echo "$fault: $status $stderr"
    [ "$status" -eq 69 ]
    [[ $stderr == *"is unknown; run stock-buy on this document again"* ]]
    holds '.calls[0] | has("token") and (has("result") | not)'
    echo "$output" > again
    run --separate-stderr stock-buy < again
    [ "$status" -eq 0 ]
    [ "$(orders)" == '[{"ticker":"GOOGL","qty":3}]' ]
    [ "$(requests /stocks .idempotency_key | sort -u | wc -l)" -eq 1 ]
    kill "$CIBA_SANDBOX_PID"
    rm requests
  done
}

@test "a server that stalls after the order is an unknown outcome, in bounded time" {
  sandbox --approve yes --delay 0
  an_approved_call > approved
  printf 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n' > answer
  raw_server stall answer
  STOCK_API_URL=$raw/stocks run --separate-stderr stock-buy --max-time 0.5 < approved
  [ "$status" -eq 69 ]
  [[ $stderr == *"whether the order was placed is unknown"* ]]
}

@test "an API that cannot be reached: the order was not sent, and the document can be run again" {
  sandbox --approve yes --delay 0
  an_approved_call > approved
  STOCK_API_URL=http://127.0.0.1:9/ run --separate-stderr stock-buy < approved
  [ "$status" -eq 69 ]
  [[ $stderr == *"the order was not sent; run stock-buy"* ]]
  [ "$output" == "$(cat approved)" ]
}

@test "the key is another for another approval or another call" {
  sandbox --approve yes --delay 0
  an_approved_call > one
  an_approved_call > two
  stock-buy < one > /dev/null
  stock-buy < two > /dev/null
  [ "$(requests /stocks .idempotency_key | sort -u | wc -l)" -eq 2 ]
}

@test "an order whose outcome cannot be written is reported on stderr" {
  [ -w /dev/full ] || skip "there is no /dev/full"
  sandbox --approve yes --delay 0
  an_approved_call > approved
  run --separate-stderr bash -c 'stock-buy < approved > /dev/full'
  [ "$status" -eq 74 ]
  [[ $stderr == *'buy: its result could not be written: {"status":200'*'GOOGL'* ]]
  run --separate-stderr bash -c 'set -o pipefail; stock-buy < approved | true'
  [[ $status -eq 0 || $stderr == *"Broken pipe"* ]]
}

@test "calls of other tools pass" {
  sandbox --approve yes --delay 0
  an_approved_call > approved
  run --separate-stderr stock-buy --tool order < approved
  [ "$status" -eq 0 ]
  [ "$output" == "$(cat approved)" ]
}

@test "the token is in no message" {
  sandbox --approve yes --delay 0
  an_approved_call > approved
  token=$(jq -r '.calls[0].token.access_token' approved)
  run --separate-stderr stock-buy -v < approved
  [[ $stderr != *"$token"* && $output != *"$token"* ]]
  no grep -qF -e "$token" requests
}
