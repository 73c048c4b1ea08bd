# shellcheck source=helper.bash
load helper

@test "the commands are position-independent, bound at once, without executable stack, with checked functions" {
  [ -z "${ASAN_OPTIONS:-}" ] || skip "a build for finding faults"
  command -v readelf > /dev/null || skip "readelf is not installed"
  for command in "${every_command[@]}"; do
    binary=$(type -P "$command")
    echo "$command"
    readelf -hW "$binary" | grep -q 'Type:.*DYN'
    readelf -dW "$binary" | grep -q 'FLAGS_1.* NOW.*PIE'
    readelf -lW "$binary" | grep -q GNU_RELRO
    readelf -lW "$binary" | grep -q 'GNU_STACK.* RW '
    no grep -q ' RWE ' <(readelf -lW "$binary")
    # A static binary has no symbols left.
    readelf -sW "$binary" | grep -q __stack_chk_fail || no grep -q 'Symbol table' <(readelf -sW "$binary")
    readelf -sW "$binary" | grep -q '_chk@' || no grep -q 'Symbol table' <(readelf -sW "$binary")
  done
}

@test "on x86-64 every function that can be jumped to begins with endbr64" {
  [ -z "${ASAN_OPTIONS:-}" ] || skip "a build for finding faults"
  [ "$(uname -m)" = x86_64 ] || skip "another machine"
  command -v objdump > /dev/null || skip "objdump is not installed"
  binary=$(type -P ciba-poll)
  readelf -sW "$binary" | grep -q ' main$' || skip "it has lost its symbols"
  for function in main options_parse http_start out_of_memory; do
    objdump -d --no-show-raw-insn --disassemble="$function" "$binary" | grep -A 1 "<$function>:" | grep -q endbr64
  done
}
