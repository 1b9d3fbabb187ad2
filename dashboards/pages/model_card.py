"""The algorithm-register card of a release as a page. Pure; what is unknown reads `not recorded`."""

from dashboards import phrases
from dashboards.components.section import facts
from dashboards.markup import Html, element, join, number, row, table
from messaging.card_resources import CardEvaluation, CardTraining, ModelCard
from messaging.plurals import quantity

UNKNOWN = "not recorded"


def card_markup(card: ModelCard, now: float) -> Html:
    """All sections of the card."""
    return join(
        element("h3", "What it is for"),
        _purpose(card),
        element("h3", "Classes"),
        table(
            ("class", "#severity", "#threshold"),
            [
                row(phrases.readable(one.name), _number(one.severity), _number(one.threshold))
                for one in card.classes
            ],
        ),
        element("h3", "Training data"),
        _training(card.training),
        element("h3", "Evaluation"),
        _evaluation(card.evaluations),
        element("h3", "Known blind spots"),
        _list([one.sentence for one in card.blind_spots], "None is recorded."),
        element("h3", "Privacy"),
        _privacy(card),
        element("h3", "Licences"),
        table(
            ("part", "name", "licence"),
            [row(one.part, one.name, one.licence or UNKNOWN) for one in card.licences],
        ),
        element("h3", "Decisions"),
        table(
            ("what", "by", "when"),
            [
                row(one.what, one.by or UNKNOWN, UNKNOWN if one.at is None else phrases.ago(one.at, now))
                for one in card.decisions
            ],
        ),
        element("h3", "Not recorded"),
        _list(list(card.not_recorded), "Nothing."),
    )


def downloads_markup(digest: str) -> Html:
    """Links to the card as files, from this page's own server."""
    links = (
        element("a", text, href=f"/cards/{digest}.{ending}", download=f"card-{digest[:12]}.{ending}")
        for ending, text in (("json", "JSON"), ("md", "Markdown"))
    )
    first, second = links
    return element("p", "Download as ", first, " or ", second, cls="rest")


def _purpose(card: ModelCard) -> Html:
    return facts(
        {
            "purpose": card.purpose or UNKNOWN,
            "function": card.function,
            "owner": card.owner or UNKNOWN,
            "contact": card.contact or UNKNOWN,
            "digest of its weights": card.weights_digest or UNKNOWN,
        }
    )


def _training(training: CardTraining | None) -> Html:
    if training is None:
        return element("p", f"Training data: {UNKNOWN}.")
    made = "drawn" if training.empty_streets_drawn else "made from the backgrounds"
    sentence = (
        f"{training.images:,} images, of which {phrases.percent(training.synthetic_fraction)} are synthetic; "
        f"{training.empty_streets:,} are streets without hazards, {made}."
    )
    sets = [row(one.role, one.name, number(f"{one.images:,}")) for one in training.sets]
    return join(element("p", sentence), table(("role", "name", "#images"), sets))


def _evaluation(rows: tuple[CardEvaluation, ...]) -> Html:
    if not rows:
        return element("p", f"Evaluation: {UNKNOWN}.")
    shown = [
        row(
            one.set,
            phrases.readable(one.class_name),
            phrases.condition(one.condition),
            number(f"{one.n:,}"),
            number(_estimate(one.recall, one.recall_interval)),
            number(_estimate(one.precision, one.precision_interval)),
            number(UNKNOWN if one.false_positives is None else f"{one.false_positives:,}"),
        )
        for one in rows
    ]
    head = ("set", "class", "condition", "#n", "#recall", "#precision", "#false positives")
    note = "95 % Wilson intervals; n is labelled hazards on the holdout, supported tracks in a shadow run."
    return join(table(head, shown), element("p", note, cls="rest"))


def _privacy(card: ModelCard) -> Html:
    privacy = card.privacy
    spent = UNKNOWN if privacy.epsilon_spent_max is None else f"{privacy.epsilon_spent_max:.3g}"
    used = UNKNOWN if privacy.prototypes_used is None else f"{privacy.prototypes_used:,}"
    return element(
        "p",
        "Images never leave a site. Largest privacy budget (ε) that one of "
        f"{quantity(privacy.sites, 'site')} has spent: {spent}. "
        f"Synthesis orders steered by noised prototypes: {used}.",
    )


def _estimate(value: float | None, interval: tuple[float, float] | None) -> str:
    if value is None:
        return UNKNOWN
    between = f" ({100 * interval[0]:.0f}–{100 * interval[1]:.0f} %)" if interval else ""
    return phrases.percent(value) + between


def _number(value: float | None) -> Html:
    return number(UNKNOWN if value is None else f"{value:g}")


def _list(sentences: list[str], nothing: str) -> Html:
    if not sentences:
        return element("p", nothing)
    return element("ul", *(element("li", one) for one in sentences), cls="sentences")
