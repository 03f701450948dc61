"""Pictures arrive upright, in sRGB and over white, whatever file they came in; damage is an AlbumError."""

import io
import os
import struct
import sys
import threading
import warnings
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms
from torch import Tensor

from gpk.errors import AlbumError
from gpk_photos import colour, opening, read_image
from gpk_photos.colour import in_srgb
from gpk_photos.decode import decode, in_turn, is_square
from gpk_photos.quiet import Quiet
from gpk_photos.spaces import PRIMARIES, Primaries, Space, srgb

RED, BLUE = (254, 0, 0), (0, 0, 254)


def encoded(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def bytes_of(picture: Tensor) -> list[list[list[int]]]:
    """[-1, 1] as rows of 8-bit pixels."""
    return ((picture + 1) * 127.5).round().to(torch.int).permute(1, 2, 0).tolist()


def red_over_blue() -> Image.Image:
    """A column of two pixels."""
    image = Image.new("RGB", (1, 2), RED)
    image.putpixel((0, 1), BLUE)
    return image


def test_bytes_streams_and_paths_read_alike(tmp_path: Path) -> None:
    content = encoded(red_over_blue())
    (tmp_path / "two.png").write_bytes(content)
    pictures = [read_image(source) for source in (content, io.BytesIO(content), tmp_path / "two.png")]
    assert pictures[0].shape == (3, 2, 1)
    assert pictures[0].dtype == torch.float32
    assert bytes_of(pictures[0]) == [[[*RED]], [[*BLUE]]]
    assert torch.equal(pictures[0], pictures[1])
    assert torch.equal(pictures[0], pictures[2])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(AlbumError, match=r"pipe\.png is no file, but a folder, a pipe or a device"):
        read_image(tmp_path / "pipe.png")


def test_black_is_minus_one_and_white_is_one() -> None:
    assert read_image(encoded(Image.new("L", (1, 1), 0))).unique().tolist() == [-1]
    assert read_image(encoded(Image.new("L", (1, 1), 255))).unique().tolist() == [1]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_undone_once(form: str, orientation: int) -> None:
    picture = np.zeros((32, 48, 3), np.uint8)
    picture[:8, :8] = 255  # a white corner at the top left
    stored = {
        1: picture,
        2: picture[:, ::-1],
        3: picture[::-1, ::-1],
        4: picture[::-1],
        5: picture.transpose(1, 0, 2),
        6: picture.transpose(1, 0, 2)[::-1],
        7: picture.transpose(1, 0, 2)[::-1, ::-1],
        8: picture.transpose(1, 0, 2)[:, ::-1],
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    lossless = {"lossless": True} if form == "WEBP" else {}
    read = read_image(encoded(Image.fromarray(np.ascontiguousarray(stored)), form, exif=exif, **lossless))
    assert read.shape == (3, 32, 48)
    assert (read[:, 2:6, 2:6] > 0.9).all()
    assert (read[:, :, 12:] < -0.8).all()
    assert (read[:, 12:] < -0.8).all()


def test_broken_exif_loses_only_the_orientation() -> None:
    broken = b"Exif\x00\x00II*\x00\xff\xff\xff\xff"
    assert read_image(encoded(red_over_blue(), "JPEG", exif=broken)).shape == (3, 2, 1)


def test_transparency_is_over_white() -> None:
    clear = Image.new("RGBA", (2, 1), (*RED, 0))
    clear.putpixel((1, 0), (*BLUE, 255))
    assert bytes_of(read_image(encoded(clear))) == [[[255, 255, 255], [*BLUE]]]


def test_a_palettes_transparent_colour_is_over_white() -> None:
    image = Image.new("P", (2, 1), 0)
    image.putpalette([*RED, *BLUE])
    image.putpixel((1, 0), 1)
    assert bytes_of(read_image(encoded(image, "GIF", transparency=0))) == [[[255, 255, 255], [*BLUE]]]
    assert bytes_of(read_image(encoded(image, "PNG", transparency=b"\x00\xff"))) == [[[255, 255, 255], [*BLUE]]]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P"])
def test_grey_and_palette_become_rgb(mode: str) -> None:
    image = Image.new("L", (3, 2), 255).convert(mode)
    assert bytes_of(read_image(encoded(image))) == [[[255] * 3] * 3] * 2


def test_cmyk_becomes_rgb() -> None:
    yellow = Image.new("CMYK", (16, 16), (0, 0, 255, 0))
    red, green, blue = read_image(encoded(yellow, "JPEG", quality=100)).mean((1, 2)).tolist()
    assert red > 0.9
    assert green > 0.9
    assert blue < -0.9


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_not_clipped(form: str) -> None:
    values = np.array([[0, 257, 32896, 65535]], np.uint16)
    assert bytes_of(read_image(encoded(Image.fromarray(values), form))) == [[[v] * 3 for v in (0, 1, 128, 255)]]


def test_big_endian_sixteen_bits() -> None:
    tiff = b"MM\x00*\x00\x00\x00\x08\x00\x08" + b"".join(
        struct.pack(">HHIHH", tag, 3, 1, value, 0)
        for tag, value in [(256, 1), (257, 1), (258, 16), (259, 1), (262, 1), (273, 110), (277, 1), (279, 2)]
    )
    assert bytes_of(read_image(tiff + bytes(4) + b"\xff\xff")) == [[[255] * 3]]


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_pixels_without_an_agreed_range_are_refused(kind: type) -> None:
    with pytest.raises(AlbumError, match="32-bit pixels have no agreed range: save it as an 8-bit PNG"):
        read_image(encoded(Image.fromarray(np.ones((2, 2), kind)), "TIFF"))


def test_only_the_first_frame_counts() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in (RED, BLUE)]
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert bytes_of(read_image(content))[0][0] == [*RED]


def exchanged_profile() -> bytes:
    """A colour space with red and green exchanged: sRGB's profile, two tags swapped and under another name."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    table, rest = profile[:400], profile[400:]
    table = table.replace(b"rXYZ", b"????").replace(b"gXYZ", b"rXYZ").replace(b"????", b"gXYZ")
    return (table + rest).replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))


def test_an_icc_profile_is_brought_to_srgb() -> None:
    content = encoded(Image.new("RGB", (1, 1), (255, 0, 0)), icc_profile=exchanged_profile())
    assert bytes_of(read_image(content))[0][0] == pytest.approx([0, 255, 0], abs=2)


def with_gamma(gamma: float) -> bytes:
    """The profile of sRGB, its description too, with a power for a curve."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    power = b"para\0\0\0\0\0\0\0\0" + struct.pack(">i", round(gamma * 65536))
    at = profile.index(b"para")
    return profile[:at] + power + profile[at + len(power) :]


def grey_profile(gamma: float) -> bytes:
    """A profile of grey, as small as they come (ICC.1: header, white, curve, two texts)."""
    text = b"text\0\0\0\0grey\0\0\0\0"
    white = b"XYZ \0\0\0\0" + struct.pack(">iii", 63190, 65536, 54061)
    curve = b"curv\0\0\0\0" + struct.pack(">IHxx", 1, round(gamma * 256))
    tags = {b"wtpt": white, b"kTRC": curve, b"cprt": text, b"desc": b"desc\0\0\0\0\0\0\0\5grey\0" + bytes(79)}
    table, data, at = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        table += name + struct.pack(">II", at + len(data), len(content))
        data += content + bytes(-len(content) % 4)
    head = struct.pack(">I4sI4s4s4s", at + len(data), b"lcms", 0x02100000, b"mntr", b"GRAY", b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28) + struct.pack(">iii", 63190, 65536, 54061)
    return head + bytes(128 - len(head)) + table + data


@pytest.mark.parametrize(("gamma", "seen"), [(1.0, 127), (1.8, 71), (2.2, 51)])
def test_a_profile_is_judged_by_its_curve_and_not_by_its_name(gamma: float, seen: int) -> None:
    """54 of 255 is so much light, and that is so much of sRGB: 255 encode((54 / 255)^gamma), IEC 61966-2-1."""
    light = (54 / 255) ** gamma
    expected = 255 * (1.055 * light ** (1 / 2.4) - 0.055)
    assert expected == pytest.approx(seen, abs=2)
    for image, profile in (
        (Image.new("RGB", (1, 1), (54, 54, 54)), with_gamma(gamma)),
        (Image.new("L", (1, 1), 54), grey_profile(gamma)),
        (Image.new("L", (1, 1), 54), with_gamma(gamma)),  # grey pixels with a profile of RGB
        (Image.new("LA", (1, 1), (54, 255)), grey_profile(gamma)),
        (Image.new("RGBA", (1, 1), (54, 54, 54, 255)), with_gamma(gamma)),
        (Image.new("P", (1, 1)), with_gamma(gamma)),
        (Image.fromarray(np.full((1, 1), 54 * 257, np.uint16)), grey_profile(gamma)),
    ):
        if image.mode == "P":
            image.putpalette([54, 54, 54])
        found = bytes_of(read_image(encoded(image, icc_profile=profile)))[0][0]
        assert found == pytest.approx([expected] * 3, abs=1), image.mode


@pytest.mark.parametrize(
    ("code_points", "told", "seen"),
    [
        ((1, 13), (220, 60, 40), (220, 60, 40)),
        ((2, 2), (220, 60, 40), (220, 60, 40)),
        ((12, 13), (220, 60, 40), (239, 35, 17)),  # Display P3
        ((9, 14), (128, 128, 128), (128, 128, 128)),  # grey is grey in every space of the same white
        ((9, 16), (148, 148, 148), (255, 255, 255)),  # PQ's 203 cd/m2, which is white on paper
        ((9, 18), (191, 191, 191), (254, 254, 254)),  # HLG's 75 percent, which is that too
    ],
)
def test_colours_told_by_code_points(
    code_points: tuple[int, int], told: tuple[int, int, int], seen: tuple[int, int, int]
) -> None:
    image = Image.new("RGB", (2, 2), told)
    image.info["nclx_profile"] = dict(zip(("color_primaries", "transfer_characteristics"), code_points, strict=True))
    assert np.asarray(in_srgb(image))[0, 0].tolist() == pytest.approx(seen, abs=1)


def test_a_heic_that_tells_its_colours_by_numbers() -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    stream = io.BytesIO()
    numbers = {"color_primaries": 12, "transfer_characteristics": 13, "matrix_coefficients": 6, "full_range_flag": 1}
    pillow_heif.from_pillow(Image.new("RGB", (64, 64), (220, 60, 40))).save(
        stream, quality=-1, chroma=444, save_nclx_profile=True, **numbers
    )
    assert bytes_of(read_image(stream.getvalue()))[5][5] == pytest.approx([239, 35, 17], abs=3)


@pytest.mark.parametrize("code_points", [(22, 13), (1, 11), ("1", 13), (None, None)])
def test_code_points_that_nobody_knows_are_said(code_points: tuple[object, object]) -> None:
    image = Image.new("RGB", (2, 2))
    image.info["nclx_profile"] = dict(zip(("color_primaries", "transfer_characteristics"), code_points, strict=True))
    with pytest.raises(AlbumError, match=r"its colours are of a kind that is not read \(primaries .*: save it as JPEG"):
        in_srgb(image)


def test_a_camera_that_notes_adobe_rgb_in_its_exif() -> None:
    exif = Image.Exif()
    exif[0x8769] = {0xA001: 2}
    image = Image.new("RGB", (16, 16), (100, 160, 120))
    plain, noted = (encoded(image, "JPEG", quality=100, **more) for more in ({}, {"exif": exif.tobytes()}))
    before, after = bytes_of(read_image(plain))[0][0], bytes_of(read_image(noted))[0][0]
    assert before == pytest.approx([100, 160, 120], abs=2)
    red, green = (100 / 255) ** 2.2, (160 / 255) ** 2.2  # 1.398 and -0.398 bring Adobe's red to sRGB's
    light = 1.398 * red - 0.398 * green
    assert after[0] == pytest.approx(255 * (1.055 * light ** (1 / 2.4) - 0.055), abs=3)
    assert after[1:] == pytest.approx([161, 119], abs=3)


def test_a_pngs_gamma_and_primaries() -> None:
    def chunk(kind: bytes, *numbers: float) -> bytes:
        data = struct.pack(f">{len(numbers)}I", *(round(100_000 * number) for number in numbers))
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    whole = encoded(Image.new("RGB", (1, 1), (54, 54, 54)))
    for gamma, seen in ((0.45455, 54), (1.0, 127), (1 / 1.8, 71)):
        content = whole[:33] + chunk(b"gAMA", gamma) + whole[33:]
        assert bytes_of(read_image(content))[0][0] == pytest.approx([seen] * 3, abs=2)
    white_on_a_line = chunk(b"gAMA", 1.0) + chunk(b"cHRM", *[0.3] * 8)
    assert bytes_of(read_image(whole[:33] + white_on_a_line + whole[33:]))[0][0] == [54, 54, 54]


@pytest.mark.parametrize("profile", ["sRGB", b"no profile"])
def test_srgb_and_broken_profiles_change_nothing(profile: str | bytes) -> None:
    if isinstance(profile, str):
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert bytes_of(read_image(encoded(red_over_blue(), icc_profile=profile))) == [[[*RED]], [[*BLUE]]]


def test_a_text_named_png_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "note.png").write_text("not a picture")
    with pytest.raises(AlbumError, match=r"note\.png: unreadable: the content is no PNG, JPEG"):
        read_image(tmp_path / "note.png")


