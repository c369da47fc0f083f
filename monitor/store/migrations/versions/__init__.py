"""The changes of the tables, one file each, in their order."""
