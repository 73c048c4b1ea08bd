# shellcheck source=helper.bash
load helper

# ciba-authorize --together: one question for many calls.

# A document with so many calls: calls N [JQ]
calls() {
  jq -nc --argjson n "$1" '{calls: [range($n) | {id: "call_\(.)", name: "buy", arguments: {ticker: "GOOGL", qty: (. + 1)}}]} | '"${2:-.}"
}

# Asks about so many calls together: asked N [OPTION...]
asked() {
  calls "$1" | ciba-authorize --together -m 'Buy \(length) stocks, \([.[].arguments.qty] | add) shares' "${@:2}"
}

a_key() {
  (umask 077 && openssl rand -hex 32 > key)
}

# The statuses of the calls of a document, each once.
statuses() {
  jq -c '[.calls[].authorization.status] | unique' "$@"
}

@test "RFC 9162: roots and inclusion proofs of the Certificate Transparency reference tests" {
  entries='["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]'
  while read -r count root; do
    [ "$(jq -nc "{entries: ${entries}[:$count]}" | merkle-check | head -n 1)" == "$root" ]
  done <<'END'
1 6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d
2 fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125
3 aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77
4 d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7
5 4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4
6 76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef
7 ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c
8 5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328
END
  while read -r count place path; do
    jq -nc "{entries: ${entries}[:$count]}" | merkle-check > tree
    root=$(head -n 1 tree)
    [ "$(grep "^$place:" tree)" == "$place: $path" ]
    jq -nc --arg root "$root" --arg path "$path" "{entry: ${entries}[$place], place: $place, count: $count, path: (\$path | split(\" \")), \$root}" > proof
    [ "$(merkle-check < proof)" == valid ]
    [ "$(jq -c '.entry += "00"' proof | merkle-check)" == invalid ]
    [ "$(jq -c '.path += [.root]' proof | merkle-check)" == invalid ]
  done <<'END'
8 0 96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7 5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e 6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4
8 5 bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0 d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7
3 2 fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125
5 1 6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d 5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b
END
}

@test "RFC 9162: in a list of up to 70 entries each place has one proof, and no other is accepted" {
  [ "$(merkle-check <<< '{"most":70}')" == "$((70 * 71 / 2)) right, 0 wrong" ]
}

@test "500 calls are one question, which is polled once for all; each is bought once" {
  sandbox --approve ask
  asked 500 > asked
  jq -e '.calls | length == 500 and ([.[].authorization | .auth_req_id, .together.digest] | unique | length == 2)' asked
  [ "$(count /bc-authorize)" -eq 1 ]
  [ "$(jq -r '.calls[499].authorization.binding_message' asked)" == "Buy 500 stocks, 125250 shares" ]
  exits 75 ciba-poll --once < asked > pending
  [ "$(count /oauth/token)" -eq 1 ]
  decide true
  await later pending
  ciba-poll -j 8 < pending > approved
  [ "$(statuses approved)" == '["approved"]' ]
  [ "$(requests /bc-authorize | wc -l) $(count /oauth/token)" == "1 2" ]
  ciba-poll -q < approved
  stock-buy < approved > bought
  [ "$(jq -c '[.calls[].result.status] | unique' bought)" == '[200]' ]
  [ "$(orders | jq -c 'map(.qty) | sort == [range(500) | . + 1]')" == true ]
}
# The time to poll again has come.
later() {
  jq -e '[.calls[].authorization.next_poll_at] | max < now' "$1" > /dev/null
}

@test "the answer to one question is one entry in the journal, and a line of the audit log for each call" {
  sandbox --approve yes --delay 0
  a_key
  asked 60 --journal-file journal --audit-file log --seal-key-file key > asked
  ciba-poll --journal-file journal --audit-file log --seal-key-file key < asked > approved
  [ "$(jq -r .step journal | xargs)" == "ask asked decided" ]
  audit-verify log
  [ "$(jq -r .event log | sort | uniq -c | xargs)" == "60 approved 60 asked" ]
  [ "$(jq -r .id log | sort -u | wc -l)" -eq 120 ]
  jq -se 'map(select(.event == "approved") | .together.index) == [range(60)] and (map(.together.digest) | unique | length == 1)' log
}

