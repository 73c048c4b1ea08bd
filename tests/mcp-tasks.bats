# Calls that become tasks: mcp-gate --spool.
# shellcheck source=helper.bash
load helper
# shellcheck source=gate.bash
load gate

# The gate with tasks; what the server gets is in `heard`: tasks [OPTION...]
tasks() {
  [ -e seal ] || head -c 32 /dev/urandom | base64 > seal
  gate --spool work --seal-key-file seal -m 'Buy \(.qty // "")' --tool buy "$@"
}

# A request of a client that knows tasks: ask ID METHOD PARAMS
ask() {
  send "$(jq -nc --arg id "$1" --arg method "$2" --argjson params "$3" '{jsonrpc: "2.0", $id, $method, params: ($params + {_meta: {
    progressToken: "p", "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {sampling: {}, extensions: {"io.modelcontextprotocol/tasks": {}, "x/y": {}}}}})}')"
}

# The task that a call has become, in $task: call_as_task ID ARGUMENTS
call_as_task() {
  ask "$1" tools/call "{\"name\":\"buy\",\"arguments\":$2}"
  await answered "\"$1\""
  task=$(answers_to "\"$1\"" | jq -er .result.taskId)
}

# What tasks/get says of $task now, in $said_of_it: get
get() {
  asked_for=$((${asked_for:-0} + 1))
  ask "get $asked_for" tasks/get "{\"taskId\":\"$task\"}"
  await answered "\"get $asked_for\""
  said_of_it=$(answers_to "\"get $asked_for\"" | jq -c .result)
}

# tasks/get says that of $task: is STATUS
is() {
  get
  [ "$(jq -r .status <<< "$said_of_it")" == "$1" ]
}

