# shellcheck source=helper.bash
load helper

# The example lines that are typed at a prompt: examples PAGE
examples() {
  awk '/^\.Bd -literal/ {inside = 1; next} /^\.Ed/ {inside = typed = 0; next}
       inside && /^\$ / {typed = 1; sub(/^\$ /, "")} inside && typed' "$1" |
    sed 's/\\e/\\/g; s/\\&//g'
}

# The variables in the ENVIRONMENT section of a page: variables PAGE
variables() {
  awk '/^\.Sh / {inside = /ENVIRONMENT/} inside' "$project/man/$1" | sed -n 's/^\.\(It \)\{0,1\}Ev //p' | grep -o '[A-Z][A-Z0-9_]*' | sort -u
}

# What a command itself says it reads: read_by COMMAND
read_by() {
  "$1" --settings | grep -o '^[A-Z][A-Z0-9_]*' | sort
}

@test "the ENVIRONMENT of each man page has the settings that its command reads, and ciba-tools(7) where each stands" {
  settings 'PLAIN|SECRET|PRIVATE|SYSTEM' | sort > table
  diff table <(variables ciba-tools.7)
  for command in "${every_command[@]}"; do
    read_by "$command" > reads
    variables "$command.1" | grep -vx 'IDEMPOTENCY_KEY\|CIBA_SANDBOX_URL\|CIBA_SANDBOX_PID' > named || true
    [ "$command" != ciba-sandbox ] || continue # it sets them
    echo "$command"
    diff reads <(grep -vx 'PATH\|TERM' named)
    # ciba-tools(7) lists each variable with just the pages that have it
    awk -v page="$command" '/^\.Sh / {inside = /ENVIRONMENT/} inside && /^\.It Ev/ {gsub(/^\.It Ev | ,/, ""); names = $0} inside && $2 == page && /^\.Xr/ {print names}' "$project/man/ciba-tools.7" |
      tr ' ' '\n' | sort > index
    diff index reads
  done
}

