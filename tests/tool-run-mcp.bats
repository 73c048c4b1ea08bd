# tool-run --mcp: approved calls are made at an MCP server.
# shellcheck source=helper.bash
load helper

setup() {
  common_setup
  server
}

# An MCP server, ./server, of the newest revision, with the tools `t` and `u`. It writes what it hears into `heard`.
# What it does otherwise stands in ./behave: functions that use $line, the request.
server() {
  cat > server <<'END'
#!/bin/bash
# answer RESULT, refuse CODE [DATA]: JSON
answer() { jq -c --argjson result "$1" '{jsonrpc, id, result: $result}' <<< "$line"; }
refuse() { jq -c --argjson code "$1" --argjson data "${2:-null}" '{jsonrpc, id, error: {code: $code, message: "No", data: $data}}' <<< "$line"; }
text() { jq -nc --arg text "$1" '{resultType: "complete", content: [{type: "text", text: $text}]}'; }
discover() { answer '{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}}}'; }
initialize() { refuse -32601; }
old() { # a server of an older revision: old VERSION
  discover() { refuse -32601; }
  eval "initialize() { answer '{\"protocolVersion\":\"$1\",\"capabilities\":{\"tools\":{}},\"serverInfo\":{\"name\":\"s\",\"version\":\"1\"}}'; }"
}
list() { answer '{"resultType":"complete","tools":[{"name":"t","description":"It does","inputSchema":{"type":"object","properties":{"release":{"type":"number"}}},"annotations":{"readOnlyHint":true}},{"name":"u","inputSchema":{"type":"object"}}]}'; }
call() { answer "$(text "did $(jq -c '[.params.name, .params.arguments]' <<< "$line")")"; }
other() { :; }
. ./behave
while IFS= read -r line; do
  printf '%s\n' "$line" >> heard
  case $(jq -r .method <<< "$line") in
    server/discover) discover ;;
    initialize) initialize ;;
    tools/list) list ;;
    tools/call) call ;;
    *) other ;;
  esac
done
END
  chmod +x server
  : > behave
  : > heard
}

# The calls that the server has heard of: called [JQ]
called() {
  jq -c "select(.method == \"tools/call\") | ${1:-.params.name}" heard
}

# A call of a tool: a_tool NAME [ARGUMENTS] [ID]
a_tool() {
  local arguments=${2:-}
  [ -n "$arguments" ] || arguments='{}'
  jq -nc --arg name "$1" --argjson arguments "$arguments" --arg id "${3:-c}" '{calls: [{id: $id, name: $name, arguments: $arguments}]}'
}

approved() {
  a_tool "$@" | ciba-authorize -m 'Do it' | ciba-poll
}

# tool-run --mcp with the server: at_server [OPTION...]
at_server() {
  timeout 200 tool-run --mcp "$@" -- ./server
}

@test "a server's tools go to the model, its call to the user, the approved call to the server, and the result back" {
  sandbox --approve yes --delay 0
  at_server --describe > tools.json
  llm-chat -n -t tools.json 'call t {"release":42}' | ciba-authorize -m 'Release \(.release)' | ciba-poll > approved
  called > calls
  empty calls
  at_server < approved > done.json
  jq -e '.calls[0] | .result == {content: "did [\"t\",{\"release\":42}]"} and (has("token") | not)' done.json
  [ "$(called '.params | .name, .arguments')" == $'"t"\n{"release":42}' ]
  llm-chat -r < done.json
  requests /v1/chat/completions '.body.messages[-1].content' | tail -n 1 > told
  grep -F 'did [' told
  # what is done is not done again
  at_server < done.json > again
  cmp done.json again
  [ "$(called | wc -l)" -eq 1 ]
}

