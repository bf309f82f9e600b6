"""GPT-2 to Hugging Face's format and back: logits and tokens stay what they were."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config, GPT2LMHeadModel

from reproductions.gpt import hf
from reproductions.gpt.model import GPT
from reproductions.gpt.sizes import GPT_1, Model
from reproductions.registry import InvalidInput
from reproductions.tokenizers import byte_level

TINY = Model(num_layers=2, d_model=32, num_heads=4, context=24, dropout=0.1)
TEXT = "def tokens(text):\n    return text.split()<|endoftext|>It was a cold evening.\n"


@pytest.fixture(scope="module")
def tokenizer():
    return byte_level.train([TEXT] * 3, 280)


def made(model, vocabulary):
    torch.manual_seed(0)
    gpt = GPT(model, vocabulary).eval()
    for parameter in gpt.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return gpt


def logits(model, text):
    with torch.no_grad():
        found = model(text)
    return getattr(found, "logits", found)


@pytest.mark.parametrize("tied", [True, False])
def test_transformers_opens_what_we_save_and_we_what_it_saves(tokenizer, tmp_path, tied):
    ours = made(dataclasses.replace(TINY, tied=tied), tokenizer.size)
    text = torch.randint(0, tokenizer.size, (2, 24))
    hf.save(ours, tmp_path / "ours", tokenizer)

    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "ours").eval()
    assert isinstance(theirs, GPT2LMHeadModel)
    torch.testing.assert_close(logits(theirs, text), logits(ours, text), atol=1e-4, rtol=0)
    names = AutoTokenizer.from_pretrained(tmp_path / "ours")
    assert names(TEXT)["input_ids"] == tokenizer.encode([TEXT], special=True)[0]
    assert names.eos_token_id == tokenizer.end_of_text

    theirs.save_pretrained(tmp_path / "theirs")
    back = hf.load(tmp_path / "theirs")
    assert back.model == ours.model
    torch.testing.assert_close(logits(back, text), logits(ours, text), atol=1e-4, rtol=0)
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), back.parameters(), strict=True))


def test_shards_are_read_as_one(tmp_path):
    torch.manual_seed(0)
    theirs = GPT2LMHeadModel(GPT2Config(vocab_size=50, n_positions=24, n_embd=32, n_layer=2, n_head=4)).eval()
    theirs.save_pretrained(tmp_path, max_shard_size="20KB")
    assert (tmp_path / "model.safetensors.index.json").exists()
    text = torch.randint(0, 50, (1, 20))
    torch.testing.assert_close(logits(hf.load(tmp_path), text), logits(theirs, text), atol=1e-4, rtol=0)


def test_old_names_and_masks_are_understood():
    ours, other = made(TINY, 50), made(TINY, 50)
    weights = {name.removeprefix("transformer."): tensor for name, tensor in hf.to_state_dict(ours).items()}
    weights |= {"h.0.attn.bias": torch.ones(1), "lm_head.weight": ours.tokens.weight}
    hf.from_state_dict(other, weights)
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), other.parameters(), strict=True))


def test_weights_of_another_model_are_refused_by_name():
    weights = hf.to_state_dict(made(TINY, 50))
    with pytest.raises(InvalidInput, match="transformer.wpe"):
        hf.from_state_dict(made(TINY, 50), {k: v for k, v in weights.items() if "wpe" not in k})
    with pytest.raises(InvalidInput, match="shape"):
        hf.from_state_dict(made(TINY, 51), weights)


@pytest.mark.parametrize(
    ("model", "what"),
    [
        (GPT_1, "post-norm"),
        (dataclasses.replace(TINY, band=4), "banded"),
        (dataclasses.replace(TINY, bias=False), "bias"),
    ],
)
def test_a_model_that_gpt_2_cannot_be_is_refused(model, what):
    with pytest.raises(InvalidInput, match=what):
        hf.config_of(model, 50, None)


def test_folders_that_are_not_of_the_format_are_refused(tmp_path):
    with pytest.raises(InvalidInput, match="has no config.json"):
        hf.load(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(InvalidInput, match='model_type "bert"'):
        hf.load(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(hf.config_of(TINY, 50, None)))
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(InvalidInput, match="as a pickle"):
        hf.load(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InvalidInput, match="is not JSON"):
        hf.load(tmp_path)


@pytest.mark.soak
def test_the_real_architecture_keeps_its_logits(tmp_path, tokenizer):
    torch.manual_seed(0)
    theirs = GPT2LMHeadModel(GPT2Config()).eval()
    theirs.save_pretrained(tmp_path)
    text = torch.randint(0, 50_257, (2, 64))
    ours = hf.load(tmp_path)
    torch.testing.assert_close(logits(ours, text), logits(theirs, text), atol=1e-4, rtol=0)
    hf.save(ours, tmp_path / "again", tokenizer)
    back = AutoModelForCausalLM.from_pretrained(tmp_path / "again").eval()
    torch.testing.assert_close(logits(back, text), logits(theirs, text), atol=1e-4, rtol=0)
