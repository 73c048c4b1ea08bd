# shellcheck source=helper.bash
# shellcheck disable=SC2030,SC2031 # each test is a subshell
load helper

# Appends a line to a log as the commands do: add LOG OBJECT
add() {
  local last n=1 previous=null line
  last=$(tail -n 1 "$1" 2> /dev/null || true)
  [ -z "$last" ] || { n=$(($(jq .n <<< "$last") + 1)); previous=$(jq .digest <<< "$last"); }
  line=$(jq -c --argjson n "$n" --argjson previous "$previous" '. + {format: 1, n: $n, previous: $previous}' <<< "$2")
  chained "$line" >> "$1"
}
# A line with the digest that it must have: chained LINE
chained() {
  local line=${1%?}
  printf '%s,"digest":"sha-256:%s"}\n' "$line" "$(printf %s "$line" | openssl dgst -sha256 -binary | basenc --base64url | tr -d =)"
}
# An event: event LOG TIME EVENT REQUEST MEMBERS
event() {
  add "$1" "$(jq -nc --arg time "$2" --arg event "$3" --arg request "sha-256:$4" "{event: \$event, time: \$time, request_digest: \$request, call: \"call_1\"} + {$5}")"
}

# Two machines, three days.
two_logs() {
  local ann='agent:"buyer",tool:"buy",user:"ann",host:"web1",binding_message:"Buy 3 GOOGL"' bob='agent:"mailer",tool:"send",user:"bob",host:"web2",binding_message:"Mail Eve"'
  event web1 2026-11-24T10:00:00Z asked a "$ann"
  event web2 2026-11-24T10:00:05Z asked b "$bob"
  event web1 2026-11-24T10:00:10Z approved a "$ann,approved_by:\"ann\",seconds:10"
  event web2 2026-11-24T10:00:15Z executed a "$ann,status:200,order:\"order-1\""
  event web2 2026-11-24T10:01:05Z denied b "$bob,seconds:60"
  event web1 2026-11-25T23:59:00Z asked c "$ann"
  event web1 2026-11-26T00:01:00Z approved c "$ann,approved_by:\"ann\",seconds:120"
  event web1 2026-11-26T00:01:01Z executed c "$ann,status:500,error:\"order_refused\""
  event web2 2026-11-26T08:00:00Z asked d "$bob"
  event web2 2026-11-26T08:05:00Z expired d "$bob,seconds:300"
  event web2 2026-11-26T09:00:00Z asked e "$bob"
}

@test "a report of two machines: who was asked what by which agent, what came of it, how long it took, what was done" {
  export TZ=UTC
  two_logs
  audit-report web1 web2 > out
  cat out
  grep -qx 'web1: 5 lines, whole' out
  grep -qx 'web2: 6 lines, whole' out
  grep -qE '^2026-11-24 10:00:00 buyer +ann +buy +approved +10 s +executed 200 order-1 +Buy 3 GOOGL$' out
  grep -qE '^2026-11-24 10:00:05 mailer +bob +send +denied +1:00 min +- +Mail Eve$' out
  grep -qE '^2026-11-25 23:59:00 buyer .* executed 500 +Buy 3 GOOGL; order_refused$' out
  grep -q '^5 calls, 2 approved, 1 denied, 1 expired, 1 pending; 2 executed$' out
  grep -qE '^all +5 +2 +1 +1 +50 % +1:00 min +2:00 min +2$' out
  grep -qE '^2026-11-26 +2 +0 +0 +1 ' out
  grep -qE '^ann +2 +2 +0 +0 +100 % ' out
  [ "$(grep -c '^2026-.* \(Buy\|Mail\)' out)" -eq 5 ]
}

