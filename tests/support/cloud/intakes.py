"""The cloud's intake over a database, for tests."""

from cloud.fleet.intake import Intake
from cloud.fleet.receipt_writer import ReceiptWriter
from cloud.metrics import CloudMetrics
from cloud.store.database import Database
from cloud.store.receipt_store import ReceiptStore
from cloud.store.report_store import ReportStore
from messaging.bus import Bus
from tests.support.cloud.sample_reports import checks_of


def intake_of(
    bus: Bus, database: Database, *, metrics: CloudMetrics | None = None, batch: int = 200
) -> Intake:
    """Intake with the checks of the default classes."""
    return Intake(
        bus,
        ReportStore(database),
        metrics or CloudMetrics(),
        checks_of(database),
        ReceiptWriter(bus, ReceiptStore(database)),
        batch=batch,
    )
