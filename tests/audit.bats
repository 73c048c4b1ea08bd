# shellcheck source=helper.bash
load helper

# A log of three lines.
a_log() {
  sandbox --approve yes --delay 0
  export CIBA_AUDIT=$PWD/log
  an_approved_call | stock-buy > bought
  unset CIBA_AUDIT
}

@test "each decision and each execution is a line: who, what was shown, when, what was run, what came of it" {
  a_log
  [ "$(jq -r .event log | xargs)" == "asked approved executed" ]
  jq -e --slurpfile bought bought 'select(.event == "executed") |
    .user == "auth0|demo" and .binding_message == "Buy 3 GOOGL" and .status == 200 and
    .call_digest == $bought[0].calls[0].authorization.call_digest and (.time | fromdate) > now - 100' log
  [ "$(stat -c %a log)" == 600 ]
  run audit-verify log
  [ "$status" -eq 0 ]
  [ "$output" == "3 $(jq -r .digest log | tail -n 1)" ]
}

@test "a no, a time that ran out, a refusal and a failure are lines too" {
  export CIBA_AUDIT=$PWD/log
  sandbox --approve no --delay 0
  a_call | ciba-authorize -m Buy | ciba-poll || true
  kill "$CIBA_SANDBOX_PID"
  sandbox --approve never --interval 1
  a_call | ciba-authorize -m Buy --expiry 1 | ciba-poll || true
  kill "$CIBA_SANDBOX_PID"
  sandbox --approve yes --delay 0
  an_approved_call | jq -c '.calls[0].arguments.qty = 3000' | stock-buy || true
  a_call | ciba-authorize -m Buy -a no-such-audience || true
  [ "$(jq -r .event log | xargs)" == "asked denied asked expired asked approved refused not_asked" ]
  jq -se 'any(.event == "refused" and (.error | contains("call_digest")))' log
  audit-verify log
}

@test "ciba-run: what was approved is told before it is run, and not run if that cannot be told" {
  sandbox --approve yes --delay 0
  run ciba-run --audit-file log -m 'Delete it' touch first
  [ "$status" -eq 0 ]
  [ "$(jq -r .event log | xargs)" == "asked approved started" ]
  [ -e first ]
  run ciba-run --audit-file /dev/full -m 'Delete it' touch again
  [ "$status" -ne 0 ]
  [ ! -e again ]
}

@test "no token, secret, argument or auth_req_id is in the log" {
  a_log
  for secret in "$CIBA_CLIENT_SECRET" "$(jq -r '.calls[0].authorization.auth_req_id' bought)" access_token '"qty"'; do
    no grep -qF -- "$secret" log
  done
}

@test "a line that was changed, removed, moved, repeated or cut is named" {
  a_log
  local name change line
  while IFS='|' read -r name line change; do
    eval "$change" < log > changed
    run audit-verify changed
    echo "$name: $output"
    [ "$status" -eq 1 ]
    [[ $output == *"changed:$line: "* ]]
  done << 'EOF'
changed|2|sed '2s/Buy 3/Buy 4/'
first changed|1|sed '1s/Buy 3/Buy 4/'
last changed|3|sed '3s/200/500/'
removed|2|sed 2d
first removed|1|sed 1d
moved|2|awk 'NR == 2 {held = $0; next} {print} NR == 3 {print held}'
repeated|3|sed 2p
cut off|3|head -c -5
not JSON|2|sed '2s/^/x/'
EOF
}

@test "a line changed with its own digest made anew is found by the next line; a new end by --head" {
  a_log
  line=$(sed -n 2p log | sed 's/Buy 3/Buy 4/; s/,"digest":.*//')
  digest=sha-256:$(printf %s "$line" | openssl dgst -sha256 -binary | basenc --base64url | tr -d =)
  { sed -n 1p log; echo "$line,\"digest\":\"$digest\"}"; sed -n 3p log; } > changed
  run audit-verify changed
  [ "$status" -eq 1 ]
  [[ $output == *"changed:3: does not follow: the line before it was changed"* ]]
  head=$(audit-verify log | cut -d ' ' -f 2)
  head -n 2 log > short
  audit-verify short
  run audit-verify --head "$head" short
  [ "$status" -eq 1 ]
  [[ $output == *"lines at its end were removed"* ]]
  an_approved_call | stock-buy --audit-file log > /dev/null
  audit-verify --head "$head" log
}

