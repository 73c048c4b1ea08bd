# shellcheck source=helper.bash
load helper

# What another user of the machine has made, or can change, is not used: neither read as ours nor written.

# Every command that keeps something in a file or folder refuses PATH: refused PATH COMMAND... (stdin in `call`)
refused() {
  local path=$1
  shift
  run --separate-stderr "$@" < call
  echo "$* -> $status: $stderr"
  case $status in 74 | 78) ;; *) return 1 ;; esac
  [[ $stderr == *"$path"* ]] || return 1
}

# Each way in which a folder or file is not ours alone: another user's, or writable by others.
ways=(written)
[ "$(id -u)" -ne 0 ] || ways+=(anothers)
make_bad() {
  case $1 in
    written) chmod a+w "$2" ;;
    anothers) chown -h nobody "$2" ;;
  esac
}

setup() {
  common_setup
  nowhere
  a_call > call
  openssl rand -hex 32 > key
}

@test "a file that others made or can write is no journal and no audit log, and nobody is asked" {
  sandbox --approve yes --delay 0
  local way option
  for way in "${ways[@]}"; do
    for option in journal-file audit-file; do
      rm -f file ran
      touch file
      make_bad "$way" file
      refused file ciba-authorize -m Buy --"$option" file
      refused file tool-run --without-approval --tool buy --"$option" file -- touch ran
      [ ! -s file ] # lint: it is there
      [ "$option" != journal-file ] || [ ! -e ran ]
    done
  done
  [ "$(count /bc-authorize)" -eq 0 ]
}

@test "a folder that others made or can write is no store, no spool of notifications, no list of what was spent" {
  sandbox --approve yes --delay 0
  local way
  for way in "${ways[@]}"; do
    rm -rf folder
    mkdir folder
    make_bad "$way" folder
    refused folder ciba-authorize -m Buy --notification-dir folder
    refused folder tool-run --without-approval --tool buy --spent-dir folder -- true || [ "$status" -eq 0 ]
    an_approved_call > approved
    cp approved call
    refused folder tool-run --tool buy --spent-dir folder -- touch ran
    [ ! -e ran ]
    a_call > call
    refused folder ciba-authorize -m Buy --reuse agent --store-dir folder --store-key-file key
    a_call | ciba-authorize -m Buy > asked
    jq -c '.calls[0].authorization.reuse = {for: "agent"}' asked > call
    run --separate-stderr ciba-poll --store-dir folder --store-key-file key < call
    [[ $stderr == *"not kept for another time: folder: "* ]]
    a_call > call
    empty folder
  done
}

@test "a spool that others made or can write is not worked on, and what they put there is not run" {
  local way part
  for way in "${ways[@]}"; do
    for part in . queue tmp journal; do
      rm -rf spool
      agent-spool add spool < call > id
      jq -c '.calls[0].authorization.status = "approved"' call > spool/queue/planted
      make_bad "$way" "spool/$part"
      run --separate-stderr agent-spool run spool -- touch ran
      [ "$status" -eq 78 ]
      [[ $stderr == *"spool"* ]]
      refused spool agent-spool add spool
      [ ! -e ran ]
      [ -e spool/queue/planted ]
    done
  done
}

@test "no symbolic link leads a spool, a store or a list of what was spent elsewhere, and nothing there is removed" {
  mkdir -m 700 precious
  echo thesis > precious/thesis
  local part
  for part in queue 'done' failed journal lock tmp; do
    rm -rf spool
    agent-spool add spool < call > id
    rm -rf "spool/$part"
    ln -s "$PWD/precious" "spool/$part"
    refused "$part" agent-spool add spool
    run --separate-stderr agent-spool run spool -- touch ran
    [ "$status" -eq 78 ]
    [ "$(cat precious/thesis)" == thesis ]
  done
  rm -rf spool
  ln -s precious spool
  local name
  for name in spool spool/ spool//; do
    refused spool agent-spool add "$name"
    run --separate-stderr agent-spool run "$name" -- touch ran
    [ "$status" -eq 78 ]
  done
  [ ! -e ran ]
  [ "$(ls precious)" == thesis ]
  # a document that is a link: its target is not read
  rm spool
  agent-spool add spool < call > id
  ln -s "$PWD/call" spool/queue/link
  run --separate-stderr agent-spool run spool -- sh -c 'cat > /dev/null; exit 69'
  [ -L spool/queue/link ]
  no grep -q spool call
}

