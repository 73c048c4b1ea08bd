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
  [[ $stderr != *"$token"* ]]
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

@test "denied: 1; expired: 1; not answered by --max-wait: 75; nothing is run" {
  sandbox --approve no --delay 0
  run --separate-stderr ciba-run -- touch ran
  [ "$status" -eq 1 ]
  [[ $stderr == *"not run: the user said no"* ]]
  kill "$CIBA_SANDBOX_PID"
  sandbox --approve never --interval 1
  run --separate-stderr ciba-run --expiry 1 -- touch ran
  [ "$status" -eq 1 ]
  [[ $stderr == *"did not answer in time"* ]]
  run --separate-stderr ciba-run --max-wait 0.2 -- touch ran
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
  run ciba-run --no-fit -m $'a\tb' -- touch ran
  [ "$status" -eq 65 ]
  jq -n '[{path:"/oauth/token",body:{access_token:"x",token_type:"Bearer",id_token:"x"}}]' > faults
  kill "$CIBA_SANDBOX_PID"
  sandbox --faults-file faults
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
  await gone "$asking"
  [ ! -e ran ]
}

@test "a command that cannot be started is 127 or 126, and nobody is asked" {
  sandbox --approve yes --delay 0
  run -127 ciba-run -m Run -- ./no-such-program
  [[ $output == *"./no-such-program: No such file or directory"* ]]
  run -127 ciba-run -m Run -- no-such-program
  run -127 ciba-run -m Run -- ''
  : > not-executable
  mkdir folder
  run -126 ciba-run -m Run -- ./not-executable
  run -126 ciba-run -m Run -- ./folder
  PATH=$PWD:$PATH run -126 ciba-run -m Run -- not-executable
  empty requests
  # executed as a shell would: by PATH, whose empty entries mean this folder, and without #!
  echo 'echo "$0 $1"' > script
  chmod +x script
  PATH=:$PATH run -0 ciba-run -q -m Run -- script one
  [ "$output" == "./script one" ]
  run -0 ciba-run -q -m Run -- ./script two
  [ "$output" == "./script two" ]
}

@test "a command whose file has changed since the user was asked is not run: 126" {
  sandbox --approve never
  for change in 'echo "touch evil" >> program' 'echo "touch evil" > new; chmod +x new; mv new program' 'rm program'; do
    printf '#!/bin/sh\ntouch ran\n' > program
    chmod +x program
    before=$(count /bc-authorize)
    ciba-run -m Run -- ./program 2> said &
    pid=$!
    await eval '[ "$(count /bc-authorize)" -gt "$before" ]'
    bash -c "$change"
    await decide true
    ended=0
    wait "$pid" || ended=$?
    echo "$change: $ended $(cat said)"
    case $change in rm*) [ "$ended" -eq 127 ] ;; *) [ "$ended" -eq 126 ] ;; esac
    [ ! -e evil ]
    [ ! -e ran ]
  done
}

@test "nobody is asked where the audit log could not be written, or is none: 74, 65" {
  sandbox --approve yes --delay 0
  mkdir folder
  echo 'no log' > other
  run ciba-run --audit-file none/log -- touch ran
  [ "$status" -eq 74 ]
  [[ $output == *"none/log: No such file or directory"* ]]
  run ciba-run --audit-file folder -- touch ran
  [ "$status" -eq 74 ]
  run ciba-run --audit-file other -- touch ran
  [ "$status" -eq 65 ]
  run ciba-run --expiry 0 -- touch ran
  [ "$status" -eq 64 ]
  [ ! -e ran ]
  empty requests
}

