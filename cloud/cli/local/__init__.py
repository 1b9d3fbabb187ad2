"""Commands that need no running cloud: they read and write this machine's files."""
