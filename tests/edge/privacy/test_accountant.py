import json
import math
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edge.errors import BudgetSpent
from edge.privacy.accountant import PrivacyAccountant
from edge.privacy.accounts import Account, account_file
from edge.privacy.gaussian_mechanism import compose, delta_of, epsilon_of, mu_of
from edge.privacy.release import SystemNoise, noise_sigma, release_prototype
from edge.settings import PrivacySettings
from edge.vision.prototypes import PrototypeBook, PrototypeKey, cosine_distance, unit_length
from messaging.reports import AccountState
from messaging.taxonomy import Condition

KEY = PrototypeKey("fire", Condition.parse("night-rain"), "e" * 64)
START = 1_800_000_000.0
DAY = 86_400.0


class Silence:
    """No noise: shows what the noise is added to. For tests only."""

    def normal(self, count: int) -> npt.NDArray[np.float64]:
        return np.zeros(count)


class Clock:
    """The system's clock, which may be set (`utc`), and one that nobody sets (`__call__`)."""

    def __init__(self) -> None:
        self.ran_s, self.set_by_s = 0.0, 0.0

    def __call__(self) -> float:
        return self.ran_s

    def utc(self) -> float:
        return START + self.ran_s + self.set_by_s


def account(path: Path, clock: Clock | None = None, **changes: float) -> PrivacyAccountant:
    """The account in a folder, begun if it is not there.

    Epsilon is 1 per release, without a bound on the cosine or a pace, unless the changes say otherwise.
    """
    values = {"epsilon_per_release": 1.0, "least_cosine": 0.0, "part_per_day": 1.0, "repeats_per_day": 1.0}
    settings = PrivacySettings(**values | changes)  # type: ignore[arg-type]  # numbers only
    return opened(path / "cam.json", settings, clock)


def opened(path: Path, settings: PrivacySettings, clock: Clock | None = None) -> PrivacyAccountant:
    """The account in a file, begun if it is not there."""
    clock = clock or Clock()
    if not path.exists():
        account_file(path).write(Account())
    return PrivacyAccountant(path, settings, utc=clock.utc, clock=clock)


def book_of(tracks: int, width: int = 8) -> PrototypeBook:
    book = PrototypeBook(1.5, width)
    for _ in range(tracks):
        book.add(KEY, np.full(width, 0.25, np.float32))
    return book


@pytest.mark.parametrize("mus", [[0.5], [0.2674] * 8, [1.0, 0.3, 2.0], [0.05] * 200])
@pytest.mark.filterwarnings("ignore")
def test_composition_agrees_with_dp_accounting_to_four_digits(mus: list[float]) -> None:
    dp_accounting = pytest.importorskip("dp_accounting")
    pld = pytest.importorskip("dp_accounting.pld.privacy_loss_distribution")
    assert dp_accounting
    # One release of the whole group's mu is, exactly, the composition of its parts.
    whole = pld.from_gaussian_mechanism(1 / compose(mus), value_discretization_interval=1e-4)
    assert epsilon_of(compose(mus), 1e-5) == pytest.approx(whole.get_epsilon_for_delta(1e-5), rel=2e-4)


@pytest.mark.filterwarnings("ignore")
def test_repeated_releases_agree_with_dp_accounting_without_sub_sampling() -> None:
    pld = pytest.importorskip("dp_accounting.pld.privacy_loss_distribution")
    one = pld.from_gaussian_mechanism(4.0, value_discretization_interval=1e-3)
    assert epsilon_of(compose([0.25] * 12), 1e-5) == pytest.approx(
        one.self_compose(12).get_epsilon_for_delta(1e-5), rel=1e-3
    )


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 8.0, 30.0])
@pytest.mark.parametrize("delta", [1e-3, 1e-5, 1e-9])
def test_mu_and_epsilon_are_inverse(epsilon: float, delta: float) -> None:
    mu = mu_of(epsilon, delta)
    assert epsilon_of(mu, delta) == pytest.approx(epsilon, rel=1e-6)
    assert delta_of(mu, epsilon) <= delta * (1 + 1e-9)


def test_nothing_released_costs_nothing() -> None:
    assert epsilon_of(compose([]), 1e-5) == 0.0
    assert delta_of(0.0, 1.0) == 0.0
    with pytest.raises(ValueError, match="epsilon must be positive"):
        mu_of(0.0, 1e-5)


def test_the_far_tail_is_neither_negative_nor_nan() -> None:
    for epsilon in (1.0, 50.0, 500.0, 5000.0):
        assert 0 <= delta_of(0.3, epsilon) < 1
        assert not math.isnan(delta_of(40.0, epsilon))


