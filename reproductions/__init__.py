"""Papers as code: one folder a paper, one engine for all; registry.py has the list.  Imports nothing from paperlab."""
