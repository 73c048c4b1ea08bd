# shellcheck source=helper.bash
load helper

build=$(dirname "$(type -P ciba-poll)")

setup() {
  common_setup
  [ "$(uname)" = Linux ] || skip "rights are given up on Linux"
  # Sanitizers need more than a confined process has.
  [ -z "${ASAN_OPTIONS:-}${UNCONFINED:-}" ] || skip "this build gives up no rights"
  mkdir elsewhere
  echo data > elsewhere/file
  export FORBIDDEN_FILE=elsewhere/file FORBIDDEN_FOLDER=elsewhere
}

# The command, with code in it that tries what is forbidden: taken_over COMMAND [ARGUMENT...]
taken_over() {
  LD_PRELOAD=$build/tests/forbidden.so command "$@" 2> tried
}

# That code was refused everything, files too where the kernel has Landlock: powerless [BUT...]
powerless() {
  local but could
  could=$(sed -n 's/^done //p' tried)
  [ "$(landlock-abi)" -ge 2 ] || could=$(sed '/-file$/d' <<< "$could")
  for but in "$@"; do could=$(sed "/^$but\$/d" <<< "$could"); done
  cat tried
  [ "$(grep -cE '^(done|refused) ' tried)" -eq 12 ]
  [ -z "$could" ]
}

@test "a command that was taken over can do nothing but its work" {
  sandbox --approve yes --delay 0
  stock-buy --describe > buy.json
  taken_over llm-chat -n -t buy.json 'Buy 3 stocks of Google' > asked
  powerless
  taken_over ciba-authorize -m Buy < asked > pending
  powerless
  taken_over ciba-poll < pending > approved
  powerless
  taken_over stock-buy < approved > bought
  powerless
  jq -e '.calls[0].result.status == 200' bought
  jq -r '.calls[0].token.access_token' approved > token
  taken_over jwt-verify -q -a "$AUDIENCE" < token
  powerless
  taken_over ciba-doctor > /dev/null
  powerless
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem 2> /dev/null
  taken_over dpop-proof --key key.pem GET https://api.example/ > /dev/null
  powerless
}

@test "with files to keep, it can write where they are, and nowhere else" {
  sandbox --approve yes --delay 0
  mkdir kept spool
  a_call | taken_over ciba-authorize -m Buy --journal kept/journal --audit kept/audit > pending
  powerless
  taken_over ciba-poll --spool spool --audit kept/audit < pending > /dev/null
  powerless
  taken_over audit-verify kept/audit
  powerless
  echo '{}' | REQUEST_METHOD=POST taken_over ciba-notify --spool spool > /dev/null || true
  powerless
  # The file is within reach where the folder is that of the audit log: only chmod and the like are refused.
  a_call | taken_over ciba-authorize -m Buy --audit elsewhere/audit > /dev/null
  powerless read-file write-file make-file remove-file
  grep -qx 'done make-file' tried
}

@test "what runs programs can run those of its command line, and nothing else" {
  sandbox --approve yes --delay 0
  mkdir kept
  a_call | taken_over tool-run --without-approval --name buy --journal kept/journal -- env -u LD_PRELOAD cat > ran
  powerless
  jq -e '.calls[0].result.content == {ticker: "GOOGL", qty: 3}' ran
  a_call | taken_over tool-run -j 2 --without-approval --name buy -- env -u LD_PRELOAD cat > ran
  powerless
  jq -e '.calls[0].result.content.qty == 3' ran
  a_call | taken_over agent-spool add spool
  powerless
  taken_over agent-spool run spool -- env -u LD_PRELOAD tool-run --without-approval --name buy -- cat
  powerless
  jq -e '.calls[0].result.content.qty == 3' spool/done/*
  taken_over agent-spool list spool
  powerless
  # It is the asking that is taken over: the command itself may do what it likes.
  taken_over ciba-run -m Run -- env -u LD_PRELOAD sh -c 'echo ran > file'
  powerless
  [ "$(cat file)" = ran ]
}

@test "with -j its copies can do no more than itself" {
  sandbox --approve yes --delay 0
  { a_call; a_call AAPL 2; } | taken_over ciba-authorize -j 2 -m Buy > pending
  powerless
  [ "$(jq -s 'map(.calls[0].authorization.status) | unique[]' pending)" = '"pending"' ]
}

@test "--no-sandbox gives up nothing" {
  sandbox
  a_call | taken_over ciba-authorize --no-sandbox -m Buy > /dev/null
  cat tried
  [ "$(grep -c '^done' tried)" -eq 12 ]
}

@test "a command that waits takes no new privileges and has its filter" {
  sandbox --approve never
  a_call | ciba-authorize -m Buy > pending
  command ciba-poll < pending > /dev/null &
  pid=$!
  started+=("$pid")
  await grep -q '^Seccomp:.*2' "/proc/$pid/status"
  grep -q '^NoNewPrivs:.*1' "/proc/$pid/status"
}

@test "where the kernel has neither Landlock nor seccomp, the work is done" {
  sandbox --approve yes --delay 0
  a_call | LD_PRELOAD=$build/tests/old_kernel.so ciba-authorize -m Buy > pending
  LD_PRELOAD=$build/tests/old_kernel.so run --separate-stderr command ciba-poll < pending
  [ "$status" -eq 0 ]
  holds '.calls[0].authorization.status == "approved"'
}

@test "a secret is in locked memory alone, and a token in none when its document has gone" {
  [ "$(id -u)" -eq 0 ] || skip "only root can look into the memory"
  [[ $(ldd --version 2> /dev/null) == *GLIBC* || $(ldd --version) == *GNU* ]] || skip "not glibc"
  openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 30 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost 2> /dev/null
  sandbox --approve yes --delay 0 --cert cert.pem --key key.pem
  export SSL_CERT_FILE=cert.pem
  a_call | ciba-authorize -m Buy > pending
  mkfifo in
  command ciba-poll < in > out &
  pid=$!
  started+=("$pid")
  exec 9> in
  cat pending >&9
  await grep -q access_token out
  token=$(jq -r '.calls[0].token.access_token' out)
  memory-search "$pid" "$CIBA_CLIENT_SECRET" "${token:100:60}" > found
  cat found
  grep -q "^$CIBA_CLIENT_SECRET: [1-9][0-9]* locked, 0 elsewhere" found
  grep -q ': 0 locked, 0 elsewhere' found
  grep -qaz '^CIBA_CLIENT_SECRET=$' "/proc/$pid/environ"
  # It is really looked for: the name of the variable is found.
  [[ $(memory-search "$pid" CIBA_CLIENT_SECRET=) == *" locked, "[1-9]*" elsewhere" ]]
  exec 9>&-
  wait "$pid"
}
