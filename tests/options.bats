# shellcheck source=helper.bash
load helper

# The status of an error: hosts let the tool run on any other than 2: of COMMAND STATUS
of() {
  case $1 in ciba-hook) echo 2 ;; *) echo "$2" ;; esac
}

@test "--help is on stdout, exits 0, and begins with the usage" {
  for command in "${every_command[@]}"; do
    run --separate-stderr "$command" --help
    [ "$status" -eq 0 ]
    [[ $output == "usage: $command "* ]]
    # shellcheck disable=SC2154 # set by run
    [ -z "$stderr" ]
    run "$command" -h
    [ "$status" -eq 0 ]
  done
}

@test "--version is on stdout and names command and version" {
  for command in "${every_command[@]}"; do
    run --separate-stderr "$command" --version
    [ "$status" -eq 0 ]
    [[ $output =~ ^"$command (ciba-tools) "[0-9]+\.[0-9]+\.[0-9]+$ ]]
  done
}

@test "an unknown option exits 64 and names the option and --help" {
  for command in "${every_command[@]}"; do
    run --separate-stderr "$command" --no-such-option < /dev/null
    [ "$status" -eq "$(of "$command" 64)" ]
    [ "$command" == ciba-hook ] || [ -z "$output" ]
    [[ ${stderr%%$'\n'*} == "$command: unknown option --no-such-option; try '$command --help'" ]]
    [ "$command" == ciba-hook ] || [[ $stderr != *$'\n'* ]]
    run --separate-stderr "$command" -Z < /dev/null
    [ "$status" -eq "$(of "$command" 64)" ]
    [[ $stderr == *"unknown option -Z"* ]]
  done
}

@test "an option without its argument, or with a wrong number, exits 64" {
  run ciba-authorize -u
  [ "$status" -eq 64 ]
  run ciba-authorize --expiry soon
  [ "$status" -eq 64 ]
  [[ $output == *"'soon' is not a whole number"* ]]
  run ciba-poll --max-wait -1
  [ "$status" -eq 64 ]
  run ciba-poll --max-wait nan
  [ "$status" -eq 64 ]
  run ciba-poll operand
  [ "$status" -eq 64 ]
  run llm-chat -n
  [ "$status" -eq 64 ]
  run llm-chat -n two prompts
  [ "$status" -eq 64 ]
  run ciba-authorize -n
  [ "$status" -eq 64 ]
  run tool-run -- true
  [ "$status" -eq 64 ]
  run tool-run --tool x
  [ "$status" -eq 64 ]
  run ciba-sandbox --approve perhaps -- true
  [ "$status" -eq 64 ]
}

@test "-- ends the options" {
  sandbox
  run llm-chat -nr -- -h
  [ "$status" -eq 0 ]
  [[ $output == "I can buy"* ]]
}

@test "a missing setting exits 78 and says which to set" {
  run ciba-authorize < /dev/null
  [ "$status" -eq 78 ]
  [[ $output == *"CIBA_ISSUER or AUTH0_DOMAIN"* ]]
  export AUTH0_DOMAIN=t.example
  run ciba-authorize < /dev/null
  [ "$status" -eq 78 ]
  [[ $output == *"CIBA_CLIENT_ID or AUTH0_CLIENT_ID"* ]]
  export AUTH0_CLIENT_ID=c
  run ciba-poll < /dev/null
  [ "$status" -eq 78 ]
  [[ $output == *"CIBA_CLIENT_SECRET or AUTH0_CLIENT_SECRET"* ]]
  export AUTH0_CLIENT_SECRET=s
  run ciba-authorize < /dev/null
  [ "$status" -eq 78 ]
  [[ $output == *"CIBA_USER"* ]]
  run stock-buy < /dev/null
  [ "$status" -eq 78 ]
  [[ $output == *"STOCK_API_URL"* ]]
  run llm-chat -n hello
  [ "$status" -eq 78 ]
  [[ $output == *"OPENAI_API_KEY"* ]]
}

