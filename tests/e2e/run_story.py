#!/usr/bin/env python3
"""Runs one story against a real daemon through the real command line, over gRPC.

A story is a text to read:

    # Words for the reader.
    $ retrace customers list
    what it prints

Lines after a command are what it prints, standard error included, in the order of writing (in a
pipeline the command says `2>&1 |` or `2> /dev/null |`, or the order would be anybody's guess);
`[exit 4]` ends what a failing command prints; `·` stands for an empty line and before a line that
would read as part of the story. Lines with `!` act on the daemon: `! kill` (kill -9), `! start`,
`! stop`, `! remove rows`. It is started before the story, unless that begins with `! start`, which
may give it flags: `! start --test-clock`. What differs between runs is written as <id 1> (the story's first id),
<time>, <hash>, <commit 1>, <epoch 1>, <request 1>, <etag>, <token>, <secret>, <port>, <path>.

    run_story.py STORY --bin DIR             compares
    run_story.py STORY --bin DIR --update    writes what was printed into the story
"""
import argparse
import datetime
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

# A command that takes longer waits for what never comes.
PATIENCE_SECONDS = 300
NEVER_ENDED = f"[did not end within {PATIENCE_SECONDS} s]\n"
HERE = pathlib.Path(__file__).resolve().parent


class Daemon:
    """A daemon with a data directory of its own."""

    def __init__(self, bin_dir, directory):
        self.retraced = str(bin_dir / "retraced")
        self.data = directory / "data"
        self.log = open(directory / "daemon.log", "a+")
        self.process = None
        subprocess.run([self.retraced, "init", str(self.data)], check=True,
                       stdout=self.log, stderr=self.log)
        self.token = (self.data / "root.token").read_text().strip()
        self.endpoint = f"unix:{self.data}/retraced.sock"

    def start(self, *flags):
        self.process = subprocess.Popen(
            [self.retraced, "serve", "--data", str(self.data), "--listen", "none", *flags],
            stdout=self.log, stderr=self.log)
        for _ in range(6000):
            if problem := self.ended():
                return problem
            healthy = subprocess.run([self.retraced, "health", "--data", str(self.data)],
                                     capture_output=True)
            if healthy.returncode == 0:
                return ""
            time.sleep(0.02)
        return "the daemon does not serve"

    def ended(self):
        """Tells, once, that the daemon ended without being told to."""
        if self.process is None or self.process.poll() is None:
            return ""
        code = self.process.returncode
        self.process = None
        return f"the daemon ended with code {code}"

    def end(self, how):
        if problem := self.ended():
            return problem
        if self.process is None:
            return ""
        self.process.send_signal(how)
        code = self.process.wait(timeout=60)
        self.process = None
        return f"the daemon ended with code {code}" if how == signal.SIGTERM and code != 0 else ""

    def act(self, words):
        if words.split()[0] == "start":
            return self.start(*words.split()[1:])
        if words == "kill":
            return self.end(signal.SIGKILL)
        if words == "stop":
            return self.end(signal.SIGTERM)
        if words == "remove rows":
            shutil.rmtree(self.data / "rows")
            return ""
        return f"no such act: {words}"


def near_dates():
    """A pattern of the dates that a clock may show while the story runs."""
    today = datetime.datetime.now(datetime.timezone.utc).date()
    days = [today + datetime.timedelta(days=days) for days in (-1, 0, 1)]
    return "|".join(day.isoformat() for day in days)


