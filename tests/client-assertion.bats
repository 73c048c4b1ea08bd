# shellcheck source=helper.bash
load helper

# The client has no secret, but a JWT of the issuer whose key is idp.pem.
setup() {
  common_setup
  signing_key idp.pem
  mkdir token
  export CIBA_CLIENT_ASSERTION_FILE=$PWD/token/jwt
}

# A sandbox that knows this issuer: federated [OPTION...]
federated() {
  sandbox --assertion-key-file idp.pem "$@"
  unset CIBA_CLIENT_SECRET
}

# A JWT as a CI job has one, with these claims changed: assertion [JQ]
assertion() {
  signed idp.pem "$(jq -nc "{iss:\"https://token.example\",sub:\"repo:us/it\",aud:env.CIBA_ISSUER,iat:(now|floor),exp:(now+300|floor),jti:\"j\"} ${1:-}")"
}

# Writes it where the client looks, as a whole: renew [JQ]
renew() {
  assertion "$@" > new
  mv new "$CIBA_CLIENT_ASSERTION_FILE"
}

# What was sent to authenticate the client, of the newest request: sent PATH
sent() {
  requests "$1" '.form | [.client_assertion_type, .client_id, .client_assertion.claims.jti, .client_secret]' | tail -n 1
}

bearer=urn:ietf:params:oauth:client-assertion-type:jwt-bearer
spiffe=urn:ietf:params:oauth:client-assertion-type:jwt-spiffe

# ciba-poll says whom it waits for, and what came of it: no more.
says_nothing_else() {
  grep -q '^ciba-poll: asked ' "$1"
  sed "/^ciba-poll: asked /d; /^ciba-poll: approved by /d" "$1" > else
  empty else
}

@test "a JWT that somebody else made authenticates the client at both endpoints, and no secret is needed" {
  federated --approve yes --delay 0
  renew
  ciba-authorize -v -n -m Hello 2> said | ciba-poll > approved
  [ "$(jq -r '.calls[0].authorization.status' approved)" == approved ]
  [ "$(sent /bc-authorize)" == "[\"$bearer\",\"sandbox-client\",\"j\",null]" ]
  [ "$(sent /oauth/token)" == "[\"$bearer\",\"sandbox-client\",\"j\",null]" ]
  # a newline at its end, as editors and kubectl write it, is none of it; nor is CR LF
  assertion > "$CIBA_CLIENT_ASSERTION_FILE"
  printf '\r\n' >> "$CIBA_CLIENT_ASSERTION_FILE"
  ciba-run -m Hello -- true
  # by the option, before a setting and before a secret that is there too
  mv token/jwt token/other
  echo not-a-jwt > token/jwt
  CIBA_CLIENT_SECRET=wrong ciba-run -m Hello --client-assertion-file token/other -- true
  # systemd's credentials
  mkdir credentials
  mv token/other credentials/CIBA_CLIENT_ASSERTION
  CREDENTIALS_DIRECTORY=$PWD/credentials ciba-run -m Hello -- true
  # a key beside it is for signed requests, and the other ways can be had
  openssl genrsa -out client.pem 2048 2> /dev/null
  kill "$CIBA_SANDBOX_PID"
  federated --approve yes --delay 0 --client-key-file client.pem
  renew
  ciba-run -m Hello --signed --client-key-file client.pem -- true
  [ "$(sent /bc-authorize)" == "[\"$bearer\",\"sandbox-client\",\"j\",null]" ]
}

