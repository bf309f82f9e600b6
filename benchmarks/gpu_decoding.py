"""Decoding on a GPU, ours beside peers with the same weights: what gpu.py asks about it."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from benchmarks.gpu_training import Machine
from benchmarks.gpu_translation import fairseq_parts


def seconds(function: Callable[[], Any], machine: Machine, repeats: int) -> float:
    """Median of some calls, after one that is not counted."""
    function()
    times = []
    for _ in range(repeats):
        machine.wait()
        began = time.perf_counter()
        function()
        machine.wait()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def gpt2(machine: Machine, shrink: int) -> dict[str, Any]:
    """Tokens a second of 124M with random weights, greedy, a prompt of 16 and 200 new tokens, in two precisions."""
    from reproductions.engine.generation import Decoding, stream
    from reproductions.gpt import hf
    from reproductions.gpt.graphed import GraphedGPT
    from reproductions.gpt.model import GPT

    try:
        from transformers import GPT2Config, GPT2LMHeadModel, logging
    except ImportError:
        raise SystemExit("transformers is needed, beside which it is measured") from None
    logging.set_verbosity_error()
    new = 200 if shrink == 1 else 8
    size = {} if shrink == 1 else {"n_layer": 2, "n_embd": 64, "n_head": 2, "vocab_size": 512}
    config = GPT2Config(**size, bos_token_id=None, eos_token_id=None)
    found: dict[str, Any] = {"new_tokens": new}
    for kind in ("float32", "bfloat16"):
        torch.manual_seed(0)
        dtype = getattr(torch, kind)
        theirs = GPT2LMHeadModel(config).eval()
        gpt = GPT(hf.model_of(config.to_dict()), config.vocab_size)
        hf.from_state_dict(gpt, theirs.state_dict())
        gpt.eval().to(machine.device, dtype)
        theirs.to(machine.device, dtype)
        prompt = torch.randint(config.vocab_size, (1, 16), device=machine.device)
        model = GraphedGPT(gpt) if machine.on_gpu else gpt

        def ours(model: Any = model, prompt: Any = prompt) -> list[int]:
            steps = stream(model, prompt.tolist(), Decoding(max_new_tokens=new), context=1024, device=machine.device)
            return [step[0][1] for step in steps]

        def plain(gpt: Any = gpt, prompt: Any = prompt) -> list[int]:
            steps = stream(gpt, prompt.tolist(), Decoding(max_new_tokens=new), context=1024, device=machine.device)
            return [step[0][1] for step in steps]

        def transformers(theirs: Any = theirs, prompt: Any = prompt) -> list[int]:
            written = theirs.generate(
                prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=new, do_sample=False, pad_token_id=0
            )
            row: list[int] = written[0, 16:].tolist()
            return row

        repeats = 3 if machine.on_gpu else 1
        ids = {"ours": ours(), "transformers": transformers(), "ours, without the graph": plain()}
        took = {
            "ours": seconds(ours, machine, repeats),
            "transformers": seconds(transformers, machine, repeats),
            "ours, without the graph": seconds(plain, machine, repeats),
        }
        same = [mine == theirs for mine, theirs in zip(ids["ours"], ids["transformers"], strict=True)]
        found[kind] = {
            "tokens_per_s": {name: round(new / value) for name, value in took.items()},
            "ratio": round(took["transformers"] / took["ours"], 2),
            "equal_tokens_before_the_first_difference": same.index(False) if False in same else new,
        }
    return found


def beam(machine: Machine, shrink: int) -> dict[str, Any]:
    """Beam 4 on transformer-base with random weights in bf16: 128 sentences of 25 tokens, 40 out for every one."""
    from benchmarks.translation_sides import marian_model
    from reproductions.transformer.model import Transformer
    from reproductions.transformer.recipes import FULL
    from reproductions.transformer.search import beam_search

    torch.manual_seed(0)
    shape = FULL.model if shrink == 1 else replace(FULL.model, num_layers=1, d_model=64, d_ff=128)
    vocabulary, sentences, new = FULL.data.vocabulary // shrink, max(2, 128 // shrink), 40 if shrink == 1 else 6
    dtype = torch.bfloat16 if machine.on_gpu else torch.float32
    source = torch.randint(4, vocabulary, (sentences, 25), device=machine.device)
    model = Transformer(shape, vocabulary).eval().to(machine.device, dtype)
    words: dict[str, Any] = {"bos": 1, "eos": 2, "beam": 4, "alpha": 0.6, "max_lengths": [new] * sentences}
    sides: dict[str, Callable[[], Any]] = {"ours": lambda: beam_search(model, source, None, **words)}
    with contextlib.suppress(ImportError):
        marian = marian_model(shape, vocabulary).eval().to(machine.device, dtype)
        sides["transformers"] = lambda: marian.generate(
            source, num_beams=4, max_new_tokens=new, min_new_tokens=new, do_sample=False, length_penalty=0.6
        )
    with contextlib.suppress(ImportError):
        from fairseq.sequence_generator import SequenceGenerator

        other, dictionary = fairseq_parts(shape, vocabulary)
        other.eval().to(machine.device, dtype)
        generator = SequenceGenerator(
            [other], dictionary, beam_size=4, max_len_a=0, max_len_b=new, min_len=new, len_penalty=0.6
        ).to(machine.device)
        lengths = torch.full((sentences,), 25, device=machine.device)
        sample = {"net_input": {"src_tokens": source, "src_lengths": lengths}}
        sides["fairseq"] = lambda: generator.generate([other], sample)
    with torch.inference_mode():
        took = {name: seconds(side, machine, 3 if machine.on_gpu else 1) for name, side in sides.items()}
    return {
        "seconds": {name: round(value, 3) for name, value in took.items()},
        "sentences_per_s": round(sentences / took["ours"], 1),
        "ratio": {name: round(value / took["ours"], 2) for name, value in took.items() if name != "ours"},
    }
