"""The ten stages of a campaign, in order: which function runs each, and which type it returns."""

from cloud.campaigns.edge_stages import EdgeStages
from cloud.campaigns.image_stages import ImageStages
from cloud.campaigns.model_stages import ModelStages
from cloud.campaigns.outputs import (
    EvaluateOutput,
    FilterOutput,
    PlanOutput,
    RollOutOutput,
    ServiceOutput,
    ShadowOutput,
    SynthesiseOutput,
    TrainOutput,
    TrialOutput,
    VerifyOutput,
)
from cloud.campaigns.stage import Stage, StageTable
from cloud.store.records import CampaignStage


def stage_table(images: ImageStages, models: ModelStages, edge: EdgeStages) -> StageTable:
    """The stages as a deployment runs them."""
    return {
        CampaignStage.PLAN: Stage(images.plan, PlanOutput),
        CampaignStage.SYNTHESISE: Stage(images.synthesise, SynthesiseOutput),
        CampaignStage.FILTER: Stage(images.filter, FilterOutput),
        CampaignStage.TRAIN: Stage(models.train, TrainOutput),
        CampaignStage.EVALUATE: Stage(models.evaluate, EvaluateOutput),
        CampaignStage.TRIAL: Stage(models.trial, TrialOutput),
        CampaignStage.SHADOW: Stage(edge.shadow, ShadowOutput),
        CampaignStage.SERVICE: Stage(edge.service, ServiceOutput),
        CampaignStage.ROLL_OUT: Stage(edge.roll_out, RollOutOutput),
        CampaignStage.VERIFY: Stage(edge.verify, VerifyOutput),
    }
