"""Attention as in section 3.2 of arXiv 1706.03762: scaled dot-product, multi-head, masks and the decoding cache.

A part of other reproductions, with no recipe of its own.  ``model.py`` has the code; nothing is imported here.
"""
