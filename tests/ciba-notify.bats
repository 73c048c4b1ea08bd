# shellcheck source=helper.bash
load helper

# A notification by CGI: cgi TOKEN BODY [NAME=VALUE...]
cgi() {
  run --separate-stderr env -i PATH="$PATH" REQUEST_METHOD=POST CONTENT_TYPE=application/json "CONTENT_LENGTH=${#2}" \
    "HTTP_AUTHORIZATION=Bearer $1" CIBA_SPOOL=spool "${@:3}" ciba-notify <<< "$2"
}

# Makes the token expected, as ciba-authorize --notify does.
expect_token() {
  mkdir -p spool/expected spool/new
  : > "spool/expected/$(printf %s "$1" | openssl dgst -sha256 -binary | base64 | tr '+/' '-_' | tr -d =)"
}

@test "a notification with the right token is spooled, whole, for its owner only" {
  expect_token secret
  cgi secret '{"auth_req_id":"x"}'
  [ "$status" -eq 0 ]
  [ "${lines[0]}" == $'Status: 204 No Content\r' ]
  [ "$(cat spool/new/*)" == '{"auth_req_id":"x"}' ]
  [ "$(stat -c %a spool/new/*)" == 600 ]
  no grep -r secret spool
  [ "$(find spool/new -type f)" == "$(echo spool/new/*)" ] # and none with a dot
}

@test "a wrong token is 401, anything else that is wrong another 4xx; nothing is spooled" {
  expect_token secret
  refused() { [ "$status" -eq 65 ] && [ "${lines[0]}" == "Status: $1"$'\r' ] && empty spool/new; }
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
  cgi secret '{"auth_req_id":"x"}' CONTENT_LENGTH=-1
  refused "413 Content Too Large"
  cgi secret '{"auth_req_id":"x"}' CONTENT_LENGTH=1000
  refused "400 Bad Request"
}

@test "without a spool it answers 500 and exits 78" {
  run env -i PATH="$PATH" ciba-notify < /dev/null
  [ "$status" -eq 78 ]
  [[ $output == *"Status: 500"* ]]
}

@test "--inetd speaks HTTP on stdin and stdout" {
  expect_token secret
  http() { run --separate-stderr timeout 10 ciba-notify --inetd --spool spool; }
  http < <(printf 'POST /cb HTTP/1.1\r\nHost: x\r\nauthorization: Bearer secret\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: 19\r\n\r\n{"auth_req_id":"x"}')
  [ "$status" -eq 0 ]
  [ "${lines[0]}" == $'HTTP/1.1 204 No Content\r' ]
  [ "$(cat spool/new/*)" == '{"auth_req_id":"x"}' ]
  rm spool/new/*
  http < <(printf 'POST /cb HTTP/1.1\r\nAuthorization: Bearer wrong\r\nContent-Type: application/json\r\nContent-Length: 19\r\n\r\n{"auth_req_id":"x"}')
  [ "${lines[0]}" == $'HTTP/1.1 401 Unauthorized\r' ]
  http < <(printf 'POST /cb HTTP/1.1\r\nAuthorization: Bearer secret\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n')
  [ "${lines[0]}" == $'HTTP/1.1 413 Content Too Large\r' ]
  http < <(printf 'POST /cb HTTP/1.1\r\nContent-Length: 19')
  [ "${lines[0]}" == $'HTTP/1.1 400 Bad Request\r' ]
  http < <(head -c 100000 /dev/zero | tr '\0' a)
  [ "${lines[0]}" == $'HTTP/1.1 400 Bad Request\r' ]
  empty spool/new
}

@test "ciba-authorize sends a new token of 256 bits with each request and keeps only its digest" {
  sandbox --approve never
  { a_call; a_call; } | ciba-authorize -m Buy --notify spool > asked
  [ "$(requests /bc-authorize .form.client_notification_token | sort -u | wc -l)" -eq 2 ]
  token=$(requests /bc-authorize .form.client_notification_token | head -n 1 | jq -r .)
  [[ $token =~ ^[A-Za-z0-9_-]{43}$ ]]
  digest=$(printf %s "$token" | openssl dgst -sha256 -binary | base64 | tr '+/' '-_' | tr -d =)
  jq -es --arg d "sha-256:$digest" '.[0].calls[0].authorization.notification_digest == $d' asked
  [ -e "spool/expected/$digest" ]
  no grep -qF -e "$token" asked
  [ "$(stat -c %a spool)" == 700 ]
  # nothing is expected of a request that failed
  CIBA_CLIENT_SECRET=wrong run ciba-authorize -n -m Hello --notify failed
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
  sandbox --approve never --faults faults
  while IFS='~' read -r expected claims notification words; do
    # Only who is told of another request has to wait for the end of his own.
    a_call | ciba-authorize -m Buy --notify spool --expiry "$([[ $words == another* ]] && echo 3 || echo 300)" > asked
    push "$claims" "$notification"
    run --separate-stderr ciba-poll --spool spool --push < asked
    echo "$claims $notification: $status $stderr $output"
    [ "$status" -eq "$expected" ]
    [[ $stderr == *"$words"* ]]
    if [ "$expected" -eq 0 ]; then
      holds '.calls[0] | .authorization.status == "approved" and .token.access_token == "access"'
    else
      holds '.calls[0] | has("token") | not'
    fi
    empty spool || [ "$expected" -eq 1 ]
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
  a_call | ciba-authorize -m Buy --notify spool --expiry 2 > asked
  run --separate-stderr ciba-poll --spool spool < asked
  echo "$stderr $output"
  [ "$(count /oauth/token)" -eq 1 ]
  # the sandbox's user had approved in time
  [ "$status" -eq 0 ]
}

@test "anything but a POST is 405, and only application/json is JSON" {
  mkdir -p spool
  for method in GET HEAD PUT; do
    [[ $(REQUEST_METHOD=$method ciba-notify --spool spool < /dev/null || true) == "Status: 405"* ]]
    [[ $(printf '%s / HTTP/1.1\r\nHost: x\r\n\r\n' "$method" | ciba-notify --inetd --spool spool || true) == "HTTP/1.1 405"* ]]
  done
}
