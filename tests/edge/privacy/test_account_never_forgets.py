"""Attacks and accidents that would give a camera its privacy budget twice: clocks, lost files, restarts."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from edge.app import build_node
from edge.errors import BudgetSpent
from edge.privacy.accountant import WRITE_EVERY_S, PrivacyAccountant
from edge.privacy.accounts import account_file, account_path, begin_accounts
from edge.privacy.clock_watch import STEADY_S
from edge.settings import NodeSettings, PrivacySettings
from messaging.reports import AccountState
from messaging.runtime.configuration_files import load_settings
from tests.edge.privacy.test_accountant import DAY, START, Clock
from tests.support.trouble.node_folder import NodeFolder

UNPACED = PrivacySettings(part_per_day=1.0, repeats_per_day=1.0)
FITTING = 11


class Node:
    """A node's data folder with the account of one camera, over restarts."""

    def __init__(self, data: Path) -> None:
        self.data, self.clock = data, Clock()
        self.start()

    def start(self, *cameras: str, used: bool = False, off_s: float = 0.0) -> None:
        """Start again, after `off_s` seconds without power: the clock that nobody sets begins at 0."""
        wall = self.clock.utc() + off_s
        self.clock = Clock()
        self.clock.set_by_s = wall - START
        cameras = cameras or ("cam",)
        begin_accounts(self.data, cameras, UNPACED, used=used, now_utc=self.clock.utc())
        self.accounts = {
            name: PrivacyAccountant(
                account_path(self.data, name), UNPACED, utc=self.clock.utc, clock=self.clock
            )
            for name in cameras
        }

    @property
    def account(self) -> PrivacyAccountant:
        return self.accounts["cam"]

    def run(self, seconds: float) -> None:
        """As a node does it, with fewer heartbeats: each states the spending and writes how long it ran."""
        for _ in range(6):
            self.clock.ran_s += seconds / 6
            self.account.epsilon_spent()

    def releases(self) -> int:
        """How many releases are granted until one is refused."""
        for granted in range(100):
            try:
                self.account.spend("fire")
            except BudgetSpent as fault:
                self.refusal = str(fault)
                return granted
        raise AssertionError("no end of releases")


@pytest.fixture
def node(tmp_path: Path) -> Node:
    node = Node(tmp_path)
    assert node.releases() == FITTING
    return node


def test_a_clock_that_is_a_month_ahead_for_a_moment_gives_nothing_back(node: Node) -> None:
    node.clock.set_by_s += 31 * DAY
    assert node.releases() == 0
    assert "was set forward by 744.0 hours; set it right" in node.refusal
    node.clock.set_by_s -= 31 * DAY
    assert node.releases() == 0
    assert "has spent epsilon" in node.refusal
    account = account_file(account_path(node.data, "cam")).read()
    assert account is not None
    assert len(account.spendings) == FITTING


def test_a_clock_that_stays_ahead_gives_nothing_back_either(node: Node) -> None:
    node.clock.set_by_s += 31 * DAY
    node.run(3 * STEADY_S)
    assert node.releases() == 0
    assert "has spent epsilon" in node.refusal


@pytest.mark.parametrize("off_s", [40 * DAY, 4000 * DAY, -4000 * DAY, 0.0])
def test_a_restart_gives_nothing_back_whatever_the_clock_says_then(node: Node, off_s: float) -> None:
    node.start(used=True, off_s=off_s)
    assert node.releases() == 0
    node.start(used=True)
    assert node.releases() == 0


@pytest.mark.parametrize("moved_s", [31 * DAY, -31 * DAY, 400.0, -400.0])
def test_a_clock_that_is_set_stops_releases_until_it_is_set_back(tmp_path: Path, moved_s: float) -> None:
    node = Node(tmp_path)
    node.account.spend("fire")
    node.clock.set_by_s += moved_s
    with pytest.raises(BudgetSpent, match=r"clock was set (forward|back) by .* hours; set it right, or wait"):
        node.account.spend("smoke")
    assert node.account.epsilon_spent() == pytest.approx(2.0)
    node.clock.set_by_s -= moved_s
    node.account.spend("smoke")


