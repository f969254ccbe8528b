"""Small slices and images go several in a message, through whatever goes wrong; one with a past goes alone."""

from collections.abc import Sequence
from unittest.mock import patch

from fip.wire.batches import together
from fip.wire.codec import Frame, decode_image, decode_slice
from simulated.faults import Fault
from simulated.scenario import Scenario, play
from simulated.sky import MadeSet

FAULTS = (Fault(5.0, "kill", 2), Fault(7.0, "kill", 3), Fault(9.0, "kill at work", 1, much=0.4), Fault(11.0, "power"))


def test_slices_and_images_go_together_and_what_has_a_past_goes_alone() -> None:
    """Workers and sink are killed meanwhile, and every promise holds."""
    attempts, images = list[list[int]](), list[int]()

    def of_slices(parts: Sequence[Sequence[Frame]]) -> list[Frame]:
        attempts.append([decode_slice([bytes(frame) for frame in each]).attempt for each in parts])
        return together(parts)

    def of_images(parts: Sequence[Sequence[Frame]]) -> list[Frame]:
        images.append(len([decode_image(each) for each in parts]))
        return together(parts)

    sets = (MadeSet("/made/fast.ms", 400), MadeSet("/made/other.ms", 60, unimageable=frozenset((7,))))
    fast = Scenario(1, 2, sets, {"ventilator": {"lane_depth": 8}}, FAULTS)
    with (
        patch("fip.ventilator.sending.together", of_slices),
        patch("fip.worker.worker.together", of_images),
        patch("fip.worker.worker.TOGETHER_WITHIN", 0.3),
    ):
        assert play(fast).violation == ""
    assert max(map(len, attempts)) > 2
    assert max(images) > 2
    again = [each for each in attempts if max(each) > 1]
    assert again
    assert all(len(each) == 1 for each in again)
