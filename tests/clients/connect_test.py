#!/usr/bin/env python3
"""Programs of others call a real daemon over HTTP: connect-web, buf curl and curl.

connect_test.py BIN
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BIN = Path(sys.argv.pop(1)).resolve() if len(sys.argv) > 1 else None


def run(*command, code=0, **options):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120, **options)
    if done.returncode != code and code is not None:
        raise AssertionError(f"{command[0]} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout + (done.stderr if code != 0 else "")


class Connect(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(scratch.cleanup)
        cls.directory = Path(scratch.name)
        cls.data = cls.directory / "data"
        run(BIN / "retraced", "init", cls.data)
        cls.token = (cls.data / "root.token").read_text().strip()
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
            "-keyout", cls.directory / "key.pem", "-out", cls.directory / "cert.pem")
        cls.plain = cls.serve("plain")
        cls.make_descriptors()

    @classmethod
    def serve(cls, name, *flags):
        """Starts the daemon (one at a time) and returns its address."""
        log = cls.directory / f"{name}.log"
        cls.daemon = subprocess.Popen(
            [BIN / "retraced", "serve", "--data", cls.data, "--listen", "none",
             "--http-listen", "127.0.0.1:0", "--log-file", log, *flags])
        cls.addClassCleanup(cls.daemon.wait)
        cls.addClassCleanup(cls.daemon.terminate)
        serving = re.compile(r'"serving HTTP","port":(\d+)')
        while (subprocess.run([BIN / "retraced", "health", "--data", cls.data],
                              capture_output=True).returncode != 0 or
               not serving.search(log.read_text())):
            if cls.daemon.poll() is not None:
                raise AssertionError(f"the daemon does not serve: {log.read_text()}")
            time.sleep(0.05)
        return f"127.0.0.1:{serving.search(log.read_text()).group(1)}"

    @classmethod
    def make_descriptors(cls):
        protos = cls.directory / "protos"
        run(ROOT / "dev", "protos", protos)
        files = sorted(path.relative_to(protos) for path in protos.rglob("*.proto"))
        cls.descriptors = cls.directory / "all.binpb"
        run("protoc", "-I.", "-I/usr/include", f"-I{ROOT}/node_modules/google-proto-files",
            "-I/usr/share/grpc-proto", "--include_imports", f"--descriptor_set_out={cls.descriptors}",
            *files, "google/rpc/error_details.proto", "grpc/health/v1/health.proto", cwd=protos)

    def test_connect_web(self):
        printed = run("node", ROOT / "tests/clients/connect_web.mjs", f"http://{self.plain}",
                      self.descriptors, env={**os.environ, "TOKEN": self.token})
        self.assertEqual(printed, "ok\n")

    def buf(self, method, request, *flags, address=None, code=0):
        return run(ROOT / "node_modules/.bin/buf", "curl", "--schema", self.descriptors, "--protocol",
                   "connect", "--header", f"Authorization: Bearer {self.token}", "--data", json.dumps(request),
                   *flags, f"{address or 'http://' + self.plain}/{method}", code=code)

    def test_buf_curl(self):
        made = json.loads(self.buf("retrace.v1.Tenants/CreateTenant", {"tenant_id": "buf"}))
        self.assertEqual(made["tenant"]["name"], "tenants/buf")
        created = json.loads(self.buf("retrace.v1.Customers/CreateCustomer",
                                      {"parent": "tenants/buf", "customer": {"display_name": "上海"}}))
        self.assertEqual(created["customer"]["displayName"], "上海")
        streamed = self.buf("retrace.v1.History/Replay", {"parent": "tenants/buf"})
        self.assertIn("上海", streamed)
        refused = self.buf("retrace.v1.Tenants/GetTenant", {"name": "tenants/nobody"}, code=None)
        self.assertIn('"code": "not_found"', refused)
        self.assertIn("TENANT_NOT_FOUND", refused)

    def test_buf_curl_over_the_socket(self):
        listed = self.buf("retrace.v1.Tenants/ListTenants", {}, "--unix-socket", self.data / "http.sock")
        self.assertIn('"answered"', listed)

    def curl(self, path, *flags):
        return run("curl", "--silent", "--max-time", 20, "--header", f"Authorization: Bearer {self.token}",
                   *flags, f"http://{self.plain}{path}")

    def test_curl(self):
        made = json.loads(self.curl("/retrace.v1.Tenants/CreateTenant", "--json", '{"tenantId":"curl"}'))
        self.assertEqual(made["outcome"]["changeSet"], made["outcome"]["position"])
        packed = json.loads(self.curl("/retrace.v1.Tenants/ListTenants", "--json", "{}", "--compressed"))
        self.assertIn("tenants/curl", [tenant["name"] for tenant in packed["tenants"]])
        wrong = json.loads(self.curl("/retrace.v1.Tenants/ListTenants", "--json", '{"pageSiez":1}'))
        self.assertEqual(wrong["code"], "invalid_argument")
        self.assertIn("pageSiez", wrong["message"])
        self.assertEqual(self.curl("/healthz"), "ok\n")
        self.assertEqual(self.curl("/readyz"), "ready\n")
        self.assertIn("retrace_calls_total", self.curl("/metrics"))
        # Large enough that curl waits for `100 Continue`.
        large = self.directory / "large.json"
        large.write_text(json.dumps({"parent": "tenants/curl", "filter": "x" * (2 << 20)}))
        refused = json.loads(self.curl("/retrace.v1.Customers/ListCustomers", "--json", f"@{large}"))
        self.assertEqual(refused["code"], "invalid_argument")
        large.write_text(" " * (5 << 20))
        refused = json.loads(self.curl("/retrace.v1.Customers/ListCustomers", "--json", f"@{large}"))
        self.assertEqual(refused["code"], "resource_exhausted")

    def test_zz_tls(self):
        """Last: it takes the plain daemon's place."""
        self.daemon.terminate()
        self.assertEqual(self.daemon.wait(), 0)
        address = self.serve("tls", "--http-tls-cert", self.directory / "cert.pem", "--http-tls-key",
                             self.directory / "key.pem").replace("127.0.0.1", "localhost")
        listed = self.buf("retrace.v1.Tenants/ListTenants", {}, "--cacert", self.directory / "cert.pem",
                          address=f"https://{address}")
        self.assertIn('"answered"', listed)
        ready = run("curl", "--silent", "--cacert", self.directory / "cert.pem", f"https://{address}/readyz")
        self.assertEqual(ready, "ready\n")


if __name__ == "__main__":
    unittest.main()
