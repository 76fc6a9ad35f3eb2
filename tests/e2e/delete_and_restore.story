# Deleting a customer says what becomes of its records; undelete brings back exactly what that deletion took.
$ retrace tenants create acme > /dev/null
committed at position 2, change set 2

$ retrace customers create --organization-name Hottechi --external-id H-1 > /dev/null
committed at position 1, change set 1

$ retrace records create --kind DEAL --customer ext:H-1 --title "Deal one" --amount "100 USD" --stage Won --external-id D-1 > /dev/null
retrace: record.customer is no name. (INVALID_FIELD)
  record.customer: A name looks like `tenants/acme` or `tenants/acme/customers/4hj2`: lower-case letters, digits and hyphens.
[exit 5]

$ retrace records create --kind DEAL --customer ext:H-1 --title "Deal two" --amount "250 USD" --stage Won --external-id D-2 > /dev/null
retrace: record.customer is no name. (INVALID_FIELD)
  record.customer: A name looks like `tenants/acme` or `tenants/acme/customers/4hj2`: lower-case letters, digits and hyphens.
[exit 5]

$ retrace records create --kind NOTE --customer ext:H-1 --title "A note" --external-id N-1 > /dev/null
retrace: record.customer is no name. (INVALID_FIELD)
  record.customer: A name looks like `tenants/acme` or `tenants/acme/customers/4hj2`: lower-case letters, digits and hyphens.
[exit 5]

# Nothing is guessed.
$ retrace customers delete ext:H-1
retrace: tenants/acme/customers/<id 1> has no records, but the delete does not say what would become of them. Say in `related` what becomes of them: DELETE, KEEP or REFUSE. (RELATED_CHOICE_MISSING)
  related: Choose DELETE, KEEP or REFUSE for all, or for each kind.
  Say in `related` what becomes of them: DELETE, KEEP or REFUSE.
[exit 5]

$ retrace customers delete ext:H-1 --related refuse
ID                          NUMBER  NAME      LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
<id 1>       1  Hottechi                                 H-1          DELETED
committed at position 2, change set 2

$ retrace history digest
content_digest  <hash>
entity_count    1
answered        {"position":"2","epoch":"<epoch 1>","commit_time":"<time>"}

# Deal two had been deleted on its own: it does not come back with the customer.
$ retrace records delete ext:D-2 --reason "a duplicate" > /dev/null
retrace: there is no record ext:D-2
[exit 6]

$ retrace customers delete ext:H-1 --related delete --related-kind NOTE=keep --reason "asked by the customer"
retrace: The customer `tenants/acme/customers/<id 1>` is in the recycle bin. Undelete it first. (ALREADY_DELETED)
  see tenants/acme/customers/<id 1>
  Undelete it first.
[exit 6]

$ retrace records list --show-deleted
ID  KIND  TITLE  CUSTOMER  OWNER  AMOUNT  STAGE  CLOSED  EXTERNAL ID  STATE

$ retrace summarize
KIND      STATE    STAGE  COUNT  SUM
CUSTOMER  DELETED             1

# While it lies in the bin somebody takes its external id.
$ retrace customers create --organization-name "Hottechi Two" --external-id H-1
ID                          NUMBER  NAME          LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
<id 2>       2  Hottechi Two                                 H-1          ACTIVE
committed at position 3, change set 3

$ retrace customers list --show-deleted
ID                          NUMBER  NAME          LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
<id 1>       1  Hottechi                                     H-1          DELETED
<id 2>       2  Hottechi Two                                 H-1          ACTIVE

$ H1=$(retrace customers list --show-deleted --filter 'display_name = "Hottechi"' -o jsonl | python3 -c 'import json,sys; print(json.loads(sys.stdin.readline())["name"])'); echo $H1 > $WORK/h1; retrace customers undelete $H1
retrace: failed to connect to all addresses; last error: UNKNOWN: unix:<path>/data/retraced.sock: Connection refused
  is the server running, and is --endpoint right? `retrace context show` tells which one is used
Traceback (most recent call last):
  File "<string>", line 1, in <module>
  File "/root/.pyenv/versions/3.11.7/lib/python3.11/json/__init__.py", line 346, in loads
    return _default_decoder.decode(s)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/root/.pyenv/versions/3.11.7/lib/python3.11/json/decoder.py", line 337, in decode
    obj, end = self.raw_decode(s, idx=_w(s, 0).end())
               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/root/.pyenv/versions/3.11.7/lib/python3.11/json/decoder.py", line 355, in raw_decode
    raise JSONDecodeError("Expecting value", s, err.value) from None
json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)
retrace: id is required
  see retrace customers undelete --help
[exit 2]

$ retrace customers update ext:H-1 --clear external_id > /dev/null
retrace: failed to connect to all addresses; last error: UNKNOWN: unix:<path>/data/retraced.sock: Connection refused
  is the server running, and is --endpoint right? `retrace context show` tells which one is used
[exit 3]

$ retrace customers undelete $(cat $WORK/h1) --reason "a mistake"
retrace: id is required
  see retrace customers undelete --help
[exit 2]

$ retrace records list --show-deleted
retrace: failed to connect to all addresses; last error: UNKNOWN: unix:<path>/data/retraced.sock: Connection refused
  is the server running, and is --endpoint right? `retrace context show` tells which one is used
[exit 3]

# Restored is restored; deleting twice is said.
$ retrace customers undelete $(cat $WORK/h1)
retrace: id is required
  see retrace customers undelete --help
[exit 2]

$ retrace customers delete $(cat $WORK/h1) --related keep > /dev/null; retrace customers delete $(cat $WORK/h1) --related keep
retrace: id is required
  see retrace customers delete --help
retrace: id is required
  see retrace customers delete --help
[exit 2]

$ retrace customers history $(cat $WORK/h1)
retrace: id is required
  see retrace customers history --help
[exit 2]
