# A destructive command shows what it would do before it does it, and then does exactly that or nothing.
$ retrace tenants create acme > /dev/null; retrace members create anna --display-name "Anna Snelling" > /dev/null; retrace customers create --organization-name Hottechi --external-id H-1 --set owner=anna > /dev/null
committed at position 2, change set 2
committed at position 1, change set 1
committed at position 2, change set 2

$ for n in 1 2 3; do retrace records create --kind DEAL --customer ext:H-1 --title "Deal $n" --amount "$((n * 100)) USD" --stage Won --external-id D-$n > /dev/null; done
committed at position 3, change set 3
committed at position 4, change set 4
committed at position 5, change set 5

# The plan does nothing.
$ retrace customers delete ext:H-1 --related delete --plan --reason "closed down"
Plan at position 5: 4 entities
WHAT HAPPENS  TO            HOW MANY
Deleted       customers            1
Deleted       records DEAL         3
·
ID                          NAME      WHAT HAPPENS
<id 1>                      Hottechi  Deleted
<id 2>                      Deal 1    Deleted
<id 3>                      Deal 2    Deleted
<id 4>                      Deal 3    Deleted
·
MONEY    OF                AMOUNT
Deleted  records DEAL  600.00 USD
·
TO BE TOLD  NAME           THEIRS
anna        Anna Snelling       1
·
All of it could be undone.
note: 3 records deleted, 0 kept.
nothing was done; to do exactly this, send it again with
  --plan-token <token>
  until <time>

$ retrace customers list
ID                          NUMBER  NAME      LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
<id 1>                           1  Hottechi                          anna   H-1          ACTIVE

# Others go on meanwhile; the plan does not mind.
$ retrace customers create --organization-name Betasoloin --external-id B-1 > /dev/null; retrace customers delete ext:H-1 --related delete --plan --reason "closed down" -o json > plan; python3 -c 'import json; print(json.load(open("plan"))["plan_token"])' > token; retrace customers update ext:B-1 --set level=gold > /dev/null
committed at position 6, change set 6
committed at position 7, change set 7

# But a deal that came since was not part of it, and nothing is done.
$ retrace records create --kind DEAL --customer ext:H-1 --title "Deal 4" --amount "900 USD" --stage Won --external-id D-4 > /dev/null; retrace customers delete ext:H-1 --related delete --reason "closed down" --plan-token $(cat token)
committed at position 8, change set 8
retrace: This is not what was planned at position 6 any more. Nothing was done. Plan again, look at what differs, and execute the new plan. (PLAN_DRIFTED)
  tenants/acme/records/<id 5>: would be touched now, and was not planned
[exit 8]

# Planned again and executed; once.
$ retrace customers delete ext:H-1 --related delete --plan --reason "closed down" -o json > plan; python3 -c 'import json; print(json.load(open("plan"))["plan_token"])' > token; retrace customers delete ext:H-1 --related delete --reason "closed down" --plan-token $(cat token) --request-id first
ID                          NUMBER  NAME      LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
<id 1>                           1  Hottechi                          anna   H-1          DELETED
committed at position 9, change set 9
note: 4 records deleted, 0 kept.

$ retrace customers delete ext:H-1 --related delete --reason "closed down" --plan-token $(cat token) --request-id first > /dev/null
already done: this repeats a request that was answered at position 9
note: 4 records deleted, 0 kept.

$ retrace customers undelete ext:H-1 --reason "they are back" > /dev/null; retrace customers delete ext:H-1 --related delete --reason "closed down" --plan-token $(cat token)
committed at position 10, change set 10
note: 4 records restored, 0 attached again.
retrace: This plan was executed at position 9; a plan is executed once. Look at that commit, and plan again for what is left to do. (PLAN_TOKEN_USED)
  options.plan_token: already used
[exit 8]

# A token is for one command.
$ retrace customers delete ext:B-1 --related delete --reason "closed down" --plan-token $(cat token)
retrace: The plan was made for another command: all but the request id and the options about plans must stay as they were, the reason, too. Plan again with plan_only, and send the same command with the new token. (PLAN_TOKEN_INVALID)
[exit 5]

$ retrace customers delete ext:B-1 --related delete --reason "closed down" --plan-token nonsense
retrace: The plan token was changed, or made by another server or for another tenant. Plan again with plan_only, and send the same command with the new token. (PLAN_TOKEN_INVALID)
[exit 5]

