"""The real stages of a campaign, put together from the rooms that do the work."""

from dataclasses import dataclass

from cloud.campaigns import edge_stages, image_stages, model_stages
from cloud.campaigns.services import Parts
from cloud.campaigns.stage import StageResult, StageWork


@dataclass(frozen=True)
class CampaignWork:
    """Implements `cloud.campaigns.stage.Stages` on the parts of a running cloud."""

    parts: Parts

    def plan(self, work: StageWork) -> StageResult:
        """Failure modes -> synthesis orders."""
        return image_stages.plan(self.parts, work)

    def synthesise(self, work: StageWork) -> StageResult:
        """Orders -> painted images."""
        return image_stages.synthesise(self.parts, work)

    def filter(self, work: StageWork) -> StageResult:
        """Painted images -> labelled sets."""
        return image_stages.filter_(self.parts, work)

    def train(self, work: StageWork) -> StageResult:
        """Labelled sets and replay -> weights and a bundle."""
        return model_stages.train(self.parts, work)

    def evaluate(self, work: StageWork) -> StageResult:
        """Candidate and incumbent on the cloud's holdout."""
        return model_stages.evaluate_both(self.parts, work)

    def trial(self, work: StageWork) -> StageResult:
        """The first verdict; signs a release that may run in shadow."""
        return model_stages.trial(self.parts, work)

    def shadow(self, work: StageWork) -> StageResult:
        """Shadow runs at the canary sites."""
        return edge_stages.shadow(self.parts, work)

    def service(self, work: StageWork) -> StageResult:
        """The second verdict; signs a release that may serve."""
        return edge_stages.service(self.parts, work)

    def roll_out(self, work: StageWork) -> StageResult:
        """Canary, share, all."""
        return edge_stages.roll_out(self.parts, work)

    def verify(self, work: StageWork) -> StageResult:
        """Has the edge itself seen the failure modes close?"""
        return edge_stages.verify(self.parts, work)
