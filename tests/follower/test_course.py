"""A follower in one directory: its state, its files, and what becomes of it if something is not as it was."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fip.archive.followed import FollowedImage
from fip.data.errors import UsageError
from fip.follower.checkpoints import pack, unpacked
from fip.follower.course import Course, Habits
from fip.follower.courses import Courses
from fip.follower.step import Step, load_step, name_of, state_fault
from support.followed_images import FollowedImages, recorded, trace
from support.stored_run import RUN

COUNT = 20
HABITS = Habits(checkpoint=4)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
ARRAYS = arrays(st.sampled_from([np.float32, np.complex128, np.int64, np.bool_]), st.sampled_from([(), (0,), (2, 3)]))


def followed(tmp_path: Path, step: Any = trace, habits: Habits = HABITS, name: str = "found") -> Course:
    """A course of this step over the images."""
    return Course(tmp_path / "images", tmp_path / name, Step("a:step", step), habits)


def advance(course: Course) -> list[str]:
    """All that there is to decide; closes it, as an end without notice does."""
    outcomes = []
    while taken := course.advance():
        outcomes.append(taken.outcome)
    course.close()
    return outcomes


@pytest.fixture
def images(tmp_path: Path) -> FollowedImages:
    """Images with slice 3 failed."""
    made = FollowedImages(tmp_path / "images", COUNT)
    made.put(*(index for index in range(COUNT) if index != 3))
    made.fail(3)
    return made


def test_an_image_at_which_a_step_fails_leaves_no_trace_but_its_reason(images: FollowedImages, tmp_path: Path) -> None:
    """Even if the step had changed the state by then, the state is that of the images before."""

    def failing(state: dict[str, Any], image: FollowedImage) -> Any:
        if image.index in (6, 7, 15):
            state["mean"] *= 100.0
            raise ValueError("no such sky")
        return trace(state, image)

    def leaving_out(state: dict[str, Any], image: FollowedImage) -> Any:
        return (state, []) if image.index in (6, 7, 15) else trace(state, image)

    outcomes = advance(followed(tmp_path, failing))
    assert [index for index, outcome in enumerate(outcomes) if outcome == "error"] == [6, 7, 15]
    advance(followed(tmp_path, leaving_out, name="others"))
    found, expected = recorded(tmp_path / "found"), recorded(tmp_path / "others")
    sums = [[finding for *_, finding in each["findings"]] for each in (found, expected)]
    assert [text.partition('"skipped"')[0] for text in sums[0]] == [text.partition('"skipped"')[0] for text in sums[1]]
    reasons = [reason for *_, outcome, reason in found["decisions"] if outcome == "error"]
    assert all(reason.startswith("ValueError: no such sky (test_course.py, line ") for reason in reasons)


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ([], "the state is a list: give back a dict"),
        ({1: 2}, "the state's key 1 is a int: give it a text"),
        ({"a": {1}}, "state['a'] is a set: arrays and JSON values can be kept"),
        ({"a": (1, 2)}, "state['a'] is a tuple: arrays and JSON values can be kept"),
        ({"a": np.array([None])}, "state['a'] is an array of objects: numbers, times and texts can be kept"),
    ],
)
def test_a_state_that_cannot_be_kept_is_an_error_that_says_so(state: object, says: str) -> None:
    """One line, with the key and what would work."""
    assert state_fault(state) == says


@given(st.dictionaries(st.text(), JSON | ARRAYS, max_size=4))
def test_a_state_comes_back_as_it_was(state: dict[str, Any]) -> None:
    """It is equal to the last bit, with the same types, in the same order; names that begin with _ are left out."""
    assert state_fault(state) == ""
    kept = {key: value for key, value in state.items() if not key.startswith("_")}
    buffer = BytesIO()
    pack(state, buffer)
    back = unpacked(buffer.getvalue())
    assert list(back) == list(kept)
    for key, value in kept.items():
        assert type(back[key]) is type(value)
        if isinstance(value, np.ndarray):
            assert back[key].dtype == value.dtype
            np.testing.assert_array_equal(back[key], value)
        else:
            assert back[key] == value


def test_a_damaged_checkpoint_is_left_out(images: FollowedImages, tmp_path: Path) -> None:
    """The one before it, and the images since, give the same state."""
    course = followed(tmp_path)
    for _ in range(14):
        course.advance()
    course.close()
    newest = max((tmp_path / "found").glob("state-*.npz"))
    newest.write_bytes(newest.read_bytes()[:50])
    advance(followed(tmp_path))
    advance(followed(tmp_path, name="undisturbed"))
    assert recorded(tmp_path / "found") == recorded(tmp_path / "undisturbed")


def test_if_images_that_are_to_be_seen_again_have_expired_it_begins_with_nothing_and_says_so(
    images: FollowedImages, tmp_path: Path
) -> None:
    """Nothing is decided twice; what follows is as if there had been nothing before, also after another restart."""
    course = followed(tmp_path)
    for _ in range(11):
        course.advance()
    course.close()
    for checkpoint in (tmp_path / "found").glob("state-*.npz"):
        checkpoint.unlink()
    images.expire(5)
    course = followed(tmp_path)
    course.advance()
    assert course.cold_starts == 1
    course.close()
    assert advance(followed(tmp_path)) == ["stored"] * 8
    found = recorded(tmp_path / "found")
    assert found["cold starts"] == [
        (RUN, "begins with nothing after slice 10: the image of slice 5, which is to be seen again, has expired")
    ]
    assert [index for _, _, index, *_ in found["decisions"]] == list(range(COUNT))
    last = [finding for _, index, _, _, finding in found["findings"] if index == 14][-1]
    assert '"count": 4' in last


def test_an_image_tells_of_the_slices_before_it_that_have_none(images: FollowedImages, tmp_path: Path) -> None:
    """Even if the follower was started again between them; a slice that comes after its turn is late, once."""
    late: list[tuple[int, bool]] = []

    def telling(state: dict[str, Any], image: FollowedImage) -> Any:
        late.append((image.index, image.late))
        return state, [{"skipped": [[each.index, each.outcome, each.reason] for each in image.skipped]}]

    images.expire(4)
    for steps in (4, 1):
        course = followed(tmp_path, telling)
        for _ in range(steps):
            course.advance()
        course.close()
    advance(followed(tmp_path, telling))
    told = {index: finding for _, index, _, _, finding in recorded(tmp_path / "found")["findings"]}
    expired = "its image had expired before it was seen"
    assert told[5] == f'{{"skipped": [[3, "failed", "made to fail"], [4, "expired", "{expired}"]]}}'
    assert {finding for index, finding in told.items() if index != 5} == {'{"skipped": []}'}
    images.put(3)
    assert advance(followed(tmp_path, telling)) == ["late"]
    assert late[-1] == (3, True)
    assert advance(followed(tmp_path, telling)) == []


def test_a_window_is_seen_again_though_it_is_in_no_checkpoint(images: FollowedImages, tmp_path: Path) -> None:
    """What begins with _ is made of the images before; a restart goes back far enough for that."""

    def windowed(state: dict[str, Any], image: FollowedImage) -> Any:
        ring = [*state.get("_ring", []), image.index][-3:]
        state = {"_ring": ring, "count": state.get("count", 0) + 1}
        return state, [{"ring": ring, "count": state["count"]}]

    habits = Habits(checkpoint=4, window=3)
    for steps in range(1, COUNT):
        course = followed(tmp_path, windowed, habits)
        for _ in range(1 + steps % 3):
            course.advance()
        course.close()
    advance(followed(tmp_path, windowed, habits))
    advance(followed(tmp_path, windowed, habits, name="undisturbed"))
    assert recorded(tmp_path / "found") == recorded(tmp_path / "undisturbed")


def test_what_was_found_is_told_again_and_found_once(images: FollowedImages, tmp_path: Path) -> None:
    """An image that is seen again has what was found in it."""
    seen: list[tuple[int, Any]] = []

    def telling(state: dict[str, Any], image: FollowedImage) -> Any:
        seen.append((image.index, image.known))
        return state | {"n": image.index}, [{"index": np.float32(image.index)}]

    course = followed(tmp_path, telling, Habits(checkpoint=100))
    for _ in range(2):
        course.advance()
    course.close()
    course = followed(tmp_path, telling)
    course.advance()
    course.close()
    assert seen == [(0, None), (1, None), (0, ({"index": 0.0},)), (1, ({"index": 1.0},)), (2, None)]


def test_a_directory_that_was_cleared_begins_anew(images: FollowedImages, tmp_path: Path) -> None:
    """After `--overwrite` the same run has other images; what was of those before is forgotten."""
    advance(followed(tmp_path))
    images.store.clear()
    images.close()
    again = FollowedImages(tmp_path / "images", COUNT)
    again.put(*range(COUNT))
    again.close()
    assert advance(followed(tmp_path)) == ["stored"] * COUNT
    assert '"count": 2,' in recorded(tmp_path / "found")["findings"][0][-1]  # of slice 1, after 0


def test_a_folder_is_one_followers_and_of_one_step(images: FollowedImages, tmp_path: Path) -> None:
    """Two would decide twice; another step's findings are no findings of this one."""
    course = followed(tmp_path)
    with pytest.raises(UsageError, match="is in use by another follower"):
        followed(tmp_path)
    course.close()
    with pytest.raises(UsageError, match="holds what a:step found, not fip"):
        Course(tmp_path / "images", tmp_path / "found", load_step("fip.archive.mean:step"))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("step", "is not a function's name, as package.module:step"),
        ("no.such:step", "no.such cannot be imported: ModuleNotFoundError: No module named 'no'$"),
        ("fip.archive.mean:stop", "fip.archive.mean has no function stop"),
    ],
)
def test_a_step_that_is_not_there_is_refused_in_one_line(name: str, says: str) -> None:
    """The line has its name, and what is wrong."""
    with pytest.raises(UsageError, match=says):
        load_step(name)
    assert (name_of("my.package.flares:step"), name_of("my.package:flares")) == ("flares", "flares")


