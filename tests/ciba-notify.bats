# shellcheck source=helper.bash
load helper

# A notification by CGI: cgi TOKEN BODY [NAME=VALUE...]
cgi() {
  run --separate-stderr env -i PATH="$PATH" REQUEST_METHOD=POST CONTENT_TYPE=application/json "CONTENT_LENGTH=${#2}" \
    "HTTP_AUTHORIZATION=Bearer $1" CIBA_NOTIFICATION_DIR=spool "${@:3}" ciba-notify <<< "$2"
}

digest() {
  printf %s "$1" | openssl dgst -sha256 -binary | base64 | tr '+/' '-_' | tr -d =
}

# Expects the token for five minutes, as ciba-authorize --notification-dir does before it asks, and, with
# AUTH_REQ_ID, after it has asked: expect_token TOKEN [AUTH_REQ_ID]
expect_token() {
  mkdir -p spool/expected spool/new
  printf %s "${2:+sha-256:$(digest "$2")}" > "spool/expected/$(digest "$1")"
  touch -d '5 minutes' "spool/expected/$(digest "$1")"
}

# The request was refused with that status, and nothing was stored: refused 'STATUS REASON'
refused() {
  [ "$status" -eq 65 ]
  [[ ${lines[0]} == *" $1"$'\r' ]]
  empty spool/new
}

@test "a notification with the right token is spooled, whole, for its owner only" {
  expect_token secret x
  cgi secret '{"auth_req_id":"x"}'
  [ "$status" -eq 0 ]
  [ "${lines[0]}" == $'Status: 204 No Content\r' ]
  [ "$(cat spool/new/*)" == '{"auth_req_id":"x"}' ]
  [ "$(stat -c %a spool/new/*)" == 600 ]
  no grep -r secret spool
  [ "$(find spool/new -type f)" == "$(echo spool/new/*)" ] # and none with a dot
}

@test "a wrong token is 401, anything else that is wrong another 4xx; nothing is spooled" {
  expect_token secret x
  cgi wrong '{"auth_req_id":"x"}'
  refused "401 Unauthorized"
  [ "${lines[1]}" == $'WWW-Authenticate: Bearer\r' ]
  cgi '' '{"auth_req_id":"x"}'
  refused "401 Unauthorized"
  cgi ../../x '{"auth_req_id":"x"}'
  refused "401 Unauthorized"
  cgi secret '{"auth_req_id":"x"}' HTTP_AUTHORIZATION=secret
  refused "401 Unauthorized"
  cgi secret '{"auth_req_id":"x"}' REQUEST_METHOD=GET
  refused "405 Method Not Allowed"
  cgi secret '{"auth_req_id":"x"}' CONTENT_TYPE=text/plain
  refused "400 Bad Request"
  for body in '' x '[]' '{}' '{"auth_req_id":1}' '{"auth_req_id":"x","auth_req_id":"y"}'; do
    cgi secret "$body"
    refused "400 Bad Request"
  done
  cgi secret '{"auth_req_id":"x"}' CONTENT_LENGTH=65537
  refused "413 Content Too Large"
  for length in -1 +19 19x 0x13 '19, 19' ' 19'; do
    cgi secret '{"auth_req_id":"x"}' "CONTENT_LENGTH=$length"
    refused "400 Bad Request"
  done
  cgi secret '{"auth_req_id":"x"}' CONTENT_LENGTH=1000
  refused "400 Bad Request"
}

@test "without a spool it answers 500 and exits 78" {
  run env -i PATH="$PATH" ciba-notify < /dev/null
  [ "$status" -eq 78 ]
  [[ $output == *"Status: 500"* ]]
}

