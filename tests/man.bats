# shellcheck source=helper.bash
load helper

# The lines of the examples that are typed at a prompt: examples PAGE
examples() {
  awk '/^\.Bd -literal/ {inside = 1; next} /^\.Ed/ {inside = typed = 0; next}
       inside && /^\$ / {typed = 1; sub(/^\$ /, "")} inside && typed' "$1" |
    sed 's/\\e/\\/g; s/\\&//g'
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
