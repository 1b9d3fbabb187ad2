"""An example of every request body, for the OpenAPI document."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from messaging.access_resources import (
    GroupName,
    GroupRequest,
    LoginRequest,
    NewToken,
    NewUser,
    PasswordChange,
    UserChange,
    VerifiedLogin,
)
from messaging.api.gallery import ImageReviewRequest
from messaging.api.samples import SampleRequest
from messaging.api.site_removal import RemovalRequest
from messaging.api.verdict_requests import MissedHazard
from messaging.release_resources import RolloutApproval, RolloutRequest, TicketRequest
from messaging.resources import AddedClasses, AssignRequest, CampaignRequest, HazardStatusRequest

EXAMPLES: Mapping[type[BaseModel], Mapping[str, Any]] = {
    GroupRequest: {"group": "harbour"},
    GroupName: {"name": "riverside"},
    RemovalRequest: {"reject_images": True},
    HazardStatusRequest: {"status": "acknowledged"},
    MissedHazard: {"camera": "bridge", "class_name": "pothole", "at_utc": 1_800_000_000},
    AssignRequest: {"class_name": "smoke"},
    AddedClasses: {"classes": [{"name": "fallen_tree", "severity": 4, "words": ["a fallen tree"]}]},
    SampleRequest: {"mode": "fire.night-clear.missed", "count": 4},
    CampaignRequest: {"modes": ["fire.night-clear.missed"], "count": 100, "seed": 7},
    ImageReviewRequest: {"verdict": "rejected", "reason": "the fire floats above the road"},
    TicketRequest: {"sites": ["harbour"], "days": 7},
    RolloutApproval: {"group": "all"},
    RolloutRequest: {"digest": "3f" * 32},
    LoginRequest: {"name": "ana", "password": "correct horse battery"},
    PasswordChange: {"present": "correct horse battery", "new": "another horse battery"},
    NewToken: {"label": "nightly report", "days": 30, "role": "viewer"},
    NewUser: {"name": "ana", "role": "operator", "password": "correct horse battery", "groups": ["harbour"]},
    UserChange: {"role": "trainer"},
    VerifiedLogin: {"role": "viewer", "create": "viewer"},
}
