"""The stages that depend on reports of sites, with scripted sites: promoted, refused, rolled back, closed."""

from pathlib import Path

import pytest

from cloud.api.client import RemoteCloud
from cloud.settings import CampaignSettings, RolloutSettings, TriggerRule
from cloud.store.database import open_database
from cloud.store.release_store import ReleaseStore
from messaging.access_resources import AuditResource
from messaging.blobs import digest_of
from messaging.release_resources import RolloutResource
from messaging.releases import Channel
from messaging.reports import SwapOutcome
from messaging.resources import CampaignRequest, CampaignResource, FailureModeResource
from messaging.runtime.quoting import sqlite_url
from tests.support.cloud.running_cloud import RunningCloud, SiteScript, running_cloud
from tests.support.cloud.sample_reports import MODE, misdetection, tally
from tests.support.cloud.trigger_decisions import CountedDecisions
from tests.support.edge_campaigns import (
    CANDIDATE,
    HERE,
    SITES,
    real_edge_stages,
    settings,
    with_evidence,
)
from tests.support.waiting import wait_until


def begun(client: RemoteCloud) -> CampaignResource:
    request = CampaignRequest(modes=(MODE,), count=3)
    return client.send("POST", "campaigns", CampaignResource, request)


def run_campaign(cloud: RunningCloud) -> CampaignResource:
    with cloud.client() as client:
        *_, last = client.watch(begun(client).id)
        return last


def begun_to_shadow(cloud: RunningCloud, client: RemoteCloud) -> CampaignResource:
    """A campaign whose candidate has been ordered to the canary."""
    started = begun(client)
    wait_until(lambda: orders_of(cloud, "harbour")[-1] == (Channel.TRIAL, digest_of(CANDIDATE)))
    return started


def mode_status(cloud: RunningCloud) -> str:
    with cloud.client() as client:
        return client.get(f"failure-modes/{MODE}", FailureModeResource).status


def rollout(cloud: RunningCloud, campaign: str) -> RolloutResource:
    with cloud.client() as client:
        return client.get(f"rollouts/{campaign}-service", RolloutResource)


def test_a_better_candidate_goes_through_shadow_to_all_sites_and_the_mode_closes(tmp_path: Path) -> None:
    with running_cloud(settings(tmp_path), real_edge_stages, sites=SITES) as cloud:
        with_evidence(cloud)
        done = run_campaign(cloud)
        assert (done.state, done.reason) == ("done", "")
        assert {site.model for site in cloud.sites.values()} == {digest_of(CANDIDATE)}
        trials = [n for n, s in cloud.sites.items() if any(o.channel is Channel.TRIAL for o in s.orders)]
        assert trials == ["harbour"], "only the canary runs it in shadow"
        assert rollout(cloud, done.id).phase == "done"
        metrics = {stage.stage: stage.metrics for stage in done.stages}
        assert metrics["verify"][MODE]["status"] == "closed"
        assert metrics["verify"][MODE]["recall"]["supported"] == 120
        assert metrics["shadow"]["outcome"] == "pass"
        assert mode_status(cloud) == "closed"


def test_what_a_campaign_signs_is_in_the_audit_log_by_its_name(tmp_path: Path) -> None:
    with running_cloud(settings(tmp_path), real_edge_stages, sites=SITES) as cloud:
        with_evidence(cloud)
        done = run_campaign(cloud)
        with cloud.client() as client:
            service, trial = client.page("audit", AuditResource, object=f"model {digest_of(CANDIDATE)[:12]}")
    assert {service.user, trial.user} == {f"campaign {done.id}"}
    assert (trial.action, service.action) == ("sign for trial", "sign for service")
    assert trial.before is None
    assert service.before == trial.after
    assert service.after is not None
    assert (service.after["channel"], service.after["name"]) == ("service", "candidate")


def test_a_candidate_that_is_worse_in_shadow_is_never_put_in_service(tmp_path: Path) -> None:
    script = SiteScript(incumbent_detected=30, candidate_detected=2)
    with running_cloud(settings(tmp_path), real_edge_stages, sites=SITES, script=script) as cloud:
        with_evidence(cloud)
        ended = run_campaign(cloud)
        assert ended.state == "rejected"
        assert "worse in shadow" in ended.reason
        wait_until(lambda: cloud.sites["harbour"].orders[-1].digest == HERE)
        assert {site.model for site in cloud.sites.values()} == {HERE}
        assert mode_status(cloud) == "open"


def orders_of(cloud: RunningCloud, site: str) -> list[tuple[Channel, str]]:
    return [(order.channel, order.digest) for order in cloud.sites[site].orders]


