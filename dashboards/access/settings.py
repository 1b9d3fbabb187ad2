"""How browsers log in, `blindspot-page --config page.yaml`; without a file, by passwords alone."""

import ipaddress
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from messaging.access_resources import UserRole
from messaging.errors import FileFault
from messaging.fields import Slug
from messaging.runtime.addresses import is_plain_allowed
from messaging.runtime.text_files import read_text

Text = Annotated[str, Field(min_length=1, max_length=500)]
ALL_SITES = "*"


class PageSection(BaseModel):
    """A part of the page's configuration: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class OidcSettings(PageSection):
    """Login at an OpenID Connect provider (authorisation code with PKCE).

    `issuer` is the provider's address, under which its discovery document is. `name_claim` has the user's
    name here; `domain`: what is after the @ of a name that is an e-mail address, and is left out. With
    `groups_claim`, `roles` and `site_groups` give role and limit by the person's groups at the provider, `*`
    is no limit; a person without any of them is refused. `create`: the role of users that are not here yet;
    without it they are refused. A relative `client_secret_file` begins at the folder of the
    configuration file.
    """

    issuer: Text
    client_id: Text
    client_secret_file: Path
    name: Text = "single sign-on"
    scopes: tuple[Text, ...] = ("openid", "profile")
    name_claim: Text = "preferred_username"
    domain: Text | None = None
    groups_claim: Text | None = None
    roles: dict[str, UserRole] = Field(default_factory=dict)
    site_groups: dict[str, Slug | Literal["*"]] = Field(default_factory=dict)
    create: UserRole | None = None

    @field_validator("issuer")
    @classmethod
    def _encrypted(cls, issuer: str) -> str:
        if not issuer.startswith("https://") and not is_plain_allowed(issuer):
            raise ValueError("the issuer's address must begin with https://")
        return issuer.rstrip("/")

    @model_validator(mode="after")
    def _groups_have_a_claim(self) -> Self:
        if (self.roles or self.site_groups) and self.groups_claim is None:
            raise ValueError("roles and site_groups are by the person's groups; set groups_claim")
        return self

    @property
    def client_secret(self) -> str:
        """The secret in its file. Raises `FileFault`."""
        secret = read_text(self.client_secret_file).strip()
        if not secret:
            raise FileFault(f"{self.client_secret_file} is empty; write the client's secret into it")
        return secret


class TrustedHeaderSettings(PageSection):
    """Login by a header that a proxy sets after it has verified the person, accepted from `proxies` alone.

    The proxy must remove the header from what browsers send. `create`: as of `oidc`.
    """

    header: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]{1,60}$")] = "X-Forwarded-User"
    create: UserRole | None = None


class AccessSettings(PageSection):
    """How browsers reach the page and log in.

    `public_url`: the address in browsers, if a proxy is in front. `proxies`: addresses of such proxies, whose
    `X-Forwarded-For` states the browser's address.
    """

    public_url: Text | None = None
    proxies: tuple[Text, ...] = ()
    oidc: OidcSettings | None = None
    trusted_header: TrustedHeaderSettings | None = None

    @field_validator("proxies")
    @classmethod
    def _are_addresses(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in proxies:
            ipaddress.ip_address(proxy)  # its ValueError names the text
        return proxies

    @field_validator("public_url")
    @classmethod
    def _is_an_origin(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.path.strip("/") or parts.query:
            raise ValueError("give scheme and host alone, such as https://blindspot.example.org")
        return f"{parts.scheme}://{parts.netloc.lower()}"

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.oidc is not None and self.public_url is None:
            raise ValueError("oidc leads browsers back to the page; set public_url to that address")
        if self.trusted_header is not None and not self.proxies:
            raise ValueError("trusted_header is accepted from proxies alone; set proxies to their addresses")
        return self

    @property
    def public_host(self) -> str | None:
        """Host and port in `public_url`."""
        return None if self.public_url is None else urlsplit(self.public_url).netloc

    @property
    def encrypted(self) -> bool:
        """Whether browsers reach the page with TLS, by its public address."""
        return self.public_url is not None and self.public_url.startswith("https://")


PASSWORDS = AccessSettings()
"""Names and passwords alone, without a proxy."""
