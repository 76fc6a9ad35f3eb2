# What lay in the bin for 60 days goes: announced a day before, done by the server itself. Time is moved, nothing sleeps.
! start --test-clock

$ retrace tenants create acme > /dev/null; retrace customers create --display-name "Canary Quetzal" --external-id Q-1 > /dev/null; retrace records create --kind NOTE --customer ext:Q-1 --title "Note Wrenfeather" > /dev/null; retrace customers create --display-name "Heron Osprey" --external-id Q-2 > /dev/null; retrace customers create --display-name "Grey Partridge" --external-id Q-3 > /dev/null

$ retrace customers delete ext:Q-1 --related delete --reason "moved away" > /dev/null; retrace customers delete ext:Q-3 --related delete --reason "moved away" > /dev/null

$ retrace admin advance-clock 30d > /dev/null; retrace customers delete ext:Q-2 --related delete --reason "a duplicate" > /dev/null; retrace bin list -o csv | cut -d, -f1,3,6

# Until 59 days are over nothing is said; then what will go is announced, by name and with the hour.
$ retrace admin advance-clock 28d > /dev/null; retrace bin get customers/ext:Q-1 -o json | grep -c purge_time

$ retrace admin advance-clock 24h > /dev/null; retrace bin get customers/ext:Q-1 -o json | grep -c purge_time; retrace bin get customers/ext:Q-2 -o json | grep -c purge_time

$ retrace history commits --limit 1 -o csv | cut -d, -f3-

# Who still wants it takes it back.
$ retrace bin restore customers/ext:Q-3 --reason "came back" | cut -d/ -f1-3

$ retrace admin advance-clock 23h > /dev/null; retrace bin list -o csv | cut -d, -f1,3,6

$ retrace admin advance-clock 1h > /dev/null; retrace bin list -o csv | cut -d, -f1,3,6; retrace customers list -o csv | cut -d, -f3

$ retrace history commits --limit 1 -o csv | cut -d, -f3-

$ for i in $(seq 600); do grep -rqaEi 'quetzal|wrenfeather' "$RETRACED_DATA" || break; sleep 0.1; done; grep -rlaEi 'quetzal|wrenfeather' "$RETRACED_DATA" | wc -l

# A longer retention holds at once; a shorter one only after a week.
$ retrace policy set retentions=customers:90 > /dev/null; retrace admin advance-clock 45d > /dev/null; retrace bin list -o csv | cut -d, -f1,3,6

# Times in this directory are made up: it is never served by the system's clock again.
! stop

$ retraced serve --data "$RETRACED_DATA" --listen none 2>&1 | grep -v '^{'

! start --test-clock

$ retrace bin list -o csv | cut -d, -f1,3,6; retrace admin advance-clock 17d > /dev/null; retrace bin list -o csv | cut -d, -f1,3,6
