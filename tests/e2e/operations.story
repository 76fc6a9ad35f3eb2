# One command sent to many: by filter, by a file of ids; planned, waited for, cancelled, and what was not done. Nobody is
# told of it, so that every position is one of the story's own.
$ retrace tenants create acme > /dev/null; retrace followers pause --reason "nobody is told" > /dev/null 2>&1; python3 -c 'print("Customer Id,Company,Level"); [print(f"C-{i},Company {i}," + ("silver" if i % 2 else "gold")) for i in range(240)]' > people.csv; retrace customers import people.csv --map level=Level | grep created; retrace records create --kind DEAL --customer ext:C-0 --title Pumps > /dev/null
committed at position 2, change set 2
created    240
committed at position 6, change set 6

# A filter sends a command to all that it matches; the plan tells which before anything is done.
$ retrace customers update --filter 'level = "silver"' --set level=bronze --plan
Plan at position 6: 120 entities
WHAT HAPPENS     TO         HOW MANY
CustomerUpdated  customers       120
·
ID                          NAME        WHAT HAPPENS
<id 1>                      Company 1   CustomerUpdated
<id 2>                      Company 3   CustomerUpdated
<id 3>                      Company 5   CustomerUpdated
<id 4>                      Company 7   CustomerUpdated
<id 5>                      Company 9   CustomerUpdated
<id 6>                      Company 11  CustomerUpdated
<id 7>                      Company 13  CustomerUpdated
<id 8>                      Company 15  CustomerUpdated
<id 9>                      Company 17  CustomerUpdated
<id 10>                     Company 19  CustomerUpdated
<id 11>                     Company 21  CustomerUpdated
<id 12>                     Company 23  CustomerUpdated
<id 13>                     Company 25  CustomerUpdated
<id 14>                     Company 27  CustomerUpdated
<id 15>                     Company 29  CustomerUpdated
<id 16>                     Company 31  CustomerUpdated
<id 17>                     Company 33  CustomerUpdated
<id 18>                     Company 35  CustomerUpdated
<id 19>                     Company 37  CustomerUpdated
<id 20>                     Company 39  CustomerUpdated
and 100 more
·
All of it could be undone.
nothing was done; to do exactly this, send it again with
  --plan-token <token>
  until <time>

$ retrace customers update --filter 'level = "silver"' --set level=bronze --reason "a new scale"; retrace customers list --filter 'level = "bronze"' --all -o jsonl | wc -l
operation <id 21>
ok       120
refused  0
drifted  0
skipped  0
targets  120
SUCCEEDED, change set 10
120

$ retrace customers delete --filter 'level = "gold"' --related refuse --reason "closed down" --acknowledge-count 120
operation <id 22>
ok       119
refused  1
drifted  0
skipped  0
targets  120
SUCCEEDED, change set 14
retrace: it was not done to 1 of 120; `retrace operations items <id 22>` tells why
[exit 4]

# What was not done to which, and why.
$ retrace operations list -o jsonl | head -1 | python3 -c 'import json,sys; print(json.loads(sys.stdin.readline())["name"])' > operation; retrace operations items $(cat operation); retrace operations show $(cat operation)
ENTITY                      RESULT   REASON         WHY
<id 23>                     REFUSED  RELATED_EXIST  <id 23> has 1 DEAL. Delete or move them first, or choose DELETE or KEEP for them.
name           tenants/acme/operations/<id 22>
state          SUCCEEDED
method         DeleteCustomer
filter         level = "gold"
position       13
change_set     14
target_count   120
done_count     120
ok_count       119
refused_count  1
drifted_count  0
skipped_count  0
actor          root
reason         closed down
create_time    <time>
update_time    <time>
changed_count  119

# What lies in the bin is what an undelete is about.
$ retrace customers undelete --filter 'level = "gold"' --reason "they are back" --yes --acknowledge-count 119; retrace customers list --all -o jsonl | wc -l
operation <id 24>
ok       119
refused  0
drifted  0
skipped  0
targets  119
SUCCEEDED, change set 21
240