@test "a file that is not there exits 66 and is named" {
  nowhere
  for arguments in "ciba-authorize -e none" \
    "llm-chat -t none" "stock-buy -e none" "tool-run --tool x --describe-file none"; do
    # shellcheck disable=SC2086 # words on purpose
    run $arguments < /dev/null
    [ "$status" -eq 66 ]
    [[ $output == *"none: No such file"* ]]
  done
}

# Each row: a command line with a wrong option, or a secret in the wrong place.
@test "a long option is not abbreviated, and what is given with one that is none is not told" {
  nowhere
  while read -r arguments; do
    # shellcheck disable=SC2086 # words on purpose
    run ciba-authorize $arguments < /dev/null
    echo "$arguments: $status $output"
    [ "$status" -eq 64 ]
    [[ $output != *53cret* ]]
    [[ $output == *unknown* || $output == *"takes no argument"* ]]
  done <<'END'
--client-secret 53cret
--client-secret=53cret
--client-secret
--client-secret-fil 53cret
--client-secret-files=53cret
--client 53cret
--store-key=53cret
--verbose=53cret
--verb
--he
--versio
CIBA_CLIENT_SECRET=53cret
--seal-key --seal-key-file
END
  # a complete option counts wherever it stands, whatever its value is
  echo secret > file
  run ciba-authorize --expiry=0 < /dev/null
  [[ $output == *"--expiry: '0' is not a whole number from 1"* ]]
  run ciba-authorize operand --client-secret-file=file --seal-key-file file < /dev/null
  [[ $output == *"unknown operand operand"* ]]
  run ciba-authorize --param --verb < /dev/null
  [[ $output == *"--param: '--verb' is not NAME=VALUE"* ]]
  run ciba-authorize -u --verb -nv
  [[ $output == *"-n needs -m"* ]]
}

@test "a secret that is given where its file, or a key's, is wanted is not told: 66" {
  for command in "${every_command[@]}"; do
    for option in $("$command" --help | grep -E -- '--.* FILE' | grep -oE -- '--[a-z-]*(secret|key|password|hint|token|code)[a-z-]*'); do
      case "$command $option" in
        "ciba-sandbox --client-key-file" | "ciba-sandbox --assertion-key-file") continue ;; # public ones
      esac
      tried+=" $option"
      run "$command" "$option" 53cret -- true < /dev/null
      echo "$command $option: $status $output"
      [ "$status" -eq "$(of "$command" 66)" ]
      [[ $output == "$command: $option: No such file or directory"* && $output != *53cret* ]]
    done
  done
  for option in client-secret-file client-key-file key-password-file api-key-file seal-key-file store-key-file dpop-key key user-code-file; do
    [[ $tried == *" --$option"* ]]
  done
  # a key may be a URI that contains a PIN
  nowhere
  for key in 'pkcs11:object=k?pin-value=53cret' a:53cret; do
    run ciba-authorize --client-key-file "$key" -n -m Hello
    [ "$status" -eq 66 ]
    [[ $output == *"key cannot be opened"* && $output != *53cret* ]]
    DPOP_KEY_FILE=$key run dpop-proof GET https://example.org/
    [ "$status" -eq 66 ]
    [[ $output != *53cret* ]]
  done
  # an existing file is named
  mkdir folder
  run ciba-authorize --client-secret-file folder -n -m Hello
  [[ $output == *"folder: Is a directory"* ]]
}

# Each row: an -e file (printf), whose host is used, or the message.
@test "of two settings of a name in the file of -e the last counts; a carriage return ends a line or is an error" {
  while IFS='|' read -r text expected; do
    # shellcheck disable=SC2059 # a format on purpose
    printf "$text" > file
    run stock-buy -e file < /dev/null
    echo "$text: $status $output"
    [ "$status" -eq 78 ]
    [[ $output == *"$expected"* ]]
  done <<'END'
STOCK_API_URL=http://a.example/\nSTOCK_API_URL=http://b.example/\n|http://b.example: only https
STOCK_API_URL=http://a.example/\r\nSTOCK_API_URL=http://b.example/\r\n|http://b.example: only https
STOCK_API_URL=http://a.example/\nSTOCK_API_URL=\n|no stock API
STOCK_API_URL=http://a.example/\n# later\rSTOCK_API_URL=http://b.example/\n|file: line 2 is not NAME=value
STOCK_API_URL=http://a.example/\rSTOCK_API_URL=http://b.example/\n|file: line 1 is not NAME=value
\n\nA="1"\r\r\n|file: line 3 is not NAME=value
END
}

