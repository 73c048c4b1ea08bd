# shellcheck source=helper.bash
load helper
# shellcheck source=gate.bash
load gate

@test "an approved call goes to the server as the very bytes that came" {
  sandbox --approve yes --delay 0
  {
    a_call_of buy
    printf '\n'
    printf '%s\n' ' { "params" : {"arguments":{"z":1,"a":[ ],"b":{ }} ,	"name":"buy"},"method":"tools/call"  , "id":2,"jsonrpc":"2.0" } '
    printf '%s\n' '{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"buy","arguments":{"q":3.00E+1,"n":-0,"t":"\u0061\/\"\\\u00e9\ud83d\ude00é","e":1e2}}}'
    printf '%s\n' '{"\u006dethod":"tools\/call","jsonrpc":"2.0","id":4,"params":{"n\u0061me":"b\u0075y","arguments":{"a":"x"}}}'
    printf '%s\r\n' '{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"buy"}}'
    printf '%s\n' '{"jsonrpc":"2.0","id":9007199254740991,"method":"tools/call","params":{"name":"buy","_meta":{"x":1e999,"y":12345678901234567890123}}}'
    printf '%s\n' '{"extra":[1,{"method":"tools/call"}],"jsonrpc":"2.0","id":"seven","method":"tools/call","params":{"name":"buy","arguments":{"m":"{\"method\":\"tools/call\"}","l":"a b"}}}'
  } > sent
  gate
  n=0
  while IFS= read -r line; do
    n=$((n + 1))
    send "$line"
    await eval "[ \$(wc -l < answers) -eq $n ]" || { cat answers said; return 1; }
  done < sent
  cmp sent heard
  [ "$(grep -c 'did buy' answers)" -eq 7 ]
  questions 7
  leave
  [ "$ended" -eq 0 ]
}

@test "denied, expired, not sent: the model gets the reason as a result, and the server never hears of the call" {
  sandbox --approve no --delay 0
  gate
  send "$(a_call_of buy)"
  refused 1 'not approved: the user said no; the tool was not called'
  spoil <<< '[{"path":"/bc-authorize","times":1000,"status":503}]'
  send "$(a_call_of buy '{}' 2)"
  refused 2 'not approved: '
  kill "$CIBA_SANDBOX_PID"
  send "$(a_call_of buy '{}' 3)"
  refused 3 'not approved: '
  settled
  heard_nothing
  leave
  [ "$ended" -eq 0 ]
  rm requests answers heard server
  sandbox --approve never --interval 1
  gate --expiry 1
  send "$(a_call_of buy)"
  refused 1 'did not answer in time'
  settled
  heard_nothing
}

@test "where nobody can be asked, the server is not started" {
  for wrong in 'env -u CIBA_ISSUER mcp-gate' 'mcp-gate -d (' 'mcp-gate --store-dir /proc/none --reuse call'; do
    nowhere
    # shellcheck disable=SC2086 # words
    run --separate-stderr timeout 200 $wrong -- mcp-server heard < /dev/null
    [ "$status" -ge 64 ]
    [ -z "$output" ]
    [[ $stderr == *"the user cannot be asked, so the server is not started"* ]]
    [ ! -e heard ]
  done
}

@test "while a call waits, all else flows: requests, notifications, the server's own requests and their answers" {
  sandbox --approve never --interval 1
  gate --free read_file
  send "$(a_call_of buy)"
  await questions 1
  send '{"jsonrpc":"2.0","id":2,"method":"resources/read","params":{"uri":"x"}}' '{"jsonrpc":"2.0","method":"notifications/initialized"}'
  await answered 2
  send "$(a_call_of read_file '{"path":"a/b"}' 3)"
  await answered 3
  have_server '{"say":"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"sampling/createMessage\"}\n{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\n"}'
  await grep -q sampling answers
  send '{"jsonrpc":"2.0","id":1,"result":{"role":"user"}}' '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":77}}'
  settled
  for part in initialized resources/read '"name":"read_file"' '"role":"user"' '"requestId":77'; do
    [ "$(grep -c "$part" heard)" -eq 1 ]
  done
  grep -q notifications/progress answers
  no grep buy heard
  exits 1 answered 1
}

@test "a call that was cancelled while it waited is never passed on, though the user says yes then" {
  sandbox --approve ask --interval 1
  gate
  for id in 1 '"a"' 1.0; do
    send "$(a_call_of buy '{}' "$id")"
  done
  await questions 2
  send '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}'
  send '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"\u0061","reason":"changed my mind"}}'
  settled
  curl -s "${CIBA_SANDBOX_URL}phone/requests" | jq -c '.[] | {id, approve: true}' | while read -r decision; do tell phone/decide <<< "$decision"; done
  await proven 2
  settled
  heard_nothing
  no answered '"a"'
  # Its id is free again.
  send "$(a_call_of buy '{}' '"a"')"
  await questions 3
  decide true
  await grep -q 'did buy' answers
}

@test "a cancellation counts before a yes that comes at the same time" {
  sandbox --approve ask --interval 1
  gate
  send "$(a_call_of buy)"
  await questions 1
  kill -STOP "$gate"
  decide true
  await proven 1
  await grep -q 'approved by' said
  send '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}'
  kill -CONT "$gate"
  settled
  heard_nothing
}

# The user says yes, though the client has left, or the gate was killed.
say_yes() {
  decide true
  if kill -0 "$asks" 2> /dev/null; then await eval 'proven 1 || gone "$asks"'; fi
  await gone "$server"
  heard_nothing
}