# The user has been asked, and that is on the disk.
pending() {
  jq -e '.calls[0].authorization.status == "pending"' work/queue/* > /dev/null
}

# The calls that the server got, in all.
calls() {
  [ "$(grep -c tools/call heard)" -eq "$1" ]
}

# The gate, its asker and the server's keeper are killed at once.
kill_all() {
  local all
  all="$gate $(pgrep -P "$gate" | tr '\n' ' ')"
  # shellcheck disable=SC2086 # numbers
  kill -KILL $all
  exec 7>&-
  await gone "$gate"
}

@test "a call becomes a task that is on the disk, is called after a yes, once, and keeps its result" {
  sandbox --approve ask --interval 1
  tasks
  call_as_task 1 '{"qty":3}'
  answers_to '"1"' | jq -e '.result | .resultType == "task" and .status == "working" and .ttlMs == null and (.pollIntervalMs > 0)
    and (.createdAt | fromdateiso8601 > 0) and (.lastUpdatedAt | fromdateiso8601 > 0)'
[ -s "work/queue/${task#ciba:}" ]
  await pending
  is working
  jq -e '.resultType == "complete" and (.statusMessage | test("^waiting for auth0.demo, [0-9]+ s left$"))' <<< "$said_of_it"
  calls 0
  decide true
  await is completed
  jq -e '.result.content[0].text == "did buy"' <<< "$said_of_it"
  grep tools/call heard > call
  jq -e '.params | .arguments == {qty: 3} and ._meta."io.modelcontextprotocol/clientCapabilities" == {sampling: {}, extensions: {"x/y": {}}}
    and (._meta | has("progressToken") | not)' call
  [ "$(answers_to '"1"' | wc -l)" -eq 1 ]
  leave
  tasks
  is completed
  jq -e '.result.content[0].text == "did buy"' <<< "$said_of_it"
  calls 1
  agent-spool list work | grep approved
}

@test "a task that is denied is completed with the refusal, and the server never hears of it" {
  sandbox --approve no --interval 1
  tasks
  call_as_task 1 '{"qty":3}'
  await is completed
  jq -e '.result | .isError and (.content[0].text | test("the user said no"))' <<< "$said_of_it"
  calls 0
}

@test "a client that does not say with the call that it knows tasks gets none" {
  sandbox --approve yes --delay 0 --interval 1
  tasks
  send "$(a_call_of buy '{"qty":3}' 5)"
  await answered 5
  answers_to 5 | jq -e '.result.content[0].text == "did buy"'
  find work/queue work/done -type f > tasks
  empty tasks
}

@test "tasks need a seal" {
  sandbox
  exits 78 mcp-gate --spool work -- true 2> said
  grep -- '--spool needs --seal-key-file' said
}

@test "a later gate goes on with a task when its client asks for it; what was approved meanwhile is called then" {
  sandbox --approve ask --interval 1
  tasks
  call_as_task 1 '{"qty":3}'
  await pending
  kill_all
  decide true
  calls 0
  tasks
  settled
  calls 0
  await is completed
  jq -e '.result.content[0].text == "did buy"' <<< "$said_of_it"
  calls 1
  questions 1
}

@test "what the server was given is not given to it again, though the gate was killed: that it is not known is the result" {
  sandbox --approve yes --delay 0 --interval 1
  tasks
  call_as_task 1 '{"qty":3,"say":""}' # it never answers
  await calls 1
  kill_all
  tasks
  await is completed
  jq -e '.result | .isError and (.content[0].text | test("not known"))' <<< "$said_of_it"
  calls 1
}

@test "a server that ends in a task's call leaves a result that says that what came of it is not known" {
  sandbox --approve yes --delay 0 --interval 1
  tasks
  call_as_task 1 '{"qty":3,"end":0}'
  await gone "$gate"
  exec 7>&-
  tasks
  is completed
  jq -e '.result | .isError and (.content[0].text | test("not known"))' <<< "$said_of_it"
  calls 1
}

@test "a cancelled task is never called, though the user says yes then; once the server has it, it goes on" {
  sandbox --approve ask --interval 1
  tasks
  call_as_task 1 '{"qty":3}'
  await pending
  ask cancel tasks/cancel "{\"taskId\":\"$task\"}"
  await answered '"cancel"'
  answers_to '"cancel"' | jq -e '.result.resultType == "complete"'
  is cancelled
  decide true
  await proven 1
  settled
  is cancelled
  calls 0
  leave
  tasks
  is cancelled
  ask update tasks/update "{\"taskId\":\"$task\",\"inputResponses\":{}}"
  await answered '"update"'
  answers_to '"update"' | jq -e '.result.resultType == "complete"'
}

@test "a call that is taken back before its client has heard of the task makes none, and rings nobody" {
  sandbox --approve yes --delay 0 --interval 1
  tasks
  # Both in one write, so that the gate has read the second before the asker asks.
  ask 1 tools/call '{"name":"buy","arguments":{"qty":3}}' 7> both
  printf '%s\n' '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"1"}}' >> both
  cat both >&7
  settled
  ask 2 tasks/get '{"taskId":"ciba:none"}' # answered after the asker has read all
  await answered '"2"'
  find work/queue work/done -type f > tasks
  empty tasks
  questions 0
  calls 0
}
find_done() {
  [ -n "$(ls work/done)" ]
}

# The task is none of this gate's: it is told so, and left as it is.
is_none() {
  ask "none $((++nones))" tasks/get "{\"taskId\":\"$task\"}"
  await answered "\"none $nones\""
  answers_to "\"none $nones\"" | jq -e '.error.code == -32602'
}

@test "a task is for one server, one working directory, one seal, one name and its own params; others are left as they are" {
  local name change
  sandbox --approve ask --interval 1
  tasks
  call_as_task 1 '{"qty":3}'
  await pending
  kill_all
  name=work/queue/${task#ciba:}
  cp "$name" kept
  decide true
  for change in '.mcp.params |= sub("3"; "4")' 'del(.mcp.seal)' 'del(.mcp)' '.mcp.status = "completed"' '.mcp.begun = true' \
    '.mcp.params |= sub("3"; "4") | .calls[0].arguments.qty = 4'; do
    jq -c "$change" kept > "$name"
    cp "$name" changed
    tasks
    is_none
    ask "cancel $change" tasks/cancel "{\"taskId\":\"$task\"}"
    await answered "$(jq -nc --arg id "cancel $change" '$id')"
    leave
    cmp changed "$name"
  done
  cp kept "${name}x"
  task=${task}x
  tasks
  is_none
  leave
  rm "${name}x"
  task=${task%x}
  cp kept "$name"
  tasks -- stubborn # another command line
  is_none
  leave
  for change in '.calls[0].arguments.qty = 4' '.calls[0].name = "sell"' '.calls[0].authorization.status = "approved"' \
    '.calls[0].id += "x"' 'del(.calls[0].authorization.seal)' '.calls[0].arguments.qty = 4 | del(.calls[0].authorization)'; do
    jq -c "$change" kept > "$name"
    tasks
    await is completed
    echo "$change: $said_of_it"
    jq -e '.result.isError' <<< "$said_of_it"
    leave
    rm -f work/done/*
  done
  calls 0
  questions 1
}

@test "results of a changed document are no lines of their own, and ids of no task are told so" {
  local id
  sandbox --approve yes --delay 0 --interval 1
  tasks
  call_as_task 1 '{"qty":3}'
  await is completed
  jq -c '.mcp.result = "{}\n{\"jsonrpc\":\"2.0\",\"id\":\"forged\",\"result\":{}}" | .mcp.status = "a\"b\n{\"jsonrpc\":\"2.0\",\"id\":\"forged\",\"result\":{}}"' \
    work/done/* > changed
  cp changed "work/done/${task#ciba:}"
  get
  settled
  no answered '"forged"'
  for id in 'ciba:' 'ciba:../seal' 'ciba:.' 'ciba:none' 'ciba:queue/x'; do
    task=$id
    ask "no $id" tasks/get "$(jq -nc --arg id "$id" '{taskId: $id}')"
    await answered "\"no $id\""
    answers_to "\"no $id\"" | jq -e '.error.code == -32602'
  done
  ask theirs tasks/get '{"taskId":"of-the-server"}'
  await answered '"theirs"'
  grep of-the-server heard
}

@test "two gates work on one spool, and on a task only one" {
  local first
  sandbox --approve ask --interval 1
  tasks
  call_as_task 1 '{"qty":3}'
  await pending
  first=$gate
  exec 8>&7 7>&-
  tasks
  is working
  decide true
  await find_done
  is completed
  calls 1
  kill "$first"
  exec 8>&-
}

@test "of a task only the gate tells: a server's word on it is dropped, and it is not asked for it" {
  sandbox --approve never --interval 1
  tasks
  call_as_task 1 '{"qty":3}'
  have_server "$(jq -nc --arg task "$task" '{say: ("{\"method\":\"notifications/tasks\",\"params\":{\"taskId\":\"" + $task + "\",\"status\":\"completed\"}}\n" +
    "{\"method\":\"notifications/tasks/status\",\"params\":{\"taskId\":\"" + $task + "\"}}\n{\"method\":\"notifications/tasks\",\"params\":{\"taskId\":\"theirs\"}}\n")}')"
  settled
  no grep "notifications.*$task" answers
  grep 'notifications/tasks.*theirs' answers
  ask result tasks/result "{\"taskId\":\"$task\"}"
  await answered '"result"'
  answers_to '"result"' | jq -e '.error.code == -32602'
  no grep tasks/result heard
}

@test "a task is not cancelled through another gate while one works on it, and its client is told so" {
  local first
  sandbox --approve ask --interval 1
  tasks
  call_as_task 1 '{"qty":3}'
  await pending
  first=$gate
  exec 8>&7 7>&-
  tasks
  ask cancel tasks/cancel "{\"taskId\":\"$task\"}"
  await answered '"cancel"'
  answers_to '"cancel"' | grep 'another mcp-gate works on this task'
  is working
  kill "$first"
  exec 8>&-
}

@test "a task is for the user who was asked" {
  sandbox --approve ask --interval 1
  tasks
  call_as_task 1 '{"qty":3}'
  await pending
  kill_all
  tasks -u 'auth0|bob'
  is_none
  calls 0
}

@test "server/discover names the extension, and everything else in it stays" {
  sandbox
  tasks
  local answer n
  for answer in '{"capabilities":{"tools":{ }},"n":9007199254740993}' '{"capabilities":{}}' '{"capabilities":{"extensions":{}}}' \
    '{"capabilities":{"extensions":{"x":1}}}'; do
    n=$((${n:-0} + 1))
    ask "d$n" server/discover "$(jq -nc --arg answer "$answer" --arg id "d$n" '{say: "{\"jsonrpc\":\"2.0\",\"id\":\"\($id)\",\"result\":\($answer)}\n"}')"
    await discovered "d$n"
  done
  grep 9007199254740993 answers
}
discovered() {
  jq -es --arg id "$1" 'any(.id == $id and .result.capabilities.extensions."io.modelcontextprotocol/tasks" == {})' answers > /dev/null
}
