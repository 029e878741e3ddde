"""The blocks of the papers, each usable on its own."""
