"""Login at an OpenID Connect provider, and everything that can be wrong with what it sends."""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc.jwk import OctKey, RSAKey

from cloud.store.lists.filters import AuditFilter
from dashboards.access.access import Access
from dashboards.access.oidc import LOGIN_S
from dashboards.access.settings import AccessSettings
from messaging.access_resources import NewUser, UserChange, UserRole
from tests.dashboards.access.conftest import PASSWORD, Page, page_over
from tests.support.cloud.filled_cloud import FilledCloud
from tests.support.dashboards.browser import Browser
from tests.support.dashboards.provider import CLIENT, ISSUER, SECRET, Provider

PUBLIC = "https://blindspot.city.example"


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def page(cloud: FilledCloud, provider: Provider, tmp_path: Path) -> Iterator[Page]:
    yield from configured(cloud, provider, tmp_path)


def configured(cloud: FilledCloud, provider: Provider, folder: Path, **options: Any) -> Iterator[Page]:
    """A page behind a proxy with TLS, with a provider."""
    (folder / "secret").write_text(SECRET + "\n")
    given = {"issuer": ISSUER, "client_id": CLIENT, "client_secret_file": str(folder / "secret"), **options}
    settings = AccessSettings.model_validate({"public_url": PUBLIC, "oidc": given})
    users = {user.name for user in cloud.accounts.users()}
    if "ana" not in users:
        cloud.accounts.add_user(NewUser(name="ana", role=UserRole.OPERATOR, password=PASSWORD))
    for one in page_over(cloud, settings=settings, provider=provider.transport):
        with Browser(one.app, one.runner, at=PUBLIC) as browser:
            one.browser = browser
            yield one


def come_back(page: Page, provider: Provider, wanted: str = "/") -> httpx.Response:
    """The answer to a browser that the provider leads back."""
    begun = page.browser.get(f"/login/oidc?next={wanted}")
    assert begun.status_code == 303, begun.text
    assert begun.headers["location"].startswith(f"{ISSUER}/authorize?response_type=code&")
    return page.browser.get(provider.log_in(begun.headers["location"]).removeprefix(PUBLIC))


def refused(page: Page, provider: Provider) -> str:
    """The sentence with which a login is refused; there is no session afterwards."""
    answer = come_back(page, provider)
    assert answer.status_code in (403, 404, 502, 503), answer.text
    assert page.browser.get("/").status_code == 303
    return answer.text


def test_the_login_page_leads_to_the_provider_and_back_to_where_the_person_was(
    page: Page, provider: Provider
) -> None:
    login = page.browser.get("/login?next=/sites/north").text
    assert '<a class="other" href="/login/oidc?next=%2Fsites%2Fnorth">Log in with single sign-on</a>' in login
    answer = come_back(page, provider, "/sites/north")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sites/north")
    assert page.browser.get("/").text == "ana is operator"
    assert "; Secure" in answer.headers["set-cookie"]
    entry = page.cloud.services.audit.entries(AuditFilter(), limit=1)[0]
    assert (entry.user, entry.action, entry.object) == (
        "data-folder",
        "POST /users/{user}/sessions",
        "user ana",
    )


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"nonce": "another"}, "claim nonce"),
        ({"nonce": None}, "claim nonce"),
        ({"exp": int(time.time()) - 3_600}, "claim exp"),
        ({"exp": None}, "claim exp"),
        ({"iat": int(time.time()) + 3_600}, "claim iat"),
        ({"iss": "https://evil.example"}, "claim iss"),
        ({"aud": "another-client"}, "claim aud"),
        ({"aud": ["blindspot", "another-client"], "azp": "another-client"}, "claim azp"),
        ({"sub": None}, "claim sub"),
        ({"at_hash": "wrong"}, "claim at_hash"),
    ],
)
def test_a_token_with_a_wrong_claim_is_refused(
    page: Page, provider: Provider, claims: dict[str, Any], why: str
) -> None:
    provider.claims = claims
    assert f"what single sign-on sent is not valid ({why}" in refused(page, provider)


def _other_key(provider: Provider) -> None:
    provider.key = RSAKey.generate_key(2048, {"kid": "first"})


def _symmetric(provider: Provider) -> None:
    """A signature with a secret, where the provider has published a key pair."""
    provider.key = OctKey.generate_key(256, {"kid": "first"})  # type: ignore[assignment]  # that is the attack
    provider.algorithm = "HS256"


def _symmetric_is_offered(provider: Provider) -> None:
    _symmetric(provider)
    provider.metadata = {"id_token_signing_alg_values_supported": ["HS256", "none"]}


@pytest.mark.parametrize("change", [_other_key, _symmetric, _symmetric_is_offered])
@pytest.mark.filterwarnings("ignore:.*")
def test_a_token_with_another_signature_is_refused(
    page: Page, provider: Provider, change: Callable[[Provider], None]
) -> None:
    change(provider)
    assert "what single sign-on sent is not valid" in refused(page, provider)


def test_a_key_that_was_rotated_is_found(page: Page, provider: Provider) -> None:
    provider.key = provider.published = RSAKey.generate_key(2048, {"kid": "second"})
    assert come_back(page, provider).headers["location"] == "/"


