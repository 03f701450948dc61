"""Where results go: the run folder with its log and state, settings from YAML, and the pictures of a report.

Import the modules by their full names; this package itself imports nothing.
"""
