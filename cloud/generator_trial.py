"""What `blindspot generator` does: a contact sheet of the configured generator, and its card.

Opens the generator in this process; no cloud needs to run, and none is disturbed.
"""

from pathlib import Path

from cloud.campaigns.planning import UNOBSERVED_GEOMETRY
from cloud.class_register import ClassRegister
from cloud.data.datasets import DatasetRegister
from cloud.settings import CloudSettings
from messaging.errors import ConfigurationError
from messaging.runtime.atomic_files import write_atomically
from messaging.taxonomy import Condition
from synth.contact_sheet import ContactSheet, contact_sheet
from synth.generation.generated_backgrounds import open_backgrounds
from synth.generation.stable_diffusion import DiffusionGenerator
from synth.order import SynthesisOrder
from synth.planning.vocabulary import SHIPPED_VOCABULARY, read_vocabulary
from synth.speed import images_per_minute


def try_out(
    settings: CloudSettings, class_name: str, condition: str, *, count: int, seed: int, sheet: Path
) -> ContactSheet:
    """Write the contact sheet of `count` hazards to the PNG file `sheet`.

    Raises `ConfigurationError` for an unknown class or condition, and `SynthesisError`.
    """
    classes = ClassRegister(settings).taxonomy
    classes.index(class_name)
    wanted, weather = settings.synthesis, Condition.parse(condition)
    if sheet.suffix.lower() != ".png":
        raise ConfigurationError(f"--out {sheet} is no PNG file; give a name that ends with .png")
    order = SynthesisOrder(
        order="contact-sheet",
        class_name=class_name,
        light=weather.light,
        weather=weather.weather,
        geometry=UNOBSERVED_GEOMETRY,
        count=count,
        seed=seed,
        patch_budget=100 * count,
        best_of=1,
        sampling=wanted.sampling,
        image_width=wanted.image_width,
        image_height=wanted.image_height,
        classes=classes.classes,
    )
    vocabulary = read_vocabulary(wanted.prompts or SHIPPED_VOCABULARY)
    generator = _opened(settings)
    folder = DatasetRegister(settings.folder.datasets).backgrounds
    backgrounds = open_backgrounds(folder, wanted.streets, generator, vocabulary)
    done = contact_sheet(order, generator, backgrounds, vocabulary)
    write_atomically(sheet, done.png)
    sheet.chmod(0o644)
    return done


def generator_card(settings: CloudSettings, *, measure: bool) -> dict[str, object]:
    """What the generator is, and with `measure` its speed here. Raises `SynthesisError`."""
    generator = _opened(settings)
    rows: dict[str, object] = {
        "name": generator.card.name,
        "licence": generator.card.licence,
        "digest": generator.card.digest,
        **generator.description(),
    }
    if measure:
        rows["images per minute"] = round(images_per_minute(generator), 1)
    return rows


def _opened(settings: CloudSettings) -> DiffusionGenerator:
    wanted = settings.synthesis
    return DiffusionGenerator.from_name(
        wanted.generator,
        licence=wanted.generator_licence,
        sampling=wanted.sampling,
        options=wanted.options,
    )
