"""How the embedded priors, their judges and the finder are trained and examined: `python -m gpk_prior`.

It is in the tree and not in the wheel: what runs needs the weights of `gpk_minicat` alone. Light: torch arrives with
the modules.
"""