@test "totals are those that jq counts, by day, tool, user and agent, with rates, medians and 95 percent" {
  export TZ=UTC
  local outcomes=(approved denied expired approved approved) i
  for ((i = 0; i < 60; i++)); do
    members="agent:\"agent $((i % 3))\",tool:\"tool $((i % 4))\",user:\"user $((i % 5))\""
    time=$(date -u -d "2026-11-01 + $((i * 7)) hours" +%FT%TZ)
    event "log$((i % 2))" "$time" asked "$i" "$members"
    [ "$i" -ne 50 ] || continue
    event "log$((i % 2))" "$time" "${outcomes[i % 5]}" "$i" "$members,seconds:$((i * i))"
  done
  audit-report --json log0 log1 | jq -c 'select(.kind == "total") |
    [.by, .name, .calls, .outcomes.approved, .outcomes.denied, .outcomes.expired, .outcomes.pending, .approval_rate, .seconds_median, .seconds_95]' | sort > ours
  cat log0 log1 | jq -sc '
    def part($p): sort | if length == 0 then null else .[($p * length | ceil) - 1] end;
    group_by(.request_digest) | map((min_by(.n)) as $asked | ((map(select(.event != "asked")) + [{event: "pending"}])[0]) as $decided |
      {day: ($asked.time[:10]), tool: $asked.tool, user: $asked.user, agent: $asked.agent, outcome: $decided.event, seconds: $decided.seconds}) |
    . as $calls | (["all", "day", "tool", "user", "agent"][]) as $by | ($calls | group_by(.[$by]))[] |
    (map(select(.outcome == "approved")) | length) as $yes | (map(select(.outcome == "denied")) | length) as $no |
    (map(select(.outcome == "expired")) | length) as $late | (map(select(.outcome == "approved" or .outcome == "denied").seconds)) as $times |
    [$by, .[0][$by], length, $yes, $no, $late, (map(select(.outcome == "pending")) | length),
     (if $yes + $no + $late > 0 then $yes / ($yes + $no + $late) else null end), ($times | part(0.5)), ($times | part(0.95))]' | sort > theirs
  # long times are counted within 0.2 %, and jq prints rates in its own way
  [ "$(wc -l < ours)" -gt 25 ]
  diff <(jq -c '.[:2]' ours) <(jq -c '.[:2]' theirs)
  paste ours theirs | while IFS=$'\t' read -r our their; do
    jq -ne --argjson a "$our" --argjson b "$their" 'all(range($a | length); ($a[.] == $b[.]) or (($a[.] | type) == "number" and (($a[.] - $b[.]) | fabs) <= $b[.] * 0.002))' > /dev/null || { echo "$our $their"; return 1; }
  done
}

@test "since, until, agent, user, tool and outcome leave only what they say; yesterday is a day" {
  export TZ=UTC
  two_logs
  while IFS='|' read -r words ids; do
    # shellcheck disable=SC2086 # words on purpose
    found=$(audit-report --json $words web1 web2 | jq -r 'select(.kind == "call") | .request_digest[8:]' | xargs)
    echo "$words: $found"
    [ "$found" == "$ids" ]
  done << 'END'
--agent buyer|a c
--user bob|b d e
--tool send --outcome denied|b
--outcome executed|a c
--outcome pending|e
--since 2026-11-25|c d e
--until 2026-11-25|a b
--since 2026-11-26 --until 2026-11-26T00:01:01Z|c
--since 2026-11-24T12:00:15+02:00 --until 2026-11-24T10:01:05.5Z|a b
--agent nobody|
END
  run --separate-stderr audit-report --agent nobody --user ann --tool send --since 2026-11-25 web1 web2
  [ "$status" -eq 0 ]
  [ "$stderr" == "audit-report: --agent: 'nobody' has no call in these logs in that time" ]
  run --separate-stderr audit-report --agent mailer --user ann web1 web2 # both are there, not together
  [ -z "$stderr" ]
  run --separate-stderr audit-report --outcome maybe web1
  [ "$status" -eq 64 ]
  [[ $stderr == "audit-report: --outcome: 'maybe' is not approved, denied, expired, failed, "* ]]
  event now "$(date -u -d yesterday +%FT%TZ)" asked y 'agent:"buyer"'
  event now "$(date -u +%FT%TZ)" asked t 'agent:"buyer"'
  [ "$(audit-report --agent buyer --since yesterday --until today --json now | jq -r 'select(.kind == "call") | .request_digest')" == sha-256:y ]
  [ "$(audit-report --since 1h --json now | jq -r 'select(.kind == "call") | .request_digest')" == sha-256:t ]
  for time in tomorrow 2026-13-01 2026-02-29 12 7y '' 2026-11-24T25:00:00Z; do
    run audit-report --since "$time" now
    [ "$status" -eq 64 ]
    [[ $output == *"--since: '$time' is no time"* ]]
  done
}