@test "many processes at once append whole lines in one chain" {
  nowhere
  seq 40 | xargs -P 20 -I@ sh -c 'echo "{\"calls\":[{\"id\":\"c@\",\"arguments\":{}}]}" | ciba-authorize --audit-file log -m Buy' > /dev/null 2>&1 || true
  run audit-verify log
  echo "$output"
  [ "$status" -eq 0 ]
  [[ $output == "40 "* ]]
}

@test "a torn last line goes when the next is appended; a file that is no log is not touched" {
  a_log
  printf '{"event":"as' >> log
  run audit-verify log
  [ "$status" -eq 1 ]
  an_approved_call | stock-buy --audit-file log > /dev/null
  [ "$(audit-verify log | cut -d ' ' -f 1)" -eq 4 ]
  echo 'my notes' > notes
  run ciba-authorize -m Buy --audit-file notes < <(a_call)
  [ "$status" -eq 65 ]
  [[ $output == *audit-verify* ]]
  [ "$(cat notes)" == 'my notes' ]
  run audit-verify no-such-file
  [ "$status" -eq 66 ]
  : > empty
  run audit-verify empty
  [ "$output" == "0 -" ]
}

@test "an execution that nobody was asked about is told once as well, and another of the same call id again" {
  for i in 1 2 1; do
    a_call | tool-run --without-approval --tool buy --journal-file "journal.$i" --audit-file log -- true
  done
  jq -se 'map(.event) == ["executed", "executed"]' log
  audit-verify -q log
}

@test "an order that is sent again, since its outcome was not written down, is told once" {
  sandbox --approve yes --delay 0
  an_approved_call > decided
  stock-buy --journal-file journal --audit-file log < decided > /dev/null
  sed -i '/"executed"/d' journal # as after a crash
  stock-buy --journal-file journal --audit-file log < decided > /dev/null
  [ "$(count /stocks)" -eq 2 ]
  [ "$(jq -r .event log | xargs)" == executed ]
}

@test "what could not be told is told by the next command that has the document and the log" {
  sandbox --approve yes --delay 0
  mkdir away
  run --separate-stderr bash -c "$(declare -f a_call); a_call | ciba-authorize -m Buy --audit-file /dev/full"
  [ "$status" -eq 74 ]
  holds '.calls[0] | .untold and .authorization.status == "pending"'
  echo "$output" > asked
  ciba-poll --once < asked | jq -e '.calls[0].untold' # a command without a log does not take that away
  kill "$CIBA_SANDBOX_PID"
  sandbox --approve yes --delay 0
  a_call | ciba-authorize -m Buy --audit-file /dev/full > asked || true
  ciba-poll --audit-file log < asked > decided
  [ "$(jq -r .event log | xargs)" == "asked approved" ]
  stock-buy --audit-file away/x/log < decided > bought || true
  jq -e '.calls[0].untold' bought
  stock-buy --audit-file log < bought | jq -e '.calls[0] | has("untold") | not'
  [ "$(jq -r .event log | xargs)" == "asked approved executed" ]
  [ "$(orders | jq length)" -eq 1 ]
}

# Each row: what follows a line's digest.
@test "nothing can stand behind a line's digest, or in a line that is not as it was written" {
  sandbox --approve yes --delay 0
  export CIBA_AUDIT=$PWD/log
  an_approved_call | stock-buy > done.json
  unset CIBA_AUDIT
  written=$(wc -l < log)
  for ((n = 1; n <= written; n++)); do
    for change in 's/}$/,"error":"order_refused"}/' 's/}$/ }/' 's/}$/}\r/' 's/}$/} /' 's/}$/}\x00{"a":1}/' 's/}$/}}/' 's/^/ /' 's/"n":/"n": /'; do
      sed "${n}${change}" log > changed
      attack
      run audit-verify changed
      echo "$n $change: $status $output"
      [ "$status" -eq 1 ]
    done
  done
  audit-verify log
  attacks
}

