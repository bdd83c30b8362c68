#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Record packed blocks and the floats that the gguf package makes of them.

Writes tests/golden/blocks/<TYPE>.bin for every type that glim computes with:
a little-endian uint32 count of elements, the packed blocks, the floats. Blocks
are random bytes; the half-precision scales in them are random and finite, and
those of the first blocks are the awkward ones (zeros of both signs, subnormal,
smallest normal, largest, negative). Needs the packages gguf and numpy; the
tests only read what is recorded.

    scripts/record-blocks.py
"""
import pathlib

import gguf
import numpy as np

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "blocks"

# Byte offsets of the half-precision fields in a block (ggml-common.h).
HALVES = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82],
    "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0],
}
AWKWARD = np.array([0.0, -0.0, 2.0**-24, -(2.0**-20), 2.0**-14, 65504.0, -65504.0, -1.5, 1.0],
                   dtype=np.float16)


def scales(n, rng):
    values = (rng.standard_normal(n) * 0.02).astype(np.float16)
    values[: len(AWKWARD)] = AWKWARD
    return rng.permutation(values)


def blocks(name, kind, count, rng):
    _, size = gguf.GGML_QUANT_SIZES[kind]
    packed = rng.integers(0, 256, (count, size), dtype=np.uint8)
    for at in HALVES[name]:
        packed[:, at : at + 2] = scales(count, rng).view(np.uint8).reshape(-1, 2)
    return packed.reshape(1, -1)


def plain(name, rng):
    values = np.concatenate([AWKWARD.astype(np.float32), [np.inf, -np.inf],
                             rng.standard_normal(1003)]).astype(np.float32)
    if name == "F32":
        return values.view(np.uint8).reshape(1, -1), values
    if name == "F16":
        half = values.astype(np.float16)
        half[100:200] = rng.integers(1, 1024, 100).astype(np.uint16).view(np.float16)
        return half.view(np.uint8).reshape(1, -1), half.astype(np.float32)
    packed = (values.view(np.uint32) >> 16).astype(np.uint16).view(np.uint8).reshape(1, -1)
    return packed, gguf.quants.dequantize(packed, gguf.GGMLQuantizationType.BF16)


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(20241124)
    with open(OUT / "types.txt", "w") as file:
        for kind, (length, size) in sorted(gguf.GGML_QUANT_SIZES.items()):
            print(kind.value, kind.name, length, size, file=file)
    for name in ["F32", "F16", "BF16", *HALVES]:
        if name in HALVES:
            kind = gguf.GGMLQuantizationType[name]
            packed = blocks(name, kind, max(16, 2048 // gguf.GGML_QUANT_SIZES[kind][0]), rng)
            floats = gguf.quants.dequantize(packed, kind)
        else:
            packed, floats = plain(name, rng)
        floats = np.ascontiguousarray(floats, dtype="<f4").reshape(-1)
        with open(OUT / f"{name}.bin", "wb") as file:
            file.write(np.uint32(floats.size).tobytes() + packed.tobytes() + floats.tobytes())


if __name__ == "__main__":
    main()
