"""The hosts where code, data, models and demos lie: for each, how its addresses are cut, and what they are.

Addresses have one form: https, the host in lower case without "www.", no closing punctuation, final slash, ".git",
query or fragment; repositories are cut to the repository, Zenodo in every form is zenodo.org/records/ID.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from paperlab.entities import LinkKind

CLOSING = ".,:;!?'\"*-~"
"""What may stand behind an address and is no part of it."""

_Place = tuple[str, LinkKind] | None
_Segments = list[str]
_SCHEME = re.compile(r"https?:/*", re.I)
_BARE_DOI = re.compile(r"10\.\d{4,5}/[\w./-]+\w")


def canonical(address: str) -> _Place:
    """The one form of an address, and its kind; None for what holds no code, data, models or demo."""
    if doi := _BARE_DOI.match(address):
        return _doi("doi.org", doi[0].split("/"))
    bare = re.split(r"[?#]", _SCHEME.sub("", address, count=1), maxsplit=1)[0]
    host, _, path = bare.partition("/")
    host = host.lower().rpartition("@")[2].removeprefix("www.").rstrip(".:")
    if "." not in host or ".." in host:
        return None
    segments = [segment for segment in path.split("/") if segment]
    if segments:
        segments[-1] = segments[-1].rstrip(CLOSING).removesuffix(".git")
    segments = [segment for segment in segments if segment.strip(CLOSING)]
    if host in _HOSTS:
        return _HOSTS[host](host, segments)
    return _elsewhere(host, segments)


# --- hosts ----------------------------------------------------------------------------------------------------


def _join(host: str, segments: _Segments) -> str:
    return "/".join([f"https://{host}", *segments])


def _forge(host: str, segments: _Segments) -> _Place:
    """github.com/OWNER/REPOSITORY/tree/..."""
    if segments[:1] == ["orgs"]:
        segments = segments[1:2]
    if not segments or segments[0].lower() in _NO_OWNERS or re.fullmatch(r"(?i)x{3,}", segments[0]):
        return None
    kept = [segment.removesuffix(".git") for segment in segments[:2]]
    return _join(host, kept), LinkKind.REPOSITORY if len(kept) == 2 else LinkKind.OWNER


def _grouped(host: str, segments: _Segments) -> _Place:
    """gitlab.com/GROUP/SUBGROUP/REPOSITORY/-/tree/..."""
    kept: _Segments = []
    for segment in segments:
        if segment in {"-", "tree", "blob", "wikis", "raw"}:
            break
        kept.append(segment.removesuffix(".git"))
    if not kept:
        return None
    return _join(host, kept), LinkKind.REPOSITORY if len(kept) > 1 else LinkKind.OWNER


def _hub(host: str, segments: _Segments) -> _Place:
    """huggingface.co/OWNER/MODEL, /datasets/OWNER/DATASET, /spaces/OWNER/SPACE, /collections/OWNER/COLLECTION."""
    if not segments or segments[0] in {"papers", "docs", "blog", "learn", "join", "login", "settings"}:
        return None
    first = segments[0]
    if first == "collections":
        return (_join(host, segments[:3]), LinkKind.OWNER) if len(segments) > 1 else None
    if first in {"organizations", "organization"}:
        return (_join(host, segments[:2]), LinkKind.OWNER) if len(segments) > 1 else None
    if first in {"datasets", "spaces", "models", "studios"}:
        kept = segments[:3]
        alone = len(kept) == 2 and first != "datasets"
        return (_join(host, kept), LinkKind.OWNER if alone else LinkKind.REPOSITORY) if len(kept) > 1 else None
    return _join(host, segments[:2]), LinkKind.REPOSITORY if len(segments) > 1 else LinkKind.OWNER


def _anonymous(host: str, segments: _Segments) -> _Place:
    return (_join(host, segments[:2]), LinkKind.REPOSITORY) if len(segments) > 1 else None


def _sourceforge(host: str, segments: _Segments) -> _Place:
    if segments[:1] in (["projects"], ["p"]) and len(segments) > 1:
        return _join(host, segments[:2]), LinkKind.REPOSITORY
    return None


def _raw_file(_host: str, segments: _Segments) -> _Place:
    return _forge("github.com", segments)


def _deposit(host: str, segments: _Segments) -> _Place:
    return (_join(host, segments), LinkKind.ARCHIVE) if segments else None


def _zenodo(host: str, segments: _Segments) -> _Place:
    number = re.search(r"(?:^|/)(?:records?/|deposit/|(?:doi/)?10\.5281/zenodo\.)(\d+)", "/".join(segments), re.I)
    if number:
        return f"https://zenodo.org/records/{number[1]}", LinkKind.ARCHIVE
    return _deposit(host, segments) if segments[:1] == ["communities"] else None


def _doi(host: str, segments: _Segments) -> _Place:
    """Deposits have prefixes of their own; any other DOI is a publication's."""
    doi = "/".join(segments)
    if re.match(r"10\.5281/zenodo", doi, re.I):
        return _zenodo(host, segments)
    return (_join(host, segments), LinkKind.ARCHIVE) if _DATA_DOI.match(doi) else None


