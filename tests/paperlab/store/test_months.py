"""Papers by month, from their identifiers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from paperlab.store import database, months, papers
from tests.fakes import make_papers

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def test_papers_are_counted_by_the_month_of_their_identifier(settings_for, engine_for):
    one = make_papers(1)[0]
    ids = ("2611.00001", "2611.00002", "2501.00003", "hep-th/9901001", "cs/0503050")
    cats = (("cs.CL", "cs.LG"), ("cs.LG",), ("cs.CL",), ("hep-th",), ("cs.CL",))
    held = [replace(one, arxiv_id=i, categories=c, primary_category=c[0]) for i, c in zip(ids, cats, strict=True)]
    with database.session(engine_for(settings_for())) as session:
        papers.upsert(session, held, NOW)
        every = months.every(session)
        assert {month: every[month] for month in ("1999-01", "2005-03", "2025-01", "2026-11")} == {
            "1999-01": 1,
            "2005-03": 1,
            "2025-01": 1,
            "2026-11": 2,
        }
        assert list(every) == sorted(every)
        assert months.of_categories(session, ["cs.LG", "none.X"]) == {"cs.LG": {"2026-11": 2}, "none.X": {}}
    assert months.of_ordinals([200501000003, 200501000009, 199901100001]) == {"1999-01": 1, "2005-01": 2}


def test_days_are_those_of_submission(settings_for, engine_for):
    papers_made = [
        replace(one, submitted_at=datetime(2026, 11, day, 23, 59, tzinfo=UTC))
        for one, day in zip(make_papers(3), (22, 23, 23), strict=True)
    ]
    with database.session(engine_for(settings_for())) as session:
        papers.upsert(session, papers_made, NOW)
        assert months.by_day(session, datetime(2026, 11, 23, tzinfo=UTC)) == {"2026-11-23": 2}
