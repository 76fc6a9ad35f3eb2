# What lay in the bin for 60 days goes: announced a day before, done by the server itself. Time is moved, nothing sleeps.
! start --test-clock

$ retrace tenants create acme > /dev/null; retrace customers create --display-name "Canary Quetzal" --external-id Q-1 > /dev/null; retrace records create --kind NOTE --customer ext:Q-1 --title "Note Wrenfeather" > /dev/null; retrace customers create --display-name "Heron Osprey" --external-id Q-2 > /dev/null; retrace customers create --display-name "Grey Partridge" --external-id Q-3 > /dev/null
committed at position 2, change set 2
committed at position 1, change set 1
committed at position 2, change set 2
committed at position 3, change set 3
committed at position 4, change set 4

$ retrace customers delete ext:Q-1 --related delete --reason "moved away" > /dev/null; retrace customers delete ext:Q-3 --related delete --reason "moved away" > /dev/null
committed at position 5, change set 5
note: 1 record deleted, 0 kept.
committed at position 6, change set 6

$ retrace admin advance-clock 30d > /dev/null; retrace customers delete ext:Q-2 --related delete --reason "a duplicate" > /dev/null; retrace bin list -o csv | cut -d, -f1,3,6
committed at position 7, change set 7
collection,title,reason
customers,Canary Quetzal,moved away
customers,Heron Osprey,a duplicate
customers,Grey Partridge,moved away
records,Note Wrenfeather,moved away

# Until 59 days are over nothing is said; then what will go is announced, by name and with the hour.
$ retrace admin advance-clock 28d > /dev/null; retrace bin get customers/ext:Q-1 -o json | grep -c purge_time
0
[exit 1]

$ retrace admin advance-clock 24h > /dev/null; retrace bin get customers/ext:Q-1 -o json | grep -c purge_time; retrace bin get customers/ext:Q-2 -o json | grep -c purge_time
1
0
[exit 1]

$ retrace history commits --filter 'method = "retraced.AnnounceExpiry"' -o csv | cut -d, -f3-6
actor,on_behalf_of,method,reason
retraced,,retraced.AnnounceExpiry,the recycle bin's retention ends

# Who still wants it takes it back.
$ retrace bin restore customers/ext:Q-3 --reason "came back" 2> /dev/null | cut -d/ -f1-3
restored tenants/acme/customers

$ retrace admin advance-clock 23h > /dev/null; retrace bin list -o csv | cut -d, -f1,3,6
collection,title,reason
customers,Canary Quetzal,moved away
customers,Heron Osprey,a duplicate
records,Note Wrenfeather,moved away

$ retrace admin advance-clock 1h > /dev/null; retrace bin list -o csv | cut -d, -f1,3,6; retrace customers list -o csv | cut -d, -f3
collection,title,reason
customers,Heron Osprey,a duplicate
display_name
Grey Partridge

$ retrace history commits --filter 'method = "retraced.Fire"' -o csv | cut -d, -f3-6
actor,on_behalf_of,method,reason
retraced,,retraced.Fire,the recycle bin's retention is over

$ for i in $(seq 600); do grep -rsqaEi 'quetzal|wrenfeather' "$RETRACED_DATA" || break; sleep 0.1; done; grep -rslaEi 'quetzal|wrenfeather' "$RETRACED_DATA" | wc -l
0

# A longer retention holds at once; a shorter one only after a week.
$ retrace policy set retentions=customers:90 > /dev/null 2>&1; retrace admin advance-clock 45d > /dev/null; retrace bin list -o csv | cut -d, -f1,3,6
collection,title,reason
customers,Heron Osprey,a duplicate

# Times in this directory are made up: it is never served by the system's clock again.
! stop

$ retraced serve --data "$RETRACED_DATA" --listen none 2>&1 | grep -v '^{'
retraced: setting the clock: <path>/data is served by a test clock, and times in it are made up; serve it with --test-clock, or another directory without

! start --test-clock

# Its time came while nobody said so: it is announced now, and goes a day later.
$ retrace admin advance-clock 17d > /dev/null; retrace bin list -o csv | cut -d, -f1,3,6; retrace admin advance-clock 24h > /dev/null; retrace bin list -o csv | cut -d, -f1,3,6
collection,title,reason
customers,Heron Osprey,a duplicate
collection,title,reason
