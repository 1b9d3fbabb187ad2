"""Dialogs: a question before a change that is not easily undone, one field, text to be copied."""

from collections.abc import Callable, Sequence
from typing import Any

from nicegui import ui

from dashboards.markup import element


async def answer_of(dialog: ui.dialog) -> Any:
    """What an open dialog is submitted with; None if it is closed, or its page left. It is removed then."""
    answer = await dialog
    if not dialog.is_deleted:
        dialog.delete()
    return answer


async def confirmed(
    title: str, sentence: str, button: str, *, harmful: bool = True, other: str = "Cancel"
) -> bool:
    """Ask before a change; `sentence` says what will happen, `button` names it. True if it is wanted.

    `other` is the button that changes nothing; closing the dialog in another way is the same.
    """
    with ui.dialog() as dialog, ui.card().classes("dialog"):
        dialog.props(f'aria-label="{title}"')
        ui.html(element("h2", title), sanitize=False)
        ui.html(element("p", sentence), sanitize=False)
        with ui.row().classes("choices"):
            ui.button(other, on_click=lambda: dialog.submit(False)).props("flat no-caps autofocus")
            colour = "negative" if harmful else "primary"
            yes = ui.button(button, on_click=lambda: dialog.submit(True))
            yes.props(f"unelevated no-caps color={colour}")
    answer = await answer_of(dialog)
    return answer is True


async def asked_for_text(
    title: str,
    label: str,
    button: str,
    *,
    fault: Callable[[str], str | None],
    sentence: str = "",
    value: str = "",
    suggestions: Sequence[str] = (),
) -> str | None:
    """Ask for one text, which `fault` finds no fault in; None if the dialog is closed in another way."""
    with ui.dialog() as dialog, ui.card().classes("dialog"):
        dialog.props(f'aria-label="{title}"')
        ui.html(element("h2", title), sanitize=False)
        if sentence:
            ui.html(element("p", sentence), sanitize=False)
        field = ui.input(label, value=value, autocomplete=list(suggestions), validation=fault)
        field.props("autofocus outlined dense")

        def submit() -> None:
            if field.validate():
                dialog.submit(field.value or "")

        field.on("keydown.enter", submit)
        with ui.row().classes("choices"):
            ui.button("Cancel", on_click=dialog.close).props("flat no-caps")
            ui.button(button, on_click=submit).props("unelevated no-caps")
    answer = await answer_of(dialog)
    return None if answer is None else str(answer)


async def shown_to_copy(title: str, sentence: str, text: str) -> None:
    """Show text with a button that copies it, until it is closed by a button."""
    with ui.dialog().props("persistent") as dialog, ui.card().classes("dialog"):
        dialog.props(f'aria-label="{title}"')
        ui.html(element("h2", title), sanitize=False)
        ui.html(element("p", sentence), sanitize=False)
        ui.html(element("pre", text, tabindex="0"), sanitize=False)
        with ui.row().classes("choices"):
            ui.button("Copy", icon="content_copy", on_click=lambda: ui.clipboard.write(text)).props(
                "flat no-caps"
            )
            ui.button("Close", on_click=dialog.close).props("unelevated no-caps")
    await answer_of(dialog)
