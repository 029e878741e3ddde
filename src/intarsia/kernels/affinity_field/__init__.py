"""Affinity fields: the loss between neighbours, and its gradient, in one pass over an image."""
