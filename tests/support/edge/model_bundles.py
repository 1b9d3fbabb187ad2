"""A detector bundle's description for tests of the edge."""

from messaging.releases import BundleDescription
from messaging.taxonomy import DEFAULT_TAXONOMY


def describe(thresholds: dict[str, float] | None = None, **changes: object) -> BundleDescription:
    """The default classes and thresholds of 0.4, unless given."""
    names = changes.get("class_names", DEFAULT_TAXONOMY.names)
    assert isinstance(names, tuple)
    fields: dict[str, object] = {
        "name": "test",
        "class_names": names,
        "taxonomy_digest": DEFAULT_TAXONOMY.digest,
        "input_width": 320,
        "input_height": 320,
        "thresholds": {n: (thresholds or {}).get(n, 0.4) for n in names},
        "feature_stride": 16,
        "embedding_width": 4,
        "embedding_digest": "e" * 64,
        "clip_norm": 1.5,
        "licence": "AGPL-3.0",
    }
    return BundleDescription.model_validate({**fields, **changes})
