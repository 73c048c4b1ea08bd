# What people ask of a request, and which model is asked if nobody says: llm-chat(1).
# shellcheck source=helper.bash
load helper

# A sandbox, where no setting names a model.
no_model() {
  sandbox
  unset OPENAI_MODEL
  export ANTHROPIC_API_KEY=$OPENAI_API_KEY ANTHROPIC_BASE_URL=$OPENAI_BASE_URL
}

# The server lists what JQ makes: lists JQ [STATUS]
lists() {
  jq -nc "[{path:\"/v1/models\", times:1000, status:${2:-200}, body:($1)}]" | spoil
}

# OpenAI's list of these names, the first made on the first day: named NAME...
named() {
  jq -nc '$ARGS.positional | to_entries | map({id: .value, object: "model", created: (1760000000 + .key * 86400), owned_by: "openai"}) |
    {object: "list", data: .}' --args "$@"
}

@test "what is asked by options is remembered in the document, asked again later, and overridden by options" {
  sandbox
  llm-chat -n --reasoning-effort high --verbosity low --temperature 0.5 --service-tier flex --cache --max-tokens 99 \
    -o seed=7 -o user=alice -o 'stop=["a"]' -o reasoning.effort=high -o 'quoted="7"' Hello > first
  jq -e '.request == {reasoning_effort: "high", verbosity: "low", service_tier: "flex", temperature: 0.5, cache: true, max_tokens: 99,
    openai: {seed: 7, user: "alice", stop: ["a"], reasoning: {effort: "high"}, quoted: "7"}}' first
  llm-chat 'And now?' < first > second
  [ "$(jq -cS .request first)" == "$(jq -cS .request second)" ]
  [ "$(requests /v1/chat/completions .body.max_tokens | sort -u)" == 99 ]
  llm-chat --max-tokens 5 --temperature 0 -o seed=8 -o reasoning.effort=low -o reasoning.summary=auto 'And now?' < second > third
  jq -e '.request | .max_tokens == 5 and .temperature == 0 and .verbosity == "low" and
    .openai == {seed: 8, user: "alice", stop: ["a"], reasoning: {effort: "low", summary: "auto"}, quoted: "7"}' third
  [ "$(requests /v1/chat/completions .body.max_tokens | tail -n 1)" == 5 ]
  [ "$(jq -c 'del(.request, .usage, .messages)' first)" == "$(llm-chat -n Hello | jq -c 'del(.usage, .messages)')" ]
}

@test "-o NAME=null takes back what the document asks, and nothing is left of it" {
  sandbox
  llm-chat -n --reasoning-effort high --temperature 1 --cache --max-tokens 9 -o seed=7 -o a.b.c=1 -o a.d=2 Hello > first
  llm-chat -o seed=null -o a.b.c=null 'And now?' < first | jq -e '.request.openai == {a: {d: 2}}'
  llm-chat -o seed=null -o a=null -o temperature=null -o reasoning_effort=null -o cache=null -o max_tokens=null 'And now?' < first |
    jq -e 'has("request") | not'
  jq -c '.request.of_another = 1' first | llm-chat -o of_another=null 'And now?' | jq -e '.request.of_another == 1'
}

@test "members of -o stay with the API that they were given for" {
  sandbox
  export ANTHROPIC_API_KEY=$OPENAI_API_KEY ANTHROPIC_BASE_URL=$OPENAI_BASE_URL ANTHROPIC_MODEL=m
  llm-chat -n -o seed=7 Hello > first
  llm-chat --api anthropic -o top_k=5 --verbosity low 'And now?' < first > second
  jq -e '.request == {verbosity: "low", openai: {seed: 7}, anthropic: {top_k: 5}}' second
  no grep seed <(requests /v1/messages .body)
  llm-chat 'And now?' < second | jq -e '.request == {verbosity: "low", openai: {seed: 7}, anthropic: {top_k: 5}}'
}