def test_a_released_prototype_states_what_it_cost(tmp_path: Path) -> None:
    report = release_prototype(book_of(27), KEY, account(tmp_path), camera="cam", at_utc=START + 59)
    assert (report.tracks, report.class_name, report.tags.condition.key) == (20, "fire", "night-rain")
    assert (report.epsilon, report.delta, report.minute_utc) == (1.0, 1e-5, int(START))
    assert report.epsilon_spent == pytest.approx(1.0)
    assert report.noise_sigma == pytest.approx(noise_sigma(1.5, 20, mu_of(1.0, 1e-5)))
    assert len(report.vector) == 8


def test_the_noise_has_the_stated_size(tmp_path: Path) -> None:
    report = release_prototype(book_of(20, 64), KEY, account(tmp_path), camera="cam", at_utc=START)
    off = np.asarray(report.vector) * report.scale - 1.5 / 8
    assert 0.6 * report.noise_sigma < off.std() < 1.5 * report.noise_sigma


def test_without_noise_the_prototype_is_the_mean_of_the_scaled_tracks(tmp_path: Path) -> None:
    report = release_prototype(
        book_of(20), KEY, account(tmp_path), camera="cam", at_utc=START, noise=Silence()
    )
    assert [step * report.scale for step in report.vector] == pytest.approx([1.5 / 8**0.5] * 8, abs=0.003)


def test_system_noise_is_standard_normal_and_never_the_same() -> None:
    first, second = SystemNoise().normal(20_000), SystemNoise().normal(20_000)
    assert abs(first.mean()) < 0.05
    assert first.std() == pytest.approx(1.0, abs=0.03)
    assert (np.abs(first) > 1.96).mean() == pytest.approx(0.05, abs=0.01)
    assert not np.array_equal(first, second)


def test_too_few_tracks_cost_nothing_and_stay_in_the_book(tmp_path: Path) -> None:
    book, payer = book_of(19), account(tmp_path)
    with pytest.raises(BudgetSpent, match="has 19 tracks; 20 are needed"):
        release_prototype(book, KEY, payer, camera="cam", at_utc=START)
    assert payer.epsilon_spent() == 0.0
    assert book.counts()[KEY] == 19


def test_the_spending_is_on_disk_before_the_vector_exists(tmp_path: Path) -> None:
    class Crash:
        def normal(self, count: int) -> npt.NDArray[np.float64]:
            raise KeyboardInterrupt

    book = book_of(20)
    with pytest.raises(KeyboardInterrupt):
        release_prototype(book, KEY, account(tmp_path), camera="cam", at_utc=START, noise=Crash())
    assert account(tmp_path).epsilon_spent() == pytest.approx(1.0)


def test_every_spending_is_flushed_to_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    payer, flushed = account(tmp_path), list[int]()
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (flushed.append(fd), real(fd))[1])
    payer.spend("fire")
    assert len(flushed) == 2


def test_a_spent_budget_withholds_until_the_window_has_passed(tmp_path: Path) -> None:
    clock = Clock()
    payer = account(tmp_path, clock, epsilon_per_release=1.0, epsilon_per_camera=2.0)
    for _ in range(3):
        payer.spend("fire")
    assert 1.0 < payer.epsilon_spent() <= 2.0
    with pytest.raises(BudgetSpent, match=r"has spent epsilon .* of 2 in 30 days"):
        payer.spend("fire")
    clock.ran_s += 31 * DAY
    payer.spend("fire")
    assert payer.epsilon_spent() == pytest.approx(1.0)


def test_the_budget_that_is_stated_is_what_the_account_has_left(tmp_path: Path) -> None:
    clock = Clock()
    payer = account(tmp_path, clock, epsilon_per_camera=2.0)
    untouched = payer.statement().budget
    assert (untouched.epsilon, untouched.window_days, untouched.epsilon_left) == (2.0, 30, 2.0)
    assert untouched.account is AccountState.OPEN
    payer.spend("fire")
    assert (payer.statement().budget.epsilon_left, payer.statement().budget.account) == (
        1.0,
        AccountState.OPEN,
    )
    for _ in range(2):
        payer.spend("fire")
    spent = payer.statement().budget
    assert (spent.account, spent.epsilon_left) == (AccountState.SPENT, round(2 - payer.epsilon_spent(), 2))
    clock.ran_s += 31 * DAY
    assert payer.statement().budget == untouched


def test_a_withheld_prototype_stays_in_the_book(tmp_path: Path) -> None:
    payer, book = account(tmp_path, epsilon_per_release=1.0, epsilon_per_camera=1.0), book_of(20)
    payer.spend("fire")
    with pytest.raises(BudgetSpent):
        release_prototype(book, KEY, payer, camera="cam", at_utc=START)
    assert book.counts()[KEY] == 20


