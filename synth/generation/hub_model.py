"""Models of a hub: the files of one commit, fetched into the hub's cache; only this module uses a network.

A commit never changes, so what was fetched once is used without asking the hub again.
"""

from pathlib import Path

from huggingface_hub import HfApi, try_to_load_from_cache
from huggingface_hub.utils.tqdm import disable_progress_bars

from synth.errors import GeneratorUnavailable
from synth.generation.generator_errors import generator_errors
from synth.generation.generator_name import HubName
from synth.generation.model_folder import OPTIONAL_FILES, inspect_folder
from synth.generation.model_parts import INDEX_FILE, PARTS

HUB_TIMEOUT_S = 10.0
_SUFFIXES = (".json", ".txt", ".safetensors")
_TRAINING_ONLY = "non_ema"


def fetch_model(model: HubName) -> Path:
    """The folder of a hub model at a commit, fetched unless it is there already.

    Raises `GeneratorUnavailable`, also when the hub does not respond within `HUB_TIMEOUT_S`.
    """
    model_id, revision = model.model_id, model.commit
    disable_progress_bars()
    with generator_errors(
        f"hub model {model_id!r} at revision {revision} cannot be fetched",
        "download it where there is a network and give its folder instead",
    ):
        folder = _fetched(model_id, revision)
        if folder is not None:
            return folder
        api = HfApi()
        listed = api.model_info(model_id, revision=revision, timeout=HUB_TIMEOUT_S).siblings or []
        names = [entry.rfilename for entry in listed if _is_used(entry.rfilename)]
        if INDEX_FILE not in names:
            raise GeneratorUnavailable(
                f"hub model {model_id!r} at revision {revision} has no {INDEX_FILE}, so it is no pipeline; "
                "give a Stable Diffusion inpainting model"
            )
        places = {
            name: api.hf_hub_download(model_id, name, revision=revision, etag_timeout=HUB_TIMEOUT_S)
            for name in names
        }
    return Path(places[INDEX_FILE]).parent


def _fetched(model_id: str, revision: str) -> Path | None:
    """The folder of an earlier download that is whole."""
    index = try_to_load_from_cache(model_id, INDEX_FILE, revision=revision)
    if not isinstance(index, str):
        return None
    try:
        inspect_folder(Path(index).parent)
    except GeneratorUnavailable:
        return None
    return Path(index).parent


def _is_used(name: str) -> bool:
    """Whether a file of the repository may be a file of a pipeline; pickles and training weights are not."""
    part, _, rest = name.partition("/")
    if not rest:
        return name in (INDEX_FILE, *OPTIONAL_FILES, "README.md")
    return part in [p.name for p in PARTS] and rest.endswith(_SUFFIXES) and _TRAINING_ONLY not in rest