def test_a_provider_that_is_down_is_one_sentence_and_passwords_still_work(
    page: Page, provider: Provider
) -> None:
    provider.down = True
    answer = page.browser.get("/login/oidc")
    assert (answer.status_code, "single sign-on cannot be reached" in answer.text) == (503, True)
    provider.down = False
    begun = page.browser.get("/login/oidc").headers["location"]
    provider.down = True
    answer = page.browser.get(provider.log_in(begun).removeprefix(PUBLIC))
    assert (answer.status_code, "single sign-on cannot be reached" in answer.text) == (503, True)
    assert page.browser.log_in("ana", PASSWORD).status_code == 303


@pytest.mark.parametrize(
    "metadata", [{"issuer": "https://evil.example"}, {"authorization_endpoint": None}, {"issuer": 7}]
)
def test_a_discovery_document_that_is_not_the_providers_is_refused(
    page: Page, provider: Provider, metadata: dict[str, Any]
) -> None:
    provider.metadata = metadata
    answer = page.browser.get("/login/oidc")
    assert (answer.status_code, 'role="alert"' in answer.text) == (502, True)


def test_a_state_is_for_one_login_of_one_browser_within_ten_minutes(page: Page, provider: Provider) -> None:
    again = "was used before, took too long, or began in another browser"
    back = provider.log_in(page.browser.get("/login/oidc").headers["location"]).removeprefix(PUBLIC)
    with Browser(page.app, page.runner, at=PUBLIC) as victim:
        victim.get("/login")
        answer = victim.get(back)
        assert (answer.status_code, again in answer.text) == (403, True)
    assert again in page.browser.get(back).text  # it is used up
    back = provider.log_in(page.browser.get("/login/oidc").headers["location"]).removeprefix(PUBLIC)
    page.now[0] += LOGIN_S
    assert again in page.browser.get(back).text
    for query in ("", "?state=made-up&code=x", "?code=x"):
        assert again in page.browser.get(f"/login/oidc/callback{query}").text


def test_a_login_that_the_provider_refuses_is_one_sentence(page: Page) -> None:
    begun = page.browser.get("/login/oidc").headers["location"]
    state = dict(httpx.URL(begun).params)["state"]
    answer = page.browser.get(f"/login/oidc/callback?state={state}&error=access_denied")
    assert "single sign-on refused the login (access_denied)" in answer.text


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("nobody-here", "there is no user"),
        ("Ana", "is no name of a user"),
        ("../ana", "is no name of a user"),
        ("", "states no preferred_username"),
        (7, "states no preferred_username"),
        (None, "states no preferred_username"),
    ],
)
def test_who_is_no_user_is_refused_in_one_sentence(
    page: Page, provider: Provider, name: object, sentence: str
) -> None:
    provider.claims = {"preferred_username": name}
    assert sentence in refused(page, provider)


def test_groups_at_the_provider_give_role_and_limit(
    cloud: FilledCloud, provider: Provider, tmp_path: Path
) -> None:
    options = {
        "name_claim": "email",
        "domain": "city.example",
        "groups_claim": "groups",
        "roles": {"watch": "operator", "lead": "trainer"},
        "site_groups": {"watch": "uphill", "harbour": "downhill", "everything": "*"},
        "create": "viewer",
    }
    for page in configured(cloud, provider, tmp_path, **options):
        for groups, role, limit in (
            (["watch"], "operator", ("uphill",)),
            (["lead", "watch", "harbour"], "trainer", ("downhill", "uphill")),
            (["lead", "everything"], "trainer", ()),
        ):
            provider.claims = {"email": "gil@city.example", "groups": groups}
            assert come_back(page, provider).status_code == 303
            assert page.browser.get("/").text == f"gil is {role}"
            assert cloud.accounts.user("gil").groups == limit
            page.browser.fill_in("/logout", {})
        for wrong in (["cooks"], [], "watch", None):
            provider.claims = {"email": "gil@city.example", "groups": wrong}
            assert "none of your groups may open this page" in refused(page, provider)
        provider.claims = {"email": "gil@evil.example", "groups": ["watch"]}
        assert "only names that end with @city.example may log in" in refused(page, provider)


def test_a_disabled_user_is_refused(page: Page, provider: Provider) -> None:
    page.cloud.accounts.change_user("ana", UserChange(disabled=True))
    try:
        answer = come_back(page, provider)
        assert (answer.status_code, "the user ana is disabled" in answer.text) == (401, True)
    finally:
        page.cloud.accounts.change_user("ana", UserChange(disabled=False))


def test_the_secret_of_the_client_is_in_a_file_that_can_be_read(tmp_path: Path) -> None:
    given = {"issuer": ISSUER, "client_id": CLIENT, "client_secret_file": str(tmp_path / "none")}
    settings = AccessSettings.model_validate({"public_url": PUBLIC, "oidc": given})
    access = Access(tmp_path, settings=settings)
    asyncio.run(access.close())
    assert settings.oidc is not None
    with pytest.raises(Exception, match="none cannot be read"):
        _ = settings.oidc.client_secret
