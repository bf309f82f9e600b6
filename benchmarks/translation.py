"""Is an encoder-decoder of ours as fast as a peer's?  One thread, process CPU time, interleaved, the same work.

    python benchmarks/translation.py padding training beam [--data MIRROR] [--out benchmarks/results]

`padding`: the share of real tokens in the default pipeline's batches.  `training`: a step with 2 + 2 layers of the
base model's shape, on batches of random sentences (padded) and on batches of like length (bucketed), against
torch.nn.Transformer, transformers' Marian and, where it is installed, fairseq.  `beam`: beam search with 6 + 6 layers,
beam 4, over 32 sentences of WMT's lengths, against Marian's `generate` and fairseq's generator with the same weights.
Weights that nobody trained end no sentence, so every hypothesis grows to the same length; with --trained RUN
(transformer-base --tier smoke --set model.num_layers=6) sentences are searched that end, each where it does.

A ratio is the peer's time over ours within one repeat; the median of the repeats counts: above 1 ours is faster.

Multi30k's lengths are Multi30k's, its files from the mirror or the network.  WMT's are made: log-normal, a mean of 28
word pieces and a standard deviation of 17, the sides correlated.  Among 100,000 such pairs fewer are alike than among
WMT's 4.5 million, so their batches hold more padding.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import record  # noqa: E402 - the checkout need not be installed
from benchmarks.training import compare, interleaved  # noqa: E402

BARS = {
    "padding": {"multi30k": 0.95, "wmt": 0.90},
    "training": {"padded": 1.2, "bucketed": 1.0},
    "beam": 1.4,
}
VOCABULARY = 37_000
_KINDS = ("wmt", "multi30k")
_BATCH_TOKENS = 700
_BATCHES = 4


def pairs_of(kind: str, count: int, mirror: Path | None, vocabulary: int = VOCABULARY) -> Any:
    """Sentence pairs with the lengths of a corpus.  Their tokens count for nothing but their number."""
    import numpy as np

    from reproductions.data.parallel import Pairs

    random = np.random.default_rng(0)
    if kind == "multi30k":
        source, target = _multi30k(mirror)
    else:
        spread, pair = 0.55, 0.9  # of the logarithm; and the correlation of the two sides
        both = random.multivariate_normal([0, 0], [[1, pair], [pair, 1]], size=count) * spread
        source, target = (np.clip(np.rint(28 * np.exp(side - spread**2 / 2)), 2, 256).astype(int) for side in both.T)
    sides = []
    for lengths in (source, target):
        starts = np.concatenate([[0], np.cumsum(lengths)])
        tokens = random.integers(3, vocabulary, size=int(starts[-1]))
        tokens[starts[1:] - 1] = 2
        sides += [tokens, starts]
    return Pairs(*sides)


def _multi30k(mirror: Path | None) -> tuple[Any, Any]:
    """Lengths in word pieces of the mini tier's tokenizer, end tokens included."""
    from reproductions import registry
    from reproductions.transformer.corpus import Corpus

    data = registry.recipe("transformer-base", "mini").data
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(os.environ.get("PAPERLAB_HOME", scratch)) / "data"
        corpus = Corpus(data, home, None if mirror is None else str(mirror), lambda _: None)
        pairs = corpus.pairs("train", corpus.tokenizer(), data.max_length)
        return pairs.source_lengths().copy(), pairs.target_lengths().copy()


def padding(mirror: Path | None, count: int) -> dict[str, Any]:
    """Of one epoch's batches as the recipes cut them: real tokens over all, both sides together."""
    from reproductions import registry
    from reproductions.data.parallel import BatchStream

    found: dict[str, Any] = {}
    for kind, tier in (("multi30k", "mini"), ("wmt", "full")):
        pairs = pairs_of(kind, count, mirror)
        tokens = registry.recipe("transformer-base", tier).data.tokens_per_batch
        stream = BatchStream(pairs, tokens_per_batch=tokens, seed=0, pad=0, bos=1)
        source, target = pairs.source_lengths(), pairs.target_lengths()
        real = padded = 0
        for index in stream.epoch(0):
            real += int(source[index].sum() + target[index].sum())
            padded += len(index) * int(source[index].max() + target[index].max())
        share = real / padded
        bar = BARS["padding"][kind]  # type: ignore[index]
        found[kind] = {"pairs": len(pairs), "tokens_per_batch": tokens, "share": round(share, 4), "bar": bar}
        found[kind]["reached"] = share >= bar
        print(f"padding   {kind:<18} {found[kind]}", flush=True)
    return found


