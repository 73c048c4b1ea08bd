# llm-chat with model servers that people run: llama.cpp's own, with a model of 250 kB made for it, and litellm's proxy
# in front of the sandbox's model.
# shellcheck source=helper.bash
load helper

# litellm is 0.7 GB of packages, 80 s to install and 25 s to start: MODELS=all says that it shall be there too.
setup_file() {
  umask 077
  export folder=$BATS_TEST_DIRNAME/peers/model-servers
  export llama_missing="" litellm_missing="litellm is not installed; MODELS=all installs it"
  cd "$BATS_FILE_TMPDIR" || return 1
  start_llama || llama_missing="pip cannot install llama.cpp's server"
  [ "${MODELS:-}" != all ] || { start_litellm && litellm_missing=""; } || litellm_missing="pip cannot install litellm"
}

# Writes the server's address to the file llama, and its process id to pids.
start_llama() {
  local python=$folder/llama/venv/bin/python
  python_install "$folder/llama" || return
  "$python" "$folder/llama/tiny.py" tiny.gguf || return
  "$python" "$folder/llama/serve.py" tiny.gguf "$folder/llama/tiny.jinja" > llama 2> llama.log 3>&- &
  echo $! >> pids
  await grep -q '^http' llama || { cat llama.log; return 1; }
}

# The proxy's telemetry and its list of prices stay at home.
start_litellm() (
  python_install "$folder/litellm" || exit
  ciba-sandbox > exports || exit
  # shellcheck source=/dev/null
  . ./exports
  echo "$CIBA_SANDBOX_PID" >> pids
  litellm_config > litellm.yaml
  export LITELLM_LOCAL_MODEL_COST_MAP=True LITELLM_TELEMETRY=False LITELLM_MODE=PRODUCTION
  export HTTP_PROXY=http://127.0.0.1:9 HTTPS_PROXY=http://127.0.0.1:9 NO_PROXY=127.0.0.1
  "$folder/litellm/venv/bin/python" "$folder/litellm/serve.py" litellm.yaml > litellm 2> litellm.log 3>&- &
  echo $! >> pids
  await grep -q '^http' litellm || { cat litellm.log; exit 1; }
)

# A model behind OpenAI's protocol, and the same one behind Anthropic's.
litellm_config() {
  jq -n '{model_list: [["openai", env.OPENAI_BASE_URL], ["anthropic", (env.CIBA_SANDBOX_URL | rtrimstr("/"))]] | map({model_name: .[0],
    litellm_params: {model: "\(.[0])/sandbox-model", api_base: .[1], api_key: env.OPENAI_API_KEY, num_retries: 0}}),
    general_settings: {master_key: env.key}, router_settings: {num_retries: 0, disable_cooldowns: true}}'
}

teardown_file() {
  [ ! -e "$BATS_FILE_TMPDIR/pids" ] || xargs kill < "$BATS_FILE_TMPDIR/pids" 2> /dev/null || true
}

setup() {
  common_setup
  stock-buy --describe > buy.json
  echo '{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}' > n.json
}

# A server, and a model of it.
use() {
  local missing=${1}_missing address
  [ -z "${!missing}" ] || skip "${!missing}"
  address=$(grep -m 1 ^http "$BATS_FILE_TMPDIR/$1")
  export OPENAI_BASE_URL=$address/v1 OPENAI_API_KEY=$key OPENAI_MODEL=$2
  export ANTHROPIC_BASE_URL=$address/v1 ANTHROPIC_API_KEY=$key ANTHROPIC_MODEL=$2
}
export key=sk-a-key-of-the-tests-with-many-characters

every_api() {
  local LLM_API stream
  for LLM_API in openai responses anthropic; do
    for stream in '' --stream; do
      export LLM_API
      echo "# $LLM_API $stream"
      "$@"
    done
  done
}

# Three shares are bought: the call, its result, the last word, and one more turn of the talk.
buys() {
  # shellcheck disable=SC2086
  {
    llm-chat -n $stream -t buy.json 'Buy 3 stocks of Google' > asked
    jq -e '.calls | length == 1 and .[0].name == "buy" and .[0].arguments == $arguments' --argjson arguments "$1" asked
    jq -c '.calls[0].result = {status: 200, content: "OK"}' asked > bought
    llm-chat $stream < bought > told
    jq -e '.messages[-2].role == "tool" and .messages[-1].content == $told' --arg told "$2" told
    jq -e '.usage | .total_tokens == .prompt_tokens + .completion_tokens and .completion_tokens > 0' told
  }
}

