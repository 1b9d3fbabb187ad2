"""The demo's live terminal view of the cloud's API, rendered with Rich. Read only."""

import math
import time
from dataclasses import dataclass, field

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cloud.api.client import RemoteCloud
from cloud.demo.budget import DemoPlan
from cloud.errors import CloudUnreachable
from messaging.api.sites import CameraResource
from messaging.resources import CampaignResource, FailureModeResource
from messaging.runtime.console import has_styles

MODES_SHOWN = 8
STAGE_STYLES = {"done": "green", "running": "yellow", "failed": "red"}


@dataclass
class DemoSnapshot:
    """The last response of the API."""

    cameras: list[CameraResource] = field(default_factory=list)
    modes: list[FailureModeResource] = field(default_factory=list)
    campaign: CampaignResource | None = None


class LiveView:
    """Renders while used as a context manager; refreshes in place on a terminal, appends lines elsewhere."""

    def __init__(self, console: Console, began: float | None = None) -> None:
        """`began`: when the run began (monotonic); now unless given."""
        self._console = console
        self._refreshes = console.is_terminal and has_styles()
        self._began = time.monotonic() if began is None else began
        self._status = ""
        self._plan: DemoPlan | None = None
        self._part, self._part_began = "", self._began
        self._last = DemoSnapshot()
        self._live = Live(
            console=console, refresh_per_second=4, get_renderable=self._rendered, transient=False
        )

    def __enter__(self) -> "LiveView":
        if self._refreshes:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._refreshes:
            self._live.stop()

    def say(self, text: str) -> None:
        """Print a line that stays."""
        self._console.print(text, highlight=False, markup=False)

    def follow(self, plan: DemoPlan) -> None:
        """Show the time left by this plan from now on; a plan may replace another."""
        self._plan = plan

    def begin_part(self, part: str) -> None:
        """Name the part of the plan that runs now; naming it again changes nothing."""
        if part != self._part:
            self._part, self._part_began = part, time.monotonic()

    def elapsed_s(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._began

    def show_status(self, text: str) -> None:
        """Show what the demo does now, in one line."""
        self._status = text
        if not self._refreshes:
            self._console.print(f"{self._clock()}{self._left()}  {text}", highlight=False)

    def refresh(self, cloud: RemoteCloud, campaign: str | None) -> DemoSnapshot:
        """Read the API; the last response is kept while the cloud does not respond."""
        try:
            self._last = DemoSnapshot(
                cloud.page("cameras", CameraResource),
                cloud.page("failure-modes", FailureModeResource),
                cloud.get(f"campaigns/{campaign}", CampaignResource) if campaign else None,
            )
        except CloudUnreachable:
            self._status = "the cloud does not respond"
        return self._last

    def _clock(self) -> str:
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        return f"{minutes:02d}:{seconds:02d}"

    def _left(self) -> str:
        if self._plan is None or self._part not in self._plan.parts_s:
            return ""
        left = self._plan.left_s(self._part, time.monotonic() - self._part_began)
        return f" (about {math.ceil(left / 60)} min left)"

    def _rendered(self) -> Group:
        return Group(
            Text(f"{self._clock()}{self._left()}  {self._status}", style="bold"),
            self._cameras(),
            self._modes(),
            *([self._stages()] if self._last.campaign else []),
        )

    def _cameras(self) -> Table:
        table = Table("camera", "site", "condition", "frames", "misdetections", "p95 ms", title="Edge")
        for c in self._last.cameras:
            table.add_row(
                c.camera,
                c.site,
                f"{c.light}-{c.weather}",
                str(c.frames),
                str(c.misdetections),
                f"{c.inference_p95_ms:.0f}",
            )
        return table

    def _modes(self) -> Table:
        table = Table("failure mode", "status", "evidence", "estimated recall", "harm", title="Failure modes")
        for m in self._last.modes[:MODES_SHOWN]:
            recall = (
                "–" if m.recall.value is None else f"{100 * m.recall.value:.0f} % of {m.recall.supported}"
            )
            table.add_row(m.id, m.status, str(m.count), recall, f"{m.harm:.1f}")
        return table

    def _stages(self) -> Table:
        campaign = self._last.campaign
        table = Table("stage", "state", "progress", "left", "note", title="Campaign")
        for s in campaign.stages if campaign else ():
            left = "" if s.seconds_left is None else f"{s.seconds_left:.0f} s"
            table.add_row(
                s.stage,
                Text(s.state, style=STAGE_STYLES.get(s.state, "")),
                f"{100 * s.progress:.0f} %",
                left,
                s.note,
            )
        return table
