# 3,000 customers are to go. Sales is told a week ahead; one of them objects, 12 stay, the rest goes by timer. A day later it is
# undone, and everyone is told. Time is moved, nothing sleeps.
! start --test-clock

$ retrace tenants create acme > /dev/null; for who in sue bob; do retrace members create $who --display-name "$who" --set team=Sales --set principal=$who > /dev/null; retraced token new --data data --principal $who --role agent --tenant acme > $who; done; python3 -c 'print("Customer Id,Company,Level"); [print(f"C-{i},Company {i},gold") for i in range(3000)]' > people.csv; retrace customers import people.csv --map level=Level 2> /dev/null | grep created; until retrace --token-file sue plans list > /dev/null 2>&1 && retrace --token-file bob plans list > /dev/null 2>&1; do sleep 0.1; done

# Whoever it is announced to must be there, and it is kept for 30 days at most.
$ retrace customers delete --filter 'level = "gold"' --related delete --reason "end of campaign" --acknowledge-count 3000 --announce --to team:Sails; retrace customers delete --filter 'level = "gold"' --related delete --reason "end of campaign" --acknowledge-count 3000 --announce --to team:Sales --until 31d

# What is announced is the plan, as it will be executed.
$ retrace customers delete --filter 'level = "gold"' --related delete --reason "end of campaign" --acknowledge-count 3000 --announce --to team:Sales --message "object by Friday" --until 8d --at 7d 2> /dev/null | grep -v '^until\|^at ' | tee announced; awk '/^announcement/ {print $2}' announced > id

$ retrace --token-file sue plans list -o csv | cut -d, -f2-6; retrace --token-file sue plans show $(cat id) | sed -n '/^WHAT/,/customers/p'

# Those who are told may say so, and object. Nothing happens while an objection was not read.
$ retrace --token-file sue plans acknowledge $(cat id) > /dev/null 2>&1; retrace --token-file bob plans object $(cat id) --words "the first twelve are mine" > /dev/null 2>&1; retrace plans execute $(cat id)

$ retrace --token-file bob plans withdraw $(cat id)

# Twelve are taken out.
$ retrace customers list --filter 'level = "gold"' --limit 12 -o csv | tail -n +2 | cut -d, -f1 | sed 's|^|customers/|; s|customers/tenants|tenants|' > twelve; retrace plans take-out $(cat id) --ids-file twelve --acknowledge-objections 1 2> /dev/null | grep -v '^until\|^at '

# Six days later nothing has happened; on the seventh it executes itself, in the name of who planned it.
$ retrace admin advance-clock 6d > /dev/null; retrace customers list --filter 'level = "gold"' --all -o jsonl | wc -l; retrace admin advance-clock 1d > /dev/null; until retrace plans show $(cat id) | grep -q '^state *EXECUTED'; do sleep 0.1; done; retrace plans show $(cat id) | grep '^state\|^taken\|^result'; retrace customers list --filter 'level = "gold"' --all -o jsonl | wc -l

# After its end nobody can object any more.
$ retrace --token-file bob plans object $(cat id) --words "but"

# The next day it is undone as anything else is, and those who were told hear of it.
$ retrace admin advance-clock 24h > /dev/null; retrace undo $(retrace plans show $(cat id) -o json | python3 -c 'import json,sys; print(json.load(sys.stdin)["result"]["change_set"])') --operation --reason "the campaign goes on" --yes --acknowledge-count 2988 2> /dev/null | grep -v SUCCEEDED; retrace plans show $(cat id) | grep -c '^undone by'; retrace customers list --filter 'level = "gold"' --all -o jsonl | wc -l

# A second one is killed while it executes. It goes on where it was, and does nothing twice.
$ retrace customers delete --filter 'level = "gold"' --related delete --reason "end of campaign" --acknowledge-count 3000 --announce --to team:Sales -o json 2> /dev/null | python3 -c 'import json,sys; print(json.load(sys.stdin)["name"])' > id; retrace plans execute $(cat id) --no-wait | grep '^state'
! kill
! start --test-clock

$ until retrace plans show $(cat id) | grep -q '^state *EXECUTED'; do sleep 0.1; done; retrace plans show $(cat id) | grep '^state\|^result' | sed 's/change set [0-9]*/change set .../'; retrace customers list --filter 'level = "gold"' --all -o jsonl | wc -l; retrace operations list -o jsonl | grep -c '"DeleteCustomer"\|Customers.DeleteCustomer'

# Who may not do it asks those who may; who approves it plans it in their own name.
$ retrace --token-file sue members delete bob --reason "he left" --announce --to principal:bob 2> /dev/null | grep '^state\|^asker'; retrace --token-file sue plans list -o json | python3 -c 'import json,sys; print(json.load(sys.stdin)[0]["name"])' > id; retrace --token-file sue plans approve $(cat id); retrace plans approve $(cat id) --yes 2> /dev/null | grep '^state\|^planner'; retrace plans execute $(cat id) 2> /dev/null | grep '^state'; retrace history commits --limit 20 -o csv | grep DeleteMember | cut -d, -f3-6