# Each row: what a command's source contains, and the variables that it then reads.
@test "a command says of each setting that its source reads, that it reads it" {
  for command in "${every_command[@]}"; do
    read_by "$command" > reads
    [ "$command" != ciba-sandbox ] || continue
    cat "$project/cmd/$command.c" > source
    [ "$command" != ciba-hook ] || cat "$project/cmd/libexec/ciba-hook-ask.c" >> source
    for name in $(grep -oE 'settings_(get|secret)\([^;]*;' source | grep -oE '"[A-Z][A-Z0-9_]+"' | tr -d '"'); do
      grep -qx "$name" reads || { echo "$command reads $name"; return 1; }
    done
    while IFS='|' read -r text names; do
      rows[${#rows[@]}]=$text
      grep -qF "$text" source || continue
      found+=" $text "
      for name in $names; do
        grep -qx "$name" reads || { echo "$command reads $name"; return 1; }
      done
    done <<'END'
CLIENT_OPTIONS|CIBA_ISSUER AUTH0_DOMAIN CIBA_CLIENT_ID AUTH0_CLIENT_ID CIBA_CLIENT_SECRET AUTH0_CLIENT_SECRET CREDENTIALS_DIRECTORY SSL_CERT_FILE SSL_CERT_DIR OPENSSL_CONF OPENSSL_MODULES
TOKEN_OPTIONS|CIBA_ISSUER AUTH0_DOMAIN CIBA_CLIENT_ID AUTH0_CLIENT_ID CIBA_CLIENT_SECRET AUTH0_CLIENT_SECRET CREDENTIALS_DIRECTORY SSL_CERT_FILE SSL_CERT_DIR OPENSSL_CONF OPENSSL_MODULES
HTTP_OPTIONS|SSL_CERT_FILE SSL_CERT_DIR OPENSSL_CONF OPENSSL_MODULES
AUDIT_OPTION|CIBA_AUDIT
LEDGER_OPTIONS|CIBA_AUDIT CIBA_JOURNAL CIBA_SEAL_KEY CREDENTIALS_DIRECTORY
STORE_OPTIONS|CIBA_STORE CIBA_STORE_KEY
/live_line.h"|NO_COLOR
/decision.h"|NO_COLOR
AUTHORIZER_OPTIONS|CIBA_USER CIBA_SCOPE AUDIENCE CIBA_STORE CIBA_STORE_KEY
/broker.h"|STOCK_API_URL AUDIENCE APCA_API_BASE_URL APCA_API_KEY_ID APCA_API_SECRET_KEY CREDENTIALS_DIRECTORY
"doctor/checks.h"|LLM_API OPENAI_API_KEY OPENAI_BASE_URL ANTHROPIC_API_KEY AZURE_OPENAI_API_KEY STOCK_API_URL CREDENTIALS_DIRECTORY
"model/chat.h"|LLM_API OPENAI_API_KEY OPENAI_BASE_URL OPENAI_MODEL ANTHROPIC_API_KEY AZURE_OPENAI_API_KEY CREDENTIALS_DIRECTORY
/spent.h"|CIBA_SPENT STATE_DIRECTORY XDG_STATE_HOME HOME
/notification_request.h"|REQUEST_METHOD CONTENT_TYPE CONTENT_LENGTH HTTP_AUTHORIZATION
END
  done
  for text in "${rows[@]}"; do
    [[ $found == *" $text "* ]] || { echo "no command has $text: is the row out of date?"; return 1; }
  done
}

@test "ciba-tools(7) has each exit status of status.h, and README and ciba-tools(7) each command" {
  grep -oE 'STATUS_[A-Z_]+ = [0-9]+' "$project/lib/base/status.h" | grep -oE '[0-9]+$' | sort -n > statuses
  [ "$(wc -l < statuses)" -gt 10 ]
  diff statuses <(section 'EXIT STATUS' < "$project/man/ciba-tools.7" | grep -xE '([0-9]+)\sT\{|[0-9]+' | grep -oE '[0-9]+' | sort -n)
  for command in "${every_command[@]}"; do
    grep -q "^| \`$command\` |" "$project/README.md" || { echo "README.md: $command"; return 1; }
    grep -q "^\.Xr $command 1" "$project/man/ciba-tools.7" || { echo "ciba-tools.7: $command"; return 1; }
    [ -s "$project/man/$command.1" ]
    [ -s "$project/tests/$command.bats" ] || grep -q "$command" "$project"/tests/{audit,dpop,lease}.bats
  done
}

@test "the examples of the man pages run as they stand" {
  for page in "$project"/man/*.1; do
    mkdir "${page##*/}"
    examples "$page" > "${page##*/}/script"
    [ -s "${page##*/}/script" ]
    run bash -c "cd ${page##*/} && ciba-sandbox -q --approve yes --delay 0 -- bash -eo pipefail script"
    echo "$page: $status"; cat "${page##*/}/script"; echo "$output"
    [ "$status" -eq 0 ]
  done
  run bash -eo pipefail stock-buy.1/script
  [ "$status" -ne 0 ] # without a sandbox they do not: they are really run
}

@test "the tour of ciba-tools(7) runs as it stands, and does what it says" {
  examples "$project/man/ciba-tools.7" > script
  run --separate-stderr bash -eo pipefail script
  echo "$output"; echo "$stderr"
  [ "$status" -eq 0 ]
  [[ $output == *"I bought 3 shares of GOOGL for you."* ]]
  [[ $output == *"I bought 2 shares of AAPL for you."* ]]
  [[ $output == *"deleting them"* ]]
  [[ $output == *"Hello, world"* ]]
}

# The options in lines of mdoc, as they are typed: -v, --verbose
flags() {
  awk '/^\./ {on = 0
    for (i = 1; i <= NF; i++)
      if ($i ~ /^\.?[A-Z][a-z]$/) on = $i ~ /Fl$/
      else if (!on || $i ~ /^[-.,;:|)]$/) continue
      else if ($i ~ /^-/) print "-" $i
      else for (j = 1; j <= length($i); j++) print "-" substr($i, j, 1)}' | sort -u
}

