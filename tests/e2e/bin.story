# What was deleted lies in the bin with who, when, why, and what came along; it is restored whole, or purged for ever.
$ retrace tenants create acme > /dev/null
committed at position 2, change set 2

$ retrace customers create --display-name "Canary Quetzal" --external-id Q-1 > /dev/null
committed at position 1, change set 1

$ retrace records create --kind CONTACT --customer ext:Q-1 --title "Contact Wrenfeather" --external-id R-1 > /dev/null
committed at position 2, change set 2

$ retrace customers create --display-name "Heron Osprey" --external-id Q-2 > /dev/null
committed at position 3, change set 3

$ retrace customers delete ext:Q-1 --related delete --reason "a test" > /dev/null
committed at position 4, change set 4
note: 1 record deleted, 0 kept.

$ retrace bin list -o csv 2> /dev/null | cut -d, -f1,3,6,7
collection,title,reason,change_set
customers,Canary Quetzal,a test,4
records,Contact Wrenfeather,a test,4

$ retrace bin restore customers/ext:Q-1 --reason "a mistake"
restored tenants/acme/customers/<id 1>
committed at position 5, change set 5
note: 1 record restored, 0 attached again.

$ retrace customers delete ext:Q-1 --related delete --reason "asked by the customer" > /dev/null
committed at position 6, change set 6
note: 1 record deleted, 0 kept.

# Time is the system's here, and stays so.
$ retrace admin advance-clock 60d
retrace: This server goes by the system's clock. Serve a new data directory with --test-clock. (STATE_REFUSED)
[exit 8]

# A stop writes rows into files; so the names are in some.
! stop

$ retraced serve --test-clock --data "$RETRACED_DATA" --listen none 2>&1 | grep -v '^{'
retraced: setting the clock: <path>/data was served by the system's clock; a test clock needs a directory that never was: make one with `retraced init`

! start

$ grep -rsqaEi 'quetzal|wrenfeather' "$RETRACED_DATA" && echo "in files"
in files

# A legal hold keeps what lies in the bin, too.
$ retrace holds place customers/ext:Q-1 --case 17/26 --reason "law suit" > /dev/null
committed at position 7, change set 7

$ retrace bin purge customers/ext:Q-1 --reason "asked by the customer"
retrace: `tenants/acme/customers/<id 1>` is kept by a legal hold, case 17/26. Ask who placed the hold; release it when the case is closed. (HELD)
  tenants/acme/holds/<id 2>: case 17/26 is open
  see tenants/acme/customers/<id 1>
[exit 8]

$ retrace holds list -o csv 2> /dev/null | cut -d, -f2,7,8
case_number,reason,state
17/26,law suit,ACTIVE

$ retrace holds release "$(retrace holds list -o csv 2> /dev/null | tail -1 | cut -d, -f1)" --reason "settled" > /dev/null
committed at position 8, change set 8

# The plan says what would go, and that it would be for ever; without that being acknowledged nothing is purged.
$ retrace bin purge --kind customers --filter 'external_id = "Q-1"' --reason "asked by the customer" --plan 2> how; grep -o -- "--acknowledge .*" how; awk '$1 == "--plan-token" {print $2}' how > plan
Plan at position 8: 2 entities
WHAT HAPPENS  TO               HOW MANY
Purged        customers               1
Purged        records CONTACT         1
·
ID                          NAME                 WHAT HAPPENS
<id 1>                      Canary Quetzal       Purged
<id 3>                      Contact Wrenfeather  Purged
·
Could not be undone: 2
  <id 1>: Nothing brings back what is purged.
  <id 3>: Nothing brings back what is purged.
warning PURGE_IS_FINAL: What is purged is gone, now and at every moment of the past.
--acknowledge PURGE_IS_FINAL

$ retrace bin purge --kind customers --filter 'external_id = "Q-1"' --reason "asked by the customer"
retrace: There are warnings to acknowledge. Read them, then repeat it with their ids in acknowledged_warnings. (ACKNOWLEDGEMENT_REQUIRED)
  PURGE_IS_FINAL: What is purged is gone, now and at every moment of the past.
  look first: --plan says what to give to --acknowledge-count and --acknowledge
[exit 8]

