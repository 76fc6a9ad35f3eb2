# Both data sets whole, where RETRACE_TEST_DATA names their folder.
$ retrace tenants create acme > /dev/null; retrace tenants create sales > /dev/null; cp $DATA/customers-10000.csv people.csv; cp -r $DATA/crm-sales sales
committed at position 2, change set 2
committed at position 3, change set 3

$ retrace customers import people.csv; retrace summarize
created    10000
updated    0
unchanged  0
skipped    0
rejected   0
rows       10000
KIND      STATE   STAGE  COUNT  SUM
CUSTOMER  ACTIVE         10000

$ retrace customers list callahan heather; retrace customers list "043-797-5229"
ID                          NUMBER  NAME              LEVEL  PHONES                      E-MAILS                       OWNER  EXTERNAL ID      STATE
<id 1>                           1  Heather Callahan         043-797-5229; 915.112.1727  urangel@espinoza-francis.net         EB54EF1154C3A78  ACTIVE
ID                          NUMBER  NAME              LEVEL  PHONES                      E-MAILS                       OWNER  EXTERNAL ID      STATE
<id 1>                           1  Heather Callahan         043-797-5229; 915.112.1727  urangel@espinoza-francis.net         EB54EF1154C3A78  ACTIVE

$ export RETRACE_TENANT=sales; retrace members import sales/sales_teams.csv; retrace customers import sales/accounts.csv
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

# Opportunities that name no company: rejected, or kept without one.
$ RETRACE_TENANT=sales retrace records import sales/sales_pipeline.csv --kind DEAL --customer account --owner sales_agent --currency USD --date-format %m/%d/%Y --missing-customer reject
sales/sales_pipeline.csv, line 11: the row names no customer; say --missing-customer none or a customer to take it
sales/sales_pipeline.csv, line 44: the row names no customer; say --missing-customer none or a customer to take it
sales/sales_pipeline.csv, line 46: the row names no customer; say --missing-customer none or a customer to take it
sales/sales_pipeline.csv, line 58: the row names no customer; say --missing-customer none or a customer to take it
sales/sales_pipeline.csv, line 62: the row names no customer; say --missing-customer none or a customer to take it
and 1420 more rejected rows
what became of each row is in sales_pipeline.csv.report.csv
created    7375
updated    0
unchanged  0
skipped    0
rejected   1425
rows       8800
retrace: 1425 of 8800 rows were rejected
[exit 4]

$ RETRACE_TENANT=sales retrace records import sales/sales_pipeline.csv --kind DEAL --customer account --owner sales_agent --currency USD --date-format %m/%d/%Y --missing-customer none
created    1425
updated    0
unchanged  7375
skipped    0
rejected   0
rows       8800

$ export RETRACE_TENANT=sales; retrace summarize
KIND      STATE   STAGE        COUNT              SUM
CUSTOMER  ACTIVE                  85
DEAL      ACTIVE  Engaging      1589
DEAL      ACTIVE  Lost          2473         0.00 USD
DEAL      ACTIVE  Prospecting    500
DEAL      ACTIVE  Won           4238  10005534.00 USD
MEMBER    ACTIVE                  41

# No value is absent, not 0; a product is spelt otherwise than in the price list; a sector is misspelt.
$ export RETRACE_TENANT=sales; for filter in 'NOT customer:*' 'NOT amount:*' 'attributes.product = GTXPro' 'attributes.product = "GTX Pro"'; do echo "$filter: $(retrace records list --all --filter "$filter" -o jsonl | wc -l)"; done; echo "technolgy: $(retrace customers list --all --filter 'attributes.sector = technolgy' -o jsonl | wc -l)"
NOT customer:*: 1425
NOT amount:*: 2089
attributes.product = GTXPro: 1480
attributes.product = "GTX Pro": 0
technolgy: 12

$ RETRACE_TENANT=sales retrace customers show ext:Hottechi
name               tenants/sales/customers/<id 2>
number             36
display_name       Hottechi
organization_name  Hottechi
addresses          KR
external_id        Hottechi
attributes         employees=16499; retrace.import/row-hash=<commit 1>; revenue=8170.38; sector=technolgy; year_established=1997
state              ACTIVE
etag               "<etag>"
create_time        <time>
update_time        <time>
·
DEAL: 200, in sum 194957.00 USD
ID                          TITLE                     STAGE             AMOUNT  OWNER             BEGUN                 CLOSED
<id 3>                      MG Special, Hottechi      Prospecting               niesha-huffines
<id 4>                      GTX Basic, Hottechi       Prospecting               gladys-colclough
<id 5>                      GTXPro, Hottechi          Won          4433.00 USD  maureen-marcano   2017-12-26 00:00:00Z  2017-12-29 00:00:00Z
<id 6>                      MG Special, Hottechi      Won            61.00 USD  vicki-laflamme    2017-12-21 00:00:00Z  2017-12-28 00:00:00Z
<id 7>                      GTX Plus Basic, Hottechi  Won          1075.00 USD  maureen-marcano   2017-12-12 00:00:00Z  2017-12-26 00:00:00Z
and 195 older

