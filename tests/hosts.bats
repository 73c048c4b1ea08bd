# ciba-hook, and mcp-gate, in real coding agents, from npm, that talk to the sandbox's model: a tool runs after a yes,
# and only then.
# shellcheck source=helper.bash
load helper

# Codex and Gemini CLI are free software. Claude Code and Copilot CLI are under their makers' terms: HOSTS=all says
# that these shall be installed too.
setup_file() {
  local folder=$BATS_TEST_DIRNAME/peers/hosts last=@openai/codex omit=--omit=dev
  peers_setup || peers_missing="npm reaches no registry"
  [ -z "$peers_missing" ] || return 0
  if [ "${HOSTS:-}" == all ]; then
    last=@github/copilot
    omit=--include=dev
  fi
  npm_install "$folder" "$last" "$omit" --ignore-scripts || peers_missing="npm cannot install the hosts"
  export packages=$folder/node_modules
  folder=$BATS_TEST_DIRNAME/peers/mcp
  export filesystem=$folder/node_modules/@modelcontextprotocol/server-filesystem/dist/index.js
  npm_install "$folder" @modelcontextprotocol/server-filesystem --ignore-scripts || true
}

setup() {
  [ -z "$peers_missing" ] || skip "$peers_missing"
  command -v ciba-hook > /dev/null || skip "there is no ciba-hook"
  common_setup
  mkdir home work
  # Nothing outside is reached. In GitHub's actions Gemini CLI would take the secrets out of the environment.
  export HOME=$PWD/home HTTP_PROXY=http://127.0.0.1:9 HTTPS_PROXY=http://127.0.0.1:9 NO_PROXY=127.0.0.1 no_proxy=127.0.0.1
  claude_options=()
  unset GITHUB_SHA SURFACE http_proxy https_proxy all_proxy ALL_PROXY
}

# The test is skipped if the host is not installed: need HOST
need() {
  local program
  case $1 in
    claude) program=("$packages"/@anthropic-ai/claude-code-*/claude) ;;
    codex) program=("$packages"/@openai/codex/bin/codex.js) ;;
    copilot) program=("$packages"/@github/copilot/npm-loader.js) ;;
    gemini) program=("$packages"/@google/gemini-cli/bundle/gemini.js) ;;
  esac
  [ -e "${program[0]}" ] || skip "$1 is not installed; HOSTS=all installs it, under its maker's terms"
  host=$1
  host_program=${program[0]}
}

# Has the settings that ciba-hook prints where the host reads them: gate [OPTION...]
gate() {
  ciba-hook --print-config "$host" "$@" > printed
  put_settings
}

put_settings() {
  case $host in
    claude)
      mkdir -p work/.claude
      cp printed work/.claude/settings.json
      ;;
    codex)
      codex_settings
      cp printed home/.codex/hooks.json
      ;;
    copilot)
      mkdir -p home/.copilot/hooks
      cp printed home/.copilot/hooks/ciba.json
      ;;
    gemini) gemini_settings printed ;;
  esac
}

codex_settings() {
  mkdir -p home/.codex
  cat > home/.codex/config.toml <<END
model = "sandbox-model"
model_provider = "sandbox"
check_for_update_on_startup = false
[analytics]
enabled = false
[model_providers.sandbox]
name = "sandbox"
base_url = "$OPENAI_BASE_URL"
env_key = "OPENAI_API_KEY"
wire_api = "responses"
END
}

# With what is in the file.
gemini_settings() {
  mkdir -p home/.gemini
  jq '. + {security: {folderTrust: {enabled: false}, auth: {selectedType: "gemini-api-key"}},
    privacy: {usageStatisticsEnabled: false}, general: {enableAutoUpdate: false}}' "$1" > home/.gemini/settings.json
}

# The host has server-filesystem, for the folder `work`, behind mcp-gate, which gates write_file. It gives the gate an
# environment of a few variables, so the settings come from a file.
gate_server() {
  (umask 077; sed "s/^\\([A-Z_]*\\)='\\(.*\\)'; export.*/\\1=\\2/" exports | grep '^\(CIBA_[CIUS]\|AUDIENCE\)' > settings)
  jq -nc '{command: $command, args: $ARGS.positional}' --arg command "$(command -v mcp-gate)" --args -- \
    --tool write_file -m 'Write a file' -e "$PWD/settings" -- "$(command -v node)" "$filesystem" "$PWD/work" > server
  case $host in
    claude)
      jq '{mcpServers: {files: .}}' server > claude.json
      claude_options=(--mcp-config "$PWD/claude.json" --strict-mcp-config)
      ;;
    codex)
      codex_settings
      jq -r '"[mcp_servers.files]\ncommand = \(.command | @json)\nargs = \(.args | @json)\nrequired = true"' server >> home/.codex/config.toml
      ;;
    copilot)
      mkdir -p home/.copilot
      jq '{mcpServers: {files: (. + {type: "local", tools: ["*"]})}}' server > home/.copilot/mcp-config.json
      ;;
    gemini)
      jq '{mcpServers: {files: (. + {trust: true})}}' server > gemini.json
      gemini_settings gemini.json
      ;;
  esac
}

