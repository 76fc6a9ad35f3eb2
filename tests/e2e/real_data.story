# Both data sets whole, where RETRACE_TEST_DATA names their folder.
$ retrace tenants create acme > /dev/null; cp $DATA/customers-10000.csv people.csv; cp -r $DATA/crm-sales sales

$ retrace customers import people.csv

$ retrace tenants create sales > /dev/null; export RETRACE_TENANT=sales; retrace members import sales/sales_teams.csv; retrace customers import sales/accounts.csv

$ RETRACE_TENANT=sales retrace records import sales/sales_pipeline.csv --kind DEAL --customer account --owner sales_agent --currency USD --date-format %m/%d/%Y --missing-customer reject --dry-run | tail -12

$ RETRACE_TENANT=sales retrace records import sales/sales_pipeline.csv --kind DEAL --customer account --owner sales_agent --currency USD --date-format %m/%d/%Y --missing-customer none

$ RETRACE_TENANT=sales retrace summarize | grep Won

# Hottechi goes with its deals, and comes back.
$ RETRACE_TENANT=sales retrace customers delete ext:Hottechi --related delete | head -5; RETRACE_TENANT=sales retrace customers list --show-deleted --filter 'display_name = "Hottechi"' -o jsonl | python3 -c 'import json,sys; print(json.loads(sys.stdin.readline())["name"])' > hottechi; RETRACE_TENANT=sales retrace summarize | grep "ACTIVE.*Won"

$ RETRACE_TENANT=sales retrace customers undelete $(cat hottechi) | head -5; RETRACE_TENANT=sales retrace summarize | grep Won

# Kept instead of deleted: the sums do not change.
$ RETRACE_TENANT=sales retrace customers delete $(cat hottechi) --related keep > /dev/null; RETRACE_TENANT=sales retrace summarize | grep Won

! kill
! remove rows
! start
$ RETRACE_TENANT=sales retrace summarize | grep Won; retrace summarize
