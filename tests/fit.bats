# Messages that fit: what a provider would refuse is changed visibly, cut in the middle, and ends in a code.
# shellcheck source=helper.bash
load helper

# The sandbox with the endpoint of another provider, for questions only: provider auth0|keycloak|any
provider() {
  local path=/protocol/openid-connect/ext/ciba/auth
  [ "$1" == keycloak ] || path=/ask
  asked_at=/bc-authorize
  [ "$1" != auth0 ] || { spoil <<< '[]'; return; }
  asked_at=$path
  jq -n --arg i "${CIBA_ISSUER%/}" --arg path "$path" '[
    {path: "/.well-known/openid-configuration", times: 1000,
     body: {issuer: ($i + "/"), backchannel_authentication_endpoint: ($i + $path), token_endpoint: ($i + "/oauth/token"), jwks_uri: ($i + "/jwks")}},
    {path: $path, times: 1000, body: {auth_req_id: "a", expires_in: 60}}]' | spoil
}

# The newest message that was sent.
sent() {
  requests "$asked_at" .form.binding_message | tail -n 1 | jq -r .
}

# Asks about a text: ask TEXT [OPTION...]
ask() {
  ciba-authorize -n --text "$1" "${@:2}" > asked 2> told
}

code='#[0-9a-hjkmnp-tv-z]{5}-[0-9a-hjkmnp-tv-z]{5}'

@test "what fits is sent as it is, to the byte, and has no code" {
  sandbox --approve never
  while IFS='|' read -r provider text; do
    provider "$provider"
    ask "$text" --fit
    [ "$(sent)" == "$text" ]
    empty told
    jq -e '.calls[0].authorization | .binding_message == $text and all(has("message", "message_code", "message_salt"); not)' --arg text "$text" asked
  done <<'END'
auth0|Buy 3, at 1.50: +10 -2 a_b #7
auth0|0123456789012345678901234567890123456789012345678901234567890123
auth0|Fix #1234567 and wait...
auth0|Close issue #4711 before release 12
keycloak|release/1.2
keycloak|One/word?
keycloak|01234567890123456789012345678901234567890123456789
any|rm -rf "a b"; echo Müller’s 日本 😀 ＃1
END
}