# The lines of a section: section NAME < PAGE
section() {
  awk -v title=".Sh $1" '/^\.Sh / {inside = $0 == title} inside'
}

headings='SETTINGS|CLIENT|TOKENS|TLS|QUESTION|MESSAGES|LEDGER|JOBS|CONFINEMENT|COMMON'

# The options that ciba-options(7) describes under a heading: shared HEADING
shared() {
  section "$1" < "$project/man/ciba-options.7" | grep '^\.It Fl' | flags
}

# The options that a page describes itself, and those that it refers to with a heading, as "HEADING OPTION".
described() {
  awk -v headings="^($headings)" '/^\.It Fl/ {item = $0; getline; if ($0 !~ headings) print item}' "$1" | flags
}
named() {
  local heading item
  awk -v headings="^($headings)" '/^\.It Fl/ {item = $0; getline; if ($0 ~ headings) print $1, item}' "$1" |
    while read -r heading item; do flags <<< "$item" | sed "s/^/${heading%,} /"; done
}

# The options of a command, including --completion, which --help need not list.
taken() {
  "$1" --completion bash > /dev/null || return 1
  { echo --completion; "$1" --help | grep -oE '^ +(-[A-Za-z], )?--[a-z][a-z-]*' | grep -oE -- '-[A-Za-z]\b|--[a-z-]+'; } | sort -u
}

@test "each option of a command has its text in its page, or in ciba-options(7) where the page says" {
  for command in "${every_command[@]}"; do
    page=$project/man/$command.1
    taken "$command" > options
    [ "$(wc -l < options)" -gt 4 ]
    named "$page" > names
    while read -r heading option; do
      grep -qx -e "$option" <(shared "$heading") || { echo "$command.1: $option is not under $heading"; return 1; }
    done < names
    { described "$page"; cut -d' ' -f2 names; echo --completion; } | sort -u > written
    diff options written || { echo "$command.1"; return 1; }
  done
  [ -s names ] # of the last page, or no page names a heading
}

@test "--help has, where there are many options, the headings of ciba-options(7), and under each what stands there" {
  local many=0
  for command in "${every_command[@]}"; do
    "$command" --help | awk '/^[A-Z]+(:|$)/ {sub(/:.*/, ""); heading = $0}
      heading != "" && match($0, /^ +(-[A-Za-z], )?--[a-z-]+/) {sub(/^[^-]*(-.,)? */, ""); print heading, $1}' | sort > helped
    [ -s helped ] || continue
    many=$((many + 1))
    cut -d' ' -f1 helped | sort -u | while read -r heading; do shared "$heading" | sed "s/^/$heading /"; done | sort > there
    { named "$project/man/$command.1" | grep -- ' --'; echo COMMON --completion; } | sort -u > wanted
    echo "$command"
    diff /dev/null <(comm -23 helped there)
    diff /dev/null <(comm -13 helped wanted)
  done
  [ "$many" -gt 7 ]
}

@test "a SYNOPSIS has each option or names the heading of ciba-options(7) that has it, and it has no other" {
  for command in "${every_command[@]}"; do
    page=$project/man/$command.1
    { section OPTIONS < "$page"; section SYNOPSIS < "$page"; } | flags > written
    comm -13 <(taken "$command") written > strange
    sed "s/^/$command.1: /" strange
    empty strange
    section SYNOPSIS < "$page" > synopsis
    {
      flags < synopsis
      for heading in $(grep -oE "\\b($headings)\\b" synopsis) COMMON; do shared "$heading"; done
    } > there
    # by its letter or by its name
    "$command" --help | grep -oE '^ +(-[A-Za-z], )?--[a-z][a-z-]*' | grep -o -- '-.*' > options
    while read -r option; do
      grep -qxF -e "${option%, *}" -e "${option#*, }" there || { echo "$command.1: $option"; return 1; }
    done < options
    [ -s options ]
  done
}

