#!/usr/bin/env python3
"""Mail that arrives: a real daemon, a real mail server, nothing between them.

mail_test.py BIN
"""
import http.client
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest
import urllib.parse

from mailed import MailServer, MailedDaemon, wait_for

BIN = pathlib.Path(sys.argv.pop(1)).resolve() if len(sys.argv) > 1 else None


class Mail(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.directory = pathlib.Path(scratch.name)
        self.mail = MailServer(self.directory / "mail")
        self.addCleanup(self.mail.stop)
        self.daemon = MailedDaemon(BIN, self.directory, self.mail)
        self.daemon.run()
        self.addCleanup(self.daemon.log.close)
        self.addCleanup(lambda: self.daemon.end(signal.SIGKILL))
        self.daemon.retrace("tenants", "create", "acme")

    def member(self, name, title=None, *flags):
        self.daemon.retrace("members", "create", name, "--display-name", title or name, "--email",
                            f"{name}@example.com", *flags)

    def customer(self, name, owner):
        return self.daemon.retrace("customers", "create", "--display-name", name, "--owner", owner,
                                   "-o", "csv")

    def deliveries(self, *filters):
        text = self.daemon.retrace("deliveries", "list", "--filter", " AND ".join(filters), "-o",
                                   "jsonl")
        return [line for line in text.splitlines() if line]

    def arrived(self, count):
        wait_for(f"{count} messages arrive", lambda: self.mail.count() >= count)
        return self.mail.messages()

    def test_chinese_arrives_intact(self):
        self.member("lin", "林美玲", "--language", "zh-CN")
        self.customer("北京华信科技有限公司", "lin")
        self.daemon.retrace("customers", "delete", "#1", "--related", "delete", "--reason",
                            "合同到期，客户要求删除", "--yes")
        message = self.arrived(1)[0]
        self.assertIn("北京华信科技有限公司", str(message["Subject"]))
        self.assertEqual(message["To"].addresses[0].display_name, "林美玲")
        self.assertEqual(message["From"].addresses[0].display_name, "销售系统")
        self.assertEqual(message["Auto-Submitted"], "auto-generated")
        for kind in ("plain", "html"):
            body = message.get_body((kind,)).get_content()
            self.assertIn("合同到期，客户要求删除", body)
            self.assertIn("北京华信科技有限公司", body)
        self.assertIn("List-Unsubscribe=One-Click", message["List-Unsubscribe-Post"])
        self.assertRegex(message["List-Unsubscribe"], r"^<https://crm\.example\.com/u/[^>]+>$")

    def test_an_undo_is_followed_by_a_correction_to_the_same_thread(self):
        self.member("ann")
        self.customer("Acme", "ann")
        self.daemon.retrace("customers", "delete", "#1", "--related", "delete", "--reason", "left",
                            "--yes")
        told = self.arrived(1)[0]
        wait_for("it is recorded", lambda: self.deliveries("state = SENT", "channel = EMAIL"))
        listed = self.daemon.retrace("history", "change-sets", "--limit", "20", "-o", "csv")
        number = next(line.split(",")[0] for line in listed.splitlines()
                      if "Customers.DeleteCustomer" in line)
        self.daemon.retrace("undo", number, "--reason", "a mistake", "--yes")
        correction = self.arrived(2)[1]
        self.assertEqual(correction["In-Reply-To"], told["Message-ID"])
        self.assertIn("Acme", str(correction["Subject"]))

    def test_ten_thousand_of_one_owner_are_one_mail(self):
        self.member("ann")
        self.daemon.import_csv("customers", self.directory / "customers.csv",
                               "display_name,owner",
                               [f"Customer {i},ann" for i in range(10_000)])
        self.daemon.retrace("customers", "delete", "--filter", 'owner = "tenants/acme/members/ann"',
                            "--related", "delete", "--reason", "end of business", "--yes",
                            "--acknowledge-count", "10000")
        message = self.arrived(1)[0]
        self.assertIn("10,000", str(message["Subject"]).replace("10000", "10,000"))
        wait_for("it is recorded", lambda: self.deliveries("state = SENT", "channel = EMAIL"))
        self.assertEqual(self.mail.count(), 1)
        # A rebuild of the rows sends nothing.
        self.assertEqual(self.daemon.end(signal.SIGTERM), "")
        shutil.rmtree(self.daemon.data / "rows")
        self.daemon.run()
        self.member("bo")
        self.customer("Beta", "bo")
        self.daemon.retrace("customers", "delete", "--filter", 'display_name = "Beta"', "--related", "delete", "--reason", "left",
                            "--yes")
        self.arrived(2)
        self.assertEqual([m["To"].addresses[0].username for m in self.mail.messages()], ["ann", "bo"])

    def test_a_refused_recipient_keeps_nobody_else_waiting(self):
        for name in ("nobody", "ann"):
            self.member(name)
            self.customer(f"Customer of {name}", name)
        self.daemon.retrace("customers", "delete", "--filter", 'display_name = "Customer of*"',
                            "--related", "delete", "--reason", "left", "--yes")
        self.assertEqual(self.arrived(1)[0]["To"].addresses[0].username, "ann")
        failed = wait_for("it is given up", lambda: self.deliveries("state = FAILED"))
        self.assertIn("5.1.1", failed[0])
        points = self.daemon.retrace("contact-points", "list", "-o", "jsonl")
        self.assertIn("BOUNCE", points)

    def test_a_template_that_cannot_be_used_is_told_of(self):
        self.daemon.retrace("templates", "create", "customers.deleted", "en", "--subject",
                            "{{message}}", "--text", "T")
        self.member("ann")
        self.customer("Acme", "ann")
        self.daemon.retrace("customers", "delete", "#1", "--related", "delete", "--reason", "left",
                            "--yes")
        self.assertIn("Acme", str(self.arrived(1)[0]["Subject"]))
        sent = wait_for("it is recorded", lambda: self.deliveries("state = SENT", "channel = EMAIL"))
        self.assertIn("in the shipped words: templates/customers-deleted-en: With these values the "
                      "subject is empty.", sent[0])

    def test_a_mail_server_that_is_down_is_tried_again(self):
        self.mail.stop()
        self.member("ann")
        self.customer("Acme", "ann")
        self.daemon.retrace("customers", "delete", "#1", "--related", "delete", "--reason", "left",
                            "--yes")
        wait_for("it was tried", lambda: self.deliveries("state = PENDING", "attempt_count > 0"))
        self.mail.start()
        self.arrived(1)
        wait_for("it is recorded", lambda: self.deliveries("state = SENT", "channel = EMAIL"))

    def test_after_a_recovery_an_administrator_decides(self):
        self.member("ann")
        self.customer("Acme", "ann")
        self.mail.stop()
        self.daemon.retrace("customers", "delete", "#1", "--related", "delete", "--reason", "left",
                            "--yes")
        wait_for("it was tried", lambda: self.deliveries("state = PENDING", "attempt_count > 0"))
        self.daemon.retrace("admin", "backup", "first")
        self.assertEqual(self.daemon.end(signal.SIGTERM), "")
        self.recover()
        self.mail.start()
        self.daemon.run()
        self.member("bo")
        self.customer("Beta", "bo")
        self.daemon.retrace("customers", "delete", "--filter", 'display_name = "Beta"', "--related", "delete", "--reason", "left",
                            "--yes")
        # What comes now leaves; what may have left before waits.
        self.assertEqual(self.arrived(1)[0]["To"].addresses[0].username, "bo")
        wait_for("it is recorded", lambda: self.deliveries("state = SENT", "channel = EMAIL"))
        self.assertEqual(len(self.deliveries("state = PENDING")), 1)
        self.daemon.retrace("deliveries", "resolve-held", "send", "--reason", "nothing had left")
        self.assertEqual(self.arrived(2)[1]["To"].addresses[0].username, "ann")

    def test_a_link_of_mail_that_left_after_the_backup_holds_after_the_recovery(self):
        self.member("ann")
        self.daemon.retrace("admin", "backup", "first")
        self.customer("Acme", "ann")
        self.daemon.retrace("customers", "delete", "#1", "--related", "delete", "--reason", "left",
                            "--yes")
        link = self.arrived(1)[0]["List-Unsubscribe"].strip("<>")
        wait_for("it is recorded", lambda: self.deliveries("state = SENT", "channel = EMAIL"))
        self.assertEqual(self.daemon.end(signal.SIGTERM), "")
        self.recover()
        self.daemon.run()
        self.assertEqual(self.deliveries(), [])
        self.assertEqual(self.call("GET", link), 200)
        self.assertEqual(self.call("POST", link, "List-Unsubscribe=One-Click"), 200)
        points = self.daemon.retrace("contact-points", "list", "-o", "jsonl")
        self.assertIn("ONE_CLICK", points)

    def call(self, method, url, form=None):
        """What the daemon's own HTTP socket answers; what stands before it, it does not see."""
        connection = http.client.HTTPConnection("crm.example.com")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(self.daemon.data / "http.sock"))
        self.addCleanup(connection.close)
        connection.request(method, urllib.parse.urlsplit(url).path, form,
                           {"Content-Type": "application/x-www-form-urlencoded"} if form else {})
        return connection.getresponse().status

    def recover(self):
        """Puts what the backup holds in the place of the data."""
        data = self.daemon.data
        old = data.with_name("old")
        data.rename(old)
        subprocess.run([BIN / "retraced", "recover", "--from", old / "backups" / "first", "--keys",
                        old / "key-backups" / "first", "--master-key", old / "master.key", "--to",
                        data], check=True, capture_output=True)
        shutil.copy(old / "tokens.toml", data / "tokens.toml")


if __name__ == "__main__":
    unittest.main()