@test "a SPIFFE JWT-SVID is sent with its own type; --client-auth decides otherwise" {
  federated --approve yes --delay 0
  renew '+ {sub:"spiffe://example.org/agent"} | del(.iss)'
  ciba-run -m Hello -- true
  [ "$(sent /oauth/token)" == "[\"$spiffe\",\"sandbox-client\",\"j\",null]" ]
  exits 77 ciba-run -m Hello --client-auth private_key_jwt -- true
  [ "$(sent /bc-authorize)" == "[\"$bearer\",\"sandbox-client\",\"j\",null]" ]
  # no SPIFFE ID: another scheme, another case, a prefix
  for subject in spiffe:x SPIFFE://example.org/a xspiffe://example.org/a ''; do
    renew "+ {sub:\"$subject\"}"
    ciba-authorize -n -m Hello > /dev/null
    [ "$(sent /bc-authorize)" == "[\"$bearer\",\"sandbox-client\",\"j\",null]" ]
    exits 77 ciba-run -m Hello --client-auth spiffe_jwt -- true
  done
  unset CIBA_CLIENT_ASSERTION_FILE
  run ciba-run -m Hello --client-auth spiffe_jwt -- true
  [ "$status" -eq 78 ]
  [[ $output == *"--client-assertion-file"* ]]
}

# The confined command must still find what the link leads to after it was swapped.
@test "a token that is rotated while the user thinks is read anew for each poll, through swapped links" {
  federated --approve ask --interval 1
  # as Kubernetes has it: token -> ..data/token, ..data -> a folder that is swapped for another
  mkdir -p volume/..1
  assertion '+ {jti:"first"}' > volume/..1/token
  ln -s ..1 volume/..data
  ln -s ..data/token volume/token
  ln -s "$PWD/volume/token" token/jwt
  ciba-authorize -n -m Hello > asked
  command ciba-poll < asked > answered 2> said &
  waiting=$!
  started+=("$waiting")
  await grep -q '"jti":"first".*oauth/token\|oauth/token.*"jti":"first"' requests
  for name in second third; do
    mkdir "volume/..$name"
    assertion "+ {jti:\"$name\"}" > "volume/..$name/token"
    ln -s "..$name" volume/..new
    mv -T volume/..new volume/..data
    await eval '[[ $(sent /oauth/token) == *$name* ]]'
  done
  rm -r volume/..1 volume/..second
  decide true
  wait "$waiting"
  [ "$(jq -r '.calls[0].authorization.status' answered)" == approved ]
  says_nothing_else said
}

@test "while a token is being replaced, is away or broken, the one before is used; once expired it is waited for" {
  federated --approve ask --interval 1
  renew '+ {jti:"first"}'
  ciba-authorize -n -m Hello > asked
  command ciba-poll < asked > answered 2> said &
  waiting=$!
  started+=("$waiting")
  next() { # a poll more
    local before
    before=$(count /oauth/token)
    await eval '[ "$(count /oauth/token)" -gt "$before" ]'
    [[ $(sent /oauth/token) == *$1* ]]
  }
  next first
  : > token/jwt
  next first
  assertion | head -c 200 > token/jwt
  next first
  rm token/jwt
  next first
  mkdir token/jwt
  next first
  rmdir token/jwt
  mkfifo token/jwt # of which nobody writes the other end
  next first
  rm token/jwt
  assertion '+ {aud:"https://elsewhere.example/"}' > token/jwt
  next first
  says_nothing_else said
  renew '+ {jti:"late",exp:(now - 100|floor)}'
  await grep -q 'expired' said
  renew '+ {jti:"new"}'
  await eval '[[ $(sent /oauth/token) == *new* ]]'
  decide true
  wait "$waiting"
  [ "$(jq -r '.calls[0].authorization.status' answered)" == approved ]
  [ "$(grep -c -v "^ciba-poll: asked \|^ciba-poll: approved by " said)" -eq 1 ]
  no grep -q late requests
}

