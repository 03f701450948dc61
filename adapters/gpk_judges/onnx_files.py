"""A network in an ONNX file, run by onnxruntime, which is an optional extra.

A file holds operators and numbers, no code. It runs on the CPU, wherever its pictures are, and has no gradients.

Shapes: B batch, F features.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from gpk.errors import ExtraError, WeightsError
from gpk_checkpoints.download import file_sha256
from gpk_judges.framing import SIDE


class ExchangeNetwork(nn.Module):
    """The recogniser of faces in `file`, whose hash is `sha256`.

    Raises ExtraError without onnxruntime, WeightsError where the file is no network from faces to features.
    """

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.sha256 = file_sha256(file)
        self._session = _session(file)
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        taken, given = ([list(port.shape) for port in ports] for ports in (inputs, outputs))
        single = len(inputs) == len(outputs) == 1
        batch, *face = (taken[0] if single else []) or [0]
        some = batch == 1 or not isinstance(batch, int)  # a name is any batch; some files know one face at a time
        floats = single and inputs[0].type == "tensor(float)"
        if not (floats and some and face == [3, SIDE, SIDE] and len(given[0]) == 2):
            raise WeightsError(
                f"{file} takes {taken} and gives {given}: a recogniser takes faces [B, 3, {SIDE}, {SIDE}] and gives"
                " features [B, F]. Give one such as InsightFace's w600k_r50.onnx"
            )
        self._input = inputs[0].name
        self._one_by_one = batch == 1

    def forward(self, faces: Tensor) -> Tensor:
        """Features [B, F] of faces [B, 3, 112, 112]."""
        host = faces.detach().float().cpu()
        parts = host.split(1) if self._one_by_one else (host,)
        seen = [torch.from_numpy(self._session.run(None, {self._input: part.numpy()})[0]) for part in parts]
        return torch.cat(seen).to(faces)


def _session(file: Path) -> Any:  # noqa: ANN401 - onnxruntime is optional
    runtime = _package()
    from onnxruntime.capi import onnxruntime_pybind11_state as refusals  # pyright: ignore[reportAttributeAccessIssue]

    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4  # what is wrong is said once, by the error
    try:
        return runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except (
        refusals.Fail,
        refusals.InvalidArgument,
        refusals.InvalidGraph,
        refusals.InvalidProtobuf,
        refusals.NoModel,
        refusals.NotImplemented,
        refusals.RuntimeException,
    ) as error:
        reason = str(error).split("\n", 1)[0]
        raise WeightsError(f"{file} is no ONNX file that can be run: {reason}. Get it anew") from error


def _package() -> ModuleType:
    try:
        import onnxruntime
    except ImportError as error:
        raise ExtraError(f'ONNX files need onnxruntime ({error}): pip install "gpk[onnx]"') from error
    return onnxruntime
