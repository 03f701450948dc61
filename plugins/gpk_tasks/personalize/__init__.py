"""An album into a persona: inversion, tuning, and what decides them."""
