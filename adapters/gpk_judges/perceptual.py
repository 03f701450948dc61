r"""LPIPS, how different two pictures look to a network that knows ImageNet.

    d(a, b) = sum_l mean_hw  w_l · (f_l(a)/|f_l(a)| - f_l(b)/|f_l(b)|)^2   (Zhang et al., 2018, Eq. 1, arXiv 1801.03924)

f_l are a backbone's activations, w_l the published weights that the `lpips` package ships (v0.1). No resizing:
distances of pictures of different sides are not comparable.

Shapes: B batch, C a level's channels, R side, h and w a level's sides.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import torch
from torch import Tensor, nn

from gpk.errors import ExtraError
from gpk_judges.backbone import backbone_weights


class PerceptualDistance(nn.Module):
    """An `lpips.LPIPS`, frozen and always in evaluation mode; differentiable in both pictures."""

    def __init__(self, metric: Any, normalise: Callable[[Tensor], Tensor]) -> None:  # noqa: ANN401 - lpips has no types
        super().__init__()
        self.metric = metric
        self._normalise = normalise
        self.requires_grad_(False).train(False)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """How different `a` and `b` [B, 3, R, R] in [-1, 1] look: [B], 0 for equal pictures."""
        return self.between(self.features(a), self.features(b))

    def features(self, images: Tensor) -> tuple[Tensor, ...]:
        """The backbone's activations [B, C, h, w] on `images`, each of unit length over its channels."""
        return tuple(map(self._normalise, self.metric.net(self.metric.scaling_layer(images))))

    def between(self, a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
        """How different two pictures' `features` are, [B]."""
        levels = zip(self.metric.lins, a, b, strict=True)
        return torch.stack([head((x - y).square()).mean((1, 2, 3)) for head, x, y in levels]).sum(0)

    def train(self, mode: bool = True) -> Self:
        """Stays in evaluation mode: a training loop's `train()` must not wake the metric's dropout."""
        return super().train(False)


def load(net: str, weights: Path | None) -> PerceptualDistance:
    """LPIPS on the backbone `net`: "alex", "vgg" or "squeeze".

    Raises ExtraError, WeightsError; see `gpk_judges.load_lpips`.
    """
    lpips = _package()
    with warnings.catch_warnings(), torch.device("meta"):
        # torchvision's arguments that lpips uses are deprecated; on the meta device the backbone's random weights cost
        # nothing and leave the global random state alone.
        warnings.simplefilter("ignore")
        metric: Any = lpips.LPIPS(net=net, pnet_rand=True, pretrained=False, verbose=False)
    metric.scaling_layer = lpips.ScalingLayer()

    # slice2.3.weight is torchvision's features.3.weight: lpips cuts the backbone and keeps the numbers.
    published = {name: "features." + name.split(".", 1)[1] for name in metric.net.state_dict()}
    wanted = {published[name]: value.shape for name, value in metric.net.state_dict().items()}
    state = backbone_weights(net, weights, wanted, metric="LPIPS")
    metric.net.load_state_dict({name: state[published[name]].float() for name in published}, assign=True)

    shipped = Path(lpips.__path__[0]) / "weights" / "v0.1" / f"{net}.pth"
    heads = torch.load(shipped, map_location="cpu", weights_only=True)
    for index, head in enumerate(metric.lins):
        head.load_state_dict({"model.1.weight": heads[f"lin{index}.model.1.weight"]}, assign=True)
    return PerceptualDistance(metric, lpips.normalize_tensor)


def _package() -> ModuleType:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import lpips
    except (ImportError, RuntimeError) as error:  # torchvision built for another torch raises RuntimeError
        raise ExtraError(f'LPIPS is not usable here ({error}): pip install "gpk[lpips]"') from error
    return lpips
