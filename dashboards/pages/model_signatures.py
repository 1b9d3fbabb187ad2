"""The signatures of a release: who has signed its metadata, until when, and whether it verifies now."""

from nicegui import ui

from dashboards import phrases
from dashboards.components.pills import pill
from dashboards.components.section import Markup, card, facts
from dashboards.markup import Html, element, join, number, row, table
from dashboards.page_view import PageView
from messaging.release_resources import SignatureResource, VerificationResource

READ_EVERY_S = 600.0
VERIFY = "Verify"


def signatures_section(view: PageView, digest: str) -> None:
    """The card with its button; the release is verified when the page is opened, and at each click."""
    path = f"models/{digest}/verification"

    async def verify() -> None:
        found = await view.viewer.client.get(path, VerificationResource)
        shown.show(signatures_markup(found, view.now()))

    async def again() -> None:
        await view.act(verify, "The cloud has verified the release.")

    with card("Signatures", name="model-signatures", aside="as a site verifies them"):
        shown = Markup()
        with ui.row().classes("actions"):
            ui.button(VERIFY, on_click=again).props("outline no-caps")
    view.live(verify, every_s=READ_EVERY_S)


def signatures_markup(found: VerificationResource, now: float) -> Html:
    """The outcome of a verification, and a line for each role."""
    outcome = pill("valid", "good") if found.valid else pill("not valid", "bad")
    stated = facts(
        {
            "verified": join(outcome, " ", phrases.ago(found.verified_at, now)),
            "stored bundle": found.bundle or phrases.MISSING,
            "evaluation report": _digest(found.evaluation_digest),
            "generated images": _digest(found.synthetic_set_digest),
        }
    )
    fault = None if found.valid else element("p", found.fault, cls="refusal", role="alert")
    headers = ("role", "#version", "expires", "#valid signatures", "#needed", "signed by")
    rows = [_role(one, now) for one in found.signatures]
    signed = join(element("h3", "Who has signed the list of releases"), table(headers, rows))
    return join(fault, stated, signed if rows else None)


def _role(one: SignatureResource, now: float) -> Html:
    keys = (
        join(*(element("code", f"{phrases.short(key)} ", title=key) for key in one.signed_by))
        if one.signed_by
        else phrases.MISSING
    )
    expired = pill("expired", "bad") if one.expires_at_utc <= now else None
    until = element("td", join(phrases.full_date(one.expires_at_utc), " ", expired))
    return row(
        one.role,
        number(str(one.version)),
        until,
        number(f"{len(one.signed_by)} of {len(one.keys)}"),
        number(str(one.threshold)),
        element("td", keys),
    )


def _digest(digest: str | None) -> Html | str:
    return phrases.MISSING if digest is None else element("code", phrases.short(digest), title=digest)
