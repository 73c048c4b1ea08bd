# shellcheck source=helper.bash
load helper

events=("$BATS_TEST_DIRNAME"/hooks/*.json)

# What the host of that event does with the answer in $status, $output and $stderr, as its sources say and runs of
# it have shown: "runs" the tool, "stops" it, or leaves it to its own "rules": outcome EVENT
outcome() {
  local event=${1##*/}
  case $event in
    claude-PermissionRequest*)
      jq -r '.hookSpecificOutput.decision.behavior | if . == "allow" then "runs" elif . == "deny" then "stops" else "rules" end' <<< "${output:-{\}}" ;;
    claude-PreToolUse* | copilot-PreToolUse-pascal*)
      [ "$status" -ne 2 ] || { echo stops; return; }
      [ "$status" -eq 0 ] || { echo runs; return; }
      jq -r '.hookSpecificOutput | if .hookEventName != "PreToolUse" then "rules" else .permissionDecision end |
        if . == "allow" then "runs" elif . == "deny" then "stops" else "rules" end' <<< "${output:-{\}}" ;;
    codex-*) # reads stdout at 0 and stderr at 2; what its strict schema refuses is as if nothing had been said
      if [ "$status" -eq 2 ] && [ -n "$stderr" ]; then
        echo stops
      elif [ "$status" -ne 0 ] || [ -z "$output" ]; then
        [[ $event == *PreToolUse* ]] && echo runs || echo rules
      else
        jq -r 'if keys == ["hookSpecificOutput"] and (.hookSpecificOutput | keys == ["decision", "hookEventName"] and
          .hookEventName == "PermissionRequest") then .hookSpecificOutput.decision.behavior else "" end |
          if . == "allow" then "runs" elif . == "deny" then "stops" else "runs, by mistake" end' <<< "$output"
      fi ;;
    copilot-permissionRequest*)
      [ "$status" -ne 2 ] || { echo stops; return; }
      jq -r '.behavior | if . == "allow" then "runs" elif . == "deny" then "stops" else "rules" end' <<< "${output:-{\}}" ;;
    copilot-*)
      [ "$status" -eq 0 ] || { echo stops; return; }
      jq -r '.permissionDecision | if . == "allow" then "runs" elif . == "deny" then "stops" else "rules" end' <<< "${output:-{\}}" ;;
    gemini-*) # looks at the JSON, if there is any, before the status
      if jq -e '.decision' <<< "${output:-{\}}" > /dev/null; then
        jq -r '.decision | if . == "allow" then "runs" else "stops" end' <<< "$output"
      elif [ "$status" -ge 2 ] && [ -n "$stderr" ]; then echo stops
      else echo runs; fi ;;
    cursor-*) # with failClosed
      [ "$status" -eq 0 ] || { echo stops; return; }
      jq -r '.permission | if . == "allow" then "runs" else "stops" end' <<< "${output:-{\}}" ;;
    *) echo "no host: $event" ;;
  esac
}

# Whatever the event, the tool is stopped.
stops() {
  local event
  for event in "${events[@]}"; do
    run --separate-stderr ciba-hook < "$event"
    is "$event" stops || return 1
  done
}

# The last answer: is EVENT OUTCOME
is() {
  [[ $status -eq 0 || $status -eq 2 ]] || { echo "${1##*/}: status $status"; return 1; }
  [ "$(outcome "$1")" == "$2" ] || { echo "${1##*/}: $(outcome "$1"), not $2: $status '$output' '$stderr'"; return 1; }
}

@test "each host lets the tool run after a yes, and the call is asked about as it is" {
  sandbox --approve yes --delay 0
  for event in "${events[@]}"; do
    run --separate-stderr ciba-hook < "$event"
    [ "$status" -eq 0 ]
    is "$event" runs
  done
  [ "$(count /bc-authorize)" -eq "${#events[@]}" ]
  [ "$(requests /bc-authorize .form.binding_message | grep -c 'Bash runs touch marker')" -ge 4 ]
}

