"""Which measure of realism ranks deliberate damage rightly: what stands in docs/realism.md.

    python benchmarks/realism.py            # the embedded generators, and photographs that scikit-image has
    python benchmarks/realism.py --real     # people, clips and the DCGAN of the packages that `make real` installs

A kind of pictures is split into photos and others of the kind, which are spoilt more and more. A measure is worth
something where every step takes the others further from the photos (`steps`), where another subject's sharp pictures
are nearer than its own at the second strength (`subject`), and where two halves of the others agree (`noise`: half
their difference, in units of what a blur of one pixel does).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from gpk.judges import FeatureDistance
from gpk.realism import realism_gap
from gpk.seeding import seeded
from gpk_checkpoints.weights import load_generator
from gpk_minicat import gpk_backends
from gpk_minicat.distance import load_distance
from gpk_prior.distortions import blurred, noisy, quantised
from gpk_runs.tables import markdown

COUNT = 12
"""Photos, and others, of a kind."""


class Kind(NamedTuple):
    """Photos [N, 3, R, R], others of the kind, another subject's where there is one, and ladders of others' damage that
    only this kind has: a generator with shaken weights.
    """

    photos: Tensor
    others: Tensor
    subject: Tensor | None = None
    own: Mapping[str, list[Tensor]] = {}


def sliced(pictures: Tensor, photos: Tensor) -> float:
    """The sliced Wasserstein distance of 7 x 7 patches of the two finest bands (Karras et al., 2017, section 5), grey,
    in units of the photos' own contrast in each band.
    """
    gaps = []
    for level, (made, real) in enumerate(zip(bands(pictures), bands(photos), strict=True)):
        a, b = (patches(band, level) for band in (made, real))
        directions = F.normalize(torch.randn(128, 49, generator=seeded(0, "directions", level)), dim=1) / b.std()
        count = min(len(a), len(b))
        a, b = ((directions @ each[:count].mT).sort(1).values for each in (a, b))
        gaps.append((a - b).abs().mean())
    return torch.stack(gaps).mean().item()


def contrast(pictures: Tensor, photos: Tensor) -> float:
    """The difference of the logarithms of the two finest bands' energies."""
    pairs = zip(bands(pictures), bands(photos), strict=True)
    logs = [(a.square().mean() / b.square().mean()).log().abs() for a, b in pairs]
    return torch.stack(logs).mean().item()


def natural(pictures: Tensor, photos: Tensor) -> float:
    """`gpk.realism`."""
    return realism_gap(pictures, photos).item()


def kernel(distance: FeatureDistance, level: int) -> Callable[[Tensor, Tensor], float]:
    """The unbiased kernel distance (Bińkowski et al., 2018, arXiv 1801.01401) of a network's features at places."""

    def measured(pictures: Tensor, photos: Tensor) -> float:
        a, b = (_places(distance.features(images)[level]) for images in (pictures, photos))
        own = [
            (similar.sum() - similar.diagonal().sum()) / len(x) / (len(x) - 1) for x in (a, b) for similar in [_k(x, x)]
        ]
        return (own[0] + own[1] - 2 * _k(a, b).mean()).item()

    return measured


def _places(features: Tensor, most: int = 2000) -> Tensor:
    each = features.movedim(1, -1).flatten(0, -2)
    return each[torch.randperm(len(each), generator=seeded(0, "places", len(each)))[:most]] * each.shape[1] ** 0.5


def _k(a: Tensor, b: Tensor) -> Tensor:
    return (a @ b.mT / a.shape[1] + 1) ** 3


def bands(images: Tensor) -> list[Tensor]:
    """The two finest bands of a Laplacian pyramid in grey."""
    grey, found = images.mul(torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True), []
    for _ in range(2):
        coarse = F.avg_pool2d(grey, 2)
        found.append(grey - F.interpolate(coarse, grey.shape[-2:], mode="bilinear"))
        grey = coarse
    return found


