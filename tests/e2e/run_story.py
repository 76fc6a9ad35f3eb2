#!/usr/bin/env python3
"""Runs one story against a real daemon through the real command line, over gRPC.

A story is a text to read:

    # Words for the reader.
    $ retrace customers list
    what it prints

Lines after a command are what it prints, standard error included; `[exit 4]` ends what a failing command prints. Lines with
`!` act on the daemon: `! kill` (kill -9), `! start`, `! stop`, `! remove rows`. What differs between runs is written as
<id 1> (the story's first id), <time>, <hash>, <commit 1>, <epoch 1>, <seconds>, <path>.

    run_story.py STORY --bin DIR             compares
    run_story.py STORY --bin DIR --update    writes what was printed into the story
"""
import argparse
import difflib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent


class Daemon:
    """A daemon with a data directory of its own."""

    def __init__(self, bin_dir, directory):
        self.retraced = str(bin_dir / "retraced")
        self.data = directory / "data"
        self.log = open(directory / "daemon.log", "a+")
        self.process = None
        subprocess.run([self.retraced, "init", str(self.data)], check=True, stdout=self.log, stderr=self.log)
        self.token = (self.data / "root.token").read_text().strip()
        self.endpoint = f"unix:{self.data}/retraced.sock"

    def start(self):
        self.process = subprocess.Popen([self.retraced, "serve", "--data", str(self.data), "--listen", "none"], stdout=self.log, stderr=self.log)
        for _ in range(6000):
            if self.process.poll() is not None:
                return f"the daemon ended with code {self.process.returncode}"
            healthy = subprocess.run([self.retraced, "health", "--data", str(self.data)], capture_output=True)
            if healthy.returncode == 0:
                return ""
            time.sleep(0.02)
        return "the daemon does not serve"

    def end(self, how):
        if self.process is None:
            return ""
        self.process.send_signal(how)
        code = self.process.wait(timeout=60)
        self.process = None
        return f"the daemon ended with code {code}" if how == signal.SIGTERM and code != 0 else ""

    def act(self, words):
        if words == "start":
            return self.start()
        if words == "kill":
            return self.end(signal.SIGKILL)
        if words == "stop":
            return self.end(signal.SIGTERM)
        if words == "remove rows":
            shutil.rmtree(self.data / "rows")
            return ""
        return f"no such act: {words}"


class Names:
    """Replaces what differs between runs; the same thing always by the same name."""

    PATTERNS = [
        ("hash", False, re.compile(r"\b[0-9a-f]{64}\b")),
        ("commit", True, re.compile(r"\b[0-9a-f]{32}\b")),
        ("id", True, re.compile(r"\b0[0-9a-hjkmnp-tv-z]{25}\b")),
        ("time", False, re.compile(r"\b20\d\d-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| ?[+-]\d\d:?\d\d| UTC)?")),
        ("epoch", True, re.compile(r"\b[0-9a-f]{16}\b")),
        ("seconds", False, re.compile(r"\b\d+(\.\d+)? ?m?s\b")),
    ]

    def __init__(self, directory, data):
        self.paths = [(str(directory), "<path>"), (str(data), "<data>")]
        self.known = {}
        self.counts = {}

    def name(self, kind, numbered, text):
        if not numbered:
            return f"<{kind}>"
        if (kind, text) not in self.known:
            self.counts[kind] = self.counts.get(kind, 0) + 1
            self.known[(kind, text)] = self.counts[kind]
        return f"<{kind} {self.known[(kind, text)]}>"

    def apply(self, text):
        for path, name in self.paths:
            text = text.replace(path, name)
        for kind, numbered, pattern in self.PATTERNS:
            text = pattern.sub(lambda match: self.name(kind, numbered, match.group(0)), text)
        return "\n".join(line.rstrip() for line in text.splitlines())


def run_command(command, directory, environment):
    result = subprocess.run(["bash", "-c", f"set -o pipefail\n{command}"], cwd=directory, env=environment, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=600)
    output = result.stdout
    if result.returncode != 0:
        output += ("" if output.endswith("\n") or not output else "\n") + f"[exit {result.returncode}]\n"
    return output


def parse(text):
    """Yields (kind, line(s)): words, act, command."""
    block = []
    for line in text.splitlines():
        if line.startswith("$ ") or line.startswith("> ") and block and block[-1].startswith(("$ ", "> ")):
            if line.startswith("$ ") and block:
                yield "command", block
                block = []
            block.append(line)
        elif line.startswith("! "):
            if block:
                yield "command", block
                block = []
            yield "act", [line]
        elif line.startswith("#") or (not line and not block):
            if block:
                yield "command", block
                block = []
            yield "words", [line]
        elif block:
            block.append(line)
        else:
            sys.exit(f"stray line in story: {line}")
    if block:
        yield "command", block


def play(story, bin_dir, directory, data):
    """Runs the story; returns its text with what was printed."""
    daemon = Daemon(bin_dir, directory)
    names = Names(directory, data)
    environment = dict(os.environ, PATH=f"{bin_dir}:{os.environ['PATH']}", HOME=str(directory), DATA=str(data), NO_COLOR="1",
                       RETRACE_ENDPOINT=daemon.endpoint, RETRACE_TOKEN=daemon.token, RETRACE_TENANT="acme",
                       WORK=str(directory), RETRACED_DATA=str(daemon.data), COLUMNS="120", LC_ALL="C.UTF-8", TZ="UTC")
    printed = []
    try:
        problem = daemon.start()
        if problem:
            return problem
        for kind, lines in parse(story):
            if kind == "words":
                printed += lines
            elif kind == "act":
                printed += lines
                problem = daemon.act(lines[0][2:].strip())
                if problem:
                    printed.append(problem)
            else:
                command = [line for line in lines if line.startswith(("$ ", "> "))]
                text = "\n".join(line[2:] for line in command)
                output = names.apply(run_command(text, directory, environment))
                printed += command + [line if line else "·" for line in output.splitlines()]
                if lines and lines[-1] == "":
                    printed.append("")
        return "\n".join(printed) + "\n"
    finally:
        daemon.end(signal.SIGKILL)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("story", type=pathlib.Path)
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="directory of retrace and retraced")
    parser.add_argument("--whole-data", action="store_true", help="read $RETRACE_TEST_DATA; exit code 77 when that is not set")
    parser.add_argument("--update", action="store_true", help="write what was printed into the story")
    arguments = parser.parse_args()
    if arguments.whole_data and "RETRACE_TEST_DATA" not in os.environ:
        print("RETRACE_TEST_DATA names no folder: not run")
        return 77
    data = pathlib.Path(os.environ["RETRACE_TEST_DATA"]) if arguments.whole_data else HERE.parent / "data"
    story = arguments.story.read_text()
    directory = pathlib.Path(tempfile.mkdtemp(prefix="retrace-story-"))
    try:
        printed = play(story, arguments.bin.resolve(), directory, data)
        if printed == story:
            print(f"{arguments.story.name}: as written")
            return 0
        if arguments.update or os.environ.get("UPDATE") == "1":
            arguments.story.write_text(printed)
            print(f"{arguments.story.name}: rewritten")
            return 0
        sys.stdout.writelines(difflib.unified_diff(story.splitlines(True), printed.splitlines(True), "written", "printed"))
        print((directory / "daemon.log").read_text()[-3000:])
        return 1
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