@test "each host stops the tool after a no, and tells the model the reason" {
  sandbox --approve no --delay 0
  for event in "${events[@]}"; do
    run --separate-stderr ciba-hook < "$event"
    is "$event" stops
    [[ $output == *"the user said no"* ]]
    [[ $stderr == *"ciba-hook: not approved: the user said no"* ]]
    jq -es 'length == 1' <<< "$output" > /dev/null
  done
}

@test "an expired question, the deadline, a provider that is down and missing settings are a no for each host" {
  sandbox --approve never --interval 1
  for event in "${events[@]}"; do
    (
      run --separate-stderr ciba-hook --expiry 1 < "$event"
      is "$event" stops || exit 1
      [[ $output == *"did not answer in time"* ]] || exit 1
      run --separate-stderr ciba-hook --deadline 0.3 < "$event"
      is "$event" stops || exit 1
    ) &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid"; done
  nowhere
  stops
  unset CIBA_ISSUER
  stops
  [[ $output == *"CIBA_ISSUER"* ]]
}

@test "what is no event, or none before a tool call, is a no in each host's words" {
  sandbox --approve yes --delay 0
  call='{"hook_event_name":"PreToolUse","session_id":"s","tool_use_id":"t","tool_name":"Bash","tool_input":{"command":"ls"}}'
  {
    printf '%s\n' '' ' ' '{' '[]' '"x"' 'null' '1' 'nothing' '{}' '{"hook_event_name":"PostToolUse"}'
    printf '%s\n' "$call$call" "$call x" "${call%\}}" "${call/\"Bash\"/7}" "${call/\"Bash\"/\"\"}" "${call/\"Bash\"/null}"
    printf '%s\n' "${call/\"Bash\"/\"B\\u0000h\"}" "${call/\{\"command\":\"ls\"\}/\"ls\"}" "${call/\{\"command\":\"ls\"\}/[]}"
    printf '%s\n' "${call/\{\"command\":\"ls\"\}/null}" "${call/\"tool_input\"/\"tool_inputs\"}" "${call/\"t\"/7}"
    printf '%s\n' "${call/\"ls\"/\"ls\",\"command\":\"rm\"}" "${call/\"ls\"/1e999}" "${call/\"ls\"/\"\\ud800\"}"
    printf '%s\n' "${call/\"PreToolUse\"/\"pretooluse\"}" "${call/\"PreToolUse\"/[\"PreToolUse\"]}" $'\xff\xfe'"$call"
  } > bad
  while IFS= read -r line; do
    run --separate-stderr ciba-hook <<< "$line"
    [ "$status" -eq 2 ] || { echo "$status: $line"; return 1; }
    [[ $stderr == *"not approved"* ]]
    is "$(jq -re .hook_event_name <<< "$line" > event-name 2> /dev/null && [ "$(cat event-name)" == PreToolUse ] && echo claude-PreToolUse || echo claude-PermissionRequest)" stops
  done < bad
  yes '[' | head -c 100000 | exits 2 ciba-hook
  { printf '{"x":"'; head -c 70000000 /dev/zero | tr '\0' a; } | exits 2 ciba-hook
  [ "$(count /bc-authorize)" -eq 0 ]
}

@test "wrong options are a no for each host, and the operator is told" {
  sandbox --approve yes --delay 0
  for wrong in --bogus --deadline '--deadline x' '--host vim' '--only (' '--if .[' --defer extra '--client-key-file none'; do
    # shellcheck disable=SC2086 # words
    run --separate-stderr ciba-hook $wrong < "$BATS_TEST_DIRNAME/hooks/claude-PreToolUse.json"
    for event in claude-PreToolUse codex-PreToolUse gemini-BeforeTool; do is "$event" stops; done
    [ "$status" -eq 2 ]
    [[ $stderr == *ciba-hook:* ]]
  done
  run --separate-stderr ciba-hook --bogus < "$BATS_TEST_DIRNAME/hooks/claude-PermissionRequest.json"
  for event in "${events[@]}"; do is "$event" stops; done
  [ "$(count /bc-authorize)" -eq 0 ]
}

