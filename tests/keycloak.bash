# Keycloak itself, for the tests that talk to it: its own distribution, from Maven, on a free port with TLS.

keycloak_version=26.7.3
keycloak_sha256=27a6535553c3cdcd083872ba40629efafb3475e3b758e0c6f691395561dd0f1f

# For setup_file: gets Keycloak, once. $keycloak_missing says why it cannot be had; that it is another is a failure.
keycloak_setup() {
  umask 077
  export keycloak_missing="" keycloak=$BATS_TEST_DIRNAME/peers/keycloak
  local program
  for program in java python3 mvn; do
    [ "$program" != mvn ] || [ ! -e "$keycloak/dist/complete" ] || continue
    command -v "$program" > /dev/null || keycloak_missing="$program is not installed"
  done
  [ -z "$keycloak_missing" ] || return 0
  (
    flock 9
    [ -e "$keycloak/dist/complete" ] || keycloak_install "$keycloak/dist"
  ) 9> "$keycloak/.lock" > "$BATS_FILE_TMPDIR/install.log" 2>&1 || {
    if [ -e "$keycloak/dist/wrong" ]; then
      tail -n 50 "$BATS_FILE_TMPDIR/install.log"
      return 1
    fi
    keycloak_missing="Maven cannot get Keycloak; is the package registry reached?"
  }
}

# keycloak_install FOLDER
keycloak_install() {
  local name=keycloak-quarkus-dist zip=$1/keycloak-quarkus-dist-$keycloak_version.zip
  rm -rf "$1"
  mkdir -p "$1"
  timeout 600 mvn --batch-mode --quiet org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy \
    -Dartifact="org.keycloak:$name:$keycloak_version:zip" -DoutputDirectory="$1" || return 1
  touch "$1/wrong"
  echo "$keycloak_sha256  $zip" | sha256sum --check || return 1
  python3 -m zipfile -e "$zip" "$1" || return 1
  rm "$zip"
  mv "$1/keycloak-$keycloak_version" "$1/keycloak"
  # What is not in the tests costs only time, at each start.
  JAVA_OPTS=$keycloak_java timeout 900 sh "$1/keycloak/bin/kc.sh" build --db=dev-file --https-client-auth=request \
    --features-disabled=admin,account,kerberos,impersonation || return 1
  rm "$1/wrong"
  touch "$1/complete"
}

# Starting is most of what it does: the second compiler would take twice the time, and more memory.
keycloak_java='-Xms64m -Xmx400m -XX:MaxMetaspaceSize=256m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC'

# A public key as a JWK, whose kid is its algorithm: jwk KEY ALGORITHM
jwk() {
  local public
  case $2 in
    RS* | PS*) openssl rsa -in "$1" -noout -modulus | cut -d= -f2 | basenc -d --base16 | base64url |
      jq -Rc --arg alg "$2" '{kty: "RSA", kid: $alg, alg: $alg, use: "sig", n: ., e: "AQAB"}' ;;
    ES256)
      public=$(openssl pkey -in "$1" -pubout -outform DER | tail -c 64 | basenc --base16 -w0)
      jq -nc --arg alg "$2" --arg x "$(basenc -d --base16 <<< "${public:0:64}" | base64url)" \
        --arg y "$(basenc -d --base16 <<< "${public:64}" | base64url)" \
        '{kty: "EC", crv: "P-256", kid: $alg, alg: $alg, use: "sig", x: $x, y: $y}' ;;
    EdDSA) openssl pkey -in "$1" -pubout -outform DER | tail -c 32 | base64url |
      jq -Rc --arg alg "$2" '{kty: "OKP", crv: "Ed25519", kid: $alg, alg: $alg, use: "sig", x: .}' ;;
  esac
}

# What Keycloak calls (peers/keycloak/channel.py), in FOLDER, with its server.pem: channel_start FOLDER
channel_start() {
  mkdir -p "$1/channel"
  (cd "$1" && exec python3 "$keycloak/channel.py" .) > "$1/channel.log" 2>&1 3>&- &
  echo $! >> "$1/pids"
  await test -s "$1/channel.port" || { cat "$1/channel.log"; return 1; }
}

