"""The tiny paper with claims: small enough that a run takes a second, and its verdicts can be foreseen."""

from reproductions.registry import Reproduction, Source

REPRODUCTION = Reproduction(
    name="claimed",
    title="A tiny paper with claims",
    sources=(Source(kind="url", id="https://example.org/claimed", title="A tiny paper with claims"),),
    recipes={"claimed-next": "predict the next symbol of a repeating sequence"},
)
