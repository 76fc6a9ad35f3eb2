# A legal hold keeps what lies in the bin, for as long as the case is open; then the bin goes on as it would have.
! start --test-clock

$ retrace tenants create acme > /dev/null; retrace customers create --display-name "Canary Quetzal" --external-id Q-1 > /dev/null; retrace records create --kind NOTE --customer ext:Q-1 --title "Note Wrenfeather" > /dev/null; retrace customers create --display-name "Heron Osprey" --external-id Q-2 > /dev/null
committed at position 2, change set 2
committed at position 1, change set 1
committed at position 2, change set 2
committed at position 3, change set 3

$ retrace customers delete ext:Q-1 --related delete --reason "moved away" > /dev/null; retrace customers delete ext:Q-2 --related delete --reason "moved away" > /dev/null
committed at position 4, change set 4
note: 1 record deleted, 0 kept.
committed at position 5, change set 5

# The hold comes when the end is announced already.
$ retrace admin advance-clock 59d > /dev/null; retrace bin get customers/ext:Q-1 -o json | grep -c purge_time; retrace holds place customers/ext:Q-1 --case 17/26 --reason "law suit" > /dev/null 2>&1
1

$ retrace admin advance-clock 24h > /dev/null; retrace bin list -o csv | cut -d, -f1,3,10
collection,title,case_number
customers,Canary Quetzal,17/26
records,Note Wrenfeather,17/26

$ retrace admin advance-clock 365d > /dev/null; retrace bin list -o csv | cut -d, -f1,3,10
collection,title,case_number
customers,Canary Quetzal,17/26
records,Note Wrenfeather,17/26

$ retrace holds release "$(retrace holds list -o csv 2> /dev/null | tail -1 | cut -d, -f1)" --reason "settled" > /dev/null 2>&1

# Nothing goes unannounced, however old.
$ retrace admin advance-clock 1h > /dev/null; retrace bin list -o csv | cut -d, -f1,3,10; retrace bin get customers/ext:Q-1 -o json | grep -c purge_time
collection,title,case_number
customers,Canary Quetzal,
records,Note Wrenfeather,
1

$ retrace admin advance-clock 24h > /dev/null; retrace bin list -o csv | cut -d, -f1,3,10; retrace history commits --filter 'method = "retraced.Fire"' -o csv | cut -d, -f3-6
collection,title,case_number
actor,on_behalf_of,method,reason
retraced,,retraced.Fire,the recycle bin's retention is over
retraced,,retraced.Fire,the recycle bin's retention is over