def test_a_shadow_run_that_halts_is_ended_at_every_canary(tmp_path: Path) -> None:
    script = SiteScript(shadow=SwapOutcome.REFUSED)
    canaries = RolloutSettings(canary_sites=2)
    with running_cloud(
        settings(tmp_path, rollout=canaries), real_edge_stages, sites=SITES, script=script
    ) as cloud:
        with_evidence(cloud)
        ended = run_campaign(cloud)
        assert ended.reason.startswith("the shadow run halted")
        for site in ("harbour", "quay"):
            wait_until(lambda site=site: orders_of(cloud, site)[-1] == (Channel.SERVICE, HERE))


def test_cancelling_a_campaign_in_shadow_ends_the_run_and_a_resume_begins_another(tmp_path: Path) -> None:
    script = SiteScript(tracks_in_shadow=2, incumbent_detected=1, candidate_detected=2)
    with running_cloud(settings(tmp_path), real_edge_stages, sites=SITES, script=script) as cloud:
        with_evidence(cloud)
        with cloud.client() as client:
            started = begun_to_shadow(cloud, client)
            client.send("POST", f"campaigns/{started.id}/cancel", CampaignResource)
            wait_until(lambda: orders_of(cloud, "harbour")[-1] == (Channel.SERVICE, HERE))
            *_, last = client.watch(started.id)
            assert last.state == "cancelled"
            script.tracks_in_shadow, script.incumbent_detected, script.candidate_detected = 40, 10, 38
            client.send("POST", f"campaigns/{started.id}/resume", CampaignResource)
            *_, last = client.watch(started.id)
            assert (last.state, last.reason) == ("done", "")


def test_a_restart_of_the_cloud_lets_the_shadow_run_continue(tmp_path: Path) -> None:
    script = SiteScript(tracks_in_shadow=2, incumbent_detected=1, candidate_detected=2)
    with running_cloud(settings(tmp_path), real_edge_stages, sites=SITES, script=script) as cloud:
        with_evidence(cloud)
        with cloud.client() as client:
            begun_to_shadow(cloud, client)
    database = open_database(sqlite_url(cloud.settings.folder.store))
    assert ReleaseStore(database).last_orders()["harbour"].channel == Channel.TRIAL
    database.close()


def test_a_model_that_the_canary_rolls_back_is_ordered_to_no_other_site(tmp_path: Path) -> None:
    script = SiteScript(install=SwapOutcome.ROLLED_BACK)
    with running_cloud(settings(tmp_path), real_edge_stages, sites=SITES, script=script) as cloud:
        with_evidence(cloud)
        ended = run_campaign(cloud)
        assert ended.state == "rejected"
        assert "rolled_back" in ended.reason
        assert {site.model for site in cloud.sites.values()} == {HERE}
        ordered = [n for n, s in cloud.sites.items() if digest_of(CANDIDATE) in {o.digest for o in s.orders}]
        assert ordered == ["harbour"]
        assert cloud.parts is not None
        assert cloud.parts.register.main_model() == HERE, "a model that was rolled back is no incumbent"


def test_too_few_tracks_after_the_swap_leave_the_mode_waiting(tmp_path: Path) -> None:
    chosen = settings(tmp_path, campaign=CampaignSettings(verify_deadline_s=0.5, poll_s=0.1))
    with running_cloud(chosen, real_edge_stages, sites=SITES, script=SiteScript(tracks_after=2)) as cloud:
        with_evidence(cloud)
        done = run_campaign(cloud)
        assert done.state == "done"
        assert mode_status(cloud) == "waiting"
        cloud.report("quay", tally(model_digest=digest_of(CANDIDATE), supported=50, detected=49))
        wait_until(lambda: mode_status(cloud) == "closed")
        bad = [misdetection(model_digest=digest_of(CANDIDATE)) for _ in range(60)]
        cloud.report("quay", *bad, tally(model_digest=digest_of(CANDIDATE), supported=60, detected=0))
        wait_until(lambda: mode_status(cloud) == "reopened")


def test_a_rule_starts_a_campaign_in_a_running_cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decisions = CountedDecisions(monkeypatch)
    rule = TriggerRule(name="potholes", min_count=20, min_sites=2, window_hours=1e6, needs_approval=False)
    chosen = settings(tmp_path, triggers=(rule,))
    with running_cloud(chosen, real_edge_stages, sites=SITES) as cloud:
        with_evidence(cloud)
        with cloud.client() as client:
            wait_until(lambda: len(client.page("campaigns", CampaignResource)) == 1)
            (campaign,) = client.page("campaigns", CampaignResource)
            assert (campaign.started_by, campaign.modes) == ("rule:potholes", (MODE,))
            *_, last = client.watch(campaign.id)
            assert last.state == "done"
            decisions.wait_for_more()
            assert len(client.page("campaigns", CampaignResource)) == 1, (
                "the mode is closed, and the cool-down of the rule is not over"
            )
