# One command sent to many: by filter, by a file of ids; planned, waited for, cancelled, and what was not done.
$ retrace tenants create acme > /dev/null; python3 -c 'print("Customer Id,Company,Level"); [print(f"C-{i},Company {i},{["gold", "silver"][i % 2]}") for i in range(240)]' > people.csv; retrace customers import people.csv --map level=Level | grep created; retrace records create --kind DEAL --customer ext:C-0 --title Pumps > /dev/null

# A filter sends a command to all that it matches; the plan tells which before anything is done.
$ retrace customers update --filter 'level = "silver"' --set level=bronze --plan

$ retrace customers update --filter 'level = "silver"' --set level=bronze --reason "a new scale"; retrace customers list --filter 'level = "bronze"' --all -o jsonl | wc -l

$ retrace customers delete --filter 'level = "gold"' --related refuse --reason "closed down" --acknowledge-count 120

# What was not done to which, and why.
$ retrace operations list -o jsonl | head -1 | python3 -c 'import json,sys; print(json.loads(sys.stdin.readline())["name"])' > operation; retrace operations items $(cat operation); retrace operations show $(cat operation)

# What lies in the bin is what an undelete is about.
$ retrace customers undelete --filter 'level = "gold"' --reason "they are back" --yes; retrace customers list --all -o jsonl | wc -l

# Ids from a file, with one that is there twice and a stranger.
$ (echo ext:C-1; echo "#2"; echo ext:C-3; echo nobody) > ids; retrace customers deactivate --ids-file ids; retrace operations items $(retrace operations list -o jsonl | head -1 | python3 -c 'import json,sys; print(json.loads(sys.stdin.readline())["name"])')

$ retrace customers activate --ids-file - --plan < ids

# On a terminal the plan is shown and confirmed first, and only that is done.
$ printf 'closed down\ny\n' | script -E never -qec "retrace customers delete --ids-file ids --related keep 2>&1 > /dev/null" /dev/null | tail -8; printf '120\n' | script -E never -qec "retrace customers update --filter 'level = \"bronze\"' --set level=tin > /dev/null 2>&1" /dev/null; retrace customers list --filter 'level = "tin"' --all -o jsonl | wc -l

# What somebody wrote since the plan ends it, or is left out; both can be undone.
$ plan() { retrace customers delete --filter 'level = "gold"' --related delete --reason "closed down" "$@" --plan -o json | python3 -c 'import json,sys; print(json.load(sys.stdin)["plan_token"])'; }; plan > token; retrace customers update ext:C-8 --set level=silver > /dev/null; retrace customers delete --filter 'level = "gold"' --related delete --reason "closed down" --plan-token $(cat token)

$ plan() { retrace customers delete --filter 'level = "gold"' --related delete --reason "closed down" "$@" --plan -o json | python3 -c 'import json,sys; print(json.load(sys.stdin)["plan_token"])'; }; plan --on-drift skip > token; retrace customers update ext:C-10 --set level=silver > /dev/null; retrace customers delete --filter 'level = "gold"' --related delete --reason "closed down" --plan-token $(cat token) --on-drift skip

# Not waited for; waited for later; cancelled when it is too late.
$ retrace members create anna --display-name "Anna Snelling" > /dev/null; retrace customers update --filter 'level = "tin"' --set owner=anna --no-wait > started; retrace operations wait $(cat started); retrace operations cancel $(cat started)

$ retrace operations list

# What makes no sense.
$ retrace customers delete --related keep

$ retrace customers delete ext:C-1 --filter 'level = "gold"' --related keep

$ retrace customers update --filter 'level = "gold"' --add-tag vip

$ retrace customers update ext:C-1 --set level=gold --plan

$ retrace customers delete --filter 'nothing = 1' --related keep --reason "a test"

$ retrace customers delete --filter 'level = "gold"' --reason "a test"

$ retrace customers delete --ids-file nowhere --related keep; retrace operations show nobody

$ retrace customers delete --filter 'level = "gold"' --related keep --on-drift wait --reason "a test"
