"""The benchmark: how well each way of personalizing knows individuals about whom everything is known.

No plugin yet: `gpk bench` asks for it by name. Light: torch arrives with the modules.
"""
