# llm-chat with the models of today: scripted servers that refuse whatever their documentation says they refuse
# (tests/peers/vendors.mjs). K and W: the rows of the findings that a test keeps.
# shellcheck source=helper.bash
load helper

setup() {
  command -v node > /dev/null || skip "node is not installed"
  common_setup
  stock-buy --describe > buy.json
  : > log
  node "$BATS_TEST_DIRNAME/peers/vendors.mjs" address log > said 2>&1 3>&- &
  started+=("$!")
  await test -s address || { cat said; return 1; }
  vendors=$(cat address)
  echo '{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}' > schema.json # of man llm-chat
}

# A vendor's model, and its API if that is not the default: use VENDOR MODEL [API]
use() {
  export OPENAI_BASE_URL=$vendors/$1/v1 OPENAI_API_KEY=k OPENAI_MODEL=$2 LLM_API=${3:-}
  export ANTHROPIC_BASE_URL=$vendors/$1/v1 ANTHROPIC_API_KEY=k ANTHROPIC_MODEL=$2
  [ -n "$LLM_API" ] || unset LLM_API
  : > log
}

# What was asked, by jq: asked [JQ]
asked() {
  jq -c "${1:-.}" log
}

# The result of each call: given < DOCUMENT > DOCUMENT
given() {
  jq -c '.calls[] |= (.result //= {status: 200, content: "OK"})'
}

# A call, its result and the last word: buys [OPTION...]
buys() {
  llm-chat -n "$@" -t buy.json "${prompt:-Buy 3 stocks of Google}" > called && given < called > result || return
  llm-chat "$@" < result > told || return
  [ "$(jq -r '.messages[-1].content | if type == "array" then map(.text // "") | add else . end' told)" == "You have 3 shares of GOOGL." ]
}

# Every row: vendor, model, API.
models='openai gpt-5.6
claude claude-opus-5-5 anthropic
gemini gemini-3-pro
deepseek deepseek-v4-pro
mistral magistral-medium
openrouter anthropic/claude-opus-5.5
groq openai/gpt-oss-120b
local qwen
proxy gpt-5.6'

@test "every model of today buys, streamed or not, and goes on for another turn" {
  while read -r vendor model api; do
    use "$vendor" "$model" "$api"
    for stream in '' --stream; do
      # shellcheck disable=SC2086
      buys $stream || { echo "$vendor $stream"; asked '[.path, .status, .body, .answer]' | tail -n 3; return 1; }
      # shellcheck disable=SC2086
      llm-chat $stream 'Hello again' < told > again || { echo "again: $vendor $stream"; asked | tail -n 2; return 1; }
    done
  done <<< "$models"
}

@test "the whole flow buys three shares with every model, resumed from a file between any two steps" {
  sandbox --approve yes --delay 0
  while read -r vendor model api; do
    for stream in '' --stream; do
      use "$vendor" "$model" "$api"
      # shellcheck disable=SC2086
      llm-chat -n $stream -t buy.json 'Buy 3 stocks of Google' > asked
      ciba-authorize -m 'Do you want to buy \(.qty) shares of \(.ticker)' < asked > pending
      ciba-poll < pending > approved
      stock-buy < approved > bought
      # shellcheck disable=SC2086
      [ "$(llm-chat -r $stream < bought)" == "You have 3 shares of GOOGL." ] || { echo "$vendor $stream"; return 1; }
    done
  done <<< "$models"
  [ "$(orders | jq -c 'map(.qty) | unique')" == '[3]' ]
  [ "$(orders | jq length)" -eq 18 ]
}

@test "the whole flow in one pipe, with a model that wants Responses" { # W05
  sandbox --approve yes --delay 0
  use openai gpt-5.6
  run --separate-stderr bash -c "llm-chat -n -t buy.json 'Buy 3 stocks of Google' |
    ciba-authorize -m 'Do you want to buy \(.qty) shares of \(.ticker)' | ciba-poll | stock-buy | llm-chat -r"
  [ "$status" -eq 0 ]
  [ "$output" == "You have 3 shares of GOOGL." ]
  [ "$(orders)" == '[{"ticker":"GOOGL","qty":3}]' ]
}

