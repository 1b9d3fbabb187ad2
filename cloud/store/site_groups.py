"""Groups of sites as names: a group is what its sites, and the users who are limited to it, name.

A new name is given to all of them in one transaction, so that nobody sees more or less in between.
"""

from dataclasses import replace

from sqlalchemy import delete, func, select, update

from cloud.errors import NotKnown, NotNow
from cloud.store.access_records import Token, TokenKind, User
from cloud.store.database import Database, written
from cloud.store.report_records import Site


class SiteGroups:
    """The groups of sites in the database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def members(self, group: str) -> tuple[list[str], list[str]]:
        """Names of a group's sites, and of the users who are limited to it, sorted. Raises `NotKnown`."""
        query = select(Site.site).where(Site.site_group == group).order_by(Site.site)
        with self._db.reading() as session:
            sites, users = session.scalars(query).all(), session.scalars(select(User)).all()
        limited = sorted(user.name for user in users if group in user.groups)
        if not sites and not limited:
            raise _not_known(group)
        return list(sites), limited

    def rename(self, group: str, name: str) -> int:
        """Give a group another name, for its sites and users; the number of its sites.

        The sessions of these users end, as with every change of their groups. Raises `NotKnown` for a group
        without sites and users, and `NotNow` if another one has the name: its users would see more.
        """
        with self._db.writing() as session:
            users = session.scalars(select(User)).all()
            sites = select(func.count()).select_from(Site)
            if session.scalar(sites.where(Site.site_group == name)) or any(name in u.groups for u in users):
                raise NotNow(f"there is a site group {name} already; choose another name")
            limited = [user for user in users if group in user.groups]
            count = written(session, update(Site).where(Site.site_group == group).values(site_group=name))
            if not count and not limited:
                raise _not_known(group)
            for user in limited:
                groups = tuple(sorted({*user.groups, name} - {group}))
                self._db.put(session, replace(user, groups=groups), key=["name"])
                ended = (Token.user == user.name) & (Token.kind == TokenKind.SESSION)
                session.execute(delete(Token).where(ended))
            return count


def _not_known(group: str) -> NotKnown:
    return NotKnown(f"there is no site group {group[:40]!r}; `blindspot sites groups` lists them")
