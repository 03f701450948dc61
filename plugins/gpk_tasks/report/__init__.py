"""What a personalization gave: figures, pictures, a page."""
