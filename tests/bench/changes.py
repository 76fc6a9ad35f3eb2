"""Rows of the bench about what was done: large deletions, undone, restored, purged, compared, replayed from a file.

Each is measured against bare RocksDB writing (or removing) as many keys of the size that rows have, in the same run.
"""
import json
import shutil
import threading
import time


def timed(function):
    begin = time.monotonic()
    function()
    return time.monotonic() - begin


class Changes:
    def __init__(self, table, server, measure, bin_dir, directory, count):
        self.table, self.server, self.measure = table, server, measure
        self.bin, self.directory, self.count = bin_dir, directory, count

    def retrace(self, *arguments):
        return self.server.retrace("--tenant", "bulk", *arguments)

    def keys(self):
        return [self.server.counter(name) for name in ("retrace_commits", "retrace_row_keys")]

    def raw(self, keys, *more):
        """Seconds in which bare RocksDB writes as many keys."""
        scratch = self.directory / "raw-keys"
        seconds = self.measure(self.bin / "bench_raw", "keys", "--count", int(keys), "--scratch", scratch, *more)["seconds"]
        shutil.rmtree(scratch)
        return seconds

    def row(self, what, seconds, raw, yardstick, bar=None):
        ratio = raw / seconds
        self.table.add(f"{what} {self.count:,} customers", f"{self.count / seconds:,.0f}/s, {seconds:.1f} s",
                       f"{raw:.2f} s {yardstick}", f"{ratio:.2f}", "-" if bar is None else f">= {bar}",
                       None if bar is None else ratio >= bar)

    def written(self, what, bar, *arguments):
        """Runs a command and compares it with bare RocksDB writing the keys that it wrote."""
        before = self.keys()
        seconds = timed(lambda: self.retrace(*arguments, "--reason", "bench", "--yes"))
        after = self.keys()
        self.row(what, seconds, self.raw(sum(after) - sum(before)), "raw RocksDB, same keys", bar)

    def last_change_set(self):
        line = self.retrace("history", "change-sets", "--limit", "1", "-o", "jsonl").splitlines()[0]
        return str(json.loads(line)["number"])

    def everyone(self):
        return ("--filter", "number >= 1", "--acknowledge-count", str(self.count))

    def run(self):
        self.keys_before = self.keys()[1]
        self.server.tenant("bulk", self.count)
        start = self.server.head("bulk")
        self.other_tenant(lambda: self.written("delete in bulk of", 0.5, "customers", "delete", *self.everyone(), "--related",
                                               "delete"))
        self.written("undo of deleting", None, "undo", self.last_change_set(), "--operation")
        self.written("delete again of", 0.5, "customers", "delete", *self.everyone(), "--related", "delete")
        self.written("restore of", None, "customers", "undelete", "--filter", "state = DELETED", "--acknowledge-count",
                     str(self.count))
        self.compare(start)
        self.replay()
        self.written("delete, third time, of", 0.5, "customers", "delete", *self.everyone(), "--related", "delete")
        self.purge()

    def other_tenant(self, work):
        """p99 of single updates of another tenant, alone and while `work` is done."""
        self.server.tenant("other", 1000)
        alone = self.server.single("update", "other", "--seconds", 3)
        worker = threading.Thread(target=work)
        worker.start()
        beside = self.server.single("update", "other", "--seconds", 3)
        worker.join()
        more = (beside["p99_us"] - alone["p99_us"]) / 1000
        self.table.add("p99 of another tenant beside it", f"{beside['p99_us'] / 1000:.1f} ms", f"{alone['p99_us'] / 1000:.1f} ms alone",
                       f"+{more:.1f} ms", "<= +20 ms", more <= 20)

    def compare(self, start):
        """Every customer was deleted and came back: all differ by what they lost and got."""
        self.retrace("customers", "update", "--filter", "number >= 1", "--set", "level=compared", "--acknowledge-count",
                     str(self.count), "--reason", "bench", "--yes")
        out = self.directory / "listed.jsonl"
        listed = 2 * timed(lambda: out.write_text(self.retrace("customers", "export", "-o", "jsonl")))
        seconds = timed(lambda: out.write_text(self.retrace("compare", "customers", "--from", str(start), "-o", "jsonl")))
        self.row("compare of", seconds, listed, "for two exports of the list")

    def replay(self):
        file, keys = self.directory / "bulk.retrace", self.directory / "bulk.keys"
        self.retrace("history", "export", "--file", str(file), "--keys", str(keys))
        digest = json.loads(self.retrace("history", "digest", "-o", "json"))["content_digest"]
        said = []
        seconds = timed(lambda: said.append(self.retrace("replay", str(file), "--keys", str(keys))))
        if digest not in said[0]:
            print(f"  replay: the digest is not the server's, {digest}")
        raw = self.raw(self.keys()[1] - self.keys_before)
        self.row("replay from a file of", seconds, raw, "raw RocksDB, the tenant's keys")

    def purge(self):
        # Each version of a customer goes, and each entry of it: about as many keys as were ever written of them.
        before = self.keys()
        seconds = timed(lambda: self.retrace("bin", "purge", "--operation", "--kind", "customers", "--filter", "*",
                                             "--acknowledge-count", str(self.count), "--acknowledge", "PURGE_IS_FINAL", "--reason", "bench", "--yes"))
        keys = sum(self.keys()) - sum(before)
        self.row("purge of", seconds, self.raw(keys, "--remove"), "raw RocksDB writing, removing and compacting as many keys")