@test "what would have the conversation stored, searched for or sent on cannot be set, by -o or by a document" {
  sandbox
  for name in store STORE data_sources plugins web_search_options search_parameters api_base base_url api_key extra_body; do
    run llm-chat -n -o $name=true Hello
    [ "$status" -eq 64 ]
    jq -nc "{messages: [{role: \"user\", content: \"Hello\"}], request: {openai: {$name: true}}}" > document
    run llm-chat < document
    [ "$status" -eq 65 ]
  done
  [ "$(count /v1/chat/completions)" -eq 0 ]
  llm-chat -n -o store=false Hello | llm-chat again | jq -e ".request.openai == {store: false}"
  run llm-chat -n -o store.x=false Hello
  [ "$status" -eq 64 ]
}

@test "a document that needs no answer, and the other commands, leave its request as it is" {
  sandbox --approve yes --delay 0
  stock-buy --describe > buy.json
  llm-chat -n -t buy.json -o seed=7 --temperature 1 'Buy 3 stocks of Google' > asked
  cmp <(llm-chat --temperature 2 < asked) asked
  ciba-authorize -m 'Buy \(.qty)' < asked | ciba-poll > approved
  stock-buy < approved > bought
  for document in approved bought; do
    jq -e '.request == {temperature: 1, openai: {seed: 7}}' $document
  done
  jq -e '.calls[0].result.status == 200' bought
  # what the model is asked for is no part of what the user approves
  jq -c '.request.temperature = 2' approved | stock-buy | jq -e '.calls[0].result.status == 200'
}

@test "what would be the conversation, tools that nobody approves or another kind of answer is refused" {
  nowhere
  names=0
  while read -r name; do
    names=$((names + 1))
    for member in "$name=1" "${name^}=null" "$name.x=1"; do
      run --separate-stderr llm-chat -n -o "$member" Hello
      [ "$status" -eq 64 ]
      [[ $stderr == "llm-chat: -o: '$name' cannot be set so"* ]]
    done
    for written in "$name" "${name^^}"; do
      jq -nc --arg name "$written" '{messages: [{role: "user", content: "x"}], request: {openai: {($name): 1}}}' > input
      run --separate-stderr llm-chat --retries 0 < input
      [ "$status" -eq 65 ]
      [ "$output" == "$(cat input)" ]
      [[ $stderr == *"request.openai sets '$name', which it must not"* ]]
    done
  done < <(sed -n '/^} refused\[\] = {/,/^};/s/^ *{"\([a-z_]*\)".*/\1/p' "$project/lib/model/request_options.c")
  [ "$names" -ge 15 ]
}

@test "an -o that cannot be read is refused, and names what is wrong" {
  nowhere
  deep=$(printf 'a.%.0s' {1..16})a
  while IFS='|' read -r member words; do
    run --separate-stderr llm-chat -n -o "$member" Hello
    echo "$member: $stderr"
    [ "$status" -eq 64 ]
    [[ $stderr == *"$words"* ]]
  done << END
seed|is not NAME=VALUE
=1|is not a name
a..b=1|is not a name
.a=1|is not a name
a.=1|is not a name
$deep=1|at most 16 names
a={"b":1,"b":2}|-o a: 
a=[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]|more than 16 levels
END
  head -c 70000 /dev/zero | tr '\0' x > long
  run --separate-stderr llm-chat -n -o "a=$(cat long)" Hello
  [ "$status" -eq 64 ]
  run --separate-stderr llm-chat -n -o "a=$(printf '\377')" Hello
  [ "$status" -eq 64 ]
  for word in '' "$(head -c 101 long)"; do
    run --separate-stderr llm-chat -n --verbosity "$word" Hello
    [ "$status" -eq 64 ]
    [[ $stderr == *"verbosity must be a word"* ]]
  done
  run --separate-stderr llm-chat -n --temperature hot Hello
  [ "$status" -eq 64 ]
}

