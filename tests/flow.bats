# shellcheck source=helper.bash
load helper

# The pipeline exactly as in examples/buy-stock: buy PROMPT
buy() {
  "$project/examples/buy-stock" "$@"
}

# Under valgrind: the same commands, each run in it.
if [ -n "${UNDER_VALGRIND:-}" ]; then
  for command in "llm-chat --no-confinement" "ciba-authorize --no-confinement" "ciba-poll --no-confinement" "stock-buy --no-confinement" tool-run; do
    eval "${command% *}() { valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite $(command -v "${command% *}") ${command#"${command% *}"} \"\$@\"; }"
    command=${command% *}
    # shellcheck disable=SC2163
    export -f "$command"
  done
fi

@test "approved: the order is placed and the model confirms" {
  sandbox --approve yes --delay 0
  run --separate-stderr buy 'Buy 3 stocks of Google'
  [ "$status" -eq 0 ]
  [ "$output" == "I bought 3 shares of GOOGL for you." ]
  # valgrind reports that it does not know mlock2, which locks secrets
  [ -z "$(sed '/^--[0-9]*-- /d' <<< "$stderr")" ]
  [ "$(orders)" == '[{"ticker":"GOOGL","qty":3}]' ]
  [ "$(requests /bc-authorize .form.binding_message)" == '"Do you want to buy 3 shares of GOOGL"' ]
}

@test "denied: nothing is bought, the model says so, the status is 1" {
  sandbox --approve no --delay 0
  run --separate-stderr buy 'Buy 3 stocks of Google'
  [ "$status" -eq 1 ]
  [ "$output" == "I did not buy 3 shares of GOOGL. The user denied the request. Nothing was done." ]
  [ "$(orders)" == '[]' ]
}

@test "expired: nothing is bought, the model says so, the status is 1" {
  sandbox --approve never --interval 1
  stock-buy --describe > buy.json
  set -o pipefail
  run --separate-stderr bash -o pipefail -c "llm-chat -n -t buy.json 'Buy 3 stocks of Google' |
    ciba-authorize -m 'Buy' --expiry 1 | ciba-poll | stock-buy | llm-chat -r"
  [ "$status" -eq 1 ]
  [[ $output == "I did not buy 3 shares of GOOGL. The user did not answer in time"* ]]
  [ "$(orders)" == '[]' ]
}

@test "no tool called: the model's words come through, nobody is asked" {
  sandbox
  run --separate-stderr buy 'Hello'
  [ "$status" -eq 0 ]
  [[ $output == "I can buy shares"* ]]
  [ "$(count /bc-authorize)" -eq 0 ]
  [ "$(count /v1/chat/completions)" -eq 1 ]
}

@test "two parallel tool calls: each is asked about, and what is approved is bought" {
  sandbox --approve yes --delay 0
  run --separate-stderr buy 'Buy 3 stocks of Google and 2 of Apple'
  [ "$status" -eq 0 ]
  [ "$(orders | jq -c sort)" == '[{"ticker":"AAPL","qty":2},{"ticker":"GOOGL","qty":3}]' ]
  [[ $output == $'I bought 3 shares of GOOGL for you.\nI bought 2 shares of AAPL for you.' ]]
}

@test "one of two approved: one is bought, and the model tells which" {
  sandbox --approve ask --interval 1
  buy 'Buy 3 stocks of Google and 2 of Apple' > said &
  flow=$!
  started+=("$flow")
  await bash -c 'test "$(grep -c bc-authorize requests)" -eq 2'
  decide true
  id=$(curl -s "${CIBA_SANDBOX_URL}phone/requests" | jq -r '.[1].id')
  curl -sf -H 'Content-Type: application/json' -d "{\"id\":\"$id\",\"approve\":false}" "${CIBA_SANDBOX_URL}phone/decide" > /dev/null
  expected=0; wait "$flow" || expected=$?
  [ "$expected" -eq 1 ]
  [ "$(orders)" == '[{"ticker":"AAPL","qty":2}]' ]
  [ "$(sed 's/\. The.*//' said | paste -sd,)" == "I did not buy 3 shares of GOOGL,I bought 2 shares of AAPL for you." ]
}

@test "a model error: nothing is asked or bought, the status is not 0" {
  echo '[{"path":"/v1/chat/completions","times":12,"status":500,"headers":{"retry-after-ms":"1"}}]' > faults
  sandbox --approve yes --delay 0 --faults-file faults
  run --separate-stderr buy 'Buy 3 stocks of Google'
  [ "$status" -eq 69 ]
  [ -z "$output" ]
  [ "$(count /bc-authorize)" -eq 0 ]
  [ "$(orders)" == '[]' ]
}

@test "an order that the API refuses: the model tells it as it was, the status is not 0" {
  echo '[{"path":"/stocks","status":403,"body":{"message":"insufficient funds"}}]' > faults
  sandbox --approve yes --delay 0 --faults-file faults
  run --separate-stderr buy 'Buy 3 stocks of Google'
  [ "$status" -eq 77 ]
  [[ $output == "I did not buy 3 shares of GOOGL."*"insufficient funds"* ]]
}

