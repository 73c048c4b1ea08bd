# PostgreSQL itself, for the tests that use it: a server of the test's own, in a folder in /tmp (the name of a socket must
# be short, and the server's user must reach it), on a unix(7) socket.

# For setup_file: makes the data that each server starts with. $postgres_missing says why there can be none.
postgres_setup() {
  umask 077
  export postgres_missing="" postgres_bin="" postgres_user="" postgres_template=""
  local folder
  for folder in "$(dirname "$(command -v initdb 2> /dev/null)")" /usr/lib/postgresql/*/bin /usr/pgsql-*/bin; do
    [ ! -x "$folder/initdb" ] || [ ! -x "$folder/pg_ctl" ] || postgres_bin=$folder
  done
  command -v psql > /dev/null || postgres_missing="psql is not installed"
  [ -n "$postgres_bin" ] || postgres_missing="PostgreSQL's server is not installed"
  ! agent-spool list 'postgresql:///?host=/nowhere' 2>&1 | grep -q 'cannot use PostgreSQL' ||
    postgres_missing="this build of agent-spool has no PostgreSQL"
  [ -z "$postgres_missing" ] || return 0
  if [ "$(id -u)" -eq 0 ]; then # which the server refuses to be
    for postgres_user in postgres nobody; do ! id "$postgres_user" > /dev/null 2>&1 || break; done
  fi
  postgres_template=$(mktemp -d /tmp/ciba-XXXXXX)
  postgres_give "$postgres_template"
  postgres_do initdb -D "$postgres_template/data" -U postgres -A trust -E UTF8 --locale=C --no-sync > "$BATS_FILE_TMPDIR/initdb.log" 2>&1 ||
    { cat "$BATS_FILE_TMPDIR/initdb.log"; return 1; }
}

# For teardown_file.
postgres_teardown() {
  [ -z "$postgres_template" ] || rm -rf "$postgres_template"
}

postgres_give() {
  [ -z "$postgres_user" ] || chown -R "$postgres_user" "$@"
}

# A program of PostgreSQL's as the server's user, who may not be where the test is, in the network that the command in
# postgres_within leads to: postgres_do PROGRAM [ARGUMENT...]
postgres_do() {
  (
    cd / || exit
    if [ -n "$postgres_user" ]; then
      exec "${postgres_within[@]}" setpriv --reuid "$postgres_user" --regid "$(id -g "$postgres_user")" --init-groups "$postgres_bin/$1" "${@:2}"
    fi
    exec "${postgres_within[@]}" "$postgres_bin/$1" "${@:2}"
  )
}

# A server for this test; $postgres is its folder, $url what leads to it: postgres_start [SETTING...]
postgres_start() {
  [ -z "$postgres_missing" ] || skip "$postgres_missing"
  postgres=$(mktemp -d /tmp/ciba-XXXXXX)
  cp -r "$postgres_template/data" "$postgres/data"
  printf '%s\n' "listen_addresses=''" "unix_socket_directories='$postgres'" "shared_buffers=16MB" "$@" >> "$postgres/data/postgresql.conf"
  postgres_give "$postgres"
  postgres_up || return 1
  url="postgresql://postgres@/postgres?host=$postgres"
}

# What a killed one has left may hold its memory for a moment.
postgres_up() {
  local try
  for ((try = 0; try < 50; try++)); do
    (postgres_do pg_ctl -D "$postgres/data" -l "$postgres/log" -w -t 60 start 3>&-) > /dev/null 2>&1 && return 0
    grep -q 'shared memory block\|lock file' "$postgres/log" || break
    read -rt 0.2 <> <(:) || true
  done
  cat "$postgres/log"
  return 1
}

# Ends it at once, as a power failure would: the next start recovers.
postgres_kill() {
  local pid child children
  pid=$(head -n 1 "$postgres/data/postmaster.pid")
  children=$(pgrep -P "$pid") || true
  kill -KILL "$pid"
  for child in $pid $children; do await gone "$child"; done # they end by themselves, and hold its memory until then
}

# For teardown.
postgres_stop() {
  [ -n "${postgres:-}" ] || return 0
  standby_stop
  postgres_do pg_ctl -D "$postgres/data" -m immediate -w stop > /dev/null 2>&1 || true
  rm -rf "$postgres"
}

# What SQL answers, a line for each row: sql [-v NAME=VALUE] TEXT
sql() {
  psql -XqAt -v ON_ERROR_STOP=1 -h "$postgres" -p "${sql_port:-5432}" -U "${sql_user:-postgres}" -d postgres -c "$1"
}

# What is to be polled is taken by others than the worker that polls after five minutes, not seconds: this machine may
# be slow.
poll_patience() {
  sql "DO \$\$ BEGIN EXECUTE replace(pg_get_functiondef('ciba.take'::regproc), '5 seconds', '5 minutes');
    EXECUTE replace(pg_get_functiondef('ciba.next_due'::regproc), '5 seconds', '5 minutes'); END \$\$"
}

# A synchronous standby of the server, on port 5433 of the same folder: standby_start
standby_start() {
  if [ ! -e "$postgres/standby" ]; then
    postgres_do pg_basebackup -D "$postgres/standby" -h "$postgres" -U postgres -R -X stream -c fast --no-sync || return 1
    printf '%s\n' "port=5433" "primary_conninfo='host=$postgres port=5432 user=postgres application_name=standby'" >> "$postgres/standby/postgresql.auto.conf"
  fi
  (postgres_do pg_ctl -D "$postgres/standby" -l "$postgres/standby.log" -w -t 60 start 3>&-) > /dev/null 2>&1 || return 1
  sql "ALTER SYSTEM SET synchronous_standby_names = 'standby'"
  sql "SELECT pg_reload_conf()" > /dev/null
  await standby_is_in_step
}

standby_is_in_step() {
  [ "$(sql "SELECT sync_state FROM pg_stat_replication" 2> /dev/null)" = sync ]
}

standby_stop() {
  [ ! -e "$postgres/standby" ] || postgres_do pg_ctl -D "$postgres/standby" -m immediate -w stop > /dev/null 2>&1 || true
}