# From the bin, too: back, or away for ever.
$ retrace customers delete --filter 'number <= 150' --related delete --reason "closed down" --yes --acknowledge-count 151 > /dev/null; retrace bin restore --operation --kind customers --filter 'level = "gold"' --reason "they are back" --yes --acknowledge-count 76; retrace bin purge --operation --kind customers --filter 'level = "bronze" AND number <= 4' --plan --reason "asked for"
operation <id 25>
SUCCEEDED, change set 28
operation <id 26>
ok       75
refused  0
drifted  0
skipped  0
targets  75
SUCCEEDED, change set 35
Plan at position 37: 2 entities
WHAT HAPPENS  TO         HOW MANY
Purged        customers         2
·
ID                          NAME       WHAT HAPPENS
<id 1>                      Company 1  Purged
<id 2>                      Company 3  Purged
·
Could not be undone: 2
  <id 1>: Nothing brings back what is purged.
  <id 2>: Nothing brings back what is purged.
warning PURGE_IS_FINAL: What is purged is gone, now and at every moment of the past.
nothing was done; to do exactly this, send it again with
  --plan-token <token> --acknowledge PURGE_IS_FINAL
  until <time>

$ retrace bin purge --operation --kind customers --filter 'level = "bronze" AND number <= 4' --reason "asked for"; retrace bin restore --operation --kind customers --reason "all of it" > /dev/null; retrace customers list --all -o jsonl | wc -l
operation <id 27>
ok       0
refused  0
drifted  0
skipped  0
targets  2
FAILED, change set 41
retrace: PURGE_IS_FINAL: What is purged is gone, now and at every moment of the past. Start it again with that id in acknowledged_warnings. (ACKNOWLEDGEMENT_REQUIRED)
  look first: --plan says what to give to --acknowledge-count and --acknowledge
operation <id 28>
SUCCEEDED, change set 44
240

# Ids from a file, with one that is there twice and a stranger.
$ (echo ext:C-1; echo "#2"; echo ext:C-3; echo nobody) > ids; retrace customers deactivate --ids-file ids; retrace operations items $(retrace operations list -o jsonl | head -1 | python3 -c 'import json,sys; print(json.loads(sys.stdin.readline())["name"])')
operation <id 29>
ok       2
refused  1
drifted  0
skipped  1
targets  4
SUCCEEDED, change set 48
retrace: it was not done to 1 of 4; `retrace operations items <id 29>` tells why
ENTITY                      RESULT   REASON            WHY
<id 1>                      SKIPPED                    There was nothing to do.
nobody                      REFUSED  ENTITY_NOT_FOUND  There is no customer `tenants/acme/customers/nobody`. Look for it in the list, or as of an earlier moment.

$ retrace customers activate --ids-file - --plan < ids
Plan at position 51: 2 entities
WHAT HAPPENS  TO         HOW MANY
Activated     customers         2
·
ID                          NAME       WHAT HAPPENS
<id 1>                      Company 1  Activated
<id 2>                      Company 3  Activated
·
All of it could be undone.
note: 1 would be refused, first tenants/acme/customers/nobody: There is no customer `tenants/acme/customers/nobody`. Look for it in the list, or as of an earlier moment.
nothing was done; to do exactly this, send it again with
  --plan-token <token>
  until <time>

# On a terminal the plan is shown and confirmed first, and only that is done.
$ printf 'closed down\ny\n' | script -E never -qec "retrace customers delete --ids-file ids --related keep > /dev/null" /dev/null | sed -E 's/\r.*\x1b\[K//' | tail -13
Plan at position 58: 2 entities
WHAT HAPPENS  TO         HOW MANY
Deleted       customers         2
·
ID                          NAME       WHAT HAPPENS
<id 1>                      Company 1  Deleted
<id 2>                      Company 3  Deleted
·
All of it could be undone.
note: 2 would be refused, first tenants/acme/customers/<id 1>: The customer `tenants/acme/customers/<id 1>` is in the recycle bin. Undelete it first.
Do it? [y/N] operation <id 30>
SUCCEEDED, change set 62
retrace: it was not done to 2 of 4; `retrace operations items <id 30>` tells why

$ echo y | script -E never -qec "retrace customers update --filter 'level = \"bronze\"' --set level=tin > /dev/null" /dev/null | sed -E 's/\r.*\x1b\[K//' | tail -3; retrace customers list --filter 'level = "tin"' --all -o jsonl | wc -l
All of it could be undone.
Do it? [y/N] operation <id 31>
SUCCEEDED, change set 68
118

