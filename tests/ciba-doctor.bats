# shellcheck source=helper.bash
load helper

@test "with everything right: every step is ok, nobody is asked, nothing is bought" {
  sandbox --approve yes --delay 0
  run --separate-stderr ciba-doctor --ask-model
  echo "$output"
  [ "$status" -eq 0 ]
  [ -z "$stderr" ]
  [ "$(cut -d: -f1 <<< "$output" | paste -sd,)" == \
    "ok   settings,ok   issuer,ok   CIBA,ok   keys,ok   clock,ok   client,ok   model,ok   tools,ok   stock API" ]
  [ "$(count /bc-authorize)" -eq 0 ]
  [ "$(orders)" == '[]' ]
  [[ $output != *"$CIBA_CLIENT_SECRET"* && $output != *"$OPENAI_API_KEY"* ]]
}

@test "secrets in systemd's credentials are found" {
  sandbox --approve yes --delay 0
  mkdir credentials
  printf %s "$OPENAI_API_KEY" > credentials/OPENAI_API_KEY
  printf %s "$CIBA_CLIENT_SECRET" > credentials/CIBA_CLIENT_SECRET
  unset OPENAI_API_KEY CIBA_CLIENT_SECRET
  CREDENTIALS_DIRECTORY=$PWD/credentials run --separate-stderr ciba-doctor
  echo "$output"
  [ "$status" -eq 0 ]
  [[ $output == *"ok   client"* && $output == *"ok   model"* ]]
}

# Each row: settings that are wrong, the exit status, the line.
@test "what is wrong is named, with what to do; the other steps are done all the same" {
  sandbox --approve yes --delay 0
  good=$CIBA_ISSUER
  while IFS='|' read -r setting expected line; do
    run --separate-stderr env "$setting" ciba-doctor
    echo "$setting: $status $output"
    [ "$status" -eq "$expected" ]
    grep -q "^$line" <<< "$output"
    grep -q 'stock API' <<< "$output"
  done <<END
CIBA_ISSUER=http://127.0.0.1:9/|69|FAIL issuer: 127.0.0.1
CIBA_ISSUER=${good%/}|78|FAIL issuer: .*the two must be the same
CIBA_CLIENT_SECRET=wrong|77|FAIL client: sandbox-client by client_secret_post is refused; check client id
OPENAI_API_KEY=wrong|77|FAIL model: .*check the API key
OPENAI_BASE_URL=http://127.0.0.1:9/v1|69|FAIL model: 127.0.0.1
OPENAI_BASE_URL=http://example.com/v1|78|FAIL model: .*only https
STOCK_API_URL=http://127.0.0.1:9/|69|FAIL stock API: 127.0.0.1
CIBA_USER=|0|-    user: no CIBA_USER
STOCK_API_URL=|0|-    stock API: no STOCK_API_URL
END
}

@test "a clock that differs is told" {
  jq -n '[{path:"/oauth/token",status:400,headers:{Date:"Tue, 24 Nov 2015 12:00:00 GMT"},body:{error:"invalid_grant"}}]' > faults
  sandbox --faults faults
  run ciba-doctor
  echo "$output"
  [ "$status" -eq 78 ]
  [[ $output == *"FAIL clock: differs from the provider's by -"*"set it (NTP)"* ]]
}

@test "an issuer without CIBA, and no settings at all, are told" {
  sandbox
  jq -n --arg i "$CIBA_ISSUER" '[{path:"/.well-known/openid-configuration",body:{issuer:$i}}]' | spoil
  run ciba-doctor
  [ "$status" -eq 78 ]
  [[ $output == *"FAIL CIBA: "*"does it offer CIBA"* ]]
  run env -i PATH="$PATH" ciba-doctor
  [ "$status" -eq 78 ]
  [[ $output == *"FAIL settings: no issuer"* ]]
}