# The process that ciba-hook has started.
asking() {
  pgrep -P "$1"
}

asked_once() {
  [ "$(count /bc-authorize)" -eq 1 ]
}

# Runs the hook with --defer until the user has been asked, and then sets its clock to the deadline, however slow the
# machine is; the answer goes to $output and $status: deferring [OPTION...] < EVENT
deferring() {
  local before hook clock
  before=$(count /oauth/token)
  clock=$(dirname "$(type -P ciba-hook)")/tests/clock_step.so
  printf '%-31s\n' '0 0' > step
  CLOCK_STEP=$PWD/step LD_PRELOAD=$clock ciba-hook --defer --journal-dir questions --seal-key-file seal --deadline 200 "$@" <&0 > deferred &
  hook=$! status=0
  await eval '[ "$(count /oauth/token)" -gt "$before" ]'
  printf '%-31s\n' '0 200' 1<> step
  wait "$hook" || status=$?
  output=$(cat deferred)
}

@test "every signal that can be caught is a no, also one for the process that asks" {
  sandbox --approve never
  event=$BATS_TEST_DIRNAME/hooks/gemini-BeforeTool.json
  for signal in HUP INT QUIT ILL TRAP ABRT BUS FPE USR1 SEGV USR2 ALRM TERM STKFLT XCPU XFSZ VTALRM PROF IO PWR SYS RTMIN RTMAX 32 33; do
    : > requests
    ciba-hook < "$event" > out 2> err &
    hook=$!
    await asked_once
    asks=$(asking "$hook")
    kill "-$signal" "$hook"
    case $signal in 32 | 33) kill -TERM "$hook" ;; esac # those do nothing
    status=0
    wait "$hook" || status=$?
    output=$(cat out) stderr=$(cat err)
    [ "$status" -eq 2 ] || { echo "SIG$signal: $status"; return 1; }
    is "$event" stops
    await gone "$asks"
  done
  for signal in KILL TERM SEGV STOP; do
    : > requests
    ciba-hook < "$event" > out 2> err &
    hook=$!
    await asked_once
    kill "-$signal" "$(asking "$hook")"
    [ "$signal" != STOP ] || kill -ALRM "$hook" # as its timer does at the deadline
    status=0
    wait "$hook" || status=$?
    output=$(cat out) stderr=$(cat err)
    [ "$status" -eq 2 ]
    is "$event" stops
  done
}

@test "a guard that is killed leaves nobody behind who asks" {
  sandbox --approve never
  ciba-hook < "$BATS_TEST_DIRNAME/hooks/gemini-BeforeTool.json" &
  hook=$!
  await asked_once
  asks=$(asking "$hook")
  kill -KILL "$hook"
  wait "$hook" || true
  await gone "$asks"
}

@test "without memory, processes, files, standard streams or its other half it is a no" {
  sandbox --approve yes --delay 0
  event=$BATS_TEST_DIRNAME/hooks/claude-PreToolUse.json
  for limit in '-v 6000' '-v 20000'; do
    [ -z "${ASAN_OPTIONS:-}" ] || break # the sanitizer needs more
    # shellcheck disable=SC2086 # words
    run --separate-stderr bash -c "ulimit $limit; exec ciba-hook" < "$event"
    is "$event" stops || { echo "ulimit $limit"; return 1; }
  done
  for streams in '>&-' '> /dev/full' '<&-'; do
    run --separate-stderr bash -c "ciba-hook $streams" < "$event"
    [ "$status" -eq 2 ] || { echo "$streams: $status"; return 1; }
  done
  run bash -c "ciba-hook <&- >&- 2>&-"
  [ "$status" -eq 2 ]
  mkdir alone
  cp "$(command -v ciba-hook)" alone/
  run --separate-stderr alone/ciba-hook < "$event"
  is "$event" stops
  [[ $stderr == *ciba-hook-ask* ]]
}

@test "a host that does not end its input gets a no at the deadline" {
  sandbox --approve yes --delay 0
  mkfifo never
  sleep 1000 > never & # lint: holds it open
  started+=("$!")
  run --separate-stderr ciba-hook --deadline 0.5 < never
  is cursor-preToolUse.json stops
  is claude-PermissionRequest.json stops
}

