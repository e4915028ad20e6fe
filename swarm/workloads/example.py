# SPDX-License-Identifier: Apache-2.0
"""One line of a data set: from bytes to messages, or what is wrong with it, where in the line, and the cure.

    chat_template        {"messages": [{"role": "system", "content": "…"}, {"role": "user", "content": "…"},
                                       {"role": "assistant", "content": "…", "weight": 1}]}
    alpaca               {"instruction": "…", "input": "…", "output": "…"}
    prompt_completion    {"prompt": "…", "completion": "…"}
    completion           {"text": "…"}

A chat is an optional system message, then user and assistant in turn, ending with the assistant. `weight: 0` on an
assistant message keeps it as context and out of the loss, and so does an empty one. The other types are plain text
without the chat template: a prompt that is read and a text that is learned.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from swarm.workloads.columns import column_of_key, column_of_turn
from swarm.workloads.jsonl import BadLine, object_of

TYPES = ("chat_template", "alpaca", "completion", "prompt_completion")
PLAIN = "text"  # the role of what no chat template surrounds
_ORDER = re.compile(r"s?(ua)+")
_LETTER = {"system": "s", "user": "u", "assistant": "a"}
# The names ShareGPT uses, as axolotl reads them.
_ALIASES = {"human": "user", "gpt": "assistant"}
_SURROGATE = re.compile("[\ud800-\udfff]")
# Taori et al. 2023, the two prompts of Stanford Alpaca.
_ALPACA = (
    "Below is an instruction that describes a task{}. Write a response that appropriately completes the request.\n\n"
)
_WITH_INPUT = ", paired with an input that provides further context"


@dataclass(frozen=True, slots=True)
class Message:
    """One turn, or one piece of plain text; `trained` says whether its tokens enter the loss."""

    role: str
    content: str
    trained: bool


@dataclass(frozen=True, slots=True)
class Format:
    """How a file's lines are to be read: the data set's keys of a spec, under axolotl's names."""

    type: str = "chat_template"
    field_messages: str = "messages"
    field: str = "text"
    roles_to_train: tuple[str, ...] = ("assistant",)
    role_key: str = "role"
    content_key: str = "content"

    @classmethod
    def of(cls, dataset: dict) -> Format:
        """From a data set of a resolved spec, as its JSON says it."""
        keys = dataset["message_property_mappings"]
        roles = tuple(dataset["roles_to_train"])
        return cls(dataset["type"], dataset["field_messages"], dataset["field"], roles, keys["role"], keys["content"])


def parse_example(line: bytes, format_: Format, *, first: bool = False) -> tuple[Message, ...]:
    """The messages of one line. Raises BadLine."""
    example = object_of(line, first=first)
    match format_.type:
        case "chat_template":
            return _conversation(example, format_, line)
        case "alpaca":
            return _alpaca(example, line)
        case "prompt_completion":
            return _pair(_text(example, "prompt", line), _text(example, "completion", line))
        case _:
            return (Message(PLAIN, _text(example, format_.field, line), True),)


def _alpaca(example: dict, line: bytes) -> tuple[Message, ...]:
    instruction, output = _text(example, "instruction", line), _text(example, "output", line)
    given = _text(example, "input", line) if example.get("input") else ""
    prompt = _ALPACA.format(_WITH_INPUT if given else "") + f"### Instruction:\n{instruction}\n\n"
    return _pair(prompt + (f"### Input:\n{given}\n\n" if given else "") + "### Response:\n", output)


def _pair(prompt: str, completion: str) -> tuple[Message, ...]:
    return Message(PLAIN, prompt, False), Message(PLAIN, completion, True)


def _text(example: dict, key: str, line: bytes) -> str:
    value = example.get(key)
    column = column_of_key(line, key)
    if value is None:
        raise BadLine(f"no text {key!r}, found the keys {_names(example)}", f"write {key!r}, or name another type")
    if not isinstance(value, str) or not value.strip():
        raise BadLine(f"{key!r} is empty or no text", "write it, or leave the line out with --skip-invalid", column)
    return _well_formed(value, repr(key), column)