$ retrace bin purge --kind customers --filter 'external_id = "Q-1"' --reason "asked by the customer" --plan-token "$(cat plan)" --acknowledge PURGE_IS_FINAL
purged 1 entity
  tenants/acme/customers/<id 1>
committed at position 9, change set 9

# Nothing of it is left at any moment; who ended it, when and how is.
$ retrace customers list --as-of 4 -o csv 2> /dev/null | cut -d, -f3
display_name
Heron Osprey

$ retrace bin purge --reason again "$(retrace history commits --limit 1 -o json | grep -o 'tenants/acme/customers/[0-9a-z]*' | head -1)"
retrace: names[0]: `tenants/acme/customers/<id 1>` was purged by root at <time>, in commit 9. Nothing brings it back; its id is never used again. (ENTITY_PURGED)
  see tenants/acme/customers/<id 1>
[exit 6]

$ retrace history commits --limit 1
POSITION  TIME                  ACTOR  METHOD         ENTITIES                                                                  REASON
       9  <time>                root   PurgeEntities  customers/<id 1>, records/<id 3>                      asked by the customer

# An undo of what touched it goes without it, and says so.
$ retrace undo 4 --reason "a mistake"
committed at position 10, change set 10
note: There was nothing to take back.
note: 2 entities were purged since and left out.

# No file under the data directory holds the names, once the files were swept.
$ for i in $(seq 600); do grep -rsqaEi 'quetzal|wrenfeather' "$RETRACED_DATA" || break; sleep 0.1; done; grep -rslaEi 'quetzal|wrenfeather' "$RETRACED_DATA" | wc -l; grep -rsqai osprey "$RETRACED_DATA" && echo "what stays is there"
0
what stays is there

# A restart serves, though keys are missing: the log says that they were destroyed. So do rows built anew.
! stop

! remove rows

! start

$ retrace customers list -o csv 2> /dev/null | cut -d, -f3
display_name
Heron Osprey

$ retrace admin verify
ok       true
commits  12

$ grep -rslaEi 'quetzal|wrenfeather' "$RETRACED_DATA" | wc -l
0

# Where others hold a key by now, a file of choices says what comes back, and how.
$ retrace customers create --display-name Kite --external-id K-1 > /dev/null 2>&1; retrace customers delete ext:K-1 --related delete --reason "a test" > /dev/null 2>&1; retrace customers create --display-name Kestrel --external-id K-1 > /dev/null 2>&1; retrace bin list --kind customers -o csv 2> /dev/null | tail -1 | cut -d, -f2 > kite

$ retrace bin restore $(cat kite) --reason "a mistake"
retrace: The external id `K-1` is held by tenants/acme/customers/<id 4>. Change or delete the holders, then undelete again. (KEY_TAKEN)
  tenants/acme/customers/<id 4>: holds the external id `K-1` of tenants/acme/customers/<id 5>
  see tenants/acme/customers/<id 4>
[exit 8]

$ printf 'name,key,rule\n%s,customers.external_id,perhaps\n' $(cat kite) > choices.csv; retrace bin restore $(cat kite) --choices choices.csv --reason "a mistake"
retrace: choices.csv, line 2: `perhaps` is no rule: abort, without-value or skip
[exit 2]

# What clashes is listed in just that form, to be edited and sent back.
$ retrace bin restore $(cat kite) --clashes; retrace bin restore $(cat kite) --clashes -o csv > clashes.csv; cat clashes.csv
ENTITY                      KEY                    RULE   VALUE  HELD BY
<id 5>                      customers.external_id  ABORT  K-1    <id 4>
name,key,rule,value,holder
tenants/acme/customers/<id 5>,customers.external_id,ABORT,K-1,tenants/acme/customers/<id 4>

$ retrace bin restore $(cat kite) --choices clashes.csv --reason "a mistake" 2> /dev/null || echo "nothing came back"
nothing came back

$ sed -i 's/,ABORT,/,without-value,/' clashes.csv; retrace bin restore $(cat kite) --choices clashes.csv --reason "a mistake"
restored tenants/acme/customers/<id 5>
committed at position 14, change set 14
note: tenants/acme/customers/<id 5> came back without a value that others hold by now.
