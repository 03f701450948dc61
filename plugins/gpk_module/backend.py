"""The backend that a name such as "package.file:factory" makes: import, make once, look at what came, describe it.

Weights files have the module's own names; a generator's state dict has them with `module.` in front, as torch's
DataParallel does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from gpk.checkpoint import Adopted, Stored
from gpk.errors import InputError
from gpk.framing import Framing
from gpk.generator import Generator
from gpk.plugin import Backend, Card
from gpk_module.code import Code
from gpk_module.network import ModuleGenerator, computed, fold
from gpk_module.traits import Traits, recognise

PREFIX = "module."
FRAMING = "framing"
"""The setting, or the module's attribute, that says how its training set was cut."""
FACES = "mtcnn, opencv-face"
"""What finds the subjects of a module whose training set was cut by eyes and mouth."""
DRAWS = 512
"""W is Z, whose mean is no code that training saw: many a network shows nothing there, and has no gradient."""
DISTANCE = "lap1"
"""Works for any domain and wherever gpk does; LPIPS, which sees more, is a download: --distance lpips-alex."""


@dataclass(frozen=True)
class Made:
    """A piece of code, what it named, and the traits of the module it makes, None where that is a Generator itself."""

    code: Code
    found: object
    traits: Traits | None

    def build(self, config: Mapping[str, Any]) -> Generator:
        """The generator on torch's default device. The code makes it on the CPU first: it may compute as it does so,
        which it could not on the meta device.
        """
        device = torch.get_default_device()
        with torch.device("cpu"):
            module = self.code.make(self.found)
            if isinstance(module, Generator):
                return module.to(device)
            assert self.traits is not None
            fold(module.float().eval())
            return ModuleGenerator(module, self.traits).to(device)

    def adopt(self, network: Stored) -> Adopted:
        """A state dict of the module's own, or of a Generator's, by the generator's names; raises InputError where a
        tensor does not fit.

        Weights that a norm computes are folded once the file's are in place.
        """
        module, tensors = self.code.make(self.found), network.tensors
        if isinstance(module, Generator):
            return Adopted({}, tensors)
        own = module.state_dict().keys()
        if own != tensors.keys():  # as DataParallel, or gpk itself, writes them
            tensors = {name.removeprefix(PREFIX): tensor for name, tensor in tensors.items()}
        if own == tensors.keys() and any(True for _ in computed(module)):
            try:
                module.float().load_state_dict(tensors)
            except RuntimeError as error:
                raise InputError(" ".join(str(error).split())) from error
            fold(module.eval())
            tensors = module.state_dict()
        return Adopted({}, {f"{PREFIX}{name}": tensor for name, tensor in tensors.items()})


def backend_of(which: str) -> Backend:
    """The backend of the code that `which` names, which is imported and called.

    Raises InputError where that is not there, raises, or makes no generator of pictures; the message says what now.
    """
    code = Code.parse(which)
    found = code.find()
    with torch.random.fork_rng(devices=()), torch.device("cpu"):
        module = code.make(found)
        traits = None if isinstance(module, Generator) else _look(module, code)
    made = Made(code, found, traits)
    framing = framed(code.stated.get(FRAMING, getattr(module, FRAMING, None)))
    if isinstance(module, Generator):
        told = f"{type(module).__name__}, a generator as it is"
        resolution, cameras = module.resolution, module.frontal() is not None
    else:
        assert traits is not None
        told, resolution, cameras = str(traits), traits.resolution, False
    return Backend(
        name="module",
        summary=f"the torch module {which}",
        cards=(Card("as-made", f"{which}, as its code makes it", "", notes=told, ready=True),),
        build=made.build,
        adopt=made.adopt,
        cameras=cameras,
        resolution=resolution,
        distance=DISTANCE,
        detector=FACES if framing is not None and framing.kind == "ffhq" else None,
        framing=framing,
        draws=DRAWS,
    )


def framed(stated: object) -> Framing | None:
    """The framing that is stated as "ffhq", "square", or a multiple of its side as in "ffhq*0.8"; None where it is not.

    Raises InputError for anything else.

    >>> framed("ffhq*0.8")
    Framing(kind='ffhq', scale=0.8, shift=(0.0, 0.0))
    """
    if stated is None or isinstance(stated, Framing):
        return stated
    kind, times, scale = str(stated).partition("*")
    try:
        factor = float(scale) if times else 1.0
    except ValueError:
        factor = 0.0
    if kind not in ("ffhq", "square") or not 0.1 <= factor <= 10:
        raise InputError(
            f"framing={stated} is none: say square (the box of what is found) or ffhq (by eyes and mouth), and "
            "where its side is another a factor from 0.1 to 10, as in framing=ffhq*0.8"
        )
    return Framing(kind, scale=factor)


def _look(module: nn.Module, code: Code) -> Traits:
    width = code.stated.get("z")
    if width is not None and not (width.isdecimal() and int(width) > 0):
        raise InputError(f"z={width} is no width of a code: give a whole number, as in z=100")
    count = fold(module.float().eval())
    traits = recognise(module, width=None if width is None else int(width), spread=code.stated.get("range"))
    return replace(traits, folded=count)
