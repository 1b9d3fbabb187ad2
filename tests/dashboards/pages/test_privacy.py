"""Messages and bytes by kind and site."""

from dashboards.pages import privacy
from messaging.resources import LedgerResource, SiteResource
from tests.support.dashboards.sections import row, snapshot, text

LEDGER = tuple(
    LedgerResource(site=site, kind=kind, count=count, length_bytes=size)
    for site, kind, count, size in (
        ("north", "hazard", 2, 800), ("south", "hazard", 1, 400), ("south", "recall", 5, 2_000)
    )
)  # fmt: skip


def test_bytes_are_summed_by_kind_and_site() -> None:
    markup = privacy.section(snapshot(ledger=LEDGER))
    assert row(markup, "kind-hazard") == ["hazard", "800 B", "400 B", "3", "1.2 kB"]
    assert row(markup, "kind-recall") == ["recall", "–", "2.0 kB", "5", "2.0 kB"]
    assert row(markup, "kind-all") == ["total", "800 B", "2.4 kB", "8", "3.2 kB"]


def test_the_kind_with_the_most_bytes_comes_first() -> None:
    markup = privacy.section(snapshot(ledger=LEDGER))
    assert markup.index("kind-recall") < markup.index("kind-hazard") < markup.index("kind-all")


def test_the_spent_privacy_budget_is_stated_for_sites_that_spent_any() -> None:
    sites = (
        SiteResource(site="north", online=True, epsilon_spent=2.04),
        SiteResource(site="south", online=True),
    )
    shown = text(privacy.section(snapshot(ledger=LEDGER, sites=sites)))
    assert shown.endswith("privacy budget ε spent: north 2")
    assert "privacy budget" not in privacy.section(snapshot(ledger=LEDGER))


def test_no_number_is_shown_that_nothing_measured() -> None:
    assert "images" not in text(privacy.section(snapshot(ledger=LEDGER)))
    assert "images" not in text(privacy.section(snapshot()))
