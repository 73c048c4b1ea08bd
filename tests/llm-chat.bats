# shellcheck source=helper.bash
load helper

# A sandbox whose model gives this answer, given as jq of the message and finish_reason: model_says JQ
model_says() {
  jq -n "[{path:\"/v1/chat/completions\", times:9, body:$1}]" > faults
  sandbox --faults-file faults
  stock-buy --describe > buy.json
}

# One choice of the model with tool calls: tool_calls NAME ARGUMENTS...
choice_of() {
  echo "{choices:[{finish_reason:\"tool_calls\",message:{role:\"assistant\",content:null,tool_calls:[$1]}}]}"
}

@test "a tool call becomes a call, with its arguments parsed, and nothing is run" {
  sandbox
  stock-buy --describe > buy.json
  run --separate-stderr llm-chat -n -t buy.json 'Buy 3 stocks of Google'
  [ "$status" -eq 0 ]
  holds '.calls == [{id: .calls[0].id, name:"buy", arguments:{ticker:"GOOGL",qty:3}}]'
  holds '.messages | length == 2 and .[0] == {role:"user",content:"Buy 3 stocks of Google"}'
  holds '.messages[1].tool_calls[0].id == .calls[0].id'
  holds '.tools[0].function.name == "buy" and .model == "sandbox-model" and .usage.total_tokens > 0'
  [ "$(orders)" == '[]' ]
}

@test "the request is what the protocol says: model, messages, tools, and no more of the document" {
  sandbox
  echo '{"secret":"x","calls":[{"id":"a","token":{"access_token":"t"},"result":1}],"messages":[{"role":"user","content":"Hi"}]}' |
    llm-chat -M other > /dev/null
  [ "$(requests /v1/chat/completions '.body')" == '{"model":"other","messages":[{"role":"user","content":"Hi"}]}' ]
  [ "$(requests /v1/chat/completions '[.authorization,.content_type]')" == '["Bearer","application/json"]' ]
}

@test "-r prints the model's text" {
  sandbox
  run --separate-stderr llm-chat -nr 'Hello'
  [ "$status" -eq 0 ]
  [[ $output == "I can buy shares"* ]]
}

@test "-r with a call that has no result prints nothing and exits 75" {
  sandbox
  stock-buy --describe > buy.json
  run --separate-stderr llm-chat -nr -t buy.json 'Buy 3 stocks of Google'
  [ "$status" -eq 75 ]
  [ -z "$output" ]
  [[ $stderr == *"has no result yet"* ]]
}

@test "-S is the system message, a PROMPT continues the conversation" {
  sandbox
  run --separate-stderr bash -c "llm-chat -n -S 'Be brief.' Hello | llm-chat 'And now?'"
  [ "$status" -eq 0 ]
  holds '[.messages[].role] == ["system","user","assistant","user","assistant"]'
  holds '.messages[0].content == "Be brief." and .messages[3].content == "And now?"'
  holds '.usage.total_tokens > 20'
}

@test "usage is added up, members of members too" {
  model_says '{choices:[{finish_reason:"stop",message:{role:"assistant",content:"Hi"}}], usage:{total_tokens:7, details:{cached:2}, kind:"x"}}'
  run --separate-stderr bash -c 'llm-chat -n a | llm-chat b | llm-chat c'
  holds '.usage == {total_tokens:21, details:{cached:6}, kind:"x"}'
}

@test "-t takes a definition, a bare function and arrays, and a tool of the same name replaces the other in its place" {
  sandbox
  echo '[{"type":"function","function":{"name":"a"}},{"name":"b","parameters":{}}]' > two
  echo '{"name":"a","description":"newer"}' > one
  run --separate-stderr llm-chat -n -t two -t one Hello
  holds '[.tools[] | [.type, .function.name]] == [["function","a"],["function","b"]]'
  holds '.tools[0].function.description == "newer"'
  echo '{"type":"function"}' > bad
  run llm-chat -n -t bad Hello
  [ "$status" -eq 65 ]
  [[ $output == *"bad: a tool definition has no function with a name"* ]]
  echo '{' > bad
  run llm-chat -n -t bad Hello
  [ "$status" -eq 65 ]
}

