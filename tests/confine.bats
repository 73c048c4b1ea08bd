# shellcheck source=helper.bash
load helper

build=$(dirname "$(type -P ciba-poll)")

setup() {
  common_setup
  [ "$(uname)" = Linux ] || skip "rights are given up on Linux"
  # Sanitizers need more rights than a confined process has.
  [ -z "${ASAN_OPTIONS:-}${UNCONFINED:-}" ] || skip "this build gives up no rights"
  mkdir elsewhere
  echo data > elsewhere/file
  export FORBIDDEN_FILE=elsewhere/file FORBIDDEN_FOLDER=elsewhere
}

# The command, with code in it that tries what is forbidden: taken_over COMMAND [ARGUMENT...]
taken_over() {
  LD_PRELOAD=$build/tests/forbidden.so command "$@" 2> tried
}

# That code was refused everything, also files if the kernel has Landlock: powerless [BUT...]
powerless() {
  local but could
  could=$(sed -n 's/^done //p' tried)
  [ "${LANDLOCK_ABI:-$(landlock-abi)}" -ge 2 ] || could=$(sed '/-file$/d' <<< "$could")
  for but in "$@"; do could=$(sed "/^$but\$/d" <<< "$could"); done
  cat tried
  [ "$(grep -cE '^(done|refused) ' tried)" -eq 20 ]
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
  taken_over dpop-proof --dpop-key-file key.pem GET https://api.example/ > /dev/null
  powerless
}

@test "with files to keep, it can write where they are, and nowhere else" {
  sandbox --approve yes --delay 0
  mkdir kept spool
  a_call | taken_over ciba-authorize -m Buy --journal-file kept/journal --audit-file kept/audit > pending
  powerless
  taken_over ciba-poll --notification-dir spool --audit-file kept/audit < pending > /dev/null
  powerless
  taken_over audit-verify kept/audit
  powerless
  taken_over audit-report kept/audit > /dev/null
  powerless
  echo '{}' | REQUEST_METHOD=POST taken_over ciba-notify --notification-dir spool > /dev/null || true
  powerless
  export CIBA_CHANNEL_URL=https://phone.example/ CIBA_CHANNEL_SECRET=the-secret-of-keycloak
  signing_key realm
  jq -nc "[{path:\"/jwks\",times:9,body:$jwks}]" | spoil
  token=$(signed realm "$(jq -nc '{exp:(now+300|floor),iss:env.CIBA_ISSUER,aud:env.CIBA_ISSUER,azp:"agent",jti:"one",typ:"Bearer"}')")
  echo '{"login_hint":"alice"}' | REQUEST_METHOD=POST PATH_INFO=/request/$CIBA_CHANNEL_SECRET CONTENT_TYPE=application/json \
    HTTP_AUTHORIZATION="Bearer $token" taken_over ciba-channel --channel-dir spool --audit-file kept/audit > answered
  powerless
  grep -q '^Status: 201 ' answered
  echo '[]' | spoil
  # The file is accessible if it is in the audit log's folder: only chmod and the like are refused.
  a_call | taken_over ciba-authorize -m Buy --audit-file elsewhere/audit > /dev/null
  powerless read-file write-file make-file remove-file
  grep -qx 'done make-file' tried
}

