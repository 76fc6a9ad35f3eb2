# What happens to a customer is told to its owner, in the owner's language; what is undone is taken back or corrected.
$ retrace tenants create acme > /dev/null; retrace members create anna --display-name 安娜 --language zh --principal anna > /dev/null; retrace customers create --organization-name Hottechi --external-id H-1 --owner anna > /dev/null
committed at position 2, change set 2
committed at position 1, change set 1
committed at position 2, change set 2

$ retraced token new --data data --principal anna --role agent --tenant acme > anna; until retrace --token-file anna customers list > /dev/null 2>&1; do sleep 0.1; done; retrace --token-file anna notifications list
ID  WHEN  KIND  SUBJECT  BY  READ

$ retrace customers delete ext:H-1 --related keep --reason "closed down" > /dev/null; retrace --token-file anna notifications list
committed at position 3, change set 3
ID                                      WHEN                  KIND               SUBJECT                 BY    READ
<id 1>                                  <time>                customers.deleted  客户“Hottechi”已被删除  root

$ retrace --token-file anna notifications show $(retrace --token-file anna notifications list -o csv 2> /dev/null | tail -1 | cut -d, -f1)
客户“Hottechi”已被删除
·
安娜，您好：
·
您负责的客户“Hottechi”已被删除，现存放在回收站中。
·
操作人：Root
时间：<time> (UTC)
原因：closed down
·
如需撤销：retrace undo 3 --reason 原因

$ retrace --token-file anna notifications mark-read --all 2> /dev/null; retrace --token-file anna notifications list --unread
marked 1 as read
ID  WHEN  KIND  SUBJECT  BY  READ

# She has read it, so the undo tells her.
$ retrace undo 3 --reason "wrong customer" > /dev/null 2>&1; retrace --token-file anna notifications list -o csv 2> /dev/null | cut -d, -f3-5; retrace --token-file anna notifications show $(retrace --token-file anna notifications list -o csv 2> /dev/null | sed -n 2p | cut -d, -f1) | head -5
notification.kind,subject,notification.actor
customers.restored,更正：客户“Hottechi”已恢复,root
customers.deleted,客户“Hottechi”已被删除,root
更正：客户“Hottechi”已恢复
·
安娜，您好：
·
<time> (UTC)，我们曾通知您：客户“Hottechi”已被删除。该操作现已撤销，该客户已恢复如初。

$ retrace --token-file anna notifications preferences | head -8
KIND                BY     OFF    ALWAYS SENT  WHAT IT TELLS
backups.damaged     EMAIL  false  true         A backup that was made before is damaged.
backups.damaged     INBOX  false  true         A backup that was made before is damaged.
backups.failed      EMAIL  false  true         A scheduled backup failed.
backups.failed      INBOX  false  true         A scheduled backup failed.
bin.expiring        EMAIL  false  false        Entries of the recycle bin will be purged in seven days, or in one.
bin.expiring        INBOX  false  false        Entries of the recycle bin will be purged in seven days, or in one.
customers.deleted   EMAIL  false  false        Customers that you own were deleted.

$ retrace --token-file anna notifications preferences set customers.deleted inbox off 2> /dev/null | grep deleted; retrace --token-file anna notifications preferences set customers.purged inbox off; retrace --token-file anna notifications preferences set customers.deleted pigeon off
customers.deleted   EMAIL  false  false        Customers that you own were deleted.
customers.deleted   INBOX  true   false        Customers that you own were deleted.
retrace: `customers.purged` is sent in any case. (INVALID_FIELD)
  preferences[0].kind: Only optional kinds can be switched off.
retrace: `pigeon` is no channel: email or inbox
[exit 2]

$ retrace customers delete ext:H-1 --related keep --reason "closed down" > /dev/null 2>&1; retrace --token-file anna notifications list -o csv 2> /dev/null | cut -d, -f3-5
notification.kind,subject,notification.actor
customers.restored,更正：客户“Hottechi”已恢复,root
customers.deleted,客户“Hottechi”已被删除,root

# What administrators see, and what others may not.
$ retrace notifications all -o csv | cut -d, -f3,6,8-9; retrace --token-file anna notifications all
kind,count,actor,reason
customers.deleted,1,root,closed down
customers.restored,1,root,wrong customer
retrace: Your roles do not grant notifications.read. Ask whoever runs the server for a role that does; `retraced roles` prints them. (PERMISSION_MISSING)
[exit 9]

