"""The shared machinery: how steps are taken, saved, resumed and recorded.  It names no paper."""
