"""Papers and runs as other tools read them."""
