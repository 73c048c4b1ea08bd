# shellcheck source=helper.bash
load helper

# Published vectors, which are not part of this project: in the folder that VECTORS names, by default
# beside the checkout.
vectors=${VECTORS:-${BATS_TEST_DIRNAME%/tests*}/../shared/vectors}

needs() {
  [ -e "$vectors/$1" ] || skip "the published vectors $1 are not at hand (VECTORS names their folder)"
}

# Each test of a Wycheproof file with its keys as a JWKS, for jose-check.
wycheproof() {
  jq -c '.testGroups[] | ((.public // .private) | if has("keys") then . else {keys: [.]} end) as $keys | .tests[] |
    {id: (.tcId | tostring), jws: (.jws | if type == "string" then . else tojson end), keys: $keys}' "$1" | jose-check
}

# Compares verdicts with the published results. The valid ones that are refused must be those listed, and
# no invalid one may be accepted: judge NAME, or compare FILE with the file `verdicts`, then NUMBER-OF-VECTORS 'REFUSED NUMBERS'
judge() {
  wycheproof "$vectors/wycheproof/$1" > verdicts
  compare "$vectors/wycheproof/$1" "$2" "$3"
}

compare() {
  jq -r '.testGroups[].tests[] | "\(.tcId) \(.result)"' "$1" > published
  join <(sort verdicts) <(sort published) > both
  [ "$(wc -l < both)" -eq "$2" ]
  awk '$2 == "valid" && $NF == "invalid"' both > wrong
  awk '$2 == "invalid" && $NF == "valid" {print $1}' both | sort -n | paste -sd' ' > refused
  echo "${1##*/}: $2 vectors, $(grep -c ' valid ' verdicts) accepted, wrongly accepted: $(wc -l < wrong), valid but refused: $(cat refused)"
  echo "# ${1##*/}: $2 vectors, wrongly accepted: $(wc -l < wrong), refused on principle: $(wc -w < refused)" >&3
  cat wrong
  empty wrong
  [ "$(cat refused)" == "$3" ]
}

@test "Wycheproof: 401 JSON Web Signatures" {
  needs wycheproof/json_web_signature_test.json
  # Refused though valid:
  #   1 348 352 357 358 359 376 377: HMAC, which is never accepted
  #   346 350: signed with PS384 for a key whose alg is PS256; 347 351: a key whose alg is "ES521"
  #   372 373: HMAC, and a character that is not base64url
  judge json_web_signature_test.json 401 "1 346 347 348 350 351 352 357 358 359 372 373 376 377"
}

@test "Wycheproof: 26 JSON Web Keys" {
  needs wycheproof/json_web_key_test.json
  # Refused though valid: 2 13 14 15, HMAC keys
  judge json_web_key_test.json 26 "2 13 14 15"
}

@test "Wycheproof: 139 JSON Web Encryptions, those of RFC 7520 among them" {
  needs wycheproof/json_web_encryption_test.json
  command -v node > /dev/null || skip "node, which reads the keys, is not installed"
  local file=$vectors/wycheproof/json_web_encryption_test.json
  node -e 'const c = require("crypto"), f = require("fs");
    JSON.parse(f.readFileSync(process.argv[1])).testGroups.forEach(({private: key, tests}, i) => {
      const pem = key.kty === "oct" ? "none" : c.createPrivateKey({key, format: "jwk"}).export({type: "pkcs8", format: "pem"});
      f.writeFileSync(`${i}.pem`, pem);
      for (const {tcId, jwe} of tests) console.log(JSON.stringify({id: `${tcId}`, jwe: typeof jwe === "string" ? jwe : JSON.stringify(jwe), key: `${i}.pem`}));
    })' "$file" | jose-check > verdicts
  # Refused though valid:
  #   1 23 28-32 69-75 132-135: a key that both sides have (A128KW, A128GCMKW, dir ...)
  #   53 56 60 61 77 80 83 86 89 92: 192 bits
  #   100-105 112 128: RSA1_5
  compare "$file" 139 "1 23 28 29 30 31 32 53 56 60 61 69 70 71 72 73 74 75 77 80 83 86 89 92 100 101 102 103 104 105 112 128 132 133 134 135"
}

@test "RFC 7515 appendix A and RFC 7520: the compact examples" {
  needs rfc
  local name expected checked=0
  while read -r name key expected; do
    jq -cn --arg id "$name" --arg jws "$(tr -d '\r\n' < "$vectors/rfc/$name.jwsc")" --slurpfile key "$vectors/rfc/$key.jwk" \
      '{id: $id, jws: $jws, keys: {keys: $key}}' | jose-check > verdict
    cat verdict
    [ "$(cut -d' ' -f2 verdict)" == "$expected" ]
    checked=$((checked + 1))
  done <<'END'
rfc7515_A.1 rfc7515_A.1 invalid
rfc7515_A.2 rfc7515_A.2 valid
rfc7515_A.2 rfc7515_A.3 invalid
rfc7515_A.3 rfc7515_A.3 valid
rfc7515_A.3 rfc7515_A.2 invalid
rfc7515_A.4 rfc7515_A.4 valid
rfc7515_A.5 rfc7515_A.2 invalid
rfc7520_4.1 rfc7520_3.4 valid
rfc7520_4.2 rfc7520_3.4 valid
rfc7520_4.3 rfc7520_3.2 valid
rfc7520_4.4 rfc7520_3.5 invalid
rfc7520_4.5 rfc7520_3.5 invalid
END
  # A.1, 4.4: HMAC; A.5: alg none; 4.5: detached
  echo "# RFC examples: $checked checked" >&3
}