@test "each part is executed by its own executor, wherever it stands, and in any order" {
  sandbox --approve yes --delay 0
  { calls 2; calls 1 '.calls[0] |= (.name = "note" | .id = "n")'; calls 3 '.calls[] |= (.id += "x")'; } > documents
  ciba-authorize --together-documents 3 -m 'Do \(length) things' < documents > asked
  [ "$(count /bc-authorize)" -eq 1 ]
  [ "$(jq -s 'length' asked)" -eq 3 ]
  ciba-poll < asked > approved
  [ "$(count /oauth/token)" -eq 1 ]
  sed -n 3p approved | stock-buy > third
  sed -n 2p approved | tool-run --tool note -- sh -c 'cat > noted' > second
  sed -n 1p approved | stock-buy > first
  cat first second third | jq -se '[.[].calls[].result.status] == [200, 200, 0, 200, 200, 200]'
  [ "$(jq -c . noted)" == '{"qty":1,"ticker":"GOOGL"}' ]
  [ "$(orders | jq -c 'map(.qty)')" == '[1,2,3,1,2]' ]
}

@test "a part that was changed is refused alone" {
  a_key
  for seal in '' '--seal-key-file key'; do
    sandbox --approve yes --delay 0
    # shellcheck disable=SC2086 # two words
    asked 4 $seal | ciba-poll $seal > approved
    jq -c '.calls[2].arguments.qty = 1000' approved > changed
    # shellcheck disable=SC2086
    run --separate-stderr stock-buy $seal < changed
    [ "$status" -eq 65 ]
    holds '[.calls[].result | .error // .status] == [200, 200, "refused", 200]'
    # shellcheck disable=SC2086
    exits 65 ciba-poll -q $seal < changed
    [ "$(orders | jq -c 'map(.qty)')" == '[1,2,4]' ]
    kill "$CIBA_SANDBOX_PID"
  done
}

# Each row: a change of a document with four approved calls, after which call 1 must not be bought.
@test "the approval of one part is none for another: moved, swapped, at another place, in another list" {
  a_key
  for seal in '' '--seal-key-file key'; do
    sandbox --approve yes --delay 0
    # shellcheck disable=SC2086 # two words
    calls 4 '.calls[3].arguments = .calls[2].arguments' | ciba-authorize --together $seal | ciba-poll $seal > approved
    # shellcheck disable=SC2086
    calls 2 '.calls[].arguments.qty += 10' | ciba-authorize --together $seal | ciba-poll $seal > other
    # shellcheck disable=SC2086
    calls 2 | ciba-authorize --together $seal | ciba-poll $seal > alike
    while IFS= read -r change; do
      jq -c --slurpfile other other "$change | .calls |= [.[1]]" approved > changed
      # shellcheck disable=SC2086
      run --separate-stderr stock-buy $seal < changed
      echo "$change: $status $stderr"
      attack
      [ "$status" -eq 65 ]
      holds '.calls[0].result.error == "refused"'
      # shellcheck disable=SC2086
      exits 65 ciba-poll -q $seal < changed
    done <<'END'
.calls[1] |= . + ($other[0].calls[0] | {authorization, token})
.calls[1].authorization = .calls[0].authorization | .calls[1].token = .calls[0].token
.calls[1].authorization |= (.together.index = 0)
.calls[1].authorization |= (.together.index = 2)
.calls[1].authorization |= (.together.index = 1.5)
.calls[1].authorization |= (.together.index = -1)
.calls[1].authorization |= (.together.index = 4)
.calls[1].authorization |= (.together.index = 1e300)
.calls[1].authorization |= (.together.index = "1")
.calls[1].authorization |= (.together.of = 5)
.calls[1].authorization |= (.together.of = 2)
.calls[1].authorization |= (.together.of = 1000000)
.calls[1].authorization |= (.together.path |= reverse)
.calls[1].authorization |= (.together.path |= .[1:])
.calls[1].authorization |= (.together.path += .together.path)
.calls[1].authorization |= (.together.path = [range(40) | "x"])
.calls[1].authorization |= (.together.path[0] += "=")
.calls[1].authorization |= (.together.path[0] = null)
.calls[1].authorization |= (.together.path = {})
.calls[1].authorization |= (.together.path = null)
.calls[1].authorization |= (.together.digest = $other[0].calls[0].authorization.together.digest)
.calls[1].authorization |= (.together.digest |= ltrimstr("sha-256:"))
.calls[1].authorization |= (del(.together.digest))
.calls[1].authorization |= (.together = $other[0].calls[1].authorization.together)
.calls[1].authorization |= (.together = {})
.calls[1].authorization |= (.together = [])
.calls[1].authorization |= (.together = null)
.calls[1].authorization |= (.together = true)
.calls[1].authorization.together = .calls[0].authorization.together
.calls[3].authorization.together.index = 2 | .calls[1] = .calls[3]
.calls[3].authorization.together.path = .calls[2].authorization.together.path | .calls[1] = .calls[3]
END
    [ "$(orders)" == '[]' ]
    kill "$CIBA_SANDBOX_PID"
  done
  # what only a seal can tell from the truth: that it was asked about alone, or in another list
  for change in 'del(.calls[1].authorization.together)' \
    '.calls[1].authorization.together = $alike[0].calls[1].authorization.together' \
    '.calls[1].authorization.auth_req_id = $alike[0].calls[1].authorization.auth_req_id'; do
    jq -c --slurpfile alike alike "$change | .calls |= [.[1]]" approved > changed
    exits 65 stock-buy --seal-key-file key < changed > refused
    attack
    jq -e '.calls[0].result.error == "refused"' refused
  done
  attacks
}

