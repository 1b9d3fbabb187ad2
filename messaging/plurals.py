"""Counts with their nouns in sentences and tables."""

from collections.abc import Mapping


def quantity(n: int, noun: str) -> str:
    """`1 site`, `3 sites`."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def row_counts(rows: Mapping[str, int]) -> str:
    """Numbers of rows by table, without the tables that have none: `1 heartbeat, 12 evidence items`."""
    nouns = {table: table.removesuffix("s").replace("_", " ") for table in rows}
    return ", ".join(quantity(n, nouns[table]) for table, n in rows.items() if n) or "nothing"
