"""Which bank and row an address lies in.

A mapping names the address' fields from the top bit down: ``ro`` row, ``ba`` bank, ``co`` column. ``robaco`` walks a
whole row before it changes the bank, ``rocoba`` changes the bank after each burst. A number after a field is its width
in bits; a field that comes several times needs it in all places but one: ``roco3baco`` changes the bank each
2**3 = 8 bursts of a device with six column bits. The bits inside a burst are below all fields and are not named.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.dram_device import DramDevice

__all__ = ["AddressMapping"]

_FIELD = re.compile(r"(ro|ba|co)(\d*)")
_NAMES = {"ro": "row", "ba": "bank", "co": "column"}


@dataclass(frozen=True)
class AddressMapping:
    """Fields of an address, top first.

    Attributes
    ----------
    order : str
        Such as ``robaco`` or ``roco3baco``.

    Raises
    ------
    ValueError
        If `order` is made of anything but fields, lacks one, or leaves two places of a field without a width.
    """

    order: str = "robaco"

    def __post_init__(self) -> None:
        if not isinstance(self.order, str):
            raise TypeError(f"order must be str, not {type(self.order).__name__}")
        if not re.fullmatch(r"((ro|ba|co)\d*)+", self.order):
            raise ValueError(f"order must be made of ro, ba and co with optional widths, not {self.order!r}")
        for field, name in _NAMES.items():
            widths = [width for found, width in self._fields() if found == field]
            if not widths:
                raise ValueError(f"order must have the {name} ({field}), not {self.order!r}")
            if widths.count("") > 1:
                raise ValueError(f"order must give widths to all places but one of the {name}, not {self.order!r}")

    def _fields(self) -> list[tuple[str, str]]:
        return _FIELD.findall(self.order)

    def widths(self, device: DramDevice) -> list[tuple[str, int]]:
        """Fields of a device's address with their bits, top first.

        Raises
        ------
        ValueError
            If the widths of a field do not add up to the device's.
        """
        page_bursts = device.page_bytes // device.burst_bytes
        total = {"ro": _log2(device.rows), "ba": _log2(device.banks), "co": _log2(page_bursts)}
        given = {field: sum(int(width or 0) for found, width in self._fields() if found == field) for field in total}
        for field, name in _NAMES.items():
            open_end = (field, "") in self._fields()
            if given[field] > total[field] or (not open_end and given[field] != total[field]):
                raise ValueError(
                    f"order must give {total[field]} bits to the {name} of {device.name}, not {given[field]} "
                    f"({self.order!r})"
                )
        return [(field, int(width) if width else total[field] - given[field]) for field, width in self._fields()]

    def segments(self, device: DramDevice) -> NDArray[np.int64]:
        """Pieces of bank and row in an address.

        Returns
        -------
        ndarray of int64, shape (n, 4)
            Each piece: 0 for bank or 1 for row; its lowest bit in the address; a mask; its lowest bit in the field.
        """
        pieces = []
        low = _log2(device.burst_bytes)
        filled = {"ro": 0, "ba": 0, "co": 0}
        for field, width in reversed(self.widths(device)):
            if field != "co" and width:
                pieces.append((int(field == "ro"), low, (1 << width) - 1, filled[field]))
            filled[field] += width
            low += width
        return np.array(pieces, np.int64).reshape(-1, 4)


def _log2(power: int) -> int:
    return power.bit_length() - 1