def patches(band: Tensor, level: int) -> Tensor:
    """8,064 patches [P, 49] at random places, the same of every batch of a size."""
    rng = seeded(0, "places", level)
    y, x = (torch.rand(2, 8064, generator=rng) * (band.shape[-1] - 6)).long()
    which = torch.arange(len(band)).repeat_interleave(8064 // len(band))
    return band[:, 0].unfold(1, 7, 1).unfold(2, 7, 1)[which, y[: len(which)], x[: len(which)]].flatten(1)


def chequered(image: Tensor, amount: float) -> Tensor:
    """Every other pixel lighter, the rest darker."""
    ticks = torch.arange(image.shape[-1])
    return (image + amount * (1 - (ticks[:, None] + ticks) % 2 * 2)).clamp(-1, 1)


def torn(image: Tensor, pixels: float) -> Tensor:
    """Tiles of 8 x 8 pixels, each moved by so many of them in a direction of its own."""
    side, rng = image.shape[-1], seeded(0, "torn")
    angle = torch.rand(len(image), 1, side // 8, side // 8, generator=rng) * 2 * torch.pi
    moves = torch.cat([angle.cos(), angle.sin()], 1).repeat_interleave(8, 2).repeat_interleave(8, 3)
    grid = F.affine_grid(torch.eye(2, 3).expand(len(image), 2, 3), list(image.shape), align_corners=False)
    return F.grid_sample(
        image, grid + moves.movedim(1, -1) * pixels * 2 / side, padding_mode="reflection", align_corners=False
    )


DAMAGE: Mapping[str, tuple[Callable[[Tensor, float], Tensor], tuple[float, ...]]] = {
    "blur": (blurred, (0.5, 0.75, 1.0, 2.0)),
    "noise": (lambda x, k: noisy(x, k, seeded(0, "noise")), (0.03, 0.06, 0.12, 0.25)),
    "chequers": (chequered, (0.02, 0.05, 0.1, 0.2)),
    "blocks": (quantised, (0.1, 0.2, 0.4, 0.8)),
    "one mean picture": (lambda x, k: x.lerp(x.mean(0, keepdim=True).expand_as(x), k), (0.25, 0.5, 0.75, 1.0)),
    "torn": (torn, (0.5, 1.0, 2.0, 4.0)),
    "blur and noise": (lambda x, k: noisy(blurred(x, k), k / 20, seeded(0, "noise")), (0.5, 1.0, 2.0)),
}


def generated(name: str) -> Kind:
    """Pictures of an embedded generator, and of the same with shaken weights."""
    backend = next(backend for backend in gpk_backends() if backend.name == name)
    generator = load_generator(backend, backend.card, None)
    cameras = generator.orbit(torch.linspace(-0.3, 0.3, COUNT), torch.zeros(COUNT))

    def show(z: Tensor) -> Tensor:
        return generator(generator.mapping(z, cameras), cameras).image

    return drawn(generator, show, generator.latent.z_dim)


def drawn(network: torch.nn.Module, show: Callable[[Tensor], Tensor], width: int) -> Kind:
    """What a network draws, and what it draws when every weight of it has been multiplied by 1 + strength · noise."""
    z = torch.randn(2 * COUNT, width, generator=seeded(0, "z"))
    photos, others = show(z[:COUNT]), show(z[COUNT:])
    clean, shaken = {name: each.clone() for name, each in network.named_parameters()}, []
    for strength in (0.1, 0.2, 0.4):
        for name, each in network.named_parameters():
            noise = torch.randn(each.shape, generator=seeded(0, name))
            each.data.copy_(clean[name] * (1 + strength * noise))
        shaken.append(show(z[COUNT:]))
    for name, each in network.named_parameters():
        each.data.copy_(clean[name])
    return Kind(photos, others, own={"shaken weights": shaken})


def tensor(picture: Image.Image, side: int) -> Tensor:
    """A picture's middle square [3, side, side]."""
    small, (w, h) = min(picture.size), picture.size
    box = ((w - small) // 2, (h - small) // 2, (w + small) // 2, (h + small) // 2)
    shown = picture.convert("RGB").crop(box).resize((side, side), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(shown)).permute(2, 0, 1).float() / 127.5 - 1


def photographs() -> Iterator[tuple[str, Kind]]:
    """Crops of a photograph that scikit-image brings, photos and others; of another one, the subject."""
    from skimage import data

    def crops(picture: np.ndarray, name: str) -> Tensor:
        rng, found = seeded(0, name), []
        for _ in range(2 * COUNT):
            y, x = (torch.rand(2, generator=rng) * (torch.tensor(picture.shape[:2]) - 256)).long().tolist()
            found.append(tensor(Image.fromarray(picture[y : y + 256, x : x + 256]), 128))
        return torch.stack(found)

    cat, man = crops(data.chelsea(), "chelsea"), crops(data.astronaut(), "astronaut")
    yield "photographs, 128", Kind(cat[:COUNT], cat[COUNT:], man[:COUNT])


def real() -> Iterator[tuple[str, Kind]]:
    """People, clips, and faces of the DCGAN."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "real"))
    from face_dcgan import Faces
    from photographs import frames, people

    for side in (64, 128):
        shown = {name: torch.stack([tensor(f, side) for f in frames(name)]) for name in ("carphone", "moods")}
        yield f"clips, {side}", Kind(shown["carphone"][::2], shown["carphone"][1::2], shown["moods"][::2])
    who = [torch.stack([tensor(Image.open(f), 64) for f in files]) for files in list(people().values())[:3]]
    yield "people, 64", Kind(who[0][::2], who[0][1::2], who[1][::2])
    yield "DCGAN, 64", drawn(faces := Faces().eval(), faces, 100)


def main() -> None:
    """Prints a table of all that was measured, and a line for each measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", action="store_true", help="what the packages of `make real` have")
    asked = parser.parse_args()
    embedded = {} if asked.real else {name: generated(name) for name in ("eg3d-minicat", "stylegan2-minicat")}
    kinds = embedded | dict(real() if asked.real else photographs())
    network = load_distance(None)
    measures = {"natural statistics": natural, "sliced patches": sliced, "contrast of bands": contrast}
    measures |= {f"kernel, minicat-distance {level}": kernel(network, level) for level in (0, 1)}
    if asked.real:
        from gpk_judges.shift_tolerant import load

        measures["kernel, stlpips-alex 1"] = kernel(load("alex", None), 1)
    lines, every = [], {name: [0, 0, 0, 0, 0.0] for name in measures}
    for kind, (photos, others, subject, own) in kinds.items():
        ladders = {name: [f(others, k) for k in ks] for name, (f, ks) in DAMAGE.items()} | dict(own)
        for name, measure in measures.items():
            clean, half = measure(others, photos), len(others) // 2
            far = {each: [measure(spoilt, photos) for spoilt in ladder] for each, ladder in ladders.items()}
            grows = {
                each: sum(b > a for a, b in zip([clean, *found], found, strict=False)) for each, found in far.items()
            }
            other = clean if subject is None else measure(subject, photos)
            known = [found[1] > other for found in far.values()] if subject is not None else []
            unsure = abs(measure(others[:half], photos) - measure(others[half:], photos)) / 2
            unsure /= max(far["blur"][2] - clean, 1e-9)
            told = every[name]
            told[0] += sum(grows.values())
            told[1] += sum(map(len, far.values()))
            told[2] += sum(known)
            told[3] += len(known)
            told[4] = max(told[4], unsure)
            steps = " ".join(f"{each} {grows[each]}/{len(far[each])}" for each in far if grows[each] < len(far[each]))
            lines.append(
                [
                    kind,
                    name,
                    f"{clean:.3g}",
                    f"{other:.3g}" if subject is not None else "",
                    *(f"{far[each][1]:.3g}" for each in DAMAGE),
                    f"{far['shaken weights'][1]:.3g}" if own else "",
                    steps,
                ]
            )
    print(
        markdown(
            ["kind", "measure", "clean", "other subject", *DAMAGE, "shaken weights", "steps that do not grow"], lines
        )
    )
    rows = [[name, f"{a}/{b}", f"{c}/{d}", f"{e:.2f}"] for name, (a, b, c, d, e) in every.items()]
    print(markdown(["measure", "steps", "subject", "noise, at most"], rows))


if __name__ == "__main__":
    with torch.no_grad():
        main()
