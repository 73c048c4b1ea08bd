# shellcheck source=helper.bash
load helper

# Hostile and broken servers, wherever a command sends a request. Each case: the right exit
# status, in bounded time and memory, with nothing approved, bought or trusted, and no secret passed on.

# The answers, and how they are sent: MODE NAME, the bytes in answers/NAME.
# shellcheck disable=SC2059 # the formats are these
setup_file() {
  mkdir "$BATS_FILE_TMPDIR/answers"
  cd "$BATS_FILE_TMPDIR/answers" || return 1
  local ok='HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n' kib
  kib=$(printf '%01024d' 0)
  : > nothing
  printf "$ok"'Content-Length: 500\r\n\r\n{' > stalls
  printf "$ok"'Content-Length: 500\r\n\r\n%0500d' 0 > drips
  printf "$ok\\r\\n{\"a\":\"" > floods
  printf "$ok"'Content-Length: 1073741824\r\n\r\n{"a":"' > gigabyte
  printf "$ok"'Content-Length: 1000\r\n\r\n{"access_token":"evil","token_type":"Bearer"}' > too-short
  printf "$ok"'Content-Length: 5\r\n\r\n{"access_token":"evil","token_type":"Bearer"}' > too-long
  printf "$ok"'Content-Length: -5\r\n\r\n{"access_token":"evil","token_type":"Bearer"}' > negative-length
  printf "$ok"'Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n' > broken-chunks
  printf "$ok"'Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n{}\r\n' > huge-chunk
  printf "$ok"'Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n' > unended-chunks
  { printf "$ok"; for ((i = 0; i < 600; i++)); do printf 'X-%d: %s\r\n' "$i" "$kib"; done; printf '\r\n{}'; } > huge-headers
  { printf "$ok"'Content-Encoding: gzip\r\n\r\n'; head -c 100000000 /dev/zero | gzip -c; } > gzip-bomb
  printf "$ok"'\r\n%0100000d' 0 | tr 0 '[' > deep
  printf "$ok"'Content-Length: 14\r\n\r\n{"a":1,"a":2} ' > twice
  printf "$ok"'Content-Length: 9\r\n\r\n{"a":"\xff"}' > not-utf8
  printf 'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>' > html
  printf "$ok"'Content-Length: 0\r\n\r\n' > empty
  printf 'garbage\r\n\r\n' > garbage
  printf 'HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n' > redirect
  printf 'HTTP/1.1 301 Go\r\nLocation: https://other.example/\r\nContent-Length: 0\r\n\r\n' > redirect-away
  for ((i = 0; i < 200; i++)); do printf 'HTTP/1.1 100 Continue\r\n\r\n'; done > only-100
}

cases='reset nothing
stall nothing
stall stalls
drip drips
flood floods
flood gigabyte
send too-short
send too-long
send negative-length
send broken-chunks
send huge-chunk
send unended-chunks
send huge-headers
send gzip-bomb
send deep
send twice
send not-utf8
send html
send empty
send garbage
send redirect
send redirect-away
send only-100'

# Sends a request to each of these servers, at $raw: `prepare` makes the settings for it and the file `in`, and
# $words is the command. It must end with 69 or 76, within 40 MiB, say why, and print no secret; then
# `untouched` checks what it has written.
each_server() {
  local mode name count=0 status seconds peak
  while read -r mode name; do
    raw_server "$mode" "$BATS_FILE_TMPDIR/answers/$name"
    prepare
    status=0
    took figures timeout 200 "${words[@]}" < in > out 2> said || status=$?
    kill "${started[-1]}"
    read -r seconds peak < figures
    echo "$mode $name: $status, $seconds s, $peak MiB, $(head -c 500 said)"
    [ "$status" -eq 69 ] || [ "$status" -eq 76 ]
    [ -n "${ASAN_OPTIONS:-}" ] || jq -en "$peak < 40" > /dev/null
    [ -s said ]
    no grep -qF -e "${CIBA_CLIENT_SECRET:-no secret}" out said
    no grep -qF -e "${OPENAI_API_KEY:-no secret}" out said
    untouched
    count=$((count + 1))
  done <<< "$cases"
  echo "# $count hostile cases" >&3
  [ "$count" -eq "${1:-23}" ]
}

