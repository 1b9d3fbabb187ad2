"""A select that limits a list."""

from collections.abc import Callable, Mapping

from nicegui import ui


def choice(label: str, options: Mapping[str, str], value: str, on_change: Callable[[str], None]) -> None:
    """A select with the texts of `options`; `label` is for screen readers, `value` the key that is chosen."""
    select = ui.select(dict(options), value=value, on_change=lambda change: on_change(change.value))
    select.props(f'dense outlined options-dense aria-label="{label}"').classes("choice")
