# shellcheck source=helper.bash
load helper
# shellcheck source=keycloak.bash
load keycloak

# examples/keycloak/setup, on this machine with /etc, /opt, /usr/local and /var/lib of its own, and a network of its own:
# Keycloak, nginx, fcgiwrap and the commands are real. The units' programs are started as the units say.

setup_file() {
  keycloak_setup
  [ -n "$keycloak_missing" ] || unshare -mnp --fork true 2> /dev/null || export keycloak_missing="no namespaces can be made"
  local package
  for package in curl nginx-light fcgiwrap openjdk-17-jre-headless openssl jq; do
    dpkg -s "$package" > /dev/null 2>&1 || export keycloak_missing="$package is not installed"
  done
}

# start UNIT [VARIABLE=VALUE]: as its user, with its environment and, if the unit says so, a /tmp of its own
start() {
  local unit=/etc/systemd/system/$1.service user group tmp=()
  if grep -q '^PrivateTmp=yes' "$unit"; then
    tmp=(unshare -m sh -c 'mount -t tmpfs -o mode=1777 tmpfs /tmp && exec "$@"' sh)
  fi
  user=$(sed -n 's/^User=//p' "$unit")
  group=$(sed -n 's/^Group=//p' "$unit")
  (
    cd /
    umask "$(sed -n 's/^UMask=//p' "$unit" | grep . || echo 022)"
    # shellcheck disable=SC2046 # the words of the line are the arguments
    exec "${tmp[@]}" env -i PATH="$PATH" HOME=/ $(sed -n 's/^Environment=//p' "$unit") "${@:2}" setpriv --reuid "$user" \
      --regid "${group:-$user}" --init-groups $(sed -n 's/^ExecStart=//p' "$unit")
  ) > "$1.log" 2>&1 3>&- &
}

# The user's browser: page [PATH [FORM...]]: what was answered goes to the file `page`
page() {
  curl -s --cacert /etc/ciba/tls/ca.pem -u "${login:-ann:$(cat /etc/ciba/password)}" -o page -w '%{http_code}' \
    "https://localhost/approve/${1:-}" "${@:2}"
}
hidden() {
  sed -n "s/.*name=\"$1\" value=\"\([^\"]*\)\".*/\1/p" page | head -n 1
}
# is_asked WORDS
is_asked() {
  [ "$(page)" == 200 ] || return 1
  grep -q "$1" page
}
# press yes|no
press() {
  page answer --data-urlencode "id=$(hidden id)" --data-urlencode "token=$(hidden token)" -d "answer=$1"
}
ask() {
  ciba-run -e /etc/ciba/agent.env --login-hint ann "$@" -- touch ran 2> said &
  asked=$!
}