@test "results go to the model once all calls have one, in the order of the calls" {
  sandbox
  stock-buy --describe > buy.json
  llm-chat -n -t buy.json 'Buy 3 stocks of Google and 2 of Apple' > both-asked
  jq -c '.calls[1].result = {content:"OK"}' both-asked > half
  run --separate-stderr llm-chat < half
  [ "$status" -eq 0 ]
  [ "$output" == "$(cat half)" ]
  jq -c '.calls[0].result = {content:{status:"OK",body:{x:1}}}' half > both
  run --separate-stderr llm-chat < both
  holds '[.messages[].role] == ["user","assistant","tool","tool","assistant"]'
  holds '[.messages[2,3].content] == ["{\"status\":\"OK\",\"body\":{\"x\":1}}","OK"]'
  holds '.messages[2].tool_call_id == .calls[0].id'
  holds '.messages[4].content == "I bought 3 shares of GOOGL for you.\nI bought 2 shares of AAPL for you."'
}

@test "its own output is not sent again" {
  sandbox
  llm-chat -n Hello > first
  run --separate-stderr llm-chat < first
  [ "$status" -eq 0 ]
  [ "$output" == "$(cat first)" ]
  [ "$(count /v1/chat/completions)" -eq 1 ]
}

@test "arguments that are no JSON go back to the model, once" {
  sandbox
  stock-buy --describe > buy.json
  run --separate-stderr llm-chat -n -t buy.json 'call buy {"ticker":'
  # the sandbox's model fails when asked to
  [ "$status" -eq 0 ]
  [ "$(count /v1/chat/completions)" -eq 2 ]
  holds '.calls[0].result.error == "invalid_arguments" and .calls[0].arguments == "{\"ticker\":"'
  holds '.messages[2].role == "tool" and (.messages[2].content | test("not valid"))'
  [[ $stderr == *"its arguments are not valid"* ]]
}

@test "arguments that the schema does not allow, and unknown tools, go back to the model" {
  sandbox
  stock-buy --describe > buy.json
  while IFS='~' read -r what why; do
    run --separate-stderr llm-chat -n -t buy.json "call $what"
    [ "$status" -eq 0 ]
    [[ $stderr == *"$why"* ]] || { echo "$what: $stderr"; return 1; }
    holds '.calls[0].result.error == "invalid_arguments"'
  done <<'END'
buy {"ticker":"GOOGL"}~lacks the required qty
buy {"ticker":"GOOGL","qty":"3"}~qty: must be of type
buy {"ticker":"GOOGL","qty":0}~qty: is too small
buy {"ticker":"GOOGL","qty":1.5}~qty: must be of type
buy {"ticker":"","qty":1}~ticker: is too short
buy {"ticker":"GOOGL","qty":1,"limit":2}~limit: is not an argument
buy {"ticker":"GOOGL","qty":3,"qty":3000}~member twice
buy []~they are not a JSON object
sell {"ticker":"GOOGL","qty":1}~there is no tool 'sell'
END
  # jq 1.7 can keep it
  run --separate-stderr llm-chat -n -t buy.json 'call buy {"ticker":"GOOGL","qty":9007199254740993}'
  [ "$status" -eq 0 ]
  [[ $stderr == *rounded* || $output == *'"arguments":{"ticker":"GOOGL","qty":9007199254740993}'* ]]
}

@test "a model that stays wrong is asked twice, then 76" {
  model_says "$(choice_of '{id:"x",type:"function",function:{name:"sell",arguments:"{}"}}')"
  run --separate-stderr llm-chat -n -t buy.json hello
  [ "$status" -eq 76 ]
  [ "$(count /v1/chat/completions)" -eq 2 ]
  [[ $stderr == *"still not valid"* ]]
}

@test "a wrong call does not take a right one of the same answer with it" {
  model_says "$(choice_of '{id:"x",type:"function",function:{name:"sell",arguments:"{}"}},{id:"y",type:"function",function:{name:"buy",arguments:"{\"ticker\":\"A\",\"qty\":1}"}}')"
  run --separate-stderr llm-chat -n -t buy.json hello
  [ "$status" -eq 0 ]
  holds '[.calls[] | has("result")] == [true,false]'
  holds '.messages | length == 2'
}

