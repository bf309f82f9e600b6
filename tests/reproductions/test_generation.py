"""Generation: token for token transformers', whatever is batched together; drawn as filtered; cut where asked."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from reproductions.engine.generation import Decoding, complete, filtered, stream
from reproductions.gpt import hf
from reproductions.gpt.model import GPT
from reproductions.gpt.sizes import Model
from reproductions.registry import InvalidInput
from reproductions.tokenizers.byte import ByteTokenizer

TOKENIZER = ByteTokenizer()
END, CONTEXT = 256, 48
PROMPTS = ["The quick brown fox", "x", "def tokens(text):\n", "naïve"]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    gpt = GPT(Model(num_layers=2, d_model=32, num_heads=4, context=CONTEXT, initialisation="fan-in"), 257).eval()
    with torch.no_grad():
        gpt.positions.weight.mul_(3.0)  # so that outputs wander instead of repeating one token
    return gpt


def transformers_model(gpt):
    config = GPT2Config(
        vocab_size=257, n_positions=CONTEXT, n_embd=32, n_layer=2, n_head=4, bos_token_id=END, eos_token_id=END
    )
    theirs = GPT2LMHeadModel(config).eval()
    theirs.load_state_dict(hf.to_state_dict(gpt), strict=False)
    return theirs


GREEDY = Decoding()


def written(model, prompts, decoding=GREEDY, **options):
    found = complete(
        model,
        TOKENIZER.encode(prompts),
        decoding,
        context=CONTEXT,
        end=options.pop("end", END),
        decode=TOKENIZER.decode,
        **options,
    )
    return [each.text for each in found] if not options.get("whole") else found


def tokens(model, prompts, decoding, end=END):
    rows = [[] for _ in prompts]
    for step in stream(model, TOKENIZER.encode(prompts), decoding, context=CONTEXT, end=end):
        for row, token in step:
            rows[row].append(token)
    return rows


def test_greedy_output_is_transformers_token_for_token(model):
    theirs = transformers_model(model)
    decoding = Decoding(max_new_tokens=25)
    ours = tokens(model, PROMPTS, decoding)
    for prompt, found in zip(TOKENIZER.encode(PROMPTS), ours, strict=True):
        expected = theirs.generate(
            torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            max_new_tokens=25,
            do_sample=False,
            pad_token_id=END,
        )
        assert found == expected[0, len(prompt) :].tolist()


@pytest.mark.parametrize(
    "decoding",
    [
        Decoding(max_new_tokens=20),
        Decoding(max_new_tokens=20, repetition_penalty=1.3),
        Decoding(max_new_tokens=20, temperature=0.9, top_k=20, top_p=0.9, repetition_penalty=1.1, seed=4),
    ],
    ids=["greedy", "penalty", "drawn"],
)
def test_a_row_is_the_same_whatever_it_is_batched_with(model, decoding):
    together = tokens(model, PROMPTS, decoding)
    assert together[0] == tokens(model, PROMPTS[:1], decoding)[0]
    assert together[:2] == tokens(model, PROMPTS[:2], decoding)
    longer = tokens(model, [*PROMPTS, "y" * 27], decoding)
    assert longer[: len(PROMPTS)] == together


def test_cached_output_equals_reading_everything_anew(model):
    decoding = Decoding(max_new_tokens=20)
    for prompt, found in zip(TOKENIZER.encode(PROMPTS), tokens(model, PROMPTS, decoding, end=None), strict=True):
        ids = list(prompt)
        with torch.no_grad():
            for _ in range(20):
                ids.append(int(model(torch.tensor([ids]))[0, -1].argmax()))
        assert found == ids[len(prompt) :]


def test_seeds_repeat_and_differ(model):
    one, same, other = (
        tokens(model, PROMPTS, Decoding(max_new_tokens=15, temperature=1.0, seed=seed)) for seed in (1, 1, 2)
    )
    assert one == same
    assert one != other


@given(
    logits=st.lists(st.floats(-8, 8, width=32), min_size=12, max_size=12),
    temperature=st.floats(0.2, 2.0),
    top_k=st.integers(0, 14),
    top_p=st.floats(0.05, 1.0),
    penalty=st.floats(0.7, 2.0),
)
def test_the_filters_are_those_of_transformers(logits, temperature, top_k, top_p, penalty):
    scores = torch.tensor([logits]) + torch.linspace(0, 1e-3, 12)  # ties are in no order
    seen = torch.tensor([[1, 4, 4]])
    expected = TemperatureLogitsWarper(temperature)(
        seen, RepetitionPenaltyLogitsProcessor(penalty)(seen, scores.clone())
    )
    if top_k:
        expected = TopKLogitsWarper(top_k)(seen, expected)
    if top_p < 1:
        expected = TopPLogitsWarper(top_p)(seen, expected)
    mask = torch.zeros(1, 12, dtype=torch.bool).index_fill(1, seen[0], True)
    decoding = Decoding(temperature=temperature, top_k=top_k, top_p=top_p, repetition_penalty=penalty)
    torch.testing.assert_close(filtered(scores, mask, decoding), expected)


def test_tokens_are_drawn_as_often_as_they_are_probable():
    class Fixed:
        def start(self, rows, room):
            return Fixed()

        def extend(self, tokens, cache):
            return torch.log(torch.tensor([0.5, 0.3, 0.2, 1e-30])).expand(len(tokens), -1)

    drawn = [
        token
        for step in stream(Fixed(), [[0]] * 300, Decoding(max_new_tokens=10, temperature=1.0), context=99)
        for _, token in step
    ]
    shares = torch.bincount(torch.tensor(drawn), minlength=4) / len(drawn)
    torch.testing.assert_close(shares, torch.tensor([0.5, 0.3, 0.2, 0.0]), atol=0.03, rtol=0)


def test_a_stop_string_ends_the_text_before_it(model):
    (whole,) = written(model, PROMPTS[:1], Decoding(max_new_tokens=25), end=None)
    stop = whole[5:8]
    (found,) = written(model, PROMPTS[:1], Decoding(max_new_tokens=25, stop=("never there", stop)), end=None)
    assert found == whole[: whole.index(stop)]


@pytest.mark.parametrize("stop", [(), ("\ufffd",), ("ab", "q")])
def test_what_is_streamed_is_the_text_and_is_never_taken_back(model, stop):
    pieces = {row: [] for row in range(len(PROMPTS))}
    decoding = Decoding(max_new_tokens=25, temperature=1.2, seed=3, stop=stop)
    texts = written(model, PROMPTS, decoding, on_text=lambda row, text: pieces[row].append(text))
    assert ["".join(pieces[row]) for row in pieces] == texts


def test_half_a_character_is_held_back_until_it_is_whole():
    class Writing:
        ids = list("é!".encode())

        def start(self, rows, room):
            self.place = 0
            return Writing()

        def extend(self, tokens, cache):
            logits = torch.zeros(1, 257)
            logits[0, self.ids[self.place]] = 1.0
            self.place += 1
            return logits

    told = []
    written(Writing(), ["x"], Decoding(max_new_tokens=3), on_text=lambda _, text: told.append(text))
    assert told == ["é", "!"]


def test_a_row_ends_at_the_end_of_the_document_and_the_others_go_on(model):
    rows = tokens(model, PROMPTS, Decoding(max_new_tokens=20), end=None)
    end = rows[0][3]
    ended = tokens(model, PROMPTS, Decoding(max_new_tokens=20), end=end)
    for whole, found in zip(rows, ended, strict=True):
        assert found == (whole[: whole.index(end) + 1] if end in whole else whole)


def test_text_stops_where_the_context_is_full(model):
    (row,) = tokens(model, ["y" * 40], Decoding(max_new_tokens=50), end=None)
    assert len(row) == 8


def test_an_empty_prompt_starts_from_the_end_of_a_document(model):
    assert written(model, [""], Decoding(max_new_tokens=5)) == [
        complete(model, [[END]], Decoding(max_new_tokens=5), context=CONTEXT, end=END, decode=TOKENIZER.decode)[0].text
    ]
    with pytest.raises(InvalidInput, match="the prompt is empty"):
        written(model, [""], end=None)


def test_what_no_decoding_can_be_is_refused(model):
    for wrong in ({"temperature": -1.0}, {"top_p": 0.0}, {"top_k": -1}, {"max_new_tokens": 0}, {"stop": ("",)}):
        with pytest.raises(InvalidInput, match="it has to be|" + next(iter(wrong))):
            Decoding(**wrong)
    with pytest.raises(InvalidInput, match="the prompt has 48 tokens"):
        written(model, ["y" * 48])
    assert written(model, []) == []


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_two_hundred_prompts_through_gpt_2s_architecture_are_transformers_token_for_token():
    torch.manual_seed(0)
    config = GPT2Config()
    theirs = GPT2LMHeadModel(config).eval()
    gpt = GPT(hf.model_of(config.to_dict()), config.vocab_size)
    hf.from_state_dict(gpt, theirs.state_dict())
    gpt.eval()
    random = torch.Generator().manual_seed(1)
    for number in range(200):
        prompt = torch.randint(0, 50_257, (1, 1 + number % 40), generator=random)
        expected = theirs.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=12, do_sample=False)
        steps = stream(gpt, prompt.tolist(), Decoding(max_new_tokens=12), context=1024, end=config.eos_token_id)
        assert [token for step in steps for _, token in step] == expected[0, prompt.shape[1] :].tolist()
