#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turn the packaged PyTorch file of EfficientNet-Lite0 into a model directory.

    scripts/convert-efficientnet.py FILE.pth LABELS.json DIRECTORY

The file is a pickle, which could run code. It is read by an unpickler that knows
four names, each standing for a class of this file that only notes what it was given; any
other name ends the reading. Tensors are views of storages with strides of their own,
which are followed. Kernels are written as (k, k, in, out), the order in which
glim reads them without turning anything.

Needs Python alone. scripts/fetch runs it; see there for where the files come from.
"""
import array
import io
import json
import os
import pathlib
import pickle
import struct
import sys

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
# Of every stage: kernel, first stride, expansion, output channels, repeats (Tan, Le 2019).
STAGES = [(3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3),
          (5, 1, 6, 112, 3), (5, 2, 6, 192, 4), (3, 1, 6, 320, 1)]
STEM, HEAD = 32, 1280


class Failure(Exception):
    """What is wrong with the file, in one line."""


class Names(dict):
    """What an OrderedDict becomes; its attributes are not kept."""

    def __setstate__(self, state):
        pass


class Tensor:
    def __init__(self, storage, offset, shape, strides, *_):
        self.storage, self.offset, self.shape, self.strides = storage, offset, shape, strides


class Reader(pickle.Unpickler):
    KNOWN = {("collections", "OrderedDict"): Names, ("torch._utils", "_rebuild_tensor_v2"): Tensor,
             ("torch", "FloatStorage"): "f", ("torch", "LongStorage"): "q"}

    def find_class(self, module, name):
        if (module, name) not in self.KNOWN:
            raise Failure(f"the pickle asks for {module}.{name}; nothing was run")
        return self.KNOWN[module, name]

    def persistent_load(self, pid):
        kind, code, key, _, count = pid[:5]
        if kind != "storage" or code not in ("f", "q") or not isinstance(count, int):
            raise Failure(f"the pickle refers to {kind!r}")
        return key, code, count


def read(path):
    """{name: Tensor} and {key: array} of a file in PyTorch's old format."""
    f = io.BytesIO(path.read_bytes())
    if Reader(f).load() != MAGIC or Reader(f).load() != PROTOCOL:
        raise Failure(f"{path} is no PyTorch file of the old format")
    if not Reader(f).load().get("little_endian"):
        raise Failure(f"{path} was written on a big-endian machine")
    tensors, keys = Reader(f).load(), Reader(f).load()
    codes = {t.storage[0]: t.storage for t in tensors.values()}
    storages = {}
    for key in keys:
        _, code, count = codes[key]
        found, = struct.unpack("<q", f.read(8))
        values = array.array(code)
        values.frombytes(f.read(count * values.itemsize))
        if found != count or len(values) != count:
            raise Failure(f"{path} is cut short")
        if sys.byteorder == "big":
            values.byteswap()
        storages[key] = values
    return tensors, storages


def values_of(tensor, storages, order):
    """Bytes of the tensor with its axes in this order."""
    data, out = storages[tensor.storage[0]], array.array("f")
    shape = [tensor.shape[a] for a in order]
    strides = [tensor.strides[a] for a in order]
    if any(n < 1 for n in shape) or any(s < 0 for s in strides) or tensor.offset < 0 or (
            tensor.offset + sum((n - 1) * s for n, s in zip(shape, strides)) >= len(data)):
        raise Failure("a tensor reaches beyond its storage")

    def walk(axis, at):
        if axis < len(shape) - 1:
            for i in range(shape[axis]):
                walk(axis + 1, at + i * strides[axis])
        elif strides[axis]:
            out.extend(data[at:at + (shape[axis] - 1) * strides[axis] + 1:strides[axis]])
        else:
            out.extend([data[at]] * shape[axis])
    walk(0, tensor.offset)
    if sys.byteorder == "big":
        out.byteswap()
    return shape, out.tobytes()


def blocks():
    """(kernel, stride, expanded, in, out) of every block."""
    width = STEM
    for kernel, stride, expansion, out, repeats in STAGES:
        for i in range(repeats):
            expanded = width * expansion if expansion > 1 else 0
            yield kernel, 1 if i else stride, expanded, width, out
            width = out


