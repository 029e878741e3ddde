"""Inner loops, compiled by Numba: arrays in, arrays out. Arguments are checked by the rooms that call them."""
