"""A child process that works for a while: `python -m tests.support.cloud.slow_work DATA SECONDS`."""

import os
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    (Path(sys.argv[1]) / "child.pid").write_text(str(os.getpid()))
    time.sleep(float(sys.argv[2]))
