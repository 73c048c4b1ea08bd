# shellcheck source=helper.bash
load helper

# Gives stdin to each filter, none of which has work on it.
each_filter() {
  local filter
  nowhere
  cat > input
  for filter in "${filters[@]}" "tool-run --name x -- false"; do
    echo "== $filter"
    # shellcheck disable=SC2086 # words on purpose
    run --separate-stderr $filter < input
    "$@" || { echo "status $status"; echo "$output"; echo "$stderr"; return 1; }
  done
}

# jq 1.7 writes the E of an exponent large.
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
  for filter in llm-chat ciba-authorize stock-buy "tool-run --name x -- false"; do
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
  # §3.2.2 and §3.2.3 of the RFC (with the number that its 333333333.33333329 stands for, since ours
  # refuses to round), and numbers of its appendix B
  [ "$(canonical <<< '{"numbers":[333333333.3333333,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\u20ac$\u000F\u000aA'"'"'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}')" == \
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'"'"'B\"\\\\\"/"}' ]
  [ "$(canonical <<< '{"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,"\u00f6":7}')" == \
    $'{"\\r":2,"1":4,"\u0080":6,"ö":7,"€":1,"😀":5,"\ufb33":3}' ]
  [ "$(canonical <<< '[0,-0,5e-324,1.7976931348623157e308,9007199254740992,295147905179352830000,1e21,1e20,0.000001,1e-7,123.456,-1.5]')" == \
    '[0,0,5e-324,1.7976931348623157e+308,9007199254740992,295147905179352830000,1e+21,100000000000000000000,0.000001,1e-7,123.456,-1.5]' ]
}
