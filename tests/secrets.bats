# shellcheck source=helper.bash
load helper

# No secret given on stdin is in anything written, or in a started process: none_of FILE... < SECRETS
none_of() {
  local secret
  while read -r secret; do
    [ "${#secret}" -ge 16 ] || { echo "no secret: $secret"; return 1; }
    ! grep -aF -e "$secret" "$@" || { echo "told: $secret"; return 1; }
  done
}

@test "each variable that the commands read stands in the one table of settings, secrets as secrets" {
  read_by() { # FUNCTION...: the names that are given to them
    cat "$project"/lib/*/*.c "$project"/cmd/*.c "$project"/cmd/*/*.c | tr '\n' ' ' | grep -oE "\\b($1)\([^;]*;" | grep -oE '"[A-Z][A-Z0-9_]+"' | tr -d '"' | sort -u
  }
  settings 'PLAIN|SECRET|PRIVATE|SYSTEM' > table
  [ "$(wc -l < table)" -gt 40 ]
  [ -z "$(sort table | uniq -d)" ] # lint: it is there
  while read -r name; do
    grep -qx "$name" table || { echo "not in the table: $name"; return 1; }
  done < <(read_by 'settings_get|getenv|settings_secret')
  # and those that are named elsewhere, to be read or set
  while read -r name; do
    grep -qx "$name" table || { echo "not in the table: $name"; return 1; }
  done < <(cat "$project"/lib/*/*.c "$project"/cmd/*.c "$project"/cmd/*/*.c | grep -oE '"[A-Z][A-Z0-9]*_[A-Z0-9_]+"' | tr -d '"' | sort -u | grep -v '_$' | grep -vx 'CIBA_SANDBOX_URL\|CIBA_SANDBOX_PID\|IDEMPOTENCY_KEY\|INVALID_ARGUMENT\|SSL_ERROR_SYSCALL')
  settings SECRET > secrets
  while read -r name; do
    grep -qx "$name" secrets || { echo "no secret in the table: $name"; return 1; }
  done < <(read_by settings_secret; grep -ohE '"[A-Z0-9_]+_API_KEY"' "$project"/lib/*/*.c | tr -d '"')
  # rows of the table without readers
  while read -r name; do
    grep -q "\"$name\"" <(find "$project"/cmd/*.c "$project"/cmd/*/*.c "$project"/lib/*/*.c ! -name settings.c -exec cat {} +) || [ "$name" == CREDENTIALS_DIRECTORY ]
  done < table
}

# Each row: how a secret S comes back in a server's answer or a program's output (shell). P is its
# percent-encoded form.
@test "a secret or a token that comes back by an echo is in no message, document, log or result" {
  export CIBA_AUDIT=$PWD/log
  sandbox --approve yes --delay 0
  secret='p+%&"q/ S3cret~'
  openssl rand -hex 32 > key
  P=$(jq -rn --arg s "$secret" '$s | @uri')
  lower=$(printf %s "$P" | sed 's/%../\L&/g')
  html=$(jq -rn --arg s "$secret" '$s | @html')
  json=$(jq -n --arg s "$secret" '$s')
  basic=$(printf 'client:%s' "$P" | base64 -w0)
  bare=$(printf 'client:%s' "$secret" | base64 -w0 | tr '+/' '-_')
  for echoed in "$secret" "x$secret$secret." "client_secret=$P&a=b" "client_secret=${P//%20/+}" "$lower" "<b>$html</b>" "{\"s\":$json}" \
    "Authorization: Basic $basic" "x/$bare" "${secret:0:11}"; do
    jq -n --arg words "$echoed" '[{path:"/bc-authorize",status:400,body:{error:"invalid_client",error_description:("you sent " + $words)}}]' | spoil
    CIBA_CLIENT_SECRET=$secret run ciba-authorize -n -m Hello
    echo "$echoed: $status $output"
    [ "$status" -eq 77 ]
    [[ $output == *"you sent "*"[secret]"* ]]
    for form in S3cret "$P" "${secret:0:11}" "${basic:20:16}" "${bare:20:14}"; do
      no grep -F -e "$form" <<< "$output"
      no grep -F -e "$form" log
    done
  done
  # not what only resembles it
  jq -n '[{path:"/bc-authorize",status:400,body:{error:"invalid_client",error_description:"no secret, p+%&, c2VjcmV0"}}]' | spoil
  CIBA_CLIENT_SECRET=$secret run ciba-authorize -n -m Hello
  [[ $output == *"no secret, p+%&, c2VjcmV0"* && $output != *"[secret]"* ]]
  echo '[]' | spoil
  # a token, by the program or the API that receives it
  an_approved_call > approved
  token=$(jq -r '.calls[0].token.access_token' approved)
  # shellcheck disable=SC2016
  for print in 'env' 'printf "{\"a\":[\"Bearer %s\"]}" "$ACCESS_TOKEN"' 'printf "{\"%s\":1}" "$ACCESS_TOKEN"' 'printf %s "$ACCESS_TOKEN" | base64 -w0' \
    'head -c 100000 /dev/zero | tr "\0" x; printf %s "$ACCESS_TOKEN"'; do
    run --separate-stderr tool-run --tool buy -- sh -c "$print" < approved
    echo "$print: $status"
    [ "$status" -eq 0 ]
    [[ $output == *"[secret]"* && $output != *"$token"* && $output != *"$(printf %s "$token" | base64 -w0 | head -c 50)"* ]]
  done
  jq -n --arg token "$token" '[{path:"/stocks",status:403,reason:$token,body:{headers:{authorization:("Bearer " + $token)}}}]' | spoil
  run stock-buy < approved
  [ "$status" -eq 77 ]
  [[ $output == *"Bearer [secret]"* && $output != *"$token"* ]]
  no grep -F -e "$token" log
  # a short one would be found everywhere, so it stays
  jq -n '[{path:"/bc-authorize",status:400,body:{error:"invalid_client",error_description:"a short one"}}]' | spoil
  CIBA_CLIENT_SECRET=short run ciba-authorize -n -m Hello
  [[ $output == *"a short one"* ]]
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
ciba-authorize -v -m Buy --reuse call --journal-file authorize.journal < called > asked
ciba-poll -v < asked > approved
jq -r '.calls[0].token.access_token' < approved > token
stock-buy -v --journal-file buy.journal < approved > bought
llm-chat -v < bought > answered
llm-chat -v --stream -r < bought > streamed
jwt-verify -v -a "$AUDIENCE" < token > claims
jq -c '.calls[0].id = "call_2"' called | ciba-authorize -v -m Buy --reuse call > again
jq -c '.calls[0].id = "call_3"' called | ciba-authorize -v -m Buy | ciba-poll -v | tool-run -v --tool buy --journal-file tool.journal -- ./started tool > tool
ciba-run -v -m Run -- ./started run > run
agent-spool add spool < called > added
agent-spool run -v spool -- ciba-authorize -v -m Buy '|' ciba-poll -v '|' stock-buy -v '|' llm-chat -v
agent-spool list spool > listed
dpop-proof --dpop-key-file dpop.pem GET https://127.0.0.1/ > proof
audit-verify audit > verified
ciba-doctor -v > doctor
END
  ASAN_OPTIONS=detect_leaks=0 strace -f -qq -v -s 100000 -e trace=execve -o execs bash flow 2> said
  for file in answered verified tool.environment run.environment; do [ -s "$file" ]; done
  [ "$(orders | jq length)" -eq 2 ]
  grep -q '^ciba-poll: ' said
  printf '%s\n' "$CIBA_CLIENT_SECRET" "$OPENAI_API_KEY" "$CIBA_SEAL_KEY" "$CIBA_STORE_KEY" "$(sed -n 2p dpop.pem)" > secrets
  # Everywhere except the environment of its intended recipient, and the log of the sandbox, which is not ours.
  rm flow
  grep -o '^[^[]*\[[^]]*\]' execs > arguments
  [ "$(grep -c llm-chat arguments)" -gt 3 ]
  mapfile -t written < <(find . -type f ! -name secrets ! -name execs ! -name dpop.pem ! -name exports ! -name requests)
  [ "${#written[@]}" -gt 20 ]
  none_of "${written[@]}" < secrets
  # A token is in the documents between ciba-poll and its users, encrypted in the store, and in the environment
  # of the programs that receive it.
  grep -q '^ACCESS_TOKEN=ey' tool.environment
  { cat token; sed -n 's/^ACCESS_TOKEN=//p' ./*.environment; } > tokens
  mapfile -t written < <(printf '%s\n' "${written[@]}" | grep -vx -e ./approved -e ./token -e ./again -e './.*\.environment')
  none_of "${written[@]}" < tokens
  # The search is real.
  run none_of approved < token
  [ "$status" -eq 1 ]
  run none_of execs < secrets
  [ "$status" -eq 1 ]
}
