"""Checkpoints and personas as files: read without running anything they contain, written whole or not at all.

Import the modules by their full names; this package itself imports nothing.
"""
