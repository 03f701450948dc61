"""The subject's surface."""
