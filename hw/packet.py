"""Payloads that streams share."""

from amaranth.hdl import ShapeLike
from amaranth.lib import data

__all__ = ["Packet"]


class Packet(data.StructLayout):
    """One transfer of a packet: `data` of any shape, and `last` with the packet's last one.

    A class of its own, because Amaranth connects structs of equal width whatever their fields are called.
    """

    def __init__(self, shape: ShapeLike) -> None:
        super().__init__({"data": shape, "last": 1})