# Whoever can rename a spool's parent folder can replace the spool, but not have the replacement worked on.
@test "a spool that is moved away while it is worked on is worked on to its end" {
  agent-spool add spool < call > id
  mkfifo gate
  agent-spool run spool -- tool-run --without-approval --tool buy -- true '|' sh -c 'echo > started; read -r line < gate; cat' 2> words 3>&- &
  local runner=$!
  await [ -e started ]
  mv spool moved
  mkdir -p spool/queue spool/done spool/tmp spool/failed spool/journal spool/lock
  echo > gate
  wait "$runner"
  [ -e "moved/done/$(cat id)" ]
  empty spool
}

@test "root reads the spool of a service, and writes nothing there" {
  [ "$(id -u)" -eq 0 ] || skip "not root"
  agent-spool add spool < call > id
  touch spool/tmp/left
  chown -R nobody spool
  run --separate-stderr agent-spool list spool
  [ "$status" -eq 0 ]
  [[ $output == *"$(cat id)"* ]]
  [ -e spool/tmp/left ]
  # what belongs to root or to this user is used
  run --separate-stderr setpriv --reuid nobody --clear-groups "$(command -v agent-spool)" list spool
  [ -n "$output" ] || [ "$status" -ne 0 ]
}

@test "the audit log of a group that reads it is used; one that the group writes is not" {
  printf '' > log
  chmod 640 log
  tool-run --without-approval --tool buy --audit-file log -- true < call > /dev/null
  [ "$(wc -l < log)" -eq 1 ]
  chmod 660 log
  refused log tool-run --without-approval --tool buy --audit-file log -- true
  [ "$(wc -l < log)" -eq 1 ]
}

@test "a folder that is no spool and not empty is not made one, and nothing in it is removed" {
  mkdir -p home/tmp home/journal
  chmod -R go-w home
  echo thesis | tee home/tmp/thesis > home/journal/2026
  refused home agent-spool add home
  run agent-spool run home -- cat
  [ "$status" -eq 78 ]
  [ "$(cat home/tmp/thesis home/journal/2026)" == $'thesis\nthesis' ]
  [ ! -e home/queue ]
}

@test "a folder of notifications that others can write is used by nobody" {
  mkdir folder
  chmod 777 folder
  echo '{"calls":[]}' > call
  refused folder ciba-poll --notification-dir folder
  run --separate-stderr env REQUEST_METHOD=POST CONTENT_TYPE=application/json CONTENT_LENGTH=2 HTTP_AUTHORIZATION='Bearer x' \
    ciba-notify --notification-dir folder <<< '{}'
  [ "$status" -eq 78 ]
  empty folder
}

@test "a spool of Keycloak's questions, or their audit log, that others made or can write is used by nobody" {
  export CIBA_CHANNEL_URL=https://phone.example/ CIBA_CHANNEL_SECRET=the-secret-of-keycloak
  local way place
  for way in "${ways[@]}"; do
    for place in folder folder/questions log; do
      rm -rf folder log
      mkdir -p folder/questions
      touch log
      make_bad "$way" "$place"
      refused "$place" ciba-channel --deliver --channel-dir folder --audit-file log
      refused "$place" env REQUEST_METHOD=GET PATH_INFO=/ REMOTE_USER=alice ciba-channel --channel-dir folder --audit-file log
      [[ $output == "Status: 500 "* ]]
    done
  done
}