# What somebody wrote since the plan ends it, or is left out; both can be undone.
$ plan() { retrace customers delete --filter 'level = "gold"' --related delete --reason "closed down" "$@" --plan -o json | python3 -c 'import json,sys; plan = json.load(sys.stdin); open("count", "w").write(plan["entity_count"]); print(plan["plan_token"])'; }; plan > token; retrace customers update ext:C-8 --set level=silver > /dev/null; retrace customers delete --filter 'level = "gold"' --related delete --reason "closed down" --plan-token $(cat token) --acknowledge-count $(cat count); retrace undo $(retrace operations list --limit 1 -o csv | tail -1 | cut -d, -f7) --reason "start over"
committed at position 75, change set 75
operation <id 32>
ok       4
refused  0
drifted  0
skipped  0
targets  120
STOPPED, change set 76
retrace: tenants/acme/customers/<id 33>: root wrote it at position 75, after the operation's position 71. (PLAN_DRIFTED)
tenants/acme/customers/<id 23>
tenants/acme/customers/<id 34>
tenants/acme/customers/<id 35>
tenants/acme/customers/<id 36>
tenants/acme/records/<id 37>
committed at position 79, change set 79

$ plan() { retrace customers delete --filter 'level = "gold"' --related delete --reason "closed down" "$@" --plan -o json | python3 -c 'import json,sys; plan = json.load(sys.stdin); open("count", "w").write(plan["entity_count"]); print(plan["plan_token"])'; }; plan --on-drift skip > token; retrace customers update ext:C-10 --set level=silver > /dev/null; retrace customers delete --filter 'level = "gold"' --related delete --reason "closed down" --plan-token $(cat token) --acknowledge-count $(cat count) --on-drift skip
committed at position 83, change set 83
operation <id 38>
ok       118
refused  0
drifted  1
skipped  0
targets  119
SUCCEEDED, change set 84
retrace: it was not done to 1 of 119; `retrace operations items <id 38>` tells why
[exit 4]

# Not waited for; waited for later; cancelled when it is too late.
$ retrace members create anna --display-name "Anna Snelling" > /dev/null; retrace customers update --filter 'level = "tin"' --set owner=anna --no-wait > started; retrace operations wait $(cat started); retrace operations cancel $(cat started)
committed at position 88, change set 88
ok       118
refused  0
drifted  0
skipped  0
targets  118
SUCCEEDED, change set 89
retrace: `tenants/acme/operations/<id 39>` has ended already: SUCCEEDED. To take back what it did, undo its change set. (OPERATION_ENDED)
[exit 8]

