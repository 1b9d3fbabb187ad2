"""Load what ships in the package, from wherever it was installed: `python shipped.py CHECKOUT` elsewhere."""

import sys
from pathlib import Path

import cloud
from cloud.detector.weights import read_weights
from cloud.starting_detector import REFERENCE_WEIGHTS, STARTING_WEIGHTS
from cloud.store.database import open_database
from messaging.runtime.quoting import sqlite_url
from synth.generation.model_folder import BUNDLED_FOLDER
from synth.generation.stable_diffusion import DiffusionGenerator

assert not Path(cloud.__file__).is_relative_to(sys.argv[1]), "this is the checkout, not the installed wheel"
digests = {read_weights(path).digest for path in (STARTING_WEIGHTS, REFERENCE_WEIGHTS)}
assert len(digests) == 2, "the starting detector and the reference detector are the same"
open_database(sqlite_url(Path("shipped.sqlite"))).close()
generator = DiffusionGenerator.from_folder(BUNDLED_FOLDER)
space = read_weights(STARTING_WEIGHTS).embedding_digest
assert generator.prototype_space == space, "the generator cannot use the starting detector's prototypes"
sys.stdout.write(f"loaded: both detectors, the migrations, the generator ({generator.patch_px} px)\n")
