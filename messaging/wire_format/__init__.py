"""Payload <-> bytes: the encoding of reports and the one table of payload types."""
