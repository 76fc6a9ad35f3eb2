#!/usr/bin/env python3
"""Measures Retrace against yardsticks run beside it and prints a table of ratios.

Absolute figures depend on the machine and on its neighbours; the ratios are what the bars are set on. Needs the programs of
a release build and, for the baseline, Debian's postgresql-15.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import changes
import follower


def measure(*command):
    """Runs a program that prints one line of JSON."""
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=3600)
    if result.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{result.stdout}{result.stderr}")
    return json.loads(result.stdout.strip().splitlines()[-1])


class Table:
    """Rows of the report; printed as they come, kept for the end."""

    def __init__(self):
        self.rows = []

    def add(self, figure, value, yardstick, ratio, bar, good):
        verdict = "" if good is None else ("holds" if good else "SHORT")
        self.rows.append((figure, value, yardstick, ratio, bar, verdict))
        print(f"  {figure}: {value} | {yardstick} | {ratio} | bar {bar} {verdict}", flush=True)

    def print(self):
        head = ("figure", "Retrace", "yardstick", "ratio", "bar", "")
        widths = [max(len(row[i]) for row in [head, *self.rows]) for i in range(6)]
        for row in [head, tuple("-" * width for width in widths), *self.rows]:
            print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |")


class Server:
    """A daemon in a directory of its own."""

    def __init__(self, bin_dir, directory):
        self.bin, self.data = bin_dir, directory / "data"
        self.log = open(directory / "daemon.log", "a")
        self.process = None
        subprocess.run([self.bin / "retraced", "init", self.data], check=True, stdout=self.log, stderr=self.log)
        self.token = (self.data / "root.token").read_text().strip()
        self.target = f"unix:{self.data}/retraced.sock"

    def start(self):
        """Returns the seconds until it serves."""
        begin = time.monotonic()
        self.process = subprocess.Popen([self.bin / "retraced", "serve", "--data", self.data, "--listen", "none"], stdout=self.log, stderr=self.log)
        while subprocess.run([self.bin / "retraced", "health", "--data", self.data], capture_output=True).returncode != 0:
            if self.process.poll() is not None:
                sys.exit(f"the daemon ended: see {self.log.name}")
            # Asking costs a process; a long start is not slowed by being watched.
            time.sleep(min(1, max(0.01, (time.monotonic() - begin) / 10)))
        return time.monotonic() - begin

    def end(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait()

    def rss_mib(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024

    def retrace(self, *arguments):
        result = subprocess.run([self.bin / "retrace", "--endpoint", self.target, "--token", self.token, *arguments],
                                capture_output=True, text=True)
        if result.returncode != 0:
            sys.exit(f"retrace {' '.join(arguments)}: {result.stdout}{result.stderr}")
        return result.stdout

    def load(self, scenario, tenant, *more):
        return measure(self.bin / "bench_load", scenario, "--target", self.target, "--token", self.token, "--tenant", tenant,
                       *more)

    def single(self, scenario, tenant, *more):
        return self.load(scenario, tenant, "--connections", 1, "--streams", 1, *more)

    def tenant(self, name, customers):
        self.retrace("tenants", "create", name)
        return self.load("fill", name, "--count", customers, "--connections", 1, "--streams", 2) if customers else None

    def counter(self, name):
        """A counter of the metrics file, summed over its labels; the file is written every few seconds."""
        time.sleep(6)
        text = (self.data / "metrics.prom").read_text()
        return sum(float(value) for value in re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.M))

    def head(self, tenant):
        changes = json.loads(self.retrace("--tenant", tenant, "-o", "json", "history", "digest"))
        return int(changes["answered"]["position"])


class Echo:
    def __init__(self, bin_dir):
        self.process = subprocess.Popen([bin_dir / "bench_echo"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.target = f"127.0.0.1:{int(self.process.stdout.readline())}"

    def end(self):
        self.process.stdin.close()
        self.process.wait()


class Postgres:
    """A fresh PostgreSQL cluster on a unix socket, run by the user postgres; synchronous commit as shipped."""

    def __init__(self, directory):
        self.home = directory / "pg"
        self.home.mkdir()
        shutil.chown(self.home, "postgres")
        os.chmod(directory, 0o755)
        self.bin = pathlib.Path("/usr/lib/postgresql/15/bin")
        self.run("initdb", "-D", self.home / "db", "-A", "trust")
        self.run("pg_ctl", "-D", self.home / "db", "-w", "-l", self.home / "log", "-o",
                 f"-k {self.home} -c listen_addresses='' -c shared_buffers=512MB -c max_connections=100", "start")

    def run(self, program, *arguments):
        subprocess.run(["runuser", "-u", "postgres", "--", str(self.bin / program), *map(str, arguments)], check=True,
                       cwd="/", capture_output=True)

    def conninfo(self):
        return f"host={self.home} user=postgres dbname=postgres"

    def end(self):
        self.run("pg_ctl", "-D", self.home / "db", "-m", "immediate", "stop")


def ratio(a, b):
    return a / b if b else float("nan")


def commands(table, server, bin_dir, directory, seconds):
    """The first four rows of the bars."""
    sync = measure(bin_dir / "bench_raw", "sync", "--dir", directory)
    table.add("fdatasync p50 / p99", f"{sync['p50_us']:.0f} / {sync['p99_us']:.0f} us", "the device", "-", "-", None)
    server.tenant("mix", 100_000)
    echo = Echo(bin_dir)
    echoed, mixed = [], []
    before = [server.counter(name) for name in ("retrace_commits_total", "retrace_row_keys_total")]
    for seed in range(3):
        echoed.append(measure(bin_dir / "bench_load", "echo", "--target", echo.target, "--seconds", seconds))
        mixed.append(server.load("mix", "mix", "--seconds", seconds, "--seed", seed + 1))
    after = [server.counter(name) for name in ("retrace_commits_total", "retrace_row_keys_total")]
    for figures in mixed:
        if set(figures["statuses"]) != {"0"}:
            print(f"  mix: not every command was OK: {figures['statuses']}")
    echo_rate = statistics.median(figures["per_second"] for figures in echoed)
    mix_rate = statistics.median(figures["per_second"] for figures in mixed)
    table.add("durable commands/s, 256 in flight", f"{mix_rate:,.0f}", f"{echo_rate:,.0f} bare echoes/s",
              f"{ratio(mix_rate, echo_rate):.2f}", ">= 0.2", ratio(mix_rate, echo_rate) >= 0.2)
    keys = ratio(after[1] - before[1], after[0] - before[0])
    table.add("keys per command of the mix", f"1 log + {keys:.1f} rows", "-", "-", "-", None)
    sync = measure(bin_dir / "bench_raw", "sync", "--dir", directory)
    alone = measure(bin_dir / "bench_load", "echo", "--target", echo.target, "--seconds", 3, "--connections", 1, "--streams", 1)
    single = server.single("update", "mix", "--seconds", 3)
    floor = sync["p50_us"] + alone["p50_us"]
    table.add("p50 of one command, idle", f"{single['p50_us']:.0f} us", f"{floor:.0f} us fdatasync + echo",
              f"{ratio(single['p50_us'], floor):.2f}", "<= 2", ratio(single["p50_us"], floor) <= 2)
    echo.end()
    return mix_rate


def keys_per_command(table, server):
    """Keys of single commands: what each writes into rows, from the metrics."""
    server.tenant("keys", 100)
    for command, bar, arguments in (("update of one indexed field", 5, ["update", "--set", "level=platinum"]),
                                    ("delete", 16, ["delete", "--related", "delete", "--reason", "bench"])):
        before = [server.counter(n) for n in ("retrace_commits_total", "retrace_row_keys_total")]
        server.retrace("--tenant", "keys", "customers", arguments[0], "#7", *arguments[1:])
        after = [server.counter(n) for n in ("retrace_commits_total", "retrace_row_keys_total")]
        keys = ratio(after[1] - before[1], after[0] - before[0])
        table.add(f"keys of one {command}", f"{keys:.0f} rows", "-", "-", f"<= {bar}", keys <= bar)
    before = [server.counter(n) for n in ("retrace_commits_total", "retrace_row_keys_total")]
    server.retrace("--tenant", "keys", "customers", "create", "--set", "given_name=Ann", "--set", "family_name=Smith", "--set",
                   "level=gold", "--phones", "+1 415 555 2671; +1 415 555 2672", "--emails", "ann@example.com",
                   "--set", "external_id=K-1")
    after = [server.counter(n) for n in ("retrace_commits_total", "retrace_row_keys_total")]
    keys = ratio(after[1] - before[1], after[0] - before[0])
    table.add("keys of one create", f"{keys:.0f} rows", "-", "-", "<= 16", keys <= 16)


def postgres(table, bin_dir, directory, seconds, mix_rate):
    if not pathlib.Path("/usr/lib/postgresql/15/bin/initdb").exists():
        table.add("the same against PostgreSQL", f"{mix_rate:,.0f}", "postgresql-15 is not installed", "-", ">= 1.5", None)
        return
    cluster = Postgres(directory)
    try:
        baseline = measure(bin_dir / "bench_pg_baseline", "--conninfo", cluster.conninfo(), "--seconds", 2 * seconds)
    finally:
        cluster.end()
    rate = baseline["per_second"]
    table.add("the same against PostgreSQL", f"{mix_rate:,.0f}", f"{rate:,.0f} soft deletes with audit/s",
              f"{ratio(mix_rate, rate):.2f}", ">= 1.5", ratio(mix_rate, rate) >= 1.5)


def pages(table, server, large):
    """Pages and gets, now and as of an old position, few customers and many."""
    server.tenant("small", 10_000)
    filled = server.tenant("large", large)
    table.add(f"import of {large:,} customers", f"{filled['customers_per_second']:,.0f}/s", "-", "-", "-", None)
    old = server.head("large") // 2
    server.load("update", "large", "--seconds", 3, "--connections", 2, "--streams", 16)
    seconds = ("--seconds", 2)
    now = server.single("get", "large", *seconds)["p50_us"]
    past = server.single("get", "large", *seconds, "--as-of", old)["p50_us"]
    table.add("get as of an old position, p50", f"{past:.0f} us", f"{now:.0f} us now", f"{ratio(past, now):.2f}", "<= 2",
              ratio(past, now) <= 2)
    for what, more in (("page by name", ("--order-by", "display_name")), ("Chinese search", ("--query", "chinese"))):
        few = server.single("page", "small", *seconds, *more)["p50_us"]
        many = server.single("page", "large", *seconds, *more)["p50_us"]
        past = server.single("page", "large", *seconds, *more, "--as-of", old)["p50_us"]
        table.add(f"{what}, p50 at {large:,}", f"{many:.0f} us", f"{few:.0f} us at 10,000", f"{ratio(many, few):.2f}", "<= 1.5",
                  ratio(many, few) <= 1.5)
        table.add(f"{what} as of an old position", f"{past:.0f} us", f"{many:.0f} us now", f"{ratio(past, many):.2f}", "<= 2",
                  ratio(past, many) <= 2)
    rss = server.rss_mib()
    table.add(f"memory at {large:,} customers", f"{rss:.0f} MiB", "-", "-", "<= 1024 MiB", rss <= 1024)


def restart(table, server, bin_dir, directory, large):
    """kill -9 under load, then from the log alone."""
    load = subprocess.Popen([str(part) for part in (bin_dir / "bench_load", "mix", "--target", server.target, "--token",
                                                     server.token, "--tenant", "mix", "--seed", 4, "--seconds", 60)],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(5)
    server.end(signal.SIGKILL)
    load.wait()
    seconds = server.start()
    table.add(f"kill -9 under load to serving, {large:,}", f"{seconds:.1f} s", "-", "-", "<= 10 s", seconds <= 10)
    commits = int(json.loads(server.retrace("-o", "json", "admin", "status"))["commits"])
    server.end()
    raw = measure(bin_dir / "bench_raw", "rebuild", "--log", server.data / "log", "--rows", server.data / "rows", "--scratch",
                  directory / "scratch")
    shutil.rmtree(directory / "scratch")
    shutil.rmtree(server.data / "rows")
    seconds = server.start()
    table.add(f"rebuild of {commits:,} commits", f"{seconds:.1f} s", f"{raw['seconds']:.1f} s raw scan + write",
              f"{ratio(raw['seconds'], seconds):.2f}", ">= 0.3", ratio(raw["seconds"], seconds) >= 0.3)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="directory of the release build's programs")
    parser.add_argument("--seconds", type=float, default=8, help="how long each load runs")
    parser.add_argument("--large", type=int, default=1_000_000, help="customers of the large tenant")
    parser.add_argument("--bulk", type=int, default=10_000, help="customers that are deleted, undone, purged ... at once")
    parser.add_argument("--compared", type=int, default=100_000, help="customers that are compared at two moments")
    parser.add_argument("--followed", type=int, default=100_000, help="commits that a follower stands still for")
    arguments = parser.parse_args()
    directory = pathlib.Path(tempfile.mkdtemp(prefix="retrace-bench-"))
    table = Table()
    server = Server(arguments.bin.resolve(), directory)
    try:
        server.start()
        mix_rate = commands(table, server, arguments.bin, directory, arguments.seconds)
        keys_per_command(table, server)
        postgres(table, arguments.bin, directory, arguments.seconds, mix_rate)
        pages(table, server, arguments.large)
        changes.Changes(table, server, measure, arguments.bin, directory, arguments.bulk,
                        arguments.compared).run()
        follower.Follower(table, server, arguments.followed).run()
        restart(table, server, arguments.bin, directory, arguments.large)
        server.end()
    finally:
        if server.process is not None and server.process.poll() is None:
            server.end(signal.SIGKILL)
        print()
        table.print()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