@test "missing and repeated ids, empty arguments and arguments as an object are made right" {
  model_says "$(choice_of '{function:{name:"buy",arguments:{ticker:"A",qty:1}}},{id:"x",function:{name:"buy",arguments:{ticker:"B",qty:2}}},{id:"x",function:{name:"buy",arguments:{ticker:"C",qty:3}}},{id:"z",type:"function",function:{name:"list",arguments:""}}')"
  echo '{"name":"list","parameters":{"type":"object"}}' > list.json
  run --separate-stderr llm-chat -n -t buy.json -t list.json hello
  [ "$status" -eq 0 ]
  holds '[.calls[].id] | (unique | length) == 4 and all(length > 0)'
  holds '[.calls[].id] == [.messages[1].tool_calls[].id]'
  holds '.calls[0].arguments.qty == 1 and .calls[3].arguments == {}'
  holds '.messages[1].tool_calls | all(.type == "function" and (.function.arguments | type) == "string")'
}

# Each row: the server's answer (jq), the exit status, and words of the message.
@test "each failure of the server has its exit status and says what to do; the document goes out" {
  sandbox
  while IFS='|' read -r answer expected words; do
    jq -n "[{path:\"/v1/chat/completions\"} + ($answer)]" > faults
    kill "$CIBA_SANDBOX_PID"
    sandbox --faults-file faults
    run --separate-stderr llm-chat -n --retries 0 'Hello'
    echo "$answer: $status, $stderr"
    [ "$status" -eq "$expected" ]
    [[ $stderr == *"$words"* ]]
    [ "$output" == '{"messages":[{"role":"user","content":"Hello"}]}' ]
  done <<'END'
{body:{choices:[]}}|76|no choices; is OPENAI_BASE_URL
{body:{}}|76|no choices
{body:{choices:[{}]}}|76|no choices
{body:[1]}|76|is the server's address right
{body:"<html>busy</html>"}|76|its answer is not JSON
{body:""}|76|its answer is not JSON: empty
{body:"{\"a\":1,\"a\":2}"}|76|same member twice
{status:200,body:{error:{message:"overloaded"}}}|76|overloaded
{status:401,body:{error:{message:"Incorrect API key",code:"invalid_api_key"}}}|77|Incorrect API key; check the API key
{status:403,body:"no"}|77|HTTP 403 Forbidden
{status:404,body:{error:{message:"no such model",code:"model_not_found"}}}|78|no such model; check --model
{status:404,body:{detail:"Not Found"}}|78|Not Found; check the model
{status:400,body:{error:{message:"too long",code:"context_length_exceeded"}}}|65|too long; shorten
{status:400,body:{error:"ollama says no"}}|76|ollama says no
{status:400,body:{error:{message:"registry.ollama.ai/m does not support tools",type:"invalid_request_error"}}}|78|this model takes no tools
{status:429,body:{error:{message:"slow"}}}|69|slow; too many requests
{status:429,body:{error:{message:"pay",code:"insufficient_quota"}}}|77|pay; the account has no credit
{status:500,body:"oops",headers:{"x-request-id":"req_7"}}|69|request req_7; try again later
{status:302,headers:{Location:"http://127.0.0.1:9/"}}|76|HTTP 302
{drop:true}|69|127.0.0.1
{body:{choices:[{finish_reason:"content_filter",message:{role:"assistant",content:""}}]}}|77|content filter
{body:{choices:[{finish_reason:"length",message:{role:"assistant",tool_calls:[{id:"a",function:{name:"buy",arguments:"{"}}]}}]}}|69|cut off within a tool call
END
}

@test "an answer that was cut off is kept, with a warning" {
  model_says '{choices:[{finish_reason:"length",message:{role:"assistant",content:"I wo"}}]}'
  run --separate-stderr llm-chat -nr hello
  [ "$status" -eq 0 ]
  [ "$output" == "I wo" ]
  [[ $stderr == *"cut off; raise --max-tokens"* ]]
}

