# Deleting a customer says what becomes of its records; undelete brings back exactly what that deletion took.
$ retrace tenants create acme > /dev/null
committed at position 2, change set 2

$ retrace customers create --organization-name Hottechi --external-id H-1 > /dev/null
committed at position 1, change set 1

$ retrace records create --kind DEAL --customer ext:H-1 --title "Deal one" --amount "100 USD" --stage Won --external-id D-1 > /dev/null
committed at position 2, change set 2

$ retrace records create --kind DEAL --customer ext:H-1 --title "Deal two" --amount "250 USD" --stage Won --external-id D-2 > /dev/null
committed at position 3, change set 3

$ retrace records create --kind NOTE --customer ext:H-1 --title "A note" --external-id N-1 > /dev/null
committed at position 4, change set 4

# Nothing is guessed.
$ retrace customers delete ext:H-1 --reason tidying
retrace: tenants/acme/customers/<id 1> has records without a choice: 2 DEAL, 1 NOTE. Say in `related` what becomes of them: DELETE, KEEP or REFUSE. (RELATED_CHOICE_MISSING)
  related: Choose DELETE, KEEP or REFUSE for all, or for each kind.
  say --related delete, keep or refuse; for one kind, e.g. --related-kind DEAL=keep
[exit 5]

$ retrace customers delete ext:H-1 --related refuse --reason tidying
retrace: tenants/acme/customers/<id 1> has 2 DEAL, 1 NOTE. Delete or move them first, or choose DELETE or KEEP for them. (RELATED_EXIST)
  DEAL: 2 records
  NOTE: 1 record
[exit 8]

# Deal two is deleted on its own: it does not come back with the customer.
$ retrace records delete ext:D-2 --reason "a duplicate"
ID                          KIND  TITLE     CUSTOMER                    OWNER      AMOUNT  STAGE  CLOSED  EXTERNAL ID  STATE
<id 2>                      DEAL  Deal two  <id 1>                             250.00 USD  Won            D-2          DELETED
committed at position 5, change set 5

$ retrace history digest > before; retrace customers delete ext:H-1 --related delete --reason tidying > /dev/null; retrace customers undelete ext:H-1 --reason tidying; retrace history digest | head -2 | diff <(head -2 before) - && echo "the same digest"
committed at position 6, change set 6
note: 2 records deleted, 0 kept.
ID                          NUMBER  NAME      LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
<id 1>                           1  Hottechi                                 H-1          ACTIVE
committed at position 7, change set 7
note: 2 records restored, 0 attached again.
note: Left as they are, since they were deleted otherwise: tenants/acme/records/<id 2>.
the same digest

$ retrace customers delete ext:H-1 --related delete --related-kind NOTE=keep --reason "asked by the customer"
ID                          NUMBER  NAME      LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
<id 1>                           1  Hottechi                                 H-1          DELETED
committed at position 8, change set 8
note: 1 record deleted, 1 kept.

$ retrace customers list; retrace records list
ID  NUMBER  NAME  LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
ID                          KIND  TITLE   CUSTOMER  OWNER  AMOUNT  STAGE  CLOSED  EXTERNAL ID  STATE
<id 3>                      NOTE  A note                                          N-1          ACTIVE

$ retrace records list --show-deleted
ID                          KIND  TITLE     CUSTOMER                    OWNER      AMOUNT  STAGE  CLOSED  EXTERNAL ID  STATE
<id 4>                      DEAL  Deal one  <id 1>                             100.00 USD  Won            D-1          DELETED
<id 2>                      DEAL  Deal two  <id 1>                             250.00 USD  Won            D-2          DELETED
<id 3>                      NOTE  A note                                                                  N-1          ACTIVE

$ retrace summarize
KIND      STATE    STAGE  COUNT         SUM
CUSTOMER  DELETED             1
DEAL      DELETED  Won        2  350.00 USD
NOTE      ACTIVE              1

# While it lies in the bin somebody takes its external id.
$ retrace customers create --organization-name "Hottechi Two" --external-id H-1
ID                          NUMBER  NAME          LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
<id 5>                           2  Hottechi Two                                 H-1          ACTIVE
committed at position 9, change set 9

$ retrace customers list --show-deleted
ID                          NUMBER  NAME          LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
<id 1>                           1  Hottechi                                     H-1          DELETED
<id 5>                           2  Hottechi Two                                 H-1          ACTIVE

$ retrace customers list --show-deleted --filter 'state = DELETED' -o jsonl | python3 -c 'import json,sys; print(json.loads(sys.stdin.readline())["name"])' > h1; retrace customers undelete $(cat h1) --reason tidying
retrace: The external id `H-1` is held by tenants/acme/customers/<id 5>. Change or delete the holders, then undelete again. (KEY_TAKEN)
  tenants/acme/customers/<id 5>: holds the external id `H-1` of tenants/acme/customers/<id 1>
  see tenants/acme/customers/<id 5>
