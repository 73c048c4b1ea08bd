# shellcheck source=helper.bash
load helper

# What a newcomer sees first: examples/demo, and its picture in README.md.

# Each row: how the sandbox's user answers, and the last word.
@test "the demo shows each step and document, never a token, and a no or no answer is a fine end" {
  while IFS='|' read -r options words; do
    # shellcheck disable=SC2086 # words
    run "$project/examples/demo" $options < /dev/null
    echo "$output"
    [ "$status" -eq 0 ]
    for step in 1/5 2/5 3/5 4/5 5/5; do [[ $output == *"$step   "* ]]; done
    [[ $output == *"What to try next:"* && $output == *"$words"* ]]
    [[ $output != *eyJ* && $output != *access_token* ]]
    [[ $output != *$'\e'* ]] # no colours in a file
  done <<'END'
--delay 0|(a secret, which is not shown)
--approve yes --delay 0|That was a yes, and the order was placed.
--approve no --delay 0|That was a no, so nothing was bought: that is what is meant to happen.
END
}

@test "the demo stops with the status of a command that fails" {
  echo '[{"path":"/oauth/token","times":99,"status":401,"body":{"error":"invalid_client"}}]' > faults
  run "$project/examples/demo" --approve yes --faults-file "$PWD/faults" < /dev/null
  echo "$output"
  [ "$status" -eq 77 ]
  [[ $output == *"The demo stops here"* ]]
}

@test "the picture of the demo in README.md is of this demo" {
  script -qec true /dev/null > /dev/null 2>&1 || skip "there is no pseudo-terminal, or no script(1)"
  grep -q 'tests/demo\.svg' "$project/README.md"
  timeout 80 "$project/tests/picture" text > now
  sed -n 's/<text[^>]*>\(.*\)<\/text>$/\1/p' "$project/tests/demo.svg" |
    sed 's/<[^>]*>//g; s/&lt;/</g; s/&gt;/>/g; s/&amp;/\&/g' > drawn
  diff drawn <(sed -e :a -e '/^\n*$/{$d;N;ba' -e '}' now) || { echo "tests/picture draws it anew"; false; }
}

@test "a sandbox in the background says where the phone is, and with -q nothing; nor does it ask at a terminal then" {
  ciba-sandbox --approve ask > exports 2> said
  # shellcheck source=/dev/null
  . ./exports
  started+=("$CIBA_SANDBOX_PID")
  [ "$(cat said)" == "ciba-sandbox: the user's phone is at $CIBA_SANDBOX_URL" ]
  ciba-sandbox -q --approve ask > exports 2> said
  # shellcheck source=/dev/null
  . ./exports
  started+=("$CIBA_SANDBOX_PID")
  empty said
}