# Has the host write the file `marker` with the server's tool.
ask_server() {
  local call
  call=$(jq -nc --arg path "$PWD/work/marker" '{path: $path, content: "here"}')
  case $host in
    claude) prompt "call mcp__files__write_file $call" mcp__files__write_file ;;
    codex) prompt "call write_file $call" ;;
    copilot) prompt "call files-write_file $call" ;;
    gemini) prompt "call mcp_files_write_file $call" ;;
  esac
}

# A call of an MCP server, after a yes and after a no: served_after_a_yes HOST
served_after_a_yes() {
  need "$1"
  command -v mcp-gate > /dev/null || skip "there is no mcp-gate"
  [ -e "$filesystem" ] || skip "npm cannot install the MCP server"
  sandbox --delay 0 --interval 1
  gate_server
  ask_server
  told
  [ "$(cat work/marker)" == here ]
  [ "$(count /bc-authorize)" == 1 ]
  kill "$CIBA_SANDBOX_PID"
  sandbox --approve no --delay 0 --interval 1
  gate_server
  ask_server
  told
  grep -i "denied\|did not approve\|said no" said
  refused 2
}

# Has the host call its shell with `touch marker`.
ask_host() {
  local call='{"command":"touch marker","description":"Marks"}'
  case $host in
    claude) prompt "call Bash $call" Bash ;;
    codex) prompt 'call exec_command {"cmd":"touch marker"}' --dangerously-bypass-hook-trust ;;
    copilot) prompt "call bash $call" ;;
    gemini) prompt "call run_shell_command $call" ;;
  esac
}

# Gives the host that prompt; what it says goes to the file `said`. It allows the tools itself, Claude Code the one
# that is named: prompt TEXT [TOOL | OPTION...]
prompt() {
  local text=$1
  shift
  rm -f work/marker
  cd work || return 1
  case $host in
    claude)
      ANTHROPIC_BASE_URL=${CIBA_SANDBOX_URL%/} ANTHROPIC_API_KEY=$OPENAI_API_KEY CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 \
        timeout 250 "$host_program" -p "$text" "${claude_options[@]}" --allowedTools "$@"
      ;;
    codex)
      timeout 250 node "$host_program" exec --skip-git-repo-check "$@" --sandbox danger-full-access "$text"
      ;;
    copilot)
      COPILOT_OFFLINE=true COPILOT_PROVIDER_BASE_URL=$OPENAI_BASE_URL COPILOT_PROVIDER_API_KEY=$OPENAI_API_KEY \
        COPILOT_MODEL=$OPENAI_MODEL timeout 250 node "$host_program" --allow-all-tools -p "$text"
      ;;
    gemini)
      GEMINI_API_KEY=$OPENAI_API_KEY GOOGLE_GEMINI_BASE_URL=${CIBA_SANDBOX_URL%/} \
        timeout 250 node "$host_program" --yolo -m gemini-2.5-flash -p "$text"
      ;;
  esac < /dev/null > ../said 2> ../errors || { cat ../said ../errors; return 1; }
  cd ..
}

# The host has told the model what came of the call, and the model has said it.
told() {
  grep 'The tool says' said || { cat errors; return 1; }
}

ran() {
  [ -e work/marker ]
}

# The tool has not run, and the user was asked that many times in all: refused TIMES
refused() {
  no ran
  [ "$(count /bc-authorize)" == "$1" ]
}

asked() {
  [ "$(count /bc-authorize)" -gt 0 ]
}

