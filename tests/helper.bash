# What the tests share. Each test has a directory of its own, is in it, and ends what it started.

# The setup of a file that has a setup of its own begins with this.
common_setup() {
  bats_require_minimum_version 1.5.0
  umask 077 # secrets that others can read are refused
  cd "$BATS_TEST_TMPDIR" || return 1
  watch_over
  unset CIBA_ISSUER CIBA_CLIENT_ID CIBA_CLIENT_SECRET CIBA_USER CIBA_SCOPE AUDIENCE
  unset AUTH0_DOMAIN AUTH0_CLIENT_ID AUTH0_CLIENT_SECRET CREDENTIALS_DIRECTORY
  unset APCA_API_BASE_URL APCA_API_KEY_ID APCA_API_SECRET_KEY
  unset LLM_API ANTHROPIC_API_KEY ANTHROPIC_BASE_URL ANTHROPIC_MODEL
  unset OPENAI_API_KEY OPENAI_BASE_URL OPENAI_MODEL STOCK_API_URL SSL_CERT_FILE SSL_CERT_DIR
  unset CIBA_SPENT STATE_DIRECTORY
  export XDG_STATE_HOME=$BATS_TEST_TMPDIR/state
  started=()
}

# Ends the test, as failed, when it has taken TEST_LIMIT seconds; and, with it or after it, all that still runs
# in its directory. BATS_TEST_TIMEOUT ends the children of the test alone: a grandchild that has its output open
# keeps it, or bats, waiting without an end.
watch_over() {
  local limit=${TEST_LIMIT:-300} ended=0
  (
    cd /
    timeout "$limit" tail --pid=$$ -s 0.5 -f /dev/null || ended=$?
    if [ "$ended" -eq 124 ]; then
      echo "it took longer than $limit s"
      kill -TERM $$
      end_all_here
      timeout 10 tail --pid=$$ -s 0.5 -f /dev/null || kill -KILL $$
    fi
    case $ended in 0 | 124) end_all_here ;; esac # and not where tail is another
  ) 2> /dev/null 3>&- 4>&- &
}

# Kills what has its working directory here, in the directory of the test, but not the test itself.
end_all_here() {
  local i left
  for ((i = 0; i < 50; i++)); do
    left=$(find /proc/[0-9]*/cwd -maxdepth 0 \( -lname "$BATS_TEST_TMPDIR" -o -lname "$BATS_TEST_TMPDIR/*" \) |
      grep -o '[0-9]*' | grep -vx $$) || break
    # shellcheck disable=SC2086 # numbers
    kill -KILL $left
    sleep 0.1 # lint: until what was killed has gone, or has begun another
  done || true
}

setup() {
  common_setup
}

teardown() {
  local pid
  for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
}

project=${BATS_TEST_DIRNAME%/tests*}
every_command=(llm-chat ciba-authorize ciba-poll ciba-notify ciba-run ciba-doctor stock-buy tool-run jwt-verify dpop-proof agent-spool audit-verify ciba-sandbox)
# Of ciba-poll and the other filters, those that need no program or prompt.
filters=(llm-chat ciba-authorize ciba-poll stock-buy)

# A sandbox of this test's own, whose settings are exported: sandbox [OPTION...]
sandbox() {
  ciba-sandbox --log requests "$@" > exports || return 1
  # shellcheck source=/dev/null
  . ./exports
  started+=("$CIBA_SANDBOX_PID")
}

# A defect must fail a test, not hang it. In the background use `command ciba-poll`.
ciba-poll() {
  timeout 60 ciba-poll "$@"
}

# What make assurance counts: a case that must not become a yes: attack (in a test that ends with attacks)
attack() {
  attacks=$((${attacks:-0} + 1))
}

attacks() {
  echo "# $attacks attacks, none became a yes" >&3
}

# Settings that lead nowhere, for what must not ask anybody.
nowhere() {
  export CIBA_ISSUER=http://127.0.0.1:9/ CIBA_CLIENT_ID=c CIBA_CLIENT_SECRET=s CIBA_USER=u
  export OPENAI_BASE_URL=http://127.0.0.1:9/v1 STOCK_API_URL=http://127.0.0.1:9/stocks
}

# A server that misbehaves (see tests/helpers/raw-server.c); its address is in $raw: raw_server MODE FILE
raw_server() {
  local port
  coproc RAW { exec raw-server "$@" 2>/dev/null; }
  # shellcheck disable=SC2154 # coproc sets it
  started+=("$RAW_PID")
  read -r port <&"${RAW[0]}"
  raw=http://127.0.0.1:$port
}

# The sandbox is told what is on stdin, JSON: tell PATH
tell() {
  curl -sf -H 'Content-Type: application/json' --data-binary @- "$CIBA_SANDBOX_URL$1" > /dev/null
}

# The faults of the sandbox from now on, from stdin.
spoil() {
  tell faults
}

