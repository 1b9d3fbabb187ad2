"""The node's configuration: its site, broker and cameras. Built once, passed as values.

The minimum is eight lines of YAML; everything else has a default for one nano detector on a small machine.
Validation does no I/O.
"""

from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator, model_validator

from edge.source_address import parse_source
from edge.zones import Zone
from messaging.fields import Slug
from messaging.releases import ExecutionProvider
from messaging.reports import MOST_CAMERAS
from messaging.runtime.addresses import masked_address, masked_values

LEAST_TOKEN = 20


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CameraSettings(_Section):
    """One camera: where its frames come from, and what differs from the node's defaults.

    `source` is a network address (rtsp, rtmp, http, srt), `usb:N`, `/dev/videoN`, a video file, a folder of
    images, or a folder of video segments or images (`segments: true`) that a recorder adds to. `speed` paces
    files: 1 is real time, empty means as fast as the node can process. `fps` replaces the times of files:
    without it a video has those of its container, images those of their names, and images whose names state
    none come five per second. `stills`: its images are too far apart in time for motion and tracks; every
    image is evaluated by itself. `zones` are polygons by name with corners as fractions of the frame; with
    zones, only an object in one of them is a hazard.
    `frozen_after_s`: a live camera that sends the same image for so many seconds is frozen; null
    for one that sends a still on purpose. `same_place_s`, `same_place_frames`: what appears again at a place
    within so many seconds, or so many frames, counts as the same object in prototypes.
    """

    name: Slug
    source: str
    speed: float | None = Field(default=1.0, gt=0.0)
    fps: float | None = Field(default=None, gt=0.0, le=1000.0)
    segments: bool = False
    stills: bool = False
    loop: bool = False
    zones: dict[Slug, tuple[tuple[float, float], ...]] = Field(default_factory=dict)
    frozen_after_s: float | None = Field(default=60.0, gt=0.0)
    same_place_s: float = Field(default=900.0, ge=5.0)
    same_place_frames: int = Field(default=50, ge=1)

    @property
    def unpaced(self) -> bool:
        """Whether its frames come as fast as they are processed: recorded footage without a speed."""
        return self.speed is None and not parse_source(self.source).is_camera

    @field_validator("source")
    @classmethod
    def _the_source_is_known(cls, source: str, others: ValidationInfo) -> str:
        try:
            parse_source(source)
        except ValueError as error:
            raise ValueError(f"camera {others.data.get('name', '?')}: {error}") from None
        return source

    @model_validator(mode="after")
    def _a_live_camera_has_no_settings_of_files(self) -> Self:
        if parse_source(self.source).is_camera:
            for key in ("segments", "loop"):
                if getattr(self, key):
                    raise ValueError(
                        f"camera {self.name}: {key} is for files and folders; its source is live"
                    )
        return self

    @field_validator("zones")
    @classmethod
    def _zones_are_polygons(
        cls, zones: dict[str, tuple[tuple[float, float], ...]]
    ) -> dict[str, tuple[tuple[float, float], ...]]:
        for name, corners in zones.items():
            Zone(name, corners)
        return zones


class BrokerLink(_Section):
    """How the node reaches the site's broker."""

    url: str = "nats://127.0.0.1:4222"
    credentials: Path | None = None


class TeacherSettings(_Section):
    """The teacher: another detector, which the cloud releases to the site like the detector in service.

    `cpu_share`: the part of one core that it may take (so does the candidate of a shadow run); how often it
    is given a frame follows from it. `enabled` false: the site runs no teacher, so that no failure mode is
    closed by what it reports. `bundle`: a file of the site's own, used instead of the cloud's releases.
    """

    enabled: bool = True
    bundle: Path | None = None
    cpu_share: float = Field(default=0.15, gt=0.0, le=1.0)

    @property
    def own_bundle(self) -> Path | None:
        """The site's own teacher; None if its teacher is the cloud's, or it has none."""
        return self.bundle if self.enabled else None

    def step_factor(self, camera: CameraSettings, cameras: int) -> float:
        """Seconds of a camera's footage per second of processor time that its comparisons may take."""
        return cameras * (camera.speed or 1.0) / self.cpu_share


