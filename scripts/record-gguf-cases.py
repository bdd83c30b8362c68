#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Record GGUF and safetensors files as the reference packages write them.

Writes tests/golden/gguf/*.gguf, *.safetensors and, for each, a .json that says
what a reader must find. Needs the packages gguf, safetensors and numpy; the
tests only read what is recorded.

    scripts/record-gguf-cases.py
"""
import hashlib
import json
import math
import pathlib
import struct

import gguf
import numpy as np
from safetensors.numpy import save_file

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "gguf"


def fill(n, seed):
    """Bytes of which no two tensors have the same."""
    return np.random.default_rng(seed).integers(0, 256, n, dtype=np.uint8)


def digest(tensor):
    return hashlib.sha256(bytes(tensor.tobytes())).hexdigest()


def add_values(w):
    w.add_uint8("t.u8", 200)
    w.add_int8("t.i8", -100)
    w.add_uint16("t.u16", 60000)
    w.add_int16("t.i16", -30000)
    w.add_uint32("t.u32", 4000000000)
    w.add_int32("t.i32", -2000000000)
    w.add_uint64("t.u64", 2**62 + 5)
    w.add_int64("t.i64", -(2**62))
    w.add_float32("t.f32", 0.1)
    w.add_float64("t.f64", 1e-300)
    w.add_bool("t.yes", True)
    w.add_bool("t.no", False)
    w.add_string("t.text", "größer 巴黎 🙂")
    w.add_array("t.ints", [1, -2, 3])
    w.add_array("t.reals", [0.5, -1.25])
    w.add_array("t.bools", [True, False, True])
    w.add_array("t.strings", ["one", "", "drei", "四"])


def add_tensors(w, names, first_seed):
    """A tensor of each type that the package can lay out, odd shapes."""
    kinds = [
        ("F32", np.float32, (3, 5)),
        ("F16", np.float16, (7,)),
        ("BF16", None, (2, 4)),
        ("Q4_0", None, (3, 64)),
        ("Q8_0", None, (2, 2, 32)),
        ("Q6_K", None, (1, 512)),
        ("IQ4_XS", None, (2, 256)),
        ("I32", np.int32, (4,)),
    ]
    found = []
    for i, name in enumerate(names):
        kind, dtype, shape = kinds[i % len(kinds)]
        if dtype:
            values = fill(math.prod(shape) * np.dtype(dtype).itemsize, first_seed + i)
            data = values.view(dtype).reshape(shape)
            w.add_tensor(name, data)
        else:
            qtype = gguf.GGMLQuantizationType[kind]
            block, size = gguf.GGML_QUANT_SIZES[qtype]
            row = shape[-1] // block * size
            data = fill(math.prod(shape[:-1]) * row, first_seed + i).reshape(*shape[:-1], row)
            w.add_tensor(name, data, raw_dtype=qtype)
        found.append({"name": name, "type": kind, "dims": list(reversed(shape)),
                      "sha256": digest(data)})
    return found


def close(w):
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def read_values(path):
    """Every key as the reference reader sees it."""
    values = {}
    for field in gguf.GGUFReader(path).fields.values():
        if field.name.startswith("GGUF."):
            continue
        contents = field.contents()
        if isinstance(contents, float) and field.types[0] == gguf.GGUFValueType.FLOAT32:
            contents = struct.unpack("f", struct.pack("f", contents))[0]
        values[field.name] = contents
    return values


def expect(path, tensors, parts=1):
    text = json.dumps({"parts": parts, "values": read_values(path), "tensors": tensors},
                      ensure_ascii=False, indent=1)
    path.with_suffix(".json").write_text(text + "\n", encoding="utf-8")


def record_single(name, alignment):
    path = OUT / f"{name}.gguf"
    w = gguf.GGUFWriter(path, "llama")
    if alignment:
        w.add_custom_alignment(alignment)
    add_values(w)
    tensors = add_tensors(w, [f"blk.0.t{i}.weight" for i in range(8)], 1)
    close(w)
    expect(path, tensors)


def record_split():
    path = OUT / "split.gguf"
    w = gguf.GGUFWriter(path, "llama", split_max_tensors=3)
    add_values(w)
    tensors = add_tensors(w, [f"blk.{i}.t.weight" for i in range(8)], 100)
    close(w)
    expect(OUT / "split-00001-of-00003.gguf", tensors, parts=3)


def record_safetensors():
    path = OUT / "reference.safetensors"
    tensors = {
        "blocks.0.hook_resid_post": fill(4 * 15, 7).view(np.float32).reshape(3, 5),
        "ids": np.array([1, -2, 2**62], dtype=np.int64),
        "half": fill(2 * 5, 8).view(np.float16),
        "scalar": np.array(2.5, dtype=np.float64),
        "none": np.zeros((0, 4), dtype=np.uint8),
    }
    save_file(tensors, path, metadata={"text": "The capital of France is 巴黎"})
    found = [{"name": n, "dtype": {"float32": "F32", "int64": "I64", "float16": "F16",
                                   "float64": "F64", "uint8": "U8"}[t.dtype.name],
              "dims": list(t.shape), "sha256": digest(t)} for n, t in tensors.items()]
    text = json.dumps({"text": "The capital of France is 巴黎", "tensors": found},
                      ensure_ascii=False, indent=1)
    (OUT / "reference.safetensors.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    record_single("reference", None)
    record_single("aligned-256", 256)
    record_split()
    record_safetensors()
