#!/usr/bin/env python3
"""The shipped nginx configuration in front of the shipped daemon: calls and streams pass, attacks do not.

nginx_test.py BIN [--direct]: with a private nginx and self-signed certificates. What an attack cost
is read from what reached the daemon (handlers begun, processor time), never from a clock on the wall.
--direct makes the same attacks on a daemon of its own without nginx, to show that they are attacks.
Runs on Debian's python3 with its python3-grpcio.
"""
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import grpc

sys.path.insert(0, str(Path(__file__).resolve().parent))
import h2_attacks  # noqa: E402
from nginx_server import PATIENCE, Gone, Nginx, await_true, run  # noqa: E402

DIRECT = "--direct" in sys.argv
if DIRECT:
    sys.argv.remove("--direct")
BIN = Path(sys.argv.pop(1)).resolve() if len(sys.argv) > 1 else None
RESETS = 20_000
# Of a daemon: what it begins with, which a storm takes, and what it may have.
DESCRIPTORS = 256
MOST_DESCRIPTORS = 4096
STORM = 300
ATTACKED = b"/retrace.v1.Tenants/ListTenants"
EVENTS_VIEW = b"\x30\x03"  # WatchCommitsRequest.view


def field(tag, value):
    """A field of a serialised message: text or bytes, or a message's bytes."""
    value = value.encode() if isinstance(value, str) else value
    size = len(value)
    length = bytearray()
    while size >= 128:
        length.append(128 | size & 127)
        size >>= 7
    length.append(size)
    return bytes((tag << 3 | 2,)) + bytes(length) + value


