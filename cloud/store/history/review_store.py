"""What people make of generated images: labels for judges, and what a training leaves out.

Whether an image is left out of the training of its own campaign is decided in the transaction of the review:
before the training begins a rejection leaves it out, afterwards nothing changes that any more.
"""

from enum import StrEnum

from sqlalchemy import ForeignKey, String, Text, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from cloud.errors import NotKnown, NotNow
from cloud.store.database import Database
from cloud.store.mapping import Record
from cloud.store.records import CampaignStage, StageRecord, SyntheticImage


class ImageVerdict(StrEnum):
    """What a person makes of a generated image."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"


class ImageReview(Record):
    """A review of one image by its name; a `verdict` of None was taken back.

    `left_out`: whether the training of its campaign leaves the image out.
    """

    __tablename__ = "image_reviews"

    campaign: Mapped[str] = mapped_column(String(40), ForeignKey("campaigns.id"), primary_key=True)
    image: Mapped[str] = mapped_column(String(160), primary_key=True)
    verdict: Mapped[ImageVerdict | None]
    reason: Mapped[str] = mapped_column(Text)
    by: Mapped[str]
    at: Mapped[int]
    left_out: Mapped[bool]


class ReviewStore:
    """Reviews of generated images in the database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def review(
        self, campaign: str, image: int, verdict: ImageVerdict | None, *, reason: str, by: str
    ) -> tuple[ImageReview, bool]:
        """Store a review in place of the one before; also whether the training has begun by then.

        Raises `NotKnown` for an image (by its id) that the campaign has not, and `NotNow` if another person
        has made the same of it already.
        """
        with self._db.writing() as session:
            found = _image(session, campaign, image)
            known = session.get(ImageReview, (campaign, found.name))
            if known is not None and known.verdict is verdict is not None and known.by != by[:80]:
                raise NotNow(f"image {image} of campaign {campaign} is {verdict} by {known.by} already")
            begun = _training_began(session, campaign)
            return self._review(session, found, verdict, reason, by, begun=begun), begun

    def of_image(self, campaign: str, image: int) -> tuple[str, ImageReview | None]:
        """The name of an image (by its id), and its review if it has one. Raises `NotKnown`."""
        with self._db.reading() as session:
            name = _image(session, campaign, image).name
            return name, session.get(ImageReview, (campaign, name))

    def reject_all(self, campaign: str, *, reason: str, by: str) -> int:
        """Reject every kept image of a campaign; how many."""
        kept = select(SyntheticImage).where(SyntheticImage.campaign == campaign, SyntheticImage.kept)
        with self._db.writing() as session:
            begun, images = _training_began(session, campaign), session.scalars(kept).all()
            for image in images:
                self._review(session, image, ImageVerdict.REJECTED, reason, by, begun=begun)
        return len(images)

    def _review(
        self,
        session: Session,
        image: SyntheticImage,
        verdict: ImageVerdict | None,
        reason: str,
        by: str,
        *,
        begun: bool,
    ) -> ImageReview:
        """`begun`: the training of the campaign has, so that the image is left out of it or not as before."""
        known = session.get(ImageReview, (image.campaign, image.name))
        rejected = image.kept and verdict is ImageVerdict.REJECTED
        left_out = (known is not None and known.left_out) if begun else rejected
        made = ImageReview(image.campaign, image.name, verdict, reason, by[:80], self._db.now(), left_out)
        self._db.put(session, made, key=["campaign", "image"])
        return made

    def rejected(self, *, reason: str) -> int:
        """How many images are rejected for a reason, of all campaigns."""
        rejected = (ImageReview.verdict == ImageVerdict.REJECTED) & (ImageReview.reason == reason)
        with self._db.reading() as session:
            return session.scalar(select(func.count()).select_from(ImageReview).where(rejected)) or 0

    def of_campaign(self, campaign: str) -> dict[str, ImageReview]:
        """The reviews of a campaign's images, by the image's name."""
        query = select(ImageReview).where(ImageReview.campaign == campaign)
        with self._db.reading() as session:
            return {review.image: review for review in session.scalars(query)}

    def left_out(self, campaign: str) -> list[str]:
        """Names of the images that a campaign's training leaves out, sorted.

        Its own ones that were rejected before it began, and those of other campaigns that are rejected now.
        """
        own = (ImageReview.campaign == campaign) & ImageReview.left_out
        earlier = (ImageReview.campaign != campaign) & (ImageReview.verdict == ImageVerdict.REJECTED)
        with self._db.reading() as session:
            return sorted(session.scalars(select(ImageReview.image).where(own | earlier)))


def _image(session: Session, campaign: str, image: int) -> SyntheticImage:
    found = session.get(SyntheticImage, image)
    if found is None or found.campaign != campaign:
        raise NotKnown(f"campaign {campaign[:40]!r} has no image {image}")
    return found


def _training_began(session: Session, campaign: str) -> bool:
    stage = (StageRecord.campaign == campaign) & (StageRecord.stage == CampaignStage.TRAIN)
    return session.scalar(select(StageRecord.id).where(stage).limit(1)) is not None
