# Every list, get, search, count and digest can be asked of the past.
$ retrace tenants create acme > /dev/null
committed at position 2, change set 2

$ retrace customers create --organization-name Hottechi --external-id H-1 --level gold > /dev/null
committed at position 1, change set 1

$ retrace customers create --organization-name Betasoloin --external-id B-1 --level gold > /dev/null
committed at position 2, change set 2

$ retrace records create --kind DEAL --customer ext:B-1 --title "Twelve machines" --amount "1200.50 USD" --stage Won --external-id D-1 > /dev/null
committed at position 3, change set 3

$ retrace history digest | tee digest
content_digest  <hash>
entity_count    3
answered        position 3 of epoch <epoch 1>

$ retrace customers update ext:H-1 --set level=silver --set organization_name="Hottechi Holding" > /dev/null
committed at position 4, change set 4

$ retrace customers delete ext:B-1 --related delete --reason tidying > /dev/null
committed at position 5, change set 5
note: 1 record deleted, 0 kept.

$ retrace customers list; retrace records list
ID                          NUMBER  NAME              LEVEL   PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
<id 1>                           1  Hottechi Holding  silver                          H-1          ACTIVE
ID  KIND  TITLE  CUSTOMER  OWNER  AMOUNT  STAGE  CLOSED  EXTERNAL ID  STATE

# Position 3 was before that.
$ retrace customers list --as-of 3
answered at position 3, committed <time>
ID                          NUMBER  NAME        LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
<id 1>                           1  Hottechi    gold                           H-1          ACTIVE
<id 2>                           2  Betasoloin  gold                           B-1          ACTIVE

$ retrace customers list --as-of 3 --filter 'level = "gold"'
answered at position 3, committed <time>
ID                          NUMBER  NAME        LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
<id 1>                           1  Hottechi    gold                           H-1          ACTIVE
<id 2>                           2  Betasoloin  gold                           B-1          ACTIVE

$ retrace customers list holding; retrace customers list holding --as-of 3
ID                          NUMBER  NAME              LEVEL   PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
<id 1>                           1  Hottechi Holding  silver                          H-1          ACTIVE
answered at position 3, committed <time>
ID  NUMBER  NAME  LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE

$ retrace customers get ext:H-1 --as-of 3
answered at position 3, committed <time>
name               tenants/acme/customers/<id 1>
number             1
display_name       Hottechi
organization_name  Hottechi
level              gold
external_id        H-1
state              ACTIVE
etag               "<etag>"
create_time        <time>
update_time        <time>

$ retrace customers show ext:B-1 --as-of 3
answered at position 3, committed <time>
name               tenants/acme/customers/<id 2>
number             2
display_name       Betasoloin
organization_name  Betasoloin
level              gold
external_id        B-1
state              ACTIVE
etag               "<etag>"
create_time        <time>
update_time        <time>
·
DEAL: 1, in sum 1200.50 USD
ID                          TITLE            STAGE       AMOUNT  OWNER  BEGUN  CLOSED
<id 3>                      Twelve machines  Won    1200.50 USD

$ retrace summarize; retrace summarize --as-of 3
KIND      STATE    STAGE  COUNT          SUM
CUSTOMER  ACTIVE              1
CUSTOMER  DELETED             1
DEAL      DELETED  Won        1  1200.50 USD
answered at position 3, committed <time>
KIND      STATE   STAGE  COUNT          SUM
CUSTOMER  ACTIVE             2
DEAL      ACTIVE  Won        1  1200.50 USD

$ retrace history digest --as-of 3 2> /dev/null | diff - digest && echo "the same digest"
the same digest

# Before anything was.
$ retrace customers list --as-of 0
answered at position 0
ID  NUMBER  NAME  LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE

# A time means the last commit at or before it.
$ retrace customers list --as-of "$(retrace history commits -o jsonl | python3 -c 'import json,sys; print([c["commit_time"] for c in map(json.loads, sys.stdin) if c["position"] == "2"][0])')"
as of <time>
answered at position 2, committed <time>
ID                          NUMBER  NAME        LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
<id 1>                           1  Hottechi    gold                           H-1          ACTIVE
<id 2>                           2  Betasoloin  gold                           B-1          ACTIVE

$ retrace customers list --as-of 99
retrace: Position 99 of as_of lies in the future: tenant acme has come to 5. Leave as_of unset to ask about now. (FUTURE_AS_OF)
  as_of.position: must be at most 5
[exit 5]

$ retrace customers list --as-of 2999-01-01T00:00:00Z
as of 2999-01-01T00:00:00+00:00
retrace: The time 2999-01-01T00:00:00Z of as_of lies in the future. Leave as_of unset to ask about now. (FUTURE_AS_OF)
  as_of.time: must not lie in the future
[exit 5]

$ retrace customers list --as-of yesterday
retrace: --as-of: `yesterday` is not a time; write 2026-03-31, 2026-03-31T18:00:00 or 2026-03-31T18:00:00Z, or the number of a position
[exit 2]

