# What the tests of mcp-gate share.

# The gate in front of the server of the tests: what that gets is in `heard`, what the client gets in `answers`.
# gate [OPTION...] [-- MODE]
gate() {
  local options=()
  while [ $# -gt 0 ] && [ "$1" != -- ]; do
    options+=("$1")
    shift
  done
  begin "${options[@]}" -- sh -c 'echo $$ > server; exec mcp-server heard "$@"' - "${@:2}"
  await test -s server
}

# The same for any server, with the client's streams: begin [ARGUMENT...]
begin() {
  rm -f to
  mkfifo to
  touch heard answers
  command mcp-gate "$@" < to >> answers 2> said 7>&- &
  gate=$!
  started+=("$gate")
  exec 7> to
}

send() {
  printf '%s\n' "$@" >&7
}

# A call, as a line: a_call_of NAME [ARGUMENTS [ID]]
a_call_of() {
  printf '{"jsonrpc":"2.0","id":%s,"method":"tools/call","params":{"name":"%s","arguments":%s}}' "${3:-1}" "$1" "${2:-{\}}"
}

# A request to the server, at whose word it does what it should not: have_server PARAMS
have_server() {
  send "{\"jsonrpc\":\"2.0\",\"id\":\"do $((++words))\",\"method\":\"test/do\",\"params\":$1}"
}

# The answers to an id, JSON: answers_to ID
answers_to() {
  jq -Rc --argjson id "$1" 'fromjson? | .. | objects | select(has("method") | not) | select(has("id")) | select(.id == $id)' answers
}

answered() {
  [ -n "$(answers_to "$1")" ]
}

# What was sent before has been taken, and answered if the gate answers it.
settled() {
  send "{\"jsonrpc\":\"2.0\",\"id\":\"settled $((++settled))\",\"method\":\"ping\"}"
  await grep -qF "settled $settled" answers
  await answered "\"settled $settled\""
}

# The server got nothing but the pings of settled.
heard_nothing() {
  no grep -v '"method":"ping"' heard
}

# The one answer to the id is a result for the model with these words: refused ID WORDS
refused() {
  await answered "$1"
  answers_to "$1" > answer
  jq -es 'length == 1 and (.[0].result | .isError and .content[0].type == "text")' answer > /dev/null || { cat answer; return 1; }
  grep -F "$2" answer > /dev/null || { cat answer; return 1; }
}

questions() {
  [ "$(count /bc-authorize)" -eq "$1" ]
}

# The asker has seen the user's yes, so many times.
proven() {
  [ "$(grep -c '"path":"/oauth/token".*"status":200' requests)" -ge "$1" ]
}

# The user's decision on the question whose message has TEXT: decide_about TEXT true|false
decide_about() {
  curl -s "${CIBA_SANDBOX_URL}phone/requests" | jq -c --arg text "$1" "map(select(.message | contains(\$text)))[0] | {id, approve: $2}" |
    tell phone/decide
}

# The client leaves as it should, and the gate ends.
leave() {
  exec 7>&-
  ended=0
  timeout 200 tail --pid="$gate" -s 0.05 -f /dev/null
  wait "$gate" || ended=$?
}

# The process that asks: the child that is not the server's keeper.
asker() {
  local child
  for child in $(pgrep -P "$gate"); do
    [ "$(ps -o pgid= -p "$child" | tr -d ' ')" -eq "$child" ] || echo "$child"
  done
}
