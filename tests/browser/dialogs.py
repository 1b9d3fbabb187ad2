"""Every dialog of the pages: the page it is on, and what is clicked and typed until it is open."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ulid import ULID

from cloud.store.access_records import AuditEntry
from cloud.store.records import Rollout
from messaging.access_resources import NewUser, UserRole
from messaging.wire_format.codec import Message, encode
from tests.support.cloud.filled_cloud import FilledCloud
from tests.support.cloud.sample_reports import NEW, OLD, misdetection

DAY_S = 86_400
LOADED_MS = 60_000
ROLLOUT = "r2"
"""A rollout that is paused and awaits approval; `r1` is neither."""
_SETTLED = """() => {
    const shown = document.querySelector('.q-dialog');
    return shown && !shown.querySelector('[class*="-enter-active"]')
        && shown.getAnimations({subtree: true}).every(one => one.playState !== 'running');
}"""


@dataclass(frozen=True)
class Step:
    """A click on the element of a selector, or a text that is typed into it."""

    selector: str
    text: str | None = None


@dataclass(frozen=True)
class DialogEntry:
    """A dialog: its name, the file under `dashboards` that opens it, its page, and the steps to it.

    The path has the same names in braces as the list of pages.
    """

    name: str
    module: str
    path: str
    steps: tuple[Step, ...]


def _entry(name: str, module: str, path: str, *steps: str | tuple[str, str]) -> DialogEntry:
    made = (Step(one) if isinstance(one, str) else Step(*one) for one in steps)
    return DialogEntry(name, module, path, tuple(made))


_ENROL, _USERS, _TOKENS = "pages/fleet/enrolment.py", "pages/settings/users.py", "pages/settings/tokens.py"
_SITES, _ROLLOUTS, _TICKET = "pages/fleet/site_changes.py", "pages/rollouts.py", "pages/model_ticket.py"
_ADD_USER = "button:has-text('Add a user')"
_MAKE, _MADE = "button:has-text('Make a token')", ".dialog button:has-text('Make')"
_LABEL = ".dialog input[aria-label='What it is for']"
_ENROL_SITE, _SITE = "button:has-text('Enrol a site')", ".dialog input[aria-label='Name of the site']"
DIALOGS = (
    _entry("a missed hazard", "pages/missed_hazards.py", "/hazards",
           "#missed-card button:has-text('A hazard was missed')"),
    _entry("a false alarm", "pages/hazard_changes.py", "/hazards",
           "#hazards [aria-label^='False alarm'] >> nth=0"),
    _entry("enrol a site", _ENROL, "/sites", _ENROL_SITE),
    _entry("enrol a site, refused", _ENROL, "/sites",
           _ENROL_SITE, (_SITE, "Harbour 2"), ".dialog button:has-text('Enrol')", ".dialog [role=alert]"),
    _entry("commands of a site", _ENROL, "/sites",
           _ENROL_SITE, (_SITE, "harbour-2"), ".dialog button:has-text('Enrol')", ".dialog pre"),
    _entry("quarantine a site", _SITES, "/sites/north", "#site button:has-text('Quarantine')"),
    _entry("revoke a site", _SITES, "/sites/north", "#site button:has-text('Revoke')"),
    _entry("release a site", _SITES, "/sites/east", "#site button:has-text('Release')"),
    _entry("put a site into a group", "pages/fleet/site_group.py", "/sites/north",
           "#site button:has-text('Site group')"),
    _entry("rename a group", "pages/fleet/site_group.py", "/sites?group=city",
           "button:has-text('Rename this group')"),
    _entry("remove the reports of a site", "pages/fleet/site_removal.py", "/sites/west",
           "#site button:has-text('Remove its reports')"),
    _entry("a dead letter", "pages/fleet/dead_letters.py", "/sites/north",
           "#dead-letters [aria-label^='Read dead letter'] >> nth=0"),
    _entry("cancel a campaign", "pages/campaign.py", "/campaigns/{campaign}",
           "#campaign button:has-text('Cancel')"),
    _entry("a generated image", "pages/campaign_images.py", "/campaigns/{campaign}/images",
           "#gallery [data-image] >> nth=1", "#whole-image dd >> nth=0"),
    _entry("start a rollout", "pages/model.py", f"/models/{OLD}",
           "#model button:has-text('Start a rollout')"),
    _entry("sign a ticket", _TICKET, "/models/{digest}", "#model-ticket button:has-text('Sign a ticket')"),
    _entry("withdraw a ticket", _TICKET, f"/models/{OLD}",
           "#model-ticket button:has-text('Withdraw the ticket')"),
    _entry("pause a rollout", _ROLLOUTS, "/rollouts/r1", "#rollout button:has-text('Pause')"),
    _entry("stop a rollout", _ROLLOUTS, "/rollouts/r1", "#rollout button:has-text('Stop')"),
    _entry("roll back", _ROLLOUTS, "/rollouts/r1", "#rollout button:has-text('Roll back')"),
    _entry("resume a rollout", _ROLLOUTS, f"/rollouts/{ROLLOUT}", "#rollout button:has-text('Resume')"),
    _entry("approve a rollout", _ROLLOUTS, f"/rollouts/{ROLLOUT}", "#rollout button:has-text('Approve')"),
    _entry("add a user", _USERS, "/settings/users", _ADD_USER),
    _entry("add a user, refused", _USERS, "/settings/users",
           _ADD_USER, (".dialog input[aria-label='Name']", "Ana B"), ".dialog button:has-text('Add')",
           ".dialog [role=alert] >> nth=1"),
    _entry("change a user", _USERS, "/settings/users", "[aria-label='Change ana']"),
    _entry("an entry of the audit log", "pages/settings/audit.py", "/settings/audit",
           "#audit [aria-label^='Before and after'] >> nth=0"),
    _entry("make a token", _TOKENS, "/settings/tokens", _MAKE),
    _entry("make a token, refused", _TOKENS, "/settings/tokens", _MAKE, _MADE, ".dialog [role=alert]"),
    _entry("a token's secret", _TOKENS, "/settings/tokens",
           _MAKE, (_LABEL, "city map"), _MADE, ".dialog pre"),
    _entry("revoke a token", _TOKENS, "/settings/tokens", "[aria-label='Revoke city map'] >> nth=0"),
)  # fmt: skip


def refused_message(cloud: FilledCloud, site: str = "north") -> None:
    """Keep a message of a site that the cloud refused for its hazard class."""
    now = int(time.time())
    report = misdetection(class_name="land_slide", minute_utc=now - now % 60)
    message = Message(str(ULID()), site, now, report)
    cloud.reports.put_dead_letter(
        subject=f"site.{site}.report.misdetection.{message.id}",
        message_id=message.id,
        reason="hazard class 'land_slide' is not known",
        data=encode(message),
    )


def prepare(cloud: FilledCloud) -> None:
    """Add to a filled cloud with releases what the dialogs are about: user, site, ticket, rollout."""
    now = int(time.time())
    cloud.accounts.add_user(NewUser(name="ana", role=UserRole.OPERATOR, password="correct horse battery"))
    change = {"before": {"role": "viewer"}, "after": {"role": "operator"}}
    cloud.services.audit.add(AuditEntry(now, "ana", "::1", "PATCH /users/{user}", "user bo", 200, **change))
    refused_message(cloud)
    cloud.reports.add_site("east")
    cloud.reports.quarantine_site("east", True)
    cloud.reports.add_site("west")
    cloud.reports.revoke_site("west")
    cloud.reports.group_site("east", "city")
    cloud.services.tickets.sign_ticket(OLD, (), now + DAY_S)
    states = {"sites": [{"site": "north", "group": "canary", "state": "running"}], "awaiting": "early"}
    cloud.services.releases.put_rollout(
        Rollout(ROLLOUT, None, NEW, OLD, "canary", True, states, "", now - 500, now), []
    )


def open_dialog(page: Any, address: str, dialog: DialogEntry, values: Mapping[str, str]) -> None:
    """Open a dialog in a browser's page that is logged in at `address`, and wait until it has stopped moving.

    `values` are what the names in braces of the path are replaced by.
    """
    page.goto(address + dialog.path.format(**values))
    for step in dialog.steps:
        if step.text is None:
            page.click(step.selector, timeout=LOADED_MS)
        else:
            page.fill(step.selector, step.text, timeout=LOADED_MS)
    settle(page)


def settle(page: Any) -> None:
    """Wait until the open dialog has stopped moving: while it fades in, its colours are others."""
    page.wait_for_function(_SETTLED, timeout=LOADED_MS)
