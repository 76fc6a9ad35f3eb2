# Two entries of one customer become one, and become two again; a customer gets back the state of a moment.
$ retrace tenants create acme > /dev/null 2>&1; retrace customers create --organization-name Hottechi --external-id H-1 --level gold --emails info@hottechi.example --tags key > /dev/null 2>&1; retrace customers create --organization-name "Hottechi Ltd" --external-id H-2 --emails sales@hottechi.example --phones "+1 415 555 2671" --tags fair > /dev/null 2>&1; retrace records create --kind DEAL --customer ext:H-2 --title Pumps --amount "900 USD" --external-id D-1 > /dev/null 2>&1; retrace history digest 2> /dev/null | head -2 > before; retrace customers list; retrace customers get ext:H-2 -o json | python3 -c 'import json,sys; print(json.load(sys.stdin)["name"].split("/")[3])' > twin
ID                          NUMBER  NAME          LEVEL  PHONES        E-MAILS                 OWNER  EXTERNAL ID  STATE
<id 1>                           1  Hottechi      gold                 info@hottechi.example          H-1          ACTIVE
<id 2>                           2  Hottechi Ltd         +14155552671  sales@hottechi.example         H-2          ACTIVE

# What would the merge do?
$ retrace customers merge ext:H-1 ext:H-2 --plan
Plan at position 3: 3 entities
WHAT HAPPENS     TO            HOW MANY
CustomerUpdated  customers            1
Merged           customers            1
RecordUpdated    records DEAL         1
·
ID                          NAME          WHAT HAPPENS
<id 1>                      Hottechi      CustomerUpdated
<id 2>                      Hottechi Ltd  Merged
<id 3>                      Pumps         RecordUpdated
·
MONEY          OF                AMOUNT
RecordUpdated  records DEAL  900.00 USD
·
All of it could be undone.
note: 1 customer merged, 1 record moved.
nothing was done; to do exactly this, send it again with --plan and --reason TEXT first: a token is for one reason

$ retrace customers merge ext:H-1 ext:H-2 --take organization_name=ext:H-2 --reason "twins" > /dev/null
committed at position 4, change set 4
note: 1 customer merged, 1 record moved.

$ retrace customers show ext:H-1
name               tenants/acme/customers/<id 1>
number             1
display_name       Hottechi
organization_name  Hottechi Ltd
level              gold
phones             +14155552671
emails             info@hottechi.example; sales@hottechi.example
tags               key; fair
external_id        H-1
state              ACTIVE
etag               "<etag>"
create_time        <time>
update_time        <time>
merged_from        <id 2>
·
DEAL: 1, in sum 900.00 USD
ID                          TITLE  STAGE      AMOUNT  OWNER  BEGUN  CLOSED
<id 3>                      Pumps         900.00 USD

# The other one is found by its id only, says where it lives on, and takes no commands.
$ retrace customers get $(cat twin) | grep -E "^(display_name|state|merged_into)"; retrace customers list --filter 'state = MERGED'; retrace customers delete $(cat twin) --related delete --reason "a test"
display_name       Hottechi Ltd
state              MERGED
merged_into        <id 1>
ID                          NUMBER  NAME          LEVEL  PHONES        E-MAILS                 OWNER  EXTERNAL ID  STATE
<id 2>                           2  Hottechi Ltd         +14155552671  sales@hottechi.example         H-2          MERGED
retrace: The customer `tenants/acme/customers/<id 2>` was merged and lives on in `tenants/acme/customers/<id 1>`. Use `tenants/acme/customers/<id 1>`, or undo the merge. (MERGED_AWAY)
  see tenants/acme/customers/<id 2>
[exit 8]

$ retrace records create --kind NOTE --title "Ask again" --customer $(cat twin)
retrace: record.customer: the customer `tenants/acme/customers/<id 2>` was merged and lives on in `tenants/acme/customers/<id 1>`. Name `tenants/acme/customers/<id 1>`, or leave it empty. (REFERENCE_BROKEN)
  tenants/acme/customers/<id 2>: was merged
  see tenants/acme/customers/<id 2>
[exit 8]

$ retrace explain customers/$(cat twin); retrace summarize
customers/<id 2> is MERGED at revision 2.
  4  <time>                It was merged into customers/<id 1>: MergeCustomers by root, because "twins".
  2  <time>                It was created: CreateCustomer by root.
KIND      STATE   STAGE  COUNT         SUM
CUSTOMER  ACTIVE             1
CUSTOMER  MERGED             1
DEAL      ACTIVE             1  900.00 USD

# They were two customers after all.
$ retrace undo 4 --reason "two companies"; retrace customers list; retrace history digest 2> /dev/null | head -2 | diff - before && echo "the same digest"
tenants/acme/customers/<id 1>
tenants/acme/customers/<id 2>
tenants/acme/records/<id 3>
committed at position 5, change set 5
ID                          NUMBER  NAME          LEVEL  PHONES        E-MAILS                 OWNER  EXTERNAL ID  STATE
<id 1>                           1  Hottechi      gold                 info@hottechi.example          H-1          ACTIVE
<id 2>                           2  Hottechi Ltd         +14155552671  sales@hottechi.example         H-2          ACTIVE
the same digest

