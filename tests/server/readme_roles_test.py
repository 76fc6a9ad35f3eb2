#!/usr/bin/env python3
"""README holds the table that `retraced roles` prints.

Arguments: the program retraced, README.md.
"""

import subprocess
import sys
from pathlib import Path


def main():
    table = subprocess.run([sys.argv[1], "roles"], check=True, capture_output=True, text=True).stdout
    if table.count("\n") < 10:
        print(f"`retraced roles` prints no table:\n{table}")
        return 1
    readme = Path(sys.argv[2])
    if not readme.is_file() or table not in readme.read_text(encoding="utf-8"):
        print(f"{readme} does not hold the table of roles; put this into it:\n\n{table}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
