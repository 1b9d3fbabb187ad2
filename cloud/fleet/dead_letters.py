"""Dead letters: refused messages that a person can read, and give to intake again.

What was wrong may be right now: a class was added, a model released, a site enrolled again. A letter passes
the same checks as a message that arrives, with the time of its first receipt.
"""

import logging
from dataclasses import dataclass

from cloud.errors import NotNow
from cloud.fleet.intake import admitted
from cloud.fleet.report_checks import ReportChecks
from cloud.metrics import CloudMetrics
from cloud.store.report_insertion import Received
from cloud.store.report_store import ReportStore
from messaging.errors import MessageRefused
from messaging.nats.subjects import parse_report_subject

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DeadLetters:
    """The refused messages of one cloud."""

    store: ReportStore
    checks: ReportChecks
    metrics: CloudMetrics

    def replay(self, letter: int) -> int:
        """Give a letter to intake again; the number of its reports that are stored now.

        It is removed once they are. Raises `NotKnown`, and `NotNow` when it is refused again.
        """
        found = self.store.dead_letter(letter)
        if not found.signed:
            raise NotNow(f"dead letter {letter} is not signed by the site's key; it can never be stored")
        try:
            site = parse_report_subject(found.subject).site
            message = admitted(
                found.subject,
                found.data,
                self.store.revoked_sites(),
                self.checks.known_now([site]),
                received_at=found.received_at,
            )
        except MessageRefused as error:
            raise NotNow(f"dead letter {letter} is refused again: {error}") from None
        inserted = self.store.insert([Received(message, len(found.data))])
        self.store.remove_dead_letter(letter)
        reports = len(message.reports) if inserted.new else 0
        self.metrics.reports.labels(kind=message.kind).inc(reports)
        logger.info("dead letter %d of site %s was replayed: %d reports", letter, site, reports)
        return reports
