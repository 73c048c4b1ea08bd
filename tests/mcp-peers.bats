# mcp-gate between clients and servers that others have written: the official SDKs of MCP for Node and Python, their
# servers, and the Inspector. What is not gated is the same with the gate and without; what is gated is done after a
# yes, and only then.
# shellcheck source=helper.bash
load helper

setup_file() {
  local folder=$BATS_TEST_DIRNAME/peers/mcp
  peers_setup || peers_missing="npm reaches no registry"
  [ -z "$peers_missing" ] || return 0
  npm_install "$folder" @modelcontextprotocol/server-filesystem --ignore-scripts || peers_missing="npm cannot install the peers"
  export mcp=$folder official=$folder/node_modules/@modelcontextprotocol
  export python=$folder/venv/bin/python
  python_install "$folder" || python=""
}

setup() {
  [ -z "$peers_missing" ] || skip "$peers_missing"
  command -v mcp-gate > /dev/null || skip "there is no mcp-gate"
  common_setup
  mkdir box
  # Its tool get-env says all of its environment.
  everything=(env -i "PATH=$PATH" node "$official/server-everything/dist/index.js")
  filesystem=(node "$official/server-filesystem/dist/index.js" "$PWD/box")
  modern=(node "$mcp/modern-server.mjs")
  pythonic=("$python" "$mcp/server.py")
}

need_python() {
  [ -n "$python" ] || skip "pip cannot install the Python SDK"
}

