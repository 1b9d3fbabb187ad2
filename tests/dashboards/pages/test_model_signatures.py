"""The signatures of a release as markup: the outcome, the roles with their keys, what does not hold."""

from dashboards.pages.model_signatures import signatures_markup
from messaging.release_resources import SignatureResource, VerificationResource

KEY = "ab" * 32
TARGETS = SignatureResource(
    role="targets", version=7, expires_at_utc=5000, threshold=1, keys=(KEY, "cd" * 32), signed_by=(KEY,)
)
VALID = VerificationResource(
    digest="0b" * 32, valid=True, verified_at=100, version=2, bundle="as signed", signatures=(TARGETS,)
)


def test_a_valid_release_has_its_roles_with_the_keys_that_signed() -> None:
    shown = signatures_markup(VALID, 100.0)
    assert all(text in shown for text in ("valid", "as signed", "targets", KEY[:12], "1 of 2"))
    assert "refusal" not in shown
    assert "expired" not in shown


def test_what_does_not_hold_is_stated_above_the_roles_and_escaped() -> None:
    wrong = VALID.model_copy(update={"valid": False, "fault": "key <x> has not signed"})
    shown = signatures_markup(wrong, 6000.0)
    assert "not valid" in shown
    assert "key &lt;x&gt; has not signed" in shown
    assert "expired" in shown


def test_a_role_that_nobody_has_signed_has_a_dash() -> None:
    unsigned = VALID.model_copy(update={"signatures": (TARGETS.model_copy(update={"signed_by": ()}),)})
    assert "0 of 2" in signatures_markup(unsigned, 100.0)
