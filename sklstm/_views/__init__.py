"""Sequences in files and stores, which are read when they are needed."""
