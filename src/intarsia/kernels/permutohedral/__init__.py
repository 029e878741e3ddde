"""The permutohedral lattice, of any points and of images."""
