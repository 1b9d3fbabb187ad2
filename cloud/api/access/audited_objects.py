"""The objects of requested changes, as the audit log shows them: the most specific one that a route names.

A route without an object here makes a new one, or starts work; its answer names that. Nothing here decides
who may read what: entries are for admins who see all sites.
"""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from cloud.access.accounts import token_id_of
from cloud.access.principal import Principal
from cloud.api.paging import RowNumber
from cloud.api.services import Services
from cloud.api.views import delivery_view
from cloud.errors import NotKnown, StoreUnavailable
from messaging.api.dead_letters import DeadLetterResource

Values = dict[str, Any]
Reader = Callable[[Mapping[str, str], Principal], Values]

RENAMING: Mapping[str, str] = {"/site-groups/{group}/rename": "group"}
"""Routes that rename their object, and the part of the path that is its name; the answer has the new one."""
_ROW_NUMBER: TypeAdapter[int] = TypeAdapter(RowNumber)


class AuditedObjects:
    """Reads the objects of routes from the stores of one cloud."""

    def __init__(self, services: Services) -> None:
        self._services = services
        accounts, reports = services.accounts, services.reports
        self._readers: Mapping[str, Reader | None] = {
            "/sites/{site}": lambda path, _: reports.site(path["site"]).values(),
            "/sites/{site}/remove": self._stored_of_site,
            "/sites/{site}/verdict-requests": None,  # one is made there
            "/site-groups/{group}": self._site_group,
            "/hazards/{site}/{event}": self._hazard,
            "/failure-modes/{mode}": lambda path, _: services.register.mode(path["mode"]).state.values(),
            "/campaigns/{campaign}": lambda path, _: services.campaign_rows.get(path["campaign"]).values(),
            "/campaigns/{campaign}/images/{image}": self._image_review,
            "/models/{digest}/ticket": self._ticket,
            "/rollouts/{rollout}": lambda path, _: services.releases.rollout(path["rollout"]).values(),
            "/classes": lambda path, _: {"classes": services.classes.taxonomy.classes},
            "/deliveries/{delivery}": self._delivery,
            "/dead-letters/{letter}": self._dead_letter,
            "/users/{user}": lambda path, _: accounts.user(path["user"]).values(),
            "/tokens/{token}": lambda path, _: accounts.token(token_id_of(path["token"])).values(),
            "/me/password": lambda _, caller: accounts.user(caller.name).values(),
            "/me/session": lambda _, caller: accounts.token(caller.token or "").values(),
        }

    def present(self, route: str, path_params: Mapping[str, str], caller: Principal) -> Values | None:
        """The values of a route's object as they are now; None if it has none, or there is none.

        `route` has no prefix of the API. Values that are never shown are among them: whether they changed is.
        """
        reader = self._reader_of(route)
        if reader is None:
            return None
        try:
            return reader(path_params, caller)
        except (NotKnown, StoreUnavailable):
            return None

    def _reader_of(self, route: str) -> Reader | None:
        """Of the object that names most parts of the route's path."""
        while route:
            if route in self._readers:
                return self._readers[route]
            route = route.rpartition("/")[0]
        return None

    def _stored_of_site(self, path: Mapping[str, str], _: Principal) -> Values:
        site, removal = self._services.reports.site(path["site"]), self._services.histories.removal
        return {
            **site.values(),
            "rows": removal.counts(site.site),
            "rejected_images": removal.rejected_images(site.site),
        }

    def _site_group(self, path: Mapping[str, str], _: Principal) -> Values:
        sites, users = self._services.histories.groups.members(path["group"])
        return {"group": path["group"], "sites": sites, "users": users}

    def _hazard(self, path: Mapping[str, str], _: Principal) -> Values:
        hazard, status = self._services.reports.hazard_changes.hazard(path["site"], path["event"])
        return {**hazard.values(), "status": status}

    def _image_review(self, path: Mapping[str, str], _: Principal) -> Values:
        image, review = self._services.histories.reviews.of_image(path["campaign"], _number(path["image"]))
        return (
            {"campaign": path["campaign"], "image": image, "verdict": None}
            if review is None
            else review.values()
        )

    def _ticket(self, path: Mapping[str, str], _: Principal) -> Values:
        digest = self._services.releases.release(path["digest"]).digest
        return {"digest": digest, "ticket": self._services.tickets.ticket(digest)}

    def _delivery(self, path: Mapping[str, str], _: Principal) -> Values:
        return dict(delivery_view(self._services.integrations.delivery(_number(path["delivery"]))))

    def _dead_letter(self, path: Mapping[str, str], _: Principal) -> Values:
        return dict(
            DeadLetterResource.model_validate(self._services.reports.dead_letter(_number(path["letter"])))
        )


def _number(text: str) -> int:
    """Raises `NotKnown` for what is no number of a row."""
    try:
        return _ROW_NUMBER.validate_python(text)
    except ValidationError:
        raise NotKnown(f"no row has the number {text[:40]!r}") from None