@test "a log that is not whole is reported all the same: status 1, the lines named, the calls marked" {
  two_logs
  sed '2s/"seconds":10/"seconds":11/' web1 > changed
  run --separate-stderr audit-report changed web2
  [ "$status" -eq 1 ]
  [[ ${stderr:?} == *"changed:2: was changed"* ]]
  [[ ${lines[0]} == "changed: 5 lines, NOT WHOLE: 1 changed, removed or moved" ]]
  [[ $output == *"executed 200 order-1 NOT WHOLE"* ]]
  [ "$(audit-report --json changed web2 2> /dev/null | jq -c 'select(.kind == "call" and (.whole | not)) | .request_digest')" == '"sha-256:a"' ]
  run audit-report --html page changed web2
  [ "$status" -eq 1 ]
  grep -q 'class="bad">changed: 5 lines, not whole' page
  sed 2d web1 > removed
  run audit-report removed
  [ "$status" -eq 1 ]
}

@test "rotated files are one log in any order, from standard input too; what is not given is said, and is no fault" {
  two_logs
  head -n 2 web1 > web1.1
  tail -n +3 web1 > rest
  audit-report --json rest web2 web1.1 > out
  jq -se 'map(select(.kind == "log")) | map(.whole) == [true, true, true] and .[0].follows == "web1.1"' out
  [ "$(jq -r 'select(.kind == "call") | .request_digest[8:]' out | xargs)" == 'a b c d e' ]
  audit-report --json rest web2 - < web1.1 | jq -se 'map(select(.kind == "call")) | length == 5'
  audit-report --json rest <(cat web1.1) | jq -se 'map(select(.kind == "log"))[0].follows | startswith("/")'
  audit-report rest > out
  grep -qx 'rest: 3 lines, whole, begins with line 3: those before it are not given, or were removed' out
  run audit-report web1 web1
  [ "$status" -eq 64 ]
  [[ $output == *"web1: is given twice"* ]]
  run audit-report --html web1 web1
  [ "$status" -eq 64 ]
  [ -s web1 ]
}

@test "lines of a log whose clock was set back stay in their order" {
  event log 2026-11-24T10:00:00Z asked a 'user:"ann"'
  event log 2026-11-24T09:00:00Z approved a 'user:"ann",seconds:7'
  event log 2026-11-24T09:00:01Z asked b 'user:"ann"'
  event other 2026-11-24T09:30:00Z asked c 'user:"bob"'
  [ "$(audit-report --json log other | jq -c 'select(.kind == "call") | [.request_digest[8:], .outcome, .seconds]' | xargs)" == '[c,pending,null] [a,approved,7] [b,pending,null]' ]
}