# A client's transcript is the same with the gate and without it, and with the gate each byte that the client writes
# is what the server reads, and the other way round: same SERVER CLIENT...
same() {
  local -n server=$1
  shift
  nowhere
  rm -rf box/* outer.* inner.*
  timeout 100 "$@" -- "${server[@]}" > without 2> without.errors || { cat without.errors; return 1; }
  rm -rf box/*
  timeout 100 "$@" -- "$mcp/recorded.sh" "$PWD/outer" mcp-gate --tool nothing-of-it -- \
    "$mcp/recorded.sh" "$PWD/inner" "${server[@]}" > with 2> with.errors || { cat with.errors; return 1; }
  cmp without with || { diff without with | cut -c 1-500; return 1; }
  [ -s with ]
  [ -s outer.up ]
  cmp outer.up inner.up
  cmp outer.down inner.down
}

@test "not gated, with a session: every method of the protocol is the same with the gate and without, and to the byte (server-everything)" {
  for revision in 2025-11-25 2025-06-18 2025-03-26; do
    same everything node "$mcp/everything.mjs" sdk-1 "$revision"
    jq -es --arg revision "$revision" 'map(select(.method == "initialize"))[0].params.protocolVersion == $revision' outer.up
  done
}

@test "not gated, with a session: the same with the client of SDK 2" {
  same everything node "$mcp/everything.mjs" sdk-2 2025-11-25
}

@test "not gated, 2026-07-28: every method of the protocol is the same with the gate and without, and to the byte" {
  same modern node "$mcp/modern.mjs"
  jq -es 'any(.method == "server/discover") and any(.params.requestState? == "first round")' outer.up
}

@test "not gated: every tool of server-filesystem" {
  same filesystem node "$mcp/filesystem.mjs" sdk-1 2025-11-25 "$PWD/box"
  same filesystem node "$mcp/filesystem.mjs" sdk-2 2025-06-18 "$PWD/box"
}

@test "not gated: Python's client and server, with a session and 2026-07-28" {
  need_python
  for mode in legacy auto 2026-07-28; do
    same pythonic "$python" "$mcp/client.py" "$mode"
  done
}

# A client that does what is said to it through the gate with these options: client KIND REVISION SERVER [OPTION...]
client() {
  local -n server=$3
  rm -f orders came
  mkfifo orders
  timeout 200 node "$mcp/call.mjs" "$1" "$2" -- mcp-gate "${@:4}" -- "${server[@]}" < orders > came 2> errors 3>&- &
  client_pid=$!
  started+=("$client_pid")
  exec 7> orders
  await heard '.connected' || { cat errors; return 1; }
}

say() {
  echo "$1" >&7
}

# Something that the client said satisfies the jq expression.
heard() {
  jq -es "any($1)" came > /dev/null
}

# The client waits for what it has called, and leaves.
leave() {
  exec 7>&-
  wait "$client_pid" || { cat errors; return 1; }
}

write_call() {
  jq -nc --arg path "$PWD/box/$1" --arg content "${2:-$1}" '{path: $path, content: $content}'
}

asked() {
  [ "$(count /bc-authorize)" -ge "${1:-1}" ]
}

begin() {
  rm -f box/*
  : > requests
}

# The kinds of client with a revision, a server, and its tool that writes a file.
kinds="sdk-1 2025-11-25 filesystem write_file
sdk-2 2025-11-25 filesystem write_file
sdk-2-modern 2026-07-28 modern write"

@test "gated: after a yes the call is done, once, after a no it is not, and the client is told in words" {
  sandbox --approve ask --interval 1
  while read -r kind revision server tool; do
    echo "$kind $revision"
    begin
    client "$kind" "$revision" "$server" --tool "$tool" -m 'Write \(.content)'
    say "call yes $tool $(write_call good)"
    await asked 1
    empty box
    decide true
    await heard '.name == "yes" and .isError == false'
    [ "$(cat box/good)" == good ]
    say "call no $tool $(write_call bad)"
    await asked 2
    decide false
    await heard '.name == "no" and .isError == true and (.text | test("not approved: .*not called"))'
    leave
    no test -e box/bad
    [ "$(requests /bc-authorize .form.binding_message)" == $'"Write good"\n"Write bad"' ]
  done <<< "$kinds
sdk-2-auto 2025-11-25 filesystem write_file
sdk-2-auto 2026-07-28 modern write
sdk-1 2025-06-18 filesystem write_file
sdk-1 2025-03-26 filesystem write_file"
}

# A call by Python's client that writes the file of that name; what it says goes to a file of that name: by_python NAME
# MODE TOOL SERVER...
by_python() {
  timeout 100 "$python" "$mcp/call.py" "$2" "$3" "$(write_call "$1")" -- mcp-gate --tool "$3" -- "${@:4}" > "$1" 2> errors ||
    { cat errors; return 1; }
}

@test "gated: Python's client and server: after a yes the call is done, after a no it is not" {
  need_python
  for answer in yes no; do
    sandbox --approve "$answer" --delay 0 --interval 1
    for mode in legacy 2026-07-28; do by_python "$answer-$mode" "$mode" write "${pythonic[@]}"; done
    kill "$CIBA_SANDBOX_PID"
  done
  [ "$(count /bc-authorize)" == 4 ]
  for mode in legacy 2026-07-28; do
    jq -e '.is_error == false' "yes-$mode"
    jq -e '.is_error and (.content[0].text | test("not approved: .*not called"))' "no-$mode"
    [ "$(cat "box/yes-$mode")" == "yes-$mode" ]
    no test -e "box/no-$mode"
  done
}

@test "gated: the SDKs of both languages, each with a server of the other" {
  need_python
  sandbox --approve yes --delay 0 --interval 1
  by_python to-node-1 auto write_file "${filesystem[@]}"
  by_python to-node-2 auto write "${modern[@]}"
  for kind in sdk-1 sdk-2-modern; do
    client "$kind" 2025-11-25 pythonic --tool write
    say "call yes write $(write_call "$kind")"
    leave
    heard '.name == "yes" and .isError == false'
    [ "$(cat "box/$kind")" == "$kind" ]
  done
  for one in to-node-1 to-node-2; do
    jq -e '.is_error == false' "$one"
    [ "$(cat "box/$one")" == "$one" ]
  done
  [ "$(count /bc-authorize)" == 4 ]
}

@test "gated: after a yes a call, its answer and all that the server asks meanwhile are the same with the gate and without" {
  sandbox --approve yes --delay 0 --interval 1
  gated=()
  for tool in echo get-structured-content gzip-file-as-resource trigger-{sampling,elicitation}-request{,-async} simulate-research-query; do
    gated+=(--tool "$tool")
  done
  timeout 100 node "$mcp/everything.mjs" sdk-1 2025-11-25 -- "${everything[@]}" > without 2> errors || { cat errors; return 1; }
  timeout 200 node "$mcp/everything.mjs" sdk-1 2025-11-25 -- mcp-gate "${gated[@]}" -- "${everything[@]}" > with 2> errors || { cat errors; return 1; }
  [ "$(count /bc-authorize)" == 11 ]
  [ "$(grep -o 'A person is asked' with | wc -l)" == 8 ]
  sed 's/ *\(\\n\)*A person is asked[^"]*"/"/g' with > plain
  cmp without plain || { diff without plain | cut -c 1-500; return 1; }
}

@test "gated: a client that asks for progress hears whom it waits for; others, and other calls, hear nothing of it" {
  sandbox --approve ask --interval 1
  while read -r kind revision server tool; do
    echo "$kind $revision"
    begin
    client "$kind" "$revision" "$server" --tool "$tool"
    say "call quiet $tool $(write_call quiet)"
    await asked 1
    say "progress loud $tool $(write_call loud)"
    await heard '.name == "loud" and (.progress.message // "" | test("waiting for auth0.demo, [0-9]+ s left"))'
    say list
    await heard '.tools | length > 5'
    no heard '.name == "loud" and has("isError")'
    no heard '.name == "quiet"'
    empty box
    decide true
    await heard '.name == "loud" and .isError == false'
    [ "$(cat box/loud)" == loud ]
    no test -e box/quiet
    jq -r '.[].id' <(curl -s "${CIBA_SANDBOX_URL}phone/requests") > ids
    tell phone/decide <<< "{\"id\":\"$(sed -n 2p ids)\",\"approve\":false}"
    await heard '.name == "quiet" and .isError == true'
    leave
    no test -e box/quiet
    no heard '.name == "quiet" and has("progress")'
  done <<< "$kinds"
}

@test "gated: a call that the client cancels while it waits is never done, whatever the user says then" {
  sandbox --approve ask --interval 1
  while read -r kind revision server tool; do
    echo "$kind $revision"
    begin
    client "$kind" "$revision" "$server" --tool "$tool"
    say "call gone $tool $(write_call gone)"
    await asked 1
    say "abort gone"
    await heard '.name == "gone" and .error'
    decide true
    say "call next $tool $(write_call next)"
    await asked 2
    decide true
    await heard '.name == "next" and .isError == false'
    leave
    [ "$(echo box/*)" == box/next ]
  done <<< "$kinds"
}

@test "gated: a client that leaves while it waits: the call is never done" {
  sandbox --approve ask --interval 1
  client sdk-1 2025-11-25 filesystem --tool write_file
  say "call gone write_file $(write_call gone)"
  await asked 1
  gate=$(pgrep -P "$(pgrep -P "$client_pid" node)" mcp-gate)
  kill -KILL "$(pgrep -P "$client_pid" node)"
  exec 7>&-
  decide true
  ended() { ! kill -0 "$gate" 2> /dev/null; }
  await ended
  empty box
}

@test "gated: calls at once are a question each, and each has its own answer" {
  sandbox --approve ask --interval 1
  while read -r kind revision server tool; do
    echo "$kind $revision"
    begin
    client "$kind" "$revision" "$server" --tool "$tool" -m 'Write \(.content)'
    for one in a b c d; do say "call $one $tool $(write_call $one)"; done
    await asked 4
    curl -s "${CIBA_SANDBOX_URL}phone/requests" > asked
    for one in a b c d; do
      id=$(jq -r --arg one "Write $one" '[.[] | select(.state == "pending" and .message == $one)][0].id' asked)
      yes=true
      case $one in b | d) yes=false ;; esac
      tell phone/decide <<< "{\"id\":\"$id\",\"approve\":$yes}"
    done
    leave
    [ "$(echo box/*)" == "box/a box/c" ]
    for one in a c; do heard ".name == \"$one\" and .isError == false"; done
    for one in b d; do heard ".name == \"$one\" and .isError"; done
  done <<< "$kinds"
}

@test "gated: --unless-read-only asks about what server-filesystem does not call read-only, --free not about what it names" {
  sandbox --approve no --delay 0 --interval 1
  echo here > box/file
  client sdk-1 2025-11-25 filesystem --unless-read-only --free create_directory
  say list
  await heard .tools
  say "call read read_text_file {\"path\":\"$PWD/box/file\"}"
  say "call make create_directory {\"path\":\"$PWD/box/folder\"}"
  await heard '.name == "read" and .text == "here\n"'
  await heard '.name == "make" and .isError == false'
  exits 1 asked
  say "call edit edit_file {\"path\":\"$PWD/box/file\",\"edits\":[{\"oldText\":\"here\",\"newText\":\"there\"}]}"
  say "call move move_file {\"source\":\"$PWD/box/file\",\"destination\":\"$PWD/box/other\"}"
  leave
  for one in edit move; do heard ".name == \"$one\" and .isError"; done
  [ "$(cat box/file)" == here ]
  [ "$(count /bc-authorize)" == 2 ]
  heard '.tools // [] | any(.name == "write_file" and (.description | test("asked")))'
  heard '.tools // [] | any(.name == "read_text_file" and (.description | test("asked") | not))'
}

@test "gated, 2026-07-28: in a tool that asks the client in rounds, each round is the user's to approve" {
  sandbox --approve yes --delay 0 --interval 1
  timeout 60 node "$mcp/modern.mjs" -- mcp-gate --tool ask -- "${modern[@]}" > transcript 2> errors || { cat errors; return 1; }
  [ "$(count /bc-authorize)" == 3 ]
  grep '^<.*for Ann, 1 roots: As you say' transcript
}

@test "gated, 2026-07-28: a tool that comes later is gated, if all are" {
  sandbox --approve no --delay 0 --interval 1
  client sdk-2-modern 2026-07-28 modern --all --free change
  say 'call change change {}'
  await heard '.name == "change" and .isError == false'
  say 'call later later {}'
  leave
  heard '.name == "later" and .isError and (.text | test("not approved"))'
}

# The client of the Tasks extension, through a gate that makes tasks; what it prints goes to the file: task FILE WORD...
task() {
  timeout 100 node "$mcp/tasks.mjs" "${@:2}" -- mcp-gate --tool write --spool "$PWD/spool" --seal-key-file "$PWD/seal" -- \
    "${modern[@]}" > "$1" 2> errors || { cat errors; return 1; }
}

# A task that the user has been asked about, and whose client has left; $reference is what it is found by.
begun_task() {
  task begun begin write "$(write_call "$1")"
  jq -es '.[0].kind == "task"' begun
  reference=$(jq -c 'select(.reference).reference' begun)
  [ "$(count /bc-authorize)" == 1 ]
  empty box
}

@test "tasks: a call becomes a task, and is done after a yes; after a no it is not" {
  openssl rand -hex 32 > seal
  sandbox --approve yes --delay 0 --interval 1
  task good call write "$(write_call good)"
  jq -es '.[0].kind == "task" and (.[1] | .status == "completed" and .isError == false and .states[0].status == "working")' good
  [ "$(cat box/good)" == good ]
  kill "$CIBA_SANDBOX_PID"
  sandbox --approve no --delay 0 --interval 1
  task bad call write "$(write_call bad)"
  jq -es '.[1] | .status == "completed" and .isError and (.text | test("not approved: .*not called"))' bad
  [ "$(echo box/*)" == box/good ]
}

@test "tasks: a client that leaves finds its task again, approved meanwhile: it is done then, and once" {
  openssl rand -hex 32 > seal
  sandbox --approve ask --interval 1
  begun_task late
  decide true
  task found resume "$reference"
  jq -e '.status == "completed" and .isError == false' found || { cat found errors; false; }
  [ "$(cat box/late)" == late ]
  rm box/late
  task again resume "$reference"
  jq -e '.status == "completed" and .isError == false' again
  empty box
  [ "$(count /bc-authorize)" == 1 ]
}

@test "tasks: a task that its client cancels is never done, whatever the user says then" {
  openssl rand -hex 32 > seal
  sandbox --approve ask --interval 1
  begun_task gone
  task cancelled cancel "$reference"
  decide true
  task later resume "$reference"
  jq -e '.status == "cancelled"' later
  empty box
}

# The Inspector, with a configuration file that names the gate: inspect OPTION...
inspect() {
  jq -n --arg gate "$(command -v mcp-gate)" --args '{mcpServers: {files: {command: $gate, args: $ARGS.positional,
    env: (env | with_entries(select(.key | test("^(CIBA|XDG|PATH)"))))}}}' -- --tool write_file -- "${filesystem[@]}" > inspected.json
  HOME=$PWD timeout 100 node "$official/inspector/clients/launcher/build/index.js" --cli --config inspected.json --server files \
    "$@" > inspected 2> errors
}

@test "the Inspector's command line: the tools, a call after a yes, a call after a no" {
  sandbox --approve yes --delay 0 --interval 1
  inspect --method tools/list || { cat errors; return 1; }
  jq -e '.tools | any(.name == "write_file" and (.description | test("asked")))' inspected
  inspect --method tools/call --tool-name write_file --tool-args-json "$(write_call good)" || { cat errors; return 1; }
  [ "$(cat box/good)" == good ]
  kill "$CIBA_SANDBOX_PID"
  sandbox --approve no --delay 0 --interval 1
  inspect --method tools/call --tool-name write_file --tool-args-json "$(write_call bad)" || true
  grep -h 'not approved' inspected errors
  no test -e box/bad
  [ "$(count /bc-authorize)" == 2 ]
}