$ retrace operations list
ID                          BEGUN                 ACTOR  METHOD                   STATE      TARGETS  DONE   OK  REFUSED  DRIFTED  SKIPPED  CHANGE SET  REASON
<id 39>                     <time>                root   UpdateCustomer           SUCCEEDED      118   118  118        0        0        0          89
<id 38>                     <time>                root   DeleteCustomer           SUCCEEDED      119   119  118        0        1        0          84  closed down
<id 40>                     <time>                root   DeleteCustomer (plan)    SUCCEEDED      119     0    0        0        0        0              closed down
<id 32>                     <time>                root   DeleteCustomer           STOPPED        120     4    4        0        0        0          76  closed down
<id 41>                     <time>                root   DeleteCustomer (plan)    SUCCEEDED      120     0    0        0        0        0              closed down
<id 31>                     <time>                root   UpdateCustomer           SUCCEEDED      118   118  118        0        0        0          68
<id 42>                     <time>                root   UpdateCustomer (plan)    SUCCEEDED      118     0    0        0        0        0
<id 30>                     <time>                root   DeleteCustomer           SUCCEEDED        4     4    2        2        0        0          62  closed down
<id 43>                     <time>                root   DeleteCustomer (plan)    SUCCEEDED        4     0    0        0        0        0              closed down
<id 44>                     <time>                root   DeleteCustomer (plan)    SUCCEEDED        4     0    0        0        0        0
<id 45>                     <time>                root   ActivateCustomer (plan)  SUCCEEDED        4     0    0        0        0        0
<id 29>                     <time>                root   DeactivateCustomer       SUCCEEDED        4     4    2        1        0        1          48
<id 28>                     <time>                root   RestoreEntities          SUCCEEDED       75    75   75        0        0        0          44  all of it
<id 27>                     <time>                root   PurgeEntities            FAILED           2     0    0        0        0        0          41  asked for
<id 46>                     <time>                root   PurgeEntities (plan)     SUCCEEDED        2     0    0        0        0        0              asked for
<id 26>                     <time>                root   RestoreEntities          SUCCEEDED       75    75   75        0        0        0          35  they are back
<id 47>                     <time>                root   RestoreEntities (plan)   SUCCEEDED       75     0    0        0        0        0              they are back
<id 25>                     <time>                root   DeleteCustomer           SUCCEEDED      150   150  150        0        0        0          28  closed down
<id 48>                     <time>                root   DeleteCustomer (plan)    SUCCEEDED      150     0    0        0        0        0              closed down
<id 24>                     <time>                root   UndeleteCustomer         SUCCEEDED      119   119  119        0        0        0          21  they are back
<id 49>                     <time>                root   UndeleteCustomer (plan)  SUCCEEDED      119     0    0        0        0        0              they are back
<id 22>                     <time>                root   DeleteCustomer           SUCCEEDED      120   120  119        1        0        0          14  closed down
<id 21>                     <time>                root   UpdateCustomer           SUCCEEDED      120   120  120        0        0        0          10  a new scale
<id 50>                     <time>                root   UpdateCustomer (plan)    SUCCEEDED      120     0    0        0        0        0

# What makes no sense.
$ retrace customers delete --related keep
retrace: which? Say an ID, --filter FILTER or --ids-file FILE
[exit 2]

$ retrace customers delete ext:C-1 --filter 'level = "gold"' --related keep
retrace: say only one of an ID, --filter FILTER or --ids-file FILE
[exit 2]

$ retrace customers update --filter 'level = "gold"' --add-tag vip
retrace: of many at once only whole fields are set or cleared: not single tags, attributes or parts of a field
[exit 2]

$ retrace customers update ext:C-1 --set level=gold --plan
retrace: this is not planned when it is done to one; a plan is of --filter or --ids-file
[exit 2]

$ retrace customers delete --filter 'nothing = 1' --related keep --reason "a test"
retrace: The filter is wrong at byte 0: there is no field `nothing`; there are name, number, display_name, given_name, family_name, organization_name, level, phones, emails, owner, tags, external_id, attributes, state, create_time, update_time. Correct the filter; its grammar is https://google.aip.dev/160. (INVALID_FILTER)
[exit 5]

$ retrace customers delete --filter 'level = "gold"' --reason "a test"
operation <id 51>
ok       0
refused  0
drifted  0
skipped  0
targets  0
SUCCEEDED, change set 93

$ retrace customers delete --ids-file nowhere --related keep; retrace operations show nobody
retrace: cannot read nowhere
retrace: There is no operation `tenants/acme/operations/nobody`. ListOperations shows those that there are. (ENTITY_NOT_FOUND)
  see tenants/acme/operations/nobody
[exit 6]

$ retrace customers delete --filter 'level = "gold"' --related keep --on-drift wait --reason "a test"
retrace: --on-drift: wait not in {stop,skip}
  see retrace customers delete --help
[exit 2]

# Whoever started it is told how each ended, the newest first.
$ retrace notifications list -o jsonl 2> /dev/null | python3 -c 'import json,sys; [print(json.loads(line)["notification"]["message"]) for line in list(sys.stdin)[:4]]'
Customers.DeleteCustomer: SUCCEEDED (0 OK, 0 REFUSED, 0 DRIFTED, 0 SKIPPED)
Customers.UpdateCustomer: SUCCEEDED (118 OK, 0 REFUSED, 0 DRIFTED, 0 SKIPPED)
Customers.DeleteCustomer: SUCCEEDED (118 OK, 0 REFUSED, 1 DRIFTED, 0 SKIPPED)
Customers.DeleteCustomer: STOPPED (4 OK, 0 REFUSED, 0 DRIFTED, 0 SKIPPED)
