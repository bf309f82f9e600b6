"""What paperlab does with papers."""
