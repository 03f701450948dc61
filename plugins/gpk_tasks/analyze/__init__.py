"""Which layers a persona changes, and what each change does."""
