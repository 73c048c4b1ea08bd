# shellcheck source=helper.bash
load helper

setup() {
  common_setup
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem 2> /dev/null
}

# The nonce of each proof sent to a path, or null: nonces PATH
nonces() {
  requests "$1" .dpop.claims.nonce | jq -r .
}

# An approved call whose token claims to be bound to a key; the sandbox binds none.
a_bound_call() {
  an_approved_call | jq -c '.calls[0].token.token_type = "DPoP"'
}

# Each row: the URL, its htu.
@test "dpop-proof: the proof is for the URL as curl asks for it" {
  while read -r url expected; do
    run --separate-stderr dpop-proof --dpop-key-file key.pem GET "$url"
    htu=$(part 1 <<< "${output#DPoP: }" | jq -r .htu)
    echo "$url: $status $htu $stderr"
    [ "$status" -eq 0 ]
    [ "$htu" == "$expected" ]
  done <<'END'
https://api.example/deploy https://api.example/deploy
https://api.example https://api.example/
https://api.example?x=1 https://api.example/
https://api.example#x https://api.example/
HTTPS://API.Example:443/a/../b https://api.example/b
https://api.example/a/./b/../../C?x#y https://api.example/C
https://api.example/../.. https://api.example/
https://api.example:8443/ https://api.example:8443/
https://api.example:80/ https://api.example:80/
http://localhost:80/x http://localhost/x
http://[::1]:443/x http://[::1]:443/x
https://api.example/a%2Fb;c=D//e https://api.example/a%2Fb;c=D//e
https://user:pass@api.example/ https://api.example/
END
}

@test "dpop-proof: what is not an absolute http or https URL is refused: 64" {
  for url in not-a-url api.example/x /deploy //api.example/ ftp://api.example/ file:///etc/passwd mailto:a@b.example https:// \
    'https://api.example/a b' https://api.example:99999/ $'https://api.example/\nX: y' ''; do
    run --separate-stderr dpop-proof --dpop-key-file key.pem GET "$url"
    echo "$url: $status $stderr"
    [ "$status" -eq 64 ]
    [ -z "$output" ]
    [[ $stderr == *"is not an absolute http or https URL"* ]]
  done
}

# Each row: the key, what the provider offers, what is chosen.
@test "the proof for a token is by an algorithm that the provider offers" {
  openssl genrsa -out rsa.pem 2048 2> /dev/null
  sandbox --approve never
  while IFS='|' read -r key offered expected; do
    offer "{dpop_signing_alg_values_supported:$offered}"
    a_call | ciba-authorize > asked
    exits 75 ciba-poll --once --dpop-key-file "$key" < asked > polled
    [ "$(requests /oauth/token .dpop.header.alg | tail -n 1)" == "\"$expected\"" ]
  done <<'END'
rsa.pem|null|RS256
rsa.pem|["PS256","RS256"]|RS256
rsa.pem|["PS256","ES256"]|PS256
key.pem|["PS256","ES256"]|ES256
END
  offer '{dpop_signing_alg_values_supported:["ES384"]}'
  run --separate-stderr ciba-poll --once --dpop-key-file key.pem < asked
  [ "$status" -eq 78 ]
  [[ $stderr == *"dpop_signing_alg_values_supported"* ]]
  [ "$(count /oauth/token)" -eq 4 ]
}

@test "a nonce of any length comes back whole" {
  sandbox --approve never
  for size in 1 400 2048 8000; do
    nonce=$(printf "%0${size}d" 0 | tr 0 n)
    a_call | ciba-authorize > asked
    jq -n --arg n "$nonce" '[{path:"/oauth/token",status:400,headers:{"DPoP-Nonce":$n},body:{error:"use_dpop_nonce"}}]' | spoil
    exits 75 ciba-poll --once --dpop-key-file key.pem < asked > polled
    [ "$(nonces /oauth/token | tail -n 1)" == "$nonce" ]
  done
}

@test "stock-buy: the nonce of an answer, whatever it was, is for the next order" {
  sandbox --approve yes --delay 0
  for _ in {1..5}; do a_bound_call; done > approved
  jq -n '[{path:"/stocks",status:401,headers:{"DPoP-Nonce":"n-1","WWW-Authenticate":"DPoP error=\"use_dpop_nonce\""}},
    {path:"/stocks",times:3,status:201,headers:{"DPoP-Nonce":"n-2"}}, {path:"/stocks",times:9,status:201}]' | spoil
  run --separate-stderr stock-buy --dpop-key-file key.pem < approved
  echo "$stderr"
  [ "$status" -eq 0 ]
  [ "$(nonces /stocks | paste -sd' ')" == "null n-1 n-2 n-2 n-2 n-2" ]
  [ "$(requests /stocks .idempotency_key | sort -u | wc -l)" -eq 5 ]
}

# Each row: the API's answers (jq), how many requests it gets.
@test "stock-buy: an order that was refused for want of a nonce is sent once more, no other is" {
  sandbox --approve yes --delay 0
  a_bound_call > approved
  while IFS='|' read -r answer expected; do
    : > requests
    jq -n "[{path:\"/stocks\",times:9} + ($answer)]" | spoil
    run --separate-stderr stock-buy --dpop-key-file key.pem < approved
    echo "$answer: $status $stderr"
    [ "$status" -ne 0 ]
    [ "$(count /stocks)" -eq "$expected" ]
  done <<'END'
{status:401,headers:{"DPoP-Nonce":"n","WWW-Authenticate":"DPoP error=\"use_dpop_nonce\""}}|2
{status:401,headers:{"DPoP-Nonce":"n"}}|2
{status:400,headers:{"DPoP-Nonce":"n","WWW-Authenticate":"DPoP realm=\"x\", error=\"use_dpop_nonce\", algs=\"ES256\""}}|2
{status:400,headers:{"DPoP-Nonce":"n"},body:{error:"use_dpop_nonce"}}|2
{status:400,headers:{"DPoP-Nonce":"n"},body:{error:"invalid_order"}}|1
{status:400,headers:{"DPoP-Nonce":"n"},body:"use_dpop_nonce"}|1
{status:400,body:{error:"use_dpop_nonce"}}|1
{status:401,headers:{"WWW-Authenticate":"DPoP error=\"use_dpop_nonce\""}}|1
{status:403,headers:{"DPoP-Nonce":"n"},body:{error:"use_dpop_nonce"}}|1
{status:500,headers:{"DPoP-Nonce":"n"},body:{error:"use_dpop_nonce"}}|1
END
}
