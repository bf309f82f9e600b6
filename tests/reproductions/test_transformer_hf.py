"""The Transformer to Hugging Face's format and back, as a Marian: logits, translations and tokens stay the same."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, MarianConfig, MarianMTModel

from reproductions.attention.model import padding_mask
from reproductions.registry import InvalidInput
from reproductions.tokenizers import bpe
from reproductions.transformer import hf, opening
from reproductions.transformer.model import Transformer
from reproductions.transformer.recipes import FULL, Evaluation, Model

CPU = torch.device("cpu")
LINES = ["A dog runs through the snow.", "Ein Hund läuft durch den Schnee.", "two hundred and six", "zweihundertsechs"]
TINY = Model(num_layers=2, d_model=24, d_ff=40, num_heads=3, max_positions=200)


@pytest.fixture(scope="module")
def tokenizer():
    return bpe.train(LINES * 3, 300)


def made(model, vocabulary, std=0.3):
    """Biases and gains too: zeros and ones would prove nothing."""
    torch.manual_seed(0)
    transformer = Transformer(model, vocabulary).eval()
    for parameter in transformer.parameters():
        torch.nn.init.normal_(parameter, std=std)
    return transformer


@torch.no_grad()
def both(ours, theirs, vocabulary, length=17):
    """The logits of ours and theirs where the target is real; the first source and target are padded."""
    random = torch.Generator().manual_seed(1)
    source, target = (torch.randint(3, vocabulary, (3, size), generator=random) for size in (length, length + 4))
    source[0, -5:] = 0
    target[:, 0] = bpe.BOS
    mask = padding_mask(source, 0)
    mine = ours(source, target, mask)
    other = theirs(input_ids=source, attention_mask=mask[:, 0, 0].long(), decoder_input_ids=target)
    return mine, other.logits


def assert_equal(ours, theirs, vocabulary, **more):
    mine, other = both(ours, theirs, vocabulary, **more)
    assert float(mine.std()) > 0.1
    torch.testing.assert_close(mine, other, atol=1e-4, rtol=0)


def test_transformers_opens_what_we_save_and_we_what_it_saves(tokenizer, tmp_path):
    ours = made(TINY, tokenizer.size)
    hf.save(ours, tmp_path / "ours", tokenizer)
    theirs = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "ours").eval()
    assert isinstance(theirs, MarianMTModel)
    assert_equal(ours, theirs, tokenizer.size)
    theirs.save_pretrained(tmp_path / "theirs")
    back = hf.load(tmp_path / "theirs")
    assert back.model == dataclasses.replace(TINY, label_smoothing=back.model.label_smoothing)
    assert back.state_dict().keys() == ours.state_dict().keys()
    assert all(torch.equal(tensor, ours.state_dict()[name]) for name, tensor in back.state_dict().items())


def test_a_random_marian_of_the_papers_kind_is_read_with_its_own_weights(tmp_path):
    torch.manual_seed(0)
    config = MarianConfig(**{**hf.config_of(TINY, 60), "dropout": 0.25})
    theirs = MarianMTModel(config).eval()
    for name, parameter in theirs.named_parameters():
        if "embed_positions" not in name:
            torch.nn.init.normal_(parameter, std=0.0 if "_proj.bias" in name else 0.3)
    theirs.save_pretrained(tmp_path)
    ours = hf.load(tmp_path)
    assert ours.model.dropout == 0.25
    assert_equal(ours, theirs, 60)


def test_the_tokenizer_encodes_and_decodes_as_ours_does(tokenizer, tmp_path):
    hf.save(made(TINY, tokenizer.size), tmp_path, tokenizer)
    names = AutoTokenizer.from_pretrained(tmp_path)
    for text in [*LINES, "  spaces around \t", "größer, 漢字 & 1789!", ""]:
        ids = names(text)["input_ids"]
        assert ids == [*tokenizer.encode([text])[0], tokenizer.eos]
        assert names.decode(ids, skip_special_tokens=True) == tokenizer.decode(ids) == text.strip()
    assert (names.pad_token_id, names.bos_token_id, names.eos_token_id) == (bpe.PAD, bpe.BOS, bpe.EOS)
    assert names.model_max_length == 200
    assert set(names("a dog")) == {"input_ids", "attention_mask"}
    # What differs, and docs/models.md says so: written out, a special token is one there, and text here.
    assert names("</s>")["input_ids"] == [bpe.EOS, bpe.EOS] != [*tokenizer.encode(["</s>"])[0], bpe.EOS]


def test_greedy_translations_are_token_for_token_those_of_transformers_before_and_after_saving(tokenizer, tmp_path):
    ours = made(TINY, tokenizer.size, std=0.4)
    before = opening.Translator(ours, tokenizer, Evaluation(), CPU)
    before.save(tmp_path)
    after = opening.open_folder(tmp_path, device=CPU)
    theirs, names = AutoModelForSeq2SeqLM.from_pretrained(tmp_path).eval(), AutoTokenizer.from_pretrained(tmp_path)
    found = [best[0] for best in before.translate(LINES, beam=1)]
    assert [best[0].tokens for best in after.translate(LINES, beam=1)] == [one.tokens for one in found]
    for line, one in zip(LINES, found, strict=True):
        ids = names(line, return_tensors="pt")
        room = ids["input_ids"].shape[1] + Evaluation().extra_length
        with torch.no_grad():
            whole = theirs.generate(**ids, num_beams=1, do_sample=False, max_new_tokens=room)[0].tolist()
        assert whole[0] == bpe.BOS
        new = whole[1:]
        assert one.tokens == tuple(new[:-1] if new[-1] == bpe.EOS else new)
    assert len({one.tokens for one in found}) > 1


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"model_type": "bart"}, 'model_type "bart"'),
        ({"activation_function": "swish"}, 'the activation "swish"'),
        ({"scale_embedding": False}, r"not times sqrt\(d_model\)"),
        ({"share_encoder_decoder_embeddings": False}, "several embeddings"),
        ({"normalize_before": True}, "norms before the sub-layers"),
        ({"decoder_layers": 1}, "of different sizes"),
        ({"pad_token_id": 58100}, r"padding, first and last token \[58100, 1, 2\]"),
    ],
)
def test_a_marian_that_the_paper_does_not_have_is_refused_by_what_differs(change, what):
    with pytest.raises(InvalidInput, match=what):
        hf.model_of({**hf.config_of(TINY, 60), **change})


@pytest.mark.parametrize(
    ("model", "what"),
    [
        (dataclasses.replace(TINY, positions="learned"), "learned positions"),
        (dataclasses.replace(TINY, d_key=4), "d_model / num_heads wide"),
    ],
)
def test_a_row_of_table_3_that_marian_cannot_be_is_refused(model, what):
    with pytest.raises(InvalidInput, match=what):
        hf.config_of(model, 60)


def test_biases_that_are_not_zero_and_weights_of_another_model_are_refused_by_name(tokenizer, tmp_path):
    weights = hf.to_state_dict(made(TINY, 60))
    for name in ("final_logits_bias", "model.decoder.layers.1.encoder_attn.k_proj.bias"):
        with pytest.raises(InvalidInput, match=rf"has not: {name}"):
            hf.from_state_dict(made(TINY, 60), {**weights, name: weights[name] + 1e-3})
    with pytest.raises(InvalidInput, match="fc1"):
        hf.from_state_dict(made(TINY, 60), {name: w for name, w in weights.items() if "layers.1.fc1" not in name})
    with pytest.raises(InvalidInput, match=r"shared.weight has the shape"):
        hf.from_state_dict(made(TINY, 61), weights)
    with pytest.raises(InvalidInput, match=r"has no config.json"):
        opening.open_folder(tmp_path, device=CPU)
    (tmp_path / "config.json").write_text(json.dumps(hf.config_of(TINY, 60)))
    with pytest.raises(InvalidInput, match=r"has no tokenizer.json"):
        opening.open_folder(tmp_path, device=CPU)
    tokenizer.save(tmp_path / "tokenizer.json")
    with pytest.raises(InvalidInput, match=r"has no model.safetensors"):
        opening.open_folder(tmp_path, device=CPU)


@pytest.mark.soak
def test_the_base_model_of_the_paper_keeps_its_logits_both_ways(tmp_path, tokenizer):
    """Six and six layers, 37,000 tokens, random weights of trained size; both directions."""
    torch.manual_seed(0)
    ours = Transformer(FULL.model, FULL.data.vocabulary).eval()
    for name, parameter in ours.named_parameters():
        if parameter.dim() == 1:
            parameter.data += 0.1 * torch.randn_like(parameter)
        elif "embedding" not in name:
            parameter.data *= 1.5
    hf.save(ours, tmp_path / "ours", tokenizer)
    theirs = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "ours").eval()
    assert_equal(ours, theirs, FULL.data.vocabulary, length=60)
    theirs.save_pretrained(tmp_path / "theirs")
    assert_equal(hf.load(tmp_path / "theirs"), theirs, FULL.data.vocabulary, length=60)
