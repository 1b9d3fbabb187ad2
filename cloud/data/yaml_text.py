"""YAML that describes data, as plain values; anything that is not clear is one sentence."""

from typing import Any

import yaml

from messaging.errors import ConfigurationError, FileFault
from messaging.runtime.yaml_trees import UNTRANSLATED, refuse_unclear_yaml


def parse_yaml(text: str, origin: str) -> Any:
    """The values of a YAML text. Raises `FileFault`, also for repeated keys; `origin` begins the sentence."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is None:
            return None
        refuse_unclear_yaml(node, origin)
        return yaml.safe_load(text)
    except ConfigurationError as error:
        raise FileFault(str(error)) from None
    except (yaml.YAMLError, *UNTRANSLATED) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        reason = getattr(error, "problem", None) or " ".join(str(error).split())[:80]
        raise FileFault(f"{origin}{line}: not valid YAML ({reason}); correct it") from None
