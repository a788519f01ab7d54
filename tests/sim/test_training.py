"""Training by Deep Compression's steps and for fusion, on made pictures; every test here needs torch."""

import numpy as np
import pytest

from sim.datasets import Dataset
from sim.fusion_tasks import Learned, Pair, bit_planes, integers, lossless_bits, widths
from sim.lenet import LENETS
from sim.lenet_runs import STEPS, dense_run, run
from sim.reproduce_deepcomp import deepcomp_chapter
from sim.small_resnet import CONVOLUTIONS, RESNET18_WEIGHTS
from sim.torch_fit import Schedule
from sim.train_lenet import Recipe
from sim.train_resnet import head_only, resnet
from sim.trained import cached

pytest.importorskip("torch", reason="torch must be installed to train: pip install thinwire[repro]")

RECIPE = Recipe(3, Schedule(4, 2e-3, 64), Schedule(3, 2e-3, 64), Schedule(1, 2e-4, 64))


def pictures(seed: int, train: int = 600, test: int = 200) -> Dataset:
    """Ten patterns under noise."""
    rng = np.random.default_rng(seed)
    patterns = rng.integers(0, 160, (10, 28, 28))
    labels = rng.integers(0, 10, train + test)
    shown = (patterns[labels] + rng.integers(0, 90, (train + test, 28, 28))).astype(np.uint8)
    return Dataset(f"made{seed}", "made", shown[:train], labels[:train], shown[train:], labels[train:])


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.mark.parametrize("name", LENETS)
def test_each_step_leaves_what_it_promises(name):
    net = LENETS[name]
    found = run(net, pictures(0), 0, RECIPE)
    assert set(found.steps) == set(STEPS)
    for place, layer in enumerate(net.layers):
        dense, pruned, shared = (found.steps[step].weights[place] for step in STEPS)
        assert dense.shape == layer.shape
        assert np.count_nonzero(dense) == layer.count
        assert np.count_nonzero(pruned) == round(layer.density * layer.count)
        assert np.array_equal(shared != 0, pruned != 0)
        assert np.unique(shared[shared != 0]).size <= 7
    assert max(found.errors_pct.values()) < 50


def test_a_run_is_the_same_each_time_and_kept(monkeypatch):
    net, data = LENETS["lenet-300-100"], pictures(1)
    first = dense_run(net, data, Schedule(1, 1e-3))
    monkeypatch.setattr("sim.lenet_runs.train_dense", lambda *arguments: pytest.fail("trained again"))
    again = dense_run(net, data, Schedule(1, 1e-3))
    assert all(np.array_equal(a, b) for a, b in zip(first.weights, again.weights, strict=True))


def test_training_is_repeatable(tmp_path, monkeypatch):
    net, data = LENETS["lenet-300-100"], pictures(2)
    runs = []
    for name in "ab":
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))
        runs.append(dense_run(net, data, Schedule(1, 1e-3)))
    assert all(np.array_equal(a, b) for a, b in zip(runs[0].weights, runs[1].weights, strict=True))


def test_a_damaged_cache_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cached("one", "recipe", lambda: {"a": np.arange(3)})
    path = next((tmp_path / "thinwire" / "trained").iterdir())
    path.write_bytes(path.read_bytes()[:40])
    assert cached("one", "recipe", lambda: {"a": np.arange(4)})["a"].size == 4


@pytest.fixture(scope="module")
def pair(cache):
    a, b = (Learned(data, resnet(data, steps=30)) for data in (pictures(3), pictures(4)))
    return Pair(a, b)


def test_wide_mantissas_lose_nothing_and_narrow_ones_all(pair):
    exact = pair.a.accuracy_pct(), pair.b.accuracy_pct()
    points = widths(pair, (1, 23))
    wide = [point for point in points if point.bits == 23]
    assert all((point.a_pct, point.b_pct) == exact for point in wide)
    assert lossless_bits(points, "a_pct", exact[0], rounded=True) == 23
    assert points[0].a_pct < exact[0]
    assert min(exact) > 50


def test_bit_planes_and_integers(pair):
    exact = pair.a.accuracy_pct()
    (few,) = bit_planes(pair, [9])
    assert few.a_pct == pytest.approx(exact, abs=1)
    whole, fused = integers(pair, 0), integers(pair, 6)
    assert whole[0] == pytest.approx(exact, abs=3)
    assert fused[0] < whole[0] - 10


def test_a_new_head_leaves_the_network(pair):
    found = head_only(pair.b.data, pair.a.weights, "a")
    assert found.convolutions is pair.a.weights.convolutions
    assert Learned(pair.b.data, found).accuracy_pct() > 20


def test_shapes_of_the_resnets():
    assert len(CONVOLUTIONS) == 20
    assert RESNET18_WEIGHTS == 11_166_912


def test_the_chapter_tells_what_it_trained(monkeypatch):
    monkeypatch.setattr("sim.reproduce_deepcomp.load_dataset", lambda name: pictures(5))
    monkeypatch.setattr("sim.reproduce_deepcomp._QUICK_PICTURES", (300, 100))
    chapter = deepcomp_chapter(quick=True)
    titles = [section.title for section in chapter.sections]
    assert titles[0].startswith("Sizes and errors")
    assert chapter.sections[0].rows[0][0] == "LeNet-300-100, made5, 0"
    assert "State of the art on the same networks" in titles
