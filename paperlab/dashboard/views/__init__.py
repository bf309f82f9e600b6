"""One module a page: TITLE, and render(), which draws it from the state in the address."""