@test "of a call that was denied, has expired, was changed or is not decided, the server never hears" {
  sandbox --approve no --delay 0
  approved t > denied || true
  sandbox --approve yes --delay 0
  approved t '{"n":1}' | jq -c '.calls[0].arguments.n = 2' > changed
  approved t | jq -c '.calls[0].name = "u"' > renamed
  approved t | jq -c '.calls[0].token.expires_at = 1' > old
  a_tool t > new
  while IFS='|' read -r file ended error; do
    run --separate-stderr at_server < "$file"
    echo "$file: $status $output $stderr"
    attack
    [ "$status" -eq "$ended" ]
    holds ".calls[0].result.error == $error"
  done <<'END'
denied|1|"denied"
changed|65|"refused"
renamed|65|"refused"
old|1|"refused"
new|75|null
END
  called > calls
  empty calls
  attacks
}

@test "only the tools of --tool are called; without it all that the server lists, and no other" {
  for name in t u v; do a_tool "$name"; done > in
  at_server --without-approval --tool u --tool v < in > out
  [ "$(called | paste -sd' ')" == '"u" "v"' ]
  : > heard
  exits 64 at_server --without-approval < in 2> said
  grep -q 'name the tools with --tool' said
  sandbox --approve yes --delay 0
  for name in t u v; do approved "$name"; done > in
  at_server < in > out
  [ "$(called | paste -sd' ')" == '"t" "u"' ]
  jq -se '[.[].calls[0] | has("result")] == [true, true, false]' out
}

@test "--describe prints the server's tools for llm-chat -t, with --tool only those; one that is missing: 78" {
  run --separate-stderr at_server --describe
  [ "$status" -eq 0 ]
  holds '. == [{type: "function", function: {name: "t", description: "It does", parameters: {type: "object", properties: {release: {type: "number"}}}}}, {type: "function", function: {name: "u", parameters: {type: "object"}}}]'
  run --separate-stderr at_server --describe --tool u
  holds 'map(.function.name) == ["u"]'
  run --separate-stderr at_server --describe --tool u --tool none
  [ "$status" -eq 78 ]
  [ -z "$output" ]
  [[ $stderr == *"no tool 'none'"* ]]
}

@test "a list of tools in pages is read to its end; one without end is refused: 76" {
  cat > behave <<'END'
list() {
  case $(jq -r '.params.cursor' <<< "$line") in
    null) answer '{"resultType":"complete","tools":[{"name":"a"}],"nextCursor":"2"}' ;;
    2) answer '{"resultType":"complete","tools":[],"nextCursor":""}' ;;
    *) answer '{"resultType":"complete","tools":[{"name":"b"}]}' ;;
  esac
}
END
  run --separate-stderr at_server --describe
  holds 'map(.function.name) == ["a", "b"]'
  for list in '{"tools":[],"nextCursor":"x"}' '{"tools":{}}' '{"tools":[{"name":7}]}' '{"tools":[{}]}' '[]' \
    "$(jq -nc '{tools: [range(10001) | {name: "t\(.)"}]}')"; do
    printf '%s' "$list" > list
    # the endless one is answered without a process for each page
    cat > behave <<'END'