@test "with a seal a document tells the log nothing of its own" {
  sandbox --approve yes --delay 0
  openssl rand -hex 32 > key
  jq -nc '{calls:[{id:"c",name:"buy",arguments:{},untold:true,authorization:{status:"approved",user:"auth0|ceo",binding_message:"Pay Eve"},result:{status:200}}]}' > forged
  tool-run --tool buy --seal-key-file key --audit-file log -- true < forged > out
  [ ! -e log ]
  # what could not be logged is logged later, sealed and unchanged
  a_call | ciba-authorize -m Buy --seal-key-file key | ciba-poll --seal-key-file key > approved
  mkdir folder
  stock-buy --seal-key-file key --audit-file folder < approved > untold || true
  jq -e '.calls[0].untold and .calls[0].result.status == 200' untold
  jq -c '.calls[0].result.status = 403' untold | stock-buy --seal-key-file key --audit-file log > out
  [ ! -e log ]
  stock-buy --seal-key-file key --audit-file log < untold > told
  [ "$(jq -r '.event, .status' log | xargs)" == "executed 200" ]
  jq -e '.calls[0] | has("untold") | not' told
}

# Lines of a log, by a tool that needs no approval: lines COUNT
lines() {
  for ((i = 0; i < $1; i++)); do a_call; done | tool-run --without-approval --tool buy --audit-file log -- true > /dev/null
}
# As logrotate renames them: the older files, the newest last.
rotate() {
  for ((i = 9; i >= 1; i--)); do [ ! -e "log.$i" ] || mv "log.$i" "log.$((i + 1))"; done
  mv log log.1
}

@test "a log that is moved away goes on in the next file; a file that is missing, or changed at its end, is noticed" {
  lines 3
  head=$(audit-verify log | cut -d' ' -f2)
  rotate
  lines 2
  rotate
  printf '' > log # and one into which nothing came
  rotate
  lines 1
  [ "$(audit-verify log.3 log.2 log.1 log | cut -d' ' -f1)" -eq 6 ]
  audit-verify -q - log.2 log < log.3
  audit-verify -q --after "$head" log.2 log
  while read -r files; do
    # shellcheck disable=SC2086 # words on purpose
    run audit-verify $files
    echo "$files: $output"
    [ "$status" -eq 1 ]
    [[ $output == *"${files##*[ =]}"* ]]
  done << 'END'
log.3 log
log.2 log
log
log.3 log.2 log.2
log.3 log log.2
log.2 log.3
--after sha-256:none log.2
END
}

@test "a log is moved away under those who write it: no line is lost, torn, or in a second chain" {
  for ((w = 0; w < 4; w++)); do
    (for ((j = 0; j < 15; j++)); do lines 2; done) &
    writers[w]=$!
  done
  for ((r = 0; r < 8; r++)); do
    await [ -s log ]
    [ "$r" -eq 0 ] || mv log.1 "moved.$((r - 1))"
    mv log log.1
  done
  for writer in "${writers[@]}"; do wait "$writer"; done
  audit-verify moved.{0..6} log.1 log > summary
  [ "$(cut -d' ' -f1 summary)" -eq 120 ]
}

@test "what was told before a log was moved away is not told again" {
  sandbox --approve yes --delay 0
  a_call > call
  ciba-authorize -m Buy --journal-file journal < call > asked
  ciba-poll --journal-file journal --audit-file log < asked > decided
  [ "$(jq -r .event log)" == approved ]
  rotate
  ciba-poll --journal-file journal --audit-file log < asked > decided
  rotate 2> /dev/null || true
  ciba-poll --journal-file journal --audit-file log < asked > decided
  [ "$(cat log log.* 2> /dev/null | jq -r .event)" == approved ]
}

@test "lines have a format; after one of a later version nothing is appended, and it is told" {
  lines 2
  jq -se 'map(.format) == [1, 1]' log
  tail -n 1 log | jq -c '.format = 2 | del(.digest)' > later
  line=$(head -c -2 later)
  printf '%s,"digest":"sha-256:%s"}\n' "$line" "$(printf %s "$line" | openssl dgst -sha256 -binary | base64url)" > end
  { head -n 1 log; cat end; } > other
  chmod 600 other
  run audit-verify other
  [ "$status" -eq 1 ]
  [[ $output == *"other:2: was written by a later version"* ]]
  mv other log
  run tool-run --without-approval --tool buy --audit-file log -- true < <(a_call)
  [[ $output == *"its last line is not of an audit log"* ]]
  [ "$(wc -l < log)" -eq 2 ]
}
