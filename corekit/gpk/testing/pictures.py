"""Rules of pictures: their shapes and range, and that they depend on what they are asked for and nothing else.

Shapes: B batch, L latent layers, D latent width, Z noise width, R image side, r side before super-resolution.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gpk.generator import Render
from gpk.seeding import seeded
from gpk.testing.alike import alike, off
from gpk.testing.rule import ContractError, NotPromisedError, Rule
from gpk.testing.specimen import Specimen

LOUDEST = 30.0
"""Largest pixel of a network with random weights: a trained one's are in [-1, 1], and bytes go up to 255."""


def keeps_shapes(specimen: Specimen) -> None:
    """w is [B, L, D] and a render's image [B, 3, R, R], as `latent` and `resolution` say; `raw` and `depth`, where
    there are any, are [B, 3, r, r] and [B, 1, r, r], so that one loss, one report and one viewer serve every family.
    """
    generator, latent = specimen.generator, specimen.generator.latent
    for count in (1, 2):
        w = specimen.codes(count)
        _shaped("mapping's w", w, (count, latent.num_ws, latent.w_dim), "[B, num_ws, w_dim], as `latent` says")
        render = generator(w, specimen.views(count))
        side = generator.resolution
        if not isinstance(render, Render):
            raise ContractError(
                f"forward returned a {type(render).__name__}: pictures come as a gpk.generator.Render, which has "
                "room for depth. Return Render(image)"
            )
        _shaped("the image", render.image, (count, 3, side, side), "[B, 3, R, R], R the generator's `resolution`")
        if render.raw is not None:
            small = render.raw.shape[-1]
            _shaped("raw", render.raw, (count, 3, small, small), "[B, 3, r, r], r at most R")
        if render.depth is not None:
            small = (render.depth if render.raw is None else render.raw).shape[-1]
            _shaped("depth", render.depth, (count, 1, small, small), "[B, 1, r, r], r as raw has it")
            if not specimen.backend.cameras:
                raise ContractError(
                    "it renders depth and its backend says `cameras=False`: who sees depth asks for other views. "
                    "Say cameras=True, or leave depth None"
                )
        for name, level in render._asdict().items():
            if level is not None and not torch.isfinite(level).all():
                raise ContractError(f"{name} has numbers that are not finite: look for roots and logarithms of 0")


def keeps_range(specimen: Specimen) -> None:
    """Pixels are in [-1, 1], 0 the middle grey, as photos are: a trained network a little beyond, one with random
    weights further, but never all of them above 0 and never up to hundreds.
    """
    with torch.no_grad():
        image = specimen.generator(specimen.codes(8), specimen.views(8)).image
    low, high = image.min().item(), image.max().item()
    if low >= 0:
        raise ContractError(
            f"the pixels of 8 pictures go from {low:.3f} to {high:.3f}, none below 0: pictures are in [-1, 1], as "
            f"photos and judges have them. Give {'2 * image - 1' if high <= 1 else 'image / 127.5 - 1'}"
        )
    if max(-low, high) > LOUDEST:
        raise ContractError(
            f"the pixels of 8 pictures go from {low:.0f} to {high:.0f}: pictures are in [-1, 1], and even of random "
            f"weights none was seen beyond {LOUDEST:.0f}. Divide bytes by 127.5, or look for a gain that is missing"
        )


def is_deterministic(specimen: Specimen) -> None:
    """The same call gives the same picture bit for bit, whatever was asked in between, and draws nothing from torch's
    global randomness: a resumed run is to end in the same persona.
    """
    generator, z = specimen.generator, specimen.noise(2)
    stored = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    state = torch.random.get_rng_state()
    with torch.no_grad():
        w = generator.mapping(z)
        given, camera = w.clone(), specimen.views(2)
        first = generator(w, camera).image.clone()
        again = generator(w, camera).image
        _same(first, again, "the same call, made twice, gives pictures")
        generator(generator.mapping(specimen.noise(3, seed=2)), specimen.views(3))
        _same(first, generator(w, camera).image, "the same call, with another between, gives pictures")
        _same(w, generator.mapping(z), "mapping the same z twice gives w")
    if not torch.equal(w, given):
        raise ContractError("forward changes the w that it is given: whoever gave it goes on using it. Copy it first")
    if not torch.equal(torch.random.get_rng_state(), state):
        raise ContractError(
            "a picture draws from torch's global randomness: whoever seeded that for something else gets another "
            "result. Draw from `rng` alone, and only for what is asked to be random"
        )
    for name, tensor in generator.state_dict().items():
        if not torch.equal(tensor, stored[name]):
            raise ContractError(
                f"making pictures changed {name}: what it shows would depend on what it has shown. Look for running "
                "averages that are updated as it runs"
            )


def pictures_stand_alone(specimen: Specimen) -> None:
    """A picture depends on its own code and camera alone, not on what else is in its batch: a persona is tuned in
    batches of any size.
    """
    w, camera = specimen.codes(3), specimen.views(3)
    with torch.no_grad():
        together = specimen.generator(w, camera)
        codes = specimen.generator.mapping(specimen.noise(3))
        for i in range(3):
            alone = specimen.generator(w[i : i + 1], None if camera is None else camera[i])
            for name, one in alone._asdict().items():
                if one is not None:
                    _alike_in_batch(f"{name} of w[{i}]", one[0], getattr(together, name)[i])
            _alike_in_batch(f"w of z[{i}]", specimen.generator.mapping(specimen.noise(3)[i : i + 1])[0], codes[i])


