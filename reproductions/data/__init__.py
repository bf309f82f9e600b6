"""Data sets: where they come from (manifest), how they are read, and how batches are cut from them."""
