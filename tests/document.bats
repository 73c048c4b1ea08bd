# shellcheck source=helper.bash
load helper

# Gives stdin to each command; none has work to do on it.
each_filter() {
  local filter
  nowhere
  cat > input
  for filter in "${filters[@]}" "tool-run --tool x -- false"; do
    echo "== $filter"
    # shellcheck disable=SC2086 # words on purpose
    run --separate-stderr $filter < input
    "$@" || { echo "status $status"; echo "$output"; echo "$stderr"; return 1; }
  done
}

# jq 1.7 writes a capital E in exponents.
came_through() { [ "$status" -eq 0 ] && [ "$(sed -E 's/([0-9])E/\1e/g' <<< "$output")" == "$expected" ]; }
was_refused() { [ "$status" -eq 65 ] && [ -z "$output" ] && [[ $stderr == *"$reason"* ]]; }
went_on() { [ "$status" -eq 65 ] && [ "$output" == "$expected" ] && [[ $stderr == *"$reason"* ]]; }

@test "what a command has no work on goes out as it came in, unknown members included" {
  expected='{"future":{"a":[1,2.5,1e+100,-0.1,null,true,"\u0001é😀"]},"calls":[{"id":"c","other":1,"name":"none","result":{"x":1},"more":[]},"no call"],"messages":[{"role":"assistant","content":"Hi","extra":true}]}'
  each_filter came_through <<< "$expected"
}

@test "JSON Lines, pretty-printed JSON and documents side by side are read, and written a line each" {
  expected=$'{"a":1}\n{"b":{"c":[]}}\n{"d":2}\n{"e":3}\n{"f":"{"}'
  each_filter came_through <<< $'\xEF\xBB\xBF{"a":1}\n{\n  "b": {\n    "c": []\n  }\n}\n\t{"d":2}{"e":3}\r\n{"f":"{"}'
}

@test "the digits of a number are kept" {
  expected='{"n":[9007199254740991,0.1,123456789012345,1.7976931348623157e+308,5e-324]}'
  each_filter came_through <<< "$expected"
}

@test "a number that the jq library would round is refused, or kept to the digit" {
  if nowhere && llm-chat <<< '{"n":9007199254740993}' > /dev/null 2>&1; then
    expected='{"n":9007199254740993}'
    each_filter came_through <<< "$expected"
  else
    reason="the number 9007199254740993 would be rounded"
    each_filter was_refused <<< '{"n":9007199254740993}'
    reason="1e400 would be rounded"
    each_filter was_refused <<< '{"n":1e400}'
  fi
}

@test "nothing on stdin is nothing on stdout, and ciba-poll takes it for no approval" {
  nowhere
  for filter in llm-chat ciba-authorize stock-buy "tool-run --tool x -- false"; do
    # shellcheck disable=SC2086
    run $filter < /dev/null
    [ "$status" -eq 0 ]
    [ -z "$output" ]
  done
  run ciba-poll -q < /dev/null
  [ "$status" -eq 65 ]
}

@test "one bad document is named by its line, and the good ones go on" {
  expected=$'{"a":1}\n{"b":2}\n{"c":3}'
  reason="line 2: "
  for bad in '{"x":' '{"x":1,}' '{"x" 1}' '[1]' '"text"' '12' 'nan' '{"x":NaN}' '{"x":01}' '{"x":+1}' \
    '{"x":tru}' '{x:1}' "{'x':1}" '}' '{"x":1]' '<html>' '{"x":"\ud800"}' '{"x":"\uZZZZ"}'; do
    each_filter went_on < <(printf '{"a":1}\n%s\n{"b":2}\n{"c":3}\n' "$bad")
  done
}

@test "a document that does not end is named, and what follows a broken one is read" {
  reason="line 1: cut off"
  expected=""
  each_filter was_refused < <(printf '{"a":1')
  reason="line 1: "
  expected=$'{"b":2}'
  each_filter went_on < <(printf '{"a":{\n{"b":2}\n')
}

@test "what is not UTF-8 is refused" {
  reason="not UTF-8"
  each_filter was_refused < <(printf '{"a":"\xff"}')
  each_filter was_refused < <(printf '{"a":"\xc0\xaf"}')
  each_filter was_refused < <(printf '{"a":"\xed\xa0\x80"}')
}

@test "a NUL byte is refused outside a string, and an escaped one within is kept" {
  reason="line 1"
  each_filter was_refused < <(printf '{"a":\0001}')
  expected='{"a":"x\u0000y"}'
  each_filter came_through <<< "$expected"
}

