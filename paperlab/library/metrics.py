"""Which way a metric's numbers get better, as far as its name tells."""

from __future__ import annotations

import re

_LOWER = frozenset(
    (
        *(
            "perplexity",
            "perplexities",
            "ppl",
            "error",
            "errors",
            "wer",
            "cer",
            "per",
            "ter",
            "eer",
            "bpc",
            "bpb",
            "bpd",
        ),
        *("bits", "bit", "loss", "nll", "rmse", "mse", "mae", "fid", "entropy", "latency", "der"),
    )
)
_HIGHER = frozenset(
    (
        *("accuracy", "acc", "bleu", "sacrebleu", "f1", "f0", "fscore", "rouge", "em", "map", "mrr", "auc", "auroc"),
        *(
            "meteor",
            "chrf",
            "comet",
            "bertscore",
            "precision",
            "recall",
            "las",
            "uas",
            "hits",
            "correct",
            "gleu",
            "smatch",
        ),
        *(
            "cider",
            "spice",
            "ndcg",
            "mcc",
            "iou",
            "miou",
            "psnr",
            "ssim",
            "elo",
            "matched",
            "mismatched",
            "ap",
            "waa",
            "pass",
        ),
    )
)


def is_lower_better(metric: str) -> bool | None:
    """True for perplexity, error rates and losses, False for accuracy, BLEU, F1 and the like, None if not known."""
    words = set(re.findall(r"[a-z]+\d*", metric.casefold().replace("f-score", "fscore").replace("f-1", "f1")))
    words |= {word.rstrip("0123456789") for word in words}
    if words & _LOWER:
        return True
    known = words & _HIGHER or re.search(r"exact match|\b[rp]_?\d*@\d", metric.casefold())
    return False if known else None