# A zone in which it is about noon, so that what is asked expires today.
noon() {
  printf 'NOON%d' $((10#$(date -u +%H) - 12))
}

@test "it says in one line whom it asks what, until when, and in one who said yes; -q says neither" {
  sandbox --approve yes --delay 0
  export TZ
  TZ=$(noon)
  before=$(date +%H:%M -d '5 minutes')
  run --separate-stderr ciba-run -m 'Deploy 42' -- sh -c 'echo out; echo err >&2'
  after=$(date +%H:%M -d '5 minutes')
  [ "$status" -eq 0 ]
  [ "$output" == out ]
  echo "$stderr"
  [[ $stderr == $'ciba-run: asked auth0|demo: Deploy 42; expires '??:??$'\nciba-run: approved by auth0|demo\nerr' ]]
  [[ $stderr == *"expires $before"* || $stderr == *"expires $after"* ]]
  run --separate-stderr ciba-run -q -m 'Deploy 42' -- sh -c 'echo err >&2'
  [ "$stderr" == err ]
  # why it is not run is said nevertheless
  echo '[{"path":"/oauth/token","status":400,"body":{"error":"access_denied"}}]' | spoil
  run --separate-stderr ciba-run -q -- touch ran
  [ "$status" -eq 1 ]
  [ "$stderr" == "ciba-run: not run: the user said no" ]
}

@test "what it says has the date if that is not today's, where the user can answer, and nothing that moves a cursor" {
  sandbox --approve never
  while IFS='|' read -r answer words; do
    jq -n "[{path:\"/bc-authorize\",body:({auth_req_id:\"r\",expires_in:60} + $answer)},
      {path:\"/oauth/token\",status:400,body:{error:\"authorization_pending\"}}]" | spoil
    TZ=$(noon) run --separate-stderr ciba-run --max-wait 0.1 --any-message -m Deploy -- touch ran
    echo "$stderr"
    [ "$status" -eq 75 ]
    [[ ${stderr%%$'\n'*} =~ ^"ciba-run: asked auth0|demo: "$words$ ]]
  done <<'END'
{}|Deploy; expires [0-9]{2}:[0-9]{2}
{expires_in:172800}|Deploy; expires [0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}
{expires_in:31000000}|Deploy; expires [0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}
{verification_uri_complete:"https://id/x"}|Deploy at https://id/x; expires [0-9]{2}:[0-9]{2}
{auth_url:"https://id/w?a=1"}|Deploy at https://id/w\?a=1; expires [0-9]{2}:[0-9]{2}
END
  jq -n '[{path:"/bc-authorize",body:{auth_req_id:"r",expires_in:60,auth_url:("https://id/" + "x" * 1989)}},
    {path:"/bc-authorize",body:{auth_req_id:"r",expires_in:60,verification_uri_complete:"https://id/\u001b[2J\u202e"}},
    {path:"/oauth/token",times:2,status:400,body:{error:"authorization_pending"}}]' | spoil
  run --separate-stderr ciba-run --max-wait 0.1 --any-message -m "$(printf 'x%.0s' {1..900})" -- touch ran
  [[ ${stderr%%$'\n'*} =~ "xxx at https://id/xxx"x{1986}";" ]]
  run --separate-stderr ciba-run --max-wait 0.1 --any-message -m Deploy -- touch ran
  [[ ${stderr//$'\n'/} != *[[:cntrl:]]* ]]
  [[ $stderr == *"asked auth0|demo: Deploy; expires"* ]]
  # a long message leaves room for the rest
  jq -n '[{path:"/bc-authorize",body:{auth_req_id:"r",expires_in:60}},{path:"/oauth/token",status:400,body:{error:"authorization_pending"}}]' | spoil
  run --separate-stderr ciba-run --max-wait 0.1 --any-message -m "$(printf 'x%.0s' {1..3000})" -- touch ran
  [[ ${stderr%%$'\n'*} =~ xxx\.\.\.\;\ expires\ [0-9-]*\ ?[0-9:]+$ ]]
  [ ! -e ran ]
}

@test "at a terminal one live line tells whom it waits for, and the line of elsewhere does not double it" {
  sandbox --approve ask --interval 1
  script -qec true /dev/null > /dev/null 2>&1 || skip "there is no pseudo-terminal, or no script(1)"
  TERM=xterm script -qefc 'ciba-run -m Deploy -- echo ran' screen > /dev/null < /dev/null &
  pid=$!
  started+=("$pid")
  await grep -qs $'\r\033\\[K[0-9]* s left for auth0|demo: Deploy' screen
  decide true
  wait "$pid"
  no grep -q 'asked auth0' screen
  grep -q $'\r\033\\[Kciba-run: approved by auth0|demo' screen
  grep -q ran screen
  before=$(count /bc-authorize)
  TERM=xterm script -qefc 'ciba-run -q -m Deploy -- echo ran' screen > /dev/null < /dev/null &
  pid=$!
  started+=("$pid")
  await eval '[ "$(count /bc-authorize)" -gt "$before" ]'
  decide true
  wait "$pid"
  no grep -q 'auth0' screen
  # one that cannot be redrawn gets the line
  NO_COLOR=1 TERM=xterm script -qefc 'ciba-run --max-wait 0.1 -m Deploy -- echo ran' screen > /dev/null < /dev/null || true
  grep -q 'asked auth0|demo: Deploy; expires' screen
}

# Each row: a sandbox, faults, and whether that is a no.
@test "at a terminal an address for the answer that the live line has no room for is told whole, once, above it" {
  sandbox --approve never --interval 1
  script -qec true /dev/null > /dev/null 2>&1 || skip "there is no pseudo-terminal, or no script(1)"
  for size in 10 300; do
    rm -f screen
    address=https://id/$(printf "%0${size}d" 0 | tr 0 w)
    jq -n --arg a "$address" '[{path:"/bc-authorize",body:{auth_req_id:"r",expires_in:60,auth_url:$a}},
      {path:"/oauth/token",times:99,status:400,body:{error:"authorization_pending"}}]' | spoil
    TERM=xterm script -qefc 'stty cols 80; ciba-run --max-wait 3 -m Deploy -- touch ran' screen > /dev/null < /dev/null || true
    if [ "$size" -eq 10 ]; then
      grep -q "s left for auth0|demo: Deploy at $address" screen
      no grep -q 'can answer at' screen
    else
      [ "$(grep -c "ciba-run: the user can answer at $address"$'\r' screen)" -eq 1 ]
      grep -q 's left for auth0|demo: Deploy at https://id/www' screen
    fi
  done
}

@test "a no has the exit status of --exit-status-no, however it comes; an error has its own" {
  while IFS='|' read -r options faults expected; do
    echo "$faults" > faults
    # shellcheck disable=SC2086 # words
    sandbox $options --interval 1 --delay 0 --faults-file faults
    expiry=$([[ $options == *never* ]] && echo 2 || echo 100) # only that one has to expire
    run --separate-stderr ciba-run --exit-status-no 200 --expiry "$expiry" --max-wait 60 -- touch ran
    echo "$options $faults: $status $stderr"
    [ "$status" -eq "$expected" ]
    [ "$expected" -ne 200 ] || [[ $stderr == *"not run: the user "* ]]
    [ ! -e ran ]
    kill "$CIBA_SANDBOX_PID"
  done <<'END'
--approve no|[]|200
--approve never|[]|200
--approve yes|[{"path":"/bc-authorize","status":403,"body":{"error":"access_denied"}}]|200
--approve yes|[{"path":"/oauth/token","status":400,"body":{"error":"expired_token"}}]|200
--approve yes|[{"path":"/oauth/token","body":{"access_token":"x","token_type":"Bearer","id_token":"x"}}]|76
--approve yes|[{"path":"/oauth/token","status":401,"body":{"error":"invalid_client"}}]|77
--approve yes|[{"path":"/bc-authorize","status":400,"body":{"error":"unknown_user_id"}}]|78
--approve yes|[{"path":"/bc-authorize","status":503}]|69
END
  # an approval that is not good any more is no no
  jq -n '[{path:"/oauth/token",body:{access_token:"x",token_type:"Bearer",expires_in:0}}]' > faults
  sandbox --approve yes --delay 0 --faults-file faults
  run --separate-stderr ciba-run --without-id-token -- touch ran
  [ "$status" -eq 65 ]
  for wrong in 0 256 300 -1 no ''; do
    exits 64 ciba-run --exit-status-no "$wrong" -- touch ran
  done
  run ciba-run --exit-status-no 255 -m Run -- sh -c 'exit 3'
  [ "$status" -eq 3 ]
  [ ! -e ran ]
}

@test "no message names the command twice" {
  {
    nowhere
    ciba-run -- touch ran || true
    sandbox --approve yes --delay 0
    ciba-run -v -- true
    for row in /bc-authorize:'"status":503' /bc-authorize:'"drop":true' /bc-authorize:'"status":200,"body":{}' \
      /bc-authorize:'"status":400,"body":{"error":"invalid_scope"}' /oauth/token:'"body":{"access_token":"x","token_type":"mac"}' \
      /oauth/token:'"status":400,"body":{"error":"invalid_grant"}' /oauth/token:'"status":400,"body":{"error":"access_denied"}'; do
      echo "[{\"path\":\"${row%%:*}\",${row#*:}}]" | spoil
      ciba-run -v -- touch ran || true
    done
    ciba-run --no-fit -m a/b -- touch ran || true
    ciba-run -m a -d '{}' -- touch ran || true
    ciba-run -m a -d '.nothing' -- touch ran || true
    ciba-run --audit-file /dev/full -- touch ran || true
    ciba-run --reuse never -- touch ran || true
  } 2> said
  cat said
  [ "$(wc -l < said)" -gt 20 ]
  no grep -q 'ciba-run: ciba-run' said
  [ "$(grep -c '^ciba-run: ' said)" -eq "$(wc -l < said)" ]
  [ ! -e ran ]
}

@test "the command is what is approved, word by word; bytes that JSON cannot tell apart are not asked about: 65" {
  sandbox --approve yes --delay 0
  while IFS= read -r words; do
    eval "ciba-run -q --any-message -m Same --audit-file log -- true $words"
  done <<'END'
a b
'a b'
a 'b '
'a' b ''
é
$'e\u0301'
$'\ufffd'
$'a\nb'
$'a\tb'
END
  [ "$(jq -r 'select(.event == "started").call_digest' log | sort -u | wc -l)" -eq 9 ]
  before=$(count /bc-authorize)
  for word in $'\xff' $'\xfe' $'a\x80' $'\xc3' $'\xed\xa0\x80' $'\xc0\xaf' $'\xf5\x80\x80\x80'; do
    for message in '-q' '-mSame'; do
      run ciba-run "$message" -- touch ran "$word"
      [ "$status" -eq 65 ]
      [[ $output == *"word 3 of the command is not UTF-8"* ]]
    done
    # nor has a message
    run ciba-run --any-message -m "a$word" -- touch ran
    [ "$status" -eq 65 ]
    [[ $output == *"message is not UTF-8"* ]]
    run ciba-authorize -n --any-message --text "a$word"
    [ "$status" -eq 65 ]
    exits 64 ciba-authorize -n --any-message -m "a$word"
  done
  [ "$(count /bc-authorize)" -eq "$before" ]
  [ ! -e ran ]
}

@test "-m is text, not a template; -d is a filter over the command; a hint names the user" {
  sandbox --approve yes --delay 0
  # shellcheck disable=SC2016 # as it is
  ciba-run --any-message -m 'a \(.command) $(x) %s' -d '{type:"command", words: .command}' -- true 'b c'
  hint=$(jq -nc '{format:"iss_sub",iss:env.CIBA_ISSUER,sub:"auth0|demo"}')
  CIBA_USER='' ciba-run --login-hint "$hint" -- touch ran 2> said
  [ -e ran ]
  grep -q 'approved by auth0|demo' said
  exits 64 ciba-run --login-hint bob -u ann -- touch ran
  requests /bc-authorize .form > forms
  # shellcheck disable=SC2016 # as it is
  [ "$(sed -n 1p forms | jq -r .binding_message)" == 'a \(.command) $(x) %s' ]
  [ "$(sed -n 1p forms | jq -c '.authorization_details | if type == "string" then fromjson else . end')" == '[{"type":"command","words":["true","b c"]}]' ]
  [ "$(sed -n 2p forms | jq -r .login_hint)" == "$hint" ]
}

# Settings for a store with a key.
a_store() {
  openssl rand -hex 32 > key
  export CIBA_STORE=$PWD/store CIBA_STORE_KEY CIBA_AUDIT=$PWD/log
  CIBA_STORE_KEY=$(cat key)
}

# A command line seldom is what Auth0 takes.
asking() {
  ciba-run --any-message "$@"
}

@test "--reuse call: the same command is asked about once; another one, message, folder, file or user is" {
  sandbox --approve yes --delay 0
  a_store
  printf '#!/bin/sh\necho one "$@"\n' > program
  chmod +x program
  run --separate-stderr asking --reuse call -- ./program a
  [ "$output" == "one a" ]
  run --separate-stderr asking --reuse call -- ./program a
  [ "$output" == "one a" ]
  [[ $stderr == "ciba-run: not asked again: auth0|demo said yes when asked at "*": Run ./program a" ]]
  [ "$(count /bc-authorize)" -eq 1 ]
  [ "$(jq -r .event log | xargs)" == "asked approved started reused started" ]
  n=1
  for change in '--reuse call -- ./program b' '--reuse call -- ./program a ""' '--reuse call -m Run -- ./program a' \
    '--reuse call -- program a' '--reuse call -s openid -- ./program a' '--reuse call -d "{type:\"x\"}" -- ./program a' '-- ./program a'; do
    eval "PATH=$PWD:\$PATH asking $change" > /dev/null
    echo "$change"
    [ "$(count /bc-authorize)" -eq $((++n)) ]
  done
  mkdir other
  cp -p program other
  (cd other && asking --reuse call -- ./program a)
  [ "$(count /bc-authorize)" -eq $((++n)) ]
  asking --reuse call -- true
  (cd other && asking --reuse call -- true)
  [ "$(count /bc-authorize)" -eq $((n += 2)) ]
  echo 'echo two' >> program
  run --separate-stderr asking --reuse call -- ./program a
  [ "$output" == $'one a\ntwo' ]
  [ "$(count /bc-authorize)" -eq $((++n)) ]
  run --separate-stderr asking --reuse call -- ./program a
  [ "$(count /bc-authorize)" -eq "$n" ]
  audit-verify log
}

@test "--reuse: what is in the store is checked; document is refused; agent is for any command" {
  sandbox --approve yes --delay 0
  a_store
  ciba-run --reuse call -- true
  # with another key, from another client, or changed
  CIBA_STORE_KEY=$(openssl rand -hex 32) ciba-run --reuse call -- true
  [ "$(count /bc-authorize)" -eq 2 ]
  run ciba-run --reuse document -- touch ran
  [ "$status" -eq 64 ]
  [[ $output == *"no document"* ]]
  exits 64 ciba-run --reuse ever -- touch ran
  CIBA_STORE='' exits 78 ciba-run --reuse call -- touch ran
  exits 78 ciba-run --reuse call --dpop-key-file "$PWD/key" -- touch ran
  [ ! -e ran ]
  ciba-run --reuse agent -- true
  n=$(count /bc-authorize)
  ciba-run --reuse agent -- touch ran
  [ "$(count /bc-authorize)" -eq "$n" ]
  [ -e ran ]
  # a no is not kept
  kill "$CIBA_SANDBOX_PID"
  sandbox --approve no --delay 0
  exits 1 ciba-run --reuse call -- touch never
  exits 1 ciba-run --reuse call -- touch never
  [ "$(count /bc-authorize)" -ge 2 ]
  [ ! -e never ]
}

@test "--reuse: an approval of nobody knows whom serves only where that is accepted" {
  jq -n '[{path:"/oauth/token",times:9,body:{access_token:"x",token_type:"Bearer",scope:"openid stock:trade",expires_in:600}}]' > faults
  sandbox --approve yes --delay 0 --faults-file faults
  a_store
  ciba-run --without-id-token --reuse call -- true
  ciba-run --without-id-token --reuse call -- true
  [ "$(count /bc-authorize)" -eq 1 ]
  run ciba-run --reuse call -- true
  [ "$status" -eq 65 ]
  [[ $output == *"nothing proves it"* ]]
}
