# SPDX-License-Identifier: Apache-2.0
"""The chat data the project ships: shape, size, split, and what its text may claim about the product."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import click
import pytest

from swarm.cli.main import command as swarm
from swarm.protocol import money
from swarm.workloads.dataset import check_dataset

DATA = Path(__file__).parents[2] / "data"
TRAIN, HELDOUT = DATA / "product_chat.train.jsonl", DATA / "product_chat.heldout.jsonl"
FILES = pytest.mark.parametrize("path", [TRAIN, HELDOUT], ids=["train", "heldout"])

WORDS = {"user": (5, 20), "assistant": (15, 45)}
VERIFIER_COMMANDS = {"register", "run", "show"}
NOT_BUILT_YET = re.compile(
    r"postMany|hand ?back|canar|undelivered|dashboard|desktop app|sweep|\bappeal|\bchallenges?\b|\bchallenger", re.I
)


def examples(path: Path) -> list[list[dict]]:
    return [json.loads(line)["messages"] for line in path.read_text(encoding="utf-8").splitlines()]


def contents(path: Path, role: str) -> list[str]:
    return [message["content"] for turns in examples(path) for message in turns if message["role"] == role]


def words(text: str) -> tuple[str, ...]:
    """What is left of a text when case, punctuation and spacing are not counted."""
    return tuple(re.findall(r"[a-z0-9.]*[a-z0-9]", text.casefold()))


def likeness(left: str, right: str) -> float:
    """Shared words over all words of two texts (Jaccard), between 0 and 1."""
    one, other = set(words(left)), set(words(right))
    return len(one & other) / len(one | other)


def quoted_commands(program: str) -> set[str]:
    texts = [text for path in (TRAIN, HELDOUT) for role in WORDS for text in contents(path, role)]
    return {found for text in texts for found in re.findall(rf"`({program} [^`]+)`", text)}


@FILES
def test_has_no_question_twice(path: Path) -> None:
    opening = Counter(words(turns[0]["content"]) for turns in examples(path))
    assert [text for text, times in opening.items() if times > 1] == []


@FILES
def test_has_no_answer_twice(path: Path) -> None:
    answers = Counter(words(text) for text in contents(path, "assistant"))
    assert [text for text, times in answers.items() if times > 1] == []


@pytest.mark.parametrize("role", WORDS)
def test_holds_no_held_out_text_in_the_training_file(role: str) -> None:
    trained = set(map(words, contents(TRAIN, role)))
    assert [text for text in contents(HELDOUT, role) if words(text) in trained] == []


@pytest.mark.parametrize("role", WORDS)
def test_says_the_held_out_facts_in_other_words(role: str) -> None:
    trained = contents(TRAIN, role)
    closest = {text: max(trained, key=lambda other: likeness(text, other)) for text in contents(HELDOUT, role)}
    assert {text: other for text, other in closest.items() if likeness(text, other) > 0.7} == {}


@FILES
@pytest.mark.parametrize("role", WORDS)
def test_holds_no_near_duplicates(path: Path, role: str) -> None:
    texts = contents(path, role)
    pairs = [(left, right) for at, left in enumerate(texts) for right in texts[:at]]
    assert [pair for pair in pairs if likeness(*pair) > 0.8] == []


@FILES
@pytest.mark.parametrize("role", WORDS)
def test_keeps_every_message_short(path: Path, role: str) -> None:
    least, most = WORDS[role]
    assert [text for text in contents(path, role) if not least <= len(text.split()) <= most] == []


@FILES
def test_promises_nothing_that_is_not_built_yet(path: Path) -> None:
    texts = [text for role in WORDS for text in contents(path, role)]
    assert [text for text in texts if NOT_BUILT_YET.search(text)] == []


def test_names_only_commands_of_swarm_that_exist() -> None:
    unknown = set()
    for line in quoted_commands("swarm"):
        _, noun, *rest = line.split()
        found = swarm.get_command(click.Context(swarm), noun)
        if isinstance(found, click.Group) and rest:
            found = found.commands.get(rest[0])
        known = {option for parameter in found.params for option in parameter.opts} if found else set()
        if found is None or not {word for word in rest if word.startswith("-")} <= known:
            unknown.add(line)
    assert unknown == set()


def test_names_only_commands_of_verifier_that_exist() -> None:
    assert {line.split()[1] for line in quoted_commands("verifier")} == VERIFIER_COMMANDS


def test_states_audit_rates_as_the_protocol_computes_them() -> None:
    worked = [turns for path in (TRAIN, HELDOUT) for turns in examples(path) if _price_and_collateral(turns)]
    assert len(worked) >= 5
    for turns in worked:
        rate = money.audit_bps(*_price_and_collateral(turns)) / 100
        assert f" {rate:g} %" in turns[1]["content"], turns[0]["content"]


def _price_and_collateral(turns: list[dict]) -> tuple[int, int] | None:
    price = re.search(r"price of (\d+)", turns[0]["content"])
    collateral = re.search(r"collateral of (\d+)", turns[0]["content"])
    return (int(price[1]), int(collateral[1])) if price and collateral else None


@FILES
def test_is_utf8_with_one_plain_object_per_line(path: Path) -> None:
    raw = path.read_bytes()
    assert raw.endswith(b"\n") and b"\r" not in raw and not raw.startswith(b"\xef\xbb\xbf")
    for line in raw.decode("utf-8").removesuffix("\n").split("\n"):
        turns = json.loads(line)["messages"]
        assert json.dumps({"messages": turns}, ensure_ascii=False) == line
        assert all(list(message) == ["role", "content"] for message in turns)
        assert [message["content"] for message in turns] == [message["content"].strip() for message in turns]


@FILES
def test_lets_user_and_assistant_take_turns(path: Path) -> None:
    roles = Counter(tuple(message["role"] for message in turns) for turns in examples(path))
    assert set(roles) == {("user", "assistant"), ("user", "assistant") * 2}
    assert roles["user", "assistant", "user", "assistant"] <= 0.1 * roles.total()


@pytest.mark.parametrize(("path", "least"), [(TRAIN, 200), (HELDOUT, 36)], ids=["train", "heldout"])
def test_passes_the_buyers_own_check_with_enough_examples(path: Path, least: int) -> None:
    counts = check_dataset(path)
    assert counts.examples >= least
    assert counts.trained * 2 == counts.messages