# Without a reason a person deletes nothing, unless the tenant's policy says otherwise.
$ retrace customers delete ext:B-1 --related delete
retrace: This needs a reason; the tenant's policy asks for one. Say in options.reason why; it is kept with the commit and shown in history. (REASON_REQUIRED)
  options.reason: must say why
  say why: --reason TEXT
[exit 8]

# On a terminal the plan is shown and confirmed first.
$ printf 'closed down\nn\n' | script -E never -qec "retrace customers delete ext:B-1 --related delete" /dev/null
Why? Plan at position 10: 1 entity
WHAT HAPPENS  TO         HOW MANY
Deleted       customers         1
·
ID                          NAME        WHAT HAPPENS
<id 6>                      Betasoloin  Deleted
·
All of it could be undone.
Do it? [y/N] retrace: not confirmed; nothing was done
[exit 2]

$ retrace policy set require_reason=NOBODY acknowledge_above_humans=2 > /dev/null; retrace customers delete ext:B-1 --related delete > /dev/null; retrace customers undelete ext:B-1 > /dev/null
committed at position 11, change set 11
committed at position 12, change set 12
committed at position 13, change set 13

# Above the tenant's bound the number of entities must be known.
$ retrace customers delete ext:H-1 --related delete
retrace: This touches 5 entities. Look at the plan (plan_only), then repeat it with that acknowledged_count. (ACKNOWLEDGEMENT_REQUIRED)
  options.acknowledged_count: must be 5
  look first: --plan says what to give to --acknowledge-count and --acknowledge
[exit 8]

$ retrace customers delete ext:H-1 --related delete --acknowledge-count 4
retrace: This touches 5 entities, not 4. Look at the plan (plan_only), then repeat it with that acknowledged_count. (ACKNOWLEDGEMENT_REQUIRED)
  options.acknowledged_count: must be 5
  look first: --plan says what to give to --acknowledge-count and --acknowledge
[exit 8]

$ retrace customers delete ext:H-1 --related delete --acknowledge-count 5 --yes > /dev/null
committed at position 14, change set 14
note: 4 records deleted, 0 kept.

# A repeat under the same request id finds that it was done.
$ retrace customers undelete ext:H-1 --yes --acknowledge-count 5 --request-id again > /dev/null; retrace customers undelete ext:H-1 --yes --acknowledge-count 5 --request-id again > /dev/null
committed at position 15, change set 15
note: 4 records restored, 0 attached again.
already done: this repeats a request that was answered at position 15
note: 4 records restored, 0 attached again.

# What is large is confirmed by its number.
$ retrace records create --kind DEAL --customer ext:B-1 --title "Deal 5" > /dev/null; retrace records create --kind DEAL --customer ext:B-1 --title "Deal 6" > /dev/null; echo y | script -E never -qec "retrace customers delete ext:B-1 --related delete > /dev/null" /dev/null | tail -2; echo 3 | script -E never -qec "retrace customers delete ext:B-1 --related delete > /dev/null" /dev/null | tail -2
committed at position 16, change set 16
committed at position 17, change set 17
note: 2 records deleted, 0 kept.
Type 3 to do it: retrace: not confirmed; nothing was done
Type 3 to do it: committed at position 18, change set 18
note: 2 records deleted, 0 kept.

$ retrace customers undelete ext:B-1 --acknowledge-count 3 > /dev/null
committed at position 19, change set 19
note: 2 records restored, 0 attached again.

# A policy may ask everybody for a plan.
$ retrace policy set require_plan=true > /dev/null; retrace customers delete ext:B-1 --related delete
committed at position 20, change set 20
retrace: This needs a plan first; the tenant's policy asks for one. Send it with plan_only, look at the plan, then send it with the plan's token. (PLAN_REQUIRED)
  options.plan_token: must be the token of a plan
  look first: --plan, then --plan-token TOKEN; or --yes
[exit 8]

$ retrace customers delete ext:B-1 --related delete --yes --acknowledge-count 3 > /dev/null
committed at position 21, change set 21
note: 2 records deleted, 0 kept.

# What destroys nothing has no plan, and says so instead of doing it.
$ retrace customers deactivate ext:B-1 --plan
retrace: this is not planned when it is done to one; a plan is of --filter or --ids-file
[exit 2]