@test "a member that is there twice is refused" {
  reason="the same member twice"
  each_filter was_refused <<< '{"a":1,"a":2}'
  each_filter was_refused <<< '{"calls":[{"id":"c","arguments":{"qty":3,"qty":3000}}]}'
}

@test "200 levels are read, 201 are refused" {
  nowhere
  deep=$(printf '[%.0s' {1..199})
  end=$(printf ']%.0s' {1..199})
  expected="{\"a\":$deep$end}"
  each_filter came_through <<< "$expected"
  reason="nested more than 200 levels"
  each_filter was_refused <<< "{\"a\":[$deep$end]}"
  each_filter was_refused < <(printf '{"a":'; head -c 1000000 /dev/zero | tr '\0' '[')
}

@test "a document of 40 MB passes, one of 100 MB is refused and the next one goes on" {
  nowhere
  big() { printf '{"a":"'; head -c "$1" /dev/zero | tr '\0' x; printf '"}\n'; }
  big 40000000 | stock-buy | cmp - <(big 40000000)
  run --separate-stderr stock-buy < <(big 100000000; echo '{"b":1}')
  [ "$status" -eq 65 ]
  [ "$output" == '{"b":1}' ]
  [[ $stderr == *"line 1: larger than 64 MiB"* ]]
}

@test "wrong types where calls should be pass as they are" {
  for expected in '{"calls":1}' '{"calls":null}' '{"calls":{}}' '{"messages":{}}' '{"messages":[1]}' \
    '{"calls":[[],null,"x"]}' '{"tools":"x"}'; do
    each_filter came_through <<< "$expected"
  done
}

@test "stdout that cannot be written exits 74 and says what is lost" {
  [ -w /dev/full ] || skip "there is no /dev/full"
  nowhere
  for filter in "${filters[@]}"; do
    run --separate-stderr bash -c "echo '{}' | $filter > /dev/full"
    [ "$status" -eq 74 ]
    [[ $stderr == *"stdout: cannot write: No space left"* ]]
  done
}

@test "a diagnostic is one line without control characters" {
  nowhere
  run --separate-stderr stock-buy < <(printf '{"a":\033[31mred\n')
  [ "$status" -eq 65 ]
  [[ $stderr != *$'\033'* ]]
  [ "$(wc -l <<< "$stderr")" -eq 1 ]
}

@test "the canonical form is that of RFC 8785" {
  # §3.2.2 and §3.2.3 of the RFC (with the value that its 333333333.33333329 rounds to, because ours
  # refuses to round), and numbers of its appendix B
  [ "$(canonical <<< '{"numbers":[333333333.3333333,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\u20ac$\u000F\u000aA'"'"'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}')" == \
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'"'"'B\"\\\\\"/"}' ]
  [ "$(canonical <<< '{"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,"\u00f6":7}')" == \
    $'{"\\r":2,"1":4,"\u0080":6,"ö":7,"€":1,"😀":5,"\ufb33":3}' ]
  [ "$(canonical <<< '[0,-0,5e-324,1.7976931348623157e308,9007199254740992,295147905179352830000,1e21,1e20,0.000001,1e-7,123.456,-1.5]')" == \
    '[0,0,5e-324,1.7976931348623157e+308,9007199254740992,295147905179352830000,1e+21,100000000000000000000,0.000001,1e-7,123.456,-1.5]' ]
}

@test "objects with so many members that their names could be made to collide are refused; 5,000 calls are not" {
  nowhere
  jq -nc '{a: ([range(20001) | {key: "k\(.)", value: 0}] | from_entries)}, {b: 1}' > input
  run --separate-stderr ciba-poll < input
  [ "$status" -eq 65 ]
  [ "$output" == '{"b":1}' ]
  [[ $stderr == *"line 1: an object has too many members"* ]]
  jq -nc '[range(15000) | {key: "k\(.)", value: 0}] | from_entries | {a: [., .]}' > input # together
  run --separate-stderr ciba-poll < input
  [ "$status" -eq 65 ]
  jq -nc '{a: [range(1000001) | []]}' > input
  run --separate-stderr ciba-poll < input
  [ "$status" -eq 65 ]
  [[ $stderr == *"line 1: more than 1000000 objects and arrays"* ]]
  jq -nc '{calls: [range(5000) | {id: "c\(.)", name: "none", arguments: {ticker: "A", qty: .}, authorization: {status: "denied",
    user: "u", details: [{type: "order", at: {x: 1}}]}, result: {x: 1}}], all: [range(9500) | {key: "\(.)", value: 1}] | from_entries}' > input
  timeout 200 ciba-poll -q < input || true
  timeout 200 tool-run --tool x -- false < input > output
  cmp input output
}

