"""The database: the only package that writes SQL.  SQLite by default, another by PAPERLAB_DATABASE_URL.

Primary (what a backup keeps): papers, versions, receipts, cursors, matches, the log of verdicts.
Derived (can be rebuilt from run directories by `paperlab runs index`): runs, run_series, run_blocks, run_samples,
measurements.
"""
