"""What a running cloud is built from: its stores, registers and services, the stages of its campaigns.

Only `cloud.app` and tests hold all of it.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from cloud.campaigns.edge_stages import EdgeStages
from cloud.campaigns.image_stages import ImageStages
from cloud.campaigns.model_stages import ModelStages
from cloud.campaigns.promotion_gate import PromotionGate
from cloud.campaigns.requirements import CampaignRequirements, PlanRequirements
from cloud.campaigns.stage import StageTable
from cloud.campaigns.stages import stage_table
from cloud.class_register import ClassRegister
from cloud.data.datasets import DatasetRegister
from cloud.detector.model_files import ModelFiles
from cloud.failure_modes.register import ModeRegister
from cloud.fleet.first_model import described, release_first_model
from cloud.fleet.hub import Hub
from cloud.fleet.publisher import Publisher
from cloud.fleet.releases import Releases
from cloud.fleet.report_checks import ReportChecks
from cloud.fleet.rollout_driver import RolloutDriver
from cloud.integrations.integrations import Integrations, subscriptions_of
from cloud.metrics import CloudMetrics
from cloud.settings import CloudSettings
from cloud.starting_detector import STARTING_WEIGHTS, TEACHER_WEIGHTS, shipped
from cloud.store.campaign_store import CampaignStore
from cloud.store.database import Database
from cloud.store.delivery_store import DeliveryStore
from cloud.store.history.stores import HistoryStores
from cloud.store.ledger_store import LedgerStore
from cloud.store.mode_store import ModeStore
from cloud.store.receipt_store import ReceiptStore
from cloud.store.release_store import ReleaseStore
from cloud.store.report_store import ReportStore
from cloud.store.retention.database_retention import DatabaseRetention
from cloud.store.retention.retention_store import RetentionStore
from messaging.nats.subjects import ORDERS
from messaging.releases import Role
from messaging.runtime.start_checks import DiskAlarm
from messaging.trust.signing import Repository

_DAY_S = 86_400.0


@dataclass(frozen=True)
class CloudParts:
    """What a running cloud is built from; see the module."""

    settings: CloudSettings
    reports: ReportStore
    receipts: ReceiptStore
    ledgers: LedgerStore
    campaign_rows: CampaignStore
    releases: ReleaseStore
    register: ModeRegister
    datasets: DatasetRegister
    models: ModelFiles
    repository: Repository
    signed: Releases
    publisher: Publisher
    rollouts: RolloutDriver
    metrics: CloudMetrics
    classes: ClassRegister
    checks: ReportChecks
    disk: DiskAlarm
    retention: DatabaseRetention
    integrations: Integrations
    histories: HistoryStores
    stopping: Callable[[], bool] = lambda: False

    def check_disk(self) -> None:
        """Measure the disk of the data folder."""
        self.disk.check()
        self.metrics.disk_free_bytes.set(self.disk.free_bytes)


def campaign_stages(parts: CloudParts) -> StageTable:
    """The stages of this cloud's campaigns."""
    settings = parts.settings
    return stage_table(
        ImageStages(
            data=settings.data,
            settings=settings.synthesis,
            evaluation=settings.evaluation,
            register=parts.register,
            datasets=parts.datasets,
            models=parts.models,
            store=parts.campaign_rows,
        ),
        ModelStages(
            data=settings.data,
            training=settings.training,
            evaluation=settings.evaluation,
            promotion=settings.promotion,
            classes=parts.classes,
            datasets=parts.datasets,
            models=parts.models,
            store=parts.campaign_rows,
            releases=parts.releases,
            publisher=parts.publisher,
            reviews=parts.histories.reviews,
        ),
        EdgeStages(
            settings=settings.campaign,
            promotion=settings.promotion,
            canary_sites=settings.rollout.canary_sites,
            register=parts.register,
            reports=parts.reports,
            store=parts.campaign_rows,
            releases=parts.releases,
            publisher=parts.publisher,
            rollouts=parts.rollouts,
        ),
    )


def campaign_requirements(parts: CloudParts) -> PlanRequirements:
    """What plans are checked against before a campaign starts."""
    return CampaignRequirements(
        parts.settings, parts.register, parts.datasets, parts.models, parts.reports
    ).of


def starting_models(parts: CloudParts) -> None:
    """Release the configured or shipped starting detector and teacher, where the fleet has none."""
    settings = parts.settings
    starting = settings.starting_weights or shipped(STARTING_WEIGHTS)
    if starting is not None and parts.releases.current_service() is None:
        copy = settings.folder.models / "starting.safetensors"
        starting = described(starting, parts.classes.taxonomy, copy)
    for role, weights in (
        (Role.DETECTOR, starting),
        (Role.TEACHER, settings.teacher_weights or shipped(TEACHER_WEIGHTS)),
    ):
        release_first_model(
            weights,
            releases=parts.releases,
            models=parts.models,
            publisher=parts.publisher,
            role=role,
            stopping=parts.stopping,
        )


def build_parts(
    settings: CloudSettings,
    database: Database,
    hub: Hub,
    loop: asyncio.AbstractEventLoop,
    stop: asyncio.Event,
) -> CloudParts:
    """The parts of a cloud on an open database and a hub; `loop` runs what other threads publish."""
    classes, metrics = ClassRegister(settings), CloudMetrics()
    reports = ReportStore(database, subscriptions_of(settings))
    rows, releases = CampaignStore(database), ReleaseStore(database)
    repository = Repository(settings.folder.releases)
    signed = Releases(
        repository,
        hub.blobs,
        put_metadata=hub.metadata.put_named,
        put_order=lambda key, envelope: hub.bus.put_latest(ORDERS, key, envelope),
        gate=PromotionGate(rows),
    )
    publisher = Publisher(loop, signed, hub.bus)
    return CloudParts(
        settings=settings,
        reports=reports,
        receipts=ReceiptStore(database),
        ledgers=LedgerStore(database),
        campaign_rows=rows,
        releases=releases,
        register=ModeRegister(
            reports, ModeStore(database), releases, settings.failure_modes, lambda: classes.taxonomy
        ),
        datasets=DatasetRegister(settings.folder.datasets),
        models=ModelFiles(settings.folder.models, settings.evaluation.providers),
        repository=repository,
        signed=signed,
        publisher=publisher,
        rollouts=RolloutDriver(reports, releases, publisher, settings.rollout),
        metrics=metrics,
        classes=classes,
        checks=ReportChecks(
            reports,
            releases,
            lambda: classes.taxonomy,
            max_age_s=settings.intake.max_age_days * _DAY_S,
        ),
        disk=DiskAlarm(settings.folder.root),
        retention=DatabaseRetention(
            RetentionStore(database), settings.retention, metrics, stopping=stop.is_set
        ),
        integrations=Integrations(settings, DeliveryStore(database), metrics, hub.mqtt),
        histories=HistoryStores.of(database),
        stopping=stop.is_set,
    )