# The next metadata of the sandbox have $raw as the endpoint's address.
sandbox_with() {
  jq -n --arg i "$CIBA_ISSUER" --arg e "$1" --arg r "$raw/x" '[{path: "/.well-known/openid-configuration", body:
    ({issuer: $i, backchannel_authentication_endpoint: ($i + "bc-authorize"), token_endpoint: ($i + "oauth/token"),
      jwks_uri: ($i + ".well-known/jwks.json")} + {($e): $r})}]' | spoil
}

@test "discovery from a hostile server: nobody is asked" {
  export CIBA_CLIENT_ID=c CIBA_CLIENT_SECRET=the-secret CIBA_USER=u
  a_call > in
  prepare() { export CIBA_ISSUER=$raw/; }
  untouched() { jq -e '.calls[0].authorization.status == "failed"' out > /dev/null; }
  words=(ciba-authorize -m Buy --max-time 1)
  each_server
}

@test "the model at a hostile server: no call, and the document as it was" {
  export OPENAI_API_KEY=the-key OPENAI_MODEL=m
  printf '{"messages":[{"role":"user","content":"Buy"}]}\n' > in
  prepare() { export OPENAI_BASE_URL=$raw/v1; }
  untouched() { cmp -s in out; }
  words=(llm-chat --retries 0 --max-time 1)
  each_server
  words=(llm-chat --stream --retries 0 --max-time 1)
  each_server
}

@test "the list of models at a hostile server: none is listed" {
  export OPENAI_API_KEY=the-key
  : > in
  prepare() { export OPENAI_BASE_URL=$raw/v1; }
  untouched() { empty out; }
  words=(llm-chat --models --retries 0 --max-time 1)
  each_server
}

@test "the stock API a hostile server: no result that says that it was bought" {
  sandbox --approve yes --delay 0
  an_approved_call > in
  prepare() { export STOCK_API_URL=$raw/stocks; }
  untouched() { jq -e '.calls[0] | (has("result") | not) or .result.status != 200' out > /dev/null; }
  words=(stock-buy --max-time 1)
  # Its 200 confirms the order, in whatever format.
  cases=$(grep -vE ' (too-long|gzip-bomb|deep|twice|not-utf8|html|empty)$' <<< "$cases")
  each_server 16
}

@test "the token endpoint a hostile server: nothing is approved" {
  sandbox --approve yes --delay 0
  a_call | ciba-authorize -m Buy > in
  prepare() { sandbox_with token_endpoint; }
  untouched() { jq -e '.calls[0] | .authorization.status != "approved" and (has("token") | not)' out > /dev/null; }
  words=(ciba-poll --once --max-time 1)
  each_server
}

