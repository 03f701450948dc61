r"""Coloured meshes as GLB (glTF 2.0) and PLY files that say they are synthetic.

Both have y up and the subject looking to +z, which is glTF's own front, and the picture's right at +x; a unit is the
generator's, not a metre. A GLB is one JSON text and one block of numbers (Khronos, glTF 2.0, section 4.4). Its colours
are linear light (section 3.7.2.1), as floats since in 8 bits the dark ones would fall apart; a PLY's are a picture's
bytes. What a picture says in its XMP packet stands in the GLB's (extension KHR_xmp_json_ld), and in a PLY's comments.

Shapes: V vertices, F triangles.
"""

from __future__ import annotations

import json
import struct
from importlib.metadata import version
from pathlib import Path

import numpy as np
from torch import Tensor

from gpk.pixels import to_bytes
from gpk_checkpoints.atomic import write_atomically
from gpk_runs.pictures import SYNTHETIC
from gpk_runs.surface import Surface

ARRAY, ELEMENTS = 34962, 34963
FLOAT, UINT = 5126, 5125
"""What OpenGL calls a buffer of vertices, one of indices, and the types of their numbers."""
XMP = {
    "@context": {"xmp": "http://ns.adobe.com/xap/1.0/", "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"},
    "@id": "",
    "xmp:CreatorTool": f"gpk {version('gpk')}",
    "Iptc4xmpExt:DigitalSourceType": SYNTHETIC,
}
"""The packet in JSON-LD."""


def write_glb(path: Path, surface: Surface, colours: Tensor) -> None:
    """Replaces the GLB at `path` by the surface with `colours` [V, 3] in [-1, 1]; RunError where it cannot be written.

    The material is matt: shade on it is the viewer's, beside the light that the colours have in them.
    """
    vertices, light = surface.vertices.numpy(), _linear((colours.clamp(-1, 1) + 1) / 2).numpy()
    bounds = {"min": vertices.min(0).tolist(), "max": vertices.max(0).tolist()}
    triples = {"type": "VEC3", "componentType": FLOAT}
    blocks = [
        (vertices.astype("<f4"), triples | bounds, ARRAY),
        (surface.normals.numpy().astype("<f4"), triples, ARRAY),
        (light.astype("<f4"), triples, ARRAY),
        (surface.faces.numpy().astype("<u4").reshape(-1), {"type": "SCALAR", "componentType": UINT}, ELEMENTS),
    ]
    views, accessors, begin = [], [], 0
    for index, (numbers, kind, target) in enumerate(blocks):
        views.append({"buffer": 0, "byteOffset": begin, "byteLength": numbers.nbytes, "target": target})
        accessors.append({"bufferView": index, "count": len(numbers), **kind})
        begin += numbers.nbytes
    attributes = {"POSITION": 0, "NORMAL": 1, "COLOR_0": 2}
    told = {
        "asset": {
            "version": "2.0", "generator": XMP["xmp:CreatorTool"], "extensions": {"KHR_xmp_json_ld": {"packet": 0}},
        },
        "extensionsUsed": ["KHR_xmp_json_ld"],
        "extensions": {"KHR_xmp_json_ld": {"packets": [XMP]}},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": path.stem}],
        "meshes": [{"primitives": [{"attributes": attributes, "indices": 3, "material": 0}]}],
        "materials": [{"pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 1.0}}],
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": begin}],
    }  # fmt: skip
    text = json.dumps(told, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    head = struct.pack("<4sII", b"glTF", 2, 12 + 8 + len(text) + 8 + begin)
    chunks = [head, struct.pack("<I4s", len(text), b"JSON"), text, struct.pack("<I4s", begin, b"BIN\0")]
    write_atomically(path, [*chunks, *(numbers.tobytes() for numbers, _, _ in blocks)])


def write_ply(path: Path, surface: Surface, colours: Tensor) -> None:
    """Replaces the PLY at `path` by the surface with `colours` [V, 3] in [-1, 1]; raises as `write_glb` does."""
    vertices = np.zeros(len(surface.vertices), [("place", "<f4", 3), ("normal", "<f4", 3), ("colour", "u1", 3)])
    vertices["place"], vertices["normal"] = surface.vertices.numpy(), surface.normals.numpy()
    vertices["colour"] = to_bytes(colours).numpy()
    faces = np.zeros(len(surface.faces), [("corners", "u1"), ("vertices", "<i4", 3)])
    faces["corners"], faces["vertices"] = 3, surface.faces.numpy()
    properties = {"float": ("x", "y", "z", "nx", "ny", "nz"), "uchar": ("red", "green", "blue")}
    head = [
        "ply",
        "format binary_little_endian 1.0",
        f"comment {XMP['xmp:CreatorTool']}",
        f"comment digital source type {SYNTHETIC}",
        f"element vertex {len(vertices)}",
        *(f"property {kind} {name}" for kind, names in properties.items() for name in names),
        f"element face {len(faces)}",
        "property list uchar int vertex_indices",
        "end_header\n",
    ]
    write_atomically(path, ["\n".join(head).encode(), vertices.tobytes(), faces.tobytes()])


def _linear(encoded: Tensor) -> Tensor:
    """Light in [0, 1] that sRGB writes as `encoded` (IEC 61966-2-1)."""
    return (encoded / 12.92).where(encoded <= 0.04045, ((encoded + 0.055) / 1.055) ** 2.4)