@test "only the tools of --only for which --if is true are asked about; the rest is left to the host" {
  sandbox --approve no --delay 0
  event=$BATS_TEST_DIRNAME/hooks/claude-PreToolUse.json
  # shellcheck disable=SC2089 # words
  for options in '--only Write' '--only ^Bas$' '--if .command|test("rm")' '--only Bash --if false' '--only Write --only Edit --if true'; do
    # shellcheck disable=SC2086,SC2090 # words
    run --separate-stderr ciba-hook $options < "$event"
    [ "$status" -eq 0 ]
    [ -z "$output$stderr" ]
  done
  run ciba-hook --only Write < "$BATS_TEST_DIRNAME/hooks/cursor-preToolUse.json"
  [ "$status" -eq 0 ]
  [ "$output" == '{"permission":"allow"}' ]
  [ "$(count /bc-authorize)" -eq 0 ]
  # shellcheck disable=SC2089 # words
  for options in '--only Bash' '--only as' '--only ^(Write|Bash)$' '--if .command|test("touch")' '--only x --only B --if true'; do
    # shellcheck disable=SC2086,SC2090 # words
    run --separate-stderr ciba-hook $options < "$event"
    is "$event" stops
  done
  [ "$(count /bc-authorize)" -eq 5 ]
  for filter in null '"false"' 0 .none '.command.x' 'error("x")' 'empty' 'true,true' '.none|test("x")'; do
    run --separate-stderr ciba-hook --if "$filter" < "$event"
    is "$event" stops || { echo "--if $filter"; return 1; }
  done
  [ "$(count /bc-authorize)" -eq 5 ]
}

@test "the question is of the call: name, arguments and the host's id, under one digest, in the audit log" {
  sandbox --approve yes --delay 0
  event=$BATS_TEST_DIRNAME/hooks/claude-PreToolUse.json
  ciba-hook -m 'Do \(.command)' --audit-file log < "$event"
  digest=$(jq -c '{name: .tool_name, arguments: .tool_input}' "$event" | canonical | openssl dgst -sha256 -binary | base64url)
  jq -es --arg digest "sha-256:$digest" 'map(.call_digest) | unique == [$digest]' log
  jq -es --slurpfile event "$event" 'map(.call) | unique == [$event[0].tool_use_id]' log
  [ "$(requests /bc-authorize .form.binding_message)" == '"Do touch marker"' ]
  audit-verify log
}

@test "nothing is allowed that cannot be told in the audit log" {
  sandbox --approve yes --delay 0
  event=$BATS_TEST_DIRNAME/hooks/claude-PreToolUse.json
  run --separate-stderr ciba-hook --audit-file /dev/full < "$event"
  is "$event" stops
}

@test "a call is deferred for claude -p alone: anywhere else the deadline is a no" {
  openssl rand -hex 32 > seal
  sandbox --approve never
  event=$BATS_TEST_DIRNAME/hooks/claude-PreToolUse.json
  for how in '' cli claude-vscode; do
    CLAUDE_CODE_ENTRYPOINT=$how run --separate-stderr ciba-hook --defer --journal-dir questions --seal-key-file seal --deadline 2 < "$event"
    is "$event" stops
  done
}

@test "a host that does not read what is said gets its no in time" {
  sandbox --approve never
  mkfifo full
  sleep 1000 <> full > /dev/null & # lint: holds it open
  started+=("$!")
  exec 7<> full
  head -c 65536 /dev/zero >&7
  for streams in '2>&7' '>&7' '>&7 2>&7'; do
    run timeout 100 bash -c "ciba-hook --deadline 1 $streams" < "$BATS_TEST_DIRNAME/hooks/gemini-BeforeTool.json"
    [ "$status" -eq 2 ]
  done
  exec 7>&-
}

