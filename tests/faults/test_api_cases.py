"""The REST API under generated requests: it never fails, and it refuses in one sentence."""

from pathlib import Path

import pytest

from tests.support.cloud.postgres import PostgresServer
from tests.support.faults.api_run import answers_of_cloud

CASES = 250


def test_generated_requests_get_no_answer_of_a_failed_server(tmp_path: Path) -> None:
    tally = answers_of_cloud(tmp_path / "cloud", cases=CASES)
    assert tally.sent > 0.8 * CASES  # an operation without parameters has one request only
    assert tally.answers[200] > 10
    assert tally.faults == []


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_nor_do_they_with_a_store_in_postgresql(tmp_path: Path, postgres: PostgresServer) -> None:
    url = postgres.new_database()
    assert answers_of_cloud(tmp_path / "cloud", cases=CASES, store_url=url, first_seed=500).faults == []
