# shellcheck source=helper.bash
load helper

# The list of what the static commands are linked with (lib/static) is correct.

# Libraries as lib/static/build leaves them: jq with two patches, a system's archive.
libraries() {
  mkdir -p libs/src/jq/debian/patches libs/src/jq/.pc
  printf '# package\njq 1.7-2+deb3 %064d %064d\nlibc6-dev 2.36-9\n' 1 2 > libs/complete
  echo 'jq (1.7-2+deb3) stable; urgency=high' > libs/src/jq/debian/changelog
  printf '# of ours\na.patch\n\n#b.patch\nc.patch -p1 # why\n' > libs/src/jq/debian/patches/series
  printf 'a.patch\nc.patch\n' > libs/src/jq/.pc/applied-patches
}

linked_statically() {
  libs=$(dirname "$(type -P ciba-poll)")/libs
  [ -d "$libs" ] || skip "the commands are linked as usual"
}

sbom() {
  "$project/lib/static/sbom" ciba-tools 1 0 "${1:-libs}"
}

@test "the SBOM names Debian's version of what was compiled with all of Debian's patches, and nothing else" {
  libraries
  [ "$(sbom | jq -r '.packages[1:][] | "\(.versionInfo) \(.externalRefs[0].referenceLocator)"')" == \
    $'1.7-2+deb3 pkg:deb/debian/jq@1.7-2%2Bdeb3\n2.36-9 pkg:deb/debian/libc6-dev@2.36-9' ]
  [[ $(sbom | jq -r '.packages[1].sourceInfo') == *": a.patch c.patch" ]]
  while read -r spoil; do
    rm -rf libs
    libraries
    eval "$spoil"
    run sbom
    echo "$spoil: $status $output"
    [ "$status" -ne 0 ]
  done << 'END'
rm libs/complete
rm -r libs/src/jq
rm -r libs/src/jq/debian
rm -r libs/src/jq/.pc
echo a.patch > libs/src/jq/.pc/applied-patches
sed -i s/deb3/deb2/ libs/src/jq/debian/changelog
sed -i s/deb3/deb4/ libs/complete
END
}

@test "what the static commands are linked with is what lib/static/sources names, with its patches" {
  linked_statically
  sbom "$libs" > sbom.json
  while read -r package version _; do
    jq -e --arg n "$package" --arg v "$version" 'any(.packages[]; .name == $n and .versionInfo == $v)' sbom.json
  done < <(grep -v '^#' "$project/lib/static/sources")
}
