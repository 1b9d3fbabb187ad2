"""Verdict requests: what a person asks a site about, signed by the director key like rollout orders.

The requests of a site that are open are one document, which replaces the one before. A request asks about one
hazard class, camera and time; it carries no box and no words. Nothing here reads a clock or a disk.
"""

from collections import Counter
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from messaging.errors import TrustError
from messaging.fields import Slug
from messaging.reports import RequestNumber, UtcSeconds
from messaging.trust.envelopes import open_envelope, sign_envelope
from messaging.trust.keys import PublicKey, SigningKey

PURPOSE = b"blindspot verdict requests 1\n"
MOST_OPEN = 20


class VerdictRequest(BaseModel):
    """Whether the model in service missed a hazard of a class in view of a camera at about a time.

    Attributes:
        number: counts up over the requests to all sites; a site answers each once.
        at_utc: when the hazard was there, in seconds since 1970; a person's estimate.
        expires_at_utc: from then on the site does not answer.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: RequestNumber
    camera: Slug
    class_name: Slug
    at_utc: UtcSeconds
    expires_at_utc: UtcSeconds


class OpenRequests(BaseModel):
    """The open requests of one site."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    site: Slug
    requests: tuple[VerdictRequest, ...] = Field(max_length=MOST_OPEN)

    @model_validator(mode="after")
    def _numbers_differ(self) -> Self:
        for number, count in Counter(one.number for one in self.requests).items():
            if count > 1:
                raise ValueError(f"request {number} is there twice")
        return self


def sign_requests(requests: OpenRequests, director: SigningKey) -> bytes:
    """The envelope of a site's open requests."""
    return sign_envelope(requests, PURPOSE, director)


def verify_requests(envelope: bytes, director: PublicKey, site: str) -> OpenRequests:
    """The requests in an envelope.

    Raises `TrustError`: too long, not an envelope, not the director's, or of another site.
    """
    requests = open_envelope(envelope, PURPOSE, director, OpenRequests, "list of verdict requests")
    if requests.site != site:
        raise TrustError(f"list of verdict requests is of site {requests.site}, not {site}", "wrong_site")
    return requests
