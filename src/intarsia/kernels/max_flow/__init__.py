"""Maximum flow on grids and on any graph."""
