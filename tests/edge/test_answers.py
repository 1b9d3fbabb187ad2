"""A node answers each verdict request once: the misdetection first, then the answer."""

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any, cast

from edge.answers import RequestAnswers
from edge.evidence.kept_frames import KeptFrames
from edge.updates.hot_swap import SwappableDetector, SwapPolicy
from edge.updates.incoming_requests import IncomingRequests
from messaging.reports import AnswerOutcome, Misdetection, Report, VerdictAnswer
from messaging.trust.verdict_requests import VerdictRequest
from tests.edge.evidence.test_kept_frame_search import NOTHING, NOW, found, kept, request
from tests.support.fake_detector import load_fake


class Node:
    """The outbox, the requests and the answers of a node."""

    def __init__(self, *asked: VerdictRequest) -> None:
        self.asked, self.sent = list(asked), list[Report]()
        self.futures: list[Future[bool]] = []
        self.outcomes: list[AnswerOutcome] = []
        incoming: Any = SimpleNamespace(
            waiting=lambda now: list(self.asked),
            answered=lambda one, now: self.asked.remove(one),
        )
        teacher = SwappableDetector(load_fake, SwapPolicy(latency_factor=2.5))
        self.answers = RequestAnswers(
            cast(IncomingRequests, incoming), teacher, self._put, self.outcomes.append, lambda: float(NOW)
        )

    def _put(self, report: Report) -> Future[bool]:
        self.sent.append(report)
        self.futures.append(Future())
        return self.futures[-1]

    def step(self, **cameras: KeptFrames | None) -> None:
        self.answers.step(cameras)


def test_a_miss_is_reported_before_the_answer_that_announces_it() -> None:
    node = Node(request())
    node.step(bridge=kept(found(0.4)))
    misdetection, answer = node.sent
    assert isinstance(misdetection, Misdetection)
    assert answer == VerdictAnswer(request=5, outcome=AnswerOutcome.CONFIRMED, minute_utc=NOW // 60 * 60)
    assert node.outcomes == [AnswerOutcome.CONFIRMED]


def test_a_request_is_answered_when_the_broker_has_the_answer_and_not_again_meanwhile() -> None:
    node = Node(request())
    cameras = kept(NOTHING)
    node.step(bridge=cameras)
    node.step(bridge=cameras)
    assert (len(node.sent), len(node.asked)) == (1, 1)
    node.futures[0].set_result(True)
    node.step(bridge=cameras)
    assert (len(node.sent), node.asked) == (1, [])


def test_a_camera_of_another_site_is_not_known_and_one_without_frames_has_kept_none() -> None:
    node = Node(request())
    node.step(harbour=None)
    other = Node(request())
    other.step(bridge=None)
    outcomes = [cast(VerdictAnswer, one.sent[0]).outcome for one in (node, other)]
    assert outcomes == [AnswerOutcome.NOT_KNOWN, AnswerOutcome.NOT_KEPT]
