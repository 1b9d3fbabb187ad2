"""Runs the cases and writes the figures; exit code 1 when a figure does not hold."""

import sys

from tests.trouble.program import main

if __name__ == "__main__":
    sys.exit(main())
