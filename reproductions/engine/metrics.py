"""Scores, each with the protocol that makes it comparable."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import sacrebleu
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a


@dataclass(frozen=True)
class Bleu:
    """`value` in 0..100; `signature` is sacreBLEU's own, which names version, tokenisation, casing and smoothing."""

    value: float
    signature: str


def bleu(outputs: Sequence[str], references: Sequence[str], *, lowercase: bool = False, tokenize: str = "13a") -> Bleu:
    """Corpus BLEU of detokenised text against one reference each (Papineni 2002; Post 2018, 1804.08771)."""
    if len(outputs) != len(references):
        raise ValueError(f"{len(outputs)} outputs against {len(references)} references")
    metric = sacrebleu.BLEU(lowercase=lowercase, tokenize=tokenize, force=True)
    score = metric.corpus_score(list(outputs), [list(references)])
    return Bleu(float(score.score), str(metric.get_signature()))


def compound_split_bleu(outputs: Sequence[str], references: Sequence[str]) -> Bleu:
    """Tokenised, cased BLEU with hyphenated compounds split on both sides, as WMT14 papers since 2016 report it.

    The common script tokenises with Moses and then replaces "a-b" by "a ##AT##-##AT## b"; here the tokenisation
    is 13a, which the signature's `tok:none` cannot show: record it in the protocol.
    """
    tokenizer = Tokenizer13a()  # type: ignore[no-untyped-call]
    split = [[split_compounds(tokenizer(text)) for text in side] for side in (outputs, references)]
    return bleu(split[0], split[1], tokenize="none")


def split_compounds(text: str) -> str:
    """Each hyphen between two non-blanks becomes a token of its own."""
    return re.sub(r"(?<=\S)-(?=\S)", " ##AT##-##AT## ", text)


def exact_match(outputs: Sequence[str], references: Sequence[str]) -> float:
    """The share of outputs that equal their reference, surrounding blanks aside; in 0..1."""
    if len(outputs) != len(references):
        raise ValueError(f"{len(outputs)} outputs against {len(references)} references")
    same = [output.strip() == reference.strip() for output, reference in zip(outputs, references, strict=True)]
    return sum(same) / len(same)


def perplexity(nats_per_token: float) -> float:
    """exp of the mean loss; infinite where that overflows."""
    return math.exp(nats_per_token) if nats_per_token < 709 else math.inf


def bits_per_byte(nats: float, num_bytes: int) -> float:
    """The summed loss of a text over its length in UTF-8."""
    return nats / math.log(2) / num_bytes