def test_the_mean_and_rms_of_each_field_are_kept(images: FollowedImages, tmp_path: Path) -> None:
    """They are numpy's own, and the same file whatever restarts there were."""
    for name, pauses in (("found", [7, 5]), ("undisturbed", [])):
        for count in pauses:
            course = Course(tmp_path / "images", tmp_path / name, load_step("fip.archive.mean:step"), HABITS)
            for _ in range(count):
                course.advance()
            course.close()
        course = Course(tmp_path / "images", tmp_path / name, load_step("fip.archive.mean:step"), HABITS)
        while course.advance():
            pass
        course.conclude()
        course.close()
    pixels = np.array([fits.getdata(path)[:, 0] for path in sorted((tmp_path / "images").glob("*.fits"))], float)
    made = {what: fits.getdata(tmp_path / "found" / f"night-{what}.fits")[:, 0] for what in ("mean", "rms")}
    np.testing.assert_allclose(made["mean"], pixels.mean(axis=0), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(made["rms"], pixels.std(axis=0, ddof=1), rtol=1e-6)
    for what in made:
        name = f"night-{what}.fits"
        assert (tmp_path / "found" / name).read_bytes() == (tmp_path / "undisturbed" / name).read_bytes()
        assert fits.getheader(tmp_path / "found" / name)["NIMAGES"] == COUNT - 1


def seen_of(image: FollowedImage) -> str:
    """Return the series that an image was given in, and its number."""
    return f"{'backlog' if image.backlog else 'newest'} {image.index}"


def chained(state: dict[str, Any], image: FollowedImage) -> Any:
    """A step whose findings show what its state has seen before."""
    state["seen"] = [*state.get("seen", []), seen_of(image)]
    state["newest"] = np.array([image.index])
    return state, [{"seen": state["seen"], "count": len(state["seen"])}]


def lives(tmp_path: Path, name: str, decisions: int) -> dict[str, list[Any]]:
    """What a follower has entered that ends without notice after so many decisions, while slices come; 0: it lives on.

    Slices 4 to 9 are set aside when 10 comes, 14 to 15 when 16 does; the backlog comes when all others have.
    """
    images = FollowedImages(tmp_path / name, COUNT)
    course, left = None, decisions

    def work() -> None:
        nonlocal course, left
        while True:
            course = course or Course(images.directory, tmp_path / f"{name}-found", Step("a:step", chained), HABITS)
            if course.advance() is None:
                return
            left -= 1
            if left == 0:
                course.close()
                course, left = None, decisions

    for come, backlog in (
        (range(4), ()), (range(10, 12), ((4, 10),)), ((13, 12), ((4, 10),)),
        ((16, 5, 17), ((4, 10), (14, 16))), ((4, 7, 6), ()), ((19, 18, 8), ()), ((9, 15, 14), ()),
    ):  # fmt: skip
        if backlog:
            images.set_aside(*backlog)
        images.put(*come)
        work()
    assert course and course.over
    course.close()
    images.close()
    return recorded(tmp_path / f"{name}-found")


def test_newest_and_backlog_are_two_series_each_with_its_state(tmp_path: Path) -> None:
    """Each in order, each image once, whatever ends the follower and when; its files are named apart."""
    alone = lives(tmp_path, "alone", 0)
    backlog = [*range(4, 10), 14, 15]
    newest = [index for index in range(COUNT) if index not in backlog]
    for key, wanted, called in ((RUN, newest, "newest"), (f"{RUN}-backlog", backlog, "backlog")):
        assert [index for _, run, index, *_ in alone["decisions"] if run == key] == wanted
        last = [finding for run, index, *_, finding in alone["findings"] if (run, index) == (key, wanted[-1])]
        assert json.loads(last[0]) == {"seen": [f"{called} {each}" for each in wanted], "count": len(wanted)}
    assert [(run, name) for run, name, _ in alone["runs"]] == [(RUN, "night"), (f"{RUN}-backlog", "night-backlog")]
    for decisions in (1, 2, 3, 5):
        assert lives(tmp_path, f"killed-{decisions}", decisions) == alone


def test_who_begins_when_all_is_there_sees_one_series(tmp_path: Path) -> None:
    """They come in order of time; this does not change for slices that are set aside later."""
    images = FollowedImages(tmp_path / "images", COUNT)
    images.set_aside((4, 10))
    images.put(*range(COUNT))
    advance(followed(tmp_path, chained))
    found = recorded(tmp_path / "found")
    assert [each[2] for each in found["decisions"]] == list(range(COUNT))
    assert found["runs"] == [(RUN, "night", COUNT), (f"{RUN}-backlog", "night-backlog", -1)]
    images.set_aside((4, 10))
    assert advance(followed(tmp_path, chained)) == []


def test_what_a_follower_tells_of_a_backlog(tmp_path: Path) -> None:
    """How far it is in each series, and what it would see again; the sink holds images by that."""
    images = FollowedImages(tmp_path / "images", COUNT)
    images.put(*range(4))
    courses = Courses("mean", Step("a:step", chained), HABITS, images.directory, tmp_path / "found")
    courses.work()
    assert [(each.next, each.backlog) for each in courses.followed()] == [(4, None)]
    images.set_aside((4, 10))
    images.put(*range(10, 17), 4, 5, 6)
    while courses.work().taken:
        pass
    (told,) = courses.followed()
    assert (told.run, told.next, told.needs, told.backlog) == (RUN, 17, 10, (7, 4))
    courses.close()