@test "when its client leaves, in any way, no call is passed on any more, and the server ends" {
  sandbox --approve ask --interval 1
  for mode in '' stubborn; do
    for way in 'exec 7>&-' 'kill -TERM $gate' 'kill -INT $gate' 'kill -KILL $gate' 'exec 8<&-'; do
      rm -f heard to from
      touch heard
      : > requests
      mkfifo to from
      command mcp-gate -- sh -c 'echo $$ > server; exec mcp-server heard $1' - "$mode" < to > from 2> said &
      gate=$!
      started+=("$gate")
      exec 7> to 8< from
      send "$(a_call_of buy)"
      await questions 1
      asks=$(asker)
      server=$(cat server)
      eval "$way"
      [[ $mode == stubborn || $way == *8* ]] || await gone "$server" # it is before the user answers
      say_yes
      await gone "$gate"
      await gone "$asks"
      exec 7>&- 8<&-
    done
  done
}

@test "a client that has left hears no yes that came at the same time" {
  sandbox --approve ask --interval 1
  for way in 'exec 7>&-' 'kill -TERM $gate' 'exec 8<&-' 'head -c 40000 /dev/zero | tr "\0" "\n" >&7; exec 7>&-'; do
    rm -f heard to from
    touch heard
    : > requests
    mkfifo to from
    command mcp-gate -- mcp-server heard < to > from 2> said &
    gate=$!
    started+=("$gate")
    exec 7> to 8< from
    send "$(a_call_of buy)"
    await questions 1
    await grep -q asked said
    kill -STOP "$gate"
    decide true
    await grep -q 'approved by' said
    eval "$way"
    kill -CONT "$gate"
    await gone "$gate"
    no grep tools/call heard
    exec 7>&- 8<&-
  done
}

@test "an id is answered as it was written, whatever it is" {
  sandbox --approve no --delay 0
  gate
  while IFS= read -r id; do
    : > answers
    send "$(a_call_of buy '{}' "$id")"
    await grep -qF "\"id\":$id,\"result\"" answers
  done << 'IDS'
0
-1
1.0
1e2
-0
123456789012345678901234567890
1e400
""
"a"
"1"
"\u0061\/\"\\"
"é ☃"
IDS
  : > answers
  for id in null true '[1]' '{"a":1}'; do
    send "$(a_call_of buy '{}' "$id")"
  done
  settled
  [ "$(grep -c '"id":null,"error"' answers)" -eq 3 ]
  grep 'a call without an id was not passed on' said # with null
  heard_nothing
}

@test "several calls at once are a question each, and may be decided in any order" {
  sandbox --approve ask --interval 1
  gate
  for i in 1 2 3; do send "$(a_call_of buy "{\"ticker\":\"T$i\"}" $i)"; done
  await questions 3
  decide_about T2 true
  await answered 2
  decide_about T3 false
  refused 3 'the user said no'
  no answered 1
  decide_about T1 true
  await answered 1
  [ "$(jq -c '.params.arguments.ticker' heard | paste -sd,)" == '"T2","T1"' ]
}

@test "a call that is sent again while it waits is refused under the same id, and a question of its own under another" {
  sandbox --approve ask --interval 1
  gate
  send "$(a_call_of buy '{"n":1}')"
  await questions 1
  for id in 1 1.0 10e-1; do send "$(a_call_of buy '{"n":2}' $id)"; done
  send "$(a_call_of buy '{"n":1}' 2)"
  await questions 2
  [ "$(grep -c 'a request with this id has no answer yet' answers)" -eq 3 ]
  decide true
  await answered 2
  settled
  [ "$(grep -c tools/call heard)" -eq 1 ]
  exits 1 eval 'answers_to 1 | grep result'
}

@test "in a batch, calls of gated tools wait, each by itself, and the rest goes on" {
  sandbox --approve ask --interval 1
  gate --free read_file
  ping='{"jsonrpc":"2.0","id":2,"method":"ping"}'
  send "[$ping , $(a_call_of buy '{"n":1}') ,$(a_call_of read_file '{}' 3)]"
  await answered 2
  await questions 1
  [ "$(cat heard)" == "[$ping,$(a_call_of read_file '{}' 3)]" ]
  decide true
  await answered 1
  [ "$(tail -n 1 heard)" == "$(a_call_of buy '{"n":1}')" ]
  : > heard
  send "[$(a_call_of buy '{"n":2}' 4)]"
  await questions 2
  send "[$(a_call_of buy '{"n":3}' 5),$(a_call_of buy '{"n":4}' 6),$(a_call_of buy '{"n":5}' 6)]"
  await questions 4
  send "[[$(a_call_of buy '{}' 7)]]" "[[[$(a_call_of buy '{}' 8)]],$(a_call_of buy '{}' 4)]" "[\"$(a_call_of x | sed 's/"/\\"/g')\"]" '["tools/call"]'
  settled
  heard_nothing
  questions 4
  # A batch with nothing for the gate goes on as it is.
  send "[ $ping,  {\"jsonrpc\":\"2.0\",\"method\":\"a/list\"} ]"
  await grep -qxF "[ $ping,  {\"jsonrpc\":\"2.0\",\"method\":\"a/list\"} ]" heard
}

