# shellcheck source=helper.bash
load helper

@test "with everything right: every step is ok, nobody is asked, nothing is bought" {
  sandbox --approve yes --delay 0
  run --separate-stderr ciba-doctor --ask-model
  echo "$output"
  [ "$status" -eq 0 ]
  [ -z "$stderr" ]
  [[ $output =~ (ok|-\ )"   confinement: " ]]
  [ "$(cut -d: -f1 <<< "$output" | grep -v confinement | paste -sd,)" == \
    "ok   versions,ok   settings,ok   issuer,ok   CIBA,ok   keys,ok   clock,ok   client,-    user,-    audience,-    scope,ok   model,ok   tools,ok   stock API" ]
  [ "$(count /bc-authorize)" -eq 0 ]
  [ "$(orders)" == '[]' ]
  [[ $output != *"$CIBA_CLIENT_SECRET"* && $output != *"$OPENAI_API_KEY"* ]]
}

@test "secrets in systemd's credentials are found" {
  sandbox --approve yes --delay 0
  mkdir credentials
  printf %s "$OPENAI_API_KEY" > credentials/OPENAI_API_KEY
  printf %s "$CIBA_CLIENT_SECRET" > credentials/CIBA_CLIENT_SECRET
  unset OPENAI_API_KEY CIBA_CLIENT_SECRET
  CREDENTIALS_DIRECTORY=$PWD/credentials run --separate-stderr ciba-doctor
  echo "$output"
  [ "$status" -eq 0 ]
  [[ $output == *"ok   client"* && $output == *"ok   model"* ]]
}

# Each row: wrong settings, the exit status, the line.
@test "what is wrong is named, with what to do; the other steps are done all the same" {
  sandbox --approve yes --delay 0
  good=$CIBA_ISSUER
  while IFS='|' read -r setting expected line; do
    run --separate-stderr env "$setting" ciba-doctor
    echo "$setting: $status $output"
    [ "$status" -eq "$expected" ]
    grep -q "^$line" <<< "$output"
    grep -q 'stock API' <<< "$output"
  done <<END
CIBA_ISSUER=http://127.0.0.1:9/|69|FAIL issuer: the issuer http://127.0.0.1:9/ cannot be asked: 127.0.0.1
CIBA_ISSUER=${good%/}|78|FAIL issuer: .*the two must be the same
CIBA_CLIENT_SECRET=wrong|77|FAIL client: sandbox-client by client_secret_post is refused; check client id
OPENAI_API_KEY=wrong|77|FAIL model: .*check the API key
OPENAI_BASE_URL=http://127.0.0.1:9/v1|69|FAIL model: 127.0.0.1
OPENAI_BASE_URL=http://example.com/v1|78|FAIL model: .*only https
STOCK_API_URL=http://127.0.0.1:9/|69|FAIL stock API: 127.0.0.1
CIBA_USER=|0|-    user: no CIBA_USER
STOCK_API_URL=|0|-    stock API: no STOCK_API_URL
STOCK_API_URL=${good}nowhere|0|-    stock API: .*HTTP 404 without a token; is the path right?
CIBA_USER=bob|0|-    user: bob, not checked: that would ask them
AUDIENCE=https://x/|0|-    audience: https://x/, not checked
END
}

@test "a client without the grant is told from a request that does not exist, where one code says both" {
  sandbox --approve yes --delay 0
  while IFS='|' read -r words expected line; do
    jq -n --arg words "$words" '[{path:"/oauth/token",status:400,body:{error:"invalid_grant",error_description:$words}}]' | spoil
    run --separate-stderr ciba-doctor
    echo "$words: $status $output"
    [ "$status" -eq "$expected" ]
    grep -qF "$line" <<< "$output"
  done <<END
Invalid Auth Req ID|0|ok   client: sandbox-client is authenticated
Client not allowed OIDC CIBA Grant|77|FAIL client: HTTP 400 invalid_grant: Client not allowed OIDC CIBA Grant; turn on "OIDC CIBA Grant"
END
}

@test "a clock that differs is told" {
  jq -n '[{path:"/oauth/token",status:400,headers:{Date:"Tue, 24 Nov 2015 12:00:00 GMT"},body:{error:"invalid_grant"}}]' > faults
  sandbox --faults-file faults
  run ciba-doctor
  echo "$output"
  [ "$status" -eq 78 ]
  [[ $output == *"FAIL clock: is "*" s ahead of the provider's; set it (NTP)"* ]]
}

