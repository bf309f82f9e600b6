"""BERT to Hugging Face's format and back: logits and filled-in words stay what they were."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoModelForPreTraining, AutoTokenizer, BertConfig, BertForPreTraining

from reproductions.bert import hf
from reproductions.bert.model import BERT
from reproductions.bert.sizes import BASE, VOCABULARY, Model
from reproductions.registry import InvalidInput
from reproductions.tokenizers import wordpiece

TINY = Model(num_layers=2, d_model=32, num_heads=4, context=40)
LINES = ["It was a cold evening, and nobody's dog barked.", "The café was closed; she went home!"]
PROMPTS = 200


@pytest.fixture(scope="module")
def tokenizer():
    return wordpiece.train(lambda: LINES * 3, 120)


def made(model, vocabulary):
    """Biases and gains too: zeros and ones would prove nothing."""
    torch.manual_seed(0)
    bert = BERT(model, vocabulary).eval()
    for parameter in bert.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return bert


def batch(vocabulary, length=33, rows=3):
    """Tokens, segments and what is real: two pairs with padding behind them."""
    random = torch.Generator().manual_seed(1)
    tokens = torch.randint(0, vocabulary, (rows, length), generator=random)
    segments = (torch.arange(length) > 9).long().expand(rows, length).contiguous()
    real = torch.arange(length)[None] < torch.tensor([length, *[length - 7] * (rows - 1)])[:, None]
    return tokens, segments, real


@torch.no_grad()
def both(ours, theirs, given):
    """The logits of both heads at real places, ours and theirs."""
    tokens, segments, real = given
    mine = ours(tokens, segments, real)
    other = theirs(input_ids=tokens, token_type_ids=segments, attention_mask=real.long())
    return (mine.masked_lm[real], mine.next_sentence), (other.prediction_logits[real], other.seq_relationship_logits)


def assert_equal(ours, theirs, given):
    for mine, other in zip(*both(ours, theirs, given), strict=True):
        torch.testing.assert_close(mine, other, atol=1e-4, rtol=0)


@pytest.mark.parametrize("model", [TINY, dataclasses.replace(TINY, gelu="tanh", d_ff=48)], ids=["bert", "tanh"])
def test_transformers_opens_what_we_save_and_we_what_it_saves(tokenizer, tmp_path, model):
    ours, given = made(model, tokenizer.size), batch(tokenizer.size)
    hf.save(ours, tmp_path / "ours", tokenizer)

    theirs = AutoModelForPreTraining.from_pretrained(tmp_path / "ours").eval()
    assert isinstance(theirs, BertForPreTraining)
    assert_equal(ours, theirs, given)
    names = AutoTokenizer.from_pretrained(tmp_path / "ours")
    for line in [*LINES, "a [MASK] evening"]:
        inside = tokenizer.encode([line], special=True)[0]
        assert names(line)["input_ids"] == [tokenizer.classify, *inside, tokenizer.separator]
    assert names.mask_token_id == tokenizer.mask
    assert names.model_max_length == 40

    theirs.save_pretrained(tmp_path / "theirs")
    back = hf.load(tmp_path / "theirs")
    assert back.model == ours.model
    assert_equal(back, theirs, given)
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), back.parameters(), strict=True))


def test_masked_words_of_200_prompts_are_filled_in_as_transformers_does(tokenizer, tmp_path):
    ours = made(TINY, tokenizer.size)
    hf.save(ours, tmp_path, tokenizer)
    theirs = AutoModelForMaskedLM.from_pretrained(tmp_path).eval()
    tokens, segments, real = batch(tokenizer.size, rows=PROMPTS)
    masked = torch.rand(tokens.shape, generator=torch.Generator().manual_seed(2)) < 0.15
    masked[:, 3] = True
    tokens[masked] = tokenizer.mask
    asked = masked & real
    with torch.no_grad():
        mine = ours(tokens, segments, real).masked_lm[asked].argmax(dim=-1)
        other = theirs(input_ids=tokens, token_type_ids=segments, attention_mask=real.long()).logits[asked]
    assert len(mine) > PROMPTS
    assert torch.equal(mine, other.argmax(dim=-1))


def test_old_names_of_norms_and_what_is_there_twice_are_understood():
    ours, other = made(TINY, 50), made(TINY, 50)
    torch.nn.init.zeros_(other.next_sentence.weight)
    weights = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): tensor
        for name, tensor in hf.to_state_dict(ours).items()
    }
    weights |= {"cls.predictions.decoder.weight": ours.encoder.embeddings.tokens.weight}
    hf.from_state_dict(other, weights)
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), other.parameters(), strict=True))


def test_weights_of_another_model_are_refused_by_name():
    weights = hf.to_state_dict(made(TINY, 50))
    with pytest.raises(InvalidInput, match=r"bert.pooler.dense"):
        hf.from_state_dict(made(TINY, 50), {k: v for k, v in weights.items() if "pooler" not in k})
    with pytest.raises(InvalidInput, match="shape"):
        hf.from_state_dict(made(TINY, 51), weights)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"model_type": "gpt2"}, 'model_type "gpt2"'),
        ({"hidden_act": "relu"}, 'the activation "relu"'),
        ({"type_vocab_size": 1}, "1 segments"),
        ({"position_embedding_type": "relative_key"}, "relative_key"),
        ({"tie_word_embeddings": False}, "output matrix of its own"),
        ({"is_decoder": True}, "a decoder"),
    ],
)
def test_a_config_that_is_not_berts_is_refused(tmp_path, change, what):
    (tmp_path / "config.json").write_text(json.dumps({**hf.config_of(TINY, 50, 0), **change}))
    with pytest.raises(InvalidInput, match=what):
        hf.load(tmp_path)


@pytest.mark.soak
def test_the_real_architecture_keeps_its_logits(tmp_path):
    torch.manual_seed(0)
    theirs = BertForPreTraining(BertConfig()).eval()
    theirs.save_pretrained(tmp_path)
    ours, given = hf.load(tmp_path), batch(VOCABULARY, length=128)
    assert ours.model == BASE
    assert_equal(ours, theirs, given)
    names = [*wordpiece.SPECIAL, *(f"word{number}" for number in range(VOCABULARY - len(wordpiece.SPECIAL)))]
    hf.save(ours, tmp_path / "again", wordpiece.from_ids({name: number for number, name in enumerate(names)}))
    assert_equal(ours, AutoModelForPreTraining.from_pretrained(tmp_path / "again").eval(), given)
