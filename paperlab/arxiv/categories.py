"""arXiv's category names (https://arxiv.org/category_taxonomy): a typo is told before it costs a request."""

from __future__ import annotations

from collections.abc import Iterable

from paperlab.errors import UnknownName

_TAXONOMY = {
    "astro-ph": "CO EP GA HE IM SR",
    "cond-mat": "dis-nn mes-hall mtrl-sci other quant-gas soft stat-mech str-el supr-con",
    "cs": "AI AR CC CE CG CL CR CV CY DB DC DL DM DS ET FL GL GR GT HC IR IT LG LO MA MM MS NA NE NI OH OS PF PL RO SC "
    "SD SE SI SY",
    "econ": "EM GN TH",
    "eess": "AS IV SP SY",
    "math": "AC AG AP AT CA CO CT CV DG DS FA GM GN GR GT HO IT KT LO MG MP NA NT OA OC PR QA RA RT SG SP ST",
    "nlin": "AO CD CG PS SI",
    "physics": "acc-ph ao-ph app-ph atm-clus atom-ph bio-ph chem-ph class-ph comp-ph data-an ed-ph flu-dyn gen-ph "
    "geo-ph hist-ph ins-det med-ph optics plasm-ph pop-ph soc-ph space-ph",
    "q-bio": "BM CB GN MN NC OT PE QM SC TO",
    "q-fin": "CP EC GN MF PM PR RM ST TR",
    "stat": "AP CO ME ML OT TH",
}
_WHOLE_ARCHIVES = "gr-qc hep-ex hep-lat hep-ph hep-th math-ph nucl-ex nucl-th quant-ph"
_CLOSED = (
    "acc-phys adap-org alg-geom ao-sci astro-ph atom-ph bayes-an chao-dyn chem-ph cmp-lg comp-gas cond-mat dg-ga "
    "funct-an mtrl-th patt-sol plasm-ph q-alg q-bio solv-int supr-con"
)
"""Archives that take no new papers but whose old ones still carry the name."""

CATEGORIES = frozenset(
    [f"{archive}.{subject}" for archive, subjects in _TAXONOMY.items() for subject in subjects.split()]
    + _WHOLE_ARCHIVES.split()
    + _CLOSED.split()
)


def validate(names: Iterable[str]) -> tuple[str, ...]:
    """The names without repetitions, in their order.  Raises UnknownName with the nearest ones."""
    distinct = tuple(dict.fromkeys(names))
    for name in distinct:
        if name not in CATEGORIES:
            near = [known for known in CATEGORIES if known.lower() == name.lower()] or sorted(CATEGORIES)
            raise UnknownName("arXiv category", name, near, "https://arxiv.org/category_taxonomy")
    return distinct
