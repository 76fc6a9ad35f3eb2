# A rogue integration is taken back while later honest edits and one tag of a colleague stand; conflicts are shown, not guessed.
$ retrace tenants create acme > /dev/null; for name in Hottechi Betasoloin Condax; do retrace customers create --organization-name $name --external-id $name --level gold --tags key > /dev/null 2>&1; done; retrace records create --kind DEAL --customer ext:Condax --title Pumps --external-id D-1 > /dev/null
committed at position 2, change set 2
committed at position 4, change set 4

$ for who in sync ann bob; do retraced token new --data data --principal $who --role agent --tenant acme > $who; done; for who in sync ann bob; do until retrace --token-file $who customers list > /dev/null 2>&1; do sleep 0.1; done; done

# The integration writes wrong levels and tags, deletes a customer and makes one up.
$ retrace --token-file sync customers update ext:Hottechi --set level=tin --set tags="key;import" > /dev/null; retrace --token-file sync customers update ext:Betasoloin --set level=tin > /dev/null; retrace --token-file sync customers delete ext:Condax --related delete --reason "closed down" > /dev/null; retrace --token-file sync customers create --organization-name Nonsense --external-id Nonsense > /dev/null
committed at position 5, change set 5
committed at position 6, change set 6
committed at position 7, change set 7
note: 1 record deleted, 0 kept.
committed at position 8, change set 8

# Ann adds a tag of her own and renames; Bob corrects one of the levels.
$ retrace --token-file ann customers update ext:Hottechi --set tags="key;import;fair 2026" --set organization_name="Hottechi Holding" > /dev/null; retrace --token-file bob customers update ext:Betasoloin --set level=silver > /dev/null
committed at position 9, change set 9
committed at position 10, change set 10

$ retrace history change-sets --actor sync
NUMBER  BEGUN                 ACTOR  METHODS         TITLE  REASON       COMMITS  EVENTS  STATE
     8  <time>                sync   CreateCustomer                            1       1  CLOSED
     7  <time>                sync   DeleteCustomer         closed down        1       2  CLOSED
     6  <time>                sync   UpdateCustomer                            1       1  CLOSED
     5  <time>                sync   UpdateCustomer                            1       1  CLOSED

# What stands in the way is shown, and by default nothing is done.
$ retrace undo --filter 'actor = "sync"' --conflicts
ENTITY                      PATH   NOW     WAS   WHO  WHEN                  CHANGE SET  CAUSE
<id 1>                      level  silver  gold  bob  <time>                        10  CHANGED_SINCE

$ retrace undo --filter 'actor = "sync"' --conflicts -o csv | cut -d, -f2-5
path,now,was,actor
level,silver,gold,bob

$ retrace undo --filter 'actor = "sync"' --reason "a rogue integration"
retrace: One change stands in the way, first tenants/acme/customers/<id 1> level: Is "silver", was "gold"; changed by bob at <time> in change set 10. GetUndoConflicts lists them. Undo the later changes first, or use PARTIAL, which leaves them. (UNDO_CONFLICT)
  tenants/acme/customers/<id 1> level: Is "silver", was "gold"; changed by bob at <time> in change set 10.
[exit 8]

$ retrace undo --filter 'actor = "sync"' --reason "a rogue integration" --mode partial
tenants/acme/customers/<id 2>
tenants/acme/customers/<id 3>
tenants/acme/customers/<id 4>
tenants/acme/records/<id 5>
committed at position 11, change set 11
note: One value was left as changed since; GetUndoConflicts lists it.

# Hottechi has its level back and keeps Ann's name and tag; Betasoloin keeps Bob's level.
$ retrace customers list; retrace customers get ext:Hottechi | grep -A 2 tags
ID                          NUMBER  NAME              LEVEL   PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
<id 2>                           1  Hottechi Holding  gold                            Hottechi     ACTIVE
<id 1>                           2  Betasoloin        silver                          Betasoloin   ACTIVE
<id 3>                           3  Condax            gold                            Condax       ACTIVE
tags               key; fair 2026
external_id        Hottechi
state              ACTIVE

$ retrace records list
ID                          KIND  TITLE  CUSTOMER                    OWNER  AMOUNT  STAGE  CLOSED  EXTERNAL ID  STATE
<id 5>                      DEAL  Pumps  <id 3>                                                    D-1          ACTIVE

