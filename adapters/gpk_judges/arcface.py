"""ArcFace: who is this? Features of faces whose angles tell people apart, the paper's measure of identity.

    cos(f(a), f(b)) is high for two pictures of one person      (Deng et al., 2018, arXiv 1801.07698)

The part of an aligned portrait that the recogniser was trained on (`framing`) is resized to 112² and shown as it is,
RGB in [-1, 1]. The field feeds `model_ir_se50.pth` RGB, and so do we, for figures that compare; its training pictures
had red and blue exchanged (InsightFace_Pytorch, issue 13).

Weights are IR-SE50's state dict, or any recogniser as an ONNX file that takes such pictures (InsightFace's
`w600k_r50.onnx`). They are asked for, not downloaded: IR-SE50's home is a shared drive, and both were trained on
photos of people who were not asked, InsightFace's for non-commercial research only.

Shapes: B batch, R side, F features.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gpk.errors import ExtraError, WeightsError
from gpk.framing import Framing
from gpk.portable import resized_to
from gpk_checkpoints.cache import cache_folder
from gpk_judges.framing import SIDE, Named, Window, face_window
from gpk_judges.irse import IRSE50
from gpk_judges.weights import fitting, read_state_dict, shapes

NAME = "model_ir_se50.pth"
"""What IR-SE50's file is called where it is published, on `PAGE`."""
PAGE = "https://github.com/TreB1eN/InsightFace_Pytorch"


class FaceJudge(nn.Module):
    """A recogniser of faces behind its crop, frozen and always in evaluation mode; it takes pictures of `side` pixels.

    `weights_from` names the file or package that its weights are from. `weights_sha256` is the hash of an ONNX file,
    whose weights are no tensors of this module (`gpk.generator.fingerprint`).
    """

    def __init__(
        self,
        network: nn.Module,
        window: Window,
        weights_from: str,
        *,
        side: int = SIDE,
        weights_sha256: str | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.side = side
        self.weights_from = weights_from
        self.window = window
        self.weights_sha256 = weights_sha256
        self.requires_grad_(False).train(False)

    def forward(self, images: Tensor) -> Tensor:
        """Unit features [B, F] of the faces in portraits [B, 3, R, R] in [-1, 1]."""
        return F.normalize(self.network(resized_to(self.window.cut(images), self.side)), dim=1)

    def train(self, mode: bool = True) -> Self:
        """Stays in evaluation mode: features may not depend on what else is in the batch."""
        return super().train(False)


def load(weights: Path | None, framing: Framing | Named) -> FaceJudge:
    """The judge of portraits with this framing. `weights` is IR-SE50's state dict or, named *.onnx, an ONNX file; where
    None, `NAME` in the folder `judges` of gpk's cache.

    With an ONNX file nothing is differentiable. Raises ExtraError where there is no file or no onnxruntime,
    WeightsError where the file is of something else.
    """
    kept = cache_folder() / "judges" / NAME
    file = weights or kept
    if not file.is_file():
        remedy = f"get {NAME} (175 MB) from {PAGE}, or an ONNX file of InsightFace's, and give it as arcface=FILE"
        if weights is not None:
            raise WeightsError(f"no weights of ArcFace at {file}: {remedy}")
        raise ExtraError(f"arcface comes without its weights: {remedy}, or put {NAME} into {kept.parent}")
    if file.suffix == ".onnx":
        from gpk_judges.onnx_files import ExchangeNetwork  # here, because it imports onnxruntime, an extra

        network = ExchangeNetwork(file)
        return FaceJudge(network, face_window(framing), file.name, weights_sha256=network.sha256)
    return FaceJudge(_irse50(file), face_window(framing), file.name)


def _irse50(file: Path) -> IRSE50:
    with torch.device("meta"):  # random weights would cost time and move the global random state
        network = IRSE50()
    # Counts of training batches are of no use here, and files written by old versions of torch lack them.
    counts = {name: torch.zeros((), dtype=torch.long) for name in shapes(network) if name.endswith("batches_tracked")}
    wanted = {name: shape for name, shape in shapes(network).items() if name not in counts}
    state = fitting(
        read_state_dict(file),
        wanted,
        wrong=f"{file} is not ArcFace's IR-SE50",
        remedy=f"Get {NAME} from {PAGE}",
    )
    network.load_state_dict({name: value.float() for name, value in state.items()} | counts, assign=True)
    return network
