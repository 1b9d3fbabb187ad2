"""Where other machines reach the hub and the API, and the certificate by which they recognise them."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from messaging.runtime.addresses import is_loopback

HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$", max_length=253)]
_EVERY_INTERFACE = ("0.0.0.0", "::")


class Section(BaseModel):
    """A part of a configuration: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ApiSettings(Section):
    """Where the REST API answers; port 0 takes a free one, written to `api.json` in the data folder.

    On another `host` than loopback it is encrypted, as `tls` describes. A token may send `requests_per_s`,
    and `requests_at_once` after a pause; an address five times as many.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8750, ge=0, le=65535)
    requests_per_s: float = Field(default=200.0, gt=0.0)
    requests_at_once: int = Field(default=1000, ge=1)


class MqttListener(Section):
    """Where the hub listens for MQTT 3.1.1: on this machine's loopback, without encryption."""

    port: int = Field(default=1883, ge=1, le=65535)


class HubSettings(Section):
    """The embedded hub broker; port 0 takes a free one, which is kept.

    It listens on this machine only, or with `host` 0.0.0.0 on every interface. Sites connect to
    `advertised_host`, a name or an IPv4 address (default: this machine's loopback). Unless all of that is
    loopback, it is encrypted, as `tls` describes, and accepts only the certificates of enrolled sites. Those,
    the credentials of gates and the cloud's own certificate are valid for `credential_days` and renewed when
    a third of them is over. `mqtt`: a listener for integrations, in an account of its own (default: none).
    """

    host: Literal["127.0.0.1", "0.0.0.0"] = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65535)
    advertised_host: HostName | None = None
    credential_days: float = Field(default=90.0, ge=1.0, le=3650.0)
    mqtt: MqttListener | None = None

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.host in _EVERY_INTERFACE and self.advertised_host in (None, *_EVERY_INTERFACE):
            raise ValueError(
                f"host {self.host} is no address to connect to; set hub.advertised_host to the name or "
                "address under which sites reach this machine"
            )
        return self


class TlsSettings(Section):
    """TLS 1.3 of hub and API for other machines. What is reached on loopback alone is not encrypted.

    By default the authority in the data folder issues the cloud's certificate, for `hub.advertised_host` and
    `names`: further names and IPv4 addresses under which other machines reach this one. Or it is in files of
    your own, in PEM: `certificate` (with its chain), `key`, and `ca`, with which the sites and the command
    line verify it. With `on_loopback` connections on loopback are encrypted as well.
    """

    names: tuple[HostName, ...] = ()
    certificate: Path | None = None
    key: Path | None = None
    ca: Path | None = None
    on_loopback: bool = False

    @model_validator(mode="after")
    def _whole(self) -> Self:
        given = [path for path in (self.certificate, self.key, self.ca) if path is not None]
        if given and len(given) < 3:
            raise ValueError("certificate, key and ca belong together: give all three, or none of them")
        return self

    @property
    def files(self) -> tuple[Path, Path, Path] | None:
        """Certificate, key and authority of the deployment's own; None if the data folder's is used."""
        if self.certificate is None or self.key is None or self.ca is None:
            return None
        return self.certificate, self.key, self.ca


class NetworkSettings(Section):
    """The sections that other machines depend on, and what follows from them together."""

    api: ApiSettings = ApiSettings()
    hub: HubSettings = HubSettings()
    tls: TlsSettings = TlsSettings()

    @model_validator(mode="after")
    def _has_a_name(self) -> Self:
        if (self.hub_encrypted or self.api_encrypted) and self.tls.files is not None and not self.host_names:
            raise ValueError("tls.certificate is given, and no name for it: set tls.names to those in it")
        if self.api_encrypted and not self.host_names and not is_loopback(self.api.host):
            raise ValueError(
                f"api.host {self.api.host} is no address to connect to; set tls.names to the names and "
                "addresses under which other machines reach this one"
            )
        return self

    @property
    def hub_encrypted(self) -> bool:
        """Whether the hub has TLS: unless it is reached on loopback alone."""
        hosts = (self.hub.host, self.hub.advertised_host or self.hub.host)
        return self.tls.on_loopback or not all(is_loopback(host) for host in hosts)

    @property
    def api_encrypted(self) -> bool:
        """Whether the API has TLS: unless it is reached on loopback alone."""
        return self.tls.on_loopback or not is_loopback(self.api.host)

    @property
    def host_names(self) -> tuple[str, ...]:
        """The names and addresses that its certificate must have, except those of loopback."""
        api = () if self.api.host in _EVERY_INTERFACE else (self.api.host,)
        named = (self.hub.advertised_host, *api, *self.tls.names)
        return tuple(dict.fromkeys(name for name in named if name is not None and not is_loopback(name)))