# What happened, by whom, newest first; and the other way round.
$ retrace history commits --view changes
5  <time>                root  DeleteCustomer  customers/<id 2>, records/<id 3>                      (tidying)
  request id <request 1>
  stored hash <hash>
  Deleted customers/<id 2> revision 2
    state: ACTIVE → DELETED
  Deleted records/<id 3> revision 2
    state: ACTIVE → DELETED
4  <time>                root  UpdateCustomer  customers/<id 1>
  request id <request 2>
  stored hash <hash>
  CustomerUpdated customers/<id 1> revision 2
    display_name: Hottechi → Hottechi Holding
    level: gold → silver
    organization_name: Hottechi → Hottechi Holding
3  <time>                root  CreateRecord  records/<id 3>
  request id <request 3>
  stored hash <hash>
  RecordCreated records/<id 3> revision 1
    amount.currency: - → USD
    amount.minor_units: - → 120050
    customer: - → tenants/acme/customers/<id 2>
    external_id: - → D-1
    kind: - → DEAL
    stage: - → Won
    state: - → ACTIVE
    title: - → Twelve machines
2  <time>                root  CreateCustomer  customers/<id 2>
  request id <request 4>
  stored hash <hash>
  CustomerCreated customers/<id 2> revision 1
    display_name: - → Betasoloin
    external_id: - → B-1
    level: - → gold
    number: - → 2
    organization_name: - → Betasoloin
    state: - → ACTIVE
1  <time>                root  CreateCustomer  customers/<id 1>
  request id <request 5>
  stored hash <hash>
  CustomerCreated customers/<id 1> revision 1
    display_name: - → Hottechi
    external_id: - → H-1
    level: - → gold
    number: - → 1
    organization_name: - → Hottechi
    state: - → ACTIVE

$ retrace history change-sets --oldest-first
NUMBER  BEGUN                 ACTOR  METHODS         TITLE  REASON   COMMITS  EVENTS  STATE
     1  <time>                root   CreateCustomer                        1       1  CLOSED
     2  <time>                root   CreateCustomer                        1       1  CLOSED
     3  <time>                root   CreateRecord                          1       1  CLOSED
     4  <time>                root   UpdateCustomer                        1       1  CLOSED
     5  <time>                root   DeleteCustomer         tidying        1       2  CLOSED

$ retrace history commits --kind records --oldest-first
POSITION  TIME                  ACTOR  METHOD          ENTITIES                                                                  REASON
       3  <time>                root   CreateRecord    records/<id 3>
       5  <time>                root   DeleteCustomer  customers/<id 2>, records/<id 3>                      tidying

$ retrace history commits --filter 'method = "retrace.v1.Customers.UpdateCustomer"'
POSITION  TIME                  ACTOR  METHOD          ENTITIES                              REASON
       4  <time>                root   UpdateCustomer  customers/<id 1>

$ retrace history commit 4 --view events
4  <time>                root  UpdateCustomer  customers/<id 1>
  request id <request 2>
  stored hash <hash>
  CustomerUpdated customers/<id 1> revision 2
    display_name: Hottechi → Hottechi Holding
    level: gold → silver
    organization_name: Hottechi → Hottechi Holding
    {"customer":{"display_name":"Hottechi Holding","level":"silver","organization_name":"Hottechi Holding"},"update_mask":"level,organizationName,displayName"}

# Several commands that belong together.
$ retrace history begin "spring clean"; retrace --change-set 6 customers create --organization-name One > /dev/null; retrace --change-set 6 customers create --organization-name Two > /dev/null; retrace history end 6; retrace history change-sets --limit 2
name           tenants/acme/changeSets/6
number         6
title          spring clean
state          OPEN
actor          root
methods        BeginChangeSet
begin_time     <time>
last_time      <time>
last_position  6
commit_count   1
event_count    1
expire_time    <time>
committed at position 6, change set 6
pass --change-set 6 to the commands that belong to it
committed at position 7, change set 6
committed at position 8, change set 6
name           tenants/acme/changeSets/6
number         6
title          spring clean
state          CLOSED
actor          root
methods        BeginChangeSet; CreateCustomer
begin_time     <time>
last_time      <time>
last_position  8
commit_count   3
event_count    3
end_time       <time>
expire_time    <time>
committed at position 9, change set 9
NUMBER  BEGUN                 ACTOR  METHODS                         TITLE         REASON   COMMITS  EVENTS  STATE
     6  <time>                root   BeginChangeSet; CreateCustomer  spring clean                 3       3  CLOSED
     5  <time>                root   DeleteCustomer                                tidying        1       2  CLOSED

# Watching from the start.
$ retrace watch --from-start --until-caught-up --kind records
3  <time>                root  CreateRecord  records/<id 3>
  request id <request 3>
  stored hash <hash>
  RecordCreated records/<id 3> revision 1
5  <time>                root  DeleteCustomer  customers/<id 2>, records/<id 3>                      (tidying)
  request id <request 1>
  stored hash <hash>
  Deleted customers/<id 2> revision 2
  Deleted records/<id 3> revision 2
caught up at position 9 of epoch <epoch 1>
go on with --after 9 --epoch <epoch 1>
