"""How fast does cached generation write, beside transformers'?  One thread, process CPU time, interleaved, greedy.

    python benchmarks/generation.py [--peers DIR] [--out benchmarks/results]     # DIR/nanoGPT: a checkout of it

Both sides hold the same random weights of GPT-2's architecture, get the same prompts and have to write the same tokens,
which is checked.  Our matrices are laid out for decoding once, before the clock starts.  A repeat lets each write in
turn; a ratio is the peer's time over ours within one repeat, and the median of the repeats is what counts: above 1 ours
is faster.  nanoGPT, which keeps no cache, is shown where it is at hand.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import record  # noqa: E402 - the checkout need not be installed
from benchmarks.training import compare, interleaved, program  # noqa: E402


@dataclass(frozen=True)
class Setting:
    """What is written: ``new`` tokens after a prompt of ``prompt`` in each of ``batch`` rows."""

    num_layers: int
    d_model: int
    num_heads: int
    vocabulary: int
    batch: int
    prompt: int
    new: int
    bar: float


SETTINGS = {
    "6x384, batch 1": Setting(6, 384, 6, 257, batch=1, prompt=16, new=100, bar=1.3),
    "6x384, batch 16": Setting(6, 384, 6, 257, batch=16, prompt=16, new=60, bar=1.1),
    "124M-2-layers, batch 1": Setting(2, 768, 12, 50_257, batch=1, prompt=16, new=60, bar=1.3),
    "124M-2-layers, batch 16": Setting(2, 768, 12, 50_257, batch=16, prompt=16, new=20, bar=1.1),
}
_CONTEXT = 256


def sides(setting: Setting, peers: Path | None) -> dict[str, Callable[[], Any]]:
    """Each writes the same and returns its rows of new tokens."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    from reproductions.engine.generation import Decoding, stream
    from reproductions.gpt import hf
    from reproductions.gpt.model import GPT

    config = GPT2Config(
        vocab_size=setting.vocabulary,
        n_positions=_CONTEXT,
        n_embd=setting.d_model,
        n_layer=setting.num_layers,
        n_head=setting.num_heads,
        bos_token_id=None,
        eos_token_id=None,
    )
    theirs = GPT2LMHeadModel(config).eval()
    gpt = GPT(hf.model_of(config.to_dict()), setting.vocabulary)
    hf.from_state_dict(gpt, theirs.state_dict())
    gpt.eval()
    gpt.lay_out_for_decoding()
    prompts = torch.randint(0, setting.vocabulary, (setting.batch, setting.prompt))
    decoding = Decoding(max_new_tokens=setting.new)

    def ours() -> list[list[int]]:
        steps = [dict(step) for step in stream(gpt, prompts.tolist(), decoding, context=_CONTEXT)]
        return [[step[row] for step in steps] for row in range(setting.batch)]

    def transformers() -> list[list[int]]:
        written = theirs.generate(
            prompts,
            attention_mask=torch.ones_like(prompts),
            max_new_tokens=setting.new,
            do_sample=False,
            pad_token_id=0,
        )
        rows: list[list[int]] = written[:, setting.prompt :].tolist()
        return rows

    found: dict[str, Callable[[], Any]] = {"ours": ours, "transformers": transformers}
    if peers is not None and setting.batch == 1:
        found["nanoGPT"] = nanogpt(setting, peers, prompts)
    return found


def nanogpt(setting: Setting, peers: Path, prompts: Any) -> Callable[[], Any]:
    """Its own weights: it can't be greedy, so what it writes is not compared."""
    module = program("nanogpt_model", peers / "nanoGPT" / "model.py")
    with contextlib.redirect_stdout(io.StringIO()):
        model = module.GPT(
            module.GPTConfig(
                block_size=_CONTEXT,
                vocab_size=setting.vocabulary,
                n_layer=setting.num_layers,
                n_head=setting.num_heads,
                n_embd=setting.d_model,
            )
        ).eval()
    return lambda: model.generate(prompts, setting.new, top_k=1)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--peers", type=Path, help="the folder with nanoGPT's checkout")
    arguments.add_argument("--setting", action="append", choices=tuple(SETTINGS), help="default: all")
    arguments.add_argument("--repeats", type=int, default=9)
    arguments.add_argument("--out", type=Path, help="write a record there")
    chosen = arguments.parse_args()

    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    measured: dict[str, Any] = {}
    for name in chosen.setting or SETTINGS:
        setting = SETTINGS[name]
        torch.manual_seed(0)
        writers = sides(setting, chosen.peers)
        if writers["ours"]() != writers["transformers"]():
            raise SystemExit(f"{name}: ours and transformers do not write the same")
        found = compare(interleaved(writers, 1, chosen.repeats))
        found["milliseconds"] = {who: round(took / setting.new, 3) for who, took in found["milliseconds"].items()}
        measured[name] = {**found, "bar": setting.bar, "reached": found["ratio"]["transformers"] >= setting.bar}
        print(f"{name:<24} {measured[name]}", flush=True)
    if chosen.out is not None:
        question = "how many times faster does cached greedy generation write than transformers', on one CPU thread?"
        details = {
            "milliseconds_are": "of one step of all rows",
            "repeats": chosen.repeats,
            "packages": {"torch": torch.__version__, "transformers": transformers.__version__},
            "settings": {name: vars(SETTINGS[name]) for name in measured},
        }
        print(record.write(chosen.out, "generation-gpt", question, {"measured": measured, **details}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
