"""The privacy ledger as markup: sums by kind, rows by site and kind, what a verification found."""

from dashboards.pages import privacy
from dashboards.scope import Scope
from dashboards.theme import LIGHT
from messaging.api.sites import BudgetResource, CameraResource, LedgerDayResource
from messaging.resources import LedgerResource, SiteResource, VerifiedLedgerResource

LEDGER = (
    LedgerResource(site="north", kind="hazard", count=2, length_bytes=500),
    LedgerResource(site="north", kind="misdetection", count=1000, length_bytes=90_000),
    LedgerResource(site="south", kind="misdetection", count=1, length_bytes=90),
)


def test_kinds_are_summed_over_the_sites_with_the_largest_first() -> None:
    shown = privacy.kinds_markup(LEDGER)
    assert shown.index("misdetection") < shown.index("hazard")
    assert ">1,001<" in shown
    assert 'data-row="kind-all"' in shown
    assert ">1,003<" in shown
    assert 'class="empty"' in privacy.kinds_markup([])


def test_the_bytes_beside_payloads_are_apart_and_of_the_sites_that_report_them() -> None:
    north = SiteResource(site="north", online=True, transport_bytes=2_500_000)
    south = SiteResource(site="south", online=True)
    shown = privacy.kinds_markup(LEDGER, [north, south])
    assert "beside payloads, of 1 of 2 sites" in shown
    assert "2.5 MB" in shown.partition('data-row="kind-beside"')[2]
    assert "not reported" in privacy.kinds_markup(LEDGER, [south])
    rows = [privacy.site_row(site, {}, Scope(), 0.0)["beside"] for site in (north, south)]
    assert rows == [2500.0, None]


def test_a_row_is_a_site_and_a_kind_and_links_to_the_site() -> None:
    row = privacy.kind_row(LEDGER[1], Scope("docks"))
    assert (row["id"], row["messages"], row["size"]) == ("north/misdetection", 1000, 90.0)
    assert 'href="/sites/north?group=docks"' in row["site"]


def test_what_a_verification_found_is_stated_with_its_time() -> None:
    assert privacy.result_markup(None, 9.0) == ""
    good = VerifiedLedgerResource(site="north", key="k", n=1200, at_utc=40)
    assert "holds" in privacy.result_markup((good, 95.0), 100.0)
    assert "to entry 1,200, signed 60 s ago" in privacy.result_markup((good, 95.0), 100.0)
    assert "verified 5 s ago" in privacy.result_markup((good, 95.0), 100.0)
    bad = good.model_copy(update={"fault": "entry 7 has two hashes"})
    assert "contradicts itself" in privacy.result_markup((bad, 95.0), 100.0)
    assert "entry 7 has two hashes" in privacy.result_markup((bad, 95.0), 100.0)
    none = VerifiedLedgerResource(site="north", key="k")
    assert "nothing signed yet" in privacy.result_markup((none, 95.0), 100.0)


def test_a_site_without_a_heartbeat_has_no_epsilon() -> None:
    row = privacy.site_row(SiteResource(site="north", online=False), {}, Scope(), 0.0)
    assert row["epsilon"] is None
    assert row["result"] == ""


def test_a_camera_has_what_it_spent_and_its_budget_only_if_its_site_reports_one() -> None:
    camera = CameraResource(
        site="north", camera="bridge", connected=True, fps=5, frames=9, skipped=0, dropped=0, failures=0,
        detections=1, misdetections=0, inference_p50_ms=1, inference_p95_ms=2, frame_age_s=0.1, light="day",
        weather="clear", epsilon_spent=3.24567, epsilon_spent_at=40,
    )  # fmt: skip
    row = privacy.camera_row(camera, Scope("docks"), 100.0)
    assert (row["id"], row["epsilon"], row["at"]) == ("north/bridge", 3.246, "60 s ago")
    assert (row["left"], row["budget"]) == ("not reported", "not reported")
    for left, account, text in (
        (5.17, "open", "5.17"),
        (0.3, "spent", "spent, 0.3 is too little"),
        (0.0, "spent", "spent"),
        (0.0, "lost", "account lost, counts as spent"),
    ):
        budget = BudgetResource(epsilon=8, window_days=30, epsilon_left=left, account=account)
        row = privacy.camera_row(camera.model_copy(update={"budget": budget}), Scope("docks"), 100.0)
        assert (row["left"], row["budget"]) == (text, "8 in 30 days")
    none = camera.model_copy(update={"epsilon_spent": None, "epsilon_spent_at": None})
    row = privacy.camera_row(none, Scope("docks"), 100.0)
    assert (row["epsilon"], row["at"]) == (None, "never")


def test_days_are_exported_as_csv_in_order() -> None:
    days = [
        LedgerDayResource(at=86_400 * n, site="north", kind="hazard", count=n, length_bytes=1500)
        for n in (20_001, 20_000)
    ]
    assert privacy.days_csv(days).splitlines() == [
        "day,site,kind,messages,bytes",
        "2024-10-04,north,hazard,20000,1500",
        "2024-10-05,north,hazard,20001,1500",
    ]


def test_days_are_bars_of_kilobytes_by_kind_with_a_zero_for_a_day_without_any() -> None:
    since = 86_400 * 20_000
    days = [
        LedgerDayResource(at=since, site=site, kind="hazard", count=1, length_bytes=1500)
        for site in ("north", "south")
    ]
    options = privacy.days_options(days, since, LIGHT)
    assert options["legend"]["type"] == "scroll"  # more lines of it would be over the axis
    (bars,) = options["series"]
    assert bars["name"] == "hazard"
    assert bars["data"][:2] == [[1000 * since, 3.0], [1000 * (since + 86_400), 0.0]]
    assert len(bars["data"]) == privacy.DAYS