class Names:
    """Replaces what differs between runs; the same thing always by the same name."""

    PATTERNS = [
        ("hash", False, re.compile(r"\b[0-9a-f]{64}\b")),
        ("commit", True, re.compile(r"\b[0-9a-f]{32}\b")),
        ("request", True, re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")),
        ("id", True, re.compile(r"\b(0[0-9a-hjkmnp-tv-z]{25}"
                                r"|[0-9a-f]{11}-[0-9a-hjkmnp-tv-z]{26}(\.[0-9a-f]{13})?)\b")),
        ("secret", False, re.compile(r"\bwhsec_[0-9A-Za-z+/=]+")),
        ("port", False, re.compile(r"(?<=\b127\.0\.0\.1:)\d+\b")),
        ("time", False, re.compile(rf"\b({near_dates()})[T ]\d\d:\d\d(:\d\d(\.\d+)?)?"
                                   r"(Z| ?[+-]\d\d:?\d\d| UTC)?")),
        ("token", False, re.compile(r"\b[0-9A-Za-z_-]{80,}")),
        ("etag", False, re.compile(r"\b\d+-[0-9a-f]{13}\b")),
        ("epoch", True, re.compile(r"\b[0-9a-f]{16}\b")),
        ("seconds", False, re.compile(r"(?<= in )\d+\.\d+ s\b")),
    ]

    def __init__(self, directory, data):
        self.paths = [(str(directory), "<path>"), (str(data), "<data>")]
        self.known = {}
        self.counts = {}

    def name(self, kind, numbered, match):
        name = f"<{kind}>"
        if numbered:
            text = match.group(0)
            if (kind, text) not in self.known:
                self.counts[kind] = self.counts.get(kind, 0) + 1
                self.known[(kind, text)] = self.counts[kind]
            name = f"<{kind} {self.known[(kind, text)]}>"
        # In a table the next column stays where it was.
        in_table = match.string[match.end():match.end() + 2] == "  "
        return name.ljust(match.end() - match.start()) if in_table else name

    def apply(self, text):
        for path, name in self.paths:
            text = text.replace(path, name)
        for kind, numbered, pattern in self.PATTERNS:
            text = pattern.sub(lambda match: self.name(kind, numbered, match), text)
        return "\n".join(line.rstrip() for line in text.splitlines())


def run_command(command, directory, environment):
    try:
        result = subprocess.run(["bash", "-c", command], cwd=directory, umask=0o022,
                                env=environment, text=True, errors="backslashreplace",
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                stdin=subprocess.DEVNULL, timeout=PATIENCE_SECONDS)
    except subprocess.TimeoutExpired as late:
        return (late.stdout or b"").decode(errors="backslashreplace") + NEVER_ENDED
    output = result.stdout
    if result.returncode != 0:
        output += ("" if output.endswith("\n") or not output else "\n")
        output += f"[exit {result.returncode}]\n"
    return output


def printed_line(line):
    """What was printed, such that the story with it in reads as it was written."""
    return f"·{line}" if not line or line.startswith(("#", "$ ", "! ", "> ")) else line


def parse(text):
    """Yields (words | act | command, its lines with what was printed)."""
    kind, block = "words", []
    for line in text.splitlines():
        goes_on = kind == "command" and block[-1].startswith(("$ ", "> "))
        if line.startswith(("$ ", "! ", "#")) or (kind == "words" and not line):
            if block:
                yield kind, block
            kind = {"$": "command", "!": "act"}.get(line[:1], "words")
            block = [line]
        elif kind == "words" or (line.startswith("> ") and not goes_on):
            sys.exit(f"stray line in story: {line}")
        else:
            block.append(line)
    if block:
        yield kind, block


def play(story, bin_dir, directory, data):
    """Runs the story; returns its text with what was printed."""
    daemon = Daemon(bin_dir, directory)
    names = Names(directory, data)
    environment = dict(
        os.environ, PATH=f"{bin_dir}:{os.environ['PATH']}", HOME=str(directory), DATA=str(data),
        STORIES=str(HERE),
        NO_COLOR="1", RETRACE_ENDPOINT=daemon.endpoint, RETRACE_TOKEN=daemon.token,
        RETRACE_TENANT="acme", WORK=str(directory), RETRACED_DATA=str(daemon.data), COLUMNS="120",
        LC_ALL="C.UTF-8", TZ="UTC", no_proxy="*")
    printed = []
    try:
        blocks = list(parse(story))
        first = next((lines[0] for kind, lines in blocks if kind != "words"), "")
        if not first.startswith("! start") and (problem := daemon.start()):
            return problem
        for kind, lines in blocks:
            if kind == "words":
                printed += lines
            elif kind == "act":
                printed.append(lines[0])
                if problem := daemon.act(lines[0][2:].strip()):
                    printed.append(problem)
                if lines[-1] == "":
                    printed.append("")
            else:
                command = [line for line in lines if line.startswith(("$ ", "> "))]
                text = "\n".join(line[2:] for line in command)
                output = names.apply(run_command(text, directory, environment))
                printed += command + [printed_line(line) for line in output.splitlines()]
                if problem := daemon.ended():
                    printed.append(problem)
                if lines[-1] == "":
                    printed.append("")
        return "\n".join(printed) + "\n"
    finally:
        daemon.end(signal.SIGKILL)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("story", type=pathlib.Path)
    parser.add_argument("--bin", type=pathlib.Path, required=True,
                        help="directory of retrace and retraced")
    parser.add_argument("--whole-data", action="store_true",
                        help="read $RETRACE_TEST_DATA; exit code 77 when that is not set")
    parser.add_argument("--update", action="store_true",
                        help="write what was printed into the story")
    parser.add_argument("--keep", action="store_true",
                        help="keep the directory of the daemon's data and log, print its path")
    arguments = parser.parse_args()
    if arguments.whole_data and "RETRACE_TEST_DATA" not in os.environ:
        print("RETRACE_TEST_DATA names no folder: not run")
        return 77
    data = HERE.parent / "data"
    if arguments.whole_data:
        data = pathlib.Path(os.environ["RETRACE_TEST_DATA"])
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
        sys.stdout.writelines(difflib.unified_diff(story.splitlines(True), printed.splitlines(True),
                                                   "written", "printed"))
        print((directory / "daemon.log").read_text()[-3000:])
        return 1
    finally:
        if arguments.keep:
            print(directory)
        else:
            shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
