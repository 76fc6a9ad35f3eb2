# Imports: nothing is silently dropped, nothing happens twice, every fault is told by its line.
$ retrace tenants create acme > /dev/null; cp -r $DATA/faults $DATA/customers.csv $DATA/crm-sales . && chmod -R u+w faults customers.csv crm-sales
committed at position 2, change set 2

$ retrace customers import customers.csv --dry-run
dry run: nothing was written, the server checked nothing
created    120
updated    0
unchanged  0
skipped    0
rejected   0
rows       120

$ retrace customers import customers.csv
created    120
updated    0
unchanged  0
skipped    0
rejected   0
rows       120

$ retrace customers list callahan heather; retrace customers list "+47 043-797-5229"
ID                          NUMBER  NAME              LEVEL  PHONES                      E-MAILS                       OWNER  EXTERNAL ID      STATE
<id 1>                           1  Heather Callahan         043-797-5229; 915.112.1727  urangel@espinoza-francis.net         EB54EF1154C3A78  ACTIVE
ID  NUMBER  NAME  LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE

$ retrace customers get ext:EB54EF1154C3A78
name               tenants/acme/customers/<id 1>
number             1
display_name       Heather Callahan
given_name         Heather
family_name        Callahan
organization_name  Mosley-David
phones             043-797-5229; 915.112.1727
emails             urangel@espinoza-francis.net
addresses          Lake Jeffborough, NO
external_id        EB54EF1154C3A78
attributes         Index=1; Subscription Date=2024-12-15; Website=http://www.escobar.org/; retrace.import/row-hash=<commit 1>
state              ACTIVE
etag               "<etag>"
create_time        <time>
update_time        <time>

# Again: every row is found by its external id and the hash of its values.
$ retrace customers import customers.csv
created    0
updated    0
unchanged  120
skipped    0
rejected   0
rows       120

# One row of the file changes.
$ sed -i '2s/Heather/Heathcliff/' customers.csv; retrace customers import customers.csv; grep skipped customers.csv.report.csv
what became of each row is in customers.csv.report.csv
created    0
updated    0
unchanged  119
skipped    1
rejected   0
rows       120
2,EB54EF1154C3A78,skipped,tenants/acme/customers/<id 1> exists with other values; --on-existing update writes these over them

$ retrace customers import customers.csv --on-existing error
customers.csv, line 2: tenants/acme/customers/<id 1> exists with other values
what became of each row is in customers.csv.report.csv
created    0
updated    0
unchanged  119
skipped    0
rejected   1
rows       120
retrace: 1 of 120 rows were rejected
[exit 4]

$ retrace customers import customers.csv --on-existing update; retrace customers history ext:EB54EF1154C3A78 --limit 1
created    0
updated    1
unchanged  119
skipped    0
rejected   0
rows       120
POSITION  TIME                  ACTOR  METHOD          FIELD                                 BEFORE                            AFTER                             REASON
       5  <time>                root   UpdateCustomer  attributes.`retrace.import/row-hash`  <commit 1>                        <commit 2>
                                                       display_name                          Heather Callahan                  Heathcliff Callahan
                                                       given_name                            Heather                           Heathcliff

# What lies in the recycle bin is not made anew behind anybody's back.
$ retrace customers delete ext:EB54EF1154C3A78 --related refuse --reason tidying > /dev/null; retrace customers import customers.csv; grep skipped customers.csv.report.csv; retrace customers import customers.csv --recreate-deleted
committed at position 7, change set 7
what became of each row is in customers.csv.report.csv
created    0
updated    0
unchanged  119
skipped    1
rejected   0
rows       120
2,EB54EF1154C3A78,skipped,"tenants/acme/customers/<id 1> lies in the recycle bin; undelete it, or say --recreate-deleted"
created    1
updated    0
unchanged  119
skipped    0
rejected   0
rows       120

# Faults of files.
$ retrace customers import faults/bom-and-crlf.csv; retrace customers get ext:F2
created    2
updated    0
unchanged  0
skipped    0
rejected   0
rows       2
name          tenants/acme/customers/<id 2>
number        123
display_name  Bob Jones\u000d\nthe second
given_name    Bob
family_name   Jones\u000d\nthe second
emails        bob@example.com
external_id   F2
attributes    retrace.import/row-hash=<commit 3>
state         ACTIVE
etag          "<etag>"
create_time   <time>
update_time   <time>

$ retrace customers import faults/mixed.csv --report report.csv; cat report.csv
faults/mixed.csv, line 3: customer.display_name: Give this, a given or family name, or an organization name.
faults/mixed.csv, line 4: customer.emails[0]: Is no e-mail address; it looks like name@host.
faults/mixed.csv, line 5: the id is on line 2 already, with other values
faults/mixed.csv, line 7: there are 8 columns, but the heading has 6
faults/mixed.csv, line 8: there are 2 columns, but the heading has 6
what became of each row is in report.csv
created    2
updated    0
unchanged  0
skipped    0
rejected   5
rows       7
retrace: 5 of 7 rows were rejected
line,external_id,result,reason
2,G1,created,
3,G2,rejected,"customer.display_name: Give this, a given or family name, or an organization name."
4,G3,rejected,customer.emails[0]: Is no e-mail address; it looks like name@host.
5,G1,rejected,"the id is on line 2 already, with other values"
6,G4,created,
7,,rejected,"there are 8 columns, but the heading has 6"
8,,rejected,"there are 2 columns, but the heading has 6"

