"""The command line: parse, call, show.  stdout is data, stderr is talk."""
