# shellcheck source=helper.bash
load helper

# A server that answers like this (jq, of a fault) the first time, or N times: failing ANSWER [N]
failing() {
  jq -n "[{path: \"/v1/chat/completions\", times: ${2:-1}} + ($1)]" > faults
  [ -z "${CIBA_SANDBOX_PID:-}" ] || kill "$CIBA_SANDBOX_PID"
  rm -f requests
  sandbox --faults-file faults
}

# The seconds between the first and the last request.
span() {
  jq -s 'map(select(.path == "/v1/chat/completions").at) | last - first' requests
}

@test "what passes is tried again: 408 409 425 429 5xx, and a connection that dies before an answer" {
  for answer in '{status: 408}' '{status: 409}' '{status: 425}' '{status: 429}' '{status: 498}' '{status: 500}' '{status: 503}' '{status: 529}' '{drop: true}'; do
    failing "$answer + {headers: {\"retry-after-ms\": \"1\"}}"
    run --separate-stderr llm-chat -nr Hello
    echo "$answer: $status $stderr"
    [ "$status" -eq 0 ]
    [ "$(count /v1/chat/completions)" -eq 2 ]
  done
}

@test "what does not pass is not: 400 401 403 404, quota, x-should-retry: false, a wrong certificate" {
  for answer in '{status: 400}' '{status: 401}' '{status: 403}' '{status: 404}' '{status: 429, body: {error: {code: "insufficient_quota"}}}' \
    '{status: 503, headers: {"x-should-retry": "false"}}'; do
    failing "$answer"
    run llm-chat -nr Hello
    echo "$answer: $status"
    [ "$status" -ne 0 ]
    [ "$(count /v1/chat/completions)" -eq 1 ]
  done
  failing '{status: 400, headers: {"x-should-retry": "true", "retry-after-ms": "1"}}'
  run llm-chat -nr Hello
  [ "$status" -eq 0 ]
}

@test "the server's time is kept: retry-after-ms, then Retry-After in seconds or as a date, then x-ratelimit-reset" {
  while IFS='|' read -r headers least most; do
    failing "{status: 429, headers: {$headers}}"
    run llm-chat -nr Hello
    [ "$status" -eq 0 ]
    waited=$(span)
    echo "$headers: $waited"
    jq -ne "$waited >= $least and $waited < $most"
  done << END
"retry-after-ms": "200", "Retry-After": "9"|0.199|8.9
"Retry-After": "9", "retry-after-ms": "200"|0.199|8.9
"Retry-After": "0.3"|0.299|8.9
"Retry-After": "$(LC_ALL=C TZ=GMT date -d '+2 seconds' '+%a, %d %b %Y %H:%M:%S GMT')"|0.0|8.9
"x-ratelimit-reset-requests": "250ms", "x-ratelimit-reset-tokens": "0.1s"|0.249|8.9
"Retry-After": "-1"|0.3|8.9
"Retry-After": "soon"|0.3|8.9
END
}

@test "--retries says how often; the last error is told" {
  failing '{status: 503, headers: {"retry-after-ms": "1"}}' 99
  run --separate-stderr llm-chat -nr Hello
  [ "$status" -eq 69 ]
  [ "$(count /v1/chat/completions)" -eq 6 ]
  failing '{status: 503, headers: {"retry-after-ms": "1"}}' 99
  run --separate-stderr llm-chat -nr --retries 2 Hello
  [ "$(count /v1/chat/completions)" -eq 3 ]
  failing '{status: 503}' 99
  run --separate-stderr llm-chat -nr --retries 0 Hello
  [ "$(count /v1/chat/completions)" -eq 1 ]
  [[ $stderr == *"HTTP 503"* ]]
}

@test "--max-total-time ends all tries together, and a wait that is too long is not begun" {
  failing '{status: 503}' 99
  run --separate-stderr llm-chat -nr --max-total-time 1 Hello
  [ "$status" -eq 69 ]
  [ "$(count /v1/chat/completions)" -ge 1 ]
  [ "$(count /v1/chat/completions)" -lt 6 ] # which the retries alone would make it, in ten seconds
  failing '{status: 429, headers: {"Retry-After": "3600"}}' 99
  run --separate-stderr llm-chat -nr Hello
  [ "$status" -eq 69 ]
  [[ $stderr == *"it asks for 3600 s"* ]]
  [ "$(count /v1/chat/completions)" -eq 1 ]
  printf 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n' > begun
  raw_server stall begun
  run --separate-stderr env OPENAI_BASE_URL="$raw" llm-chat -nr --max-total-time 0.5 --retries 9 Hello
  [ "$status" -eq 69 ]
}

@test "an answer that had begun is not asked for again: it may have cost already" {
  printf 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"choices"' > short
  raw_server send short
  run --separate-stderr env OPENAI_BASE_URL="$raw" llm-chat -nv Hello
  [ "$status" -eq 69 ]
  no grep -q 'trying again' <<< "$stderr"
}