$ retrace customers history ext:Hottechi
POSITION  TIME                  ACTOR  METHOD          FIELD              BEFORE    AFTER             REASON
      11  <time>                root   Undo            level              tin       gold              a rogue integration
                                                       tags               import    -
       9  <time>                ann    UpdateCustomer  display_name       Hottechi  Hottechi Holding
                                                       organization_name  Hottechi  Hottechi Holding
                                                       tags               -         fair 2026
       5  <time>                sync   UpdateCustomer  level              gold      tin
                                                       tags               -         import
       1  <time>                root   CreateCustomer  display_name       -         Hottechi
                                                       external_id        -         Hottechi
                                                       level              -         gold
                                                       number             -         1
                                                       organization_name  -         Hottechi
                                                       state              -         ACTIVE
                                                       tags               -         key

# Undone by mistake: a redo brings the integration's writes back, and its undo takes them again.
$ retrace history digest | head -2 > undone; retrace redo 11 --reason "it was right" > /dev/null; retrace customers list; retrace undo 12 --reason "a mistake" > /dev/null; retrace history digest | head -2 | diff undone - && echo "the same digest"
committed at position 12, change set 12
ID                          NUMBER  NAME              LEVEL   PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
<id 2>                           1  Hottechi Holding  tin                             Hottechi     ACTIVE
<id 1>                           2  Betasoloin        silver                          Betasoloin   ACTIVE
<id 4>                           4  Nonsense                                          Nonsense     ACTIVE
committed at position 13, change set 13
the same digest

$ retrace undo 12 --reason "a mistake"
retrace: All of this was undone before. To have it back, undo the undo. (ALREADY_UNDONE)
[exit 8]

# Undo by filter and of what others did is for administrators.
$ retrace --token-file ann undo --filter 'actor = "ann"' --reason "a mistake"
retrace: An undo by filter takes back what others did. Ask an administrator to do it. (PERMISSION_MISSING)
[exit 9]

$ retrace --token-file ann undo 11 --reason "a mistake"
retrace: Commit 11 was made by root. Ask root or an administrator to undo it. (NOT_YOUR_CHANGE_SET)
[exit 9]

# Bob takes back what he did himself; then nothing is in the way of the rest.
$ retrace --token-file bob undo 10 --reason "a mistake"; retrace undo --filter 'actor = "sync"' --reason "the rest of it"; retrace customers list
tenants/acme/customers/<id 1>
committed at position 14, change set 14
tenants/acme/customers/<id 1>
committed at position 15, change set 15
ID                          NUMBER  NAME              LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
<id 2>                           1  Hottechi Holding  gold                           Hottechi     ACTIVE
<id 1>                           2  Betasoloin        gold                           Betasoloin   ACTIVE
<id 3>                           3  Condax            gold                           Condax       ACTIVE

# A wrong delete with all that it took along.
$ retrace history digest | head -2 > before; retrace customers delete ext:Condax --related delete --reason "wrong line" > /dev/null; retrace customers list; retrace undo 16 --reason "it was the wrong line"; retrace history digest | head -2 | diff before - && echo "the same digest"
committed at position 16, change set 16
note: 1 record deleted, 0 kept.
ID                          NUMBER  NAME              LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
<id 2>                           1  Hottechi Holding  gold                           Hottechi     ACTIVE
<id 1>                           2  Betasoloin        gold                           Betasoloin   ACTIVE
tenants/acme/customers/<id 3>
tenants/acme/records/<id 5>
committed at position 17, change set 17
the same digest

$ retrace undo 16 --reason "a mistake"
retrace: All of this was undone before. To have it back, undo the undo. (ALREADY_UNDONE)
[exit 8]

# FORCE overwrites what was changed since, with a reason.
$ retrace undo 1 --mode force
retrace: FORCE needs a reason. (INVALID_FIELD)
  options.reason: Say why what was changed since may be overwritten.
[exit 5]

$ retrace customers update ext:Hottechi --set level=silver > /dev/null; retrace customers update ext:Hottechi --set level=bronze > /dev/null; retrace undo 18 --reason "a mistake"; retrace undo 18 --mode force --reason "bronze is no level"; retrace customers list --filter 'external_id = "Hottechi"'
committed at position 18, change set 18
committed at position 19, change set 19
retrace: One change stands in the way, first tenants/acme/customers/<id 2> level: Is "bronze", was "gold"; changed by root at <time> in change set 19. GetUndoConflicts lists them. Undo the later changes first, or use PARTIAL, which leaves them. (UNDO_CONFLICT)
  tenants/acme/customers/<id 2> level: Is "bronze", was "gold"; changed by root at <time> in change set 19.