@test "the keys at a hostile server: no token is believed" {
  sandbox --approve yes --delay 0
  an_approved_call | jq -r '.calls[0].token.access_token' > in
  prepare() { sandbox_with jwks_uri; }
  untouched() { empty out; }
  words=(jwt-verify -a https://stocks.sandbox/ --max-time 1)
  each_server
}

# The model server answers with this message (jq).
model_says() {
  jq -nc "{choices: [{message: ($1)}]}" > body
  { printf 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %s\r\n\r\n' "$(wc -c < body)"; cat body; } > answer
  raw_server send answer
  export OPENAI_API_KEY=k OPENAI_BASE_URL=$raw/v1 OPENAI_MODEL=m
}

# Its message has a call of `t` with these arguments (jq).
model_calls() {
  model_says "($1) | {role: \"assistant\", tool_calls: [{id: \"a\", function: {name: \"t\", arguments: tojson}}]}"
}

# Asks it, once: ask [OPTION...]
ask() {
  run --separate-stderr processor 60 llm-chat -n -t tool --retries 0 --repair 0 "$@" hello
  echo "$status $(head -c 300 <<< "$output") $(head -c 2000 <<< "$stderr")"
}

@test "a model's answer with more tool calls than 128 is refused whole; of 128 that are not valid a few are told" {
  printf '{"name":"t"}' > tool
  model_says '{role: "assistant", tool_calls: [range(10000) | {}]}'
  ask
  [ "$status" -eq 76 ]
  [[ $stderr == *"more than 128 tool calls, and none is taken"* ]]
  holds '(.messages | length == 1) and (has("calls") | not)'
  { printf 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n'
    jq -nr 'range(3000) | "data: \({choices: [{index: 0, delta: {tool_calls: [{index: ., function: {}}]}}]} | tojson)\n"'; } > answer
  raw_server repeat answer
  export OPENAI_BASE_URL=$raw/v1 OPENAI_MODEL=m
  ask --stream
  [ "$status" -eq 76 ]
  [[ $stderr == *"more than 128 tool calls"* ]]
  model_says '{role: "assistant", tool_calls: [range(128) | {}]}'
  ask
  [ "$status" -eq 76 ]
  holds '.calls | length == 128 and all(.result.error == "invalid_arguments") and (map(.id) | unique | length == 128)'
  [ "$(wc -l <<< "$stderr")" -le 6 ]
  [[ $stderr == *"125 more of its calls"* ]]
}

@test "arguments whose check would take long are checked at once, or refused as too much" {
  jq -n '{name: "t", parameters: {properties: {pattern: {items: {pattern: "^[A-Z]+$"}}, unique: {uniqueItems: true},
    items: {items: {type: "integer"}}, enum: {items: {enum: [range(500)]}}, nested: {"$ref": "#/$defs/n"},
    not: {not: {items: {type: "string"}}}, long: {pattern: "a+$"}}, "$defs": {n: {anyOf: [{items: {"$ref": "#/$defs/n"}, not: {}},
    {items: {"$ref": "#/$defs/n"}, not: {}}, {items: {"$ref": "#/$defs/n"}, not: {}}]}}}}' > tool
  model_calls '{pattern: [range(4000) | "AB"]}'
  ask
  [ "$status" -eq 0 ]
  model_calls '{unique: [range(60000)]}'
  ask
  [ "$status" -eq 0 ]
  model_calls '{unique: [range(60000), 7]}'
  ask
  holds '.calls[0].result.content | contains("unique[60000]: is there twice")'
  for arguments in '{pattern: [range(20000) | "AB"]}' '{items: [range(150000)]}' '{enum: [range(20000) | 499]}' \
    '{not: [range(150000)]}' '{nested: (reduce range(25) as $i (1; [.]))}'; do
    model_calls "$arguments"
    ask
    [ "$status" -eq 76 ]
    holds '.calls[0].result | .error == "invalid_arguments" and (.content | contains("is too much to be checked"))'
  done
  model_calls '{long: ("a" * 100000 + "!")}'
  ask
  holds '.calls[0].result.content | contains("too long to be checked by its pattern")'
}

@test "the time limits hold for the check of an answer as well" {
  # A pattern for which each of these takes a second.
  echo '{"name":"t","parameters":{"properties":{"s":{"items":{"pattern":"[a-z]+[a-z]+$"}}}}}' > tool
  model_calls '{s: ["a" * 700 + "!" | range(400) as $i | .]}'
  for limit in --max-total-time --max-time; do
    ask "$limit" 1
    [ "$status" -eq 76 ]
    holds '.calls[0].result | .error == "invalid_arguments"'
  done
}

# Sends a request to a server that streams these events, and repeats the last endlessly: streams API EVENT...
streams() {
  local event api=$1
  { printf 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n'
    for event in "${@:2}"; do printf '%s\r\r\n' "$event"; done; } > answer
  raw_server repeat answer
  export OPENAI_API_KEY=k OPENAI_BASE_URL=$raw/v1 OPENAI_MODEL=m ANTHROPIC_API_KEY=k ANTHROPIC_BASE_URL=$raw ANTHROPIC_MODEL=m
  run --separate-stderr processor 60 took figures llm-chat -n --api "$api" --stream --retries 0 hello
  echo "$* $(head -c 300 <<< "$output") $stderr $(< figures)" | cut -c 1-1000
  kill "${started[-1]}"
  [ "$status" -eq 76 ]
  holds '.messages | length == 1'
  [ -n "${ASAN_OPTIONS:-}" ] || jq -en "$(cut -d' ' -f2 figures) < 60" > /dev/null
}