@test "what any reader may take for a call of a gated tool does not pass" {
  sandbox --approve never --interval 1
  gate --tool Delete_It --tool kiss
  while IFS= read -r line; do
    send "$line"
    settled
    heard_nothing || { echo "passed: $line"; return 1; }
  done << 'LINES'
{"jsonrpc":"2.0","method":"tools/call","params":{"name":"Delete_It"}}
{"jsonrpc":"2.0","id":null,"method":"tools/call","params":{"name":"Delete_It"}}
{"jsonrpc":"2.0","id":{"a":1},"method":"tools/call","params":{"name":"Delete_It"}}
{"id":"1","method":"tools/call","params":{"name":"delete_it"}}
{"id":"2","method":"tools/call","params":{"name":"DELETE_IT"}}
{"id":"3","method":"tools/call","params":{"name":"Delete_It "}}
{"id":"4","method":"tools/call","params":{"name":" Delete_It"}}
{"id":"5","method":"tools/call","params":{"name":"\tDelete_It\n"}}
{"id":"6","method":"tools/call","params":{"name":"Delete_It\u0000"}}
{"id":"7","method":"tools/call","params":{"name":"Delete_It\u0000x"}}
{"id":"8","method":"tools/call","params":{"name":"Delete\u005fIt"}}
{"id":"9","method":"tools/call","params":{"name":"Ｄｅｌｅｔｅ_Ｉｔ"}}
{"id":"10","method":"tools/call","params":{"name":"Dеlete_It"}}
{"id":"11","method":"tools/call","params":{"name":"De\u200blete_It"}}
{"id":"12","method":"tools/call","params":{"name":"Delete_It\u0301"}}
{"id":"13","method":"tools/call","params":{"name":"ki\u017f\u017f"}}
{"id":"14","method":"tools/call","params":{"name":"\u212aiſs"}}
{"id":"15","method":"tools/call","params":{"name":""}}
{"id":"16","method":"tools/call","params":{"name":["Delete_It"]}}
{"id":"17","method":"tools/call","params":{"name":null}}
{"id":"18","method":"tools/call","params":{}}
{"id":"19","method":"tools/call","params":["Delete_It"]}
{"id":"20","method":"tools/call","params":"Delete_It"}
{"id":"21","method":"tools/call"}
{"id":"22","method":"tools/call","params":{"name":"free","name":"Delete_It"}}
{"id":"23","method":"tools/call","params":{"name":"Delete_It","name":"free"}}
{"id":"24","method":"tools/call","params":{"name":"free","n\u0061me":"Delete_It"}}
{"id":"25","method":"tools/call","params":{"name":"free","Name":"Delete_It"}}
{"id":"26","method":"tools/call","params":{"NAME":"Delete_It"}}
{"id":"27","method":"tools/call","params":{"name":"free"},"params":{"name":"Delete_It"}}
{"id":"28","method":"tools/call","params":{"name":"Delete_It"},"params":{"name":"free"}}
{"id":"29","method":"tools/call","params":{"name":"free"},"Params":{"name":"Delete_It"}}
{"id":"30","method":"ping","method":"tools/call","params":{"name":"Delete_It"}}
{"id":"31","method":"tools/call","method":"ping","params":{"name":"Delete_It"}}
{"id":"32","m\u0065thod":"tools/call","params":{"name":"Delete_It"}}
{"id":"33","\u006d\u0065\u0074\u0068\u006f\u0064":"\u0074\u006f\u006f\u006c\u0073\u002f\u0063\u0061\u006c\u006c","params":{"name":"Delete_It"}}
{"id":"34","method":"tools\/call","params":{"name":"Delete_It"}}
{"id":"35","method":"tools\u002Fcall","params":{"name":"Delete_It"}}
{"id":"36","Method":"tools/call","params":{"name":"Delete_It"}}
{"id":"37","METHOD":"tools\u002fcall","params":{"name":"Delete_It"}}
{"id":"38","method":"Tools/Call","params":{"name":"Delete_It"}}
{"id":"39","method":"tool\u017f/call","params":{"name":"Delete_It"}}
{"id":"40","method":"tools/call ","params":{"name":"Delete_It"}}
{"id":"41","method":" tools/call","params":{"name":"Delete_It"}}
{"id":"42","method":"tools/call\u0000","params":{"name":"Delete_It"}}
{"id":"43","method":"/tools/call/","params":{"name":"Delete_It"}}
{"id":"44","method":["tools/call"],"params":{"name":"Delete_It"}}
{"id":"45","method":"tools/call","params":{"name":"Delete_It"}} x
{"id":"46","method":"ping"}{"id":"46","method":"tools/call","params":{"name":"Delete_It"}}
{"id":"47","method":"tools/call","params":{"name":"Delete_It"}
{"id":"48","method":"tools/call","params":{"name":"Delete_It",}}
{'id':'49','method':'tools/call','params':{'name':'Delete_It'}}
{id:"50",method:"tools/call",params:{name:"Delete_It"}}
{"id":"51",/**/"method":"tools/call","params":{"name":"Delete_It"}}
{"id":"52","method":"tools\x2fcall","params":{"name":"Delete_It"}}
{"id":"53","method":"tools\57call","params":{"name":"Delete_It"}}
{"id":"54","method":"tools\U0000002fcall","params":{"name":"Delete_It"}}
{"id":"55","method":"tools/call","params":{"name":"Delete_It"},"x":nan}
{"id":"56","method":"tools/call","params":{"name":"Delete_It"},"x":"\ud800"}
{"id":"57","method":"tools/call","params":{"name":"Delete_It","arguments":[1]}}
{"id":"58","method":"tools/call","params":{"name":"Delete_It","arguments":"{}"}}
{"id":"59","method":"tools/call","params":{"name":"Delete_It","arguments":null}}
{"id":"60","method":"tools/call","params":{"name":"Delete_It","more":1}}
{"id":"61","method":"tools/call","params":{"name":"Delete_It","Arguments":{"a":1}}}
{"id":"62","method":"tools/call","params":{"name":"free","arguments":{},"arguments":{"a":1}}}
{"id":"63","method":"tools/call","params":{"name":"free","arguments":{},"ARGUMENTS":{"a":1}}}
{"id":"64","method":"tools/call","result":{},"params":{"name":"Delete_It"}}
{"id":"65","result":{},"error":{},"method":"tools/call","params":{"name":"Delete_It"}}
[]{"method":"tools/call","params":{"name":"Delete_It"}}
"tools/call"
LINES
  printf '{"id":"a","method":"ping",\r"method":"tools/call","params":{"name":"Delete_It"}}\n' >&7
  printf '{"id":"a","method":"ping","params":\r{"id":"a","method":"tools/call","params":{"name":"Delete_It"}}\r}\n' >&7
  printf '{"id":"b","method":"ping"}\r{"id":"b","method":"tools/call","params":{"name":"Delete_It"}}\r\n' >&7
  printf '\xef\xbb\xbf{"id":"c","method":"tools/call","params":{"name":"Delete_It"}}\n' >&7
  printf '{"id":"d","method":"tools/call","params":{"name":"Delete\xff_It"}}\n' >&7
  printf '{"id":"e","m\xffethod":"tools/call","params":{"name":"Delete_It"}}\n' >&7
  printf '{"id":"f","method":"tools/call\0","params":{"name":"Delete_It"}}\n' >&7
  printf '{"id":"g","method":"tools/call","params":{"name":"Delete_It"}}\0\n' >&7
  printf '\0{"id":"h","method":"tools/call","params":{"name":"Delete_It"}}\n' >&7
  printf '\f{"id":"i","method":"tools/call","params":{"name":"Delete_It"}}\v\n' >&7
  for odd in '\0' '\x01' '\t' '\x1f' '\xff' '\xc0\xaf' '\xed\xa0\x80'; do # some readers leave these out
    printf '{"id":"k","method":"tools/c%ball","params":{"name":"Delete_It"}}\n' "$odd" >&7
    printf '{"id":"l","met%bhod":"tools%b/call","params":{"name":"Delete_It"}}\n' "$odd" "$odd" >&7
  done
  settled
  no grep -av '"method":"ping"' heard
  printf '{"id":"j","method":\n"tools/call",\n"params":{"name":"Delete_It"}}\n' >&7
  settled
  no grep -ai call heard
  grep -q '"error":{"code":-32700' answers
}

@test "arguments whose names differ by their case alone, at any depth, are not asked about" {
  sandbox --approve yes --delay 0
  gate
  n=0
  while IFS= read -r arguments; do
    n=$((n + 1))
    send "$(a_call_of buy "$arguments" $n)"
    refused $n 'not approved: '
  done << 'ARGUMENTS'
{"qty":1,"Qty":100}
{"a":{"b":[1,{"qty":1,"QTY":2}]}}
{"a":[[[{"x":1,"\u0058":2}]]]}
{"disk":1,"dis\u212a":2}
{"list":1,"li\u017ft":2}
{"qty":1,"qty":2}
{"a":{"qty":1,"qt\u0079":2}}
{"qty":12345678901234567890123}
{"qty":1e999}
ARGUMENTS
  settled
  heard_nothing
  questions 0
  send "$(a_call_of buy '{"qty":1,"qtY2":2,"x":{"qty":1},"y":[{"Qty":1},{"qty":2}]}' 100)"
  await answered 100
  questions 1
}

@test "the user reads what the server is told beside the arguments: answers to its questions; anything else is refused" {
  sandbox --approve yes --delay 0
  gate
  send '{"id":1,"method":"tools/call","params":{"name":"buy","arguments":{"qty":1},"inputResponses":{"amount":{"action":"accept","content":{"value":77}}}}}'
  await answered 1
  [[ $(requests /bc-authorize .form.binding_message) == *77* ]]
  send '{"id":2,"method":"tools/call","params":{"name":"buy","arguments":{"inputResponses":{}},"inputResponses":{"a":1}}}'
  refused 2 'inputResponses'
  send '{"id":3,"method":"tools/call","params":{"name":"buy","amount":1}}'
  await answered 3
  answers_to 3 | jq -e '.error | .code == -32602 and (.message | contains("would not see"))'
  questions 1
}

@test "what is not asked about goes on byte for byte in both directions" {
  sandbox --approve never
  gate --tool buy
  {
    printf '%s\n' '' ' ' '[]' '{"method":"tools/cal"}' '{"id" : 7 , "method":"x"}' '{"method":"x","params":{"a":"\ud800","b":1e999}}'
    printf '{"a":"\\\\"}\r\n{"b": "é" ,\t"c":1}\n{"id":1,"method":"tools/call","params":{"name":"sell","arguments":{"a":"\\u0061"},"x":1}}\n'
  } > sent
  cat sent >&7
  settled
  head -n -1 heard | cmp - sent
  printf '{"method":"x" }\r\n\n{"id":"s1", "method":"ping"}\n{"jsonrpc":"2.0","id":null,"error":{ }}\n' > answer
  : > answers
  have_server "$(jq -Rsc '{say: .}' answer)"
  settled
  head -n -2 answers | cmp - answer
}

@test "what is not clearly JSON is not passed on, in either direction, and the client is told of its own" {
  local line
  sandbox --approve never
  gate --tool buy
  while IFS= read -r line; do
    printf '%b\n' "$line" >&7
  done << 'LINES'
no JSON
{"id":1,
{"jsonrpc":"2.0","id":1,"method":"tools/c\\all","params":{"name":"buy"}}
\xff{"id":1,"method":"x"}
\x00{\x00}\x00
\xfe\xff\x00{\x00}\x00
{"a":"\x01"}
{"a":1}\r{"b":2}
{"a":1} {"b":2}
{"method":"x","a":"\xed\xa0\x80"}
"x"
LINES
  settled
  heard_nothing
  [ "$(grep -c '"id":null,"error":{"code":-32700' answers)" -eq 11 ]
  : > answers
  printf '%b' 'noise\n\xff{"id":1}\n{\n\r"x"\n{"method":"x"}\r{"method":"y"}\n\x00{\x00}\x00\n{"method":"x","a":"\\a"}\n{"method":"good"}\n' > answer
  jq -Rsc '{say: .}' answer > how
  have_server "$(cat how)"
  settled
  [ "$(head -n 1 answers)" == '{"method":"good"}' ]
}

@test "a request with the id of a call that waits is refused, and the other way round" {
  sandbox --approve never
  gate --tool buy
  send "$(a_call_of buy '{}' 1)"
  await questions 1
  send '{"id":1.0,"method":"ping"}'
  await answered 1
  answers_to 1 | grep 'a request with this id has no answer yet'
  no grep ping heard
  kill -STOP "$(cat server)"
  send '{"id":"later","method":"x"}' "$(a_call_of buy '{}' '"later"')"
  await answered '"later"'
  answers_to '"later"' | grep 'a request with this id has no answer yet'
  kill -CONT "$(cat server)"
  settled
  questions 1
}

@test "the id of a request that was taken back is free, and of two requests with one id the second is refused" {
  sandbox --approve never
  gate --tool buy
  kill -STOP "$(cat server)"
  send '{"id":"once","method":"x"}' '{"id":"once","method":"y"}'
  await answered '"once"'
  send '{"method":"notifications/cancelled","params":{"requestId":"once"}}' "$(a_call_of buy '{}' '"once"')"
  await questions 1
  kill -CONT "$(cat server)"
  settled
  grep '"method":"x"' heard
  no grep '"method":"y"' heard
}

@test "calls that are taken back while they are asked about do not end all asking" {
  local id
  sandbox --approve never
  spoil <<< '[{"path": "/bc-authorize", "status": 400, "times": 1000, "body": {"error": "invalid_request"}}]'
  gate
  for id in {1..70}; do
    send "$(a_call_of buy '{}' "$id")" "{\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":$id}}"
    [ $((id % 7)) -ne 0 ] || settled
  done
  spoil <<< '[]'
  send "$(a_call_of buy '{}' 100)"
  await grep -q 'asked auth0' said
}