in_a_machine_of_its_own() {
  set -e
  local folder
  ip link set lo up
  mkdir top
  mount -t tmpfs tmpfs top
  for folder in etc usr/local var/lib run; do
    mkdir -p "top/$folder" "top/.work/$folder"
    chmod 755 "top/$folder"
    mount -t overlay overlay -o "lowerdir=/$folder,upperdir=$PWD/top/$folder,workdir=$PWD/top/.work/$folder" "/$folder"
  done
  mkdir opt
  chmod 755 opt
  mount --bind opt /opt
  install -m 755 "$(command -v ciba-channel)" "$(command -v ciba-run)" "$(command -v ciba-doctor)" /usr/local/bin
  printf '#!/bin/sh\nexec cat >> /var/lib/ciba-channel/told\n' > /usr/local/lib/notify
  chmod 755 /usr/local/lib/notify
  export PATH=/usr/local/bin:$PATH
  unset SSL_CERT_FILE SSL_CERT_DIR CIBA_ISSUER
  "$project/examples/keycloak/setup" -h localhost -n /usr/local/lib/notify "$keycloak/dist/keycloak" > out 2> said
  # As the tests' Keycloak was built, so that it need not be built again.
  printf '%s\n' https-client-auth=request features-disabled=admin,account,kerberos,impersonation >> /opt/keycloak/conf/keycloak.conf
  secrets=$(cat /etc/ciba/{client-secret,channel-secret,password})
  # Again: nothing changes that others may know already.
  "$project/examples/keycloak/setup" -h localhost -n /usr/local/lib/notify "$keycloak/dist/keycloak" > out 2> said
  [ "$secrets" == "$(cat /etc/ciba/{client-secret,channel-secret,password})" ]
  printf '%s\n' https-client-auth=request features-disabled=admin,account,kerberos,impersonation >> /opt/keycloak/conf/keycloak.conf
  install -d -m 750 -o ciba -g www-data /run/ciba-channel
  start ciba-channel
  nginx -g 'daemon off;' > nginx.log 2>&1 3>&- &
  start keycloak "JAVA_OPTS=$keycloak_java"
  started=$!
  # On a busy machine its start takes minutes.
  until curl -sf --cacert /etc/ciba/tls/ca.pem -o /dev/null https://localhost:8443/realms/agents; do
    if gone "$started" || ((SECONDS > 1200)); then false; fi
    read -rt 0.2 <> <(:) || true
  done

  ciba-doctor -e /etc/ciba/agent.env > doctor || { cat doctor; false; }

  # yes
  ask -m 'Deploy 42'
  await is_asked 'Deploy_42#'
  grep -q agent page
  [ "$(press yes)" == 200 ]
  wait "$asked"
  rm ran
  await grep -q '"user":"ann"' /var/lib/ciba-channel/told

  # no
  ask -m 'Delete all'
  await is_asked 'Delete_all#'
  [ "$(press no)" == 200 ]
  ended=0
  wait "$asked" || ended=$?
  [ "$ended" -eq 1 ]
  [ ! -e ran ]

  # Another user with a login sees and answers nothing; without one there is no page; Keycloak's address is not for others.
  printf 'bob:%s\n' "$(openssl passwd -apr1 -stdin <<< secret)" >> /etc/ciba/users
  ask -m 'Pay Bob'
  await is_asked 'Pay_Bob#'
  login=bob:secret
  cp page anns
  [ "$(page)" == 200 ]
  if grep -q Pay page; then false; fi
  cp anns page
  [ "$(press yes)" == 404 ]
  login=ann:wrong
  [ "$(page)" == 401 ]
  login=
  [ "$(page request/guessed -d '{}')" == 404 ]
  [ "$(page "request/$(cat /etc/ciba/channel-secret)" -H 'Authorization: Bearer x.y.z' --json '{"login_hint":"ann"}')" == 401 ]
  [ "$(curl -s --cacert /etc/ciba/tls/ca.pem -o forged -w '%{http_code}' -H 'Authorization: Bearer x.y.z' --json '{"status":"SUCCEED"}' \
    https://localhost:8443/realms/agents/protocol/openid-connect/ext/ciba/auth/callback)" == 403 ]
  is_asked 'Pay_Bob#'
  [ ! -e ran ]
  [ "$(press no)" == 200 ]
  ended=0
  wait "$asked" || ended=$?
  [ "$ended" -eq 1 ]
  [ ! -e ran ]

  # What was answered is not kept, and all of it is in the log.
  [ "$(jq -sr 'map(select(.event == "answered").answer) | join(" ")' /var/lib/ciba-channel/audit)" == 'yes no no' ]
  setpriv --reuid ciba --regid ciba --init-groups /usr/local/lib/ciba/channel --deliver
  if grep -rl "$(cat /etc/ciba/client-secret)\|eyJ" /var/lib/ciba-channel; then false; fi
}

@test "examples/keycloak/setup: from nothing to a page behind a login, whose yes runs the command; no, another user and forgery do not" {
  [ -z "$keycloak_missing" ] || skip "$keycloak_missing"
  project=${BATS_TEST_DIRNAME%/tests*}
  export project keycloak_java
  declare -f start page hidden is_asked press ask await gone in_a_machine_of_its_own > machine
  printf 'set -eE\ntrap '\''echo "line: $BASH_COMMAND"'\'' ERR\nin_a_machine_of_its_own\n' >> machine
  unshare -mnp --fork --kill-child --mount-proc bash machine || {
    tail -n 20 said ./*.log
    false
  }
}
