"""How the tiny paper trains and tests."""

import hashlib
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from .recipes import Model


class Stream:
    """Shuffled epochs of micro-batches; the order of an epoch follows from seed and epoch."""

    def __init__(self, symbols_NT, batch, seed, pause, position):
        self.symbols_NT, self.batch, self.seed, self.pause = symbols_NT, batch, seed, pause
        self.epoch, self.index = (position["epoch"], position["index"]) if position else (0, 0)

    def __iter__(self):
        return self

    def __next__(self):
        time.sleep(self.pause)
        order = np.random.default_rng([self.seed, self.epoch]).permutation(len(self.symbols_NT))
        rows = order[self.index : self.index + self.batch]
        self.index += self.batch
        if self.index >= len(order):
            self.epoch, self.index = self.epoch + 1, 0
        return self.symbols_NT[rows]

    def position(self):
        return {"epoch": self.epoch, "index": self.index}


class NextSymbol(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.embedding = nn.Embedding(model.vocabulary, model.d_model)
        self.hidden = nn.Linear(model.d_model, model.d_model)
        self.dropout = nn.Dropout(model.dropout)
        self.output = nn.Linear(model.d_model, model.vocabulary)
        self.output.weight = self.embedding.weight  # shared, so that checkpoints have a tied tensor

    def forward(self, symbols_BT):
        return self.output(self.dropout(torch.relu(self.hidden(self.embedding(symbols_BT)))))


class Task:
    def __init__(self, *, recipe, data_home, device, seed):
        self.recipe, self.device, self.seed = recipe, device, seed

    def prepare(self, log):
        data, vocabulary = self.recipe.data, self.recipe.model.vocabulary
        start_N1 = np.random.default_rng(0).integers(vocabulary, size=(data.examples, 1))
        symbols_NT = (start_N1 + np.arange(6) * 3) % vocabulary
        self.symbols_NT = torch.from_numpy(symbols_NT).to(self.device)
        digest = hashlib.sha256(symbols_NT.tobytes() + data.version.encode()).hexdigest()
        log("prepared")
        return {"data": {"tiny": {"sha256": digest, "url": None, "bytes": symbols_NT.nbytes, "pinned": True}}}

    def build_model(self):
        return NextSymbol(self.recipe.model)

    def batches(self, position):
        if self.recipe.data.fail == "forget":
            position = None
        return Stream(self.symbols_NT, self.recipe.data.batch, self.seed, self.recipe.data.pause, position)

    def loss(self, model, batch_BT):
        logits_BTV = model(batch_BT[:, :-1])
        target_BT = batch_BT[:, 1:]
        nats = functional.cross_entropy(logits_BTV.flatten(0, 1), target_BT.flatten(), reduction="sum")
        return nats, target_BT.numel(), {}

    def validate(self, model):
        nats, tokens, _ = self.loss(model, self.symbols_NT[:20])
        return {"val/loss": nats.item() / tokens}

    def samples(self, model, step):
        source = self.symbols_NT[0, :3]
        output = model(source[None])[0, -1].argmax().item()
        text = " ".join(map(str, source.tolist()))
        return [{"source": text, "output": str(output), "reference": None, "decoding": {"method": "greedy"}}]

    def evaluate(self, model):
        if self.recipe.data.fail == "pause":
            time.sleep(60)
        elif self.recipe.data.fail:
            raise RuntimeError(self.recipe.data.fail)
        predicted_BT = model(self.symbols_NT[:, :-1]).argmax(-1)
        accuracy = (predicted_BT == self.symbols_NT[:, 1:]).float().mean().item()
        return [
            {
                "claim": None,
                "task": "next symbol",
                "dataset": "tiny",
                "split": "test",
                "metric": "accuracy",
                "value": accuracy,
                "unit": "",
                "n": self.symbols_NT[:, 1:].numel(),
                "protocol": {},
            }
        ]


def structure():
    model = NextSymbol(Model())
    count = sum(parameter.numel() for parameter in model.parameters())
    return [{"claim": None, "metric": "parameters", "value": count, "unit": ""}]
