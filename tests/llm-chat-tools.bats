# shellcheck source=helper.bash
load helper

setup() {
  common_setup
  stock-buy --describe > buy.json
}

# The model answers with these (jq), one after the other.
model_says() {
  printf '%s\n' "$@" | jq -s '[.[] | {path: "/v1/chat/completions", body: {choices: [{message: .}]}}]' > faults
  [ -z "${CIBA_SANDBOX_PID:-}" ] || kill "$CIBA_SANDBOX_PID"
  rm -f requests
  sandbox --faults-file faults
}

@test "-t takes OpenAI's form, a bare function, Anthropic's, the Responses API's, and MCP's tools/list" {
  sandbox
  echo '{"name":"b","parameters":{"type":"object"}}' > bare
  echo '{"name":"c","description":"d","input_schema":{"type":"object"}}' > anthropic
  echo '{"type":"function","name":"r","parameters":{"type":"object"},"strict":true}' > responses
  echo '{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"m","title":"M","inputSchema":{"type":"object","required":["x"]}},{"name":"n","inputSchema":{"type":"object"}}]}}' > mcp
  run --separate-stderr llm-chat -n -t buy.json -t bare -t anthropic -t responses -t mcp hello
  [ "$status" -eq 0 ]
  holds '[.tools[].function.name] == ["buy","b","c","r","m","n"] and all(.tools[]; .type == "function" and .function.parameters.type == "object")'
  holds '.tools[4].function == {name: "m", parameters: {type: "object", required: ["x"]}} and .tools[3].function.strict and (.tools[3].function | has("type") | not)'
}

@test "a keyword of a schema that is not checked is said to be" {
  sandbox
  echo '{"name":"a","parameters":{"type":"object","properties":{"if":{"type":"object","patternProperties":{"x":{}}}}}}' > tool
  run --separate-stderr llm-chat -n -t tool hello
  [ "$status" -eq 0 ]
  [[ $stderr == *"a: its schema uses patternProperties, which is not checked"* ]]
  run --separate-stderr llm-chat -n -t buy.json hello
  [ -z "$stderr" ]
}

@test "--repair says how often the model is told what is not valid" {
  sandbox
  run --separate-stderr llm-chat -n --repair 0 -t buy.json 'call buy {"ticker":"A"}'
  [ "$status" -eq 76 ]
  [ "$(count /v1/chat/completions)" -eq 1 ]
  bad='{"role":"assistant","content":null,"tool_calls":[{"id":"x","function":{"name":"buy","arguments":"{}"}}]}'
  model_says "$bad" "$bad" "$bad"
  run --separate-stderr llm-chat -n --repair 3 -t buy.json hello
  [ "$(count /v1/chat/completions)" -eq 4 ]
  [ "$status" -eq 0 ]
}

@test "--tool-choice and --no-parallel-calls are sent, in each API's words" {
  sandbox
  llm-chat -n -t buy.json --tool-choice required --no-parallel-calls 'Buy 3 stocks of Google' > /dev/null
  [ "$(requests /v1/chat/completions '[.body.tool_choice, .body.parallel_tool_calls]')" == '["required",false]' ]
  llm-chat -n -t buy.json --tool-choice buy 'Buy 3 stocks of Google' > /dev/null
  [ "$(requests /v1/chat/completions '.body.tool_choice' | tail -n 1)" == '{"type":"function","function":{"name":"buy"}}' ]
  printf 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}' > empty
  export ANTHROPIC_API_KEY=k ANTHROPIC_BASE_URL=$OPENAI_BASE_URL ANTHROPIC_MODEL=m
  llm-chat -n --api anthropic -t buy.json --tool-choice buy --no-parallel-calls hello > /dev/null || true
  [ "$(requests /v1/messages '.body.tool_choice')" == '{"type":"tool","name":"buy","disable_parallel_tool_use":true}' ]
  llm-chat -n --api responses -t buy.json --tool-choice buy hello > /dev/null || true
  [ "$(requests /v1/responses '[.body.tool_choice, .body.store]')" == '[{"type":"function","name":"buy"},false]' ]
}