# The requests that reached a path of the sandbox, which must have a log: requests PATH [JQ]
requests() {
  jq -c --arg path "$1" "select(.path == \$path) | ${2:-.}" requests
}

# How many did.
count() {
  local paths
  paths=$(requests "$1" .path) || return 1
  printf '%s' "${paths:+$paths$'\n'}" | wc -l
}

orders() {
  curl -s "${CIBA_SANDBOX_URL}orders" | jq -c '[.[] | {ticker, qty}]'
}

# What the user does on his phone with the newest request: decide true|false
decide() {
  local id
  id=$(curl -s "${CIBA_SANDBOX_URL}phone/requests" | jq -r '.[0].id')
  tell phone/decide <<< "{\"id\":\"$id\",\"approve\":$1}"
}

# A document with a call to buy: a_call [TICKER] [QTY]
a_call() {
  printf '{"calls":[{"id":"call_1","name":"buy","arguments":{"ticker":"%s","qty":%s}}]}\n' \
    "${1:-GOOGL}" "${2:-3}"
}

# The same, approved by the sandbox's user.
an_approved_call() {
  a_call "$@" | ciba-authorize -m 'Buy \(.qty) \(.ticker)' | ciba-poll
}

# For the setup_file of tests that talk to software from npm: installs it, once, and puts its Node first.
# $peers_missing says why not.
peers_setup() {
  umask 077
  export peers_missing=""
  command -v node > /dev/null && command -v npm > /dev/null || peers_missing="node and npm are not installed"
  [ -z "$peers_missing" ] || return 0
  local peers=$BATS_TEST_DIRNAME/peers
  (
    flock 9
    [ ! -d "$peers/node_modules/openai" ] || exit 0
    timeout 600 npm ci --prefix "$peers" --no-audit --no-fund > "$BATS_FILE_TMPDIR/npm.log" 2>&1 || {
      cat "$BATS_FILE_TMPDIR/npm.log"
      echo "npm could not install the peers; is the package registry reached?"
      exit 1
    }
  ) 9> "$peers/.lock" || return 1
  # The Node that oidc-provider asks for comes with it, where the system's is older.
  local modern=("$peers"/node_modules/node-linux-*/bin/node)
  [ ! -x "${modern[0]}" ] || PATH=${modern[0]%/node}:$PATH
}

# The command says no: bats itself does not look at `! command`, and where grep or cmp could not read a file that
# is no answer.
no() {
  exits 1 "$@"
}

# The command ends with that status: exits STATUS COMMAND [ARGUMENT...]
exits() {
  local ended=0
  "${@:2}" || ended=$?
  [ "$ended" -eq "$1" ] || { echo "status $ended, not $1: ${*:2}" >&2; return 1; }
}

# The file is there, and is empty; the folder is there, with no file in it or below.
empty() {
  local files
  if [ -d "$1" ]; then
    files=$(find "$1" ! -type d) || return 1
    [ -z "$files" ]
  else
    [ -e "$1" ] || return 1
    [ ! -s "$1" ] # lint: it is there
  fi
}

# Awaits a condition, a minute at most, however long each look at it takes.
await() {
  local end=$((SECONDS + 60))
  while ((SECONDS < end)); do
    "$@" && return 0
    read -rt 0.02 <> <(:) || true
  done
  return 1
}

# The standard output of the last `run` satisfies the jq expression.
holds() {
  # shellcheck disable=SC2154 # set by run
  jq -e "$1" <<< "$output" > /dev/null || { echo "not so: $1"; echo "$output"; return 1; }
}

# For tests that sign tokens themselves: a key that stands as the issuer's only one, $jwks, and signed_by.
base64url() {
  base64 -w0 | tr '+/' '-_' | tr -d =
}

# signing_key FILE [BITS]: makes it; $jwks becomes the set of it alone, with the kid `k`
signing_key() {
  openssl genrsa -out "$1" "${2:-2048}" 2> /dev/null
  jwks="{keys:[{kty:\"RSA\",kid:\"k\",n:\"$(openssl rsa -in "$1" -noout -modulus | cut -d= -f2 | basenc -d --base16 | base64url)\",e:\"AQAB\"}]}"
}

# signed KEY CLAIMS [HEADER]: a JWT
signed() {
  local header=${3:-} input
  [ -n "$header" ] || header='{"alg":"RS256","kid":"k"}'
  input=$(printf %s "$header" | base64url).$(printf %s "$2" | base64url)
  printf '%s.%s' "$input" "$(printf %s "$input" | openssl dgst -sha256 -sign "$1" -binary | base64url)"
}

# The claims of an ID token for the sandbox's client and user: id_claims [JQ]
id_claims() {
  jq -nc "{iss:env.CIBA_ISSUER,aud:\"sandbox-client\",sub:\"auth0|demo\",exp:(now+60|floor),iat:(now|floor)} ${1:-}"
}
