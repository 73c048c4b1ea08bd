# What the tests share. Each test runs in a directory of its own, and its processes are ended with it.

# A test file with its own setup calls this first.
common_setup() {
  bats_require_minimum_version 1.5.0
  umask 077 # secrets that others can read are refused
  cd "$BATS_TEST_TMPDIR" || return 1
  watch_over
  # shellcheck disable=SC2046 # names
  unset $(settings 'PLAIN|SECRET|PRIVATE') # a developer's own
  export XDG_STATE_HOME=$BATS_TEST_TMPDIR/state
  started=()
}

# The names in the commands' table of settings: settings KINDS
settings() {
  sed -nE "s/^ *\{\"([A-Z0-9_]+)\", ($1),.*/\1/p" "${BASH_SOURCE[0]%/*}/../lib/system/settings.c"
}

# Ends the test, as failed, after TEST_LIMIT seconds; and, with it or after it, all processes still running
# in its directory. BATS_TEST_TIMEOUT ends only the children of the test: a grandchild that has its output open
# would keep it, or bats, waiting forever.
watch_over() {
  local limit=${TEST_LIMIT:-900} ended=0
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

# Kills the processes whose working directory is here, in the test's directory, but not the test itself.
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

# The number of one that has ended may be another's by now.
teardown() {
  local pid folder
  for pid in "${started[@]}"; do
    folder=$(readlink "/proc/$pid/cwd" 2> /dev/null) || true
    case $folder in "" | "$BATS_TEST_TMPDIR" | "$BATS_TEST_TMPDIR"/*) kill "$pid" 2> /dev/null || true ;; esac
  done
}

project=${BATS_TEST_DIRNAME%/tests*}
every_command=("$project"/cmd/*.c)
every_command=("${every_command[@]##*/}")
every_command=("${every_command[@]%.c}")
# ciba-poll and the other filters, those that need no program or prompt.
filters=(llm-chat ciba-authorize ciba-poll stock-buy)

# A sandbox of this test's own, whose settings are exported: sandbox [OPTION...]
sandbox() {
  ciba-sandbox --log-file requests "$@" > exports || return 1
  # shellcheck source=/dev/null
  . ./exports
  started+=("$CIBA_SANDBOX_PID")
}

# A bug must fail a test, not hang it. In the background use `command ciba-poll`.
ciba-poll() {
  timeout 200 ciba-poll "$@"
}

# What make assurance counts: a case that must not become an approval: attack (in a test that ends with attacks)
attack() {
  attacks=$((${attacks:-0} + 1))
}

attacks() {
  echo "# $attacks attacks, none became a yes" >&3
}

# Settings that lead nowhere, for commands that must not send requests.
nowhere() {
  export CIBA_ISSUER=http://127.0.0.1:9/ CIBA_CLIENT_ID=c CIBA_CLIENT_SECRET=s CIBA_USER=u
  export OPENAI_BASE_URL=http://127.0.0.1:9/v1 OPENAI_MODEL=m STOCK_API_URL=http://127.0.0.1:9/stocks
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

# The shell commands of a step in YAML: the lines after KEY, and after AFTER, without their indentation: step_of FILE KEY [AFTER]
step_of() {
  awk -v key="$2" -v after="${3:-}" 'found && /^ *(- )?[a-z_-]+:/ {exit} found {print}
    after != "" && index($0, after) {after = ""} after == "" && index($0, key) {found = 1}' "$1" | sed 's/^ *\(- \)\?//'
}

# Sends JSON from stdin to the sandbox: tell PATH
tell() {
  curl -sf -H 'Content-Type: application/json' --data-binary @- "$CIBA_SANDBOX_URL$1" > /dev/null
}

# Sets the sandbox's faults, from stdin.
spoil() {
  tell faults
}

# Sets the sandbox's metadata, with these members changed: offer JQ
offer() {
  [ -e metadata ] || curl -sf "${CIBA_SANDBOX_URL}.well-known/openid-configuration" > metadata || return 1
  jq "[{path:\"/.well-known/openid-configuration\",times:1000,body:(. + $1)}]" metadata | spoil
}

# A part of each compact JWS on stdin, 0 the header, 1 the payload: part NUMBER
part() {
  jq -Rr "split(\".\")[$1] | gsub(\"-\";\"+\") | gsub(\"_\";\"/\") | @base64d"
}

# The requests to a path of the sandbox, which must have a log: requests PATH [JQ]
requests() {
  jq -c --arg path "$1" "select(.path == \$path) | ${2:-.}" requests
}

# The number of requests. What is awaited counts them again and again, and jq takes ten times as long as grep.
count() {
  grep -c "^{\"at\":[0-9.]*,\"method\":\"[A-Z]*\",\"path\":\"$1\"" requests || [ -e requests ]
}

orders() {
  curl -s "${CIBA_SANDBOX_URL}orders" | jq -c '[.[] | {ticker, qty}]'
}

# The user's decision on the phone, on the newest request: decide true|false
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

# For the setup_file of tests with software from npm: installs it, once, and puts its Node first.
# $peers_missing says why it cannot.
peers_setup() {
  umask 077
  export peers_missing=""
  command -v node > /dev/null && command -v npm > /dev/null || peers_missing="node and npm are not installed"
  [ -z "$peers_missing" ] || return 0
  local peers=$BATS_TEST_DIRNAME/peers
  npm_install "$peers" @google/genai || return 1
  # oidc-provider's package brings the Node that it needs, if the system's is older.
  local modern=("$peers"/node_modules/node-linux-*/bin/node)
  [ ! -x "${modern[0]}" ] || PATH=${modern[0]%/node}:$PATH
}

# What the folder's package-lock.json says, unless that package of it is there: npm_install FOLDER PACKAGE [OPTION...]
npm_install() {
  (
    flock 9
    [ ! -d "$1/node_modules/$2" ] || exit 0
    timeout 600 npm ci --prefix "$1" --no-audit --no-fund "${@:3}" > "$BATS_FILE_TMPDIR/npm.log" 2>&1 || {
      cat "$BATS_FILE_TMPDIR/npm.log"
      echo "npm could not install ${1##*/}; is the package registry reached?"
      exit 1
    }
  ) 9> "$1/.lock"
}

# What requirements.txt says, in a virtual environment, once: python_install FOLDER
python_install() {
  (
    flock 9
    [ ! -e "$1/venv/complete" ] || exit 0
    rm -rf "$1/venv"
    timeout 300 python3 -m venv "$1/venv" || exit 1
    timeout 300 "$1/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
      -r "$1/requirements.txt" || exit 1
    touch "$1/venv/complete"
  ) > "$BATS_FILE_TMPDIR/pip.log" 2>&1 9> "$1/.lock"
}

# The run's CA, ca.pem: authority
authority() {
  openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 3 -subj "/CN=Run CA" 2> /dev/null
}

# A certificate of the run's CA: certificate NAME SUBJECT-ALTERNATIVE-NAME
certificate() {
  openssl req -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.csr" -subj "/CN=$1" 2> /dev/null
  openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -out "$1.pem" -days 3 \
    -extfile <(echo "subjectAltName=$2") 2> /dev/null
}

# The command fails: bats ignores the status of `! command`, and for grep and cmp an unreadable file is an error,
# not a failed match.
no() {
  exits 1 "$@"
}

# The command ends with that status: exits STATUS COMMAND [ARGUMENT...]
exits() {
  local ended=0
  "${@:2}" || ended=$?
  [ "$ended" -eq "$1" ] || { echo "status $ended, not $1: ${*:2}" >&2; return 1; }
}

# The file exists and is empty; the folder exists, with no file in it or below.
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

# The command with so many seconds of a processor at most, which nothing else on the machine changes:
# processor SECONDS COMMAND [ARGUMENT...]
processor() {
  (
    ulimit -t "$1"
    command "${@:2}"
  )
}

# Waits for a condition, at most three minutes, however long each check takes.
await() {
  local end=$((SECONDS + 180))
  while ((SECONDS < end)); do
    "$@" && return 0
    read -rt 0.05 <> <(:) || true
  done
  return 1
}

# The process has ended, also where nobody has taken its status yet: init may do that seconds later. gone PID
gone() {
  local state
  state=$(sed -n 's/^State:[[:space:]]*//p' "/proc/$1/status" 2> /dev/null) || true
  [[ $state == "" || $state == [ZX]* ]]
}

# The standard output of the last `run` satisfies the jq expression.
holds() {
  # shellcheck disable=SC2154 # set by run
  jq -e "$1" <<< "$output" > /dev/null || { echo "not so: $1"; echo "$output"; return 1; }
}

# For tests that sign tokens themselves: the issuer's only key, $jwks, and signed_by.
base64url() {
  base64 -w0 | tr '+/' '-_' | tr -d =
}

# signing_key FILE [BITS]: creates it; $jwks becomes the set with this key only, with the kid `k`
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
  jq -nc "{iss:env.CIBA_ISSUER,aud:\"sandbox-client\",sub:\"auth0|demo\",exp:(now+900|floor),iat:(now|floor)} ${1:-}"
}
