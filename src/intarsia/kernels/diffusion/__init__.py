"""The many steps of CSPN."""
