# shellcheck source=helper.bash
load helper

# The page as a person uses it: headless Chromium, driven through chromedriver's HTTP (W3C WebDriver).

setup() {
  command -v chromedriver > /dev/null || skip "chromedriver is not installed (Debian: chromium-driver)"
  command -v chromium > /dev/null || skip "chromium is not installed"
  common_setup
  sandbox --approve ask --interval 1
  chromedriver --port=0 > driver.log 2>&1 &
  started+=($!)
  await grep -q 'started successfully on port' driver.log
  driver=http://127.0.0.1:$(sed -n 's/.*successfully on port \([0-9]*\).*/\1/p' driver.log)
  session=$(driver POST /session "$(jq -n --arg dir "$PWD/profile" '{capabilities:{alwaysMatch:{browserName:"chrome",
    "goog:loggingPrefs":{browser:"ALL"},
    "goog:chromeOptions":{binary:"/usr/bin/chromium",args:["--headless","--no-sandbox","--disable-gpu","--disable-quic",
      "--no-first-run","--disable-background-networking","--disable-component-update","--disable-sync",
      "--window-size=500,800","--user-data-dir=\($dir)"]}}}}')" | jq -r .sessionId)
  [ "$session" != null ]
}

teardown() {
  [ -z "${session:-}" ] || curl -s -X DELETE "$driver/session/$session" > /dev/null
  local pid
  for pid in "${started[@]}"; do kill "$pid" 2> /dev/null || true; done
}

driver() {
  curl -s -X "$1" -H 'Content-Type: application/json' ${3+-d "$3"} "$driver$2" | jq -c .value
}
in_session() {
  driver "$1" "/session/$session$2" ${3+"$3"}
}
script() {
  in_session POST /execute/sync "$(jq -n --arg s "$1" '{script:$s,args:[]}')"
}
is() {
  [ "$(script "return $1")" == "$2" ]
}
type_keys() {
  in_session POST /actions "$(jq -n --arg k "$1" '{actions:[{type:"key",id:"k",actions:[{type:"keyDown",value:$k},{type:"keyUp",value:$k}]}]}')" > /dev/null
}

@test "the page shows what is asked, and a click approves or denies it" {
  in_session POST /url "{\"url\":\"$CIBA_SANDBOX_URL\"}" > /dev/null
  await is 'document.getElementById("status").textContent' '"Nothing is waiting for you."'
  a_call | ciba-authorize --any-message -m 'Do you want to buy \(.qty) shares of <b>\(.ticker)</b>' -d '{type:"order",ticker,qty}' > asked
  await is 'document.querySelectorAll("article").length' 1
  is 'document.querySelector(".message").textContent' '"Do you want to buy 3 shares of <b>GOOGL</b>"'
  is 'JSON.parse(document.querySelector(".details").textContent)[0].qty' 3
  is 'document.querySelector(".scope").textContent' '"openid stock:trade"'
  is 'document.getElementById("status").textContent' '"1 request is waiting for you."'
  is '/^waiting, [0-9]:[0-5][0-9] left$/.test(document.querySelector(".state").textContent)' true
  is 'document.title' '"The phone of ciba-sandbox"'
  is 'document.querySelector(".user").textContent' '"auth0|demo"'
  is 'document.querySelector(".time").hidden' false
  script 'document.querySelector(".approve").click()' > /dev/null
  await is 'document.querySelector(".state").textContent' '"approved"'
  await is 'document.getElementById("status").textContent' '"Approved. You can close this page."'
  is 'document.querySelector(".buttons").hidden' true
  run ciba-poll -q < asked
  [ "$status" -eq 0 ]
  ciba-authorize -n -m 'Another' > asked
  await is 'document.querySelectorAll("article").length' 2
  is 'document.querySelector(".message").textContent' '"Another"'
  # without details the state is beside its name, not below
  is 'document.querySelector(".state").offsetTop === document.querySelector(".state").previousElementSibling.offsetTop' true
  script 'document.querySelector(".deny").click()' > /dev/null
  await is 'document.querySelector(".state").textContent' '"denied"'
  run ciba-poll -q < asked
  [ "$status" -eq 1 ]
}

@test "the page works with the keyboard alone" {
  ciba-authorize -n -m 'Deploy' > asked
  in_session POST /url "{\"url\":\"$CIBA_SANDBOX_URL\"}" > /dev/null
  await is 'document.querySelectorAll("article").length' 1
  type_keys $'\ue004' # tab
  await is 'document.activeElement.className' '"approve"'
  type_keys $'\ue004'
  await is 'document.activeElement.className' '"deny"'
  type_keys $'\ue007' # enter
  await is 'document.querySelector(".state").textContent' '"denied"'
}

@test "the page fits a phone's width" {
  long=$(head -c 200 /dev/zero | tr '\0' W)
  ciba-authorize --any-message -n -m "$long" > asked
  in_session POST /window/rect '{"width":360,"height":640}' > /dev/null
  in_session POST /url "{\"url\":\"$CIBA_SANDBOX_URL\"}" > /dev/null
  await is 'document.querySelectorAll("article").length' 1
  is 'document.documentElement.scrollWidth <= window.innerWidth' true
  is 'document.querySelector(".approve").getBoundingClientRect().height >= 44' true
  [ "$(driver POST "/session/$session/se/log" '{"type":"browser"}' | jq '[.[] | select(.level == "SEVERE") | select(.message | test("favicon") | not)] | length')" -eq 0 ]
}

