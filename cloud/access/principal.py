"""Who requests something: a name, a role, and the site groups that it is limited to."""

from dataclasses import dataclass, replace

from messaging.access_resources import UserRole


@dataclass(frozen=True)
class Principal:
    """Who a request is from. Without `groups` it may see and change all sites.

    `token`: the id of the bearer token, or None for the data folder's own.
    """

    name: str
    role: UserRole
    groups: frozenset[str] = frozenset()
    token: str | None = None

    @property
    def limited(self) -> bool:
        """Whether it is limited to the sites of some groups."""
        return bool(self.groups)

    @property
    def administers(self) -> bool:
        """Whether it may change other users."""
        return self.role is UserRole.ADMIN and not self.limited

    def stated_by(self, user: str) -> "Principal":
        """The same, named after the person who states to use it: `USER@NAME`."""
        return replace(self, name=f"{user}@{self.name}")

    def sees(self, group: str) -> bool:
        """Whether a site of this group is visible to it."""
        return not self.groups or group in self.groups


DATA_FOLDER = Principal("data-folder", UserRole.ADMIN)
"""Whoever can read the token of the cloud's data folder."""
