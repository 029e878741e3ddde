"""The layouts of published data sets, one file each; every one ends in pairs of files, splits and classes."""
