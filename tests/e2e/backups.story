# Backups that nobody has to remember. Time is moved, nothing sleeps.
! start --test-clock --backup-keep 2 --key-backup-keep 1

$ retrace tenants create acme > /dev/null; retrace customers create --display-name "Anna" --external-id A-1 > /dev/null; retrace admin backups
committed at position 2, change set 2
committed at position 1, change set 1
NAME  MADE  BYTES  SCHEDULED  KEYS  EPOCH  UNDER WAY  FAULT

$ retrace admin backup before-upgrade > /dev/null; for day in 1 2 3; do retrace admin advance-clock 24h > /dev/null; done; retrace admin backups -o csv | cut -d, -f1,4,5,7,8 | sed -E 's/-[0-9]{8}t[0-9]{6}z-[0-9a-f]{16}/-TIME/'
backup_id,scheduled,has_keys,under_way,fault
scheduled-TIME,true,true,false,
scheduled-TIME,true,false,false,
before-upgrade,false,true,false,

$ retrace admin status -o json | python3 -c 'import json,sys; print(sorted(json.load(sys.stdin)["backup"]))'
['age', 'bytes', 'kept', 'last_backup', 'last_time', 'next_time', 'scheduled']

# Too early for another one: a restart changes nothing about that.
! stop

! start --test-clock --backup-keep 2 --key-backup-keep 1

$ retrace admin advance-clock 23h > /dev/null; retrace admin backups -o csv | grep -c scheduled-; retrace admin advance-clock 1h > /dev/null; retrace admin backups -o csv | grep -c scheduled-
2
2

# What was done, and by whom, is on record.
$ retrace --tenant system history commits -o csv --view names | cut -d, -f3,5 | sort | uniq -c
      1 actor,method
      1 retraced,retraced
      4 retraced,retraced.Backup
      5 root,retrace.v1.Admin.AdvanceClock
      1 root,retrace.v1.Admin.Backup
      1 root,retrace.v1.Tenants.CreateTenant

# Where none can be made, that is told, and tried again.
$ mv "$RETRACED_DATA/backups" aside; touch "$RETRACED_DATA/backups"; retrace admin advance-clock 24h > /dev/null; retrace admin status -o json | python3 -c 'import json,sys; print(json.load(sys.stdin)["backup"]["fault"])'
the directory for backups <path>/data/backups cannot be made: Not a directory

$ rm "$RETRACED_DATA/backups"; mv aside "$RETRACED_DATA/backups"; retrace admin advance-clock 1m > /dev/null; retrace admin status -o json | python3 -c 'import json,sys; print(json.load(sys.stdin)["backup"].get("fault"))'
None

# One that was damaged is no backup any more, and takes no other one's place.
$ newest=$(ls -d "$RETRACED_DATA"/backups/scheduled-* | tail -1); sed -i 's/"format"/"tamrof"/' "$newest/manifest.json"; retrace admin advance-clock 24h > /dev/null; retrace admin backups -o csv | cut -d, -f4,7- | sed -E 's#/[^ ]*/scheduled-[^ ]*#DIRECTORY#'
scheduled,under_way,fault
true,false,
true,false,
false,false,
true,false,the backup in DIRECTORY is damaged: manifest.json and SHA256SUMS do not belong together. Use another backup.

# The newest log and the newest keys are all that it takes.
$ retraced recover --from "$(ls -d "$RETRACED_DATA"/backups/scheduled-* | tail -1)" --keys "$(ls -d "$RETRACED_DATA"/key-backups/scheduled-*)" --master-key "$RETRACED_DATA/master.key" --to recovered | grep -c "tenant acme stands"
1
