#!/usr/bin/env python3
"""kill -9 at random moments while 1,000 messages are delivered: each arrives, and twice only where
an answer was lost, by the mail server or by the kill.

delivery_kill_test.py BIN [--kills N] [--seed N]
"""
import argparse
import collections
import pathlib
import random
import signal
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from mailed import MailServer, MailedDaemon, wait_for  # noqa: E402

MESSAGES = 1000
LOSE_EVERY = 97
# Messages that may be under way at once: OutboxOptions.mails_at_once, and as many not recorded yet.
UNDER_WAY = 8


def sent(daemon):
    return daemon.retrace("deliveries", "list", "--filter", "state = SENT AND channel = EMAIL",
                          "--limit", str(MESSAGES), "-o", "jsonl").count("\n")


def prepare(daemon, directory):
    daemon.retrace("tenants", "create", "acme")
    daemon.retrace("policy", "set", "hold_notifications_seconds=1")
    daemon.import_csv("members", directory / "members.csv", "member_id,display_name,email",
                      [f"m{i},Member {i},m{i}@example.com" for i in range(MESSAGES)])
    daemon.import_csv("customers", directory / "customers.csv", "display_name,owner",
                      [f"Customer {i},m{i}" for i in range(MESSAGES)])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bin", type=pathlib.Path)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    dice = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as scratch:
        directory = pathlib.Path(scratch)
        mail = MailServer(directory / "mail", "--lose-answer", str(LOSE_EVERY))
        daemon = MailedDaemon(options.bin.resolve(), directory, mail)
        daemon.run()
        try:
            prepare(daemon, directory)
            daemon.retrace("customers", "delete", "--filter", 'display_name = "Customer*"',
                           "--related", "delete", "--reason", "end of business", "--yes",
                           "--acknowledge-count", str(MESSAGES))
            for kill in range(options.kills):
                # Somewhere in the next part of the messages, whatever is being done then.
                share = MESSAGES * (kill + 1) // (options.kills + 1)
                wait_for("messages arrive", lambda: mail.count() >= share)
                time.sleep(dice.random() * 0.1)
                daemon.end(signal.SIGKILL)
                daemon.run()
            # An answer that was lost is asked for again after half a minute at most.
            wait_for("all are recorded as sent", lambda: sent(daemon) == MESSAGES, seconds=240)
            judge(mail, options.kills)
        finally:
            daemon.end(signal.SIGKILL)
            mail.stop()


def judge(mail, kills):
    arrived = collections.Counter()
    ids = collections.defaultdict(set)
    for message in mail.messages():
        arrived[message["X-Rcpt-To"]] += 1
        ids[message["X-Rcpt-To"]].add(message["Message-ID"])
    twice = sum(count - 1 for count in arrived.values())
    print(f"{len(arrived)} recipients, {sum(arrived.values())} messages, {mail.lost()} answers lost "
          f"by the mail server, {kills} kills, {twice} arrived again")
    assert len(arrived) == MESSAGES, "somebody got nothing"
    assert all(len(found) == 1 for found in ids.values()), "one message has two ids"
    assert twice >= mail.lost(), "a lost answer was taken for one"
    assert twice <= mail.lost() + kills * UNDER_WAY, "more arrived again than answers were lost"


if __name__ == "__main__":
    main()