class Daemon:
    """A daemon with a data directory of its own, on its unix sockets only."""

    def __init__(self, directory, most_descriptors):
        self.data = directory / "data"
        run(BIN / "retraced", "init", self.data)
        self.token = (self.data / "root.token").read_text().strip()
        self.socket = str(self.data / "retraced.sock")
        command = ["prlimit", f"--nofile={DESCRIPTORS}:{most_descriptors}", BIN / "retraced", "serve", "--data", self.data,
                   "--listen", "none", "--http-trusted-proxies", "unix", "--log-file",
                   directory / "daemon.log"]
        self.process = subprocess.Popen(list(map(str, command)))
        await_true("the daemon serves", self.healthy)

    def healthy(self):
        if self.process.poll() is not None:
            raise AssertionError("the daemon ended")
        return subprocess.run([BIN / "retraced", "health", "--data", self.data],
                              capture_output=True).returncode == 0

    def processor_seconds(self):
        stat = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")

    def calls(self, method):
        """How many calls of a method the daemon has begun and ended so far."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE)
            connection.connect(str(self.data / "http.sock"))
            connection.sendall(f"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                               f"Authorization: Bearer {self.token}\r\n\r\n".encode())
            answer = b""
            while piece := connection.recv(1 << 16):
                answer += piece
        assert answer.startswith(b"HTTP/1.1 200 "), answer[:200]
        found = re.findall(rf'retrace_calls_total{{[^}}]*method="{re.escape(method)}"[^}}]*}} (\S+)',
                           answer.decode())
        return sum(map(float, found))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=PATIENCE)
        assert code == 0, f"the daemon ended with {code}"


class WithDaemon(unittest.TestCase):
    @classmethod
    def make_directory(cls):
        scratch = tempfile.TemporaryDirectory(prefix="retrace-nginx-")
        cls.addClassCleanup(scratch.cleanup)
        return Path(scratch.name)

    @classmethod
    def make_daemon(cls, directory, most_descriptors=MOST_DESCRIPTORS):
        daemon = Daemon(directory, most_descriptors)
        cls.addClassCleanup(daemon.stop)
        run(BIN / "retrace", "--endpoint", f"unix:{daemon.socket}", "--token", daemon.token, "tenants",
            "create", "acme")
        return daemon


@unittest.skipIf(DIRECT, "the daemon stands alone")
class BehindNginx(WithDaemon):
    @classmethod
    def setUpClass(cls):
        cls.directory = cls.make_directory()
        cls.daemon = cls.make_daemon(cls.directory)
        cls.nginx = Nginx(cls.directory, cls.daemon)
        cls.addClassCleanup(cls.nginx.stop)
        credentials = grpc.ssl_channel_credentials(cls.nginx.certificate.read_bytes())
        cls.channel = grpc.secure_channel(f"localhost:{cls.nginx.port}", credentials)
        cls.addClassCleanup(cls.channel.close)

    def tearDown(self):
        # Whatever was done to it: it answers, and so does the daemon behind it.
        self.assertIn("release", self.retrace("admin", "status", "-o", "json"))

    def retrace(self, *arguments):
        """The command line, through nginx."""
        return run(BIN / "retrace", "--endpoint", f"https://localhost:{self.nginx.port}", "--token",
                   self.daemon.token, "--tenant", "acme", "--connect-timeout", "30s", *arguments,
                   env={**os.environ,
                        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(self.nginx.certificate)})

    def metadata(self):
        return [("authorization", f"Bearer {self.daemon.token}")]

    def call(self, method, request):
        return self.channel.unary_unary(f"/retrace.v1.{method}")(request, metadata=self.metadata(),
                                                                 timeout=PATIENCE)

    def refusal(self, method, request):
        with self.assertRaises(grpc.RpcError) as failed:
            self.call(method, request)
        return failed.exception

    def create(self, name):
        self.call("Customers/CreateCustomer",
                  field(1, "tenants/acme") + field(2, field(3, name)))

    def attack(self, what, *arguments):
        """Does it, and gives the daemon's processor time for it, all calls meanwhile included."""
        before = self.daemon.processor_seconds()
        what(self.nginx.address, True, *arguments)
        self.retrace("tenants", "list")
        return self.daemon.processor_seconds() - before

    def test_commands_and_queries_pass(self):
        self.retrace("customers", "create", "--display-name", "Søren Ångström 测试")
        self.assertIn("Søren Ångström 测试", self.retrace("customers", "list"))
        # Errors with their details.
        refused = self.refusal("Customers/GetCustomer", field(1, "tenants/acme/customers/nobody"))
        self.assertEqual(refused.code(), grpc.StatusCode.NOT_FOUND)
        details = dict(refused.trailing_metadata())["grpc-status-details-bin"]
        self.assertIn(b"google.rpc.ErrorInfo", details)

    def test_a_stream_is_not_held_back(self):
        watch = self.channel.unary_stream("/retrace.v1.History/WatchCommits")(
            field(1, "tenants/acme") + EVENTS_VIEW, metadata=self.metadata(), timeout=PATIENCE)
        # What is read was sent while the stream was open: the next commit is made only then.
        for name in ("Quetzal", "Wrenfeather", "Osprey"):
            self.create(name)
            for message in watch:
                if name.encode() in message:
                    break
            else:
                self.fail(f"the stream ended before {name}")
        watch.cancel()

    def test_too_large_a_message_is_refused_in_grpcs_words(self):
        large = self.refusal("Customers/CreateCustomer",
                          field(1, "tenants/acme") + field(2, field(3, "x" * (5 << 20))))
        self.assertIn("grpc-status-details-bin", dict(large.trailing_metadata()))
        larger = self.refusal("Customers/CreateCustomer", field(1, "x" * (12 << 20)))
        self.assertEqual(larger.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
        self.assertIn("9 MiB", larger.details())

    def test_refusals_are_grpcs_to_every_client(self):
        # Other clients than this one look at status and content type before they look for words.
        path = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
        status, headers, body = self.http("POST", path, b"", {"Content-Type": "application/grpc"})
        self.assertEqual((status, headers["Content-Type"], headers["grpc-status"], body),
                         (200, "application/grpc", "12", b""))
        flags, block = h2_attacks.answer_headers(self.nginx.address, path.encode())
        self.assertTrue(flags & h2_attacks.END_STREAM)
        self.assertIn(h2_attacks.STATUS_200, block[:2])  # behind a size of the table

    def test_refusals_are_connects_to_the_rest(self):
        status, headers, body = self.http("POST", "/grpc.reflection.v1.X/Y", b"{}",
                                          self.connect_headers("application/json"))
        self.assertEqual((status, headers["Content-Type"]), (404, "application/json"))
        self.assertEqual(json.loads(body)["code"], "unimplemented")
        self.assertIn("max-age", headers["Strict-Transport-Security"])
        status, headers, body = self.http("POST", "/retrace.v1.Customers/ListCustomers.html",
                                          "x" * (10 << 20),
                                          self.connect_headers("application/json"))
        self.assertEqual((status, headers["Content-Type"]), (413, "application/json"))
        self.assertEqual(json.loads(body)["code"], "resource_exhausted")

    def test_reflection_stays_on_the_machine(self):
        call = self.channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
        with self.assertRaises(grpc.RpcError) as refused:
            list(call(iter([field(7, "*")]), timeout=PATIENCE))
        self.assertEqual(refused.exception.code(), grpc.StatusCode.UNIMPLEMENTED)

    def test_rapid_reset_is_bounded(self):
        before = self.daemon.calls("retrace.v1.Tenants.ListTenants")
        sent = h2_attacks.rapid_reset(self.nginx.address, True, ATTACKED, RESETS, whole=False)
        self.assertGreaterEqual(sent, RESETS)
        sent = h2_attacks.rapid_reset(self.nginx.address, True, ATTACKED, RESETS)
        self.assertGreaterEqual(sent, RESETS)
        # What arrives is what an address may call anyway: the burst, and 10 a second.
        begun = self.daemon.calls("retrace.v1.Tenants.ListTenants") - before
        print(f"rapid reset: {begun:.0f} handlers of {2 * RESETS} calls taken back")
        self.assertLess(begun, RESETS / 10)

    def test_headers_without_measure_do_not_reach_the_daemon(self):
        self.assertLess(self.attack(h2_attacks.long_string, ATTACKED, 8 << 20), 0.5)
        self.assertLess(self.attack(h2_attacks.padded_number, ATTACKED, 4 << 20), 0.5)

    def test_a_storm_of_connections_passes(self):
        storm = h2_attacks.storm(self.nginx.address, STORM)
        # By a connection of its own: nginx ends idle ones first.
        self.retrace("customers", "create", "--display-name", "In the storm")
        self.assertIn("In the storm", self.retrace("customers", "list"))
        for connection in storm:
            connection.close()
        self.create("After the storm")

    def test_slow_headers_are_cut_off(self):
        slow = [h2_attacks.half_headers(self.nginx.address, True) for _ in range(20)]
        self.create("Beside slow ones")
        for connection in slow:
            self.assertTrue(h2_attacks.await_end(connection))
            connection.close()

    def test_a_slow_message_is_cut_off(self):
        slow = [h2_attacks.half_body(self.nginx.address, True, ATTACKED, self.daemon.token.encode())
                for _ in range(20)]
        self.create("Beside slow ones")
        for connection in slow:
            self.assertTrue(h2_attacks.await_end(connection))
            connection.close()


    # HTTP.

    def http(self, method, path, body=None, headers=(), nginx=None):
        """One request over HTTPS: status, headers, body."""
        nginx = nginx or self.nginx
        context = ssl.create_default_context(cafile=nginx.certificate)
        connection = http.client.HTTPSConnection("localhost", nginx.port, timeout=PATIENCE,
                                                 context=context)
        self.addCleanup(connection.close)
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def connect_headers(self, content_type):
        return {"Content-Type": content_type, "Connect-Protocol-Version": "1",
                "Authorization": f"Bearer {self.daemon.token}"}

    def test_connect_and_health_pass(self):
        self.create("Connected")
        status, _, body = self.http("POST", "/retrace.v1.Customers/ListCustomers",
                                    json.dumps({"parent": "tenants/acme"}),
                                    self.connect_headers("application/json"))
        self.assertEqual(status, 200)
        names = [customer["displayName"] for customer in json.loads(body)["customers"]]
        self.assertIn("Connected", names)
        self.assertEqual(self.http("GET", "/healthz")[0], 200)
        self.assertEqual(self.http("GET", "/u/no-such-token")[0], 404)

    def test_a_connect_stream_is_not_held_back(self):
        context = ssl.create_default_context(cafile=self.nginx.certificate)
        connection = http.client.HTTPSConnection("localhost", self.nginx.port, timeout=PATIENCE,
                                                 context=context)
        self.addCleanup(connection.close)
        request = json.dumps({"parent": "tenants/acme", "view": "EVENTS"}).encode()
        connection.request("POST", "/retrace.v1.History/WatchCommits",
                           b"\0" + len(request).to_bytes(4, "big") + request,
                           self.connect_headers("application/connect+json"))
        answer = connection.getresponse()
        self.assertEqual(answer.status, 200)
        for name in ("Heron", "Partridge"):
            self.create(name)
            message = b""
            while name.encode() not in message:
                head = answer.read(5)
                self.assertEqual(len(head), 5, "the stream ended")
                message = answer.read(int.from_bytes(head[1:], "big"))

    def test_what_belongs_to_the_machine_stays_there(self):
        for path in ("/metrics", "//metrics", "/%6detrics", "/u/../metrics"):
            status, headers, _ = self.http("GET", path)
            self.assertEqual(status, 404, path)
            self.assertEqual(headers["Server"], "nginx")

    def test_no_log_holds_a_token(self):
        for path in ("/u/CANARY", "/%75/CANARY", "//u/CANARY", "/u/CANARY?t=CANARY", "/x?t=CANARY",
                     "/u/" + "CANARY" * 2000):
            self.http("GET", path, headers={"Referer": "https://localhost/u/CANARY"})
        for _ in range(40):  # more than one address may
            self.http("POST", "/u/CANARY", "List-Unsubscribe=One-Click")
        plain = http.client.HTTPConnection("127.0.0.1", self.nginx.plain_port, timeout=PATIENCE)
        self.addCleanup(plain.close)
        plain.request("GET", "/u/CANARY")
        self.assertEqual(plain.getresponse().status, 404)
        self.nginx.await_logged('"path":"/u/-"')
        self.nginx.await_logged('"status":429')
        self.http("GET", "/the-last")
        self.nginx.await_logged('"path":"/the-last"')
        for file in self.directory.glob("*.log"):
            self.assertNotIn("CANARY", file.read_text(), file)

    def test_an_upstream_that_is_gone_is_said_without_its_token(self):
        directory = self.make_directory()
        nginx = Nginx(directory, Gone(directory))
        self.addCleanup(nginx.stop)
        self.assertEqual(self.http("GET", "/u/CANARY", nginx=nginx)[0], 502)
        self.assertEqual(self.http("GET", "/other", nginx=nginx)[0], 503)
        nginx.await_logged('"path":"/other","protocol":"HTTP/1.1","status":503')
        for file in directory.glob("*.log"):
            self.assertNotIn("CANARY", file.read_text(), file)

    def test_too_large_a_body_is_refused(self):
        self.assertEqual(self.http("POST", "/retrace.v1.Customers/ListCustomers", "x" * (10 << 20),
                                   self.connect_headers("application/json"))[0], 413)
        self.assertEqual(self.http("POST", "/u/x", "x" * (1 << 20))[0], 413)

    def test_slow_http_is_cut_off(self):
        context = ssl.create_default_context(cafile=self.nginx.certificate)
        for begun in (b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
                      b"POST /retrace.v1.Customers/ListCustomers HTTP/1.1\r\nHost: localhost\r\n"
                      b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"):
            with context.wrap_socket(socket.create_connection(self.nginx.address, PATIENCE),
                                     server_hostname="localhost") as slow:
                slow.sendall(begun)
                with contextlib.suppress(ConnectionError, ssl.SSLError):
                    while slow.recv(1 << 16):
                        pass

    def test_plain_http_goes_to_https(self):
        plain = http.client.HTTPConnection("127.0.0.1", self.nginx.plain_port, timeout=PATIENCE)
        self.addCleanup(plain.close)
        plain.request("GET", "/healthz", headers={"Host": "crm.example.com"})
        answer = plain.getresponse()
        self.assertEqual((answer.status, answer.headers["Location"]),
                         (301, "https://crm.example.com/healthz"))


@unittest.skipUnless(DIRECT, "nginx stands in front")
class WithoutNginx(WithDaemon):
    """What the daemon's own port suffers: why it is for this machine only."""

    def test_rapid_reset_starts_every_handler(self):
        daemon = self.make_daemon(self.make_directory())
        sent = h2_attacks.rapid_reset(daemon.socket, False, ATTACKED, RESETS)
        begun = daemon.calls("retrace.v1.Tenants.ListTenants")
        print(f"rapid reset: {begun:.0f} handlers of {sent} calls taken back")
        self.assertGreater(begun, sent / 4)

    def test_a_storm_silences_it(self):
        daemon = self.make_daemon(self.make_directory(), DESCRIPTORS)
        storm = h2_attacks.storm(daemon.socket, STORM)
        descriptors = Path(f"/proc/{daemon.process.pid}/fd")
        await_true("it has no descriptor left", lambda: len(list(descriptors.iterdir())) == DESCRIPTORS)
        for connection in storm:
            connection.close()
        await_true("it has them back", lambda: len(list(descriptors.iterdir())) < DESCRIPTORS // 2)
        call = subprocess.run([BIN / "retrace", "--endpoint", f"unix:{daemon.socket}", "--token",
                               daemon.token, "--connect-timeout", "10s", "tenants", "list"],
                              capture_output=True, text=True, timeout=PATIENCE)
        print(f"after a storm of connections: exit code {call.returncode}: {call.stderr.strip()}")
        self.assertNotEqual(call.returncode, 0, "the library was mended; say so where it is named")

    def test_headers_without_measure_cost_time(self):
        daemon = self.make_daemon(self.make_directory())
        for attack, size in ((h2_attacks.long_string, 8 << 20), (h2_attacks.padded_number, 4 << 20)):
            before = daemon.processor_seconds()
            attack(daemon.socket, False, ATTACKED, size)
            daemon.calls("retrace.v1.Tenants.ListTenants")
            print(f"{attack.__name__}: {daemon.processor_seconds() - before:.2f} s of the daemon")


if __name__ == "__main__":
    unittest.main()