def training(
    mirror: Path | None, count: int, repeats: int, *, size: Any, vocabulary: int, kinds: list[str]
) -> dict[str, Any]:
    """Steps on the same few batches in turn."""
    import numpy as np
    import torch

    from benchmarks import translation_sides as sides
    from benchmarks.gpu_training import Machine
    from benchmarks.gpu_translation import fairseq_translation
    from reproductions.data.parallel import BatchStream, batch_of

    found: dict[str, Any] = {}
    for kind in kinds:
        pairs = pairs_of(kind, count, mirror, vocabulary)
        stream = BatchStream(pairs, tokens_per_batch=_BATCH_TOKENS, seed=0, pad=0, bos=1)
        sentences = round(_BATCH_TOKENS / float(pairs.target_lengths().mean()))
        random = np.random.default_rng(0)
        chosen = [random.choice(len(pairs), sentences, replace=False) for _ in range(_BATCHES)]
        batches = {
            "padded": [batch_of(pairs, index, 0, 1) for index in chosen],
            "bucketed": [next(stream) for _ in range(_BATCHES)],
        }
        for how, given in batches.items():
            torch.manual_seed(0)
            steps = {
                "ours": sides.ours(size, vocabulary),
                "torch.nn.Transformer": sides.torch_transformer(size, vocabulary),
                "transformers": sides.marian(size, vocabulary),
            }
            taken = {name: _in_turn(step, given) for name, step in steps.items()}
            with contextlib.suppress(ImportError):
                taken["fairseq"] = fairseq_translation(Machine("cpu"), size, vocabulary, given)
            measured = compare(interleaved(taken, len(given), repeats))
            bar = BARS["training"][how]  # type: ignore[index]
            real = statistics.mean(batch.real_share() for batch in given)
            measured |= {"real_share": round(real, 3), "bar": bar}
            measured["reached"] = min(measured["ratio"].values()) >= bar
            found[f"{kind}, {how}"] = measured
            print(f"training  {kind + ', ' + how:<18} {measured}", flush=True)
    return found


def _in_turn(step: Callable[[Any], None], batches: list[Any]) -> Callable[[], None]:
    turns = cycle(batches)
    return lambda: step(next(turns))


def random_weights(size: Any, vocabulary: int, sentences: int = 32) -> tuple[Any, list[list[int]]]:
    """A model that nobody trained, which ends no sentence, and sources of WMT's lengths."""
    import torch

    from benchmarks.translation_sides import EOS
    from reproductions.transformer.model import Transformer

    torch.manual_seed(0)
    lengths = [min(int(each), 60) for each in pairs_of("wmt", sentences, None).source_lengths()]
    sources = [[*torch.randint(3, vocabulary, (length - 1,)).tolist(), EOS] for length in lengths]
    return Transformer(size, vocabulary).eval(), sources


def trained_weights(run: Path, sentences: int = 32) -> tuple[Any, list[list[int]]]:
    """The model of a run on number words, and sentences that it has not seen, which it ends."""
    from reproductions.engine import trained
    from reproductions.run_directory import RunDirectory
    from reproductions.tokenizers import bpe
    from reproductions.transformer.corpus import Corpus
    from reproductions.transformer.model import Transformer

    found = trained.read(RunDirectory(run))
    assert found.tokenizer is not None
    tokenizer = bpe.load(found.tokenizer)
    with tempfile.TemporaryDirectory() as scratch:
        lines = list(Corpus(found.recipe.data, Path(scratch), None, lambda _: None).lines("test"))[:sentences]
    model = Transformer(found.recipe.model, tokenizer.size)
    found.fill(model)
    return model, [[*ids, tokenizer.eos] for ids in tokenizer.encode([source for source, _ in lines])]


