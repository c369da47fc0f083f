"""``python -m whydrift`` is the command line."""

from __future__ import annotations

import sys

from whydrift.monitor.cli import main

if __name__ == "__main__":
    sys.exit(main())
