"""The pages of the fleet in a real browser: what is opened, asked, confirmed and refused there."""

from functools import partial

import pytest

from cloud.errors import NotAuthorised, NotNow
from cloud.store.records import Rollout
from dashboards.pages.rollouts import STEP
from messaging.access_resources import NewUser, UserRole
from messaging.hazard_classes import HazardClass
from messaging.reports import AnswerOutcome, VerdictAnswer
from tests.browser.dialogs import refused_message
from tests.support.cloud.filled_cloud import FilledCloud
from tests.support.cloud.rollout_fleet import FleetSites
from tests.support.cloud.sample_reports import MINUTE, NEW, OLD, received
from tests.support.dashboards.chromium import BROWSER_TEST, Tab
from tests.support.waiting import wait_until

pytestmark = BROWSER_TEST
GAPS = """(dialog) => [...dialog.querySelectorAll("h2 + p, p + p, p + ul")].map((one) =>
    one.offsetTop - one.previousElementSibling.offsetTop - one.previousElementSibling.offsetHeight)"""


def test_the_overview_leads_to_a_hazard_and_back_to_its_site(cloud: FilledCloud, tab: Tab) -> None:
    cloud.fill()
    cloud.released()
    cloud.start()
    tab.open("/", "#overview a.tile")
    tab.wait_for_text("#worst-modes", "fire missed (night, clear)")
    tab.wait_for_text("#last-rollout", "1 of 2 sites run model")
    tab.page.click("#latest-hazards a:has-text('fire')")
    tab.wait_for_text("#hazard", "zone quay-2")
    tab.page.click("#hazard button:has-text('Acknowledge')")
    tab.wait_for_text("#hazard .pill", "acknowledged")
    tab.page.wait_for_selector("#hazard button:has-text('Acknowledge')", state="hidden")
    tab.page.click("#hazard a:has-text('south')")
    tab.wait_for_text("#site", "online")
    assert tab.violations == []


def test_hazards_are_filtered_by_the_address_and_by_the_selects(cloud: FilledCloud, tab: Tab) -> None:
    cloud.fill()
    cloud.start()
    tab.open("/hazards?severity=5", "#hazards .ag-row")
    assert tab.page.locator("#hazards .ag-row").count() == 2
    tab.page.click("[aria-label='Class']")
    tab.page.click(".q-item:has-text('fire')")
    tab.page.wait_for_url("**/hazards?class_name=fire&severity=5")
    tab.page.wait_for_function("document.querySelectorAll('#hazards .ag-row').length === 1")


def test_a_long_list_shows_its_first_rows_and_more_of_them_when_asked(cloud: FilledCloud, tab: Tab) -> None:
    cloud.fill()
    cloud.released()
    for number in range(STEP + 5):
        cloud.services.releases.put_rollout(
            Rollout(f"r1{number:03d}", None, NEW, OLD, "done", False, {"sites": ()}, "", MINUTE, MINUTE)
        )
    cloud.start()
    tab.open("/rollouts", "#rollouts .ag-row")
    tab.wait_for_text("#rollouts-card", f"The first {STEP} are shown.")
    tab.page.click(f"#rollouts-card button:has-text('Show {STEP} more')")
    tab.page.wait_for_selector(f"#rollouts-card button:has-text('Show {STEP} more')", state="hidden")
    assert tab.violations == []


