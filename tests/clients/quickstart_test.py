#!/usr/bin/env python3
"""The README's Python stub and the example programs in C++ and Python do what they say.

quickstart_test.py BIN: against a real daemon, with code that protoc generates from `./dev protos`.
Runs on Debian's python3 with its python3-grpcio.
"""

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


def run(*command, **options):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120, **options)
    if done.returncode != 0:
        raise AssertionError(f"{command[0]} ended with {done.returncode}: {done.stderr}")
    return done.stdout


def readme_block(heading):
    """The indented lines below a line of the README."""
    text = (ROOT / "README.md").read_text()
    block = re.search(re.escape(heading) + r"\n\n((?:    .*\n)+)", text).group(1)
    return re.sub(r"^    ", "", block, flags=re.MULTILINE)


class Quickstart(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.scratch.cleanup)
        cls.directory = Path(cls.scratch.name)
        data = cls.directory / "data"
        run(BIN / "retraced", "init", data)
        cls.token = (data / "root.token").read_text().strip()
        cls.endpoint = f"unix:{data}/retraced.sock"
        cls.daemon = subprocess.Popen(
            [BIN / "retraced", "serve", "--data", data, "--listen", "none", "--log-level", "off"])
        cls.addClassCleanup(cls.daemon.wait)
        cls.addClassCleanup(cls.daemon.terminate)
        while subprocess.run([BIN / "retraced", "health", "--data", data],
                             capture_output=True).returncode != 0:
            if cls.daemon.poll() is not None:
                raise AssertionError("the daemon does not serve")
            time.sleep(0.05)
        cls.generate()

    @classmethod
    def generate(cls):
        protos = cls.directory / "protos"
        run(ROOT / "dev", "protos", protos)
        cls.generated = cls.directory / "generated"
        cls.generated.mkdir()
        files = sorted(path.relative_to(protos) for path in protos.rglob("*.proto"))
        run("protoc", "-I.", f"--python_out={cls.generated}", f"--grpc_python_out={cls.generated}",
            "--plugin=protoc-gen-grpc_python=/usr/bin/grpc_python_plugin", *files, cwd=protos)

    def tenant(self, name):
        run(BIN / "retrace", "--endpoint", self.endpoint, "--token", self.token, "tenants", "create", name)
        return name

    def python(self, *arguments):
        return run(sys.executable, *arguments, env={**os.environ, "PYTHONPATH": str(self.generated)})

    def test_cpp_example(self):
        self.assertEqual(
            run(BIN / "retrace_quickstart", self.endpoint, self.token, self.tenant("cpp")),
            "#1 Acme Corporation as of position 1\n")

    def test_python_example(self):
        self.assertEqual(
            self.python(ROOT / "clients/examples/quickstart.py", self.endpoint, self.token,
                        self.tenant("python")),
            "#1 Acme Corporation as of position 1\n")

    def test_readme_stub(self):
        tenant = self.tenant("readme")
        created = run(BIN / "retrace", "--endpoint", self.endpoint, "--token", self.token, "--tenant", tenant,
                      "customers", "create", "--display-name", "Ann", "-o", "json")
        name = re.search(r'"name":\s*"([^"]+)"', created).group(1)
        block = readme_block("Python, with grpcio:")
        self.assertIn("127.0.0.1:7233", block)
        program = (block.replace("127.0.0.1:7233", self.endpoint) +
                   "print(reply.customer.display_name)\n")
        script = self.directory / "stub.py"
        script.write_text(f"token, name = {self.token!r}, {name!r}\n{program}")
        self.assertEqual(self.python(script), "Ann\n")


if __name__ == "__main__":
    unittest.main()
