"""The live view of a node as a program, with a camera that is a video file."""

from pathlib import Path

import httpx
import pytest

from edge.vision.image_files import decode_image
from tests.support.trouble.node_folder import NodeFolder, run_edge
from tests.support.trouble.odd_videos import plain_video
from tests.support.waiting import wait_until

TOKEN = "a-token-of-the-live-view"


def test_a_running_node_shows_its_camera_to_whoever_has_the_token_and_stores_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, secret = NodeFolder(tmp_path / "site"), tmp_path / "token"
    secret.write_text(f"{TOKEN}\n")
    monkeypatch.setenv("LIVE_TOKEN_FILE", str(secret))
    node.sign_model()
    video = plain_video(tmp_path / "street.mp4", 30)
    node.write_config(
        cameras=[{"name": "yard", "source": str(video), "loop": True}], live_view={"token": "${LIVE_TOKEN}"}
    )
    with node.running(), httpx.Client(base_url=f"http://127.0.0.1:{node.port}", trust_env=False) as client:
        wait_until(lambda: node.frames() > 0, 60.0)
        assert client.get("/live/yard.jpg").status_code == 401
        client.auth = ("", TOKEN)
        answer = client.get("/live/yard.jpg", timeout=30.0)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
        assert decode_image(answer.content, "the image").shape == (48, 64, 3)
        assert "The camera gives frames." in client.get("/live/yard").text
        metrics = client.get("/metrics").text
        assert 'blindspot_edge_live_images_total{camera="yard"} 1.0' in metrics
    log = node.log.read_text()
    assert f"the live view is at http://127.0.0.1:{node.port}/live" in log
    assert TOKEN not in log
    files = [path for path in node.data.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if b"\xff\xd8\xff" in path.read_bytes()]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"live_view": {"token": "${LIVE_TOKEN}"}}, "${LIVE_TOKEN} is not set; export LIVE_TOKEN or"),
        (
            {"live_view": {"token": "secret"}},
            "live_view.token: it has 6 characters; give a random one of at least 20",
        ),
        ({"live_view": {"token": TOKEN}, "page_port": None}, "live_view needs a page_port, on which it is"),
        ({"live_view": True}, "live_view: expected a section"),
    ],
)
def test_a_live_view_that_cannot_be_protected_is_one_sentence(
    tmp_path: Path, changes: dict[str, object], sentence: str
) -> None:
    node = NodeFolder(tmp_path / "site")
    done = run_edge("run", "-c", node.write_config(**changes))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert sentence in done.stderr


def test_the_printed_configuration_does_not_show_the_token(tmp_path: Path) -> None:
    node = NodeFolder(tmp_path / "site")
    done = run_edge("config", "show", "-c", node.write_config(live_view={"token": TOKEN}))
    assert done.returncode == 0, done.stderr
    assert "live_view" in done.stdout
    assert TOKEN not in done.stdout
