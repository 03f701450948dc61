"""Rules of views: whose pictures have a camera, and what follows from one subject being looked at.

Shapes: B batch, M points, R image side.
"""

from __future__ import annotations

import torch

from gpk.camera import Camera
from gpk.errors import InputError
from gpk.generator import Generator
from gpk.seeding import seeded
from gpk.testing.alike import NOTHING, alike, off
from gpk.testing.rule import ContractError, NotPromisedError, OnPurposeError, Rule
from gpk.testing.specimen import Specimen

BEYOND = 1.05
"""Largest colour of a solid: pictures are in [-1, 1], and a sigmoid that need not saturate goes a little beyond."""


def has_cameras_where_it_says(specimen: Specimen) -> None:
    """`Backend.cameras` tells whether a generator has views. One that has gives cameras, looks from the front without
    one, and shows something else from another side; one that has none ignores a camera, so that nobody need know.
    """
    generator, w = specimen.generator, specimen.codes(1)
    front = generator.frontal(3)
    if (front is not None) != specimen.backend.cameras:
        gives = "None" if front is None else "cameras"
        raise ContractError(
            f"the backend says cameras={specimen.backend.cameras}, and orbit() gives {gives}: `gpk` asks for photos "
            "with or without cameras by what the backend says. Change one of the two"
        )
    with torch.no_grad():
        if front is None:
            aside = Camera.orbit(0.3, 0.1)
            if not torch.equal(generator(w, aside).image, generator(w).image):
                raise ContractError(
                    "it has no cameras, and a camera changes its picture: a 2D generator ignores it. If the camera "
                    "means something, give cameras from orbit() and say cameras=True"
                )
            return
        if len(front) != 3:
            raise ContractError(f"frontal(3) gives {len(front)} cameras: it is one camera, three times")
        seen, told = generator(w).image, generator(w, front[0]).image
        if not alike(seen, told):
            raise ContractError(
                f"without a camera the picture differs by {off(seen, told):.2g} of its size from the frontal one: None "
                "means frontal(). Use it in forward where there is no camera"
            )
        left, right = (generator(w, generator.orbit(yaw)).image for yaw in (-0.3, 0.3))
    if alike(left, right, within=NOTHING):
        raise ContractError(
            "from yaw -0.3 and yaw 0.3 it looks the same: the camera has no part in the picture. Use it in forward, or "
            "say cameras=False"
        )


def shows_views_as_one_by_one(specimen: Specimen) -> None:
    """`views(w, cameras)` and `looking_at(w)` show what forward shows from each camera, whatever they make once for all
    of them: turntables and the viewer use them.
    """
    generator = specimen.generator
    cameras = specimen.views(3)
    if cameras is None:
        cameras = Camera.orbit(torch.linspace(-0.3, 0.3, 3), 0.1)
    for count in (1, 2):
        w = specimen.codes(count)
        with torch.no_grad():
            view = generator.looking_at(w)
            together = list(generator.views(w, cameras))
            if len(together) != len(cameras):
                raise ContractError(f"views of {len(cameras)} cameras are {len(together)} renders: it is one for each")
            for index in (0, 1, 2, 0):
                camera = cameras[index].expand(count)
                alone = generator(w, camera)
                for how, shown in (("views", together[index]), ("looking_at", view(camera))):
                    for name, level in alone._asdict().items():
                        other = getattr(shown, name)
                        if (level is None) != (other is None):
                            raise ContractError(f"{how} and forward do not both give {name}: they show the same")
                        if level is not None and not alike(other, level):
                            raise ContractError(
                                f"{how} shows {name} from camera {index} off by {off(other, level):.2g} of its size: "
                                "it is what forward shows. Look at what is kept from one camera to the next, such as a "
                                "camera"
                            )