def names():
    """(name in the file, name in the directory, expected shape, order of axes)."""
    dense, plain = (2, 3, 1, 0), (0,)

    def conv(theirs, ours, shape):
        order = dense if shape[1] != 1 or shape[2] == 1 else (2, 3, 0)
        return f"{theirs}.weight", f"{ours}.conv.weight", shape, order

    def norm(theirs, ours, n):
        for part in ("weight", "bias", "running_mean", "running_var"):
            yield f"{theirs}.{part}", f"{ours}.norm.{part}", (n,), plain

    yield conv("_conv_stem", "stem", (STEM, 3, 3, 3))
    yield from norm("_bn0", "stem", STEM)
    for i, (kernel, _, expanded, width, out) in enumerate(blocks()):
        theirs, ours, inner = f"_blocks.{i}.", f"blocks.{i}.", expanded or width
        if expanded:
            yield conv(theirs + "_expand_conv", ours + "expand", (inner, width, 1, 1))
            yield from norm(theirs + "_bn0", ours + "expand", inner)
        yield conv(theirs + "_depthwise_conv", ours + "depthwise", (inner, 1, kernel, kernel))
        yield from norm(theirs + "_bn1", ours + "depthwise", inner)
        yield conv(theirs + "_project_conv", ours + "project", (out, inner, 1, 1))
        yield from norm(theirs + "_bn2", ours + "project", out)
    yield conv("_conv_head", "head", (HEAD, STAGES[-1][3], 1, 1))
    yield from norm("_bn1", "head", HEAD)
    yield "_fc.weight", "classifier.weight", (1000, HEAD), (0, 1)
    yield "_fc.bias", "classifier.bias", (1000,), plain


def weights(path):
    """The bytes of model.safetensors."""
    tensors, storages = read(path)
    header, data, at = {"__metadata__": {"format": "pt"}}, [], 0
    for theirs, ours, shape, order in names():
        t = tensors.pop(theirs, None)
        if t is None or tuple(t.shape) != shape or t.storage[1] != "f":
            raise Failure(f"{path} lacks {theirs} of the shape {shape}")
        found, raw = values_of(t, storages, order)
        header[ours] = {"dtype": "F32", "shape": found, "data_offsets": [at, at + len(raw)]}
        data.append(raw)
        at += len(raw)
    left = [n for n in tensors if not n.endswith(".num_batches_tracked")]
    if left:
        raise Failure(f"{path} has {left[0]}, which this model does not know")
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 64 + 56)  # data begin at a multiple of 64 bytes
    return struct.pack("<Q", len(text)) + text + b"".join(data)


def short(labels):
    """The first of every class' names, or all of them where two classes share it."""
    all_names = [labels[str(i)] for i in range(1000)]
    first = [n.split(",")[0] for n in all_names]
    return [n if first.count(n) == 1 else whole for n, whole in zip(first, all_names)]


def config(labels):
    listed = [{"kernel": k, "stride": s, "expanded": e, "out": o} for k, s, e, _, o in blocks()]
    return {
        "model_type": "efficientnet_lite",
        "architectures": ["EfficientNetLiteForImageClassification"],
        "hidden_act": "relu6", "image_size": 224, "num_channels": 3, "batch_norm_eps": 1e-3,
        "stem_channels": STEM, "head_channels": HEAD, "kernel_layout": "hwio", "blocks": listed,
        "preprocess": {"crop_share": 0.875, "resample": "bilinear",
                       "mean": [127, 127, 127], "std": [128, 128, 128]},
        "id2label": {str(i): name for i, name in enumerate(labels)},
    }


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__.split("\n\n")[1].strip())
    source, names_file, out = map(pathlib.Path, sys.argv[1:])
    labels = json.loads(names_file.read_text(encoding="utf-8"))
    if set(labels) != {str(i) for i in range(1000)}:
        raise Failure(f"{names_file} does not name the classes 0 to 999")
    made = {"model.safetensors": weights(source),
            "config.json": (json.dumps(config(short(labels)), indent=1) + "\n").encode()}
    out.mkdir(parents=True, exist_ok=True)
    for name, data in made.items():
        temporary = out / f".{name}.part"
        temporary.write_bytes(data)
        os.replace(temporary, out / name)


if __name__ == "__main__":
    try:
        main()
    except (Failure, OSError, pickle.UnpicklingError, ValueError, KeyError, TypeError,
            AttributeError, EOFError, struct.error) as e:
        sys.exit(f"convert-efficientnet: {e}")
