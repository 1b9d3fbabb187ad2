"""The composition root of the cloud: everything is built once (see `cloud.parts`), and runs until a stop.

    hub broker -> intake -> store -> failure modes -> triggers -> campaigns -> releases -> rollouts -> API

One process a data folder. Telemetry, auto-install and hub access of every library are off before any of
them is imported. A background task that fails is tried again and shown; without the API the cloud ends.
"""

import asyncio
import logging
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from typing import Any

from cloud.access.accounts import Accounts
from cloud.access.refused_credentials import CredentialRefusal, Interface, RefusedCredentials
from cloud.api.app import build_api
from cloud.api.auth import read_or_make_token
from cloud.api.event_feed import EventFeed
from cloud.api.services import Services
from cloud.api.views import ONLINE_S
from cloud.background import BackgroundTasks
from cloud.campaigns.process_lock import sole_process
from cloud.campaigns.requirements import PlanRequirements
from cloud.campaigns.stage import StageTable
from cloud.campaigns.triggers import Triggers
from cloud.campaigns.workflow import Campaigns
from cloud.doctor import named_checks, secret_files, start_checks
from cloud.errors import StageInterrupted
from cloud.failure_modes.automatic_quarantine import AutomaticQuarantine
from cloud.failure_modes.verdict_requests import VerdictRequests
from cloud.fleet.dead_letters import DeadLetters
from cloud.fleet.heartbeats import HeartbeatIntake
from cloud.fleet.hub import Hub, embedded_hub
from cloud.fleet.hub_contents import HubContents
from cloud.fleet.hub_retention import HubRetention
from cloud.fleet.intake import Intake
from cloud.fleet.receipt_writer import CheckpointIntake, ReceiptWriter
from cloud.fleet.restored import continue_above_hub
from cloud.fleet.rollout_driver import CLOUD
from cloud.fleet.teachers import TeacherReleases
from cloud.generator_samples import GeneratorSamples
from cloud.parts import CloudParts, build_parts, campaign_requirements, campaign_stages, starting_models
from cloud.server_certificate import CertificateRenewal, api_address, api_context
from cloud.settings import CloudSettings
from cloud.store.access_records import AuditEntry
from cloud.store.audit_store import AuditStore
from cloud.store.database import Database, open_database
from cloud.store.history.change_marks import ChangeMarks
from cloud.store.report_store import ReportStore
from cloud.store.user_store import UserStore
from cloud.tracing import Spans, spans_of
from messaging.errors import ConfigurationError
from messaging.nats.refused_connections import RefusedConnection
from messaging.runtime.atomic_files import write_atomically
from messaging.runtime.http_server import listening_socket, serve
from messaging.runtime.start_checks import require, warn_of_readable
from messaging.trust.signing import Repository

logger = logging.getLogger(__name__)

EVENT_LOOP_PAUSE_S = 1.0
TIMESTAMP_EVERY_S = 6 * 3600.0
RENEWALS_EVERY_S = 3600.0
DISK_EVERY_S = 2.0
CAMPAIGNS_EVERY_S = 10.0
HUB_CONTENTS_EVERY_S = 30.0
RETENTION_EVERY_S = 3600.0
HUB_RETENTION_EVERY_S = 3.0

OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


async def run_cloud(
    settings: CloudSettings,
    stop: asyncio.Event,
    *,
    hub: Hub | None = None,
    stages: Callable[[CloudParts], StageTable] = campaign_stages,
    requirements: Callable[[CloudParts], PlanRequirements] = campaign_requirements,
    first_models: Callable[[CloudParts], None] = starting_models,
    started: Callable[[str], None] = lambda _: None,
) -> None:
    """Run the cloud until `stop` is set; `started` gets the address of the API once it answers.

    Args:
        settings: the configuration.
        stop: set it to end the cloud.
        hub: an existing hub; by default one is embedded.
        stages: makes the stages of campaigns.
        requirements: makes the check of a plan before its campaign starts.
        first_models: releases the detector and the teacher that a new fleet begins with.
        started: called once.

    Raises:
        AlreadyRunning: another process holds the data folder.
        StartRefused: something that the configuration names is not usable; the sentence states what to do.
        StoreUnavailable, ConfigurationError, WireError: what could not be opened, and what to do.
    """
    forbid_hub_access(settings)
    with sole_process(settings.folder), _checked_database(settings) as database:
        async with AsyncExitStack() as stack:
            if hub is None:
                revoked = ReportStore(database).revoked_sites()
                hub = await stack.enter_async_context(embedded_hub(settings, revoked))
            spans = spans_of(settings.tracing)
            stack.callback(spans.close)
            parts = build_parts(settings, database, hub, asyncio.get_running_loop(), stop)
            campaigns = Campaigns(
                parts.campaign_rows,
                parts.releases,
                stages(parts),
                settings.folder,
                parts.metrics,
                on_begin=parts.register.mark_in_campaign,
                on_end=parts.register.campaign_ended,
                spans=spans,
            )
            await stack.enter_async_context(_launched(campaigns))
            background = BackgroundTasks(stop, on_failure=parts.metrics.note_task_failure)
            services = _services(parts, campaigns, hub, requirements(parts), background, spans, database)
            stack.enter_context(parts.integrations.delivering())
            stack.enter_context(services.samples.generating())
            await _serve(services, parts, hub, background, stop, started, first_models)


