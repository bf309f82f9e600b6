"""Beam search against every possible output, against a search without cache, and alone against batched."""

from __future__ import annotations

import itertools

import pytest
import torch

from reproductions.attention.model import padding_mask
from reproductions.transformer.model import Transformer
from reproductions.transformer.recipes import Model
from reproductions.transformer.search import beam_search, length_penalty, translate

PAD, BOS, EOS = 0, 1, 2
TINY = Model(num_layers=1, d_model=16, d_ff=16, num_heads=2, dropout=0.0, max_positions=128)


def undecided_model(vocabulary, seed, sharpness=1.0):
    """Its distributions are flat enough for long outputs, and for the search to be worth something."""
    torch.manual_seed(seed)
    model = Transformer(TINY, vocabulary).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2 and parameter is not model.embedding.weight:
                parameter.mul_(2)
        model.embedding.weight.mul_(sharpness)
    return model


def log_probability(model, source, output):
    """Of ``output`` and the end token, in one pass without cache."""
    with torch.no_grad():
        logits = model(source[None], torch.tensor([[BOS, *output]]))[0]
    following = torch.tensor([*output, EOS])
    return logits.log_softmax(-1).gather(1, following[:, None]).sum().item()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("alpha", [0.0, 0.6])
def test_a_wide_beam_finds_the_best_of_all_outputs(seed, alpha):
    model = undecided_model(5, seed)
    sources = torch.tensor([[3, 4, 3, EOS], [4, EOS, PAD, PAD]])
    found = beam_search(
        model, sources, padding_mask(sources, PAD), bos=BOS, eos=EOS, beam=64, alpha=alpha, max_lengths=[4, 4], n_best=3
    )
    for source, hypotheses in zip(sources, found, strict=True):
        real = source[source != PAD]
        everything = [
            (log_probability(model, real, output) / float(length_penalty(len(output) + 1, alpha)), output)
            for length in range(4)
            for output in itertools.product((PAD, BOS, 3, 4), repeat=length)
        ]
        best = sorted(everything, reverse=True)[:3]
        assert [hypothesis.tokens for hypothesis in hypotheses] == [output for _, output in best]
        assert [hypothesis.score for hypothesis in hypotheses] == pytest.approx([score for score, _ in best], abs=1e-5)


def slow_beam_search(model, source, beam, alpha, max_length):
    """The same search as the paper's, over Python lists, every prefix run anew, until the longest output."""
    alive, ended = [(0.0, [])], []
    for length in range(1, max_length + 1):
        candidates = []
        for score, output in alive:
            with torch.no_grad():
                logits = model(source[None], torch.tensor([[BOS, *output]]))[0, -1]
            following = enumerate(logits.log_softmax(-1).tolist())
            candidates += [(score + value, [*output, token]) for token, value in following]
        candidates = sorted(candidates, reverse=True)[: 2 * beam]
        penalty = float(length_penalty(length, alpha))
        ended += [(score / penalty, output[:-1]) for score, output in candidates if output[-1] == EOS]
        alive = [candidate for candidate in candidates if candidate[1][-1] != EOS][:beam]
    return max(ended) if ended else (alive[0][0] / penalty, alive[0][1])


@pytest.mark.parametrize("beam", [1, 2, 4])
def test_cached_batched_search_that_stops_early_equals_a_slow_one(beam):
    sources = [[3, 4, 5, EOS], [6, EOS], [7, 8, 3, 4, 5, 6, EOS], [5, 5, EOS], [8, EOS]]
    lengths = set()
    for seed, sharpness in itertools.product((1, 4, 11, 15), (0.5, 1.0, 2.0)):
        model = undecided_model(9, seed, sharpness)
        found = translate(model, sources, pad=PAD, bos=BOS, eos=EOS, beam=beam, alpha=0.6, extra_length=6)
        for source, hypothesis in zip(sources, found, strict=True):
            score, output = slow_beam_search(model, torch.tensor(source), beam, 0.6, len(source) + 6)
            assert list(hypothesis.tokens) == output
            assert hypothesis.score == pytest.approx(score, abs=1e-5)
            lengths.add(len(output))
    assert len(lengths) > 3  # outputs that end at once, late and never: otherwise little was compared


def test_sentences_are_translated_alone_as_in_a_batch_and_come_back_in_order():
    model = undecided_model(9, seed=1)
    torch.manual_seed(3)
    sources = [[*torch.randint(3, 9, (length,)).tolist(), EOS] for length in (1, 6, 3, 3, 9, 2, 7, 5)]
    settings = {"pad": PAD, "bos": BOS, "eos": EOS, "beam": 3, "alpha": 0.6, "extra_length": 5}
    together = translate(model, sources, **settings)
    alone = [translate(model, [source], **settings)[0] for source in sources]
    assert [found.tokens for found in together] == [found.tokens for found in alone]


def test_an_output_is_cut_at_the_longest_length_allowed():
    model = undecided_model(9, seed=1)
    with torch.no_grad():
        model.embedding.weight[EOS] *= 0
        model.embedding.weight[3:] *= 5  # the end is never among the best
    found = translate(model, [[3, 4, EOS]], pad=PAD, bos=BOS, eos=EOS, beam=2, alpha=0.6, extra_length=4)
    assert len(found[0].tokens) == 7


def test_translating_leaves_the_model_in_the_mode_it_was_in():
    model = undecided_model(9, seed=1).train()
    translate(model, [[3, EOS]], pad=PAD, bos=BOS, eos=EOS, beam=1, alpha=0.6, extra_length=2)
    assert model.training


def test_the_length_penalty_is_that_of_wu_et_al():
    assert float(length_penalty(1, 0.6)) == 1
    assert float(length_penalty(13, 0.6)) == pytest.approx(3**0.6)
    assert float(length_penalty(13, 0.0)) == 1
