"""What a campaign would do, as known before its start: orders, generator, limits, sites, time."""

from collections.abc import Sequence, Set

from cloud.api.access.caller import VisibleSites, visible_names
from cloud.api.services import Services
from cloud.campaigns.estimate import CampaignImages, estimate
from cloud.campaigns.planning import order_of_mode, trains_control
from cloud.data.roles import DataRole
from cloud.failure_modes.prototypes import FleetPrototype
from cloud.settings import SynthesisSettings
from cloud.store.lists.campaign_lists import Counts
from cloud.store.records import CampaignPlan
from messaging.api.campaign_plans import (
    CampaignEstimateResource,
    CampaignPlanResource,
    PlannedGenerator,
    PlannedOrderResource,
    PlannedRollout,
    PromotionLimits,
    RequirementResource,
)
from messaging.errors import BlindspotError
from messaging.taxonomy import Condition
from synth.generation.inspection import name_and_licence
from synth.order import SynthesisOrder
from synth.planning.example_prompts import example_prompts
from synth.planning.vocabulary import SHIPPED_VOCABULARY, Vocabulary, read_vocabulary

EXAMPLES = 3


def plan_view(services: Services, plan: CampaignPlan, visible: VisibleSites) -> CampaignPlanResource:
    """The plan with everything that is known before its start; changes nothing."""
    register, synthesis = services.register, services.settings.synthesis
    modes = [register.mode_to_generate(name) for name in plan.modes]
    prototypes = [register.prototype_for(mode) for mode in modes]
    wanted = [
        order_of_mode(mode, register, prototype=one, plan=plan, campaign="preview", settings=synthesis)
        for mode, one in zip(modes, prototypes, strict=True)
    ]
    earlier = services.campaign_rows.lists.image_counts_of_modes(plan.modes)
    orders = [
        _order(mode.key.id, order, prototype, prompts, earlier.get(mode.key.id, {}))
        for mode, order, prototype, prompts in zip(
            modes, wanted, prototypes, _prompts(synthesis, wanted), strict=True
        )
    ]
    replay = services.datasets.images(DataRole.REPLAY) + services.datasets.images(DataRole.BASE)
    calibration = services.datasets.images(DataRole.CALIBRATION)
    holdout = services.datasets.images(DataRole.HOLDOUT)
    return CampaignPlanResource(
        modes=plan.modes,
        count=plan.count,
        seed=plan.seed,
        incumbent_digest=plan.incumbent_digest,
        orders=tuple(orders),
        replay_images=replay,
        calibration_images=calibration,
        holdout_images=holdout,
        control=trains_control(plan, services.settings.training),
        estimate=_estimated(services, plan, sum(one.count for one in orders), replay, holdout),
        requirements=tuple(
            RequirementResource(
                stage=one.stage, name=one.name, met=one.met, needed=one.needed, detail=one.detail
            )
            for one in services.requirements(plan)
        ),
        generator=_generator(services),
        limits=PromotionLimits.model_validate(services.settings.promotion),
        rollout=_rollout(services, {mode.key.condition for mode in modes}, visible),
    )


def _order(
    mode: str,
    order: SynthesisOrder,
    prototype: FleetPrototype | None,
    prompts: tuple[str, ...],
    earlier: Counts,
) -> PlannedOrderResource:
    """One order; `earlier` counts the images that were generated for its mode before."""
    refused = {reason: number for (kept, reason), number in earlier.items() if not kept}
    images = sum(earlier.values())
    return PlannedOrderResource(
        mode=mode,
        class_name=order.class_name,
        condition=order.condition.key,
        count=order.count,
        prototype_sites=prototype.sites if prototype else 0,
        prototype_cosine=round(prototype.cosine, 3) if prototype else None,
        prototype_used=order.prototype is not None,
        prompts=prompts,
        earlier_images=images,
        earlier_kept=images - sum(refused.values()),
        earlier_reason=max(refused, key=lambda reason: refused[reason], default=""),
    )


def _prompts(wanted: SynthesisSettings, orders: Sequence[SynthesisOrder]) -> list[tuple[str, ...]]:
    """Examples for each order; none where its words or the vocabulary are refused."""
    try:
        bundled = wanted.generator is None
        vocabulary = None if bundled else read_vocabulary(wanted.prompts or SHIPPED_VOCABULARY)
    except BlindspotError:
        return [()] * len(orders)
    return [_examples(order, vocabulary) for order in orders]


def _examples(order: SynthesisOrder, vocabulary: Vocabulary | None) -> tuple[str, ...]:
    try:
        return example_prompts(order, vocabulary, EXAMPLES)
    except BlindspotError:
        return ()


def _generator(services: Services) -> PlannedGenerator | None:
    """None where it cannot be found; then a requirement says so."""
    wanted = services.settings.synthesis
    try:
        name, licence = name_and_licence(wanted.generator, licence=wanted.generator_licence)
    except BlindspotError:
        return None
    return PlannedGenerator(name=name, licence=licence)


def _rollout(services: Services, conditions: Set[Condition], visible: VisibleSites) -> PlannedRollout:
    settings, sites = services.settings.rollout, services.rollouts.sites()
    canaries = services.rollouts.canaries_first(sites, conditions)[: settings.canary_sites]
    return PlannedRollout(
        canaries=visible_names(tuple(canaries), visible),
        sites=len(sites),
        hold_s=settings.hold_s,
        stop_fraction=settings.stop_fraction,
        approval_before=settings.approval_before,
    )


def _estimated(
    services: Services, plan: CampaignPlan, wanted: int, real: int, holdout: int
) -> CampaignEstimateResource:
    training = services.settings.training
    trained = real + wanted + training.streets
    images = CampaignImages(wanted, trained, holdout, control=trains_control(plan, training))
    found = estimate(services.campaign_rows, images, services.settings.campaign)
    return CampaignEstimateResource.model_validate(found)
