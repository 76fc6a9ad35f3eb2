# kill -9 in the middle of an import; start, and import again: no row lost, none twice. Runs on an excerpt and on the whole files.
$ retrace tenants create acme > /dev/null; cp $DATA/customers-10000.csv people.csv 2> /dev/null || cp $DATA/customers.csv people.csv; cp -r $DATA/crm-sales sales; cat > counts <<'END'
> # counts FILE COLUMN NOUN: the rows of the file against what is there.
> import csv, json, subprocess, sys
> file, column, noun = sys.argv[1:]
> rows = [row[column] for row in csv.DictReader(open(file))]
> lines = subprocess.run(["retrace", noun, "list", "--all", "-o", "jsonl"], stdout=subprocess.PIPE, check=True).stdout.splitlines()
> there = [json.loads(line)["external_id"] for line in lines]
> print("each row is there once:", sorted(there) == sorted(rows))
> END
committed at position 2, change set 2

$ (retrace customers import people.csv --timeout 10s > first 2>&1; echo "[exit $?]" >> first) > /dev/null 2>&1 & until [ "$(retrace summarize -o csv | grep -c CUSTOMER)" != 0 ]; do sleep 0.02; done

! kill
$ until grep -q exit first; do sleep 0.1; done; grep -qE "exit (0|3)" first || cat first

! start
$ retrace customers import people.csv -o json | python3 -c 'import json,sys; total = json.load(sys.stdin); print("accounted for:", total["created"] + total["unchanged"] == total["rows"])'; python3 counts people.csv "Customer Id" customers
accounted for: True
each row is there once: True

$ retrace tenants create sales > /dev/null; export RETRACE_TENANT=sales; retrace members import sales/sales_teams.csv > /dev/null; retrace customers import sales/accounts.csv > /dev/null; (retrace records import sales/sales_pipeline.csv --kind DEAL --customer account --owner sales_agent --currency USD --date-format %m/%d/%Y --missing-customer none --timeout 10s > second 2>&1; echo "[exit $?]" >> second) > /dev/null 2>&1 & until [ "$(retrace summarize -o csv 2> /dev/null | grep -c DEAL)" != 0 ]; do sleep 0.02; done
committed at position 3, change set 3

! kill
! remove rows
$ until grep -q exit second; do sleep 0.1; done; grep -qE "exit (0|3)" second || cat second

! start
$ export RETRACE_TENANT=sales; retrace records import sales/sales_pipeline.csv --kind DEAL --customer account --owner sales_agent --currency USD --date-format %m/%d/%Y --missing-customer none -o json | python3 -c 'import json,sys; total = json.load(sys.stdin); print("accounted for:", total["created"] + total["unchanged"] == total["rows"])'; python3 counts sales/sales_pipeline.csv opportunity_id records
accounted for: True
each row is there once: True

# What was done is one change set: the second import went on with the open one of the first.
$ RETRACE_TENANT=sales retrace history change-sets --filter 'title = "import sales_pipeline*"' -o jsonl | wc -l
1

$ retrace admin verify | head -1
ok       true
