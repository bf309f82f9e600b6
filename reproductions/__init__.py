"""Papers as code: one folder a paper, one engine for all.  Imports nothing from paperlab; see registry.py for the list."""