# Kills the hook and the shell that it may be in, as the host's descendants, who starts another before whom it starts:
# a hook that outlives the process that asks would still say no. kill_hook PID-OF-HOST
kill_hook() {
  local pids
  pids=$(ps -eo pid=,ppid=,args= | awk -v host="$1" '
    { parent[$1] = $2; hook[$1] = /ciba-hook/ && !/print-config/ }
    END {
      for (pid in parent) {
        depth = 0
        for (up = pid; up in parent && up != host; up = parent[up]) depth++
        if (up == host && hook[pid]) print depth, pid
      }
    }' | sort -n | cut -d ' ' -f 2) || return 1
  [ -n "$pids" ] || return 1
  # shellcheck disable=SC2086 # numbers
  kill -KILL $pids
}

# Yes, and then a no, an expiry and a provider that cannot be reached: only_after_a_yes HOST
only_after_a_yes() {
  need "$1"
  sandbox --delay 0 --interval 1
  gate
  ask_host
  told
  ran
  [ "$(count /bc-authorize)" == 1 ]
  CIBA_ISSUER=http://127.0.0.1:9/ ask_host
  told
  refused 1
  kill "$CIBA_SANDBOX_PID"
  sandbox --approve no --delay 0 --interval 1
  gate # the model is at another address
  ask_host
  told
  refused 2
  echo '[{"path":"/oauth/token","status":400,"times":9,"body":{"error":"expired_token"}}]' | spoil
  ask_host
  told
  refused 3
}

# ciba-hook's own deadline is a no, before the host's limit: not_after_the_deadline HOST
not_after_the_deadline() {
  need "$1"
  sandbox --approve never --interval 1
  gate --deadline 10
  ask_host
  refused 1
}

# What the host does if the hook is killed while it waits: kill_the_hook HOST
kill_the_hook() {
  need "$1"
  sandbox --approve never --interval 1
  gate
  ask_host 3>&- &
  local pid=$!
  started+=("$pid")
  await asked
  await kill_hook "$pid"
  wait "$pid"
}

# Each member of an event with its type.
members() {
  jq -c 'paths as $p | [$p, (getpath($p) | type)]' "$1" | sort
}

# tests/hooks has an event as the host sends it: recorded_right HOST EVENT
recorded_right() {
  need "$1"
  sandbox --approve never
  gate
  printf '#!/bin/sh\ncat > event\necho no >&2\nexit 2\n' > record
  chmod +x record
  # The first word of the command, or the whole program, becomes the recorder.
  sed -i -E "s#\"[^\" ]*ciba-hook(\"| )#\"$PWD/record\1#" printed
  grep -q "$PWD/record" printed
  put_settings
  ask_host
  diff <(members "$BATS_TEST_DIRNAME/hooks/$1-$2.json") <(members work/event)
}

@test "codex: a tool runs after a yes, not after a no, an expiry, or with a provider that is down" {
  only_after_a_yes codex
}

@test "gemini: a tool runs after a yes, not after a no, an expiry, or with a provider that is down" {
  only_after_a_yes gemini
}

@test "claude: a tool runs after a yes, not after a no, an expiry, or with a provider that is down" {
  only_after_a_yes claude
}

@test "copilot: a tool runs after a yes, not after a no, an expiry, or with a provider that is down" {
  only_after_a_yes copilot
}

@test "codex: a call of an MCP server behind mcp-gate is done after a yes, and not after a no" {
  served_after_a_yes codex
}

@test "gemini: a call of an MCP server behind mcp-gate is done after a yes, and not after a no" {
  served_after_a_yes gemini
}

@test "claude: a call of an MCP server behind mcp-gate is done after a yes, and not after a no" {
  served_after_a_yes claude
}

@test "copilot: a call of an MCP server behind mcp-gate is done after a yes, and not after a no" {
  served_after_a_yes copilot
}

@test "codex: a tool does not run after the hook's own deadline" {
  not_after_the_deadline codex
}

@test "gemini: a tool does not run after the hook's own deadline" {
  not_after_the_deadline gemini
}

@test "claude: a tool does not run after the hook's own deadline" {
  not_after_the_deadline claude
}

@test "copilot: a tool does not run after the hook's own deadline" {
  not_after_the_deadline copilot
}

@test "claude: a tool does not run if the hook is killed" {
  kill_the_hook claude
  refused 1
}

@test "copilot: a tool does not run if the hook is killed" {
  kill_the_hook copilot
  refused 1
}

# --permission-prompt-tool takes the place of the prompt that nobody would see, so Bash is not allowed before.
@test "claude: with mcp-gate --permission-prompt a tool runs after a yes, and only then" {
  local answer
  need claude
  jq -n --arg gate "$(command -v mcp-gate)" \
    '{mcpServers: {phone: {command: $gate, args: ["--permission-prompt"]}}}' > mcp.json
  for answer in yes no; do
    sandbox --approve "$answer" --interval 1
    (
      cd work
      ANTHROPIC_BASE_URL=${CIBA_SANDBOX_URL%/} ANTHROPIC_API_KEY=$OPENAI_API_KEY MCP_TIMEOUT=60000 \
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 timeout 120 "$host_program" --mcp-config ../mcp.json \
        --permission-prompt-tool mcp__phone__approve -p 'call Bash {"command":"touch marker","description":"Marks"}' \
        < /dev/null > ../said 2> ../errors
    )
    if [ "$answer" == yes ]; then
      ran
      rm work/marker
    else
      no ran
      grep -q 'the user said no' said
    fi
  done
}

@test "codex: the recorded event is as it sends it" {
  recorded_right codex PreToolUse
}

@test "gemini: the recorded event is as it sends it" {
  recorded_right gemini BeforeTool
}

@test "claude: the recorded event is as it sends it" {
  recorded_right claude PreToolUse
}

@test "copilot: the recorded event is as it sends it" {
  recorded_right copilot preToolUse
}

# These two have no switch for it (see ciba-hook(1)). If one of these tests fails, the host has become better.
@test "what codex does, not ciba-hook: it runs the tool if the hook is killed" {
  kill_the_hook codex
  ran
}

@test "what gemini does, not ciba-hook: it runs the tool if the hook is killed" {
  kill_the_hook gemini
  ran
}