def test_a_clock_that_was_wrong_before_is_believed_when_it_has_gone_evenly(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.account.spend("fire")
    node.clock.set_by_s += 400 * DAY
    for _ in range(3):
        assert node.account.epsilon_spent() == pytest.approx(2.0)
        with pytest.raises(BudgetSpent, match="clock was set"):
            node.account.spend("fire")
        node.clock.ran_s += STEADY_S / 3
    node.account.spend("fire")


def test_a_clock_that_is_set_again_and_again_is_never_believed(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.account.spend("fire")
    for _ in range(10):
        node.clock.set_by_s += 3 * DAY
        node.clock.ran_s += 0.9 * STEADY_S
        with pytest.raises(BudgetSpent, match="clock was set"):
            node.account.spend("fire")


def test_a_node_that_starts_before_its_clock_is_set_waits_for_it(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.account.spend("fire")
    node.start(used=True, off_s=-1_700_000_000.0)
    with pytest.raises(BudgetSpent, match="set back by"):
        node.account.spend("fire")
    node.clock.set_by_s = 2 * DAY
    node.account.spend("fire")


def test_the_window_passes_by_the_days_that_the_node_ran_over_restarts(node: Node) -> None:
    for _ in range(3):
        node.run(9 * DAY)
        node.start(used=True, off_s=100 * DAY)
        assert node.releases() == 0
    node.run(4 * DAY)
    assert node.releases() == FITTING


def test_a_kill_costs_some_minutes_of_the_window_and_nothing_else(node: Node) -> None:
    node.run(10 * DAY)
    node.clock.ran_s += WRITE_EVERY_S / 2
    node.start(used=True)
    account = account_file(account_path(node.data, "cam")).read()
    assert account is not None
    assert account.ran_s == pytest.approx(10 * DAY)


def test_an_account_that_is_removed_while_the_node_runs_counts_as_spent(node: Node) -> None:
    account_path(node.data, "cam").unlink()
    with pytest.raises(BudgetSpent, match=r"cam\.json is missing, so its budget counts as spent"):
        node.account.spend("fire")
    assert node.account.epsilon_spent() == 8.0


@pytest.mark.parametrize("gone", ["privacy/cam.json", "privacy", "privacy and register"])
def test_an_account_that_is_missing_beside_a_nodes_state_begins_spent(
    node: Node, gone: str, caplog: pytest.LogCaptureFixture
) -> None:
    if gone == "privacy/cam.json":
        account_path(node.data, "cam").unlink()
    else:
        shutil.rmtree(node.data / "privacy")
    if "register" in gone:
        (node.data / "privacy_accounts.json").unlink()
    node.start(used=True)
    assert "is missing, so it begins with its budget spent" in caplog.text
    assert node.account.epsilon_spent() == pytest.approx(8.0)
    stated = node.account.statement().budget
    assert (stated.epsilon_left, stated.account) == (0.0, AccountState.LOST)
    assert node.releases() == 0
    node.run(31 * DAY)
    assert (node.account.statement().budget.epsilon_left, node.account.statement().budget.account) == (
        8.0,
        AccountState.OPEN,
    )
    assert node.releases() == FITTING


@pytest.mark.parametrize("register", ["", "{", '{"cameras": 3}'])
def test_a_damaged_register_lets_no_account_begin_again(node: Node, register: str) -> None:
    (node.data / "privacy_accounts.json").write_text(register)
    account_path(node.data, "cam").unlink()
    node.start()
    assert node.releases() == 0


def test_a_new_camera_of_an_old_node_has_its_own_budget(node: Node) -> None:
    node.start("cam", "new", used=True)
    assert node.releases() == 0
    assert node.accounts["new"].epsilon_spent() == 0.0
    node.start("cam", used=True)
    account_path(node.data, "new").unlink()
    node.start("cam", "new", used=True)
    assert node.accounts["new"].epsilon_spent() == pytest.approx(8.0)


def test_a_full_disk_at_the_start_stops_no_node_and_releases_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    node = Node(tmp_path)
    assert "privacy accounts cannot be begun" in caplog.text
    assert node.releases() == 0


def test_a_disk_that_is_full_when_a_release_is_paid_releases_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    node = Node(tmp_path)
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(BudgetSpent, match=r"cannot be written \(No space left on device\)"):
        node.account.spend("fire")


def test_a_node_that_had_a_model_starts_with_a_spent_budget_where_its_accounts_are_gone(
    tmp_path: Path,
) -> None:
    site = NodeFolder(tmp_path / "site")
    settings = load_settings(NodeSettings, site.write_config())

    def spent() -> list[float]:
        node, _ = build_node(settings, lambda: None)
        return [camera.accountant.epsilon_spent() for camera in node._parts.cameras]

    assert spent() == [0.0]
    shutil.rmtree(settings.data / "privacy")
    (settings.data / "privacy_accounts.json").unlink()
    assert spent() == [0.0], "without a model nothing can have been released"
    site.keep("weights/state.json", b"{}")
    shutil.rmtree(settings.data / "privacy")
    (settings.data / "privacy_accounts.json").unlink()
    assert spent() == [pytest.approx(8.0)]