def _elsewhere(host: str, segments: _Segments) -> _Place:
    """A host of no table: someone's GitLab, a file store, a publisher, or a page."""
    if _domain(host) in _NEVER or host in _NEVER or _SCHOLARLY.search(host):
        return None
    if host.startswith("gitlab."):
        return _grouped(host, segments)
    if any(host == archive or host.endswith(f".{archive}") for archive in _ARCHIVES) or host.startswith("dataverse."):
        return _deposit(host, segments)
    return _page(host, segments)


def _page(host: str, segments: _Segments) -> _Place:
    if segments and re.search(r"\.(?:pdf|ps|bib|docx?)$", segments[-1], re.I):
        return None
    return _join(host, segments), LinkKind.PAGE


def _domain(host: str) -> str:
    return ".".join(host.partition(":")[0].split(".")[-2:])


_HOSTS: Mapping[str, Callable[[str, _Segments], _Place]] = {
    **dict.fromkeys(
        ("github.com", "bitbucket.org", "gitee.com", "codeberg.org", "gitcode.com", "gist.github.com"), _forge
    ),
    **dict.fromkeys(("gitlab.com", "framagit.org", "salsa.debian.org"), _grouped),
    **dict.fromkeys(("huggingface.co", "hf.co", "modelscope.cn", "modelscope.ai"), _hub),
    **dict.fromkeys(("anonymous.4open.science", "4open.science"), _anonymous),
    **dict.fromkeys(("doi.org", "dx.doi.org"), _doi),
    "raw.githubusercontent.com": _raw_file,
    "sourceforge.net": _sourceforge,
    "zenodo.org": _zenodo,
}
_ARCHIVES = (
    *("figshare.com", "osf.io", "datadryad.org", "data.mendeley.com", "drive.google.com", "dropbox.com", "mega.nz"),
    *("pan.baidu.com", "1drv.ms", "kaggle.com", "ieee-dataport.org", "dataverse.harvard.edu", "box.com", "archive.org"),
)
_NO_OWNERS = frozenset(("features", "topics", "search", "about", "pricing", "login", "join", "explore", "settings"))
_NEVER = frozenset(
    (
        *("arxiv.org", "openreview.net", "aclweb.org", "aclanthology.org", "transacl.org", "youtube.com", "youtu.be"),
        *("vimeo.com", "bilibili.com", "creativecommons.org", "wikipedia.org", "twitter.com", "x.com", "linkedin.com"),
        *("springer.com", "springeropen.com", "sciencedirect.com", "elsevier.com", "ieee.org", "acm.org", "wiley.com"),
        *("nature.com", "science.org", "mdpi.com", "frontiersin.org", "plos.org", "tandfonline.com", "oup.com"),
        *("jmlr.org", "mlr.press", "neurips.cc", "nips.cc", "iclr.cc", "icml.cc", "thecvf.com", "ceur-ws.org"),
        *(
            "semanticscholar.org",
            "researchgate.net",
            "ssrn.com",
            "biorxiv.org",
            "medrxiv.org",
            "eptcs.org",
            "orcid.org",
        ),
        *("paperswithcode.com", "gnu.org", "apache.org", "opensource.org", "isca-speech.org", "w3id.org", "medium.com"),
        *(
            "proquest.com",
            "jstor.org",
            "handle.net",
            "hdl.handle.net",
            "scholar.google.com",
            "degruyter.com",
            "hal.science",
        ),
    )
)
"""Publications, videos, licences, people: addresses at which no code lies."""
_SCHOLARLY = re.compile(
    r"(?:^|\.)(?:journals?|proceedings|dl|link|ieeexplore|papers)\.|^(?:e-?jlt|lrec|hal)\b|\.github\.com$"
)
_DATA_DOI = re.compile(
    r"10\.(?:6084/m9\.figshare|17605/osf|7910/dvn|5061/dryad|17632|21227|57967/hf|24432|34740|18710|34894|5683|25386)",
    re.I,
)
