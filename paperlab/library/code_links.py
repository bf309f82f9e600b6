"""Where a paper's code, data, models and demos lie, read from its abstract and comment.

A link is an address that the text gives; a promise without one is none.  Addresses are kept in one form: https, the
host in lower case without "www.", no closing punctuation, final slash, ".git", query or fragment; repositories are cut
to the repository, Zenodo in every form is zenodo.org/records/ID.  The rules are those of benchmarks/labels/README.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime

from paperlab.entities import CodeLink, LinkKind, LinkRole, Paper
from paperlab.library import code_hosts
from paperlab.store import code_links
from paperlab.store.database import Session

Found = tuple[str, LinkKind, LinkRole]


def extract(text: str) -> list[Found]:
    """The links of `text` in the order in which they stand: address, kind, role.  Each address once."""
    if not _may_hold_an_address(text):
        return []
    plain = _without_latex(text)
    begin = _before_first_sign(plain)
    plain = plain[:begin] + _healed(plain[begin:])
    found: dict[str, Found] = {}
    for start, address in _addresses(plain, begin):
        place = code_hosts.canonical(address)
        if place is None:
            continue
        url, kind = place
        before = _sentence_before(plain, start)
        if _is_offered(url, kind, before):
            found.setdefault(url.lower(), (url, kind, _role(before)))
    return list(found.values())


def record(session: Session, papers: Iterable[Paper], now: datetime) -> None:
    """The links that these papers' texts give now take the place of those they gave before.  Does not commit.

    What Papers with Code says of a paper stays.
    """
    batch = list(papers)
    code_links.replace(session, [paper.arxiv_id for paper in batch], [link for p in batch for link in links_of(p)], now)


def links_of(paper: Paper) -> list[CodeLink]:
    """The links of a paper's abstract and comment."""
    return [
        CodeLink(paper.arxiv_id, url, source, kind, role)
        for source, text in (("abstract", paper.abstract), ("comment", paper.comment))
        if text
        for url, kind, role in extract(text)
    ]


# --- the text -------------------------------------------------------------------------------------------------

_URL = r"[A-Za-z0-9._~/?#&=%+@:!'-]"
_SIGNS = (
    *("http", "www.", "github", "gitlab", "gitee", "huggingface.", "hf.co/", "kaggle.com/", "4open.", "modelscope."),
    *("doi.org/", "zenodo.", "osf.io", "figshare.", "bitbucket.", "codeberg.", "sourceforge."),
)
"""What every text with a link holds, in lower case: most texts have none, and are read no further."""
_LEAD = 300
"""Characters before the first sign that may belong to its address: "some-long-name.github.io"."""


def _may_hold_an_address(text: str) -> bool:
    lowered = text.lower()
    # Without a slash there are only these two.
    if "/" not in text and ".io" not in lowered and "www." not in lowered:
        return False
    return any(sign in lowered for sign in _SIGNS)


def _before_first_sign(text: str) -> int:
    """Where to begin looking: links stand at the end of most abstracts, and the expressions take their time."""
    lowered = text.lower()
    first = min((at for sign in _SIGNS if (at := lowered.find(sign)) >= 0), default=0)
    return text.rfind(" ", 0, max(0, first - _LEAD)) + 1


_ADDRESS = re.compile(
    rf"https?:/{{1,3}}(?:(?!https?:/){_URL})+"
    r"|(?<![\w@./-])(?:www\.)?"
    r"(?:(?:github|gitlab|gitee|kaggle)\.com|huggingface\.co|hf\.co|bitbucket\.org|codeberg\.org|sourceforge\.net"
    r"|anonymous\.4open\.science|zenodo\.org|osf\.io|(?:dx\.)?doi\.org|modelscope\.cn)"
    rf"/(?:(?!https?:/){_URL})+"
    rf"|(?<![\w@./-])(?:[a-z0-9][a-z0-9-]{{0,62}}\.github\.io|www\.[a-z0-9-]{{1,63}}\.[a-z]{{2,}})(?:(?!https?:/){_URL})*"
    r"|(?<![\w./])10\.(?:5281/zenodo\.|6084/m9\.figshare\.|17605/OSF\.IO/)\w+",
    re.I,
)
_GLUED = re.compile(r"\.(?:Our|The|This|We|Code|Data|Dataset|Project|Keywords|In|It|These)(?![a-z0-9_/-])")


