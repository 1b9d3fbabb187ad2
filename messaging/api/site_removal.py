"""The REST API's types of the removal of a revoked site."""

from messaging.resources import Resource


class RemovalRequest(Resource):
    """`reject_images`: reject the generated images of the campaigns that the site contributed to."""

    reject_images: bool = False


class DerivedCampaignResource(Resource):
    """A campaign whose failure modes the site had evidence of when it was created.

    `own` of the `evidence` misdetections were the site's; `images`: kept generated images; `releases`:
    digests of the models that it made.
    """

    campaign: str
    modes: tuple[str, ...]
    own: int
    evidence: int
    images: int
    releases: tuple[str, ...]


class RemovalPlanResource(Resource):
    """What a removal of the site would delete now, in rows by table, and what its reports were used for.

    Only a `revoked` site is removed.
    """

    site: str
    revoked: bool
    rows: dict[str, int]
    campaigns: tuple[DerivedCampaignResource, ...]


class SiteRemovalResource(Resource):
    """What was deleted, in rows by table, what it had been used for, and how many images were rejected."""

    site: str
    deleted: dict[str, int]
    campaigns: tuple[DerivedCampaignResource, ...]
    rejected_images: int
