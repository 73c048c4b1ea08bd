# shellcheck source=helper.bash
load helper

# An approved call of the tool `t` with these arguments: approved ARGUMENTS
approved() {
  echo "{\"calls\":[{\"id\":\"c\",\"name\":\"t\",\"arguments\":$1}]}" | ciba-authorize -m Run | ciba-poll
}

@test "the program gets the arguments on stdin and the token in its environment; its output is the result" {
  sandbox --approve yes --delay 0
  approved '{"a":"x y; $(rm -rf /)"}' > in
  # shellcheck disable=SC2016 # expanded by the program
  run --separate-stderr tool-run --tool t -- sh -c 'echo "$1"; cat; echo; printf %s "$ACCESS_TOKEN" > token' sh "an arg"
  [ "$status" -eq 0 ]
  [ -z "$output" ]
  # shellcheck disable=SC2016
  run --separate-stderr tool-run --tool t -- sh -c 'echo "$1"; cat; echo; printf %s "$ACCESS_TOKEN" > token' sh "an arg" < in
  [ "$status" -eq 0 ]
  holds '.calls[0].result == {status:0,content:"an arg\n{\"a\":\"x y; $(rm -rf /)\"}"}'
  holds '.calls[0] | has("token") | not'
  [ "$(cat token)" == "$(jq -r '.calls[0].token.access_token' in)" ]
}

@test "JSON on its stdout is JSON in the result" {
  sandbox --approve yes --delay 0
  run --separate-stderr tool-run --tool t -- cat < <(approved '{"a":[1]}')
  holds '.calls[0].result.content == {a:[1]}'
}

@test "a program that fails is told as it was: 69" {
  sandbox --approve yes --delay 0
  approved '{}' > in
  run --separate-stderr tool-run --tool t -- sh -c 'echo half; exit 3' < in
  [ "$status" -eq 69 ]
  holds '.calls[0].result == {status:3,error:"program_failed",content:"half"}'
  run --separate-stderr tool-run --tool t -- sh -c 'kill -9 $$' < in
  [ "$status" -eq 69 ]
  holds '.calls[0].result.status == 137'
}

@test "a program that cannot be started leaves the call as it is: 69" {
  sandbox --approve yes --delay 0
  approved '{}' > in
  run --separate-stderr tool-run --tool t -- ./none < in
  [ "$status" -eq 69 ]
  [ "$output" == "$(cat in)" ]
  [[ $stderr == *"./none: No such file or directory; nothing was run"* ]]
  # and it is said at once, when in a pipeline nobody has been asked yet
  run --separate-stderr tool-run --tool t -- ./none < /dev/null
  [ "$stderr" == "tool-run: ./none: No such file or directory; no call will be run" ]
}

