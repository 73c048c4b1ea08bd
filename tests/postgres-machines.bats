# agent-spool with a spool in PostgreSQL, on machines whose network is cut. Each machine is a network namespace. Two
# bridges, in one more namespace, lead to what runs there: net0 to the database, net1 to the sandbox, which is provider,
# model and broker. Nothing of this machine's network is used.
load helper
load postgres.bash

setup_file() {
  postgres_setup
}

teardown_file() {
  postgres_teardown
}

setup() {
  common_setup
  postgres=""
  export CIBA_SPOOL_KEY=a-key-of-32-bytes-or-so-for-tests
  [ -z "$postgres_missing" ] || skip "$postgres_missing"
  [ "$(id -u)" -eq 0 ] || skip "only root makes networks"
  command -v ip nsenter > /dev/null || skip "ip or nsenter is not installed"
  unshare -n true 2> /dev/null || skip "no network namespaces"
  local i
  machine 0
  postgres_within=(nsenter "--net=${networks[0]}")
  for i in 0 1; do
    on 0 ip link add "net$i" type bridge 2> /dev/null || skip "no bridges here"
    on 0 ip address add "10.0.$i.100/24" dev "net$i"
    on 0 ip link set "net$i" up
  done
  for i in 1 2 3; do
    machine "$i"
    plug_in "$i" 0
    plug_in "$i" 1
  done
  loopback_to_all || skip "what listens on the loopback cannot be reached from another network here"
  postgres_start "listen_addresses='10.0.0.100'"
  echo "host all all 10.0.0.0/24 trust" >> "$postgres/data/pg_hba.conf"
  sql "SELECT pg_reload_conf()" > /dev/null
  agent-spool init "$url"
  url="postgresql://postgres@10.0.0.100/postgres?sslmode=disable"
  # Who was perhaps asked when a worker was killed is otherwise asked again only after five minutes.
  stages=(llm-chat '|' ciba-authorize --ask-again -m 'Do you want to buy \(.qty) shares of \(.ticker)' '|'
    ciba-poll --once '|' stock-buy '|' llm-chat)
}

teardown() {
  local pid
  for pid in "${started[@]}"; do kill "$pid" 2> /dev/null || true; done
  postgres_stop
}

# A network of its own, which is there as long as a process is: machine NUMBER
machine() {
  unshare -n tail -f /dev/null 3>&- &
  started+=($!)
  networks[$1]=/proc/$!/ns/net
  await another_network "${networks[$1]}"
  on "$1" ip link set lo up
}

another_network() {
  [ "$(readlink "$1")" != "$(readlink /proc/self/ns/net)" ]
}

# The command on a machine: on NUMBER COMMAND [ARGUMENT...]
on() {
  nsenter "--net=${networks[$1]}" "${@:2}"
}

# plug_in MACHINE NET
plug_in() {
  local pid=${networks[$1]//[!0-9]/}
  on 0 ip link add "machine$1net$2" type veth peer name "net$2" netns "$pid" || return 1
  on 0 ip link set "machine$1net$2" master "net$2" up
  on "$1" ip address add "10.0.$2.$1/24" dev "net$2"
  on "$1" ip link set "net$2" up
}

# 127.0.0.1, where the sandbox listens, leads to it from all machines. /proc/sys shows the network of who looks.
loopback_to_all() {
  local i
  for i in 0 1 2 3; do
    on "$i" sh -c 'echo 1 > /proc/sys/net/ipv4/conf/net1/route_localnet' 2> /dev/null || return 1
    ((i > 0)) || continue
    on "$i" ip address del 127.0.0.1/8 dev lo
    on "$i" ip route add 127.0.0.1 via 10.0.1.100
  done
}

# Packets vanish from now on, and nobody is told; in both directions, or only those to the machine: what it sends is done,
# and it does not learn so. cut MACHINE NET both|answers, mend MACHINE NET
cut() {
  case $3 in
    both) on 0 ip link set "machine$1net$2" down ;;
    answers) on 0 ip route add blackhole "10.0.$2.$1/32" ;;
  esac
}

mend() {
  on 0 ip link set "machine$1net$2" up
  on 0 ip route del blackhole "10.0.$2.$1/32" 2> /dev/null || true # if there is one
}

ciba-sandbox() {
  on 0 ciba-sandbox "$@"
}

curl() {
  on 0 curl "$@"
}

# Documents that each want so many stocks: spooled QTY...
spooled() {
  local qty
  for qty in "$@"; do
    jq -nc --arg words "Buy $qty stocks of Google" --argjson tool "$(stock-buy --describe)" \
      '{messages: [{role: "user", content: $words}], tools: [$tool]}'
  done | on 0 agent-spool add "$url" >> names
}

# A worker on a machine: worker MACHINE [OPTION...]
worker() {
  nsenter "--net=${networks[$1]}" agent-spool -v run -w -j 4 --backoff 0.1 --worker-timeout 5 "${@:2}" "$url" \
    -- "${stages[@]}" >> "log.$1" 2>&1 3>&- &
  workers[$1]=$!
  started+=($!)
}

# Waits for a condition, and says what there is if it does not come: comes COMMAND [ARGUMENT...]
comes() {
  local file
  ! await "$@" || return 0
  for file in log.*; do
    echo "--- $file"
    tail -n 25 "$file"
  done
  sql "SELECT now(), name, place, due - now() AS due_in, holder, version FROM ciba.documents WHERE place <> 'done'"
  sql "SELECT * FROM ciba.holders"
  sql "SELECT * FROM ciba.troubles"
  return 1
}

done_are() {
  [ "$(sql "SELECT count(*) FROM ciba.documents WHERE place = 'done'")" = "$1" ]
}

