"""Writes ``tests/vectors/*.json`` from the slow models: ``python tests/golden/make_vectors.py`` (tests never run it).

Only bit_models.py and tile_model.py are asked, not the golden models, so a vector is a second opinion. To change a
format, change its model and vectors in the same commit and say so.
"""

import json
from pathlib import Path

import bit_models
import numpy as np
import tile_model

VECTORS = Path(__file__).parent.parent / "vectors"


def sparse(seed: int, count: int, word_bits: int, zero_point: int = 0) -> list[int]:
    """Runs of zeros and of others."""
    rng = np.random.default_rng(seed)
    symbols = np.where(rng.random(count) < 0.5, rng.integers(0, 2**word_bits, count), zero_point)
    return np.repeat(symbols, rng.integers(1, 5, count))[:count].tolist()


def codec_vector(source: str, config: dict, values: list[int], zero_point: int = 0) -> dict:
    bits = bit_models.encode(config, values, zero_point)
    words = [f"{word:#018x}" for word in bit_models.words_of(bits)]
    return {
        "source": source,
        "format": config,
        "zero_point": zero_point,
        "values": values,
        "words": words,
        "bits": len(bits),
    }


def codec_vectors(codec: str) -> list[dict]:
    """Edges and drawn symbols for every width of symbols and runs that tells formats apart."""
    paper = {"codec": codec, "word_bits": 8} | ({"run_bits": 3} if codec.endswith("rlc") else {})
    paper |= {"packing": "dense"} if codec == "zrlc" else {}
    vectors = [
        codec_vector("Kim et al. (KETI), figure 1: symbol 2, run 5", paper, [2] * 5),
        codec_vector("no symbols", paper, []),
        codec_vector("one symbol, which is zero", paper, [7], 7),
        codec_vector("300 zeros and a one", paper, [0] * 300 + [1]),
        codec_vector("nine symbols of 255", paper, [255] * 9),
        codec_vector("ascending", paper, list(range(32))),
    ]
    for word_bits in (4, 8, 16):
        for run_bits in (1, 5, 8) if "run_bits" in paper else (None,):
            config = paper | {"word_bits": word_bits} | ({"run_bits": run_bits} if run_bits else {})
            zero_point = 2 ** (word_bits - 1)
            source = f"numpy default_rng({word_bits}), half zeros, runs of 1 to 4"
            vectors.append(codec_vector(source, config, sparse(word_bits, 40, word_bits, zero_point), zero_point))
    if codec == "zrlc":
        eyeriss = {"codec": codec, "run_bits": 5, "word_bits": 16, "packing": "eyeriss"}
        source = "Chen et al., Eyeriss (JSSC 2017), section V-B: three pairs and a flag in 64 bits"
        for values in ([0, 0, 7, 5, 0, 9], [1, 2, 3, 4], [0] * 70 + [3], [], sparse(3, 50, 16)):
            vectors.append(codec_vector(source, eyeriss, values))
    return vectors


def tile_vector(shape: list[int], zero_point: int, layout: str, run: int = 1, **changes: object) -> dict:
    """A tensor (C, H, W) whose channels go from empty to dense, in runs along W, as index and payload."""
    fmt = {**tile_model.FORMAT, **changes}
    rng = np.random.default_rng(7)
    channel = np.arange(shape[0]).reshape(-1, 1, 1) / max(1, shape[0] - 1)
    symbols = rng.integers(0, 2 ** fmt["word_bits"], shape)
    drawn = np.where(rng.random(shape) < channel, symbols, zero_point)
    values = np.repeat(drawn, run, axis=2)[..., : shape[2]].reshape(-1).tolist()
    index, payload = tile_model.encode(fmt, values, (1, *shape), zero_point, layout)
    return {
        "source": "numpy default_rng(7), channels from empty to dense, through the slow model",
        "format": fmt,
        "shape": shape,
        "zero_point": zero_point,
        "layout": layout,
        "values": values,
        "index": index.hex(),
        "payload": payload.hex(),
    }


def tile_vectors() -> list[dict]:
    return [
        tile_vector([6, 6, 6], 0, "slotted", tile=[4, 4, 3]),
        tile_vector([6, 6, 6], 128, "packed", tile=[4, 4, 3], scan="tile-channel-first"),
        tile_vector([9, 5, 8], 0, "slotted", 8, tile=[5, 8, 1], run_bits=4),
        tile_vector([12, 4, 4], 0, "packed", tile=[4, 4, 1], modes=["raw", "zvc"]),
        tile_vector([4, 5, 5], 3, "packed", word_bits=4, run_bits=8, tile=[8, 8, 32], burst_bytes=64),
        tile_vector([4, 5, 5], 40000, "slotted", word_bits=16, run_bits=5, tile=[5, 5, 2]),
    ]


def file_vectors() -> list[dict]:
    """The tile streams above as files of unsigned integers."""
    vectors = []
    for stream in tile_vectors():
        index, payload = bytes.fromhex(stream["index"]), bytes.fromhex(stream["payload"])
        header = tile_model.header_of(
            index,
            payload,
            format=stream["format"],
            shape=stream["shape"],
            layout=stream["layout"],
            dtype="uint16" if stream["format"]["word_bits"] == 16 else "uint8",
            quantization={"scale": None, "zero_point": stream["zero_point"]},
        )
        told = ("source", "format", "shape", "zero_point", "layout", "values")
        vectors.append(
            {name: stream[name] for name in told} | {"file": tile_model.file_of(header, index, payload).hex()}
        )
    return vectors


def write(name: str, vectors: list[dict]) -> None:
    """One vector a line, so that a change shows which."""
    lines = ",\n".join(json.dumps(vector) for vector in vectors)
    (VECTORS / f"{name}.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    for codec_id in ("raw", "srlc", "zrlc", "zvc"):
        write(codec_id, codec_vectors(codec_id))
    write("tile_stream", tile_vectors())
    write("tile_file", file_vectors())
