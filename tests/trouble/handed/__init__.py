"""The handed inputs: each is made by its own script and tried through today's public commands."""
