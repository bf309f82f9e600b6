"""Speaks to arXiv; knows no database."""
