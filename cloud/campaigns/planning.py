"""From failure modes to a campaign's plan and its synthesis orders; reads the register and changes nothing.

A cold start is for a class without evidence: its modes are its conditions, and words are all there is.

An order is for one failure mode: its class, its condition, its box geometry, and the fleet's prototype
if there is one that is usable: noise would condition, refuse and choose images at random. The same plan,
campaign and prototypes give the same orders.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cloud.errors import CampaignRefused
from cloud.failure_modes.prototypes import FleetPrototype
from cloud.failure_modes.register import ModeRegister, campaign_candidates
from cloud.failure_modes.rules import FailureMode, GeometryBin, ModeKey
from cloud.settings import SynthesisSettings, TrainingSettings
from cloud.store.campaign_store import CampaignStore
from cloud.store.records import CampaignPlan
from messaging.hazard_classes import UNKNOWN_CLASS
from messaging.reports import ErrorKind
from messaging.resources import CampaignRequest
from messaging.taxonomy import Condition, RegionBin, SizeBin, Taxonomy
from synth.order import PrototypeToMatch, SynthesisOrder, WeightedGeometry

COLD_START_CONDITIONS = ("day-clear", "day-rain", "night-clear", "night-rain")
_PATCHES_PER_IMAGE = 1.4  # hazards per image on average; each is generated `best_of` times and once empty
_NAME_LENGTH = 40
DEFAULT_GEOMETRY = (
    WeightedGeometry(size=SizeBin.SMALL, region=RegionBin.MIDDLE, weight=1.0),
    WeightedGeometry(size=SizeBin.MEDIUM, region=RegionBin.BOTTOM, weight=1.0),
)
UNOBSERVED_GEOMETRY = tuple(
    WeightedGeometry(size=size, region=RegionBin.UNKNOWN, weight=1.0)
    for size in (SizeBin.SMALL, SizeBin.MEDIUM, SizeBin.LARGE)
)  # without evidence, regions follow from where the class may be


class CampaignOptions(BaseModel):
    """What a request may override for one campaign; None keeps the setting."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    best_of: int | None = Field(default=None, ge=1, le=16)
    budget_factor: float | None = Field(default=None, ge=1.0, le=100.0)
    use_prototypes: bool | None = None
    epochs: int | None = Field(default=None, ge=1, le=1000)
    learning_rate: float | None = Field(default=None, gt=0.0, le=1.0)
    control: bool | None = None


def plan_campaign(
    request: CampaignRequest, register: ModeRegister, campaigns: CampaignStore, settings: SynthesisSettings
) -> CampaignPlan:
    """The plan for a request, from the model in service now; it is read again when the campaign begins.

    Raises `CampaignRefused`, `NotKnown`.
    """
    options = checked_options(request.options)
    modes = _chosen(request, register)
    campaigns.refuse_busy([mode.key.id for mode in modes])
    for mode in modes:
        class_of_mode(mode, register)
    return CampaignPlan(
        modes=tuple(mode.key.id for mode in modes),
        count=request.count or settings.images_per_mode,
        seed=request.seed,
        incumbent_digest=register.main_model(),
        options=options,
    )


def order_of_mode(
    mode: FailureMode,
    register: ModeRegister,
    *,
    prototype: FleetPrototype | None,
    plan: CampaignPlan,
    campaign: str,
    settings: SynthesisSettings,
) -> SynthesisOrder:
    """The order for one mode of the register. Raises `CampaignRefused` as `class_to_generate`."""
    return synthesis_order(
        mode,
        class_name=class_of_mode(mode, register),
        prototype=prototype,
        plan=plan,
        campaign=campaign,
        settings=settings,
        taxonomy=register.taxonomy,
    )


def synthesis_order(
    mode: FailureMode,
    *,
    class_name: str,
    prototype: FleetPrototype | None,
    plan: CampaignPlan,
    campaign: str,
    settings: SynthesisSettings,
    taxonomy: Taxonomy,
) -> SynthesisOrder:
    """The order for one mode of a campaign."""
    seed_text = f"{plan.seed if plan.seed is not None else campaign}:{mode.key.id}"
    seed = int(hashlib.sha256(seed_text.encode()).hexdigest()[:7], 16)
    best_of = int(plan.options.get("best_of", settings.best_of))
    budget = float(plan.options.get("budget_factor", settings.budget_factor))
    count = images_of(mode, plan)
    use_prototype = bool(plan.options.get("use_prototypes", settings.use_prototypes))
    return SynthesisOrder(
        order=_order_name(campaign, mode),
        class_name=class_name,
        light=mode.key.condition.light,
        weather=mode.key.condition.weather,
        geometry=_geometry(mode.geometry) if mode.count else UNOBSERVED_GEOMETRY,
        count=count,
        seed=seed,
        patch_budget=max(int(count * budget * (best_of + 1) * _PATCHES_PER_IMAGE), count),
        best_of=best_of,
        prototype=_to_match(prototype) if use_prototype else None,
        sampling=settings.sampling,
        image_width=settings.image_width,
        image_height=settings.image_height,
        classes=taxonomy.classes,
    )


