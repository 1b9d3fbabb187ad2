"""A running cloud for cases: `blindspot cloud run` on a data folder, and requests to its API."""

import http.client
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.trouble.bench import Bench, Program
from tests.trouble.node import write_yaml

START_S = 90.0


class RunningCloud:
    """`blindspot cloud run`; its token is a secret of the case."""

    def __init__(self, bench: Bench, **settings: Any) -> None:
        self.data = Path(settings.pop("data", bench.folder / "cloud"))
        self._bench = bench
        document = {"data": str(self.data), "api": {"port": 0}, "page": False, **settings}
        self.config = write_yaml(bench.folder / "cloud.yaml", document)
        self.program: Program = bench.start("blindspot", "cloud", "run", "--config", self.config)

    def ready(self) -> "RunningCloud":
        """Wait until the API answers."""
        self.program.wait(self._answers, START_S, "answer of the API")
        if self.token:
            self._bench.secrets.add(self.token)
        return self

    @property
    def url(self) -> str:
        """The address of the API."""
        return str(json.loads((self.data / "api.json").read_text())["url"])

    @property
    def token(self) -> str:
        """The bearer token."""
        return (self.data / "token").read_text().strip()

    def status(self, path: str, token: str) -> int:
        """Status of a request with this bearer token, which may be empty."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=10.0)
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            self._bench.note(answer.read().decode(errors="replace"))
        finally:
            connection.close()
        return answer.status

    def stop(self) -> None:
        """Stop it."""
        self.program.stop()

    def _answers(self) -> bool:
        try:
            return self.status("/healthz", "") == 200
        except (OSError, ValueError, KeyError, http.client.HTTPException):
            return False