@test "an issuer without CIBA, and no settings at all, are told" {
  sandbox
  jq -n --arg i "$CIBA_ISSUER" '[{path:"/.well-known/openid-configuration",body:{issuer:$i}}]' | spoil
  run ciba-doctor
  [ "$status" -eq 78 ]
  [[ $output == *"FAIL CIBA: "*"does it offer CIBA"* ]]
  run env -i PATH="$PATH" ciba-doctor
  [ "$status" -eq 78 ]
  [[ $output == *"FAIL settings: not set: CIBA_ISSUER or AUTH0_DOMAIN or "* ]]
}

@test "all that is missing is said at once, with a file to fill in; the model and the API are checked all the same" {
  sandbox --approve yes --delay 0
  api=$STOCK_API_URL
  unset CIBA_ISSUER CIBA_CLIENT_ID CIBA_CLIENT_SECRET
  run --separate-stderr ciba-doctor
  echo "$output"
  [ "$status" -eq 78 ]
  for name in CIBA_ISSUER CIBA_CLIENT_ID CIBA_CLIENT_SECRET; do
    grep -q "^FAIL settings: not set: .*$name.*--print-env" <<< "$output"
  done
  [[ $output == *"ok   model: "*"ok   stock API: $api"* ]]
  ciba-doctor --print-env > .env
  [ "$(grep -o '^[A-Z_]*=' .env | paste -sd' ')" == "CIBA_ISSUER= CIBA_CLIENT_ID= CIBA_CLIENT_SECRET=" ]
  # shellcheck source=/dev/null
  (. ./exports && sed -i "s|^CIBA_ISSUER=|&$CIBA_ISSUER|; s|^CIBA_CLIENT_ID=|&$CIBA_CLIENT_ID|; s|^CIBA_CLIENT_SECRET=|&$CIBA_CLIENT_SECRET|" .env)
  run --separate-stderr ciba-doctor -e .env
  echo "$output"
  [ "$status" -eq 0 ]
  [[ $output == *"ok   settings: from .env: CIBA_ISSUER, CIBA_CLIENT_ID, CIBA_CLIENT_SECRET; from the environment: CIBA_USER"* ]]
  chmod 644 .env
  [[ $(ciba-doctor -e .env) == *"every user can read or write .env, which may have secrets; chmod 600 .env"* ]]
}

@test "of a secret it says where it comes from, and never what it is" {
  sandbox --approve yes --delay 0
  (umask 077 && mkdir credentials && printf %s "$CIBA_CLIENT_SECRET" > credentials/CIBA_CLIENT_SECRET)
  CREDENTIALS_DIRECTORY=$PWD/credentials run ciba-doctor -v
  echo "$output"
  [ "$status" -eq 0 ]
  [[ $output == *"from CREDENTIALS_DIRECTORY: CIBA_CLIENT_SECRET"* ]]
  [[ $output != *"$CIBA_CLIENT_SECRET"* && $output != *"$OPENAI_API_KEY"* ]]
}

@test "scopes are compared with those that the provider lists" {
  sandbox --approve yes --delay 0
  while IFS='|' read -r scopes line; do
    offer '{scopes_supported: ["openid", "stock:trade"]}'
    CIBA_SCOPE=$scopes run --separate-stderr ciba-doctor
    echo "$output"
    [ "$status" -eq 0 ]
    grep -q -e "^$line" <<< "$output"
  done <<'END'
openid stock:trade|ok   scope: the provider lists what CIBA_SCOPE names
openid nonsense  other|-    scope: nonsense other: the provider does not list it
END
}

