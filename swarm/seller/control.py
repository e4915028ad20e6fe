# SPDX-License-Identifier: Apache-2.0
"""What a person asks of a running worker: files in the worker's home, read by it several times a second.

No port and no signal: whoever may write the home may steer the worker, also before it starts and after it was killed.
"""

from __future__ import annotations

import enum
import json
import secrets
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from swarm.disk import partial


class Mode(enum.StrEnum):
    """RUN takes work; PAUSE holds the running job and takes none; DRAIN finishes and ends; STOP ends now."""

    RUN = "run"
    PAUSE = "pause"
    DRAIN = "drain"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Wish:
    """`since` and `until` are unix seconds of this machine; a pause without an end lasts until `resume`."""

    mode: Mode = Mode.RUN
    since: float = 0.0
    until: float | None = None
    reason: str = ""

    def at(self, now: float) -> Wish:
        """The wish as it holds now: a pause that is over is none."""
        return Wish(since=self.until) if self.until is not None and now >= self.until else self

    def facts(self) -> dict[str, object]:
        """What the board shows of it."""
        return {"mode": self.mode, "mode_since": self.since, "mode_until": self.until, "mode_reason": self.reason}


class Control:
    """The files of one home. Everything is written beside and renamed, so that no reader sees half of it."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._mode, self._hand_back = home / "control.json", home / "hand-back.json"

    def wish(self) -> Wish:
        """What holds now. A file that cannot be read pauses: somebody meant to say something."""
        try:
            raw = json.loads(self._mode.read_text())
            return Wish(**(raw | {"mode": Mode(raw["mode"])})).at(time.time())
        except FileNotFoundError:
            return Wish()
        except (OSError, ValueError, TypeError, KeyError) as error:
            return Wish(Mode.PAUSE, reason=f"{self._mode.name} cannot be read: {error}")

    def ask(self, mode: Mode, *, reason: str = "", seconds: float | None = None) -> Wish:
        now = time.time()
        wish = Wish(mode, now, None if seconds is None else now + seconds, reason[:200])
        self._write(self._mode, asdict(wish))
        return wish

    def clear(self, *modes: Mode) -> None:
        """Forgets a wish of these modes, because it is fulfilled."""
        if self.wish().mode in modes:
            self._mode.unlink(missing_ok=True)

    def ask_hand_back(self) -> str:
        """Asks for the running job to be handed back. Returns the name under which the worker answers."""
        request = secrets.token_hex(8)
        self._write(self._hand_back, {"request": request})
        return request

    def hand_back_request(self) -> str | None:
        try:
            return str(json.loads(self._hand_back.read_text())["request"])
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def answered_hand_back(self) -> None:
        self._hand_back.unlink(missing_ok=True)

    def _write(self, path: Path, content: dict) -> None:
        write_atomically(path, content)


def write_atomically(path: Path, content: dict) -> None:
    """A JSON file that only its owner can read."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = partial(path)
    try:
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(content))
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