def forbid_hub_access(settings: CloudSettings) -> None:
    """Turn access to model hubs off, here and in every process that is started here, unless it is configured.

    Usage data, downloads and installations of libraries are turned off where each is imported.
    """
    if "@" not in (settings.synthesis.generator or ""):
        os.environ.update(OFFLINE)


def _services(
    parts: CloudParts,
    campaigns: Campaigns,
    hub: Hub,
    requirements: PlanRequirements,
    background: BackgroundTasks,
    spans: Spans,
    database: Database,
) -> Services:
    def readiness() -> tuple[str, ...]:
        connected = getattr(hub.bus, "connected", True)
        faults = (None if connected else "the hub broker does not answer", parts.disk.problem, hub.fault())
        found = (*(fault for fault in faults if fault), *background.faults())
        return (*found, *parts.integrations.faults())

    audit = AuditStore(database)
    _note_readable_secrets(parts, audit)
    token = read_or_make_token(parts.settings.folder.token)
    refusals = RefusedCredentials(audit, parts.metrics, time.time)
    return Services(
        settings=parts.settings,
        reports=parts.reports,
        ledgers=parts.ledgers,
        campaign_rows=parts.campaign_rows,
        releases=parts.releases,
        register=parts.register,
        campaigns=campaigns,
        rollouts=parts.rollouts,
        teachers=TeacherReleases(
            parts.releases, parts.publisher, parts.rollouts, lambda: parts.classes.taxonomy
        ),
        datasets=parts.datasets,
        requirements=requirements,
        metrics=parts.metrics,
        classes=parts.classes,
        dead_letters=DeadLetters(parts.reports, parts.checks, parts.metrics),
        tickets=parts.publisher,
        integrations=parts.integrations,
        requests=VerdictRequests(
            parts.reports,
            parts.histories.requests,
            lambda: parts.classes.taxonomy,
            parts.publisher.ask,
            ONLINE_S,
        ),
        samples=GeneratorSamples(
            parts.settings, parts.register, parts.campaign_rows, parts.datasets, time.time
        ),
        readiness=readiness,
        spans=spans,
        accounts=Accounts(UserStore(database), token, time.monotonic, refusals.note),
        audit=audit,
        refusals=refusals,
        histories=parts.histories,
        feed=EventFeed(ChangeMarks(database, online_s=ONLINE_S).read),
        enrol_credentials=hub.enrol_site,
        revoke_credentials=hub.revoke_site,
    )


def _note_readable_secrets(parts: CloudParts, audit: AuditStore) -> None:
    """Log, count and audit the secrets that others could read until now; the token's mode is set after this.

    Raises `StoreUnavailable`.
    """
    found = warn_of_readable(secret_files(parts.settings))
    parts.metrics.secrets_readable.set(len(found))
    if found:
        audit.add(
            AuditEntry(
                at_utc=int(time.time()),
                user=CLOUD,
                address="",
                action="start with secrets that others may read",
                object="data folder",
                status=200,
                after={"secrets": list(found)},
            )
        )


