# shellcheck source=helper.bash
load helper

# Each example is run as `make install` brings it.
setup_file() {
  env -u MAKEFLAGS -u MAKELEVEL make -C "${BATS_TEST_DIRNAME%/tests*}" --no-print-directory install \
    PREFIX=/usr/local DESTDIR="$BATS_FILE_TMPDIR/root" > "$BATS_FILE_TMPDIR/made" 2>&1 || { cat "$BATS_FILE_TMPDIR/made"; return 1; }
}

setup() {
  common_setup
  examples=$BATS_FILE_TMPDIR/root/usr/local/share/ciba-tools/examples
}

# A command on a machine whose /usr/local has what was installed and nothing else: installed COMMAND [ARGUMENT...]
installed() {
  # shellcheck disable=SC2016 # its own
  unshare -m --propagation private sh -c 'mount --bind "$1" /usr/local && shift && exec "$@"' sh "$BATS_FILE_TMPDIR/root/usr/local" "$@"
}

can_install() {
  [ "$(id -u)" -eq 0 ] || skip "only root can make a machine of its own"
  unshare -m --propagation private true 2> /dev/null || skip "there are no mount namespaces"
}

# A deploy script that records its arguments, at the path that the CI examples expect.
a_deploy() {
  # shellcheck disable=SC2016 # its own
  printf '#!/bin/sh\necho "$@" >> deployed\n' > deploy
  chmod +x deploy
}

