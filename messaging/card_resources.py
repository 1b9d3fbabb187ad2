"""The algorithm-register card of a release, as the REST API gives it. Unknown facts are None.

The fields follow published registers: the AI registers of Amsterdam and Helsinki (Floridi 2020: purpose and
contact, datasets, data processing, human oversight, risks), the UK Algorithmic Transparency Recording
Standard (tier 1: owner and description; tier 2: model, data, oversight, impact) and model cards
(Mitchell et al. 2019: model details, intended use, factors, metrics, training data, caveats).
"""

from messaging.resources import Resource


class CardClass(Resource):
    """One hazard class with its severity (1 nuisance to 5 danger to life) and its confidence threshold."""

    name: str
    severity: int | None
    threshold: float | None


class CardDataset(Resource):
    """A labelled dataset or a set of generated images; `role` is `generated` for the latter."""

    digest: str
    name: str
    role: str
    images: int


class CardTraining(Resource):
    """What the release was trained on. `empty_streets` are images without hazards: drawn, or of backgrounds.

    `synthetic_fraction`: generated and drawn images as a fraction of all.
    """

    sets: tuple[CardDataset, ...]
    empty_streets: int
    empty_streets_drawn: bool
    images: int
    synthetic_fraction: float


class CardEvaluation(Resource):
    """Recall and precision on one set for one class and condition, with 95 % Wilson intervals.

    `set` is `holdout` (labelled images, `n` labelled hazards) or `shadow:SITE` (a site's own frames, `n`
    tracks that independent sources support). `false_positives` counts detections without a hazard.
    """

    set: str
    class_name: str
    condition: str
    n: int
    recall: float | None
    recall_interval: tuple[float, float] | None
    precision: float | None = None
    precision_interval: tuple[float, float] | None = None
    false_positives: int | None = None


class CardBlindSpot(Resource):
    """Where the release is known, or must be assumed, to miss hazards.

    `kind`: `below_target` (the evaluation does not show that recall reaches the target), `not_evaluated`, or
    `failure_mode` (the sites report misdetections of it now).
    """

    kind: str
    class_name: str
    condition: str | None
    sentence: str


class CardPrivacy(Resource):
    """Privacy budget (epsilon) that the sites have spent, each over its cameras, by their last heartbeats.

    `prototypes_used`: synthesis orders of the campaign in which a noised prototype steered the images.
    """

    sites: int
    epsilon_spent_max: float | None
    prototypes_used: int | None


class CardLicence(Resource):
    """The licence of one part: the model, a generator, or a dataset; None if it is not recorded."""

    part: str
    name: str
    digest: str | None
    licence: str | None


class CardDecision(Resource):
    """Who decided what, and when (seconds since 1970). `by` is None where it is not recorded."""

    what: str
    by: str | None
    at: int | None


class ModelCard(Resource):
    """The card of one release; `not_recorded` names the facts that are unknown."""

    digest: str
    weights_digest: str | None
    parent_digest: str | None
    name: str
    role: str
    version: int
    channel: str
    owner: str | None
    contact: str | None
    purpose: str | None
    function: str
    classes: tuple[CardClass, ...]
    training: CardTraining | None
    evaluations: tuple[CardEvaluation, ...]
    blind_spots: tuple[CardBlindSpot, ...]
    privacy: CardPrivacy
    licences: tuple[CardLicence, ...]
    campaign: str | None
    decisions: tuple[CardDecision, ...]
    sites: tuple[str, ...]
    made_at: int
    not_recorded: tuple[str, ...]
