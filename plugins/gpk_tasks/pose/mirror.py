r"""Which photos of an album are left-right mirrored, as selfies are: told by what is not symmetric about the subject.

With f_i what the judge of identity sees in photo i and m_i what it sees in the mirror image, two photos are of one
handedness as far as

    A_ij = (f_i . f_j + m_i . m_j - f_i . m_j - m_i . f_j) / 2

is above 0, and a subject that is symmetric, or a judge that is blind to it, has A = 0. Handedness is the sign of A's
first eigenvector; most photos are taken for as they should be. No camera has a part in this.

Shapes: N photos, F features, R image side.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gpk.judges import Judge
from gpk.seeding import in_parts
from gpk_tasks.renders import AT_ONCE

SURE = 0.25
"""Above it a photo is mirrored: cats with a patch on one side are at 0.4 and -0.4, symmetric ones within 0.03."""


@torch.no_grad()
def mirroring(judge: Judge, photos: Tensor) -> Tensor:
    """How much more the mirror image of each of photos [N, 3, R, R] is like the other photos than the photo is: [N], a
    mean difference of cosines. Above SURE the photo is mirrored; near 0 nothing tells.
    """
    plain = in_parts(judge, photos, size=AT_ONCE)
    turned = in_parts(judge, photos.flip(3), size=AT_ONCE)
    return handedness(plain, turned)


def handedness(plain: Tensor, turned: Tensor) -> Tensor:
    """`mirroring` of what the judge sees in the photos [N, F] and in their mirror images [N, F]."""
    alike = (plain - turned) @ (plain - turned).mT / 2
    alike = alike - torch.diag_embed(alike.diagonal())
    side = torch.linalg.eigh(alike.double().cpu()).eigenvectors[:, -1].sign().to(alike)
    side = side if side.sum() >= 0 else -side
    return -(alike @ side) / max(1, len(alike) - 1)
