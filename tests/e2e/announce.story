# 3,000 customers are to go. Sales is told a week ahead; one of them objects, 12 stay, the rest goes by timer. A day later it is
# undone, and everyone is told. Time is moved, nothing sleeps.
! start --test-clock

$ retrace tenants create acme > /dev/null; for who in sue bob; do retrace members create $who --display-name "$who" --set team=Sales --set principal=$who > /dev/null; retraced token new --data data --principal $who --role agent --tenant acme > $who; done; python3 -c 'print("Customer Id,Company,Level"); [print(f"C-{i},Company {i},gold") for i in range(3000)]' > people.csv; retrace customers import people.csv --map level=Level 2> /dev/null | grep created; until retrace --token-file sue plans list > /dev/null 2>&1 && retrace --token-file bob plans list > /dev/null 2>&1; do sleep 0.1; done
committed at position 2, change set 2
committed at position 1, change set 1
committed at position 2, change set 2
created    3000

# Whoever it is announced to must be there, and it is kept for 30 days at most.
$ retrace customers delete --filter 'level = "gold"' --related delete --reason "end of campaign" --acknowledge-count 3000 --announce --to team:Sails; retrace customers delete --filter 'level = "gold"' --related delete --reason "end of campaign" --acknowledge-count 3000 --announce --to team:Sales --until 31d
retrace: `Sails` reaches nobody. Name members, teams, roles or principals that there are. (NOBODY_TO_TELL)
  to.teams[0]: must name somebody who can be told: by e-mail, in the app as a principal, or by a webhook
retrace: ttl is not within 30 days. (INVALID_FIELD)
  ttl: must be more than 0, and at most 30 days
[exit 5]

# What is announced is the plan, as it will be executed.
$ retrace customers delete --filter 'level = "gold"' --related delete --reason "end of campaign" --acknowledge-count 3000 --announce --to team:Sales --message "object by Friday" --until 8d --at 7d 2> /dev/null | grep -v '^until\|^at ' | tee announced; awk '/^announcement/ {print $2}' announced > id
announcement  <id 1>
state         OPEN
command       DeleteCustomer
reason        end of campaign
message       object by Friday
asker         root

$ retrace --token-file sue plans list -o csv | cut -d, -f2-6; retrace --token-file sue plans show $(cat id) | sed -n '/^WHAT/,/customers/p'
state,method,plan.entity_count,asker,reason
OPEN,retrace.v1.Customers.DeleteCustomer,3000,root,end of campaign
WHAT HAPPENS  TO         HOW MANY
Deleted       customers      3000

# Those who are told may say so, and object. Nothing happens while an objection was not read.
$ retrace --token-file sue plans acknowledge $(cat id) > /dev/null 2>&1; retrace --token-file bob plans object $(cat id) --words "the first twelve are mine" > /dev/null 2>&1; retrace plans execute $(cat id)
retrace: bob objected to `tenants/acme/announcements/<id 1>`. Read them, take out what must stay, then say in acknowledge_objections how many there are. (OBJECTIONS_EXIST)
  bob: the first twelve are mine
  see tenants/acme/announcements/<id 1>
[exit 8]

$ retrace --token-file bob plans withdraw $(cat id)
retrace: root announced it. Ask root or an administrator to withdraw it. (PERMISSION_MISSING)
[exit 9]

# Twelve are taken out.
$ retrace customers list --filter 'level = "gold"' --limit 12 -o csv 2> /dev/null | tail -n +2 | cut -d, -f1 | sed 's|^|customers/|; s|customers/tenants|tenants|' > twelve; retrace plans take-out $(cat id) --ids-file twelve --acknowledge-objections 1 2> /dev/null | grep -v '^until\|^at '
announcement              <id 1>
state                     OPEN
command                   DeleteCustomer
reason                    end of campaign
message                   object by Friday
asker                     root
known to                  sue
objection (acknowledged)  bob: the first twelve are mine
taken out                 12

$ retrace plans show $(cat id) | sed -n '/^TAKEN OUT/,$p' | wc -l
13

# Six days later nothing has happened; on the seventh it executes itself, in the name of who planned it.
$ retrace admin advance-clock 6d > /dev/null; retrace customers list --filter 'level = "gold"' --all -o jsonl | wc -l; retrace admin advance-clock 1d > /dev/null; until retrace plans show $(cat id) | grep -q '^state *EXECUTED'; do sleep 0.1; done; retrace plans show $(cat id) | grep '^state\|^taken\|^result' | sed 's/change set [0-9]*/change set .../'; retrace customers list --filter 'level = "gold"' --all -o jsonl | wc -l
3000
state                     EXECUTED
taken out                 12
result                    operation <id 2>; 2988 ok, 0 refused, 0 drifted, 12 skipped; change set ...
12