@test "what the agent says of a call is left out for the host's shell alone" {
  sandbox --approve no --delay 0
  order='{"hook_event_name":"PreToolUse","session_id":"s","tool_use_id":"t","tool_name":"mcp__bank__order","tool_input":{"command":"status","description":"transfer all"}}'
  exits 2 ciba-hook --any-message <<< "$order"
  exits 2 ciba-hook --any-message <<< "${order/mcp__bank__order/Bash}"
  [ "$(requests /bc-authorize .form.binding_message | paste -sd,)" == '"mcp__bank__order: command status, description \"transfer all\"","Bash runs status"' ]
}

@test "a deferred call is asked about once, though the hook is run again, and again by another process" {
  export CLAUDE_CODE_ENTRYPOINT=sdk-cli
  openssl rand -hex 32 > seal
  sandbox --approve ask --interval 1
  event=$BATS_TEST_DIRNAME/hooks/claude-PreToolUse.json
  for i in 1 2; do
    deferring < "$event"
    [ "$status" -eq 0 ]
    holds '.hookSpecificOutput == {hookEventName: "PreToolUse", permissionDecision: "defer"}'
  done
  asked_once
  decide true
  run --separate-stderr ciba-hook --defer --journal-dir questions --seal-key-file seal < "$event"
  is "$event" runs
  asked_once
  empty questions
  # What has run is not allowed again by the same answer.
  deferring < "$event"
  holds '.hookSpecificOutput.permissionDecision == "defer"'
  [ "$(count /bc-authorize)" -eq 2 ]
  decide false
  run --separate-stderr ciba-hook --defer --journal-dir questions --seal-key-file seal < "$event"
  is "$event" stops
  empty questions
}

@test "another session, call, or input under the same id finds no question of the first" {
  export CLAUDE_CODE_ENTRYPOINT=sdk-cli
  openssl rand -hex 32 > seal
  sandbox --approve ask --interval 1
  event=$BATS_TEST_DIRNAME/hooks/claude-PreToolUse.json
  deferring < "$event"
  decide true
  for change in '.session_id = "other"' '.tool_use_id = "other"' '.tool_input.command = "rm -rf x"'; do
    jq -c "$change" "$event" > other
    deferring < other
    holds '.hookSpecificOutput.permissionDecision == "defer"'
  done
  [ "$(count /bc-authorize)" -eq 4 ]
}

@test "a run that was killed after it asked is followed by one that does not ask again" {
  export CLAUDE_CODE_ENTRYPOINT=sdk-cli
  openssl rand -hex 32 > seal
  sandbox --approve ask --interval 1
  event=$BATS_TEST_DIRNAME/hooks/claude-PreToolUse.json
  ciba-hook --defer --journal-dir questions --seal-key-file seal < "$event" &
  hook=$!
  await eval '[ "$(count /oauth/token)" -gt 0 ]'
  kill -KILL "$hook"
  wait "$hook" || true
  decide true
  run --separate-stderr ciba-hook --defer --journal-dir questions --seal-key-file seal < "$event"
  is "$event" runs
  asked_once
}

