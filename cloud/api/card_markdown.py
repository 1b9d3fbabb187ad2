"""An algorithm-register card as Markdown for people. What is unknown reads `not recorded`."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from messaging.card_resources import CardEvaluation, ModelCard

UNKNOWN = "not recorded"
_SPECIAL = str.maketrans({"|": "\\|", "\n": " ", "\r": " ", "<": "&lt;", "[": "\\["})


def card_markdown(card: ModelCard) -> str:
    """The whole card; text from elsewhere cannot break its tables or become a link or HTML."""
    return "\n".join(_lines(card)) + "\n"


def _lines(card: ModelCard) -> Iterator[str]:
    yield f"# {_text(card.name)}, version {card.version}"
    yield ""
    yield f"Algorithm-register card of release `{card.digest}`, made {_time(card.made_at)}."
    yield from _section("What it is for")
    yield from _table(
        ("field", "value"),
        (
            ("purpose", card.purpose), ("function", card.function), ("owner", card.owner),
            ("contact", card.contact), ("role", card.role), ("channel", card.channel),
            ("parent", card.parent_digest or "none: it is a first model"),
            ("digest of its weights", card.weights_digest), ("campaign", card.campaign or "none"),
            ("sites that run it", ", ".join(card.sites) or "none"),
        ),
    )  # fmt: skip
    yield from _section("Classes")
    yield from _table(
        ("class", "severity (1 to 5)", "threshold"), ((c.name, c.severity, c.threshold) for c in card.classes)
    )
    yield from _section("Training data")
    yield from _training(card)
    yield from _section("Evaluation")
    yield from _evaluation(card.evaluations)
    yield from _section("Known blind spots")
    yield from [f"- {_text(one.sentence)}" for one in card.blind_spots] or ["None is recorded."]
    yield from _section("Privacy")
    privacy = card.privacy
    yield (
        f"Images never leave a site. Largest privacy budget (epsilon) that one of {privacy.sites} sites has "
        f"spent: {_text(privacy.epsilon_spent_max)}. Synthesis orders steered by noised prototypes: "
        f"{_text(privacy.prototypes_used)}."
    )
    yield from _section("Licences")
    yield from _table(
        ("part", "name", "digest", "licence"), ((o.part, o.name, o.digest, o.licence) for o in card.licences)
    )
    yield from _section("Decisions")
    decisions = ((one.what, one.by, _time(one.at)) for one in card.decisions)
    yield from _table(("what", "by", "when"), decisions)
    yield from _section("Not recorded")
    yield from [f"- {_text(one)}" for one in card.not_recorded] or ["Nothing."]


def _training(card: ModelCard) -> Iterator[str]:
    training = card.training
    if training is None:
        yield f"Training data: {UNKNOWN}."
        return
    yield (
        f"{training.images} images, of which {training.synthetic_fraction:.1%} are synthetic. "
        f"{training.empty_streets} are streets without hazards, "
        f"{'drawn' if training.empty_streets_drawn else 'made from the backgrounds'}."
    )
    yield ""
    yield from _table(
        ("role", "name", "images", "digest"), ((o.role, o.name, o.images, o.digest) for o in training.sets)
    )


def _evaluation(rows: Sequence[CardEvaluation]) -> Iterator[str]:
    if not rows:
        yield f"Evaluation: {UNKNOWN}."
        return
    yield "95 % Wilson intervals. `n` is labelled hazards on the holdout, supported tracks in a shadow run."
    yield ""
    yield from _table(
        ("set", "class", "condition", "n", "recall", "precision", "false positives"),
        (
            (
                one.set, one.class_name, one.condition, one.n, _value(one.recall, one.recall_interval),
                _value(one.precision, one.precision_interval), one.false_positives,
            )
            for one in rows
        ),
    )  # fmt: skip


def _value(value: float | None, interval: tuple[float, float] | None) -> str | None:
    if value is None:
        return None
    return f"{value:.1%}" + (f" ({interval[0]:.1%} to {interval[1]:.1%})" if interval else "")


def _section(title: str) -> Iterator[str]:
    yield from ("", f"## {title}", "")


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield f"| {' | '.join(map(_text, row))} |"


def _text(value: object) -> str:
    return UNKNOWN if value is None else str(value).translate(_SPECIAL)


def _time(seconds: int | None) -> str:
    if seconds is None:
        return UNKNOWN
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
