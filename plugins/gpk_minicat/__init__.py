"""The embedded prior: a small EG3D of procedural cats, with the cats, their album, and the recipe that trained it."""
