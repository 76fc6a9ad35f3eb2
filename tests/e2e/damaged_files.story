# What is missing, damaged or unreadable is said with what, where, and the next step; nothing is guessed and nothing overwritten.
$ retrace tenants create acme > /dev/null; for i in 1 2 3; do retrace customers create --organization-name "Customer $i" > /dev/null; done; retrace history digest | head -2 > digest; cat > serve <<'END'
> timeout 20 retraced serve --data ${1:-data} --listen none --log-level off
> END
> chmod +x serve
committed at position 2, change set 2
committed at position 1, change set 1
committed at position 2, change set 2
committed at position 3, change set 3

# One data directory, one daemon; the first goes on serving.
$ ./serve
retraced: starting: locking the data directory data: another process has it open (IO error: While lock file: data/retrace.lock: Resource temporarily unavailable). Stop that process, or use another directory.
[exit 7]

$ retrace summarize
KIND      STATE   STAGE  COUNT  SUM
CUSTOMER  ACTIVE             3

! stop
$ cp -r data kept

# The log.
$ mv data/log/MANIFEST-* .; ./serve; mv MANIFEST-* data/log/
retraced: opening the data: opening the commit log in data/log: a file is missing or not what it should be (IO error: No such file or directory: While opening a file for sequentially reading: data/log/MANIFEST-000005: No such file or directory). Copy the directories of log and witness aside, then recover from a backup (`retraced recover --from BACKUP --to DIRECTORY`); without one, `retraced accept-loss` continues with what can still be read.

$ mv data/log log; ./serve; ls data; mv log data/log
retraced: opening the data: there is no commit log in data/log, but the head witness in data/witness says batch 5 (chain hash <epoch 1>..., epoch <epoch 2>, tenant 1 up to 3). If the log was moved, put it back; else recover from a backup into empty directories (`retraced recover`). To begin a new log, remove the witness as well.
clock
keys
master.key
metrics.prom
retrace.lock
root.token
rows
tokens.toml
witness

