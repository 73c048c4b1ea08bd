# shellcheck source=helper.bash
load helper

# What a release says about itself.

version=$(sed -n 's/^VERSION = //p' "$project/Makefile")
changes=$project/man/ciba-changes.7

# The version in the first heading of a page that has one: newest PAGE
newest() {
  sed -nE '/^\.S[hs] /s/.*[ v]([0-9]+(\.[0-9]+)+).*/\1/p' "$1" | head -n 1
}

@test "each command tells the version of the Makefile" {
  [ -n "$version" ]
  for command in "${every_command[@]}"; do
    run "$command" --version
    echo "$output"
    [ "$output" == "$command (ciba-tools) $version" ]
  done
}

@test "ciba-changes(7) tells first what is new in the version of the Makefile" {
  [ -e "$changes" ] || skip "there is no such page"
  [ "$(newest "$changes")" == "$version" ]
}

@test "the changelog of the Debian package is what ciba-changes(7) tells of its version" {
  command -v mandoc > /dev/null || skip "mandoc is not installed"
  cat > page.7 << 'END'
.Dd January 1, 2026
.Dt CIBA-CHANGES 7
.Os
.Sh 1.10
Three words for
.Xr ciba-poll 1 .
.Bl -bullet
.It
An item that is so long that it goes over more than one line of the changelog, as many of them do.
.It
Another
.El
.Sh 1.1
Old.
END
  run -0 "$project/lib/packages/changelog" 1.10 0 'A <a@example.org>' page.7
  diff - <(echo "$output") << 'END'
ciba-tools (1.10) stable; urgency=medium

  * Three words for ciba-poll(1).
  * An item that is so long that it goes over more than one line of the
    changelog, as many of them do.
  * Another

 -- A <a@example.org>  Thu, 01 Jan 1970 00:00:00 +0000
END
  run "$project/lib/packages/changelog" 1.2 0 'A <a@example.org>' page.7
  [ "$status" -eq 1 ]
  [[ $output == *"nothing about 1.2"* ]]
  [ "$(newest page.7)" == 1.10 ]
  run -0 "$project/lib/packages/changelog" "$version" 0 'A <a@example.org>' "$changes"
  [ "${lines[0]}" == "ciba-tools ($version) stable; urgency=medium" ]
}