# Each row: how the file is made, the status, what is said.
@test "a file that has no JWT for this provider is refused before anything is sent, by its name and not its content" {
  federated --approve yes --delay 0
  renew
  good=$(cat token/jwt)
  rows=0
  while IFS='|' read -r make expected words; do
    rm -rf token/jwt
    eval "$make"
    for command in "ciba-authorize -n -m Hello" "ciba-run -m Hello -- true" "ciba-poll" "ciba-doctor"; do
      # shellcheck disable=SC2086 # words
      run timeout 60 $command < /dev/null
      echo "$make, $command: $status $output"
      [ "$status" -eq "$expected" ] || [[ $command == ciba-doctor && $status -ne 0 ]]
      [[ $output == *"$words"* ]]
      no grep -F "$good" <<< "$output"
      no grep -E 'eyJ|repo:us|hunter2' <<< "$output"
    done
    rows=$((rows + 1))
  done <<'END'
true|66|CIBA_CLIENT_ASSERTION_FILE: No such file
mkdir token/jwt|66|token/jwt: Is a directory
: > token/jwt|78|token/jwt: is empty
echo > token/jwt|78|token/jwt: is empty
echo hunter2hunter2 > token/jwt|78|token/jwt: is not a signed JWT
echo "$good.x" > token/jwt|78|token/jwt: is not a signed JWT
echo "${good%.*}" > token/jwt|78|token/jwt: is not a signed JWT
echo "${good%.*}." > token/jwt|78|token/jwt: is not a signed JWT
echo " $good" > token/jwt|78|token/jwt: is not a signed JWT
echo "Bearer $good" > token/jwt|78|token/jwt: is not a signed JWT
printf '{"value":"%s"}' "$good" > token/jwt|78|token/jwt: is not a signed JWT
printf '%s\n%s\n' "$good" "$good" > token/jwt|78|control character
printf '%s&client_id=x' "$good" > token/jwt|78|token/jwt: is not a signed JWT
head -c 3000 /dev/urandom > token/jwt|78|token/jwt: is
printf 'eyJhbGciOiJSUzI1NiJ9.e30.\0x' > token/jwt|78|token/jwt: is
printf %065537d 0 > token/jwt|66|token/jwt: larger than 65536 bytes
cp idp.pem token/jwt|78|control character
echo "$good" > token/jwt; chmod 644 token/jwt|78|token/jwt: every user can read
renew '+ {aud:"https://kubernetes.default.svc"}'|78|token/jwt: this assertion is for "https://kubernetes.default.svc", not for http://127.0.0.1
renew '+ {aud:null}'|78|token/jwt: this assertion is for null, not for http://127.0.0.1
renew '+ {aud:env.CIBA_ISSUER[:-1]}'|78|--assertion-audience
renew '+ {aud:{(env.CIBA_ISSUER):1}}'|78|--assertion-audience
END
  [ "$rows" -eq 22 ]
  [ "$(count /bc-authorize)" -eq 0 ]
  [ "$(count /oauth/token)" -eq 0 ]
  # the token itself, where its file's name belongs
  run --separate-stderr ciba-run -m Hello --client-assertion-file "$good" -- true
  [ "$status" -eq 66 ]
  no grep -F "${good:0:40}" <<< "$output$stderr"
  CIBA_CLIENT_ASSERTION_FILE=$good run --separate-stderr ciba-run -m Hello -- true
  [ "$status" -eq 66 ]
  no grep -F "${good:0:40}" <<< "$output$stderr"
  # another audience, that the provider takes
  renew '+ {aud:["https://a.example/", env.CIBA_ISSUER + "token"]}'
  exits 77 ciba-run -m Hello --assertion-audience "${CIBA_ISSUER}token" -- true
}