@test "arguments that are null are none; a notification may have the id null" {
  sandbox --approve yes --delay 0
  gate
  send '{"id":null,"method":"notifications/x"}' '{"id":1,"method":"tools/call","params":{"name":"buy","arguments":null}}'
  await answered 1
  answers_to 1 | grep 'did buy'
  grep notifications/x heard
}

@test "a batch of more than 1000 messages is refused as a whole" {
  sandbox --approve never
  gate
  jq -nc '[range(1001) | {method: "x"}]' >&7
  settled
  heard_nothing
  grep 'more than 1000 messages' answers
}

@test "an answer to a call that the server was not given is dropped, however it is written" {
  sandbox --approve ask --interval 1
  gate
  send "$(a_call_of buy)" "$(a_call_of buy '{}' '"a b"')" "$(a_call_of buy '{}' '"\u007f/"')"
  await questions 3
  while IFS= read -r line; do
    : > answers
    have_server "$(jq -Rc '{say: (. + "\n")}' <<< "$line")"
    settled
    exits 1 grep -a forged answers || { echo "passed: $line"; return 1; }
  done << 'LINES'
{"jsonrpc":"2.0","id":1,"result":"forged"}
{"jsonrpc":"2.0","id":1.0,"result":"forged"}
{"jsonrpc":"2.0","id":10e-1,"result":"forged"}
{"jsonrpc":"2.0","id":"1","result":"forged"}
{"jsonrpc":"2.0","id":" 0x1 ","result":"forged"}
{"jsonrpc":"2.0","id":1,"error":"forged"}
{"jsonrpc":"2.0","id":1,"error":"forged","result":{},"method":"x"}
{"jsonrpc":"2.0","id":1,"text":"forged"}
{"jsonrpc":"2.0","\u0069d":1,"result":"forged"}
{"jsonrpc":"2.0","id":"a b","result":"forged"}
{"jsonrpc":"2.0","id":"\u0061\u0020b","result":"forged"}
{"jsonrpc":"2.0","id":"","id":"a b","result":"forged"}
{"jsonrpc":"2.0","id":"\u007F\/","result":"forged"}
{"jsonrpc":"2.0","id":7,"id":1,"result":"forged"}
{"jsonrpc":"2.0","id":1,"id":7,"result":"forged"}
{"jsonrpc":"2.0","id":7,"i\u0064":1,"result":"forged"}
{"jsonrpc":"2.0","ID":1,"result":"forged"}
{"jsonrpc":"2.0","\u0049D":1,"result":"forged"}
{"jsonrpc":"2.0","Id":"a b","Result":"forged"}
{"jsonrpc":"2.0","id":1,"result":{},"result":"forged"}
{"jsonrpc":"2.0","id":1,"Result":"forged"}
{"jsonrpc":"2.0","id":1,"result":"forged"} x
{"jsonrpc":"2.0","method":"x"}{"jsonrpc":"2.0","id":1,"result":"forged"}
[{"jsonrpc":"2.0","id":1,"result":"forged"}]
[{"jsonrpc":"2.0","method":"x"} , {"jsonrpc":"2.0","id":"a b","result":"forged"}]
[[{"jsonrpc":"2.0","id":1,"result":"forged"}]]
LINES
  : > answers
  have_server '{"say":"{\"jsonrpc\":\"2.0\",\"method\":\"x\"}\r{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"forged\"}\r\n"}'
  have_server '{"say":"{\"id\":\"\u007f/\",\"result\":\"forged\"}\n"}'
  have_server '{"say":"\ufeff{\"id\":1,\"result\":\"forged\"}\n"}'
  have_server '{"say":"[{\"id\":\"x\",\"result\":{ }}, {\"id\":1,\"result\":\"forged\"},{\"method\":\"y\"}]\n"}'
  settled
  grep -qxF '[{"method":"y"}]' answers
  have_server '{"say":"{\"id\":1,\"result\":\"forged\"}","end":0}' # its last words, without a newline
  refused 1 'the server has ended; the tool was not called'
  await gone "$gate"
  no grep -a forged answers
  grep 'an answer to what it was not asked was dropped' said
}

