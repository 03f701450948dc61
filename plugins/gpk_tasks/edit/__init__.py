"""One attribute of the subject changed: how directions are learned, and what they do."""
