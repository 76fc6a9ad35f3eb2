#!/usr/bin/env python3
"""The rules of the code that no compiler checks. Run by CTest and by ./dev lint.

Each rule is a function from a file (path, text) to findings. Before the tree is judged, every rule
is tried on text that breaks it, so that a rule that finds nothing any more fails here.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAX_FUNCTION_LINES = 70
MAX_FILE_LINES = 500

# What may be longer, and how long at most. A ratchet: an entry goes when it is no longer needed,
# and its number only falls. Functions are named `path:function`.
LONG_FILES = {}
LONG_FUNCTIONS = {}

# Where a test may be disabled or skip itself, and why.
MAY_NOT_RUN = {}

TOP_LEVEL = {
    "CMakeLists.txt", "CMakePresets.json", "LICENSE", "README.md", "buf.yaml", "clients", "dev",
    "domain", "eventstore", "package-lock.json", "package.json", "proto", "server", "tests",
}

# What a folder must not include, beyond what its CMake target fails to link.
FORBIDDEN_INCLUDES = {
    # Sealing reads one option of fields; of the API's messages eventstore knows nothing.
    "eventstore/": r"(domain|server|clients|tests|grpcpp|grpc)/|retrace/v1/(?!annotations\.pb\.h)",
    "domain/": r"(eventstore|server|clients|tests|rocksdb|grpcpp|grpc|openssl)/|"
               r"(chrono|thread|mutex|random|fstream|filesystem|iostream)>",
    "server/": r"(clients|tests)/",
    "clients/": r"(eventstore|domain|server|tests|rocksdb)/",
    # The one place where the tool does a server's work: it replays exports by the same code.
    "clients/cli/offline/": r"(eventstore|domain|tests|rocksdb)/|server/(?!export_|status\.h)",
    "tests/eventstore/": r"(domain|server|clients|grpcpp)/",
    "tests/domain/": r"(server|clients|grpcpp)/",
}

# Words that design forbids in names of types.
BAD_TYPE = re.compile(
    r"\b(?:class|struct|enum class)\s+(\w*(?:Manager|Helper|Util|Utils|Processor|Impl|Base|Data|"
    r"Info|Dto)|I[A-Z][a-z]\w*)\b(?!\s*;)")
PLACEHOLDER = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:work|root|home)/\w")
NOT_RUN = re.compile(r"\bDISABLED_|\bGTEST_SKIP\b")
CRM_WORD = re.compile(r"customer|campaign|workflow|mailing|invoice", re.IGNORECASE)
IMPURE = re.compile(r"\b(absl::Now|system_clock|steady_clock|random_device|getenv|std::thread)\b")


def is_cpp(path):
    return path.endswith((".h", ".cc"))


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def blank(match):
    """Spaces instead of the match, newlines kept, so that lines and braces stay right."""
    return re.sub(r"[^\n]", " ", match.group(0))


LEXEME = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])+\'',
    re.DOTALL)


def without_comments_and_strings(text):
    return LEXEME.sub(blank, text)


CONTROL = re.compile(r"\b(if|for|while|switch|catch|else|do|try|return)\b")
SCOPE = re.compile(r"\b(namespace|class|struct|union|enum|extern)\b")


def functions(text):
    """Yields (name, first line, lines) of the outermost functions in C++ text."""
    code = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", blank, without_comments_and_strings(text),
                  flags=re.MULTILINE)
    stack, begin = [], 0
    for offset, char in enumerate(code):
        if char in ";{}" and char != "{":
            if char == "}" and stack:
                function = stack.pop()
                if function:
                    name, first = function
                    yield name, first, line_of(code, offset) - first + 1
            begin = offset + 1
        elif char == "{":
            head = code[begin:offset]
            inside = any(stack)
            signature = "(" in head and not inside and not CONTROL.match(head.strip())
            named = re.search(r"([~\w:]+(?:\s*operator\s*\S+)?|operator\s*\S+)\s*\(", head)
            plain_scope = SCOPE.search(head) and ")" not in head
            if signature and named and not plain_scope:
                name = named.group(1)
                macro = re.match(r"\s*(TEST\w*|RC_GTEST\w*|TYPED_TEST\w*)\s*\(\s*(\w+),\s*(\w+)", head)
                if macro:
                    name = f"{macro.group(2)}.{macro.group(3)}"
                first = line_of(code, begin + len(head) - len(head.lstrip()))
                stack.append((name, first))
            else:
                stack.append(None)
            begin = offset + 1


def rule_function_length(path, text):
    if not is_cpp(path):
        return
    for name, first, lines in functions(text):
        limit = LONG_FUNCTIONS.get(f"{path}:{name}", MAX_FUNCTION_LINES)
        if lines > limit:
            yield first, f"function {name} has {lines} lines, more than {limit}"


def rule_file_length(path, text):
    if not is_cpp(path) and not path.endswith((".py", ".proto")) and path != "dev":
        return
    lines = text.count("\n")
    limit = LONG_FILES.get(path, MAX_FILE_LINES)
    if lines > limit and not (path.startswith("proto/") and path not in LONG_FILES):
        yield 1, f"{lines} lines, more than {limit}: is it still one thing?"


def rule_includes(path, text):
    if not is_cpp(path):
        return
    for match in re.finditer(r'^\s*#include\s+[<"]([^">]+[>"])', text, re.MULTILINE):
        # Of folders in folders the inner one decides.
        folders = sorted(filter(path.startswith, FORBIDDEN_INCLUDES), key=len)
        for folder in folders[-1:]:
            if re.match(FORBIDDEN_INCLUDES[folder], match.group(1)):
                yield line_of(text, match.start()), f"{folder} may not include {match.group(1)[:-1]}"


def rule_include_form(path, text):
    if not is_cpp(path):
        return
    for match in re.finditer(r'^\s*#include\s+"([^"/]+|\.\.?/[^"]*)"', text, re.MULTILINE):
        yield line_of(text, match.start()), f'include "{match.group(1)}" from the repository root'


def rule_pragma_once(path, text):
    if path.endswith(".h") and "#pragma once" not in text:
        yield 1, "a header needs #pragma once"


def rule_placeholder(path, text):
    if path == "tests/tidy_test.py":
        return
    for match in PLACEHOLDER.finditer(text):
        yield line_of(text, match.start()), f"{match.group(0)}: finish it or write an issue"


def rule_disabled_test(path, text):
    if not (path.startswith("tests/") and is_cpp(path)):
        return
    for match in NOT_RUN.finditer(text):
        if path not in MAY_NOT_RUN:
            yield line_of(text, match.start()), f"{match.group(0)}: a test that does not run proves nothing"


def rule_machine_path(path, text):
    if path in ("package-lock.json", "tests/tidy_test.py"):
        return
    for match in MACHINE_PATH.finditer(text):
        yield line_of(text, match.start()), f"a path of one machine: {match.group(0)}..."


def rule_type_names(path, text):
    if not is_cpp(path):
        return
    for match in BAD_TYPE.finditer(without_comments_and_strings(text)):
        yield line_of(text, match.start()), f"{match.group(1)}: say what it is instead"


def rule_crm_words(path, text):
    if not (path.startswith("eventstore/") and is_cpp(path)):
        return
    for match in CRM_WORD.finditer(text):
        yield line_of(text, match.start()), f"eventstore knows no CRM words: {match.group(0)}"


def rule_pure_domain(path, text):
    if not (path.startswith("domain/") and is_cpp(path)):
        return
    for match in IMPURE.finditer(without_comments_and_strings(text)):
        yield line_of(text, match.start()), f"domain is pure: {match.group(0)} must be handed in"


def rule_lock_file(path, text):
    if path != "package-lock.json":
        return
    for match in re.finditer(r'"resolved"|https?://', text):
        yield line_of(text, match.start()), f"no download addresses in the lock file: {match.group(0)}"


def rule_top_level(path, _):
    first = path.split("/")[0]
    if first not in TOP_LEVEL and not first.startswith("."):
        yield 1, f"{first} does not belong at the top of the repository"


RULES = [value for name, value in sorted(globals().items()) if name.startswith("rule_")]

# For each rule one text that breaks it.
PLANTED = {
    "rule_function_length": ("server/a.cc", "namespace n {\nvoid C::F(int a) {\n" + "  G();\n" * 70 + "}\n}\n"),
    "rule_file_length": ("server/a.cc", "\n" * 501),
    "rule_includes": ("domain/a.h", '#include "eventstore/row_store.h"\n'),
    "rule_include_form": ("server/a.cc", '#include "a.h"\n'),
    "rule_pragma_once": ("server/a.h", "#ifndef A\n"),
    "rule_placeholder": ("server/a.cc", "// TODO: later\n"),
    "rule_disabled_test": ("tests/a_test.cc", "TEST(A, DISABLED_B) {}\n"),
    "rule_machine_path": ("dev", "cd /home/me\n"),
    "rule_type_names": ("server/a.h", "class ThingManager {\n"),
    "rule_crm_words": ("eventstore/a.h", "// of a customer\n"),
    "rule_pure_domain": ("domain/a.cc", "auto t = absl::Now();\n"),
    "rule_lock_file": ("package-lock.json", '"resolved": "x"\n'),
    "rule_top_level": ("notes.txt", ""),
}


def rules_that_find_nothing():
    for rule in RULES:
        if rule.__name__ not in PLANTED:
            yield f"{rule.__name__} has no planted fault"
        elif not list(rule(*PLANTED[rule.__name__])):
            yield f"{rule.__name__} no longer finds its planted fault"


def stale_exceptions(texts):
    for path, _ in LONG_FILES.items():
        if path not in texts or texts[path].count("\n") <= MAX_FILE_LINES:
            yield f"LONG_FILES names {path}, which needs no exception: remove it"
    for key in LONG_FUNCTIONS:
        path, _, name = key.partition(":")
        lengths = [lines for found, _, lines in functions(texts.get(path, "")) if found == name]
        if not lengths or max(lengths) <= MAX_FUNCTION_LINES:
            yield f"LONG_FUNCTIONS names {key}, which needs no exception: remove it"
    for path in MAY_NOT_RUN:
        if not re.search(NOT_RUN, texts.get(path, "")):
            yield f"MAY_NOT_RUN names {path}, whose tests all run: remove it"


def tree():
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for path in sorted(set(filter(None, listed.split("\0")))):
        file = ROOT / path
        if path.startswith("tests/data/") or not file.is_file():
            continue
        try:
            yield path, file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def main():
    findings = list(rules_that_find_nothing())
    texts = dict(tree())
    findings += stale_exceptions(texts)
    for path, text in texts.items():
        for rule in RULES:
            findings += [f"{path}:{line}: {what}" for line, what in rule(path, text)]
    for finding in findings:
        print(finding)
    print(f"{len(texts)} files, {len(RULES)} rules, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