@test "a call is answered by the server that got it, and then its id is free" {
  sandbox --approve yes --delay 0
  gate
  send "$(a_call_of buy '{"say":"{\"id\":1,\"result\":1}\n{\"id\":1,\"result\":2}\n"}')"
  await grep -q '"result":1' answers
  send "$(a_call_of buy)"
  await grep -q 'did buy' answers
  no grep '"result":2' answers
  questions 2
}

@test "a server that ends in a call, or while one waits, leaves no call without an answer" {
  sandbox --approve ask --interval 1
  gate
  send "$(a_call_of buy '{"end":3}')" "$(a_call_of wait '{}' 2)"
  await questions 2
  decide_about buy true
  refused 1 'the server has ended in this call; what came of it is not known'
  refused 2 'not approved: the server has ended; the tool was not called'
  leave
  [ "$ended" -eq 3 ]
  rm server answers
  gate
  send "$(a_call_of wait)"
  await questions 3
  have_server '{"say":"{\"half\":","end":0}'
  refused 1 'not approved: the server has ended; the tool was not called'
  leave
  [ "$ended" -eq 0 ]
  rm server answers heard
  gate
  send "$(a_call_of wait)"
  await questions 4
  kill -KILL "$(cat server)"
  refused 1 'not approved: the server has ended; the tool was not called'
  leave
  [ "$ended" -eq 137 ]
  decide true
  empty heard
}

