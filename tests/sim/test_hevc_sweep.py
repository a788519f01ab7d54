"""The video-codec experiments on small matrices, and the figure."""

import numpy as np
import pytest

from golden.weights.hevc import Hevc, HevcFormat
from golden.weights.linear import LinearFormat, dequantize, quantize
from sim.hevc_sweep import QPS, Classifier, figure, gaussian_rows, load_classifier, random_crops, sweep
from sim.images import load_images

pytest.importorskip("av", reason="PyAV is the extra thinwire[hevc]")


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    rng = np.random.default_rng(7)
    weights = rng.normal(0, 0.1, (64, 50)).astype(np.float32)
    weights[0, 0] = 0.8
    return Classifier(weights, rng.normal(0, 0.1, 50).astype(np.float32), rng.random((40, 64)).astype(np.float32))


@pytest.fixture(scope="module")
def points(classifier):
    return sweep(classifier, (4, 22, 51), HevcFormat(preset="ultrafast"))


def test_points_are_what_the_codec_does(classifier, points):
    assert [(point.scheme, point.qp) for point in points] == [
        (scheme, qp) for scheme in ("symmetric", "asymmetric") for qp in (4, 22, 51)
    ]
    for point in points:
        quantized = quantize(classifier.weights, LinearFormat(scheme=point.scheme))
        codec = Hevc(HevcFormat(point.qp, "ultrafast"))
        encoded = codec.encode(quantized.values)
        assert point.size_bytes == encoded.bits / 8
        assert point.ratio == pytest.approx(64 * 50 * 4 / point.size_bytes)
        back = dequantize(type(quantized)(codec.decode(encoded), quantized.gain, quantized.offset))
        same = (classifier.features @ back + classifier.bias).argmax(axis=1) == classifier.top1(classifier.weights)
        assert point.agreement == same.mean()
        noise = np.square(back - classifier.weights).sum() / np.square(classifier.weights).sum()
        assert point.snr_db == pytest.approx(-10 * np.log10(noise), abs=1e-3)


def test_coarser_steps_are_smaller_and_worse(points):
    for scheme in ("symmetric", "asymmetric"):
        row = [point for point in points if point.scheme == scheme]
        for name in ("ratio", "requantized_ratio", "huffman_ratio"):
            values = [getattr(point, name) for point in row]
            assert values == sorted(values)
        assert [point.snr_db for point in row] == sorted((point.snr_db for point in row), reverse=True)
        assert row[0].agreement > 0.9 > row[-1].agreement
        assert row[0].requantized_agreement > 0.9


def test_points_are_told_as_they_come(classifier):
    told = []
    points = sweep(classifier, (51,), HevcFormat(preset="ultrafast"), told.append)
    assert tuple(told) == points
    with pytest.raises(ValueError, match=r"qp must be in 0..51, not 52"):
        sweep(classifier, (10, 52))


def test_figure_shows_both_quantizers(points):
    drawn = figure(points)
    left, middle, right = drawn.axes
    assert [len(panel.lines) for panel in drawn.axes] == [4, 2, 4]
    assert left.lines[0].get_xdata().tolist() == [4, 22, 51]
    assert left.lines[2].get_ydata().tolist() == [point.ratio for point in points[3:]]
    assert middle.lines[0].get_ydata().tolist() == [point.snr_db for point in points[:3]]
    assert right.lines[0].get_ydata().tolist() == [100 * point.agreement for point in points[:3]]
    assert [text.get_text() for text in left.get_legend().get_texts()] == [
        "symmetric + HEVC",
        "symmetric, uniform quantizer",
        "asymmetric + HEVC",
        "asymmetric, uniform quantizer",
    ]
    assert {panel.get_xlabel() for panel in drawn.axes} == {"QP"}


def test_gaussian_rows_of_a_small_matrix():
    rows = gaussian_rows(160, 150, preset="ultrafast")
    assert [(row.sigma, row.ipratio, row.paper_ratio) for row in rows] == [
        (5.80, 1.4, 16.82),
        (5.80, 1.0, None),
        (8.71, 1.4, 12.51),
        (8.71, 1.0, None),
    ]
    for row in rows:
        assert row.count == 160 * 150
        assert row.shuffled_ratio == pytest.approx(row.ratio, rel=0.1)
        assert row.requantized.error <= row.error
        assert row.entropy_ratio > row.huffman_ratio > 5
    assert rows[1].ratio > rows[0].ratio > rows[2].ratio


def test_crops_are_many_and_the_same_each_time():
    photos = load_images()
    crops = random_crops(photos, 100)
    assert len({crop.pixels.tobytes() for crop in crops}) == 100
    for number, (crop, again) in enumerate(zip(crops, random_crops(photos, 100), strict=True)):
        assert np.array_equal(crop.pixels, again.pixels)
        side = min(photos[number % 4].pixels.shape[:2])
        assert crop.pixels.shape[0] == crop.pixels.shape[1]
        assert side // 2 <= crop.pixels.shape[0] <= side
    with pytest.raises(ValueError, match="crops must be 1 or more, not 0"):
        random_crops(photos, 0)


def test_classifier_of_the_default_network():
    classifier = load_classifier(8)
    assert classifier.weights.shape == (1280, 1000)
    assert classifier.features.shape == (8, 1280)
    # Photos come in the order astronaut, chelsea, coffee, rocket: a cat and a cup or espresso among them.
    classes = classifier.top1(classifier.weights)
    assert any(281 <= name <= 287 for name in classes[1::4])
    assert classifier.agreement(classifier.weights) == 1
    assert classifier.agreement(-classifier.weights) < 0.5


def test_default_sweep_covers_the_figures_of_the_paper():
    assert (QPS[0], QPS[-1] >= 35) == (10, True)
