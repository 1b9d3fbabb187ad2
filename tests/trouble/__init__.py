"""Trouble from the real world, tried through the public commands: `python -m tests.trouble --out FILE`."""
