"""Work of a row-stationary array, by hand."""

import pytest

from sim.accelerator import load_accelerator
from sim.layer_shape import conv
from sim.mapping import Mapping
from sim.row_stationary import PassPlan, most_rows, pass_work

CHIP = load_accelerator("eyeriss")
PLAN = PassPlan(4, 2, 2, 1)  # 8 filters, 2 channels a pass
LAYER = conv("layer", 4, 10, 16, 3, padding=0, batch=2)  # 8 x 8 outputs
MAPPING = Mapping(1, 16, 2, 4, 8)  # strips of 4 rows


def test_work_by_hand():
    work = pass_work(LAYER, PLAN, MAPPING, CHIP)
    turns = 2 * 2  # 16 / 8 filters, 4 / 2 channels
    assert work.passes == turns * 2 * 2  # strips, images
    assert work.compute_cycles == work.passes * 8 * 4 * 2 * 3  # columns x p q S
    assert work.partial_cycles == turns * 8 * 2 * 64 / 4  # p t filters, two images, four words a cycle
    assert work.input_cycles == 2 * (2 * 4 * 12 * 10)  # filter turns x images x channels x (6 + 6) rows x 10
    assert work.start_cycles == work.passes * (8 * 2 * 9 / 4 + 6 * 3 * 2)  # filters; first window of six rows
    assert work.active_elements == 3 * 4 * 2
    assert work.macs == LAYER.macs == 2 * 16 * 4 * 9 * 64
    assert work.buffer_words == 2 * turns * 8 * 2 * 64 + (2 + 1) * 960  # sums both ways; read twice, stored once
    assert work.delivered_words == 2 * turns * 8 * 2 * 64 + 2 * 960 + work.passes * 8 * 2 * 9
    assert work.neighbour_words == work.macs / 6
    assert work.pace_cycles == 3072  # computing
    assert work.cycles(10) == 3072 + work.start_cycles + 160


@pytest.mark.parametrize(
    ("kernel", "plan", "rows"),
    [(11, PassPlan(16, 1, 2, 1), 7), (5, PassPlan(16, 2, 1, 1), 28), (3, PassPlan(16, 4, 4, 1), 14)],
)
def test_rows_that_the_array_has_room_for(kernel, plan, rows):
    assert most_rows(conv("layer", 64, 31, 64, kernel), plan, CHIP) == rows


@pytest.mark.parametrize(
    ("plan", "mapping", "message"),
    [
        (PassPlan(4, 2, 60, 1), MAPPING, "sets of 'layer' must fit 12 x 14 elements"),
        (PassPlan(25, 2, 1, 1), MAPPING, r"registers of 'layer' must hold \(6, 150, 25\) words, not \(12, 224, 24\)"),
        (PassPlan(4, 2, 8, 1), Mapping(1, 16, 2, 8, 8), "rows of 'layer' must be at most 7, not 8"),
    ],
)
def test_what_does_not_fit_is_refused(plan, mapping, message):
    with pytest.raises(ValueError, match=message):
        pass_work(LAYER, plan, mapping, CHIP)
