"""GGUF files: numbers as their own package reads them, models as they were before, and damage by name."""

from __future__ import annotations

import dataclasses
import random
import struct

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from reproductions import registry
from reproductions.engine import gguf
from reproductions.llama import opening
from reproductions.llama.model import Llama
from reproductions.llama.sizes import Model
from reproductions.registry import InvalidInput
from reproductions.tokenizers import byte_level

from . import gguf_files

CPU = torch.device("cpu")
TEXT = "It was a cold evening in 1789. The quick brown fox jumps over the lazy dog, and so on.\n"
TINY = Model(num_layers=2, d_model=32, num_heads=4, num_groups=2, d_ff=40, context=64, rotary_base=700.0)


@pytest.fixture(scope="module")
def tokenizer():
    return byte_level.train([TEXT] * 3, 300)


def made(tokenizer, model=TINY):
    torch.manual_seed(0)
    llama = Llama(model, tokenizer.size).eval()
    for parameter in llama.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return llama


@pytest.fixture
def file(tmp_path, tokenizer):
    path = tmp_path / "tiny.gguf"
    gguf_files.of_llama(path, made(tokenizer), tokenizer)
    return path


@pytest.mark.parametrize("kind", ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K", "BF16"])
def test_every_type_is_decoded_to_the_numbers_that_ggmls_own_package_gives(kind):
    theirs = pytest.importorskip("gguf", reason="the package gguf is not installed")
    (ours,) = (each for each in gguf._KINDS.values() if each.name == kind)
    blocks = np.random.default_rng(0).integers(0, 256, (50, ours.size), dtype=np.uint8)
    with np.errstate(all="ignore"):  # random scales are no numbers now and then
        expected = theirs.quants.dequantize(blocks, theirs.GGMLQuantizationType[kind])
        found = ours.decode(blocks)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected.reshape(found.shape))


@pytest.mark.parametrize("tied", [False, True])
def test_a_file_becomes_a_folder_that_transformers_and_we_open_alike(tmp_path, tokenizer, tied):
    ours = made(tokenizer, dataclasses.replace(TINY, tied=tied))
    gguf_files.of_llama(tmp_path / "tiny.gguf", ours, tokenizer)
    registry.folder_of_gguf(tmp_path / "tiny.gguf", tmp_path / "folder")
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "folder").eval()
    writer = opening.open_folder(tmp_path / "folder", device=CPU)
    kept, rounded = ours.tokens.weight.detach(), writer.model.tokens.weight.detach()
    assert 0 < float((kept - rounded).abs().max()) <= float(kept.abs().max()) / 127
    with torch.no_grad():
        ours.tokens.weight.copy_(rounded)
        text = torch.randint(0, tokenizer.size, (1, 30))
        torch.testing.assert_close(writer.model(text), ours(text), atol=1e-5, rtol=0)
        torch.testing.assert_close(theirs(text).logits, ours(text), atol=1e-4, rtol=0)
    assert (writer.end, writer.begin) == (tokenizer.end_of_text, ())


def test_its_tokenizer_takes_digits_apart_and_knows_its_special_tokens(tmp_path, file, tokenizer):
    registry.folder_of_gguf(file, tmp_path / "folder")
    names = AutoTokenizer.from_pretrained(tmp_path / "folder")
    writer = opening.open_folder(tmp_path / "folder", device=CPU)
    for text in (TEXT, "1789", "<|endoftext|>x"):
        assert writer.tokenizer.decode(writer.tokenizer.encode([text])[0]) == text
    (ids,) = writer.tokenizer.encode(["In 1789 so"])
    assert names("In 1789 so")["input_ids"] == ids
    assert [writer.tokenizer.decode([token]) for token in ids if token in writer.tokenizer.encode(["1789"])[0]] == [
        "1",
        "7",
        "8",
        "9",
    ]
    assert names("<|endoftext|>x")["input_ids"][0] == tokenizer.end_of_text == names.eos_token_id


