"""Self-contained HTML pages: template, style, script and pictures in one file, no network.

Import the modules by their full names; this package itself imports nothing.
"""
