# A wrong bulk delete of 10,000 customers is found in the list of change sets, planned back, undone. Runs on made-up customers and on the whole file.
$ retrace tenants create acme > /dev/null; cp $DATA/customers-10000.csv people.csv 2> /dev/null || python3 -c 'print("Customer Id,Company,City"); [print(f"C-{i},Company {i},City {i % 7}") for i in range(10000)]' > people.csv; retrace customers import people.csv | grep created
committed at position 2, change set 2
created    10000

$ for n in 1 2 3; do retrace records create --kind DEAL --customer "#$n" --title "Deal $n" --amount "$((n * 100)) USD" > /dev/null 2>&1; done; retrace summarize; retrace history digest | head -2 > before
KIND      STATE   STAGE  COUNT         SUM
CUSTOMER  ACTIVE         10000
DEAL      ACTIVE             3  600.00 USD

$ retraced token new --data data --principal ann --role administrator --tenant acme > ann; until retrace --token-file ann customers list > /dev/null 2>&1; do sleep 0.1; done

# Ann meant the customers of one campaign, and says all. She looks at no plan.
$ retrace --token-file ann customers delete --filter 'number >= 1' --related delete --reason "end of the spring campaign" --yes --acknowledge-count 10003 2>&1 | sed -E 's/change set [0-9]+/change set .../'
operation <id 1>
ok       10000
refused  0
drifted  0
skipped  0
targets  10000
SUCCEEDED, change set ...

$ retrace summarize; retrace customers list
KIND      STATE    STAGE  COUNT         SUM
CUSTOMER  DELETED         10000
DEAL      DELETED             3  600.00 USD
ID  NUMBER  NAME  LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE

# On Monday they are missed. What happened?
$ retrace history change-sets --limit 1 -o csv | cut -d, -f3,4,6,8,9,10,11; retrace operations list -o csv | cut -d, -f2,3,8-13,14,15
actor,methods,reason,event_count,state
ann,retrace.v1.Operations.StartOperation; retrace.v1.Customers.DeleteCustomer,end of the spring campaign,10110,CLOSED
metadata.state,metadata.method,metadata.target_count,metadata.done_count,metadata.ok_count,metadata.refused_count,metadata.drifted_count,metadata.skipped_count,metadata.actor,metadata.reason
SUCCEEDED,retrace.v1.Customers.DeleteCustomer,10000,10000,10000,0,0,0,ann,end of the spring campaign
SUCCEEDED,retrace.v1.Customers.DeleteCustomer,10000,0,0,0,0,0,ann,end of the spring campaign

# Too many for one commit; the undo is an operation, too. It is looked at first.
$ retrace history change-sets --limit 1 -o jsonl | python3 -c 'import json,sys; print(json.loads(sys.stdin.readline())["number"])' > number; retrace undo $(cat number) --reason "it was the wrong filter"
retrace: This would touch more than the 1000 entities of one commit. Start an operation with the same request (Operations.StartOperation, `retrace undo ... --operation`), or undo a part of them: name commits, or entities. (USE_OPERATION)
  as an operation: --operation; for many, --filter or --ids-file in place of ids
[exit 5]

$ retrace undo $(cat number) --operation --plan --reason "it was the wrong filter" 2>&1 | sed -E '/^$/,/^All/d; s/position [0-9]+/position .../'
Plan at position ...: 10003 entities
WHAT HAPPENS  TO            HOW MANY
Reverted      customers        10000
Reverted      records DEAL         3
nothing was done; to do exactly this, send it again with
  --plan-token <token> --acknowledge-count 10003
  until <time>

$ retrace undo $(cat number) --operation --plan --reason "it was the wrong filter" -o json > plan; python3 -c 'import json; print(json.load(open("plan"))["plan_token"])' > token; retrace undo $(cat number) --operation --reason "it was the wrong filter" --plan-token $(cat token) --acknowledge-count 10003 2>&1 | sed -E 's/change set [0-9]+/change set .../'
operation <id 2>
ok       100
refused  0
drifted  0
skipped  0
targets  100
SUCCEEDED, change set ...

$ retrace summarize; retrace history digest | head -2 | diff before - && echo "the same digest"
KIND      STATE   STAGE  COUNT         SUM
CUSTOMER  ACTIVE         10000
DEAL      ACTIVE             3  600.00 USD
the same digest