@test "finish_reason is not trusted: calls count, and unknown or missing reasons are no error" {
  model_says '{choices:[{finish_reason:"stop",message:{content:null,tool_calls:[{id:"a",function:{name:"buy",arguments:"{\"ticker\":\"A\",\"qty\":1}"}}]}}]}'
  run --separate-stderr llm-chat -n -t buy.json hello
  [ "$status" -eq 0 ]
  holds '.calls[0].arguments.qty == 1 and .messages[1].role == "assistant"'
}

@test "text in parts and a refusal are printed" {
  model_says '{choices:[{message:{role:"assistant",content:[{type:"text",text:"One "},{type:"text",text:"two"}]}}]}'
  run --separate-stderr llm-chat -nr hello
  [ "$output" == "One two" ]
  kill "$CIBA_SANDBOX_PID"
  model_says '{choices:[{message:{role:"assistant",content:null,refusal:"I will not."}}]}'
  run --separate-stderr llm-chat -nr hello
  [ "$output" == "I will not." ]
}

@test "--max-tokens is sent, and the key is not in any output" {
  sandbox
  run llm-chat -nv --max-tokens 50 hello
  [ "$status" -eq 0 ]
  [ "$(requests /v1/chat/completions '.body.max_tokens')" == 50 ]
  [[ $output != *"$OPENAI_API_KEY"* ]]
  no grep -q "$OPENAI_API_KEY" requests
}

@test "the schema's keywords are kept" {
  sandbox
  cat > tool.json <<'END'
{"name":"t","parameters":{"type":"object","properties":{
 "e":{"enum":["a","b"]},"c":{"const":{"x":1}},"m":{"maximum":5,"exclusiveMinimum":0},"k":{"multipleOf":5},
 "s":{"type":"string","maxLength":3,"pattern":"^[a-c]*$"},"l":{"type":"array","items":{"type":"integer"},"minItems":1,"maxItems":2,"uniqueItems":true},
 "p":{"prefixItems":[{"type":"string"}],"items":false},
 "any":{"anyOf":[{"type":"string"},{"type":"null"}]},"one":{"oneOf":[{"type":"number"},{"type":"integer"}]},
 "all":{"allOf":[{"minimum":1},{"maximum":2}]},"not":{"not":{"type":"string"}},"ref":{"$ref":"#/$defs/r"},"types":{"type":["string","null"]},
 "o":{"type":"object","minProperties":1,"additionalProperties":{"type":"boolean"}},"loop":{"$ref":"#/properties/loop"}},
 "$defs":{"r":{"type":"boolean"}}}}
END
  good='{"e":"a","c":{"x":1},"m":5,"k":10,"s":"abc","l":[1,2],"p":["x"],"any":null,"one":1.5,"all":2,"not":1,"ref":true,"types":null,"o":{"a":true}}'
  run --separate-stderr llm-chat -n -t tool.json "call t $good"
  holds '.calls[0] | has("result") | not'
  while read -r bad; do
    run --separate-stderr llm-chat -n -t tool.json "call t $bad"
    holds '.calls[0].result.error == "invalid_arguments"' || { echo "accepted: $bad"; return 1; }
  done <<'END'
{"e":"c"}
{"c":{"x":2}}
{"m":6}
{"m":0}
{"k":7}
{"s":"abca"}
{"s":"abd"}
{"l":[]}
{"l":[1,2,3]}
{"l":[1,1]}
{"l":[1.5]}
{"p":[1]}
{"p":["x","y"]}
{"any":1}
{"one":1}
{"all":3}
{"not":"x"}
{"ref":1}
{"types":1}
{"o":{}}
{"o":{"a":1}}
{"loop":1}
END
}

@test "a prompt without a document on stdin asks nothing, says so, and exits 65" {
  sandbox
  run --separate-stderr llm-chat Hello < /dev/null
  [ "$status" -eq 65 ]
  [[ $stderr == *"nothing was asked: stdin has no document; -n starts one"* ]]
  run --separate-stderr llm-chat < /dev/null
  [ "$status" -eq 0 ]
}
