"""Rows of the bench about what was done: large deletions, undone, restored, purged, compared, replayed from a file.

Most are measured against bare RocksDB writing (or removing) as many keys of the size that rows have, in the same run.
"""
import concurrent.futures
import json
import shutil
import sys
import time


def timed(function):
    begin = time.monotonic()
    function()
    return time.monotonic() - begin


class Changes:
    def __init__(self, table, server, measure, bin_dir, directory, count, compared):
        self.table, self.server, self.measure = table, server, measure
        self.bin, self.directory = bin_dir, directory
        self.count, self.compared = count, compared

    def retrace(self, *arguments, tenant="bulk"):
        return self.server.retrace("--tenant", tenant, *arguments)

    def keys(self):
        return [self.server.counter(name) for name in ("retrace_commits_total", "retrace_row_keys_total")]

    def raw(self, keys, *more):
        """Seconds in which bare RocksDB writes, or removes, as many keys."""
        scratch = self.directory / "raw-keys"
        seconds = self.measure(self.bin / "bench_raw", "keys", "--count", int(keys), "--scratch", scratch, *more)["seconds"]
        shutil.rmtree(scratch)
        return seconds

    def row(self, what, count, seconds, raw, yardstick, bar=None):
        ratio = raw / seconds
        self.table.add(f"{what} {count:,} customers", f"{count / seconds:,.0f}/s, {seconds:.1f} s",
                       f"{raw:.2f} s {yardstick}", f"{ratio:.2f}", "-" if bar is None else f">= {bar}",
                       None if bar is None else ratio >= bar)

    def written(self, what, bar, *arguments):
        """Runs a command and compares it with bare RocksDB writing the keys that it wrote."""
        before = self.keys()
        seconds = timed(lambda: self.retrace(*arguments, "--reason", "bench"))
        after = self.keys()
        self.row(what, self.count, seconds, self.raw(sum(after) - sum(before)), "raw RocksDB, same keys", bar)

    def last_change_set(self):
        line = self.retrace("history", "change-sets", "--limit", "1", "-o", "jsonl").splitlines()[0]
        return str(json.loads(line)["number"])

    def everyone(self):
        return ("--filter", "number >= 1", "--acknowledge-count", str(self.count))

    def run(self):
        # Nobody else writes meanwhile: keys are counted over all tenants.
        before = sum(self.keys())
        seconds = self.server.tenant("bulk", self.count)["seconds"]
        self.row("import of", self.count, seconds, self.raw(sum(self.keys()) - before), "raw RocksDB, same keys", 0.5)
        self.written("delete in bulk of", 0.5, "customers", "delete", *self.everyone(), "--related", "delete")
        self.written("undo of deleting", None, "undo", self.last_change_set(), "--operation", "--acknowledge-count",
                     str(self.count))
        self.written("delete again of", 0.5, "customers", "delete", *self.everyone(), "--related", "delete")
        self.written("restore of", None, "customers", "undelete", "--filter", "state = DELETED", "--acknowledge-count",
                     str(self.count))
        self.replay(sum(self.keys()) - before)
        self.written("delete, third time, of", 0.5, "customers", "delete", *self.everyone(), "--related", "delete")
        self.purge(sum(self.keys()) - before)
        self.compare()

    def beside(self, what, work):
        """p99 of single updates of another tenant, alone and in the midst of `work`."""
        p99 = lambda: self.server.single("update", "other", "--seconds", 5)["p99_us"] / 1000
        alone = p99()
        with concurrent.futures.ThreadPoolExecutor(1) as executor:
            working = executor.submit(work)
            time.sleep(0.5)
            busy = p99()
            in_time = not working.done()
            working.result()
        self.table.add(f"p99 of another tenant beside {what}", f"{busy:.1f} ms", f"{alone:.1f} ms alone",
                       f"{busy - alone:+.1f} ms" if in_time else "it ended too soon", "<= +20 ms",
                       busy - alone <= 20 if in_time else None)

    def compare(self):
        """Every customer differs from what it was. Another tenant is looked at beside the import and a deletion."""
        compared = lambda *arguments: self.retrace(*arguments, tenant="compared")
        everyone = ("--filter", "number >= 1", "--acknowledge-count", str(self.compared), "--reason", "bench")
        self.server.tenant("other", 1000)
        self.beside(f"an import of {self.compared:,}", lambda: self.server.tenant("compared", self.compared))
        start = self.server.head("compared")
        compared("customers", "update", *everyone, "--set", "level=compared")
        file = self.directory / "listed.jsonl"
        listed = 2 * timed(lambda: compared("customers", "export", "-o", "jsonl", "--file", str(file)))
        told = []
        seconds = timed(lambda: told.append(compared("compare", "customers", "--from", str(start), "-o", "jsonl")))
        differing = told[0].count("\n")
        if differing != self.compared:
            sys.exit(f"compare: {differing} customers differ, not {self.compared}")
        self.row("compare of", self.compared, seconds, listed, "for two exports of the list")
        self.beside(f"a deletion of {self.compared:,}", lambda: compared("customers", "delete", *everyone, "--related", "delete"))

    def replay(self, keys):
        file, key_file = self.directory / "bulk.retrace", self.directory / "bulk.keys"
        self.retrace("history", "export", "--file", str(file), "--keys", str(key_file))
        digest = json.loads(self.retrace("history", "digest", "-o", "json"))["content_digest"]
        said = []
        seconds = timed(lambda: said.append(self.retrace("replay", str(file), "--keys", str(key_file))))
        if digest not in said[0]:
            sys.exit(f"replay: the digest is not the server's, {digest}")
        self.row("replay from a file of", self.count, seconds, self.raw(keys), "raw RocksDB, the tenant's keys")

    def purge(self, keys):
        """Each version of a customer goes, and each entry of it: about as many keys as were ever written of them."""
        seconds = timed(lambda: self.retrace("bin", "purge", "--operation", "--kind", "customers", "--filter", "*",
                                             "--acknowledge-count", str(self.count), "--acknowledge", "PURGE_IS_FINAL",
                                             "--reason", "bench"))
        self.row("purge of", self.count, seconds, self.raw(keys, "--remove"), "raw RocksDB removing as many keys")
