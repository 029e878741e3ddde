"""LLVM's vectors as values in kernels."""