# Hottechi goes with its deals, and comes back.
$ export RETRACE_TENANT=sales; retrace history digest | head -2 | tee digest; retrace customers delete ext:Hottechi --related delete --reason tidying --acknowledge-count 201; retrace summarize | grep -E "STATE|Won"
content_digest  <hash>
entity_count    8926
ID                          NUMBER  NAME      LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
<id 2>                          36  Hottechi                                 Hottechi     DELETED
committed at position 139, change set 139
note: 200 records deleted, 0 kept.
KIND      STATE    STAGE        COUNT             SUM
DEAL      ACTIVE   Won           4127  9810577.00 USD
DEAL      DELETED  Won            111   194957.00 USD

$ export RETRACE_TENANT=sales; retrace customers undelete ext:Hottechi --reason tidying --acknowledge-count 201; retrace summarize | grep -E "STATE|Won"; retrace history digest | head -2 | diff - digest && echo "the same digest"
ID                          NUMBER  NAME      LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
<id 2>                          36  Hottechi                                 Hottechi     ACTIVE
committed at position 140, change set 140
note: 200 records restored, 0 attached again.
KIND      STATE   STAGE        COUNT              SUM
DEAL      ACTIVE  Won           4238  10005534.00 USD
the same digest

# Kept instead of deleted: the sums do not change.
$ export RETRACE_TENANT=sales; retrace customers delete ext:Hottechi --related keep --reason tidying --acknowledge-count 201; retrace summarize | grep -E "STATE|Won"; retrace customers undelete ext:Hottechi --reason tidying --acknowledge-count 201 > /dev/null; retrace history digest | head -2 | diff - digest && echo "the same digest"
ID                          NUMBER  NAME      LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
<id 2>                          36  Hottechi                                 Hottechi     DELETED
committed at position 141, change set 141
note: 0 records deleted, 200 kept.
KIND      STATE    STAGE        COUNT              SUM
DEAL      ACTIVE   Won           4238  10005534.00 USD
committed at position 142, change set 142
note: 0 records restored, 200 attached again.
the same digest

# As of the moment before all that, and after it.
$ export RETRACE_TENANT=sales; retrace history change-sets --limit 8; retrace summarize | md5sum > now; retrace --tenant acme history digest | head -2 > people
NUMBER  BEGUN                 ACTOR  METHODS                               TITLE                                 REASON   COMMITS  EVENTS  STATE
   142  <time>                root   UndeleteCustomer                                                            tidying        1     201  CLOSED
   141  <time>                root   DeleteCustomer                                                              tidying        1     201  CLOSED
   140  <time>                root   UndeleteCustomer                                                            tidying        1     201  CLOSED
   139  <time>                root   DeleteCustomer                                                              tidying        1     201  CLOSED
    93  <time>                root   BeginChangeSet; BatchCreateRecords    import sales_pipeline.csv [050e88e0]                45    1426  CLOSED
    47  <time>                root   BeginChangeSet; BatchCreateRecords    import sales_pipeline.csv [050e88e0]                45    7376  CLOSED
    44  <time>                root   BeginChangeSet; BatchCreateCustomers  import accounts.csv [a6472dc7]                       2      86  CLOSED
     1  <time>                root   BeginChangeSet; CreateMember          import sales_teams.csv [5d707bc3]                   42      42  CLOSED

# An auditor takes both tenants along and rebuilds them without the server: the same digest at 20 positions of each.
$ for tenant in acme sales; do retrace --tenant $tenant history export --file $tenant.retrace --keys $tenant.keys 2> /dev/null; python3 -c 'import random,sys; random.seed(sys.argv[1]); print(*random.sample(range(1, int(sys.argv[2]) + 1), 20))' $tenant $(retrace --tenant $tenant history digest -o json | python3 -c 'import json,sys; print(json.load(sys.stdin)["answered"]["position"])') > $tenant.positions; for position in $(cat $tenant.positions); do retrace --tenant $tenant history digest --as-of $position 2> /dev/null | head -2; done > $tenant.live; wc -w < $tenant.positions; done
20
20

! stop
$ for tenant in acme sales; do for position in $(cat $tenant.positions); do retrace replay $tenant.retrace --keys $tenant.keys --until $position 2> /dev/null | head -2; done | diff - $tenant.live && echo "the same digests"; sort -u $tenant.live | grep -c content_digest; done
the same digests
20
the same digests
20

# One event altered by somebody who makes all sums fit: from there on, the digests differ.
$ python3 "$STORIES/alter_export.py" sales.retrace altered.retrace Engaging Whatever; for position in $(cat sales.positions); do retrace replay altered.retrace --keys sales.keys --until $position 2> /dev/null | head -1; done > altered.digests; grep -c content_digest altered.digests; grep content_digest sales.live | diff altered.digests - | grep -c "^<"
20
16

! start

! kill
! remove rows
! start
$ export RETRACE_TENANT=sales; retrace summarize | md5sum | diff - now && echo "the same sums"; retrace history digest | head -2 | diff - digest && echo "the same digest"; retrace --tenant acme history digest | head -2 | diff - people && echo "the same digest"
the same sums
the same digest
the same digest

$ retrace admin verify
ok       true
commits  197
