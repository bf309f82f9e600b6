"""Opens a trained Transformer for what `paperlab translate` asks of it: n best translations, scores, attention maps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from reproductions.attention.model import padding_mask
from reproductions.engine import hf as files
from reproductions.engine.trained import Trained
from reproductions.registry import InvalidInput
from reproductions.tokenizers import bpe
from reproductions.transformer import attention_maps, hf
from reproductions.transformer.corpus import Corpus
from reproductions.transformer.model import Transformer
from reproductions.transformer.recipes import Evaluation
from reproductions.transformer.search import Hypothesis, beam_search


@dataclass(frozen=True)
class Translation:
    """``score`` is what translations are ranked by: the log probability in nats over the length penalty."""

    text: str
    score: float
    log_probability: float
    tokens: tuple[int, ...]


@dataclass(frozen=True)
class Translator:
    """``evaluation`` has the recipe's own beam and length penalty."""

    opens_with: ClassVar[str] = "AutoModelForSeq2SeqLM"

    model: Transformer
    tokenizer: bpe.BytePairEncoding
    evaluation: Evaluation
    device: torch.device

    def translate(
        self,
        texts: Sequence[str],
        *,
        beam: int | None = None,
        n_best: int = 1,
        length_penalty: float | None = None,
    ) -> list[list[Translation]]:
        """At most ``n_best`` translations of each text, best first; what is None is as the recipe has it.

        Texts of like length are searched together; nothing is translated as nothing.  Raises InvalidInput for a text
        that the model has no room for.
        """
        beam = self.evaluation.beam if beam is None else beam
        alpha = self.evaluation.length_penalty if length_penalty is None else length_penalty
        if n_best > beam:
            raise InvalidInput(f"a beam of {beam} has no {n_best} best", f"a beam of {n_best} or more has")
        sources = self._encoded(texts)
        real = [index for index, text in enumerate(texts) if text.strip()]
        order = sorted(real, key=lambda index: -len(sources[index]))
        found = {index: [Hypothesis((), 0.0, 0.0)] for index in range(len(texts))}
        while order:
            size = max(1, self.evaluation.batch_tokens // (len(sources[order[0]]) * beam))
            batch, order = order[:size], order[size:]
            hypotheses = self._search([sources[index] for index in batch], beam=beam, alpha=alpha, n_best=n_best)
            found |= dict(zip(batch, hypotheses, strict=True))
        return [[self._translation(one) for one in found[index]] for index in range(len(sources))]

    def attention_map(self, text: str, translation: Translation) -> bytes | None:
        """Where the decoder looked in the source, a map a layer, as SVG; None where it is too long to be read."""
        return attention_maps.draw(self.model, self.tokenizer, self._encoded([text])[0], translation.tokens)

    def save(self, folder: Path) -> None:
        """Writes what AutoModelForSeq2SeqLM and AutoTokenizer open.  Raises InvalidInput for what they can't be."""
        hf.save(self.model, folder, self.tokenizer)

    def _encoded(self, texts: Sequence[str]) -> list[list[int]]:
        room = self.model.model.max_positions - self.evaluation.extra_length
        sources = [[*ids, self.tokenizer.eos] for ids in self.tokenizer.encode(texts)]
        for number, source in enumerate(sources, start=1):
            if len(source) > room:
                what = f"text {number} has {len(source):,} tokens and the model has room for {room:,}"
                raise InvalidInput(what, "cut it into sentences")
        return sources

    def _search(
        self, sources: Sequence[Sequence[int]], *, beam: int, alpha: float, n_best: int
    ) -> list[list[Hypothesis]]:
        pad, longest = self.tokenizer.pad, max(map(len, sources))
        source_BS = torch.tensor([[*source, *[pad] * (longest - len(source))] for source in sources])
        is_padded = any(len(source) < longest for source in sources)
        return beam_search(
            self.model,
            source_BS.to(self.device),
            padding_mask(source_BS, pad).to(self.device) if is_padded else None,
            bos=self.tokenizer.bos,
            eos=self.tokenizer.eos,
            beam=beam,
            alpha=alpha,
            max_lengths=[len(source) + self.evaluation.extra_length for source in sources],
            n_best=n_best,
        )

    def _translation(self, found: Hypothesis) -> Translation:
        return Translation(self.tokenizer.decode(found.tokens), found.score, found.log_probability, found.tokens)


def open_run(
    trained: Trained, data_home: Path, *, mirror: str | None, log: Callable[[str], None], device: torch.device
) -> Translator:
    """The model of a run.  Its vocabulary is the one that it kept, or else is learned anew from its text."""
    recipe = trained.recipe
    if trained.tokenizer is not None:
        tokenizer = bpe.load(trained.tokenizer)
    else:
        tokenizer = Corpus(recipe.data, data_home, mirror, log).tokenizer()
    trained.check_tokenizer(tokenizer.sha256)
    model = Transformer(recipe.model, tokenizer.size)
    trained.fill(model)
    return Translator(model.to(device), tokenizer, recipe.evaluation, device)


def open_folder(folder: Path, *, device: torch.device) -> Translator:
    """The model of a folder in Hugging Face's format (hf.py says which).  Its search is the paper's (section 6.1).

    Raises InvalidInput where something of it can't be used.
    """
    with files.tokenizer_read(folder):
        found = bpe.load(folder / hf.TOKENIZER) if (folder / hf.TOKENIZER).is_file() else None
    if found is None:
        raise InvalidInput(f"{folder} has no {hf.TOKENIZER}", "vocabularies of SentencePiece can't be read here")
    with files.model_read(folder):
        model = hf.load(folder, device)
    return Translator(model, found, Evaluation(), device)