class KeptFrameSettings(_Section):
    """The frames of each camera that stay in the node's memory, so that a verdict request can be answered.

    One every `every_s` seconds, for so many `minutes` (0: none), in at most `mib` MiB. They never leave the
    node and are never on disk.
    """

    minutes: float = Field(default=10.0, ge=0.0, le=60.0)
    every_s: float = Field(default=5.0, ge=0.5)
    mib: float = Field(default=16.0, gt=0.0, le=1024.0)


class EvidenceSettings(_Section):
    """Which evidence sources are enabled, how often the costly ones run, and which frames are kept."""

    second_view_every: int = Field(default=5, ge=1)
    motion: bool = True
    motion_filter: bool = True
    kept_frames: KeptFrameSettings = KeptFrameSettings()


class PrivacySettings(_Section):
    """Privacy budget of each camera: epsilon of one release, and of all in `window_days`, both at `delta`.

    `least_cosine`: a prototype whose expected cosine to the mean without noise would be lower is not
    released. With the defaults and embeddings of width 64 a release needs 90 tracks, and 11 fit the budget
    (decision 0017). `minimum_tracks`: tracks that a release needs whatever its noise, at least 20.
    `window_days` are days in which the node runs. In one day releases spend at most `part_per_day` of the
    budget's mu squared, and those of classes that the window has a release of at most `repeats_per_day`; a
    first release in a day is always in time. `tally_tracks`: a recall tally counts at least so many tracks.
    """

    minimum_tracks: int = Field(default=20, ge=20)
    least_cosine: float = Field(default=0.8, ge=0.0, le=0.99)
    epsilon_per_release: float = Field(default=2.0, gt=0.0)
    epsilon_per_camera: float = Field(default=8.0, ge=0.01, le=60.0)
    window_days: int = Field(default=30, ge=1, le=3650)
    delta: float = Field(default=1e-5, gt=0.0, lt=0.01)
    part_per_day: float = Field(default=0.67, gt=0.0, le=1.0)
    repeats_per_day: float = Field(default=0.1, gt=0.0, le=1.0)
    tally_tracks: int = Field(default=5, ge=1)

    @model_validator(mode="after")
    def _a_release_fits_the_budget(self) -> Self:
        if self.epsilon_per_release > self.epsilon_per_camera:
            raise ValueError(
                f"epsilon_per_release ({self.epsilon_per_release:g}) must not be above epsilon_per_camera "
                f"({self.epsilon_per_camera:g}); no prototype could be released"
            )
        return self


class ReportSettings(_Section):
    """How often metrics are sent, and how long reports wait to be batched into one message, in seconds.

    Hazards of severity 3 and above that open or grow wait `urgent_s`, minor ones `hazard_s`; hazards that
    close, misdetections, tallies and prototypes `evidence_s`.
    """

    urgent_s: float = Field(default=2.0, ge=0.0, le=60.0)
    hazard_s: float = Field(default=5.0, ge=0.0, le=600.0)
    evidence_s: float = Field(default=30.0, ge=0.0, le=3600.0)
    heartbeat_s: float = Field(default=10.0, gt=0.0)
    tally_s: float = Field(default=60.0, gt=0.0)
    prototype_s: float = Field(default=30.0, gt=0.0)
    shadow_s: float = Field(default=30.0, gt=0.0)


class GuardSettings(_Section):
    """When a model that was put in service is worse than the one before, which then is put back.

    For `for_s` seconds after the swap (0: never) both process the same frames, within `teacher.cpu_share`.
    `latency_factor`: largest ratio of median latencies. `recall_drop`: drop of recall on the teacher's tracks
    that is not yet worse, as a fraction of them. `alarm_ratio`: largest ratio of boxes that the teacher does
    not confirm; `alarms_per_frame` of them are never too many.
    """

    for_s: float = Field(default=1800.0, ge=0.0)
    latency_factor: float = Field(default=4.0, gt=1.0)
    recall_drop: float = Field(default=0.05, ge=0.0, le=1.0)
    alarm_ratio: float = Field(default=5.0, gt=1.0)
    alarms_per_frame: float = Field(default=1.0, gt=0.0)