def beam(repeats: int, model: Any, sources: list[list[int]], room: int) -> dict[str, Any]:
    """At most ``room`` tokens out.  Without a length penalty, whose formulas differ: all look for the same."""
    import torch

    from benchmarks import translation_sides as sides
    from reproductions.attention.model import padding_mask
    from reproductions.transformer.search import beam_search

    size, vocabulary, sentences = model.model, len(model.embedding.weight), len(sources)
    theirs = sides.marian_model(size, vocabulary).eval()
    sides.give_weights(model, theirs)
    source = torch.full((sentences, max(map(len, sources))), sides.PAD)
    for row, tokens in enumerate(sources):
        source[row, : len(tokens)] = torch.tensor(tokens)
    mask = padding_mask(source, sides.PAD)
    with torch.inference_mode():
        target = torch.randint(3, vocabulary, (sentences, 7))
        mine = model(source, target, mask)
        other = theirs(input_ids=source, attention_mask=(source != 0).long(), decoder_input_ids=target).logits
        apart = float((mine - other).abs().max() / mine.std())
    assert apart < 1e-3, f"the two models differ by {apart} of their spread"
    written: dict[str, list[list[int]]] = {}

    def search() -> None:
        limits = [room] * sentences
        found = beam_search(model, source, mask, bos=sides.BOS, eos=sides.EOS, beam=4, alpha=0.0, max_lengths=limits)
        written["ours"] = [list(best[0].tokens) for best in found]

    def generate() -> None:
        with torch.inference_mode():
            found = theirs.generate(
                input_ids=source,
                attention_mask=(source != 0).long(),
                num_beams=4,
                length_penalty=0.0,
                max_new_tokens=room,
                early_stopping=False,
            )
        written["transformers"] = [[token for token in row[1:].tolist() if token > sides.EOS] for row in found]

    searches = {"ours": search, "transformers": generate}
    with contextlib.suppress(ImportError):
        searches["fairseq"] = sides.fairseq_search(model, source, room, written)
    measured = compare(interleaved(searches, 1, repeats))
    measured |= {"sentences": sentences, "logits_apart": apart, "bar": BARS["beam"], "at_most_tokens": room}
    measured["output_tokens"] = {
        name: round(statistics.mean(len(row) for row in rows), 1) for name, rows in written.items()
    }
    measured["same_output"] = {
        name: sum(row == mine for row, mine in zip(rows, written["ours"], strict=True))
        for name, rows in written.items()
        if name != "ours"
    }
    measured["reached"] = measured["ratio"]["transformers"] >= BARS["beam"]
    print(f"beam      {measured}", flush=True)
    return measured


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("question", nargs="+", choices=("padding", "training", "beam"))
    arguments.add_argument("--data", type=Path, help="a mirror of the data (default: the network)")
    arguments.add_argument("--lengths", action="append", choices=_KINDS, help="of training: these only, recorded apart")
    arguments.add_argument("--repeats", type=int, default=7)
    arguments.add_argument("--trained", type=Path, metavar="RUN", help="of beam: a run on number words, beside")
    arguments.add_argument("--pairs", type=int, default=100_000, help="how many pairs of WMT's lengths are made")
    arguments.add_argument("--tiny", action="store_true", help="a small model: to try the script, not to measure")
    arguments.add_argument("--out", type=Path, help="write records there")
    chosen = arguments.parse_args()

    import torch

    from reproductions.transformer.recipes import Model

    torch.set_num_threads(1)
    small = {"d_model": 32, "d_ff": 32, "num_heads": 2} if chosen.tiny else {}
    vocabulary = 200 if chosen.tiny else VOCABULARY
    details = {"torch": torch.__version__, "repeats": chosen.repeats, "vocabulary": vocabulary, "tiny": chosen.tiny}
    for question in chosen.question:
        if question == "padding":
            asked, found = "what share of the default pipeline's tokens is real?", padding(chosen.data, chosen.pairs)
        elif question == "training":
            asked = "how many times faster is a training step of the Transformer than a peer's, on one CPU thread?"
            size, kinds = Model(num_layers=2, max_positions=512, **small), chosen.lengths or [*_KINDS]
            found = training(chosen.data, chosen.pairs, chosen.repeats, size=size, vocabulary=vocabulary, kinds=kinds)
        else:
            asked = "how many times faster is beam search than transformers' generate, on one CPU thread?"
            size = Model(num_layers=2 if chosen.tiny else 6, max_positions=512, **small)
            room = 40
            found = {"forced length": beam(chosen.repeats, *random_weights(size, vocabulary), room)}
            if chosen.trained is not None:
                model, sources = trained_weights(chosen.trained)
                found["ending early"] = beam(chosen.repeats, model, sources, max(map(len, sources)) + 50)
        if chosen.out is not None:
            name = "-".join(("translation", question, *(chosen.lengths or () if question == "training" else ())))
            print(record.write(chosen.out, name, asked, {"measured": found, **details}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