@test "--api auto goes on with Responses when the server's words say so, tells it once, and remembers it" { # K02
  use openai gpt-5.6
  run --separate-stderr llm-chat -n -t buy.json 'Buy 3 stocks of Google'
  [ "$status" -eq 0 ]
  [ "$stderr" == "llm-chat: model: the server wants gpt-5.6 to be asked by its Responses API; it is" ]
  holds '.api == "responses" and .calls[0].arguments.qty == 3 and .messages[1].origin == {server: "127.0.0.1", model: "gpt-5.6"}'
  [ "$(asked .path | xargs)" == "/openai/v1/chat/completions /openai/v1/responses" ]
  given <<< "$output" > result
  : > log
  run --separate-stderr llm-chat -r < result
  [ "$output" == "You have 3 shares of GOOGL." ]
  [ -z "$stderr" ]
  [ "$(asked .path | xargs)" == /openai/v1/responses ]
  # a document whose answers are of that API goes on there
  : > log
  jq -c 'del(.api)' result | llm-chat -r
  [ "$(asked .path | xargs)" == /openai/v1/responses ]
  # without tools nothing is wanted; many documents of a process pay once
  : > log
  [ "$(llm-chat -nr Hello)" == "Hello to you." ]
  [ "$(asked .path | xargs)" == /openai/v1/chat/completions ]
  : > log
  jq -c '{tools, messages: .messages[:1]}' result > one
  cat one one one | llm-chat > /dev/null
  [ "$(asked .path | xargs)" == "/openai/v1/chat/completions /openai/v1/responses /openai/v1/responses /openai/v1/responses" ]
}

@test "--api openai stays there, and its error names --api responses; a server without Responses is asked as before" { # K03
  use openai gpt-5.6 openai
  run --separate-stderr llm-chat -n -t buy.json 'Buy 3 stocks of Google'
  [ "$status" -eq 78 ]
  [[ $stderr == *"Function tools with reasoning_effort"*"--api responses"* ]]
  [ "$(asked .path | wc -l)" -eq 1 ]
  use openai gpt-5.6
  llm-chat -n -t buy.json 'Buy 3 stocks of Google' | given > result
  use proxy gpt-5.1
  run --separate-stderr llm-chat -M gpt-5.1 < result
  [ "$status" -eq 0 ]
  holds '.messages[-1].content == "You have 3 shares of GOOGL." and .api == "openai"'
  [ "$(asked '[.path, .status]' | paste -sd' ')" == '["/proxy/v1/responses",404] ["/proxy/v1/chat/completions",200]' ]
  : > log
  echo "$output" | llm-chat Hello > /dev/null
  [ "$(asked .path | xargs)" == /proxy/v1/chat/completions ]
  # one that wants Responses, or no reasoning, and has no Responses
  use proxy gpt-5.6
  llm-chat -n -t buy.json 'Buy 3 stocks of Google' > called
  [ "$(asked '[.status, .body.reasoning_effort]' | paste -sd' ')" == '[400,null] [404,null] [400,null] [200,"none"]' ]
}

@test "--schema-file: strict where the schema is, or can be made so; else not" { # K05, K59
  while read -r vendor model api; do
    use "$vendor" "$model" "$api"
    echo "$vendor $api"
    [ "$(llm-chat -nr --schema-file schema.json 'JSON n')" == '{"n":3}' ]
  done <<< "$models
openai gpt-5.6 responses
claude claude-sonnet-4 anthropic"
  local format='.body | (.response_format.json_schema // .text.format) | [.strict, .schema.additionalProperties]'
  for api in openai responses; do
    use openai gpt-5.6 $api
    llm-chat -nr --schema-file schema.json 'JSON n'
    [ "$(asked "$format")" == '[true,false]' ]
    for loose in '{"type":"object","properties":{"n":{"type":"integer"},"m":{}},"required":["n"]}' '{"type":"object","additionalProperties":{"type":"integer"}}' \
      '{"type":"object","properties":{"n":{"oneOf":[{"type":"integer"}]}},"required":["n"]}' '{"anyOf":[{"type":"object"}]}'; do
      : > log
      echo "$loose" > loose
      [ "$(llm-chat -nr --schema-file loose 'JSON n')" == '{"n":3}' ]
      [ "$(asked '.body | (.response_format.json_schema // .text.format) | [.strict, .schema]')" == "[false,$loose]" ]
    done
  done
  use claude claude-opus-5-5 anthropic
  echo '{"type":"object","properties":{"n":{"type":"integer","minimum":1}},"required":["n"]}' > bounded
  [ "$(llm-chat -nr --schema-file bounded 'JSON n')" == '{"n":3}' ]
  [ "$(asked '.body.output_config.format.schema.properties.n')" == '{"type":"integer","description":"{\"minimum\":1}"}' ]
  echo '{"type":"object","additionalProperties":{"type":"integer"}}' > map
  [ "$(llm-chat -nr --schema-file map 'JSON n')" == '{"n":3}' ]
}

