# A week of changes, asked about by an auditor: told, compared, explained, and rebuilt from a file.
$ retrace tenants create acme > /dev/null
committed at position 2, change set 2

$ retrace customers create --given-name Wei --family-name Chen --external-id W-1 --level gold > /dev/null
committed at position 1, change set 1

$ retrace customers create --organization-name Betasoloin --external-id B-1 --level gold > /dev/null
committed at position 2, change set 2

$ retrace records create --kind DEAL --customer ext:B-1 --title "Twelve machines" --amount "1200.50 USD" --stage Won --external-id D-1 > /dev/null
committed at position 3, change set 3

$ retrace customers update ext:W-1 --set level=silver --reason "asked for it" > /dev/null
committed at position 4, change set 4

$ retrace customers delete ext:B-1 --related delete --reason "spring clean" > /dev/null
committed at position 5, change set 5
note: 1 record deleted, 0 kept.

$ retrace customers undelete ext:B-1 --reason "wrong one" > /dev/null
committed at position 6, change set 6
note: 1 record restored, 0 attached again.

$ retrace customers create --organization-name Hottechi --external-id H-1 --level bronze > /dev/null
committed at position 7, change set 7

# What happened to one of them, as a story.
$ retrace history replay customers/ext:B-1
1. <time>                root  CreateCustomer  (position 2)
  customers/<id 1>                      CustomerCreated
    display_name: - → Betasoloin
    external_id: - → B-1
    level: - → gold
    number: - → 2
    organization_name: - → Betasoloin
    state: - → ACTIVE
2. <time>                root  DeleteCustomer, because: spring clean  (position 5)
  customers/<id 1>                      Deleted
    state: ACTIVE → DELETED
3. <time>                root  UndeleteCustomer, because: wrong one  (position 6)
  customers/<id 1>                      Undeleted
    state: DELETED → ACTIVE
3 commits, up to position 7

# And to all, from one moment to another.
$ retrace history replay --from 4 --until 5
1. <time>                root  UpdateCustomer, because: asked for it  (position 4)
  customers/<id 2>                      CustomerUpdated
    level: gold → silver
2. <time>                root  DeleteCustomer, because: spring clean  (position 5)
  customers/<id 1>                      Deleted
    state: ACTIVE → DELETED
  records/<id 3>                      Deleted
    state: ACTIVE → DELETED
2 commits, up to position 5

$ retrace history replay --filter 'method = "retrace.v1.Records.CreateRecord"' -o jsonl 2> /dev/null | python3 -c 'import json,sys; print([sorted(json.loads(line)) for line in sys.stdin])'
[['commit', 'entities']]

# What differs between then and now.
$ retrace compare --from 3 --until 5
position 3 against position 5
changed customers/<id 2>                      (last at position 4)
    level: gold → silver
deleted customers/<id 1>                      (last at position 5)
    state: ACTIVE → DELETED
deleted records/<id 3>                      (last at position 5)
    state: ACTIVE → DELETED
0 created, 2 deleted, 0 undeleted, 1 changed

$ retrace compare customers --from 5
position 5 against position 7
undeleted customers/<id 1>                      (last at position 6)
    state: DELETED → ACTIVE
created customers/<id 4>                      (last at position 7)
    display_name: - → Hottechi
    external_id: - → H-1
    level: - → bronze
    number: - → 3
    organization_name: - → Hottechi
    state: - → ACTIVE
1 created, 0 deleted, 1 undeleted, 0 changed

$ retrace compare customers/ext:W-1 --from 0
position 0 against position 7
created customers/<id 2>                      (last at position 4)
    display_name: - → Wei Chen
    external_id: - → W-1
    family_name: - → Chen
    given_name: - → Wei
    level: - → silver
    number: - → 1
    state: - → ACTIVE
1 created, 0 deleted, 0 undeleted, 0 changed

# Why is the deal there?
$ retrace explain records/ext:D-1
records/<id 3> is ACTIVE at revision 3.
  6  <time>                It came back with customers/<id 1>, which had taken it along: UndeleteCustomer by root, because "wrong one".
  5  <time>                It went to the recycle bin with customers/<id 1>, which was deleted: DeleteCustomer by root, because "spring clean"; taken back at position 6.
  3  <time>                It was created: CreateRecord by root.

