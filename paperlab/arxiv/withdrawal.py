"""Whether a paper has been taken back, as its record says it: arXiv has no field for it.

A withdrawn paper stays listed; its newest version has a comment such as "This paper has been withdrawn by the author
due to a crucial sign error in equation 1" (https://info.arxiv.org/help/withdraw.html), and older ones say it in the
abstract.  The words alone are not enough: authors also withdraw experiments, or tell that an earlier manuscript was
withdrawn from a journal.  So a sentence counts only if the paper itself is its subject, or is what "we" withdraw.
"""

from __future__ import annotations

import re

_PAPER = (
    r"(?:paper|article|manuscript|submission|work|version|preprint|pre-print|e-?print|report|note|letter|thesis"
    r"|chapter|document|study|draft|contribution)"
)
_TAKEN_BACK = r"(?:withdr(?:awn|aw|awan|awed|ew|own)|retracted)"
"""With the spellings that stand in real comments: "withdraw", "withdrawan"."""
_PASSIVE = r"(?:withdrawn|retracted)"
_ARXIV = r"(?:the\s+)?(?:arxiv|archive|e-?print|public|this\s+(?:site|server)|consideration(?!\s+(?:at|by|in|for)\b))"
_NOT_ELSEWHERE = rf"(?!(?:\s+by[^.;,]{{1,40}}?)?\s+from\s+(?!{_ARXIV}))"
"""Withdrawn from a conference or a journal is not withdrawn from arXiv."""
_ADVERBS = r"(?:\s+(?:now|temporarily|formally|permanently|hereby|since|voluntarily|officially)){0,2}"
_ADMINISTRATORS = r"(?:arxiv(?:'s)?\s+)?(?:admin(?:istrator|istration)?s?|moderators?)"

_ENDS_THERE = (
    r"(?=\s*(?:$|[.:;,!)\]]|[-\N{EN DASH}\N{EM DASH}])"
    rf"|\s+(?:by|due|because|as|since|for|on|after|until|pending|temporarily|from\s+{_ARXIV}"
    r"|in\s+favou?r|and\s+(?:replaced|superseded|merged))\b)"
)
"""What follows where the words say that something was withdrawn, and not what it withdraws."""

_SUBJECT = re.compile(
    rf"(?:(?:due|owing)\s+to[^.;]{{1,120}},\s*|because[^.;]{{1,150}},\s*)?"
    rf"(?:(?:this|the|our|present|current|whole)\s+){{0,2}}(?:{_PAPER}|it)\s+"
    rf"(?:(?:(?:has|have|had){_ADVERBS}\s+been|(?:was|is)(?:\s+being)?|being|has|been){_ADVERBS}\s+{_TAKEN_BACK}\b"
    rf"|{_ADVERBS}\s*{_PASSIVE}{_ENDS_THERE}){_NOT_ELSEWHERE}",
    re.IGNORECASE,
)
_ALONE = re.compile(
    rf"(?:temporarily\s+)?{_TAKEN_BACK}{_NOT_ELSEWHERE}{_ENDS_THERE}",
    re.IGNORECASE,
)
_WE = re.compile(
    r"\b(?:(?:decid|decision|wish|want|like|chose|choose|agreed|ha[sd]|have|need|request|author)\w*\s+to\s+"
    r"|(?:we|i|authors?)\s+(?:hereby\s+|have\s+|has\s+)?)"
    rf"(?:withdr(?:aw|ew|awn)|retract(?:ed)?)\s+(?:(?:this|the|our)\s+(?:\w+\s+)?{_PAPER}\b|it\b)"
    rf"(?!\s+from\s+(?!{_ARXIV}))",
    re.IGNORECASE,
)
_REMOVED = re.compile(
    rf"(?:(?:this|the)\s+{_PAPER}\s+(?:has\s+been|was)\s+removed(?=\s+(?:by\s+{_ADMINISTRATORS}|from\s+{_ARXIV}"
    rf"|because|due|for\s+violat\w+))|removed\s+by\s+{_ADMINISTRATORS})",
    re.IGNORECASE,
)
_TITLE = re.compile(rf"\s*(?:[\[(]\s*{_PASSIVE}\b[^\])]{{0,40}}[\])]|{_PASSIVE}\s*:)", re.IGNORECASE)
_LEADING_NOTE = re.compile(r"(?:arxiv\s+admin\s+note|note|notice|remark|comments?)\s*:\s*", re.IGNORECASE)
_FIRST = 400
"""Characters of an abstract in which its first sentence is looked for."""
_SIGNS = ("withdr", "retract", "removed")
"""One of these is in whatever an expression above matches: most records are read no further."""
_SENTENCE_END = re.compile(r"(?<=[.;!?])\s+|\s*[;\n]\s*")


def is_withdrawn(comment: str | None, abstract: str | None = None, title: str | None = None) -> bool:
    """Whether a record's comment, the beginning of its abstract, or a mark before its title says that it was withdrawn.

    "arXiv admin note: text overlap with ..." is no withdrawal; "withdrawn from ICLR" and "withdraw the results on CNN"
    are none either.
    """
    read = f"{title}\n{comment}\n{(abstract or '')[:_FIRST]}".lower()
    if not any(sign in read for sign in _SIGNS):
        return False
    return (
        (title is not None and _TITLE.match(title) is not None)
        or (comment is not None and _comment_says_so(comment))
        or (abstract is not None and _abstract_says_so(abstract))
    )


def _comment_says_so(comment: str) -> bool:
    text = " ".join(comment.split())
    if _WE.search(text):
        return True
    return any(
        pattern.match(part)
        for sentence in _SENTENCE_END.split(text)
        for part in _beginnings(sentence)
        for pattern in (_SUBJECT, _ALONE, _REMOVED)
    )


def _beginnings(sentence: str) -> list[str]:
    """The sentence without the words that stand before what it says, and its last remark: `6 pages, withdrawn`."""
    bare = _LEADING_NOTE.sub("", sentence.strip(" ([\"'"), count=1)
    remark = bare.rpartition(",")[2].strip()
    return [bare, remark] if re.fullmatch(rf"{_TAKEN_BACK}(?:\s+by\b.*)?[.!)\]]*", remark, re.IGNORECASE) else [bare]


def _abstract_says_so(abstract: str) -> bool:
    """Only its first sentence, and only with the paper as the subject: abstracts also study withdrawn papers."""
    first = _SENTENCE_END.split(" ".join(abstract[:_FIRST].split()), maxsplit=1)[0]
    return any(pattern.match(_LEADING_NOTE.sub("", first, count=1)) for pattern in (_SUBJECT, _REMOVED))