@test "a notification for another request than the token's is refused, and the right one after it is taken" {
  sandbox --approve yes --delay 0 --interval 1
  a_call | ciba-authorize -m Buy | jq -c ".calls[0].authorization.notification_digest = \"sha-256:$(digest secret)\"" > asked
  id=$(jq -r '.calls[0].authorization.auth_req_id' asked)
  expect_token secret "$id"
  cgi secret '{"auth_req_id":"another"}'
  refused "400 Bad Request"
  cgi secret '{"auth_req_id":"another","access_token":"x","token_type":"Bearer"}'
  refused "400 Bad Request"
  cgi secret "{\"auth_req_id\":\"$id\"}"
  [ "$status" -eq 0 ]
  cgi secret '{"auth_req_id":"another"}' # does not take its place
  [ "$status" -eq 65 ]
  run --separate-stderr ciba-poll --notification-dir spool < asked
  echo "$stderr"
  [ "$status" -eq 0 ]
  [ -z "$stderr" ]
  empty spool
}

@test "what ciba-authorize leaves in the spool says for which request the token is, and until when" {
  sandbox --approve never
  ciba-authorize -n -m Hello --expiry 77 --notification-dir spool > asked
  jq -r '.calls[0].authorization | .auth_req_id, (.notification_digest | ltrimstr("sha-256:")), .expires_at' asked > facts
  { read -r id; read -r token; read -r until; } < facts
  [ "$(cat "spool/expected/$token")" == "sha-256:$(digest "$id")" ]
  [ "$(stat -c %Y "spool/expected/$token")" == "$until" ]
}

