"""Picture files, drawn from recipes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from pairmill_synthweb.bodies import bodies
from pairmill_synthweb.encoding import encode
from pairmill_synthweb.files import PictureFiles
from pairmill_synthweb.truth.clusters import distance
from pairmill_synthweb.truth.perceptual import cosine_hash
from pairmill_synthweb.world import Codec, Damage, Picture, Redraws, Treatment
from tests.fakes.painter import FakePainter, Pixels
from tests.unit.synthweb.worlds import rules


def recipe(**fields: Any) -> Picture:
    return Picture(width=200, height=160, **fields)


def files(redraws: Redraws | None = None, folder: Path | None = None) -> PictureFiles:
    return PictureFiles(1, redraws or Redraws(), FakePainter(), folder)


def decoded(data: bytes) -> Pixels:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


@pytest.mark.parametrize("codec", Codec)
def test_every_format_decodes_to_about_the_drawing(codec: Codec) -> None:
    plain = decoded(files().bytes_of(recipe(group=1, codec=Codec.PNG)))
    data = files().bytes_of(recipe(group=1, codec=codec))
    assert Image.open(io.BytesIO(data)).format == codec.upper()
    assert np.abs(decoded(data).astype(int) - plain).mean() < 12


@pytest.mark.parametrize("orientation", range(1, 9))
def test_e9_every_orientation_comes_out_upright(orientation: int) -> None:
    upright = decoded(files().bytes_of(recipe(group=1)))
    turned = decoded(files().bytes_of(recipe(group=1, orientation=orientation)))
    assert turned.shape == upright.shape
    assert np.abs(turned.astype(int) - upright).mean() < 4


def test_a_grey_picture_has_one_channel() -> None:
    data = files().bytes_of(recipe(group=1, grey=True))
    assert Image.open(io.BytesIO(data)).mode == "L"


@pytest.mark.parametrize("codec", [Codec.JPEG, Codec.PNG, Codec.WEBP])
def test_d10_a_reservation_stands_in_the_file(codec: Codec) -> None:
    data = files().bytes_of(recipe(group=1, codec=codec, reserved=True))
    assert b"DMI-PROHIBITED-AIMLTRAINING" in data
    assert decoded(data).shape == (160, 200, 3)


def test_d10_a_reservation_has_no_place_in_other_formats() -> None:
    picture = recipe(group=1, codec=Codec.BMP, reserved=True)
    with pytest.raises(ValueError, match="bmp"):
        files().bytes_of(picture)


@pytest.mark.parametrize("codec", [Codec.JPEG, Codec.PNG])
def test_e3_a_cut_picture_ends_early(codec: Codec) -> None:
    whole = files().bytes_of(recipe(group=1, codec=codec))
    cut = files().bytes_of(recipe(group=1, codec=codec, damage=Damage.CUT))
    assert whole.startswith(cut)
    with pytest.raises(OSError, match="truncated"):
        decoded(cut)


def test_e1_a_giant_declares_more_pixels_than_any_decoder_takes() -> None:
    data = encode(recipe(group=1, damage=Damage.GIANT), np.zeros((1, 1, 3), dtype=np.uint8))
    assert rules().min_body_bytes < len(data) < 10_000
    with pytest.raises(Image.DecompressionBombError):
        Image.open(io.BytesIO(data))


def test_a_scrambled_picture_has_a_right_header_and_no_pixels() -> None:
    data = files().bytes_of(recipe(group=1, damage=Damage.SCRAMBLED))
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (200, 160)
        with pytest.raises(OSError, match="broken"):
            image.load()


@pytest.mark.parametrize("treatment", [one for one in Treatment if one is not Treatment.NONE])
def test_e14_a_near_duplicate_has_other_bytes_and_looks_alike(treatment: Treatment) -> None:
    first = files().bytes_of(recipe(group=1))
    other = files().bytes_of(recipe(group=1, treatment=treatment, quality=75))
    assert first != other
    assert distance(cosine_hash(decoded(first)), cosine_hash(decoded(other))) <= rules().max_hash_distance


def test_e14_drawings_of_different_scenes_do_not_look_alike() -> None:
    hashes = [cosine_hash(decoded(files().bytes_of(recipe(group=group)))) for group in range(30)]
    least = min(distance(a, b) for place, a in enumerate(hashes) for b in hashes[:place])
    assert least > rules().max_hash_distance


def test_equal_recipes_give_equal_bytes_and_redraws_others() -> None:
    picture = recipe(group=3, roving=True)
    assert files().bytes_of(picture) == files().bytes_of(picture)
    assert files(Redraws(looks={3: 1})).bytes_of(picture) != files().bytes_of(picture)
    assert files(Redraws(looks={4: 1})).bytes_of(picture) == files().bytes_of(picture)


def test_a_file_that_was_drawn_once_is_read_from_the_folder(tmp_path: Path) -> None:
    picture = recipe(group=1)
    drawn = files(folder=tmp_path).bytes_of(picture)
    (stored,) = tmp_path.iterdir()
    stored.write_bytes(b"kept")
    assert drawn == files().bytes_of(picture)
    assert files(folder=tmp_path).bytes_of(picture) == b"kept"


def test_e12_fixed_bodies_are_no_accepted_pictures() -> None:
    formats = {}
    for name, data in bodies().items():
        try:
            formats[name] = Image.open(io.BytesIO(data)).format
        except OSError:
            formats[name] = None
    assert {name for name, found in formats.items() if found} == {"pixel", "psd"}
    small = {name for name, data in bodies().items() if len(data) < rules().min_body_bytes}
    assert small == {"empty", "one_byte", "pixel"}