def test_a_rollout_is_asked_for_only_when_confirmed_and_a_refusal_is_shown(
    cloud: FilledCloud, tab: Tab, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def start(_: FleetSites, digest: str, by: str) -> Rollout:
        asked.append(digest)
        raise NotNow("rollout r1 is under way; stop it first")

    monkeypatch.setattr(FleetSites, "start", start, raising=False)
    cloud.fill()
    cloud.released()
    cloud.start()
    tab.open(f"/models/{OLD}", "#model button:has-text('Start a rollout')")
    tab.page.click("#model button:has-text('Start a rollout')")
    tab.page.click(".dialog button:has-text('Cancel')")
    assert asked == []
    tab.page.click("#model button:has-text('Start a rollout')")
    tab.page.click(".dialog button:has-text('Start a rollout')")
    tab.wait_for_text(".q-notification", "rollout r1 is under way; stop it first")
    assert asked == [OLD]
    tab.page.wait_for_selector("#model button:has-text('Start a rollout'):enabled")
    assert tab.violations == []


def test_cameras_and_sites_are_limited_to_a_state_by_the_address_and_the_select(
    cloud: FilledCloud, tab: Tab
) -> None:
    cloud.fill()
    cloud.start()
    tab.open("/cameras?connected=false", "#cameras-card .empty")
    tab.wait_for_text("#cameras-card .empty", "No camera of this group is in that state.")
    tab.page.click("#cameras-card [aria-label='State']")
    tab.page.click(".q-item:has-text('any state')")
    tab.page.wait_for_selector("#cameras .ag-row")
    assert "connected=" not in tab.page.url
    tab.open("/sites?online=true", "#sites .ag-row")
    assert tab.page.locator("#sites .ag-row").count() == 2
    tab.open("/sites?online=false", "#sites-card .empty")


def test_a_hazard_is_handled_from_its_row_by_clicks_and_by_keys(cloud: FilledCloud, tab: Tab) -> None:
    cloud.beat()
    cloud.hazard("smoke", 4, began_s=60)
    cloud.start()
    tab.page.set_viewport_size({"width": 1440, "height": 900})
    tab.open("/hazards", "#hazards .ag-row")
    row = "#hazards .ag-row"
    tab.page.click(f"{row} [aria-label^='Acknowledge: smoke at ']")
    tab.wait_for_text(f"{row} .pill", "acknowledged")
    tab.page.wait_for_selector(f"{row} [aria-label^='Acknowledge']", state="detached")
    tab.page.click(f"{row} [col-id=began]")
    for _ in range(2):  # over the button for a missed hazard
        tab.page.keyboard.press("ArrowLeft")
    tab.page.keyboard.press("Enter")
    tab.wait_for_text(".dialog", "A false alarm stays one")
    tab.page.click(".dialog button:has-text('Cancel')")
    tab.page.click(f"{row} [aria-label^='Resolve']")
    tab.wait_for_text(f"{row} .pill", "resolved")
    tab.page.click(f"{row} [aria-label^='False alarm']")
    tab.page.click(".dialog button:has-text('False alarm')")
    tab.wait_for_text(f"{row} .pill", "false alarm")
    tab.page.click(f"{row} [aria-label^='A hazard was missed at ']")
    place = tab.page.get_attribute(f"{row} [aria-label^='A hazard was missed at ']", "aria-label")
    assert tab.page.input_value(".dialog [aria-label='Camera']") == str(place).split(" at ")[1]
    tab.page.click(".dialog button:has-text('Cancel')")
    tab.page.click(f"{row} [col-id=condition]")
    tab.page.keyboard.press("Home")
    tab.page.keyboard.press("ArrowRight")
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_selector("#hazard")
    assert tab.violations == []


def test_a_viewer_has_no_buttons_in_the_rows_of_hazards(cloud: FilledCloud, tab: Tab) -> None:
    cloud.accounts.add_user(NewUser(name="vera", role=UserRole.VIEWER, password="correct horse battery"))
    cloud.hazard("smoke", 4, began_s=60)
    cloud.start()
    tab.log_in("vera", "correct horse battery")
    tab.open("/hazards", "#hazards .ag-row")
    assert tab.page.locator("#hazards button.action").count() == 0


def test_a_camera_has_its_health_hazards_and_failure_modes_on_a_page(cloud: FilledCloud, tab: Tab) -> None:
    cloud.fill()
    cloud.start()
    tab.open("/cameras", "#cameras a:has-text('bridge')")
    tab.page.click("#cameras a:has-text('bridge')")
    tab.page.wait_for_url("**/cameras/north/bridge")
    tab.wait_for_text("#camera", "p50 ")
    tab.wait_for_text("#camera", "There is no live image here")
    tab.page.wait_for_selector("#camera-modes .ag-row")
    tab.page.wait_for_selector("#map-card .leaflet-interactive")
    tab.page.click("#missed-card button:has-text('A hazard was missed')")
    assert tab.page.input_value(".dialog input[aria-label='Camera']") == "north / bridge"
    assert tab.violations == []


def test_a_missed_hazard_is_reported_and_its_answer_appears(cloud: FilledCloud, tab: Tab) -> None:
    cloud.beat()
    cloud.start()
    tab.open("/hazards", "#missed-card .empty")
    tab.page.click("#missed-card button:has-text('A hazard was missed')")
    tab.page.click(".dialog [aria-label='Hazard class']")
    tab.page.click(".q-item:has-text('pothole')")
    tab.page.click(".dialog [aria-label='Seen']")
    tab.page.click(".q-item:has-text('about 5 minutes ago')")
    tab.page.click(".dialog button:has-text('Report')")
    tab.wait_for_text("#missed .pill", "sent")
    (request,) = cloud.asked[-1].requests
    assert (cloud.asked[-1].site, request.camera, request.class_name) == ("north", "bridge", "pothole")
    answer = VerdictAnswer(request=request.number, outcome=AnswerOutcome.CONFIRMED, minute_utc=0)
    cloud.reports.insert([received(answer, "north")])
    tab.wait_for_text("#missed .pill", "confirmed")
    tab.wait_for_text("#missed", "a misdetection is on its way")
    assert tab.violations == []


def test_a_site_is_enrolled_revoked_only_when_confirmed_and_enrolled_again(
    cloud: FilledCloud, tab: Tab
) -> None:
    cloud.start()
    tab.open("/sites", "#sites-card .empty")
    tab.page.click("button:has-text('Enrol a site')")
    tab.page.fill(".dialog input", "Harbour 2")
    tab.page.click(".dialog button:has-text('Enrol')")
    tab.wait_for_text(".dialog", "lower-case letters")
    tab.page.fill(".dialog input", "harbour-2")
    tab.page.click(".dialog button:has-text('Enrol')")
    tab.wait_for_text(".dialog pre", "blindspot sites add harbour-2 --out")
    tab.page.click(".dialog button:has-text('Close')")
    tab.page.click("#sites a:has-text('harbour-2')")
    tab.page.click("#site button:has-text('Revoke')")
    tab.wait_for_text(".dialog", "its credentials are void")
    tab.page.click(".dialog button:has-text('Cancel')")
    assert not cloud.reports.site("harbour-2").revoked
    tab.page.click("#site button:has-text('Revoke')")
    tab.page.click(".dialog button:has-text('Revoke')")
    tab.wait_for_text("#site .pill", "revoked")
    assert cloud.reports.site("harbour-2").revoked
    tab.page.wait_for_selector("#site button:has-text('Enrol again')")


def _is_in_group(cloud: FilledCloud, site: str, group: str) -> bool:
    return cloud.reports.site(site).site_group == group


def test_a_site_is_put_into_a_group_and_taken_out_of_it(cloud: FilledCloud, tab: Tab) -> None:
    cloud.fill()
    cloud.start()
    tab.open("/sites/north", "#site .pill")
    for wanted, shown in (("Harbour 2", None), ("harbour", "harbour"), ("", "north")):
        tab.page.click("#site button:has-text('Site group')")
        tab.page.fill(".dialog input", wanted)
        tab.page.click(".dialog button:has-text('Save')")
        if shown is None:
            tab.wait_for_text(".dialog", "lower-case letters")
            tab.page.click(".dialog button:has-text('Cancel')")
        tab.page.wait_for_selector(".dialog", state="detached")
        expected = wanted if shown else cloud.reports.site("north").site_group
        tab.wait_for_text("#site", expected)
        wait_until(partial(_is_in_group, cloud, "north", expected))
    assert tab.violations == []


def test_a_site_is_quarantined_released_and_revoked_from_its_row(cloud: FilledCloud, tab: Tab) -> None:
    cloud.fill()
    cloud.start()
    tab.open("/sites", "#sites .ag-row")
    tab.page.click("[aria-label='Quarantine north']")
    tab.wait_for_text(".dialog", "Nothing is learnt from what this site has reported")
    tab.page.click(".dialog button:has-text('Quarantine')")
    tab.wait_for_text("#sites .ag-row[row-id=north] .pill", "quarantined")
    assert [site.site for site in cloud.reports.sites() if site.quarantined] == ["north"]
    tab.page.click("[aria-label='Release north']")
    tab.page.click(".dialog button:has-text('Release')")
    tab.page.wait_for_selector("[aria-label='Quarantine north']")
    assert not cloud.reports.site("north").quarantined
    tab.page.click("[aria-label='Revoke north']")
    tab.wait_for_text(".dialog", "its credentials are void")
    tab.page.click(".dialog button:has-text('Cancel')")
    assert not cloud.reports.site("north").revoked
    tab.page.click("[aria-label='Revoke north']")
    tab.page.click(".dialog button:has-text('Revoke')")
    tab.page.wait_for_selector("[aria-label='Revoke north']", state="detached")
    assert cloud.reports.site("north").revoked
    assert tab.violations == []


def test_the_reports_of_a_revoked_site_are_deleted_once_the_plan_is_confirmed(
    cloud: FilledCloud, tab: Tab
) -> None:
    cloud.fill()
    cloud.reports.revoke_site("north")
    cloud.start()
    tab.open("/sites/north", "#site button:has-text('Remove its reports')")
    tab.page.click("#site button:has-text('Remove its reports')")
    tab.wait_for_text(".dialog", "4 hazards,")
    tab.wait_for_text(".dialog", f"{cloud.campaign}: ")
    assert min(tab.page.eval_on_selector(".dialog", GAPS)) >= 8, "paragraphs are apart"
    tab.page.click(".dialog button:has-text('Cancel')")
    removal = cloud.services.histories.removal
    assert removal.counts("north")["hazards"] == 4
    tab.page.click("#site button:has-text('Remove its reports')")
    tab.page.click(".dialog .q-checkbox")
    tab.page.click(".dialog button:has-text('Remove')")
    tab.wait_for_text(".q-notification", "What north reported is deleted.")
    assert set(removal.counts("north").values()) == {0}
    assert removal.derived("north") == []
    reviews = cloud.services.histories.reviews.of_campaign(cloud.campaign).values()
    assert {review.reason for review in reviews} == {"site north was removed"}
    assert tab.violations == []


def test_the_refused_messages_of_a_site_are_read_and_replayed_on_its_page(
    cloud: FilledCloud, tab: Tab
) -> None:
    cloud.fill()
    refused_message(cloud, "south")
    refused_message(cloud, "north")
    cloud.start()
    tab.open("/sites/north", "#dead-letters .ag-row")
    assert tab.page.locator("#dead-letters .ag-row").count() == 1
    tab.page.click("#dead-letters button:has-text('Read')")
    tab.wait_for_text(".dialog pre", '"class_name": "land_slide"')
    tab.page.click(".dialog button:has-text('Close')")
    tab.page.click("#dead-letters button:has-text('Replay')")
    tab.wait_for_text(".q-notification", "hazard class 'land_slide'")
    cloud.services.classes.add([HazardClass(name="land_slide", severity=4, words=("a land slide",))])
    tab.page.click("#dead-letters button:has-text('Replay')")
    tab.wait_for_text("#dead-letters-card .empty", "No message has been refused.")
    assert len(cloud.reports.dead_letters(site="south")) == len(cloud.reports.dead_letters()) == 1
    assert tab.violations == []


def test_an_operator_is_offered_no_revocation(cloud: FilledCloud, tab: Tab) -> None:
    cloud.fill()
    cloud.accounts.add_user(NewUser(name="ana", role=UserRole.OPERATOR, password="correct horse battery"))
    cloud.start()
    tab.log_in("ana", "correct horse battery")
    tab.open("/sites", "[aria-label='Quarantine north']")
    assert tab.page.locator("[aria-label='Revoke north']").count() == 0


def test_a_user_is_added_and_changed_and_entered_in_the_audit_log(cloud: FilledCloud, tab: Tab) -> None:
    cloud.start()
    tab.open("/settings/users", "#users-card .empty")
    tab.page.click("button:has-text('Add a user')")
    tab.page.fill(".dialog input[aria-label='Name']", "ana")
    tab.page.fill(".dialog input[type=password]", "correct horse battery")
    tab.page.click(".dialog button:has-text('Add')")
    tab.wait_for_text("#users", "ana")
    tab.page.click("[aria-label='Change ana']")
    tab.page.click(".dialog .q-checkbox")
    tab.page.click(".dialog button:has-text('Save')")
    tab.wait_for_text("#users .pill", "disabled")
    tab.page.click(".tabs a:has-text('Audit log')")
    tab.wait_for_text("#audit", "PATCH /users/{user}")
    tab.page.click("#audit .ag-row:has-text('PATCH') button:has-text('Change')")
    tab.wait_for_text(".dialog pre", '"disabled": true')
    tab.page.click(".dialog button:has-text('Close')")
    tab.page.fill("#audit-card input[aria-label='By']", "bo")
    tab.page.press("#audit-card input[aria-label='By']", "Enter")
    tab.page.wait_for_url("**/settings/audit?user=bo")
    tab.wait_for_text("#audit-card .empty", "No entry is of this person")
    assert tab.violations == []


def test_an_admin_gives_a_user_another_password(cloud: FilledCloud, tab: Tab) -> None:
    cloud.accounts.add_user(NewUser(name="ana", role=UserRole.OPERATOR, password="correct horse battery"))
    cloud.start()
    tab.open("/settings/users", "[aria-label='Change ana']")
    tab.page.click("[aria-label='Change ana']")
    tab.page.fill(".dialog input[type=password]", "short")
    tab.page.click(".dialog button:has-text('Save')")
    tab.wait_for_text(".dialog", "use at least 12 characters")
    tab.page.fill(".dialog input[type=password]", "seven green bicycles")
    tab.page.click(".dialog button:has-text('Save')")
    tab.wait_for_text(".q-notification", "ana is changed.")
    assert cloud.accounts.log_in("ana", "seven green bicycles", "::1")[0].role is UserRole.OPERATOR
    with pytest.raises(NotAuthorised):
        cloud.accounts.log_in("ana", "correct horse battery", "::1")
    assert tab.violations == []


def test_a_ledger_is_verified_and_a_card_is_downloaded(cloud: FilledCloud, tab: Tab) -> None:
    cloud.fill()
    cloud.released()
    cloud.start()
    tab.open("/models", "#models .ag-row")
    tab.page.click("#models a:has-text('0b0b0b0b')")
    tab.wait_for_text("#model-card", "Known blind spots")
    with tab.page.expect_download() as download:
        tab.page.click("#model-card a:has-text('Markdown')")
    assert "Algorithm-register card of release" in download.value.path().read_text()
    tab.open("/privacy", "#ledgers .ag-row")
    with tab.page.expect_download() as days:
        tab.page.click("#privacy-days button:has-text('Download as CSV')")
    assert ",north,misdetection," in days.value.path().read_text()
    tab.page.click("[aria-label='Verify the ledger of north now']")
    tab.page.wait_for_selector("#ledgers .ag-row:has-text('north') .pill, .q-notification:has-text('north')")


def test_a_token_is_shown_once_and_revoked_when_confirmed(cloud: FilledCloud, tab: Tab) -> None:
    cloud.accounts.add_user(NewUser(name="ana", role=UserRole.OPERATOR, password="correct horse battery"))
    cloud.start()
    tab.open("/settings/tokens", "#tokens-card .empty")
    tab.page.click("button:has-text('Make a token')")
    tab.page.fill(".dialog input[aria-label='What it is for']", "city map")
    tab.page.click(".dialog button:has-text('Make')")
    tab.page.wait_for_selector(".dialog pre")
    secret = tab.text(".dialog pre")
    assert cloud.accounts.recognise(f"Bearer {secret}") is not None
    tab.page.click(".dialog button:has-text('Close')")
    tab.wait_for_text("#tokens", "city map")
    tab.page.wait_for_selector(".dialog", state="detached")
    assert secret not in tab.page.content()
    tab.page.click("[aria-label='Revoke city map']")
    tab.page.click(".dialog button:has-text('Revoke')")
    tab.page.wait_for_selector("#tokens-card .empty p:visible")
    assert cloud.accounts.recognise(f"Bearer {secret}") is None
