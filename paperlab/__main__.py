"""`python -m paperlab` is the `paperlab` command."""

from paperlab.cli.main import run

if __name__ == "__main__":
    run()
