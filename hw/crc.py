"""CRCs of `golden.crc` over a whole word in one cycle."""

from functools import cache

from amaranth.hdl import Cat, Value

from golden.crc import Crc

__all__ = ["crc_step"]


@cache
def _taps(crc: Crc, bits: int) -> tuple[int, ...]:
    """For each state bit, the mask of what it is the parity of: data bits, then state bits above them."""
    state = [1 << (bits + k) for k in range(crc.bits)]
    for position in range(bits):
        feedback = state[0] ^ (1 << position)
        state = [(above ^ feedback) if crc.reflected >> k & 1 else above for k, above in enumerate([*state[1:], 0])]
    return tuple(state)


def crc_step(crc: Crc, state: Value, word: Value) -> Value:
    """The state after `word`, first bit least significant, from `state`.

    The state enters with the first data bits, so each result is a parity of data bits alone once those are mixed.
    """
    bits = len(word)
    if bits < crc.bits:
        raise ValueError(f"word must have at least {crc.bits} bits, not {bits}")
    mixed = Cat(word[: crc.bits] ^ state, word[crc.bits :])
    return Cat((mixed & (taps & ((1 << bits) - 1))).xor() for taps in _taps(crc, bits))