@test "a path is of one list only: what fits a shorter list with the same root is refused" {
  sandbox --approve yes --delay 0
  asked 3 | ciba-poll > approved
  # without index and count in the entries (2 of 3) would also be (1 of 2), and run once more
  jq -c '.calls |= [.[2] | .authorization.together |= (.index = 1 | .of = 2)]' approved > changed
  exits 65 stock-buy < changed > refused
  [ "$(orders)" == '[]' ]
}

@test "two calls that are alike run once each, and not again from a copy" {
  sandbox --approve yes --delay 0
  calls 2 '.calls[] |= (.arguments.qty = 5 | .id = "same")' > document
  ciba-authorize --together -m Buy < document | ciba-poll > approved
  stock-buy < approved > bought
  stock-buy < approved > bought
  [ "$(orders | jq -c 'map(.qty)')" == '[5,5]' ]
  [ "$(requests /stocks .idempotency_key | sort | uniq -c | awk '{print $1}' | xargs)" == "2 2" ]
  run_once=(tool-run --tool buy --spent-dir spent -- sh -c 'cat > /dev/null; echo >> ran')
  "${run_once[@]}" < approved > done.json
  exits 65 "${run_once[@]}" < approved > again.json
  [ "$(wc -l < ran)" -eq 2 ]
  jq -e '[.calls[].result.error] == ["already_used", "already_used"]' again.json
}

# Each row: how the sandbox is started, the exit status, the state of all calls, and their error.
@test "one no, one expiry or one error is that of all calls" {
  while IFS='|' read -r sandbox faults expected state why; do
    jq -nc "$faults" > faults
    # shellcheck disable=SC2086 # words
    sandbox --interval 1 --approve $sandbox --faults-file faults
    asked 20 --expiry "$([ "$state" == expired ] && echo 2 || echo 300)" > asked
    run --separate-stderr ciba-poll < asked
    echo "$sandbox $faults: $status $stderr"
    [ "$status" -eq "$expected" ]
    holds "[.calls[].authorization | .status, .error] | unique == ([\"$state\", \"$why\"] | unique)"
    [ "${#stderr_lines[@]}" -le 2 ] # whom it asked, and what came of it
    [ "$(count /oauth/token)" -le 4 ]
    echo "$output" | stock-buy > refused || true
    [ "$(orders)" == '[]' ]
    kill "$CIBA_SANDBOX_PID"
    rm requests
  done <<'END'
no --delay 0|[]|1|denied|access_denied
never|[]|1|expired|expired_token
yes --delay 0|[{path:"/oauth/token",status:400,body:{error:"unauthorized_client"}}]|77|failed|unauthorized_client
yes --delay 0|[{path:"/oauth/token",status:200,body:{access_token:"x",token_type:"Bearer"}}]|76|failed|invalid_id_token
END
}

