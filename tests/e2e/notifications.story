# What happens to a customer is told to its owner, in the owner's language; what is undone is taken back or corrected.
$ retrace tenants create acme > /dev/null; retrace members create anna --display-name 安娜 --language zh --principal anna > /dev/null; retrace customers create --organization-name Hottechi --external-id H-1 --owner anna > /dev/null
$ retraced token new --data data --principal anna --role agent --tenant acme > anna; until retrace --token-file anna customers list > /dev/null 2>&1; do sleep 0.1; done; retrace --token-file anna notifications list
$ retrace customers delete ext:H-1 --related keep --reason "closed down" > /dev/null; retrace --token-file anna notifications list
$ retrace --token-file anna notifications show $(retrace --token-file anna notifications list -o csv 2> /dev/null | tail -1 | cut -d, -f1)
$ retrace --token-file anna notifications mark-read --all; retrace --token-file anna notifications list --unread
# She has read it, so the undo tells her.
$ retrace undo 3 --reason "wrong customer" > /dev/null; retrace --token-file anna notifications list -o csv 2> /dev/null | cut -d, -f3-5; retrace --token-file anna notifications show $(retrace --token-file anna notifications list -o csv 2> /dev/null | sed -n 2p | cut -d, -f1)
$ retrace --token-file anna notifications preferences | head -8
$ retrace --token-file anna notifications preferences set customers.deleted inbox off | head -4; retrace --token-file anna notifications preferences set customers.purged inbox off; retrace --token-file anna notifications preferences set customers.deleted pigeon off
$ retrace customers delete ext:H-1 --related keep --reason "closed down" > /dev/null; retrace --token-file anna notifications list -o csv 2> /dev/null | cut -d, -f3-5
# What administrators see, and what others may not.
$ retrace notifications all -o csv | cut -d, -f3-6,8-9; retrace --token-file anna notifications all
$ retrace templates preview --language en --notification $(retrace notifications all --limit 1 -o csv 2> /dev/null | tail -1 | cut -d, -f1)
$ retrace deliveries list -o csv | cut -d, -f2-5; retrace deliveries retry $(retrace deliveries list --limit 1 -o csv 2> /dev/null | tail -1 | cut -d, -f1) --reason again
$ retrace followers list -o csv | cut -d, -f1,3,4; retrace followers parked; retrace followers discard customers/x --reason none
$ retrace followers pause --reason "mail moves" -o csv | head -1 | cut -d, -f1; retrace followers resume --reason "mail is back" > /dev/null
$ retrace contact-points suppress members/anna inbox --reason "left us" > /dev/null; retrace contact-points list -o csv | cut -d, -f2-4,6,7; retrace contact-points lift members/anna inbox --reason "is back" > /dev/null
$ retrace deliveries resolve-held skip --reason "nothing is held"
