"""Inner loops: Numba for the CPU, arrays in and out. Import them where they are used: Numba takes half a second."""
