"""Videos by their suffix: what was written is read back, and what fails leaves nothing."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterator
from pathlib import Path

import av
import pytest
import torch
from PIL import Image
from torch import Tensor

from gpk.errors import ExtraError, InputError, RunError
from gpk.metrics import psnr
from gpk_checkpoints.atomic import replacing
from gpk_photos.decode import tensor
from gpk_runs.video import check_format, write_video

RATE = 12.5
SUFFIXES = ("mp4", "webp", "gif")


def wave(shift: int, width: int = 64, height: int = 48) -> Image.Image:
    """Smooth colours that move to the right, and a red corner."""
    x, y = torch.meshgrid(torch.arange(width), torch.arange(height), indexing="xy")
    bands = [(x - 3 * shift) / 16, y / 12, (x - 3 * shift + y) / 20]
    shades = torch.stack([128 + 90 * (band * 1.5).sin() for band in bands], dim=2)
    shades[:12, :12] = torch.tensor([200.0, 30.0, 40.0])
    return Image.frombytes("RGB", (width, height), bytes(shades.to(torch.uint8).flatten().tolist()))


FRAMES = [wave(shift) for shift in range(7)]


def film(file: Path) -> tuple[list[Tensor], float]:
    """The frames [3, H, W] of a file, and the seconds that it lasts."""
    if file.suffix == ".mp4":
        with av.open(str(file)) as container:
            (stream,) = container.streams.video
            frames = [tensor(frame.to_image()) for frame in container.decode(video=0)]
            assert stream.average_rate is not None
            return frames, len(frames) / float(stream.average_rate)
    frames, seconds = [], 0.0
    with Image.open(file) as moving:
        for index in range(getattr(moving, "n_frames", 1)):
            moving.seek(index)
            moving.load()
            frames.append(tensor(moving.convert("RGB")))
            seconds += moving.info["duration"] / 1000
    return frames, seconds


def alike(frame: Tensor, original: Image.Image) -> float:
    """PSNR in dB."""
    return psnr(frame[None], tensor(original)[None]).item()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_each_format_reads_back(tmp_path: Path, suffix: str) -> None:
    write_video(tmp_path / f"moving.{suffix}", iter(FRAMES), rate=RATE)
    frames, seconds = film(tmp_path / f"moving.{suffix}")
    assert len(frames) == 7
    assert seconds == pytest.approx(7 / RATE)
    assert {tuple(frame.shape) for frame in frames} == {(3, 48, 64)}
    for shown, original, other in zip(frames, FRAMES, FRAMES[1:] + FRAMES[:1], strict=True):
        assert alike(shown, original) > max(32, alike(shown, other) + 6)
    assert [path.name for path in tmp_path.iterdir()] == [f"moving.{suffix}"]


def test_an_mp4_is_what_phones_and_browsers_play(tmp_path: Path) -> None:
    write_video(tmp_path / "moving.mp4", FRAMES, rate=30000 / 1001)
    with av.open(str(tmp_path / "moving.mp4")) as container:
        (stream,) = container.streams.video
        context = stream.codec_context
        assert (context.name, context.pix_fmt, stream.frames) == ("h264", "yuv420p", 7)
        assert (context.colorspace, context.color_range) == (1, 1)
        assert stream.average_rate is not None
        assert (stream.average_rate.numerator, stream.average_rate.denominator) == (30000, 1001)
        assert stream.duration is not None
        assert stream.time_base is not None
        assert float(stream.duration * stream.time_base) == pytest.approx(7 * 1001 / 30000)
    content = (tmp_path / "moving.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")  # the index stands in front


@pytest.mark.parametrize("size", [(63, 48), (64, 47), (63, 47)])
def test_odd_sides_of_an_mp4_get_their_edge_again(tmp_path: Path, size: tuple[int, int]) -> None:
    original = wave(0, *size)
    write_video(tmp_path / "odd.mp4", [original])
    ((frame,), _) = film(tmp_path / "odd.mp4")
    width, height = size
    assert frame.shape == (3, 48, 64)
    assert alike(frame[:, :height, :width], original) > 34
    for edge, last in ((frame[:, -1], frame[:, height - 1]), (frame[..., -1], frame[..., width - 1])):
        assert (edge - last).abs().mean() < 0.03


@pytest.mark.parametrize("suffix", ["webp", "gif"])
def test_other_formats_take_odd_sides_as_they_are(tmp_path: Path, suffix: str) -> None:
    write_video(tmp_path / f"odd.{suffix}", [wave(k, 63, 47) for k in range(2)])
    frames, _ = film(tmp_path / f"odd.{suffix}")
    assert [tuple(frame.shape) for frame in frames] == [(3, 47, 63)] * 2


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_file_says_that_it_is_synthetic_and_nothing_of_anybody(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / "whoever" / f"moving.{suffix}"
    write_video(file, FRAMES)
    if suffix == "mp4":
        with av.open(str(file)) as container:
            assert "trainedAlgorithmicMedia" in container.metadata["comment"]
            assert set(container.metadata) == {
                "major_brand",
                "minor_version",
                "compatible_brands",
                "encoder",
                "comment",
            }
    else:
        with Image.open(file) as image:
            assert b"trainedAlgorithmicMedia" in image.info["xmp" if suffix == "webp" else "comment"]
            assert image.info["loop"] == 0
    assert b"whoever" not in file.read_bytes()


def test_a_gif_has_one_palette_and_what_stands_still_stays(tmp_path: Path) -> None:
    write_video(tmp_path / "moving.gif", FRAMES)
    frames, _ = film(tmp_path / "moving.gif")
    assert len({tuple(pixel.tolist()) for frame in frames for pixel in frame.flatten(1).T}) <= 256
    corners = torch.stack([frame[:, :12, :12] for frame in frames])
    assert (corners == corners[:1]).all()


def test_a_gifs_hundredths_of_seconds_add_up(tmp_path: Path) -> None:
    write_video(tmp_path / "moving.gif", [wave(k, 16, 16) for k in range(24)], rate=24)
    _, seconds = film(tmp_path / "moving.gif")
    assert seconds == pytest.approx(1.0)


def test_a_long_mp4_holds_no_frames(tmp_path: Path) -> None:
    made: list[weakref.ref[Image.Image]] = []
    most = 0

    def stream() -> Iterator[Image.Image]:
        nonlocal most
        for shift in range(60):
            frame = wave(shift)
            made.append(weakref.ref(frame))
            yield frame
            del frame
            most = max(most, sum(still() is not None for still in made))

    write_video(tmp_path / "long.mp4", stream())
    assert len(film(tmp_path / "long.mp4")[0]) == 60
    assert most <= 2  # the first one, and the last


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("old", [None, b"an old one"])
def test_what_fails_half_way_leaves_no_file(tmp_path: Path, suffix: str, old: bytes | None) -> None:
    file = tmp_path / f"moving.{suffix}"
    if old is not None:
        file.write_bytes(old)

    def broken() -> Iterator[Image.Image]:
        yield from FRAMES[:3]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_video(file, broken())
    assert [path.read_bytes() for path in tmp_path.iterdir()] == ([] if old is None else [old])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_place_where_no_file_can_be_is_told(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"taken.{suffix}"
    file.mkdir()
    with pytest.raises(RunError, match=rf"cannot write .*taken\.{suffix}: Is a directory: give another place"):
        write_video(file, FRAMES)
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"cannot write .*: give another place"):
        write_video(tmp_path / "file" / f"inside.{suffix}", FRAMES)


def test_what_a_library_writes_itself_is_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    with replacing(tmp_path / "new" / "file") as part:
        part.write_bytes(b"whole")
        assert not (tmp_path / "new" / "file").exists()
    assert (tmp_path / "new" / "file").read_bytes() == b"whole"
    with pytest.raises(RunError, match=r"cannot write .*file: nothing was written"), replacing(tmp_path / "file"):
        pass  # nothing was written


def test_without_pyav_there_is_an_extra_to_install_and_webp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(
        ExtraError, match=r"mp4 needs PyAV: pip install 'gpk\[video\]', or --formats webp, which needs no"
    ):
        write_video(tmp_path / "moving.mp4", FRAMES)
    assert not list(tmp_path.iterdir())
    write_video(tmp_path / "moving.webp", FRAMES)


@pytest.mark.parametrize("name", ["avi", "", "MP4"])
def test_a_format_that_is_none_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"'{name}' is no format of videos: give one of mp4, webp, gif"):
        check_format(name)
    with pytest.raises(InputError, match="is no format of videos"):
        write_video(tmp_path / f"moving.{name}", FRAMES)
