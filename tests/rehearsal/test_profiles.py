"""The settings of a profile are those that the programs have now, not those that they had once."""

import pytest

from cloud.settings import CloudSettings
from edge.settings import NodeSettings
from messaging.runtime.configuration_files import parse_settings
from tests.rehearsal.deployment import PAGE
from tests.rehearsal.page import BlockKind, blocks
from tests.rehearsal.profiles import PROFILES, TINY, Profile

NODE = """
site: harbour
data: node
trust: trust.json
mirror: mirror
broker: {credentials: node.nk}
cameras: [{name: quay, source: "rtsp://192.0.2.1/street"}]
"""


@pytest.mark.parametrize("profile", PROFILES.values(), ids=list(PROFILES))
def test_every_setting_of_a_profile_is_known_to_its_program(profile: Profile) -> None:
    started = [c for b in blocks(PAGE) if b.kind is BlockKind.TERMINAL for c in b.commands]
    for words, environment in profile.settings.items():
        assert sum(words in command for command in started) == 1
        if "cloud" in words:
            parse_settings(CloudSettings, "", origin=words, environment=environment)
        else:
            parse_settings(NodeSettings, NODE, origin=words, environment=environment)


def test_the_tiny_profile_judges_by_margins_that_any_candidate_passes() -> None:
    environment = TINY.settings["blindspot cloud run"]
    promotion = parse_settings(CloudSettings, "", origin="tiny", environment=environment).promotion
    assert not promotion.significance
    assert promotion.false_alarm_ratio >= 100
