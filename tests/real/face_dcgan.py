"""A real generator of faces: the DCGAN (Radford et al., 2015, arXiv 1511.06434) inside gan-face-generate 1.1.1.

    gpk personalize ALBUM --backend module:tests.real.face_dcgan:Faces

Trained on photographs of people whose licence is not stated: for tests and measurements alone, nothing of it ships.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gpk_checkpoints.packaged import Packaged

WEIGHTS = Packaged(
    package="gan-face-generate",
    version="1.1.1",
    path="gan_face_generate/weights.tar",
    sha256="0c3b90b138cfc4e8a73310b9fd5ce2a8f1f3a542a037de277412307fcd28771f",
    licence="MIT",
)
WIDTHS = (512, 256, 128, 64)
"""Channels at 4, 8, 16 and 32 pixels a side."""
Z = 100


class Faces(nn.Module):
    """Codes [B, 100] to pictures [B, 3, 64, 64] in [-1, 1], with the published weights.

    A code is brought to the length that random ones have, within a tenth (Menon et al., 2020, arXiv 2003.03808, section
    3.2): within the hull of a dozen codes none is half as long, and of short ones this network makes blurred faces.
    """

    z_dim = Z
    framing = "ffhq*0.8"  # as its pictures look: nobody has said how they were cut

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = Z
        for index, width in enumerate(WIDTHS):
            stride, padding = (2, 1) if index else (1, 0)
            layers += [
                nn.ConvTranspose2d(before, width, 4, stride, padding, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            ]
            before = width
        self.main = nn.Sequential(*layers, nn.ConvTranspose2d(before, 3, 4, 2, 1, bias=False), nn.Tanh())
        file = WEIGHTS.find("this generator of faces")
        self.load_state_dict(torch.load(file, map_location="cpu", weights_only=True)["netG_state_dict"])

    def forward(self, z: Tensor) -> Tensor:
        """The pictures of codes, whose lengths do not matter."""
        return self.main(F.normalize(z, dim=1, eps=1e-6)[..., None, None] * Z**0.5)
