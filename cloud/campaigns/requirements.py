"""What the stages of a campaign need, checked when it is planned: hours before a stage would miss it.

Reads folders, the register and the store; changes nothing and loads no pixels. A requirement that is `needed`
and not met refuses the start; any other one is shown with the plan.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from cloud.campaigns.planning import class_of_mode, images_of
from cloud.data.datasets import DatasetRegister
from cloud.data.labelled_images import list_labelled
from cloud.data.roles import DataRole
from cloud.detector.model_files import ModelFiles
from cloud.errors import CampaignRefused
from cloud.failure_modes.register import ModeRegister
from cloud.failure_modes.rules import cannot_close
from cloud.settings import CloudSettings
from cloud.starting_detector import shipped_judge
from cloud.store.records import CampaignPlan, CampaignStage
from cloud.store.report_store import ReportStore
from messaging.errors import BlindspotError
from messaging.runtime.start_checks import disk_space, opened
from messaging.taxonomy import Light
from synth.generation.inspection import inspected_generator
from synth.planning.prompts import GENERATOR_PHRASES

_BYTES_PER_IMAGE = 600_000  # one image of 640 x 360 with its thumbnail, its empty twin and the journal
_BYTES_OF_MODELS = 512 * 2**20
_REPORTING_S = 180


@dataclass(frozen=True)
class Requirement:
    """One thing that a stage needs. `detail` is what was found, or what is missing and the remedy."""

    stage: CampaignStage
    name: str
    met: bool
    detail: str
    needed: bool = True


PlanRequirements = Callable[[CampaignPlan], tuple[Requirement, ...]]


def refuse_unmet(requirements: Iterable[Requirement]) -> None:
    """Raise `CampaignRefused` with everything that is needed and missing."""
    missing = [one for one in requirements if one.needed and not one.met]
    if missing:
        raise CampaignRefused("; ".join(f"{one.stage} needs {one.name}: {one.detail}" for one in missing))


@dataclass(frozen=True)
class CampaignRequirements:
    """Checks plans against what this cloud has."""

    settings: CloudSettings
    register: ModeRegister
    datasets: DatasetRegister
    models: ModelFiles
    reports: ReportStore
    clock: Callable[[], float] = time.time

    def of(self, plan: CampaignPlan) -> tuple[Requirement, ...]:
        """What the stages of this plan need, in the order of the stages."""
        return tuple(self._all(plan))

    def _all(self, plan: CampaignPlan) -> Iterator[Requirement]:
        yield from self._site_shares(plan)
        yield self._incumbent(plan)
        yield self._generator()
        yield from self._words(plan)
        yield self._reference()
        yield self._backgrounds(plan)
        yield self._disk_space(plan)
        yield self._data(
            CampaignStage.TRAIN,
            DataRole.REPLAY,
            "training on new data alone destroys old classes",
            needed=True,
        )
        yield self._data(
            CampaignStage.TRAIN, DataRole.CALIBRATION, "thresholds stay the incumbent's", needed=False
        )
        yield self._data(
            CampaignStage.EVALUATE, DataRole.HOLDOUT, "a candidate cannot be evaluated", needed=True
        )
        yield from self._covered(plan)
        yield from self._new_classes(plan)
        yield self._sites()
        yield self._independent_source()

    def _site_shares(self, plan: CampaignPlan) -> Iterator[Requirement]:
        """Modes that too few sites of a large fleet report to get all images."""
        for mode in (self.register.mode_to_generate(name) for name in plan.modes):
            if mode.images_fraction < 1.0:
                detail = f"{len(mode.sites)} report it: {images_of(mode, plan)} of {plan.count} images"
                yield Requirement(CampaignStage.PLAN, f"sites for {mode.key.id}", False, detail, needed=False)

    def _incumbent(self, plan: CampaignPlan) -> Requirement:
        digest, stage, name = plan.incumbent_digest, CampaignStage.SYNTHESISE, "a model in service"
        if digest is None:
            return Requirement(
                stage, name, False, "no model is in service; release a starting detector first"
            )
        try:
            self.models.bundle(digest)
            self.models.weights(digest)
        except BlindspotError as error:
            return Requirement(stage, name, False, str(error))
        return Requirement(stage, name, True, digest[:12])

    def _generator(self) -> Requirement:
        wanted = self.settings.synthesis
        found = opened("a generator", lambda: inspected_generator(wanted.generator, wanted.options))
        return Requirement(CampaignStage.SYNTHESISE, found.name, found.ok, found.detail)

    def _words(self, plan: CampaignPlan) -> Iterator[Requirement]:
        """The bundled generator was trained on a closed vocabulary; what others know cannot be asked."""
        if self.settings.synthesis.generator is not None:
            return
        for name in self._generated(plan):
            words = self.register.taxonomy.hazard(name).words
            unknown = [phrase for phrase in words if phrase not in GENERATOR_PHRASES]
            detail = ", ".join(words)
            if unknown:
                detail = (
                    f"the bundled generator was not trained on {', '.join(map(repr, unknown))}; set "
                    "synthesis.generator to a Stable Diffusion inpainting model"
                )
            yield Requirement(CampaignStage.SYNTHESISE, f"words for {name}", not unknown, detail)

    def _generated(self, plan: CampaignPlan) -> list[str]:
        modes = [self.register.mode_to_generate(name) for name in plan.modes]
        return sorted({class_of_mode(mode, self.register) for mode in modes})

    def _new_classes(self, plan: CampaignPlan) -> Iterator[Requirement]:
        """What is not known about a class that the model in service lacks."""
        known = self.register.detected_classes(plan.incumbent_digest)
        for name in self._generated(plan):
            if known and name not in known:
                yield Requirement(
                    CampaignStage.EVALUATE,
                    f"a model that knows {name}",
                    False,
                    "none: the detector gets a new output; its recall has nothing to compare with, and no "
                    "judge or teacher confirms it unless theirs have the class",
                    needed=False,
                )

    def _reference(self) -> Requirement:
        path = self.settings.synthesis.reference_weights or shipped_judge()
        stage, name = CampaignStage.SYNTHESISE, "a reference detector"
        if path is None:
            remedy = (
                "none is installed, so no second model confirms a generated hazard; set reference_weights"
            )
            return Requirement(stage, name, False, remedy, needed=False)
        missing = f"{path} does not exist; correct synthesis.reference_weights"
        return Requirement(stage, name, path.is_file(), path.name if path.is_file() else missing)

    def _backgrounds(self, plan: CampaignPlan) -> Requirement:
        """Without backgrounds streets are drawn; with some, each light of the plan needs one."""
        stage, name, folder = CampaignStage.SYNTHESISE, "backgrounds", self.datasets.backgrounds
        if folder is None:
            detail = "none, so streets are drawn; add images of your own streets"
            return Requirement(stage, name, False, detail, needed=False)
        lights = Counter(file.condition.light for file in list_labelled(folder))
        wanted = {self.register.mode(mode).key.condition.light for mode in plan.modes} - {Light.UNKNOWN}
        dark = sorted(light for light in wanted if not lights[light] and not lights[Light.UNKNOWN])
        if dark:
            detail = (
                f"none of the {lights.total()} images was taken at {' or '.join(dark)}; add some with "
                "`blindspot data add FOLDER --role background`, or remove these, so that streets are drawn"
            )
            return Requirement(stage, name, False, detail)
        return Requirement(stage, name, True, f"{lights.total()} images")

    def _disk_space(self, plan: CampaignPlan) -> Requirement:
        wanted = _BYTES_OF_MODELS + int(
            len(plan.modes) * plan.count * _BYTES_PER_IMAGE * self.settings.synthesis.budget_factor
        )
        found = disk_space("space on disk", self.settings.data, min_bytes=wanted)
        return Requirement(CampaignStage.SYNTHESISE, found.name, found.ok, found.detail)

    def _data(self, stage: CampaignStage, role: DataRole, without: str, *, needed: bool) -> Requirement:
        roles = (DataRole.REPLAY, DataRole.BASE) if role is DataRole.REPLAY else (role,)
        number = sum(self.datasets.images(one) for one in roles)
        remedy = f"there is none, and {without}; add some with `blindspot data add FOLDER --role {role}`"
        return Requirement(
            stage, f"{role} data", number > 0, f"{number} images" if number else remedy, needed=needed
        )

    def _covered(self, plan: CampaignPlan) -> Iterator[Requirement]:
        """Whether the holdout holds the hazards that the campaign is for."""
        files = [f for folder in self.datasets.folders(DataRole.HOLDOUT) for f in list_labelled(folder)]
        for mode in (self.register.mode_to_generate(name) for name in plan.modes):
            class_name = class_of_mode(mode, self.register)
            condition = mode.key.condition
            number = sum(
                any(box.class_name == class_name for box in file.boxes)
                for file in files
                if file.condition == condition
            )
            detail = (
                f"{number} images" if number else "none: the holdout cannot show whether the mode improves"
            )
            name = f"holdout images of {class_name}, {condition.key}"
            yield Requirement(CampaignStage.EVALUATE, name, number > 0, detail, needed=False)

    def _sites(self) -> Requirement:
        since = self.clock() - _REPORTING_S
        reporting = [beat.site for beat in self.reports.heartbeats() if beat.heartbeat.at_utc >= since]
        detail = ", ".join(reporting) or f"no site has reported in the last {_REPORTING_S} s; start its node"
        return Requirement(CampaignStage.SHADOW, "a site that reports", bool(reporting), detail, needed=False)

    def _independent_source(self) -> Requirement:
        counts = self.reports.recall_counts()
        supported = sum(count.supported for count in counts)
        beats = self.reports.heartbeats()
        unable = [f"{beat.site} ({why})" for beat in beats if (why := cannot_close(beat.heartbeat))]
        detail = f"{supported} supported tracks" if supported else "no site has reported a supported track"
        if unable:
            detail += f"; sites that cannot close failure modes: {', '.join(unable)}"
        return Requirement(CampaignStage.VERIFY, "an independent source", supported > 0, detail, needed=False)
