#!/usr/bin/env python3
"""What ./dev protos writes is the expected tree, and protoc alone compiles all of it."""

import py_compile
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

# The whole tree. A new file here is a new file in every client's build.
EXPECTED = """
LICENSE
google/LICENSE
google/api/annotations.proto
google/api/client.proto
google/api/field_behavior.proto
google/api/http.proto
google/api/launch_stage.proto
google/api/resource.proto
google/longrunning/operations.proto
google/rpc/status.proto
retrace/v1/admin.proto
retrace/v1/annotations.proto
retrace/v1/announcements.proto
retrace/v1/common.proto
retrace/v1/customers.proto
retrace/v1/errors.proto
retrace/v1/history.proto
retrace/v1/holds.proto
retrace/v1/members.proto
retrace/v1/notifications.proto
retrace/v1/operations.proto
retrace/v1/plans.proto
retrace/v1/records.proto
retrace/v1/recycle_bin.proto
retrace/v1/templates.proto
retrace/v1/tenants.proto
retrace/v1/webhooks.proto
""".split()


def protoc(tree, *arguments):
    """Runs protoc with nothing but the tree and what comes with protoc on its path."""
    return subprocess.run(["protoc", "-I.", *arguments], cwd=tree, capture_output=True, text=True)


class ProtosTree(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.tree = Path(cls.scratch.name) / "protos"
        subprocess.run([ROOT / "dev", "protos", cls.tree], check=True, capture_output=True)
        cls.files = sorted(str(p.relative_to(cls.tree)) for p in cls.tree.rglob("*") if p.is_file())
        cls.protos = [name for name in cls.files if name.endswith(".proto")]

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def test_tree_is_the_expected_one(self):
        self.assertEqual(self.files, EXPECTED)

    def generate(self, language):
        out = Path(self.scratch.name) / language
        out.mkdir()
        done = protoc(self.tree, f"--{language}_out={out}", *self.protos)
        self.assertEqual(done.returncode, 0, done.stderr)
        return out

    def test_cpp_compiles_from_it(self):
        out = self.generate("cpp")
        for name in self.protos:
            self.assertTrue((out / name).with_suffix(".pb.h").is_file(), name)

    def test_python_compiles_from_it(self):
        out = self.generate("python")
        for name in self.protos:
            module = out / name.replace(".proto", "_pb2.py")
            py_compile.compile(str(module), doraise=True)

    def test_protoc_misses_a_file_that_is_not_there(self):
        """The proof that the tests above prove something: nothing is taken from elsewhere."""
        (self.tree / "google/api/http.proto").rename(self.tree / "moved")
        try:
            done = protoc(self.tree, f"--cpp_out={self.scratch.name}", "retrace/v1/customers.proto")
        finally:
            (self.tree / "moved").rename(self.tree / "google/api/http.proto")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("google/api/http.proto", done.stderr)


if __name__ == "__main__":
    sys.exit(unittest.main())
