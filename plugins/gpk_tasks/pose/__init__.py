"""Cameras of photos that came without any."""
