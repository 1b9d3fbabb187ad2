"""What every program of ours needs from the operating system: child processes, configuration files."""