$ retrace customers import faults/wrong-encoding.csv --report report.csv; cat report.csv
faults/wrong-encoding.csv, line 3: column `First Name`: byte 0xfc is not UTF-8; save the file as UTF-8, e.g. iconv -f WINDOWS-1252 -t UTF-8
what became of each row is in report.csv
created    2
updated    0
unchanged  0
skipped    0
rejected   1
rows       3
retrace: 1 of 3 rows were rejected
line,external_id,result,reason
2,L1,created,
3,,rejected,"column `First Name`: byte 0xfc is not UTF-8; save the file as UTF-8, e.g. iconv -f WINDOWS-1252 -t UTF-8"
4,L3,created,

$ retrace customers import faults/missing-column.csv --map family_name="Last Name"
retrace: faults/missing-column.csv: line 1: there is no column `Last Name`; the file has Customer Id, First Name
[exit 2]

$ retrace customers import faults/open-quote.csv --report report.csv; cat report.csv
faults/open-quote.csv, line 3: a quote is opened but never closed
what became of each row is in report.csv
created    2
updated    0
unchanged  0
skipped    0
rejected   1
rows       3
retrace: 1 of 3 rows were rejected
line,external_id,result,reason
2,Q1,created,
3,,rejected,a quote is opened but never closed
4,Q3,created,

$ retrace customers import faults/empty.csv
retrace: faults/empty.csv: the file is empty: there is not even a heading
[exit 2]

$ retrace customers import nowhere.csv
retrace: cannot read nowhere.csv
[exit 11]

$ retrace customers import faults
retrace: cannot read faults
[exit 11]

# A sales pipeline: companies, agents as members, opportunities as deals of both.
$ retrace members import crm-sales/sales_teams.csv; retrace customers import crm-sales/accounts.csv
created    35
updated    0
unchanged  0
skipped    0
rejected   0
rows       35
created    85
updated    0
unchanged  0
skipped    0
rejected   0
rows       85

$ retrace records import crm-sales/sales_pipeline.csv --kind DEAL --customer account --owner sales_agent --currency USD --date-format %m/%d/%Y --missing-customer reject --dry-run
crm-sales/sales_pipeline.csv, line 4: the row names no customer; say --missing-customer none or a customer to take it
crm-sales/sales_pipeline.csv, line 12: the row names no customer; say --missing-customer none or a customer to take it
crm-sales/sales_pipeline.csv, line 15: the row names no customer; say --missing-customer none or a customer to take it
crm-sales/sales_pipeline.csv, line 20: the row names no customer; say --missing-customer none or a customer to take it
crm-sales/sales_pipeline.csv, line 34: the row names no customer; say --missing-customer none or a customer to take it
and 37 more rejected rows
what became of each row is in sales_pipeline.csv.report.csv
dry run: nothing was written, the server checked nothing
created    248
updated    0
unchanged  0
skipped    0
rejected   42
rows       290
retrace: 42 of 290 rows were rejected
[exit 4]

$ retrace records import crm-sales/sales_pipeline.csv --kind DEAL --customer account --owner sales_agent --currency USD --missing-customer none --dry-run 2>&1 | head -3
crm-sales/sales_pipeline.csv, line 2: column `engage_date`: `10/20/2016` is not a time; write 2026-03-31, 2026-03-31T18:00:00 or 2026-03-31T18:00:00Z
crm-sales/sales_pipeline.csv, line 3: column `engage_date`: `11/11/2016` is not a time; write 2026-03-31, 2026-03-31T18:00:00 or 2026-03-31T18:00:00Z
crm-sales/sales_pipeline.csv, line 4: column `engage_date`: `11/20/2016` is not a time; write 2026-03-31, 2026-03-31T18:00:00 or 2026-03-31T18:00:00Z

$ retrace records import crm-sales/sales_pipeline.csv --kind DEAL --customer account --owner sales_agent --currency USD --date-format %m/%d/%Y --missing-customer none
created    290
updated    0
unchanged  0
skipped    0
rejected   0
rows       290

$ retrace summarize
KIND      STATE    STAGE        COUNT            SUM
CUSTOMER  ACTIVE                  213
CUSTOMER  DELETED                   1
DEAL      ACTIVE   Engaging        47
DEAL      ACTIVE   Lost            85       0.00 USD
DEAL      ACTIVE   Prospecting     13
DEAL      ACTIVE   Won            145  340358.00 USD
MEMBER    ACTIVE                   41

# One import is one change set.
$ retrace history change-sets
NUMBER  BEGUN                 ACTOR  METHODS                               TITLE                                 REASON   COMMITS  EVENTS  STATE
    70  <time>                root   BeginChangeSet; BatchCreateRecords    import sales_pipeline.csv [93fa3409]                 3     291  CLOSED
    67  <time>                root   BeginChangeSet; BatchCreateCustomers  import accounts.csv [a6472dc7]                       2      86  CLOSED
    24  <time>                root   BeginChangeSet; CreateMember          import sales_teams.csv [5d707bc3]                   42      42  CLOSED
    21  <time>                root   BeginChangeSet; BatchCreateCustomers  import open-quote.csv [122d9a40]                     2       3  CLOSED
    18  <time>                root   BeginChangeSet; BatchCreateCustomers  import wrong-encoding.csv [c2137e89]                 2       3  CLOSED
    14  <time>                root   BeginChangeSet; BatchCreateCustomers  import mixed.csv [d6ad69fa]                          3       3  CLOSED
    11  <time>                root   BeginChangeSet; BatchCreateCustomers  import bom-and-crlf.csv [15838ba9]                   2       3  CLOSED
     8  <time>                root   BeginChangeSet; BatchCreateCustomers  import customers.csv [3f41910b]                      2       2  CLOSED
     7  <time>                root   DeleteCustomer                                                              tidying        1       1  CLOSED
     4  <time>                root   BeginChangeSet; UpdateCustomer        import customers.csv [3f41910b]                      2       2  CLOSED
     1  <time>                root   BeginChangeSet; BatchCreateCustomers  import customers.csv [aa1da251]                      2     121  CLOSED
