"""Row of the bench about followers: one that stood still for a long time catches up, while others write."""
import concurrent.futures
import json
import time


class Follower:
    CUSTOMERS = 20_000

    def __init__(self, table, server, commits):
        self.table, self.server, self.commits = table, server, commits

    def retrace(self, *arguments):
        return self.server.retrace("--tenant", "followed", *arguments)

    def lag(self):
        told = json.loads(self.retrace("followers", "list", "-o", "json"))
        return int((told if isinstance(told, list) else told["followers"])[0].get("lag_commits", 0))

    def p99(self):
        return self.server.single("update", "other", "--seconds", 3)["p99_us"] / 1000

    def run(self):
        """Customers have an owner, so that what is deleted, and comes back, is told."""
        self.server.tenant("followed", self.CUSTOMERS)
        self.retrace("members", "create", "owner", "--display-name", "Owner", "--principal", "owner")
        self.retrace("customers", "update", "--filter", "number >= 1", "--set", "owner=owner", "--acknowledge-count",
                     str(self.CUSTOMERS), "--reason", "bench")
        self.retrace("followers", "pause", "--reason", "bench")
        before = self.server.head("followed")
        self.server.load("mix", "followed", "--customers", self.CUSTOMERS, "--connections", 8, "--streams", 32, "--count",
                         self.commits)
        commits = self.server.head("followed") - before
        alone = self.p99()
        with concurrent.futures.ThreadPoolExecutor(1) as executor:
            self.retrace("followers", "resume", "--reason", "bench")
            begin = time.monotonic()
            busy = executor.submit(self.p99)
            while self.lag() > 0:
                time.sleep(0.05)
            seconds = time.monotonic() - begin
            beside = busy.result()
        self.table.add(f"a follower stopped for {commits:,} commits catches up", f"{commits / seconds:,.0f}/s, {seconds:.1f} s",
                       "-", "-", "-", None)
        self.table.add("p99 of another tenant meanwhile", f"{beside:.1f} ms", f"{alone:.1f} ms alone",
                       f"{beside - alone:+.1f} ms", "<= +20 ms", beside - alone <= 20)