def _addresses(text: str, begin: int) -> Iterator[tuple[int, str]]:
    for match in _ADDRESS.finditer(text, begin):
        yield match.start(), _GLUED.split(match[0], maxsplit=1)[0].rstrip(code_hosts.CLOSING)


_LATEX_ESCAPE = re.compile(r"\{?\\([_#%&~$-])(?:\{\})?\}?|\$([_~-])\$|\\(?:textunderscore|_)\s?")
_HREF = re.compile(r"\\href\s{0,3}\{\s{0,3}([^{}\s]{1,500})\s{0,3}\}\s{0,3}\{")
_BRACE = re.compile(r"[{}]")
_LABEL_AT_MOST = 400


def _without_latex(text: str) -> str:
    """`text` with escapes undone, and with the target of each link in place of the link."""
    if "\\" not in text and "$" not in text:
        return text
    undone = _LATEX_ESCAPE.sub(lambda match: match[1] or match[2] or "_", text)
    parts: list[str] = []
    position = 0
    for match in _HREF.finditer(undone):
        if match.start() >= position:
            parts += [undone[position : match.start()], match[1], " "]
            position = _label_end(undone, match.end())
    return "".join([*parts, undone[position:]])


def _label_end(text: str, start: int) -> int:
    """Behind the brace that closes the label which begins at `start`; `start` where none does soon."""
    depth = 1
    for brace in _BRACE.finditer(text, start, start + _LABEL_AT_MOST):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return brace.end()
    return start


_Healing = tuple[tuple[str, ...], re.Pattern[str], str]
"""What stands in every text that it heals, in lower case; where an address is torn; and the whole one."""
_HEALING: tuple[_Healing, ...] = (
    (("http: ", "https: "), re.compile(r"(https?):\s{1,5}//", re.I), r"\1://"),
    (("// ",), re.compile(r"(https?://)\s{1,5}(?=[a-z0-9])", re.I), r"\1"),
    ((" github.io",), re.compile(r"(://[a-z0-9-]{1,63}\.)\s{1,5}(?=github\.io\b)", re.I), r"\1"),
    (
        ("github .", "gitlab .", "github. ", "gitlab. "),
        re.compile(r"\b(github|gitlab)(?:\s?\.\s{1,3}|\s\.)com/", re.I),
        r"\1.com/",
    ),
    (("huggingface. ",), re.compile(r"\b(huggingface)\.\s{1,3}co/", re.I), r"\1.co/"),
    # The host alone is no address: what follows belongs to it.
    (
        ("/ ",),
        re.compile(
            r"((?:github\.com|huggingface\.co|gitlab\.com|4open\.science)/)\s{1,5}(?=[\w.-]{1,100}(?:/|\s|$))", re.I
        ),
        r"\1",
    ),
    (("/r/ ",), re.compile(r"(4open\.science/r/)\s{1,5}(?=\w)", re.I), r"\1"),
    (
        ("datasets/ ", "spaces/ ", "collections/ "),
        re.compile(r"(/datasets/|/spaces/|/collections/)\s{1,5}(?=[\w.-]{1,100}/)", re.I),
        r"\1",
    ),
    # An owner and a slash, then a word that looks like a name or ends the sentence.
    (
        ("/ ",),
        re.compile(
            r"((?:github\.com|huggingface\.co(?:/datasets)?|gitlab\.com)/[\w.-]{1,100}/)\s{1,5}"
            r"(?=[a-zA-Z.]{0,100}[a-z][A-Z0-9_-]\w|\w{2,100}(?:\.?\s*$|[.,;)]\s))"
        ),
        r"\1",
    ),
    (("github.com/",), re.compile(r"(github\.com/\w[\w-]{0,100}) (?=[A-Z][\w-]{0,100}/\w)"), r"\1"),
    # No name ends in a hyphen or an underscore.
    (
        ("- ", "_ "),
        re.compile(r"((?:github\.com|huggingface\.co)/[\w./-]{1,200}[-_])\s{1,5}(?=[A-Za-z0-9])"),
        r"\1",
    ),
)