# Done twice it finds nothing left to take back, and says so.
$ retrace undo $(cat number) --operation --reason "it was the wrong filter" --acknowledge-count 10003 2>&1 | sed -E "s/change set [0-9]+/change set .../; s/commits.[0-9]+/commits\/.../"; retrace operations items $(retrace operations list --limit 1 -o jsonl | python3 -c 'import json,sys; print(json.loads(sys.stdin.readline())["name"])') --limit 1 -o csv | cut -d, -f2-; retrace history digest | head -2 | diff before - && echo "the same digest"
operation <id 3>
ok       0
refused  100
drifted  0
skipped  0
targets  100
FAILED, change set ...
retrace: All 100 were refused, the last: tenants/acme/commits/...: All of this was undone before. To have it back, undo the undo. (ALREADY_UNDONE)
result,reason,message
REFUSED,ALREADY_UNDONE,"All of this was undone before. To have it back, undo the undo."
the same digest

# One customer with more records than a commit holds: several commits, and one thing to take back.
$ export RETRACE_TOKEN=$(cat ann); retrace customers create --display-name "Large" --external-id LARGE > /dev/null 2>&1; python3 -c 'print("of,title"); [print(f"LARGE,Note {i}") for i in range(1500)]' > notes.csv; retrace records import notes.csv --kind NOTE --customer of --map title=title 2>&1 | grep created; retrace history digest | head -2 > before; retrace customers delete ext:LARGE --related delete --reason "gone to another firm"
created    1500
retrace: With the records of tenants/acme/customers/<id 4> this would touch more than 1000 entities at once. Send it as an operation (Operations.StartOperation) on that customer. (USE_OPERATION)
  as an operation: --operation; for many, --filter or --ids-file in place of ids
[exit 5]

$ retrace customers delete ext:LARGE --operation --related delete --reason "gone to another firm" --yes --acknowledge-count 1501 > /dev/null 2>&1; retrace bin list --kind customers -o jsonl | python3 -c 'import json,sys; print(json.loads(sys.stdin.readline())["taken"])'; retrace customers undelete ext:LARGE --operation --reason "not that one" --yes --acknowledge-count 1501 2>&1 | sed -E 's/change set [0-9]+/change set .../'; retrace history digest | head -2 | diff before - && echo "the same digest"
[{'collection': 'records', 'deleted_count': '1500'}]
operation <id 5>
ok       1
refused  0
drifted  0
skipped  0
targets  1
SUCCEEDED, change set ...
the same digest

$ id=$(retrace customers list --filter 'external_id = "LARGE"' -o jsonl | python3 -c 'import json,sys; print(json.loads(sys.stdin.readline())["name"].split("/", 2)[2])'); retrace explain $id | sed -E "s/^ +[0-9]+/  .../; s/change set [0-9]+/change set .../"; retrace history replay $id 2>&1 | tail -13 | sed -E "s/(position|change set) [0-9]+/\1 .../g"
customers/<id 4> is ACTIVE at revision 7.
  ...  <time>                It came back from the recycle bin: UndeleteCustomer by root, in change set ... "operation <id 5>: UndeleteCustomer", because "not that one".
  ...  <time>                It went to the recycle bin: DeleteCustomer by root, in change set ... "operation <id 6>: DeleteCustomer", because "gone to another firm".
  ...  <time>                It was created: CreateCustomer by ann.
2. <time>                root  DeleteCustomer, because: gone to another firm  (position ..., change set ...)
  customers/<id 4>                      Engaged
3. <time>                root  DeleteCustomer, because: gone to another firm  (position ..., change set ...)
  customers/<id 4>                      Deleted  Released
    state: ACTIVE → DELETED
4. <time>                root  UndeleteCustomer, because: not that one  (position ..., change set ...)
  customers/<id 4>                      Engaged
5. <time>                root  UndeleteCustomer, because: not that one  (position ..., change set ...)
  customers/<id 4>                      Undeleted
    state: DELETED → ACTIVE
6. <time>                root  UndeleteCustomer, because: not that one  (position ..., change set ...)
  customers/<id 4>                      Released
6 commits, up to position ...
