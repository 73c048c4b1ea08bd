# shellcheck source=helper.bash
load helper

# Settings for a store with a key.
a_store() {
  (umask 077 && openssl rand -hex 32 > key)
  export CIBA_STORE=$PWD/store CIBA_STORE_KEY
  CIBA_STORE_KEY=$(cat key)
}

# authorize FOR: a decided call, as from a first or second run
authorize() {
  ciba-authorize -m 'Buy \(.qty) \(.ticker)' --reuse "$1" | ciba-poll
}

@test "by default nothing is used again; with --reuse call the same call is not asked about twice" {
  sandbox --approve yes --delay 0
  a_store
  an_approved_call > /dev/null
  [ ! -e store ]
  a_call | authorize call > first
  a_call | jq -c '.calls[0].id = "call_2"' | authorize call > second
  [ "$(count /bc-authorize)" -eq 2 ]
  jq -e '.calls[0] | .authorization.reused and .authorization.status == "approved" and .token.access_token' second
  a_call GOOGL 4 | authorize call > other
  [ "$(count /bc-authorize)" -eq 3 ]
  stock-buy < first > /dev/null
  stock-buy < second > /dev/null
  [ "$(orders)" == '[{"ticker":"GOOGL","qty":3},{"ticker":"GOOGL","qty":3}]' ]
}

@test "per document: other calls within it, and no other document's" {
  sandbox --approve yes --delay 0
  a_store
  a_call GOOGL 3 | authorize document > first
  jq -e '.id | length > 20' first
  jq -c '.calls += [{"id":"call_2","name":"buy","arguments":{"ticker":"AAPL","qty":1}}]' first |
    authorize document | stock-buy > second
  jq -e '.calls[1] | .authorization.reused and .result.status == 200' second
  [ "$(count /bc-authorize)" -eq 1 ]
  a_call AAPL 1 | authorize document > /dev/null
  [ "$(count /bc-authorize)" -eq 2 ]
}

@test "per agent: any call, but never another user, audience, scope, details, client or issuer" {
  sandbox --approve yes --delay 0
  a_store
  a_call | authorize agent > /dev/null
  a_call AAPL 9 | authorize agent > /dev/null
  [ "$(count /bc-authorize)" -eq 1 ]
  local change n=1
  for change in '-uauth0|other' '-ahttps://other/' '-sopenid' '-d{type:"x"}'; do
    ciba-authorize -m Buy --reuse agent "$change" < <(a_call) > out || true
    [ "$(count /bc-authorize)" -eq $((++n)) ]
    jq -e '.calls[0].authorization.reused | not' out
  done
  CIBA_CLIENT_ID=other ciba-authorize -m Buy --reuse agent < <(a_call) > out || true
  jq -e '.calls[0].authorization.reused | not' out
}

@test "an approval that expires soon, or says not when, is not used; the file of an old one goes" {
  jq -n '[{path: "/oauth/token", body: {access_token: "x", token_type: "Bearer", expires_in: 20}}]' > faults
  sandbox --approve yes --delay 0 --faults-file faults
  a_store
  a_call | ciba-authorize -m Buy --reuse call | ciba-poll --without-id-token > /dev/null
  [ "$(find store -type f | wc -l)" -eq 1 ]
  a_call | ciba-authorize -m Buy --reuse call > asked
  jq -e '.calls[0].authorization.status == "pending"' asked
  [ "$(count /bc-authorize)" -eq 2 ]
  empty store
}

