# shellcheck source=helper.bash
load helper

setup() {
  command -v redis-server > /dev/null || skip "redis-server is not installed"
  common_setup
  redis-server --port 0 --unixsocket "$PWD/redis" --save '' --appendonly yes --dir "$PWD" > redis.log 2>&1 3>&- &
  started+=($!)
  export REDIS="redis-cli -s $PWD/redis" IDLE=300
  await eval '$REDIS PING > /dev/null 2>&1'
  fleet=$project/examples/fleet/fleet
}

# A worker of the fleet, whose process group ends with the test.
worker() {
  workers=$((workers + 1))
  setsid "$fleet" "$@" > "worker.$1.$workers" 2>&1 3>&- &
  groups+=($!)
}

teardown() {
  local group
  for group in "${groups[@]}"; do kill -9 -- "-$group" 2> /dev/null || true; done
  for pid in "${started[@]}"; do kill "$pid" 2> /dev/null || true; done
}

# Documents to buy 1, 2, … shares of GOOGL.
documents() {
  local i
  for ((i = 1; i <= $1; i++)); do
    printf '{"n":%s,"calls":[{"id":"c%s","name":"buy","arguments":{"ticker":"GOOGL","qty":%s}}]}\n' $i $i $i
  done
}

finished() {
  [ "$("$fleet" 'done' | jq -s '[.[].n] | unique | length')" -eq "$1" ]
}

@test "fleet: workers of each kind take documents to their end, each order once" {
  sandbox --approve yes --delay 0 --interval 1
  export IDLE=60000
  worker ask
  worker ask
  worker decide
  worker buy
  worker buy
  documents 20 | "$fleet" put > ids
  await finished 20
  [ "$(orders | jq -c 'map(.qty) | sort')" == "$(seq 20 | jq -sc .)" ]
  [ "$("$fleet" 'done' | jq -r '.calls[0].result.status' | sort -u)" == 200 ]
  [ "$(count /bc-authorize)" -eq 20 ]
}

@test "fleet: a worker that is killed when it has bought and not said so: another takes over, no order twice" {
  sandbox --approve yes --delay 0 --interval 1
  mkdir dying
  printf '#!/bin/sh\n%s "$@" > out\nkill -9 0\n' "$(command -v stock-buy)" > dying/stock-buy
  chmod +x dying/stock-buy
  # These are alive: on a busy machine they would take their own documents for a dead worker's, and do them twice.
  IDLE=60000 worker ask
  IDLE=60000 worker decide
  documents 3 | "$fleet" put > ids
  PATH=$PWD/dying:$PATH worker buy
  PATH=$PWD/dying:$PATH worker buy
  PATH=$PWD/dying:$PATH worker buy
  await eval '[ "$(count /stocks)" -eq 3 ]'
  finished 0
  worker buy
  await finished 3
  [ "$(count /stocks)" -eq 6 ]
  [ "$(orders | jq -c 'map(.qty) | sort')" == '[1,2,3]' ]
}

@test "fleet: a worker that polls is killed, and its documents are polled by another" {
  sandbox --approve ask --interval 1
  # A live worker must not take its own documents for a dead one's: see above. With two polls for one request the
  # provider sends slow_down, again and again.
  IDLE=60000 worker ask
  IDLE=60000 worker decide
  IDLE=60000 worker buy
  documents 2 | "$fleet" put > ids
  await eval '[ "$(count /oauth/token)" -ge 2 ]'
  kill -9 -- "-${groups[1]}"
  IDLE=5000 worker decide
  decide true
  await finished 1
  [ "$(orders | jq length)" -eq 1 ]
}

@test "fleet: a slow worker whose document is taken over has the user asked twice, and bought once" {
  sandbox --approve yes --delay 0 --interval 1
  mkdir slow
  printf '#!/bin/sh\n%s "$@" > out.$$; until [ -e go ]; do sleep 0.02; done; cat out.$$\n' "$(command -v ciba-authorize)" > slow/ciba-authorize
  chmod +x slow/ciba-authorize
  documents 1 | "$fleet" put > ids
  PATH=$PWD/slow:$PATH worker ask
  await eval '[ "$(count /bc-authorize)" -eq 1 ]'
  PATH=$PWD/slow:$PATH worker ask
  await eval '[ "$(count /bc-authorize)" -ge 2 ]'
  touch go
  IDLE=60000 worker decide
  IDLE=60000 worker buy
  await finished 1
  await eval '[ "$("$fleet" failed | wc -l)" -ge 1 ]'
  "$fleet" failed | jq -e '.reason == "another approval of its calls is used" and .document.calls[0].authorization.status == "approved"'
  [ "$(orders | jq length)" -eq 1 ]
}

# Of two documents whose server gave its calls the same id, as small servers do.
@test "fleet: calls of different documents with the same id are different calls" {
  sandbox --approve yes --delay 0 --interval 1
  export IDLE=60000
  worker ask
  worker decide
  worker buy
  documents 4 | jq -c '.calls[0].id = "call 1"' | "$fleet" put > ids
  await finished 4
  [ "$(orders | jq -c 'map(.qty) | sort')" == '[1,2,3,4]' ]
  run --separate-stderr "$fleet" failed
  [ "$status" -eq 0 ]
  [ -z "$output" ]
}

@test "fleet: what is no document, or is refused, ends nobody and is not dropped" {
  sandbox --approve yes --delay 0 --interval 1
  export IDLE=60000
  for stream in asking deciding buying; do
    $REDIS XADD "$stream" '*' document 'no JSON' > ids
    $REDIS XADD "$stream" '*' document '[1]' > ids
  done
  worker ask
  worker decide
  worker buy
  printf '{"calls":[{"id":"x","name":"buy","arguments":{}}]}\n' | "$fleet" put > ids
  documents 1 | "$fleet" put > ids
  await finished 1
  await eval '[ "$("$fleet" failed | wc -l)" -eq 7 ]'
  [ "$("$fleet" failed | jq -s 'map(select(.document != null)) | length')" -eq 1 ]
}

@test "fleet: what Redis does not take is not let go, and put says so" {
  sandbox --approve yes --delay 0 --interval 1
  export IDLE=60000
  documents 3 | "$fleet" put > ids
  $REDIS CONFIG SET maxmemory 1 > /dev/null
  run eval 'documents 1 | "$fleet" put'
  [ "$status" -ne 0 ]
  worker ask
  await gone "${groups[0]}"
  $REDIS CONFIG SET maxmemory 0 > /dev/null
  IDLE=300 worker ask
  worker decide
  worker buy
  await finished 3
}
