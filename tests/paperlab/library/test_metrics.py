"""The direction of a metric is told from its name where the name is clear, and from nothing else."""

from __future__ import annotations

import pytest

from paperlab.library.metrics import is_lower_better


@pytest.mark.parametrize(
    "metric",
    [
        *("Per-Class Accuracy", "Accuracy (8 bit)", "8-bit Accuracy", "F1 (per entity)", "BLEU (per sentence)"),
        *("Accuracy per Dollar", "Error Detection F1", "Error Correction F0.5", "Accuracy of error detection"),
        *("Per-sentence BLEU score", "Recall at 5% error", "EM (Quasar-T)", "P@10%", "Top-1 (accuracy)", "Exact Match"),
    ],
)
def test_a_word_beside_the_metric_does_not_turn_it_to_lower_is_better(metric):
    assert is_lower_better(metric) is False


@pytest.mark.parametrize(
    "metric",
    [
        *("PER", "Phoneme Error Rate (PER)", "Bit per Character (BPC)", "bits per byte", "Errors per Class"),
        *("Accuracy Loss", "WER (8 bit)", "Top 5 Error Rate", "Error rate at 95% Recall", "Model Entropy"),
    ],
)
def test_error_rates_and_losses_stay_lower_is_better(metric):
    assert is_lower_better(metric) is True


@pytest.mark.parametrize(
    "metric",
    [
        *("Relative Error Reduction", "CER reduction", "WER improvement (%)", "Accuracy drop", "BLEU gain", "per"),
        *("Negative MSE", "Grammatical Error Correction", "8-bit score", "Error F1 Dev", "Words per second"),
    ],
)
def test_what_is_no_metric_itself_or_disagrees_is_not_ranked(metric):
    assert is_lower_better(metric) is None
