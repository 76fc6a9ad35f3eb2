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
$ retrace --token-file ann customers delete --filter 'number >= 1' --related delete --reason "end of the spring campaign" --yes --acknowledge-count 10000 2>&1 | sed -E 's/change set [0-9]+/change set .../'

$ retrace summarize; retrace customers list

# On Monday they are missed. What happened?
$ retrace history change-sets --limit 1 -o csv | cut -d, -f3,4,6,8,9,10,11; retrace operations list -o csv | cut -d, -f2,3,8-13,14,15

# Too many for one commit; the undo is an operation, too. It is looked at first.
$ retrace history change-sets --limit 1 -o jsonl | python3 -c 'import json,sys; print(json.loads(sys.stdin.readline())["number"])' > number; retrace undo $(cat number) --reason "it was the wrong filter"

$ retrace undo $(cat number) --operation --plan --reason "it was the wrong filter" 2>&1 | sed -E '/^$/,/^All/d; s/position [0-9]+/position .../'

$ retrace undo $(cat number) --operation --plan --reason "it was the wrong filter" -o json > plan; python3 -c 'import json; print(json.load(open("plan"))["plan_token"])' > token; retrace undo $(cat number) --operation --reason "it was the wrong filter" --plan-token $(cat token) 2>&1 | sed -E 's/change set [0-9]+/change set .../'

$ retrace summarize; retrace history digest | head -2 | diff before - && echo "the same digest"

# Done twice it finds nothing left to take back, and says so of each part.
$ retrace undo $(cat number) --operation --reason "it was the wrong filter" 2> /dev/null; retrace operations items $(retrace operations list --limit 1 -o jsonl | python3 -c 'import json,sys; print(json.loads(sys.stdin.readline())["name"])') --limit 1 -o csv | cut -d, -f2-; retrace history digest | head -2 | diff before - && echo "the same digest"
