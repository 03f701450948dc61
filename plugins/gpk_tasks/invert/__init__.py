"""New photos into codes, and from there into the round."""
