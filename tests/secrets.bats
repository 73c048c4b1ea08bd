# shellcheck source=helper.bash
load helper

# Nothing that is given on stdin is among what was written, or started: none_of FILE... < SECRETS
none_of() {
  local secret
  while read -r secret; do
    [ "${#secret}" -ge 16 ] || { echo "no secret: $secret"; return 1; }
    ! grep -aF -e "$secret" "$@" || { echo "told: $secret"; return 1; }
  done
}

@test "no secret is in anything that a verbose run of the whole flow writes, or in an argument list" {
  command -v strace > /dev/null || skip "strace is not installed"
  sandbox --approve yes --delay 0
  stock-buy --describe > buy.json
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out dpop.pem 2> /dev/null
  export CIBA_SEAL_KEY CIBA_STORE_KEY CIBA_STORE=$PWD/store CIBA_AUDIT=$PWD/audit
  CIBA_SEAL_KEY=$(openssl rand -hex 32)
  CIBA_STORE_KEY=$(openssl rand -hex 32)
  # shellcheck disable=SC2016
  printf '#!/bin/sh\ntr "\\0" "\\n" < /proc/$$/cmdline > started.arguments; env > "$1.environment"; cat > /dev/null; echo done\n' > started
  chmod +x started
  cat > flow <<'END'
set -eu -o pipefail
llm-chat -v -n -t buy.json 'Buy 3 stocks of Google' > called
ciba-authorize -v -m Buy --reuse call --journal authorize.journal < called > asked
ciba-poll -v < asked > approved
tee < approved >(jq -r '.calls[0].token.access_token' > token) | stock-buy -v --journal buy.journal > bought
llm-chat -v < bought > answered
llm-chat -v --stream -r < bought > streamed
jwt-verify -v -a "$AUDIENCE" < token > claims
jq -c '.calls[0].id = "call_2"' called | ciba-authorize -v -m Buy --reuse call > again
jq -c '.calls[0].id = "call_3"' called | ciba-authorize -v -m Buy | ciba-poll -v | tool-run -v --name buy --journal tool.journal -- ./started tool > tool
ciba-run -v -m Run -- ./started run > run
agent-spool add spool < called > added
agent-spool run -v spool -- ciba-authorize -v -m Buy '|' ciba-poll -v '|' stock-buy -v '|' llm-chat -v
agent-spool list spool > listed
dpop-proof --key dpop.pem GET https://127.0.0.1/ > proof
audit-verify audit > verified
ciba-doctor -v > doctor
END
  ASAN_OPTIONS=detect_leaks=0 strace -f -qq -v -s 100000 -e trace=execve -o execs bash flow 2> said
  for file in answered verified tool.environment run.environment; do [ -s "$file" ]; done
  [ "$(orders | jq length)" -eq 2 ]
  grep -q '^ciba-poll: ' said
  printf '%s\n' "$CIBA_CLIENT_SECRET" "$OPENAI_API_KEY" "$CIBA_SEAL_KEY" "$CIBA_STORE_KEY" "$(sed -n 2p dpop.pem)" > secrets
  # Everywhere, but in the environment of who was to have it, and the log of the sandbox, which is none of ours.
  rm flow
  grep -o '^[^[]*\[[^]]*\]' execs > arguments
  [ "$(grep -c llm-chat arguments)" -gt 3 ]
  mapfile -t written < <(find . -type f ! -name secrets ! -name execs ! -name dpop.pem ! -name exports ! -name requests)
  [ "${#written[@]}" -gt 20 ]
  none_of "${written[@]}" < secrets
  # A token is in the documents between ciba-poll and what uses it, encrypted in the store, and in the environment
  # of the programs that are given it.
  grep -q '^ACCESS_TOKEN=ey' tool.environment
  { cat token; sed -n 's/^ACCESS_TOKEN=//p' ./*.environment; } > tokens
  mapfile -t written < <(printf '%s\n' "${written[@]}" | grep -vx -e ./approved -e ./token -e ./again -e './.*\.environment')
  none_of "${written[@]}" < tokens
  # It is really looked for.
  run none_of approved < token
  [ "$status" -eq 1 ]
  run none_of execs < secrets
  [ "$status" -eq 1 ]
}