def _conversation(example: dict, format_: Format, line: bytes) -> tuple[Message, ...]:
    field = format_.field_messages
    turns = example.get(field)
    if not isinstance(turns, list) or not turns:
        fix = "set datasets[0].field_messages, or another type"
        raise BadLine(f"no list {field!r}, found the keys {_names(example)}", fix, column_of_key(line, field))
    messages = []
    for place, turn in enumerate(turns, 1):
        try:
            messages.append(_message(turn, place, format_))
        except BadLine as bad:
            bad.column = bad.column or column_of_turn(line, field, place)
            raise
    _refuse_order(messages, field, line)
    if not any(message.trained for message in messages):
        fix = "write an answer, or leave the line out with --skip-invalid"
        raise BadLine("every trained message is empty or has weight 0, so there is nothing to learn", fix)
    return tuple(messages)


def _refuse_order(messages: list[Message], field: str, line: bytes) -> None:
    letters = "".join(_LETTER[message.role] for message in messages)
    if _ORDER.fullmatch(letters):
        return
    roles = ", ".join(message.role for message in messages[:6]) + (", …" if len(messages) > 6 else "")
    expected = "expected (system,) user, assistant, user, assistant …"
    place = _first_wrong(letters)
    fix = "join or drop the turn that is out of turn" if place <= len(messages) else "end with an answer"
    column = column_of_turn(line, field, min(place, len(messages)))
    raise BadLine(f"wrong order of roles: {roles}; {expected}", fix, column)


def _first_wrong(letters: str) -> int:
    """The place (from 1) of the first role that cannot stand there; one past the end when only an answer is missing."""
    wanted = "u"
    for place, letter in enumerate(letters, 1):
        if place == 1 and letter == "s":
            continue
        if letter != wanted:
            return place
        wanted = "a" if wanted == "u" else "u"
    return len(letters) + 1


def _message(turn: object, place: int, format_: Format) -> Message:
    role_key, content_key = format_.role_key, format_.content_key
    if not isinstance(turn, dict):
        raise BadLine(f"message {place} is not an object", f'write {{"{role_key}": "user", "{content_key}": "…"}}')
    if unknown := turn.keys() - {role_key, content_key, "weight"}:
        known = f"only {role_key}, {content_key}, weight are known"
        raise BadLine(f"message {place} has an unknown key {min(unknown)[:40]!r}; {known}", "remove it")
    role = turn.get(role_key)
    role = _ALIASES.get(role, role) if isinstance(role, str) else role
    if not isinstance(role, str) or role not in _LETTER:
        raise BadLine(f"message {place} has role {str(role)[:40]!r}, expected system, user or assistant")
    content = turn.get(content_key)
    if isinstance(content, list):
        raise BadLine(f"message {place} ({role}) has no content as text but a list", "write its text as one string")
    is_empty = not isinstance(content, str) or not content.strip()
    if is_empty and not (role == "assistant" and isinstance(content, str)):
        raise BadLine(f"message {place} ({role}) has no content", "write it, or leave the line out with --skip-invalid")
    trained = _weight(turn, role, place) and role in format_.roles_to_train and not is_empty
    return Message(role, _well_formed(content, f"message {place}"), trained)


def _weight(turn: dict, role: str, place: int) -> bool:
    if "weight" not in turn:
        return True
    weight = turn["weight"]
    if role != "assistant":
        raise BadLine(f"message {place} has a weight; only assistant messages can have one", "remove it")
    if isinstance(weight, bool) or weight not in (0, 1):
        raise BadLine(f"message {place} has weight {str(weight)[:20]}, expected 0 or 1")
    return weight == 1


def _well_formed(content: str, where: str, column: int = 0) -> str:
    # JSON can escape half of a surrogate pair, which no tokenizer can encode.
    if not content.isascii() and _SURROGATE.search(content):
        raise BadLine(f"{where} has half of a surrogate pair", "write the character itself, or both halves", column)
    return content


def _names(example: dict) -> list[str]:
    return [name[:40] for name in sorted(example)[:5]]