@test "-e is read as dotenv, and the environment comes before it" {
  sandbox
  sed 's/; export.*//; s/^/export /' exports > settings
  { echo '# settings'; echo; echo 'CIBA_USER="auth0|demo" # who'; } >> settings
  issuer=$CIBA_ISSUER
  unset CIBA_ISSUER CIBA_CLIENT_ID CIBA_CLIENT_SECRET CIBA_USER CIBA_SCOPE AUDIENCE
  run --separate-stderr ciba-authorize -e settings -n -m Hello
  [ "$status" -eq 0 ]
  holds ".calls[0].authorization | .status == \"pending\" and .issuer == \"$issuer\""
  CIBA_USER=nobody run --separate-stderr ciba-authorize -e settings -n -m Hello
  [ "$status" -eq 78 ]
  holds '.calls[0].authorization.error == "unknown_user_id"'
  run --separate-stderr ciba-authorize -e settings -u 'auth0|demo' -n -m Hello
  [ "$status" -eq 0 ]
  echo 'this is no setting' >> settings
  run ciba-authorize -e settings -n -m Hello
  [ "$status" -eq 78 ]
  [[ $output == *"is not NAME=value"* ]]
}

@test ".env in the current directory is not read unasked" {
  echo 'CIBA_ISSUER=http://127.0.0.1:9/' > .env
  run ciba-poll < /dev/null
  [ "$status" -eq 78 ]
}

@test "secrets come from a file, then systemd's credentials, then the environment" {
  sandbox
  printf '%s\n' "$CIBA_CLIENT_SECRET" > secret
  mkdir credentials
  export CIBA_CLIENT_SECRET=wrong
  run ciba-authorize -n -m Hello
  [ "$status" -eq 77 ]
  cp secret credentials/CIBA_CLIENT_SECRET
  CREDENTIALS_DIRECTORY=$PWD/credentials run ciba-authorize -n -m Hello
  [ "$status" -eq 0 ]
  echo wrong > credentials/CIBA_CLIENT_SECRET
  CREDENTIALS_DIRECTORY=$PWD/credentials run ciba-authorize -n -m Hello
  [ "$status" -eq 77 ]
  CREDENTIALS_DIRECTORY=$PWD/credentials run ciba-authorize --client-secret-file secret -n -m Hello
  [ "$status" -eq 0 ]
  : > empty
  run ciba-authorize --client-secret-file empty -n -m Hello
  [ "$status" -eq 78 ]
}

@test "each option of --help stands in the man page, and each of the man page in --help" {
  for command in "${every_command[@]}"; do
    page=$project/man/$command.1
    helped=$("$command" --help | grep -o -- '--[a-z][a-z-]*' | grep -v -- '--version\|--help' | sort -u)
    [ -n "$helped" ]
    written=$(grep '^\.It Fl' "$page" | grep -o 'Fl -[a-z][a-z-]*\|, -[a-z][a-z-]*' |
      sed 's/^Fl -/--/; s/^, -/--/' | grep -v -- '--version\|--help' | sort -u)
    diff <(echo "$helped") <(echo "$written")
  done
}

@test "what --api and --broker take is named when it is another, in --help and in the man page" {
  while IFS='|' read -r command option text names; do
    exits 64 "$command" "$option" other < /dev/null 2> refusal
    [ "$(cat refusal)" == "$command: $option: $text" ]
    [ "$(sed 's/.*\(is not\|only\) //; s/ is known//; s/,//g; s/ or / /' refusal)" == "$names" ]
    for name in $names; do
      "$command" --help | grep -A 1 -- "$option NAME" | grep -qw "$name"
      grep -qw "$name" "$project/man/$command.1"
    done
  done <<'END'
llm-chat|--api|'other' is not auto, openai, azure, anthropic or responses|auto openai azure anthropic responses
stock-buy|--broker|only alpaca is known|alpaca
END
}