@test "an answer that a server could not give is waited for, once for all" {
  jq -nc '[{path:"/oauth/token",status:503,body:"",times:2}]' > faults
  sandbox --approve yes --delay 0 --interval 1 --faults-file faults
  asked 20 | ciba-poll > approved
  [ "$(statuses approved)" == '["approved"]' ]
  [ "$(count /oauth/token)" -eq 3 ]
}

@test "an approval that was lost is asked for again, together" {
  sandbox --approve yes --delay 0
  asked 3 > asked
  ciba-poll < asked > lost_with_its_reader
  exits 77 ciba-poll < asked > lost
  jq -e '[.calls[].authorization.error] | unique == ["invalid_grant"]' lost
  ciba-authorize --together -m 'Buy again' < lost > again
  jq -e '[.calls[].authorization | .attempt, .status] | unique == [2, "pending"]' again
  [ "$(count /bc-authorize)" -eq 2 ]
  ciba-poll < again | stock-buy | jq -e '[.calls[].result.status] | unique == [200]'
}

@test "a document that comes after the token was given gets its approval all the same" {
  sandbox --approve yes --delay 0
  { calls 2; calls 1 '.calls[].id = "x"'; calls 2 '.calls[].id += "y"'; } | ciba-authorize --together-documents 3 -m Buy > asked
  mkfifo documents
  command ciba-poll < documents > approved &
  started+=($!)
  exec 8> documents
  sed -n 1p asked >&8
  await test -s approved
  sed -n 2,3p asked >&8
  exec 8>&-
  wait "${started[-1]}"
  [ "$(count /oauth/token)" -eq 1 ]
  jq -se 'length == 3 and ([.[].calls[].authorization.status] | unique == ["approved"])' approved
  stock-buy < approved | jq -se '[.[].calls[].result.status] == [200, 200, 200, 200, 200]'
}

@test "--once polls a shared request once, and all documents that wait for it are left until its time" {
  sandbox --approve never --interval 60
  { calls 2; calls 1 '.calls[].id = "x"'; } | ciba-authorize --together-documents 2 -m Buy > asked
  mkfifo documents
  command ciba-poll --once < documents > pending &
  started+=($!)
  exec 8> documents
  sed -n 1p asked >&8
  await test -s pending
  sed -n 2p asked >&8
  exec 8>&-
  exits 75 wait "${started[-1]}"
  [ "$(count /oauth/token)" -eq 1 ]
  jq -se 'length == 2 and ([.[].calls[].authorization.next_poll_at] | length == 3 and (unique | length == 1) and .[0] > now)' pending
}

@test "--max-wait and SIGTERM leave all calls pending, with the time of the next poll" {
  sandbox --interval 1 --approve never
  asked 20 > asked
  exits 75 ciba-poll --max-wait 0.5 < asked > pending
  [ "$(statuses pending)" == '["pending"]' ]
  command ciba-poll < asked > stopped &
  pid=$!
  started+=("$pid")
  await polled 2
  kill "$pid"
  exits 75 wait "$pid"
  [ "$(statuses stopped)" == '["pending"]' ]
  jq -e '[.calls[].authorization.next_poll_at] | length == 20 and (unique | length == 1)' stopped
}
polled() {
  [ "$(count /oauth/token)" -ge "$1" ]
}

# A notification is in the spool for the request of the document `asked`: notified BODY-JQ
notified() {
  jq -c '.calls[0].authorization | {auth_req_id} + '"$1" asked > "spool/new/$(jq -r '.calls[0].authorization.notification_digest | ltrimstr("sha-256:")' asked)"
}

@test "a ping or a push is for all calls of its request" {
  sandbox --approve yes --delay 0
  asked 20 --notification-dir spool > asked
  [ "$(find spool/expected -type f | wc -l)" -eq 1 ]
  notified '{}'
  ciba-poll --notification-dir spool < asked > approved
  [ "$(statuses approved)" == '["approved"]' ]
  [ "$(count /oauth/token)" -eq 1 ]
  empty spool
  asked 20 --notification-dir spool > asked
  notified '{error: "access_denied"}'
  exits 1 ciba-poll --notification-dir spool --push < asked > denied
  [ "$(statuses denied)" == '["denied"]' ]
  [ "$(count /oauth/token)" -eq 1 ]
  empty spool
}

