"""The folder of a new site as `blindspot sites add --out` makes it, without a cloud."""

from collections.abc import Sequence
from pathlib import Path

from cloud.fleet.hub import Enrolment
from cloud.fleet.site_folder import parse_cameras, write_site_folder


def made_site_folder(folder: Path, *cameras: str, site: str = "harbour") -> Path:
    """The site's folder below `folder`, with cameras given as `NAME=SOURCE`."""
    enrolment = Enrolment(
        site, *(folder / name for name in ("some.creds", "some.json", "some.pem", "ca.pem"))
    )
    for path in enrolment.files:
        path.write_text("{}")
    made = folder / site
    write_site_folder(made, enrolment, "tls://hub:4222", parse_cameras(cameras), broker_port=4222)
    return made


def uncommented(lines: Sequence[str], example: str) -> str:
    """A file's text with the example, which is a comment, in effect."""
    found = [line for line in lines if line.strip() == f"# {example}"]
    assert len(found) == 1, f"{example!r} is in {len(found)} comments"
    return "\n".join(line.replace("# ", "") if line in found else line for line in lines)