$ cp -r data broken; for f in broken/log/*.log broken/log/*.sst; do if [ -s $f ]; then python3 - $f <<'END'
> import sys
> data = bytearray(open(sys.argv[1], "rb").read())
> data[len(data) // 2] ^= 1
> open(sys.argv[1], "wb").write(data)
> END
> fi; done; ./serve broken; rm -rf broken
retraced: opening the data: opening the commit log in broken/log: stored bytes are damaged (Corruption: checksum mismatch). Copy the directories of log and witness aside, then recover from a backup (`retraced recover --from BACKUP --to DIRECTORY`); without one, `retraced accept-loss` continues with what can still be read.

# The witness.
$ mv data/witness witness; ./serve; rm -rf data/witness; mv witness data/witness
retraced: opening the data: the commit log in data/log ends with batch 5 (chain hash <epoch 1>..., epoch <epoch 2>, tenant 1 up to 3), but the head witness in data/witness is missing. Acknowledged commits may be lost. If a newer copy of either exists, put it back; else recover from a backup (`retraced recover`), or accept what this log holds with `retraced accept-loss`.

# Both: without a word of the keys that would look like a new log.
$ mv data/log log; mv data/witness witness; ./serve; ls data | grep -E "log|witness"; mv log data/log; mv witness data/witness
retraced: opening the data: There is neither a commit log in data/log nor a head witness in data/witness, but the key store beside them belongs to one. If they were moved, put them back; else recover from a backup into an empty directory (`retraced recover`). A new log needs a new directory (`retraced init`).

# An older copy of the log beside a newer witness: commits are missing.
! start
$ retrace customers create --organization-name "Customer 4" > /dev/null
committed at position 4, change set 4

! stop
$ cp -r data newer; rm -rf newer/log; cp -r kept/log newer/log; ./serve newer; retraced accept-loss --data newer | sed 's/in [0-9.]* s/in <N> s/'
retraced: opening the data: the commit log in newer/log ends with batch 5 (chain hash <epoch 1>..., epoch <epoch 2>, tenant 1 up to 3), but the head witness in newer/witness says batch 6 (chain hash <epoch 3>..., epoch <epoch 2>, tenant 1 up to 4). Acknowledged commits may be lost. If a newer copy of either exists, put it back; else recover from a backup (`retraced recover`), or accept what this log holds with `retraced accept-loss`.
Accepted: the commit log in newer/log ends with batch 5 (chain hash <epoch 1>..., epoch <epoch 2>, tenant 1 up to 3), but the head witness in newer/witness says batch 6 (chain hash <epoch 3>..., epoch <epoch 2>, tenant 1 up to 4).
The log is in epoch <epoch 4>. Rows: rebuilt 5 commits in <N> s (their checkpoint names a commit that the log does not hold).
  tenant acme stands at position 3

$ retraced accept-loss --data newer
There is no loss to accept: the commit log in newer/log agrees with its head witness.

$ rm -rf newer

# The keys.
$ mv data/keys keys; ./serve; rm -rf data/keys; mv keys data/keys
retraced: opening the data: The key <commit 1> of customers/<id 1> (commit 1 of tenant acme) is missing from the key store, and no event says that it was destroyed. Put the key store's backup back.

$ mv data/master.key master.key; ./serve; mv master.key data/master.key
retraced: opening the data: master key file data/master.key: is missing; put the master key that belongs to this key store back there, or, for a new data directory, make a new one

$ chmod 644 data/master.key; ./serve; chmod 600 data/master.key
retraced: opening the data: master key file data/master.key: is open to others (mode 0644); run `chmod 600 data/master.key`, and consider whether the key has been read

$ cp data/master.key right; openssl rand -hex 32 > data/master.key; ./serve; cp right data/master.key
retraced: opening the data: the master key in data/master.key is not the one that the keys in data/keys were made with; put the right file there

$ cp data/master.key right; echo short > data/master.key; ./serve; cp right data/master.key
retraced: opening the data: master key file data/master.key: must hold exactly 64 hexadecimal digits; put the right file there

# The tokens.
$ mv data/tokens.toml right; ./serve; echo '[[principal' > data/tokens.toml; ./serve; mv right data/tokens.toml
retraced: reading the principals: token file data/tokens.toml: No such file or directory; make one with `retraced token new`
retraced: reading the principals: token file data/tokens.toml is accessible to others (mode 644); run `chmod 600 data/tokens.toml`

# No directory, and one that is no data directory.
$ ./serve nowhere; mkdir empty; ./serve empty
retraced: there is no directory nowhere; make a data directory with `retraced init nowhere`
retraced: there is no data in empty; make a data directory with `retraced init empty`
[exit 2]

# The witness directory on a file.
$ touch file; retraced serve --data data --listen none --log-level off --witness-dir file
retraced: opening the data: preparing the directory of the head witness, file: the storage failed (IO error: while open a file for lock: file/retrace.lock: Not a directory). Check the disk and the kernel's log (dmesg), then start again.
[exit 3]

# The rows: whatever is wrong with them, they are made anew from the log.
$ for f in data/rows/*/CURRENT data/rows/CURRENT; do [ ! -e $f ] || echo garbage > $f; done

! start
$ retrace history digest --as-of 3 2> /dev/null | head -2 | diff - digest && echo "the same digest"; retrace summarize
the same digest
KIND      STATE   STAGE  COUNT  SUM
CUSTOMER  ACTIVE             4

! stop
$ find data/rows -name '*.sst' -exec sh -c 'printf garbage | dd of=$1 bs=1 seek=20 conv=notrunc status=none' - {} ';'

! start
$ retrace history digest --as-of 3 2> /dev/null | head -2 | diff - digest && echo "the same digest"; retrace summarize; retrace admin verify | head -1
the same digest
KIND      STATE   STAGE  COUNT  SUM
CUSTOMER  ACTIVE             4
ok       true

! kill
! remove rows
! start
$ retrace history digest --as-of 3 2> /dev/null | head -2 | diff - digest && echo "the same digest"
the same digest
