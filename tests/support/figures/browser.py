"""`python -m tests.support.figures.browser`: one file of what the programs of `make browser` measured.

A figure whose file is missing, damaged or without it is written as not measured, with a sentence on standard
error.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from messaging.figures import Figure
from tests.support.figures.writing import written


@dataclass(frozen=True)
class Source:
    """A file of figures, the program that writes it, and the figures that it must have.

    A required figure may end in the name of a database: `worst_list_p95_ms_sqlite` is `worst_list_p95_ms`.
    """

    file: str
    program: str
    required: tuple[str, ...]


SOURCES = (
    Source("lists.json", "tests.browser.list_figures", ("worst_list_p95_ms", "worst_page_interactive_s")),
    Source("live.json", "tests.browser.live_figures", ("event_to_screen_p95_s",)),
    Source("pages.json", "tests.browser.page_figures", ("first_load_mb", "axe_serious")),
    Source("dialogs.json", "tests.browser.dialog_figures", ("axe_serious_dialogs",)),
    Source("api.json", "tests.faults.api_figures", ("api_fuzz_5xx",)),
    Source("authorisation.json", "tests.support.figures.authorisation", ("authorisation_leaks",)),
    Source("journeys.json", "tests.browser.journey_figures", ("journeys_passed", "campaign_start_clicks")),
)
NAMES = {"api_5xx": "api_fuzz_5xx"}
"""Figures that have another name in the one file."""
DATABASES = ("sqlite", "postgresql")
_FIELDS = tuple(one.name for one in fields(Figure))


def merged(documents: Mapping[str, Mapping[str, Any] | None]) -> tuple[list[Figure], list[str]]:
    """The figures of the files by their names, and a sentence for each that was not measured.

    A document is as `write_figures` wrote it, or None where it cannot be read.
    """
    figures: list[Figure] = []
    sentences: list[str] = []
    for source in SOURCES:
        document = documents.get(source.file)
        found = [] if document is None else [_figure(one) for one in document["figures"]]
        figures += found
        for name in source.required:
            if not any(one.name in _accepted(name) for one in found):
                figures.append(Figure(name, None, "", "= 0"))
                state = "cannot be read" if document is None else "does not have it"
                sentences.append(
                    f"{name} is not measured: {source.file} {state}; run python -m {source.program}"
                )
    return figures, sentences


def read(folder: Path, files: Sequence[str]) -> dict[str, Mapping[str, Any] | None]:
    """The documents of the files in a folder; None for one that is missing or damaged."""
    return {file: _read(folder / file) for file in files}


def _accepted(name: str) -> Iterator[str]:
    yield name
    for database in DATABASES:
        yield f"{name}_{database}"


def _figure(stored: Mapping[str, Any]) -> Figure:
    figure = Figure(**{name: stored[name] for name in _FIELDS})
    return replace(figure, name=NAMES.get(figure.name, figure.name))


def _read(path: Path) -> Mapping[str, Any] | None:
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) and "figures" in document else None


def main() -> int:
    """Entry of the process; exit code 1 if a figure is missing or misses its target."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.figures.browser", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    figures, sentences = merged(read(given.folder, [source.file for source in SOURCES]))
    for sentence in sentences:
        sys.stderr.write(f"{sentence}\n")
    return written(given.out, figures, "make browser")


if __name__ == "__main__":
    sys.exit(main())
