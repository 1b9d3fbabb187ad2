"""Runs the rehearsal."""

import sys

from tests.rehearsal.program import main

if __name__ == "__main__":
    sys.exit(main())