@test "CSV is that of RFC 4180, its columns are named, and no spreadsheet runs a text" {
  event log 2026-11-24T10:00:00Z asked a 'user:"ann",binding_message:"Buy \"3\", now",tool:"=1+1"'
  event log 2026-11-24T10:00:00Z asked b 'user:"@ann",binding_message:"-2\n+3",tool:" =HYPERLINK(1)"'
  event log 2026-11-24T10:00:00Z asked c 'user:"+ann",binding_message:"\t=1",tool:"\uff1d1"'
  audit-report --csv log > out
  [ "$(grep -c $'\r$' out)" -eq 4 ]
  [ "$(head -n 1 out | tr -d '\r')" == time,agent,user,tool,outcome,seconds,done,status,order,message,error,decided_at,done_at,client_id,os_user,host,spool,document,call,call_digest,request_digest,whole ]
  python3 - << 'END'
import csv
rows = list(csv.DictReader(open('out', newline='')))
assert [r['message'] for r in rows] == ['Buy "3", now', "'-2?+3", "'?=1"], rows
assert [r['tool'] for r in rows] == ["'=1+1", "' =HYPERLINK(1)", "'\uff1d1"], rows
assert [r['user'] for r in rows] == ['ann', "'@ann", "'+ann"], rows
END
}

@test "what a log says runs nowhere: no tag, script, control character or override is in the page or on a terminal" {
  event log 2026-11-24T10:00:00Z asked a 'user:"<script>alert(1)</script>",tool:"\" onload=\"x",agent:"\u202eevil\u0007\u001b[2J",binding_message:"</table><img src=x onerror=alert(1)> & \u0000\u2066"'
  audit-report --html page log
  audit-report --html - log > again
  [ "$(stat -c %a page)" == 600 ]
  diff <(sed 's/made [^,]*//' page) <(sed 's/made [^,]*//' again)
  no grep -qiE '<script|<img|onload="|http://|https://|url\(|@import' page
  grep -q '&lt;script&gt;alert(1)&lt;/script&gt;' page
  python3 - << 'END'
import html.parser
class Page(html.parser.HTMLParser):
    open = []
    def handle_starttag(self, tag, attributes):
        assert tag in 'html head meta title style body h1 h2 p ul li b section div svg line text rect table thead tbody tr th td bdi span i'.split(), tag
        assert all(not name.startswith('on') and name not in ('src', 'href') for name, _ in attributes), attributes
        if tag not in ('meta', 'line'): self.open.append(tag)
    def handle_startendtag(self, tag, attributes): pass
    def handle_endtag(self, tag): assert self.open.pop() == tag, tag
page = Page(); page.feed(open('page').read()); assert page.open == []
END
  for how in '' --json --csv; do
    # shellcheck disable=SC2086 # nothing, or a word
    audit-report $how log > out
    no grep -qP '[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\x{202e}|\x{2066}' out
  done
  grep -q 'color-scheme' page
  grep -q 'prefers-color-scheme:dark' page
  grep -q '@media print' page
}

@test "lines that are none are named and left out, whatever they are: cut off, huge, binary, twice named, deep" {
  event good 2026-11-24T10:00:00Z asked a 'user:"ann"'
  head -c -5 good > torn
  { cat good; head -c 10485760 /dev/zero | tr '\0' x; echo; } > huge
  { cat good; printf '{"a":"\0"}\n'; } > nul
  { cat good; printf '{"event":"\xff\xfe"}\n'; } > bytes
  { cat good; chained '{"event":"asked","event":"denied","n":2}'; } > twice
  { cat good; chained '{"event":"asked","details":{"x":1,"x":2},"n":2}'; } > within
  { cat good; printf '%.0s[' {1..100000}; echo; } > deep
  { cat good; chained "{\"event\":\"asked\",\"details\":$(printf '%.0s[' {1..300})$(printf '%.0s]' {1..300}),\"n\":2}"; } > nested
  { cat good; chained '{"event":"denied","time":5,"n":"2","user":7,"seconds":"9","status":"x","call":["c"],"request_digest":{"a":1}}'; } > kinds
  { cat good; echo; echo '[]'; echo '"text"'; echo '{}'; } > others
  head -c 100000 /dev/urandom > noise
  for file in torn huge nul bytes twice within deep nested kinds others noise; do
    for how in '' --json --csv; do
      # shellcheck disable=SC2086 # nothing, or a word
      run timeout 60 audit-report $how "$file"
      echo "$file $how: $status ${output:0:300}"
      [ "$status" -eq 1 ]
      [[ $output == *"$file:"[0-9]* ]]
    done
  done
  : > empty
  audit-report empty | grep -qx '0 calls'
  run audit-report no-such-file
  [ "$status" -eq 66 ]
  run audit-report .
  [ "$status" -eq 66 ]
}