@test "a stream without an end is given up, whatever it is made of, and in little memory" {
  local long
  long=$(printf '%0400000d' 0)
  streams openai 'data: {"choices":[{"delta":{"content":"'"${long:0:60000}"'"}}]}'
  [[ $stderr == *"the model's stream comes to more than 10 MiB"* ]]
  # Small pieces after a large one: the text grows without being copied each time.
  streams openai 'data: {"choices":[{"delta":{"content":"'"$long"'"}}]}' 'data: {"choices":[{"delta":{"content":"0123456789012345678901234567890123456789"}}]}'
  [[ $stderr == *"more than 10 MiB"* ]]
  streams anthropic 'data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":"'"$long"'"}}' \
    'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"0123456789012345678901234567890123456789"}}'
  [[ $stderr == *"more than 10 MiB"* ]]
  streams openai 'data: 1'
  [[ $stderr == *"more than 1000000 events"* ]]
  streams openai ': a comment'
  [[ $stderr == *"the answer is larger than 64 MiB"* ]]
}

@test "headers without an end, before the body or behind it, are given up, and in little memory" {
  printf 'HTTP/1.1 200 OK\r\nX-A: %s\r\n' "$(printf '%01000d' 0)" > before
  printf 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-A: %s\r\n' "$(printf '%01000d' 0)" > behind
  for answer in before behind; do
    raw_server repeat "$answer"
    run --separate-stderr env OPENAI_API_KEY=k OPENAI_BASE_URL="$raw/v1" OPENAI_MODEL=m timeout 200 llm-chat -n --retries 0 hello
    echo "$stderr"
    [ "$status" -eq 76 ]
    [[ $stderr == *"headers are larger than 300 KiB"* ]]
  done
}

@test "of a set of keys without an end those that fit are tried, but no more than 100" {
  signing_key right.pem
  right=$(jq -nc "$jwks.keys[0] | del(.kid)")
  signing_key wrong.pem
  wrong=$(jq -nc "$jwks.keys[0] | del(.kid)")
  token=$(signed right.pem '{"sub":"a"}' '{"alg":"RS256"}')
  for others in 99 100; do
    jq -nc --argjson r "$right" --argjson w "$wrong" --arg t "$token" "{id: \"$others\", jws: \$t, keys: {keys: ([range($others) | \$w] + [\$r])}}"
  done > lines
  run jose-check < lines
  echo "$output"
  [[ ${lines[0]} == "99 valid"* ]]
  [[ ${lines[1]} == "100 invalid"* ]]
}

# A CA, and certificates of it or of another: authority NAME; certificate NAME CA EXTENSIONS [OPTION...]
authority() {
  openssl req -x509 -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.pem" -days 30 -subj "/CN=$1" 2> /dev/null
}
certificate() {
  [ -e "$1.key" ] || openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key" 2> /dev/null
  openssl req -new -key "$1.key" -out "$1.csr" -subj "/CN=$1" 2> /dev/null
  openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -CAcreateserial -out "$1.pem" \
    -extfile <(printf '%b' "$3") -days 30 "${@:4}" 2> /dev/null
}

# What a TLS server, not ours, with this certificate receives from the command: heard NAME [OPTION...]
heard() {
  local port name=$1
  [ -p quiet ] || mkfifo quiet
  exec 8<> quiet
  rm -f accept
  cat "$name.pem" middle.pem > chain.pem 2> /dev/null || true
  openssl s_server -accept 127.0.0.1:0 -cert "$name.pem" -key "$name.key" -cert_chain chain.pem "${@:2}" \
    > accept 2>&1 < quiet &
  server=$!
  started+=("$server")
  await grep -qs '^ACCEPT.*:[0-9]' accept || { cat accept; return 1; }
  port=$(sed -n 's/^ACCEPT.*:\([0-9]*\).*/\1/p' accept)
  OPENSSL_CONF=lenient.cnf CIBA_ISSUER=https://localhost:$port/ CIBA_CLIENT_ID=c CIBA_CLIENT_SECRET=the-secret CIBA_USER=u \
    run --separate-stderr ciba-authorize --tls-ca-file ca.pem --max-time 100 "${more[@]}" -n -m Buy
  kill "$server" 2> /dev/null || true
  wait "$server" || true
  exec 8>&-
  echo "$name: $status $stderr"
}