tenants/acme/customers/<id 2>
committed at position 20, change set 20
ID                          NUMBER  NAME              LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
<id 2>                           1  Hottechi Holding  gold                           Hottechi     ACTIVE

# One entity of several; a creation that others worked on.
$ retrace undo 7 --entity customers/nobody --reason "a mistake"
retrace: tenants/acme/customers/nobody was not changed by what is to be undone. (INVALID_FIELD)
  entities: Name entities that it changed, or none for all.
[exit 5]

$ retrace undo 1 --commits --conflicts
ENTITY                      PATH   NOW   WAS  WHO   WHEN                  CHANGE SET  CAUSE
<id 2>                      level  gold       root  <time>                        19  CHANGED_SINCE

$ retrace customers delete ext:Condax --related delete --reason "closed down" > /dev/null; retrace undo 21 --reason "a mistake" --entity customers/$(retrace customers list --show-deleted --filter 'external_id = "Condax"' -o jsonl | python3 -c 'import json,sys; print(json.loads(sys.stdin.readline())["name"].split("/")[-1])'); retrace records list --show-deleted
committed at position 21, change set 21
note: 1 record deleted, 0 kept.
tenants/acme/customers/<id 3>
committed at position 22, change set 22
ID                          KIND  TITLE  CUSTOMER                    OWNER  AMOUNT  STAGE  CLOSED  EXTERNAL ID  STATE
<id 5>                      DEAL  Pumps  <id 3>                                                    D-1          DELETED

# What is not there.
$ retrace undo --reason "a mistake"
retrace: An undo takes either names or a filter. (INVALID_FIELD)
  names: Name change sets or commits, or leave this out and give a filter.
[exit 5]

$ retrace undo 999 --reason "a mistake"
retrace: There is no change set 999 in tenant `acme`, or you may not see it. The tenant's commits have the positions 1 to 22. (ENTITY_NOT_FOUND)
  see tenants/acme/changeSets/999
[exit 6]

$ retrace undo 999 --commits --reason "a mistake"
retrace: There is no commit `tenants/acme/commits/999`. Check the position. (ENTITY_NOT_FOUND)
  see tenants/acme/commits/999
[exit 6]

$ retrace undo 18 --mode gently --reason "a mistake"
retrace: --mode is strict, partial or force, not `gently`
[exit 2]

$ retrace redo --help
take back an undo
Usage: retrace redo [OPTIONS] [numbers...]
·
Positionals:
  numbers NUMBER...               change sets of the undos to take back
·
Options:
  -h,--help                       what there is, with an example
  --commits                       the numbers are positions of single commits
  --filter FILTER                 in place of numbers: commits that this matches
  --entity NAME                   only what was done to this, e.g. customers/01jd; may be repeated
  --mode MODE                     strict: a conflict refuses all; partial: it stays as it is; force: it is overwritten (strict)
  --conflicts                     only list what was changed since; undo nothing
  --plan                          only show what it would do
  -y,--yes                        do not ask
  --plan-token TOKEN              do exactly what this plan said, or nothing
  --acknowledge-count N           how many entities you know that it touches
  --acknowledge WARNING           a warning of the plan; repeatable
·
·
Told beforehand:
  --announce                      tell people beforehand; it is done later
  --to WHO                        who is told: a member, team:T, role:R, principal:P, permission:P, filter:FILTER (of members) or webhooks; repeatable
  --message TEXT                  what they are told besides
  --until WHEN                    until when it can be done: 30d at most, or a time (7d)
  --at WHEN                       when it is done by itself: from now, e.g. 6d, or a time
·
·
Operation:
  --operation                     in the background, piece by piece: for more than one commit can hold
  --on-drift CHOICE               what somebody else wrote since it was planned: stop there, or skip it (stop)
  --no-wait                       print its name and leave it to the server
·
A redo is the undo of an undo.
·
Example:
  retrace redo 815
·
Everywhere: --output, --as-of, --reason, --tenant, --token-file and more; see retrace --help
