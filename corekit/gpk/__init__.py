"""gpk core: maths and contracts, agnostic of any generator, file, network or terminal."""
