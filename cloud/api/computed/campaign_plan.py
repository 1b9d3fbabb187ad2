"""What a campaign would do, as known before its start: orders, generator, limits, sites, time."""

from cloud.api.access.caller import VisibleSites, visible_names
from cloud.api.services import Services
from cloud.campaigns.estimate import CampaignImages, estimate
from cloud.campaigns.planning import order_of_mode, trains_control
from cloud.data.roles import DataRole
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
from synth.generation.inspection import name_and_licence
from synth.order import SynthesisOrder
from synth.planning.example_prompts import example_prompts
from synth.planning.vocabulary import SHIPPED_VOCABULARY, read_vocabulary

EXAMPLES = 3


def plan_view(services: Services, plan: CampaignPlan, visible: VisibleSites) -> CampaignPlanResource:
    """The plan with everything that is known before its start; changes nothing."""
    register, orders = services.register, []
    for mode in (register.mode_to_generate(name) for name in plan.modes):
        prototype = register.prototype_for(mode)
        order = order_of_mode(
            mode,
            register,
            prototype=prototype,
            plan=plan,
            campaign="preview",
            settings=services.settings.synthesis,
        )
        earlier = services.campaign_rows.image_counts(mode=mode.key.id)
        orders.append(
            PlannedOrderResource(
                mode=mode.key.id,
                class_name=order.class_name,
                condition=order.condition.key,
                count=order.count,
                prototype_sites=prototype.sites if prototype else 0,
                prototype_cosine=round(prototype.cosine, 3) if prototype else None,
                prototype_used=order.prototype is not None,
                prompts=_prompts(services, order),
                earlier_images=sum(earlier.values()),
                earlier_kept=earlier.pop((True, ""), 0),
                earlier_reason=max(earlier, key=lambda one: earlier[one], default=(False, ""))[1],
            )
        )
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
        rollout=_rollout(services, plan, visible),
    )


def _prompts(services: Services, order: SynthesisOrder) -> tuple[str, ...]:
    """None where the words are refused; then a requirement says so."""
    wanted = services.settings.synthesis
    try:
        bundled = wanted.generator is None
        vocabulary = None if bundled else read_vocabulary(wanted.prompts or SHIPPED_VOCABULARY)
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


def _rollout(services: Services, plan: CampaignPlan, visible: VisibleSites) -> PlannedRollout:
    settings, sites = services.settings.rollout, services.rollouts.sites()
    conditions = {services.register.mode_to_generate(name).key.condition for name in plan.modes}
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
