"""A daemon that sends mail, and the mail server that takes it: for tests of what arrives."""
import email
import email.policy
import json
import os
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from run_story import Daemon  # noqa: E402

# Debian's interpreter, for which Debian's python3-aiosmtpd is.
PYTHON = "/usr/bin/python3"
MAIL_SERVER = HERE.parent / "data" / "outbound" / "mail_server.py"


def wait_for(what, condition, seconds=120):
    """Until the condition gives something true, which is returned; fails when it never does."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"never happened: {what}")
        time.sleep(0.05)
    return found


class MailServer:
    """Real, in a process of its own; keeps what it takes as files."""

    def __init__(self, directory, *arguments):
        self.directory = pathlib.Path(directory)
        self.arguments = arguments
        self.port = 0
        self.start()

    def start(self):
        self.port = json.loads(wait_for("the mail server has its port", self.listens))["port"]

    def listens(self):
        """What it says when it listens; nothing while somebody else has the port that it had."""
        self.process = subprocess.Popen(
            [PYTHON, MAIL_SERVER, "--keep", self.directory, "--port", str(self.port), "--utf8",
             *self.arguments], stdout=subprocess.PIPE, text=True)
        said = self.process.stdout.readline()
        if not said:
            self.stop()
        return said

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()

    def count(self):
        return len(list(self.directory.glob("*.eml")))

    def lost(self):
        """How many answers were lost on purpose."""
        file = self.directory / "lost"
        return int(file.read_text()) if file.exists() else 0

    def messages(self):
        return [email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
                for path in sorted(self.directory.glob("*.eml"))]


class MailedDaemon(Daemon):
    """Tenant acme on a daemon that sends mail to the mail server."""

    def __init__(self, bin_dir, directory, mail, *flags):
        super().__init__(pathlib.Path(bin_dir), pathlib.Path(directory))
        self.retrace_program = str(pathlib.Path(bin_dir) / "retrace")
        self.flags = ["--smtp-url", f"smtp://127.0.0.1:{mail.port}/crm.test", "--smtp-tls",
                      "never", "--mail-from", "销售系统 <crm@example.com>", "--public-url",
                      "https://crm.example.com", *flags]

    def run(self):
        problem = self.start(*self.flags)
        assert not problem, problem

    def retrace(self, *arguments, check=True):
        environment = dict(os.environ, RETRACE_ENDPOINT=self.endpoint, RETRACE_TOKEN=self.token,
                           RETRACE_TENANT="acme", NO_COLOR="1")
        done = subprocess.run([self.retrace_program, *map(str, arguments)], capture_output=True,
                              text=True, env=environment, timeout=300)
        if check and done.returncode != 0:
            raise AssertionError(f"retrace {' '.join(map(str, arguments))} ended with "
                                 f"{done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def import_csv(self, noun, path, header, rows):
        """Brings in rows of a CSV file."""
        path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
        return self.retrace(noun, "import", path)