@test "the man pages are clean" {
  command -v mandoc > /dev/null || skip "mandoc is not installed"
  run mandoc -Tlint -Wwarning "$project"/man/*
  echo "$output"
  [ "$status" -eq 0 ]
}

@test "completions for bash, zsh and fish have every option of --help, and no other" {
  for command in "${every_command[@]}"; do
    helped=$("$command" --help | grep -o -- '--[a-z][a-z-]*' | sort -u)
    diff <(echo "$helped") <("$command" --completion fish | sed -n 's/.* -l \([a-z-]*\).*/--\1/p' | sort -u)
    diff <(echo "$helped") <("$command" --completion zsh | grep -v '^#\|^_arg' | grep -o -- "['*,]--[a-z][a-z-]*\|^  '--[a-z][a-z-]*" | grep -o -- '--[a-z-]*' | sort -u)
    "$command" --completion bash > script
    bash -n script
    # as bash does: with a dash typed, and after an option that takes a file
    # shellcheck disable=SC2016 # expanded by the inner bash
    diff <(echo "$helped") <(bash -c '. ./script; COMP_WORDS=('"$command"' --); COMP_CWORD=1; _'"$command"'; printf "%s\n" "${COMPREPLY[@]}"' | sort -u)
  done
  touch a-file
  ciba-poll --completion bash > script
  # shellcheck disable=SC2016
  [ "$(bash -c '. ./script; COMP_WORDS=(ciba-poll --tls-ca-file a-f); COMP_CWORD=2; _ciba-poll; echo "${COMPREPLY[@]}"')" == a-file ]
  run ciba-poll --completion csh
  [ "$status" -eq 64 ]
}

@test "completions have the actions of a command that has some, as its first word" {
  agent-spool --completion bash > script
  # shellcheck disable=SC2016
  [ "$(bash -c '. ./script; COMP_WORDS=(agent-spool ""); COMP_CWORD=1; _agent-spool; echo "${COMPREPLY[@]}"')" == "add run list retry init" ]
  # shellcheck disable=SC2016
  [ "$(bash -c '. ./script; COMP_WORDS=(agent-spool list r); COMP_CWORD=2; _agent-spool; echo "${COMPREPLY[@]}"')" == "" ]
  agent-spool --completion zsh | grep -Fq "'1:action:(add run list retry init)'"
  agent-spool --completion fish | grep -Fqx "complete -c agent-spool -n __fish_use_subcommand -f -a 'add run list retry init'"
  ciba-lease --completion zsh | grep -Fq "'1:action:(list end)'"
  local command
  for command in ciba-poll ciba-doctor tool-run; do
    no grep -q 'action\|subcommand' <("$command" --completion zsh; "$command" --completion fish)
  done
}

# What COMMAND OPTION completes in bash, a word a line: choices COMMAND OPTION [BEGUN]
choices() {
  "$1" --completion bash > script
  # shellcheck disable=SC2016
  bash -c '. ./script; COMP_WORDS=("$1" "$2" "$3"); COMP_CWORD=2; "_$1"; printf "%s\n" "${COMPREPLY[@]}"' - "$@"
}

@test "an option that takes one of a few words has those completed that its refusal names" {
  nowhere
  while read -r command option more; do
    # shellcheck disable=SC2086 # words
    "$command" "$option" other $more < /dev/null > verdict 2> refusal && return 1
    sed -n "1s/.*$option: *\(one of \|'other' is not \|only \)\?//p" refusal |
      sed 's/;.*//; s/ is known//; s/,\? or / /; s/,//g' | xargs -n 1 > words
    echo "$command $option: $(cat refusal)"
    [ -s words ]
    diff words <(choices "$command" "$option")
    words=$(paste -sd' ' words)
    "$command" --completion zsh | grep -F -- "${option}[" | grep -Fq ":($words)"
    "$command" --completion fish | grep -F -- " -l ${option#--} " | grep -Fq -- "-a '$words'"
  done <<'END'
ciba-authorize --client-auth -n -m x
ciba-authorize --reuse -n -m x
ciba-hook --host
ciba-hook --print-config
ciba-poll --completion
ciba-sandbox --approve
END
  choices audit-report --outcome | while read -r word; do audit-report --outcome "$word" /dev/null; done
  [ "$(choices audit-report --outcome den)" == denied ]
  [ "$(choices llm-chat --api a | paste -sd' ')" == 'auto azure anthropic' ]
  [ "$(choices stock-buy --broker)" == alpaca ]
}

