"""Weight sharing: the source's figure, scikit-learn from the same start, the three starts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.cluster import KMeans

from golden.weights.kmeans import (
    STARTS,
    assign,
    centroid_gradient,
    fine_tune,
    kmeans,
    sharing_rate,
    start_centroids,
)

# Deep Compression, figure 3: weights, their clusters, their gradients, and what the centroids become.
WEIGHTS = np.array(
    [[2.09, -0.98, 1.48, 0.09], [0.05, -0.14, -1.08, 2.12], [-0.91, 1.92, 0, -1.03], [1.87, 0, 1.53, 1.49]]
)
LABELS = [[3, 0, 2, 1], [1, 1, 0, 3], [0, 3, 1, 0], [3, 1, 2, 2]]
GRADIENT = np.array(
    [[-0.03, -0.01, 0.03, 0.02], [-0.01, 0.01, -0.02, 0.12], [-0.01, 0.02, 0.04, 0.01], [-0.07, -0.02, 0.01, -0.02]]
)


def test_figure_3_of_the_paper():
    book = kmeans(WEIGHTS, 4)
    assert np.round(book.centroids, 2).tolist() == [-1.0, 0.0, 1.5, 2.0]
    assert assign(WEIGHTS, book.centroids).tolist() == LABELS
    sums = centroid_gradient(GRADIENT, LABELS, 4)
    assert np.round(sums, 2).tolist() == [-0.03, 0.04, 0.02, 0.04]
    tuned = fine_tune([-1.0, 0.0, 1.5, 2.0], GRADIENT, LABELS, 1.0)
    assert np.round(tuned, 2).tolist() == [-0.97, -0.04, 1.48, 1.96]


def test_sharing_rate_of_the_paper():
    # 16 weights of 32 bits, four centroids: 512 / (32 + 128).
    assert sharing_rate(16, 4) == 3.2


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=str)
def test_centroids_are_those_of_scikit_learn(start, dtype):
    weights = np.random.default_rng(7).laplace(0, 0.05, 4000).astype(dtype)
    k = 8
    first = start_centroids(weights, k, start, seed=3)
    peer = KMeans(k, init=first.reshape(-1, 1), n_init=1, max_iter=10_000, tol=0, algorithm="lloyd")
    # In float64: the float32 sums of the peer would be the coarser of the two.
    peer.fit(weights.astype(np.float64).reshape(-1, 1))
    book = kmeans(weights, k, start, seed=3)
    assert book.counts.all()
    assert book.centroids == pytest.approx(np.sort(peer.cluster_centers_.ravel()), rel=1e-9, abs=1e-12)
    assert np.array_equal(kmeans(weights, k, first).centroids, book.centroids)
    labels = np.argsort(np.argsort(peer.cluster_centers_.ravel()))[peer.labels_]
    assert np.array_equal(assign(weights, book.centroids), labels)


def test_centroids_of_a_real_layer_are_those_of_scikit_learn(lite0_floats):
    weights = lite0_floats[10].ravel()
    first = start_centroids(weights, 32, "density")
    peer = KMeans(32, init=first.reshape(-1, 1), n_init=1, max_iter=10_000, tol=0, algorithm="lloyd")
    peer.fit(weights.astype(np.float64).reshape(-1, 1))
    assert kmeans(weights, 32, "density").centroids == pytest.approx(np.sort(peer.cluster_centers_.ravel()), rel=1e-9)


def test_starts_by_hand():
    weights = np.array([0.0, 1, 2, 3, 4, 5, 6, 10])
    assert start_centroids(weights, 3, "linear").tolist() == [0, 5, 10]
    assert start_centroids(weights, 4, "density").tolist() == [1, 3, 5, 10]
    drawn = start_centroids(weights, 4, "random", seed=1)
    assert np.array_equal(drawn, start_centroids(weights, 4, "random", seed=1))
    assert not np.array_equal(drawn, start_centroids(weights, 4, "random", seed=2))
    assert len(set(drawn.tolist()) & set(weights.tolist())) == 4


def test_a_weight_midway_belongs_to_the_lower():
    assert assign(np.array([0.5, 0.50001]), [0.0, 1.0]).tolist() == [0, 1]


@given(arrays(np.float32, st.integers(1, 80), elements=st.floats(-8, 8, width=16)), st.integers(1, 12))
def test_each_weight_goes_to_its_nearest_and_each_centroid_is_a_mean(weights, k):
    book = kmeans(weights, k)
    labels = assign(weights, book.centroids)
    assert np.bincount(labels, minlength=book.centroids.size).tolist() == book.counts.tolist()
    distances = np.abs(weights.astype(np.float64)[:, None] - book.centroids)
    assert np.take_along_axis(distances, labels[:, None].astype(int), 1).ravel() == pytest.approx(distances.min(1))
    for i in np.flatnonzero(book.counts):
        assert book.centroids[i] == pytest.approx(weights[labels == i].mean(dtype=np.float64), abs=1e-12)


@given(arrays(np.float32, st.integers(1, 60), elements=st.sampled_from(np.float32([-2, -0.5, 0, 0.25, 3]))))
def test_few_levels_are_the_codebook(weights):
    book = kmeans(weights, 5)
    assert book.centroids.tolist() == np.unique(weights).tolist()


def test_an_empty_cluster_keeps_its_centroid():
    book = kmeans(np.array([0.0, 0.1, 0.2, 9.8, 9.9, 10.0]), 3, [0.0, 5.0, 10.0])
    assert book.counts.tolist() == [3, 0, 3]
    assert book.centroids == pytest.approx([0.1, 5, 9.9])


def test_large_and_small_weights_do_not_disturb_each_other():
    # Prefix sums carry the rounding of 1e8; the centroid of the small weights must not.
    weights = np.concatenate([np.full(1000, -1e8), np.arange(1, 6) * 1e-6, np.full(1000, 3e8)])
    assert kmeans(weights, 3, [-1e8, 0, 3e8]).centroids[1] == pytest.approx(3e-6, rel=1e-12)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: kmeans(np.zeros(0), 2), ValueError, "weights must be one or more, not none"),
        (lambda: kmeans(np.array([1.0, np.inf]), 2), ValueError, "weight must be finite, not inf"),
        (lambda: kmeans(np.array([np.nan, 1.0]), 2), ValueError, "weight must be finite, not nan"),
        (lambda: kmeans(np.array([1, 2]), 2), TypeError, "weights must be floats, not int64"),
        (lambda: kmeans(np.ones(3), 0), ValueError, "k must be 1 or more, not 0"),
        (lambda: kmeans(np.ones(3), 2, [1.0]), ValueError, "start must be 2 centroids, not 1"),
        (lambda: kmeans(np.ones(3), 2, "middle"), ValueError, "start must be one of .* not 'middle'"),
        (lambda: assign(np.ones(3), []), ValueError, "centroids must be 1 to 65536, not 0"),
    ],
)
def test_refusals_name_the_value(call, error, message):
    with pytest.raises(error, match=message):
        call()
