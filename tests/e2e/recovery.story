# kill -9, lost rows, a backup under load and a recovery: the same answers afterwards.
$ retrace tenants create acme > /dev/null; retrace demo load > /dev/null; retrace history digest --full | tee before
committed at position 2, change set 2
content_digest  <hash>
entity_count    24
full_digest     <hash>
answered        position 8 of epoch <epoch 1>

! kill
! start
$ retrace history digest --full | diff - before && echo "the same digest"
the same digest

! kill
! remove rows
! start
$ retrace history digest --full | diff - before && echo "the same digest"
the same digest

$ retrace admin verify
ok       true
commits  10

# A backup while customers are being created.
$ (for i in $(seq 200); do retrace customers create --organization-name "Load $i" > /dev/null 2>&1 || break; touch loaded; [ ! -e enough ] || break; done) & until [ -e loaded ]; do sleep 0.01; done; retrace admin backup first -o json > backup.json; touch enough; wait; retrace customers create --organization-name "After the backup" > /dev/null 2>&1

$ retrace admin backup first
retrace: There is a backup at <path>/data/backups/first. Choose another name, or none. (ID_TAKEN)
[exit 7]

$ python3 - <<'END'
> import json
> backup = json.load(open("backup.json"))
> print(sorted(backup))
> head = [head for head in backup["heads"] if head["tenant"] == "tenants/acme"][0]
> open("head", "w").write(head["position"])
> print("the backup holds commits of the load:", int(head["position"]) > 8)
> END
> retrace history digest --as-of $(cat head) 2> /dev/null | head -2 > then; retrace admin status -o json | python3 -c 'import json,sys; print(json.load(sys.stdin)["epoch"])' > old-epoch
['bytes', 'directory', 'epoch', 'heads', 'key_directory']
the backup holds commits of the load: True

# Into an empty directory only, and only from a backup.
$ retraced recover --from data/backups/first --keys data/key-backups/first --master-key data/master.key --to data
retraced: data/log is there already; name a directory without data
[exit 2]

$ retraced recover --from data/backups/none --keys data/key-backups/first --master-key data/master.key --to fresh
retraced: data/backups/none is not a finished backup: it has no file SHA256SUMS, which is written last. Use another backup.
[exit 3]

$ retraced recover --from data/backups/first --keys data/key-backups/none --master-key data/master.key --to fresh
retraced: data/key-backups/none is no directory with a backup of the keys
[exit 2]

$ retraced recover --from data/backups/first --keys data/key-backups/first --master-key nowhere --to fresh; ls -A fresh
retraced: there is no master key nowhere; name the one that the keys were made with by --master-key

! stop
$ mv data old && retraced recover --from old/backups/first --keys old/key-backups/first --master-key old/master.key --to data 2>&1 | sed 's/rebuilt [0-9]* commits in [0-9.]*/rebuilt <N> commits in <N>/; s/position [0-9]*/position <N>/; s/^rt_.*/<token>/'; cp old/tokens.toml data/
Recovered the backup of <time> from old/backups/first.
The log is in epoch <epoch 2>. Rows: rebuilt <N> commits in <N> s (there were none).
  tenant acme stands at position <N>
The token of `root`, who may do everything in every tenant (also in data/root.token):
<token>

! start
# The digest of that moment; and a position that was learnt in the old epoch is refused.
$ retrace history digest | head -2 | diff - then && echo "the same digest"
the same digest

$ retrace watch --after 3 --epoch $(cat old-epoch) 2>&1 | sed "s/position $(cat head)/position <head>/g"
go on with --after 3 --epoch <epoch 1>
the log was continued from position <head> in a new epoch: what came after it is gone; read again what you keep, then watch from now on
retrace: The log of tenant acme is not the one that this was learnt from: it was recovered, or continued after a loss. Up to position <head> both are the same. Forget what was learnt after position <head>, and go on from there with the epoch in this error. (EPOCH_CHANGED)
  acme: epoch <epoch 1> is over

$ retrace admin verify | head -1
ok       true

$ retrace --tenant system history commits --limit 2
POSITION  TIME                  ACTOR     METHOD    ENTITIES       REASON
       5  <time>                root      Verify    system/server
       4  <time>                retraced  retraced  system/server

# What was deleted before can be restored after.
$ retrace customers list --show-deleted --filter 'state = DELETED'
ID                          NUMBER  NAME             LEVEL  PHONES         E-MAILS  OWNER       EXTERNAL ID  STATE
<id 1>                           7  Closed Down Ltd         +441134960999           tom-becker  demo-7       DELETED
