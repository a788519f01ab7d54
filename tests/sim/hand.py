"""A network of four layers whose every byte is worked out by hand.

::

    x (3, 8, 8) -> a: conv, relu -> b: conv, relu -> c: conv + a -> y: conv, the network's output (2, 8, 8)
                                 \\______________________^

Symbols of one tile of 8 x 8 x 4, W = 8, R = 3, at 32-byte bursts; *bits / bursts*:

======  ===========================  ==========  ==========  ==========  ==========
tensor  256 symbols                  raw         srlc        zrlc        zvc
======  ===========================  ==========  ==========  ==========  ==========
a       192 zeros, then 1..64        2048 / 8    968 / 4     968 / 4     768 / 3
b       256 zeros                    2048 / 8    352 / 2     352 / 2     256 / 1
c       1..127, 129..255, 1, 2       2048 / 8    2048 / 8    2048 / 8    2048 / 8
======  ===========================  ==========  ==========  ==========  ==========

srlc, zrlc: tokens of 11 bits; 8 zeros to a token, a token for each symbol that differs: a 24 + 64, b 32.
zvc: a mask bit for each symbol and 8 bits for each that is not zero. Zero is 0 in `a` and `b`, 128 in `c`, which has
none: it travels raw. The index is one group of 32 bytes a tensor.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from tiny_models import model

from sim.config import RunConfig
from sim.images import Photo
from sim.network import Network, load_network
from sim.run import Result, run
from sim.tensors import Quantization, Sample

__all__ = ["CONFIG", "HandRecorder", "dense_symbols", "hand_network", "hand_result", "symbols"]

CONFIG = RunConfig("zvc", tile=(8, 8, 4))

_BODY = """
    p = Conv(x, wa)
    a = Relu(p)
    q = Conv<pads = [1, 1, 1, 1]>(a, wb, biases)
    b = Relu(q)
    r = Conv(b, wc)
    c = Add(r, a)
    y = Conv(c, wy)
"""


def hand_network() -> Network:
    """The network; its layers bear the names of their first nodes' outputs: p, q, r, y."""
    biases = np.ones(4, np.float32)
    weights = {"wa": (4, 3, 1, 1), "wb": (4, 4, 3, 3), "wc": (4, 4, 1, 1), "wy": (2, 4, 1, 1)}
    return load_network(model(_BODY, biases=biases, **weights))


def symbols() -> dict[str, np.ndarray]:
    """The symbols of one image by tensor."""
    c = np.delete(np.arange(1, 256), 127)
    flat = {
        "x": np.arange(192) % 251,
        "a": np.append(np.zeros(192), np.arange(1, 65)),
        "b": np.zeros(256),
        "c": np.append(c, [1, 2]),
        "y": np.arange(128),
    }
    return {name: values.astype(np.uint8).reshape(-1, 8, 8) for name, values in flat.items()}


def dense_symbols() -> dict[str, np.ndarray]:
    """An image whose tensor `a` has no zeros: it travels raw, 8 bursts under every codec of the table."""
    return symbols() | {"a": symbols()["c"]}


def hand_result(config: RunConfig = CONFIG, *images: dict[str, np.ndarray]) -> Result:
    """A run over images of given symbols; by default over `symbols` and `dense_symbols`."""
    images = images or (symbols(), dense_symbols())
    photos = tuple(Photo(f"image{number}", np.zeros((8, 8, 3), np.uint8)) for number in range(len(images)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sim.run.Recorder", lambda network, pixels, word_bits: HandRecorder(images, word_bits))
        return run(config, hand_network(), photos)


@dataclass
class HandRecorder:
    """Images of given symbols, as `sim.tensors.Recorder` gives them."""

    images: tuple[dict[str, np.ndarray], ...]
    word_bits: int = 8

    @property
    def quantization(self) -> dict[str, Quantization]:
        """Scale 1; zero is 128 in the linear tensors, 8 where symbols have 4 bits."""
        zero = min(128, 1 << (self.word_bits - 1))
        return {name: Quantization(1.0, zero if name in "cy" else 0, self.word_bits) for name in self.images[0]}

    def __iter__(self) -> Iterator[Sample]:
        return (Sample(image, {}) for image in self.images)
