"""A private nginx with the shipped configuration."""
import contextlib
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

SHIPPED = Path(__file__).resolve().parent.parent.parent / "server/nginx/retrace.conf"
NGINX = "/usr/sbin/nginx"
# For what ends by itself sooner or later, however slow the machine is.
PATIENCE = 60


def run(*command, **options):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120,
                          **options)
    if done.returncode != 0:
        raise AssertionError(f"{command[0]} ended with {done.returncode}: {done.stderr}{done.stdout}")
    return done.stdout


def await_true(what, test):
    deadline = time.monotonic() + PATIENCE
    while not test():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {PATIENCE} s: {what}")
        time.sleep(0.02)


class Gone:
    """In a daemon's place: nobody listens."""

    def __init__(self, directory):
        self.data = directory
        self.socket = str(directory / "retraced.sock")


class Nginx:
    """A private nginx with the shipped configuration, but for addresses, files and time-outs."""

    def __init__(self, directory, daemon):
        self.directory = directory
        self.certificate = directory / "cert.pem"
        key = directory / "key.pem"
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
            "-keyout", key, "-out", self.certificate)
        (directory / "tmp").mkdir()
        for _ in range(20):
            self.port, self.plain_port = self.free_port(), self.free_port()
            self.write(daemon, key)
            self.process = subprocess.Popen([NGINX, "-p", directory, "-c", directory / "nginx.conf",
                                             "-e", directory / "start.log"])
            if self.starts():
                return
        raise AssertionError("nginx does not start: " + (directory / "start.log").read_text())

    @staticmethod
    def free_port():
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    def write(self, daemon, key):
        text = SHIPPED.read_text()
        for shipped, ours in (
                ("server 127.0.0.1:7233 ", f"server unix:{daemon.socket} "),
                ("server 127.0.0.1:7234 ", f"server unix:{daemon.data}/http.sock "),
                ("listen 443 ssl http2;", f"listen 127.0.0.1:{self.port} ssl http2;"),
                ("listen 80;", f"listen 127.0.0.1:{self.plain_port};"),
                ("/etc/ssl/retrace/crm.example.com.pem", self.certificate),
                ("/etc/ssl/retrace/crm.example.com.key", key),
                ("/var/log/nginx/retrace.log", self.directory / "access.log"),
                ("/var/log/nginx/retrace.error.log", self.directory / "error.log"),
                # On a slow machine an attack lasts longer, and that rate would let more pass.
                ("rate=1000r/s", "rate=10r/s"),
                # So that few requests are more than one address may.
                ("rate=50r/s", "rate=1r/m"), ("burst=500", "burst=9"),
                # What the test must wait for, it need not wait for long.
                ("client_header_timeout 10s;\n    client_body_timeout   10s;",
                 "client_header_timeout 3s;\n    client_body_timeout   3s;")):
            assert shipped in text, f"{SHIPPED} does not hold `{shipped}`"
            text = text.replace(shipped, str(ours))
        (self.directory / "retrace.conf").write_text(text)
        tmp = self.directory / "tmp"
        # Fewer connections than the storm has.
        (self.directory / "nginx.conf").write_text(
            "daemon off;\n" + ("user root;\n" if os.getuid() == 0 else "")
            + f"pid {self.directory}/nginx.pid;\nworker_processes 1;\nerror_log {self.directory}/start.log;\n"
            "events { worker_connections 200; }\n"
            f"http {{ {' '.join(f'{what}_temp_path {tmp};' for what in ('client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'))}\n"
            f"include {self.directory}/retrace.conf; }}\n")

    def starts(self):
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                return False  # another took the port
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return self.process.poll() is None
            time.sleep(0.02)
        return False

    @property
    def address(self):
        return ("127.0.0.1", self.port)

    def await_logged(self, part):
        """Its line of a request follows the reply, so a client may be faster."""
        log = self.directory / "access.log"
        await_true(f"{part} in the log", lambda: part in log.read_text())

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=PATIENCE)
