"""Other people's networks, as one finds them: a file in the current folder that knows nothing of gpk."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from gpk.registry import Registry

NETS = '''
"""Networks of somebody's."""
import torch
from torch import nn

print("hello from nets")

class Dcgan(nn.Module):
    """As in the tutorials: codes [B, nz, 1, 1], batch normalisation, tanh, and weights from N(0, 0.02)."""

    def __init__(self, nz=12, ngf=4, nc=3):
        super().__init__()
        layers, width = [], nz
        for step, channels in enumerate((ngf * 4, ngf * 2, ngf)):
            layers += [nn.ConvTranspose2d(width, channels, 4, 2 if step else 1, 1 if step else 0, bias=False)]
            layers += [nn.BatchNorm2d(channels), nn.ReLU(True)]
            width = channels
        self.main = nn.Sequential(*layers, nn.ConvTranspose2d(width, nc, 4, 2, 1, bias=False), nn.Tanh())
        for layer in self.main:
            if isinstance(layer, nn.ConvTranspose2d):
                nn.init.normal_(layer.weight, 0, 0.2)

    def forward(self, noise):
        return self.main(noise)

class Mlp(nn.Module):
    """Digits: codes [B, Z], one channel, a sigmoid that is no module."""

    def __init__(self):
        super().__init__()
        self.hidden, self.out, self.unused = nn.Linear(7, 20), nn.Linear(20, 256), nn.Linear(3, 3)

    def forward(self, z):
        return torch.sigmoid(self.out(torch.relu(self.hidden(z)))).view(-1, 1, 16, 16)

class Spectral(nn.Module):
    """Every weight is computed from another."""

    def __init__(self, norm=torch.nn.utils.parametrizations.spectral_norm):
        super().__init__()
        self.latent_dim = 6
        self.fc, self.paint = norm(nn.Linear(6, 128)), norm(nn.Conv2d(8, 3, 3, padding=1))

    def forward(self, z):
        x = nn.functional.interpolate(self.fc(z).relu().view(-1, 8, 4, 4), scale_factor=4)
        return self.paint(x).tanh()

class Odd(nn.Module):
    """What a forward may do wrong, by name."""

    def __init__(self, how):
        super().__init__()
        self.how, self.fc = how, nn.Linear(5, 3 * 64)
        self.norm = nn.BatchNorm1d(5, track_running_stats=False)
        if how == "range-attribute":
            self.output_range = (0, 255)

    def forward(self, z):
        if self.how == "detached":
            z = z.detach()
        if self.how == "batch":
            z = self.norm(z)
        x = self.fc(z).view(-1, 3, 8, 8)
        match self.how:
            case "noisy": return x + torch.randn_like(x)
            case "flat": return x.flatten(1)
            case "oblong": return x[..., :4]
            case "pair": return x, z
            case "nan": return x / 0 - x / 0
            case "frozen": return x.detach()
            case "loud": return x * 1000
            case "range-attribute": return (x.tanh() + 1) * 127.5
            case "needs-labels": return x + self.nothing
            case "fixed": return x.tanh() * z.new_zeros(1) + z.sum(1).view(-1, 1, 1, 1).tanh().expand(-1, 3, 8, 8)
        return x.tanh()

class Labelled(Dcgan):
    def forward(self, noise, labels):
        return super().forward(noise)

def seeded(kind="Dcgan", **settings):
    torch.manual_seed(0)
    return globals()[kind](**settings)

def old_spectral():
    torch.manual_seed(0)
    return Spectral(torch.nn.utils.spectral_norm)

def new_spectral():
    torch.manual_seed(0)
    return Spectral()

def raising():
    return {}["no such key"]

def a_dict():
    return {}

def a_generator():
    from gpk.registry import Registry
    backend = Registry.discover().backend("stylegan2-minicat")
    torch.manual_seed(0)
    return backend.build(backend.card.config)

ready = seeded()
number = 7
'''


@pytest.fixture
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with nets.py in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets.py").write_text(NETS)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def registry() -> Registry:
    """The plugin `module` alone."""
    return Registry.discover(entry_points=[EntryPoint("module", "gpk_module", "gpk")])