@test "the store is 0700, its files 0600, and nothing in it can be read without the key" {
  sandbox --approve yes --delay 0
  a_store
  a_call | authorize call > first
  [ "$(stat -c %a store)" == 700 ]
  [ "$(stat -c %a store/*)" == 600 ]
  for word in access_token auth0 Buy "$(jq -r '.calls[0].token.access_token' first)"; do
    no grep -qaF -e "$word" store/*
  done
  CIBA_STORE_KEY=$(openssl rand -hex 32) ciba-authorize -m Buy --reuse call < <(a_call) > asked
  jq -e '.calls[0].authorization.status == "pending"' asked
}

@test "a file that was changed, cut, or put in another's place is not believed" {
  sandbox --approve yes --delay 0
  a_store
  a_call | authorize call > /dev/null
  file=$(echo store/*)
  cp "$file" good
  a_call GOOGL 3000 | authorize call > /dev/null
  other=$(find store -type f ! -path "$file")
  cp good "$other" # the approval of 3 as that of 3,000
  local n
  n=$(count /bc-authorize)
  a_call GOOGL 3000 | ciba-authorize -m Buy --reuse call | jq -e '.calls[0].authorization.status == "pending"'
  for change in 'head -c 20' 'head -c 0' 'head -c -1' 'tr a-m b-n' 'cat - key'; do
    eval "$change" < good > "$file"
    a_call | ciba-authorize -m Buy --reuse call | jq -e '.calls[0].authorization.status == "pending"'
  done
  [ "$(count /bc-authorize)" -eq $((n + 6)) ]
}

@test "sealed, and told in the audit log" {
  sandbox --approve yes --delay 0
  a_store
  cp key seal
  export CIBA_SEAL_KEY CIBA_AUDIT=$PWD/log
  CIBA_SEAL_KEY=$(cat seal)
  a_call | authorize call | stock-buy > /dev/null
  a_call | jq -c '.calls[0].id = "call_2"' | authorize call | stock-buy | jq -e '.calls[0].result.status == 200'
  [ "$(jq -r .event log | xargs)" == "asked approved executed reused executed" ]
}

@test "a store needs a key, and --reuse a store" {
  nowhere
  run ciba-authorize -m Buy --store-dir store < <(a_call)
  [ "$status" -eq 78 ]
  [[ $output == *--store-key-file* ]]
  run ciba-authorize -m Buy --reuse call < <(a_call)
  [ "$status" -eq 78 ]
  run ciba-authorize -m Buy --reuse ever < <(a_call)
  [ "$status" -eq 64 ]
  echo short > key
  run ciba-authorize -m Buy --store-dir store --store-key-file key < <(a_call)
  [ "$status" -eq 78 ]
}

@test "the approval of one question is not that of another, also where there is no call" {
  sandbox --approve yes --delay 0
  a_store
  ciba-authorize -n -m 'Deploy 42' --reuse call | ciba-poll > first
  jq -e '.calls[0].arguments == {message: "Deploy 42"}' first
  ciba-authorize -n -m 'Delete everything' --reuse call > second
  jq -e '.calls[0].authorization.status == "pending"' second
  ciba-authorize -n -m 'Deploy 42' --reuse call > third
  jq -e '.calls[0].authorization.reused' third
  # nor for the same call with another message
  a_call | ciba-authorize -m 'Buy a little' --reuse call | ciba-poll > fourth
  a_call | ciba-authorize -m 'Buy a lot' --reuse call > fifth
  jq -e '.calls[0].authorization.status == "pending"' fifth
  [ "$(count /bc-authorize)" -eq 4 ]
}

@test "a command that has no store does not read its settings" {
  sandbox --approve yes --delay 0
  CIBA_STORE=$PWD/store run --separate-stderr ciba-run -m Hello -- echo deployed
  [ "$status" -eq 0 ]
  [ "$output" == "deployed" ]
  CIBA_STORE=$PWD/store run --separate-stderr stock-buy < <(an_approved_call)
  [ "$status" -eq 0 ]
  CIBA_STORE=$PWD/store run --separate-stderr ciba-poll < /dev/null
  [ "$status" -eq 78 ]
  [[ $stderr == *"--store-key-file"* ]]
}

@test "per call and agent: never the approval of a user whom another login_hint_token names" {
  jq -n '[{path: "/bc-authorize", times: 9, body: {auth_req_id: "r", expires_in: 60}},
    {path: "/oauth/token", times: 9, body: {access_token: "x", token_type: "Bearer", expires_in: 3600}}]' > faults
  sandbox --faults-file faults
  a_store
  (umask 077 && echo first > one && echo second > two)
  local scope token
  for token in one two one; do
    for scope in call agent; do
      a_call | ciba-authorize -m Buy --reuse $scope --login-hint-token-file $token | ciba-poll --without-id-token |
        jq -r '.calls[0].authorization | .status, .reused' >> reused
    done
  done
  cat reused
  [ "$(xargs < reused)" == "approved null approved null approved null approved null approved true approved true" ]
}
