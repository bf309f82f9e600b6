"""A spread that several recipes have in common: where it is taken, where it is not, and what is said of it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from scipy import stats

from paperlab.entities import Claim, Pool, VerdictKind
from paperlab.errors import InvalidInput
from paperlab.library import claims as library
from paperlab.runs import decisions, inference, pooling, verdict
from paperlab.runs.evidence import Today
from tests.paperlab.library.test_claims import ENTRY
from tests.paperlab.runs.test_verdict import CLAIM, CLAIMS, seeds

OTHERS = [replace(CLAIM, id=f"other-{n}", recipe=f"other-{n}") for n in range(2)]
POOLED = replace(CLAIM, pool=Pool(tuple(other.id for other in OTHERS), "one architecture"))
ALL = {**CLAIMS, **{other.id: other for other in OTHERS}}
OWN = [27.1, 27.3, 27.5]


def sample(*values: float) -> inference.Sample:
    return inference.sample(values)


def judged(own: list[float], *lent: list[float], **changes: Any) -> verdict.Judgement:
    measurements = [*seeds(own, POOLED)]
    for other, values in zip(OTHERS, lent, strict=False):
        measurements += seeds(values, other, **changes)
    return verdict.judge(POOLED, measurements, claims=ALL, today=Today({"paper": "now"}))


def test_the_pooled_variance_is_the_mean_weighted_by_degrees_of_freedom() -> None:
    own, others = sample(0.0, 1.0, 2.0), [sample(0.0, 1.0, 2.0, 3.0), sample(4.0, 6.0)]
    found = pooling.pool(own, others, "ours").sample
    assert found.sd == pytest.approx(math.sqrt((2 * 1.0 + 3 * (5 / 3) + 1 * 2.0) / 6))
    assert (found.df, found.n, found.mean) == (6, 3, 1.0)


@pytest.mark.parametrize(("ratio", "df1", "df2"), [(0.3, 2, 8), (1.0, 1, 4), (2.5, 4, 20), (9.0, 2, 5)])
def test_the_tail_of_f_is_scipy_s(ratio: float, df1: int, df2: int) -> None:
    assert pooling.larger(ratio, df1, df2) == pytest.approx(stats.f.sf(ratio, df1, df2), rel=1e-10)


def test_a_verdict_with_a_common_spread_says_so_and_why_and_rests_on_the_others_runs_too() -> None:
    alone = verdict.judge(CLAIM, seeds([27.0, 27.3, 27.6]), claims=ALL).verdict
    found = judged([27.0, 27.3, 27.6], [10.0, 10.3, 10.5], [20.0, 20.2, 20.4])
    assert alone.kind is VerdictKind.INCONCLUSIVE
    assert found.verdict.kind is VerdictKind.REPRODUCED
    assert found.verdict.reason.endswith(
        "; spread pooled with 2 other recipes (0.3 against 0.227, 6 degrees of freedom): one architecture"
    )
    assert found.verdict.seeds == 3
    assert len(found.used) == 9


@pytest.mark.parametrize(
    ("own", "lent", "said"),
    [
        ([26.9, 27.3, 27.7], ([10.0, 10.1, 10.0], [20.0, 20.1, 20.1]), "spread its own, which is larger than that of"),
        (OWN, ([10.0, 10.2],), "of the recipes that could lend theirs 4 degrees of freedom are needed, there are 1"),
        (OWN, (), "there are 0"),
        (OWN, ([10.0], [20.0]), "there are 0"),
    ],
)
def test_where_it_is_not_justified_the_own_spread_counts_and_that_is_said(
    own: list[float], lent: tuple[list[float], ...], said: str
) -> None:
    found = judged(own, *lent)
    assert said in found.verdict.reason
    assert found.verdict.interval == verdict.judge(CLAIM, seeds(own), claims=ALL).verdict.interval
    assert len(found.used) == len(own)


def test_runs_of_old_code_and_retracted_claims_lend_nothing() -> None:
    assert "there are 0" in judged(OWN, [10.0, 10.2, 10.4], [20.0, 20.2, 20.4], fingerprint="old").verdict.reason
    measurements = [*seeds(OWN, POOLED), *(item for other in OTHERS for item in seeds([1.0, 1.2, 1.4], other))]
    gone = {other.id: decisions.Standing("retracted", retracted=True) for other in OTHERS}
    found = verdict.judge(POOLED, measurements, claims=ALL, standings=gone)
    assert "there are 0" in found.verdict.reason


def test_a_claim_without_a_pool_has_the_hash_that_it_had_before_there_were_pools() -> None:
    assert decisions.content_hash(CLAIM) != decisions.content_hash(POOLED)
    assert decisions.content_hash(CLAIM) == decisions.content_hash(replace(POOLED, pool=None))


# --- claims.toml --------------------------------------------------------------------------------------------------


def entry(**changes: Any) -> dict[str, Any]:
    return {**ENTRY, "recipe": "r", "tier": "mini", "tolerance": {"value": 1.0, "why": "ours"}, **changes}


def parsed(*entries: dict[str, Any]) -> list[Claim]:
    made = [library.parse(each, "paper", ("r", "s", "t")) for each in entries]
    library.check_together(made)
    return made


POOL = {"claims": ["b"], "why": "one architecture"}


def test_a_pool_is_read_from_claims_toml() -> None:
    first, _ = parsed(entry(id="a", pool=POOL), entry(id="b", recipe="s"))
    assert first.pool == Pool(("b",), "one architecture")


@pytest.mark.parametrize(
    ("pool", "other", "reason"),
    [
        ({"claims": ["b"]}, {}, "pool has claims"),
        ({"claims": "b", "why": "x"}, {}, "pool has claims, why"),
        ({"claims": [], "why": "x"}, {}, "pool has claims, why"),
        ({"claims": ["c"], "why": "x"}, {}, 'pool names "c", which is no claim that a recipe measures'),
        (POOL, {"protocol": {"beam": 1}}, "pool names b, which has another protocol"),
        (POOL, {"dataset": "another", "split": "valid"}, "pool names b, which has another dataset, split"),
        (POOL, {"recipe": "r"}, "pool names b, whose runs count already"),
    ],
)
def test_a_pool_of_what_is_measured_otherwise_or_by_the_same_runs_is_refused(
    pool: dict[str, Any], other: dict[str, Any], reason: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        parsed(entry(id="a", pool=pool), entry(id="b", **{"recipe": "s", **other}))
    assert reason in refused.value.message


def test_only_values_and_bounds_have_a_pool() -> None:
    trend = entry(id="a", kind="trend", relation="rises", series={"b": 1, "c": 2}, pool=POOL)
    with pytest.raises(InvalidInput, match="pool is no field of a claim of kind trend"):
        parsed({name: value for name, value in trend.items() if name != "value"})
