# What somebody sees who tries a command at a terminal, without having read its page.
# shellcheck source=helper.bash
load helper

setup() {
  common_setup
  script -qec true /dev/null > /dev/null 2>&1 || skip "there is no pseudo-terminal, or no script(1)"
}

# A command at a terminal, where nobody types: at_terminal COMMAND; what is seen is in $output, without \r.
at_terminal() {
  run script -qec "$1" /dev/null < /dev/null
  output=${output//$'\r'/}
}

@test "llm-chat with a prompt at a terminal answers in words" {
  sandbox
  at_terminal "llm-chat 'What is 2+2'"
  [ "$status" -eq 0 ]
  [[ $output == "I can buy shares"* ]]
  [[ $output != *'{'* ]]
  unset OPENAI_MODEL
  at_terminal "llm-chat 'What is 2+2'"
  [[ $output == "llm-chat: model: sandbox-model, the only one that the server lists; -M or OPENAI_MODEL chooses"$'\n'"I can buy shares"* ]]
}

@test "llm-chat with a prompt at a terminal gives a pipe or a file the document" {
  sandbox
  stock-buy --describe > buy.json
  at_terminal "llm-chat -t buy.json 'Buy 3 stocks of Google' > document"
  [ "$status" -eq 0 ]
  [ -z "$output" ]
  jq -e '.calls[0].name == "buy"' document
  at_terminal "llm-chat -r 'Hello' > words"
  [[ $(cat words) == "I can buy shares"* ]]
  at_terminal "llm-chat -n 'Hello'"
  jq -e '.messages | length == 2' <<< "$output"
}

@test "llm-chat with a prompt at a terminal says what the model wants done, and that it needs approval" {
  sandbox
  stock-buy --describe > buy.json
  at_terminal "llm-chat -t buy.json 'Buy 3 stocks of Google'"
  [ "$status" -eq 75 ]
  [[ $output == 'llm-chat: model: it calls buy with {"ticker":"GOOGL","qty":3}; nothing is done without approval: llm-chat ... | ciba-authorize ...' ]]
  [ "$(orders)" == '[]' ]
}

@test "a filter at a terminal says that a document is expected, and does not wait" {
  nowhere
  for command in 'ciba-authorize -m Deploy' 'ciba-authorize -j 2 -m Deploy' 'ciba-authorize --together -m Deploy' \
    ciba-poll 'ciba-poll -q' 'ciba-poll --once' stock-buy 'stock-buy -j 2' 'tool-run --tool a -- touch ran'; do
    at_terminal "timeout 60 $command"
    echo "$command: $status $output"
    [ "$status" -eq 64 ]
    case $command in ciba-authorize*) more='-n asks without one' ;; *) more='--help tells more' ;; esac
    [ "$output" == "${command%% *}: stdin: a document is expected, from a pipe or a file, and this is a terminal: llm-chat ... | ${command%% *} ...; $more" ]
  done
  at_terminal 'timeout 60 llm-chat'
  [ "$status" -eq 64 ]
  [ "$output" == "llm-chat: a PROMPT is needed, or a document from a pipe or a file; try 'llm-chat --help'" ]
  [ ! -e ran ]
}

@test "a document with a token is told in words on a terminal, and is whole in a pipe or a file" {
  sandbox --approve yes --delay 0
  a_call | ciba-authorize -m 'Buy \(.qty)' > asked
  ciba-poll < asked > approved
  token=$(jq -r '.calls[0].token.access_token' approved)
  [ "${#token}" -gt 20 ]
  for command in ciba-poll 'ciba-authorize -m Buy' 'tool-run --tool other -- true' 'llm-chat' 'ciba-poll -j 2'; do
    at_terminal "$command < approved"
    echo "$command: $output"
    [ "$status" -eq 0 ]
    [ "$output" == "buy approved by auth0|demo (the document holds a token and is not shown on a terminal; pipe it on, or write it to a file)" ]
    at_terminal "$command < approved > kept"
    cmp kept approved
    at_terminal "$command < approved | cat"
    [[ $output == *"$token"* ]]
  done
  # what has no token is shown as it is
  at_terminal 'ciba-authorize -m Buy < asked'
  [ "$(cat asked)" == "$output" ]
  at_terminal 'stock-buy < approved'
  jq -e '.calls[0].result.status == 200' <<< "$output"
}

@test "on a terminal a token is found wherever it is, and the words have nothing that could steer it" {
  nowhere
  jq -nc '{calls: [range(7) | {name: "\u001b[2Jn\(.)\nx", authorization: {status: "approved"}, result: {status: 200}}], deep: [[{more: {refresh_token: "secret"}}]]}' > document
  at_terminal 'ciba-poll < document'
  [[ $output == "?[2Jn0?x done, "*"?[2Jn4?x done, ... (the document holds a token"* ]]
  [[ $output != *secret* ]]
  jq -nc '{access_token: "secret"}' > document
  at_terminal 'ciba-poll < document'
  [[ $output == "a document (the document holds a token"* ]]
}
