"""The REST API's types of a campaign that is planned and not started."""

from messaging.resources import Resource


class PlannedOrderResource(Resource):
    """One synthesis order of a plan.

    `prototype_cosine`: the estimated cosine of the fleet's prototype to the mean without noise, None without
    a prototype; `prototype_used`: whether it is in the order. `prompts` are examples of the words that the
    generator gets. Of `earlier_images` that it made of the failure mode before, `earlier_kept` passed the
    filters and `earlier_reason` refused the most others.
    """

    mode: str
    class_name: str
    condition: str
    count: int
    prototype_sites: int = 0
    prototype_cosine: float | None = None
    prototype_used: bool = False
    prompts: tuple[str, ...] = ()
    earlier_images: int = 0
    earlier_kept: int = 0
    earlier_reason: str = ""


class RequirementResource(Resource):
    """One thing that a stage of a campaign needs; the start is refused without those that are `needed`."""

    stage: str
    name: str
    met: bool
    needed: bool
    detail: str


class CampaignEstimateResource(Resource):
    """Seconds that a campaign would compute on the cloud's machine, by `based_on` campaigns that ended.

    None: none has measured it, or, for the cost, no price is configured. What sites need comes on top.
    """

    generate_s: float | None
    train_s: float | None
    evaluate_s: float | None
    total_s: float | None
    based_on: int
    cost: float | None = None
    currency: str | None = None


class PlannedGenerator(Resource):
    """The generator of the campaign's images; `licence` as its model states it, or as configured."""

    name: str
    licence: str


class PromotionLimits(Resource):
    """What the candidate must keep to, as configured. Drops are differences of fractions.

    On the holdout: largest drop of a class's recall and precision, and of recall in one condition. In shadow
    runs: supported tracks that each target needs, largest ratios of false alarms and of the 95th percentile
    of latency to those of the model in service.
    """

    recall_drop: float
    precision_drop: float
    condition_drop: float
    enough_tracks: int
    false_alarm_ratio: float
    latency_ratio: float


class PlannedRollout(Resource):
    """Where the candidate goes: in shadow at the `canaries`, then in service at all `sites` in groups.

    `canaries` are those of today; sites of other groups are left out for a limited user. More than
    `stop_fraction` of failures in a group roll all back; each group is held for `hold_s` seconds.
    """

    canaries: tuple[str, ...]
    sites: int
    hold_s: float
    stop_fraction: float
    approval_before: tuple[str, ...] = ()


class CampaignPlanResource(Resource):
    """The plan of a campaign that is not started. `control`: it trains a control model too."""

    modes: tuple[str, ...]
    count: int
    seed: int | None
    incumbent_digest: str | None
    orders: tuple[PlannedOrderResource, ...]
    replay_images: int
    calibration_images: int
    holdout_images: int
    control: bool = False
    requirements: tuple[RequirementResource, ...] = ()
    estimate: CampaignEstimateResource | None = None
    generator: PlannedGenerator | None = None
    limits: PromotionLimits | None = None
    rollout: PlannedRollout | None = None
