"""How a receipt reads on the terminal."""

from __future__ import annotations

from paperlab.entities import Receipt

THANKS = "Thank you to arXiv for use of its open access interoperability."


def summary(receipt: Receipt) -> str:
    """One line on what a sync brought."""
    counts = f"{receipt.new} new, {receipt.revised} revised, {receipt.unchanged} unchanged"
    opened = f", {receipt.open} open" if receipt.open else ""
    spent = f"{receipt.requests} requests, {receipt.waited_s:.0f} s of waiting"
    why = f"; {receipt.reason}" if receipt.reason else ""
    held = f"{receipt.announced} announced, {receipt.held} held ({counts}){opened}"
    return f"{receipt.status}: {held}{why}; {spent}. {THANKS}"


def relevance(receipt: Receipt) -> str:
    """One line on how many of the papers match the profile, and why the others don't; empty where it was not asked."""
    found = receipt.details.get("matches")
    if not found or not receipt.held:
        return ""
    return (
        f"{found['matching']} of these match {found['profile']} ({found['by term']} by term, {found['by category']} "
        f"by category); {found['no term of the profile']} have no term of it"
    )


def feed_summary(receipt: Receipt) -> str:
    """One line on what the daily feed announced."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in receipt.details.get("kinds", {}).items())
    opened = f", {receipt.open} open: the next sync asks for them" if receipt.open else ""
    counts = f"{receipt.announced} announced{f' ({kinds})' if kinds else ''}, {receipt.held} held{opened}"
    return f"daily feed, {receipt.status}: {counts}" + (f"; {receipt.reason}" if receipt.reason else "")
