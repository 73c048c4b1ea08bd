# shellcheck source=helper.bash
load helper

# The one file of a release, and the list of what it is linked with (lib/static).

# Libraries as lib/static/build leaves them: jq with two patches, a system's archive.
libraries() {
  mkdir -p libs/src/jq/debian/patches libs/src/jq/.pc
  printf '# package\njq 1.7-2+deb3 %064d %064d\nlibc6-dev 2.36-9\n' 1 2 > libs/complete
  echo 'jq (1.7-2+deb3) stable; urgency=high' > libs/src/jq/debian/changelog
  printf '# of ours\na.patch\n\n#b.patch\nc.patch -p1 # why\n' > libs/src/jq/debian/patches/series
  printf 'a.patch\nc.patch\n' > libs/src/jq/.pc/applied-patches
}

linked_statically() {
  one_file=$(dirname "$(type -P ciba-poll)")/ciba-tools
  libs=${one_file%/*}/libs
  [[ -x $one_file && -d $libs ]] || skip "the commands are linked as usual"
}

# The one file in a folder of its own, with its links: a_release FOLDER
a_release() {
  linked_statically
  mkdir -p "$1"
  cp "$one_file" "$1/ciba-tools"
  "$1/ciba-tools" --install "$1"
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

@test "the one file is each command, under the name of a link or by its first argument, needs no library, and has at most 10 MB" {
  a_release bin
  [ "$(stat -c %s bin/ciba-tools)" -lt 10000000 ]
  no grep -q 'INTERP\|NEEDED' <(readelf -lWd bin/ciba-tools)
  [ "$(bin/ciba-tools --list)" == "$(printf '%s\n' "${every_command[@]}")" ]
  for command in "${every_command[@]}"; do
    case $command in ciba-hook) continue ;; esac # a guard: its errors are a no
    for run in "bin/$command" "bin/ciba-tools $command"; do
      echo "$run"
      [[ $($run --version) == "$command (ciba-tools) "* ]]
      # shellcheck disable=SC2086 # words
      exits 64 $run --no-such-option 2> said
      grep -q "^$command: " said
    done
  done
  cp bin/ciba-tools another-name
  [[ $(./another-name jwt-verify --version) == "jwt-verify "* ]]
  exits 64 bin/ciba-tools
  exits 64 bin/ciba-tools no-such-command
  exits 64 bin/ciba-tools ./ciba-poll
}

@test "--install makes links that can be moved with the file, or that lead to it from elsewhere; it replaces links, and no file" {
  a_release bin
  mkdir elsewhere
  bin/ciba-tools --install elsewhere
  bin/ciba-tools --install elsewhere
  mv bin moved
  [[ $(moved/ciba-run --version) == "ciba-run "* ]]
  [ "$(find moved -type l | wc -l)" -eq "${#every_command[@]}" ]
  [ "$(readlink elsewhere/ciba-run)" == "$PWD/bin/ciba-tools" ]
  rm elsewhere/ciba-run
  echo mine > elsewhere/ciba-run
  run moved/ciba-tools --install elsewhere
  echo "$output"
  [ "$status" -eq 74 ]
  [[ $output == *elsewhere/ciba-run* ]]
  [ "$(cat elsewhere/ciba-run)" == mine ]
  exits 74 moved/ciba-tools --install nowhere
}

@test "ciba-hook of the one file has a guard: yes, no, a kill, no memory, and what --print-config prints" {
  a_release bin
  event='{"hook_event_name":"PreToolUse","session_id":"s","tool_use_id":"t","tool_name":"Bash","tool_input":{"command":"ls"}}'
  sandbox --approve yes --delay 0
  for run in "bin/ciba-hook" "bin/ciba-tools ciba-hook"; do
    run $run <<< "$event"
    echo "$run: $status $output"
    [ "$status" -eq 0 ]
    [[ $output == *'"allow"'* ]]
  done
  command=$(cd / && "$BATS_TEST_TMPDIR/bin/ciba-hook" --print-config gemini | jq -r '.. | .command? // empty')
  echo "$command"
  run bash -c "$command" <<< '{"session_id":"s","hook_event_name":"BeforeTool","tool_name":"run_shell_command","tool_input":{"command":"ls"}}'
  echo "$status $output"
  [ "$status" -eq 0 ]
  [[ $output == *'"allow"'* ]]
  [ "$(count /bc-authorize)" -eq 3 ]
  # ciba-doctor knows it for ciba-hook, and reads the options behind it
  bin/ciba-tools ciba-hook --print-config claude > settings.json
  chmod -R go-w bin .
  run bin/ciba-doctor --hook-file settings.json
  echo "$output"
  [[ $output == *"starts ciba-hook, and stops the tool"* ]]
  sed 's/"--deadline"/"--no-such-option"/' settings.json > wrong.json
  run bin/ciba-doctor --hook-file wrong.json
  [[ $output == *FAIL*"--no-such-option"* ]]
  sed 's/"ciba-hook"/"ciba-run"/' settings.json > wrong.json
  run bin/ciba-doctor --hook-file wrong.json
  [[ $output != *"starts ciba-hook, and stops the tool"* ]]
  kill "$CIBA_SANDBOX_PID"
  sandbox --approve no --delay 0
  exits 2 bin/ciba-hook <<< "$event"
  # the one that asks is killed, in an empty environment, and where it cannot be started
  kill "$CIBA_SANDBOX_PID"
  sandbox --approve never
  bin/ciba-hook <<< "$event" > out 2>&1 &
  guard=$!
  await eval '[ "$(count /bc-authorize)" -gt 0 ]'
  asking=$(pgrep -P "$guard")
  [ "$(readlink "/proc/$asking/exe")" == "$PWD/bin/ciba-tools" ]
  kill -KILL "$asking"
  exits 2 wait "$guard"
  grep -q 'not approved' out
  exits 2 env -i bin/ciba-hook <<< "$event"
  # where the one file could not even be started
  for limit in 2000 6000; do
    exits 2 bash -c 'ulimit -v "$1" && exec bin/ciba-hook' bash "$limit" <<< "$event"
  done
  rm bin/libexec/ciba-hook-ask
  exits 2 bin/ciba-hook <<< "$event"
  exits 2 bash -c 'exec -a "" bin/ciba-tools ciba-hook --no-such-option' <<< "$event"
}

@test "the one file confines itself as the commands do that are files of their own" {
  a_release bin
  command -v strace > /dev/null || skip "strace is not installed"
  sandbox --approve yes --delay 0
  confined() {
    strace -f -qq -e trace=landlock_restrict_self,seccomp,prctl -o trace "$@" > out
    cat trace
    grep -q 'landlock_restrict_self(.*= 0' trace
    grep -q 'seccomp(SECCOMP_SET_MODE_FILTER.*= 0\|prctl(PR_SET_SECCOMP.*= 0' trace
  }
  bin/ciba-authorize --require-confinement -n -m Hello > asked || skip "this kernel does not confine"
  confined bin/ciba-authorize -n -m Hello
  confined bin/ciba-tools ciba-poll < asked
  a_call | bin/ciba-authorize -m Buy > asked
  confined bin/stock-buy < <(bin/ciba-poll < asked)
  holds '.calls[0].result.status == "filled" or .calls[0].result != null' < out
}

# What an example does with the one file that it downloads.
ci_installs() { # SHELL-STEP
  export URL=file://$PWD/release SHA256 RUNNER_TEMP=$PWD/temp GITHUB_PATH=$PWD/path
  export CIBA_TOOLS_URL=$URL CIBA_TOOLS_SHA256
  mkdir -p temp
  env -i URL="$URL" SHA256="$SHA256" CIBA_TOOLS_URL="$URL" CIBA_TOOLS_SHA256="$SHA256" RUNNER_TEMP="$PWD/temp" GITHUB_PATH="$PWD/path" \
    TMPDIR="$PWD/temp" PATH=/usr/bin:/bin bash -e "$1"
}

@test "github-actions.yml, gitlab-ci.yml: a runner without ciba-tools installs the one file, and none with another checksum" {
  linked_statically
  cp "$one_file" release
  step_of "$project/examples/github-actions.yml" 'run: |' 'name: Install' > github
  step_of "$project/examples/gitlab-ci.yml" 'before_script:' > gitlab
  echo 'echo "${PATH%%:*}" > path' >> gitlab
  for step in github gitlab; do
    rm -rf temp path
    SHA256=$(sha256sum < release | cut -d' ' -f1)
    ci_installs "$step"
    [[ $(PATH=$(cat path):/usr/bin:/bin env -i "PATH=$(cat path)" ciba-run --version) == "ciba-run "* ]]
    rm -rf temp path
    SHA256=$(sha256sum < /dev/null | cut -d' ' -f1)
    run ci_installs "$step"
    echo "$output"
    [ "$status" -ne 0 ]
    [ ! -e path ]
    [ -z "$(find temp -type l -o -type f -perm /111)" ] # lint: the folder is there
    SHA256=
    run ci_installs "$step"
    [ "$status" -ne 0 ]
  done
}

# An image as examples/container/Containerfile describes it, without a container engine: the image is the folder ./image.
# $user, $words (the entry point and the command) and the array `environment` are what it is started with.
an_image() {
  environment=()
  while read -r word rest; do
    case $word in
      FROM) [ "$rest" == scratch ]; mkdir image ;;
      COPY)
        mode='' owner=0:0
        while [[ $rest == --* ]]; do
          case $rest in --chmod=*) mode=${rest#--chmod=}; mode=${mode%% *} ;; --chown=*) owner=${rest#--chown=}; owner=${owner%% *} ;; *) return 1 ;; esac
          rest=${rest#* }
        done
        read -r from to <<< "$rest"
        mkdir -p "image$(dirname "$to")"
        cp -rT "context/$from" "image$to"
        chmod "$mode" "image$to"
        chown -R "$owner" "image$to"
        ;;
      RUN) mapfile -t run_words < <(jq -r '.[]' <<< "$rest"); chroot image "${run_words[@]}" ;;
      ENV) read -r -a environment <<< "$rest" ;;
      USER) user=$rest ;;
      ENTRYPOINT) entry=$rest ;;
      CMD) default=$rest ;;
      '' | '#'* | VOLUME) ;;
      *) echo "$word is not known"; return 1 ;;
    esac
  done < "$project/examples/container/Containerfile"
}

# podman run IMAGE [WORD...]
in_image() {
  local words
  mapfile -t words < <(jq -r '.[]' <<< "$entry")
  if [ $# -eq 0 ]; then
    mapfile -t -O "${#words[@]}" words < <(jq -r '.[]' <<< "$default")
  fi
  env -i "${environment[@]}" "${settings[@]}" "$(command -v chroot)" --userspec="$user" image "${words[@]}" "$@"
}

@test "container: the image from scratch has nothing but the one file, and the agent in it asks and buys, as nobody" {
  linked_statically
  [ "$(id -u)" -eq 0 ] || skip "only root can enter an image"
  umask 022
  mkdir context
  cp "$one_file" context/ciba-tools
  awk '/^```sh$/ {inside = 1; next} /^```$/ {if (inside) exit} inside' "$project/examples/container/README.md" | grep -v podman > steps
  [ "$(wc -l < steps)" -eq 3 ]
  (cd context && bash -e ../steps)
  an_image
  [ "$(find image -type f | sort | xargs)" == "image/bin/ciba-hook image/bin/ciba-tools image/etc/ciba-agent/tools.json image/etc/ssl/certs/ca-certificates.crt" ]
  chmod 755 . image
  # the sandbox is in it as well
  env -i "$(command -v chroot)" --userspec="$user" image /bin/ciba-sandbox --approve yes --delay 0 > exports
  # shellcheck source=/dev/null
  . ./exports
  started+=("$CIBA_SANDBOX_PID")
  mapfile -t settings < <(sed -n "s/; export .*//p" exports | tr -d "'")
  in_image llm-chat -n -t /etc/ciba-agent/tools.json 'Buy 3 stocks of Google' | in_image agent-spool add /spool/agent
  in_image
  [ "$(orders)" == '[{"ticker":"GOOGL","qty":3}]' ]
  [ "$(jq -r '.messages[-1].content' image/spool/agent/done/*)" == "I bought 3 shares of GOOGL for you." ]
  in_image agent-spool list /spool/agent
  [ "$(jq -r .event image/spool/audit.log | xargs)" == "asked approved executed" ]
}

@test "README: the file of a release is installed as printed, and a file that is another is not" {
  linked_statically
  [ "$(uname -m)" = x86_64 ] || skip "another machine"
  { [ "$(id -u)" -eq 0 ] && unshare -m --propagation private true 2> /dev/null; } || skip "only root can have a /usr/local of its own"
  awk '/^## Install/ {found = 1} found && /^```$/ {exit} inside; found && /^```sh$/ {inside = 1}' "$project/README.md" > steps
  [ "$(wc -l < steps)" -eq 3 ]
  mkdir -p local/bin dist
  cp "$one_file" "dist/ciba-tools-$(sed -n 's/^VERSION = //p' "$project/Makefile")-x86_64"
  (cd dist && sha256sum ciba-tools-* > SHA256SUMS && echo "$(sha256sum < /dev/null | cut -c 1-64)  another.tar.gz" >> SHA256SUMS)
  as_printed() {
    unshare -m --propagation private sh -c 'mount --bind local /usr/local && cd dist && PATH=/usr/local/bin:/usr/bin:/bin sh -e ../steps'
  }
  as_printed
  [[ $(local/bin/ciba-run --version) == "ciba-run "* ]]
  rm -r local/bin/*
  echo >> dist/ciba-tools-*
  run as_printed
  [ "$status" -eq 1 ]
  empty local/bin
}

@test "the recipes for Alpine and Homebrew parse" {
  for name in APKBUILD ciba-tools.rb; do
    sed 's|@VERSION@|1.0|g; s|@[A-Z0-9]*@|0000|' "$project/lib/packages/$name.in" > "$name"
    no grep '@[A-Z0-9]*@' "$name"
  done
  sh -n APKBUILD
  run sh -c '. ./APKBUILD && echo "$pkgname $pkgver $pkgrel $license $source" && type build check package > /dev/null'
  [ "$output" == "ciba-tools 1.0 0 MIT 0000" ]
  command -v ruby > /dev/null || skip "ruby is not installed"
  ruby -c ciba-tools.rb
}
