r"""The volume renderer: planes and a camera to a feature image, by two passes along each ray.

Shapes: B batch, P planes, C channels, H and W sides of a plane, F colour features, n image side in rays, R = n n rays,
S samples along a ray.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gpk.camera import Camera
from gpk_eg3d.config import EG3DConfig
from gpk_eg3d.decoder import Decoder
from gpk_eg3d.planes import sampled
from gpk_eg3d.rays import expected_depth, importance, march, merged, stratified


def rendered(
    planes: Tensor,
    decoder: Decoder,
    camera: Camera,
    config: EG3DConfig,
    *,
    resolution: int,
    rng: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Feature image [B, F, n, n], about [-1, 1], and depth [B, 1, n, n] in world units, of `planes`
    [B, P, C, H, W]; `resolution` is n.

    Without `rng` every ray has the same stratified samples and the same quantiles: no flicker between views.
    """
    origins, directions = camera.rays(resolution)
    batch, rays = directions.shape[:2]
    weigh = _Marcher(config)

    depths = stratified(
        batch, rays, config.depth_resolution, start=config.ray_start, end=config.ray_end, like=planes, rng=rng
    )
    colours, densities = shaded(planes, decoder, along(origins, directions, depths), config)
    if not config.depth_resolution_importance:
        weights = weigh(depths, densities)[1]
        features = (colours * weights[:, None]).sum(-1)
    else:
        with torch.no_grad():
            intervals = weigh(depths, densities)[0]
        fine = importance(depths, intervals, config.depth_resolution_importance, rng=rng)
        fine_colours, fine_densities = shaded(planes, decoder, along(origins, directions, fine), config)
        first = depths.shape[-1]
        depths, order = merged(depths, fine)
        weights = weigh(depths, torch.cat([densities, fine_densities], -1).gather(-1, order))[1]
        # The sum over samples knows no order: send the weights back to the colours, not the colours to the weights.
        returned = torch.zeros_like(weights).scatter(-1, order, weights)[:, None]
        features = (colours * returned[..., :first]).sum(-1) + (fine_colours * returned[..., first:]).sum(-1)
    if config.white_back:
        features = features + (1 - weights.sum(-1))[:, None]
    side = (resolution, resolution)
    return (2 * features - 1).unflatten(-1, side), expected_depth(depths, weights)[:, None].unflatten(-1, side)


def along(origins: Tensor, directions: Tensor, depths: Tensor) -> Tensor:
    """World points [B, R, S, 3] at `depths` [B, R, S] of rays [B, R, 3]."""
    return origins[:, :, None] + directions[:, :, None] * depths[..., None]


def shaded(planes: Tensor, decoder: Decoder, points: Tensor, config: EG3DConfig) -> tuple[Tensor, Tensor]:
    """Colours [B, F, R, S] and raw densities [B, R, S] at world `points` [B, R, S, 3]."""
    return decoder(sampled(planes, points, axes=config.plane_axes, box_warp=config.box_warp))


class _Marcher:
    """`march` with a config's settings."""

    def __init__(self, config: EG3DConfig) -> None:
        self.config = config

    def __call__(self, depths: Tensor, densities: Tensor) -> tuple[Tensor, Tensor]:
        c = self.config
        return march(depths, densities, gain=c.density_gain, offset=c.density_offset, opaque_far=c.opaque_far)
