# shellcheck source=helper.bash
load helper

@test "approved: it becomes the command, with the token and without the secrets" {
  sandbox --approve yes --delay 0
  echo input > input
  # shellcheck disable=SC2016 # expanded by the command
  run --separate-stderr ciba-run -m Run -- sh -c 'cat; echo "$1"; echo "pid $$"; env; exit 7' sh 'two  words; $(x)' < input
  [ "$status" -eq 7 ]
  [ "${lines[0]}" == input ]
  [ "${lines[1]}" == 'two  words; $(x)' ]
  token=$(sed -n 's/^ACCESS_TOKEN=//p' <<< "$output")
  [[ $token == *.*.* ]]
  jwt-verify -q -s stock:trade <<< "$token"
  [[ $output != *"$CIBA_CLIENT_SECRET"* && $output != *"$OPENAI_API_KEY"* ]]
  [ -z "$stderr" ]
  ciba-run -m Run -- sh -c 'echo $$ > pid' &
  pid=$!
  wait "$pid"
  [ "$(cat pid)" == "$pid" ]
}

@test "the user reads the command line, or the message" {
  sandbox --approve yes --delay 0
  ciba-run -- true a b:c
  ciba-run -m 'Deploy release 42' true
  [ "$(requests /bc-authorize .form.binding_message | paste -sd,)" == '"Run true a b:c","Deploy release 42"' ]
}

@test "denied: 1; expired: 1; not answered by --timeout: 75; nothing is run" {
  sandbox --approve no --delay 0
  run --separate-stderr ciba-run -- touch ran
  [ "$status" -eq 1 ]
  [[ $stderr == *"not run: the user said no"* ]]
  kill "$CIBA_SANDBOX_PID"
  sandbox --approve never --interval 1
  run --separate-stderr ciba-run --expiry 1 -- touch ran
  [ "$status" -eq 1 ]
  [[ $stderr == *"did not answer in time"* ]]
  run --separate-stderr ciba-run --timeout 0.2 -- touch ran
  [ "$status" -eq 75 ]
  [[ $stderr == *"has not answered yet"* ]]
  [ ! -e ran ]
}

@test "what cannot be asked is not run" {
  nowhere
  run ciba-run -- touch ran
  [ "$status" -eq 69 ]
  sandbox --approve yes --delay 0
  CIBA_CLIENT_SECRET=wrong run ciba-run -- touch ran
  [ "$status" -eq 77 ]
  CIBA_USER='' run ciba-run -- touch ran
  [ "$status" -eq 78 ]
  run ciba-run -m $'a\tb' -- touch ran
  [ "$status" -eq 65 ]
  jq -n '[{path:"/oauth/token",body:{access_token:"x",token_type:"Bearer",id_token:"x"}}]' > faults
  kill "$CIBA_SANDBOX_PID"
  sandbox --faults faults
  run ciba-run -- touch ran
  [ "$status" -eq 76 ]
  run ciba-run
  [ "$status" -eq 64 ]
  [ ! -e ran ]
}

@test "killed while the user thinks, it leaves nobody behind who asks" {
  sandbox --approve never
  ciba-run -m Run -- touch ran &
  pid=$!
  started+=("$pid")
  await eval '[ "$(count /oauth/token)" -gt 0 ]'
  asking=$(pgrep -P "$pid")
  kill -KILL "$pid"
  wait "$pid" || true
  await eval '! kill -0 "$asking" 2> /dev/null'
  [ ! -e ran ]
}

@test "a command that cannot be started is 127 or 126" {
  sandbox --approve yes --delay 0
  run -127 ciba-run -m Run -- ./no-such-program
  : > not-executable
  run -126 ciba-run -m Run -- ./not-executable
}
