"""The pages that `intarsia explain` writes, one file a kind, and what they are made of."""