$ retrace templates preview --language en --notification $(retrace notifications all --limit 1 -o csv 2> /dev/null | tail -1 | cut -d, -f1)
Customer “Hottechi” was deleted
·
Hello 安娜,
·
Your customer “Hottechi” was deleted and is in the recycle bin.
·
By: Root
When: <time> (UTC)
Reason: closed down
·
To undo it: retrace undo 3 --reason WHY

$ retrace deliveries list -o csv | cut -d, -f2-5; retrace deliveries retry $(retrace deliveries list --limit 1 -o csv 2> /dev/null | tail -1 | cut -d, -f1) --reason again
kind,channel,recipient,state
customers.deleted,INBOX,tenants/acme/members/anna,SENT
customers.restored,INBOX,tenants/acme/members/anna,SENT
retrace: tenants/acme/deliveries/<id 1> has arrived. There is nothing to try again. (STATE_REFUSED)
[exit 8]

$ retrace followers list -o csv | cut -d, -f1,3,4; retrace followers parked
name,paused,held_position
tenants/acme/followers/notifications,false,0
ENTITY  POSITION  FAULT  TRIES  LAST  RETRY

$ retrace followers pause --reason "mail moves" > /dev/null 2>&1; retrace followers list -o csv | cut -d, -f1,3; retrace followers resume --reason "mail is back" > /dev/null 2>&1
name,paused
tenants/acme/followers/notifications,true

$ retrace contact-points suppress members/anna inbox --reason "left us" > /dev/null 2>&1; retrace contact-points list -o csv | cut -d, -f2-4,6,7; retrace contact-points lift members/anna inbox --reason "is back" > /dev/null 2>&1
recipient,channel,suppressed,suppression.source,suppression.reason
tenants/acme/members/anna,INBOX,true,ADMINISTRATOR,left us
principals/anna,INBOX,false,,

$ retrace deliveries resolve-held skip --reason "nothing is held"
retrace: Nothing is held. There is nothing to decide. (STATE_REFUSED)
[exit 8]

# There is one follower.
$ retrace followers pause --follower nope --reason "mail server moves"
retrace: There is no `tenants/acme/followers/nope`. List the tenant's followers. (ENTITY_NOT_FOUND)
[exit 6]

$ retrace followers pause --follower notifications --reason "mail server moves" 2> /dev/null | grep paused; retrace followers resume --reason "it moved" 2> /dev/null | grep paused
paused            true
paused            false

# What comes is shown as it comes. While the server is away the watch waits, then goes on where it was.
$ retraced token new --data data --principal bo --role agent --tenant acme > bo; retrace members create bo --display-name Bo --principal bo > /dev/null 2>&1; for name in Beta Gamma; do retrace customers create --display-name $name --owner bo > /dev/null 2>&1; done; until retrace --token-file bo customers list > /dev/null 2>&1; do sleep 0.1; done

$ : > watched; (timeout 300 retrace --token-file bo notifications watch --limit 2; echo "ended with $?") >> watched 2>&1 & until grep -q '0 unread' watched; do sleep 0.1; done; retrace customers delete --filter 'display_name = "Beta"' --related keep --reason "left" --yes > /dev/null 2>&1; until grep -q '1 unread' watched; do sleep 0.1; done; cat watched
0 unread
<id 2>                                  <time>                customers.deleted  Customer “Beta” was deleted  root
1 unread

! stop
! start
$ until test $(grep -c '1 unread' watched) -ge 2; do sleep 0.1; done; retrace customers delete --filter 'display_name = "Gamma"' --related keep --reason "left" --yes > /dev/null 2>&1; until grep -q ended watched; do sleep 0.1; done; tail -n +3 watched | uniq
1 unread
<id 3>                                  <time>                customers.deleted  Customer “Gamma” was deleted  root
2 unread
ended with 0

# Whoever waits for too long is told so.
$ : > watched; (timeout 300 retrace --timeout 15s --token-file bo notifications watch -o jsonl; echo "ended with $?") >> watched 2>&1 & until grep -q '2 unread' watched; do sleep 0.1; done

! stop
$ until grep -q ended watched; do sleep 0.1; done; sed -n '1p;$p' watched
2 unread
ended with 3
