# From documents that have come to their end, and what was done in truth ($orders, $runs): the figures, and
# for what must not be, the calls.
def truth: reduce (($orders[0][] | "buy \(.ticker) \(.qty)"), ($runs[] | "\(.name) null \(.arguments.qty)")) as $one ({}; .[$one] += 1);
def told:
  if .result.error == "outcome_unknown" then "unknown"
  elif .result.status == 0 or [.result.content | objects.status] == ["OK"] then "done"
  elif .result then "not done"
  else "open" end;

truth as $truth |
[.[] | (.spool.reason != null) as $failed | .calls[]? | {name: "\(.name) \(.arguments.ticker) \(.arguments.qty)", told: told, $failed, status: .authorization.status}] as $calls |
($calls | map({(.name): .told}) | add // {}) as $told |
def those(f): [$calls[] | select(f).name];
{
  documents: length,
  approved: those(.status == "approved") | length,
  denied: those(.status == "denied") | length,
  expired: those(.status == "expired") | length,
  failed: those(.status == "failed") | length,
  done: those(.told == "done") | length,
  unknown: those(.told == "unknown") | length,
  orders: $orders[0] | length,
  runs: $runs | length,
  twice: [$truth | to_entries[] | select(.value > 1).key],
  lost: those((.told == "open" and (.failed | not)) or (.told == "done" and $truth[.name] == null)),
  untold: [$truth | keys[] | select($told[.] != "done" and $told[.] != "unknown")]
}