@test "a program for which the system has no process was not run, however much of its input is still unsent: 69" {
  local faults
  faults=$(dirname "$(command -v tool-run)")/tests/faults.so
  [[ -e $faults && $faults != */asan/* ]] || skip "nothing can be preloaded into these commands"
  # Of its processes the first serves, the second would serve this call. It has more input than a socket takes.
  echo '{"calls":[{"id":"c","name":"t","arguments":{}}]}' | jq -c '.calls[0].arguments.note = "x" * 1000000' > in
  head -c 16 /dev/zero > counter
  FAULT_COUNTER=counter FAULT_KIND=eio FAULT_ONLY='tool-run fork' FAULT_AT=2 FAULT_LOG=failed LD_PRELOAD=$faults \
    run --separate-stderr tool-run --without-approval --tool t -- cat < in
  [ "$status" -eq 69 ]
  grep fork failed
  cmp in <(printf '%s\n' "$output")
  [[ $stderr == *"no process for it: "*"; nothing was run" ]]
}

@test "a program whose file has changed since tool-run was started is not run: 69, and the call stays" {
  sandbox --approve yes --delay 0
  approved '{}' > in
  printf '#!/bin/sh\ntouch ran\n' > program
  chmod +x program
  for change in 'echo "touch evil" >> program' 'cp -p program new; mv new program' 'rm program' 'rm program; ln -s /bin/true program'; do
    rm -f ran evil
    mkfifo documents
    tool-run --tool t -- ./program < documents > out 2> said &
    pid=$!
    exec 7> documents
    await eval '[ "$(pgrep -c -P "$pid")" -gt 0 ]' # the helper, which is started when it has been looked up
    bash -c "$change"
    cat in >&7
    exec 7>&-
    ended=0
    wait "$pid" || ended=$?
    echo "$change: $ended $(cat said)"
    [ "$ended" -eq 69 ]
    cmp in out
    [ ! -e evil ]
    [ ! -e ran ]
    rm -f documents program
    printf '#!/bin/sh\ntouch ran\n' > program
    chmod +x program
  done
  tool-run --tool t -- ./program < in > out
  [ -e ran ]
  # one without #!, and one found in PATH, are executed as by a shell
  echo 'touch plain' > program
  PATH=$PWD:$PATH tool-run --tool t -- program < in > out
  [ -e plain ]
}

@test "-v tells of the calls that are of another tool than --tool, which pass" {
  echo '{"calls":[{"id":"c","name":"deploy","arguments":{}}]}' > in
  run --separate-stderr tool-run -v --tool deply -- true < in
  [ "$status" -eq 0 ]
  [ "$output" == "$(cat in)" ]
  # shellcheck disable=SC2154 # set by run
  [[ $stderr == *"it is of the tool 'deploy', not of 'deply'"* ]]
  run --separate-stderr tool-run --tool other -- true < in
  [ -z "$stderr" ]
}

@test "a program beyond its time or its output is killed with all it started" {
  sandbox --approve yes --delay 0
  approved '{}' > in
  for limit in 0.3 5 50; do # on a busy machine it has not come so far in the first
    run --separate-stderr tool-run --tool t --max-run-time "$limit" -- sh -c 'sleep 100 & echo $! > child; wait' < in
    [ -s child ] && break
  done
  [ "$status" -eq 69 ]
  holds '.calls[0].result | .error == "timed_out" and .status == 137'
  await gone "$(cat child)"
  run --separate-stderr tool-run --tool t --max-run-time 0.3 -- sh -c 'exec >&-; sleep 100' < in
  holds '.calls[0].result.error == "timed_out"'
  run --separate-stderr tool-run --tool t --limit 1000 -- yes < in
  [ "$status" -eq 69 ]
  holds '.calls[0].result | .error == "output_too_large" and (.content | length) < 70000'
}

@test "what a program leaves running does not hold its result, of which nothing is lost" {
  echo '{"calls":[{"id":"c","name":"t","arguments":{}}]}' > in
  # left PROGRAM: it is run, and leaves a process that never closes its output
  left() {
    run --separate-stderr timeout 200 tool-run --tool t --without-approval "${@:2}" -- sh -c "$1" < in
    echo "$status $stderr"
    kill "$(cat child)"
    [ "$status" -eq 0 ]
    [[ $stderr == *"sh: has ended, but what it left running has its output still"* ]]
  }
  left 'sleep 1000 & echo $! > child; echo done'
  holds '.calls[0].result == {status:0,content:"done"}'
  # what fills the pipe, or is still to come
  left 'head -c 300000 /dev/zero | tr "\0" x; sleep 1000 & echo $! > child'
  holds '.calls[0].result.content | length == 300000'
  # the time is the program's own: it has ended
  left 'sleep 1000 & echo $! > child; echo done' --max-run-time 20
  holds '.calls[0].result == {status:0,content:"done"}'
  # what it leaves running may still write for a moment
  # shellcheck disable=SC2016 # expanded by the program
  run --separate-stderr timeout 200 tool-run --tool t --without-approval -- bash -c 'exec > >(tr a-z A-Z); echo hello' < in
  holds '.calls[0].result.content == "HELLO"'
  [ -z "$stderr" ]
  # and has the same limit
  run --separate-stderr timeout 200 tool-run --tool t --without-approval -- sh -c 'yes & echo $! > child' < in
  [ "$status" -eq 69 ]
  holds '.calls[0].result.error == "output_too_large"'
  await gone "$(cat child)"
}

@test "a program that reads none of a large input is no harm" {
  sandbox --approve yes --delay 0
  big=$(head -c 300000 /dev/zero | tr '\0' x)
  approved "{\"a\":\"$big\"}" > in
  run --separate-stderr tool-run --tool t -- echo hello < in
  [ "$status" -eq 0 ]
  holds '.calls[0].result.content == "hello"'
}

@test "the program does not get the commands' secrets" {
  sandbox --approve yes --delay 0
  run --separate-stderr tool-run --tool t -- env < <(approved '{}')
  [ "$status" -eq 0 ]
  [[ $output == *"CIBA_CLIENT_ID"* && $output != *"$CIBA_CLIENT_SECRET"* && $output != *"$OPENAI_API_KEY"* ]]
  # each that a command's source reads as a secret
  names=$(sed -n 's/.*settings_secret([^;]*/&/p' "$project"/lib/*/*.c "$project"/cmd/*.c | grep -oE '"[A-Z0-9_]+"' | tr -d '"' | grep -v ACCESS_TOKEN | sort -u)
  names+=" $(grep -ohE '"[A-Z]+(_[A-Z]+)*_API_KEY"' "$project"/lib/*/*.c | tr -d '"' | sort -u | xargs)"
  [[ $names == *CIBA_SEAL_KEY* && $names == *ANTHROPIC_API_KEY* && $names == *AZURE_OPENAI_API_KEY* ]]
  for name in $names; do
    run --separate-stderr env "$name=LEAK-$(printf %032d 0)" tool-run --tool t --without-approval -- env < <(echo '{"calls":[{"id":"c","name":"t","arguments":{}}]}')
    echo "$name: $status $stderr"
    [ "$status" -eq 0 ]
    [[ $output != *LEAK* ]]
  done
}

@test "an argument's name makes no token" {
  sandbox --approve yes --delay 0
  approved '{"CCESS_TOKEN":"forged"}' > in
  # shellcheck disable=SC2016
  run --separate-stderr tool-run --tool t --env A -- sh -c 'printf %s "$ACCESS_TOKEN" > token' < in
  [ "$(cat token)" == "$(jq -r '.calls[0].token.access_token' in)" ]
  run --separate-stderr tool-run --tool t --env A --without-approval -- sh -c 'echo "${ACCESS_TOKEN-none}"' < <(echo '{"calls":[{"id":"c","name":"t","arguments":{"CCESS_TOKEN":"forged"}}]}')
  holds '.calls[0].result.content == "none"'
}

@test "nothing runs without approval, or for a call that has changed" {
  sandbox --approve no --delay 0
  run --separate-stderr tool-run --tool t -- touch ran < <(approved '{}')
  [ "$status" -eq 1 ]
  holds '.calls[0].result.error == "denied"'
  run --separate-stderr tool-run --tool t -- touch ran < <(echo '{"calls":[{"id":"c","name":"t","arguments":{}}]}')
  [ "$status" -eq 75 ]
  kill "$CIBA_SANDBOX_PID"
  sandbox --approve yes --delay 0
  run --separate-stderr tool-run --tool t -- touch ran < <(approved '{"a":1}' | jq -c '.calls[0].arguments.a = 2')
  [ "$status" -eq 65 ]
  [ ! -e ran ]
}

@test "--describe-file prints the definition in OpenAI's form, under --tool" {
  echo '{"name":"x","parameters":{"type":"object"}}' > bare
  run --separate-stderr tool-run --tool deploy --describe-file bare
  [ "$output" == '{"type":"function","function":{"name":"deploy","parameters":{"type":"object"}}}' ]
  echo "$output" > whole
  run --separate-stderr tool-run --tool deploy --describe-file whole
  [ "$output" == "$(cat whole)" ]
  echo '[' > bad
  run tool-run --tool deploy --describe-file bad
  [ "$status" -eq 65 ]
}

@test "--env gives the arguments as variables too, and nothing else by that way" {
  sandbox --approve yes --delay 0
  # shellcheck disable=SC2016 # expanded by the program
  run --separate-stderr tool-run --tool t --env ARG_ -- sh -c 'printf "%s|" "$ARG_s" "$ARG_n" "$ARG_l"' < <(approved '{"s":"a $(b) `c`\n\"d","n":1.5,"l":[1]}')
  [ "$status" -eq 0 ]
  holds '.calls[0].result.content == "a $(b) `c`\n\"d|1.5|[1]|"'
  for bad in '{"a b":1}' '{"a=b":1}' '{"1":1}' '{"":1}' '{"é":1}' '{"a":"x\u0000y"}'; do
    run --separate-stderr tool-run --tool t --env A -- touch ran < <(approved "$bad")
    [ "$status" -eq 65 ]
    holds '.calls[0].result.error == "invalid_arguments"'
  done
  [ ! -e ran ]
  for bad in '' 1 'A B' 'A='; do
    run tool-run --tool t --env "$bad" -- true < /dev/null
    [ "$status" -eq 64 ]
  done
}

@test "--token-fd gives the token on a descriptor, not in the environment" {
  sandbox --approve yes --delay 0
  approved '{}' > in
  # shellcheck disable=SC2016
  run --separate-stderr tool-run --tool t --token-fd 3 -- sh -c '{ cat <&3; echo " ${ACCESS_TOKEN-none}"; } > token' < in
  [ "$status" -eq 0 ]
  [ "$(cat token)" == "$(jq -r '.calls[0].token.access_token' in) none" ]
  run tool-run --tool t --token-fd 2 -- true < /dev/null
  [ "$status" -eq 64 ]
}

@test "--without-approval runs what nobody was asked about, and nothing that was denied" {
  sandbox --approve no --delay 0
  echo '{"calls":[{"id":"c","name":"t","arguments":{"a":1}}]}' > new
  # shellcheck disable=SC2016
  ACCESS_TOKEN=stale run --separate-stderr tool-run --tool t --without-approval -- sh -c 'cat; echo " ${ACCESS_TOKEN-none}"' < new
  [ "$status" -eq 0 ]
  holds '.calls[0].result.content == "{\"a\":1} none"'
  run --separate-stderr tool-run --tool t --without-approval -- touch ran < <(approved '{}')
  [ "$status" -eq 1 ]
  run --separate-stderr tool-run --tool t --without-approval -- touch ran < <(ciba-authorize -m Run < new)
  [ "$status" -eq 75 ]
  [ ! -e ran ]
}