@test "a mistyped option is told with the one that is near, and never what was given with it" {
  while read -r typed meant; do
    run --separate-stderr ciba-authorize "$typed=53cret"
    [ "$status" -eq 64 ]
    [ "$stderr" == "ciba-authorize: unknown option $typed;${meant:+ there is $meant;} try 'ciba-authorize --help'" ]
  done <<'END'
--clent-id --client-id
--client-idd --client-id
--issuar --issuer
--isuser --issuer
--client-secret --client-secret-file
--us
--secret
--isssuerr
END
}

# The installed shells read every file, bash and zsh with their completion calls.
parsed_by() { # SHELL OPTION
  local command
  command -v "$1" > /dev/null || skip "$1 is not installed"
  for command in "${every_command[@]}"; do
    "$command" --completion "$1" > script
    [ -s script ]
    echo "$command"
    "$1" "$2" script
  done
  # It is really parsed.
  printf 'if (\n' >> script
  run "$1" "$2" script
  [ "$status" -ne 0 ]
}

@test "bash parses its completions" {
  parsed_by bash -n
}

@test "zsh parses its completions" {
  parsed_by zsh -n
}

@test "fish parses its completions" {
  parsed_by fish --no-execute
}

@test "a process that holds secrets leaves no core dump" {
  [[ $(command -v ciba-poll) != */asan/* ]] || skip "the sanitizer needs to look at it"
  nowhere
  mkfifo never
  exec 7<> never
  ulimit -c unlimited
  # The shell's message for a command that is aborted while it waits for its input.
  aborted() {
    bash -c '"$1" < never & until grep -q "State:.S" /proc/$!/status && [ "$(cat /proc/$!/comm)" = "$1" ]; do :; done
      kill -ABRT $!; wait $!' - "$1" 2>&1 || true
  }
  [[ $(aborted cat) == *"core dumped"* ]] || skip "this system dumps no cores"
  [[ $(aborted ciba-poll) == *Aborted* ]]
  [[ $(aborted ciba-poll) != *"core dumped"* ]]
}

@test "a secret or a key that every user can read is refused, with nothing sent" {
  sandbox
  printf %s "$CIBA_CLIENT_SECRET" > secret
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem 2> /dev/null
  unset CIBA_CLIENT_SECRET
  ciba-authorize --client-secret-file secret -n -m Hello > /dev/null
  before=$(wc -l < requests)
  for mode in 644 602; do
    chmod $mode secret key.pem
    run ciba-authorize --client-secret-file secret -n -m Hello
    [ "$status" -eq 78 ]
    [[ $output == *"secret: every user can read or write this secret; chmod 600 secret"* ]]
    run ciba-authorize --client-key-file key.pem -n -m Hello
    [ "$status" -eq 78 ]
    [[ $output == *"chmod 600 key.pem"* ]]
  done
  [ "$(wc -l < requests)" -eq "$before" ]
  chmod 640 secret
  ciba-authorize --client-secret-file secret -n -m Hello > /dev/null
  ciba-authorize --client-secret-file <(cat secret) -n -m Hello > /dev/null
}

# The next file to be opened would get the descriptor of a closed stream.
@test "a standard stream that is closed is no file that is opened later: neither waited for nor written" {
  sandbox --approve yes --delay 0
  umask 077
  : > log
  timeout 200 ciba-run --audit-file log -m x -- true <&-
  exits 74 timeout 200 ciba-authorize -n -m x --journal-file journal >&-
  [ "$(jq -r .step journal | xargs)" == "ask asked" ]
  ciba-authorize -n -m x --journal-file journal2 2>&- > asked
  [ "$(jq -r .step journal2 | xargs)" == "ask asked" ]
  an_approved_call > approved
  exits 74 stock-buy --journal-file journal3 < approved >&-
  [ "$(jq -r .step journal3 | xargs)" == "execute executed" ]
}
