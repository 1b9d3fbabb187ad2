"""Pages of campaigns and their images, and what a page of campaigns needs of all of them in one query."""

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import ColumnElement, Text, func, select, type_coerce
from sqlalchemy.orm import InstrumentedAttribute

from cloud.store.database import Database
from cloud.store.lists.filters import CampaignFilter, ImageFilter
from cloud.store.records import Campaign, StageRecord, SyntheticImage

Counts = dict[tuple[bool, str], int]
"""Numbers of images by (kept, reason of the refusal)."""


class CampaignLists:
    """Lists of campaigns."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def campaigns(self, wanted: CampaignFilter, *, after: str | None = None, limit: int) -> list[Campaign]:
        """Campaigns, newest first (ids are ULIDs); `after` is the id of the last one seen."""
        query = select(Campaign).order_by(Campaign.id.desc()).limit(limit)
        if wanted.state is not None:
            query = query.where(Campaign.state == wanted.state)
        if wanted.mode is not None:
            plan = type_coerce(Campaign.plan, Text)
            query = query.where(plan.contains(f'"{wanted.mode}"', autoescape=True))
        if wanted.since is not None:
            query = query.where(Campaign.created_at >= wanted.since)
        if wanted.until is not None:
            query = query.where(Campaign.created_at < wanted.until)
        if after is not None:
            query = query.where(Campaign.id < after)
        with self._db.reading() as session:
            return list(session.scalars(query))

    def stages(self, campaigns: Collection[str]) -> Mapping[str, list[StageRecord]]:
        """The stages of these campaigns in the order in which they began."""
        query = select(StageRecord).where(StageRecord.campaign.in_(campaigns)).order_by(StageRecord.id)
        found: defaultdict[str, list[StageRecord]] = defaultdict(list)
        with self._db.reading() as session:
            for stage in session.scalars(query):
                found[stage.campaign].append(stage)
        return found

    def image_counts(self, campaigns: Collection[str]) -> Mapping[str, Counts]:
        """Numbers of images of these campaigns by (kept, reason of the refusal)."""
        return self._image_counts(SyntheticImage.campaign, campaigns)

    def image_counts_of_modes(self, modes: Collection[str]) -> Mapping[str, Counts]:
        """Numbers of images of these failure modes, of all campaigns, by (kept, reason of the refusal)."""
        return self._image_counts(SyntheticImage.mode, modes)

    def _image_counts(
        self, column: InstrumentedAttribute[str], values: Collection[str]
    ) -> Mapping[str, Counts]:
        by = (column, SyntheticImage.kept, SyntheticImage.reason)
        query = select(*by, func.count()).where(column.in_(values)).group_by(*by)
        found: defaultdict[str, Counts] = defaultdict(dict)
        with self._db.reading() as session:
            for value, kept, reason, number in session.execute(query):
                found[value][kept, reason] = number
        return found

    def images(
        self,
        campaign: str,
        wanted: ImageFilter,
        *,
        ids: Sequence[int] | None = None,
        after: int = 0,
        newest: bool = False,
        limit: int,
    ) -> list[SyntheticImage]:
        """Images in the order of their ids, `ids` alone; `newest` is the opposite order.

        `after` is the id of the last one seen, 0 for the beginning.
        """
        row = SyntheticImage
        query = select(row).where(row.campaign == campaign).limit(limit)
        query = query.order_by(row.id.desc() if newest else row.id)
        if after:
            query = query.where(row.id < after if newest else row.id > after)
        if ids is not None:
            query = query.where(row.id.in_(ids))
        if wanted.mode is not None:
            query = query.where(row.mode == wanted.mode)
        if wanted.kept is not None:
            query = query.where(row.kept == wanted.kept)
        if wanted.reason is not None:
            query = query.where(row.reason == wanted.reason)
        if wanted.label is not None:
            query = query.where(_has_label(wanted.label))
        with self._db.reading() as session:
            return list(session.scalars(query))


def _has_label(class_name: str) -> ColumnElement[bool]:
    """That the provenance, kept as JSON text, names this class; quotes within a prompt are escaped there.

    `replace`, as LIKE does not distinguish upper and lower case in SQLite.
    """
    provenance, label = type_coerce(SyntheticImage.provenance, Text), f'"class":{json.dumps(class_name)}'
    return func.replace(provenance, label, "") != provenance
