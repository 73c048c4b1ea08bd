# shellcheck source=helper.bash
load helper

# A tool's name that the document does not have is told, with those that it has.

# A document as llm-chat makes it: chosen
chosen() {
  llm-chat -n -t <(stock-buy --describe) 'Buy 3 stocks of Google'
}

# Each row: a command, given the document of the call; the name is wrong.
@test "a mistyped tool is told, with the tools that there are; the document passes unchanged" {
  sandbox --approve yes --delay 0
  chosen > called
  ciba-authorize -m 'Buy \(.qty)' < called 2> /dev/null | ciba-poll > approved 2> /dev/null
  while IFS='|' read -r file command; do
    # shellcheck disable=SC2086 # words
    run --separate-stderr $command < "$file"
    echo "$command: $status $stderr"
    [ "$output" == "$(cat "$file")" ]
    [[ $stderr == *"--tool: the document has no tool 'byu', but buy" ]]
  done <<'END'
called|ciba-authorize --tool byu -m x
called|ciba-authorize --together --tool byu -m x
approved|tool-run --tool byu -- true
approved|stock-buy --tool byu
END
  [ "$(count /bc-authorize)" -eq 1 ]
  run --separate-stderr llm-chat -r < approved
  [ "$status" -eq 75 ]
  [[ $stderr == *"buy: has no result yet"*"is approved, but no command has executed it"*"mistyped"* ]]
}

@test "it is said once, and not of a command whose calls may be in other documents" {
  sandbox --approve yes --delay 0
  for i in 1 2 3; do jq -nc '{calls: [{id: "c", name: "send_mail", arguments: {}}]}'; done > three
  run --separate-stderr ciba-authorize --tool send_mial -m x < three
  [ "$(grep -c "no tool 'send_mial', but send_mail" <<< "$stderr")" -eq 1 ]
  for name in send_mail delete_all sell; do # the second and third are another command's
    run --separate-stderr ciba-authorize --tool "$name" -m x < three
    [ -z "$stderr" ]
  done
  run --separate-stderr tool-run --tool send_mial -- true < <(jq -c '.calls[].result = {content: "sent"}' three)
  [ -z "$stderr" ]
}
