# shellcheck source=helper.bash
load helper

# A faulty server in between: it handles the first request on a path, and its answer is lost.
lossy() {
  jq -n --arg path "$1" '[{path: $path, drop: true, after: true}]' > faults
  sandbox --approve yes --delay 0 --interval 1 --faults-file faults
}

@test "the intent is in the journal, synced, before the request leaves; the outcome after" {
  sandbox --approve yes --delay 0
  a_call > call
  ASAN_OPTIONS=detect_leaks=0 run strace -s 400 -y -f -e trace=write,fsync,sendto,sendmsg,?send,?socketcall -o trace ciba-authorize -m Buy --journal-file journal < call
  [ "$status" -eq 0 ]
  awk '/write\(.*journal.*\\"ask\\"/ {intent = NR} /fsync\(.*journal/ && intent && !synced {synced = NR}
       /send(to)?\(.*bc-authorize/ {sent = NR} /write\(.*journal.*\\"asked\\"/ {outcome = NR}
       END {exit !(intent && intent < synced && synced < sent && sent < outcome)}' trace
  [ "$(jq -r .step journal | xargs)" == "ask asked" ]
  [ "$(stat -c %a journal)" == 600 ]
}

@test "a rerun after a crash does not ask again, takes the decision, and keeps the result" {
  sandbox --approve yes --delay 0
  export CIBA_JOURNAL=$PWD/journal
  a_call > call
  ciba-authorize -m Buy < call > /dev/null
  ciba-authorize -m Buy < call > asked
  ciba-poll < asked > /dev/null
  ciba-poll < asked > decided
  stock-buy < decided > /dev/null
  stock-buy < decided > bought
  [ "$(jq -r '.calls[0].result.content.status' bought)" == OK ]
  [ "$(count /bc-authorize) $(count /oauth/token) $(count /stocks)" == "1 1 1" ]
}

@test "an asking whose answer was lost is repeated only when the first can no longer be approved" {
  lossy /bc-authorize
  a_call > call
  run --separate-stderr ciba-authorize -m Buy --expiry 20 --journal-file journal < call
  [ "$status" -eq 69 ]
  echo "$output" > lost
  jq -e '.calls[0].authorization | .error == "outcome_unknown" and .ask_again_at > .requested_at + 1' lost
  # from the document alone, and from the journal alone
  run --separate-stderr ciba-authorize -m Buy --expiry 20 < lost
  [ "$status" -eq 75 ]
  [[ $stderr == *"asked again in "*"--ask-again"* ]]
  run --separate-stderr ciba-authorize -m Buy --expiry 20 --journal-file journal < call
  [ "$status" -eq 75 ]
  holds '.calls[0].authorization.error == "outcome_unknown"'
  [ "$(count /bc-authorize)" -eq 1 ]
  await time_has_come
  run --separate-stderr ciba-authorize -m Buy --journal-file journal < call
  [ "$status" -eq 0 ]
  holds '.calls[0].authorization.status == "pending"'
}
time_has_come() {
  jq -e '.calls[0].authorization.ask_again_at < now' lost > /dev/null
}

@test "--ask-again asks at once" {
  lossy /bc-authorize
  a_call > call
  ciba-authorize -m Buy --journal-file journal < call > lost || true
  run --separate-stderr ciba-authorize -m Buy --ask-again --journal-file journal < call
  [ "$status" -eq 0 ]
  run --separate-stderr ciba-authorize -m Buy --ask-again < lost
  [ "$status" -eq 0 ]
  [ "$(count /bc-authorize)" -eq 3 ]
}

@test "asking anew for a lost token whose answer is lost as well is not the end: the user is asked again in time" {
  sandbox --approve yes --delay 0 --interval 1
  a_call | ciba-authorize -m Buy > asked
  ciba-poll < asked > /dev/null # its token is lost
  ciba-poll < asked > lost || true
  # the run that asks anew is killed when its intent is written down
  ciba-authorize -m Buy --expiry 5 --journal-file journal < lost > /dev/null
  sed -i '/"asked"/d' journal
  run --separate-stderr ciba-authorize -m Buy --journal-file journal < lost
  [ "$status" -eq 75 ]
  holds '.calls[0].authorization | .attempt == 2 and .error == "outcome_unknown" and .ask_again_at'
  echo "$output" > lost
  await time_has_come
  ciba-authorize -m Buy --journal-file journal < lost > asked
  jq -e '.calls[0].authorization | .status == "pending" and .attempt == 2' asked
  # and the limit is kept: this is the second of three
  ciba-poll < asked > /dev/null
  ciba-poll < asked > lost || true
  ciba-authorize -m Buy < lost | jq -e '.calls[0].authorization | .status == "pending" and .attempt == 3'
}

@test "an order whose answer was lost is sent again with the same Idempotency-Key" {
  lossy /stocks
  an_approved_call > decided
  run --separate-stderr stock-buy --journal-file journal < decided
  [ "$status" -eq 69 ]
  holds '.calls[0] | has("token") and (has("result") | not)'
  stock-buy --journal-file journal < decided > bought
  [ "$(requests /stocks '.idempotency_key' | sort -u | wc -l)" -eq 1 ]
  [ "$(orders | jq length)" -eq 1 ]
}

@test "a lost token is told as it is, and asked for anew, three times in all" {
  sandbox --approve yes --delay 0 --interval 1
  a_call | ciba-authorize -m Buy > asked
  ciba-poll < asked > /dev/null # its token is lost
  run --separate-stderr ciba-poll < asked
  echo "$stderr"
  [ "$status" -eq 77 ]
  [[ $stderr == *invalid_grant*"a token answer was lost"* ]]
  echo "$output" > lost
  local i
  for i in 2 3; do
    ciba-authorize -m Buy < lost > asked
    jq -e ".calls[0].authorization | .attempt == $i and .status == \"pending\"" asked
    ciba-poll < asked > /dev/null
    ciba-poll < asked > lost || true
  done
  ciba-authorize -m Buy < lost > asked
  cmp lost asked
  [ "$(count /bc-authorize)" -eq 3 ]
  # and nothing is bought
  run stock-buy < lost
  [ "$status" -eq 77 ]
  [ "$(orders)" == '[]' ]
}

@test "what was begun and may not be done twice is left, and the model is told so" {
  sandbox --approve yes --delay 0
  an_approved_call > decided
  tool_once() {
    sh -c 'echo "$$" > pid; exec "$@"' sh tool-run --tool buy --at-most-once --journal-file journal -- \
      sh -c 'echo >> ran; '"$1"
  }
  # shellcheck disable=SC2016
  run tool_once 'kill -9 "$(cat pid)"' < decided
  [ "$status" -eq 137 ]
  run --separate-stderr tool_once true < decided
  [ "$status" -eq 69 ]
  holds '.calls[0].result.error == "outcome_unknown"'
  [[ $stderr == *"not known whether it was done"* ]]
  [ "$(wc -l < ran)" -eq 1 ]
}

@test "a program that is run again after a crash finds the same IDEMPOTENCY_KEY, another call another" {
  sandbox --approve yes --delay 0
  an_approved_call > decided
  # shellcheck disable=SC2016
  run --separate-stderr tool-run --tool buy --journal-file journal -- \
    sh -c 'echo "$IDEMPOTENCY_KEY" >> keys; kill -9 $PPID' < decided
  [ "$status" -eq 74 ]
  [[ $stderr == *"what came of it is not known"* ]]
  holds '.calls[0] | has("token") and (has("result") | not)'
  # shellcheck disable=SC2016
  tool-run --tool buy --journal-file journal -- sh -c 'echo "$IDEMPOTENCY_KEY" >> keys' < decided > done.json
  # shellcheck disable=SC2016
  an_approved_call | tool-run --tool buy -- sh -c 'echo "$IDEMPOTENCY_KEY" >> keys' > done.json
  [ "$(grep -cE '^[A-Za-z0-9_-]{43}$' keys)" -eq 3 ]
  [ "$(sed -n 1p keys)" == "$(sed -n 2p keys)" ]
  [ "$(sed -n 2p keys)" != "$(sed -n 3p keys)" ]
}

@test "begun, and the approval over since: it is not said that nothing was done" {
  lossy /stocks
  an_approved_call > decided
  stock-buy --journal-file journal < decided || true
  jq -c '.calls[0].token.expires_at = 1' decided > late
  run --separate-stderr stock-buy --journal-file journal < late
  [ "$status" -eq 69 ]
  holds '.calls[0].result | .error == "outcome_unknown" and (.content | contains("not known whether it was done"))'
  # without it, it is
  run --separate-stderr stock-buy < late
  holds '.calls[0].result | .error == "refused" and (.content | contains("Nothing was done"))'
}

@test "a journal is one document's, waits for its turn, and survives a torn line" {
  sandbox --approve yes --delay 0
  { a_call GOOGL 1; a_call GOOGL 2; } > two
  run --separate-stderr ciba-authorize -m Buy --journal-file journal < two
  [ "$status" -eq 65 ]
  [[ $stderr == *"is for one document"* ]]
  [ "$(wc -l <<< "$output")" -eq 2 ]
  [ "$(count /bc-authorize)" -eq 1 ]
  printf '{"step":"as' >> journal
  run --separate-stderr ciba-authorize -m Buy --journal-file journal < <(a_call GOOGL 1)
  [ "$status" -eq 0 ]
  [ "$(count /bc-authorize)" -eq 1 ]
  jq -e . journal
  echo 'no JSON' >> journal
  run --separate-stderr ciba-authorize -m Buy --journal-file journal < <(a_call GOOGL 1)
  [ "$status" -eq 65 ]
  [[ $stderr == *"no journal"* ]]
  [ "$(count /bc-authorize)" -eq 1 ]
}

@test "what cannot be written down is not done" {
  sandbox --approve yes --delay 0
  run bash -c "trap '' XFSZ; ulimit -f 0; exec ciba-authorize -m Buy --journal-file journal" < <(a_call)
  echo "$output"
  [ "$status" -eq 74 ]
  [ "$(count /bc-authorize)" -eq 0 ]
  an_approved_call > decided
  run stock-buy --journal-file no-such-folder/journal < decided
  [ "$status" -eq 74 ]
  [ "$(orders)" == '[]' ]
}
