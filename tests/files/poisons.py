"""Poisoned files in the layout of the official checkpoints: each makes the file `marker`, or changes torch, if run."""

from __future__ import annotations

import io
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import torch


class Call:
    """A call that a pickle asks for."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


def poisons(marker: Path) -> dict[str, tuple[bytes, str]]:
    """A poisoned pickle by the name of its trick, and what the refusal names."""
    run = f"touch '{marker}'"
    payload = io.BytesIO()
    torch.save(Call(os.system, run), payload, _use_new_zipfile_serialization=False)
    data = pickle.BINBYTES + struct.pack("<I", len(payload.getvalue())) + payload.getvalue()
    whole = pickle.PROTO + b"\x04%s" + pickle.STOP
    record = _name("training.triplane", "OSGDecoder") + pickle.EMPTY_TUPLE + pickle.NEWOBJ
    storage = _name("torch.storage", "_load_from_bytes") + data + pickle.TUPLE1 + pickle.REDUCE
    tensor = _name("torch._utils", "_rebuild_tensor_v2") + pickle.MARK + storage
    tensor += pickle.BININT1 + b"\0" + pickle.EMPTY_TUPLE * 2 + pickle.NEWFALSE + pickle.NONE + pickle.TUPLE
    parameters = pickle.EMPTY_DICT + _text("weight") + tensor + pickle.REDUCE + pickle.SETITEM
    module = pickle.EMPTY_DICT + _text("_parameters") + parameters + pickle.SETITEM
    defaults = pickle.NONE + pickle.EMPTY_DICT + _text("__defaults__") + pickle.EMPTY_TUPLE + pickle.SETITEM
    trap = pickle.EMPTY_DICT + _text("__setstate__") + _name("torch.storage", "_load_from_bytes") + pickle.SETITEM
    return {
        "system": (
            pickle.dumps({"G_ema": Call(os.system, run)}, protocol=4),
            rf"names {os.system.__module__}\.system,",
        ),
        "eval": (pickle.dumps(Call(eval, f"open({str(marker)!r}, 'w').close()"), protocol=4), r"names builtins\.eval,"),
        "protocol 2": (pickle.dumps(Call(os.system, run), protocol=2), rf"names {os.system.__module__}\.system,"),
        "dotted": (whole % _name("collections", "OrderedDict.fromkeys"), r"names collections\.OrderedDict\.fromkeys,"),
        "reached through": (
            whole % _name("training.triplane", "os.system"),
            r"names training\.triplane\.os\.system,",
        ),
        "state": (
            whole % (record + trap + pickle.BUILD + data + pickle.BUILD),
            "damaged .*sets attributes of a Record",
        ),
        "slots": (
            whole % (_name("torch._utils", "_rebuild_tensor_v2") + defaults + pickle.TUPLE2 + pickle.BUILD),
            "damaged .*sets attributes of a Name",
        ),
        "payload": (
            whole % (record + module + pickle.BUILD),
            rf"weight is a pickle that names {os.system.__module__}\.system,",
        ),
        "extension": (whole % (pickle.EXT1 + b"\x01"), "the instruction EXT1, which"),
        "persistent": (whole % (_text("a") + pickle.BINPERSID), "the instruction BINPERSID, which"),
        "instance": (whole % (pickle.MARK + _text(run) + b"ios\nsystem\n"), "the instruction INST, which"),
    }


def _text(text: str) -> bytes:
    return pickle.SHORT_BINUNICODE + bytes([len(text)]) + text.encode()


def _name(module: str, name: str) -> bytes:
    return _text(module) + _text(name) + pickle.STACK_GLOBAL