@test "what runs programs can run those of its command line, and nothing else" {
  sandbox --approve yes --delay 0
  mkdir kept
  a_call | taken_over tool-run --without-approval --tool buy --journal-file kept/journal -- env -u LD_PRELOAD cat > ran
  powerless
  jq -e '.calls[0].result.content == {ticker: "GOOGL", qty: 3}' ran
  a_call | taken_over tool-run -j 2 --without-approval --tool buy -- env -u LD_PRELOAD cat > ran
  powerless
  jq -e '.calls[0].result.content.qty == 3' ran
  a_call | taken_over agent-spool add spool
  powerless
  taken_over agent-spool run spool -- env -u LD_PRELOAD tool-run --without-approval --tool buy -- cat
  powerless
  jq -e '.calls[0].result.content.qty == 3' spool/done/*
  taken_over agent-spool list spool
  powerless
  # The asking process is taken over: the command itself may do anything.
  taken_over ciba-run -m Run -- env -u LD_PRELOAD sh -c 'echo ran > file'
  powerless
  [ "$(cat file)" = ran ]
}

@test "the gate in front of an MCP server can do nothing but pass lines, and what asks for it nothing but ask" {
  sandbox --approve yes --delay 0
  mkfifo to
  taken_over mcp-gate -- env -u LD_PRELOAD mcp-server heard < to > answers &
  gate=$!
  exec 7> to
  echo '{"id":1,"method":"tools/call","params":{"name":"buy"}}' >&7
  await grep -q 'did buy' answers
  exec 7>&-
  wait "$gate"
  await eval '[ "$(grep -cE "^(done|refused) " tried)" -eq 40 ]'
  sort -u -o tried tried
  powerless
}

@test "with -j its copies can do no more than itself" {
  sandbox --approve yes --delay 0
  { a_call; a_call AAPL 2; } | taken_over ciba-authorize -j 2 -m Buy > pending
  powerless
  [ "$(jq -s 'map(.calls[0].authorization.status) | unique[]' pending)" = '"pending"' ]
}

@test "--no-confinement gives up nothing" {
  sandbox
  a_call | taken_over ciba-authorize --no-confinement -m Buy > /dev/null
  cat tried
  [ "$(grep -c '^done' tried)" -eq 20 ]
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

@test "where the kernel has neither Landlock nor seccomp, the work is done, and -v and ciba-doctor tell" {
  sandbox --approve yes --delay 0
  a_call | LD_PRELOAD=$build/tests/old_kernel.so ciba-authorize -m Buy > pending
  LD_PRELOAD=$build/tests/old_kernel.so run --separate-stderr command ciba-poll -v < pending
  [ "$status" -eq 0 ]
  holds '.calls[0].authorization.status == "approved"'
  [[ $stderr == *"confinement: this system does not have Landlock and seccomp;"* ]]
  LD_PRELOAD=$build/tests/old_kernel.so run ciba-doctor
  [ "$status" -eq 0 ]
  [[ $output == *"-    confinement: this system does not have Landlock and seccomp"* ]]
  HAS_SECCOMP=1 LD_PRELOAD=$build/tests/old_kernel.so run ciba-doctor
  [[ $output == *"-    confinement: this system does not have Landlock:"* ]]
  [ "$(landlock-abi)" -ge 2 ] || skip "this kernel has no Landlock"
  LANDLOCK_ABI=2 LD_PRELOAD=$build/tests/old_kernel.so run ciba-doctor
  [[ $output == *"-    confinement: this system does not have seccomp:"* ]]
  run ciba-doctor
  [[ $output == *"ok   confinement: "* ]]
  run ciba-doctor --no-confinement
  [[ $output == *"-    confinement: not tried"* ]]
}

@test "with --require-confinement no command runs where something is missing, and each where nothing is" {
  nowhere
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem 2> /dev/null
  touch log
  while read -r command; do
    # shellcheck disable=SC2086 # words
    for missing in "" HAS_SECCOMP=1 LANDLOCK_ABI=2; do
      [ "$missing" != LANDLOCK_ABI=2 ] || [ "$(landlock-abi)" -ge 2 ] || continue
      run --separate-stderr env $missing LD_PRELOAD="$build/tests/old_kernel.so" \
        ${command%% *} --require-confinement ${command#* } < /dev/null
      echo "$missing $command: $status $stderr"
      [ "$status" -eq 78 ]
      [[ $stderr == *"cannot be confined: this system does not have "*"--require-confinement"* ]]
    done
    # shellcheck disable=SC2086
    run --separate-stderr ${command%% *} --no-confinement --require-confinement ${command#* } < /dev/null
    [ "$status" -eq 64 ]
    [ "$(landlock-abi)" -ge 2 ] || continue
    # shellcheck disable=SC2086
    run --separate-stderr ${command%% *} --require-confinement ${command#* } < /dev/null
    [[ $stderr != *"confined"* ]]
  done << 'COMMANDS'
llm-chat Hello
ciba-authorize -m Buy
ciba-poll -v
ciba-notify --notification-dir spool
ciba-channel --deliver --channel-dir spool --url https://phone.example/
ciba-run -m Run -- true
ciba-doctor -v
stock-buy -v
tool-run --tool buy -- true
jwt-verify -a audience
dpop-proof --dpop-key-file key.pem GET https://api.example/
agent-spool list .
audit-verify log
COMMANDS
}

@test "an older Landlock gives up what it knows, and the work is done" {
  [ "$(landlock-abi)" -ge 2 ] || skip "this kernel has no Landlock"
  sandbox --approve yes --delay 0
  mkdir kept
  export HAS_SECCOMP=1
  for ((LANDLOCK_ABI = 0; LANDLOCK_ABI <= $(landlock-abi); LANDLOCK_ABI++)); do
    export LANDLOCK_ABI
    echo data > elsewhere/file
    a_call | LD_PRELOAD="$build/tests/old_kernel.so $build/tests/forbidden.so" \
      command ciba-authorize -m Buy --audit-file kept/audit > pending 2> tried
    powerless
    LD_PRELOAD="$build/tests/old_kernel.so $build/tests/forbidden.so" command ciba-poll < pending > approved 2> tried
    powerless
    jq -e '.calls[0].authorization.status == "approved"' approved
  done
}

# A server with a certificate for told.example, whose address is OPENAI_BASE_URL.
told() {
  openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 30 -subj /CN=told \
    -addext subjectAltName=DNS:told.example,DNS:localhost 2> /dev/null
  sandbox --tls-cert-file cert.pem --tls-key-file key.pem
  export SSL_CERT_FILE=cert.pem
  OPENAI_BASE_URL=$(sed -E 's,//[^:/]+,//told.example,' <<< "$OPENAI_BASE_URL")
}

@test "names are found by each service of nsswitch.conf, though no code is loaded any more" {
  [ "$(id -u)" -eq 0 ] || skip "only root can have an nsswitch.conf of its own"
  [[ $(ldd "$build/llm-chat" 2>&1) == *libc.so.6* ]] || skip "not glibc, or static"
  unshare -m true 2> /dev/null || skip "no mount namespace can be made"
  told
  ln -s "$build/tests/name_service.so" libnss_told.so.2
  for hosts in "hosts: files told dns" "hosts:told" $'#hosts: x\n hosts:\tfiles [ !UNAVAIL=return NOTFOUND=continue ]told[SUCCESS=return]#dns'; do
    printf '%s\n' "$hosts" > nsswitch.conf
    run unshare -m sh -c 'mount --bind nsswitch.conf /etc/nsswitch.conf
      LD_LIBRARY_PATH=$PWD exec llm-chat -n Hello'
    # It is found, and refuses callers by any other name.
    [[ $output == *"HTTP 421"* ]]
  done
}

@test "the providers of OpenSSL's configuration are there, though no code is loaded any more" {
  [[ $(ldd "$build/llm-chat" 2>&1) == *libcrypto* ]] || skip "static"
  printf '%s\n' 'config_diagnostics = 1' 'openssl_conf = all' '[all]' 'providers = providers' '[providers]' \
    'default = on' 'legacy = on' '[on]' 'activate = 1' > openssl.cnf
  export OPENSSL_CONF=$PWD/openssl.cnf
  openssl list -providers | grep -q legacy || skip "OpenSSL has no module"
  sandbox --approve yes --delay 0
  a_call | ciba-authorize -m Buy > pending
  LD_DEBUG=files command ciba-poll < pending 2> debug > approved
  [ "$(jq -r '.calls[0].authorization.status' approved)" = approved ]
  grep 'calling init: .*legacy.so' debug
}

@test "a secret is in locked memory alone, and a token in none when its document has gone" {
  [ "$(id -u)" -eq 0 ] || skip "only root can look into the memory"
  [[ $(ldd --version 2> /dev/null) == *GLIBC* || $(ldd --version) == *GNU* ]] || skip "not glibc"
  openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 30 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost 2> /dev/null
  sandbox --approve yes --delay 0 --tls-cert-file cert.pem --tls-key-file key.pem
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
  # The search is real: the name of the variable is found.
  [[ $(memory-search "$pid" CIBA_CLIENT_SECRET=) == *" locked, "[1-9]*" elsewhere" ]]
  exec 9>&-
  wait "$pid"
}
