"""Sections of the page: the sentence of an empty one, regressions in red, text never becomes markup."""

from collections.abc import Callable
from typing import Any

import pytest

from dashboards.markup import Html, element
from dashboards.pages import campaign, comparison, failure_modes, hazards, overview, privacy, sites
from dashboards.snapshot import PageState, Snapshot
from messaging.resources import ComparisonResource, LedgerResource, OverviewResource, SiteResource

OVERVIEW = OverviewResource(
    sites=0, sites_online=0, hazards_in_24_h=0, open_failure_modes=0, campaigns_running=0,
    sites_on_current_model=0, current_model=None,
)  # fmt: skip


def snapshot(**parts: Any) -> Snapshot:
    return Snapshot(1_800_000_000.0, OVERVIEW, **parts)


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        (sites.section, "No site is enrolled yet. `blindspot sites add NAME` enrols one."),
        (hazards.section, "A hazard appears here when a site opens a hazard event."),
        (failure_modes.section, "Misdetections that the sites report are grouped here"),
        (campaign.section, "`blindspot campaign start` starts one for the worst mode."),
        (comparison.section, "evaluate and shadow stages of a campaign fill this table"),
        (privacy.section, "Every message that a site sends is counted here."),
    ],
)
def test_an_empty_section_states_what_will_be_shown_there(
    section: Callable[[Snapshot], Html], sentence: str
) -> None:
    assert sentence in section(snapshot())


def test_bytes_are_summed_by_kind_and_site() -> None:
    ledger = tuple(
        LedgerResource(site=site, kind=kind, count=count, length_bytes=size)
        for site, kind, count, size in (
            ("north", "hazard", 2, 800), ("south", "hazard", 1, 400), ("south", "recall", 5, 2_000)
        )
    )  # fmt: skip
    markup = privacy.section(snapshot(ledger=ledger))
    assert _row(markup, "kind-hazard") == ["hazard", "800 B", "400 B", "3", "1.2 kB"]
    assert _row(markup, "kind-recall") == ["recall", "–", "2.0 kB", "5", "2.0 kB"]
    assert _row(markup, "kind-all") == ["total", "800 B", "2.4 kB", "8", "3.2 kB"]


@pytest.mark.parametrize(
    ("before", "after", "change", "red"),
    [(0.34, 0.71, "+37", False), (0.88, 0.83, "−5", True), (0.5, 0.5, "+0", False), (None, 0.5, "–", False)],
)
def test_a_recall_that_fell_is_red(before: float | None, after: float, change: str, red: bool) -> None:
    cell = ComparisonResource(
        campaign="C", incumbent_digest="a" * 64, candidate_digest="b" * 64, role="holdout", class_name="fire",
        condition="day-clear", before={"recall": before}, after={"recall": after, "truths": 84},
    )  # fmt: skip
    markup = comparison.section(snapshot(comparison=(cell,)))
    assert _row(markup, "holdout-fire-day-clear")[4] == change
    assert ("regression" in markup) is red
    assert ('class="worse"' in markup) is red


def test_what_a_site_sends_is_text_and_never_markup() -> None:
    site = SiteResource(site="<script>alert(1)</script>", online=True)
    markup = sites.section(snapshot(sites=(site,)))
    assert "<script>" not in markup
    assert "&lt;script&gt;" in markup


def test_attributes_are_escaped_too() -> None:
    assert (
        element("td", "x", title='"><b>', data_row="r")
        == '<td title="&quot;&gt;&lt;b&gt;" data-row="r">x</td>'
    )


def test_a_lost_cloud_is_an_alert_with_the_time_of_the_data() -> None:
    markup = overview.status_line(PageState(snapshot(), "the cloud is lost"))
    assert 'role="alert"' in markup
    assert "the cloud is lost – the data below are from " in markup


def test_a_cloud_that_never_answered_is_no_empty_page() -> None:
    assert "there is no data yet" in overview.status_line(PageState(None, "the cloud is lost"))


def _row(markup: str, name: str) -> list[str]:
    """The texts of one table row."""
    row = markup.split(f'data-row="{name}">')[1].split("</tr>", maxsplit=1)[0]
    return [_text(cell) for cell in row.split("<td")[1:]]


def _text(cell: str) -> str:
    inner = cell.partition(">")[2]
    while "<" in inner:
        before, _, rest = inner.partition("<")
        inner = before + rest.partition(">")[2]
    return inner.strip()
