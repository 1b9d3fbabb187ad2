"""The live view: frames for whoever looks and has the token, and for nobody else."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import numpy as np
import pytest
from starlette.testclient import TestClient

from edge.api import build_api
from edge.camera.health import CameraMetrics
from edge.errors import NoLiveFrame
from edge.health import Readiness
from edge.live.frames import FORGET_S, INTERVAL_S, LiveFrames
from edge.live.page import MOST_WAITING, LiveCamera, LivePage
from edge.metrics import NodeMetrics
from edge.vision.detections import Detections
from edge.vision.frames import Frame
from edge.vision.image_files import decode_image
from tests.support.edge.tiny_bundles import tiny_description
from tests.support.waiting import wait_until

TOKEN = "a-token-of-the-live-view"
BOX = Detections.of([[40, 60, 200, 160]], [0.97], [0])
PATHS = ("/live", "/live/yard", "/live/yard.jpg", "/live/other", "/live/other.jpg")


class Clock:
    """Seconds that the test moves on."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def frame(height: int = 240, width: int = 320) -> Frame:
    return Frame("yard", np.full((height, width, 3), 90, np.uint8), 0, 0.0, 1_800_000_000.0)


@contextmanager
def running(frames: LiveFrames, found: Detections = BOX, of: Frame | None = None) -> Iterator[None]:
    """A camera whose thread gives frames meanwhile."""
    stop, given = threading.Event(), of or frame()

    def give() -> None:
        while not stop.wait(0.005):
            frames.inferred(given, found, tiny_description())

    thread = threading.Thread(target=give)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def view(frames: LiveFrames, health: CameraMetrics, given: list[str]) -> TestClient:
    live = LivePage("harbour", TOKEN, {"yard": LiveCamera(frames, health)}, given.append)
    return TestClient(build_api(lambda: Readiness(()), NodeMetrics(), live=live))


def with_token(client: TestClient, path: str, token: str = TOKEN) -> httpx.Response:
    return client.get(path, auth=("anybody", token))


def test_an_image_is_the_next_frame_with_the_boxes_of_the_detector() -> None:
    frames, plain = LiveFrames(), LiveFrames()
    with running(frames):
        drawn = decode_image(frames.jpeg("yard"), "the image").astype(int)
    with running(plain, Detections.empty()):
        street = decode_image(plain.jpeg("yard"), "the image").astype(int)
    assert np.abs(street - 90).max() < 8
    changed = np.abs(drawn - street).max(axis=2) > 60
    rows, columns = np.nonzero(changed)
    assert (rows.min(), columns.min()) == pytest.approx((45, 40), abs=16)
    assert (rows.max(), columns.max()) == pytest.approx((160, 200), abs=4)
    assert not changed[100:140, 80:180].any(), "the inside of the box is the street"


def test_the_frame_of_the_camera_is_not_drawn_on() -> None:
    frames, given = LiveFrames(), frame()
    with running(frames, of=given):
        frames.jpeg("yard")
    assert (given.image == 90).all()


def test_boxes_stay_on_frames_without_motion_and_not_on_frames_of_another_size() -> None:
    for height, boxes in ((240, True), (120, False)):
        frames, stop = LiveFrames(), threading.Event()
        frames.inferred(frame(), BOX, tiny_description())

        def give(frames: LiveFrames = frames, height: int = height, stop: threading.Event = stop) -> None:
            while not stop.wait(0.005):
                frames.offer(frame(height))

        thread = threading.Thread(target=give)
        thread.start()
        image = decode_image(frames.jpeg("yard"), "the image").astype(int)
        stop.set()
        thread.join()
        assert (np.abs(image - 90).max() > 60) == boxes


def test_nothing_of_a_frame_is_kept_while_nobody_asks() -> None:
    frames, given = LiveFrames(), frame()
    frames.inferred(given, BOX, tiny_description())
    frames.offer(given)
    kept = [value for value in vars(frames).values() if value is given or value is given.image]
    assert (kept, frames._offered, frames._jpeg) == ([], [], None)


def test_viewers_share_an_image_for_half_a_second_and_it_is_forgotten_afterwards() -> None:
    clock = Clock()
    frames = LiveFrames(clock)
    with running(frames):
        first = frames.jpeg("yard")
    assert frames.jpeg("yard", wait_s=0.01) is first, "no frame is needed"
    clock.now_s += INTERVAL_S
    with pytest.raises(NoLiveFrame):
        frames.jpeg("yard", wait_s=0.01)
    clock.now_s += FORGET_S
    frames.offer(frame())
    assert frames._jpeg is None


