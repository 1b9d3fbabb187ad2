"""The only folder that imports ultralytics.

Its telemetry, auto-install and downloads are turned off here, before any module of this folder imports it.
"""

import os
import tempfile
from pathlib import Path

os.environ.setdefault("YOLO_OFFLINE", "true")
os.environ.setdefault("YOLO_AUTOINSTALL", "false")
os.environ.setdefault("YOLO_VERBOSE", "false")
os.environ.setdefault("YOLO_CONFIG_DIR", str(Path(tempfile.gettempdir()) / "blindspot-ultralytics"))
