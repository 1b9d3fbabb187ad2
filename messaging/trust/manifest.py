"""What the cloud signs about a detector bundle: the manifest, carried as a TUF target's custom data.

A release is a bundle together with its signed manifest. The cloud vouches for the class names and digests in
it; the description inside the bundle must agree with it before a site uses the bundle.
"""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from messaging.errors import ConfigurationError, TrustError
from messaging.fields import Digest, Slug
from messaging.releases import BundleDescription, Channel, Role

MAX_BUNDLE_BYTES = 256 * 1024 * 1024


class ReleaseManifest(BaseModel):
    """One release: which bytes, what they are for, where they come from, what was measured of them.

    `version` counts the releases of the fleet, of both roles, and only goes up; changing the channel keeps
    it.
    `evaluation_digest` is the sha256 of the evaluation report, `synthetic_set_digest` that of the labelled
    set's manifest; a starting detector may lack both.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    digest: Digest
    length_bytes: int = Field(ge=1, le=MAX_BUNDLE_BYTES)
    role: Role = Role.DETECTOR
    channel: Channel
    version: int = Field(ge=1, le=2**31)
    name: Slug
    class_names: tuple[Slug, ...]
    taxonomy_digest: Digest
    input_width: int = Field(ge=32, le=4096)
    input_height: int = Field(ge=32, le=4096)
    embedding_digest: Digest
    parent_digest: Digest | None = None
    evaluation_digest: Digest | None = None
    synthetic_set_digest: Digest | None = None

    @classmethod
    def of(
        cls,
        description: BundleDescription,
        *,
        digest: str,
        length_bytes: int,
        channel: Channel,
        version: int,
        role: Role = Role.DETECTOR,
        evaluation_digest: str | None = None,
        synthetic_set_digest: str | None = None,
    ) -> Self:
        """The manifest of a bundle with this description."""
        return cls(
            digest=digest,
            length_bytes=length_bytes,
            role=role,
            channel=channel,
            version=version,
            name=description.name,
            class_names=description.class_names,
            taxonomy_digest=description.taxonomy_digest,
            input_width=description.input_width,
            input_height=description.input_height,
            embedding_digest=description.embedding_digest,
            parent_digest=description.parent_digest,
            evaluation_digest=evaluation_digest,
            synthetic_set_digest=synthetic_set_digest,
        )

    @classmethod
    def from_target(cls, digest: str, length_bytes: int, custom: object) -> Self:
        """Read a target's custom data. Raises `TrustError` when the cloud signed something else."""
        try:
            fields: Any = custom
            return cls.model_validate({**fields, "digest": digest, "length_bytes": length_bytes})
        except (ValidationError, TypeError) as error:
            raise TrustError(
                f"release {digest[:12]} has a manifest this program cannot read: {error}", "unknown_release"
            ) from None

    def custom(self) -> dict[str, Any]:
        """The manifest as a target's custom data: all but digest and length, which the target states."""
        return self.model_dump(mode="json", exclude={"digest", "length_bytes"})

    def agrees_with(self, description: BundleDescription) -> bool:
        """Whether the description inside the bundle agrees with this manifest."""
        return (
            ReleaseManifest.of(
                description,
                digest=self.digest,
                length_bytes=self.length_bytes,
                channel=self.channel,
                version=self.version,
                role=self.role,
                evaluation_digest=self.evaluation_digest,
                synthetic_set_digest=self.synthetic_set_digest,
            )
            == self
        )


def check_promotion(known: ReleaseManifest, wanted: ReleaseManifest) -> None:
    """Refuse every change of a signed release but that from trial to service: `ConfigurationError`."""
    if known.channel is Channel.SERVICE or known.model_copy(update={"channel": Channel.SERVICE}) != wanted:
        raise ConfigurationError(
            f"release {known.digest[:12]} is signed as {known.channel} with version {known.version}; "
            "only its channel may change, from trial to service"
        )
