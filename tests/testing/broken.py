"""A good small generator, and what is wrong with each of these others; a judge and a task of each kind of fault.

`test_broken.py` holds each to the rule that is meant for it, and docs/contract.md has what was said.
"""

from __future__ import annotations

import itertools
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from gpk.camera import Camera
from gpk.checkpoint import Adopted, Stored
from gpk.context import Context
from gpk.detector import Detector, Found
from gpk.errors import InputError
from gpk.generator import Generator, LatentSpace, Noise, Render, Site, ViewFunction
from gpk.logger import Run
from gpk.plugin import Backend, Card, DetectorCard, JudgeCard, Task, option
from gpk.solid import Matter, Solid
from gpk.testing import (
    BACKEND_RULES,
    DETECTOR_RULES,
    JUDGE_RULES,
    TASK_RULES,
    DetectorSpecimen,
    JudgeSpecimen,
    Rule,
    Specimen,
    TaskSpecimen,
    verdicts,
)
from gpk.testing.contexts import Pixels

SAMPLES = 3


class Good(Generator):
    """A field of colours on a plane, seen from where the camera looks, at half the side; then sharpened.

    Every rule of the contract applies to it. Letters: B batch, P points, H `width`.
    """

    noise_const: Tensor
    w_avg: Tensor

    def __init__(self, *, side: int = 8, width: int = 6) -> None:
        super().__init__()
        self.latent, self.resolution = LatentSpace(z_dim=5, w_dim=width, num_ws=3), side
        self.samples = SAMPLES
        self.fc = nn.Linear(5, width)
        self.place = nn.Linear(3, width)
        self.style = nn.Linear(width, width)
        self.paint = nn.Linear(width, 4)
        self.sharpen = nn.Conv2d(3, 3, 3, padding=1)
        self.strength = nn.Parameter(torch.zeros([]))
        for layer in (self.fc, self.place, self.style, self.paint, self.sharpen):
            nn.init.normal_(layer.weight)
        self.gain = {"fc": 5**-0.5, "place": 1.0, "style": width**-0.5, "paint": width**-0.5, "sharpen": 27**-0.5}
        self.register_buffer("w_avg", torch.zeros(width))
        self.register_buffer("noise_const", torch.randn(side // 2, side // 2))

    def weight_of(self, name: str) -> Tensor:
        return self.get_submodule(name).weight * self.gain[name]  # pyright: ignore[reportReturnType, reportOperatorIssue]

    def mapping(
        self, z: Tensor, camera: Camera | None = None, *, truncation: float = 1.0, cutoff: int | None = None
    ) -> Tensor:
        w = F.linear(z, self.weight_of("fc"), self.fc.bias)[:, None].repeat(1, 3, 1)
        drawn = self.w_avg + truncation * (w - self.w_avg)
        return drawn if cutoff is None else torch.cat([drawn[:, :cutoff], w[:, cutoff:]], 1)

    def field(self, points: Tensor, w: Tensor, noise: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Colours [B, P, 3] in [-1, 1] and density [B, P]."""
        hidden = F.linear(points, self.weight_of("place"), self.place.bias)
        styled = hidden * (1 + F.linear(w[:, 0], self.weight_of("style"), self.style.bias))[:, None]
        hidden = torch.sin(styled + w[:, 1:2]) if noise is None else torch.sin(styled + w[:, 1:2] + noise)
        out = F.linear(hidden, self.weight_of("paint"), self.paint.bias)
        return out[..., :3].tanh(), F.softplus(out[..., 3])

    def forward(
        self, w: Tensor, camera: Camera | None = None, *, noise: Noise = "const", rng: torch.Generator | None = None
    ) -> Render:
        seen = self.seen_from(w, camera)
        r = self.resolution // 2
        line = self.line(r, w)
        plane = torch.stack([line.expand(r, r), line[:, None].expand(r, r)], -1).flatten(0, 1)  # [P, 2]
        forward = seen.pose[:, None, :3, 2]
        colours, densities = [], []
        added = self.added(noise, w, rng)
        for depth in torch.linspace(-0.2, 0.2, self.samples).tolist():
            points = F.pad(plane, (0, 1)) + (1 + depth) * forward
            colour, density = self.field(points, w, added)
            colours.append(colour)
            densities.append(density)
        raw = torch.stack(colours).mean(0).mT.unflatten(2, (r, r))
        depth = 2.7 + torch.stack(densities).mean(0)[:, None].unflatten(2, (r, r))
        return Render(self.image(raw + 0.1 * w[:, 2].mean(1)[:, None, None, None]), raw, depth)

    def line(self, r: int, w: Tensor) -> Tensor:
        return torch.linspace(-1, 1, r, dtype=w.dtype, device=w.device)

    def image(self, raw: Tensor) -> Tensor:
        dtype = raw.dtype if self.half_dtype is None else self.half_dtype
        large = F.interpolate(raw, scale_factor=2, mode="bilinear").to(dtype)
        assert self.sharpen.bias is not None
        sharp = F.conv2d(large, self.weight_of("sharpen").to(dtype), self.sharpen.bias.to(dtype), padding=1)
        return sharp.to(raw.dtype).tanh()

    def added(self, noise: Noise, w: Tensor, rng: torch.Generator | None) -> Tensor | None:
        """What noise adds at each point, [1 or B, P, 1]."""
        if noise == "none":
            return None
        if isinstance(noise, Mapping):
            map_ = noise.get("field", self.noise_const).reshape(-1, *self.noise_const.shape)
        elif noise == "random":
            map_ = torch.randn(len(w), *self.noise_const.shape, generator=rng)
        else:
            map_ = self.noise_const[None]
        return (self.strength * map_.to(w)).flatten(1)[..., None]

    def seen_from(self, w: Tensor, camera: Camera | None) -> Camera:
        seen = self.frontal(len(w)) if camera is None else camera
        assert seen is not None
        return seen.to(w.device, w.dtype)

    def orbit(self, yaw: Tensor | float = 0.0, pitch: Tensor | float = 0.0) -> Camera | None:
        return Camera.orbit(yaw, pitch)

    def solid(self, w: Tensor) -> Solid | None:
        def at(points: Tensor) -> Matter:
            colour, density = self.field(points[None], w)
            return Matter(density[0], colour[0])

        return Solid(at, torch.tensor([[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]]))

    @property
    def depth_samples(self) -> int:
        return self.samples

    @contextmanager
    def finer(self, times: int) -> Iterator[Self]:
        self.samples *= times
        try:
            yield self
        finally:
            self.samples //= times

    def sites(self) -> tuple[Site, ...]:
        def layer(name: str, kind: Any, part: Any) -> tuple[Site, Site]:
            return Site(name, kind, part, 0, gain=self.gain[name]), Site(name, "bias", part, 0, "bias")

        return (
            *layer("fc", "linear", "mapping"),
            *layer("place", "linear", "backbone"),
            *layer("style", "affine", "backbone"),
            Site("", "noise", "backbone", 0, "strength"),
            *layer("paint", "torgb", "backbone"),
            *layer("sharpen", "conv", "superres"),
        )

    def noise_maps(self) -> dict[str, Tensor]:
        return {"field": self.noise_const}


def fit(config: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> Mapping[str, Any]:
    return {"side": 2 * shapes["noise_const"][0], "width": shapes["w_avg"][0]}


def adopt(network: Stored) -> Adopted:
    if "noise_const" not in network.tensors:
        raise InputError("these are no weights of Good")
    return Adopted({}, network.tensors)


def backend(kind: Callable[..., Generator] = Good, **said: Any) -> Backend:
    card = Card("card", "Card", "CC0-1.0", config={"side": 16, "width": 12})
    usual: dict[str, Any] = {
        "fit": fit,
        "adopt": adopt,
        "tiny": {"side": 8, "width": 6},
        "distance": "minicat-distance",
    }
    return Backend("good", "a good one", (card,), lambda config: kind(**config), **(usual | said))


class Case(NamedTuple):
    """One fault: the first rule to see it, what it is, who has it, and what is said, as a pattern."""

    rule: str
    fault: str
    specimen: Callable[[], Any]
    said: str


BACKENDS: list[Case] = []


def broken(rule: str, fault: str, said: str, **backend_says: Any) -> Callable[[type[Generator]], type[Generator]]:
    """Adds a class of generators to the table."""

    def add(kind: type[Generator]) -> type[Generator]:
        made = backend(kind, **backend_says)
        BACKENDS.append(Case(rule, fault, lambda: Specimen(made, made.card), said))
        return kind

    return add


HEAVY = Specimen(backend(), backend().card, EntryPoint("heavy", "heavy_plugin", "gpk"))
BACKENDS.append(
    Case(
        "imports_lightly",
        "a plugin that imports torch at its top",
        lambda: Specimen(HEAVY.backend, HEAVY.card, HEAVY.plugin),
        r"importing heavy_plugin and asking its hooks imports torch \(.*every command waits",
    )
)
broken(
    "names_what_exists",
    "a judge's name where a distance belongs",
    "of kind 'judge': where distance is named",
    distance="minicat-identity",
)(Good)


@broken(
    "builds_small",
    "a network for a cluster, and no `tiny`",
    r"a network of 16,\d+,\d+ numbers.*Give the backend `tiny`",
)
class Large(Good):
    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self.large = nn.Linear(4000, 4100)


@broken("keeps_shapes", "colours last", r"the image is \[1, 8, 8, 3\], not \[1, 3, 8, 8\]")
class ColoursLast(Good):
    def image(self, raw: Tensor) -> Tensor:
        return super().image(raw).permute(0, 2, 3, 1)


@broken("keeps_range", "pictures in [0, 1]", r"from 0\.\d+ to \d\.\d+, none below 0.*Give 2 \* image - 1")
class FromNought(Good):
    def image(self, raw: Tensor) -> Tensor:
        return (super().image(raw) + 1) / 2


@broken(
    "is_deterministic", "dropout that is always on", r"made twice, gives pictures that differ by .*Look for dropout"
)
class Dropping(Good):
    def image(self, raw: Tensor) -> Tensor:
        return super().image(F.dropout(raw, 0.1))


@broken("is_deterministic", "a running average, updated as it runs", r"making pictures changed w_avg")
class Averaging(Good):
    def mapping(
        self, z: Tensor, camera: Camera | None = None, *, truncation: float = 1.0, cutoff: int | None = None
    ) -> Tensor:
        w = super().mapping(z, camera, truncation=truncation, cutoff=cutoff)
        self.w_avg.lerp_(w.detach().mean((0, 1)), 0.01)
        return w


@broken(
    "pictures_stand_alone",
    "statistics over the batch",
    r"w\[0\] alone differs from the one in a batch of 3 by .*BatchNorm",
)
class Crowded(Good):
    def image(self, raw: Tensor) -> Tensor:
        return super().image(raw - raw.mean(0))


@broken(
    "draws_noise_by_its_seed", "noise without `rng`", "noise is drawn from torch's global randomness, not from `rng`"
)
class Unseeded(Good):
    def added(self, noise: Noise, w: Tensor, rng: torch.Generator | None) -> Tensor | None:
        return super().added(noise, w, None)


@broken("adds_the_noise_it_is_given", "noise maps that are ignored", "noise maps that are all 1 higher change nothing")
class Deaf(Good):
    def added(self, noise: Noise, w: Tensor, rng: torch.Generator | None) -> Tensor | None:
        return super().added("const" if isinstance(noise, Mapping) else noise, w, rng)


@broken("truncates_towards_the_mean", "truncation that is ignored", r"at truncation 0 two codes still differ by")
class Untruncated(Good):
    def mapping(
        self, z: Tensor, camera: Camera | None = None, *, truncation: float = 1.0, cutoff: int | None = None
    ) -> Tensor:
        return super().mapping(z)


@broken(
    "has_cameras_where_it_says", "a camera with no part in the picture", "from yaw -0.3 and yaw 0.3 it looks the same"
)
class Blind(Good):
    def seen_from(self, w: Tensor, camera: Camera | None) -> Camera:
        return super().seen_from(w, None)


broken(
    "has_cameras_where_it_says",
    "cameras, and `cameras=False`",
    r"it renders depth and its backend says|says cameras=False, and orbit\(\) gives cameras",
    cameras=False,
)


@broken("shows_views_as_one_by_one", "`looking_at` keeps its first camera", "looking_at shows .* from camera 1 off by")
class Staring(Good):
    def looking_at(self, w: Tensor) -> ViewFunction:
        kept: list[Camera | None] = []

        def view(camera: Camera | None) -> Render:
            kept.append(camera)
            return self(w, kept[0])

        return view

    def views(self, w: Tensor, cameras: Camera) -> Iterator[Render]:
        return (self(w, cameras[i].expand(len(w))) for i in range(len(cameras)))


@broken(
    "passes_gradients", "a camera that is read as a number", r"the gradient of the camera's pose through image is none"
)
class Unmoved(Good):
    def seen_from(self, w: Tensor, camera: Camera | None) -> Camera:
        seen = super().seen_from(w, camera)
        return Camera(seen.pose.detach(), seen.intrinsics)


@broken("is_made_of_matter", "density before its activation", r"the least density is -\d.*would grow")
class Negative(Good):
    def solid(self, w: Tensor) -> Solid | None:
        good = super().solid(w)
        assert good is not None
        return Solid(lambda points: Matter(good.at(points).density - 5, good.at(points).colour), good.box)


@broken(
    "is_finer_for_a_while",
    "`finer` without `finally`",
    r"after an error inside finer\(2\) the generator is not as before",
)
class Finer(Good):
    @contextmanager
    def finer(self, times: int) -> Iterator[Self]:
        self.samples *= times
        yield self
        self.samples //= times


@broken(
    "names_its_sites", "a site with a slip in its path", r"the site paint\.bias_ is no parameter.*gradients have to"
)
class Misnamed(Good):
    def sites(self) -> tuple[Site, ...]:
        return (*super().sites(), Site("paint", "bias", "backbone", 0, "bias_"))


@broken(
    "reaches_every_site",
    "a layer that is listed and never used",
    "1 of 11 sites do not change the picture, the first idle.weight",
)
class Idle(Good):
    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self.idle = nn.Linear(3, 3, bias=False)

    def sites(self) -> tuple[Site, ...]:
        return (*super().sites(), Site("idle", "linear", "backbone", 0))


@broken(
    "multiplies_by_its_gains",
    "gains that are not told",
    r"fc\.weight says gain 1, and meets its input multiplied by 0\.4472",
)
class Untold(Good):
    def sites(self) -> tuple[Site, ...]:
        return tuple(Site(s.path, s.kind, s.part, s.resolution, s.parameter) for s in super().sites())


@broken(
    "multiplies_by_its_gains",
    "a gain on the layer's input, told by another formula",
    r"fc\.weight says gain 0\.2, and .* by 0\.4472 or 1: .* 2\.24 times",
)
class Other(Good):
    def weight_of(self, name: str) -> Tensor:
        return super().weight_of(name) if name != "fc" else self.fc.weight

    def mapping(
        self, z: Tensor, camera: Camera | None = None, *, truncation: float = 1.0, cutoff: int | None = None
    ) -> Tensor:
        return super().mapping(z * 5**-0.5, camera, truncation=truncation, cutoff=cutoff)

    def sites(self) -> tuple[Site, ...]:
        first, *others = super().sites()
        return Site(first.path, first.kind, first.part, 0, gain=1 / 5), *others


@broken(
    "lists_sites_in_execution_order",
    "sites from the last to the first",
    r"sharpen\.weight is listed before paint\.weight and used after it",
)
class Backwards(Good):
    def sites(self) -> tuple[Site, ...]:
        return super().sites()[::-1]


@broken(
    "is_itself_at_a_personas_init",
    "another way where a weight is parametrized",
    r"an untrained persona \(layout flat, rank 1\) changes the picture by",
)
class Wary(Good):
    def image(self, raw: Tensor) -> Tensor:
        return super().image(raw * 0.99 if parametrize.is_parametrized(self.paint) else raw)


@broken(
    "is_changed_by_a_persona",
    "weights prepared once, for where there are no gradients",
    "attached, a persona shows a picture .* off what a network built with its weights shows",
)
class Prepared(Good):
    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self.kept: dict[str, Tensor] = {}

    def weight_of(self, name: str) -> Tensor:
        if torch.is_grad_enabled():
            return super().weight_of(name)
        return self.kept.setdefault(name, super().weight_of(name))


@broken(
    "lets_a_persona_go",
    "a changed weight that is kept",
    "after detach the weights are as before and the picture is not",
)
class Nostalgic(Good):
    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self.kept: Tensor | None = None

    def weight_of(self, name: str) -> Tensor:
        if name != "paint":
            return super().weight_of(name)
        if parametrize.is_parametrized(self.paint):
            self.kept = super().weight_of(name).detach()
        return super().weight_of(name) if self.kept is None else self.kept


@broken(
    "keeps_a_persona_in_tensors", "a tint that is in no tensor", "read back from its tensors .* shows a picture .* off"
)
class Tinted(Good):
    count = itertools.count()

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self.tint = 0.01 * next(self.count)

    def image(self, raw: Tensor) -> Tensor:
        return super().image(raw + self.tint)


@broken(
    "copies_only_by_itself", "a copy that is no copy", "changing a deep copy's weights changes the original's picture"
)
class Single(Good):
    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


@broken(
    "renders_many_as_one_by_one", "a number read in Python", r"render_many raised RuntimeError: .*Look for \.item\(\)"
)
class Curious(Good):
    def image(self, raw: Tensor) -> Tensor:
        assert raw.mean().item() < 10
        return super().image(raw)


@broken(
    "has_the_same_shapes_without_storage",
    "a tensor made on the CPU by name",
    "on the meta device place_of is allocated nevertheless",
)
class Settled(Good):
    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self.register_buffer("place_of", torch.zeros(3, device="cpu"))


broken(
    "fits_a_files_shapes",
    "a `fit` that returns the card's config",
    r"fitted from the card's config, fc\.bias is \(12,\), and in the file \(6,\)",
    fit=lambda config, shapes: config,
)(Good)
broken(
    "adopts_or_refuses",
    "an `adopt` that takes every file for its own",
    "adopt of a file of nothing raised KeyError",
    adopt=lambda network: Adopted({}, {"fc.weight": network.tensors["g.fc"]}),
)(Good)


@broken(
    "follows_its_weights_precision",
    "a tensor in torch's default type",
    r"in float64 it raised: .*make tensors with w\.new_tensor",
)
class Single32(Good):
    def line(self, r: int, w: Tensor) -> Tensor:
        return torch.linspace(-1, 1, r)

    def seen_from(self, w: Tensor, camera: Camera | None) -> Camera:
        seen = super().seen_from(w, camera)
        return seen.to("cpu", torch.float32)


@broken("honours_half_dtype", "a picture in bfloat16", "with half_dtype bfloat16 the image is torch.bfloat16")
class Half(Good):
    def image(self, raw: Tensor) -> Tensor:
        return super().image(raw).to(raw.dtype if self.half_dtype is None else self.half_dtype)


@broken(
    "keeps_shapes",
    "a tensor instead of a Render",
    "forward returned a Tensor: pictures come as a gpk.generator.Render",
)
class Bare(Good):
    def forward(self, *arguments: Any, **options: Any) -> Any:
        return super().forward(*arguments, **options).image


@broken("keeps_shapes", "a root of a negative number", "image has numbers that are not finite: look for roots")
class Rooted(Good):
    def image(self, raw: Tensor) -> Tensor:
        return super().image(raw).sqrt()


@broken("keeps_range", "bytes", r"from -\d+ to \d+: pictures are in \[-1, 1\].*Divide bytes by 127\.5")
class Bytes(Good):
    def image(self, raw: Tensor) -> Tensor:
        return super().image(raw) * 127.5 + 10


@broken(
    "adds_the_noise_it_is_given", "maps that are weighed twice", "make a picture that differs by .* from noise 'const'"
)
class Loud(Good):
    def noise_maps(self) -> dict[str, Tensor]:
        return {"field": 2 * self.noise_const}


@broken("truncates_towards_the_mean", "a way that is not straight", r"at truncation 0\.5 w is .* off the middle")
class Bent(Good):
    def mapping(
        self, z: Tensor, camera: Camera | None = None, *, truncation: float = 1.0, cutoff: int | None = None
    ) -> Tensor:
        return super().mapping(z, camera, truncation=truncation**2, cutoff=cutoff)


@broken(
    "truncates_towards_the_mean", "`cutoff` that is ignored", "with cutoff=1 not exactly the first layer is truncated"
)
class Uncut(Good):
    def mapping(
        self, z: Tensor, camera: Camera | None = None, *, truncation: float = 1.0, cutoff: int | None = None
    ) -> Tensor:
        return super().mapping(z, camera, truncation=truncation)


@broken(
    "has_cameras_where_it_says",
    "another camera than the frontal one for None",
    "without a camera the picture differs by .* None means",
)
class Sideways(Good):
    def seen_from(self, w: Tensor, camera: Camera | None) -> Camera:
        return super().seen_from(w, Camera.orbit(0.2, 0.0).expand(len(w)) if camera is None else camera)


@broken("names_its_sites", "one site twice", r"fc\.weight is 2 sites: a persona keeps one change by each name")
class Twice(Good):
    def sites(self) -> tuple[Site, ...]:
        return super().sites() + super().sites()[:1]


@broken(
    "names_its_sites",
    "a kind of its own",
    r"fc\.weight is of kind 'dense' in part 'mapping': a recipe chooses by kinds",
)
class Kinds(Good):
    def sites(self) -> tuple[Site, ...]:
        kind: Any = "dense"
        return (Site("fc", kind, "mapping", 0), *super().sites()[1:])


@broken("names_its_sites", "everything in the mapping", "the default recipe finds nothing to change")
class Mapped(Good):
    def sites(self) -> tuple[Site, ...]:
        return tuple(Site(s.path, s.kind, "mapping", 0, s.parameter, s.gain) for s in super().sites())


@broken(
    "names_its_sites", "a bias as a matrix", r"fc\.bias is of kind 'linear' and \[6\]: a low-rank change is of a matrix"
)
class Flat(Good):
    def sites(self) -> tuple[Site, ...]:
        return tuple(
            Site(s.path, "linear" if s.kind == "bias" else s.kind, s.part, 0, s.parameter) for s in super().sites()
        )


@broken("copies_only_by_itself", "a `__deepcopy__` of its own", "it can be copied while a persona is attached")
class Copied(Good):
    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        side, width = self.resolution, self.latent.w_dim
        twin = type(self)(side=side, width=width)
        if not parametrize.is_parametrized(self.fc):
            twin.load_state_dict(self.state_dict())
        return twin


broken(
    "adopts_or_refuses",
    "an `adopt` that empties what it is given",
    "adopt changed what it was given",
    adopt=lambda network: Adopted(
        {},
        {
            name: network.tensors.pop(name)
            for name in list(network.tensors)  # pyright: ignore[reportAttributeAccessIssue]
        },
    ),
)(Good)  # pyright: ignore[reportAttributeAccessIssue]


def rounded(values: Tensor) -> Tensor:
    """`values` as another kernel sums them: off by 1e-5 of the largest, in another way for every other shape."""
    places = torch.arange(values.numel(), dtype=values.dtype, device=values.device).view(values.shape)
    return values + 1e-5 * values.abs().max() * torch.sin(places * values.numel())


class Rounding(Good):
    """As good, on a machine where no two kernels agree."""

    def mapping(
        self, z: Tensor, camera: Camera | None = None, *, truncation: float = 1.0, cutoff: int | None = None
    ) -> Tensor:
        w = rounded(F.linear(z, self.weight_of("fc"), self.fc.bias))[:, None].repeat(1, 3, 1)
        towards = torch.tensor([truncation if cutoff is None or layer < cutoff else 1.0 for layer in range(3)])
        return torch.lerp(self.w_avg, w, towards[:, None].to(w))

    def field(self, points: Tensor, w: Tensor, noise: Tensor | None = None) -> tuple[Tensor, Tensor]:
        colour, density = super().field(points, w, noise)
        return rounded(colour), rounded(density).clamp_min(0)

    def image(self, raw: Tensor) -> Tensor:
        return rounded(super().image(raw))


class Uneven(nn.Module):
    """A good distance, on such a machine."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return self.between(self.features(a), self.features(b))

    def features(self, images: Tensor) -> list[Tensor]:
        return [rounded(images)]

    def between(self, a: list[Tensor], b: list[Tensor]) -> Tensor:
        return rounded((a[0] - b[0]).square().mean((1, 2, 3)))


JUDGES: list[Case] = []


def judge(kind: Any, of: type[nn.Module]) -> JudgeSpecimen:
    return JudgeSpecimen(JudgeCard("judge", kind, "a judge", lambda weights: of()))


def misjudging(
    rule: str, fault: str, said: str, kind: str = "distance"
) -> Callable[[type[nn.Module]], type[nn.Module]]:
    """Adds a class of judges to the table."""

    def add(of: type[nn.Module]) -> type[nn.Module]:
        JUDGES.append(Case(rule, fault, lambda: judge(kind, of), said))
        return of

    return add


class Distance(nn.Module):
    """A good distance, to be spoiled."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return (a - b).square().mean((1, 2, 3))


@misjudging("loads_frozen", "weights that learn", "1 of its parameters ask for gradients, the first scale")
class Learning(Distance):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones([]))


@misjudging(
    "answers_by_its_kind", "features of any length", r"its features are \d.* long: they are of length 1", "judge"
)
class Long(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(images, 4).flatten(1)


@misjudging("answers_by_its_kind", "numbers without names", "says 3 numbers of a picture and names None", "attributes")
class Nameless(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.mean((2, 3))


@misjudging(
    "tells_pictures_apart", "a small number that stays", r"equal pictures are 0\.\d+ times as far apart as unlike ones"
)
class Offset(Distance):
    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return super().forward(a, b) + 1e-3


@misjudging(
    "judges_each_alone",
    "BatchNorm over its batch",
    r"of a picture alone it says something .* BatchNorm in training mode",
)
class Crowd(Distance):
    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        a, b = (F.batch_norm(x, None, None, training=True) for x in (a, b))
        return super().forward(a, b)


@misjudging(
    "stays_in_evaluation_mode",
    "dropout, and `train` not overridden",
    r"after train\(\) it says things .* off.*Override `train`",
)
class Trainable(Distance):
    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout()
        self.eval()

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return super().forward(self.drop(a), self.drop(b))


@misjudging("takes_any_side", "a layer for one side", r"of pictures of side 48 it raised: .*resize first")
class Fixed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3 * 64 * 64, 4).requires_grad_(False)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return (self.layer(a.flatten(1)) - self.layer(b.flatten(1))).square().mean(1)


@misjudging("lets_gradients_through", "a root of 0", "at equal pictures the gradient is not finite.*root of 0")
class Root(Distance):
    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return super().forward(a, b).sqrt()


@misjudging("lets_gradients_through", "no gradient", "it has no gradient: it is in a loss")
class Cut(Distance):
    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return super().forward(a, b).detach()


@misjudging(
    "remembers_what_it_saw", "`between` that is another distance", r"between\(features\(a\), features\(b\)\) is .* off"
)
class Forgetful(Distance):
    def features(self, images: Tensor) -> list[Tensor]:
        return [images]

    def between(self, a: list[Tensor], b: list[Tensor]) -> Tensor:
        return (a[0] - b[0]).abs().mean((1, 2, 3))


@misjudging(
    "judges_each_alone", "noise from torch's global randomness", "asked twice, it says things|says something .* off"
)
class Noisy(Distance):
    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return super().forward(a + 0.1 * torch.randn(a.shape), b) * (a - b).abs().amax((1, 2, 3)).clamp_max(1e-9) * 1e9


@misjudging("judges_each_alone", "pictures that it changes", "it changes the pictures that it is shown")
class Clumsy(Distance):
    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return super().forward(a.clamp_(-0.5, 0.5), b.clamp(-0.5, 0.5))


TASKS: list[Case] = []
TICKS = itertools.count()


@dataclass(frozen=True)
class Count:
    count: int = option(2, "How many.")


def task(run: Callable[..., Any], settings: type = Count, **says: Any) -> TaskSpecimen:
    made = backend()
    says = {"persona": "optional", **says}
    one = Task("task", "a task", run, settings=lambda: settings, **says)
    return TaskSpecimen(one, Specimen(made, made.card))


def failing(
    rule: str, fault: str, said: str, **says: Any
) -> Callable[[Callable[..., Mapping[str, Any]]], Callable[..., Mapping[str, Any]]]:
    """Adds a task's function to the table."""

    def add(run: Callable[..., Mapping[str, Any]]) -> Callable[..., Mapping[str, Any]]:
        TASKS.append(Case(rule, fault, lambda: task(run, **says), said))
        return run

    return add


def colours(context: Context, settings: Count, run: Run) -> Mapping[str, Any]:
    """A good task, to be spoiled."""
    z = torch.randn(settings.count, context.generator.latent.z_dim, generator=torch.Generator().manual_seed(0))
    with context.personalized() as generator, torch.no_grad():
        found = generator(generator.mapping(z)).image.mean((2, 3)).tolist()
    (run.directory / "colours.txt").write_text(str(found))
    return {
        "figures": {str(i): dict(zip("rgb", row, strict=True)) for i, row in enumerate(found)},
        "files": ["colours.txt"],
    }


@dataclass
class Loose:
    count: int = option(2, "How many.")


@dataclass(frozen=True)
class Odd:
    which: dict[str, int] = field(default_factory=dict, metadata={"help": "Which."})


failing("has_settings_with_defaults", "settings that can change", "Loose is no frozen dataclass", settings=Loose)(
    colours
)
failing(
    "has_settings_with_defaults", "a field that no option can be", r"which is of type dict\[str, int\]", settings=Odd
)(colours)


@failing(
    "returns_what_can_be_kept", "tensors in what it returns", "not in JSON types: .*Tensor is not JSON serializable"
)
def tensors(context: Context, settings: Count, run: Run) -> Mapping[str, Any]:
    return {"mean": torch.zeros(3)}


@failing("writes_only_into_its_folder", "a file in the working directory", "it wrote stray.txt beside the run's folder")
def littering(context: Context, settings: Count, run: Run) -> Mapping[str, Any]:
    Path("stray.txt").write_text("here")
    return colours(context, settings, run)


@failing(
    "leaves_the_generator_as_it_was", "weights that it tunes in place", "the generator's weights are not what they were"
)
def tuning(context: Context, settings: Count, run: Run) -> Mapping[str, Any]:
    with torch.no_grad():
        found = colours(context, settings, run)
        next(context.generator.parameters()).add_(0.1)
    return found


@failing(
    "leaves_the_generator_as_it_was",
    "gradients that it leaves asked for",
    r"requires_grad of strength is True, and it was False",
)
def asking(context: Context, settings: Count, run: Run) -> Mapping[str, Any]:
    found = colours(context, settings, run)
    context.generator.requires_grad_()
    return found


@failing("repeats_itself", "torch's global randomness", "it draws from torch's global randomness")
def random(context: Context, settings: Count, run: Run) -> Mapping[str, Any]:
    return {"figures": {"number": {"value": torch.randn([]).item()}}}


@failing(
    "works_on_the_pretrained_generator",
    "a persona that is taken for granted",
    "without a persona it raised AttributeError",
)
def presuming(context: Context, settings: Count, run: Run) -> Mapping[str, Any]:
    anchors = len(context.persona.anchors)  # pyright: ignore[reportOptionalMemberAccess]
    return {**colours(context, settings, run), "anchors": anchors}


@failing(
    "returns_what_can_be_kept",
    "a file that it names and did not write",
    "it names missing.png, which is not in the run's folder",
)
def missing(context: Context, settings: Count, run: Run) -> Mapping[str, Any]:
    return {"pictures": ["missing.png"]}


@failing("returns_what_can_be_kept", "a number that is none", "not in JSON types: Out of range float values")
def undefined(context: Context, settings: Count, run: Run) -> Mapping[str, Any]:
    return {"figures": {"mean": {"value": float("nan")}}}


@failing("repeats_itself", "the time of day", "run twice, it finds another figures.at.value")
def timed(context: Context, settings: Count, run: Run) -> Mapping[str, Any]:
    return {"figures": {"at": {"value": next(TICKS)}}}


DETECTORS: list[Case] = []


def lit() -> Tensor:
    """A dark picture [3, 40, 60] with a bright square, which the detectors here are for."""
    picture = torch.full((3, 40, 60), -1.0)
    picture[:, 10:22, 30:42] = 1.0
    return picture


def detector(load: Callable[[], Detector]) -> DetectorSpecimen:
    return DetectorSpecimen(DetectorCard("lit", "square", "bright squares", lambda model: load(), "none"), (lit(),))


def overlooking(rule: str, fault: str, said: str) -> Callable[[Detector], Detector]:
    """Adds a detector to the table."""

    def add(detect: Detector) -> Detector:
        DETECTORS.append(Case(rule, fault, lambda: detector(lambda: detect), said))
        return detect

    return add


def squares(picture: Tensor) -> Sequence[Found]:
    """A good detector: the box of what is bright."""
    rows, columns = torch.nonzero(picture.mean(0) > 0.9, as_tuple=True)
    if not len(rows):
        return ()
    left, top, right, bottom = (float(v) for v in (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
    return (Found((left, top, right, bottom)),)


@overlooking("tells_what_it_found", "boxes alone, as other libraries have them", "it is a sequence of Found")
def plain(picture: Tensor) -> Any:
    return [found.box for found in squares(picture)]


@overlooking("places_are_in_pixels", "width and height in place of the far corner", r"a box is \(30\.0, 10\.0, 12\.0")
def sized(picture: Tensor) -> Sequence[Found]:
    boxes = [found.box for found in squares(picture)]
    return [Found((left, top, right - left, bottom - top)) for left, top, right, bottom in boxes]


@overlooking("places_are_in_pixels", "landmarks as y, x", "a landmark is 28 pixels off the middle of a box of 12")
def swapped(picture: Tensor) -> Sequence[Found]:
    found = [(each.box, each.centre) for each in squares(picture)]
    return [Found(box, landmarks=((y, x), (y, x))) for box, (x, y) in found]


@overlooking("places_are_in_pixels", "the least sure first", "the surest is first. Sort them")
def upside_down(picture: Tensor) -> Sequence[Found]:
    return [replace(found, score=score) for found in squares(picture) for score in (0.1, 0.9)]


@overlooking("looks_at_any_size", "a pool that small pictures do not fill", r"1 x 1, raised RuntimeError")
def pooled(picture: Tensor) -> Sequence[Found]:
    F.avg_pool2d(picture[None], 8)
    return squares(picture)


@overlooking("says_the_same_again", "the caller's picture made brighter in place", "it changes the picture")
def brightening(picture: Tensor) -> Sequence[Found]:
    picture.add_(0.01)
    return squares(picture)


@overlooking("says_the_same_again", "a score that counts its calls", "asked twice it says different things")
def counted(picture: Tensor) -> Sequence[Found]:
    return [replace(found, score=next(TICKS)) for found in squares(picture)]


@overlooking(
    "finds_what_it_is_for", "places in the small picture that it looks at", "twice as large a box of 12 pixels"
)
def shrinking(picture: Tensor) -> Sequence[Found]:
    return squares(F.interpolate(picture[None], (40, 60), mode="nearest")[0])


@overlooking("finds_what_it_is_for", "nobody, ever", "it finds nobody")
def blind(picture: Tensor) -> Sequence[Found]:
    return ()


class Shared:
    """One that tells whether another thread of its own is there, as a library with global state might."""

    first: int | None = None

    def __call__(self, picture: Tensor) -> Sequence[Found]:
        Shared.first = Shared.first or threading.get_ident()
        return squares(picture) if Shared.first == threading.get_ident() else ()


DETECTORS.append(
    Case("threads_have_their_own", "what works in one thread alone", lambda: detector(Shared), "two threads, each with")
)

GOOD: Mapping[str, Callable[[], Any]] = {
    "backend": lambda: Specimen(backend(), backend().card),
    "judge": lambda: judge("distance", Pixels),
    "detector": lambda: detector(lambda: squares),
    "task": lambda: task(colours),
}
ROUNDING: Mapping[str, Callable[[], Any]] = {
    "backend": lambda: Specimen(backend(Rounding), backend(Rounding).card),
    "judge": lambda: judge("distance", Uneven),
}
CASES: Mapping[str, list[Case]] = {"backend": BACKENDS, "judge": JUDGES, "detector": DETECTORS, "task": TASKS}
RULES: Mapping[str, Sequence[Rule[Any]]] = {
    "backend": BACKEND_RULES,
    "judge": JUDGE_RULES,
    "detector": DETECTOR_RULES,
    "task": TASK_RULES,
}

HEAD = """<!-- Generated: python tests/testing/broken.py > docs/contract.md -->

# The contract

What backends, judges, detectors and tasks promise, rule by rule, and why. Each rule is a function of `gpk.testing`, and
a test of whoever derives a class from its contracts ([plugins.md](plugins.md#prove-it)); `gpk plugins check` runs all.
They go from the basic to the fine: mend the first broken one first. A rule that does not apply is skipped, with
its reason.

A backend is tried on each of its cards (of those that build the same, the first), built from
`{**card.config, **backend.tiny}` with random weights. So nothing is said of what was learned: not that pictures are
good, and only roughly that they are in range.

The same call gives the same bits. Two ways to the same picture may be a thousandth of its largest number apart: other
kernels, other processors and other numbers of threads round otherwise, by far less than that.
"""
GAINS = """
What a gain is cannot be seen in what a layer gives, for any other gain would be some other weight. So torch's functions
are watched as a picture is made, and numbers followed from where something is multiplied by them to where a weight
meets its input. Seen are products with Python numbers and with buffers of one number, on the weight's side and, from
where the weight's module was entered, on the input's. Not seen are the gains of biases, noise strengths and constants,
and what happens in compiled code. Where a weight is used outside of its module, several answers are let pass.
"""
CAUGHT = """
## What it caught

Rules that never fail say nothing. Each of these was broken on purpose, and is a test: that rule, and none before it,
says so.
"""


def page() -> str:
    """docs/contract.md."""
    parts = [rules_page()]
    for kind, cases in CASES.items():
        for case in cases:
            torch.manual_seed(0)  # some faults are that it has a say
            (found,) = verdicts([rule for rule in RULES[kind] if rule.name == case.rule], kind, case.specimen)
            parts.append(row(case, found.told))
    return "\n".join(parts) + "\n"


def rules_page() -> str:
    """The page but for what was said of each fault."""
    parts = [HEAD]
    for kind, rules in RULES.items():
        parts.append(f"## {kind.capitalize()}s\n\n| rule | what is promised, and why |\n|---|---|")
        parts += [f"| `{rule.name}` | {_cell(rule.reason)} |" for rule in rules]
        parts.append(GAINS if kind == "backend" else "")
    parts.append(CAUGHT)
    parts.append("| rule | what was broken | what was said |\n|---|---|---|")
    return "\n".join(parts)


def row(case: Case, told: str) -> str:
    """The line of the page for a fault, without what differs from machine to machine."""
    told = re.sub(r"\(\d+\.\d s\)", "(… s)", told)
    told = re.sub(r"(raised(?: RuntimeError)?: ).*?( Several personas|\. Types follow|\. Any side)", r"\1…\2", told)
    if case.rule != "multiplies_by_its_gains":
        told = re.sub(r"\b\d[\d.e-]*(?= of (its|their) size| times as far)|-?\b\d+\.\d\d+(e-?\d+)?\b", "…", told)
    return f"| `{case.rule}` | {case.fault} | {_cell(told)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    print(page(), end="")
