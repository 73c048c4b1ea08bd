# What the tests themselves are made of: helper.bash and lint.
# shellcheck source=helper.bash
load helper

@test "a test that does not end is ended: what it runs, reads, waits for or has left" {
  local body
  while IFS= read -r body; do
    printf 'load %s/helper\n@test "it" {\n%s\n}\n' "$BATS_TEST_DIRNAME" "$body" > one.bats
    run env TEST_LIMIT=1 BATS_TMPDIR="$PWD" timeout 30 bats one.bats
    echo "$body: $status $output"
    [ "$status" -eq 1 ]
    [[ $output == *"not ok 1 it"*"it took longer than 1 s"* ]]
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
  run timeout 30 bats one.bats
  [ "$status" -eq 0 ]
}
