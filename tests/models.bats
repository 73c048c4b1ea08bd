# llm-chat and the sandbox against software that we did not write: aimock, and OpenAI's official client.
# shellcheck source=helper.bash
load helper

setup_file() {
  peers_setup
  [ -z "$peers_missing" ] || return 0
  node "$BATS_TEST_DIRNAME/peers/models.mjs" "$BATS_FILE_TMPDIR/mock" > "$BATS_FILE_TMPDIR/mock.log" 2>&1 3>&- &
  echo $! > "$BATS_FILE_TMPDIR/pid"
  await test -s "$BATS_FILE_TMPDIR/mock" || { cat "$BATS_FILE_TMPDIR/mock.log"; return 1; }
}

teardown_file() {
  [ ! -e "$BATS_FILE_TMPDIR/pid" ] || kill "$(cat "$BATS_FILE_TMPDIR/pid")" 2> /dev/null || true
}

setup() {
  [ -z "$peers_missing" ] || skip "$peers_missing"
  common_setup
  stock-buy --describe > buy.json
  mock=$(cat "$BATS_FILE_TMPDIR/mock")
}

# The settings for an API of the mock.
use() {
  export LLM_API=$1 OPENAI_BASE_URL=$mock/v1 OPENAI_API_KEY=k OPENAI_MODEL=gpt-4o ANTHROPIC_BASE_URL=$mock/v1 \
    ANTHROPIC_API_KEY=k ANTHROPIC_MODEL=claude-sonnet-4 AZURE_OPENAI_ENDPOINT=$mock AZURE_OPENAI_API_KEY=k AZURE_OPENAI_DEPLOYMENT=gpt-4o
}

# The document without what varies between answers.
stable() {
  jq -cS 'del(.usage, .messages[].responses[]?.id, .messages[].anthropic[]?.signature)' "$@"
}

@test "every API: a tool call, its result, and the last word; with a stream the same document" {
  local api
  for api in openai azure anthropic responses; do
    use "$api"
    for stream in '' --stream; do
      # shellcheck disable=SC2086
      llm-chat -n $stream -t buy.json 'Buy 3 stocks of Google' > "asked$stream"
      jq -e '.calls == [{id: "call_google", name: "buy", arguments: {ticker: "GOOGL", qty: 3}}]' "asked$stream"
      jq -c '.calls[0].result = {status: 200, content: "OK"}' "asked$stream" > bought
      # shellcheck disable=SC2086
      llm-chat $stream < bought > "told$stream"
      [ "$(jq -r '.messages[-1].content' "told$stream")" == "I bought 3 shares of GOOGL. ✓" ]
      jq -e '.usage | .total_tokens == .prompt_tokens + .completion_tokens' "told$stream"
    done
    diff <(stable asked) <(stable asked--stream)
    diff <(stable told) <(stable told--stream)
  done
}

@test "every API: parallel calls, text in any script, and -r as it streams" {
  local api
  for api in openai azure anthropic responses; do
    use "$api"
    llm-chat -n --stream -t buy.json 'Buy two' | jq -e '[.calls[].arguments.qty] == [3,1]'
    [ "$(llm-chat -nr Hello)" == "Grüße, I am a mock: 漢字 and 🙂." ]
    [ "$(llm-chat -nr --stream Hello)" == "Grüße, I am a mock: 漢字 and 🙂." ]
  done
}

@test "a document goes from one API to another and back" {
  use anthropic
  llm-chat -n -t buy.json 'Think' | jq -c '.calls[0].result = {status: 200, content: "OK"}' > one
  jq -e '.messages[-1].anthropic | any(.type == "thinking")' one
  for api in openai responses azure anthropic; do
    use "$api"
    [ "$(llm-chat -r -M "$([ "$api" = anthropic ] && echo claude-sonnet-4 || echo gpt-4o)" < one)" == Done. ]
  done
  curl -s "$mock/__aimock/journal" > journal
  # what is only Anthropic's goes to no other server, and comes back to Anthropic unchanged
  jq -e '[.. | objects | select(has("anthropic"))] == []' journal
}

@test "an image goes to each API in the form that it has there" {
  local picture='data:image/png;base64,iVBORw0KGgo='
  jq -nc --arg url "$picture" '{messages: [{role: "user", content: [{type: "text", text: "What is in this?"}, {type: "image_url", image_url: {url: $url}}]}]}' > picture.json
  local api
  for api in openai azure anthropic responses; do
    use "$api"
    [ "$(llm-chat -r < picture.json)" == "A picture." ]
  done
  jq -nc '{messages: [{role: "user", content: [{type: "input_audio", input_audio: {data: "AAAA", format: "wav"}}]}]}' > sound.json
  use anthropic
  run --separate-stderr llm-chat < sound.json
  [ "$status" -eq 65 ]
  [[ $stderr == *"cannot take: input_audio"* ]]
  [ "$output" == "$(cat sound.json)" ]
}

@test "the sandbox speaks OpenAI's protocol, as OpenAI's own client sees it" {
  sandbox
  run --separate-stderr node "$BATS_TEST_DIRNAME/peers/openai-client.mjs"
  echo "$output $stderr"
  [ "$status" -eq 0 ]
  holds '.models == ["sandbox-model"] and .hello.object == "chat.completion" and .hello.finish == "stop" and .hello.usage'
  holds '.called.finish == "tool_calls" and .called == (.streamed | del(.many, .usage))'
  holds '.called.calls[0] == ["function", "buy", "{\"ticker\":\"GOOGL\",\"qty\":3}"]'
  holds '.streamed.many and .streamed.usage and .text'
  holds '.runner == "I bought 3 shares of GOOGL for you."'
  holds '.wrongKey == ["AuthenticationError", 401, "invalid_api_key"] and .unanswered[0] == "BadRequestError"'
}
