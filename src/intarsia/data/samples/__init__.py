"""Built-in sets of real data that come with installed packages: nothing is downloaded."""
