# SPDX-License-Identifier: Apache-2.0
"""The food reviews of Debian's r-cran-modeldata as CSV, for scripts/fetch.

An R package keeps its data sets in Rdata.rdb, chunks of a length (4 bytes) and packed
data, each one object in R's XDR serialisation; Rdata.rdx says where each lies. Only
what these objects hold is read: lists, strings, integers, doubles, attributes.
"""
import bz2
import csv
import io
import lzma
import struct
import zlib


class Reader:
    """One object in R's serialisation (R Internals, section 1.8), format 2 or 3, XDR."""

    def __init__(self, data):
        self.data, self.at, self.refs = data, 0, []
        if data[:2] != b"X\n":
            raise ValueError("not an XDR serialisation")
        self.at = 2
        version = self.integer()
        self.at += 8
        if version == 3:  # the encoding
            self.string()

    def integer(self):
        self.at += 4
        return struct.unpack_from(">i", self.data, self.at - 4)[0]

    def numbers(self, code, size):
        n = self.integer()
        self.at += n * size
        return list(struct.unpack_from(f">{n}{code}", self.data, self.at - n * size))

    def string(self):
        n = self.integer()
        if n < 0:
            return None
        self.at += n
        return self.data[self.at - n:self.at].decode("utf-8", "replace")

    def pairs(self, flags):
        """A pairlist as a dict."""
        out = {}
        while True:
            if flags & 0x200:
                self.item()
            tag = self.item() if flags & 0x400 else None
            out[tag] = self.item()
            flags = self.integer()
            if flags & 0xff == 254:
                return out
            if flags & 0xff != 2:
                raise ValueError("a pairlist with a strange end")

    def reference(self, value):
        self.refs.append(value)
        return value

    def item(self):
        flags = self.integer()
        kind = flags & 0xff
        if kind in (254, 253, 242, 241, 251):  # NULL, environments, the missing argument
            return None
        if kind == 255:
            index = flags >> 8
            return self.refs[(index or self.integer()) - 1]
        if kind == 1:
            self.integer()
            return self.reference(self.string())
        if kind == 9:
            return self.string()
        if kind == 2:
            return self.pairs(flags)
        if kind == 238:
            return self.alternative()
        if kind == 13 or kind == 10:
            value = self.numbers("i", 4)
        elif kind == 14:
            value = self.numbers("d", 8)
        elif kind in (16, 19):
            value = [self.item() for _ in range(self.integer())]
        else:
            raise ValueError(f"an R object of type {kind}")
        if flags & 0x200:
            return {"value": value, "attributes": self.item()}
        return value

    def alternative(self):
        """Compact sequences and wrapped vectors."""
        info, state = self.item(), self.item()
        self.item()
        name = next(iter(info.values())) if isinstance(info, dict) else info[0]
        if name == "compact_intseq":
            n, first, step = state
            return [int(first + i * step) for i in range(int(n))]
        return next(iter(state.values())) if isinstance(state, dict) else state[0]


def plain(value):
    return value["value"] if isinstance(value, dict) and "value" in value else value


def unpack(chunk):
    """Behind the length lies zlib data, or a letter that says what else."""
    if chunk[4:5] == b"2":
        return bz2.decompress(chunk[5:])
    if chunk[4:5] == b"Z":
        how = [{"id": lzma.FILTER_LZMA2, "preset": 6 | lzma.PRESET_EXTREME}]
        return lzma.decompress(chunk[5:], format=lzma.FORMAT_RAW, filters=how)
    return zlib.decompress(chunk[4:])


def objects(rdx, rdb):
    """name -> (offset, length) of the data sets."""
    index = Reader(zlib.decompress(rdx, 47)).item()  # gzip
    fields = dict(zip(index["attributes"]["names"], index["value"]))
    names = fields["variables"]["attributes"]["names"]
    return dict(zip(names, fields["variables"]["value"]))


def table(rdx, rdb, name):
    """The columns review and score as CSV; score has two levels."""
    offset, length = objects(rdx, rdb)[name]
    frame = Reader(unpack(rdb[offset:offset + length])).item()
    columns = dict(zip(frame["attributes"]["names"], frame["value"]))
    levels = columns["score"]["attributes"]["levels"]
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(["review", "mood"])
    for text, score in zip(plain(columns["review"]), plain(columns["score"])):
        rows.writerow([text, levels[score - 1]])
    return out.getvalue().encode()


def convert(files):
    """{member: bytes} of the Debian package to {name: bytes} of ours."""
    rdx = next(data for name, data in files.items() if name.endswith("data/Rdata.rdx"))
    rdb = next(data for name, data in files.items() if name.endswith("data/Rdata.rdb"))
    return {"train.csv": table(rdx, rdb, "training_data"), "test.csv": table(rdx, rdb, "testing_data")}