# Keycloak's own folder, with the distribution's programs, the settings of FOLDER, and a database of its own.
# The authentication channel is at URL: keycloak_folder FOLDER URL
keycloak_folder() {
  mkdir -p "$1/keycloak"/{bin,conf,data/import}
  cp "$keycloak/dist/keycloak/bin/kc.sh" "$1/keycloak/bin"
  ln -s "$keycloak/dist/keycloak"/{lib,providers,themes} "$1/keycloak"
  cat > "$1/keycloak/conf/keycloak.conf" <<END
http-host=127.0.0.1
https-certificate-file=$1/server.pem
https-certificate-key-file=$1/server.key
https-trust-store-file=$1/ca.pem
truststore-paths=$1/ca.pem
cache=local
spi-ciba-auth-channel--ciba-http-auth-channel--http-authentication-channel-uri=$2
END
}

# Starts it, and waits until it answers. Its port is a free one, in keycloak.port, and stays the same if it is started
# again. Those from 32768 on are given to clients; one below stays free. keycloak_start FOLDER [OPTION...]
keycloak_start() {
  local folder=$1 port try
  shift
  for try in 1 2 3 4 5; do
    : > "$folder/keycloak.log"
    port=$(cat "$folder/keycloak.port" 2> /dev/null) || port=$((20000 + RANDOM % 12000))
    (
      cd "$folder/keycloak" || exit 1
      JAVA_OPTS="$keycloak_java -Djava.io.tmpdir=$folder/keycloak/data" exec sh bin/kc.sh start --optimized --hostname="https://localhost:$port" --https-port="$port" "$@"
    ) > "$folder/keycloak.log" 2>&1 3>&- 8>&- &
    echo $! > "$folder/keycloak.pid"
    if keycloak_listens "$folder"; then
      echo "$port" > "$folder/keycloak.port"
      # A JVM's first handshake takes long where others work too.
      curl -sS --insecure --max-time 300 -o /dev/null "https://localhost:$port/realms/master"
      return 0
    fi
    grep -q 'already bound\|already in use' "$folder/keycloak.log" || break
  done
  echo "Keycloak did not start, try $try:"
  tail -n 50 "$folder/keycloak.log"
  return 1
}

keycloak_listens() {
  local end=$((SECONDS + 1200))
  until grep -q 'Listening on: https' "$1/keycloak.log"; do
    ! gone "$(cat "$1/keycloak.pid")" || return 1
    ((SECONDS < end)) || return 1
    read -rt 0.2 <> <(:) || true
  done
}

# Ends it, as a reboot of its machine does: keycloak_stop FOLDER [SIGNAL]
keycloak_stop() {
  local shell java
  shell=$(cat "$1/keycloak.pid" 2> /dev/null) || return 0
  java=$(pgrep -P "$shell") || return 0
  kill "-${2:-TERM}" "$java"
  await gone "$java"
}

# What Keycloak asked the user: question USER [NUMBER]
question() {
  await test -s "$keys/channel/$1/${2:-1}" || return 1
  cat "$keys/channel/$1/${2:-1}"
}

# The channel's answer to Keycloak, with the Authorization header of the question, or another: its status, and the body
# goes to the file `callback`. call_back USER NUMBER STATUS [AUTHORIZATION]
call_back() {
  local authorization
  authorization=${4-$(jq -r .authorization "$keys/channel/$1/$2")} || return 1
  curl -s -o callback -w '%{http_code}\n' --cacert "$keys/ca.pem" -H "Authorization: $authorization" -H 'Content-Type: application/json' \
    -d "{\"status\":\"$3\"}" "$CIBA_ISSUER/protocol/openid-connect/ext/ciba/auth/callback"
}

called_back() {
  [ "$(call_back "$@")" == 200 ]
}

# The user's decision, when the question has come. Keycloak knows the question only after the channel has taken it:
# until then it answers 403. answer USER SUCCEED|UNAUTHORIZED|CANCELLED [NUMBER]
answer() {
  question "$1" "${3:-1}" > /dev/null || return 1
  await called_back "$1" "${3:-1}" "$2"
}