@test "what a server leaves behind in its process group ends with it" {
  sandbox
  gate
  have_server '{"leave":true}'
  await gone "$(cat server)"
  pgrep -g "$(cat server)"
  leave
  await eval 'no pgrep -g "$(cat server)"'
}

@test "a server that never reads holds up nobody but itself" {
  sandbox --approve yes --delay 0
  gate -- deaf
  send "$(a_call_of buy)"
  await grep -q 'approved by' said
  {
    for i in {1..40}; do
      printf '{"jsonrpc":"2.0","id":%s,"method":"ping","params":{"x":"' "$i"
      head -c 100000 /dev/zero | tr '\0' x
      printf '"}}\n'
    done >&7 || true
  } 2> /dev/null &
  flood=$!
  await eval '[ "$(ps -o rss= -p "$gate")" -gt 4000 ]'
  exec 7>&-
  kill "$flood"
  await gone "$gate"
  empty heard
}

# The process had no more memory, in KiB; a sanitizer takes memory of its own: peak KIB PROCESS
peak() {
  [ -z "${ASAN_OPTIONS:-}" ] || return 0
  awk -v most="$1" '/^VmHWM/ {print; exit $2 > most}' "/proc/$2/status"
}

# The gate has begun to read the flood, and seems to read no more of it: a few looks see the same.
reads_no_more() {
  local now
  now=$(sed -n 's/^rchar: //p' "/proc/$gate/io")
  [ "$now" == "${seen:-}" ] || same=0
  seen=$now same=$((same + 1))
  [ "$now" -gt 500000 ] || return 1
  [ "$same" -ge 10 ]
}

@test "a server that floods a client that does not read is not read further" {
  sandbox --approve never
  mkfifo to from
  touch heard
  command mcp-gate -- mcp-server heard < to > from 2> said &
  gate=$!
  started+=("$gate")
  exec 7> to 8< from
  send '{"id":1,"method":"x","params":{"say":"{\"method\":\"flood\"}\n","times":2000000}}'
  seq 1000 | sed 's/.*/{"id":&,"method":"tools\/call"}/' >&7
  await reads_no_more
  cat <&8 > got 7>&- &
  await grep -q '"id":1,"result"' got
  peak 25000 "$gate"
  exec 7>&- 8<&-
  await gone "$gate"
  [ "$(grep -cxF '{"method":"flood"}' got)" -eq 2000000 ]
  [ "$(grep -c '"error"' got)" -eq 1000 ]
}

# A line with that many bytes of text: a_long_line BYTES BEFORE AFTER
a_long_line() {
  printf '%s' "$2"
  head -c "$1" /dev/zero | tr '\0' x
  printf '%s\n' "$3"
}

