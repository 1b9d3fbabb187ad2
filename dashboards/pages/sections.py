"""Elements that all sections use: a titled card, the sentence of an empty section, a label. Pure."""

from dashboards.markup import Child, Html, element


def card(title: str, *body: Child, aside: Child = None, name: str) -> Html:
    """A titled section; `aside` is shown right of the title, `name` is the element's id."""
    head = element(
        "header", element("h2", title), element("span", aside, cls="aside") if aside is not None else None
    )
    return element("section", head, *body, cls="card", id=name)


def empty(sentence: str) -> Html:
    """The sentence of an empty section: what will be shown there."""
    return element("p", sentence, cls="empty")


def pill(text: str, tone: str) -> Html:
    """A small coloured label; the tone is good, bad, busy or plain."""
    return element("span", text, cls=f"pill {tone}")