@test "--schema-file: the answer is asked for, checked, and printed with -r" {
  echo '{"type":"object","properties":{"total":{"type":"integer"}},"required":["total"],"additionalProperties":false}' > schema
  sandbox
  run --separate-stderr llm-chat -nr --schema-file schema 'json {"total":3}'
  [ "$status" -eq 0 ]
  [ "$output" == '{"total":3}' ]
  [ "$(requests /v1/chat/completions '.body.response_format.json_schema | [.strict, .schema.required]')" == '[true,["total"]]' ]
  model_says '{"role":"assistant","content":"{\"total\":\"three\"}"}' '{"role":"assistant","content":"{\"total\":3}"}'
  run --separate-stderr llm-chat -n --schema-file schema hello
  [ "$status" -eq 0 ]
  holds '.messages[2].content | contains("total: must be of type")'
  holds '.messages[-1].content == "{\"total\":3}"'
  model_says '{"role":"assistant","content":"three"}' '{"role":"assistant","content":"3"}'
  run --separate-stderr llm-chat -n --schema-file schema hello
  [ "$status" -eq 76 ]
  [[ $stderr == *"its answer is still not valid"* ]]
  holds '.messages[-1] | .role == "assistant" and .content == "3"'
}

@test "-R: stdin is text, behind the operand; -S @FILE reads the system message" {
  sandbox
  printf 'Be brief.\n' > system
  printf 'line 1\nline 2\n' | llm-chat -R -S @system 'Summarize:' > out
  jq -e '.messages[0] == {role: "system", content: "Be brief.\n"} and .messages[1].content == "Summarize:\n\nline 1\nline 2\n"' out
  echo Hello | llm-chat -Rr
  run llm-chat -R < /dev/null
  [ "$status" -eq 65 ]
  printf '\xff' > bad
  run llm-chat -R < bad
  [ "$status" -eq 65 ]
  run llm-chat -n -S @no-such-file hello
  [ "$status" -eq 66 ]
}

@test "--max-usage: a document whose tokens are used up is not sent again; -v tells them" {
  sandbox
  run --separate-stderr llm-chat -nv hello
  [[ $stderr =~ [0-9]+" tokens asked, "[0-9]+" answered" ]]
  echo "$output" > first
  run --separate-stderr llm-chat --max-usage 5 again < first
  [ "$status" -eq 77 ]
  [[ $stderr == *"has used "*" tokens, and --max-usage allows 5"* ]]
  [ "$(count /v1/chat/completions)" -eq 1 ]
  llm-chat --max-usage 100000 again < first > /dev/null
}

@test "-j: many documents at a time, in their order; --unordered, as they come" {
  sandbox
  seq 200 | jq -c '{n: ., messages: [{role: "user", content: "json \(.)"}]}' > many
  llm-chat -j 16 < many > out
  [ "$(jq -c .n out)" == "$(seq 200)" ]
  [ "$(jq -r '.messages[-1].content' out)" == "$(seq 200)" ]
  [ "$(llm-chat -j 16 -r < many)" == "$(seq 200)" ]
  llm-chat -j 16 --unordered < many > out
  [ "$(jq -c .n out | sort -n)" == "$(seq 200)" ]
  # a bad one is reported, a failing one is written unchanged, and the status is the worst
  { head -n 3 many; echo '{"messages":'; echo '{"messages":[{"role":"user","content":"x"},{"role":"tool"}]}'; tail -n 3 many; } > mixed
  run --separate-stderr llm-chat -j 4 < mixed
  [ "$status" -ne 0 ]
  [ "$(wc -l <<< "$output")" -eq 7 ]
  [[ $stderr == *"line 4"* ]]
}