@test "a call that says it was asked something else is checked by itself" {
  sandbox --approve yes --delay 0
  asked 3 > asked
  for change in '.user = "another"' '.scope = "openid admin"' '.authorization_details = [{type: "x"}]'; do
    asked 3 | jq -c ".calls[1].authorization |= ($change)" > changed
    run --separate-stderr ciba-poll < changed
    attack
    [ "$status" -gt 0 ]
    holds '[.calls[].authorization.status] == ["approved", "failed", "approved"]'
  done
  # and if it is the first one, the others are none the worse for it
  asked 3 | jq -c '.calls[0].authorization.user = "another"' > changed
  run --separate-stderr ciba-poll < changed
  holds '[.calls[].authorization.status] == ["failed", "approved", "approved"]'
  attacks
}

@test "the templates get an array of all calls, with id, name and normal arguments" {
  sandbox --approve yes --delay 0
  jq -c '.calls[1] |= (del(.id) | .name = "sell" | .arguments.limit = 3.00E+3)' <(calls 3) > document
  sed -i 's/3000/3.00E+3/' document
  ciba-authorize --together -m '\(map("\(.name) \(.arguments.qty)") | join(", ")). \(.[0].id): \(.[1].arguments.limit)' \
    -d '[.[] | {type: "order", what: .name} + .arguments]' < document > asked
  [ "$(jq -r '.calls[2].authorization.binding_message' asked)" == "buy 1, sell 2, buy 3. call_0: 3000" ]
  jq -e '[.calls[].authorization.authorization_details] | unique | length == 1 and (.[0] | length == 3 and .[1].what == "sell")' asked
  # an argument that one call lacks leaves no hole
  run --separate-stderr ciba-authorize --together -m '\([.[].arguments.limit] | add)' < document
  [ "$status" -eq 65 ]
  [[ $stderr == *"the arguments have no value for .[].arguments.limit; with --together -m and -d get an array of calls"* ]]
  [[ $stderr == "ciba-authorize: 3 calls: "* ]]
  [ "${#stderr_lines[@]}" -eq 1 ]
  run --separate-stderr ciba-authorize --together -m 'Buy \(.qty)' < document
  [ "$status" -eq 65 ]
  holds '[.calls[].authorization | .status, .error] | unique == ["failed", "invalid_message"]'
  [ "$(count /bc-authorize)" -eq 1 ]
}

@test "the default message counts the calls of each tool; for a single call it is the usual one" {
  sandbox
  message() {
    ciba-authorize --together --any-message | jq -r '.calls[-1].authorization.binding_message'
  }
  [ "$(calls 5 '.calls[1,3].name = "sell"' | message)" == "5 calls: 3 buy, 2 sell" ]
  [ "$(calls 2 '.calls[0].name = "5 sell, 3" | .calls[1] |= del(.name)' | message)" == '2 calls: 1 "5 sell, 3", 1 ""' ]
  [ "$(calls 1 | message)" == "buy: qty 1, ticker GOOGL" ]
  calls 1 | ciba-authorize --together | jq -e '.calls[0].authorization.together | .index == 0 and .of == 1 and .path == []'
}

@test "only new calls of the tools are asked about; one that is not valid fails alone; no new one, no question" {
  sandbox --approve yes --delay 0
  calls 6 '.calls[1].name = "note" | .calls[2].arguments = "x" | .calls[3].result = {content: "done"} | .calls[4].arguments = null' > document
  run --separate-stderr ciba-authorize --together --tool buy -m 'Buy \(length)' < document
  echo "$stderr"
  [ "$status" -eq 65 ]
  holds '[.calls[].authorization | .status // "none"] == ["pending", "none", "failed", "none", "failed", "pending"]'
  holds '[.calls[0, 5].authorization | .binding_message, .together.index] == ["Buy 2", 0, "Buy 2", 1]'
  echo "$output" > asked
  # two failed ones are asked about again; nothing else is
  jq -c 'del(.calls[2,4])' asked > pending
  ciba-authorize --together --tool buy < pending > same
  cmp pending same
  [ "$(count /bc-authorize)" -eq 1 ]
  for document in '{"calls": []}' '{"x":1}' '{"calls":{"x":[]}}' '{"calls":[1,null,[]]}'; do
    [ "$(ciba-authorize --together <<< "$document")" == "${document// /}" ]
  done
  [ "$(count /bc-authorize)" -eq 1 ]
}

