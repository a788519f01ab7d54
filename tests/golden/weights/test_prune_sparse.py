"""Pruning and sparse forms: the source's example, scipy's matrices, fillers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import sparse

from golden.weights.prune import prune, prune_below, prune_globally
from golden.weights.sparse import RelativeLines, compress_columns, compress_rows, coordinates

MATRIX = np.array([[1, 2, 1, 0, 3], [3, 2, 1, 6, 2], [5, 0, 2, 1, 1], [0, 4, 1, 2, 6], [0, 1, 3, 2, 7]])
SPARSE = st.one_of(st.just(0), st.just(0), st.integers(-100, 100))
MATRICES = arrays(np.int8, array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=40), elements=SPARSE)


def test_the_lectures_matrix_pruned_at_four():
    pruned = prune_below(MATRIX, 4)
    assert pruned[pruned != 0].tolist() == [6, 5, 4, 6, 7]
    assert MATRIX[0].tolist() == [1, 2, 1, 0, 3]
    coo, csr, csc = coordinates(pruned), compress_rows(pruned), compress_columns(pruned)
    assert (coo.rows.tolist(), coo.columns.tolist()) == ([1, 2, 3, 3, 4], [3, 0, 1, 4, 4])
    assert (csr.starts.tolist(), csr.index.tolist()) == ([0, 0, 1, 2, 4, 5], [3, 0, 1, 4, 4])
    assert (csc.starts.tolist(), csc.index.tolist()) == ([0, 1, 2, 2, 3, 5], [2, 3, 1, 3, 4])
    assert csc.values.tolist() == [5, 4, 6, 6, 7]
    # a = 5 non-zeros, n = 5 lines: 3a and 2a + n + 1.
    assert (coo.numbers, csr.numbers, csc.numbers) == (15, 16, 16)


@given(MATRICES, st.integers(2, 8))
def test_all_forms_give_the_matrix_back(matrix, index_bits):
    assert np.array_equal(coordinates(matrix).to_dense(), matrix)
    for form in (compress_rows(matrix), compress_columns(matrix)):
        assert np.array_equal(form.to_dense(), matrix)
        relative = form.to_relative(index_bits)
        assert relative.gaps.max(initial=0) < 1 << index_bits
        assert np.array_equal(relative.to_absolute().to_dense(), matrix)


@given(MATRICES)
def test_forms_agree_with_scipy(matrix):
    csr, csc = compress_rows(matrix), compress_columns(matrix)
    for ours, theirs in ((csr, sparse.csr_matrix(matrix)), (csc, sparse.csc_matrix(matrix))):
        theirs.sort_indices()
        assert ours.starts.tolist() == theirs.indptr.tolist()
        assert (ours.index.tolist(), ours.values.tolist()) == (theirs.indices.tolist(), theirs.data.tolist())


def test_long_gaps_get_fillers():
    matrix = np.zeros((2, 12), int)
    matrix[0, [4, 11]], matrix[1, 3] = 7, 9
    relative = compress_rows(matrix).to_relative(2)
    # Gaps of 4, 6 and 3 zeros; an index of 3 with a filler spans 4.
    assert relative.gaps.tolist() == [3, 0, 3, 2, 3]
    assert relative.values.tolist() == [0, 7, 0, 7, 9]
    assert (relative.starts.tolist(), relative.fillers) == ([0, 4, 5], 2)


def test_a_gap_past_the_line_is_refused():
    lines = RelativeLines(np.array([0, 1]), np.array([3], np.uint8), np.array([1]), (1, 3), 0, 2)
    with pytest.raises(ValueError, match=r"index must be below 3, not 3 \(entry 0\)"):
        lines.to_absolute()


@given(arrays(np.int16, st.integers(0, 60), elements=st.integers(-9, 9)), st.floats(0, 1))
def test_the_largest_stay(weights, density):
    pruned = prune(weights, density)
    keep = int(np.floor(density * weights.size + 0.5))
    kept = pruned != 0
    assert kept.sum() == min(keep, np.count_nonzero(weights))
    assert (pruned[kept] == weights[kept]).all()
    dropped = (weights != 0) & ~kept
    if kept.any() and dropped.any():
        assert np.abs(weights[kept]).min() >= np.abs(weights[dropped]).max()


def test_among_equals_the_first_stay():
    assert prune(np.array([1, -2, 2, -2, 1]), 0.4).tolist() == [0, -2, 2, 0, 0]


def test_globally_a_tensor_of_small_weights_loses_more():
    small, large = np.linspace(0.1, 0.4, 4), np.linspace(1, 4, 4)
    assert [np.count_nonzero(t) for t in prune_globally([small, large], 0.5)] == [0, 4]
    assert [np.count_nonzero(prune(t, 0.5)) for t in (small, large)] == [2, 2]
    # Ties across tensors go to the first.
    assert [t.tolist() for t in prune_globally([np.array([1, 1]), np.array([1, 1])], 0.75)] == [[1, 1], [1, 0]]
    assert prune_globally([], 0.5) == []


def test_the_least_integer_has_a_magnitude():
    assert prune(np.array([-128, 127, 1], np.int8), 1 / 3).tolist() == [-128, 0, 0]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: prune(np.ones(2), 1.5), ValueError, r"density must be in 0..1, not 1.5"),
        (lambda: prune(np.array([1, np.nan]), 0.5), ValueError, "weight must be a number, not nan"),
        (lambda: prune(np.array(["a"]), 0.5), TypeError, "weights must be numbers, not str"),
        (lambda: compress_rows(np.ones(3)), ValueError, r"matrix must have two dimensions or more, not shape \(3,\)"),
        (lambda: compress_rows(np.eye(2)).to_relative(9), ValueError, r"index_bits must be in 2..8, not 9"),
    ],
)
def test_refusals_name_the_value(call, error, message):
    with pytest.raises(error, match=message):
        call()