@test "a provider that is not there: the model is told, the status is not 0, nothing is bought" {
  sandbox --approve yes --delay 0
  CIBA_ISSUER=http://127.0.0.1:9/ run --separate-stderr buy 'Buy 3 stocks of Google'
  [ "$status" -eq 69 ]
  [[ $output == "I did not buy 3 shares of GOOGL. The user could not be asked"* ]]
  [ "$(orders)" == '[]' ]
}

@test "a wrong secret anywhere is 77 and buys nothing" {
  sandbox --approve yes --delay 0
  CIBA_CLIENT_SECRET=wrong run --separate-stderr buy 'Buy 3 stocks of Google'
  [ "$status" -eq 77 ]
  OPENAI_API_KEY=wrong run --separate-stderr buy 'Buy 3 stocks of Google'
  [ "$status" -eq 77 ]
  [ "$(orders)" == '[]' ]
}

@test "no secret is in what the commands print, with -v too" {
  sandbox --approve yes --delay 0
  stock-buy --describe > buy.json
  {
    llm-chat -v -n -t buy.json 'Buy 3 stocks of Google' | ciba-authorize -v -m Buy | tee asked |
      ciba-poll -v | tee approved | stock-buy -v | tee bought | llm-chat -v
  } > all 2>&1
  no grep -F -e "$CIBA_CLIENT_SECRET" -e "$OPENAI_API_KEY" all asked approved bought
  no grep -F -e "$(jq -r '.calls[0].token.access_token' approved)" all asked bought
}

stages=(
  "llm-chat -n -t buy.json 'Buy 3 stocks of Google'"
  "ciba-authorize -m 'Buy \(.qty) \(.ticker)'"
  ciba-poll
  stock-buy
  llm-chat
)

@test "stopped between any two stages, kept in a file and resumed, it ends the same" {
  sandbox --approve yes --delay 0
  stock-buy --describe > buy.json
  bash -c "${stages[0]}" < /dev/null > s0
  for stage in 1 2 3 4; do
    bash -c "${stages[$stage]}" < "s$((stage - 1))" > "s$stage"
  done
  [ "$(jq -r '.messages[-1].content' s4)" == "I bought 3 shares of GOOGL for you." ]
  [ "$(orders)" == '[{"ticker":"GOOGL","qty":3}]' ]
  # and again from the approved document, as after a crash: the API knows the order
  bash -c "${stages[3]}" < s2 | cmp - s3
  [ "$(orders)" == '[{"ticker":"GOOGL","qty":3}]' ]
}

@test "killed at any stage, the saved document of the stage before goes on" {
  sandbox --approve ask --interval 1
  stock-buy --describe > buy.json
  llm-chat -n -t buy.json 'Buy 3 stocks of Google' | ciba-authorize -m Buy > asked
  command ciba-poll < asked > lost &
  poll=$!
  await grep -q oauth/token requests
  kill -KILL "$poll"
  wait "$poll" 2> /dev/null || true
  decide true
  run --separate-stderr bash -o pipefail -c 'ciba-poll < asked | stock-buy | llm-chat -r'
  [ "$status" -eq 0 ]
  [ "$output" == "I bought 3 shares of GOOGL for you." ]
  [ "$(orders)" == '[{"ticker":"GOOGL","qty":3}]' ]
}

@test "each command fed its own output again does no work twice" {
  sandbox --approve yes --delay 0
  stock-buy --describe > buy.json
  bash -c "${stages[0]}" < /dev/null > s0
  bash -c 'llm-chat' < s0 | cmp - s0
  for stage in 1 2 3 4; do
    bash -c "${stages[$stage]}" < "s$((stage - 1))" > "s$stage"
    bash -c "${stages[$stage]}" < "s$stage" | cmp - "s$stage"
  done
  [ "$(count /bc-authorize) $(count /oauth/token) $(count /stocks) $(count /v1/chat/completions)" == "1 1 1 2" ]
}

@test "many documents in one stream, with a bad one between them, all arrive" {
  sandbox --approve yes --delay 0
  for i in 1 2 3 4 5; do a_call GOOGL "$i"; done > in
  sed -i '3s/.*/{"calls":/' in
  run --separate-stderr bash -o pipefail -c "ciba-authorize -m 'Buy \(.qty)' < in | ciba-poll | stock-buy"
  [ "$status" -eq 65 ]
  [ "$(orders | jq -c 'map(.qty) | sort')" == '[1,2,4,5]' ]
}

@test "the example takes nothing from a terminal and needs no terminal" {
  sandbox --approve yes --delay 0
  run --separate-stderr setsid "$project/examples/buy-stock" 'Buy 1 share of Apple' < /dev/null
  [ "$status" -eq 0 ]
  [ "$output" == "I bought 1 shares of AAPL for you." ]
}
