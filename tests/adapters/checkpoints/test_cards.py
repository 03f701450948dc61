from pathlib import Path

import pytest

from gpk.errors import PluginError
from gpk_checkpoints.cards import read_cards

GOOD = """
small-64:
  title: A small one
  licence: CC0-1.0
  config: {img_resolution: 64, clamp: 256.0}
  weights: weights/small.safetensors
large-512:
  title: A large one
  licence: research only
  url: https://example.org/large
  sha256: "00ff"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "cards.yaml"
    path.write_text(text)
    return path


def test_cards_in_their_order(tmp_path: Path) -> None:
    small, large = read_cards(written(tmp_path, GOOD))
    assert (small.name, small.title, small.licence) == ("small-64", "A small one", "CC0-1.0")
    assert small.config == {"img_resolution": 64, "clamp": 256.0}
    assert small.weights == tmp_path / "weights" / "small.safetensors"
    assert small.url is None
    assert (large.url, large.sha256, large.weights) == ("https://example.org/large", "00ff", None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: {title: A, license: MIT}", "card 'a': unknown card key 'license': did you mean 'licence'?"),
        ("a: {title: A}", "card 'a' lacks licence"),
        ("a: {licence: A}", "card 'a' lacks title"),
        ("a: 3", "card 'a' must be a mapping with title, licence"),
        ("a: {title: 3, licence: MIT}", "card 'a': title must be text, not 3"),
        ("a: {title: A, licence: MIT, config: [1]}", r"card 'a': config must be a mapping, not \[1\]"),
        ("- a", "must map the name of each card"),
        ("", "must map the name of each card"),
        ("a: {", "is not YAML: while parsing a flow node"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(PluginError, match=rf"cards\.yaml.*{message}"):
        read_cards(written(tmp_path, text))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"cannot read the cards in .*: No such file"):
        read_cards(tmp_path / "cards.yaml")
