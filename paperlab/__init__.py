"""paperlab: know which LLM papers matter, and which of their numbers hold."""

__version__ = "0.1.0"
