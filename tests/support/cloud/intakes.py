"""The cloud's intake over a database, for tests."""

from cloud.fleet.intake import Intake
from cloud.fleet.receipt_writer import CheckpointIntake, ReceiptWriter
from cloud.metrics import CloudMetrics
from cloud.store.database import Database
from cloud.store.ledger_store import LedgerStore
from cloud.store.receipt_store import ReceiptStore
from cloud.store.report_store import ReportStore
from messaging.bus import Bus
from messaging.trust.keys import SigningKey
from tests.support.cloud.sample_reports import checks_of
from tests.support.messaging.site_keys import director_key


def intake_of(
    bus: Bus,
    database: Database,
    *,
    metrics: CloudMetrics | None = None,
    batch: int = 200,
    director: SigningKey | None = None,
) -> Intake:
    """Intake with the checks of the default classes."""
    metrics = metrics or CloudMetrics()
    ledgers = LedgerStore(database)
    receipts = ReceiptWriter(bus, ReceiptStore(database), ledgers, director or director_key())
    checkpoints = CheckpointIntake(bus, ledgers, receipts, metrics)
    checks = checks_of(database)
    return Intake(bus, ReportStore(database), metrics, checks, receipts, checkpoints, batch=batch)
