"""The individuals of the benchmark: who they are is fixed, and what is called the truth about a view is one."""

from __future__ import annotations

import torch

from gpk.camera import Camera
from gpk_bench.subjects import HELD_OUT, TRAIN, Photos, subject, take
from gpk_minicat.parameters import IDENTITY, NAMES, TRAITS


def test_a_subject_is_one_cat_with_every_trait_in_many_photos() -> None:
    cat = subject(3, 1)
    assert (len(cat.train), len(cat.held_out)) == (TRAIN, HELD_OUT)
    params = torch.cat([cat.train.params, cat.held_out.params])
    who = params[:, [NAMES.index(name) for name in IDENTITY]]
    assert torch.equal(who, who[:1].expand_as(who))
    assert (params[:, [NAMES.index(name) for name in TRAITS]] == 1).all()
    assert len(params[:, NAMES.index("light")].unique()) == len(params)


def test_the_seed_and_the_index_say_who() -> None:
    cat = subject(3, 1)
    assert torch.equal(cat.train.image, subject(3, 1).train.image)
    assert not torch.equal(cat.train.params, subject(3, 2).train.params)
    assert not torch.equal(cat.train.params, subject(4, 1).train.params)


def test_a_view_from_where_the_photo_was_taken_is_the_photo() -> None:
    photos = take(subject(0, 0).train.params[:2], Camera.orbit(0.3, -0.2, focal=2.7).expand(2), size=64)
    assert torch.equal(photos.from_view(0.3, -0.2).image, photos.image)
    assert not torch.equal(photos.from_view(0.2, -0.2).image, photos.image)


def test_a_small_album_is_the_beginning_of_a_large_one() -> None:
    photos: Photos = subject(0, 0).train
    album = photos.first(3).album()
    assert torch.equal(album.photos, photos.image[:3])
    assert album.cameras is not None
    assert torch.equal(album.cameras.label(), photos.camera[:3].label())