# After its end nobody can object any more.
$ retrace --token-file bob plans object $(cat id) --words "but"
retrace: `tenants/acme/announcements/<id 1>` is EXECUTED. Announce it anew. (ANNOUNCEMENT_CLOSED)
  see tenants/acme/announcements/<id 1>
[exit 8]

# The next day it is undone as anything else is, and those who were told hear of it.
$ retrace admin advance-clock 24h > /dev/null; retrace undo $(retrace plans show $(cat id) -o json | python3 -c 'import json,sys; print(json.load(sys.stdin)["result"]["change_set"])') --operation --reason "the campaign goes on" --yes --acknowledge-count 2988 2> /dev/null | grep -v SUCCEEDED; retrace plans show $(cat id) | grep -c '^undone by'; retrace customers list --filter 'level = "gold"' --all -o jsonl | wc -l
ok       30
refused  0
drifted  0
skipped  0
targets  30
1
3000

$ for who in sue bob; do until retrace --token-file $who notifications list -o json 2> /dev/null | grep -q plans.undone; do sleep 0.1; done; echo $who: $(retrace --token-file $who notifications list -o json 2> /dev/null | grep -o 'plans\.[a-z]*' | sort | uniq); done
sue: plans.announced plans.executed plans.undone
bob: plans.announced plans.executed plans.undone

# A second one is killed while it executes. It goes on where it was, and does nothing twice.
$ retrace customers delete --filter 'level = "gold"' --related delete --reason "end of campaign" --acknowledge-count 3000 --announce --to team:Sales -o json 2> /dev/null | python3 -c 'import json,sys; print(json.load(sys.stdin)["name"])' > id; retrace plans execute $(cat id) --no-wait | grep '^state'
state         EXECUTING
! kill
! start --test-clock

$ until retrace plans show $(cat id) | grep -q '^state *EXECUTED'; do sleep 0.1; done; retrace plans show $(cat id) | grep '^state\|^result' | sed 's/change set [0-9]*/change set .../'; retrace customers list --filter 'level = "gold"' --all -o jsonl | wc -l; retrace operations list -o jsonl | grep -c '"DeleteCustomer"\|Customers.DeleteCustomer'
state         EXECUTED
result        operation <id 3>; 3000 ok, 0 refused, 0 drifted, 0 skipped; change set ...
0
6

# Who may not do it asks those who may; who approves it plans it in their own name.
$ retrace --token-file sue members delete bob --reason "he left" --announce --to principal:bob 2> /dev/null | grep '^state\|^asker'; retrace --token-file sue plans list -o json | python3 -c 'import json,sys; print(json.load(sys.stdin)[0]["name"])' > id; retrace --token-file sue plans approve $(cat id); retrace plans approve $(cat id) --yes 2> /dev/null | grep '^state\|^planner'; retrace plans execute $(cat id) 2> /dev/null | grep '^state'; retrace history commits --limit 20 -o csv | grep DeleteMember | cut -d, -f3-6
state         REQUESTED
asker         sue
retrace: Your roles do not grant members.delete. Ask whoever runs the server for a role that does; `retraced roles` prints them. (PERMISSION_MISSING)
state         OPEN
planner       root
state         EXECUTED
root,sue,retrace.v1.Members.DeleteMember,he left

# --until alone does nothing: without --announce it would be done at once.
$ retrace customers create --organization-name Drift --external-id D-1 > /dev/null 2>&1; retrace customers delete ext:D-1 --related delete --reason "they left" --until 8d --yes
retrace: --to, --message, --until and --at go with --announce
[exit 2]

# Nor is anything announced for ever.
$ for span in inf 1e300d 99999d; do retrace customers delete ext:D-1 --related delete --reason "they left" --announce --to team:Sales --until $span 2>&1 | cut -d";" -f1; done
retrace: --until: `inf` is not a time
retrace: --until: `1e300d` is not a time
retrace: --until: `99999d` is not a time

# With a request id it is announced once, whatever plan a repeat comes with.
$ for time in first second; do retrace --request-id once customers delete ext:D-1 --related delete --reason "they left" --announce --to team:Sales -o json 2> /dev/null | python3 -c 'import json,sys; print(json.load(sys.stdin)["name"])'; done | sort -u | wc -l
1

# Who is asked is asked about that.
$ echo n | script -E never -qec "retrace customers delete ext:D-1 --related delete --reason 'they left' --announce --to team:Sales" /dev/null | tail -1
Announce it? [y/N] retrace: not confirmed; nothing was done

# Only who may give the command may approve it, or see it.
$ retrace --token-file sue members delete sue --reason "I go" --announce --to principal:bob -o json 2> /dev/null | python3 -c 'import json,sys; print(json.load(sys.stdin)["name"])' > id; retrace --token-file bob plans approve $(cat id) --yes
retrace: you may not give the command that is asked for, so you cannot approve it
[exit 9]
