"""What the papers claim, trained small, and judged by one rule."""
