"""Mean field of the dense CRF: any kernels, and the fast way on images."""
