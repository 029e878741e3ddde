"""What each output sees, and with which weight: receptive fields, gridding, checkerboards, their spectra."""
