"""What a trained decoder-only language model is asked for: to write on from prompts, and to be saved for others.

A GPT and what cites it differ in the model and in how a folder of Hugging Face's format is read; this is the rest.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import torch

from reproductions.data.corpus import Corpus
from reproductions.engine import generation
from reproductions.engine import hf as files
from reproductions.engine.generation import Decoding, Generated, LanguageModel
from reproductions.engine.trained import Trained
from reproductions.registry import InvalidInput
from reproductions.tokenizers import byte_level, character
from reproductions.tokenizers.byte import ByteTokenizer
from reproductions.tokenizers.text_tokenizer import TextTokenizer

M = TypeVar("M", bound=LanguageModel)


@dataclass(frozen=True)
class Writer(Generic[M]):
    """``end`` is the token that ends a text and that an empty prompt starts from; None where there is none.

    ``begin`` are tokens that stand before every prompt; ``steps`` is what writes where the model has a faster form of
    itself.  ``save_to`` writes model and tokenizer for transformers, which opens them with its class ``opens_with``.
    """

    opens_with: ClassVar[str] = "AutoModelForCausalLM"

    model: M
    tokenizer: TextTokenizer
    end: int | None
    device: torch.device
    context: int
    save_to: Callable[[Path, byte_level.ByteLevelEncoding], None]
    begin: tuple[int, ...] = ()
    steps: LanguageModel | None = None

    def write(
        self,
        prompts: Sequence[str],
        *,
        batch: int = 16,
        on_text: Callable[[int, str], None] = lambda _row, _text: None,
        **decoding: Any,
    ) -> list[Generated]:
        """The continuation of each prompt, ``batch`` prompts at a time; ``decoding`` are the fields of Decoding.

        What a prompt gets depends on its place among the prompts, never on ``batch``, as long as the context is not
        full.  Raises InvalidInput for a decoding that can't be, and for a prompt that the model has no room for.
        """
        how = Decoding(**decoding)
        rows = [[*self.begin, *ids] for ids in self.tokenizer.encode(prompts)]
        self._check(rows)
        found: list[Generated] = []
        for first in range(0, len(rows), batch):
            found += generation.complete(
                self.steps or self.model,
                rows[first : first + batch],
                how,
                context=self.context,
                end=self.end,
                decode=self.tokenizer.decode,
                on_text=lambda row, text, first=first: on_text(first + row, text),  # type: ignore[misc]
                device=self.device,
                first_row=first,
            )
        return found

    def save(self, folder: Path) -> None:
        """Writes what AutoModelForCausalLM and AutoTokenizer open.  Raises InvalidInput for what they can't be."""
        if not isinstance(self.tokenizer, byte_level.ByteLevelEncoding):
            raise InvalidInput(
                f"a tokenizer that transformers opens is byte-level BPE, and this one is of {self.tokenizer.kind}",
                'train with data.tokenizer "bpe" or "gpt-2"',
            )
        self.save_to(folder, self.tokenizer)

    def _check(self, rows: Sequence[Sequence[int]]) -> None:
        for number, row in enumerate(rows, start=1):
            if len(row) >= self.context:
                what = f"prompt {number} has {len(row):,} tokens and the model reads less than {self.context:,}"
                raise InvalidInput(what, "shorten it")


def tokenizer_of_run(
    trained: Trained, data_home: Path, mirror: str | None, log: Callable[[str], None]
) -> TextTokenizer:
    """The one that the run kept, or else made anew from its text.  Raises InvalidInput where that is another one."""
    kind = trained.recipe.data.tokenizer
    if kind == "bytes":
        found: TextTokenizer = ByteTokenizer()
    elif trained.tokenizer is None:
        found = Corpus(trained.recipe.data, data_home, mirror, log).tokenizer()
    else:
        found = character.load(trained.tokenizer) if kind == "characters" else byte_level.load(trained.tokenizer)
    trained.check_tokenizer(found.sha256)
    return found


def end_of(folder: Path, tokenizer: TextTokenizer) -> int | None:
    """The token that ends a text, as transformers finds it: generation_config.json first, then config.json."""
    for name in ("generation_config.json", files.CONFIG):
        found = _object(folder / name).get("eos_token_id")
        ends = found if isinstance(found, list) else [] if found is None else [found]
        if len(ends) > 1 or not all(type(end) is int for end in ends):
            raise InvalidInput(f"{folder / name} has the end token {found!r}", "one token can be the end here")
        if ends:
            return int(ends[0])
    return tokenizer.end_of_text


def _object(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError as error:
        raise InvalidInput(f"{path} is not JSON: {error}", "bring it in again") from error
    return found if isinstance(found, dict) else {}