def _healed(text: str) -> str:
    """`text` with the addresses whole that a line break or a stray blank has torn."""
    lowered = _lowered(text)
    for signs, torn, whole in _HEALING:
        if any(sign in lowered for sign in signs):
            text = torn.sub(whole, text)
            lowered = _lowered(text)
    return text


def _lowered(text: str) -> str:
    """In lower case, with every kind of white space as a blank."""
    return text.lower() if text.isprintable() else re.sub(r"\s", " ", text.lower())


# --- what the sentence says of an address ---------------------------------------------------------------------

_CONTEXT = 220
_SENTENCE_END = re.compile(r"[.!?]['\")}]*\s+(?=[A-Z\\])")
_ARTEFACT = re.compile(
    r"(?i)\b(?:codes?|source|implementation|software|tool(?:kit|box|s)?|librar\w+|packages?|data\w*|corp(?:us|ora)|model\w*|"
    r"checkpoints?|weights|demo\w*|web\s?-?(?:site|page|app)\w*|project|home\s?page|page|site|benchmark\w*|leaderboard\w*|"
    r"platform|system|resources?|materials?|available|accessible|accessed|released?|download\w*|repository|interface|"
    r"annotations?|lexicon|embeddings|samples|examples|archiv\w+|supplement\w*|visit|play(?:ground)?|service|api|results)\b"
)
_PUBLICATION = re.compile(
    r"(?i)\b(?:workshop|conference|proceedings|journal|published|to appear|discussion here|openreview|licen[sc]ed?|"
    r"original paper|paper link|symposium|shared task)\b"
)
_THE_PAPER_ITSELF = re.compile(
    r"(?i)(?:\balso available|\bpreprint|\bdraft|\bpublished version|\bthis (?:paper|article|version)|"
    r"\bpaper (?:is )?(?:available|deposited)|\bcompanion)[^/]{0,60}$"
)
_FILES = re.compile(
    r"(?i)\b(?:codes?|data\w*|materials?|packages?|artifacts?|artefacts?|models?|corp(?:us|ora)|software|files)\b"
)
_SOMEBODY_ELSES = re.compile(
    r"(?i)\b(?:we (?:use[d]?|employ|adopt|adapt|extend|modify|follow|build (?:up)?on|built (?:up)?on)|using|based on|"
    r"built (?:up)?on(?: top of)?|adapted from|fork(?:ed)? (?:of|from)|implementation of|taken from|downloaded from|"
    r"provided by|powered by|originally (?:from|by))\b"
)
_OURS = re.compile(
    r"(?i)\b(?:our|available|released?|releasing|open-?sourced?|publish(?:ed)?|publicly|can be found|found at|"
    r"accessible|can be|this (?:paper|work)|code|website|demo|project|resources?)\b"
)


_LABEL = re.compile(r"(?:^|\n)[ \t]*[^\n.:]{1,40}:[ \t]*$")
"""A line that is a name and an address."""


def _sentence_before(text: str, start: int) -> str:
    """What stands before an address in its sentence, at most so many characters."""
    return _SENTENCE_END.split(text[max(0, start - _CONTEXT) : start])[-1]


def _is_offered(url: str, kind: LinkKind, before: str) -> bool:
    """Whether the sentence offers something at this address, or only mentions a publication or an event."""
    if kind is LinkKind.ARCHIVE:
        return _THE_PAPER_ITSELF.search(before) is None or _FILES.search(before) is not None
    if kind is not LinkKind.PAGE:
        return True
    if _PUBLICATION.search(before[-100:]) and not _FILES.search(before[-60:]):
        return False
    return ".github.io" in url or _ARTEFACT.search(before) is not None or _LABEL.search(before) is not None


def _role(before: str) -> LinkRole:
    borrowed = _SOMEBODY_ELSES.search(before)
    return LinkRole.OTHER if borrowed and not _OURS.search(before) else LinkRole.OWN
