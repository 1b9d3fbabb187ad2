"""The algorithm-register card as markup: what is unknown says so, and text stays text."""

from dashboards.pages.model_card import card_markup, downloads_markup
from messaging.card_resources import (
    CardBlindSpot,
    CardClass,
    CardDataset,
    CardDecision,
    CardEvaluation,
    CardLicence,
    CardPrivacy,
    CardTraining,
    ModelCard,
)

DIGEST = "ab" * 32
BLIND = CardBlindSpot(kind="not_evaluated", class_name="a", condition=None, sentence="<i>a")
FIRST = ModelCard(
    digest=DIGEST, weights_digest=None, parent_digest=None, name="first", role="detector", version=1,
    channel="service", owner=None, contact=None, purpose=None, function="finds hazards",
    classes=(CardClass(name="fallen_person", severity=5, threshold=0.25),), training=None, evaluations=(),
    blind_spots=(), privacy=CardPrivacy(sites=1, epsilon_spent_max=None, prototypes_used=None),
    licences=(CardLicence(part="model", name="first", digest=None, licence=None),), campaign=None,
    decisions=(), sites=(), made_at=0, not_recorded=("owner",),
)  # fmt: skip


def test_what_is_unknown_is_not_recorded() -> None:
    shown = card_markup(FIRST, 10.0)
    assert "Training data: not recorded." in shown
    assert "Evaluation: not recorded." in shown
    assert "<li>owner</li>" in shown
    assert "has spent: not recorded." in shown


def test_what_is_known_has_its_numbers_and_intervals() -> None:
    card = FIRST.model_copy(
        update={
            "training": CardTraining(
                sets=(CardDataset(digest="d", name="city", role="base", images=1200),),
                empty_streets=40,
                empty_streets_drawn=True,
                images=1500,
                synthetic_fraction=0.2,
            ),
            "evaluations": (
                CardEvaluation(
                    set="holdout", class_name="fire", condition="night-rain", n=84, recall=0.71,
                    recall_interval=(0.61, 0.8),
                ),
            ),
            "blind_spots": (BLIND,),
            "decisions": (CardDecision(what="approved", by="ana", at=4),),
        }
    )  # fmt: skip
    shown = card_markup(card, 10.0)
    for text in ("1,500 images, of which 20 % are synthetic", "71 % (61–80 %)", "&lt;i&gt;a", "6 s ago"):
        assert text in shown


def test_the_card_is_downloaded_from_the_pages_own_server() -> None:
    assert f'href="/cards/{DIGEST}.json"' in downloads_markup(DIGEST)
    assert f'download="card-{DIGEST[:12]}.md"' in downloads_markup(DIGEST)
