"""Videos of the subject."""
