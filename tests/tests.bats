# The tests' own tools: helper.bash and lint.
# shellcheck source=helper.bash
load helper

@test "a test that does not end is ended: what it runs, reads, waits for or has left" {
  local body
  while IFS= read -r body; do
    printf 'load %s/helper\n@test "it" {\n%s\n}\n' "$BATS_TEST_DIRNAME" "$body" > one.bats
    run env TEST_LIMIT=2 BATS_TMPDIR="$PWD" timeout 200 bats one.bats
    echo "$body: $status $output"
    [ "$status" -eq 1 ]
    [[ $output == *"not ok 1 it"*"it took longer than 2 s"* ]]
  done << 'END'
run sh -c 'sleep 100; true'
x=$(sh -c 'sleep 100; true')
sleep 100 || true
mkfifo f; exec 9> f
mkfifo f; read -r x <> f
sleep 100 & wait
while :; do :; done
run setsid -w sh -c 'sleep 100; true'
END
  printf 'load %s/helper\n@test "it" {\nsleep 100 &\n}\n' "$BATS_TEST_DIRNAME" > one.bats
  run timeout 200 bats one.bats
  [ "$status" -eq 0 ]
}

# Each line is a statement in a test.
@test "lint finds what never fails a test, and nothing else" {
  cat > bad.bats << 'END'
[ "$status" -eq 0 ] && [ -z "$output" ]
  [[ $output == "a b" ]] && [ -s out ] # both
grep -q a out && holds '.b'
command -v fish > /dev/null && ciba-poll --completion fish | fish -n
! grep -q secret out
  ! [ -e ran ]
[ "$(count /stocks)" -eq 1 ] || true
[[ $stderr == *"a || b"* ]] || :
holds '.calls[0].result' || true
grep -q words said || true
ciba-poll --once < asked > once || [ $? -eq 75 ]
[ "$(requests /stocks | wc -l)" -eq 0 ]
[ "$(grep -c order requests)" == 0 ]
[ "$(find spool -type f | wc -l)" = "0" ]
[ -z "$(ls spool/new)" ]
[ -z "$(jq .error log)" ]
[ ! -s requests ]
await test "$(count /oauth/token)" -ge 1
await [ "$(wc -l < out)" -eq 1 ]
wait "${runners[@]}"
sleep 1
poll & sleep 0.5
[ $((SECONDS - begun)) -le 3 ]
END
  cat > good.bats << 'END'
[[ $output == "a b" && $output != *c* ]]
refused() { [ "$status" -eq 65 ] && empty spool/new; }
if [ -e a ] && [ -e b ]; then echo; fi
[ -s child ] && break
(umask 077 && openssl rand -hex 32 > key)
"$@" && return 0
command -v node > /dev/null && command -v npm > /dev/null || missing=node
run bash -c 'echo && false'
awk '/a/ && !b {print}
  c && d {print}' trace
! grep -aF "$secret" "$@" || { echo told; return 1; }
[ "$a" -eq 1 ] || [ "$b" -eq 1 ]
[ -z "$pid" ] || kill "$pid" || true
ciba-authorize < call > lost || true
[ "$(count /stocks)" -eq 0 ]
[ "$(grep -c a b)" -eq 10 ]
[ -z "$(sed 's/a//' <<< "$stderr")" ]
await eval '[ "$(count /oauth/token)" -ge 2 ]'
wait "$runner"
run sh -c 'sleep 100; true'
sleep 1 # lint: it is what the test is about
cat > script << 'EOF'
sleep 1
[ a ] && [ b ]
EOF
# sleep 1
END
  run "$BATS_TEST_DIRNAME/lint" bad.bats
  [ "$status" -eq 1 ]
  diff <(cut -d: -f2 <<< "$output") <(seq "$(wc -l < bad.bats)")
  [[ ${lines[0]} == "bad.bats:1: "* ]]
  run "$BATS_TEST_DIRNAME/lint" good.bats
  echo "$output"
  [ "$status" -eq 0 ]
  run "$BATS_TEST_DIRNAME/lint" good.bats bad.bats
  [ "$status" -eq 1 ]
}

@test "no, exits, empty, requests and count do not take what is missing for nothing" {
  echo x > file
  : > nothing
  mkdir -p folder/in
  no grep -q y file
  run no grep -q x file
  [ "$status" -ne 0 ]
  run no grep -q x no-such-file
  [ "$status" -ne 0 ]
  exits 3 sh -c 'exit 3'
  run exits 3 true
  [ "$status" -ne 0 ]
  empty nothing
  empty folder
  touch folder/in/file
  for path in file folder no-such-file; do
    run empty "$path"
    [ "$status" -ne 0 ]
  done
  run count /stocks
  [ "$status" -ne 0 ]
  [[ $output != *0* ]]
  run requests /stocks
  [ "$status" -ne 0 ]
  : > requests
  [ "$(count /stocks)" -eq 0 ]
  printf '{"at":1.5,"method":"POST","path":"%s"}\n' /stocks / /stocks/x /stocks > requests
  [ "$(count /stocks)" -eq 2 ]
}