@test "an assertion that has expired is not sent, within the minute by which clocks differ it is" {
  federated --approve yes --delay 0
  renew '+ {exp:(now - 100|floor)}'
  run --separate-stderr ciba-run -m Hello -- true
  echo "$status $stderr"
  [ "$status" -eq 69 ]
  [[ $stderr == *"$CIBA_CLIENT_ASSERTION_FILE: this assertion expired at "*" s ago; whoever makes it must renew it"* ]]
  [ "$(count /bc-authorize)" -eq 0 ]
  run ciba-doctor
  [[ $output == *"FAIL assertion: $CIBA_CLIENT_ASSERTION_FILE: this assertion expired at "* ]]
  for exp in 'now - 30|floor' 'now + 0.5' 1e300; do
    renew "+ {exp:($exp)}"
    ciba-run -m Hello -- true
  done
  for exp in -1e300 0 -1; do
    renew "+ {exp:($exp)}"
    exits 69 ciba-run -m Hello -- true
  done
  # what RFC 7523 demands of it is for the provider to judge
  renew '| del(.exp)'
  exits 77 ciba-run -m Hello -- true
}

@test "ciba-doctor shows of whom and for whom an assertion is, as far as it is no secret" {
  federated --approve yes --delay 0
  renew '+ {sub:"a\u001b[31m\u202eb"}'
  run ciba-doctor
  echo "$output"
  [ "$status" -eq 0 ]
  [[ $output == *'ok   assertion: {"iss":"https://token.example","sub":"a\u001b[31m\u202eb","aud":"'"$CIBA_ISSUER"'"}, and expires in '*' s'* ]]
  [[ $output == *"ok   client: sandbox-client is authenticated by private_key_jwt"* ]]
  no grep -F "$(cut -d. -f3 token/jwt)" <<< "$output"
  renew '| del(.exp)'
  run ciba-doctor
  [[ $output == *"has no exp"* ]]
}

@test "an assertion is in nothing that is written, in no argument, and in no program's environment" {
  federated --approve yes --delay 0
  renew
  export CIBA_AUDIT=$PWD/audit
  jq -n '[{path:"/bc-authorize",status:400,body:{error:"invalid_client",error_description:$jwt}}]' --rawfile jwt token/jwt | spoil
  run ciba-authorize -v -n -m Hello
  [ "$status" -eq 77 ]
  [[ $output == *"[secret]"* ]]
  printf '%s' "$output" > said
  echo '[]' | spoil
  ciba-authorize -v -n -m Hello --journal-file journal 2>> said | ciba-poll -v 2>> said > approved
  ciba-run -v -m Hello -- sh -c 'env; tr "\0" "\n" < /proc/$PPID/cmdline' > environment 2>> said
  # an echo of the one before, which was current when the request was sent
  grep -q PATH= environment
  no grep -q CIBA_CLIENT_ASSERTION environment
  ciba-doctor -v >> said 2>&1
  no grep -aF "$(cat token/jwt)" said audit journal approved environment
  no grep -aF "$(cut -d. -f3 token/jwt)" said audit journal approved environment
}

@test "those who refresh, revoke or introspect read a rotated assertion anew too, confined as they are" {
  CIBA_SEAL_KEY=$(openssl rand -hex 32)
  export CIBA_SEAL_KEY CIBA_SCOPE='openid stock:trade offline_access'
  federated --approve yes --delay 0
  renew '+ {jti:"first"}'
  an_approved_call > approved
  an_approved_call > later
  jq -r '.calls[0].token.access_token' approved > access
  mkfifo documents
  for command in 'stock-buy --revoke' 'tool-run --tool buy --revoke -- true'; do
    renew '+ {jti:"first"}'
    # shellcheck disable=SC2086 # words
    command $command < documents > out 2> said &
    waiting=$!
    started+=("$waiting")
    exec 7> documents
    cat approved >&7
    await eval '[[ $(sent /oauth/revoke) == *first* ]]'
    renew '+ {jti:"second"}'
    cat later >&7
    exec 7>&-
    wait "$waiting"
    empty said
    [[ $(sent /oauth/revoke) == *second* ]]
    : > requests
    an_approved_call > approved
    an_approved_call > later
  done
  run --separate-stderr jwt-verify -v --introspect < access
  echo "$stderr"
  [ "$(count /oauth/introspect)" -eq 1 ]
  [[ $stderr != *"read before is used"* ]]
}