def draws_noise_by_its_seed(specimen: Specimen) -> None:
    """With noise "random" the same `rng` gives the same picture, and where there is noise another gives another;
    torch's global randomness has no say.
    """
    generator, w = specimen.generator, specimen.codes(1)
    state = torch.random.get_rng_state()
    with torch.no_grad():
        one, again, other = (generator(w, noise="random", rng=seeded(seed)).image for seed in (0, 0, 1))
    if not torch.equal(torch.random.get_rng_state(), state):
        raise ContractError(
            "noise is drawn from torch's global randomness, not from `rng`: a job that resumes draws other noise. Pass "
            "generator=rng to torch.randn"
        )
    if not torch.equal(one, again):
        raise ContractError(
            f"two rngs of the same seed give pictures that differ by {off(again, one):.2g} of their size: what is "
            "random is decided by `rng` alone. Pass generator=rng to whatever draws"
        )
    if generator.noise_maps() and torch.equal(one, other):
        raise ContractError(
            f"it has {len(generator.noise_maps())} noise maps, and two seeds give the same picture: noise 'random' is "
            "drawn afresh from `rng`. Draw it there"
        )


def adds_the_noise_it_is_given(specimen: Specimen) -> None:
    """`noise_maps()` are what noise "const" adds: given back they make the same picture, and other maps, one for each
    sample too, make another. Inversion tunes them.
    """
    generator, w = specimen.generator, specimen.codes(2)
    maps = generator.noise_maps()
    if not maps:
        raise NotPromisedError("it has no noise maps")
    with torch.no_grad():
        const = generator(w).image
        given = generator(w, noise=maps).image
        if not alike(given, const):
            raise ContractError(
                f"the stored noise maps, given as noise, make a picture that differs by {off(given, const):.2g} of its "
                "size from noise 'const': they are what that adds. Look at their names and at how they are weighted"
            )
        per_sample = {name: m.expand(2, 1, *m.shape[-2:]) + 1 for name, m in maps.items()}
        if torch.equal(generator(w, noise=per_sample).image, const):
            raise ContractError(
                "noise maps that are all 1 higher change nothing: maps [1|B, 1, r, r] by layer path are added in the "
                "stored ones' place. Look them up in forward's `noise`"
            )
        if not torch.isfinite(generator(w, noise="none").image).all():
            raise ContractError("without noise the picture is not finite: noise 'none' adds nothing")


def truncates_towards_the_mean(specimen: Specimen) -> None:
    """`truncation` moves w on the straight line to its mean: at 0 every code is the mean, at 0.5 half way there, and
    with `cutoff` only the first layers move.
    """
    generator, z = specimen.generator, specimen.noise(2)
    with torch.no_grad():
        full, half, none = (generator.mapping(z, truncation=amount) for amount in (1.0, 0.5, 0.0))
        cut = generator.mapping(z, truncation=0.0, cutoff=1)
    if torch.equal(full[0], full[1]):
        raise ContractError(
            "two z give the same w: a code says what the picture shows. Look at what mapping does with z"
        )
    if not alike(none[0], none[1], full):
        raise ContractError(
            f"at truncation 0 two codes still differ by {off(none[0], none[1], full):.2g} of their size: it ends at "
            "the mean, the same for all. Compute w_avg + truncation * (w - w_avg)"
        )
    if not alike(half, (full + none) / 2, full):
        raise ContractError(
            f"at truncation 0.5 w is {off(half, (full + none) / 2, full):.2g} of its size off the middle between the "
            "code and the mean: the way is straight. Compute w_avg + truncation * (w - w_avg)"
        )
    if not alike(cut, torch.cat([none[:, :1], full[:, 1:]], 1), full):
        raise ContractError(
            "with cutoff=1 not exactly the first layer is truncated: `cutoff` says how many of the layers are, the "
            "coarse ones first. Truncate w[:, :cutoff]"
        )


def _alike_in_batch(what: str, alone: Tensor, together: Tensor) -> None:
    if not alike(alone, together):
        raise ContractError(
            f"{what} alone differs from the one in a batch of 3 by {off(alone, together):.2g} of its size: a picture "
            "may depend on its own code alone (a persona is tuned in batches of any size). Look for BatchNorm in "
            "training mode or statistics over the batch"
        )


def _same(a: Tensor, b: Tensor, doing: str) -> None:
    if not torch.equal(a, b):
        raise ContractError(
            f"{doing} that differ by {off(b, a):.2g} of their size: without `rng` nothing is random, and no call may "
            "change what the next one returns. Look for dropout, fresh noise, or state kept between calls"
        )


def _shaped(what: str, tensor: Tensor, wanted: tuple[int, ...], promised: str) -> None:
    if tuple(tensor.shape) != wanted:
        raise ContractError(f"{what} is {list(tensor.shape)}, not {list(wanted)}: it is promised to be {promised}")
    if tensor.dtype != torch.float32:
        raise ContractError(
            f"{what} is {tensor.dtype}: a float32 network and a float32 w give float32, whatever runs in between. "
            "Convert it on the way out"
        )


RULES = (
    Rule(keeps_shapes, basic=True),
    Rule(keeps_range),
    Rule(is_deterministic),
    Rule(pictures_stand_alone),
    Rule(draws_noise_by_its_seed),
    Rule(adds_the_noise_it_is_given),
    Rule(truncates_towards_the_mean),
)