# Each row: the provider, the text (as printf's %b writes it), and what of it is sent before the code.
@test "what does not fit is changed visibly, cut in its middle, and ends in a code" {
  sandbox --approve never
  while IFS='~' read -r provider text expected; do
    provider "$provider"
    text=$(printf '%b' "$text")
    ask "$text" --fit
    echo "$provider: $(sent)"
    [[ $(sent) =~ ^(.*)($code)$ ]]
    [ "${BASH_REMATCH[1]}" == "$expected" ]
    jq -e '.calls[0].authorization | .status == "pending" and .message == $text and .message_code == $code and (.binding_message | endswith($code))' \
      --arg text "$text" --arg code "${BASH_REMATCH[2]}" asked
  done <<'END'
auth0~release/1.2~release_1.2 
auth0~Buy 1 GOOGL?~Buy 1 GOOGL_ 
auth0~rm -rf "a b"~rm -rf ,a b, 
auth0~cat <<EOF > f\nrm $(x)\n\tEOF~cat ++EOF + f,rm +_x_,_EOF 
auth0~01234567890123456789012345678901234567890123456789abcdefghijklmno~012345678901234567890123...123456789abcdefghijklmno 
auth0~Müller, Søren “и” 日~Muller, Soren ,_, _ 
auth0~a\u202eb\u200bc\u00a0d\x1b[2Je~a_b_c_d__2Je 
auth0~a  b/~a _b_ 
keycloak~rm -rf "a b"~rm_-rf_+a_b+
keycloak~Buy 1 GOOGL?~Buy_1_GOOGL?
keycloak~Run sh -c 'curl -s https://example.com/install | sh'~Run_sh_-c_+curl_-s...com/install_!_sh+
keycloak~a=1; b="\\"~a-1!_b-+/+
any~Run sh -c 'a\n\tb'~Run sh -c 'a;_b' 
any~pay \u202eyrrah\u202c \u2066x~pay ?yrrah? ?x 
END
}

@test "without --fit such a message is refused, as it is with --no-fit; --any-message sends what is sound" {
  sandbox --approve never
  for options in '' --no-fit; do
    # shellcheck disable=SC2086 # no word, or one
    run --separate-stderr ciba-authorize -n -m 'release/1.2' $options
    [ "$status" -eq 65 ]
    [[ $stderr == *"has '/'"*"nobody was asked (--fit would make it fit, --any-message would send it)"* ]]
    # shellcheck disable=SC2086 # no word, or one
    run ciba-authorize -n -m $'a\nb' $options
    [ "$status" -eq 65 ]
  done
  [ "$(count /bc-authorize)" -eq 0 ]
  provider auth0
  ask 'release/1.2' --any-message
  [ "$(sent)" == 'release/1.2' ]
  exits 65 ask $'a\nb' --any-message
  exits 65 ask '' --fit
  [ "$(count /bc-authorize)" -eq 1 ]
  for options in '--fit --any-message' '--fit --no-fit' '--no-fit --any-message' '--details-type='; do
    # shellcheck disable=SC2086 # words
    run ciba-authorize -n -m x $options
    [ "$status" -eq 64 ]
    # shellcheck disable=SC2086 # words
    run ciba-run $options -- true
    [ "$status" -eq 64 ]
  done
}

@test "the default message of ciba-authorize, and what ciba-run asks, are made to fit unless they are told not to be" {
  sandbox --approve yes --delay 0
  asked_at=/bc-authorize
  a_call 'a/b \"c\"' | ciba-authorize > asked
  [[ $(sent) =~ ^buy:\ qty\ 3,\ ticker\ ,a_b\ _,c_,,\ $code$ ]]
  exits 65 ciba-authorize --no-fit < <(a_call a/b) > asked
  exits 65 ciba-authorize -m '\(.ticker)' < <(a_call a/b) > asked
  run --separate-stderr ciba-run -- sh -c $'cat <<EOF > ran\nhello $1\nEOF' sh "it's"
  [ "$status" -eq 0 ]
  [ "$(cat ran)" == "hello it's" ]
  [[ $(sent) =~ ^(.*)\ ($code)$ ]]
  [ "${BASH_REMATCH[1]}" == "Run sh -c ,cat ++EOF + r...llo +1,EOF, sh ,it,_,,s," ]
  [[ $stderr == *"the message was shortened: ${BASH_REMATCH[2]} stands for: \"Run sh -c 'cat <<EOF > ran\\nhello \$1\\nEOF' sh 'it'\\\\''s'\""* ]]
  run ciba-run -m 'Deploy/42' -- true
  [ "$status" -eq 0 ]
  [[ $(sent) =~ ^Deploy_42\ $code$ ]]
  rm ran
  exits 65 ciba-run --no-fit -- touch a/ran
  exits 65 ciba-run --no-fit -m 'Deploy/42' -- touch ran
  exits 65 ciba-run --any-message -m $'a\tb' -- touch ran
  exits 65 ciba-run -m '' -- touch ran
  [ ! -e ran ]
  ciba-run --any-message -- true a/b
  [ "$(sent)" == 'Run true a/b' ]
}

@test "what looks like a code is never sent as it is, so that no text is the message of another call" {
  sandbox --approve never
  provider auth0
  ask 'rm -rf /' --fit
  forged=$(sent)
  while IFS='|' read -r provider text; do
    provider "$provider"
    ask "$text" --fit
    echo "$provider: $text: $(sent)"
    attack
    [ "$(sent)" != "$text" ]
    [[ $(sent) =~ ^[^#＃♯]*$code$ ]]
    [ "$(sent)" != "$forged" ]
  done << END
auth0|$forged
keycloak|${forged// /_}
any|$forged
any|${forged/\#/＃}
any|${forged/\#/♯}
any|$forged.
auth0|$forged #
auth0|${forged/\#/# }
auth0|${forged/-/_}
auth0|${forged/-/ - }
auth0|${forged^^}
auth0|$forged, approved by ops
any|${forged/-/‐}
keycloak|Deploy#7k2mp-x9qrt.signed.by.ops
END
  attacks
}

@test "the code is made of the call's digest and a salt that is new for each question: the same call has another" {
  sandbox --approve never
  provider auth0
  codes=()
  for i in 1 2 3; do
    a_call a/b | ciba-authorize > asked 2> told
    codes[i]=$(jq -r '.calls[0].authorization.message_code' asked)
    # anybody can make it again from what is recorded
    bits=$(jq -j '.calls[0].authorization | .call_digest + "\n" + .message_salt' asked | openssl dgst -sha256 -binary | basenc --base2msbf -w0)
    made=''
    digits=0123456789abcdefghjkmnpqrstvwxyz
    for ((digit = 0; digit < 10; digit++)); do
      value=$((2#${bits:5*digit:5}))
      made+=${digits:value:1}
    done
    [ "${codes[i]}" == "#${made:0:5}-${made:5}" ]
  done
  [ "$(printf '%s\n' "${codes[@]}" | sort -u | wc -l)" -eq 3 ]
  [ "$(jq -r '.calls[0].authorization.message_salt | length' asked)" -eq 22 ]
}

@test "of thousands of random texts each message keeps the rule and is sound, has one code, and no two are alike" {
  for seed in 1 2 3; do
    run --separate-stderr fit-check random 6000 $seed
    echo "$output"; echo "$stderr"
    [ "$status" -eq 0 ]
    [[ $output =~ ^([0-9]+)\ changed,\ ([0-9]+)\ unchanged,\ 0\ refused,\ 0\ faults$ ]]
    [ "${BASH_REMATCH[1]}" -gt 1000 ]
    [ "${BASH_REMATCH[2]}" -gt 500 ]
  done
}

# fitted PROVIDER BOUND TEXT
fitted() {
  printf %b "$3" | fit-check "$1" '#aaaaa-bbbbb' "$2"
}

@test "what is bound to a message stays whole at its end; if too little is left for the rest, it is an error" {
  bound=', for 15 min, at most 10 times'
  [ "$(fitted auth0 "$bound" Deploy)" == "Deploy$bound" ]
  [ "$(fitted auth0 "$bound" 'Deploy 42 to the other side of it.')" == "Deploy 42 to the other side of it.$bound" ]
  [ "$(fitted auth0 "$bound" 'Deploy 42 to the other side of it. ')" == "Deploy 42...e of it. $bound #aaaaa-bbbbb" ]
  [ "$(fitted keycloak "$bound" 'Deploy 42 to the other side of it.')" == 'Dep...t.._for_15_min._at_most_10_times#aaaaa-bbbbb' ]
  [ "$(fitted keycloak "$bound" Deploy)" == 'Deploy._for_15_min._at_most_10_times#aaaaa-bbbbb' ]
  [ "$(fitted keycloak "${bound}1234" abcd)" == 'abcd._for_15_min._at_most_10_times1234#aaaaa-bbbbb' ]
  for text in abcde 'Deploy 42 to the other side'; do
    run fitted keycloak "${bound}1234" "$text"
    [ "$status" -eq 65 ]
    [[ $output == *"46 characters that cannot be cut, and Keycloak takes 50 in all"* ]]
  done
  [ "$(fitted any "$bound" "$(printf '%0300d' 0)")" == "$(printf '%0105d' 0)...$(printf '%0105d' 0)$bound #aaaaa-bbbbb" ]
}

@test "a message is cut between characters, and what a cut leaves does not change the mark" {
  for character in 'é' '日' '😀'; do
    for ((length = 250; length <= 262; length++)); do
      made=$(fitted any '' "$(printf "$character%.0s" $(seq $length))")
      attack
      [ "${#made}" -le 256 ]
      iconv -f UTF-8 -t UTF-16 <<< "$made" > /dev/null
      ((length <= 256)) || [[ $made =~ ^($character)+\.\.\.($character)+\ #aaaaa-bbbbb$ ]]
    done
  done
  # a letter under a hundred accents, at the cut
  made=$(fitted any '' "$(printf 'a%.0s' {1..200})$(printf '\u0301%.0s' {1..150})end")
  attack
  [[ $made =~ \.\.\.end\ #aaaaa-bbbbb$ ]]
  # bytes that are no UTF-8, also at the end
  [ "$(fitted any '' 'a\xffb\xc3')" == 'a?b? #aaaaa-bbbbb' ]
  [ "$(fitted auth0 '' '\xf0\x9f\x98')" == '___ #aaaaa-bbbbb' ]
  attacks
}

@test "a message with a code has no other number sign, and three dots only where it was cut" {
  while IFS='~' read -r text expected; do
    attack
    [ "$(fitted auth0 '' "$text")" == "$expected #aaaaa-bbbbb" ]
  done <<'END'
ls "a" ... #7 …~ls ,a, .._ +7 _
"....."~,.._..,
"#"#"~,+,+,
END
  made=$(fitted any '' 'a…b⋯c‥d＃e♯f\n...')
  [ "$made" == 'a?b?c?d?e?f;..? #aaaaa-bbbbb' ]
  attacks
}

@test "a megabyte is asked about, told whole, and recorded whole" {
  sandbox --approve never
  provider auth0
  (printf '{"calls":[{"id":"c","name":"write","arguments":{"text":"'; head -c 1000000 /dev/zero | tr '\0' x; printf '"}}]}') > in
  ciba-authorize --audit-file log < in > asked 2> told
  [[ $(sent) =~ ^write:\ text\ x+\.\.\.x+\ $code$ ]]
  [ "$(sent | wc -m)" -eq 65 ]
  jq -e '.calls[0].authorization.message | length > 1000000' asked
  jq -e '.message | length > 1000000' log
  [ "$(wc -c < told)" -gt 1000000 ]
  [ "$(wc -l < told)" -eq 1 ]
  audit-verify -q log
  run --separate-stderr ciba-authorize < <(sed 's/"text":"/&'"$(printf '%050000d' 0)/" in)
  [ "$status" -eq 65 ]
  [[ $stderr == *"more than 1048576 bytes; nobody was asked"* ]]
  [ "$(count /bc-authorize)" -eq 1 ]
}

# In a mount namespace: a disk of 3 MiB with 300 KB left.
@test "no token is fetched if the journal has no room for what was asked beside it" {
  [ "$(id -u)" -eq 0 ] || skip "not root"
  unshare -m true 2> /dev/null || skip "no mount namespaces"
  sandbox --approve yes --delay 0 --interval 1
  a_call "$(printf '%0500000d' 0)" | ciba-authorize > asked 2> told
  mkdir disk
  cat > on_disk << 'END'
mount -t tmpfs -o size=3m none disk
head -c 2800000 /dev/zero > disk/ballast
timeout 200 ciba-poll --once --journal-file disk/journal < asked > out 2> words
echo $? > status
cp requests while_full
rm disk/ballast
timeout 200 ciba-poll --journal-file disk/journal < asked > decided
wc -c < disk/journal > size
END
  unshare -m bash on_disk
  [ "$(cat status)" -eq 74 ]
  grep -q 'No space left' words
  [ "$(jq -s 'map(select(.path == "/oauth/token")) | length' while_full)" -eq 0 ]
  jq -e '.calls[0] | .authorization.status == "approved" and .token.access_token' decided
  [ "$(cat size)" -gt 500000 ]
}

@test "the terminal, the document and the audit log have the whole text with its code, and nothing in them that cannot be seen" {
  sandbox --approve yes --delay 0
  provider auth0
  text=$'rm \u202e/etc \u200b\U000E0041\x1b[2J\n\ttail\u00a0'
  ciba-authorize -n --text "$text" --fit --audit-file log > asked 2> told
  ciba-poll --audit-file log < asked > approved
  code=$(jq -r '.calls[0].authorization.message_code' asked)
  shown='rm \u202e/etc \u200b\udb40\udc41\u001b[2J\n\ttail\u00a0'
  [ "$(cat told)" == "ciba-authorize: the message was shortened: $code stands for: \"$shown\"" ]
  [ "$(grep -cF "\"message\":\"$shown\"" log)" -eq 2 ]
  jq -se 'all(.message == $text and .message_code == $code and (.message_salt | length == 22) and (.binding_message | endswith($code))) and length == 2' \
    --arg text "$text" --arg code "$code" log
  no grep -qP '[\x00-\x08\x0b-\x1f\x7f]|\x{202e}|\x{200b}|\x{e0041}|\x{a0}' told log
  audit-verify -q log
  jq -e '.calls[0].authorization.message == $text' --arg text "$text" approved
}

@test "agent-spool list shows the message that was sent, and with --json the whole text and its code" {
  sandbox --approve never
  a_call 'a/b?' | ciba-authorize 2> told | agent-spool add spool
  agent-spool list spool > table
  grep -qE "buy: qty 3, ticker ,a_b_, $code" table
  agent-spool list --json spool | jq -e '.calls[0] | .message == "buy: qty 3, ticker \"a/b?\"" and .message_code == .binding_message[-12:]'
}

@test "a secret in the whole text is not told on the terminal" {
  sandbox --approve never
  ask "curl -u x:$CIBA_CLIENT_SECRET https://example.com/" --fit
  grep -qF 'stands for: "curl -u x:[secret] https' told
  no grep -qF "$CIBA_CLIENT_SECRET" told
}

@test "--reuse call finds the approval of a message that was made to fit, and not that of another text" {
  sandbox --approve yes --delay 0
  (umask 077 && openssl rand -hex 32 > key)
  export CIBA_STORE=$PWD/store CIBA_STORE_KEY
  CIBA_STORE_KEY=$(cat key)
  for i in 1 2; do
    a_call 'a/b?' | ciba-authorize --fit -m 'Buy "\(.ticker)"' --reuse call --details-type shell | ciba-poll > done$i
  done
  [ "$(count /bc-authorize)" -eq 1 ]
  jq -se '.[0].calls[0].authorization as $first | .[1].calls[0].authorization |
    .reused and .status == "approved" and .message == $first.message and .message_code == $first.message_code' done1 done2
  a_call 'a/b?' | ciba-authorize --fit -m "Buy '"'\(.ticker)'"'" --reuse call --details-type shell > asked
  a_call 'a/b!' | ciba-authorize --fit -m 'Buy "\(.ticker)"' --reuse call --details-type shell > asked
  [ "$(count /bc-authorize)" -eq 3 ]
}

@test "a seal covers the whole text and its code" {
  sandbox --approve yes --delay 0
  (umask 077 && openssl rand -hex 32 > key)
  a_call 'a/b?' | ciba-authorize --seal-key-file key | ciba-poll --seal-key-file key > approved
  tool-run --tool buy --seal-key-file key -- true < approved | jq -e '.calls[0].result.status == 0'
  for change in '.message = "Buy"' '.message_code = "#00000-00000"' '.message_salt = "x"' '.binding_message = "Buy"' 'del(.message)'; do
    jq -c ".calls[0].authorization |= ($change)" approved > changed
    attack
    run tool-run --tool buy --seal-key-file key -- touch ran < changed
    [ "$status" -eq 65 ]
  done
  [ ! -e ran ]
  attacks
}

@test "--details-type adds the whole text and the call's digest to the details, and the grant must have them" {
  sandbox --approve yes --delay 0
  text=$'rm -rf "a\nb"'
  ciba-authorize -n --text "$text" --fit -d '{type: "job", n: 1}' --details-type shell > asked
  jq -e '.calls[0].authorization | .authorization_details == [{type: "job", n: 1}, {type: "shell", message: $text, call_digest}]' --arg text "$text" asked
  requests /bc-authorize .form.authorization_details | tail -n 1 | jq -r . | jq -e '.[1].message == $text' --arg text "$text"
  ciba-poll < asked > approved
  jq -e '.calls[0].authorization.status == "approved"' approved
  jq -e '.calls[0].token.authorization_details[1].message == $text' --arg text "$text" approved
  # what was granted is another message
  jq -c '.calls[0].token.authorization_details[1].message = "rm"' approved > changed
  run ciba-poll -q < changed
  [ "$status" -eq 65 ]
  # without -d, and for a message that fits
  ciba-authorize -n -m Deploy --details-type shell | jq -e '.calls[0].authorization | .binding_message == "Deploy" and .authorization_details == [{type: "shell", message: "Deploy", call_digest}]'
  ciba-run --details-type shell -- true "a/b"
  requests /bc-authorize .form.authorization_details | tail -n 1 | jq -r . | jq -e 'length == 1 and .[0].message == "Run true a/b"'
  # what cannot be seen stands in the details as JSON
  ciba-authorize -n --text $'a\u202eb' --fit --details-type shell |
    jq -e '.calls[0].authorization | .status == "pending" and .authorization_details[0].message == "\"a\\u202eb\""'
}

@test "a type of details that the provider does not list is an error: 78, and nobody is asked" {
  sandbox --approve yes --delay 0
  offer '{authorization_details_types_supported: ["job"]}'
  run --separate-stderr ciba-authorize -n -m 'a/b' --fit --details-type shell
  [ "$status" -eq 78 ]
  [[ $stderr == *"does not list the detail's type 'shell'"* && $stderr != *shortened* ]]
  ciba-authorize -n -m Deploy --details-type job > asked
  [ "$(count /bc-authorize)" -eq 1 ]
}
