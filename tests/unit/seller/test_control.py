# SPDX-License-Identifier: Apache-2.0
"""What a person asks a worker, through files that may be damaged, old or missing."""

import os

from swarm.seller.control import Control, Mode, Wish


def test_a_damaged_file_pauses(tmp_path):
    """Somebody meant to say something: taking jobs on would be the riskier guess."""
    for text in ("{", "[]", '{"mode": "dance"}', '{"mode": "run", "more": 1}'):
        (tmp_path / "control.json").write_text(text)
        assert Control(tmp_path).wish().mode is Mode.PAUSE


def test_a_damaged_request_is_none(tmp_path):
    (tmp_path / "hand-back.json").write_text("[")
    assert Control(tmp_path).hand_back_request() is None


def test_nothing_asked_means_run(tmp_path):
    assert Control(tmp_path / "none").wish() == Wish(Mode.RUN)


def test_a_pause_ends_by_itself(tmp_path):
    wish = Control(tmp_path).ask(Mode.PAUSE, reason="a game", seconds=60)
    assert Control(tmp_path).wish() == wish and wish.reason == "a game"
    assert wish.at(wish.since + 59).mode is Mode.PAUSE
    assert wish.at(wish.since + 61).mode is Mode.RUN


def test_only_a_fulfilled_wish_is_forgotten(tmp_path):
    control = Control(tmp_path)
    control.ask(Mode.PAUSE)
    control.clear(Mode.STOP, Mode.DRAIN)
    assert control.wish().mode is Mode.PAUSE
    control.clear(Mode.PAUSE)
    assert control.wish().mode is Mode.RUN


def test_a_hand_back_is_asked_once_and_answered_by_its_name(tmp_path):
    control = Control(tmp_path)
    request = control.ask_hand_back()
    assert control.hand_back_request() == request
    control.answered_hand_back()
    assert control.hand_back_request() is None


def test_nobody_else_can_read_what_was_asked(tmp_path):
    Control(tmp_path).ask(Mode.PAUSE)
    assert os.stat(tmp_path / "control.json").st_mode & 0o077 == 0