def images_of(mode: FailureMode, plan: CampaignPlan) -> int:
    """The images of one mode: those asked for, or as many as the sites that report it may call for."""
    return max(1, int(plan.count * mode.images_fraction))


def trains_control(plan: CampaignPlan, settings: TrainingSettings) -> bool:
    """Whether the campaign trains a control model: as the request says, or else the settings."""
    return bool(plan.options.get("control", settings.control))


def class_of_mode(mode: FailureMode, register: ModeRegister) -> str:
    """`class_to_generate` with what the register suggests."""
    return class_to_generate(mode, register.suggested_class(mode), register.taxonomy)


def class_to_generate(mode: FailureMode, suggested: str | None, taxonomy: Taxonomy) -> str:
    """The class to generate, one of the deployment's: prompts are made of its words.

    Raises `CampaignRefused` for another class, and for the unknown one if no class was assigned.
    """
    name: str | None = mode.key.class_name
    if name == UNKNOWN_CLASS:
        name = mode.state.assigned_class or suggested
    if name is None:
        raise CampaignRefused(
            f"failure mode {mode.key.id} is of unknown class and no prototype is near enough; assign a class "
            "to it first"
        )
    if name not in taxonomy.names:
        raise CampaignRefused(
            f"failure mode {mode.key.id} is of class {name!r}, which this deployment does not have; add it "
            "with `blindspot classes add`"
        )
    return name


def checked_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a request as values of their types. Raises `CampaignRefused`, naming the option."""
    known = sorted(CampaignOptions.model_fields)
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise CampaignRefused(f"campaign option {unknown[0]!r} is unknown; known options: {', '.join(known)}")
    try:
        return CampaignOptions.model_validate(dict(options)).model_dump(exclude_none=True)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise CampaignRefused(
            f"campaign option {name!r} is {str(first['input'])[:60]!r}: {first['msg']}"
        ) from None


def _chosen(request: CampaignRequest, register: ModeRegister) -> Sequence[FailureMode]:
    if request.cold_start is not None:
        return _without_evidence(request, request.cold_start, register)
    if request.conditions:
        raise CampaignRefused("conditions are chosen for a cold start only; name the class to start")
    if request.modes:
        return [register.mode(name) for name in dict.fromkeys(request.modes)]
    candidates = campaign_candidates(register.modes(), register.taxonomy.names)
    if not candidates:
        raise CampaignRefused(
            "there is no open failure mode of a known class that generated images can close; "
            "wait for evidence"
        )
    return candidates[: request.top]


def _without_evidence(
    request: CampaignRequest, class_name: str, register: ModeRegister
) -> Sequence[FailureMode]:
    """One mode per condition, for a class that no camera has detected or missed yet."""
    if request.modes:
        raise CampaignRefused("a cold start is for a class and conditions; name no failure modes with it")
    if class_name not in register.taxonomy.names:
        known = ", ".join(register.taxonomy.names)
        raise CampaignRefused(
            f"hazard class {class_name!r} is unknown; this deployment has {known}; add it with "
            "`blindspot classes add`"
        )
    conditions = [Condition.parse(key) for key in request.conditions or COLD_START_CONDITIONS]
    keys = [ModeKey(class_name, condition, ErrorKind.MISSED) for condition in dict.fromkeys(conditions)]
    return [register.mode_to_generate(key.id) for key in keys]


def _geometry(bins: Iterable[GeometryBin]) -> tuple[WeightedGeometry, ...]:
    known = [
        WeightedGeometry(size=b.size, region=b.region, weight=b.weight)
        for b in bins
        if b.size is not SizeBin.UNKNOWN and b.region is not RegionBin.UNKNOWN and b.weight > 0
    ]
    return tuple(known[:64]) or DEFAULT_GEOMETRY


def _to_match(prototype: FleetPrototype | None) -> PrototypeToMatch | None:
    if prototype is None or not prototype.usable:
        return None
    return PrototypeToMatch(
        vector=prototype.vector, embedding_digest=prototype.embedding_digest, cosine=prototype.cosine
    )


def _order_name(campaign: str, mode: FailureMode) -> str:
    """A slug of at most 40 letters, another one for each mode: the end of the campaign's id, and the mode."""
    name = f"{campaign[-8:].lower()}-{mode.key.id.replace('.', '-').lower()}"
    if len(name) <= _NAME_LENGTH:
        return name
    return f"{name[: _NAME_LENGTH - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