@test "of N documents a bad one is named, one of a later format left, and the others are asked about" {
  sandbox --approve yes --delay 0
  {
    calls 1
    echo '{"calls": 3'
    echo '{"format":9,"calls":[{"id":"f","name":"buy","arguments":{}}]}'
    calls 1 '.calls[].id = "x"'
    calls 1 '.calls[].id = "y"'
    calls 1 '.calls[].id = "z"'
  } > documents
  run --separate-stderr ciba-authorize --together-documents 4 -m 'Buy \(map(.id) | join(" "))' < documents
  echo "$stderr"
  [ "$status" -eq 65 ]
  [[ $stderr == *"line 2: "* ]]
  [[ $stderr == *"format 9"* ]]
  [ "$(jq -r '.calls[].authorization.binding_message // "not asked"' <<< "$output" | paste -sd '|')" == \
    "Buy call_0 x y|not asked|Buy call_0 x y|Buy call_0 x y|Buy z" ]
  [ "$(count /bc-authorize)" -eq 2 ]
}

@test "documents that cannot be written any more are told, with what was asked" {
  [ -e /dev/full ] || skip "no /dev/full"
  sandbox
  run --separate-stderr bash -c '{ cat; } | ciba-authorize --together-documents 2 -m Buy > /dev/full' < <(calls 1; calls 1 '.calls[].id = "x"')
  echo "$stderr"
  [ "$status" -eq 74 ]
  [ "$(grep -c 'its authorization (pending) could not be written' <<< "$stderr")" -eq 2 ]
}

@test "what one question cannot have is a wrong use, or too much, and nobody is asked" {
  sandbox
  while IFS='|' read -r expected options; do
    # shellcheck disable=SC2086 # words
    run --separate-stderr ciba-authorize -m Buy $options < <(calls 2)
    echo "$options: $status $stderr"
    [ "$status" -eq "$expected" ]
  done <<'END'
64|--together --reuse call
64|--together -n
64|--together-documents 2 --reuse agent
64|--together-documents 0
64|--together-documents 1001
64|--together-documents 2 -j 2
64|--together-documents 2 --journal-file journal
END
  CIBA_JOURNAL=$PWD/journal exits 64 ciba-authorize --together-documents 2 < <(calls 2)
  calls 1001 > many
  run --separate-stderr ciba-authorize --together < many
  [ "$status" -eq 65 ]
  [[ $stderr == *"1001 calls are too many for one question, which takes 1000"* ]]
  run --separate-stderr ciba-authorize --together -d '[.[] | {type: "x", y: ("z" * 300)}]' < <(calls 400)
  [ "$status" -eq 65 ]
  [[ $stderr == *"the details of 400 calls, which each of them must have, would make the document too large"* ]]
  [ "$(count /bc-authorize)" -eq 0 ]
}

@test "the details list each call, and each is bought with them" {
  sandbox --approve yes --delay 0
  calls 30 | ciba-authorize --together -m 'Buy \(length)' -d '[.[] | {type: "order"} + .arguments]' | ciba-poll > approved
  stock-buy < approved | jq -e '[.calls[].result.status] | unique == [200]'
  [ "$(orders | jq length)" -eq 30 ]
}

# With the preloaded library: kills the command at the call of that number, if it comes so far.
killed_at() {
  head -c 16 /dev/zero > counter
  FAULT_COUNTER=counter FAULT_KIND=kill FAULT_AT=$1 FAULT_LOG=$PWD/fault LD_PRELOAD=$build/tests/faults.so timeout 200 "${@:2}"
}

preloads() {
  build=$(dirname "$(type -P ciba-poll)")
  [[ $build != */asan && $build != */static ]] || skip "nothing can be preloaded"
}