# What undid it is told with it; and what undid that.
$ retrace undo 4 --reason "he never asked" --yes > /dev/null; retrace explain customers/ext:W-1; retrace history replay customers/ext:W-1 --from 4
committed at position 8, change set 8
customers/<id 2> is ACTIVE at revision 3.
  8  <time>                Its fields were last changed (level): Undo by root, because "he never asked", which took back what was done at position 4.
  1  <time>                It was created: CreateCustomer by root.
1. <time>                root  UpdateCustomer, because: asked for it  (position 4)
  customers/<id 2>                      CustomerUpdated
    level: gold → silver
2. <time>                root  Undo, because: he never asked  (position 8, takes back change set 4)
  customers/<id 2>                      Reverted
    level: silver → gold
2 commits, up to position 8

$ retrace undo 6 --reason "it was the right one" --yes > /dev/null; retrace explain records/ext:D-1
committed at position 9, change set 9
records/<id 3> is DELETED at revision 4.
  9  <time>                It went to the recycle bin with customers/<id 1>, which was deleted: Undo by root, because "it was the right one", which took back what was done at position 6.
  6  <time>                It came back with customers/<id 1>, which had taken it along: UndeleteCustomer by root, because "wrong one"; taken back at position 9.
  5  <time>                It went to the recycle bin with customers/<id 1>, which was deleted: DeleteCustomer by root, because "spring clean".
  3  <time>                It was created: CreateRecord by root.

# The auditor takes the stored commits along, and the keys of the persons in them.
$ retrace history export --until 6 --file six.retrace --keys six.keys
2 keys in six.keys: keep it apart from the export, and not for long
commits 1 to 6 in six.retrace
history hash <hash>

$ stat -c '%a %n' six.keys; grep -c Chen six.retrace
600 six.keys
0
[exit 1]

$ retrace replay six.retrace
retrace: The commit at position 1 holds personal fields, which are sealed. Give the file with the keys (`--keys FILE`), which `retrace history export --keys FILE` writes.
[exit 11]

# Without the server the same digest comes out at every position.
! stop

$ for position in 1 2 3 4 5 6; do retrace replay six.retrace --keys six.keys --until $position 2> /dev/null > from-file.$position; done; cat from-file.3
content_digest  <hash>
entity_count    3
answered        position 3 of epoch <epoch 1>

$ retrace replay six.retrace --keys six.keys --until 5 --list customers
tenant acme, commits 1 to 6, asked at position 5
history hash <hash>
ID                          NUMBER  NAME      LEVEL   PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
<id 2>                           1  Wei Chen  silver                          W-1          ACTIVE

$ retrace replay six.retrace --keys six.keys --list customers --filter 'family_name = "Chen"'
tenant acme, commits 1 to 6, asked at position 6
history hash <hash>
ID                          NUMBER  NAME      LEVEL   PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
<id 2>                           1  Wei Chen  silver                          W-1          ACTIVE

$ retrace replay six.retrace --keys six.keys --until 1 --get "customers/$(retrace replay six.retrace --keys six.keys --list customers -o jsonl 2> /dev/null | head -1 | python3 -c 'import json,sys; print(json.load(sys.stdin)["name"].split("/")[3])')"
tenant acme, commits 1 to 6, asked at position 1
history hash <hash>
name          tenants/acme/customers/<id 2>
number        1
display_name  Wei Chen
given_name    Wei
family_name   Chen
level         gold
external_id   W-1
state         ACTIVE
etag          "<etag>"
create_time   <time>
update_time   <time>

# What was opened goes with the process, whatever ends that: here, a reader that went away.
$ mkdir opened; TMPDIR=$PWD/opened retrace replay six.retrace --keys six.keys --list customers 2> /dev/null | true; timeout 60 sh -c 'until [ -z "$(ls opened)" ]; do sleep 0.1; done' && ls opened

! start

$ for position in 1 2 3 4 5 6; do retrace history digest --as-of $position 2> /dev/null | diff - from-file.$position && echo "the same at $position"; done
the same at 1
the same at 2
the same at 3
the same at 4
the same at 5
the same at 6

