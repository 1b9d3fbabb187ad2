"""Settings of integrations: where hazards are sent, in which format, and which of them.

Each entry of `integrations` has a `kind`: webhook, mqtt, ngsi_ld or cap. Validation does no I/O: whether an
address is private is checked when it is connected to.
"""

import base64
import binascii
from collections.abc import Iterable
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from messaging.fields import Slug
from messaging.runtime.addresses import masked_address

Longitude = Annotated[float, Field(ge=-180.0, le=180.0)]
Latitude = Annotated[float, Field(ge=-90.0, le=90.0)]
Position = tuple[Longitude, Latitude]
"""Degrees, WGS 84, longitude first, as in GeoJSON."""
PlaceName = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][a-z0-9_-]{0,39}(/[a-z0-9][a-z0-9_-]{0,39})?$",
        description="SITE or SITE/CAMERA",
    ),
]
SECRET_PREFIX = "whsec_"
_SECRET_BYTES = (24, 64)  # as the Standard Webhooks specification demands
_HEADER_TEXT = r"^[!-~]+$"

AlertCategory = Literal[
    "traffic", "naturalDisaster", "weather", "environment", "health", "security", "agriculture"
]
CapCategory = Literal[
    "Geo",
    "Met",
    "Safety",
    "Security",
    "Rescue",
    "Fire",
    "Health",
    "Env",
    "Transport",
    "Infra",
    "CBRNE",
    "Other",
]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Integration(_Section):
    """What all kinds have: a name, and which hazards they get; empty `sites` or `classes` means all.

    What could not be delivered within `give_up_hours` is a dead letter. After a failure the next attempt
    comes after `first_wait_s`, then after twice as long, at most `longest_wait_s`.
    """

    name: Slug
    sites: tuple[Slug, ...] = ()
    classes: tuple[Slug, ...] = ()
    min_severity: int = Field(default=1, ge=1, le=5)
    give_up_hours: float = Field(default=72.0, gt=0.0, le=720.0)
    first_wait_s: float = Field(default=5.0, gt=0.0)
    longest_wait_s: float = Field(default=1800.0, gt=0.0)


class _HttpIntegration(_Integration):
    """An integration over HTTP. One request takes at most `timeout_s`; redirects are not followed.

    `allow_private` permits loopback, private and other addresses that are not public, and `http://`. `token`
    is sent as a bearer token.
    """

    url: SecretStr
    allow_private: bool = False
    timeout_s: float = Field(default=10.0, gt=0.0, le=60.0)
    token: SecretStr | None = None

    @property
    def target(self) -> str:
        """Where it sends, without what could be secret."""
        return masked_address(self.url.get_secret_value(), camera=True)

    @model_validator(mode="after")
    def _can_be_sent_to(self) -> Self:
        fault = _url_fault(self.url.get_secret_value(), self.allow_private)
        if fault is not None:
            raise ValueError(f"url of {self.name}: {fault}")
        token = self.token.get_secret_value() if self.token else "-"
        if not all("!" <= letter <= "~" for letter in token) or not token:
            raise ValueError(f"token of {self.name} is empty or has blanks or other letters than ASCII")
        return self


class WebhookSettings(_HttpIntegration):
    """CloudEvents 1.0 as JSON with a GeoJSON feature, signed as in the Standard Webhooks specification.

    `secret` is `whsec_` and 24 to 64 random bytes as base64; `old_secret` signs too, while it is replaced.
    """

    kind: Literal["webhook"]
    secret: SecretStr
    old_secret: SecretStr | None = None

    @property
    def keys(self) -> tuple[bytes, ...]:
        """The bytes of the secrets, the present one first."""
        secrets = (self.secret, self.old_secret)
        return tuple(_key(secret.get_secret_value()) for secret in secrets if secret is not None)

    @field_validator("secret", "old_secret")
    @classmethod
    def _is_a_key(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            _key(secret.get_secret_value())
        return secret


class MqttSettings(_Integration):
    """The same CloudEvents, published at the hub's MQTT listener (`hub.mqtt`), on TOPIC/SITE/CAMERA."""

    kind: Literal["mqtt"]
    topic: str = Field(default="blindspot/hazards", pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+){0,7}$")
    timeout_s: float = Field(default=10.0, gt=0.0, le=60.0)


class NgsiLdSettings(_HttpIntegration):
    """Entities `Alert` of the smart data models, upserted at an NGSI-LD context broker.

    `url` is the broker's, without `/ngsi-ld`; `tenant` is sent as NGSILD-Tenant. `categories` gives classes
    of your own their category and sub-category.
    """

    kind: Literal["ngsi_ld"]
    tenant: str | None = Field(default=None, pattern=_HEADER_TEXT, max_length=100)
    categories: dict[Slug, tuple[AlertCategory, str]] = Field(default_factory=dict)


class CapSettings(_HttpIntegration):
    """CAP 1.2 alerts as XML. `sender` identifies you to the recipient, as an internet domain name does.

    `status` is Exercise or Test while nobody shall act on the alerts. `categories` gives classes of your own
    their CAP category.
    """

    kind: Literal["cap"]
    sender: str = Field(pattern=r"^[A-Za-z0-9@._:/-]+$", max_length=100)
    status: Literal["Actual", "Exercise", "Test"] = "Actual"
    language: str = Field(default="en-US", pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")
    categories: dict[Slug, CapCategory] = Field(default_factory=dict)


HttpIntegration = WebhookSettings | NgsiLdSettings | CapSettings
Integration = Annotated[
    WebhookSettings | MqttSettings | NgsiLdSettings | CapSettings, Field(discriminator="kind")
]


def repeated_names(integrations: Iterable[Integration]) -> list[str]:
    """Names that more than one integration has."""
    names = [one.name for one in integrations]
    return sorted({name for name in names if names.count(name) > 1})


def _url_fault(url: str, allow_private: bool) -> str | None:
    """Why nothing can be sent there; None if something can. The URL is in no sentence: it may be secret."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "it is not an address; write https://HOST/PATH"
    if parts.scheme not in ("https", "http") or not parts.hostname or port == 0:
        return "it is not an address; write https://HOST/PATH"
    if not all("!" <= letter <= "~" for letter in url):
        return "it has blanks or other letters than ASCII; write them as %XX"
    if parts.username is not None or parts.password is not None or parts.fragment:
        return "it has a user, a password or a fragment; give a credential as `token`"
    if parts.scheme == "http" and not allow_private:
        return "http:// is not encrypted; write https://, or allow_private: true for your own network"
    return None


def _key(secret: str) -> bytes:
    """The bytes of a secret of webhooks. Raises `ValueError`."""
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    low, high = _SECRET_BYTES
    if not secret.startswith(SECRET_PREFIX) or not low <= len(key) <= high:
        raise ValueError(
            f"it must be {SECRET_PREFIX} and {low} to {high} bytes as base64; make one with "
            f'`echo "{SECRET_PREFIX}$(openssl rand -base64 32)"`'
        )
    return key
