"""What a network is made of: its blocks, read off the running code, its parameters and operations."""
