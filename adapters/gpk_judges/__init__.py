"""Third-party networks that look at pictures: LPIPS, ST-LPIPS, DISTS, ArcFace, dlib's recogniser, and any of timm's.

Light: what a card offers is imported when it is loaded.

Shapes: B batch, R image side, F features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from gpk.errors import InputError, UnknownNameError
from gpk.framing import Framing
from gpk.plugin import JudgeCard, hookimpl

if TYPE_CHECKING:
    from torch import nn

    from gpk_judges.framing import Named

__all__ = ["gpk_judges", "load_arcface", "load_dists", "load_dlib_id", "load_lpips", "load_stlpips", "load_timm"]

gpk_api = 1

DINO = "vit_small_patch14_dinov2.lvd142m"
"""timm's name of DINOv2's smallest network, 22 M parameters."""


def load_lpips(net: Literal["alex", "vgg", "squeeze"], weights: Path | None = None) -> nn.Module:
    """LPIPS on the named backbone, a distance: (a, b) both [B, 3, R, R] in [-1, 1] → [B].

    `weights` is the backbone's ImageNet state dict; None looks in torch hub's cache, then downloads.
    Raises ExtraError where a package or the weights are absent, WeightsError where the file is of something else.
    """
    from gpk_judges.perceptual import load

    return load(net, weights)


def load_stlpips(net: Literal["alex", "vgg"], weights: Path | None = None) -> nn.Module:
    """ST-LPIPS, a distance: (a, b) both [B, 3, R, R] in [-1, 1] → [B]; see `gpk_judges.shift_tolerant.load`."""
    from gpk_judges.shift_tolerant import load

    return load(net, weights)


def load_dists(weights: Path | None = None) -> nn.Module:
    """DISTS, a distance: (a, b) both [B, 3, R, R] in [-1, 1] → [B]; see `gpk_judges.dists.load`."""
    from gpk_judges.dists import load

    return load(weights)


def load_arcface(framing: Framing | Named = "eg3d", weights: Path | None = None) -> nn.Module:
    """ArcFace, a judge: portraits [B, 3, R, R] in [-1, 1] → unit features [B, F]; see `gpk_judges.arcface.load`."""
    from gpk_judges.arcface import load

    return load(weights, framing)


def load_dlib_id(framing: Framing | Named | Literal["whole"] = "eg3d", weights: Path | None = None) -> nn.Module:
    """dlib's recogniser, a judge: portraits [B, 3, R, R] in [-1, 1] → unit features [B, 128]; `gpk_judges.dlib_id`."""
    from gpk_judges.dlib_id import load

    return load(weights, framing)


def load_timm(name: str = DINO, weights: Path | None = None) -> nn.Module:
    """A timm model, a judge: images [B, 3, R, R] in [-1, 1] → unit features [B, F]; see `gpk_judges.timm_features`."""
    from gpk_judges.timm_features import load

    return load(name, weights)


@hookimpl
def gpk_judges() -> Sequence[JudgeCard]:
    """The distances and judges offered here."""
    return [
        JudgeCard(
            name="lpips-alex",
            kind="distance",
            summary="LPIPS on AlexNet: sharp and quick, the distance of the official backends",
            load=partial(load_lpips, "alex"),
        ),
        JudgeCard(
            name="lpips-vgg",
            kind="distance",
            summary="LPIPS on VGG-16: smoother textures, about twenty times the work",
            load=partial(load_lpips, "vgg"),
        ),
        JudgeCard(
            name="lpips-squeeze",
            kind="distance",
            summary="LPIPS on SqueezeNet: the smallest download, 5 MB",
            load=partial(load_lpips, "squeeze"),
        ),
        JudgeCard(
            name="stlpips-alex",
            kind="distance",
            summary="ST-LPIPS on AlexNet: hardly minds a shift of a pixel, and its weights come with a package",
            load=partial(load_stlpips, "alex"),
        ),
        JudgeCard(
            name="stlpips-vgg",
            kind="distance",
            summary="ST-LPIPS on VGG-16, about three times the work",
            load=partial(load_stlpips, "vgg"),
        ),
        JudgeCard(
            name="dists",
            kind="distance",
            summary="DISTS on VGG-16: textures count by their statistics, not grain by grain",
            load=load_dists,
        ),
        JudgeCard(
            name="arcface",
            kind="judge",
            summary="ArcFace: who is this? Of EG3D's portraits, or as arcface:ffhq of FFHQ's; needs a weights file",
            load=partial(load_arcface, "eg3d"),
            variant=_arcface,
            framed=partial(_portraits, "arcface", load_arcface),
        ),
        JudgeCard(
            name="dlib-id",
            kind="judge",
            summary="dlib's recogniser: who is this? Of EG3D's portraits, or as dlib-id:ffhq of FFHQ's; in a package",
            load=partial(load_dlib_id, "eg3d"),
            variant=_dlib_id,
            framed=partial(_portraits, "dlib-id", load_dlib_id),
        ),
        JudgeCard(
            name="timm",
            kind="judge",
            summary="DINOv2's features for general subjects, or as timm:NAME those of any timm model",
            load=partial(load_timm, DINO),
            variant=_timm,
        ),
    ]


def _portraits(name: str, load: Callable[[Framing, Path | None], nn.Module], framing: Framing) -> JudgeCard:
    """The recogniser, of portraits that are framed so; raises InputError where they are not by eyes and mouth."""
    if framing.kind != "ffhq":
        raise InputError(
            f"{name} is for portraits framed by eyes and mouth, and these pictures are not: give another judge, or "
            f"{name}:eg3d where they are like EG3D's portraits"
        )
    summary = f"{name} of portraits that show {framing.scale:.2f} of an FFHQ picture's side"
    return JudgeCard(name, "judge", summary, partial(load, framing))


def _arcface(framing: str) -> JudgeCard:
    known = ("eg3d", "ffhq")
    if framing not in known:
        raise UnknownNameError("framing of portraits", framing, known)
    return JudgeCard(
        name=f"arcface:{framing}",
        kind="judge",
        summary=f"ArcFace of portraits framed as {framing}'s",
        load=partial(load_arcface, cast("Named", framing)),
    )


def _dlib_id(framing: str) -> JudgeCard:
    known = ("eg3d", "ffhq", "whole")
    if framing not in known:
        raise UnknownNameError("framing of portraits", framing, known)
    seen = "pictures as dlib cuts them out" if framing == "whole" else f"portraits framed as {framing}'s"
    return JudgeCard(
        name=f"dlib-id:{framing}",
        kind="judge",
        summary=f"dlib's recogniser of {seen}",
        load=partial(load_dlib_id, cast('Named | Literal["whole"]', framing)),
    )


def _timm(name: str) -> JudgeCard:
    from gpk_judges.timm_features import check_name

    check_name(name)
    return JudgeCard(
        name=f"timm:{name}", kind="judge", summary=f"pooled features of timm's {name}", load=partial(load_timm, name)
    )
