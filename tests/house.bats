# The rooms of lib/, as lib/README.md draws them.
load helper



# uses FOLDER: a line for each use of one file by another, without .c and .h
uses() {
  (cd "$1" || exit; grep -H '^#include "' ./*/*.[ch] |
    sed -E 's,^\./(.*)\.[ch]:#include "(.*)\.h".*,\1 \2,' | awk '$1 != $2' | sort -u)
}

# wrong FOLDER MAP: what breaks the rule
wrong() {
  find "$1" -maxdepth 1 -name '*.[ch]'
  uses "$1" | awk -F '[ /]' -v map="$2" '
    BEGIN {while ((getline line < map) > 0) if (split(line, cell, / *\| */) > 3 && cell[3] ~ /^[0-9]+$/) {gsub(/`/, "", cell[2]); level[cell[2]] = cell[3]}}
    !($1 in level) {print $1 " is not in the map"; next}
    $1 != $3 && (!($3 in level) || level[$3] >= level[$1]) {print $1 "/" $2 " uses " $3 "/" $4}'
  { tsort <(uses "$1") > /dev/null || true; } 2>&1
}

@test "each room of lib/ uses only what lies below it, and no file uses one that uses it" {
  [ "$(uses "$project/lib" | wc -l)" -gt 100 ]
  wrong "$project/lib" "$project/lib/README.md" > found
  cat found
  empty found
}

@test "a use of a room above, of a room on the same level, a circle and a file beside the rooms are found" {
  cp -r "$project/lib" .
  echo '#include "agent/stages.h"' >> lib/base/clock.c
  echo '#include "http/http.h"' >> lib/jose/jwk.c
  echo '#include "json/schema.h"' >> lib/json/json.h
  echo > lib/other.c
  wrong lib "$project/lib/README.md" > found
  grep -q 'base/clock uses agent/stages' found
  grep -q 'jose/jwk uses http/http' found
  grep -q 'json/schema' found
  grep -q 'lib/other.c' found
}

@test "nothing includes a command, and no command another" {
  no grep -rn '#include "cmd/\|#include "[^"]*\.c"' "$project/lib" "$project/cmd" --include='*.[ch]'
}

@test "each file that the maps of lib/ and tests/ name is there" {
  grep -ohE '`[a-z_./-]+\.(c|h|bats|md|bash|mk)`' "$project"/lib/README.md "$project"/tests/README.md | tr -d '`' | sort -u > named
  [ "$(wc -l < named)" -gt 20 ]
  while read -r file; do
    found=$(find "$project"/lib "$project"/cmd "$project"/tests "$project"/man -path '*node_modules*' -prune -o -path "*/$file" -print)
    [ -n "$found" ] || [ -e "$project/$file" ] || { echo "$file is not there"; return 1; }
  done < named
}
