"""Which tensors each policy stores raw."""

import pytest

from golden.activations.bypass import POLICIES, is_bypassed

SMALLER, EQUAL, LARGER = (100, 99), (100, 100), (100, 101)


@pytest.mark.parametrize(
    ("policy", "activation", "sizes", "expected"),
    [
        ("none", "linear", LARGER, False),
        ("none", "relu6", LARGER, False),
        ("activation", "linear", SMALLER, True),
        ("activation", "sigmoid", SMALLER, True),
        ("activation", "relu6", LARGER, False),
        ("activation", "swish", LARGER, False),
        ("tensor", "linear", SMALLER, False),
        ("tensor", "relu6", EQUAL, True),
        ("tensor", "relu6", LARGER, True),
        ("tile", "linear", LARGER, False),
    ],
)
def test_policy_decides(policy, activation, sizes, expected):
    assert is_bypassed(policy, activation, *sizes) is expected


def test_unknown_policy_is_refused():
    assert POLICIES == ("none", "activation", "tensor", "tile")
    with pytest.raises(ValueError, match=r"^bypass policy must be one of \('none', .*\), not 'size'$"):
        is_bypassed("size", "relu6", 1, 2)