[exit 8]

$ retrace customers update ext:H-1 --clear external_id > /dev/null; retrace customers undelete $(cat h1) --reason tidying
committed at position 10, change set 10
ID                          NUMBER  NAME      LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
<id 1>                           1  Hottechi                                 H-1          ACTIVE
committed at position 11, change set 11
note: 1 record restored, 1 attached again.
note: Left as they are, since they were deleted otherwise: tenants/acme/records/<id 2>.

$ retrace records list --show-deleted
ID                          KIND  TITLE     CUSTOMER                    OWNER      AMOUNT  STAGE  CLOSED  EXTERNAL ID  STATE
<id 4>                      DEAL  Deal one  <id 1>                             100.00 USD  Won            D-1          ACTIVE
<id 2>                      DEAL  Deal two  <id 1>                             250.00 USD  Won            D-2          DELETED
<id 3>                      NOTE  A note    <id 1>                                                        N-1          ACTIVE

$ retrace customers delete '#2' --related refuse --reason tidying > /dev/null; retrace customers list
committed at position 12, change set 12
ID                          NUMBER  NAME      LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
<id 1>                           1  Hottechi                                 H-1          ACTIVE

# Restored is restored; deleting twice is said.
$ retrace customers undelete $(cat h1) --reason tidying
retrace: The customer `tenants/acme/customers/<id 1>` is not deleted. There is nothing to do. (NOT_DELETED)
  see tenants/acme/customers/<id 1>
[exit 7]

$ retrace customers delete $(cat h1) --related keep --reason tidying > /dev/null; retrace customers delete $(cat h1) --related keep --reason tidying
committed at position 13, change set 13
note: 0 records deleted, 2 kept.
retrace: The customer `tenants/acme/customers/<id 1>` is in the recycle bin. Undelete it first. (ALREADY_DELETED)
  see tenants/acme/customers/<id 1>
[exit 6]

# Kept records stand alone until the customer comes back.
$ retrace records list; retrace customers undelete $(cat h1) --reason tidying > /dev/null; retrace records list
ID                          KIND  TITLE     CUSTOMER  OWNER      AMOUNT  STAGE  CLOSED  EXTERNAL ID  STATE
<id 4>                      DEAL  Deal one                   100.00 USD  Won            D-1          ACTIVE
<id 3>                      NOTE  A note                                                N-1          ACTIVE
committed at position 14, change set 14
note: 0 records restored, 2 attached again.
note: Left as they are, since they were deleted otherwise: tenants/acme/records/<id 2>.
ID                          KIND  TITLE     CUSTOMER                    OWNER      AMOUNT  STAGE  CLOSED  EXTERNAL ID  STATE
<id 4>                      DEAL  Deal one  <id 1>                             100.00 USD  Won            D-1          ACTIVE
<id 3>                      NOTE  A note    <id 1>                                                        N-1          ACTIVE

# What was attached to another customer meanwhile stays there, and that is said.
$ retrace customers create --organization-name Betasoloin --external-id B-1 > /dev/null; retrace customers delete ext:H-1 --related keep --reason tidying > /dev/null; retrace records update ext:N-1 --set customer=ext:B-1 > /dev/null; retrace customers undelete $(cat h1) --reason tidying
committed at position 15, change set 15
committed at position 16, change set 16
note: 0 records deleted, 2 kept.
committed at position 17, change set 17
ID                          NUMBER  NAME      LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
<id 1>                           1  Hottechi                                 H-1          ACTIVE
committed at position 18, change set 18
note: 0 records restored, 1 attached again.
note: Left as they are, since they were attached elsewhere since: tenants/acme/records/<id 3>.
note: Left as they are, since they were deleted otherwise: tenants/acme/records/<id 2>.

$ retrace customers history $(cat h1)
POSITION  TIME                  ACTOR  METHOD            FIELD              BEFORE   AFTER     REASON
      18  <time>                root   UndeleteCustomer  state              DELETED  ACTIVE    tidying
      16  <time>                root   DeleteCustomer    state              ACTIVE   DELETED   tidying
      14  <time>                root   UndeleteCustomer  state              DELETED  ACTIVE    tidying
      13  <time>                root   DeleteCustomer    state              ACTIVE   DELETED   tidying
      11  <time>                root   UndeleteCustomer  state              DELETED  ACTIVE    tidying
       8  <time>                root   DeleteCustomer    state              ACTIVE   DELETED   asked by the customer
       7  <time>                root   UndeleteCustomer  state              DELETED  ACTIVE    tidying
       6  <time>                root   DeleteCustomer    state              ACTIVE   DELETED   tidying
       1  <time>                root   CreateCustomer    display_name       -        Hottechi
                                                         external_id        -        H-1
                                                         number             -        1
                                                         organization_name  -        Hottechi
                                                         state              -        ACTIVE
