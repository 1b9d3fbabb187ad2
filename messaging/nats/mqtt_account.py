"""The hub's account for MQTT clients: an island with its own sessions, in which the cloud publishes hazards.

It imports and exports nothing, so that no client of it reaches the fleet's or a site's subjects. MQTT clients
have no keys: their password is a user JWT, of which the server checks only the signature.
"""

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from messaging.nats.accounts import mqtt_account_jwt, mqtt_user_jwt
from messaging.nats.credentials import ACCOUNT, USER, KeyPair, key_in_file, new_key
from messaging.runtime.atomic_files import write_secret

PUBLISHER = "cloud"
READER = "reader"


class MqttAccount:
    """The account of MQTT clients in a folder. Removing the folder makes every password void."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._folder, self._clock = folder, clock
        self._account = key_in_file(folder / "account.seed", ACCOUNT)

    def jwt(self, operator: KeyPair) -> tuple[str, str]:
        """The account's public key and its JWT."""
        return self._account.public, mqtt_account_jwt(operator, self._account, int(self._clock()))

    def publisher_password(self, topics: Iterable[str]) -> str:
        """A password for publishing, and nothing else, on what is below these topics."""
        below = tuple(f"{_subject(topic)}.>" for topic in sorted(topics))
        return self._password(PUBLISHER, publish=below, subscribe=())

    def reader_password_file(self) -> Path:
        """The file with a password for subscribing to every topic of the account; it is made once.

        Clients subscribe with quality of service 0 or 1, and cannot publish.
        """
        path = self._folder / "reader.password"
        if not path.exists():
            password = self._password(READER, publish=(), subscribe=(">",))
            write_secret(path, password.encode())
        return path

    def _password(self, name: str, *, publish: tuple[str, ...], subscribe: tuple[str, ...]) -> str:
        user = new_key(USER)
        return mqtt_user_jwt(
            name, self._account, user.public, int(self._clock()), publish=publish, subscribe=subscribe
        )


def _subject(topic: str) -> str:
    """The NATS subject of an MQTT topic."""
    return topic.replace("/", ".")
