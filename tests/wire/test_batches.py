"""Several slices or images in one message: each comes out as it went in, and damage in one is that one's alone."""

from collections.abc import Sequence
from dataclasses import replace

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fip.data.errors import RefusedError, WireError
from fip.wire import codec as wire
from fip.wire.batches import MOST, MOST_BYTES, SMALL, apart, most_together, next_together, together
from support.made_values import make_image, make_slice


def arrived(frames: Sequence[wire.Frame]) -> list[bytes]:
    """Return frames as they arrive."""
    return [bytes(memoryview(frame)) for frame in frames]


def slices(number: int) -> list[list[wire.Frame]]:
    """The frames of so many slices, some with a ticket."""
    made = (replace(make_slice((index + 1,)), index=index, ticket=b"t" * (index % 2)) for index in range(number))
    return [wire.encode_slice(each) for each in made]


def test_slices_and_images_come_out_as_they_went_in() -> None:
    """One or many come out, with and without tickets."""
    for number in (1, 2, MOST):
        parts = apart(arrived(together(slices(number))))
        assert [wire.decode_slice(each).index for each in parts] == [*range(number)]
        images = [replace(make_image(), index=index) for index in range(number)]
        parts = apart(arrived(together([wire.encode_image(each) for each in images])))
        assert [wire.decode_image(each).index for each in parts] == [*range(number)]


def test_one_alone_is_its_own_message() -> None:
    """Nothing is added to it."""
    (alone,) = slices(1)
    assert together([alone]) == alone


@pytest.mark.parametrize("spoilt", range(3))
def test_damage_in_one_costs_that_one(spoilt: int) -> None:
    """Its header, or its frames: the others are taken as if they had come by themselves."""
    for damage in (b"", b"\xff\x00junk", msgpack.packb({"v": wire.PROTOCOL, "kind": "Slice"})):
        made = slices(3)
        made[spoilt][0] = damage
        good = []
        for index, each in enumerate(apart(arrived(together(made)))):
            if index == spoilt:
                with pytest.raises(WireError):
                    wire.decode_slice(each)
            else:
                good.append(wire.decode_slice(each).index)
        assert good == [index for index in range(3) if index != spoilt]


def test_frames_that_are_not_as_many_as_is_said_are_refused() -> None:
    """One too few, one too many, none, and numbers that are absurd."""
    frames = arrived(together(slices(3)))
    header = msgpack.unpackb(frames[0])
    for wrong in (frames[:-1], [*frames, b""], frames[:1]):
        with pytest.raises(WireError, match="frames that says"):
            apart(wrong)
    for counts in ([0, 21], [-1, 22], ["a", 3], 7, None, [[1], [2]], [1.5, 3], [21], [1] * (MOST + 1), [2**60, 1]):
        with pytest.raises(WireError):
            apart([msgpack.packb(header | {"frames": counts}), *frames[1:]])


def test_several_of_another_version_are_refused_as_such() -> None:
    """The first that is looked into shows it, with both versions."""
    frames = arrived(together(slices(2)))
    frames[0] = msgpack.packb(msgpack.unpackb(frames[0]) | {"v": wire.PROTOCOL + 1})
    (whole,) = apart(frames)
    with pytest.raises(RefusedError, match=f"version {wire.PROTOCOL + 1}; this is version {wire.PROTOCOL}"):
        wire.decode_slice(whole)


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_random_frames_come_out_whole_or_are_refused(frames: list[bytes]) -> None:
    """No error but WireError is raised."""
    assert apart(frames) == [frames]
    try:
        parts = apart([together(slices(2))[0], *frames])
    except WireError:
        return
    assert [frame for part in parts for frame in part] == frames


@given(st.lists(st.integers(0, 2 * MOST_BYTES), max_size=40))
def test_a_message_is_of_small_ones_or_of_one(sizes: list[int]) -> None:
    """As many as fit are in it, in their order; what is large is alone."""
    left = list(sizes)
    while left:
        number = next_together(left)
        message, left = left[:number], left[number:]
        assert 1 <= number <= MOST
        if number > 1:
            assert max(message) <= SMALL
            assert sum(message) <= MOST_BYTES
        full = number == MOST or not left or max(message[0], left[0]) > SMALL or sum(message) + left[0] > MOST_BYTES
        assert full, "one more would have gone with them"


def test_how_many_of_a_size_are_one_message() -> None:
    """If the size is unknown it is one."""
    assert [most_together(size) for size in (0, 1, 300_000, SMALL, SMALL + 1)] == [1, MOST, 13, 4, 1]