$ retrace records get ext:D-1 | grep -E "^(customer|title)"; retrace explain customers/$(cat twin)
customer     <id 2>
title        Pumps
customers/<id 2> is ACTIVE at revision 3.
  5  <time>                It was taken out of customers/<id 1> again: Undo by root, because "two companies", which took back what was done at position 4.
  4  <time>                It was merged into customers/<id 1>: MergeCustomers by root, because "twins"; taken back at position 5.
  2  <time>                It was created: CreateCustomer by root.

# Redone, and undone once more while a later change stands.
$ retrace redo 5 --reason "one company, says the register" > /dev/null; retrace customers update ext:H-1 --set emails=new@hottechi.example > /dev/null; retrace undo 6 --reason "no, two"
committed at position 6, change set 6
committed at position 7, change set 7
retrace: One change stands in the way, first tenants/acme/customers/<id 1> emails["sales@hottechi.example"]: Is not there, as it was before; changed by root at <time> in change set 7. GetUndoConflicts lists them. Undo the later changes first, or use PARTIAL, which leaves them. (UNDO_CONFLICT)
  tenants/acme/customers/<id 1> emails["sales@hottechi.example"]: Is not there, as it was before; changed by root at <time> in change set 7.
[exit 8]

$ retrace undo 6 --reason "no, two" --mode partial > /dev/null; retrace customers list
committed at position 8, change set 8
note: One value was left as changed since; GetUndoConflicts lists it.
ID                          NUMBER  NAME          LEVEL  PHONES        E-MAILS                 OWNER  EXTERNAL ID  STATE
<id 1>                           1  Hottechi      gold                 new@hottechi.example           H-1          ACTIVE
<id 2>                           2  Hottechi Ltd         +14155552671  sales@hottechi.example         H-2          ACTIVE

# One customer gets back the state of a moment, as a change like any other.
$ retrace history restore-to customers/ext:H-1 --as-of 1 --plan
Plan at position 8: 1 entity
WHAT HAPPENS  TO         HOW MANY
RestoredTo    customers         1
·
ID                          NAME      WHAT HAPPENS
<id 1>                      Hottechi  RestoredTo
·
All of it could be undone.
nothing was done; to do exactly this, send it again with --plan and --reason TEXT first: a token is for one reason

$ retrace history restore-to customers/ext:H-1 --as-of 1 --reason "as it began" 2>&1 | grep -E "^(committed|display_name|emails|level|tags)"; retrace history replay customers/ext:H-1 --from 7
display_name       Hottechi
level              gold
emails             info@hottechi.example
tags               key
committed at position 9, change set 9
1. <time>                root  UpdateCustomer  (position 7)
  customers/<id 1>                      CustomerUpdated
    emails: info@hottechi.example → -
    emails: sales@hottechi.example → -
    emails: - → new@hottechi.example
2. <time>                root  Undo, because: no, two  (position 8, takes back change set 6)
  customers/<id 1>                      Reverted
    merged_from: tenants/acme/customers/<id 2> → -
    organization_name: Hottechi Ltd → Hottechi
    phones["+1 415 555 2671"]: {"e164":"+14155552671","raw":"+1 415 555 2671"} → -
    tags: fair → -
3. <time>                root  RestoreTo, because: as it began  (position 9)
  customers/<id 1>                      RestoredTo
    emails: new@hottechi.example → -
    emails: - → info@hottechi.example
3 commits, up to position 9

$ retrace undo 9 --reason "too far" > /dev/null; retrace customers list
committed at position 10, change set 10
ID                          NUMBER  NAME          LEVEL  PHONES        E-MAILS                 OWNER  EXTERNAL ID  STATE
<id 1>                           1  Hottechi      gold                 new@hottechi.example           H-1          ACTIVE
<id 2>                           2  Hottechi Ltd         +14155552671  sales@hottechi.example         H-2          ACTIVE

# What cannot be done.
$ retrace customers merge ext:H-1 ext:H-1; retrace customers merge ext:H-1 ext:H-2 --take wolves=ext:H-1; retrace history restore-to records/ext:D-1 --as-of 1; retrace history restore-to records/ext:D-1
retrace: losers[0] takes part already. (INVALID_FIELD)
  losers[0]: Name each customer once, and not the survivor.
retrace: `wolves` is no field that can be chosen. (INVALID_FIELD)
  fields[0].field: Name a field like `phones`.
retrace: There was no `tenants/acme/records/<id 3>` at position 1. Choose a moment from position 3 on. (ENTITY_NOT_FOUND)
  see tenants/acme/records/<id 3>
retrace: --as-of says to which moment
[exit 2]

$ retraced token new --data data --principal agent --role agent --tenant acme > agent; until retrace --token-file agent customers list > /dev/null 2>&1; do sleep 0.1; done; retrace --token-file agent customers merge ext:H-1 ext:H-2 2>&1 | cut -c1-60; retrace --token-file agent history restore-to customers/ext:H-1 --as-of 1 2>&1 | cut -c1-60
retrace: Your roles do not grant customers.merge. Ask whoeve
retrace: Your roles do not grant history.restore-to. Ask who