def test_the_account_survives_a_restart_and_a_clock_set_back(tmp_path: Path) -> None:
    clock = Clock()
    account(tmp_path, clock).spend("fire")
    clock.set_by_s -= 400 * DAY
    assert account(tmp_path, clock).epsilon_spent() == pytest.approx(1.0)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        '{"spendings": [{"mu": "x"}]}',
        '{"spendings": 3}',
        '{"spendings": [{"at_utc": 2e9, "mu": -1}]}',
    ],
)
def test_an_account_that_cannot_be_read_counts_as_spent(tmp_path: Path, content: str) -> None:
    (tmp_path / "cam.json").write_text(content)
    payer = account(tmp_path)
    assert payer.epsilon_spent() == 8.0
    assert (payer.statement().budget.epsilon_left, payer.statement().budget.account) == (
        0.0,
        AccountState.LOST,
    )
    with pytest.raises(BudgetSpent, match="privacy account"):
        payer.spend("fire")
    assert (tmp_path / "cam.json").read_text() == content


def test_the_account_holds_times_costs_and_classes_only(tmp_path: Path) -> None:
    account(tmp_path).spend("fire")
    document = json.loads((tmp_path / "cam.json").read_text())
    mu = pytest.approx(mu_of(1.0, 1e-5))
    spending = {"at_utc": START, "mu": mu, "ran_s": 0.0, "class_name": "fire", "lost": False}
    assert document["spendings"] == [spending]
    assert document | {"spendings": ()} == {"version": 1, "spendings": (), "ran_s": 0.0, "seen_utc": START}
    assert [p.name for p in tmp_path.iterdir()] == ["cam.json"]


@pytest.mark.parametrize(
    ("changes", "phrase"),
    [
        ({"epsilon_per_release": 9.0}, "must not be above epsilon_per_camera"),
        ({"delta": 0.5}, "less than 0.01"),
        ({"minimum_tracks": 19}, "greater than or equal to 20"),
    ],
)
def test_settings_that_contradict_themselves_are_refused(changes: dict[str, float], phrase: str) -> None:
    with pytest.raises(ValueError, match=phrase):
        PrivacySettings(**changes)  # type: ignore[arg-type]  # numbers only


@pytest.mark.parametrize(
    ("why", "changes", "width", "tracks"),
    [
        ("the defaults", {}, 64, 90),
        ("fewer numbers hold less noise", {}, 16, 50),
        ("half the epsilon needs about twice the tracks", {"epsilon_per_release": 1.0}, 64, 160),
        ("more signal needs more tracks", {"least_cosine": 0.9}, 64, 140),
        ("the minimum holds whatever the signal", {"least_cosine": 0.0}, 64, 20),
        ("and is rounded up to tens", {"least_cosine": 0.0, "minimum_tracks": 21}, 64, 30),
    ],
)
def test_tracks_needed_follow_from_settings_and_width_alone(
    tmp_path: Path, why: str, changes: dict[str, float], width: int, tracks: int
) -> None:
    settings = PrivacySettings(**changes)  # type: ignore[arg-type]  # numbers only
    payer = opened(tmp_path / "cam.json", settings)
    assert payer.tracks_needed(width) == tracks, why


def test_a_release_below_the_cosine_is_not_made_and_costs_nothing(tmp_path: Path) -> None:
    payer, book = opened(tmp_path / "cam.json", PrivacySettings()), book_of(89, 64)
    with pytest.raises(BudgetSpent, match="has 89 tracks; 90 are needed"):
        release_prototype(book, KEY, payer, camera="cam", at_utc=START)
    assert (payer.epsilon_spent(), book.counts()[KEY]) == (0.0, 89)


def test_at_the_defaults_a_release_of_scattered_tracks_keeps_the_cosine(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    centre = unit_length(rng.normal(size=64).astype(np.float32))
    cosines = []
    for k in range(20):
        payer = opened(tmp_path / f"cam-{k}.json", PrivacySettings())
        book = PrototypeBook(1.0, 64)
        for _ in range(90):
            book.add(KEY, centre + rng.normal(0, 0.2, 64).astype(np.float32))  # mean of length 0.53
        report = release_prototype(book, KEY, payer, camera="cam", at_utc=START)
        cosines.append(1 - cosine_distance(np.asarray(report.vector, np.float32), centre)[0, 0])
    assert 0.8 <= np.mean(cosines) < 0.9


def test_eleven_releases_fit_the_default_budget(tmp_path: Path) -> None:
    payer = account(tmp_path, epsilon_per_release=2.0)
    for _ in range(11):
        payer.spend("fire")
    with pytest.raises(BudgetSpent, match="of 8 in 30 days"):
        payer.spend("fire")


def test_a_statement_reads_the_account_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    payer, reads = account(tmp_path), list[Account]()
    payer.spend("fire")
    read = payer._read
    monkeypatch.setattr(payer, "_read", lambda: reads.append(read()) or reads[-1])
    stated = payer.statement()
    assert len(reads) == 1
    assert stated.epsilon_spent == pytest.approx(1.0)
    assert stated.budget.epsilon_left == pytest.approx(stated.budget.epsilon - 1.0)