def test_an_absent_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(AlbumError, match=r"gone\.png: cannot be read: No such file"):
        read_image(tmp_path / "gone.png")


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF"])
def test_a_file_cut_off_is_refused(form: str) -> None:
    rng = np.random.default_rng(0)
    content = encoded(Image.fromarray(rng.integers(0, 255, (64, 64, 3), np.uint8)), form)
    with pytest.raises(AlbumError, match="unreadable"):
        read_image(content[: len(content) // 2])


def test_a_decompression_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its pixels, and sooner where its file is too small for a photo of so many."""
    monkeypatch.setattr(opening, "MOST_PIXELS", 1 << 20)
    with pytest.raises(AlbumError, match="unreadable: more pixels than a photo has, over 268 million: save it smaller"):
        read_image(encoded(Image.new("RGB", (1025, 1025))))
    monkeypatch.setattr(opening, "USUAL_PIXELS", 1 << 18)
    with pytest.raises(AlbumError, match=r"unreadable: 1000x900 pixels in [\d,]+ bytes, which no photo has"):
        read_image(encoded(Image.new("RGB", (1000, 900))))
    assert read_image(encoded(Image.effect_noise((1000, 900), 50))).shape == (3, 900, 1000)
    assert read_image(encoded(Image.new("RGB", (1000, 900)), "JPEG")).shape == (3, 900, 1000)


def test_a_phones_hundred_million_pixels_and_pillows_own_limit() -> None:
    before = Image.MAX_IMAGE_PIXELS
    noise = Image.effect_noise((120, 90), 50).convert("RGB")
    content = encoded(noise.resize((12000, 9000), Image.Resampling.NEAREST), "JPEG", quality=30)
    assert decode(content, least=100).size == (1500, 1125)
    assert before == Image.MAX_IMAGE_PIXELS


def test_flipped_bytes_never_crash() -> None:
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8))
    for form in ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM"):
        good = encoded(picture, form)
        for _ in range(100):
            damaged = bytearray(good)
            damaged[rng.integers(len(good))] = rng.integers(256)
            with suppress(AlbumError):
                assert read_image(bytes(damaged)).abs().max() <= 1


def test_maps_of_bytes_are_read_and_those_in_letters_are_not() -> None:
    grey = read_image(b"P5\n2 1\n255\n\x00\xff")
    assert grey.tolist() == [[[-1, 1]]] * 3
    assert read_image(b"P6 1 1 255\n\xff\x00\xff").flatten().tolist() == [1, -1, 1]
    with pytest.raises(AlbumError, match="unreadable: the content is no PNG"):
        read_image(b"P2\n2 1\n255\n0 255\n")
    with pytest.raises(AlbumError, match="unreadable: damaged or cut off"):
        read_image(b"P5\n400 300\n255\n\x00\xff")


@pytest.mark.parametrize("orientation", [1, 6, 8])
def test_heic_is_read_upright_once(orientation: int) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[:16, :16] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    stream = io.BytesIO()
    stored = {1: picture, 6: picture.transpose(1, 0, 2)[::-1], 8: picture.transpose(1, 0, 2)[:, ::-1]}[orientation]
    heif = pillow_heif.from_pillow(Image.fromarray(np.ascontiguousarray(stored)))
    heif.save(stream, quality=90, exif=exif.tobytes())
    read = read_image(stream.getvalue())
    assert read.shape == (3, 64, 96)
    assert (read[:, 3:12, 3:12] > 0.9).all()
    assert (read[:, :, 20:] < -0.8).all()
    assert (read[:, 20:] < -0.8).all()
    with pytest.raises(AlbumError, match="unreadable: HEIC, but damaged or cut off"):
        read_image(stream.getvalue()[:100])


def test_a_heic_that_exif_alone_turns_lies_on_its_side_and_is_asked_its_shape() -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    stream = io.BytesIO()
    noted = [Image.Exif(), Image.Exif()]
    noted[0][0x0112], noted[1][0x0112] = 1, 6
    before, after = (exif.tobytes().removeprefix(b"Exif\0\0") for exif in noted)
    pillow_heif.from_pillow(Image.new("RGB", (96, 64))).save(stream, exif=noted[0].tobytes())
    turned = stream.getvalue().replace(before, after)
    assert turned != stream.getvalue()
    assert read_image(turned).shape == (3, 64, 96)
    assert not is_square(lambda: turned)


def test_heic_without_the_extra_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(AlbumError, match=r'HEIC is not read here: pip install "gpk\[photos\]", or convert it'):
        read_image(b"\0\0\0\x1cftypheic" + bytes(40))


def test_a_large_jpeg_can_be_looked_at_in_small() -> None:
    x = np.linspace(0, 255, 1600).astype(np.uint8)
    image = Image.fromarray(np.broadcast_to(x, (1200, 1600)).copy()).convert("RGB")
    content = encoded(image, "JPEG")
    small = decode(content, least=300)
    assert small.size == (400, 300)
    assert decode(content, least=301).size == (800, 600)
    assert decode(content).size == (1600, 1200)
    whole = np.asarray(decode(content).reduce(4)).astype(int)
    assert np.abs(np.asarray(small).astype(int) - whole).max() <= 2
    assert decode(encoded(image), least=300).size == (1600, 1200)  # a PNG has no smaller self


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_chunks(png: bytes, *chunks: bytes) -> bytes:
    """The PNG with more chunks behind its head."""
    return png[:33] + b"".join(chunks) + png[33:]


def test_a_pngs_code_points_go_before_its_profile() -> None:
    p3 = png_chunk(b"cICP", bytes([12, 13, 0, 1]))
    picture = Image.new("RGB", (1, 1), (220, 60, 40))
    for content in (encoded(picture), encoded(picture, icc_profile=with_gamma(1.0))):
        assert bytes_of(read_image(with_chunks(content, p3)))[0][0] == pytest.approx([239, 35, 17], abs=1)
    plain = png_chunk(b"cICP", bytes([1, 13, 0, 1]))
    linear = png_chunk(b"gAMA", struct.pack(">I", 100_000))
    content = encoded(picture)
    assert bytes_of(read_image(with_chunks(content, plain, linear)))[0][0] == [220, 60, 40]
    narrow = png_chunk(b"cICP", bytes([12, 13, 0, 0]))
    with pytest.raises(AlbumError, match=r"is not read \(primaries 12, curve 13 of narrow range\): save it as JPEG"):
        read_image(with_chunks(content, narrow))


@pytest.mark.parametrize("primaries", PRIMARIES.values())
def test_white_and_grey_stay_what_they_are_whatever_white_the_primaries_have(primaries: Primaries) -> None:
    greys = np.array([[[255] * 3, [128] * 3, [0] * 3]], np.uint8)
    assert np.abs(Space(primaries, srgb).in_srgb(greys).astype(int) - greys).max() <= 1


def test_an_interoperability_of_r03_is_adobe_rgb_too() -> None:
    notes = [{0xA001: 2}, {0xA001: 65535, 0xA005: {1: "R03"}}, {0xA001: 65535}]
    seen = []
    for note in notes:
        exif = Image.Exif()
        exif[0x8769] = note
        content = encoded(Image.new("RGB", (16, 16), (100, 160, 120)), "JPEG", quality=100, exif=exif.tobytes())
        seen.append(bytes_of(read_image(content))[0][0])
    assert seen[0] == seen[1]
    assert seen[2] == pytest.approx([100, 160, 120], abs=2)


def test_a_profile_of_unlikely_size_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(colour, "LARGEST_PROFILE", 100)
    with pytest.raises(AlbumError, match=r"its colour profile is larger than any is, over 0 MiB: save it as JPEG"):
        read_image(encoded(Image.new("RGB", (1, 1)), icc_profile=exchanged_profile()))


def test_a_photo_of_very_many_pixels_comes_smaller_where_that_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    content = encoded(Image.effect_noise((1600, 1200), 50), "JPEG")
    assert decode(content, enough=300).size == (1600, 1200)
    monkeypatch.setattr(opening, "USUAL_PIXELS", 1 << 20)
    assert decode(content, enough=300).size == (400, 300)
    assert decode(content).size == (1600, 1200)


def test_large_photos_are_worked_on_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "USUAL_PIXELS", 99)
    large, small = (encoded(Image.new("RGB", (side, side))) for side in (10, 9))
    inside = threading.Event()

    def wait() -> None:
        with in_turn(large):
            inside.set()

    second = threading.Thread(target=wait)
    with in_turn(large), in_turn(small), in_turn(b"no picture"):
        second.start()
        assert not inside.wait(0.2)
    second.join()
    assert inside.is_set()


@pytest.mark.skipif(sys.platform == "win32", reason="libtiff is built into Pillow there")
@pytest.mark.parametrize("packed", ["tiff_lzw", "tiff_deflate", "jpeg"])
def test_a_damaged_tiff_writes_nothing_on_stderr(packed: str, capfd: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    good = encoded(Image.fromarray(rng.integers(0, 255, (64, 64, 3), np.uint8)), "TIFF", compression=packed)
    refused = 0
    for _ in range(40):
        damaged = bytearray(good)
        for at in rng.integers(8, len(good), 4):
            damaged[at] = rng.integers(256)
        try:
            read_image(bytes(damaged))
        except AlbumError:
            refused += 1
    assert refused
    assert capfd.readouterr() == ("", "")


def test_warnings_are_off_until_the_last_photo_is_read_and_then_as_before() -> None:
    quietly = Quiet()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = list(warnings.filters)
        first, second = quietly(), quietly()
        with first:
            second.__enter__()
        warnings.warn("odd metadata", stacklevel=1)  # of the second photo, after the first one is read
        second.__exit__(None, None, None)
        assert list(warnings.filters) == before
