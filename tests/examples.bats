# shellcheck source=helper.bash
load helper

examples=${BATS_TEST_DIRNAME%/tests*}/examples

# A deploy script that keeps what it was told, where the CI examples expect it.
a_deploy() {
  # shellcheck disable=SC2016 # its own
  printf '#!/bin/sh\necho "$@" >> deployed\n' > deploy
  chmod +x deploy
}

# The shell of a step within YAML: the lines behind KEY, without their indentation.
step_of() {
  awk -v key="$2" 'found && /^ *(- )?[a-z_-]+:/ {exit} found {print} index($0, key) {found = 1}' "$1" | sed 's/^ *\(- \)\?//'
}

@test "github-actions.yml: the step deploys after a yes, and fails on a no" {
  a_deploy
  step_of "$examples/github-actions.yml" 'run: |' > step
  [ -s step ]
  export GITHUB_REF_NAME=v42 GITHUB_REPOSITORY=us/it
  run ciba-sandbox -q --approve yes --delay 0 --log requests -- bash -e step
  [ "$status" -eq 0 ]
  [ "$(cat deployed)" == v42 ]
  [ "$(requests /bc-authorize '[.form.binding_message,.form.requested_expiry]')" == '["Deploy v42 of it","600"]' ]
  run ciba-sandbox -q --approve no --delay 0 -- bash -e step
  [ "$status" -eq 1 ]
  [ "$(wc -l < deployed)" -eq 1 ]
}

@test "gitlab-ci.yml: the script deploys after a yes, and fails on a no" {
  a_deploy
  step_of "$examples/gitlab-ci.yml" 'script:' > step
  [ -s step ]
  export CI_COMMIT_TAG=v43 CI_PROJECT_PATH=us/it
  run ciba-sandbox -q --approve yes --delay 0 -- bash -e step
  [ "$status" -eq 0 ]
  [ "$(cat deployed)" == v43 ]
  run ciba-sandbox -q --approve no --delay 0 -- bash -e step
  [ "$status" -eq 1 ]
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
  sandbox --approve yes --delay 0 --faults faults
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
  sandbox --approve yes --delay 0 --faults faults
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

@test "the systemd units are sound, and their credentials have the names that the commands look for" {
  local name names=0
  while read -r name; do
    names=$((names + 1))
    grep -q "\"$name\"" "${BATS_TEST_DIRNAME%/tests*}"/lib/client.c "${BATS_TEST_DIRNAME%/tests*}"/lib/chat_api.c
  done < <(sed -n 's/^LoadCredential=\([^:]*\):.*/\1/p' "$examples/systemd/ciba-agent.service")
  [ "$names" -ge 2 ]
  # as systemd starts it: the secrets in files, the rest in the environment
  sandbox --approve yes --delay 0
  mkdir credentials
  printf %s "$CIBA_CLIENT_SECRET" > credentials/CIBA_CLIENT_SECRET
  printf %s "$OPENAI_API_KEY" > credentials/OPENAI_API_KEY
  unset CIBA_CLIENT_SECRET OPENAI_API_KEY
  CREDENTIALS_DIRECTORY=$PWD/credentials "$examples/cron-agent" agent 'Buy 3 stocks of Google'
  [ "$(orders)" == '[{"ticker":"GOOGL","qty":3}]' ]
  command -v systemd-analyze > /dev/null || skip "systemd-analyze is not installed"
  sed 's|/usr/local/lib/ciba-tools/cron-agent|/bin/true|' "$examples/systemd/ciba-agent.service" > ciba-agent.service
  cp "$examples/systemd/ciba-agent.timer" .
  run systemd-analyze verify ./ciba-agent.service ./ciba-agent.timer
  echo "$output"
  [ "$status" -eq 0 ]
}

@test "nightly-report: is mailed after a yes, and not without" {
  # shellcheck disable=SC2016 # its own
  printf '#!/bin/sh\necho "$@" > mailed; cat >> mailed\n' > mailer
  chmod +x mailer
  export MAILER=$PWD/mailer
  run ciba-sandbox -q --approve no --delay 0 -- "$examples/nightly-report" 'echo all is well' board@example.com
  [ "$status" -eq 1 ]
  [ ! -e mailed ]
  run ciba-sandbox -q --approve yes --delay 0 --log requests -- "$examples/nightly-report" 'echo all is well' board@example.com
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
  run ciba-sandbox -q --approve yes --delay 0 --log requests -- make deploy
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
