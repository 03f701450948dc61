"""A plugin that imports torch where it is imported."""

import torch

gpk_api = 1
assert torch