@test "ciba-options(7) says of each option which commands take it" {
  # "HEADING OPTIONS COMMAND...": the commands that an item names, or else its section
  awk -v headings="^($headings)$" '
    function done() { if (item != "") print title "|" item "|" (own != "" ? own : all); item = own = "" }
    function list() {
      text = $0
      while ($0 !~ /[^0-9]\.$| \.$/ && (getline) > 0) text = text " " $0
      gsub(/Taken by|\.Xr|[,;.]| 1( |$)|with a meaning of its own by/, " ", text)
      return text
    }
    /^\.Sh / {done(); title = $2; all = ""}
    title !~ headings {next}
    /^\.It Fl/ {done(); item = $0}
    /^Taken by/ {if (item == "") all = list(); else own = list()}
    END {done()}' "$project/man/ciba-options.7" > said
  for command in "${every_command[@]}"; do taken "$command" | sed "s/^/$command /"; done > takes
  while IFS='|' read -r heading item commands; do
    case $commands in
      *"every command but"*) comm -23 <(printf '%s\n' "${every_command[@]}" | sort) <(xargs -n1 <<< "${commands#*but}" | sort) ;;
      *"every command"*) printf '%s\n' "${every_command[@]}" | sort ;;
      *) xargs -n1 <<< "$commands" | sort ;;
    esac > expected
    for option in $(flags <<< "$item" | grep -- -- ); do
      options+=" $option"
      echo "$heading: $option"
      diff expected <(sed -n "s/ $option\$//p" takes | sort)
    done
  done < said
  # the list is not empty
  for option in --env-file --issuer --tls-ca-file --journal-file --jobs --no-confinement --completion; do
    [[ " $options " == *" $option "* ]]
  done
}

@test "what a page and ciba-options(7) have of a command's options is what each shell completes" {
  for command in "${every_command[@]}"; do
    { described "$project/man/$command.1"; named "$project/man/$command.1" | cut -d' ' -f2; } | grep -- '^--' | grep -vx -e --completion | sort -u > written
    for shell in bash zsh fish; do
      # an option in the help text of another option counts as well
      "$command" --completion "$shell" | sed 's/ -l / --/g' | grep -oE -- '--[a-z][a-z-]+' | grep -vx -e --completion -e --no-files | sort -u > completed
      diff written completed || { echo "$command in $shell"; return 1; }
    done
  done
}

# The rows of the table in ciba-providers(7): "PROVIDER|MODES|CLIENT|MESSAGE|RUN OR READ"
providers() {
  awk '/^Provider\t/ {inside = 1; next} /^\.TE/ {exit} inside && $0 != "_" {
    sub(/\t/, "|"); sub(/^T}\t/, "|"); gsub(/T[{}]/, ""); printf "%s", $0
    if (++lines % 9 == 0) print ""}' "$project/man/ciba-providers.7"
}

@test "ciba-providers(7) says of each provider whether it was run, and run are those that a test runs, in its version" {
  providers > rows
  [ "$(wc -l < rows)" -gt 10 ]
  exits 1 grep -vE '^[A-Za-z][A-Za-z0-9 -]*\|[^|]+\|[^|]+\|[^|]+\|(read(: .*)?|run: [0-9.]+, [a-z]+\.bats)$' rows
  diff <(cut -d'|' -f1 rows) <(awk '/^\.Sh/ {inside = /WAYS OF THEIR OWN/} inside && sub(/^\.It /, "")' "$project/man/ciba-providers.7")
  sed -n 's/^\([^|]*\)|.*|run: \([0-9.]*\), \(.*\)/\1 \2 \3/p' rows > run
  while read -r provider version file; do
    echo "$provider $version $file"
    case $provider in
      oidc-provider) jq -e --arg v "$version" '.packages["node_modules/oidc-provider"].version == $v' "$project/tests/peers/package-lock.json" ;;
      idpyoidc) grep -q "^idpyoidc==$version " "$project/tests/peers/idpyoidc/requirements.txt" ;;
      Keycloak) grep -qF "$version" "$project/tests/keycloak.bash" ;;
      *) false ;;
    esac
    [ -s "$project/tests/$file" ]
  done < run
  [ -s run ]
}
