"""Which way a metric's numbers get better, as far as its name tells.

A direction that is not certain is None: a table in the wrong order says more than one without order.
"""

from __future__ import annotations

import re

_LOWER = frozenset(
    (
        *("perplexity", "perplexities", "ppl", "error", "errors", "loss", "nll", "entropy", "latency"),
        *("wer", "cer", "ter", "eer", "der", "bits", "bit", "bpc", "bpb", "bpd", "rmse", "mse", "mae", "fid"),
    )
)
_HIGHER = frozenset(
    (
        *("accuracy", "acc", "bleu", "sacrebleu", "f1", "f0", "fscore", "rouge", "em", "map", "mrr", "auc", "auroc"),
        *("meteor", "chrf", "comet", "bertscore", "precision", "recall", "las", "uas", "hits", "correct", "gleu"),
        *("smatch", "cider", "spice", "ndcg", "mcc", "iou", "miou", "psnr", "ssim", "elo", "matched", "mismatched"),
        *("ap", "waa", "pass"),
    )
)
_OF_A_CHANGE = frozenset(
    (
        *("reduction", "improvement", "gain", "increase", "decrease", "drop", "difference", "delta", "gap", "change"),
        *("std", "deviation", "variance", "inverse", "negative"),
    )
)
"""With these the number is not the metric itself."""
_GENERIC = frozenset(("score", "scores", "rate", "value", "values", "percentage"))
_PHONEME_ERROR_RATE = "PER"
_ASIDE = re.compile(r"\([^)]*\)|\[[^]]*\]")
_QUALIFIER = re.compile(
    r"\bper\b[\s-]*\w*"  # "per-class", "per token"
    r"|\b\d+[\s-]*bits?\b"  # "8-bit" is a precision of numbers
    r"|\berrors?[\s-]+(?:detection|correction|analysis|free)\b"  # tasks
)
_PREPOSITION = re.compile(r"\b(?:of|at|on|for|in|with|against|under)\b|@")
_AT = re.compile(r"exact[ _-]match|\b[rp]_?\d*@\d")


def is_lower_better(metric: str) -> bool | None:
    """True for perplexity, error rates and losses, False for accuracy, BLEU, F1 and the like, None if not known.

    What stands in brackets or behind a preposition counts only where the rest says nothing.  Of words that disagree the
    last one is the thing measured: "Error Detection F1" is an F1.
    """
    if metric.strip() == _PHONEME_ERROR_RATE:  # in lower case it is a preposition
        return True
    name = metric.casefold().replace("f-score", "fscore").replace("f-1", "f1")
    main = _QUALIFIER.sub(" ", _ASIDE.sub(" ", name))
    if _OF_A_CHANGE & set(re.findall(r"[a-z]+", main)):
        return None
    if _AT.search(main):
        return False
    for part in (_PREPOSITION.split(main)[0], main, _QUALIFIER.sub(" ", name)):
        directions = [_direction(word) for word in re.findall(r"[a-z]+\d*", part) if word not in _GENERIC]
        known = set(directions) - {None}
        if known:
            return known.pop() if len(known) == 1 else directions[-1]
    return None


def _direction(word: str) -> bool | None:
    forms = {word, word.rstrip("0123456789")}
    return True if forms & _LOWER else False if forms & _HIGHER else None