@test "llama.cpp: every API: a tool call of its grammar, its result, and the last word, at once and as a stream" {
  use llama tiny
  every_api buys '{"ticker":"AMD","qty":3}' OK.
}

@test "llama.cpp: a required call comes, whatever is said, and none where none may come" {
  use llama tiny
  local stream
  for stream in '' --stream; do
    # shellcheck disable=SC2086
    llm-chat -n $stream --no-parallel-calls --tool-choice required -t buy.json Hello | jq -e '.calls | length == 1'
    # shellcheck disable=SC2086
    llm-chat -n $stream --max-tokens 9 --tool-choice none -t buy.json Hello | jq -e '.calls | length == 0'
  done
}

goes_on_after_words() {
  # shellcheck disable=SC2086,SC2031 # every_api has set it
  {
    llm-chat -n $stream Hello > hello
    llm-chat $stream 'And again' < hello > again
    jq -e '.messages | length == 4 and .[3].content == "OK."' again
  }
}

@test "llama.cpp: every API: a talk goes on after an answer in words, and after words to be repaired" {
  use llama tiny
  every_api goes_on_after_words
  export LLM_API=responses
  run --separate-stderr llm-chat -n --schema-file n.json Hello
  [ "$status" -eq 76 ]
  [[ $stderr == *"still not valid after it was told why"* ]]
}

# Its Responses API knows no format (text.format).
@test "llama.cpp: an answer by a schema" {
  use llama tiny
  local stream
  for LLM_API in openai anthropic; do
    for stream in '' --stream; do
      export LLM_API
      # shellcheck disable=SC2086
      llm-chat -nr $stream --schema-file n.json Number | jq -e '. == {n: 3}'
    done
  done
}

told_the_key_is_wrong() {
  # shellcheck disable=SC2086
  OPENAI_API_KEY=no ANTHROPIC_API_KEY=no run --separate-stderr llm-chat -n $stream Hello
  [ "$status" -eq 77 ]
  [[ $stderr == *"HTTP 401"*"check the API key"* ]]
}

told_it_is_too_long() {
  # shellcheck disable=SC2086
  run --separate-stderr llm-chat -R $stream < long
  [ "$status" -eq 65 ]
  [[ $stderr == *"exceeds the available context size"*"shorten the conversation"* ]]
}

@test "llama.cpp: every API: a wrong key, and a conversation longer than the context, by their exit status" {
  use llama tiny
  head -c 6000 /dev/zero | tr '\0' x > long
  every_api told_the_key_is_wrong
  every_api told_it_is_too_long
}

@test "llama.cpp: an answer of as many tokens as it may have is kept, with a warning; a call that is cut is no call" {
  use llama tiny
  local stream
  for stream in '' --stream; do
    # shellcheck disable=SC2086
    run --separate-stderr llm-chat -nr $stream --max-tokens 2 Hello
    [ "$status" -eq 0 ]
    [ "$output" == OK ]
    [[ $stderr == *"cut off"* ]]
    # shellcheck disable=SC2086
    run --separate-stderr llm-chat -n $stream --max-tokens 40 --tool-choice required -t buy.json Buy
    [ "$status" -eq 69 ]
    holds '.calls | length == 0'
  done
}

@test "llama.cpp: twelve documents at a time get their own answers" {
  use llama tiny
  seq 12 | jq -c '{messages: [{role: "user", content: "Number \(.)"}]}' | llm-chat -j 12 > answered
  jq -se 'map(.messages[0].content) == [range(1; 13) | "Number \(.)"] and all(.messages[1].content == "OK.")' answered
}

goes_on() {
  buys "$@"
  # shellcheck disable=SC2086
  llm-chat $stream -r 'And now?' < told | grep -x 'I can buy shares for you.*'
  # shellcheck disable=SC2086
  llm-chat -nr $stream --schema-file n.json 'json {"n":3}' | jq -e '. == {n: 3}'
}

@test "litellm: every API, in front of OpenAI's and of Anthropic's: call, result, last word, next turn, and a schema" {
  for model in openai anthropic; do
    use litellm "$model"
    every_api goes_on '{"ticker":"GOOGL","qty":3}' 'I bought 3 shares of GOOGL for you.'
  done
}
