"""Dashboards, alert rules and docs/metrics.md name only what the running programs export."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from cloud.network_settings import ApiSettings
from cloud.settings import CloudSettings
from edge.gate.settings import GateSettings
from messaging.nats.broker import free_port
from tests.support.cloud.running_cloud import running_cloud
from tests.support.cloud.scripted_stages import ScriptedStages
from tests.support.dashboards.queries import (
    BOARDS,
    RULE_TESTS,
    RULES,
    SCRAPE_LABELS,
    SCRAPES,
    Query,
    declared_name,
    in_promql,
    panels,
    queries,
    rules,
)
from tests.support.edge.gates import start_gate
from tests.support.metrics_page import PAGE, declared, page
from tests.support.trouble.node_folder import NodeFolder
from tests.support.waiting import wait_until

LABELS = {one.name: frozenset(one.labels) for rows in declared().values() for one in rows}
HISTOGRAMS = frozenset(one.name for rows in declared().values() for one in rows if one.kind == "histogram")
PROBES = ("/healthz", "/readyz", "/version", "/metrics")


def promtool(*arguments: str | Path, cwd: Path | None = None) -> None:
    """Run promtool; the test is skipped where Prometheus is not installed."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed; `apt-get install prometheus` runs this test too")
    command = [program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr


class Programs:
    """Addresses of a running cloud, node and gate; node and gate have no broker, the cloud no campaign."""

    def __init__(self, running: ExitStack, folder: Path) -> None:
        settings = CloudSettings(data=folder / "cloud", api=ApiSettings(port=0))
        running.enter_context(running_cloud(settings, lambda _: ScriptedStages(), sites=("harbour",)))
        node = NodeFolder(folder / "node")
        node.write_config()
        running.enter_context(node.running())
        gate = GateSettings(
            site="harbour",
            site_url=f"nats://127.0.0.1:{free_port()}",
            site_credentials=folder / "gate.nk",
            hub_url=f"nats://127.0.0.1:{free_port()}",
            hub_credentials=folder / "hub.creds",
            data_folder=folder / "gate",
            mirror_folder=folder / "mirror",
            trust=node.trust,
            page_port=free_port(),
        )
        process = start_gate(gate, folder)
        running.callback(process.wait, 15.0)
        running.callback(process.terminate)
        self.urls = {
            "The cloud": json.loads(settings.folder.address.read_text())["url"],
            "The node": f"http://127.0.0.1:{node.port}",
            "The gate": f"http://127.0.0.1:{gate.page_port}",
        }
        for url in self.urls.values():
            wait_until(lambda url=url: self._answers(url), 60.0, f"{url} answers")

    def get(self, program: str, path: str) -> httpx.Response:
        return httpx.get(self.urls[program] + path, timeout=10.0, trust_env=False)

    @cache  # noqa: B019  # the programs end with the module's tests
    def exported(self, program: str) -> dict[str, str]:
        """Names and types of the metrics that a program exports, scraped once."""
        families = text_string_to_metric_families(self.get(program, "/metrics").text)
        return {f"{f.name}_total" if f.type == "counter" else f.name: f.type for f in families}

    def _answers(self, url: str) -> bool:
        try:
            return httpx.get(f"{url}/healthz", timeout=5.0, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programs]:
    with ExitStack() as running:
        yield Programs(running, tmp_path_factory.mktemp("programs"))


@pytest.mark.parametrize("program", tuple(declared()))
def test_a_running_program_exports_what_is_declared_and_nothing_else(
    programs: Programs, program: str
) -> None:
    wanted = {one.name: one.kind for one in declared()[program]}
    found = programs.exported(program)
    assert {name: kind for name, kind in found.items() if name.startswith("blindspot_")} == wanted


@pytest.mark.parametrize("program", tuple(declared()))
def test_every_program_answers_whether_it_lives_is_ready_and_why_not(
    programs: Programs, program: str
) -> None:
    answers = {path: programs.get(program, path) for path in PROBES}
    assert answers["/healthz"].status_code == answers["/version"].status_code == 200
    assert answers["/version"].json()["version"]
    readiness = answers["/readyz"].json()
    assert (answers["/readyz"].status_code == 200) is readiness["ready"] is (not readiness["reasons"])
    if program != "The cloud":
        assert readiness["reasons"], "a node without a model and a gate without brokers cannot be ready"


@pytest.mark.parametrize("query", tuple(queries()), ids=lambda query: query.where)
def test_a_query_names_only_exported_metrics_and_their_labels(programs: Programs, query: Query) -> None:
    exported = {name for program in declared() for name in programs.exported(program)}
    known: set[str] = set()
    for name, selected in query.metrics.items():
        whole = declared_name(name, HISTOGRAMS)
        assert whole == "up" or whole in exported, f"{query.where}: no program exports {name}"
        labels = LABELS.get(whole, frozenset()) | SCRAPE_LABELS | ({"le"} if whole != name else set())
        assert selected <= labels, f"{query.where}: {name} has the labels {sorted(labels)}"
        known |= labels
    assert query.metrics, f"{query.where} names no metric"
    assert query.grouped_or_shown <= known, f"{query.where}: {query.expression}"


def test_every_metric_is_on_a_dashboard_or_in_a_rule() -> None:
    used = {declared_name(name, HISTOGRAMS) for query in queries() for name in query.metrics}
    assert set(LABELS) - used <= {"blindspot_edge_build_info"}  # one is enough


def test_the_rules_are_valid_and_each_is_tried_quiet_and_firing() -> None:
    tried = yaml.safe_load(RULE_TESTS.read_text())["tests"]
    cases = [(one["alertname"], bool(one["exp_alerts"])) for t in tried for one in t["alert_rule_test"]]
    assert sorted(cases) == sorted((rule["alert"], fires) for rule in rules() for fires in (False, True))
    assert all(rule["labels"]["severity"] in ("critical", "warning", "info") for rule in rules())
    assert all(rule["annotations"].keys() == {"summary", "action"} for rule in rules())
    promtool("check", "rules", RULES)
    promtool("test", "rules", RULE_TESTS.name, cwd=RULE_TESTS.parent)
    for scrape in SCRAPES:
        promtool("check", "config", scrape)


def test_every_query_of_the_dashboards_is_promql(tmp_path: Path) -> None:
    names = (query for query in queries() if not query.expression.startswith("label_values("))
    records = [{"record": f"query_{n}", "expr": in_promql(query.expression)} for n, query in enumerate(names)]
    path = tmp_path / "queries.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboards", "rules": records}]}))
    assert len(records) > 60
    promtool("check", "rules", path)


def test_dashboards_have_distinct_names_and_panels_that_do_not_overlap() -> None:
    boards = [json.loads(path.read_text()) for path in BOARDS]
    assert len({board["uid"] for board in boards}) == len({board["title"] for board in boards}) == 4
    for board in boards:
        taken: set[tuple[int, int]] = set()
        assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
        for panel in board["panels"]:
            at = panel["gridPos"]
            cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
            assert not cells & taken, panel["title"]
            assert all(x < 24 for x, _ in cells), panel["title"]
            taken |= cells
    for where, panel in panels():
        assert panel["datasource"]["uid"] == "${datasource}", where
        assert panel["fieldConfig"]["defaults"]["unit"], where


def test_the_page_of_metrics_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), "docs/metrics.md: run `python -m tests.support.metrics_page`"
