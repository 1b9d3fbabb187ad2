"""docs/integrations.md is true: its examples are what is sent, and its configuration is one."""

import re

from cloud.settings import CloudSettings
from messaging.runtime.configuration_files import parse_settings
from tests.support.integrations.examples import PAGE, examples, with_examples
from tests.support.integrations.notices import SECRET


def test_the_examples_of_the_page_are_what_is_sent() -> None:
    """After a change: python -m tests.support.integrations.examples."""
    page = PAGE.read_text()
    assert with_examples(page) == page
    assert all(f"<!-- example: {kind} -->" in page for kind in examples())


def test_the_configuration_of_the_page_is_one() -> None:
    found = re.search(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    environment = {"WEBHOOK_SECRET": SECRET, "BROKER_TOKEN": "t-1"}
    settings = parse_settings(CloudSettings, found[1], origin="docs/integrations.md", environment=environment)
    assert [one.kind for one in settings.integrations] == ["webhook", "mqtt", "ngsi_ld", "cap"]
    assert SECRET not in settings.model_dump_json()