@test "log, store, spool and the others are looked at: who else can write them, and whether we can" {
  sandbox --approve yes --delay 0
  mkdir -m 700 good
  mkdir -m 777 open
  chmod 777 open
  (umask 077 && : > log)
  for name in CIBA_STORE CIBA_SPENT CIBA_NOTIFICATION_DIR; do
    run --separate-stderr env "$name=$PWD/good" CIBA_AUDIT="$PWD/log" ciba-doctor --spool-dir good
    echo "$output"
    [ "$status" -eq 0 ]
    [ "$(grep -c "^ok .* can be written, by nobody else" <<< "$output")" -eq 3 ]
    run --separate-stderr env "$name=$PWD/open" ciba-doctor --spool-dir open
    echo "$output"
    [ "$status" -eq 78 ]
    [ "$(grep -c "^FAIL .*/*open: other users can write it; chmod go-w" <<< "$output")" -eq 2 ]
  done
  chmod 666 log
  CIBA_AUDIT=$PWD/log run --separate-stderr ciba-doctor
  [ "$status" -eq 78 ]
  [[ $output == *"FAIL audit log: "* ]]
  CIBA_AUDIT=$PWD/none/log run --separate-stderr ciba-doctor
  [ "$status" -eq 74 ]
}

@test "a channel that is configured is looked at: folder, secret, and a page that asks for a login" {
  sandbox --approve yes --delay 0
  export CIBA_CHANNEL_URL=${CIBA_ISSUER}page/ CIBA_CHANNEL_DIR=$PWD/questions CIBA_CHANNEL_SECRET
  CIBA_CHANNEL_SECRET=$(openssl rand -hex 32)
  mkdir -m 700 questions
  while IFS='|' read -r setting page expected line; do
    jq -n --argjson s "$page" '[{path: "/page/", status: $s}]' | spoil
    run --separate-stderr env "$setting" ciba-doctor
    echo "$setting: $status $output"
    [ "$status" -eq "$expected" ]
    grep -q -e "^$line" <<< "$output"
    [[ $output != *"$CIBA_CHANNEL_SECRET"* ]]
  done <<END
A=a|401|0|ok   channel's page: .* asks for a login (HTTP 401)
A=a|302|0|ok   channel's page:
A=a|200|78|FAIL channel's page: .*answers 200 to somebody who has not logged in
A=a|404|0|-    channel's page: .*is the path right?
CIBA_CHANNEL_SECRET=|401|78|FAIL channel: not set: CIBA_CHANNEL_SECRET
CIBA_CHANNEL_DIR=|401|78|FAIL channel: not set: CIBA_CHANNEL_DIR
CIBA_CHANNEL_URL=${CIBA_ISSUER}page|401|78|FAIL channel: .*slash at its end
END
}

@test "-v says which request went to which address, with which answer, and no query" {
  sandbox --approve yes --delay 0
  STOCK_API_URL="$STOCK_API_URL?key=53cret" run --separate-stderr ciba-doctor -v
  [[ $stderr == *"POST ${CIBA_ISSUER}oauth/token: HTTP 400 Bad Request, "*" bytes"* ]]
  [[ $stderr == *"GET ${CIBA_ISSUER}stocks: HTTP "* ]]
  [[ $stderr != *53cret* ]]
}

@test "a server's words cannot steer the terminal" {
  sandbox --approve yes --delay 0
  jq -n '[{path: "/oauth/token", status: 400, times: 9, body: {error: "server_error", error_description: "x\u001b[2Jy\u009b\u202ez"}}]' | spoil
  run --separate-stderr ciba-doctor
  echo "$output"
  [[ $output == *"x?[2Jy??z"* ]]
}

# Settings as ciba-hook prints them, with this path to it, changed: hook_settings HOST [JQ]
hook_settings() {
  ciba-hook --print-config "$1" > printed
  jq "${2:-.}" printed > settings.json
}

@test "the settings that ciba-hook prints have no fault, for each host; neither settings nor a server are needed" {
  for host in claude codex copilot gemini cursor; do
    while read -r -a options; do
      ciba-hook --print-config "$host" "${options[@]}" > settings.json
      run --separate-stderr ciba-doctor --hook-file settings.json
      echo "$output"
      [ "$status" -eq 0 ]
      [ -z "$stderr" ]
      [[ $output == *"ok   host: $host"* ]]
      [[ $output == *": starts ciba-hook, and stops the tool"* ]]
    done <<'END'

--only ^(Bash|Write)$ --if .command|test("a'b") --deadline 55.5
-d {type:"x",a:"$b\\"} -m \\(.command)
END
  done
}

# Each row: host, change, and what is said: FAIL with 78, or a remark.
@test "what makes a host let a tool run unasked is told, with what to do" {
  while IFS='|' read -r host change line; do
    hook_settings "$host" "${change//OR/|}"
    run --separate-stderr ciba-doctor --hook-file settings.json
    echo "$host $change: $status $output"
    if [[ $line == FAIL* ]]; then
      [ "$status" -eq 78 ]
    else
      [ "$status" -eq 0 ]
    fi
    grep -qE -e "^$line" <<< "$output"
  done <<'END'
claude|{}|FAIL hooks: nothing starts ciba-hook; ciba-hook --print-config HOST
claude|[]|FAIL file: .*not an object|FAIL hooks
claude|.hooks = []|FAIL hooks: nothing starts ciba-hook
claude|.hooks.PreToolUse = {}|FAIL hooks: nothing starts ciba-hook before a tool runs; ciba-hook --print-config claude
claude|.hooks.PreToolUse[].hooks = []|FAIL hooks: nothing starts ciba-hook before a tool runs
claude|.hooks.PreToolUse[].hooks[].command = "true"|FAIL hooks: nothing starts ciba-hook before a tool runs
claude|.hooks.PreToolUse[].hooks[].command = "/opt/ciba-hook-data/x"|FAIL
claude|.hooks = {PostToolUse: .hooks.PreToolUse}|FAIL PostToolUse: is not an event of claude before a tool call
claude|.hooks = {pretooluse: .hooks.PreToolUse}|FAIL pretooluse: is not an event of claude
claude|.hooks = {BeforeTool: .hooks.PreToolUse}|FAIL BeforeTool: is not an event of claude
codex|.hooks = {PostToolUse: .hooks.PreToolUse}|FAIL PostToolUse: is not an event of codex
claude|.hooks = {PermissionRequest: .hooks.PreToolUse}|-    PermissionRequest: comes only where the host would ask
claude|.disableAllHooks = true|FAIL hooks: \{"disableAllHooks":true\} switches all hooks off
copilot|.disableAllHooks = true|FAIL hooks: .*switches all hooks off
gemini|.hooksConfig.enabled = false|FAIL hooks: .*"enabled":false.* switches all hooks off
gemini|.hooksConfig.disabled = ["x", "ciba-hook"]|FAIL hooks: hooksConfig.disabled has ciba-hook
claude|del(.. OR .onFailure?)|FAIL PreToolUse: .*add \{"onFailure":"block"\}
claude|.hooks.PreToolUse[].hooks[].onFailure = "allow"|FAIL PreToolUse: .*add \{"onFailure":"block"\}
cursor|.hooks.beforeMCPExecution[].failClosed = false|FAIL beforeMCPExecution: .*add \{"failClosed":true\}
cursor|.hooks.beforeShellExecution[].failClosed = "true"|FAIL beforeShellExecution: .*failClosed
claude|.hooks.PreToolUse[].hooks[].async = true|FAIL PreToolUse: .*does not wait
claude|.hooks.PreToolUse[].hooks[].type = "prompt"|FAIL PreToolUse: "type"
claude|.hooks.PreToolUse[].hooks[].if = "Bash(rm *)"|-    PreToolUse: asks only about calls that "if"
claude|del(.hooks.PreToolUse[].hooks[].timeout)|FAIL PreToolUse: there is no time limit; add "timeout":600
claude|.hooks.PreToolUse[].hooks[].timeout = "600"|FAIL PreToolUse: there is no time limit
claude|.hooks.PreToolUse[].hooks[].timeout = 540|FAIL PreToolUse: "timeout" is 540 s, not later than the deadline of 540 s
copilot|.hooks.preToolUse[] OR= (.timeout = 60 OR del(.timeoutSec))|FAIL preToolUse: "timeoutSec" is 60 s, not later
copilot|.hooks.preToolUse[] OR= (.timeout = 600 OR del(.timeoutSec))|ok   preToolUse
gemini|.hooks.BeforeTool[].hooks[].timeout = 600|FAIL BeforeTool: "timeout" is 0.6 s \(the host counts milliseconds\), .*give 600000
claude|.hooks.PreToolUse[].hooks[].args OR= .[:2]|-    PreToolUse: no --deadline: the user has 570 s
copilot|.hooks.preToolUse[].args OR= .[:2]|-    preToolUse: no --deadline: the user has 25 s
claude|.hooks.PreToolUse[].hooks[] OR= (.args OR= .[:2] OR .timeout = 500)|FAIL PreToolUse: "timeout" is 500 s, .*570 s that is assumed without --deadline
claude|.hooks.PreToolUse[].hooks[].args OR= .[2:]|-    PreToolUse: no --host: .*add --host claude
claude|.hooks.PreToolUse[].matcher = "Bash"|-    PreToolUse: asks only about tools that 'Bash' names; all others run unasked
claude|.hooks.PreToolUse[].matcher = "Write, Bash"|-    PreToolUse: asks only about
claude|.hooks.PreToolUse[].matcher = "BashORWriteORmcp__.*"|-    PreToolUse: .*is taken as a regular expression that is found anywhere in a name; \^\(
claude|.hooks.PreToolUse[].matcher = "Write"|FAIL hooks: no entry asks about Bash
claude|.hooks.PreToolUse[].matcher = "bash"|FAIL hooks: no entry asks about Bash
claude|.hooks.PreToolUse[].matcher = "Bash(rm *)"|FAIL hooks: no entry asks about Bash
claude|.hooks.PreToolUse OR= [(.[] OR .matcher = "Write"), (.[] OR .matcher = "Bash")]|ok   PreToolUse
claude|.hooks.PreToolUse[].matcher = "(Bash"|FAIL PreToolUse: '\(Bash' is no regular expression
claude|.hooks.PreToolUse[].matcher = ["Bash"]|FAIL PreToolUse: "matcher" is no text
claude|del(.hooks.PreToolUse[].matcher)|ok   PreToolUse
codex|.hooks.PreToolUse[].matcher = ".*"|ok   PreToolUse
codex|.hooks.PreToolUse[].matcher = "Write, Bash"|FAIL hooks: no entry asks about Bash
copilot|.hooks.preToolUse[].matcher = "*"|FAIL preToolUse: '\*' is no regular expression, so copilot skips the hook
copilot|.hooks.preToolUse[].matcher = "bas"|FAIL hooks: no entry asks about bash
copilot|.hooks.preToolUse[].matcher = "bashORview"|-    preToolUse: asks only about
gemini|.hooks.BeforeTool[].matcher = "Bash"|FAIL hooks: no entry asks about run_shell_command
gemini|.hooks.BeforeTool[].matcher = "shell"|-    BeforeTool: .*found anywhere
cursor|.hooks.beforeShellExecution[].matcher = "rm"|-    beforeShellExecution: asks only where 'rm' is found; .*no wall
claude|.hooks.PreToolUse[].hooks[].command = "/nowhere/ciba-hook"|FAIL PreToolUse: /nowhere/ciba-hook: .*lets the tool run
claude|.hooks.PreToolUse[].hooks[].command = "bin/ciba-hook"|FAIL PreToolUse: bin/ciba-hook depends on where
claude|.hooks.PreToolUse[].hooks[].command = "ciba-hook"|-    PreToolUse: ciba-hook is looked for in the host's PATH.*write /
codex|.hooks.PreToolUse[].hooks[].command OR= . + " OROR true"|FAIL PreToolUse: the command is more than one simple command
codex|.hooks.PreToolUse[].hooks[].command OR= . + "; true"|FAIL PreToolUse: the command is more
codex|.hooks.PreToolUse[].hooks[].command OR= . + " & wait"|FAIL PreToolUse: the command is more
codex|.hooks.PreToolUse[].hooks[].command OR= . + "\n"|FAIL PreToolUse: the command is more
codex|.hooks.PreToolUse[].hooks[].command OR= "cat OR " + .|FAIL PreToolUse: the command is more
codex|.hooks.PreToolUse[].hooks[].command = "\"$HOME\"/bin/ciba-hook"|FAIL PreToolUse: the command is more
codex|.hooks.PreToolUse[].hooks[].command OR= "timeout 5 " + .|FAIL PreToolUse: timeout starts ciba-hook
codex|.hooks.PreToolUse[].hooks[].command OR= "sh -c '" + . + "'"|FAIL PreToolUse: sh starts ciba-hook
codex|.hooks.PreToolUse[].hooks[].command OR= "A='b c' exec " + .|ok   PreToolUse
codex|.hooks.PreToolUse[].hooks[].command OR= . + " --help"|FAIL PreToolUse: it prints something and ends with 0
codex|.hooks.PreToolUse[].hooks[].command OR= . + " -vh"|FAIL PreToolUse: it prints something
codex|.hooks.PreToolUse[].hooks[].command OR= . + " --version"|FAIL PreToolUse: it prints something
codex|.hooks.PreToolUse[].hooks[].command OR= . + " --bogus=53cret"|FAIL PreToolUse: unknown option --bogus: ciba-hook will always say no
codex|.hooks.PreToolUse[].hooks[].command OR= . + " --only"|FAIL PreToolUse: --only needs an argument
codex|.hooks.PreToolUse[].hooks[].command OR= . + " --deadline=soon"|FAIL PreToolUse: --deadline: 'soon'
codex|.hooks.PreToolUse[].hooks[].command OR= . + " -d"|FAIL PreToolUse: --details needs
codex|.hooks.PreToolUse[].hooks[].command OR= . + " operand"|FAIL PreToolUse: unknown operand
codex|.hooks.PreToolUse[].hooks[].command OR= . + " --host claude"|FAIL PreToolUse: .*
claude|.hooks.PreToolUse[].hooks[].args += ["--defer"]|FAIL PreToolUse: --defer needs --journal-dir
claude|.hooks.PreToolUse[].hooks[].args += ["--defer", "--journal-dir", "x"]|-    PreToolUse: --defer is no refusal
claude|.hooks.PreToolUse[].hooks[].args += [7]|FAIL PreToolUse: an argument is no text
END
}

@test "ciba-doctor and ciba-hook take the same options" {
  for options in --bogus --only '--only=x' '-m' '-mx' '-vm x' '-v -v' '--deadline x' '--deadline=5' '--expiry 0' '--expiry 5' '-Z' '-' '--' '-- x' 'x' '--defer' '--verbose=1' '--any-message --signed'; do
    # shellcheck disable=SC2086 # words
    jq -n '{hooks: {PreToolUse: [{hooks: [{type: "command", command: $path, args: $ARGS.positional, timeout: 1000, onFailure: "block"}]}]}}' \
      --arg path "$(command -v ciba-hook)" --args -- $options > settings.json
    said=yes
    ciba-doctor --hook-file settings.json > verdicts || said=no
    # shellcheck disable=SC2086 # words
    run --separate-stderr ciba-hook $options < /dev/null
    took=yes
    [[ $stderr != *--help* ]] || took=no
    [ "$said" == "$took" ] || { echo "$options: $said, $took"; cat verdicts; return 1; }
  done
}

@test "a file that others can change, that is no JSON or not there, is told" {
  hook_settings claude
  for mode in 620 602; do
    chmod $mode settings.json
    run ciba-doctor --hook-file settings.json
    [ "$status" -eq 78 ]
    [[ $output == *"FAIL rights: others than this user can change settings.json"* ]]
  done
  mkdir -m 777 open
  chmod 777 open
  (umask 077 && cp printed open/settings.json)
  run ciba-doctor --hook-file open/settings.json
  [ "$status" -eq 78 ]
  [[ $output == *"FAIL rights: others than this user can change its folder open"* ]]
  cp "$(command -v ciba-hook)" ciba-hook
  chmod 777 ciba-hook
  hook_settings claude ".hooks.PreToolUse[].hooks[].command = \"$PWD/ciba-hook\""
  run ciba-doctor --hook-file settings.json
  [ "$status" -eq 78 ]
  [[ $output == *"FAIL PreToolUse: others than this user can change $PWD/ciba-hook"* ]]
  for text in '' '{' '{"hooks":{},"hooks":{}}' '{} {}' 'hooks = true' '// x'; do
    printf %s "$text" > settings.json
    run ciba-doctor --hook-file settings.json
    echo "$text: $output"
    [ "$status" -eq 78 ]
    [[ $output == *"FAIL file: settings.json: "*"the host cannot read it"* ]]
  done
  exits 66 ciba-doctor --hook-file none
  head -c 3000000 /dev/zero | tr '\0' ' ' > settings.json
  exits 66 ciba-doctor --hook-file settings.json
}
