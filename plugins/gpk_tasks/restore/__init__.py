"""Damaged photos made whole."""
