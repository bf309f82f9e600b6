"""How a receipt reads on the terminal."""

from __future__ import annotations

from paperlab.entities import Receipt

THANKS = "Thank you to arXiv for use of its open access interoperability."


def summary(receipt: Receipt) -> str:
    """One line on what a sync brought."""
    counts = f"{receipt.new} new, {receipt.revised} revised, {receipt.unchanged} unchanged"
    opened = f", {receipt.open} open" if receipt.open else ""
    spent = f"{receipt.requests} requests, {receipt.waited_s:.0f} s of waiting"
    return f"{receipt.status}: {receipt.announced} announced, {receipt.held} held ({counts}){opened}; {spent}. {THANKS}"