def is_made_of_matter(specimen: Specimen) -> None:
    """A solid, where there is one, has a density of at least 0 and a colour in [-1, 1] at every point of its box, the
    same whatever points are asked for beside it, and another code's is another: meshes are made of it.
    """
    generator = specimen.generator
    with torch.no_grad():
        one, other = (generator.solid(w[None]) for w in specimen.codes(2))
        if one is None or other is None:
            raise NotPromisedError("it has only pictures: solid() gives None")
        if not specimen.backend.cameras or generator(specimen.codes(1)).depth is None:
            raise ContractError(
                "it has a solid and renders no depth: what is made of matter is seen at some depth. Render it, and say "
                "cameras=True"
            )
        low, high = one.box
        if one.box.shape != (2, 3) or not (low < high).all():
            raise ContractError(f"the box is {one.box.tolist()}: it is [2, 3], a lower corner and an upper one")
        points = low + (high - low) * torch.rand(100, 3, generator=seeded(2)).to(low)
        density, colour = one.at(points)
        alone = one.at(points[:1])
        elsewhere = other.at(points).density
    if density.shape != (100,) or colour.shape != (100, 3):
        raise ContractError(
            f"at 100 points density is {list(density.shape)} and colour {list(colour.shape)}: they are [M] and [M, 3]"
        )
    if not torch.isfinite(density).all() or density.min() < 0:
        raise ContractError(
            f"the least density is {density.min():.3g}: light that crosses it would grow. Use what the renderer uses, "
            "after its activation"
        )
    if not colour.abs().max() <= BEYOND:
        raise ContractError(
            f"colours go up to {colour.abs().max():.3g}: they are in [-1, 1], as pictures are. A sigmoid's are 2 * c - "
            "1"
        )
    if not (alike(alone.density, density[:1], density) and alike(alone.colour, colour[:1], colour)):
        raise ContractError(
            "a point alone is of other matter than among 99 others: each point is answered by itself, for a surface "
            "asks for any number of them. Look for statistics over the points"
        )
    if alike(elsewhere, density, within=NOTHING):
        raise ContractError("two codes have the same density everywhere: a solid is that of its w")


def is_finer_for_a_while(specimen: Specimen) -> None:
    """`finer(times)` multiplies the samples along rays inside its block, and after it, by an error too, they are as
    before; where `depth_samples` is 0 it refuses, unless `times` is 1.
    """
    generator = specimen.generator
    samples = generator.depth_samples
    with generator.finer(1) as same:
        if same.depth_samples != samples:
            raise ContractError(f"finer(1) has {same.depth_samples} samples, not {samples}: it changes nothing")
    if not samples:
        try:
            with generator.finer(2):
                pass
        except InputError:
            return
        raise ContractError("depth_samples is 0, and finer(2) does not raise InputError: there is nothing to multiply")
    w = specimen.codes(1)
    with torch.no_grad():
        before = generator(w).image
        try:
            with generator.finer(2) as finer:
                if finer.depth_samples != 2 * samples:
                    raise ContractError(f"finer(2) has {finer.depth_samples} samples, not twice {samples}")
                finer(w)
                raise OnPurposeError
        except OnPurposeError:
            pass
        if generator.depth_samples != samples or not torch.equal(generator(w).image, before):
            raise ContractError(
                "after an error inside finer(2) the generator is not as before: it is finer inside the block alone. "
                "Put it back in a `finally`"
            )


def passes_gradients(specimen: Specimen) -> None:
    """Through every level of the pyramid gradients reach w and, where there are cameras, the camera's pose, finite and
    not zero: inversion and the search for cameras descend them.
    """
    generator = specimen.generator
    w, camera = specimen.codes(1).requires_grad_(), specimen.views(1)
    if camera is None:
        _reached(generator, {"w": w}, w, None)
        return
    moving = Camera(camera.pose.clone().requires_grad_(), camera.intrinsics)
    _reached(generator, {"w": w, "the camera's pose": moving.pose}, w, moving)


def _reached(generator: Generator, sources: dict[str, torch.Tensor], w: torch.Tensor, camera: Camera | None) -> None:
    for index, level in enumerate(generator(w, camera).pyramid):
        what = ("image", "raw")[index]
        if not level.requires_grad:
            raise ContractError(
                f"{what} has no gradient: codes are found by descending it. Look for no_grad, detach, or NumPy in "
                "forward"
            )
        found = torch.autograd.grad(level.square().mean(), list(sources.values()), retain_graph=True, allow_unused=True)
        for name, gradient in zip(sources, found, strict=True):
            if gradient is None or not gradient.abs().sum() > 0 or not torch.isfinite(gradient).all():
                seen = "none" if gradient is None else f"of size {gradient.abs().sum():.3g}"
                raise ContractError(
                    f"the gradient of {name} through {what} is {seen}: it has to be finite and not zero, for it is "
                    "descended. Look for no_grad, detach, rounding, or a picture that is all saturated"
                )


RULES = (
    Rule(has_cameras_where_it_says),
    Rule(shows_views_as_one_by_one),
    Rule(passes_gradients),
    Rule(is_made_of_matter),
    Rule(is_finer_for_a_while),
)
