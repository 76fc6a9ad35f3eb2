# Imports: nothing is silently dropped, nothing happens twice, every fault is told by its line.
$ retrace tenants create acme > /dev/null; cp -r $DATA/faults $DATA/customers.csv $DATA/crm-sales $WORK/ && chmod -R u+w $WORK/faults

$ retrace customers import customers.csv --dry-run

$ retrace customers import customers.csv

$ retrace customers list Callahan

# Again: every row is found by its external id and hash.
$ retrace customers import customers.csv

# One row of the file changes.
$ sed -i '2s/Heather/Heathcliff/' customers.csv; retrace customers import customers.csv

$ retrace customers import customers.csv --on-existing update

$ retrace customers import faults/bom-and-crlf.csv

$ retrace customers import faults/mixed.csv --report report.csv; cat report.csv

$ retrace customers import faults/wrong-encoding.csv --report -

$ retrace customers import faults/missing-column.csv --map family_name="Last Name"

$ retrace customers import faults/open-quote.csv

$ retrace customers import faults/empty.csv

$ retrace customers import nowhere.csv

# A sales pipeline: companies, agents as members, opportunities as deals of both.
$ retrace members import crm-sales/sales_teams.csv; retrace customers import crm-sales/accounts.csv

$ retrace records import crm-sales/sales_pipeline.csv --kind DEAL --customer account --owner sales_agent --currency USD --date-format %m/%d/%Y --missing-customer reject --dry-run

$ retrace records import crm-sales/sales_pipeline.csv --kind DEAL --customer account --owner sales_agent --currency USD --date-format %m/%d/%Y --missing-customer none

$ retrace summarize

# One import is one change set.
$ retrace history change-sets --filter 'title:"import"'
