"""The map of prototypes as a resource, with the failure modes of each."""

from cloud.api.services import Services
from cloud.failure_modes.prototype_map import prototype_map, signal_to_noise
from cloud.failure_modes.rules import FailureMode
from messaging.api.prototype_map import PrototypeMapResource, PrototypePoint


def prototype_map_view(services: Services) -> PrototypeMapResource:
    """All prototypes of the fleet; a mode is at the prototype of the class that was assigned to it."""
    prototypes = services.register.prototypes()
    found, modes = prototype_map(prototypes), services.register.modes()
    points = tuple(
        PrototypePoint(
            class_name=one.class_name,
            condition=one.condition.key,
            x=round(float(x), 4),
            y=round(float(y), 4),
            sites=one.sites,
            tracks=one.tracks,
            cosine=round(one.cosine, 3),
            signal_to_noise=None if (ratio := signal_to_noise(one)) is None else round(ratio, 3),
            usable=one.usable,
            failure_modes=tuple(
                mode.key.id
                for mode in modes
                if (_class_of(mode), mode.key.condition) == (one.class_name, one.condition)
            ),
        )
        for one, (x, y) in zip(prototypes, found.places, strict=True)
    )
    return PrototypeMapResource(
        embedding_digest=prototypes[0].embedding_digest if prototypes else None,
        explained=(round(found.explained[0], 4), round(found.explained[1], 4)),
        points=points,
    )


def _class_of(mode: FailureMode) -> str:
    return mode.state.assigned_class or mode.key.class_name