def test_a_camera_without_a_frame_is_named_with_its_problem() -> None:
    frames, health = LiveFrames(), CameraMetrics()
    with pytest.raises(NoLiveFrame, match=r"^camera yard has given no frame for 0\.01 s$"):
        frames.jpeg("yard", wait_s=0.01)
    health.lost("camera rtsp://***@10.0.0.5/*** refuses the connection; check the port")

    class Silent(LiveFrames):
        def jpeg(self, camera: str, wait_s: float = 0.01) -> bytes:
            return super().jpeg(camera, wait_s)

    given: list[str] = []
    answer = with_token(view(Silent(), health, given), "/live/yard.jpg")
    assert (answer.status_code, given) == (503, [])
    assert answer.text == (
        "camera yard has given no frame for 0.01 s: camera rtsp://***@10.0.0.5/*** refuses the connection; "
        "check the port"
    )


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "header",
    ["", "Basic", "Basic !", "Basic YTpi", f"Bearer {TOKEN}", "Basic w7zDvDrDvMO8"],
    ids=["none", "empty", "damaged", "another password", "another scheme", "not ASCII"],
)
def test_without_the_token_there_is_nothing_not_even_which_cameras_there_are(path: str, header: str) -> None:
    client = view(LiveFrames(), CameraMetrics(), [])
    answer = client.get(path, headers={"Authorization": header} if header else {})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic ")
    assert answer.text == "give the live view's token as the password, any user name"


def test_health_and_metrics_need_no_token_and_have_no_image() -> None:
    client = view(LiveFrames(), CameraMetrics(), [])
    for path in ("/healthz", "/metrics"):
        assert client.get(path).status_code == 200
        assert client.get(path).headers["content-type"].split(";")[0] in ("application/json", "text/plain")


def test_an_image_is_given_to_whoever_has_the_token_and_is_counted() -> None:
    frames, given = LiveFrames(), list[str]()
    client = view(frames, CameraMetrics(), given)
    with running(frames):
        answer = with_token(client, "/live/yard.jpg")
    assert (answer.status_code, answer.headers["content-type"], given) == (200, "image/jpeg", ["yard"])
    assert decode_image(answer.content, "the image").shape == (240, 320, 3)


@pytest.mark.parametrize("path", PATHS)
def test_no_other_origin_gets_anything_and_no_cache_keeps_it(path: str) -> None:
    frames = LiveFrames()
    with running(frames):
        headers = with_token(view(frames, CameraMetrics(), []), path).headers
    assert headers["cache-control"] == "no-store"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["content-security-policy"].startswith("default-src 'none'; img-src 'self'; ")
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert not [name for name in headers if name.startswith("access-control")]


def test_the_page_lists_the_cameras_and_each_has_a_page_that_refreshes_without_a_script() -> None:
    health = CameraMetrics()
    client = view(LiveFrames(), health, [])
    assert 'href="/live/yard">yard</a>: gives no frames' in with_token(client, "/live").text
    health.received()
    page = with_token(client, "/live/yard").text
    assert '<meta http-equiv="refresh" content="1">' in page
    assert '<img src="/live/yard.jpg"' in page
    assert "The camera gives frames." in page
    assert "<script" not in page


@pytest.mark.parametrize("path", ["/live/gate", "/live/gate.jpg"])
def test_an_unknown_camera_is_named_with_those_that_there_are(path: str) -> None:
    answer = with_token(view(LiveFrames(), CameraMetrics(), []), path)
    assert (answer.status_code, answer.text) == (404, "site harbour has no camera gate (it has yard)")


def test_a_name_in_the_address_is_not_read_as_markup() -> None:
    answer = with_token(view(LiveFrames(), CameraMetrics(), []), "/live/%3Cb%3E")
    assert answer.headers["content-type"].startswith("text/plain")


def test_requests_that_wait_for_images_leave_room_for_health() -> None:
    frames, health = LiveFrames(), CameraMetrics()
    live = LivePage("harbour", TOKEN, {"yard": LiveCamera(frames, health)}, list[str]().append)
    client = TestClient(build_api(lambda: Readiness(()), NodeMetrics(), live=live))
    for _ in range(MOST_WAITING):
        assert live.room.acquire(blocking=False)
    answer = with_token(client, "/live/yard.jpg")
    assert (answer.status_code, answer.text) == (
        503,
        "too many requests for live images at a time; try again",
    )
    live.room.release()
    with running(frames):
        assert with_token(client, "/live/yard.jpg").status_code == 200
        wait_until(lambda: live.room.acquire(blocking=False))


def test_without_a_token_in_the_configuration_there_is_no_live_view() -> None:
    client = TestClient(build_api(lambda: Readiness(()), NodeMetrics()))
    assert [client.get(path).status_code for path in PATHS] == [404] * len(PATHS)
