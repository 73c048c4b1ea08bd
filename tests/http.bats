# shellcheck source=helper.bash
load helper

# Fetches metadata from the misbehaving server: ask [OPTION...]
ask() {
  export CIBA_ISSUER=$raw/ CIBA_CLIENT_ID=c CIBA_CLIENT_SECRET=s CIBA_USER=u
  run --separate-stderr timeout 200 ciba-authorize "$@" -n -m Hello
}

answer() {
  # shellcheck disable=SC2059 # the format is what is said
  printf "$@" > answer
}

@test "a server that resets, says nothing, or closes at once is unavailable: 69" {
  : > answer
  for mode in reset send; do
    raw_server "$mode" answer
    ask
    [ "$status" -eq 69 ]
    [[ $stderr == *"127.0.0.1: "* ]]
  done
  raw_server stall answer
  ask --max-time 0.5
  [ "$status" -eq 69 ]
  [[ $stderr == *"timed out"* ]]
}

@test "a server that drips is ended by --max-time" {
  answer 'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n%0500d' 0
  raw_server drip answer
  ask --max-time 1
  [ "$status" -eq 69 ]
}

@test "an answer shorter than its Content-Length is no answer" {
  answer 'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"issuer":"%s"}' x
  raw_server send answer
  ask
  [ "$status" -eq 69 ]
}

@test "an answer longer than its Content-Length is cut there, and is no JSON then" {
  answer 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{"issuer":"x"}'
  raw_server send answer
  ask
  [ "$status" -eq 76 ]
}

@test "an answer beyond 10 MiB is given up in bounded memory: 76" {
  answer 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n'
  raw_server flood answer
  ask
  [ "$status" -eq 76 ]
  [[ $stderr == *"larger than 10 MiB"* ]]
}

@test "broken chunks, endless headers, garbage and HTTP/0.9 are no answer" {
  answer 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n{}\r\n'
  raw_server send answer
  ask
  [ "$status" -eq 69 ]
  { printf 'HTTP/1.1 200 OK\r\n'; head -c 500000 /dev/zero | tr '\0' 'a'; } > answer
  raw_server send answer
  ask
  [ "$status" -eq 69 ]
  answer 'garbage'
  raw_server send answer
  ask
  [ "$status" -eq 69 ]
}

@test "a compressed answer is not unpacked" {
  { printf 'HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n'; head -c 1000000 /dev/zero | gzip -c; } > answer
  raw_server send answer
  ask
  [ "$status" -eq 76 ]
}

@test "charset, white space and a byte order mark in an answer are taken" {
  sandbox --approve never
  printf 'HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=UTF-8\r\nContent-Length: 65\r\n\r\n\xEF\xBB\xBF\r\n\t{"auth_req_id":"x","expires_in":300, "more":{"a":[1]}}       \n' > answer
  raw_server send answer
  jq -n --arg i "$CIBA_ISSUER" --arg r "$raw/" '[{path:"/.well-known/openid-configuration",body:{issuer:$i,backchannel_authentication_endpoint:$r}}]' | spoil
  run --separate-stderr ciba-authorize -n -m Hello
  echo "$stderr"
  [ "$status" -eq 0 ]
  holds '.calls[0].authorization.auth_req_id == "x"'
}

@test "no redirect is followed, with no request at its target" {
  sandbox
  answer 'HTTP/1.1 307 Temporary Redirect\r\nLocation: %s.well-known/openid-configuration\r\nContent-Length: 0\r\n\r\n' "$CIBA_ISSUER"
  raw_server send answer
  ask
  [ "$status" -eq 76 ]
  empty requests
}

@test "--connect-timeout ends a connection that is not accepted" {
  # 10.255.255.1 would leave this machine; a full backlog on loopback has the same effect
  command -v node > /dev/null || skip "node is not installed"
  node -e 'const s=require("net").createServer(()=>{});s.listen(0,"127.0.0.1",1,()=>{console.log(s.address().port);setInterval(()=>{const e=Date.now()+1e5;while(Date.now()<e);},1)})' > port &
  started+=($!)
  await test -s port
  raw=http://127.0.0.1:$(cat port)
  for i in 1 2 3 4; do bash -c "exec 3<>/dev/tcp/127.0.0.1/$(cat port); read -r x <&3" & started+=($!); done
  await grep -q "^ *[0-9]*: [^ ]* [^ ]*:$(printf %04X "$(cat port)") 02" /proc/net/tcp # one of them is not accepted
  ask --connect-timeout 0.3 --max-time 100
  [ "$status" -eq 69 ]
  [[ $stderr =~ after\ ([0-9]+)\ m ]] # ms, or milliseconds
  [ "${BASH_REMATCH[1]}" -lt 10000 ] # which is what it is otherwise
}

