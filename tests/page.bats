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
  await is 'document.getElementById("status").textContent' '"Nothing waits for you."'
  a_call | ciba-authorize --any-message -m 'Do you want to buy \(.qty) shares of <b>\(.ticker)</b>' -d '{type:"order",ticker,qty}' > asked
  await is 'document.querySelectorAll("article").length' 1
  is 'document.querySelector(".message").textContent' '"Do you want to buy 3 shares of <b>GOOGL</b>"'
  is 'JSON.parse(document.querySelector(".details").textContent)[0].qty' 3
  is 'document.querySelector(".scope").textContent' '"openid stock:trade"'
  script 'document.querySelector(".approve").click()' > /dev/null
  await is 'document.querySelector(".state").textContent' '"approved"'
  is 'document.querySelector(".buttons").hidden' true
  run ciba-poll -q < asked
  [ "$status" -eq 0 ]
  ciba-authorize -n -m 'Another' > asked
  await is 'document.querySelectorAll("article").length' 2
  is 'document.querySelector(".message").textContent' '"Another"'
  # without details the state stands beside its name, not below
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
