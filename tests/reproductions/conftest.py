"""What the tests of reproductions share."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread():
    """Small tensors gain nothing from a second thread, and lose much when other work wants the cores."""
    torch.set_num_threads(1)
