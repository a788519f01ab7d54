"""The register map of the decompressor: the one place that RTL, datasheet, driver and tests take addresses from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from amaranth.hdl import Shape
from amaranth.lib import data

from golden.weights.rescale import SCALE_BITS
from hw.weights.datapath_ports import Descriptor, Where
from hw.weights.ports import Fault

__all__ = ["ADDRESS_BITS", "MAP", "VERSION", "Field", "Register", "RegisterMap"]

ADDRESS_BITS = 8
VERSION = 0x7457_0002
"""``tW`` and the version of map and descriptor."""

_WORD_BITS = 32
_FAULTS = ", ".join(f"{fault.value} {fault.name}" for fault in Fault)
_WHERES = ", ".join(f"{where.value} {where.name}" for where in Where)
# Fields of the descriptor that share a register, in order; each of the others has one of its own.
_SHARED = {
    "form": ("engine", "form", "second", "codebook", "narrow", "negative", "pair_form", "index_bits"),
    "selection": ("width", "lead", "sign", "keep", "plane"),
}


@dataclass(frozen=True)
class Field:
    """Bits of a register: `first_bit` and `bits`, and of which field of the descriptor, if any."""

    name: str
    first_bit: int
    bits: int
    path: tuple[str, ...] = ()


@dataclass(frozen=True)
class Register:
    """A register of 32 bits; bits of no field read as zero and ignore what is written.

    `access` is ``ro`` (read only), ``rw``, ``wo`` (reads as zero) or ``w1c`` (a one that is written clears the bit).
    """

    name: str
    address: int
    access: str
    meaning: str
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class RegisterMap:
    """All registers, by ascending address."""

    registers: tuple[Register, ...]

    @cached_property
    def by_name(self) -> dict[str, Register]:
        """The registers by name."""
        return {register.name: register for register in self.registers}

    @property
    def descriptor(self) -> tuple[Register, ...]:
        """The registers that hold the descriptor."""
        return tuple(register for register in self.registers if any(field.path for field in register.fields))

    def words_of(self, fields: dict) -> dict[int, int]:
        """What a driver writes for a descriptor: address to word. Fields that are not told are zero.

        Raises
        ------
        ValueError
            If a value does not fit its field.
        """
        words = {}
        for register in self.descriptor:
            word = 0
            for field in register.fields:
                value = fields
                for key in field.path:
                    value = value.get(key, 0) if isinstance(value, dict) else 0
                number = int(getattr(value, "value", value))
                if not 0 <= number < 1 << field.bits:
                    raise ValueError(f"{field.name} must fit {field.bits} bits, not {number!r}")
                word |= number << field.first_bit
            words[register.address] = word
        return words


def _descriptor_registers(address: int) -> Iterator[Register]:
    layout = Descriptor()
    shapes: dict[tuple[str, ...], int] = {}
    for key, member in layout:
        if isinstance(member.shape, data.Layout):
            shapes |= {(key, inner): Shape.cast(part.shape).width for inner, part in member.shape}
        else:
            shapes[(key,)] = Shape.cast(member.shape).width
    shapes.pop(("selection", "form"))
    shared = {
        ("selection", name) if first == "selection" else (name,): first
        for first, names in _SHARED.items()
        for name in names
    }
    groups: dict[str, list[tuple[str, ...]]] = {}
    for path in shapes:
        groups.setdefault(shared.get(path, path[-1]), []).append(path)
    for name, paths in groups.items():
        fields, first_bit = [], 0
        for path in sorted(paths, key=lambda path: _SHARED.get(name, path).index(path[-1])):
            fields.append(Field(path[-1], first_bit, shapes[path], path))
            first_bit += shapes[path]
        yield Register(f"descriptor_{name}", address, "rw", "of the descriptor", tuple(fields))
        address += 4


def _register_map() -> RegisterMap:
    def plain(name: str, address: int, access: str, meaning: str, *fields: tuple[str, int, int]) -> Register:
        parts = tuple(Field(*field) for field in fields) or (Field(name, 0, _WORD_BITS),)
        return Register(name, address, access, meaning, parts)

    high_bits = SCALE_BITS - _WORD_BITS
    registers = [
        plain("version", 0x00, "ro", f"{VERSION:#010x}"),
        plain("start", 0x04, "wo", "a one starts the tensor of the descriptor; ignored unless ready", ("start", 0, 1)),
        plain(
            "status",
            0x08,
            "ro",
            "ready: a descriptor can be started; busy: a tensor is decoded",
            ("ready", 0, 1),
            ("busy", 1, 1),
        ),
        plain("interrupt", 0x0C, "w1c", "a tensor ended, without or with a fault", ("done", 0, 1), ("error", 1, 1)),
        plain("enable", 0x10, "rw", "which bits of `interrupt` raise the line", ("done", 0, 1), ("error", 1, 1)),
        plain(
            "fault", 0x14, "ro", f"of the latest tensor: {_FAULTS}; where: {_WHERES}", ("fault", 0, 4), ("where", 4, 2)
        ),
        plain("position", 0x18, "ro", "of that fault, in the unit that `where` tells"),
        plain("cycles", 0x1C, "ro", "from the start of the latest tensor to its end"),
        plain("words", 0x20, "ro", "words of 64 bits of its body that were taken"),
        plain("beats", 0x24, "ro", "transfers of its weights that were sent"),
        plain("scale_index", 0x28, "rw", "slice that `scale_high` writes; goes up by one then", ("scale_index", 0, 16)),
        plain("scale_low", 0x2C, "rw", "multiplier and the lower 16 bits of the addend"),
        plain("scale_high", 0x30, "wo", "the other bits; writes the scale", ("scale_high", 0, high_bits)),
    ]
    return RegisterMap((*registers, *_descriptor_registers(0x40)))


MAP = _register_map()