@test "the settings that are printed have this program's path, files by their path, and a limit behind the deadline" {
  touch settings
  for host in claude codex copilot gemini cursor; do
    run ciba-hook --print-config "$host" --only 'a b' --if '.x == "it'"'"'s"' -e settings --deadline 100
    [ "$status" -eq 0 ]
    holds '[.. | strings | select(test("^/.*/ciba-hook"))] | length > 0'
    holds "[.. | (.timeout? // .timeoutSec?) | numbers] | length > 0 and all(. == $([ "$host" == gemini ] && echo 160000 || echo 160))"
    # As the host's shell reads it.
    words=$(jq -r '[.. | objects | select(has("command") or has("exec"))][0] |
      if has("args") then [(.exec // .command)] + .args else .command end | if type == "string" then . else @sh end' <<< "$output")
    eval "set -- $words"
    [ "$2 $3" == "--host $host" ]
    [ "$*" == "$1 --host $host --only a b --if .x == \"it's\" --deadline 100 --env-file $PWD/settings" ]
  done
  exits 2 ciba-hook --print-config vim
}

# The blocks of settings in ciba-hook(1), a line each, in the order of the page
blocks() {
  awk '/^\.Bd -literal -compact/ {inside = 1; next} /^\.Ed/ {if (inside) print ""; inside = 0} inside {printf "%s", $0}' "$project/man/ciba-hook.1"
}

@test "the settings in ciba-hook(1) are what --print-config prints, where the command is installed" {
  blocks > page
  [ "$(wc -l < page)" -eq 5 ]
  path=$(readlink -f "$(command -v ciba-hook)")
  for host in claude codex copilot gemini cursor; do
    ciba-hook --print-config "$host" | sed "s,$path,/usr/local/bin/ciba-hook," | jq -cS . >> printed
  done
  diff printed <(jq -cS . page)
}

@test "a journal in which another call was put is not believed" {
  sandbox --approve ask --interval 1
  export CLAUDE_CODE_ENTRYPOINT=sdk-cli
  openssl rand -hex 32 > seal
  event=$BATS_TEST_DIRNAME/hooks/claude-PreToolUse.json
  hook=(ciba-hook --defer --journal-dir questions --deadline 4)
  deferring < "$event"
  decide true
  jq -c '.tool_input.command = "rm -rf x"' "$event" > other
  digest() { jq -c '{name: .tool_name, arguments: .tool_input}' "$1" | canonical | openssl dgst -sha256 -binary | base64url; }
  sed -i "s/$(digest "$event")/$(digest other)/g; s/touch marker/rm -rf x/g" questions/*
  run --separate-stderr "${hook[@]}" --seal-key-file seal < other
  [[ $output != *allow* ]]
  run --separate-stderr "${hook[@]}" < other
  is "$event" stops
  [[ $output == *"--seal-key-file"* ]]
}

@test "a question to another user, or about other things, is no question of a deferred call" {
  sandbox --approve ask --interval 1
  export CLAUDE_CODE_ENTRYPOINT=sdk-cli
  openssl rand -hex 32 > seal
  event=$BATS_TEST_DIRNAME/hooks/claude-PreToolUse.json
  deferring -m Harmless < "$event"
  decide true
  for other in '-u auth0|other' '-s openid' '-a other' '-m Danger' '--param x=y' '--acr-values x'; do
    n=$((n + 1))
    # shellcheck disable=SC2086 # words
    ciba-hook --defer --journal-dir questions --seal-key-file seal --deadline 4 $other < "$event" > "out$n" 2>&1 || true &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid"; done
  no grep -h '"allow"' out*
}

@test "a lease is for one host, folder and server of the tool" {
  sandbox --approve yes --delay 0
  openssl rand -hex 32 > key
  leased=(ciba-hook --store-dir "$PWD/store" --store-key-file "$PWD/key" --lease 15m --uses 9)
  call='{"hook_event_name":"beforeMCPExecution","conversation_id":"c","tool_name":"query","tool_input":"{\"q\":1}","cwd":"/a","mcp_server_name":"n","url":"https://staging/mcp"}'
  "${leased[@]}" <<< "$call"
  "${leased[@]}" <<< "$call"
  [ "$(count /bc-authorize)" -eq 1 ]
  n=1
  for change in '.url = "https://prod/mcp"' 'del(.url) | .command = "other"' '.mcp_server_name = "m"' '.cwd = "/b"' \
    '{hook_event_name: "BeforeTool", session_id: "s", tool_name, tool_input: {q: 1}, cwd}'; do
    "${leased[@]}" <<< "$(jq -c "$change" <<< "$call")"
    [ "$(count /bc-authorize)" -eq "$((n += 1))" ]
  done
  # one that was removed is no folder, and not the same as another
  for folder in one two; do
    mkdir "$folder"
    (
      cd "$folder" || exit
      rmdir "../$folder"
      "${leased[@]}" <<< "$call"
    )
    [ "$(count /bc-authorize)" -eq "$((n += 1))" ]
  done
  "${leased[@]}" --param x=y <<< "$call"
  [ "$(count /bc-authorize)" -eq "$((n + 1))" ]
}
