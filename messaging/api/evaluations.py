"""The REST API's types of evaluations side by side, for a before and after."""

from messaging.resources import Resource


class EvaluatedModel(Resource):
    """A model that is compared: why (`first`, `best`, `incumbent`, `control`, `candidate`), and which one.

    `campaign`: whose evaluation on the holdout is shown; the holdout may have changed since.
    """

    kind: str
    digest: str
    version: int | None
    campaign: str


class ModelScores(Resource):
    """Scores of one model on one set for one class and condition; None where they were not measured.

    `n`: labelled hazards of the holdout, supported tracks of a shadow run. Intervals are 95 % Wilson
    intervals, those of `ap50` and `ap50_95` a bootstrap over images, which older evaluations lack.
    `false_positives`: reported boxes or tracks without a hazard. `camera_hours` are an estimate: the time
    of the whole run times the cameras connected in the last heartbeat. False alarms per camera-hour are those
    of a shadow run over them, with a 95 % Poisson interval of the count alone.
    """

    n: int
    recall: float | None = None
    recall_interval: tuple[float, float] | None = None
    precision: float | None = None
    precision_interval: tuple[float, float] | None = None
    ap50: float | None = None
    ap50_interval: tuple[float, float] | None = None
    ap50_95: float | None = None
    ap50_95_interval: tuple[float, float] | None = None
    false_positives: int | None = None
    false_alarms_per_camera_hour: float | None = None
    false_alarms_interval: tuple[float, float] | None = None
    camera_hours: float | None = None


class EvaluationCell(Resource):
    """The scores of all compared models, by kind, on `set` (`holdout`, or `shadow:SITE`)."""

    set: str
    class_name: str
    condition: str
    scores: dict[str, ModelScores]


class EvaluationsResource(Resource):
    """Evaluations of a campaign beside those of the first model and the best ever; `notes`: what is not."""

    campaign: str
    models: tuple[EvaluatedModel, ...]
    cells: tuple[EvaluationCell, ...]
    notes: tuple[str, ...]