@test "thousands of calls with their results are given to the model in a moment" {
  nowhere
  jq -nc '[range(20000) | "c\(.)"] as $ids | {messages: [{role: "user", content: "x"}, {role: "assistant", content: null,
    tool_calls: [$ids[] | {id: ., type: "function", function: {name: "t", arguments: "{}"}}]}],
    calls: [$ids[] | {id: ., name: "t", arguments: {}, result: {content: "y"}}]}' > input
  exits 69 processor 30 llm-chat --retries 0 < input > output
  jq -e '.messages | length == 20002 and .[2].tool_call_id == "c0" and .[20001].tool_call_id == "c19999"' output
}

@test "at a terminal a document is the same JSON, with nothing in it that could steer it" {
  script -qec true /dev/null > /dev/null 2>&1 || skip "there is no pseudo-terminal, or no script(1)"
  nowhere
  jq -nc '{a: "\u009b2J\u009d\u007f\u202e\u2028\ufeff é😀"}' > made
  printf '{"a":"\u009b2J\u009d\u007f\u202e\u2028\ufeff é😀"}\n' > raw # as no program should write it
  for input in made raw; do
    run script -qec "ciba-poll < $input" /dev/null
    echo "$output" | od -c | head
    [ "$(tr -d '\r' <<< "$output")" == '{"a":"\u009b2J\u009d\u007f\u202e\u2028\ufeff é😀"}' ]
    ciba-poll < $input | cmp - $input
  done
  sandbox
  export OPENAI_API_KEY OPENAI_BASE_URL
  run script -qec "llm-chat -n 'json {\"a\":\"$(printf '\u202e')\"}'" /dev/null
  [[ $output == *'\u202e'* ]]
  no grep -q $'\u202e' <<< "$output"
}

@test "a document of a later version, or with a status that is not known, is passed as it is and not worked on" {
  sandbox --approve yes --delay 0
  an_approved_call > approved
  jq -e '.format == 1' approved
  while read -r change; do
    jq -c "$change" approved > later
    jq -c "$change | del(.calls[].authorization.auth_req_id) | .calls[].authorization.status |= (if . == \"approved\" then \"failed\" else . end)" approved > unasked
    while read -r input command; do
      # shellcheck disable=SC2086 # words on purpose
      run --separate-stderr $command < "$input"
      echo "$change | $command: $status $stderr"
      [ "$status" -eq 65 ]
      [ "$output" == "$(cat "$input")" ]
      [[ $stderr == *"use the version that wrote it"* ]]
    done << 'END'
unasked ciba-authorize -m Buy
later ciba-poll
later stock-buy
later tool-run --tool buy -- touch ran
later llm-chat
later ciba-authorize -j 2 -m Buy
END
    run ciba-poll -q < later
    [ "$status" -eq 65 ]
    agent-spool add spool < later > name || true
    cp later spool/queue/later
    run agent-spool run spool -- touch ran
    [ "$status" -eq 65 ]
    cmp later spool/queue/later
  done << 'END'
.format = 2
.format = 0
.format = 1.5
.calls[0].authorization.status = "revoked"
.calls[0].authorization.status = ""
END
  [ ! -e ran ]
  [ "$(orders)" == '[]' ]
  # what belongs to other programs
  jq -c '.format = "letter"' approved | stock-buy | jq -e '.format == "letter" and .calls[0].result.status == 200'
}

@test "a message names a call by its tool, and by its id only in a document with several" {
  sandbox
  one='{"calls":[{"id":"call_x7","name":"buy","arguments":{}}]}'
  two='{"calls":[{"id":"call_x7","name":"buy","arguments":{}},{"id":"call_x8","name":"buy","arguments":{}}]}'
  run --separate-stderr ciba-authorize -m 'Buy \(.qty)' <<< "$one"
  [[ $stderr == "ciba-authorize: buy: the arguments have no value"* ]]
  run --separate-stderr ciba-authorize -m 'Buy \(.qty)' <<< "$two"
  [[ $stderr == *"call_x7: the arguments"*"call_x8: the arguments"* ]]
  CIBA_USER=nobody run --separate-stderr ciba-authorize -n -m Deploy
  [ "$status" -ne 0 ]
  [[ $stderr != *call_* ]]
  run --separate-stderr ciba-poll -q <<< "$one$two"
  [[ $stderr == *"ciba-poll: buy: nobody approved"*"call_x7: nobody approved"*"call_x8"* ]]
}