@test "-j: they are under way together, and the first to end is out first with --unordered" {
  sandbox --approve yes --delay 0
  printf '#!/bin/sh\nread -r a; case $a in *slow*) touch began; while [ ! -e go ]; do sleep 0.02; done;; esac; echo "$a"\n' > tool
  chmod +x tool
  for word in slow quick; do
    printf '{"n":"%s","calls":[{"id":"%s","name":"t","arguments":{"w":"%s"}}]}\n' $word $word $word
  done > two
  tool-run --tool t --without-approval -j 2 --unordered -- ./tool < two > out &
  local runner=$!
  await grep -q quick out
  no grep -q slow out
  touch go
  wait "$runner"
  [ "$(jq -r .n out | xargs)" == "quick slow" ]
}

@test "-j: a worker that is killed is told, and the others' documents are written" {
  local child children status=0
  printf '#!/bin/sh\nread -r a; case $a in *bad*) touch began; while [ ! -e go ]; do sleep 0.02; done;; esac; echo "$a"\n' > tool
  chmod +x tool
  for word in bad a b c; do printf '{"n":"%s","calls":[{"id":"%s","name":"t","arguments":{"w":"%s"}}]}\n' $word $word $word; done > four
  mkfifo in
  command tool-run --tool t --without-approval -j 2 -- ./tool < in > out 2> said &
  local runner=$!
  started+=("$runner")
  exec 9> in
  head -n 1 four >&9
  await test -e began
  # The other child is the helper, which has a child that runs the tool.
  children=$(pgrep -P "$runner") # as a statement of its own it fails without pgrep, and the wait below would not end
  for child in $children; do pgrep -P "$child" > /dev/null || kill -KILL "$child"; done
  tail -n 3 four >&9
  exec 9>&-
  wait "$runner" || status=$?
  touch go
  [ "$status" -eq 70 ]
  grep -q 'document 1 ended in a crash' said
  [ "$(jq -r .n out | xargs)" == "a b c" ]
}

@test "-j: ciba-authorize and stock-buy too: each call once" {
  sandbox --approve yes --delay 0
  for i in $(seq 20); do a_call GOOGL "$i"; done | jq -c '.calls[0].id = "c\(.calls[0].arguments.qty)"' > twenty
  ciba-authorize -j 8 -m Buy < twenty | ciba-poll | stock-buy -j 8 > out
  [ "$(orders | jq -c 'map(.qty) | sort')" == "$(seq 20 | jq -sc .)" ]
  [ "$(jq -r '.calls[0].result.status' out | sort | uniq -c | xargs)" == "20 200" ]
}

@test "the key goes in the header that each API has, and nowhere else" {
  local api
  export OPENAI_API_KEY=secret-1 ANTHROPIC_API_KEY=secret-1 AZURE_OPENAI_API_KEY=secret-1 ANTHROPIC_MODEL=m AZURE_OPENAI_DEPLOYMENT=d
  printf 'HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\n{}' > no
  raw_server send no
  export OPENAI_BASE_URL=$raw ANTHROPIC_BASE_URL=$raw AZURE_OPENAI_ENDPOINT=$raw
  while read -r api header; do
    ASAN_OPTIONS=detect_leaks=0 strace -f -s 2000 -e trace=sendto -o trace llm-chat -n --api "$api" hello 2> said || true
    [ "$(grep -o 'secret-1' trace | wc -l)" -eq 1 ]
    grep -q "$header: *secret-1\\\\r\\\\n\|$header secret-1\\\\r\\\\n" trace
    no grep -q secret-1 said
  done << 'END'
openai Authorization: Bearer
azure api-key
anthropic x-api-key
responses Authorization: Bearer
END
  sandbox
  export OPENAI_API_KEY=wrong
  run llm-chat -nv hello
  [ "$status" -eq 77 ]
  no grep -q wrong <<< "$output"
}
