"""What a page offers a viewer: by role, and by the site groups that the viewer is limited to."""

from typing import cast

import pytest

from dashboards.access.viewer import Viewer
from dashboards.client import CloudClient
from dashboards.components.banner import Banner
from dashboards.page_view import PageView
from dashboards.reads import SharedReads
from dashboards.scope import Scope
from dashboards.settings import MapSettings
from messaging.access_resources import UserResource, UserRole


def view_of(role: UserRole, *groups: str) -> PageView:
    user = UserResource(name="ana", role=role, groups=groups, disabled=False, created_at=0)
    return PageView(
        viewer=Viewer(user, cast(CloudClient, None)),
        scope=Scope(),
        reads=cast(SharedReads, None),
        banner=cast(Banner, None),
        ground=MapSettings(),
    )


@pytest.mark.parametrize(
    ("view", "permitted", "permitted_for_one_site"),
    [
        (view_of(UserRole.VIEWER), False, False),
        (view_of(UserRole.OPERATOR), True, True),
        (view_of(UserRole.ADMIN), True, True),
        (view_of(UserRole.VIEWER, "harbour"), False, False),
        (view_of(UserRole.ADMIN, "harbour"), False, True),
    ],
)
def test_who_is_limited_to_site_groups_is_offered_only_what_concerns_one_site(
    view: PageView, permitted: bool, permitted_for_one_site: bool
) -> None:
    assert view.may(UserRole.OPERATOR) == permitted
    assert view.may(UserRole.OPERATOR, one_site=True) == permitted_for_one_site