def test_a_first_token_is_put_before_every_prompt_where_the_file_says_so(tmp_path, tokenizer):
    more = {"tokenizer.ggml.add_bos_token": True, "tokenizer.ggml.bos_token_id": 5}
    gguf_files.of_llama(tmp_path / "tiny.gguf", made(tokenizer), tokenizer, **more)
    registry.folder_of_gguf(tmp_path / "tiny.gguf", tmp_path / "folder")
    assert opening.open_folder(tmp_path / "folder", device=CPU).begin == (5,)
    assert AutoTokenizer.from_pretrained(tmp_path / "folder")("fox")["input_ids"][0] == 5


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"general.architecture": "qwen2"}, r'architecture "qwen2", which can\'t be opened here'),
        ({"tokenizer.ggml.model": "llama"}, r'a tokenizer "llama" that cuts text as "smollm"'),
        ({"tokenizer.ggml.pre": "llama-bpe"}, 'cuts text as "llama-bpe"'),
        ({"llama.rope.scaling.type": "yarn"}, r'scaled \("yarn"\)'),
        ({"llama.rope.dimension_count": 4}, "rotates its heads in part"),
        ({"llama.embedding_length": None}, r"does not say llama.embedding_length"),
        ({"general.alignment": 0}, "an alignment of 0"),
        ({"llama.embedding_length": "wide"}, "can't be understood"),
        ({"llama.attention.head_count": 0}, "can't be understood"),
        ({"tokenizer.ggml.tokens": None}, r"it lacks tokenizer.ggml.tokens"),
        ({"tokenizer.ggml.merges": ["no such"]}, "can't be understood"),
    ],
)
def test_what_a_file_holds_that_llama_is_not_is_refused_by_name(tmp_path, tokenizer, more, what):
    gguf_files.of_llama(tmp_path / "tiny.gguf", made(tokenizer), tokenizer, **more)
    with pytest.raises(InvalidInput, match=what):
        registry.folder_of_gguf(tmp_path / "tiny.gguf", tmp_path / "folder")


def test_tensors_that_llama_has_no_place_for_and_types_that_are_not_read_are_refused(tmp_path):
    path = tmp_path / "odd.gguf"
    gguf_files.write(path, {"general.architecture": "llama"}, {"blk.0.attn_q.bias": ((4,), 99, b"\0" * 16)})
    with pytest.raises(InvalidInput, match=r"attn_q.bias .* is of ggml's type 99"):
        gguf.read(path)
    gguf_files.write(path, {"general.architecture": "llama"}, {"x": ((1 << 40,), 0, b"\0" * 16)})
    with pytest.raises(InvalidInput, match="x does not lie in it"):
        gguf.read(path)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "can't be read"),
        (b"PK\x03\x04rest of a zip", "is no GGUF file"),
        (struct.pack("<4sI", b"GGUF", 1), "GGUF of version 1"),
        (struct.pack(">4sIQQ", b"GGUF", 3, 0, 0), "GGUF of version 50331648"),
        (struct.pack("<4sIQQQ", b"GGUF", 3, 0, 1, 1 << 60), "damaged or cut off"),
        (struct.pack("<4sIQQ", b"GGUF", 3, 1 << 60, 0), "damaged or cut off"),
        (struct.pack("<4sIQQQ1sIIQ", b"GGUF", 3, 0, 1, 1, b"a", 9, 4, 1 << 60), "damaged or cut off"),
        (struct.pack("<4sIQQQ1sI", b"GGUF", 3, 0, 1, 1, b"a", 77), "damaged or cut off"),
    ],
)
def test_what_is_no_such_file_or_half_of_one_says_so(tmp_path, content, what):
    (tmp_path / "file.gguf").write_bytes(content)
    with pytest.raises(InvalidInput, match=what):
        gguf.read(tmp_path / "file.gguf")


def test_a_file_that_is_cut_anywhere_is_refused_and_never_half_read(tmp_path, file):
    content = file.read_bytes()
    cut = tmp_path / "cut.gguf"
    drawn = random.Random(0)
    for length in sorted(drawn.sample(range(1, len(content) - gguf_files.ALIGNMENT), 40)):
        cut.write_bytes(content[:length])
        with pytest.raises(InvalidInput):
            gguf.read(cut)
