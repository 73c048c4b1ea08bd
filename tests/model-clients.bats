# The sandbox's model, as the official clients of the makers see it: their protocols, and no dialect of them. OpenAI's
# chat completions are in models.bats.
# shellcheck source=helper.bash
load helper

setup_file() {
  peers_setup
}

setup() {
  [ -z "$peers_missing" ] || skip "$peers_missing"
  common_setup
  sandbox
  export ANTHROPIC_BASE_URL=$CIBA_SANDBOX_URL ANTHROPIC_API_KEY=$OPENAI_API_KEY
  export GOOGLE_GEMINI_BASE_URL=$CIBA_SANDBOX_URL GEMINI_API_KEY=$OPENAI_API_KEY
}

# What the client makes of the answers, in $output.
client() {
  run --separate-stderr node "$BATS_TEST_DIRNAME/peers/clients/$1.mjs"
  echo "$output $stderr"
  [ "$status" -eq 0 ]
}

both='"I bought 3 shares of GOOGL for you.\nI bought 2 shares of AAPL for you."'

@test "OpenAI's client, by Responses: text, calls and their results, at once and as numbered events, and errors" {
  client responses
  holds '.hello == {object: "response", status: "completed", usage: true, text: .hello.text} and (.hello.text | length) > 0'
  holds '.called == {status: "completed", calls: [["buy", "{\"ticker\":\"GOOGL\",\"qty\":3}"], ["buy", "{\"ticker\":\"AAPL\",\"qty\":2}"]]}'
  holds '.streamed == .called and .pieces > 2 and .numbered and .text'
  holds ".told == $both"
  holds '.wrongKey == ["AuthenticationError", 401] and .unanswered == ["BadRequestError", 400]'
}

@test "Anthropic's client: text, calls and their results, at once and as a stream, its own runner, and errors" {
  client anthropic
  holds '.hello == {type: "message", role: "assistant", stop: "end_turn", usage: true, text: .hello.text} and (.hello.text | length) > 0'
  holds '.called == {stop: "tool_use", calls: [["buy", {ticker: "GOOGL", qty: 3}], ["buy", {ticker: "AAPL", qty: 2}]]}'
  holds '.streamed == .called and .pieces > 2 and .text'
  holds ".told == $both and .runner == \"I bought 3 shares of GOOGL for you.\""
  holds '.wrongKey == ["AuthenticationError", 401] and .unanswered == ["BadRequestError", 400]'
}

@test "Google's client: text, calls and their results, at once and as a stream, a chat, and errors" {
  client google
  holds '.hello == {finish: "STOP", usage: true, text: .hello.text} and (.hello.text | length) > 0'
  holds '.called == {finish: "STOP", calls: [["buy", {ticker: "GOOGL", qty: 3}], ["buy", {ticker: "AAPL", qty: 2}]]}'
  holds '.streamed == .called and .text'
  holds '.told == "I bought 3 shares of GOOGL for you."'
  holds '.wrongKey == ["ApiError", 401] and .unanswered == ["ApiError", 400]'
}