@test "escapes, white space and members of any kind are read as jq reads them" {
  event log 2026-11-24T10:00:00Z asked a 'user:"a\"n\\n\u00e9\ud83d\ude00",details:{a:[1,{b:"}]"}]},x:-1.5,y:true,z:null'
  chained '{"event": "denied","time":"2026-11-24T10:00:09Z" , "request_digest":"sha-256:b","user":"bob","n":1,"previous":null}' > spaced
  members=$(jq -nc '[range(100) | {"x\\r\(.)": .}] | add')
  event many 2026-11-24T10:00:00Z asked a "user:\"ann\"} + $members + {y:1"
  audit-verify -q many
  audit-report --json many | jq -se 'map(select(.kind == "call"))[0] | .user == "ann" and .whole'
  audit-report --json log | jq -se 'map(select(.kind == "call"))[0] | .user == "a\"n\\n\u00e9\ud83d\ude00" and .whole'
  audit-report --json spaced | jq -se 'map(select(.kind == "call"))[0] | .user == "bob" and .outcome == "denied" and .whole'
}

@test "who reads no further ends it quietly; a full disk does not" {
  two_logs
  for how in '' --json --csv; do
    # shellcheck disable=SC2086 # nothing, or a word
    { audit-report $how web1 web2 2> said; echo $? > ended; } | true
    [ "$(cat ended)" -eq 0 ]
    empty said
    # shellcheck disable=SC2086
    run audit-report $how web1 > /dev/full
    run bash -c "audit-report $how web1 > /dev/full"
    [ "$status" -eq 74 ]
  done
}

