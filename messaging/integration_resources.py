"""The REST API's types of integrations and deliveries."""

from messaging.resources import Resource


class IntegrationResource(Resource):
    """One configured integration; `target` names no secret. `fault`: why its first waiting one failed."""

    name: str
    kind: str
    target: str
    waiting: int
    delivered: int
    dead: int
    last_delivered_at: int | None
    fault: str | None


class DeliveryResource(Resource):
    """One change of one hazard on its way to one integration; times in seconds since 1970."""

    id: int
    integration: str
    change_id: str
    change: str
    site: str
    event: str
    state: str
    attempts: int
    queued_at: int
    due_at: int
    ended_at: int | None
    seconds: float | None
    outcome: str
