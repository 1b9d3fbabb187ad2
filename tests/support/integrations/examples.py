"""The examples of docs/integrations.md; `python -m tests.support.integrations.examples` writes them."""

import json
import re
from pathlib import Path
from xml.dom.minidom import parseString

from cloud.integration_settings import HttpIntegration
from cloud.integrations.cloud_events import cloud_event
from cloud.integrations.sending import request_of, topic_of
from tests.support.integrations.notices import cap, mqtt, ngsi_ld, notice, webhook

PAGE = Path(__file__).parents[3] / "docs" / "integrations.md"
_MARK = re.compile(r"(<!-- example: (\w+) -->\n)(?:\n```\w+\n.*?\n```\n)?", re.DOTALL)


def examples() -> dict[str, str]:
    """A code block for each kind; bodies are indented for people."""
    requests: dict[str, HttpIntegration] = {"webhook": webhook(), "ngsi_ld": ngsi_ld(), "cap": cap()}
    found = {kind: _http(settings) for kind, settings in requests.items()}
    body = json.dumps(json.loads(cloud_event(notice())))
    found["mqtt"] = f"```text\n{topic_of(mqtt(), notice())}\n{body[:60]}...\n```"
    return found


def with_examples(page: str) -> str:
    """The page with every example as it is now."""
    now = examples()
    return _MARK.sub(lambda mark: f"{mark[1]}\n{now[mark[2]]}\n", page)


def _http(settings: HttpIntegration) -> str:
    request = request_of(settings, notice(), 1_800_000_000)
    headers = "".join(f"{name}: {value}\n" for name, value in request.headers.items())
    if request.body.startswith(b"<"):
        body = parseString(request.body).toprettyxml(indent=" ").strip()  # noqa: S318  # our own document
    else:
        body = json.dumps(json.loads(request.body), indent=1)
    return f"```http\nPOST {request.url}\n{headers}\n{body}\n```"


if __name__ == "__main__":
    PAGE.write_text(with_examples(PAGE.read_text()))
