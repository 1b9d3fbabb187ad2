"""API routes of samples: hazards that the generator makes for a person to judge before a campaign."""

from fastapi import APIRouter
from fastapi.responses import FileResponse

from cloud.api.services import CloudServices, Services
from cloud.generator_samples import GeneratorSample
from messaging.api.samples import SampleRequest, SampleResource

router = APIRouter(prefix="/samples", tags=["campaigns"])

_PNG = "image/png"


@router.post("", status_code=202)
def start(services: CloudServices, request: SampleRequest) -> SampleResource:
    """Generate samples of a failure mode; one sheet at a time, and none while a campaign makes its model."""
    return _view(services, services.samples.start(request.mode, count=request.count, seed=request.seed))


@router.get("/{sample}")
def show(services: CloudServices, sample: str) -> SampleResource:
    """One sheet of samples; repeat until its state is not running."""
    return _view(services, services.samples.get(sample))


@router.get("/{sample}/sheet", response_class=FileResponse, responses={200: {"content": {_PNG: {}}}})
def sheet(services: CloudServices, sample: str) -> FileResponse:
    """The sheet (PNG): for each hazard the place before, with it, without it, the difference, the label."""
    return FileResponse(services.samples.sheet(sample), media_type=_PNG)


def _view(services: Services, found: GeneratorSample) -> SampleResource:
    seconds = services.clock() - found.started_at if found.seconds is None else found.seconds
    return SampleResource(
        id=found.id,
        mode=found.mode,
        class_name=found.order.class_name,
        condition=found.order.condition.key,
        count=found.order.count,
        seed=found.order.seed,
        state=found.state,
        hazards=found.hazards,
        labelled=found.labelled,
        prompts=found.prompts,
        reason=found.reason,
        started_at=int(found.started_at),
        seconds=round(seconds, 1),
    )
