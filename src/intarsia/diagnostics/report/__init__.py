"""The report of an evaluation: scores, pictures, and the yardstick that a network must beat."""