class UpdateSettings(_Section):
    """How often the mirror is read, how long a new model is on probation, and how long a model may take.

    Times are in seconds. Probation ends after `trial_s` and `trial_frames` good frames. `latency_factor`:
    largest ratio of the candidate's latency to the incumbent's in the self-test. A frame whose inference
    takes longer than `inference_limit_s` has failed. Within `load_limit_s` a model must be opened and run
    once; ten times as long where `providers` names `tensorrt`, which compiles.
    """

    poll_s: float = Field(default=1.0, gt=0.0)
    trial_s: float = Field(default=120.0, ge=0.0)
    trial_frames: int = Field(default=20, ge=1)
    latency_factor: float = Field(default=2.5, gt=1.0)
    inference_limit_s: float = Field(default=10.0, gt=0.0)
    load_limit_s: float = Field(default=60.0, gt=0.0)
    guard: GuardSettings = GuardSettings()


class LiveViewSettings(_Section):
    """Live images of the cameras on the node's own page, for whoever has the token.

    `token`: the password of `/live` (any user name), at least 20 characters; write `${VARIABLE}`, which is
    read from the environment, or from the file that `VARIABLE_FILE` names.
    """

    token: SecretStr

    @field_validator("token")
    @classmethod
    def _is_long_enough(cls, token: SecretStr) -> SecretStr:
        length = len(token.get_secret_value())
        if length < LEAST_TOKEN:
            raise ValueError(f"it has {length} characters; give a random one of at least {LEAST_TOKEN}")
        return token


class NodeSettings(_Section):
    """The whole configuration.

    `providers` are execution providers of ONNX Runtime for all models, the best first: `tensorrt`, `cuda`,
    `openvino`, `coreml`, `cpu`. Empty means all that the installed runtime has, except TensorRT. A model
    runs on none that is not in the list. Health, metrics and, with `live_view`, live images are answered on
    `page_port` (0: any free one), on this machine unless `page_host` is another of its addresses.
    """

    site: Slug
    data: Path
    mirror: Path
    trust: Path
    broker: BrokerLink = BrokerLink()
    cameras: tuple[CameraSettings, ...] = Field(min_length=1, max_length=MOST_CAMERAS)
    teacher: TeacherSettings = TeacherSettings()
    evidence: EvidenceSettings = EvidenceSettings()
    privacy: PrivacySettings = PrivacySettings()
    reports: ReportSettings = ReportSettings()
    updates: UpdateSettings = UpdateSettings()
    page_host: str = "127.0.0.1"
    page_port: int | None = Field(default=None, ge=0, le=65535)
    live_view: LiveViewSettings | None = None
    detector_threads: int = Field(default=1, ge=1, le=64)
    providers: tuple[ExecutionProvider, ...] = ()

    @model_validator(mode="after")
    def _camera_names_differ(self) -> Self:
        names = [camera.name for camera in self.cameras]
        if len(set(names)) != len(names):
            raise ValueError(f"camera names must differ; got {', '.join(names)}")
        return self

    @model_validator(mode="after")
    def _a_live_view_has_a_page(self) -> Self:
        if self.live_view is not None and self.page_port is None:
            raise ValueError("live_view needs a page_port, on which it is shown")
        return self

    def shown(self) -> dict[str, Any]:
        """The values as they may be printed: addresses without their secrets."""
        values: dict[str, Any] = masked_values(self.model_dump(mode="json"))
        for camera, shown in zip(self.cameras, values["cameras"], strict=True):
            shown["source"] = masked_address(camera.source, camera=True)
        return values
