# shellcheck source=helper.bash
load helper

setup() {
  common_setup
  stock-buy --describe > buy.json
}

# A stream of OpenAI's: each argument is the data of an event.
events() {
  local data
  for data in "$@"; do printf 'data: %s\n\n' "$data"; done
}

# A chunk with a delta (jq).
delta() {
  jq -nc "{choices: [{index: 0, delta: ($1), finish_reason: null}]}"
}

finish='{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'

# llm-chat with a server that streams the file: from_stream FILE [OPTION...]
from_stream() {
  local file=$1
  shift
  jq -n --rawfile body "$file" '[{path: "/v1/chat/completions", times: 99, type: "text/event-stream", body: $body}]' > faults
  [ -z "${CIBA_SANDBOX_PID:-}" ] || kill "$CIBA_SANDBOX_PID"
  sandbox --faults-file faults
  run --separate-stderr llm-chat -n --stream "$@" hello
}

@test "cut at every byte, and fed a byte at a time, a stream comes to the same" {
  events "$(delta '{role: "assistant", content: "Grüße "}')" "$(delta '{content: "漢字🙂\n\"x\""}')" "$finish" '[DONE]' > text
  sed 's/$/\r/' text > crlf
  tr '\n' '\r' < text > cr
  { printf '\xEF\xBB\xBF: a comment\n\n:another\nid: 7\nretry: 10\nevent: message\n'; cat text; } > decorated
  sed 's/^data: /data:/' text > no-space
  head -c -1 text > no-last-newline
  head -c -2 text > no-last-line-end
  sed 's/,"finish/,\ndata: "finish/' text > several-data-lines
  sed 's/$/\r/' several-data-lines > several-data-lines-crlf
  events "$(delta '{tool_calls: [{index: 0, id: "a", type: "function", function: {name: "buy", arguments: ""}}]}')" \
    "$(delta '{tool_calls: [{index: 1, id: "b", type: "function", function: {name: "buy", arguments: "{\"ti"}}]}')" \
    "$(delta '{tool_calls: [{index: 0, function: {arguments: "{\"qty\":1}"}}, {index: 1, function: {arguments: "cker\":\"A\"}"}}]}')" \
    '{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}' \
    '{"choices":[],"usage":{"total_tokens":9}}' '[DONE]' > calls
  for file in text crlf cr decorated no-space no-last-newline no-last-line-end several-data-lines several-data-lines-crlf calls; do
    run sse-check openai "$file"
    echo "$file: $output"
    [ "$status" -eq 0 ]
    [ "$file" == calls ] || [ "${lines[1]}" == '"Grüße 漢字🙂\n\"x\""' ]
  done
  [ "$(jq -c '[.choices[0].message.tool_calls[].function.arguments]' <<< "${lines[0]}")" == '["{\"qty\":1}","{\"ticker\":\"A\"}"]' ]
}

@test "Anthropic's and the Responses API's streams too" {
  printf 'event: %s\ndata: %s\n\n' message_start '{"type":"message_start","message":{"role":"assistant","content":[],"usage":{"input_tokens":7,"output_tokens":1}}}' \
    content_block_start '{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":""}}' \
    content_block_delta '{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Hm."}}' \
    content_block_delta '{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"s1"}}' \
    content_block_stop '{"type":"content_block_stop","index":0}' ping '{"type":"ping"}' \
    content_block_start '{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}' \
    content_block_delta '{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Grüße"}}' \
    content_block_start '{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"t","name":"buy","input":{}}}' \
    content_block_delta '{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"qty\""}}' \
    content_block_delta '{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":":3}"}}' \
    content_block_stop '{"type":"content_block_stop","index":2}' \
    message_delta '{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":20}}' \
    message_stop '{"type":"message_stop"}' > claude
  run sse-check anthropic claude
  echo "$output"
  [ "$status" -eq 0 ]
  jq -e '.content[0] == {type: "thinking", thinking: "Hm.", signature: "s1"} and .content[2].input == {qty: 3} and
    .usage == {input_tokens: 7, output_tokens: 20} and .stop_reason == "tool_use"' <<< "${lines[0]}"
  printf 'event: %s\ndata: %s\n\n' response.created '{"type":"response.created","response":{}}' \
    response.output_text.delta '{"type":"response.output_text.delta","delta":"Grü"}' \
    response.output_text.delta '{"type":"response.output_text.delta","delta":"ße"}' \
    response.completed '{"type":"response.completed","response":{"status":"completed","output":[]}}' > responses
  run sse-check responses responses
  [ "$status" -eq 0 ]
  [ "${lines[1]}" == '"Grüße"' ]
}