# A CA, and a certificate of it: certificate NAME [HOST] [DAYS]
authority() {
  openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 30 -subj "/CN=Test CA" 2> /dev/null
}
certificate() {
  openssl req -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.csr" -subj "/CN=${2:-localhost}" 2> /dev/null
  openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -out "$1.pem" -days "${3:-30}" \
    -extfile <(echo "subjectAltName=DNS:${2:-localhost}") 2> /dev/null
}

@test "TLS: a certificate of a trusted CA is taken, by --tls-ca-file, SSL_CERT_FILE or SSL_CERT_DIR" {
  authority
  certificate good
  sandbox --approve yes --delay 0 --tls-cert-file good.pem --tls-key-file good.key
  [[ $CIBA_ISSUER == https://localhost:* ]]
  run ciba-authorize --tls-ca-file ca.pem -n -m Hello
  [ "$status" -eq 0 ]
  SSL_CERT_FILE=ca.pem run ciba-authorize -n -m Hello
  [ "$status" -eq 0 ]
  mkdir hashed
  cp ca.pem hashed/
  openssl rehash hashed
  SSL_CERT_DIR=hashed run ciba-authorize -n -m Hello
  [ "$status" -eq 0 ]
  SSL_CERT_FILE=ca.pem run --separate-stderr "$project/examples/buy-stock" 'Buy 3 stocks of Google'
  [ "$status" -eq 0 ]
  [ "$output" == "I bought 3 shares of GOOGL for you." ]
}

@test "TLS: an unknown CA, another host, an expired certificate: nothing is sent, 69, and each says what to do" {
  authority
  certificate good
  sandbox --approve yes --delay 0 --tls-cert-file good.pem --tls-key-file good.key
  run --separate-stderr ciba-authorize -n -m Hello
  [ "$status" -eq 69 ]
  [[ $stderr == *"certificate is not trusted"*"--tls-ca-file or SSL_CERT_FILE"* ]]
  openssl req -x509 -newkey rsa:2048 -nodes -keyout other.key -out other.pem -days 30 -subj "/CN=Other CA" 2> /dev/null
  run ciba-authorize --tls-ca-file other.pem -n -m Hello
  [ "$status" -eq 69 ]
  kill "$CIBA_SANDBOX_PID"
  certificate elsewhere other.example
  sandbox --tls-cert-file elsewhere.pem --tls-key-file elsewhere.key
  run --separate-stderr ciba-authorize --tls-ca-file ca.pem -n -m Hello
  [ "$status" -eq 69 ]
  [[ $stderr == *"the URL must have the name that is in the certificate"* ]]
  kill "$CIBA_SANDBOX_PID"
  certificate old localhost -1
  sandbox --tls-cert-file old.pem --tls-key-file old.key
  run --separate-stderr ciba-authorize --tls-ca-file ca.pem -n -m Hello
  [ "$status" -eq 69 ]
  [[ $stderr == *"has expired"*"the server needs a new one, or this machine's clock is wrong"* ]]
  empty requests
  run ciba-authorize --tls-ca-file none.pem -n -m Hello
  [ "$status" -eq 78 ] || [ "$status" -eq 66 ]
}

# openssl's server, in www, as the issuer: openssl_server OPTION...
openssl_server() {
  authority
  certificate good
  mkdir -p www/.well-known
  (cd www && exec openssl s_server -accept 127.0.0.1:0 -cert ../good.pem -key ../good.key "$@" > ../accept 2>&1 < /dev/null) &
  started+=($!)
  await grep -q '^ACCEPT.*:[0-9]' accept || skip "this openssl does not say its port"
  port=$(sed -n 's/^ACCEPT.*:\([0-9]*\).*/\1/p' accept)
  export CIBA_ISSUER=https://localhost:$port/ CIBA_CLIENT_ID=c CIBA_CLIENT_SECRET=s CIBA_USER=u
}

@test "TLS: a server that is not ours (openssl s_server) is talked to" {
  openssl_server -HTTP
  body="{\"issuer\":\"$CIBA_ISSUER\"}"
  printf 'HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s' "${#body}" "$body" > www/.well-known/openid-configuration
  run --separate-stderr ciba-authorize --tls-ca-file ca.pem -n -m Hello
  echo "$stderr"
  [ "$status" -eq 78 ]
  [[ $stderr == *"its metadata has no backchannel_authentication_endpoint"* ]]
}

@test "TLS: what an openssl.cnf says holds, where OPENSSL_CONF names it" {
  openssl_server -WWW -groups P-256
  for group in P-256 P-384; do
    printf '%s\n' 'openssl_conf = all' '[all]' 'ssl_conf = tls' '[tls]' 'system_default = groups' '[groups]' "Groups = $group" > "$group.cnf"
  done
  OPENSSL_CONF=$PWD/P-256.cnf run --separate-stderr ciba-authorize --tls-ca-file ca.pem -n -m Hello
  [[ $stderr != *handshake* ]]
  OPENSSL_CONF=$PWD/P-384.cnf run --separate-stderr ciba-authorize --tls-ca-file ca.pem -n -m Hello
  echo "$stderr"
  [ "$status" -eq 69 ]
  [[ $stderr == *handshake* ]]
}

@test "a hashed CA directory is used where there is one, not the bundle" {
  compgen -G '/etc/ssl/certs/????????.0' > /dev/null || skip "this system has no hashed directory"
  command -v strace > /dev/null || skip "strace is not installed"
  authority
  certificate good
  sandbox --tls-cert-file good.pem --tls-key-file good.key
  strace -f -e trace=openat,open -o trace ciba-authorize -n -m Hello || true
  no grep -q 'ca-certificates.crt' trace
}

@test "the CA file of each distribution is found; where there is none, the message says what to give" {
  { [ "$(id -u)" -eq 0 ] && unshare -m --propagation private true 2> /dev/null; } || skip "only root can have an /etc of its own"
  authority
  certificate good
  sandbox --tls-cert-file good.pem --tls-key-file good.key
  # a machine whose /etc has this file alone: with_etc COMMAND...
  with_etc() {
    unshare -m --propagation private sh -c 'mount --bind etc /etc && exec "$@"' sh "$@"
  }
  for file in ssl/certs/ca-certificates.crt pki/tls/certs/ca-bundle.crt pki/ca-trust/extracted/pem/tls-ca-bundle.pem ssl/ca-bundle.pem ssl/cert.pem openssl/certs/ca-certificates.crt; do
    rm -rf etc
    mkdir -p "etc/$(dirname "$file")"
    cp /etc/hosts etc
    run --separate-stderr with_etc ciba-authorize -n -m Hello
    echo "$file: $status $stderr"
    [ "$status" -ne 0 ]
    [[ $stderr == *"--tls-ca-file"*"SSL_CERT_FILE"* ]]
    cp ca.pem "etc/$file"
    with_etc ciba-authorize -n -m Hello > asked
  done
}

@test "a loopback server is never asked through a proxy" {
  sandbox
  http_proxy=http://127.0.0.1:9/ all_proxy=http://127.0.0.1:9/ run --separate-stderr ciba-authorize -n -m Hello
  [ "$status" -eq 0 ]
}

@test "127. and digits is a loopback address only if it is one; what is https stays https" {
  export CIBA_CLIENT_ID=c CIBA_CLIENT_SECRET=s CIBA_USER=u
  for host in 127.0.0.300 127.999.1.1 127. 127.0.0.1.2.3 127.0.0.1.example; do
    run --separate-stderr ciba-authorize --issuer "http://$host/" -n -m Buy
    [ "$status" -eq 78 ]
    [[ $stderr == *"only https is used"* ]]
  done
}

@test "a secret with a line break is refused, and cannot add a header" {
  sandbox
  printf 'sk\r\nX-Evil: 1\n' > secret
  for command in 'ciba-authorize --client-secret-file secret -n -m Buy' 'llm-chat --api-key-file secret -n Hello'; do
    # shellcheck disable=SC2086 # words
    run --separate-stderr $command
    [ "$status" -eq 78 ]
    [[ $stderr == *"control character"* ]]
  done
}

@test "TLS: an https issuer's endpoints are https, and what TLS keeps secret is written nowhere" {
  authority
  certificate good
  sandbox --approve yes --delay 0 --tls-cert-file good.pem --tls-key-file good.key
  export SSL_CERT_FILE=$PWD/ca.pem SSLKEYLOGFILE=$PWD/keys
  ciba-authorize --no-confinement -n -m Hello > asked
  [ ! -e keys ]
  curl -ks "${CIBA_ISSUER}.well-known/openid-configuration" |
    jq '.token_endpoint = "http://127.0.0.1:9/x" | .backchannel_authentication_endpoint = .token_endpoint' > metadata
  jq -n --slurpfile m metadata '[{path:"/.well-known/openid-configuration",times:9,body:$m[0]}]' |
    curl -ksf -H 'Content-Type: application/json' --data-binary @- "${CIBA_ISSUER}faults" > told
  for command in 'ciba-authorize -n -m Hello' 'ciba-poll'; do
    # shellcheck disable=SC2086 # words
    run --separate-stderr $command < asked
    echo "$command: $status $stderr"
    [ "$status" -eq 78 ]
    [[ $stderr == *"is not https"* ]]
  done
}

@test "a setting that is no URL is named, and http in the place of https is guessed" {
  sandbox
  CIBA_ISSUER=127.0.0.1:18999 run --separate-stderr ciba-authorize -n -m Hello
  [ "$status" -eq 78 ]
  [[ $stderr == *"CIBA_ISSUER: '127.0.0.1:18999' is not a URL; write it with https://"* ]]
  CIBA_ISSUER=https${CIBA_ISSUER#http} run --separate-stderr ciba-authorize -n -m Hello
  [ "$status" -eq 69 ]
  [[ $stderr == *"is it http, not https?"* ]]
}
