# From what the servers and the programs have seen ($questions of the phone, $requests, $orders, $runs), what was put
# into the spool ($names), what has come out of it (documents on stdin: name, place, document) and the audit log
# ($audit): the figures, and for each thing that must not be, the calls or documents.
def call: "\(.qty) \(.ticker // "paid")";
def question: sub("^Do you want "; "");
def told:
  if .result.error == "outcome_unknown" then "unknown"
  elif .result.status == 0 or [.result.content | objects.status] == ["OK"] then "done"
  elif .result then "not done"
  else "open" end;

($questions[0] | map({(.id): (.message | question)}) | add // {}) as $asked_of |
# Of each call: its questions with the time, and then what was decided.
(reduce ($requests[] | select(.status == 200)) as $one ({};
  if $one.path == "/bc-authorize" then .[$one.form.binding_message | question] += [{at: $one.at}]
  elif $one.path == "/phone/decide" then .[$asked_of[$one.body.id]] |= (last.decided = $one.body.approve)
  else . end)) as $asked |
([$requests[] | select(.path == "/oauth/token" and .status == 200) | {(.form.auth_req_id): true}] | add // {}) as $given |
(reduce ($requests[] | select(.path == "/stocks")) as $one ({}; .[$one.body | call] += [$one.idempotency_key])) as $sent |
(reduce ($orders[0][] | call) as $one ({}; .[$one] += 1)) as $bought |
(reduce ($runs[] | "\(.name) \(.arguments | call)" | ltrimstr("pay ")) as $one ({}; .[$one] += 1)) as $ran |
($bought + $ran) as $truth |
($audit | map(select(.event == "executed" and .error == null))) as $executed |

[.[]] as $documents |
[$documents[] | . as $one | .document.calls[]? |
  {id, call: (if .name == "note" then "note " else "" end + (.arguments | call)), told: told, place: $one.place,
    free: (.name == "note"), status: .authorization.status, error: .authorization.error,
    given: ($given[(.authorization.auth_req_id | strings) // ""] // false)}] as $calls |
($calls | map({(.call): .}) | add // {}) as $of |
def those(f): [$calls[] | select(f) | .call];
def last_asked: $asked[.] // [] | last.decided;
{
  documents: ($names | length),
  done: [$documents[] | select(.place == "done")] | length,
  failed: [$documents[] | select(.place == "failed")] | length,
  approved: [$asked[] | last | select(.decided == true)] | length,
  denied: [$asked[] | last | select(.decided == false)] | length,
  undecided: [$asked[] | last | select(.decided == null)] | length,
  orders: ($orders[0] | length),
  sends: [$sent[][]] | length,
  runs: ($runs | length),
  unknown: those(.told == "unknown") | length,
  # ciba-authorize counts the time from its intent on: the provider gets the question later, when that is durable.
  early: [$asked[] | . as $all | range(1; length) |
    select($all[. - 1].decided == null and $all[.].at < $all[. - 1].at + $expiry and $all[.].at >= $all[. - 1].at + $expiry - 1)] | length,
  # Tokens that came too late, or not at all: the user is asked again, three times in all.
  late: those(.status != "approved" and .status != "denied" and (.call | last_asked) == true) | length,
  executed: ($executed | length),
  wrong: {
    doubled: [($truth | to_entries[] | select(.value > 1).key), ($sent | to_entries[] | select(.value | unique | length > 1).key)],
    repeated: [$asked | to_entries[] | .key as $call | .value as $all | range(1; $all | length) |
      select($all[. - 1].decided == null and $all[.].at < $all[. - 1].at + $expiry - 1) | $call],
    # A no to a question whose answer was lost is not known.
    asked_after_no: [($asked | to_entries[] | .key as $call | .value as $all | range(1; $all | length) |
        select($all[. - 1].decided == false and $all[.].at < $all[. - 1].at + $expiry) | $call),
      ($audit | group_by(.call)[] | select(map(.event) | index("denied") as $no | $no != null and (.[$no:] | index("asked")) != null)[0].call)],
    not_approved: [$truth | keys[] | select(startswith("note ") | not) | select($asked[.] // [] | any(.decided == true) | not)],
    lost: [($names - [$documents[].name])[],
      those((.told == "done" and $truth[.call] == null) or
        (.status == "approved" and (.told | IN("done", "unknown") | not)) or
        ((.call | last_asked) == true and .status != "approved" and (.error | IN("invalid_grant", "expired_token") | not)) or
        (.given and .status != "approved" and .error != "invalid_grant"))[]],
    untold: [$truth | keys[] | select($of[.].told | IN("done", "unknown") | not)],
    no_is_not_no: those((.call | last_asked) == false and .status != "denied"),
    open: those(.told == "open" and .place != "failed"),
    stuck: [$documents[] | select(.place == "queue").name],
    no_reason: [$documents[] | select(.place == "failed" and .document.spool.reason == null).name],
    twice_in_spool: [$documents | group_by(.name)[] | select(length > 1)[0].name],
    # A process may be killed when it has told the audit log, and not yet its run.
    audit: [($executed | group_by(.id)[], group_by(.call)[] | select(length > 1)[0].call),
      ([$executed[].call] - [$calls[] | select($truth[.call] != null and (.told | IN("done", "unknown"))).id])[],
      ([$calls[] | select(.told == "done").id] - [$executed[].call])[]]
  },
  reasons: [$documents[] | select(.place == "failed").document.spool.reason]
}
