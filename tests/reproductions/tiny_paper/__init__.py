"""A reproduction of nothing, outside the package: small enough that a run takes a second."""

from reproductions.registry import Reproduction, Source

REPRODUCTION = Reproduction(
    name="tiny",
    title="A tiny paper",
    sources=(Source(kind="url", id="https://example.org/tiny", title="A tiny paper"),),
    recipes={"tiny-next": "predict the next symbol of a repeating sequence"},
)
