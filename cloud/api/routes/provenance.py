"""API routes of where models come from and how good they are: lineage, evaluations side by side."""

from fastapi import APIRouter

from cloud.api.access.caller import Visible
from cloud.api.access.hidden_sites import Hidden, without_hidden
from cloud.api.computed.evaluations import evaluations_view
from cloud.api.computed.lineage import lineage_view
from cloud.api.paging import Cursor, Limit
from cloud.api.services import CloudServices
from messaging.api.evaluations import EvaluationsResource
from messaging.api.lineage import LineageResource

router = APIRouter()


@router.get("/models/{digest}/lineage", tags=["models"])
def lineage(
    services: CloudServices,
    digest: str,
    visible: Visible,
    hidden: Hidden,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> LineageResource:
    """From the sites that run a model back to the misdetections; `cursor` and `limit` are of its images."""
    return without_hidden(lineage_view(services, digest, visible, cursor=cursor, limit=limit), hidden)


@router.get("/campaigns/{campaign}/evaluations", tags=["campaigns"])
def evaluations(services: CloudServices, campaign: str, visible: Visible) -> EvaluationsResource:
    """Scores of candidate, incumbent, the first model and the best ever, on the holdout and at sites."""
    return evaluations_view(services, services.campaign_rows.get(campaign), visible)
