"""Bypass: when a tensor is stored raw because coding would not pay.

``none``
    Never.
``activation``
    By the function that made the tensor: outputs of linear and sigmoid layers are stored raw, since they have few equal
    neighbours and few zeros (Kim et al., KETI, section 4). Known before the first symbol, free in hardware.
``tensor``
    By size: whichever is smaller, for each tensor. Needs both sizes before the tensor is sent.
``tile``
    By size, for each tile: what a tile stream does (golden/tile_format.py).
"""

from __future__ import annotations

__all__ = ["BYPASSED_ACTIVATIONS", "POLICIES", "is_bypassed"]

POLICIES = ("none", "activation", "tensor", "tile")
BYPASSED_ACTIVATIONS = ("linear", "sigmoid")


def is_bypassed(policy: str, activation: str, raw_bits: int, coded_bits: int) -> bool:
    """Tell whether a whole tensor is stored raw.

    Parameters
    ----------
    policy : str
        One of `POLICIES`; ``tile`` is decided tile by tile, so here it is never.
    activation : str
        The function that made the tensor.
    raw_bits, coded_bits : int
        Sizes of the tensor.

    Raises
    ------
    ValueError
        If the policy is unknown.
    """
    if policy not in POLICIES:
        raise ValueError(f"bypass policy must be one of {POLICIES}, not {policy!r}")
    if policy == "activation":
        return activation in BYPASSED_ACTIVATIONS
    return policy == "tensor" and raw_bits <= coded_bits
