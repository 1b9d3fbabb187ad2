"""The cloud's configuration: one YAML, every key with a default, so that `cloud run --data FOLDER` is enough.

Built once by the command line and passed as values. Validation does no I/O. `DataFolder` is the only place
that names the files of the data folder.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    Discriminator,
    Field,
    SecretStr,
    Tag,
    field_validator,
    model_validator,
)

from cloud.integration_settings import Integration, PlaceName, Position, repeated_names
from cloud.network_settings import NetworkSettings, Section
from messaging.errors import ConfigurationError
from messaging.fields import Slug, UnitFloat
from messaging.releases import ExecutionProvider
from messaging.runtime.quoting import sqlite_url
from messaging.taxonomy import DEFAULT_TAXONOMY, Taxonomy, read_taxonomy, taxonomy_of
from synth.device_names import AUTO, DeviceName, Precision
from synth.generation.options import GeneratorOptions, Streets
from synth.order import Sampling

Seconds = Annotated[float, Field(gt=0.0)]
Classes = Annotated[
    Annotated[Path, Tag("file")] | Annotated[tuple[Slug, ...], Tag("names")],
    Discriminator(lambda value: "file" if isinstance(value, str | Path) else "names"),
]


class StoreSettings(Section):
    """The database of the cloud; without a `url` it is a SQLite file in the data folder.

    `url` is `postgresql://USER:PASSWORD@HOST:PORT/NAME` or `sqlite:///PATH`, with `%25` for `%`. A password
    is written as `${VAR}` and read from the environment variable VAR, or from the file that VAR_FILE names.
    PostgreSQL on another machine, or in another container, needs `?sslmode=verify-full&sslrootcert=FILE`.
    """

    url: SecretStr | None = None


class IntakeSettings(Section):
    """What is taken from sites. Reports older than `max_age_days` when they are received are refused."""

    max_age_days: float = Field(default=30.0, gt=0.0)


class FailureModeSettings(Section):
    """What counts as evidence now, and when a mode counts as closed.

    `target_recall` is what the lower bound of estimated recall must exceed; `targets` names classes that
    differ from it. Evidence older than `window_days` is ignored. In a fleet of five sites or more, one site
    calls for at most `largest_share` of a mode's images (or 1/n of them, if that is more), and weighs
    `probation_weight` in its first `probation_days`, unless all sites are that new.
    """

    target_recall: UnitFloat = 0.5
    targets: dict[Slug, UnitFloat] = Field(default_factory=dict)
    window_days: int = Field(default=90, ge=1)
    largest_share: float = Field(default=0.1, gt=0.0, le=1.0)
    probation_days: float = Field(default=7.0, ge=0.0)
    probation_weight: float = Field(default=0.2, gt=0.0, le=1.0)
    refresh_s: Seconds = 5.0

    def target(self, class_name: str) -> float:
        """The target of a class."""
        return self.targets.get(class_name, self.target_recall)


class RetentionSettings(Section):
    """Days for which the database keeps what sites reported, since it was received.

    `evidence_days`: misdetections, prototypes, recall tallies, verdicts and verdict requests. `shadow_days`:
    reports of shadow runs and of guards. `hazards_days`: hazard events that ended. These are at least
    `failure_modes.window_days` and `intake.max_age_days`. `dead_letters_days`: refused messages.
    `requests_days`: answers to requests with an idempotency key. `audit_days`: the audit log. Evidence is
    kept as it is while a campaign is under way, and prototypes of a failure mode until it is closed.
    Receipts, orders, releases, rollouts and campaigns are kept for ever.
    """

    evidence_days: float = Field(default=400.0, gt=0.0)
    shadow_days: float = Field(default=400.0, gt=0.0)
    hazards_days: float = Field(default=400.0, gt=0.0)
    dead_letters_days: float = Field(default=90.0, gt=0.0)
    requests_days: float = Field(default=30.0, gt=0.0)
    audit_days: float = Field(default=400.0, gt=0.0)


class SynthesisSettings(GeneratorOptions, Sampling):
    """How images are generated. `generator`: a pipeline folder or `HUB/ID@COMMIT` (default: as shipped).

    `generator_licence` is the licence of a hub model. How it samples and where it runs is described in
    `synth.order.Sampling` and `synth.generation.options.GeneratorOptions`.
    `prompts`: a YAML file like `synth/planning/vocabulary.yaml`, which is used by default. `streets`: what is
    inpainted when there is no dataset of role background.
    `reference_weights`: those of the independent judge (default: the shipped ones, if installed).
    `side_by_side` orders run at the same time, each with `threads` threads.
    """

    generator: str | None = None
    generator_licence: str = "unknown"
    prompts: Path | None = None
    streets: Streets = "auto"
    images_per_mode: int = Field(default=100, ge=1)
    best_of: int = Field(default=1, ge=1, le=16)
    budget_factor: float = Field(default=3.0, ge=1.0)
    image_width: int = Field(default=640, ge=64, le=4096)
    image_height: int = Field(default=360, ge=64, le=4096)
    use_prototypes: bool = True
    reference_weights: Path | None = None
    side_by_side: int = Field(default=2, ge=1)
    threads: int = Field(default=1, ge=1)

    @property
    def sampling(self) -> Sampling:
        """How the generator samples, for orders."""
        return Sampling.model_validate(self.model_dump(include=set(Sampling.model_fields)))

    @property
    def options(self) -> GeneratorOptions:
        """Where the generator runs, and what is added to its model."""
        return GeneratorOptions.model_validate(self.model_dump(include=set(GeneratorOptions.model_fields)))


class TrainingSettings(Section):
    """The fine-tuning recipe; see `cloud.training.plan.Recipe` and `TrainingPlan`.

    `device` is `auto` (a card if there is one), `cpu`, `cuda`, `cuda:N` or `mps`; `precision` is `auto`,
    `float32`, `bfloat16` or `float16`.

    The generated images of the last `earlier_campaigns` campaigns are in the training set too, so that their
    effect is not forgotten.

    `control`: train a control model as well, without the images that the campaign generated, so that their
    contribution is measured; it takes as long as the training of the candidate.
    """

    epochs: int = Field(default=9, ge=1)
    learning_rate: float = Field(default=5e-4, gt=0.0)
    batch: int = Field(default=16, ge=2)
    synthetic_fraction: float = Field(default=0.5, gt=0.0, le=0.5)
    frozen_layers: int = Field(default=3, ge=0)
    parent_weight: float = Field(default=0.45, ge=0.0, lt=1.0)
    weather: UnitFloat = 0.5
    streets: int = Field(default=90, ge=0)
    earlier_campaigns: int = Field(default=3, ge=0)
    precision_margin: UnitFloat = 0.03
    device: DeviceName = AUTO
    precision: Precision = AUTO
    threads: int = Field(default=2, ge=1)
    workers: int | None = Field(default=None, ge=0)
    control: bool = False


class EvaluationSettings(Section):
    """Where detectors run that judge generated images or are evaluated.

    `providers`: execution providers of ONNX Runtime, the best first (`tensorrt`, `cuda`, `openvino`,
    `coreml`, `cpu`); empty means all that the installed runtime has, except TensorRT.
    """

    providers: tuple[ExecutionProvider, ...] = ()


class PromotionSettings(Section):
    """What counts as worse, and how much evidence is enough. Drops are absolute differences of fractions.

    Attributes:
        recall_drop: largest drop of a class's recall over all conditions, from `class_boxes` on.
        precision_drop: the same for precision.
        condition_drop: largest drop of recall within one condition, from `enough_boxes` on.
        class_boxes: with fewer true (for precision: reported) boxes, only a class's interval counts.
        enough_boxes: with fewer true boxes, only a condition's interval counts.
        enough_tracks: supported tracks that a target needs in shadow runs.
        most_tracks: supported tracks after which a target without gain fails.
        false_alarm_ratio: largest ratio of unsupported tracks, candidate to incumbent.
        new_class_alarms: largest number of unsupported detections or tracks per frame of a new class.
        new_class_frames: frames that a new class needs in shadow runs, where no teacher can confirm it.
        latency_ratio: largest ratio of 95th latency percentiles, candidate to incumbent.
        significance: whether a target must gain significantly, and a significant loss refuses; false is for
            smoke tests only: then the drops and ratios above decide alone.
    """

    recall_drop: UnitFloat = 0.03
    precision_drop: UnitFloat = 0.05
    condition_drop: UnitFloat = 0.15
    class_boxes: int = Field(default=100, ge=1)
    enough_boxes: int = Field(default=20, ge=1)
    enough_tracks: int = Field(default=30, ge=1)
    most_tracks: int = Field(default=300, ge=1)
    false_alarm_ratio: float = Field(default=1.5, gt=0.0)
    new_class_alarms: float = Field(default=0.02, ge=0.0)
    new_class_frames: int = Field(default=3000, ge=1)
    latency_ratio: float = Field(default=2.0, gt=0.0)
    significance: bool = True


class RolloutSettings(Section):
    """Groups: `canary_sites`, then up to `early_fraction`, then `wide_fraction` of all sites, then all.

    Each group, the last one too, is held for `hold_s` after its last site has the release. More than
    `stop_fraction` failures in a group roll all back. A group named in `approval_before` (`early`, `wide`,
    `all`) waits for `blindspot rollout approve`. Sites compare a new model with the one before for
    `updates.guard.for_s`; a shorter hold ends before that.
    """

    canary_sites: int = Field(default=1, ge=1)
    early_fraction: UnitFloat = 0.1
    wide_fraction: UnitFloat = 0.5
    hold_s: float = Field(default=3600.0, ge=0.0)
    approval_before: tuple[Literal["early", "wide", "all"], ...] = ()
    stop_fraction: UnitFloat = 0.05
    order_expiry_s: Seconds = 7 * 86400.0
    phase_deadline_s: Seconds = 6 * 3600.0
    heartbeat_missing_s: Seconds = 600.0


class CampaignSettings(Section):
    """How long a campaign waits for the sites, and how often it polls.

    `cost_per_hour`: what an hour of this machine costs in `currency`, for the estimate of a plan; without it
    a plan has no cost.
    """

    shadow_deadline_s: Seconds = 86400.0
    verify_deadline_s: Seconds = 86400.0
    poll_s: Seconds = 2.0
    cost_per_hour: float | None = Field(default=None, ge=0.0, le=1e6)
    currency: str = Field(default="EUR", pattern=r"^[A-Z]{3}$")


class ModelCardSettings(Section):
    """What no record of the cloud knows, for the algorithm-register cards of its releases.

    `owner`: the organisation that answers for the system; `contact`: an address; `purpose`: what the city
    uses it for, and what it must not be used for. Without them a card says `not recorded`.
    """

    owner: str | None = Field(default=None, max_length=200)
    contact: str | None = Field(default=None, max_length=200)
    purpose: str | None = Field(default=None, max_length=2000)


class PageSettings(Section):
    """The dashboard that `cloud run` starts on this machine's loopback; port 0 takes a free one.

    Default: port 8751, or a free one when that is taken. For other machines start `blindspot-page` itself.
    `config`: its own YAML file, with other ways to log in.
    """

    port: int | None = Field(default=None, ge=0, le=65535)
    config: Path | None = None


class TracingSettings(Section):
    """Where traces of the cloud's own work go: an OpenTelemetry collector's `http://HOST:4318/v1/traces`.

    Without an `endpoint` there are none. They are sent every `every_s` seconds.
    """

    endpoint: str | None = Field(default=None, pattern=r"^https?://[^\s@]+$", max_length=500)
    every_s: Seconds = 5.0


class TriggerRule(Section):
    """Start a campaign automatically when a failure mode has enough evidence.

    All of these must hold: at least `min_count` misdetections from at least `min_sites` sites within
    `window_hours`; the last campaign of this rule ended or began `cool_down_hours` ago; fewer than
    `monthly_budget` campaigns of this rule in the last 30 days. `classes` empty means all.
    """

    name: Slug
    classes: tuple[Slug, ...] = ()
    min_count: int = Field(default=50, ge=1)
    min_sites: int = Field(default=1, ge=1)
    window_hours: float = Field(default=24.0, gt=0.0)
    cool_down_hours: float = Field(default=24.0, ge=0.0)
    monthly_budget: int = Field(default=4, ge=0)
    max_modes: int = Field(default=3, ge=1, le=16)
    needs_approval: bool = True


class CloudSettings(NetworkSettings):
    """The whole configuration.

    `starting_weights`: the first detector, `teacher_weights`: the first teacher (default: the shipped ones).
    `classes` is a classes file (`blindspot classes init` writes one), or a list of names of shipped classes.
    `page`: whether `cloud run` starts the dashboard too, if it is installed; or its port.
    `positions`: [longitude, latitude] of SITE/CAMERA, or of SITE for its cameras without one of their own;
    for maps and `integrations`.
    """

    data: Path = Path("blindspot-data")
    starting_weights: Path | None = None
    teacher_weights: Path | None = None
    classes: Classes = DEFAULT_TAXONOMY.names
    store: StoreSettings = StoreSettings()
    intake: IntakeSettings = IntakeSettings()
    failure_modes: FailureModeSettings = FailureModeSettings()
    retention: RetentionSettings = RetentionSettings()
    synthesis: SynthesisSettings = SynthesisSettings()
    training: TrainingSettings = TrainingSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    promotion: PromotionSettings = PromotionSettings()
    rollout: RolloutSettings = RolloutSettings()
    campaign: CampaignSettings = CampaignSettings()
    model_cards: ModelCardSettings = ModelCardSettings()
    tracing: TracingSettings = TracingSettings()
    page: bool | PageSettings = True
    triggers: tuple[TriggerRule, ...] = ()
    positions: dict[PlaceName, Position] = Field(default_factory=dict)
    integrations: tuple[Integration, ...] = ()

    @model_validator(mode="after")
    def _integrations_fit(self) -> Self:
        if repeated := repeated_names(self.integrations):
            raise ValueError(f"integrations: the name {repeated[0]} is used twice; names must differ")
        if self.hub.mqtt is None and any(one.kind == "mqtt" for one in self.integrations):
            raise ValueError(
                "integrations: kind mqtt needs a listener at the hub; add `hub: {mqtt: {port: 1883}}`"
            )
        return self

    @field_validator("classes")
    @classmethod
    def _names_are_shipped_classes(cls, classes: Path | tuple[str, ...]) -> Path | tuple[str, ...]:
        if isinstance(classes, Path):
            return classes
        try:
            return tuple(DEFAULT_TAXONOMY.hazard(name).name for name in taxonomy_of(classes).names)
        except ConfigurationError as error:
            raise ValueError(
                f"{error}; describe own classes in a file (`blindspot classes init`) and give its path"
            ) from None

    @model_validator(mode="after")
    def _keeps_what_is_counted(self) -> Self:
        kept, needed = self.retention, max(self.failure_modes.window_days, self.intake.max_age_days)
        for name in ("evidence_days", "hazards_days", "shadow_days"):
            if getattr(kept, name) < needed:
                raise ValueError(
                    f"retention.{name} is {getattr(kept, name):g}, and evidence counts for {needed:g} days "
                    "(failure_modes.window_days, intake.max_age_days); raise it or lower those"
                )
        return self

    @property
    def taxonomy(self) -> Taxonomy:
        """The configured hazard classes, read from their file. Raises `ConfigurationError`."""
        return read_taxonomy(self.classes) if isinstance(self.classes, Path) else taxonomy_of(self.classes)

    @property
    def store_url(self) -> str:
        """The URL of the store's database, its password included."""
        url = self.store.url
        return sqlite_url(self.folder.store) if url is None else url.get_secret_value()

    @property
    def folder(self) -> "DataFolder":
        """The data folder's layout."""
        return DataFolder(self.data)


class DataFolder:
    """The layout of the data folder: paths only, nothing is created."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.token = root / "token"
        self.address = root / "api.json"
        self.lock = root / "cloud.lock"
        self.classes = root / "classes.json"
        self.executor = root / "executor_id"
        self.store = root / "store.sqlite"
        self.workflows = root / "workflows.sqlite"
        self.hub = root / "hub"
        self.certificates = root / "certificates"
        self.keys = root / "keys"
        self.releases = root / "releases"
        self.datasets = root / "datasets"
        self.campaigns = root / "campaigns"
        self.models = root / "models"
        self.samples = root / "samples"

    def campaign(self, campaign: str) -> Path:
        """A campaign's working folder."""
        return self.campaigns / campaign