@test "notifications that come before the request is known: the right one is kept, whatever comes with it" {
  command -v node > /dev/null || skip "node is not installed"
  # a provider that notifies before it answers
  cat > provider.mjs <<'END'
import http from 'node:http';
import { spawnSync } from 'node:child_process';
import { writeFileSync, readdirSync } from 'node:fs';
const told = [];
const server = http.createServer((request, response) => {
  const origin = `http://127.0.0.1:${server.address().port}`;
  let form = '';
  request.on('data', (part) => { form += part; });
  request.on('end', () => {
    response.setHeader('Content-Type', 'application/json');
    if (request.method === 'GET')
      return response.end(JSON.stringify({ issuer: `${origin}/`, token_endpoint: `${origin}/token`, jwks_uri: `${origin}/jwks`,
        backchannel_authentication_endpoint: `${origin}/ask`, backchannel_token_delivery_modes_supported: ['poll', 'push'], keys: [] }));
    const token = new URLSearchParams(form).get('client_notification_token');
    for (const id of ['wrong', 'right', 'wrong again']) {
      const body = JSON.stringify({ auth_req_id: id, error: id === 'right' ? 'access_denied' : 'transaction_failed' });
      const env = { PATH: process.env.PATH, REQUEST_METHOD: 'POST', CONTENT_TYPE: 'application/json',
        CONTENT_LENGTH: `${body.length}`, HTTP_AUTHORIZATION: `Bearer ${token}`, CIBA_NOTIFICATION_DIR: 'spool' };
      told.push(spawnSync('ciba-notify', { input: body, env }).stdout.toString().trim());
    }
    writeFileSync('token', token);
    writeFileSync('told', told.join('\n'));
    writeFileSync('early', readdirSync('spool/new').join());
    response.end(JSON.stringify({ auth_req_id: 'right', expires_in: 300, interval: 60 }));
  });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
END
  node provider.mjs > port &
  started+=($!)
  await test -s port
  CIBA_ISSUER=http://127.0.0.1:$(cat port)/
  export CIBA_ISSUER CIBA_CLIENT_ID=c CIBA_CLIENT_SECRET=s CIBA_USER=u
  ciba-authorize -n -m Hello --notification-dir spool > asked
  [ "$(grep -c '^Status: 204' told)" -eq 3 ]
  [[ $(cat token) =~ ^[A-Za-z0-9_-]{43}$ ]] # of 256 bits, and kept nowhere
  no grep -rqF -e "$(cat token)" asked spool
  empty early # nobody who waits is given one that may be for another request
  [ "$(cat spool/new/*)" == '{"auth_req_id":"right","error":"access_denied"}' ]
  run --separate-stderr ciba-poll --notification-dir spool --push < asked
  [ "$status" -eq 1 ]
  holds '.calls[0].authorization.status == "denied"'
  empty spool
}

@test "who has the token cannot fill the disk before the request is known, however many come at once" {
  expect_token secret
  jq -nc '{auth_req_id:"x",x:("y"*60000)}' > big
  for i in {1..12}; do
    env -i PATH="$PATH" REQUEST_METHOD=POST CONTENT_TYPE=application/json "CONTENT_LENGTH=$(stat -c %s big)" \
      HTTP_AUTHORIZATION='Bearer secret' CIBA_NOTIFICATION_DIR=spool ciba-notify < big > "answer-$i" &
    started+=($!)
  done
  for pid in "${started[@]}"; do wait "$pid" || true; done
  [ "$(grep -l '^Status: 204' answer-* | wc -l)" -eq 4 ]
  [ "$(grep -l '^Status: 503' answer-* | wc -l)" -eq 8 ]
  [ "$(find spool -type f | wc -l)" -eq 1 ]
  [ "$(stat -c %s spool/expected/*)" -le 262144 ]
}

# Sends it with --inetd, with the right token and type: http FIELDS [BODY]
http() {
  run --separate-stderr timeout 200 ciba-notify --inetd --notification-dir spool < \
    <(printf 'POST /cb HTTP/1.1\r\nAuthorization: Bearer secret\r\nContent-Type: application/json\r\n%b\r\n%b' "$1" "${2-}")
}

@test "--inetd speaks HTTP on stdin and stdout" {
  expect_token secret x
  http 'Host: x\r\nContent-Type-2: y\r\nContent-Length: 19 \r\n' '{"auth_req_id":"x"}'
  [ "$status" -eq 0 ]
  [ "${lines[0]}" == $'HTTP/1.1 204 No Content\r' ]
  [ "$(cat spool/new/*)" == '{"auth_req_id":"x"}' ]
  rm spool/new/*
  inetd() { run --separate-stderr timeout 200 ciba-notify --inetd --notification-dir spool; }
  inetd < <(printf 'POST /cb HTTP/1.1\r\nHost: x\r\nauthorization: Bearer secret\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: 19\r\n\r\n{"auth_req_id":"x"}')
  [ "${lines[0]}" == $'HTTP/1.1 204 No Content\r' ]
  rm spool/new/*
  inetd < <(printf 'POST /cb HTTP/1.1\r\nAuthorization: Bearer wrong\r\nContent-Type: application/json\r\nContent-Length: 19\r\n\r\n{"auth_req_id":"x"}')
  refused "401 Unauthorized"
  for head in 'POST /cb HTTP/1.1\r\nContent-Length: 19' 'POST /cb HTTP/1.1\n\n' 'POST /cb\r\n\r\n' 'POST /cb HTTP/2.0\r\n\r\n' '\r\n\r\n' ''; do
    inetd < <(printf '%b' "$head")
    refused "400 Bad Request"
  done
  inetd < <(head -c 100000 /dev/zero | tr '\0' a)
  refused "400 Bad Request"
}

@test "a body in chunks is taken as it is meant, and no larger than another" {
  expect_token secret x
  chunked='Transfer-Encoding: chunked\r\n'
  while IFS= read -r body; do
    http "$chunked" "$body"
    echo "$body: $output"
    [ "${lines[0]}" == $'HTTP/1.1 204 No Content\r' ]
    [ "$(cat spool/new/*)" == '{"auth_req_id":"x"}' ]
    rm spool/new/*
  done <<'END'
13\r\n{"auth_req_id":"x"}\r\n0\r\n\r\n
1\r\n{\r\n12\r\n"auth_req_id":"x"}\r\n0\r\n\r\n
0000000000000000000000013\r\n{"auth_req_id":"x"}\r\n000\r\n\r\n
13;a=b;c="d\t" \r\n{"auth_req_id":"x"}\r\n0 ;last\r\n\r\n
A\r\n{"auth_req\r\n9\r\n_id":"x"}\r\n0\r\nX-Trailer: y\r\nContent-Length: 3\r\n\r\n
13\r\n{"auth_req_id":"x"}\r\n0\r\n\r\nPOST /cb HTTP/1.1\r\n
END
  http 'transfer-encoding:\tCHUNKED \r\n' '13\r\n{"auth_req_id":"x"}\r\n0\r\n\r\n'
  [ "$status" -eq 0 ]
  rm spool/new/*
  jq -njc '{auth_req_id:"x",x:("y"*64000)}' > large
  http "$chunked" "$(fold -w 1 large | sed 's/.*/1\\r\\n&\\r\\n/' | tr -d '\n')0\r\n\r\n"
  [ "$status" -eq 0 ]
  cmp large spool/new/*
  rm spool/new/*
  while IFS= read -r body; do
    http "$chunked" "$body"
    echo "$body: $output"
    refused "400 Bad Request"
  done <<'END'

13\r\n{"auth_req_id":"x"}
13\r\n{"auth_req_id":"x"}\r\n
13\r\n{"auth_req_id":"x"}\r\n0\r\n
13\r\n{"auth_req_id":"x"}0\r\n\r\n
13\r\n{"auth_req_id":"x"}\n0\r\n\r\n
13\n{"auth_req_id":"x"}\r\n0\r\n\r\n
12\r\n{"auth_req_id":"x"}\r\n0\r\n\r\n
14\r\n{"auth_req_id":"x"}\r\n0\r\n\r\n
0x13\r\n{"auth_req_id":"x"}\r\n0\r\n\r\n
-13\r\n{"auth_req_id":"x"}\r\n0\r\n\r\n
+13\r\n{"auth_req_id":"x"}\r\n0\r\n\r\n
 13\r\n{"auth_req_id":"x"}\r\n0\r\n\r\n
13 \r\n{"auth_req_id":"x"}\r\n0\r\n\r\n
13,\r\n{"auth_req_id":"x"}\r\n0\r\n\r\n
g\r\n{"auth_req_id":"x"}\r\n0\r\n\r\n
;a\r\n{"auth_req_id":"x"}\r\n0\r\n\r\n
\r\n13\r\n{"auth_req_id":"x"}\r\n0\r\n\r\n
{"auth_req_id":"x"}
END
  for size in 10001 fffffffffffffff3 10000000000000013 ffffffffffffffffffffffff; do
    http "$chunked" "$size\r\n{\"auth_req_id\":\"x\"}\r\n0\r\n\r\n"
    refused "413 Content Too Large"
  done
  http "$chunked" '13\r\n{"auth_req_id":"x"}\r\nffee\r\n'
  refused "413 Content Too Large"
  # the lines around the chunks are limited as well
  http "$chunked" "1;$(printf 'x%.0s' {1..2000})\r\n"
  refused "400 Bad Request"
  run timeout 200 ciba-notify --inetd --notification-dir spool < <(printf 'POST / HTTP/1.1\r\n%b\r\n0\r\n' "$chunked"; yes $'X: y\r')
  refused "400 Bad Request"
}

@test "a message that two readers could cut at two places is refused" {
  expect_token secret x
  body='13\r\n{"auth_req_id":"x"}\r\n0\r\n\r\n'
  while IFS= read -r fields; do
    http "$fields" "$body"
    echo "$fields: $output"
    refused "400 Bad Request"
  done <<'END'
Transfer-Encoding: chunked\r\nContent-Length: 31\r\n
Content-Length: 31\r\nTransfer-Encoding: chunked\r\n
Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n
Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n
Transfer-Encoding: chunked, chunked\r\n
Transfer-Encoding: gzip, chunked\r\n
Transfer-Encoding: identity\r\n
Transfer-Encoding: xchunked\r\n
Transfer-Encoding:\r\n
Transfer-Encoding : chunked\r\n
 Transfer-Encoding: chunked\r\n
X: y\r\n Transfer-Encoding: chunked\r\n
X: y\nTransfer-Encoding: chunked\r\n
X: y\rTransfer-Encoding: chunked\r\n
Transfer-Encoding: \0013chunked\r\n
Transfer-Encoding: chunked\0000\r\n
END
  while IFS= read -r fields; do
    http "$fields" '{"auth_req_id":"x"}'
    echo "$fields: $output"
    refused "400 Bad Request"
  done <<'END'
Content-Length: 19\r\nContent-Length: 18\r\n
Content-Length: 18\r\nContent-Length: 19\r\n
Content-Length: 19\r\nContent-Length: 19\r\n
Content-Length: 19\r\ncontent-length: 19\r\n
Content-Length: 19, 19\r\n
Content-Length: +19\r\n
Content-Length: -19\r\n
Content-Length: 0x13\r\n
Content-Length: 19 19\r\n
Content-Length:\r\n
Content-Length : 19\r\n
Content-Length: 19\r\nAuthorization: Bearer another\r\n
Content-Length: 19\r\nContent-Type: text/plain\r\n
Content-Length: 19\r\nno colon\r\n
X: y\r\n
END
  http 'Content-Length: 65537\r\n' '{"auth_req_id":"x"}'
  refused "413 Content Too Large"
  http 'Content-Length: 99999999999999999999999\r\n' '{"auth_req_id":"x"}'
  refused "413 Content Too Large"
  run --separate-stderr ciba-notify --inetd --notification-dir spool < \
    <(printf 'POST / HTTP/1.0\r\nAuthorization: Bearer secret\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n%b' "$body")
  refused "400 Bad Request"
}

@test "as CGI without CONTENT_LENGTH the body is read to its end, which has a limit" {
  expect_token secret x
  export REQUEST_METHOD=POST CONTENT_TYPE=application/json HTTP_AUTHORIZATION='Bearer secret' CIBA_NOTIFICATION_DIR=spool
  run --separate-stderr ciba-notify < <(printf '{"auth_req_id"'; printf ':"x"}')
  [ "${lines[0]}" == $'Status: 204 No Content\r' ]
  [ "$(cat spool/new/*)" == '{"auth_req_id":"x"}' ]
  rm spool/new/*
  CONTENT_LENGTH='' run --separate-stderr ciba-notify < <(printf '{"auth_req_id":"x"}') # as nginx says it
  [ "${lines[0]}" == $'Status: 204 No Content\r' ]
  rm spool/new/*
  run --separate-stderr timeout 200 ciba-notify < <(yes)
  refused "413 Content Too Large"
  run --separate-stderr ciba-notify < /dev/null
  refused "400 Bad Request"
}

@test "who sends too slowly, byte for byte, or nothing does not keep the process" {
  mkdir spool
  drip() { while printf x 2> /dev/null; do read -rt 0.5 <> <(:) || true; done; }
  late() { timeout -s KILL 200 ciba-notify --notification-dir spool "$@" > /dev/null; }
  export REQUEST_METHOD=POST
  mkfifo stalled
  exec 5<> stalled
  drip | late --inetd &
  one=$!
  drip | late &
  two=$!
  CONTENT_LENGTH=10 late < stalled &
  three=$!
  started+=("$one" "$two" "$three")
  for pid in "$three" "$two" "$one"; do exits 142 wait "$pid"; done # SIGALRM
}

@test "ciba-authorize sends a new token with each request and keeps only its digest" {
  sandbox --approve never
  { a_call; a_call; } | ciba-authorize -m Buy --notification-dir spool > asked
  [ "$(requests /bc-authorize .form.client_notification_token | sort -u | wc -l)" -eq 2 ]
  # the sandbox's log shows digests of the tokens
  requests /bc-authorize .form.client_notification_token | sort > sent
  jq -c '.calls[0].authorization.notification_digest' asked | sort > kept
  cmp sent kept
  for digest in $(jq -r 'ltrimstr("sha-256:")' sent); do [ -e "spool/expected/$digest" ]; done
  [ "$(stat -c %a spool)" == 700 ]
  # nothing is expected for a request that failed
  CIBA_CLIENT_SECRET=wrong run ciba-authorize -n -m Hello --notification-dir failed
  [ "$status" -eq 77 ]
  empty failed/expected
}

# A pushed notification for the asked document: push JQ-CHANGE-OF-CLAIMS JQ-CHANGE-OF-NOTIFICATION
push() {
  local id input claims
  base64url() { base64 -w0 | tr '+/' '-_' | tr -d =; }
  half() { printf %s "$1" | openssl dgst -sha256 -binary | head -c 16 | base64url; }
  id=$(jq -r '.calls[0].authorization.auth_req_id' asked)
  claims=$(jq -nc "{iss:\"$CIBA_ISSUER\",aud:\"sandbox-client\",sub:\"auth0|demo\",exp:(now+60|floor),iat:(now|floor),
    at_hash:\"$(half access)\",\"urn:openid:params:jwt:claim:rt_hash\":\"$(half refresh)\",\"urn:openid:params:jwt:claim:auth_req_id\":\"$id\"} $1")
  input=$(printf '{"alg":"RS256","kid":"k"}' | base64url).$(printf %s "$claims" | base64url)
  token=$input.$(printf %s "$input" | openssl dgst -sha256 -sign key.pem -binary | base64url)
  jq -nc "{auth_req_id:\"$id\",access_token:\"access\",refresh_token:\"refresh\",token_type:\"Bearer\",expires_in:60,id_token:\"$token\"} $2" \
    > "spool/new/$(jq -r '.calls[0].authorization.notification_digest | ltrimstr("sha-256:")' asked)"
}

@test "pushed tokens must hold by CIBA Core 10.3.1: request, at_hash, rt_hash; nothing is polled" {
  openssl genrsa -out key.pem 2048 2> /dev/null
  n=$(openssl rsa -in key.pem -noout -modulus | cut -d= -f2 | basenc -d --base16 | base64 -w0 | tr '+/' '-_' | tr -d =)
  jq -n "[{path:\"/jwks\",times:99,body:{keys:[{kty:\"RSA\",kid:\"k\",n:\"$n\",e:\"AQAB\"}]}}]" > faults
  sandbox --approve never --faults-file faults
  while IFS='~' read -r expected claims notification words; do
    # Only a command that gets a notification for another request has to wait until its own request expires.
    a_call | ciba-authorize -m Buy --notification-dir spool --expiry "$([[ $words == another* ]] && echo 3 || echo 300)" > asked
    push "$claims" "$notification"
    run --separate-stderr ciba-poll --notification-dir spool --push < asked
    echo "$claims $notification: $status $stderr $output"
    [ "$status" -eq "$expected" ]
    [[ $stderr == *"$words"* ]]
    if [ "$expected" -eq 0 ]; then
      holds '.calls[0] | .authorization.status == "approved" and .token.access_token == "access"'
    else
      holds '.calls[0] | has("token") | not'
    fi
    empty spool
  done <<'END'
0~~~
0~| del(."urn:openid:params:jwt:claim:rt_hash")~| del(.refresh_token)~
76~| del(."urn:openid:params:jwt:claim:rt_hash")~~rt_hash
76~| ."urn:openid:params:jwt:claim:rt_hash" = "x"~~rt_hash
76~| del(.at_hash)~~at_hash
76~| .at_hash = "x"~~at_hash
76~| del(."urn:openid:params:jwt:claim:auth_req_id")~~auth_req_id
76~| ."urn:openid:params:jwt:claim:auth_req_id" = "x"~~auth_req_id
76~| .sub = "mallory"~~'sub'
76~~| del(.id_token)~there is none
1~~| {auth_req_id, error:"access_denied", error_description:"no"}~
1~~| {auth_req_id, error:"expired_token"}~
69~~| {auth_req_id, error:"transaction_failed"}~the provider could not finish it
1~~| .auth_req_id = "x"~another auth_req_id
END
  [ "$(count /oauth/token)" -eq 0 ]
}

@test "a ping that is lost is made up for by a poll when the request expires" {
  sandbox --approve yes --delay 0 --interval 1
  for expiry in 2 10 50; do # on a busy machine it has expired before it is waited for
    : > requests
    a_call | ciba-authorize -m Buy --notification-dir spool --expiry "$expiry" > asked
    run --separate-stderr ciba-poll --notification-dir spool < asked
    echo "$stderr $output"
    [ "$status" -ne 0 ] || break
  done
  [ "$(count /oauth/token)" -eq 1 ]
  # the sandbox's user approved in time
  [ "$status" -eq 0 ]
}

@test "once a request has been decided or has expired no notification is taken, and none is left" {
  sandbox --approve never --interval 1
  # asked [OPTION...]: a document that waits for a notification with the token `secret`
  asked() {
    a_call | ciba-authorize -m Buy "$@" | jq -c ".calls[0].authorization.notification_digest = \"sha-256:$(digest secret)\"" > asked
    expect_token secret "$(jq -r '.calls[0].authorization.auth_req_id' asked)"
  }
  late() {
    empty spool
    cgi secret "{\"auth_req_id\":\"$(jq -r '.calls[0].authorization.auth_req_id' asked)\",\"access_token\":\"t\",\"token_type\":\"Bearer\"}"
    refused "401 Unauthorized"
    empty spool
  }
  for mode in '' --push; do
    # it expires during the wait
    asked --expiry 1
    # shellcheck disable=SC2086 # none or one
    exits 1 ciba-poll --notification-dir spool $mode < asked > /dev/null
    late
    # and before the wait: one check
    asked --expiry 300
    jq -c '.calls[0].authorization.expires_at = now - 1' asked > old
    spoil <<< '[{"path":"/oauth/token","status":400,"body":{"error":"expired_token"}}]'
    # shellcheck disable=SC2086
    exits 1 ciba-poll --once --notification-dir spool $mode < old > /dev/null
    late
  done
  for error in access_denied invalid_grant; do
    asked
    spoil <<< "[{\"path\":\"/oauth/token\",\"status\":400,\"body\":{\"error\":\"$error\"}}]"
    # by its own notification, so that it is polled now
    cgi secret "{\"auth_req_id\":\"$(jq -r '.calls[0].authorization.auth_req_id' asked)\"}"
    ciba-poll --once --notification-dir spool < asked > /dev/null || true
    late
  done
}

@test "a decision that was written down before a crash leaves no notification" {
  sandbox --approve never
  a_call | ciba-authorize -m Buy --notification-dir spool > asked
  cp -a spool before
  spoil <<< '[{"path":"/oauth/token","status":400,"body":{"error":"access_denied"}}]'
  exits 1 ciba-poll --once --notification-dir spool --journal-file journal < asked > /dev/null
  empty spool
  cp -a before/. spool # as if it had been killed before it removed it
  exits 1 ciba-poll --once --notification-dir spool --journal-file journal < asked > /dev/null
  empty spool
}

@test "what was abandoned is refused from its expiry on, and removed, a token a day later; nothing else is" {
  expect_token secret x
  cgi secret '{"auth_req_id":"x"}'
  [ "$status" -eq 0 ]
  rm spool/new/*
  touch -d '1 second ago' spool/expected/*
  cgi secret '{"auth_req_id":"x","access_token":"t","token_type":"Bearer"}'
  refused "401 Unauthorized"
  expect_token waits x
  for age in '25 hours ago' '23 hours ago'; do
    name=$(digest "$age")
    touch -d "$age" "spool/new/$name" "spool/new/.${name:0:16}" # the second of a process that was killed
  done
  touch -d '1 year ago' spool/note spool/new/1700000000.M1P1.host spool/expected/.gitignore
  touch -d '1 hour ago' spool
  sandbox --approve never
  ciba-authorize -n -m Hello --notification-dir spool > asked
  find spool -type f -printf '%P\n' | LC_ALL=C sort > left
  name=$(digest '23 hours ago')
  LC_ALL=C sort > wanted <<END
note
new/1700000000.M1P1.host
expected/.gitignore
expected/$(digest waits)
expected/$(jq -r '.calls[0].authorization.notification_digest | ltrimstr("sha-256:")' asked)
new/$name
new/.${name:0:16}
END
  diff wanted left
}

@test "anything but a POST is 405, and only application/json is JSON" {
  mkdir -p spool
  for method in GET HEAD PUT; do
    [[ $(REQUEST_METHOD=$method ciba-notify --notification-dir spool < /dev/null || true) == "Status: 405"* ]]
    [[ $(printf '%s / HTTP/1.1\r\nHost: x\r\n\r\n' "$method" | ciba-notify --inetd --notification-dir spool || true) == "HTTP/1.1 405"* ]]
  done
}
