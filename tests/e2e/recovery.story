# kill -9, lost rows, a backup and a recovery: the same answers afterwards.
$ retrace tenants create acme > /dev/null; retrace demo load > /dev/null 2>&1; retrace history digest --full > $WORK/before; wc -l < $WORK/before

! kill
! start
$ retrace history digest --full | diff - $WORK/before && echo "the same digest"

! kill
! remove rows
! start
$ retrace history digest --full | diff - $WORK/before && echo "the same digest"

$ retrace admin verify

$ retrace admin backup first | sed 's/bytes.*//'

$ retrace admin backup first

$ retrace customers create --organization-name "After the backup" > /dev/null; retrace history digest > $WORK/after; diff -q $WORK/before $WORK/after > /dev/null || echo "another digest"

$ retrace watch --after 3 --epoch $(retrace admin status -o json | python3 -c 'import json,sys; print(json.load(sys.stdin)["epoch"])') --until-caught-up --limit 2

# Into an empty directory only, and never while it is served.
$ retraced recover --from $RETRACED_DATA/backups/first --keys $RETRACED_DATA/key-backups/first --master-key $RETRACED_DATA/master.key --to $RETRACED_DATA

! stop
$ OLD=$(grep -ao 'epoch[^0-9a-f]*[0-9a-f]\{16\}' $RETRACED_DATA/backups/first/manifest* | grep -o '[0-9a-f]\{16\}$' | head -1); echo $OLD > $WORK/old-epoch; cd $WORK && mv data old && retraced recover --from old/backups/first --keys old/key-backups/first --master-key old/master.key --to data && cp old/tokens.toml data/

! start
# The digest of that moment; and a position that was learnt in the old epoch is refused.
$ retrace history digest | head -2 > $WORK/now; head -2 $WORK/before | diff - $WORK/now && echo "the same digest"

$ retrace watch --after 3 --epoch $(cat $WORK/old-epoch)