@test "a line of 100 MB of the client is refused, in bounded memory, and what follows it is understood" {
  [ -z "${ASAN_OPTIONS:-}" ] || skip "the sanitizer takes memory of its own"
  sandbox --approve never
  {
    a_long_line 100000000 '{"id":1,"method":"x","params":"' '"}'
    a_long_line 100000000 '{"id":2,"method":"tools/call","params":{"name":"buy","arguments":{"a":"' '"}}}'
    a_long_line 60000000 '{"id":3,"method":"ping","params":"' '"}'
    echo '{"id":4,"method":"ping"}'
    a_call_of buy '{}' 5
    a_long_line 100000000 '' ''
    echo '{"id":6,"method":"ping"}'
    a_long_line 100000000 '{"id":7,"method":"tools/call","params":{"name":"buy","arguments":{"a":"' '' | head -c 100000000
  } > client
  gate
  cat client >&7
  await answered 6
  peak 300000 "$gate"
  leave
  [ "$(grep -c '"error":{"code":-32600,"message":"a line was not passed on: it is larger than 64 MiB' answers)" -eq 4 ]
  [ "$(jq -c .id heard | paste -sd,)" == 3,4,6 ]
}

@test "a call with 5 MB of arguments is asked about, in bounded memory, and passed on unchanged" {
  [ -z "${ASAN_OPTIONS:-}" ] || skip "the sanitizer takes memory of its own"
  sandbox --approve yes --delay 0
  a_long_line 5000000 '{"id":1,"method":"tools/call","params":{"name":"buy","arguments":{"a":"' '"}}}' > sent
  gate -m 'Buy it'
  cat sent >&7
  await grep -q 'did buy' answers
  cmp sent heard
  peak 200000 "$gate"
  peak 400000 "$(asker)"
}

@test "a server's line that is too long to look into ends the gate, with 76" {
  sandbox --approve never
  gate
  send "$(a_call_of buy)"
  await questions 1
  have_server '{"say":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx","times":1000000}'
  refused 1 'not approved: the server has ended'
  leave
  [ "$ended" -eq 76 ]
  grep -q 'larger than 64 MiB' said
}

@test "calls that wait are limited by their number and their size, and the rest goes on" {
  sandbox --approve never
  gate
  kill -STOP "$CIBA_SANDBOX_PID" # the first is being asked about all the time
  seq 20001 | sed 's/.*/{"id":&,"method":"tools\/call","params":{"name":"x"}}/' >&7
  refused 20001 'too many calls wait for an answer already'
  [ "$(grep -c . answers)" -eq 1 ]
  settled
  heard_nothing
  leave
  kill -CONT "$CIBA_SANDBOX_PID"
  rm answers heard server
  gate
  kill -STOP "$CIBA_SANDBOX_PID"
  { for id in {1..10}; do a_long_line 7500000 "{\"id\":$id,\"method\":\"tools/call\",\"params\":{\"name\":\"x\",\"arguments\":{\"a\":\"" '"}}}'; done >&7; } &
  refused 9 'too many calls wait for an answer already'
  kill -CONT "$CIBA_SANDBOX_PID"
}

@test "what the server says on its stderr is passed on, and its exit status is the gate's" {
  sandbox
  begin -- sh -c 'echo this is my stderr >&2; cat > heard; exit 7'
  leave
  [ "$ended" -eq 7 ]
  grep -qx 'this is my stderr' said
  run --separate-stderr timeout 200 mcp-gate -- ./no-such-server < /dev/null
  [ "$status" -eq 69 ]
  [[ $stderr == *"./no-such-server: "* ]]
  begin -- sleep 1000 # lint: the server does not read
  kill -TERM "$gate"
  leave
  [ "$ended" -eq 143 ]
}

@test "neither the server nor the gate keeps a secret in its environment" {
  export CIBA_SEAL_KEY
  CIBA_SEAL_KEY=$(openssl rand -hex 32)
  sandbox --approve never
  gate
  await test -s server
  send "$(a_call_of buy)"
  await questions 1
  for process in "$gate" $(pgrep -P "$gate") "$(cat server)"; do
    tr '\0' '\n' < "/proc/$process/environ" > environment
    no grep -F "$CIBA_CLIENT_SECRET" environment
    no grep -F "$CIBA_SEAL_KEY" environment
  done
  tr '\0' '\n' < "/proc/$(cat server)/environ" > environment
  no grep -E '^(CIBA_CLIENT_SECRET|CIBA_SEAL_KEY)=' environment
  grep -q ^PATH= environment
}

@test "if what asks the user is killed, calls are refused, those that wait too, and the rest goes on" {
  sandbox --approve ask --interval 1
  gate --free read_file
  send "$(a_call_of buy)"
  await questions 1
  kill -KILL "$(asker)"
  refused 1 'what asks the user has ended; the tool was not called'
  send "$(a_call_of buy '{}' 2)"
  refused 2 'what asks the user has ended; the tool was not called'
  send "$(a_call_of read_file '{}' 3)"
  await answered 3
  decide true
  settled
  no grep buy heard
  grep -q 'calls of gated tools are refused from now on' said
  leave
  [ "$ended" -eq 0 ]
}

@test "when the gate is killed, nobody asks for it any more" {
  sandbox --approve never --interval 1
  gate
  send "$(a_call_of buy)"
  await questions 1
  asks=$(asker)
  kill -KILL "$gate"
  await gone "$asks"
  await gone "$(cat server)"
}

@test "the list of tools says once of each gated tool that a person is asked, and nothing else in it changes" {
  sandbox
  asks='A person is asked on their phone before this tool is run; that may take minutes, and they may say no.'
  # The words are added at @, and with a member of their own at @@.
  tr -d '\n' > listed << 'TOOLS'
{ "tools" : [ {"name":"a", "description" : "Does \"a\".\u00e9 @" ,"inputSchema":{"properties":{"description":{"description":"x"}}}},
{"name":"b","description":"@"}, {@@"inputSchema":{},"name":"c"},{ "name" : "d" , "description" : null },{"name":"e","description":7},
{"name":"free","description":"Reads."},{"name":"\u0066ree"},{"name":"Free","description":"é @"},{"name":7,"description":"n"},{},[],"x",
{"name":"f","description":"one @","description":"two"}], "nextCursor":1e2 , "_meta" : {"tools":[{"name":"a","description":"x"}]}}
TOOLS
  sed 's/ *@//g' listed > tools
  gate --free free
  send '{"jsonrpc":"2.0","id":1,"method":"tools/list"}'
  await answered 1
  {
    printf '{"jsonrpc":"2.0","id":1,"result":'
    sed "s/@@/\"description\":\"@\",/g; s/@/$asks/g" listed
    printf '}\n'
  } | cmp - answers
  [ "$(grep -o 'A person is asked' answers | wc -l)" -eq 5 ]
  # Under any id, in a batch, and asked for twice; other answers are left alone.
  : > answers
  send '[{"id":"l1","method":"tools/list"},{"id":2,"method":"prompts/list"}]' '{"id":3,"method":"tools\/list","params":{"cursor":"x"}}' '{"id":"4","method":"x"}'
  settled
  [ "$(grep -c 'A person is asked' answers)" -eq 2 ]
  : > answers
  have_server "$(jq -Rsc '{say: ("{\"id\":9,\"result\":" + . + "}\n")}' tools)"
  settled
  no grep 'A person is asked' answers
}

