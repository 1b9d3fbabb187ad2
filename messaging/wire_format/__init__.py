"""Payload <-> bytes: the packed encoding of reports and the one table of payload types."""
