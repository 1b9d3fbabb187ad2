"""Answers verdict requests: searches the kept frames of the camera, reports, and answers once.

A misdetection is handed to the outbox before the answer that announces it. A request counts as answered when
the site's broker has the answer.
"""

import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future

from edge.evidence.kept_frame_search import SearchResult, search_kept_frames
from edge.evidence.kept_frames import KeptFrames
from edge.rounding import minute_of
from edge.updates.hot_swap import SwappableDetector
from edge.updates.incoming_requests import IncomingRequests
from messaging.reports import AnswerOutcome, Report, VerdictAnswer
from messaging.trust.verdict_requests import VerdictRequest

logger = logging.getLogger(__name__)


class RequestAnswers:
    """The answers of one node. For one thread."""

    def __init__(
        self,
        incoming: IncomingRequests,
        teacher: SwappableDetector,
        send: Callable[[Report], Future[bool]],
        note: Callable[[AnswerOutcome], None] = lambda outcome: None,
        now_utc: Callable[[], float] = time.time,
    ) -> None:
        """Args: the requests, the site's teacher, the outbox, what counts answers, seconds since 1970."""
        self._incoming, self._teacher, self._send = incoming, teacher, send
        self._note, self._now_utc = note, now_utc
        self._sending: dict[int, Future[bool]] = {}

    def step(self, cameras: Mapping[str, KeptFrames | None]) -> None:
        """Answer what waits. `cameras`: kept frames by name; None for one that has processed no frame yet."""
        now = self._now_utc()
        waiting = self._incoming.waiting(now)
        self._sending = {n: one for n, one in self._sending.items() if n in {r.number for r in waiting}}
        for request in waiting:
            sending = self._sending.get(request.number)
            if sending is None:
                self._answer(request, self._search(request, cameras), now)
            elif sending.done():
                self._incoming.answered(request, now)

    def _search(self, request: VerdictRequest, cameras: Mapping[str, KeptFrames | None]) -> SearchResult:
        if request.camera not in cameras:
            return SearchResult(AnswerOutcome.NOT_KNOWN)
        kept = cameras[request.camera]
        if kept is None:
            return SearchResult(AnswerOutcome.NOT_KEPT)
        return search_kept_frames(kept, request, self._teacher if self._teacher.ready else None)

    def _answer(self, request: VerdictRequest, found: SearchResult, now: float) -> None:
        if found.report is not None:
            self._send(found.report)
        answer = VerdictAnswer(request=request.number, outcome=found.outcome, minute_utc=minute_of(now))
        self._sending[request.number] = self._send(answer)
        self._note(found.outcome)
        logger.info(
            "verdict request %d (%s, camera %s): %s",
            *(request.number, request.class_name, request.camera, found.outcome),
        )