@test "a member that the server does not know is left out, or said as it knows it" {
  failing '{status: 400, body: {error: {message: "Unsupported parameter: max_tokens is not supported, use max_completion_tokens"}}}'
  llm-chat -nr --max-tokens 9 Hello
  [ "$(requests /v1/chat/completions '[.body.max_tokens, .body.max_completion_tokens]' | paste -sd' ')" == '[9,null] [null,9]' ]
  failing '{status: 400, body: {error: {message: "stream_options: extra fields not permitted"}}}'
  llm-chat -nr --stream Hello
  [ "$(requests /v1/chat/completions '.body | has("stream_options")' | paste -sd' ')" == 'true false' ]
  # "include" is also a word.
  local why
  for why in 'it must include every key' "Unknown parameter: 'include'." 'unknown field \"include\"'; do
    jq -n --argjson why "\"$why\"" '[{path: "/v1/responses", status: 400, body: {error: {message: $why}}}]' | spoil
    llm-chat -nr --api responses Hello || true
  done
  [ "$(requests /v1/responses '.body | has("include")' | paste -sd' ')" == 'true true false true false' ]
  # One after the other; and not endlessly.
  failing '{status: 422, body: {error: {message: "unknown field stream_options, unknown field max_tokens"}}}' 2
  llm-chat -nr --stream --max-tokens 9 Hello
  [ "$(requests /v1/chat/completions '.body | has("stream_options")' | paste -sd' ')" == 'true true false' ]
  failing '{status: 422, body: {error: {message: "neither max_tokens nor max_completion_tokens is known"}}}' 99
  run llm-chat -nr --max-tokens 9 Hello
  [ "$status" -eq 76 ]
  [ "$(count /v1/chat/completions)" -eq 3 ]
}

# Each row: the server's answer (jq), the exit status, words of the message.
@test "the errors of many servers: each says what to do, with the provider's request id" {
  while IFS='|' read -r answer expected words; do
    failing "$answer" 99
    run --separate-stderr llm-chat -n --retries 0 Hello
    echo "$answer: $status, $stderr"
    [ "$status" -eq "$expected" ]
    [[ $stderr == *"$words"* ]]
  done <<'END'
{status:400,headers:{"x-request-id":"req_1"},body:{error:{message:"This model's maximum context length is 8192 tokens"}}}|65|request req_1; shorten
{status:400,headers:{"request-id":"req_2"},body:{type:"error",error:{type:"invalid_request_error",message:"prompt is too long: 210000 tokens > 200000 maximum"}}}|65|request req_2; shorten
{status:400,body:{error:{code:400,message:"the request exceeds the available context size",type:"exceed_context_size_error"}}}|65|shorten
{status:400,headers:{"apim-request-id":"az_3"},body:{error:{code:"content_filter",message:"filtered",innererror:{code:"ResponsibleAIPolicyViolation"}}}}|77|request az_3; the provider's content filter
{status:401,body:{type:"error",error:{type:"authentication_error",message:"invalid x-api-key"}}}|77|check the API key
{status:403,body:{type:"error",error:{type:"permission_error",message:"no"}}}|77|the key may not do this
{status:400,body:{type:"error",error:{type:"invalid_request_error",message:"Your credit balance is too low"}}}|77|no credit left
{status:404,body:{error:{message:"model \"llama9\" not found, try pulling it first"}}}|78|does not have this model
{status:404,body:{error:{code:"DeploymentNotFound",message:"The API deployment does not exist"}}}|78|check the deployment
{status:429,body:{error:{code:"rate_limit_exceeded",message:"Rate limit reached"}}}|69|too many requests
{status:529,body:{type:"error",error:{type:"overloaded_error",message:"Overloaded"}}}|69|the server is overloaded
{status:503,body:{error:{code:503,message:"Loading model",type:"unavailable_error"}}}|69|is loading the model
{status:400,body:{object:"error",message:"flat, as old servers have it",code:400}}|76|flat, as old
{status:422,body:{detail:"not processable"}}|76|not processable
{status:400,body:[{error:{message:"in an array",code:"model_not_found"}}]}|78|in an array
{status:400,body:{errors:[{message:"the first"}]}}|76|the first
{status:502,body:"<html>Bad Gateway</html>"}|69|HTTP 502
END
}

@test "a request that could not be sent is sent again at once, by a connection of its own" {
  build=$(dirname "$(command -v llm-chat)")
  [[ $build != */asan && $build != */static ]] || skip "nothing can be preloaded"
  sandbox
  head -c 16 /dev/zero > counter
  FAULT_COUNTER=counter FAULT_KIND=eio FAULT_ONLY='llm-chat send' FAULT_AT=1 FAULT_LOG=failed LD_PRELOAD=$build/tests/faults.so \
    run timeout 200 llm-chat -n -r Hello
  [ "$status" -eq 0 ]
  [ -s failed ]
  [ "$(count /v1/chat/completions)" -eq 1 ]
}