@test "many calls at once are kept in bounded memory, and each is there" {
  [[ $(command -v audit-report) != */asan/* ]] || skip "the sanitizer needs more memory"
  python3 - << 'END'
import base64, hashlib, json
previous, n, out = None, 0, open('log', 'wb')
for i in range(70000):
    line = json.dumps({'event': 'asked', 'time': '2026-11-24T10:00:00Z', 'request_digest': 'sha-256:%d' % i, 'user': 'ann',
                       'binding_message': 'x' * 300, 'format': 1, 'n': i + 1, 'previous': previous}, separators=(',', ':'))[:-1].encode()
    previous = 'sha-256:' + base64.urlsafe_b64encode(hashlib.sha256(line).digest()).decode().rstrip('=')
    out.write(line + b',"digest":"' + previous.encode() + b'"}\n')
END
  (ulimit -v 400000; audit-report --csv log) > out
  [ "$(wc -l < out)" -eq 70001 ]
}

@test "from question to order: a line names the agent, its client, user, machine, document and order, and the report has them" {
  sandbox --approve yes --delay 0
  export CIBA_AUDIT=$PWD/log CIBA_AGENT='night buyer'
  a_call | agent-spool add spool > name
  agent-spool run --wait spool -- ciba-authorize -m 'Buy 3 GOOGL' '|' ciba-poll --once '|' stock-buy
  jq -se --rawfile name name --arg user "$(id -un)" --arg host "$(uname -n)" --arg spool "$(realpath spool)" '
    map(.event) == ["asked", "approved", "executed"] and
    all(.agent == "night buyer" and .os_user == $user and .host == $host and .spool == $spool and .document + "\n" == $name) and
    .[0].client_id == env.CIBA_CLIENT_ID and .[1].seconds >= 0 and .[2].order == "order-1"' log
  audit-report --json --agent 'night buyer' log > out
  jq -se 'map(select(.kind == "call"))[0] | .outcome == "approved" and .done == "executed" and .order == "order-1" and .status == 200' out
  CIBA_AGENT=$(printf 'x%.0s' {1..201}) run ciba-run -m x true
  [ "$status" -eq 78 ]
  CIBA_AGENT=$'a\u202eb' run ciba-run -m x true
  [ "$status" -eq 78 ]
  [[ $output == *"CIBA_AGENT: "* ]]
}

@test "--html overwrites an earlier page of its own, and nothing else: no log that was meant to be read, no file behind a link" {
  two_logs
  audit-report --html page web1
  audit-report --html page web1 web2
  grep -q 'Mail Eve' page
  : > empty
  audit-report --html empty web1
  [ -s empty ]
  echo precious > other
  ln -s other link
  cp web1 kept
  for file in web1 other link; do
    run audit-report --html "$file" web2
    [ "$status" -eq 64 ]
    [[ $output == *"$file has something else than a page"* ]]
  done
  cmp web1 kept
  [ "$(cat other)" == precious ]
}

@test "a log that is whole in itself and says something else of another log's call: the call is marked, with two decisions, or executed after a no" {
  event ours 2026-11-24T10:00:00Z asked a 'user:"ann"'
  event ours 2026-11-24T10:00:05Z denied a 'user:"ann"'
  event ours 2026-11-24T10:00:00Z asked b 'user:"ann"'
  event ours 2026-11-24T10:00:05Z expired b 'user:"ann"'
  event ours 2026-11-24T10:00:00Z asked c 'user:"ann"'
  event ours 2026-11-24T10:00:05Z approved c 'user:"ann"'
  event theirs 2026-11-24T10:00:06Z approved a 'user:"ann"'
  event theirs 2026-11-24T10:00:07Z executed b 'user:"ann",status:200'
  event theirs 2026-11-24T10:00:07Z executed c 'user:"ann",status:200'
  audit-report --json ours theirs | jq -se 'map(select(.kind == "call") | {(.request_digest[8:]): .whole}) | add == {a: false, b: false, c: true}'
  [ "$(audit-report ours theirs | grep -c 'NOT WHOLE')" -eq 2 ]
  audit-report ours | no grep 'NOT WHOLE'
}

@test "a file's name does not steer the terminal, and wide letters take two columns" {
  event $'a\e[2J' 2026-11-24T10:00:00Z asked a 'user:"ann",agent:"購買担当者",tool:"buy"'
  event $'a\e[2J' 2026-11-24T10:00:01Z asked b 'user:"ann",agent:"buyer",tool:"buy"'
  tail -n 1 $'a\e[2J' > b
  head -n 1 $'a\e[2J' > c
  mv c $'a\e[2J'
  TZ=UTC audit-report $'a\e[2J' b > out
  no grep -q $'\e' out
  grep -q 'goes on from a?' out
  grep -qx '2026-11-24 10:00:00 購買担当者     ann              buy            pending   -         -                     -' out
}

@test "a million lines that say the same, and names that begin alike, take no time that grows with their square" {
  python3 - << 'END'
import base64, hashlib
def log(name, count, members):
    previous = "null"
    with open(name, "w") as file:
        for n in range(1, count + 1):
            line = '{"format":1,"n":%d,"previous":%s,"time":"2026-11-24T10:00:00Z","call":"c","call_digest":"d",%s' % (n, previous, members % {"n": n})
            previous = '"sha-256:%s"' % base64.urlsafe_b64encode(hashlib.sha256(line.encode()).digest()).decode().rstrip("=")
            file.write('%s,"digest":%s}\n' % (line, previous))
log("same", 400000, '"event":"executed"')
log("alike", 30000, '"event":"executed","user":"%s%%(n)d","agent":"%s%%(n)d"' % ("u" * 3000, "a" * 3000))
END
  took took.out timeout 40 audit-report --json same > out
  [ "$(grep -c '"kind":"call"' out)" -eq 400000 ]
  took took.out timeout 20 audit-report --html page alike
  cat took.out
  grep -q '<b>30000</b>calls' page
}
