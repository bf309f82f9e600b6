"""LLaMA to Hugging Face's format and back, with tokenizers of both kinds: logits and tokens stay what they were."""

from __future__ import annotations

import json

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from reproductions.llama import hf, opening
from reproductions.llama.model import Llama
from reproductions.llama.sizes import Model
from reproductions.registry import InvalidInput
from reproductions.tokenizers import byte_level

CPU = torch.device("cpu")
TEXT = "It was a cold evening. The quick brown fox jumps over the lazy dog, and so on.\n"
TINY = Model(num_layers=2, d_model=24, num_heads=6, num_groups=2, d_ff=40, context=64)


def made(model, vocabulary, seed=0):
    torch.manual_seed(seed)
    llama = Llama(model, vocabulary).eval()
    for parameter in llama.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return llama


def theirs_of(folder, vocabulary, **sizes):
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=vocabulary,
        max_position_embeddings=64,
        hidden_size=24,
        intermediate_size=40,
        num_hidden_layers=2,
        num_attention_heads=6,
        num_key_value_heads=2,
        **{"bos_token_id": 1, "eos_token_id": 2, **sizes},
    )
    model = LlamaForCausalLM(config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    return model


def like_sentencepiece():
    """A tokenizer of the kind that LLaMA's released one is: <s> first, words with their space, bytes for the rest."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))],
        show_progress=False,
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(split=True)
    tokenizer.train_from_iterator([TEXT] * 3, trainer)
    tokenizer.pre_tokenizer = None
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)]
    )
    return tokenizer


def test_saved_ours_is_opened_by_transformers_and_by_us_with_the_same_logits(tmp_path):
    tokenizer = byte_level.train([TEXT] * 3, 300)
    ours = made(TINY, tokenizer.size)
    hf.save(ours, tmp_path, tokenizer)
    theirs, names = AutoModelForCausalLM.from_pretrained(tmp_path).eval(), AutoTokenizer.from_pretrained(tmp_path)
    ids = torch.tensor(tokenizer.encode([TEXT]))
    assert names(TEXT, return_tensors="pt")["input_ids"].tolist() == ids.tolist()
    assert names.eos_token_id == tokenizer.end_of_text
    back = opening.open_folder(tmp_path, device=CPU)
    assert (back.begin, back.end) == ((), tokenizer.end_of_text)
    with torch.no_grad():
        torch.testing.assert_close(theirs(ids).logits, ours(ids), atol=1e-4, rtol=0)
        assert torch.equal(back.model(ids), ours(ids))


def test_greedy_is_token_for_token_what_transformers_gives_and_its_text_keeps_its_spaces(tmp_path):
    tokenizer = like_sentencepiece()
    model = theirs_of(tmp_path, tokenizer.get_vocab_size())
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    writer = opening.open_folder(tmp_path, device=CPU)
    assert (writer.begin, writer.end) == ((1,), 2)
    prompts = [TEXT[start : start + length] for start, length in ((0, 1), (3, 9), (20, 30), (5, 2), (40, 17))]
    written = writer.write(prompts, batch=3, max_new_tokens=20)
    for prompt, found in zip(prompts, written, strict=True):
        ids = tokenizer.encode(prompt).ids
        assert ids[0] == 1
        with torch.no_grad():
            whole = model.generate(torch.tensor([ids]), do_sample=False, max_new_tokens=20, pad_token_id=0)[0].tolist()
        new = whole[len(ids) :]
        assert found.tokens == tuple(new[:-1] if new[-1] == 2 else new)
        assert tokenizer.decode([*ids[1:], *found.tokens], skip_special_tokens=False) == prompt + found.text
    assert len({found.tokens for found in written}) > 1


def test_folders_of_older_versions_and_of_parts_are_understood(tmp_path):
    theirs = theirs_of(tmp_path, 60, rope_parameters={"rope_type": "default", "rope_theta": 700.0})
    config = json.loads((tmp_path / "config.json").read_text())
    assert hf.model_of(config).rotary_base == 700.0
    old = {name: value for name, value in config.items() if name not in ("rope_parameters", "head_dim")}
    assert hf.model_of({**old, "rope_theta": 700.0, "rope_scaling": None}) == hf.model_of(config)
    ours = Llama(hf.model_of(config), 60)
    bare = {name.removeprefix("model."): tensor for name, tensor in theirs.state_dict().items()}
    hf.from_state_dict(ours, {**bare, "layers.0.self_attn.rotary_emb.inv_freq": torch.ones(2)})
    text = torch.randint(0, 60, (1, 30))
    with torch.no_grad():
        torch.testing.assert_close(ours.eval()(text), theirs(text).logits, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"model_type": "mistral"}, 'model_type "mistral"'),
        ({"hidden_act": "gelu"}, 'the activation "gelu"'),
        ({"rope_parameters": {"rope_type": "llama3", "rope_theta": 5e5}}, r'scaled \("llama3"\)'),
        ({"rope_parameters": None, "rope_scaling": {"type": "linear", "factor": 2}}, r'scaled \("linear"\)'),
        ({"rope_parameters": {"partial_rotary_factor": 0.5}}, "rotated in part"),
        ({"attention_bias": True}, "biases"),
        ({"mlp_bias": True}, "biases"),
    ],
)
def test_a_model_that_is_not_llamas_is_refused_by_what_differs(change, what):
    with pytest.raises(InvalidInput, match=what):
        hf.model_of({**hf.config_of(TINY, 60, None), **change})


def test_weights_of_another_model_are_refused_by_name():
    weights = hf.to_state_dict(made(TINY, 60))
    with pytest.raises(InvalidInput, match=r"k_proj"):
        hf.from_state_dict(made(TINY, 60), {name: w for name, w in weights.items() if "1.self_attn.k_proj" not in name})
    with pytest.raises(InvalidInput, match=r"embed_tokens.weight has the shape"):
        hf.from_state_dict(made(TINY, 61), weights)
    cut = {**weights, "model.layers.0.self_attn.v_proj.weight": torch.zeros(4, 24)}
    with pytest.raises(InvalidInput, match=r"v_proj.weight has the shape \(4, 24\)"):
        hf.from_state_dict(made(TINY, 60), cut)


def test_a_folder_without_tokenizer_or_with_a_broken_one_is_refused(tmp_path):
    theirs_of(tmp_path, 60)
    with pytest.raises(InvalidInput, match=r"has no tokenizer.json"):
        opening.open_folder(tmp_path, device=CPU)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(InvalidInput, match=r"tokenizer in .* can't be read"):
        opening.open_folder(tmp_path, device=CPU)
