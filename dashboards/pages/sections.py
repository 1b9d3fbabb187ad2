"""What all sections of the page look like: a titled card, and the sentence of an empty one. Pure."""

from dashboards.markup import Child, Html, el


def card(title: str, *body: Child, aside: Child = None, name: str) -> Html:
    """A titled section; `aside` stands right of the title, `name` is the section's id."""
    head = el("header", el("h2", title), el("span", aside, cls="aside") if aside is not None else None)
    return el("section", head, *body, cls="card", id=name)


def empty(sentence: str) -> Html:
    """What would fill an empty section."""
    return el("p", sentence, cls="empty")


def pill(text: str, tone: str) -> Html:
    """A small coloured word; the tone is good, bad, busy or plain."""
    return el("span", text, cls=f"pill {tone}")
