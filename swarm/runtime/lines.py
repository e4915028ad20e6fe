# SPDX-License-Identifier: Apache-2.0
"""What a program prints: JSON lines of stdout become progress, all else the log tail; both bounded."""

from __future__ import annotations

import hashlib
import queue
from collections import deque

from swarm import hostile_json

MAX_TOTAL_BYTES = 64 << 20
MAX_LINE_BYTES = 64 << 10
_TAIL_LINES = 40
_TAIL_LINE_CHARACTERS = 500
# A full queue slows the program down instead of filling our memory.
_QUEUE_LENGTH = 1000


class Lines:
    """Fed by a reader thread, drained by the supervisor. Bytes beyond `max_total_bytes` only set `overflowed`."""

    def __init__(self, *, max_total_bytes: int = MAX_TOTAL_BYTES) -> None:
        self._partial = {"stdout": bytearray(), "stderr": bytearray()}
        self._skipping = {"stdout": False, "stderr": False}
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._progress: queue.Queue[dict] = queue.Queue(_QUEUE_LENGTH)
        self._left = max_total_bytes
        self.overflowed = False
        self.claimed_cpu_seconds = 0.0
        self._printed = hashlib.sha256()

    @property
    def stdout_sha256(self) -> bytes:
        """Of all that was printed to stdout so far."""
        return self._printed.digest()

    def feed(self, stream: str, chunk: bytes) -> None:
        """Takes the next bytes of "stdout" or "stderr"; may wait until the supervisor has drained."""
        self._left -= len(chunk)
        if self._left < 0:
            self.overflowed = True
            return
        if stream == "stdout":
            self._printed.update(chunk)
        *whole, rest = chunk.split(b"\n")
        for piece in whole:
            self._grow(stream, piece)
            self._finish(stream)
        self._grow(stream, rest)

    def finish(self) -> None:
        """Takes what was printed last without a line end."""
        for stream in self._partial:
            self._finish(stream)

    def note(self, line: str) -> None:
        """Adds a line of our own to the tail."""
        self._tail.append(line)

    def next_progress(self, timeout_seconds: float) -> dict | None:
        """The next progress object, or None when there is none within the time."""
        try:
            return self._progress.get(timeout=timeout_seconds) if timeout_seconds else self._progress.get_nowait()
        except queue.Empty:
            return None

    def tail(self) -> str:
        return "\n".join(self._tail)

    def _grow(self, stream: str, piece: bytes) -> None:
        partial = self._partial[stream]
        room = MAX_LINE_BYTES - len(partial)
        partial += piece[:room]
        self._skipping[stream] |= len(piece) > room

    def _finish(self, stream: str) -> None:
        line = bytes(self._partial[stream])
        was_cut, self._skipping[stream] = self._skipping[stream], False
        self._partial[stream].clear()
        fact = _parse(line) if stream == "stdout" and not was_cut else None
        if fact is None:
            self._keep(line)
            return
        if fact.get("event") == "finished":
            self._note_claim(fact.get("cpu_seconds"))
        if fact.get("event") == "failed":
            self._keep(str(fact.get("message", "")).encode())
        self._progress.put(fact)

    def _note_claim(self, claim: object) -> None:
        if isinstance(claim, int | float) and 0 <= claim < float("inf"):
            self.claimed_cpu_seconds = float(claim)

    def _keep(self, line: bytes) -> None:
        # A terminal obeys control characters; a hostile job must not reach the seller's.
        text = line[: 4 * _TAIL_LINE_CHARACTERS].decode("utf-8", "replace")[:_TAIL_LINE_CHARACTERS]
        if text := "".join(letter if letter.isprintable() else " " for letter in text).rstrip():
            self._tail.append(text)


def _parse(line: bytes) -> dict | None:
    if not line.startswith(b"{"):
        return None
    try:
        fact = hostile_json.parse(line)
    except ValueError:
        return None
    return fact if isinstance(fact, dict) else None