# It is asked; and then the server, which has no answer, hangs up.
trusted() {
  rm -f accept
  {
    await grep -aqs 'GET /.well-known' accept
    echo Q > quiet
  } 3>&- &
  heard "$@"
  grep -aq 'GET /.well-known' accept
}

# It is refused before a byte of HTTP is sent.
not_trusted() {
  heard "$@"
  [ "$status" -eq 69 ]
  [[ $stderr != *"connect to server"* && $stderr != *"timed out"* ]] # it was spoken to
  no grep -aq 'GET \|the-secret' accept
  count=$((count + 1))
}

@test "TLS: what is expired, self-signed, another's, revoked, weak or old is refused with nothing sent" {
  local host='subjectAltName=DNS:localhost\n' more=() count=0
  # Whatever the system's configuration permits.
  printf 'openssl_conf=a\n[a]\nssl_conf=b\n[b]\nsystem_default=c\n[c]\nMinProtocol=TLSv1\nCipherString=ALL:@SECLEVEL=0\n' > lenient.cnf
  authority ca
  authority unknown
  certificate good ca "$host"
  trusted good # where nothing is wrong, it is asked
  certificate expired ca "$host" -not_before 20200101000000Z -not_after 20200201000000Z 2> /dev/null ||
    certificate expired ca "$host" -days -1
  not_trusted expired
  certificate others ca 'subjectAltName=DNS:other.example\n'
  not_trusted others
  certificate wildcard ca 'subjectAltName=DNS:*\n'
  not_trusted wildcard
  certificate of-unknown unknown "$host"
  not_trusted of-unknown
  openssl req -x509 -newkey rsa:2048 -nodes -keyout itself.key -out itself.pem -days 30 -subj /CN=localhost -addext "${host%\\n}" 2> /dev/null
  not_trusted itself
  certificate for-clients ca "${host}extendedKeyUsage=clientAuth\n"
  not_trusted for-clients
  openssl genrsa -out weak.key 1024 2> /dev/null
  certificate weak ca "$host"
  not_trusted weak -cipher ALL:@SECLEVEL=0
  certificate sha1 ca "$host" -sha1
  not_trusted sha1 -cipher ALL:@SECLEVEL=0
  not_trusted good -tls1 -cipher ALL:@SECLEVEL=0
  not_trusted good -tls1_1 -cipher ALL:@SECLEVEL=0
  not_trusted good -tls1_2 -cipher aNULL:@SECLEVEL=0
  not_trusted good -tls1_2 -cipher eNULL:@SECLEVEL=0
  # Revoked: the server's certificate, and an intermediate CA.
  certificate middle ca 'basicConstraints=critical,CA:true\nkeyUsage=keyCertSign,cRLSign\n'
  certificate under-middle middle "$host"
  printf '[ca]\ndefault_ca=d\n[d]\ndatabase=index\ndefault_md=sha256\ndefault_crl_days=30\n' > ca.cnf
  crl() { # CA [REVOKED]
    : > index
    [ -z "${2:-}" ] || openssl ca -config ca.cnf -cert "$1.pem" -keyfile "$1.key" -revoke "$2.pem" 2> /dev/null
    openssl ca -config ca.cnf -cert "$1.pem" -keyfile "$1.key" -gencrl 2> /dev/null
  }
  { crl ca; crl middle; } > lists
  more=(--tls-crl-file lists)
  trusted under-middle
  { crl ca; crl middle under-middle; } > lists
  not_trusted under-middle
  { crl ca middle; crl middle; } > lists
  not_trusted under-middle
  crl middle > lists # the list of the root is missing
  not_trusted under-middle
  echo "# $count hostile cases" >&3
}