# Somebody alters a file.
$ python3 -c 'data = open("six.retrace", "rb").read(); open("altered.retrace", "wb").write(data.replace(b"gold", b"best", 1))'; retrace replay altered.retrace --keys six.keys
retrace: altered.retrace, behind position 0: it was altered: a check sum does not fit. Export it again.
[exit 11]

$ head -c 900 six.retrace > cut.retrace; retrace replay cut.retrace --keys six.keys
retrace: cut.retrace, behind position 2: it is cut. Export it again.
[exit 11]

$ retrace replay six.keys
retrace: six.keys is no export of commits: `retrace history export` makes one.
[exit 11]

# Somebody who knows the format, so that all sums fit: the digest gives it away.
$ python3 "$STORIES/alter_export.py" six.retrace altered.retrace gold best; retrace replay altered.retrace --keys six.keys --until 3 2> /dev/null > altered; diff -q altered from-file.3
Files altered and from-file.3 differ
[exit 1]

# What cannot be asked.
$ retrace history export --until 99 --file none.retrace; ls none.retrace*
retrace: Position 99 of until lies in the future: tenant acme has come to 9. Leave until unset to ask about now. (FUTURE_AS_OF)
  until.position: must be at most 9
ls: cannot access 'none.retrace*': No such file or directory
[exit 2]

$ retrace history export --until 2001-01-01T00:00:00Z --file none.retrace 2>&1 | sed 's/was at .*/was at a time./; s/before 2[0-9T:.Z-]*$/before that time/'
until 2001-01-01T00:00:00+00:00
retrace: The time 2001-01-01T00:00:00Z of until lies before the first commit of tenant acme, which was at a time.
  until.time: must not lie before that time

$ retrace history replay --from 5 --until 2
retrace: `from` (position 5) comes after `until` (position 2). Swap the two. (INVALID_FIELD)
  until: must not lie before `from`
[exit 5]

$ retrace compare --from 99
retrace: Position 99 of from lies in the future: tenant acme has come to 9. Leave from unset to ask about now. (FUTURE_AS_OF)
  from.position: must be at most 9
[exit 5]

$ retrace replay six.retrace --keys six.keys --until 7
retrace: Position 7 is not in six.retrace, which holds the positions 1 to 6. (INVALID_FIELD)
  until.position: must be from 1 to 6
[exit 5]

$ retrace replay nowhere.retrace
retrace: nowhere.retrace cannot be read: No such file or directory
[exit 11]

# An agent may explain, and neither replay nor export; the auditor may do all of it.
$ for role in agent auditor; do retraced token new --data data --principal $role --role $role --tenant acme > $role; done; until retrace --token-file auditor customers list > /dev/null 2>&1; do sleep 0.1; done; retrace --token-file agent explain customers/ext:W-1 | wc -l; retrace --token-file agent history replay 2>&1 | cut -c1-60; retrace --token-file agent history export --file agent.retrace 2>&1 | cut -c1-60
3
retrace: Your roles do not grant history.read. Ask whoever r
retrace: Your roles do not grant history.export. Ask whoever

$ retrace --token-file auditor history export --file auditor.retrace --keys auditor.keys 2>&1 | head -1
3 keys in auditor.keys: keep it apart from the export, and not for long

# What is purged is gone at every position: the old file says what the server said then, a new one what it says now.
$ retrace customers delete ext:W-1 --related delete --reason "asked to be forgotten" > /dev/null; retrace bin purge --kind customers --filter 'external_id = "W-1"' --reason "asked to be forgotten" --acknowledge PURGE_IS_FINAL > /dev/null
committed at position 10, change set 10
committed at position 11, change set 11

$ retrace replay six.retrace --keys six.keys --until 3 2> /dev/null | diff -q - from-file.3 && retrace history digest --as-of 3 2> /dev/null | diff -q - from-file.3
Files - and from-file.3 differ
[exit 1]

$ retrace history export --until 3 --file three.retrace --keys three.keys 2> /dev/null; retrace replay three.retrace --keys three.keys > from-file; retrace history digest --as-of 3 2> /dev/null | diff - from-file && echo "the same at 3"
tenant acme, commits 1 to 3, asked at position 3
history hash <hash>
left out as purged since: 1 entity
the same at 3
