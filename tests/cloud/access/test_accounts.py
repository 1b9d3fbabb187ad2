"""Users, sessions and API tokens over a real SQLite database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.access.accounts import DAY_S, SESSION_IDLE_S, Accounts
from cloud.access.principal import DATA_FOLDER, Principal
from cloud.errors import BadRequest, NotAuthorised, NotKnown, NotNow, TooManyAttempts
from cloud.store.database import open_database
from cloud.store.user_store import UserStore
from messaging.access_resources import NewToken, NewUser, UserChange, UserRole
from messaging.runtime.quoting import sqlite_url

PASSWORD = "correct horse battery"
FOLDER_TOKEN = "token-of-the-folder"


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def accounts(tmp_path: Path, clock: Clock) -> Iterator[Accounts]:
    database = open_database(sqlite_url(tmp_path / "store.sqlite"), clock=clock)
    yield Accounts(UserStore(database), FOLDER_TOKEN, clock)
    database.close()


def add(accounts: Accounts, name: str = "ana", role: UserRole = UserRole.TRAINER, **more: object) -> None:
    accounts.add_user(NewUser.model_validate({"name": name, "role": role, "password": PASSWORD, **more}))


def log_in(accounts: Accounts, name: str = "ana", password: str = PASSWORD) -> str:
    return f"Bearer {accounts.log_in(name, password, '10.0.0.1')[1].bearer}"


def test_a_login_gives_a_session_that_is_recognised_with_role_and_groups(accounts: Accounts) -> None:
    add(accounts, groups=("north",))
    found = accounts.recognise(log_in(accounts))
    assert found is not None
    assert (found.name, found.role, found.groups) == ("ana", UserRole.TRAINER, {"north"})


def test_the_data_folder_s_token_is_an_admin_s(accounts: Accounts) -> None:
    assert accounts.recognise(f"Bearer {FOLDER_TOKEN}") is DATA_FOLDER


@pytest.mark.parametrize(
    "header",
    [
        *(None, "", "Bearer", "Bearer ", "Basic YTpi", "Bearer bs_", "Bearer bs__", "Bearer bs_0_1"),
        *("Bearer é", "Bearer bs_ffffffffffff_" + 64 * "0", FOLDER_TOKEN, f"Bearer {FOLDER_TOKEN} "),
    ],
)
def test_any_other_header_is_not_recognised(accounts: Accounts, header: str | None) -> None:
    assert accounts.recognise(header) is None


def test_a_token_with_another_secret_is_not_recognised(accounts: Accounts) -> None:
    add(accounts)
    bearer = log_in(accounts)
    assert accounts.recognise(bearer[:-1] + ("0" if bearer[-1] != "0" else "1")) is None


@pytest.mark.parametrize("steps", [[SESSION_IDLE_S + 1], [SESSION_IDLE_S - 60] * 13])
def test_a_session_ends_unused_and_after_twelve_hours(
    accounts: Accounts, clock: Clock, steps: list[int]
) -> None:
    add(accounts)
    bearer = log_in(accounts)
    for step in steps[:-1]:
        clock.now += step
        assert accounts.recognise(bearer) is not None
    clock.now += steps[-1]
    assert accounts.recognise(bearer) is None


@pytest.mark.parametrize(
    "change",
    [
        UserChange(role=UserRole.VIEWER),
        UserChange(password="another horse battery"),
        UserChange(disabled=True),
    ],
)
def test_sessions_end_with_another_role_or_password_and_when_the_user_is_disabled(
    accounts: Accounts, change: UserChange
) -> None:
    add(accounts)
    bearer = log_in(accounts)
    accounts.change_user("ana", change)
    assert accounts.recognise(bearer) is None


def test_an_api_token_has_at_most_its_user_s_role_also_when_that_falls(accounts: Accounts) -> None:
    add(accounts, role=UserRole.TRAINER)
    owner = Principal("ana", UserRole.TRAINER)
    with pytest.raises(BadRequest, match="a token of ana can have at most the role trainer, not admin"):
        accounts.make_token(owner, NewToken(label="ci", role=UserRole.ADMIN))
    made = accounts.make_token(owner, NewToken(label="ci"))
    accounts.change_user("ana", UserChange(role=UserRole.VIEWER))
    found = accounts.recognise(f"Bearer {made.bearer}")
    assert found is not None
    assert found.role is UserRole.VIEWER


def test_an_api_token_ends_on_its_day_or_when_it_is_revoked(accounts: Accounts, clock: Clock) -> None:
    add(accounts)
    owner = Principal("ana", UserRole.TRAINER)
    short, long = (accounts.make_token(owner, NewToken(label="ci", days=days)) for days in (1, 30))
    clock.now += DAY_S
    assert accounts.recognise(f"Bearer {short.bearer}") is None
    assert accounts.recognise(f"Bearer {long.bearer}") is not None
    accounts.revoke_token(owner, long.token.id)
    assert accounts.recognise(f"Bearer {long.bearer}") is None


def test_nobody_but_an_admin_revokes_the_token_of_another(accounts: Accounts) -> None:
    add(accounts)
    add(accounts, "bo")
    made = accounts.make_token(Principal("ana", UserRole.TRAINER), NewToken(label="ci"))
    with pytest.raises(NotKnown, match="no token"):
        accounts.revoke_token(Principal("bo", UserRole.TRAINER), made.token.id)
    accounts.revoke_token(Principal("root", UserRole.ADMIN), made.token.id)


def test_after_five_failed_logins_each_waits_longer_and_even_the_right_password_waits(
    accounts: Accounts, clock: Clock
) -> None:
    add(accounts)
    for _ in range(6):
        with pytest.raises(NotAuthorised, match="name or password is wrong"):
            log_in(accounts, password="wrong")
    with pytest.raises(TooManyAttempts) as refused:
        log_in(accounts)
    clock.now += refused.value.wait_s
    with pytest.raises(NotAuthorised):
        log_in(accounts, password="wrong")
    with pytest.raises(TooManyAttempts) as longer:
        log_in(accounts)
    assert longer.value.wait_s == 2 * refused.value.wait_s
    clock.now += longer.value.wait_s
    assert log_in(accounts)


def test_an_unknown_user_a_disabled_one_and_a_wrong_password_get_the_same_sentence(
    accounts: Accounts,
) -> None:
    add(accounts)
    add(accounts, "bo")
    accounts.change_user("bo", UserChange(disabled=True))
    sentences = set()
    for name, password in (("nobody", PASSWORD), ("bo", PASSWORD), ("ana", "wrong")):
        with pytest.raises(NotAuthorised) as refused:
            log_in(accounts, name, password)
        sentences.add(str(refused.value))
    assert len(sentences) == 1


def test_a_name_is_given_once_and_never_the_data_folder_s(accounts: Accounts) -> None:
    add(accounts)
    for name in ("ana", DATA_FOLDER.name):
        with pytest.raises(NotNow, match=f"there is a user {name} already"):
            add(accounts, name)


@pytest.mark.parametrize("password", ["anaanaana-anaana", "aaaaaaaaaaaaaaaa", "abababababababab"])
def test_a_password_with_the_name_or_hardly_any_letters_is_refused(accounts: Accounts, password: str) -> None:
    with pytest.raises(BadRequest, match="choose another"):
        add(accounts, password=password)


def test_no_password_and_no_token_is_in_the_database(accounts: Accounts, tmp_path: Path) -> None:
    add(accounts)
    bearer = log_in(accounts)
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("store.sqlite*"))
    assert b"argon2id" in stored
    assert PASSWORD.encode() not in stored
    assert bearer.rpartition("_")[2].encode() not in stored


def test_a_role_includes_those_below_it() -> None:
    roles = list(UserRole)
    included = {(a, b) for a in roles for b in roles if a.includes(b)}
    assert included == {(a, b) for i, a in enumerate(roles) for b in roles[: i + 1]}
