r"""Personas in other programs' formats: a whole state dict with the change merged in, and PEFT's adapter layout.

PEFT (huggingface/peft, "Checkpoint format") computes alpha/r · B∗A with A [r, C2, k, k] and B [C1, r, 1, 1]; the flat
and kernel layouts are exactly that with r the rows of A, per layer through `rank_pattern` and `alpha_pattern`.

Shapes: C1 outputs, C2 inputs, k side of the kernel.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from gpk.errors import PersonaError
from gpk.lowrank import LoRA
from gpk.persona import Persona
from gpk_checkpoints.atomic import write_atomically
from gpk_checkpoints.files import write_safetensors
from gpk_checkpoints.personas import compact, modelspec

NOTE = """\
# A gpk persona in PEFT's layout

The factors and their scales are exact, for programs that read this layout. PEFT itself cannot attach them: a StyleGAN
layer holds a bare weight, and the change has to be made before its demodulation. Use gpk for that.
"""


def export_merged(path: Path, state: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> None:
    """Writes a whole state dict, persona merged in, with `metadata` (JSON types) under the key `gpk`.

    With the generator's `config` among the metadata, `load_generator` reads the file back. `backend`, `card` and
    `licence` become `modelspec.*` keys. Raises PersonaError while a persona is attached instead of merged, RunError
    where the file cannot be written.
    """
    if any("parametrizations." in name for name in state):
        raise PersonaError("a persona is attached, not merged: detach(generator, merge=True) before the export")
    backend, card = metadata.get("backend", "gpk"), metadata.get("card", "")
    keys = modelspec(f"{card or backend} with a persona merged", str(backend), str(metadata.get("licence", "")))
    write_safetensors(path, state, keys | {"gpk": compact(metadata)})


def export_peft(folder: Path, persona: Persona) -> tuple[str, ...]:
    """Writes `adapter_model.safetensors`, `adapter_config.json` and a README into `folder`.

    Returns the keys of the changes that the layout has no place for (offsets of biases, noise strengths, constants,
    and whole layers): the caller must tell. Raises PersonaError for the loralib layout and where no LoRA is left,
    RunError where a file cannot be written.
    """
    if persona.recipe.layout == "loralib":
        raise PersonaError("the loralib layout reinterprets memory, which PEFT's layout cannot express")
    tensors: dict[str, Tensor] = {}
    ranks: dict[str, int] = {}
    alphas: dict[str, float] = {}
    for key, change in persona.changes.items():
        if isinstance(change, LoRA):
            path = key.rpartition(".")[0]
            ranks[path] = rank = len(change.A)
            alphas[path] = change.scale * rank
            kernel, one = change.shape[1:], (1,) * (len(change.shape) - 2)
            tensors[f"base_model.model.{path}.lora_A.weight"] = change.A.view(rank, *kernel)
            tensors[f"base_model.model.{path}.lora_B.weight"] = change.B.view(*change.B.shape, *one)
    if not tensors:
        raise PersonaError("this persona has no LoRA, and PEFT's layout holds nothing else")
    left_out = tuple(key for key, change in persona.changes.items() if not isinstance(change, LoRA))
    text = json.dumps(_config(persona, ranks, alphas), indent=2) + "\n"
    note = NOTE + (f"\nLeft out, having no place in the layout: {len(left_out)} offsets.\n" if left_out else "")
    write_safetensors(folder / "adapter_model.safetensors", tensors, {"format": "pt"})
    write_atomically(folder / "adapter_config.json", [text.encode()])
    write_atomically(folder / "README.md", [note.encode()])
    return left_out


def _config(persona: Persona, ranks: Mapping[str, int], alphas: Mapping[str, float]) -> dict[str, Any]:
    rank = Counter(ranks.values()).most_common(1)[0][0]
    alpha = Counter(alphas.values()).most_common(1)[0][0]
    return {
        "peft_type": "LORA",
        "task_type": None,
        "base_model_name_or_path": f"{persona.origin.backend}/{persona.origin.card}",
        "inference_mode": True,
        "bias": "none",
        "r": rank,
        "lora_alpha": alpha,
        "rank_pattern": {path: own for path, own in ranks.items() if own != rank},
        "alpha_pattern": {path: own for path, own in alphas.items() if own != alpha},
        "target_modules": list(ranks),
    }