async def _serve(
    services: Services,
    parts: CloudParts,
    hub: Hub,
    background: BackgroundTasks,
    stop: asyncio.Event,
    started: Callable[[str], None],
    first_models: Callable[[CloudParts], None],
) -> None:
    """Run every task until a stop is requested, or the API or the first release fails; that is raised."""
    settings = services.settings
    listener = _api_listener(settings)
    api = build_api(services)
    tls, address = api_context(settings), api_address(settings, listener)

    def announce() -> None:
        write_atomically(settings.folder.address, address.to_bytes())
        logger.info("the API is at %s", address.url)
        _name_first_user(services)
        started(address.url)

    await hub.follow_refusals(lambda one: services.refusals.note(_refusal(one)))
    await continue_above_hub(parts.repository, parts.releases, hub)
    await asyncio.to_thread(parts.rollouts.send_again)
    intake, checkpoints = _intake(parts, hub, services)
    contents = HubContents(hub, parts.signed, parts.rollouts, parts.models)
    retention = HubRetention(hub.bus, intake, time.monotonic)
    quarantine = AutomaticQuarantine(intake.impossible, parts.reports, time.time)
    heartbeats = HeartbeatIntake(hub.bus, parts.reports, parts.metrics, parts.ledgers)
    triggers = _triggers(parts, services)
    certificate = CertificateRenewal(settings, hub.take_certificate, tls)
    refresh_s = settings.failure_modes.refresh_s
    tasks: list[Coroutine[Any, Any, None]] = [
        _release_first(first_models, parts),
        background.repeat("intake", 0.0, intake.read_batch),
        background.repeat_in_thread("refused credentials", EVENT_LOOP_PAUSE_S, services.refusals.step),
        background.repeat_in_thread("quarantine", EVENT_LOOP_PAUSE_S, quarantine.step),
        background.repeat_in_thread("disk", DISK_EVERY_S, parts.check_disk),
        background.repeat_in_thread("campaigns", CAMPAIGNS_EVERY_S, services.campaigns.restart_dead),
        background.repeat_in_thread("retention", RETENTION_EVERY_S, parts.retention.step),
        background.repeat("hub retention", HUB_RETENTION_EVERY_S, retention.step),
        background.repeat("hub contents", HUB_CONTENTS_EVERY_S, contents.step),
        background.repeat("checkpoints", EVENT_LOOP_PAUSE_S, checkpoints.step),
        background.repeat("heartbeats", EVENT_LOOP_PAUSE_S, heartbeats.step),
        background.repeat_in_thread("triggers", refresh_s, triggers.apply),
        background.repeat_in_thread("failure modes", refresh_s, parts.register.refresh),
        background.repeat_in_thread("rollouts", EVENT_LOOP_PAUSE_S, parts.rollouts.step_all),
        background.repeat_in_thread("orders", EVENT_LOOP_PAUSE_S, parts.rollouts.order_for_new_sites),
        background.repeat_in_thread("timestamp", TIMESTAMP_EVERY_S, parts.publisher.refresh_timestamp),
        background.repeat("credentials", RENEWALS_EVERY_S, hub.renew_credentials),
        background.repeat_in_thread("certificate", RENEWALS_EVERY_S, certificate.step),
        serve(api, listener, stop, tls=tls, started=announce, force=True, lifespan="off"),
    ]
    try:
        await _until_stopped(tasks, stop)
    finally:
        settings.folder.address.unlink(missing_ok=True)


def _refusal(connection: RefusedConnection) -> CredentialRefusal:
    whom = "hub" if connection.site is None else f"site {connection.site}"
    return CredentialRefusal(Interface.HUB, connection.reason, connection.address, whom)


def _name_first_user(services: Services) -> None:
    """Log how to add the first user, while there is none."""
    if not services.accounts.users():
        logger.warning(
            "there is no user yet, and whoever can read %s administers this cloud; add the first one with "
            "`blindspot users add NAME --role admin --data %s`",
            services.settings.folder.token,
            services.settings.data,
        )


def _intake(parts: CloudParts, hub: Hub, services: Services) -> tuple[Intake, CheckpointIntake]:
    """Intake of reports and of checkpoints; both write receipts, which the director signs."""
    director = Repository(parts.settings.folder.releases).director
    receipts = ReceiptWriter(hub.bus, parts.receipts, parts.ledgers, director)
    checkpoints = CheckpointIntake(hub.bus, parts.ledgers, receipts, parts.metrics)
    known = (hub.bus, parts.reports, parts.metrics, parts.checks, receipts, checkpoints)
    return Intake(*known, spans=services.spans), checkpoints


def _triggers(parts: CloudParts, services: Services) -> Triggers:
    return Triggers(
        rules=parts.settings.triggers,
        synthesis=parts.settings.synthesis,
        register=parts.register,
        store=parts.campaign_rows,
        campaigns=services.campaigns,
        requirements=services.requirements,
        metrics=parts.metrics,
    )


def _api_listener(settings: CloudSettings) -> socket.socket:
    host, port = settings.api.host, settings.api.port
    listener = listening_socket(host, [port])
    if listener is None:
        raise ConfigurationError(
            f"the API cannot listen on {host}:{port}; choose another port with api.port, or 0 for a free one"
        )
    return listener


async def _until_stopped(tasks: list[Coroutine[Any, Any, None]], stop: asyncio.Event) -> None:
    running = [asyncio.create_task(task) for task in tasks]
    try:
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        stop.set()
        await asyncio.wait(running, timeout=10.0)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _release_first(first_models: Callable[[CloudParts], None], parts: CloudParts) -> None:
    with suppress(StageInterrupted):
        await asyncio.to_thread(first_models, parts)


@asynccontextmanager
async def _launched(campaigns: Campaigns) -> AsyncIterator[None]:
    """Launch and end the workflows off the loop: both wait for a database."""
    context = campaigns.launched()
    await asyncio.to_thread(context.__enter__)
    try:
        yield
    finally:
        await asyncio.to_thread(context.__exit__, None, None, None)


@contextmanager
def _checked_database(settings: CloudSettings) -> Iterator[Database]:
    """The store, opened after everything else that the start needs. Raises `StartRefused`."""
    require(start_checks(settings))
    for result in named_checks(settings):
        if not result.ok:
            logger.warning("%s: %s", result.name, result.detail)
    database = open_database(settings.store_url)
    try:
        yield database
    finally:
        database.close()