@test "killed at any point, ciba-authorize asks once, and then all calls have the same answer" {
  preloads
  a_key
  sandbox --approve yes --delay 0
  calls 3 '.calls[2] = .calls[1]' > document
  ask=(ciba-authorize --together -m 'Buy \(length)' --journal-file journal --audit-file log --seal-key-file key)
  local at lost=0 asked=0 before
  for ((at = 1; ; at++)); do
    rm -f journal log fault
    before=$(count /bc-authorize)
    killed_at "$at" "${ask[@]}" < document > first || true
    # meanwhile another call has come
    jq -c '.calls = [{id: "new", name: "sell", arguments: {qty: 7}}] + .calls' document > longer
    run --separate-stderr "${ask[@]}" < longer
    echo "$at: $status $stderr $output"
    holds '[.calls[1:][].authorization | .auth_req_id // .error] | unique | length == 1'
    case $status in
      0)
        holds '[.calls[].authorization.status] | unique == ["pending"]'
        holds '[.calls[1:][].authorization.together.index] | sort == (unique | sort)'
        asked=$((asked + 1))
        # the first question is not asked again
        [ "$(count /bc-authorize)" -le $((before + 2)) ]
        ;;
      75)
        holds '[.calls[1:][].authorization.error] | unique == ["outcome_unknown"]'
        [ "$(grep -c 'the answer was lost' <<< "$stderr")" -le 1 ]
        lost=$((lost + 1))
        [ "$(count /bc-authorize)" -le $((before + 2)) ]
        ;;
      *) false ;;
    esac
    audit-verify -q log
    [ -s fault ] || break
  done
  echo "# $((at - 1)) points: $asked asked, $lost lost" >&3
  [ "$asked" -gt 0 ]
  [ "$lost" -gt 0 ]
}

@test "killed at any point, ciba-poll gives the token that was taken to all calls" {
  preloads
  a_key
  sandbox --approve yes --delay 0
  poll=(ciba-poll --journal-file journal --audit-file log --seal-key-file key)
  local at kept=0 lost=0
  for ((at = 1; ; at++)); do
    rm -f journal log fault
    calls 3 '.calls[2] = .calls[1]' | ciba-authorize --together -m 'Buy \(length)' --journal-file journal --audit-file log --seal-key-file key > asked
    killed_at "$at" "${poll[@]}" < asked > first || true
    run --separate-stderr "${poll[@]}" < asked
    echo "$at: $status $stderr $output"
    case $status in
      0)
        holds '[.calls[].authorization.status] | unique == ["approved"]'
        [ "$(echo "$output" | stock-buy --seal-key-file key | jq -c '[.calls[].result.status]')" == '[200,200,200]' ]
        [ "$(jq -r .event log | sort | uniq -c | xargs)" == "3 approved 3 asked" ]
        kept=$((kept + 1))
        ;;
      77)
        holds '[.calls[].authorization.error] | unique == ["invalid_grant"]'
        lost=$((lost + 1))
        ;;
      *) false ;;
    esac
    audit-verify -q log
    [ -s fault ] || break
  done
  echo "# $((at - 1)) points: $kept kept, $lost lost on their way" >&3
  [ "$kept" -gt "$lost" ]
}

@test "a journal that somebody has changed is not believed" {
  sandbox --approve yes --delay 0
  a_key
  asked 3 --journal-file journal --seal-key-file key > asked
  ciba-poll --journal-file journal --seal-key-file key < asked > approved
  cp journal kept
  # the decision of another request, or another decision
  asked 3 --seal-key-file key > other
  for change in 'if .step == "decided" then .authorization.approved_by = "x" else . end' \
    'if .step == "decided" then .token.access_token = "x" else . end' \
    'if .step == "decided" then del(.authorization.seal) else . end'; do
    jq -c "$change" kept > journal
    run --separate-stderr ciba-poll --journal-file journal --seal-key-file key < asked
    attack
    [ "$status" -eq 77 ] # it is polled, and the token was given before
  done
  # the authorization that it had after it was asked about
  for change in '.authorization.scope = "openid admin"' '.keys |= reverse' '.keys[0] = .keys[1]' 'del(.authorization.seal)'; do
    jq -c "select(.step == \"asked\") | $change" kept > journal
    calls 3 | ciba-authorize --together -m Buy --journal-file journal --seal-key-file key > again
    attack
    [ "$(jq -r '.calls[0].authorization.auth_req_id' again)" != "$(jq -r '.calls[0].authorization.auth_req_id' asked)" ]
  done
  attacks
}
