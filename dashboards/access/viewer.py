"""Who looks at a page, and with which client that person reads the cloud."""

from dataclasses import dataclass

from dashboards.client import CloudClient
from messaging.access_resources import UserResource, UserRole


@dataclass(frozen=True)
class Viewer:
    """A person at a browser. `client` has the bearer token of this person's own session."""

    user: UserResource
    client: CloudClient

    def has_role(self, role: UserRole) -> bool:
        """Whether the person may do what this role may."""
        return self.user.role.includes(role)