@test "over a real connection, a byte in each packet: the same document as without a stream" {
  sandbox
  llm-chat -n -t buy.json 'Buy 3 stocks of Google and 2 of Apple' > plain
  llm-chat -n --stream -t buy.json 'Buy 3 stocks of Google and 2 of Apple' > streamed
  diff <(jq -S 'del(.. | .id?, .usage?)' plain) <(jq -S 'del(.. | .id?, .usage?)' streamed)
  [ "$(jq -c .usage plain)" == "$(jq -c .usage streamed)" ]
  curl -sN -H "Authorization: Bearer $OPENAI_API_KEY" "$OPENAI_BASE_URL/chat/completions" \
    -d '{"model":"m","stream":true,"messages":[{"role":"user","content":"Hello"}]}' > body
  { printf 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nContent-Length: %s\r\n\r\n' "$(wc -c < body)"; cat body; } > answer
  raw_server bytes answer
  run --separate-stderr env OPENAI_BASE_URL="$raw" llm-chat -nr --stream Hello
  [ "$status" -eq 0 ]
  [ "$output" == "$(llm-chat -nr Hello)" ]
}

@test "tool calls with no index, always index 0, no id: none is lost, none merged with another" {
  events "$(delta '{tool_calls: [{index: 0, id: "a", function: {name: "buy", arguments: "{\"ticker\":\"A\",\"qty\":1}"}}]}')" \
    "$(delta '{tool_calls: [{index: 0, id: "b", function: {name: "buy", arguments: "{\"ticker\":\"B\",\"qty\":2}"}}]}')" "$finish" '[DONE]' > same-index
  events "$(delta '{tool_calls: [{id: "a", function: {name: "buy", arguments: "{\"ticker\":\"A\","}}]}')" \
    "$(delta '{tool_calls: [{function: {arguments: "\"qty\":1}"}}]}')" \
    "$(delta '{tool_calls: [{id: "b", function: {name: "buy", arguments: "{\"ticker\":\"B\",\"qty\":2}"}}]}')" "$finish" '[DONE]' > no-index
  events "$(delta '{tool_calls: [{index: 0, function: {name: "buy", arguments: "{\"ticker\":\"A\",\"qty\":1}"}}]}')" \
    "$(delta '{tool_calls: [{index: 1, function: {name: "buy", arguments: {ticker: "B", qty: 2}}}]}')" "$finish" '[DONE]' > no-id
  for file in same-index no-index no-id; do
    from_stream $file -t buy.json
    echo "$file: $output $stderr"
    [ "$status" -eq 0 ]
    holds '[.calls[] | [.arguments.ticker, .arguments.qty]] == [["A",1],["B",2]] and ([.calls[].id] | unique | length == 2)'
  done
}

@test "a stream that breaks off, or tells an error, is no answer; the document goes out as it was" {
  events "$(delta '{content: "I wo"}')" > broken
  from_stream broken --retries 0
  [ "$status" -eq 69 ]
  [[ $stderr == *"broke off before its end"* ]]
  [ "$output" == '{"messages":[{"role":"user","content":"hello"}]}' ]
  events "$(delta '{content: "I wo"}')" '{"error":{"message":"no more","code":"insufficient_quota"}}' '[DONE]' > error
  from_stream error
  [ "$status" -eq 77 ]
  [[ $stderr == *"in its stream: insufficient_quota: no more; the account has no credit left"* ]]
  events 'no JSON' '[DONE]' > junk
  from_stream junk
  [ "$status" -eq 76 ]
  [[ $stderr == *"stream was not understood"* ]]
  : > empty
  from_stream empty --retries 0
  [ "$status" -eq 69 ]
}

@test "an overloaded server in mid-stream is asked again, but not once text has been shown" {
  jq -n --arg body "$(events "$(delta '{content: "I"}')" '{"error":{"type":"overloaded_error","message":"busy"}}')" \
    '[{path: "/v1/chat/completions", times: 1, type: "text/event-stream", body: ($body + "\n\n"), headers: {"retry-after-ms": "1"}}]' > faults
  sandbox --faults-file faults
  run --separate-stderr llm-chat -n --stream Hello
  [ "$status" -eq 0 ]
  [ "$(count /v1/chat/completions)" -eq 2 ]
  kill "$CIBA_SANDBOX_PID"
  rm requests
  sandbox --faults-file faults
  run --separate-stderr llm-chat -nr --stream Hello
  [ "$status" -eq 69 ]
  [ "$output" == I ]
  [ "$(count /v1/chat/completions)" -eq 1 ]
}

@test "a plain answer to a request for a stream is taken; no usage in a stream is no error" {
  jq -n '[{path: "/v1/chat/completions", body: {choices: [{message: {role: "assistant", content: "plain"}}]}}]' > faults
  sandbox --faults-file faults
  run --separate-stderr llm-chat -nr --stream hello
  [ "$output" == plain ]
  events "$(delta '{content: "x"}')" "$finish" '[DONE]' > no-usage
  from_stream no-usage
  [ "$status" -eq 0 ]
  holds 'has("usage") | not'
}

@test "at a terminal text comes as it streams, and cannot steer it; in a pipe it comes as it is" {
  script -qec true /dev/null > /dev/null 2>&1 || skip "there is no pseudo-terminal, or no script(1)"
  events "$(delta '{content: "one\u001b[2J\n"}')" "$(delta '{content: "two\u202e"}')" "$finish" '[DONE]' > steering
  from_stream steering -r
  [ "$output" == $'one\e[2J\ntwo\u202e' ]
  run script -qec "llm-chat -nr hello" /dev/null
  [ "$(tr -d '\r' <<< "$output")" == $'one?[2J\ntwo?' ]
  [ "$(requests /v1/chat/completions '.body.stream' | tail -n 1)" == true ]
}
