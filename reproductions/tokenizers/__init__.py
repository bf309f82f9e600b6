"""Tokenizers that are learned from, or fixed for, a reproduction's data."""