# The documents that want 1, 2, 3 and so on are one order each, which was never sent under another key: one_order_each NUMBER
one_order_each() {
  orders | jq -e "map(.qty) | sort == [range(1; $1 + 1)]" > /dev/null || return 1
  requests /stocks '[.json.qty, .idempotency_key]' | sort -u > sent
  [ "$(wc -l < sent)" -eq "$1" ]
}

# Four documents wait on machine 1, approved and not yet ordered, until `release`: four_wait_on_machine_1 [OPTION...]
four_wait_on_machine_1() {
  local all=("${stages[@]}")
  stages=("${all[@]:0:10}" sh -c 'echo >> waiting; until [ -e go ]; do sleep 0.1; done; exec cat' '|' "${all[@]:10}")
  : > waiting
  worker 1 "$@"
  stages=("${all[@]}")
  comes four_wait
  held=$(sql "SELECT id FROM ciba.workers")
}

four_wait() {
  [ "$(wc -l < waiting)" -eq 4 ]
}

held_by_it() {
  [ "$(sql "SELECT count(*) FROM ciba.documents WHERE holder = $held")" = "$1" ]
}

given_up() {
  [ "$(sql "SELECT count(*) FROM ciba.workers WHERE id = $held")" = 0 ]
}

# All that workers write, and that lasts.
written() {
  sql "SELECT * FROM ciba.documents ORDER BY name"
  sql "SELECT * FROM ciba.journal ORDER BY name, number"
  sql "SELECT * FROM ciba.audit ORDER BY n"
}

@test "a worker that is cut off from the database loses its documents to others, and neither orders nor writes any more" {
  sandbox --approve yes --delay 0
  spooled {1..6}
  four_wait_on_machine_1
  worker 2
  worker 3
  comes done_are 2
  held_by_it 4
  cut 1 0 both
  : > go # with the broker in its reach, it may go on
  comes given_up
  comes done_are 6
  one_order_each 6
  comes gone "${workers[1]}"
  exits 69 wait "${workers[1]}" # it cannot reach the database, and has seen nobody take over
  written > before
  mend 1 0
  await on 1 psql -XqAt "$url" -c 'SELECT 1'
  written > after
  cmp before after
  [ "$(count /stocks)" -eq 6 ]
  # The next worker works from there.
  spooled 7
  worker 1
  comes done_are 7
  one_order_each 7
}

silent_for() {
  [ "$(sql "SELECT clock_timestamp() - heartbeat > interval '$1 seconds' FROM ciba.workers WHERE id = $held")" = t ]
}

goes_on_by_itself() {
  sandbox --approve yes --delay 0
  spooled {1..4}
  four_wait_on_machine_1 --worker-timeout 150
  worker 2 --worker-timeout 150
  cut 1 0 "$1"
  : > go
  comes silent_for 15 # the connection is lost by then
  [ "$(orders)" = '[]' ]
  held_by_it 4
  mend 1 0
  comes done_are 4
  one_order_each 4
  [ "$(count /stocks)" -eq 4 ]
  # Where only answers were lost, they may still come, with nothing tried again.
  [ "$1" = answers ] || grep -q "tried again" log.1
  wait "${workers[1]}" # as one whose documents nobody took
}

@test "a worker that is cut off for less than its timeout keeps its documents, and goes on by itself" {
  goes_on_by_itself both
}

@test "a worker that the answers of the database do not reach for a while does nothing before they do, and nothing twice" {
  goes_on_by_itself answers
}

# A worker on each machine that has none.
workers_are_there() {
  local i
  for i in 1 2 3; do
    if [ -z "${workers[$i]:-}" ] || gone "${workers[$i]}"; then worker "$i"; fi
  done
}

@test "workers on three machines are killed, and their networks cut, at random: nothing is lost, nothing doubled" {
  sandbox --approve yes --delay 1 --interval 1
  # The broker's first answers are lost: these orders are sent again, some from another machine.
  spoil <<< '[{"path": "/stocks", "times": 40, "drop": true, "after": true}]'
  local round kills=0 cuts=0 machine=0 net=0 ways=(both both answers)
  for ((round = 0; round < 60; round++)); do
    spooled "$((round * 2 + 1))" "$((round * 2 + 2))"
    workers_are_there
    read -rt "0.$((RANDOM % 9 + 1))" <> <(:) || true # lint: at any moment
    if ((machine == 0 && round % 15 == 4)); then # until the next is to be cut, longer than a worker may be silent, or sooner
      machine=$((RANDOM % 3 + 1)) net=$((RANDOM % 3 / 2)) cuts=$((cuts + 1))
      cut "$machine" "$net" "${ways[RANDOM % 3]}"
    elif ((machine > 0 && (round % 15 == 3 || RANDOM % 20 == 0))); then
      mend "$machine" "$net"
      machine=0
    elif ((RANDOM % 2 == 0)); then
      kill -KILL "${workers[$((RANDOM % 3 + 1))]}" 2> /dev/null || continue
      kills=$((kills + 1))
    fi
  done
  ((machine == 0)) || mend "$machine" "$net"
  # What is left after the last kill is gone on with by some that are not killed.
  comes all_done
  echo "$kills kills, $cuts cuts"
  [ "$kills" -gt 0 ]
  [ "$cuts" -gt 0 ]
  [ "$(wc -l < names)" -eq 120 ]
  done_are 120
  one_order_each 120
  [ "$(sql "SELECT count(*) FROM ciba.calls WHERE status = 'done'")" -eq 120 ]
  sql "SELECT line FROM ciba.audit ORDER BY n" > audited
  audit-verify -q audited
}

# The workers that end, because they are cut off or the queue is empty for a moment, are started again, as a service is.
all_done() {
  workers_are_there
  [ "$(sql "SELECT count(*) FROM ciba.documents WHERE place = 'queue'")" = 0 ]
}