list() {
  local rest=${line#*\"id\":}
  printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "${rest%%,*}" "$(< list)"
  while [ "$(< list)" == '{"tools":[],"nextCursor":"x"}' ] && IFS= read -r line; do
    rest=${line#*\"id\":}
    printf '{"jsonrpc":"2.0","id":%s,"result":{"tools":[],"nextCursor":"x"}}\n' "${rest%%,*}"
  done
}
END
    run --separate-stderr at_server --describe
    echo "${list:0:50}: $status $stderr"
    [ "$status" -eq 76 ]
    [ -z "$output" ]
  done
}

# Each row: what the server does about the revision; which method a call is then preceded by.
@test "servers of each revision are spoken to in theirs; with one of none no call is begun: 76" {
  a_tool t > in
  while IFS='|' read -r behaviour version; do
    : > heard
    echo "$behaviour" > behave
    run --separate-stderr at_server --without-approval --tool t < in
    echo "$behaviour: $status $output $stderr"
    if [ "$version" == none ]; then
      [ "$status" -eq 76 ]
      [ "$output" == "$(cat in)" ]
      [ -z "$(called)" ]
    elif [ "$version" == newest ]; then
      [ "$status" -eq 0 ]
      [ "$(called '.params._meta["io.modelcontextprotocol/protocolVersion"]')" == '"2026-07-28"' ]
    else
      [ "$status" -eq 0 ]
      [ "$(called '.params | has("_meta")')" == false ]
      [ "$(jq -r .method heard | paste -sd' ')" == "server/discover initialize notifications/initialized tools/call" ]
    fi
  done <<'END'
|newest
old 2025-11-25|2025-11-25
old 2025-06-18|2025-06-18
old 2025-03-26|2025-03-26
old 2024-11-05|2024-11-05
old 2023-01-01|none
old 2025-11-25; discover() { answer '{}'; }|2025-11-25
old 2025-11-25; discover() { refuse -32022 '{"supported":["2025-11-25"]}'; }|2025-11-25
old 2025-11-25; discover() { refuse -32022 '{"supported":["2030-01-01"]}'; }|none
old 2025-11-25; discover() { answer '{"supportedVersions":["2030-01-01"]}'; }|none
old 2025-11-25; discover() { :; }|2025-11-25
discover() { :; }; initialize() { line=${line/\"id\":2/\"id\":1}; answer '{"supportedVersions":["2026-07-28"]}'; line=${line/\"id\":1/\"id\":2}; refuse -32601; }|newest
discover() { refuse -32603; }|none
old 2025-11-25; initialize() { answer 7; }|none
old 2025-11-25; discover() { exit 1; }|2025-11-25
END
}

@test "a server that asks for something is told that there is no such method, and a ping is answered" {
  cat > behave <<'END'
old 2025-11-25
list() {
  echo '{"jsonrpc":"2.0","id":"p","method":"ping"}'
  echo '{"jsonrpc":"2.0","id":2,"method":"roots/list"}'
  echo '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}'
  answer '{"tools":[{"name":"t"}]}'
}
other() { [ "$(jq -r .id <<< "$line")" != 2 ] || touch told; }
call() { while [ ! -e told ] && IFS= read -rt 20 more; do line2=$line line=$more; printf '%s\n' "$line" >> heard; other; line=$line2; done; answer "$(text done)"; }
END
  sandbox --approve yes --delay 0
  approved t > in
  run --separate-stderr at_server < in
  [ "$status" -eq 0 ]
  holds '.calls[0].result.content == "done"'
  [ "$(jq -c 'select(has("method") | not)' heard)" == '{"jsonrpc":"2.0","id":"p","result":{}}
{"jsonrpc":"2.0","id":2,"error":{"code":-32601,"message":"Method not found"}}' ]
}

# Each row: what the server does about a call; the exit status; what holds of the call.
@test "whatever a server answers, a call is done once, and what is not known is not called done" {
  a_tool t > in
  while IFS='~' read -r behaviour ended expected option; do
    : > heard
    printf 'call() {\n%s\n}\n' "$behaviour" > behave
    # shellcheck disable=SC2086 # two words
    run --separate-stderr at_server --without-approval --tool t $option < in
    echo "$behaviour: $status ${output:0:300} ${stderr:0:300}"
    attack
    [ "$status" -eq "$ended" ]
    holds ".calls[0] | $expected"
    [ "$(called | wc -l)" -eq 1 ]
  done <<'END'
printf '%s\n' "$(answer "$(text one)")" "$(answer "$(text two)")"~0~.result == {content: "one"}
line0=$line; line='{"jsonrpc":"2.0","id":99}'; answer "$(text wrong)"; line='{"jsonrpc":"2.0","id":"2"}'; answer "$(text wrong)"; line=$line0; answer "$(text right)"~0~.result == {content: "right"}
echo '<html><body>502 Bad Gateway</body></html>'; answer "$(text right)"~0~.result == {content: "right"}
echo '{"level":"info","msg":"log"}'; echo "{ level: 'info' }"; echo; echo '[log]'; echo '"x"'; echo 7; answer "$(text right)"~0~.result == {content: "right"}
echo "[$(answer "$(text right)")]"~0~.result == {content: "right"}
echo '<html><body>502 Bad Gateway</body></html>'~69~has("result") | not~--max-run-time 8
:~69~has("result") | not~--max-run-time 8
head -c 5000000 /dev/zero | tr '\0' x > big; jq -c --rawfile big big '{jsonrpc, id, result: {content: [{type: "text", text: $big}]}}' <<< "$line"~0~.result.content | length == 5000000
head -c 70000000 /dev/zero | tr '\0' x~76~has("result") | not
answer "$(text "$(printf %2000d 1)")"~76~has("result") | not~--limit 1000
answer 7~76~has("result") | not
answer '[]'~76~has("result") | not
jq -c '{jsonrpc, id}' <<< "$line"~76~has("result") | not
jq -c '{jsonrpc, id, error: {code: 1, message: "no"}, result: {content: []}}' <<< "$line"~76~has("result") | not
jq -c '{id, result: {content: []}}' <<< "$line"~76~has("result") | not
answer '{"content":[],"isError":true}' | sed 's/"content"/"isError":false,&/'~76~has("result") | not
answer "$(text x)" | tr x '\377'~76~has("result") | not
answer "$(text x)" | head -c 40; echo~76~has("result") | not
echo '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}'~76~has("result") | not
refuse -32602~69~.result.error == "server_error" and (.result.content | contains("-32602: No") and (contains("Nothing was done") | not))
answer '{"content":[{"type":"text","text":"no"}],"isError":true}'~69~.result == {error: "tool_failed", content: "no"}
answer '{"resultType":"input_required","inputRequests":{}}'~69~.result.error == "input_required"
answer '{"resultType":"task","taskId":"1"}'~69~.result.error == "task"
answer '{"resultType":"more","content":[]}'~69~.result.error == "unknown_result"
answer '{"resultType":7,"content":[]}'~69~.result.error == "unknown_result"
answer '{}'~0~.result == {content: ""}
answer '{"content":"text"}'~0~.result == {content: ""}
answer '{"structuredContent":{"n":1}}'~0~.result == {content: "{\"n\":1}", structuredContent: {n: 1}}
answer '{"structuredContent":null,"content":[{"type":"text","text":"a"},{"type":"image","data":"AAAA","mimeType":"image/png"},{"type":"new","x":1}]}'~0~.result == {content: [{type: "text", text: "a"}, {type: "image", data: "AAAA", mimeType: "image/png"}, {type: "text", text: "{\"type\":\"new\",\"x\":1}"}], structuredContent: null}
exit 0~69~has("result") | not
exec 1>&-; sleep 100~69~has("result") | not
END
  attacks
}

@test "a call whose server ended before it answered is unknown and not made again; those after it are made the next time" {
  sandbox --approve yes --delay 0
  approved t '{}' one > in
  approved u '{}' two >> in
  echo 'call() { exit 3; }' > behave
  run --separate-stderr at_server < in
  echo "$output $stderr"
  [ "$status" -eq 69 ]
  [ "$(called | paste -sd' ')" == '"t"' ]
  [[ $stderr == *"t: ./server: the server has ended; what came of it is not known"* ]]
  [[ $stderr == *"u: ./server: the server has ended; nothing was run"* ]]
  echo "$output" > tried
  jq -se '.[0].calls[0].authorization.attempted_at > 0 and .[1].calls[0].authorization.attempted_at == null and all(.[].calls[0]; has("result") | not)' tried
  : > behave
  run --separate-stderr at_server < tried
  [ "$status" -eq 69 ]
  [ "$(called | paste -sd' ')" == '"t" "u"' ]
  jq -se '.[0].calls[0].result.error == "outcome_unknown" and .[1].calls[0].result.content == "did [\"u\",{}]"' <<< "$output"
}

@test "with a journal, or --spent-dir, a call that was sent before a crash is not made again" {
  sandbox --approve yes --delay 0
  for record in '--journal-file journal' '--spent-dir spent'; do
    approved t > in
    : > heard
    echo 'call() { kill -9 "$(cat pid)"; }' > behave
    # shellcheck disable=SC2086
    run -137 sh -c 'echo $$ > pid; exec tool-run --mcp "$@" -- ./server' sh $record < in
    [ "$(called | wc -l)" -eq 1 ]
    : > behave
    # shellcheck disable=SC2086
    run --separate-stderr at_server $record < in
    echo "$record: $output $stderr"
    [ "$status" -eq 69 ]
    holds '.calls[0].result.error == "outcome_unknown"'
    [ "$(called | wc -l)" -eq 1 ]
  done
}

@test "a call without an answer in time is cancelled, and unknown" {
  echo 'call() { :; }' > behave
  run --separate-stderr at_server --without-approval --max-run-time 8 --tool t < <(a_tool t)
  [ "$status" -eq 69 ]
  [[ $stderr == *"no answer within 8 s; what came of it is not known"* ]]
  await grep -q cancelled heard
  [ "$(jq -c 'select(.method == "notifications/cancelled") | .params.requestId' heard)" == "$(called .id)" ]
}

@test "a server that does not read does not get a call: it stays as it was" {
  echo 'discover() { answer "{\"supportedVersions\":[\"2026-07-28\"]}"; exec sleep 100; }' > behave
  a_tool t "$(jq -nc '{text: ("x" * 100000)}')" > in
  run --separate-stderr at_server --without-approval --max-run-time 1 --tool t < in
  echo "$stderr"
  [ "$status" -eq 69 ]
  [[ $stderr == *"nothing was run"* ]]
  [ "$output" == "$(cat in)" ]
}

@test "without a server the documents are passed on, and no call is begun: 69" {
  a_tool t > in
  for behaviour in 'exit 3' 'exec 0<&- 1>&-; sleep 1' 'discover() { exit 0; }; initialize() { exit 0; }'; do
    echo "$behaviour" > behave
    run --separate-stderr at_server --without-approval --tool t < in
    echo "$behaviour: $status $stderr"
    [ "$status" -eq 69 ]
    [ "$output" == "$(cat in)" ]
  done
  run --separate-stderr tool-run --mcp -- ./none < in
  [ "$status" -eq 69 ]
  [[ $stderr == *"./none: No such file or directory"* ]]
}

@test "the server gets no secret of ours, and no descriptor but 0 to 2" {
  cat > behave <<'END'
env > environment
(cd /proc/$BASHPID/fd && ls) > descriptors
END
  settings SECRET | sed 's/.*/export &=hush-hush-hush-hush-hush-hush-hush-hush/' > secrets
  (
    # shellcheck source=/dev/null
    . ./secrets
    export OTHER=kept
    exec 7< secrets
    at_server --describe > tools
  )
  grep -qx OTHER=kept environment
  no grep hush environment
  # the shell's own for the script is above 9
  no grep -vE '^([012]|[1-9][0-9]+|3)$' descriptors
  no grep -x 7 descriptors
}

@test "the server ends with tool-run, also if tool-run is killed and the server does not want to, with all it started" {
  cat > behave <<'END'
trap '' TERM HUP INT
sleep 1000 &
echo $! > child
echo $$ > server.pid
END
  mkfifo documents
  tool-run --mcp -- ./server < documents > out 2> said &
  pid=$!
  exec 8> documents
  await test -s server.pid
  kill -9 "$pid"
  exec 8>&-
  await gone "$(cat server.pid)"
  await gone "$(cat child)"
  # one that ends when its input does is not hurried
  echo "trap 'touch ended' EXIT" > behave
  at_server --describe > tools
  [ -e ended ]
}

@test "what does not go with --mcp is said: 64" {
  while read -r words; do
    # shellcheck disable=SC2086
    run --separate-stderr tool-run $words -- ./server < /dev/null
    echo "$words: $status $stderr"
    [ "$status" -eq 64 ]
  done <<'END'
--mcp -j 2
--mcp --env X
--mcp --token-fd 3
--mcp --describe-file behave
--describe --tool t
--tool t --tool u
END
  empty heard
}

# What an API is sent as the result: sent_to API JQ
sent_to() {
  local path=/v1/chat/completions
  [ "$1" != anthropic ] || path=/v1/messages
  [ "$1" != responses ] || path=/v1/responses
  rm -f requests
  sandbox
  export ANTHROPIC_API_KEY=$OPENAI_API_KEY ANTHROPIC_BASE_URL=$OPENAI_BASE_URL
  llm-chat -r -M m --api "$1" < told.json > answer
  requests "$path" "$2"
}

@test "images, files and errors of a tool go back to the model where its API has a place for them, else in words" {
  jq -n '{messages: [{role: "user", content: "x"}, {role: "assistant", content: null, tool_calls: [{id: "c", type: "function", function: {name: "t", arguments: "{}"}}]}],
    calls: [{id: "c", name: "t", arguments: {}, result: {error: "tool_failed", content: [
      {type: "text", text: "one"}, {type: "image", data: "AAAA", mimeType: "image/png"},
      {type: "audio", data: "AAAA", mimeType: "audio/wav"}, {type: "image", data: "<>", mimeType: "image/png"},
      {type: "resource_link", uri: "file:///a", name: "a"}, {type: "resource", resource: {uri: "file:///b", text: "two"}},
      {type: "resource", resource: {uri: "file:///c", mimeType: "application/pdf", blob: "AAAA"}}]}}]}' > told.json
  sent_to anthropic '.body.messages[-1].content[0]' > sent
  jq -e '.type == "tool_result" and .is_error == true and .tool_use_id == "c"' sent
  jq -e '[.content[].type] == ["text", "text", "image", "text", "text", "text", "text", "document"]' sent
  jq -e '.content[2].source == {type: "base64", media_type: "image/png", data: "AAAA"}' sent
  sent_to responses '.body.input[-1]' > sent
  jq -e '.type == "function_call_output" and [.output[].type] == ["input_text", "input_text", "input_image", "input_text", "input_text", "input_text", "input_text", "input_file"]' sent
  jq -e '.output[2].image_url == "data:image/png;base64,AAAA" and .output[7].file_data == "data:application/pdf;base64,AAAA"' sent
  sent_to openai '.body.messages[-1]' > sent
  jq -e '(keys == ["content", "role", "tool_call_id"]) and (.content | type == "string")' sent
  for words in 'reports an error' one 'An image that the tool returned is left out' 'A sound (audio/wav' 'An image (image/png' 'file:///a' two 'A file that'; do
    jq -e --arg words "$words" '.content | contains($words)' sent
  done
}

@test "a result of other JSON goes to the model as JSON, whatever its members are called" {
  while read -r content; do
    jq -n --argjson content "$content" '{messages: [{role: "user", content: "x"}, {role: "assistant", content: null, tool_calls: [{id: "c", type: "function", function: {name: "t", arguments: "{}"}}]}],
      calls: [{id: "c", name: "t", arguments: {}, result: {content: $content}}]}' > told.json
    [ "$(sent_to openai '.body.messages[-1].content | fromjson')" == "$content" ]
  done <<'END'
[]
[{"type":"buy","text":"x"}]
[{"type":"text","text":"x"},{"type":"image"}]
[{"type":"text","text":7}]
{"type":"text","text":"x"}
END
}

@test "the MCP project's own server with everything: its tools are listed, called, and their images kept" {
  local everything=$project/tests/peers/mcp/node_modules/@modelcontextprotocol/server-everything/dist/index.js
  [ -e "$everything" ] || skip "server-everything is not installed (tests/mcp-peers.bats installs it)"
  timeout 200 tool-run --mcp --describe -- node "$everything" stdio > tools.json
  jq -e 'any(.function.name == "echo" and .function.parameters.required == ["message"])' tools.json
  { a_tool echo '{"message":"hi"}'; a_tool get-tiny-image; a_tool get-structured-content '{"location":"Chicago"}'; } > in
  timeout 200 tool-run --mcp --without-approval --tool echo --tool get-tiny-image --tool get-structured-content \
    -- node "$everything" stdio < in > out
  jq -se '.[0].calls[0].result.content == "Echo: hi" and .[1].calls[0].result.content[1].mimeType == "image/png" and .[2].calls[0].result.structuredContent.humidity > 0' out
}