# A sandbox that trusts the issuer of the CI's tokens, and $jwt, which that issuer made: federated [OPTION...]
federated() {
  [ -e idp.pem ] || signing_key idp.pem
  sandbox --assertion-key-file idp.pem "$@"
  unset CIBA_CLIENT_SECRET
  jwt=$(signed idp.pem "$(jq -nc '{iss:"https://ci.example",sub:"us/it",aud:env.CIBA_ISSUER,iat:(now|floor),exp:(now+300|floor)}')")
}

@test "github-actions.yml: the step deploys after a yes, and fails on a no; a token of the job is all it needs" {
  command -v strace > /dev/null || skip "strace is not installed"
  a_deploy
  step_of "$examples/github-actions.yml" 'run: |' 'name: Deploy' > step
  sed -i 's/sleep 120/sleep 10/' step # strace waits for what is left of it
  [ -s step ]
  export GITHUB_REF_NAME=v42 GITHUB_REPOSITORY=us/it ACTIONS_ID_TOKEN_REQUEST_TOKEN=the-runner\'s-own-token
  github() { # [OPTION...]: a sandbox with GitHub's endpoint for tokens
    federated "$@"
    ACTIONS_ID_TOKEN_REQUEST_URL="${CIBA_SANDBOX_URL}token?api-version=2.0"
    export ACTIONS_ID_TOKEN_REQUEST_URL
    jq -n --arg jwt "$jwt" '[{path:"/token",times:9,body:{value:$jwt}}]' | spoil
  }
  github --approve yes --delay 0
  run strace -f -qq -s 10000 -e trace=execve -o execs bash -e step
  echo "$output"
  [ "$status" -eq 0 ]
  [ "$(cat deployed)" == v42 ]
  [ "$(requests /bc-authorize '[.form.binding_message,.form.requested_expiry,.form.client_assertion.claims.iss]')" == '["Deploy v42 of it","300","https://ci.example"]' ]
  [ "$(requests /token '[.method,.authorization]')" == '["GET","Bearer"]' ]
  grep -q curl execs
  no grep -e "$jwt" -e "runner's" execs
  no grep -qF "$jwt" <<< "$output"
  kill "$CIBA_SANDBOX_PID"
  github --approve no --delay 0
  run bash -e step
  [ "$status" -eq 1 ]
  # without the permission there is no token
  echo '[{"path":"/token","status":403,"body":{}}]' | spoil
  run bash -e step
  echo "$output"
  [ "$status" -ne 0 ]
  echo '[{"path":"/token","body":{"value":null}}]' | spoil
  run bash -e step
  [ "$status" -ne 0 ]
  [ "$(wc -l < deployed)" -eq 1 ]
}

@test "gitlab-ci.yml: the script deploys after a yes, and fails on a no; a token of the job is all it needs" {
  a_deploy
  step_of "$examples/gitlab-ci.yml" '  script:' > step
  [ -s step ]
  # shellcheck disable=SC2016 # its own
  printf '#!/bin/sh\necho "$@" >> deployed\nenv > environment\n' > deploy
  export CI_COMMIT_TAG=v43 CI_PROJECT_PATH=us/it
  federated --approve yes --delay 0
  ID_TOKEN_FOR_CIBA=$jwt run bash -e step
  echo "$output"
  [ "$status" -eq 0 ]
  [ "$(cat deployed)" == v43 ]
  no grep -qF "$jwt" environment
  no grep -qF "$jwt" <<< "$output"
  kill "$CIBA_SANDBOX_PID"
  federated --approve no --delay 0
  ID_TOKEN_FOR_CIBA=$jwt run bash -e step
  [ "$status" -eq 1 ]
  run bash -e step
  [ "$status" -eq 78 ]
  [ "$(wc -l < deployed)" -eq 1 ]
}

# A deployment gate, and a sandbox that plays GitHub's API too: a_gate [OPTION...]
a_gate() {
  gate=$examples/deployment-gate
  sandbox --interval 1 "$@"
  GITHUB_API=${CIBA_SANDBOX_URL%/}
  export GITHUB_API GATE_DIR=$PWD/gate WEBHOOK_SECRET_FILE=$PWD/secret APP_ID=7 APP_KEY_FILE=$PWD/app.pem
  mkdir -p gate
  echo "It's a Secret to Everybody" > secret
  openssl genrsa -out app.pem 2048 2> /dev/null
  callback=/repos/us/it/actions/runs/5/deployment_protection_rule
  jq -n --arg path "$callback" '[{path:"/app/installations/9/access_tokens",times:99,status:201,body:{token:"ghs_a-token-of-the-installation"}}, {path:$path,times:99,status:204}]' | spoil
}

# The webhook of a deployment that waits, with these changes: deployment [JQ]
deployment() {
  jq -nc --arg url "$GITHUB_API$callback" "{action:\"requested\",environment:\"prod\",event:\"push\",deployment_callback_url:\$url,
    deployment:{id:3,ref:\"v1\",sha:\"0123456789ab\"},repository:{full_name:\"us/it\"},installation:{id:9},pull_requests:[]} ${1:-}"
}

# GitHub delivers the body on stdin; prints the status: deliver [VARIABLE=VALUE...]
deliver() {
  cat > body
  local signature
  signature=$(openssl dgst -sha256 -hmac "$(cat secret)" -r body | cut -d' ' -f1)
  env REQUEST_METHOD=POST CONTENT_LENGTH="$(stat -c %s body)" HTTP_X_GITHUB_EVENT=deployment_protection_rule \
    HTTP_X_HUB_SIGNATURE_256="sha256=$signature" "$@" "$gate/webhook" < body > answer || return 1
  sed -n 's/^Status: \([0-9]*\).*/\1/p' answer
}

# What GitHub was told: told
told() {
  requests "$callback" '[.body.environment_name,.body.state,.body.comment]'
}

@test "deployment-gate: a deployment at GitHub is approved after a yes, once, and the wait survives" {
  command -v strace > /dev/null || skip "strace is not installed"
  a_gate --approve ask
  [ "$(deployment | deliver)" == 202 ]
  "$gate/gate"
  [ "$(requests /bc-authorize .form.binding_message)" == '"Deploy v1 at 0123456789ab of it to prod"' ]
  "$gate/gate"
  [ -z "$(told)" ] # lint: the sandbox's log is there
  # delivered again, and by who recorded it
  [ "$(deployment | deliver)" == 200 ]
  [ "$(deployment | deliver HTTP_X_GITHUB_DELIVERY=another)" == 200 ]
  decide true
  touch gate/spool/queue/*
  await eval 'strace -f -qq -s 10000 -e trace=execve -o execs "$gate/gate" && [ "$(count "$callback")" -gt 0 ]'
  "$gate/gate"
  [ "$(told)" == '["prod","approved","Approved on the phone."]' ]
  [ "$(count /bc-authorize)" -eq 1 ]
  [ "$(requests /app/installations/9/access_tokens '[.method,.authorization,.body]')" == '["POST","Bearer",{"repositories":["it"],"permissions":{"deployments":"write"}}]' ]
  grep -q curl execs
  no grep -e ghs_a-token -e Everybody -e "Bearer ey" execs
}

@test "deployment-gate: a no, no answer, and nobody who can be asked are rejected with words" {
  a_gate --approve no --delay 0
  [ "$(deployment | deliver)" == 202 ]
  "$gate/gate"
  [ "$(told)" == '["prod","rejected","The person who was asked said no."]' ]
  jq -n --arg path "$callback" '[{path:"/oauth/token",times:9,status:400,body:{error:"expired_token"}}, {path:"/app/installations/9/access_tokens",times:99,status:201,body:{token:"t"}}, {path:$path,times:99,status:204}]' | spoil
  [ "$(deployment '| .deployment.id = 4' | deliver)" == 202 ]
  "$gate/gate"
  [ "$(told | tail -n 1)" == '["prod","rejected","The person who was asked did not answer in time."]' ]
  jq -n --arg path "$callback" '[{path:"/bc-authorize",times:9,status:400,body:{error:"invalid_scope"}}, {path:"/app/installations/9/access_tokens",times:99,status:201,body:{token:"t"}}, {path:$path,times:99,status:204}]' | spoil
  [ "$(deployment '| .deployment.id = 5' | deliver)" == 202 ]
  export GATE_GIVE_UP=1
  "$gate/gate"
  await eval 'find gate/spool/queue -type f -exec touch {} +; "$gate/gate" || true; [ "$(told | wc -l)" -gt 2 ]'
  empty gate/spool/failed
  [ "$(told | tail -n 1)" == '["prod","rejected","Nobody could be asked."]' ]
  [ "$(told | wc -l)" -eq 3 ]
  [ "$(requests "$callback" .body.state | sort -u)" == '"rejected"' ]
}

@test "deployment-gate: a webhook that is killed before all is written down can be delivered again; together they ask once" {
  a_gate --approve yes --delay 0
  mkdir bin
  for _ in 1 2; do
    # shellcheck disable=SC2016 # its own
    printf '#!/bin/sh\nkill -9 $PPID\n' > bin/agent-spool
    chmod +x bin/agent-spool
    no eval 'deployment | deliver PATH="$PWD/bin:$PATH"'
  done
  [ ! -e gate/spool ]
  rm bin/agent-spool
  pids=()
  for i in 1 2 3 4; do
    mkdir "at$i"
    (cp secret "at$i"; cd "at$i"; deployment | deliver > status) &
    pids+=("$!")
  done
  for pid in "${pids[@]}"; do
    wait "$pid"
  done
  [ "$(cat at*/status | sort | xargs)" == "200 200 200 202" ]
  "$gate/gate"
  [ "$(told)" == '["prod","approved","Approved on the phone."]' ]
  [ "$(count /bc-authorize)" -eq 1 ]
}

# Each row: what is delivered (shell), the status.
@test "deployment-gate: who is not GitHub, another server or another event makes nobody be asked" {
  a_gate --approve yes --delay 0
  # the example of GitHub's documentation
  printf 'Hello, World!' > hello
  run env REQUEST_METHOD=POST CONTENT_LENGTH=13 HTTP_X_HUB_SIGNATURE_256=sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17 "$gate/webhook" < hello
  [[ $output == "Status: 200"* ]]
  rows=0
  while IFS=$'\t' read -r make expected; do
    got=$(eval "$make")
    echo "$make: $got"
    [ "$got" == "$expected" ]
    [ ! -e gate/spool ]
    rows=$((rows + 1))
  done <<'END'
deployment | deliver HTTP_X_HUB_SIGNATURE_256=	401
deployment | deliver HTTP_X_HUB_SIGNATURE_256=sha256=	401
deployment | deliver HTTP_X_HUB_SIGNATURE_256=sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17	401
deployment | deliver HTTP_X_HUB_SIGNATURE_256=x	401
deployment | deliver CONTENT_LENGTH=20	401
deployment | deliver CONTENT_LENGTH=1048577	413
deployment | deliver CONTENT_LENGTH=-1	411
deployment | deliver CONTENT_LENGTH=	411
deployment | deliver REQUEST_METHOD=GET	405
deployment | deliver HTTP_X_GITHUB_EVENT=ping	200
deployment | deliver WEBHOOK_SECRET_FILE=/dev/null	500
deployment '+ {action:"created"}' | deliver	422
deployment '+ {environment:null}' | deliver	422
deployment '+ {deployment_callback_url:"https://evil.example/repos/us/it/actions/runs/5/deployment_protection_rule"}' | deliver	422
deployment '| .deployment_callback_url |= sub("/repos"; ".evil.example/repos")' | deliver	422
deployment '| .deployment_callback_url |= sub("/repos"; "@evil.example/repos")' | deliver	422
deployment '| .deployment_callback_url |= sub("us/it"; "us/other")' | deliver	422
deployment '| .deployment_callback_url |= sub("runs/5"; "runs/../5")' | deliver	422
deployment '| .deployment_callback_url += "?x"' | deliver	422
deployment '| .deployment_callback_url += "\n"' | deliver	422
deployment '| .repository.full_name = "us/.." | .deployment_callback_url |= sub("us/it"; "us/..")' | deliver	422
deployment '+ {installation:{id:"9/../../x"}}' | deliver	422
deployment '+ {installation:null}' | deliver	422
deployment '| [.]' | deliver	422
{ deployment; deployment '| .deployment.id = 4'; } | deliver	422
echo '{' | deliver	422
printf '' | deliver	422
END
  [ "$rows" -eq 27 ]
  [ "$(count /bc-authorize)" -eq 0 ]
}

@test "cron-agent: asks, ends, and goes on in later runs, until it is done" {
  sandbox --approve ask --interval 1
  run "$examples/cron-agent" agent 'Buy 3 stocks of Google'
  echo "$output"
  [ "$status" -eq 0 ]
  [ "$(stat -c %a agent agent/*/ | sort -u)" == 700 ]
  [ "$(stat -c %a agent/queue/* agent/audit.log | sort -u)" == 600 ]
  "$examples/cron-agent" agent
  [ "$(orders)" == '[]' ]
  decide true
  await eval '"$examples/cron-agent" agent && compgen -G "agent/done/*"'
  [ "$(orders)" == '[{"ticker":"GOOGL","qty":3}]' ]
  [ "$(jq -r '.messages[-1].content' agent/done/*)" == "I bought 3 shares of GOOGL for you." ]
  "$examples/cron-agent" agent
  [ "$(find agent -type f ! -name audit.log)" == "$(echo agent/done/*)" ]
  [ "$(orders)" == '[{"ticker":"GOOGL","qty":3}]' ]
  [ "$(jq -r .event agent/audit.log | xargs)" == "asked approved executed" ]
}

@test "cron-agent: a no is told, an order whose answer is lost is sent again as the same" {
  jq -n '[{path:"/stocks",drop:true,after:true}]' > faults
  sandbox --approve yes --delay 0 --faults-file faults
  "$examples/cron-agent" agent 'Buy 3 stocks of Google'
  compgen -G 'agent/queue/*'
  touch agent/queue/*
  "$examples/cron-agent" agent
  compgen -G 'agent/done/*'
  [ "$(count /stocks)" -eq 2 ]
  [ "$(orders)" == '[{"ticker":"GOOGL","qty":3}]' ]
  kill "$CIBA_SANDBOX_PID"
  sandbox --approve no --delay 0
  "$examples/cron-agent" refused 'Buy 3 stocks of Google'
  [[ $(jq -r '.messages[-1].content' refused/done/*) == "I did not buy"* ]]
}

@test "cron-agent: neither a provider nor a model that is away loses anything" {
  echo '[{"path":"/v1/chat/completions","skip":1,"times":6,"status":503,"headers":{"retry-after-ms":"1"}}]' > faults
  sandbox --approve yes --delay 0 --faults-file faults
  "$examples/cron-agent" agent 'Buy 3 stocks of Google'
  [[ $(agent-spool list agent) == *"llm-chat: exit status 69"*503* ]] # bought, and the model not told yet
  [ "$(orders)" == '[{"ticker":"GOOGL","qty":3}]' ]
  touch agent/queue/*
  "$examples/cron-agent" agent
  [ "$(jq -r '.messages[-1].content' agent/done/*)" == "I bought 3 shares of GOOGL for you." ]
  [ "$(orders)" == '[{"ticker":"GOOGL","qty":3}]' ]
  a_call | ciba-authorize -m Buy | agent-spool add agent
  kill "$CIBA_SANDBOX_PID"
  await bash -c "! curl -s $CIBA_ISSUER > /dev/null"
  "$examples/cron-agent" agent
  [ "$(agent-spool list --json agent | jq -r 'select(.folder == "queue").calls[0].outcome')" == pending ]
}

@test "crontab: the lines, and the command for new work, do their work as cron starts them, once installed" {
  can_install
  sandbox --approve yes --delay 0
  mkdir home
  sed -n 's/; export .*//p' exports > home/ciba.env
  unset CIBA_ISSUER CIBA_CLIENT_ID CIBA_CLIENT_SECRET CIBA_USER OPENAI_API_KEY OPENAI_BASE_URL STOCK_API_URL AUDIENCE
  crontab=$examples/crontab
  as_cron() { # WORDS-OF-ITS-LINE
    line=$(sed -nE "/$1/s/^(#  |[0-9*]+ [0-9*]+ [0-9*]+ [0-9*]+ [0-9*]+ ) *//p" "$crontab")
    [ -n "$line" ]
    installed env -i HOME="$PWD/home" LOGNAME=root SHELL=/bin/sh PATH="$PWD/home:$(sed -n 's/^PATH=//p' "$crontab")" /bin/sh -c "$line"
  }
  as_cron 'Buy 3 stocks'
  as_cron '^\*.*cron-agent'
  [ "$(jq -r '.messages[-1].content' home/agent/done/*)" == "I bought 3 shares of GOOGL for you." ]
  [ "$(jq -r .event home/agent/audit.log | xargs)" == "asked approved executed" ]
  # shellcheck disable=SC2016 # its own
  printf '#!/bin/sh\necho "$@" > "$HOME/mailed"\n' > home/mail
  chmod +x home/mail
  as_cron nightly-report
  grep -q board@example.com home/mailed
  [ "$(grep -c '^[0-9*]' "$crontab")" -eq 2 ]
}

@test "the systemd unit starts what is installed, and its credentials have the names that the commands look for" {
  local name names=0
  while read -r name; do
    names=$((names + 1))
    grep -q "\"$name\"" "${BATS_TEST_DIRNAME%/tests*}"/lib/oauth/client.c "${BATS_TEST_DIRNAME%/tests*}"/lib/model/chat_apis.c
  done < <(sed -n 's/^LoadCredential=\([^:]*\):.*/\1/p' "$examples/systemd/ciba-agent.service")
  [ "$names" -ge 2 ]
  can_install
  # as systemd starts it: the secrets in files, the rest in the environment
  sandbox --approve yes --delay 0
  mkdir credentials
  printf %s "$CIBA_CLIENT_SECRET" > credentials/CIBA_CLIENT_SECRET
  printf %s "$OPENAI_API_KEY" > credentials/OPENAI_API_KEY
  unset CIBA_CLIENT_SECRET OPENAI_API_KEY
  read -r -a started_by < <(sed -n "s,%S/ciba-agent/,$PWD/,; s/^ExecStart=//p" "$examples/systemd/ciba-agent.service")
  export CREDENTIALS_DIRECTORY=$PWD/credentials
  PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin installed "${started_by[@]}" 'Buy 3 stocks of Google'
  [ "$(orders)" == '[{"ticker":"GOOGL","qty":3}]' ]
  command -v systemd-analyze > /dev/null || skip "systemd-analyze is not installed"
  run installed systemd-analyze verify /usr/local/share/ciba-tools/examples/systemd/ciba-agent.{service,timer}
  echo "$output"
  [ "$status" -eq 0 ]
  [ -z "$output" ]
}

@test "nightly-report: is mailed after a yes, and not without" {
  # shellcheck disable=SC2016 # its own
  printf '#!/bin/sh\necho "$@" > mailed; cat >> mailed\n' > mailer
  chmod +x mailer
  export MAILER=$PWD/mailer
  run ciba-sandbox -q --approve no --delay 0 -- "$examples/nightly-report" 'echo all is well' board@example.com
  [ "$status" -eq 1 ]
  [ ! -e mailed ]
  run ciba-sandbox -q --approve yes --delay 0 --log-file requests -- "$examples/nightly-report" 'echo all is well' board@example.com
  [ "$status" -eq 0 ]
  grep -q 'board@example.com' mailed
  grep -q 'all is well' mailed
  [[ $(requests /bc-authorize .form.binding_message) == *"1 lines, to board at example.com"* ]]
}

@test "migrate: applies what is new after a yes, once; not without; not what has changed meanwhile" {
  mkdir db
  echo 'create' > db/1.sql
  echo 'alter' > db/2.sql
  run ciba-sandbox -q --approve no --delay 0 -- "$examples/migrate" db cat
  [ "$status" -eq 1 ]
  run ciba-sandbox -q --approve yes --delay 0 -- "$examples/migrate" db cat
  [ "$status" -eq 0 ]
  [ "$output" == $'create\nalter' ]
  run ciba-sandbox -q --approve yes --delay 0 -- "$examples/migrate" db cat
  [ "$output" == 'nothing to migrate' ]
  echo 'drop' > db/3.sql
  sandbox --approve ask --interval 1
  "$examples/migrate" db cat > applied 2>&1 &
  migration=$!
  started+=("$migration")
  await grep -q oauth/token requests
  echo 'drop all' > db/3.sql
  decide true
  expected=0; wait "$migration" || expected=$?
  [ "$expected" -eq 65 ]
  grep -q 'has changed since' applied
}

@test "approve.mk: a target is made after a yes, and not without" {
  printf 'include %s/approve.mk\ndeploy: approve-deploy\n\t@echo deployed > made\n' "$examples" > Makefile
  run ciba-sandbox -q --approve no --delay 0 -- make deploy
  [ "$status" -eq 2 ]
  [ ! -e made ]
  run ciba-sandbox -q --approve yes --delay 0 --log-file requests -- make deploy
  [ "$status" -eq 0 ]
  [ -e made ]
  [[ $(requests /bc-authorize .form.binding_message) == '"Make deploy in '* ]]
}

@test "three-tools: two tools run at once, the third after a yes" {
  sandbox --approve yes --delay 0
  run --separate-stderr "$examples/three-tools" 'call quote {"ticker":"GOOGL"}'
  echo "$output $stderr"
  [ "$status" -eq 0 ]
  [[ $output == *'"price":376'* ]]
  [ "$(count /bc-authorize)" -eq 0 ]
  run --separate-stderr "$examples/three-tools" 'Buy 3 stocks of Google'
  [ "$status" -eq 0 ]
  [ "$(count /bc-authorize)" -eq 1 ]
  run --separate-stderr "$examples/three-tools" 'call portfolio {}'
  [[ $output == *'{"GOOGL":3}'* ]]
  kill "$CIBA_SANDBOX_PID"
  sandbox --approve no --delay 0
  run --separate-stderr "$examples/three-tools" 'Buy 3 stocks of Google'
  [ "$status" -eq 1 ]
}

@test "agent-loop: steps until the model calls no more tools; what reads runs at once, buy after a yes" {
  sandbox --approve yes --delay 0
  run --separate-stderr "$examples/agent-loop" 'call portfolio {} then buy 2 stocks of Apple then call portfolio {}'
  echo "$output $stderr"
  [ "$status" -eq 0 ]
  [ "$output" == 'The tool says: {"AAPL":2}' ]
  [ "$(count /bc-authorize)" -eq 1 ]
  [ "$(count /portfolio)" -eq 2 ]
  [ "$(orders)" == '[{"ticker":"AAPL","qty":2}]' ]
  run --separate-stderr "$examples/agent-loop" --max-steps 1 'call portfolio {} then call portfolio {} then call portfolio {}'
  [ "$status" -eq 75 ]
  holds '.calls | length == 2'
}

@test "agent-loop: a no ends the step, the model is told, and nothing is bought" {
  sandbox --approve no --delay 0
  run --separate-stderr "$examples/agent-loop" 'buy 2 stocks of Apple then call portfolio {}'
  [ "$status" -eq 1 ]
  [ "$output" == 'The tool says: {}' ]
  [ "$(orders)" == '[]' ]
}

@test "hooks/SKILL.md: its front matter is what agents read, and its reasons and commands are real" {
  skill=$examples/hooks/SKILL.md
  awk 'NR == 1 && $0 != "---" {exit 1} NR > 1 && $0 == "---" {exit} NR > 1' "$skill" > front
  [ "$(cut -d: -f1 front | xargs)" == "name description" ]
  [[ $(sed -n 's/^name: //p' front) =~ ^[a-z0-9]+(-[a-z0-9]+)*$ ]]
  description=$(sed -n 's/^description: //p' front)
  [ ${#description} -gt 40 ]
  [ ${#description} -le 1024 ]
  [[ $description != *": "* ]] # a plain scalar of YAML
  sed -n 's/^| `\([^`]*\)`.*/\1/p' "$skill" > reasons
  event='{"hook_event_name":"PreToolUse","session_id":"s","tool_use_id":"t","tool_name":"Bash","tool_input":{"command":"ls"}}'
  {
    ciba-sandbox -q --approve no --delay 0 -- ciba-hook <<< "$event" || true
    ciba-sandbox -q --approve never --interval 1 -- ciba-hook --expiry 1 <<< "$event" || true
    ciba-sandbox -q --approve never -- ciba-hook --deadline 4 <<< "$event" || true
  } 2> said > answers
  [ "$(wc -l < reasons)" -eq 3 ]
  [ "$(grep -c '^ciba-hook: not approved: ' said)" -eq 3 ]
  grep 'not approved' said | paste -d'|' reasons - | while IFS='|' read -r reason line; do
    [[ $line == "ciba-hook: not approved: $reason"* ]] || { echo "$reason: $line"; return 1; }
  done
  grep -q '`not approved`' "$skill"
  awk '/^```sh/ {inside = 1; next} /^```/ {inside = 0} inside' "$skill" > script
  [ -s script ]
  mkdir .claude
  ciba-hook --print-config claude > .claude/settings.json
  ciba-sandbox -q --approve yes --delay 0 -- bash -e script
}

# A machine of this test's own, without a container: mount namespaces in which /etc, /run, /usr/local/bin and /usr/local/sbin
# are copies in ./machine, with the users ann (whose password is "secret") and deploy. What is installed there, stays there.
a_machine() { # PROGRAM
  [ "$(id -u)" -eq 0 ] || skip "only root can make a machine of its own for $1"
  command -v "$1" > /dev/null || skip "$1 is not installed"
  unshare -m --propagation private true 2> /dev/null || skip "there are no mount namespaces"
  umask 022
  mkdir -p machine/{bin,sbin,run/sshd}
  chmod 755 . machine
  cp -a /etc machine/etc
  rm -rf machine/etc/sudoers.d/* machine/etc/ciba-* # a developer's own
  cp "$(command -v ciba-run)" machine/bin
  printf 'ann:x:4001:4001::/:/bin/sh\ndeploy:x:4002:4002::/home:/bin/sh\n' >> machine/etc/passwd
  printf 'ann:x:4001:\ndeploy:x:4002:\n' >> machine/etc/group
  printf 'ann:%s:19000::::::\ndeploy:*:19000::::::\n' "$(openssl passwd -6 secret)" >> machine/etc/shadow
  printf 'Defaults env_reset, lecture=never\nDefaults secure_path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nann ALL=(ALL:ALL) ALL\n#includedir /etc/sudoers.d\n' > machine/etc/sudoers
  echo 'Defaults timestamp_type=global' >> machine/etc/sudoers # so that one would be found without a terminal
  chmod 440 machine/etc/sudoers
  umask 077
}

# A command in that machine, as root in its /.
inside() {
  # shellcheck disable=SC2016 # its own
  unshare -m --propagation private sh -c '
    machine=$1
    shift
    mount --bind "$machine/bin" /usr/local/bin && mount --bind "$machine/sbin" /usr/local/sbin &&
      mount --bind "$machine/run" /run && mount --bind "$machine/etc" /etc && cd / && exec "$@"' \
    sh "$BATS_TEST_TMPDIR/machine" "$@"
}

# The commands of a README's first block of sh, in that machine: install_as FOLDER
install_as() {
  awk '/^```sh$/ {inside = 1; next} /^```$/ {if (inside) exit} inside' "$1/README.md" > steps
  [ -s steps ]
  # shellcheck disable=SC2016 # its own
  inside sh -c 'cd "$1" && sh -eu "$2"' sh "$1" "$PWD/steps"
}

# The sandbox's settings as those of the machine: settings_at FILE [NAME...]
settings_at() {
  local name
  for name in CIBA_ISSUER CIBA_CLIENT_ID CIBA_CLIENT_SECRET "${@:2}"; do
    printf "%s='%s'\n" "$name" "${!name}"
  done > "machine/$1"
}

# A machine with sudo as its README says.
a_sudo() {
  a_machine sudo
  install_as "$examples/sudo"
  settings_at etc/ciba-sudo/settings
  echo 'CIBA_AUDIT=/run/ciba-sudo.log' >> machine/etc/ciba-sudo/settings
  echo 'ann auth0|demo' > machine/etc/ciba-sudo/users
}

# ann's sudo, with her password: as_ann [SUDO-ARGUMENT...]
as_ann() {
  echo "${password:-secret}" |
    inside timeout 200 setpriv --reuid 4001 --regid 4001 --clear-groups env -i PATH=/usr/bin:/bin "${environment[@]}" sudo -S -p '' "$@"
}

@test "sudo: goes on after the password and a yes, asked each time; the phone says who and where" {
  sandbox --approve yes --delay 0
  a_sudo
  run as_ann id -u
  echo "$output"
  [ "$status" -eq 0 ]
  [[ $output == *"ciba-run: asked auth0|demo: sudo for ann on $(uname -n); expires "*$'\nciba-run: approved by auth0|demo'* ]]
  grep -qx 0 <<< "$output"
  [ "$(requests /bc-authorize '[.form.binding_message,.form.requested_expiry]')" == "[\"sudo for ann on $(uname -n)\",\"60\"]" ]
  as_ann -i true
  as_ann -u deploy true
  [ "$(count /bc-authorize)" -eq 3 ]
  [ "$(jq -r .event machine/run/ciba-sudo.log | xargs)" == "asked approved started asked approved started asked approved started" ]
  # who does not know the password makes no phone ring
  password=wrong exits 1 as_ann touch /run/ran
  [ "$(count /bc-authorize)" -eq 3 ]
  # nothing of the user's environment, or of PAM's, comes before the settings
  environment=(CIBA_ISSUER=http://127.0.0.1:9/ CIBA_USER=mallory PATH="$PWD:/usr/bin" LD_PRELOAD=/none BASH_ENV=/none)
  as_ann true
  inside env -i "${environment[@]}" LD_PRELOAD= PAM_TYPE=auth PAM_USER=ann /usr/local/sbin/ask-first
  [ "$(count /bc-authorize)" -eq 5 ]
  [ ! -e machine/run/ran ]
}

@test "sudo: no, no answer, no provider, no settings, a crash and a kill are a no, and it asks once" {
  sandbox --approve no --delay 0
  a_sudo
  refused() {
    run as_ann touch /run/ran
    echo "$*: $status $output"
    [ "$status" -eq 1 ]
    [[ $output == *"$1"* ]]
    [ ! -e machine/run/ran ]
  }
  refused 'not run: the user said no'
  [ "$(count /bc-authorize)" -eq 1 ]
  echo '[{"path":"/bc-authorize","body":{"auth_req_id":"r","expires_in":1,"interval":1}},{"path":"/oauth/token","times":9,"status":400,"body":{"error":"authorization_pending"}},{"path":"/oauth/token","times":99,"status":400,"body":{"error":"expired_token"}}]' | spoil
  refused 'did not answer in time'
  echo '[]' | spoil
  kill "$CIBA_SANDBOX_PID"
  await bash -c "! curl -s $CIBA_ISSUER > /dev/null"
  refused 'cannot be asked'
  sandbox --approve yes --delay 0
  settings_at etc/ciba-sudo/settings
  sed -i /SECRET/d machine/etc/ciba-sudo/settings
  refused 'client'
  rm machine/etc/ciba-sudo/settings
  refused 'No such file'
  settings_at etc/ciba-sudo/settings
  as_ann true
  mv machine/bin/ciba-run machine/bin/real
  refused 'ciba-run'
  # shellcheck disable=SC2016 # its own
  printf '#!/bin/sh\nkill -SEGV $$\n' > machine/bin/ciba-run
  chmod 755 machine/bin/ciba-run
  refused ''
  mv machine/bin/real machine/bin/ciba-run
  # while the user thinks: the one that asks, and the one that waits
  kill "$CIBA_SANDBOX_PID"
  sandbox --approve ask --interval 1
  settings_at etc/ciba-sudo/settings
  for which in asking waiting; do
    before=$(count /oauth/token)
    as_ann touch /run/ran > said 2>&1 &
    pid=$!
    await eval '[ "$(count /oauth/token)" -gt "$before" ]'
    asking=$(newest_below "$pid" ciba-run)
    waiting=$(parent_of "$asking")
    kill -KILL "${!which}"
    decide true
    ended=0
    wait "$pid" || ended=$?
    cat said
    [ "$ended" -eq 1 ]
    [ ! -e machine/run/ran ]
  done
}

parent_of() {
  ps -o ppid= -p "$1" | tr -d ' '
}

# The process of that name that has no child, below another one: newest_below PID NAME
newest_below() {
  local pid=$1 child found=''
  while child=$(pgrep -P "$pid" | tail -n 1) && [ -n "$child" ]; do
    pid=$child
    [ "$(cat "/proc/$pid/comm")" != "$2" ] || found=$pid
  done
  [ -n "$found" ]
  echo "$found"
}

@test "sudo: who is not in the map, whose folder others can read, or whose line is another, is refused, and nobody is asked" {
  sandbox --approve yes --delay 0
  a_sudo
  refused() {
    run as_ann touch /run/ran
    echo "$*: $status $output"
    [ "$status" -eq 1 ]
    [[ $output == *"ask-first: "*"$1"* ]]
  }
  for users in '' 'anna auth0|demo' 'an auth0|demo' '# ann auth0|demo' 'ann' $'bob auth0|demo\nann\n' 'deploy ann'; do
    printf '%s\n' "$users" > machine/etc/ciba-sudo/users
    refused 'has nobody to ask for ann'
  done
  printf 'bob auth0|bob\nann auth0|demo' > machine/etc/ciba-sudo/users
  for mode in 755 750 701 770; do
    chmod "$mode" machine/etc/ciba-sudo
    refused 'mode 700'
  done
  chmod 700 machine/etc/ciba-sudo
  chown 4001 machine/etc/ciba-sudo
  refused "root's"
  chown 0 machine/etc/ciba-sudo
  sed -i.bak 's/ seteuid//' machine/etc/pam.d/sudo
  refused 'not root'
  mv machine/etc/pam.d/sudo.bak machine/etc/pam.d/sudo
  for kind in account session; do
    sed "s/^auth required pam_exec/$kind required pam_exec/" "$examples/sudo/pam.d-sudo" > machine/etc/pam.d/sudo
    refused 'for auth alone'
  done
  cp "$examples/sudo/pam.d-sudo" machine/etc/pam.d/sudo
  empty requests
  [ ! -e machine/run/ran ]
  as_ann true
  # the user reads no secret
  for file in settings users; do
    run inside setpriv --reuid 4001 --regid 4001 --clear-groups cat "/etc/ciba-sudo/$file"
    [ "$status" -eq 1 ]
  done
}

@test "sudo: alone it is the phone instead of the password; sufficient, the phone or the password" {
  sandbox --approve no --delay 0
  a_sudo
  sed -i '/common-auth/d' machine/etc/pam.d/sudo
  exits 1 as_ann touch /run/ran
  [ ! -e machine/run/ran ]
  printf 'auth sufficient pam_exec.so seteuid quiet stdout /usr/local/sbin/ask-first\n@include common-auth\naccount required pam_unix.so\n' > machine/etc/pam.d/sudo
  as_ann true
  password=wrong exits 1 as_ann touch /run/ran
  kill "$CIBA_SANDBOX_PID"
  sandbox --approve yes --delay 0
  settings_at etc/ciba-sudo/settings
  password=wrong as_ann true
  sed -i '/common-auth/d; s/sufficient/required/' machine/etc/pam.d/sudo
  password=wrong as_ann true
  [ ! -e machine/run/ran ]
}

@test "sudo ask-first: the command is what the phone shows and what is run, and nothing else is allowed" {
  sandbox --approve yes --delay 0
  a_sudo
  printf 'Defaults env_reset, lecture=never\nDefaults secure_path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n#includedir /etc/sudoers.d\n' > machine/etc/sudoers
  sed -i 's/^# ann ALL/ann ALL/' machine/etc/sudoers.d/ask-first
  sed -i '/pam_exec/d' machine/etc/pam.d/sudo # which is not needed then
  environment=(SUDO_USER=mallory CIBA_USER=mallory CIBA_ISSUER=http://127.0.0.1:9/ PAM_TYPE=auth PAM_USER=mallory)
  password=none as_ann ask-first sh -c 'env > $1; id -u >> $1' sh /run/ran 2> said
  grep -q 'the message was shortened: .* stands for: "Run sh -c ' said # Auth0 takes no quotes
  grep -qx 0 machine/run/ran
  rm machine/run/ran
  password=none as_ann ask-first env > ran
  sort ran | sed 's/^ACCESS_TOKEN=.*/ACCESS_TOKEN/; s/^PATH=.*/PATH/' > names
  [ "$(xargs < names)" == 'ACCESS_TOKEN HOME=/root PATH TERM=unknown' ]
  password=none as_ann ask-first id -u | grep -qx 0
  # an option is none
  exits 127 as_ann ask-first --without-id-token true
  [ "$(requests /bc-authorize .form.binding_message | tail -n +2 | xargs)" == "Run env Run id -u" ]
  # neither another command, nor another user
  exits 1 as_ann touch /run/ran
  exits 1 as_ann -u deploy ask-first touch /run/ran
  exits 1 as_ann ask-first
  echo 'bob auth0|demo' > machine/etc/ciba-sudo/users
  exits 1 as_ann ask-first touch /run/ran
  [ "$(count /bc-authorize)" -eq 3 ]
  echo 'ann auth0|demo' > machine/etc/ciba-sudo/users
  kill "$CIBA_SANDBOX_PID"
  sandbox --approve no --delay 0
  settings_at etc/ciba-sudo/settings
  exits 1 as_ann ask-first touch ran
  [ ! -e machine/run/ran ]
}

# A machine with sshd as the README says, the key in ./key, and a deploy that tells how it was started.
an_sshd() {
  a_machine sshd
  command -v flock > /dev/null || skip "flock is not installed"
  ssh-keygen -q -t ed25519 -N '' -f key
  ssh-keygen -q -t ed25519 -N '' -f machine/etc/ssh/host_key
  install_as "$examples/ssh"
  [ "$(stat -c %a:%G machine/etc/ciba-deploy/settings)" == "640:$(stat -c %G machine/etc/ciba-deploy)" ]
  sed -i "s|ssh-ed25519 .*|$(cat key.pub)|" machine/etc/ssh/deploy_keys
  CIBA_USER='auth0|demo' settings_at etc/ciba-deploy/settings CIBA_USER
  printf 'HostKey /etc/ssh/host_key\nUsePAM no\nAcceptEnv *\nPermitUserEnvironment no\nSubsystem sftp internal-sftp\nInclude /etc/ssh/sshd_config.d/*.conf\n' > machine/etc/ssh/sshd_config
  # shellcheck disable=SC2016 # its own
  printf '#!/bin/sh\n{ echo "$# $*"; tty || true; env; } > /run/state/deployed.$$\necho deployed\nexit 7\n' > machine/bin/deploy
  chmod 755 machine/bin/deploy
  mkdir machine/run/state
  chmod 777 machine/run/state
}

# The client; its sshd is at the other end of a pipe, and needs no port: deploy_by [SSH-OPTION...] [RELEASE]
deploy_by() {
  inside timeout 200 ssh -F none -i "$BATS_TEST_TMPDIR/key" -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
    -o LogLevel=ERROR -o ProxyCommand='/usr/sbin/sshd -i -f /etc/ssh/sshd_config' "${client[@]}" deploy@host -- "$@"
}

deployed() {
  compgen -G 'machine/run/state/deployed.*' > /dev/null
}

@test "ssh: a deploy key deploys the release that it names after a yes, without a terminal or anything of the client's" {
  sandbox --approve yes --delay 0
  an_sshd
  client=(-A -o SetEnv='CIBA_ISSUER=http://127.0.0.1:9/ PATH=/evil LC_ALL=xx ACCESS_TOKEN=evil')
  run deploy_by v42
  echo "$output"
  [ "$status" -eq 7 ]
  [[ $output == *"asked auth0|demo: Deploy v42 on $(uname -n); expires "* ]]
  [[ $output == *"approved by auth0|demo"* ]]
  [[ $output == *deployed* ]]
  cat machine/run/state/deployed.*
  [ "$(head -n 2 machine/run/state/deployed.*)" == $'1 v42\nnot a tty' ]
  no grep -q 'evil\|CIBA_\|SSH_\|ACCESS_TOKEN' machine/run/state/deployed.*
  [ "$(requests /bc-authorize '[.form.binding_message,.form.requested_expiry]')" == "[\"Deploy v42 on $(uname -n)\",\"120\"]" ]
  # the ways through are closed
  client=(-tt)
  run deploy_by v43
  echo "$output"
  [[ $output == *"PTY allocation request failed"* ]]
  no grep -q /dev/pts machine/run/state/deployed.*
  client=(-W localhost:1)
  run deploy_by
  [ "$status" -ne 0 ]
  [[ $output == *"administratively prohibited"* || $output == *"forwarding"* ]]
}

@test "ssh: what the client sends is never a program: anything but a release is refused, and nobody is asked" {
  sandbox --approve yes --delay 0
  an_sshd
  for text in '' 'v42; touch /run/state/deployed.evil' '$(touch /run/state/deployed.evil)' '`id`' 'v42 v43' '-x' '--help' '.' '../deploy' '/bin/sh' \
    "v42'" 'v42"' $'v42\nv43' $'v42\xff' 'é' '*' '~' 'V42' 'vv42' 'main' '42' 'v' "$(printf 'v%.0s' {1..41})" 'scp -t /tmp' 'approved 1 v42'; do
    run deploy_by "$text"
    echo "$text: $status $output"
    [ "$status" -eq 1 ]
    [[ $output == "ssh-deploy: "* ]]
  done
  client=(-s)
  run deploy_by sftp
  echo "sftp: $status $output"
  [ "$status" -eq 1 ]
  no deployed
  empty requests
}

@test "ssh: no, no answer, no provider and a kill deploy nothing" {
  sandbox --approve no --delay 0
  an_sshd
  refused() {
    exits "$1" deploy_by v42 > said 2>&1
    cat said
    grep -q "$2" said
    no deployed
  }
  refused 1 'the user said no'
  echo '[{"path":"/oauth/token","status":400,"body":{"error":"expired_token"}}]' | spoil
  refused 1 'did not answer in time'
  kill "$CIBA_SANDBOX_PID"
  await bash -c "! curl -s $CIBA_ISSUER > /dev/null"
  refused 69 'cannot be asked'
  mv machine/bin/ciba-run machine/bin/real
  refused 127 ciba-run
  mv machine/bin/real machine/bin/ciba-run
  sandbox --approve ask --interval 1
  CIBA_USER='auth0|demo' settings_at etc/ciba-deploy/settings CIBA_USER
  for which in asking waiting; do
    before=$(count /oauth/token)
    deploy_by v42 &
    client_pid=$!
    await eval '[ "$(count /oauth/token)" -gt "$before" ]'
    asking=$(newest_below "$client_pid" ciba-run)
    waiting=$(parent_of "$asking")
    kill -KILL "${!which}"
    decide true
    ended=0
    wait "$client_pid" || ended=$?
    echo "$which: $ended"
    [ "$ended" -ne 0 ]
    no deployed
  done
}

@test "ssh: one question at a time; if the client goes while the user thinks, a later yes deploys nothing" {
  sandbox --approve ask --interval 1
  an_sshd
  deploy_by v42 > said 2>&1 &
  client_pid=$!
  await eval '[ "$(count /oauth/token)" -gt 0 ]'
  run deploy_by v43
  echo "$output"
  [ "$status" -eq 1 ]
  [[ $output == *"another deployment"* ]]
  [ "$(count /bc-authorize)" -eq 1 ]
  asking=$(newest_below "$client_pid" ciba-run)
  waiting=$(parent_of "$asking")
  server=$(parent_of "$waiting")
  kill -KILL "$(newest_below "$client_pid" ssh)"
  wait "$client_pid" || true
  await gone "$server"
  kill -0 "$waiting"
  decide true
  await gone "$waiting"
  no deployed
  # the next one is asked about
  deploy_by v44 > said 2>&1 &
  client_pid=$!
  await eval '[ "$(count /bc-authorize)" -eq 2 ]'
  decide true
  exits 7 wait "$client_pid"
  deployed
}
