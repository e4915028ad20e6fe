# SPDX-License-Identifier: Apache-2.0
"""Turns examples into tokens and marks those that enter the loss: chats through the model's own chat template, plain
text as it is.

The template is rendered with a placeholder for each content. The pieces around the placeholders are the template's and
may hold control tokens; the contents are tokenised apart with control tokens switched off, so a user who writes
"<|im_end|>" writes ten characters and cannot end a turn. The mask follows from the same cut: an assistant message's
content and the control token that ends its turn are trained, nothing else. Of plain text the pieces that are to be
learned and the token that ends the text are trained.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from swarm.errors import JobFailed
from swarm.workloads.dataset import Message
from swarm.workloads.example import PLAIN

# Private-use characters: no template contains them.
_PLACEHOLDER = re.compile("\ue000([0-9]+)\ue001")


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids and, of the same length, whether each token enters the loss as a target."""

    ids: list[int]
    trained: list[bool]
    is_cut: bool = field(default=False, compare=False)


class ChatEncoder:
    """The tokenizer and chat template of one model folder."""

    def __init__(self, folder: Path, *, needs_template: bool = True) -> None:
        from transformers import AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        if needs_template and not self.tokenizer.chat_template:
            raise JobFailed("the base model has no chat template")

    def encode(self, messages: Sequence[Message], *, limit: int) -> Encoded:
        """A whole conversation or text, cut after `limit` tokens."""
        ids, trained = self._plain(messages) if messages[0].role == PLAIN else self._chat(messages)
        return Encoded(ids[:limit], trained[:limit], is_cut=len(ids) > limit)

    def _plain(self, pieces: Sequence[Message]) -> tuple[list[int], list[bool]]:
        """Tokenised piece by piece, so that the mask does not depend on how a token would join two of them."""
        start, end = self.tokenizer.bos_token_id, self.tokenizer.eos_token_id
        ids = [start] if start is not None and self.tokenizer("")["input_ids"][:1] == [start] else []
        trained = [False] * len(ids)
        for piece in pieces:
            found = self._tokens(piece.content, plain=True)
            ids += found
            trained += [piece.trained] * len(found)
        return (ids, trained) if end is None else ([*ids, end], [*trained, True])

    def _chat(self, messages: Sequence[Message]) -> tuple[list[int], list[bool]]:
        ids: list[int] = []
        trained: list[bool] = []
        after_trained = False
        for piece, message in self._pieces(messages, add_generation_prompt=False):
            template_ids = self._tokens(piece)
            ids += template_ids
            trained += [
                after_trained and place == 0 and self._ends_turn(token) for place, token in enumerate(template_ids)
            ]
            content_ids = self._tokens(message.content, plain=True) if message else []
            after_trained = bool(message and message.trained)
            ids += content_ids
            trained += [after_trained] * len(content_ids)
        return ids, trained

    def encode_prompt(self, messages: Sequence[Message]) -> list[int]:
        """A conversation that ends with the user, followed by the template's opening of the assistant's turn."""
        ids: list[int] = []
        for piece, message in self._pieces(messages, add_generation_prompt=True):
            ids += self._tokens(piece)
            ids += self._tokens(message.content, plain=True) if message else []
        return ids

    def _pieces(self, messages: Sequence[Message], *, add_generation_prompt: bool) -> list[tuple[str, Message | None]]:
        """(template text, the message whose content follows it), in order; the last text is followed by None."""
        turns = [{"role": message.role, "content": f"\ue000{place}\ue001"} for place, message in enumerate(messages)]
        rendered = self._render(turns, add_generation_prompt)
        # split() alternates between text and the number in the placeholder.
        texts, numbers = _PLACEHOLDER.split(rendered)[::2], _PLACEHOLDER.findall(rendered)
        if numbers != [str(place) for place in range(len(messages))]:
            raise JobFailed("the chat template drops, repeats or reorders messages, so a loss mask cannot be derived")
        return list(zip(texts, [*messages, None], strict=True))

    def _render(self, turns: list[dict[str, str]], add_generation_prompt: bool) -> str:
        from jinja2 import TemplateError

        try:
            return self.tokenizer.apply_chat_template(
                turns, tokenize=False, add_generation_prompt=add_generation_prompt
            )
        except (TemplateError, TypeError, ValueError, ArithmeticError) as error:
            raise JobFailed(f"the chat template does not render: {str(error)[:200]}") from error

    def _tokens(self, text: str, *, plain: bool = False) -> list[int]:
        if not text:
            return []
        return self.tokenizer(text, add_special_tokens=False, split_special_tokens=plain)["input_ids"]

    def _ends_turn(self, token: int) -> bool:
        return token in self.tokenizer.added_tokens_decoder