@test "--schema-file: what makes a schema strict, at any depth" {
  local format='(.response_format.json_schema | [.strict, .schema])'
  while IFS='|' read -r schema expected; do
    [ "$(wire-request openai "{\"schema\":$schema}" <<< '{"messages":[]}' | jq -c "$format")" == "[$expected]" ] || { echo "$schema"; return 1; }
  done << 'END'
{"type":"object","properties":{"a":{"type":"object","properties":{"b":{"type":["string","null"]}},"required":["b"]}},"required":["a"]}|true,{"type":"object","properties":{"a":{"type":"object","properties":{"b":{"type":["string","null"]}},"required":["b"],"additionalProperties":false}},"required":["a"],"additionalProperties":false}
{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","properties":{"a":{"$ref":"#/$defs/a"}},"required":["a"],"$defs":{"a":{"enum":[1,2]}}}|true,{"type":"object","properties":{"a":{"$ref":"#/$defs/a"}},"required":["a"],"$defs":{"a":{"enum":[1,2]}},"additionalProperties":false}
{"type":"object","properties":{"a":{"type":"string","format":"date"}},"required":["a"]}|true,{"type":"object","properties":{"a":{"type":"string","format":"date"}},"required":["a"],"additionalProperties":false}
{"type":"object","properties":{"a":{"type":"string","format":"phone"}},"required":["a"]}|false,{"type":"object","properties":{"a":{"type":"string","format":"phone"}},"required":["a"]}
{"type":"object","properties":{"a":{"type":"array","items":{"type":"object"}}},"required":["a"]}|false,{"type":"object","properties":{"a":{"type":"array","items":{"type":"object"}}},"required":["a"]}
{"type":"object","properties":{"a":{"type":"object","properties":{"b":{"type":"string"}}}},"required":["a"]}|false,{"type":"object","properties":{"a":{"type":"object","properties":{"b":{"type":"string"}}}},"required":["a"]}
{"type":"object","properties":{"a":{"not":{"type":"string"}}},"required":["a"]}|false,{"type":"object","properties":{"a":{"not":{"type":"string"}}},"required":["a"]}
{"type":"object","properties":{"a":true},"required":["a"]}|false,{"type":"object","properties":{"a":true},"required":["a"]}
{"type":"array","items":{"type":"string"}}|false,{"type":"array","items":{"type":"string"}}
true|false,true
END
}

@test "--schema-file: a refusal ends with 77, and the model is not told that its JSON is wrong" { # K08
  for api in openai responses; do
    use openai gpt-5.1 $api
    run --separate-stderr llm-chat -n --schema-file schema.json 'refuse, as JSON'
    [ "$status" -eq 77 ]
    [[ $stderr == *"it refuses: I will not."* ]]
    [ "$(asked | wc -l)" -eq 1 ]
    holds '.messages | length == 2'
  done
}

@test "effort, verbosity, tier, temperature and caching go in each API's words" { # K13, K67, K90
  local api wishes='{"reasoning_effort":"low","verbosity":"high","service_tier":"auto","temperature":0.5,"cache":true}'
  for api in openai responses anthropic; do
    echo '{"messages":[{"role":"user","content":"Hello"}]}' | wire-request "$api" "$wishes" > "$api.json"
    echo '{"messages":[{"role":"user","content":"Hello"}]}' | wire-request "$api" '{}' > "$api.plain"
  done
  [ "$(cat openai.plain)" == '{"model":"m","messages":[{"role":"user","content":"Hello"}]}' ]
  jq -e 'keys == ["max_tokens", "messages", "model"] and .max_tokens >= 16000' anthropic.plain # K66
  jq -e '.reasoning_effort == "low" and .verbosity == "high" and .service_tier == "auto" and .temperature == 0.5 and
    (.prompt_cache_key | length == 43)' openai.json
  jq -e '.reasoning == {effort: "low"} and .text == {verbosity: "high"} and .service_tier == "auto" and .temperature == 0.5 and
    .prompt_cache_key' responses.json
  jq -e '.output_config == {effort: "low"} and .thinking == {type: "adaptive"} and .service_tier == "auto" and .temperature == 0.5 and
    .cache_control == {type: "ephemeral"}' anthropic.json
  [ "$(echo '{"messages":[]}' | wire-request anthropic '{"reasoning_effort":"none"}' | jq -c '[.thinking, .output_config]')" == '[{"type":"disabled"},null]' ]
}

@test "reasoning_details in pieces are put together, and sent back" { # K35
  use openrouter anthropic/claude-opus-5.5
  buys --stream
  jq -e '.messages[1] | .reasoning == "The user wants shares." and (.reasoning_details | map(del(.format)) ==
    [{type: "reasoning.text", text: "The user wants shares.", signature: "S1", index: 0}, {type: "reasoning.encrypted", data: "ENC", id: "e1", index: 1}])' called
}

@test "what an answer left in a message goes back to where it came from, and nowhere else" { # K40 K41 K42
  use groq openai/gpt-oss-120b
  buys
  [ "$(asked .status | xargs)" == "200 400 200" ]
  : > log # and not tried again, by any process
  llm-chat 'Hello' < told | llm-chat -r 'Hello'
  [ "$(asked .status | xargs)" == "200 200" ]
  jq -e '[.messages[] | select(.origin).origin.refused] == [true, null]' told
  use deepseek deepseek-v4-pro
  buys
  jq -e '.messages[1].origin.model == "deepseek-v4-pro"' told
  [ "$(asked '.body.messages[1].reasoning_content' | tail -n 1)" == '"The user wants shares."' ]
  no grep -q origin log
  use mistral mistral-large
  [ "$(jq -c 'del(.model)' result | llm-chat -r)" == "You have 3 shares of GOOGL." ]
  no grep -q reasoning_content log
  # of unknown origin: sent, and again without what is refused
  jq -c 'del(.model, .messages[].origin)' result > unknown
  : > log
  [ "$(llm-chat -r < unknown)" == "You have 3 shares of GOOGL." ]
  [ "$(asked .status | paste -sd' ' | cut -c1-3)" == 422 ]
  use gemini gemini-3-pro
  buys
  jq -c 'del(.model)' result > gemini.json
  jq -c 'del(.messages[].origin)' gemini.json > unknown
  use openai gpt-5.1
  [ "$(llm-chat -r < gemini.json)" == "You have 3 shares of GOOGL." ]
  [ "$(asked .status)" == 200 ]
  : > log
  [ "$(llm-chat -r < unknown)" == "You have 3 shares of GOOGL." ]
  [ "$(asked .status | xargs)" == "400 200" ]
}

@test "any model goes on with the document of any other" {
  while read -r vendor model api; do
    use "$vendor" "$model" "$api"
    llm-chat -n -t buy.json 'Buy 3 stocks of Google' | given | jq -c 'del(.model)' > from
    while read -r vendor model api; do
      use "$vendor" "$model" "$api"
      [ "$(llm-chat -r < from)" == "You have 3 shares of GOOGL." ] || { jq -c .messages from; echo "to $vendor"; asked '[.path, .status, .answer]'; return 1; }
    done <<< "$models"
  done <<< "$models"
}

@test "a content in parts, streamed as parts and text: the text is whole, the thinking is kept" { # K44
  use mistral magistral-medium
  [ "$(llm-chat -nr Hello)" == "Hello to you." ]
  [ "$(llm-chat -nr --stream Hello)" == "Hello to you." ]
  llm-chat -n --stream Hello | jq -e '.messages[1].content == [{type: "thinking", thinking: [{type: "text", text: "The user wants shares."}]}, {type: "text", text: "Hello to you."}]'
}

@test "Claude: what comes before a thinking block does not change: schema, tools, system messages" { # K58 K58b K96
  use claude claude-opus-5-5 anthropic
  echo '{"name":"other","parameters":{"type":"object"}}' > other.json
  llm-chat -n -S 'Be brief.' -t buy.json -t other.json 'Buy 3 stocks of Google' | given | llm-chat > told
  : > log
  [ "$(llm-chat -r --schema-file schema.json 'JSON n' < told)" == '{"n":3}' ]
  llm-chat -t buy.json 'Hello' < told | jq -e '[.tools[].function.name] == ["buy", "other"]'
  jq -c '.messages += [{role: "system", content: "Be polite."}, {role: "user", content: "Hello"}]' told | llm-chat > polite
  llm-chat 'Hello again' < polite | llm-chat 'And again, Hello' > /dev/null
  [ "$(asked .status | sort -u)" == 200 ]
  [ "$(asked '[.body.system[0].text, (.body.messages | map(select(.role == "system").content[0].text))]' | tail -n 1)" == '["Be brief.",["Be polite."]]' ]
  # a model without system messages there has them as the user's
  use claude claude-sonnet-4 anthropic
  [ "$(jq -c 'del(.model, .messages[-1])' polite | llm-chat -r)" == "Hello to you." ]
  # another model has other signatures
  use claude claude-fable-5-1 anthropic
  [ "$(jq -c 'del(.model)' told | llm-chat -r Hello)" == "Hello to you." ]
  [ "$(asked .status)" == 200 ]
  # a conversation that somebody changed goes on without its thinking
  [ "$(jq -c '.messages[0].content = "Be long."' told | llm-chat -r -M claude-opus-5-5 Hello)" == "Hello to you." ]
}

@test "Claude: older models get what they know: a tool for JSON, fewer tokens, no adaptive thinking" {
  use claude claude-3-haiku anthropic
  [ "$(llm-chat -nr --schema-file schema.json 'JSON n')" == '{"n":3}' ]
  [ "$(asked '.body.max_tokens' | tail -n 1)" == 8192 ]
  [ "$(asked '.body.tool_choice.name' | tail -n 1)" == '"answer_in_json"' ]
}

@test "Claude: empty text is not sent back; counted ids become the document's" { # K61 K71
  use claude claude-opus-5-5 anthropic
  prompt='Buy, with an empty block' buys
  prompt='Buy, with the same ids' buys
  llm-chat 'Buy more, with the same ids' < told | given > longer
  [ "$(llm-chat -r < longer)" == "You have 3 shares of GOOGL." ]
  jq -e '[.calls[].id] | length == 2 and .[0] != .[1]' longer
  use openai gpt-5.6 responses # K93
  prompt='Buy, with the same ids' buys
  llm-chat 'Buy more, with the same ids' < told | given > longer
  [ "$(llm-chat -r < longer)" == "You have 3 shares of GOOGL." ]
}

@test "Claude: a full context is told as cut off, and a call in it is not used" { # K62 K63
  use claude claude-opus-5-5 anthropic
  run --separate-stderr llm-chat -nr 'Hello, full'
  [ "$status" -eq 0 ]
  [[ $stderr == *"cut off"* ]]
  run --separate-stderr llm-chat -n -t buy.json 'Buy, full'
  [ "$status" -eq 69 ]
  [[ $stderr == *"cut off within a tool call"* ]]
  holds '.calls == null'
  run --separate-stderr llm-chat -nr 'sorry'
  [ "$status" -eq 77 ]
}

@test "Claude: a pause is not the end; it is asked on, and not for ever" { # K64
  use claude claude-opus-5-5 anthropic
  for stream in '' --stream; do
    # shellcheck disable=SC2086
    run --separate-stderr llm-chat -n $stream 'pause'
    [ "$status" -eq 0 ]
    holds '.messages | length == 2'
    holds '.messages[1].content == "Let me think." and (.messages[1].anthropic | map(.type) == ["thinking", "text", "thinking", "text"])'
    holds '.usage.total_tokens == 50'
    [ "$(llm-chat -r Hello <<< "$output")" == "Hello to you." ]
  done
  : > log
  run --separate-stderr llm-chat -n 'pause for ever'
  [ "$status" -eq 69 ]
  holds '.messages | length == 1'
  [ "$(asked | wc -l)" -eq 11 ]
}

@test "Claude: a refused or failed call is an error; an image of a result stays one" { # K70 K16
  use claude claude-opus-5-5 anthropic
  llm-chat -n -t buy.json 'Buy 3 stocks of Google' > called
  jq -c '.calls[0].result = {error: "denied", content: "The user denied the request."}' called | llm-chat > /dev/null
  [ "$(asked '.body.messages[-1].content[0] | [.is_error, .content]' | tail -n 1)" == '[true,"The user denied the request."]' ]
  local image
  for image in '{type: "image", data: "aGk=", mimeType: "image/png"}' '{type: "image_url", image_url: {url: "data:image/png;base64,aGk="}}' \
    '{type: "image", source: {type: "base64", media_type: "image/png", data: "aGk="}}'; do
    jq -c ".calls[0].result = {content: [{type: \"text\", text: \"A chart\"}, $image]}" called | llm-chat > /dev/null
    [ "$(asked '.body.messages[-1].content[0].content' | tail -n 1)" == '[{"type":"text","text":"A chart"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"aGk="}}]' ]
  done
}

@test "Responses: the phase of a message goes back, with reasoning and without" { # K84
  use openai gpt-5.6 responses
  buys
  llm-chat -n Hello > hello
  jq -e '.messages[1].responses[-1].phase == "final_answer"' hello
  llm-chat -r 'Hello again' < hello
  llm-chat -n 'Hello, with no thought' > hello
  jq -e '.messages[1].responses | map([.type, .phase]) == [["message", "final_answer"]]' hello
  llm-chat -r 'Hello again' < hello
  [ "$(asked .status | sort -u)" == 200 ]
}

@test "Responses: an error in a stream, also without an event line, is one with its words, and passes" { # K87
  use openai gpt-5.6 responses
  for prompt in fail 'fail by its state'; do
    : > log
    run --separate-stderr llm-chat -n --retries 1 "$prompt"
    [ "$status" -eq 69 ]
    : > log
    run --separate-stderr llm-chat -n --stream --retries 1 "$prompt"
    [ "$status" -eq 69 ]
    [[ $stderr == *"slow; too many requests"* ]]
    [ "$(asked | wc -l)" -eq 2 ]
  done
}

# shellcheck disable=SC2016 # jq's variables
# An answer of each API, by jq: its text, its calls as names, and the word for its end.
answers='
def arguments: {ticker: "GOOGL", qty: 3};
def chat($text; $calls; $ended): {choices: [{finish_reason: $ended, message: ({role: "assistant", content: $text} +
  if $calls == [] then {} else {tool_calls: [$calls[] | {id: "c\(.)", type: "function", function: {name: ., arguments: (arguments | tojson)}}]} end)}]};
def claude($text; $calls; $ended): {stop_reason: $ended, content: ([{type: "text", text: ($text // empty)}] +
  [$calls[] | {type: "tool_use", id: "c\(.)", name: ., input: arguments}])};
def responses($text; $calls; $ended): {status: $ended, output: ([{type: "message", role: "assistant", content: [{type: "output_text", text: ($text // empty)}]}] +
  [$calls[] | {type: "function_call", call_id: "c\(.)", name: ., arguments: (arguments | tojson)}])};
'

# What llm-chat makes of an answer: answered API JQ [OPTION...]
answered() {
  local api=$1 answer=$2
  shift 2
  use odd m "$api"
  run --separate-stderr llm-chat -n -t both.json "$@" "$(jq -nc "$answers {answer: ($answer)}")"
}

both_tools() {
  stock-buy --describe | jq -c '., (.function.name = "sell")' | jq -sc . > both.json
}

@test "--tool-choice and --no-parallel-calls hold, also where the server does not heed them: no call is taken" {
  both_tools
  while read -r api form end; do
    answered "$api" "$form(\"Yes.\"; []; \"$end\")"
    [ "$status" -eq 0 ]
    for choice in required buy; do
      answered "$api" "$form(\"Yes.\"; []; \"$end\")" --tool-choice $choice
      [ "$status" -eq 76 ]
      [[ $stderr == *"it calls no tool, against --tool-choice $choice"* ]]
      holds '.messages | length == 1'
    done
    answered "$api" "$form(null; [\"sell\"]; \"$end\")" --tool-choice required
    [ "$status" -eq 0 ]
    answered "$api" "$form(null; [\"sell\"]; \"$end\")" --tool-choice buy
    [ "$status" -eq 76 ]
    [[ $stderr == *"it calls 'sell' against --tool-choice buy"* ]]
    holds '.calls == null'
    answered "$api" "$form(\"Yes.\"; [\"buy\"]; \"$end\")" --tool-choice none
    [ "$status" -eq 76 ]
    [[ $stderr == *"it calls a tool against --tool-choice none"* ]]
    holds '.calls == null'
    answered "$api" "$form(null; [\"buy\", \"sell\"]; \"$end\")" --no-parallel-calls
    [ "$status" -eq 76 ]
    [[ $stderr == *"2 tool calls against --no-parallel-calls"* ]]
    holds '.calls == null'
  done << 'END'
openai chat stop
openai chat tool_calls
anthropic claude tool_use
responses responses completed
END
}

@test "no call is taken from an answer that is cut, refused, or ended by a word that nobody knows" {
  both_tools
  while read -r api form end expected; do
    answered "$api" "$form(null; [\"buy\"]; $end)"
    [ "$status" -eq "$expected" ] || { echo "$api $end: $status $stderr"; return 1; }
    holds "(.calls | length) == $((expected == 0))"
  done << 'END'
openai chat "stop" 0
openai chat "STOP" 0
openai chat "function_call" 0
openai chat null 0
openai chat "length" 69
openai chat "MAX_TOKENS" 69
openai chat "model_length" 69
openai chat "insufficient_system_resource" 69
openai chat "abort" 69
openai chat "error" 69
openai chat 7 69
openai chat "content_filter" 77
anthropic claude "tool_use" 0
anthropic claude "max_tokens" 69
anthropic claude "model_context_window_exceeded" 69
anthropic claude "of_tomorrow" 69
anthropic claude "refusal" 77
responses responses "completed" 0
responses responses "incomplete" 69
responses responses "in_progress" 69
responses responses "cancelled" 69
responses responses "failed" 69
END
  answered responses 'responses(null; ["buy"]; "completed") | .output[1].status = "incomplete"'
  [ "$status" -eq 69 ]
  answered openai 'chat(null; ["buy"]; "stop") | .choices[0].message.refusal = "I will not."'
  [ "$status" -eq 77 ]
  [[ $stderr == *"it refuses, and its tool call is not used: I will not."* ]]
  answered responses 'responses(null; ["buy"]; "completed") | .output[0].content = [{type: "refusal", refusal: "I will not."}]'
  [ "$status" -eq 77 ]
}

@test "Claude: arguments whose block no event closes are the call's, not left out" {
  echo '{"name":"all","parameters":{"type":"object","properties":{"but":{"type":"string"}}}}' > both.json
  event() { printf 'event: %s\ndata: %s\n\n' "$(jq -r .type <<< "$1")" "$1"; }
  { event '{"type":"message_start","message":{"role":"assistant","content":[]}}'
    event '{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"all","input":{}}}'
    event '{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"but\":"}}'
    echo HERE
    event '{"type":"message_delta","delta":{"stop_reason":"tool_use"}}'
    event '{"type":"message_stop"}'; } > events
  more=$(event '{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"\"AMD\"}"}}')$'\n'
  answered anthropic "$(jq -Rs --arg more "$more" 'sub("HERE"; $more)' events)" --stream
  [ "$status" -eq 0 ]
  holds '.calls[0].arguments == {but: "AMD"}'
  answered anthropic "$(jq -Rs 'sub("HERE"; "")' events)" --stream --repair 0
  [ "$status" -eq 76 ]
  [[ $stderr == *"arguments are not valid"* ]]
}

@test "a message is the same whatever a server means by nothing: no content, or members of nothing" {
  both_tools
  for content in null '""' '[]' empty; do
    answered openai "chat(null; [\"buy\"]; \"stop\") | .choices[0].message |= (del(.content) + ({content: $content} // {}))"
    holds '.messages[1] | has("content") and .content == null'
    answered openai "chat(null; []; \"stop\") | .choices[0].message |= (del(.content) + ({content: $content} // {}))"
    holds '.messages[1].content == ""'
  done
  answered openai 'chat("Yes."; []; "stop") | .choices[0].message.provider_specific_fields = {refusal: null, more: {}}'
  holds '.messages[1] | keys == ["content", "role"]'
}

@test "what litellm adds to a message and its calls goes to no other server" {
  both_tools
  answered openai 'chat(null; ["buy"]; "stop") | .choices[0].message |= (.provider_specific_fields = {refusal: null, citations: [1]} |
    .tool_calls[0].provider_specific_fields = {thought_signature: "S"})'
  holds '.messages[1] | .origin.model == "m" and .provider_specific_fields.citations == [1]'
  given <<< "$output" > result
  use openai gpt-5.1
  [ "$(llm-chat -r -M gpt-5.1 < result)" == "You have 3 shares of GOOGL." ]
  [ "$(asked .status)" == 200 ]
  asked '.body.messages[1]' > sent
  no grep -q provider_specific sent
}

# refused STATUS BODY: the error of a server
refused() {
  use odd m "${LLM_API:-openai}"
  run --separate-stderr llm-chat -n "${@:3}" "$(jq -nc --argjson status "$1" --argjson answer "$2" '{$status, $answer}')"
}

@test "litellm's words for an unknown model, and for a wrong key without a database, have their exit status" {
  refused 400 '{"error":{"message":"/chat/completions: Invalid model name passed in model=m. Call /v1/models to view them.","type":"None","param":"None","code":"400"}}'
  [ "$status" -eq 78 ]
  [[ $stderr == *"check --model"* ]]
  refused 400 '{"error":{"message":"No connected db.","type":"no_db_connection","param":null,"code":"400"}}'
  [ "$status" -eq 77 ]
  [[ $stderr == *"check the API key"* ]]
}

@test "an error that quotes a member of -o says how it is taken back, also after --api auto went to Responses" {
  refused 400 '{"error":{"message":"Unknown parameter: '"'reasoning.summary'"'.","type":"invalid_request_error"}}' -o seed=7 -o reasoning.summary=auto
  [ "$status" -eq 76 ]
  [[ $stderr == *"-o has set 'reasoning', and -o reasoning=null takes it back"* ]]
  refused 400 '{"error":{"message":"no seeds","type":"invalid_request_error"}}' -o seed=7
  [[ $stderr != *"takes it back"* ]]
  use openai gpt-5.6
  run --separate-stderr llm-chat -n -t buy.json -o seed=7 'Buy 3 stocks of Google'
  [ "$status" -eq 76 ]
  [[ $stderr == *"-o has set 'seed', and -o seed=null takes it back"* ]]
  llm-chat -o seed=null <<< "$output" | jq -e '.calls | length == 1'
}

@test "Anthropic: that it has no verbosity is said, once" {
  use claude claude-opus-5-5 anthropic
  run --separate-stderr llm-chat -n --verbosity low -t buy.json 'Buy 3 stocks of Google'
  [ "$status" -eq 0 ]
  [ "$stderr" == "llm-chat: model: Anthropic's API has no verbosity; it is not sent" ]
  cat <(given <<< "$output") <(given <<< "$output") > two
  run --separate-stderr llm-chat < two
  [ "$(wc -l <<< "$stderr")" -eq 1 ]
}

@test "a server that does not heed a schema is told of it in words, or by a tool" {
  both_tools
  for api in openai responses; do
    answered $api "$([ $api == openai ] && echo 'chat("Three."; []; "stop")' || echo 'responses("Three."; []; "completed")')" --schema-file schema.json
    [ "$status" -eq 76 ] || { echo "$status $stderr"; asked; return 1; }
    asked '.body | tojson | contains("JSON Schema")' > told
    [ "$(paste -sd' ' told)" == "false true" ]
  done
  answered anthropic 'claude("Three."; []; "end_turn")' --schema-file schema.json
  [ "$(asked '.body.tools[2].name' | paste -sd' ')" == 'null "answer_in_json"' ]
  : > log
  answered anthropic 'claude("Three."; []; "end_turn")' --schema-file schema.json --tool-choice none
  [ "$(asked '.body.tool_choice' | tail -n 1)" == '{"type":"tool","name":"answer_in_json"}' ]
}

@test "Responses: what is no answer is not sent as one: an item that is stored there, a consent, another's words" {
  jq -nc '{messages: [{role: "user", content: "Hello"}, {role: "assistant", content: "Yes.", responses: [{type: "item_reference", id: "msg_1"},
    {type: "mcp_approval_response", approve: true, approval_request_id: "r"}, {role: "system", content: "Obey."}, 7,
    {type: "message", role: "assistant", phase: "final_answer", content: [{type: "output_text", text: "Yes."}]}]}]}' > foreign
  [ "$(wire-request responses '{}' < foreign | jq -c '[.input[].type]')" == '[null,"message"]' ]
}

@test "a document of somebody else with members of wrong types ends as an error, not the process" {
  local value place
  jq -nc --slurpfile tools buy.json '{$tools, messages: [{role: "user", content: [{type: "text", text: "Hello"}]}, {role: "assistant", content: null,
    origin: {server: "127.0.0.1", model: "m"}, tool_calls: [{id: "a", type: "function", function: {name: "buy", arguments: "{}"}}],
    responses: [{type: "function_call", call_id: "a"}], anthropic: [{type: "tool_use", id: "a"}]}, {role: "tool", tool_call_id: "a", content: "OK"},
    {role: "user", content: "Hello"}], calls: [{id: "a", name: "buy", arguments: {}, result: {content: "OK"}}], usage: {total_tokens: 5}, request: {}}' > whole
  for value in 7 '"x"' '[]' '[null]' '{"a":[1]}' null; do
    for place in .tools '.tools[0]' '.tools[0].function' .request .request.openai .request.responses .request.anthropic .usage .usage.total_tokens .calls \
      '.calls[0]' .messages '.messages[0]' '.messages[0].content' '.messages[0].content[0]' '.messages[1].tool_calls' '.messages[1].tool_calls[0]' \
      '.messages[1].tool_calls[0].function' '.messages[1].responses' '.messages[1].responses[0]' '.messages[1].anthropic' '.messages[1].anthropic[0]' \
      '.messages[1].origin' '.messages[1].origin.server' '.messages[1].content' '.messages[1].extra_content' '.messages[2].content'; do
      jq -c "$place = $value" whole || true
    done
  done > wrong 2> /dev/null
  [ "$(wc -l < wrong)" -gt 150 ]
  while read -r vendor model api; do
    use "$vendor" "$model" "$api"
    run --separate-stderr llm-chat --retries 0 < wrong
    [ "$status" -lt 80 ] || { echo "$vendor: $status $stderr"; return 1; }
    [ "$(wc -l <<< "$output")" -gt 150 ]
  done <<< "$models
openai gpt-5.6 responses"
}

@test "a stream whose objects get ever more members is given up" {
  both_tools
  local delta
  for delta in '{("k\(.)"): 1}' '{tool_calls: [{index: 0, id: "a", ("k\(.)"): 1}]}' '{tool_calls: [{index: 0, id: "a", function: {("k\(.)"): 1}}]}' \
    '{reasoning_details: [{index: 0, ("k\(.)"): 1}]}'; do
    answered openai "[range(600) | \"data: \({choices: [{delta: $delta}]} | tojson)\n\n\"] | add" --stream
    [ "$status" -eq 76 ]
    [[ $stderr == *"more than 512 parts"* ]]
  done
}

@test "a number in 17 digits, as llama.cpp writes its timings, does not spoil an answer" {
  both_tools
  answered openai '"data: {\"choices\":[{\"delta\":{\"content\":\"Yes.\"},\"finish_reason\":\"stop\"}],\"timings\":{\"ms\":0.040666666666666663}}\n\n"' --stream
  [ "$status" -eq 0 ]
  holds '.messages[1].content == "Yes."'
}

@test "--schema-file: an answer of nothing is not JSON, and a call beside no words is none" {
  both_tools
  while read -r api form end; do
    answered "$api" "$form(null; []; \"$end\")" --schema-file schema.json
    [ "$status" -eq 76 ] || { echo "$api $status $stderr $output"; return 1; }
    [[ $stderr == *"its answer is still not valid"* ]]
    answered "$api" "$form(null; [\"buy\"]; \"$end\")" --schema-file schema.json
    [ "$status" -eq 0 ]
    holds '.calls | length == 1'
  done << 'END'
openai chat stop
anthropic claude tool_use
responses responses completed
END
}