@test "with --unless-read-only a tool is free only where the server's newest list clearly says so" {
  sandbox --approve no --delay 0
  gate --unless-read-only --free named
  send "$(a_call_of good)"
  refused 1 'the user said no' # not listed yet
  cat > tools << 'TOOLS'
{"tools":[{"name":"good","annotations":{"readOnlyHint":true}},{"name":"good2","annotations":{"title":"t","destructiveHint":false,"readOnlyHint":true}},
{"name":"text","annotations":{"readOnlyHint":"true"}},{"name":"one","annotations":{"readOnlyHint":1}},{"name":"none"},{"name":"null","annotations":null},
{"name":"outside","readOnlyHint":true},{"name":"both","annotations":{"readOnlyHint":true,"destructiveHint":true}},{"name":"twice","annotations":{"readOnlyHint":true,"readOnlyHint":false}},
{"name":"twice2","annotations":{"readOnlyHint":false},"annotations":{"readOnlyHint":true}},{"name":"case","annotations":{"readOnlyHint":true,"readonlyhint":false}},
{"name":"case2","annotations":{"readOnlyHint":true},"Annotations":{}},{"name":"escaped","annotations":{"readOnlyHint":true,"readOnly\u0048int":false}},
{"name":"listed","annotations":{"readOnlyHint":true}},{"name":"listed","annotations":{"readOnlyHint":false}},
{"name":"listed2","annotations":{"readOnlyHint":false}},{"name":"listed2","annotations":{"readOnlyHint":true}},{"name":"named2","name":"named3","annotations":{"readOnlyHint":true}}]}
TOOLS
  tr -d "\n" < tools > one
  mv one tools
  send '{"id":2,"method":"tools/list"}'
  await answered 2
  for free in good good2 named; do
    send "$(a_call_of $free '{}' "\"$free\"")"
    await answered "\"$free\""
  done
  [ "$(grep -c '"did ' answers)" -eq 3 ]
  for gated in Good text one none null outside both twice twice2 case case2 escaped listed listed2 named2 named3 missing Named; do
    send "$(a_call_of "$gated" '{}' "\"$gated\"")"
    refused "\"$gated\"" 'the user said no'
  done
  # A list that nobody asked for is not believed, nor one that is not clear.
  have_server '{"say":"{\"id\":77,\"result\":{\"tools\":[{\"name\":\"none\",\"annotations\":{\"readOnlyHint\":true}}]}}\n"}'
  settled
  send "$(a_call_of none '{}' 10)"
  refused 10 'the user said no'
  # The next list says otherwise; until it is there, a change makes all gated.
  have_server '{"say":"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n"}'
  settled
  send "$(a_call_of good '{}' 11)"
  refused 11 'the user said no'
  printf '%s' '{"tools":[{"name":"good","annotations":{"readOnlyHint":false}},{"name":"none","annotations":{"readOnlyHint":true}}]}' > tools
  send '{"id":12,"method":"tools/list"}'
  await answered 12
  send "$(a_call_of good '{}' 13)" "$(a_call_of good2 '{}' 14)" "$(a_call_of none '{}' 15)"
  refused 13 'the user said no'
  refused 14 'the user said no'
  await answered 15
  [ "$(grep -c '"did ' answers)" -eq 4 ]
}

@test "without --tool all is gated but --free, with it only what it names; contradictions are usage errors" {
  sandbox --approve no --delay 0
  for options in '' --all '--all --free sell' '--free sell' '--tool buy' '--tool buy --tool give'; do
    rm -f server answers heard
    # shellcheck disable=SC2086 # words
    gate $options
    send "$(a_call_of buy '{}' 1)" "$(a_call_of sell '{}' 2)"
    refused 1 'the user said no'
    await answered 2
    case $options in
      '' | --all) refused 2 'the user said no' ;;
      *) grep -q 'did sell' answers ;;
    esac
    leave
  done
  nowhere
  for wrong in '--tool a --all' '--tool a --unless-read-only' '--tool a --free b' '--all --unless-read-only' '--bogus'; do
    # shellcheck disable=SC2086 # words
    run timeout 200 mcp-gate $wrong -- mcp-server heard < /dev/null
    [ "$status" -eq 64 ] || { echo "$wrong: $status $output"; return 1; }
  done
  run timeout 200 mcp-gate --all
  [ "$status" -eq 64 ]
  [[ $output == *"the server to run is missing"* ]]
}

@test "a waiting call's client is told of its progress if it asked for that, and no other" {
  sandbox --approve ask --interval 1
  gate --expiry 100
  send "$(a_call_of buy)" '{"id":2,"method":"tools/call","params":{"name":"buy","_meta":{"progressToken":"t\u0031"}}}'
  await grep -q notifications/progress answers
  jq -es 'map(select(.method == "notifications/progress").params) | all(.progressToken == "t1" and .progress > 0 and .progress < 1 and
    (.message | test("^waiting for auth0\\|demo, [0-9]+ s left$")))' answers
  await eval '[ "$(grep -c notifications/progress answers)" -ge 2 ]'
  decide true
  await answered 2
  jq -es 'map(select(.method == "notifications/progress").params.progress) | . == (sort | unique)' answers
}

@test "a stateless client gets refusals in the shape of its revision" {
  sandbox --approve no --delay 0
  gate
  send '{"id":1,"method":"tools/call","params":{"name":"x","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}' "$(a_call_of x '{}' 2)"
  refused 1 'the user said no'
  jq -e '.result.resultType == "complete"' answer
  refused 2 'the user said no'
  jq -e '.result | has("resultType") | not' answer
}

@test "an approval that is used again, and a lease, hold for this server alone" {
  sandbox --approve yes --delay 0
  openssl rand -hex 32 > key
  for kind in '--reuse call --store-dir store --store-key-file key' '--lease 10m --uses 9 --store-dir leases --store-key-file key'; do
    : > requests
    # shellcheck disable=SC2086 # words
    for turn in 1 2 3; do
      rm -f server answers heard
      case $turn in
        3) begin $kind -- mcp-server heard other ;;
        *) begin $kind -- mcp-server heard ;;
      esac
      send "$(a_call_of buy '{"qty":3}')"
      await grep -q 'did buy' answers
      leave
      case $turn in
        3) questions 2 ;;
        *) questions 1 ;;
      esac
    done
  done
}

@test "what was asked and decided stands in the audit log, with the digest of the call that was passed on" {
  sandbox --approve yes --delay 0
  gate --audit-file log
  send "$(a_call_of buy '{"qty":3e0}')"
  await answered 1
  leave
  audit-verify log
  digest=$(jq -c '.params | {name, arguments}' heard | canonical | openssl dgst -sha256 -binary | base64url)
  jq -es --arg digest "sha-256:$digest" 'map(.call_digest) | unique == [$digest]' log
  jq -es 'map(.event) | index("asked") < index("approved")' log
  rm server answers heard
  gate --audit-file /dev/full
  send "$(a_call_of buy)"
  refused 1 'not approved: '
  settled
  heard_nothing
}