@test "a request in a document that is not as the page says is an error, and the document is written as it was" {
  nowhere
  while read -r value; do
    jq -nc "{messages: [{role: \"user\", content: \"x\"}], request: $value}" > input
    run --separate-stderr llm-chat --retries 0 < input
    echo "$value: $stderr"
    [ "$status" -eq 65 ]
    [ "$output" == "$(cat input)" ]
    [[ $stderr == *"the document's request"* || $stderr == *"more than 16 levels or 64 KiB"* ]]
  done << 'END'
1
[]
"temperature"
{temperature: "1"}
{temperature: -1}
{temperature: 1e300}
{max_tokens: 1.5}
{max_tokens: 0}
{max_tokens: "9"}
{cache: 1}
{verbosity: 1}
{verbosity: ""}
{reasoning_effort: {}}
{service_tier: ["flex"]}
{service_tier: ("x" * 101)}
{openai: 1}
{openai: []}
{openai: {a: ("x" * 70000)}}
{openai: {a: [[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}}
END
  # what is not known, or of another API, is kept; null is nothing
  jq -nc '{messages: [{role: "user", content: "x"}], request: {more: [1], anthropic: 1, cache: null}}' > input
  run --separate-stderr llm-chat --retries 0 < input
  [ "$status" -eq 69 ]
  [ "$output" == "$(cat input)" ]
}

@test "without a model the only one of the server is asked, or the newest that is known to work, and that is said once" {
  no_model
  llm-chat -n Hello > document 2> said
  [ "$(cat said)" == "llm-chat: model: sandbox-model, the only one that the server lists; -M or OPENAI_MODEL chooses" ]
  jq -e '.model == "sandbox-model"' document
  lists "$(named gpt-4o-mini gpt-5 gpt-5.6 gpt-5.6-2026-07-09 gpt-5.6-codex gpt-image-2 o9 gpt-audio-5)"
  llm-chat -n Hello 2> said | jq -e '.model == "gpt-5.6"'
  [ "$(cat said)" == "llm-chat: model: gpt-5.6, the newest that the server lists; -M or OPENAI_MODEL chooses" ]
  [ "$(requests /v1/chat/completions .body.model | tail -n 1)" == '"gpt-5.6"' ]
  jq -nc '{messages: [{role: "user", content: "x"}]} | ., .' > two
  asked=$(count /v1/models)
  llm-chat < two 2> said | jq -se 'map(.model) == ["gpt-5.6", "gpt-5.6"]'
  [ "$(wc -l < said)" -eq 1 ]
  [ "$(count /v1/models)" -eq $((asked + 1)) ]
  # what is chosen is not asked for
  llm-chat -n -M one Hello | jq -e '.model == "one"'
  OPENAI_MODEL=two llm-chat -n Hello | jq -e '.model == "two"'
  jq -c '.model = "three"' two | llm-chat | jq -se 'map(.model) == ["three", "three"]'
  [ "$(count /v1/models)" -eq $((asked + 1)) ]
}

@test "of a list the newest of a family is chosen, whatever else is in it" {
  no_model
  while IFS='|' read -r api chosen models; do
    lists "{data: $models}"
    run --separate-stderr llm-chat --api "$api" -n Hello
    echo "$models: $stderr"
    [ "$status" -eq 0 ]
    [ "$(jq -r .model <<< "$output")" == "$chosen" ]
  done << 'END'
openai|gpt-5.6-terra|[{id: "gpt-5.6-sol", created: 1783555200}, {id: "gpt-5.6-luna", created: 1783555300}, {id: "gpt-5.6-terra", created: 1783555250}, {id: "gpt-5.4", created: 1770000000}]
openai|models/gemini-3.1-pro-preview|[{id: "models/gemini-3-pro-preview"}, {id: "models/gemini-3.1-pro-preview"}, {id: "models/gemini-embedding-1"}]
openai|mistral-large-latest|[{id: "codestral"}, {id: "mistral-large-latest", created: 1}, {id: "mistral-medium-latest", created: 1}]
openai|deepseek-chat|[{id: "deepseek-chat"}, {id: "deepseek-reasoner"}]
openai|gpt-5|[{id: "gpt-5", created: "soon"}, {id: "gpt-5.9\u001b[2J", created: 2e9}, {id: 7}, null, "gpt-5.8", {created: 1}]
responses|gpt-5.2|[{id: "gpt-5.2", created: 1760000000}, {id: "gpt-5.1", created: 1750000000}]
anthropic|claude-sonnet-5-5|[{id: "claude-opus-5-5", created_at: "2026-05-01T00:00:00Z"}, {id: "claude-sonnet-5-5", created_at: "2026-05-01T10:00:00Z"}, {id: "claude-haiku-4-5", created_at: "2025-10-01T00:00:00Z"}]
anthropic|claude-opus-5|[{id: "claude-opus-5", created_at: "2026-01-01T00:00:00Z", lifecycle: "active"}, {id: "claude-opus-5-5", created_at: "2026-05-01T00:00:00Z", lifecycle: "retired"}]
END
}

@test "where none can be chosen, it is said what to set and how to see them" {
  no_model
  lists "$(named a b c d e f g)"
  run --separate-stderr llm-chat -n Hello
  [ "$status" -eq 78 ]
  [ "$(jq -c .messages <<< "$output")" == '[{"role":"user","content":"Hello"}]' ]
  [[ $stderr == *"no model: set OPENAI_MODEL, or --model, to one that the server lists (g, f, e, d, c …; llm-chat --models lists them all)" ]]
  while IFS='|' read -r body http wanted words; do
    lists "$body" "$http"
    run --separate-stderr llm-chat -n --retries 0 Hello
    echo "$body $http: $stderr"
    [ "$status" -eq "$wanted" ]
    [[ $stderr == *"$words"* && $stderr == *"OPENAI_MODEL, or --model"* ]]
  done << 'END'
{data: []}|200|78|no model: set
{error: {message: "no such path"}}|404|78|the server's list cannot be read
"text"|200|78|the server's list cannot be read
{error: {message: "wrong", code: "invalid_api_key"}}|401|77|check the API key
{error: {message: "busy"}}|503|69|the server's list cannot be read
END
  # a deployment is nothing that Azure lists
  export AZURE_OPENAI_API_KEY=$OPENAI_API_KEY AZURE_OPENAI_ENDPOINT=${CIBA_SANDBOX_URL%/}
  run --separate-stderr llm-chat --api azure -n Hello
  [ "$status" -eq 78 ]
  [[ $stderr == *"no model: set AZURE_OPENAI_DEPLOYMENT, or --model" ]]
}

@test "a list that cannot be had at once is asked for again" {
  no_model
  jq -nc '[{path:"/v1/models", times:2, status:503, body:{}, headers: {"retry-after-ms": "1"}}]' | spoil
  llm-chat -n Hello | jq -e '.model == "sandbox-model"'
  [ "$(count /v1/models)" -eq 3 ]
}

@test "--models lists what the server has, newest first, for each API" {
  no_model
  lists "$(named old new)"
  [ "$(llm-chat --models)" == $'new\nold' ]
  [ "$(llm-chat --models -v 2> /dev/null)" == $'new\t2025-10-10\topenai\nold\t2025-10-09\topenai' ]
  [ "$(llm-chat --models --api responses)" == $'new\nold' ]
  lists '[{id: "bare", created: 0}]'
  [ "$(llm-chat --models -v 2> /dev/null)" == $'bare\t-\t-' ]
  jq -nc '[{path:"/openai/models", times:9, body:{data:[{id:"base", created_at: 1760000000}]}}]' | spoil
  AZURE_OPENAI_API_KEY=k AZURE_OPENAI_ENDPOINT=${CIBA_SANDBOX_URL%/} llm-chat --api azure --models > listed
  [ "$(cat listed)" == base ]
  run --separate-stderr llm-chat --models Hello
  [ "$status" -eq 64 ]
  lists '{error: {message: "no"}}' 404
  run --separate-stderr llm-chat --models
  [ "$status" -eq 78 ]
}

@test "--models reads Anthropic's pages to their end, and no more than twenty" {
  command -v strace > /dev/null || skip "strace is not installed"
  no_model
  jq -nc '[{path:"/v1/models", times:1, body:{data:[{id:"one", created_at:"2026-02-28T00:00:00Z"}], has_more:true, last_id:"one"}},
    {path:"/v1/models", times:1, body:{data:[{id:"two", created_at:"2024-02-29T23:59:59Z"}], has_more:false, last_id:"two"}}]' | spoil
  ASAN_OPTIONS=detect_leaks=0 strace -f -s 200 -e trace=sendto -o sent llm-chat --api anthropic --models -v > listed
  [ "$(cat listed)" == $'one\t2026-02-28\t-\ntwo\t2024-02-29\t-' ]
  [ "$(grep -o 'GET [^ ]*' sent)" == $'GET /v1/models?limit=1000\nGET /v1/models?limit=1000&after_id=one' ]
  asked=$(count /v1/models)
  lists '{data:[{id:"one"}], has_more:true, last_id:"one"}'
  run --separate-stderr llm-chat --api anthropic --models
  [ "$status" -eq 0 ]
  [[ $stderr == *"the server has more than are read, 20"* ]]
  [ "$(count /v1/models)" -eq $((asked + 20)) ]
  # an id that could be more of a URL than itself
  lists '{data:[], has_more:true, last_id:"x&limit=1 \r\nHost: other"}'
  llm-chat --api anthropic --models
}

# A server whose every answer is the JSON that jq makes: serves JQ
serves() {
  jq -nc "$1" > body
  {
    printf 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %s\r\n\r\n' "$(wc -c < body)"
    cat body
  } > served
  raw_server send served
  export OPENAI_BASE_URL=$raw/v1
}

@test "names that a server makes up do not reach a terminal, a document or the memory" {
  serves '{data: [{id: ("x" * 900000), created: 9e99}, {id: "\u001b[2J"}, {id: "a\nb"}, {id: "\u202egood"}, {id: ""}, {id: "a b"},
    {id: "good", created: 1e300, owned_by: "\u001b]0;x\u0007"}, {id: ("y" * 201)}]}'
  run --separate-stderr llm-chat --models -v
  [ "$status" -eq 0 ]
  [ "$output" == $'good\t-\t-' ]
  [[ $stderr == *"7 are left out: their names are too long, or cannot be shown"* ]]
  run --separate-stderr llm-chat -n Hello
  [ "$status" -eq 78 ]
  jq -e 'has("model") | not' <<< "$output"
  [ "${#stderr}" -lt 1000 ]
}

@test "of a list without end ten thousand models are read" {
  serves '{data: [range(20000) | {id: "m\(.)"}]}'
  run --separate-stderr llm-chat --models
  [ "$status" -eq 0 ]
  [ "${#lines[@]}" -eq 10000 ]
  [[ $stderr == *"the server has more than are read, 10000"* ]]
}

@test "the page names the families of models that are known to work, and no other" {
  sed -n '/^static const char \*const [a-z]*_families/,/NULL}/p' "$project/lib/model/chat_apis.c" | grep -o '"[^"]*"' | tr -d '"' | sort -u > known
  [ "$(wc -l < known)" -gt 10 ]
  sed -n '/^\.Sh MODELS/,/^\.Sh/p' "$project/man/llm-chat.1" | sed -n 's/^\.It Cm //p' | tr -d ',' | tr -s ' ' '\n' | sed 's/VERSION/#/' | sort -u > named
  diff known named
}