@test "the page keeps the decision on it when the sandbox has ended" {
  ciba-authorize -n -m 'Deploy' > asked
  in_session POST /url "{\"url\":\"$CIBA_SANDBOX_URL\"}" > /dev/null
  await is 'document.querySelectorAll("article").length' 1
  script 'document.querySelector(".deny").click()' > /dev/null
  await is 'document.getElementById("status").textContent' '"Denied. You can close this page."'
  kill "$CIBA_SANDBOX_PID"
  script 'window.failed = 0; const fetch = window.fetch; window.fetch = async (...a) => { try { return await fetch(...a); } catch (e) { window.failed++; throw e; } }' > /dev/null
  await is 'window.failed > 1' true
  is 'document.getElementById("status").textContent' '"Denied. You can close this page."'
}

@test "the page shows a decision that was taken even if the sandbox ends at once" {
  ciba-authorize -n -m 'Deploy' > asked
  in_session POST /url "{\"url\":\"$CIBA_SANDBOX_URL\"}" > /dev/null
  await is 'document.querySelectorAll("article").length' 1
  script 'const fetch = window.fetch; window.fetch = (url, ...rest) => url === "/phone/requests" ? Promise.reject(new Error()) : fetch(url, ...rest)' > /dev/null
  script 'document.querySelector(".approve").click()' > /dev/null
  await is 'document.getElementById("status").textContent' '"Approved. You can close this page."'
  is 'document.querySelector(".state").textContent' '"approved"'
}

@test "the page says so when the sandbox ends before a decision, and decides nothing any more" {
  ciba-authorize -n -m 'Deploy' > asked
  in_session POST /url "{\"url\":\"$CIBA_SANDBOX_URL\"}" > /dev/null
  await is 'document.querySelectorAll("article").length' 1
  kill "$CIBA_SANDBOX_PID"
  await is 'document.getElementById("status").textContent' '"The sandbox has ended. You can close this page."'
  is 'document.querySelector(".buttons").hidden' true
  is 'document.querySelector(".state").textContent' '"the sandbox has ended"'
}

# The answers are given here: the page's view of each is checked, including the time left.
@test "the page shows who is asked, when, and how much time is left" {
  jq -n '[{path:"/phone/requests",times:100000,status:200,body:[{id:"x",state:"pending",message:"Deploy",scope:"openid",
    client:"us",user:"auth0|demo",asked_at:1790000000,expires_in:269}]}]' | curl -sf -H 'Content-Type: application/json' -d @- "${CIBA_SANDBOX_URL%/}/faults"
  in_session POST /url "{\"url\":\"$CIBA_SANDBOX_URL\"}" > /dev/null
  await is 'document.querySelectorAll("article").length' 1
  is 'document.querySelector(".state").textContent' '"waiting, 4:29 left"'
  is 'document.querySelector(".user").textContent' '"auth0|demo"'
  is 'document.querySelector(".time").textContent === new Date(1790000000000).toLocaleTimeString()' true
  is 'document.querySelector(".details").hidden' true
}

@test "the answer page of ciba-channel fits a phone, needs no script, and works with the keyboard alone" {
  export CIBA_CHANNEL_DIR=$PWD/spool CIBA_CHANNEL_URL=https://phone.example/approve/ CIBA_CHANNEL_SECRET=the-secret-of-keycloak
  signing_key realm
  jq -nc "[{path:\"/jwks\",times:9,body:$jwks}]" | spoil
  token=$(signed realm "$(jq -nc '{exp:(now+300|floor),iss:env.CIBA_ISSUER,aud:env.CIBA_ISSUER,azp:"agent",jti:"one",typ:"Bearer"}')")
  jq -nc '{login_hint:"alice",binding_message:"Deploy-42",scope:"openid deploy",order:{ticker:"GOOGL",qty:3},long:("x" * 300)}' |
    REQUEST_METHOD=POST PATH_INFO=/request/$CIBA_CHANNEL_SECRET CONTENT_TYPE=application/json HTTP_AUTHORIZATION="Bearer $token" ciba-channel > /dev/null
  REQUEST_METHOD=GET PATH_INFO=/ REMOTE_USER=alice ciba-channel < /dev/null | sed '1,/^\r$/d' > page.html
  no grep -qi '<script' page.html
  in_session POST /url "{\"url\":\"file://$PWD/page.html\"}" > /dev/null
  is 'document.querySelector(".message").textContent' '"Deploy-42"'
  is 'document.documentElement.scrollWidth <= document.documentElement.clientWidth' true
  is 'getComputedStyle(document.documentElement).colorScheme' '"light dark"'
  is 'document.querySelector(".details").textContent.includes("GOOGL")' true
  type_keys $'\ue004' # tab
  is 'document.activeElement.textContent' '"Approve"'
  type_keys $'\ue004'
  is 'document.activeElement.textContent' '"Deny"'
  is 'document.querySelector(".approve").offsetHeight >= 44' true
  is '[...new FormData(document.forms[0], document.querySelector(".deny"))].map((pair) => pair[0]).join()' '"id,token,answer"'
}
