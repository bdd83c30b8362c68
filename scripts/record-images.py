#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Record models of pictures, decoded pictures and resizes into tests/golden/images.

    scripts/record-images.py               tiny random models, small pictures
    scripts/record-images.py --real FILE.pth PICTURES
                                           EfficientNet-Lite0 on chelsea.png; FILE.pth as
                                           packaged, PICTURES as scripts/fetch pictures gives

MobileNet-V2 is transformers' own. EfficientNet-Lite is written down here with PyTorch's
functions, from the published description; the real one reads the packaged file, not
what scripts/convert-efficientnet.py makes of it. Needs torch, transformers, Pillow, numpy
and safetensors.
"""
import hashlib
import json
import pathlib
import sys

import numpy as np
import PIL
import torch
import transformers
from PIL import Image
from safetensors.torch import save_file
from torch.nn import functional as F

OUT = pathlib.Path(__file__).resolve().parents[1] / "tests/golden/images"
VERSIONS = {"torch": torch.__version__, "transformers": transformers.__version__,
            "Pillow": PIL.__version__}


def store(path, tensors, about):
    plain = {k: t.detach().contiguous().clone() for k, t in tensors.items()}
    save_file(plain, path, {"json": json.dumps(about | {"versions": VERSIONS}, sort_keys=True)})
    path.chmod(0o644)


def site(x):
    """(1, C, H, W) or (1, C) as glim shows it."""
    return x[0].permute(1, 2, 0) if x.dim() == 4 else x


def same(x, kernel, stride):
    """TensorFlow's padding: as many outputs as ceil(in / stride), the odd pixel behind."""
    pads = []
    for n in (x.shape[3], x.shape[2]):
        total = max((-(-n // stride) - 1) * stride + kernel - n, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads)


class Lite:
    """EfficientNet-Lite from a dict of tensors with glim's names and PyTorch's order."""

    def __init__(self, tensors, config):
        self.t, self.config, self.nodes = tensors, config, {}

    def conv(self, x, name, stride=1, groups=1, relu6=True):
        t, w = self.t, self.t[name + ".conv.weight"]
        x = F.conv2d(same(x, w.shape[2], stride), w, stride=stride, groups=groups)
        x = F.batch_norm(x, t[name + ".norm.running_mean"], t[name + ".norm.running_var"],
                         t[name + ".norm.weight"], t[name + ".norm.bias"],
                         eps=self.config["batch_norm_eps"])
        return F.relu6(x) if relu6 else x

    def keep(self, name, x):
        self.nodes[name] = x
        return x

    def block(self, x, i, b):
        at, y = f"blocks.{i}.", x
        if b["expanded"]:
            y = self.keep(at + "hook_expand", self.conv(y, at + "expand"))
        y = self.conv(y, at + "depthwise", b["stride"], groups=y.shape[1])
        y = self.keep(at + "hook_depthwise", y)
        y = self.keep(at + "hook_project", self.conv(y, at + "project", relu6=False))
        if i and b["stride"] == 1 and x.shape[1] == y.shape[1]:
            y = y + x
        return self.keep(at + "hook_out", y)

    def __call__(self, x):
        x = self.keep("hook_pixels", x)
        x = self.keep("stem.hook_out", self.conv(x, "stem", 2))
        for i, b in enumerate(self.config["blocks"]):
            x = self.block(x, i, b)
        x = self.keep("head.hook_out", self.conv(x, "head"))
        x = self.keep("hook_pooled", x.mean((2, 3)))
        return self.keep("hook_logits", F.linear(x, self.t["classifier.weight"],
                                                 self.t["classifier.bias"]))


class Mobile:
    """transformers' model with its modules watched."""

    def __init__(self, model):
        self.model, self.nodes = model, {}
        base = model.mobilenet_v2
        self.watch("stem.hook_out", base.conv_stem.first_conv)
        for i, layer in enumerate([base.conv_stem, *base.layer]):
            at = f"blocks.{i}."
            if layer.expand_1x1 is not None:
                self.watch(at + "hook_expand", layer.expand_1x1)
            self.watch(at + "hook_depthwise", layer.conv_3x3)
            self.watch(at + "hook_project", layer.reduce_1x1)
            self.watch(at + "hook_out", layer)
        self.watch("head.hook_out", base.conv_1x1)

    def watch(self, name, module):
        module.register_forward_hook(lambda m, a, out: self.nodes.__setitem__(name, out))

    def __call__(self, x):
        self.nodes["hook_pixels"] = x
        out = self.model.mobilenet_v2(x)
        self.nodes["hook_pooled"] = out.pooler_output
        self.nodes["hook_logits"] = self.model.classifier(out.pooler_output)
        own = self.model(x).logits
        assert torch.equal(own, self.nodes["hook_logits"])
        self.nodes["hook_pixels"] = x
        return self.nodes["hook_logits"]


def record(model, pixels):
    x = pixels.requires_grad_(True)
    logits = model(x)
    out = {name: site(node) for name, node in model.nodes.items()}
    first, second = logits[0].topk(2).indices.tolist()
    out["target"] = torch.tensor([first, second])
    # the mean and the linear layer run again inside the check: take what leads to the logits
    names = [n for n in model.nodes if n != "hook_logits"]
    for prefix, value in (("grad.", logits[0, first]),
                          ("grad.logprob.", logits[0].log_softmax(-1)[first])):
        wanted = names if prefix == "grad." else ["hook_pixels"]
        found = torch.autograd.grad(value, [model.nodes[n] for n in wanted], retain_graph=True,
                                    allow_unused=True)
        for name, g in zip(wanted, found):
            if g is not None:
                out[prefix + name] = site(g)
    return out


def random_norm(g, n):
    return {"weight": 0.7 + 0.6 * torch.rand(n, generator=g), "bias": torch.randn(n, generator=g),
            "running_mean": 0.3 * torch.randn(n, generator=g),
            "running_var": 0.5 + torch.rand(n, generator=g)}


def tiny_lite(layout):
    g = torch.Generator().manual_seed(3)
    config = {"model_type": "efficientnet_lite", "hidden_act": "relu6", "image_size": 37,
              "num_channels": 3, "batch_norm_eps": 1e-3, "stem_channels": 8, "head_channels": 40,
              "kernel_layout": layout,
              "architectures": ["EfficientNetLiteForImageClassification"],
              "blocks": [{"kernel": 3, "stride": 1, "expanded": 0, "out": 6},
                         {"kernel": 5, "stride": 2, "expanded": 20, "out": 10},
                         {"kernel": 3, "stride": 1, "expanded": 24, "out": 10},
                         {"kernel": 5, "stride": 2, "expanded": 32, "out": 12}],
              "preprocess": {"crop_share": 0.875, "mean": [127, 127, 127], "std": [128, 128, 128]},
              "id2label": {str(i): n for i, n in enumerate(["cat", "dog", "bird", "fish", "none"])}}
    t = {}

    def conv(name, out, into, k, groups=1):
        fan = into // groups * k * k
        t[name + ".conv.weight"] = torch.randn(out, into // groups, k, k, generator=g) * (2 / fan) ** 0.5
        for part, v in random_norm(g, out).items():
            t[f"{name}.norm.{part}"] = v

    conv("stem", 8, 3, 3)
    width = 8
    for i, b in enumerate(config["blocks"]):
        inner = b["expanded"] or width
        if b["expanded"]:
            conv(f"blocks.{i}.expand", inner, width, 1)
        conv(f"blocks.{i}.depthwise", inner, inner, b["kernel"], groups=inner)
        conv(f"blocks.{i}.project", b["out"], inner, 1)
        width = b["out"]
    conv("head", 40, width, 1)
    t["classifier.weight"] = torch.randn(5, 40, generator=g) * 0.3
    t["classifier.bias"] = torch.randn(5, generator=g)
    return t, config


def publish_lite(name, layout, kind):
    t, config = tiny_lite(layout)
    path = OUT / name
    path.mkdir(parents=True, exist_ok=True)
    t = {k: (v.to(kind) if k.endswith("conv.weight") else v) for k, v in t.items()}
    stored = {}
    for key, v in t.items():
        if key.endswith("conv.weight") and layout == "hwio":
            v = v.permute(2, 3, 1, 0)
            v = v[:, :, 0] if "depthwise" in key else v
        stored[key] = v.contiguous()
    save_file(stored, path / "model.safetensors", {"format": "pt"})
    (path / "model.safetensors").chmod(0o644)
    (path / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    model = Lite({k: v.float() for k, v in t.items()}, config)
    pixels = torch.rand(1, 3, 37, 37, generator=torch.Generator().manual_seed(5)) * 2 - 1
    tensors = record(model, pixels)
    if kind != torch.float32:  # the ends will do
        ends = ("hook_pixels", "hook_logits", "target", "grad.hook_pixels")
        tensors = {k: tensors[k] for k in ends}
    store(OUT / f"{name}.safetensors", tensors, {"model": name})


def publish_mobile(name, **options):
    torch.manual_seed(7)
    config = transformers.MobileNetV2Config(
        image_size=32, depth_multiplier=0.1, depth_divisible_by=2, min_depth=4, num_labels=5,
        id2label=dict(enumerate(["cat", "dog", "bird", "fish", "none"])), **options)
    model = transformers.MobileNetV2ForImageClassification(config).eval()
    g = torch.Generator().manual_seed(8)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for part, v in random_norm(g, module.num_features).items():
                getattr(module, part).data.copy_(v)
        elif isinstance(module, torch.nn.Conv2d):
            module.weight.data.normal_(0, (2 / module.weight[0].numel()) ** 0.5, generator=g)
    model.classifier.weight.data.normal_(0, 0.3, generator=g)
    model.save_pretrained(OUT / name)
    processor = {"do_resize": True, "size": {"shortest_edge": 36}, "resample": 2,
                 "do_center_crop": True, "crop_size": {"height": 32, "width": 32},
                 "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True,
                 "image_mean": [0.5, 0.4, 0.3], "image_std": [0.5, 0.25, 0.5]}
    (OUT / name / "preprocessor_config.json").write_text(json.dumps(processor, indent=1) + "\n")
    pixels = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(5)) * 2 - 1
    tensors = record(Mobile(model), pixels)
    rng = np.random.default_rng(4)
    picture = Image.fromarray(rng.integers(0, 256, (41, 57, 3), dtype=np.uint8))
    own = transformers.MobileNetV2ImageProcessorPil(**processor)
    seen = own(picture, return_tensors="pt")["pixel_values"][0].permute(1, 2, 0)
    tensors |= {"picture": torch.from_numpy(np.asarray(picture).copy()), "seen": seen}
    store(OUT / f"{name}.safetensors", tensors, {"model": name})


def pictures():
    """Small files of every kind, with what Pillow reads from them."""
    where = OUT / "pictures"
    where.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    base = rng.integers(0, 256, (9, 13, 4), dtype=np.uint8)
    smooth = np.kron(rng.integers(0, 256, (3, 4, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    rgb, small = Image.fromarray(base[..., :3]), Image.fromarray(smooth)
    deep = Image.fromarray(rng.integers(0, 65536, (9, 13), dtype=np.uint16))
    made = {
        "rgb.png": (rgb, {}), "alpha.png": (Image.fromarray(base), {}),
        "grey.png": (rgb.convert("L"), {}), "palette.png": (rgb.quantize(7), {}),
        "bits.png": (rgb.convert("1"), {}), "small.jpg": (small, {"quality": 90}),
        "progressive.jpg": (small, {"quality": 80, "progressive": True}),
        "grey.jpg": (small.convert("L"), {"quality": 90}),
        "cmyk.jpg": (small.convert("CMYK"), {"quality": 90}),
    }
    tensors = {}
    for name, (image, options) in made.items():
        image.save(where / name, **options)
        if name != "cmyk.jpg":
            read = np.asarray(Image.open(where / name).convert("RGB")).copy()
            tensors["picture." + name] = torch.from_numpy(read)
    deep.save(where / "deep.png")
    high = (np.asarray(Image.open(where / "deep.png")).astype(np.int64) >> 8).astype(np.uint8)
    tensors["picture.deep.png"] = torch.from_numpy(np.repeat(high[..., None], 3, 2).copy())
    source = Image.fromarray(rng.integers(0, 256, (30, 47, 3), dtype=np.uint8))
    tensors["resize"] = torch.from_numpy(np.asarray(source).copy())
    for w, h in ((20, 20), (47, 11), (9, 30), (60, 45), (33, 70), (3, 2), (1, 1)):
        out = source.resize((w, h), Image.Resampling.BILINEAR)
        tensors[f"resize.{w}x{h}"] = torch.from_numpy(np.asarray(out).copy())
    store(OUT / "pictures.safetensors", tensors, {"what": "pictures and resizes by Pillow"})


def lite_names(state):
    """Tensors of the packaged file under glim's names."""
    parts = {"_expand_conv": "expand", "_depthwise_conv": "depthwise", "_project_conv": "project"}
    out = {"classifier.weight": state["_fc.weight"], "classifier.bias": state["_fc.bias"]}
    for key, v in state.items():
        words = key.split(".")
        if words[0] == "_blocks":
            block, rest = f"blocks.{words[1]}.", words[2:]
            expands = f"_blocks.{words[1]}._expand_conv.weight" in state
            norms = dict(zip(["_bn0", "_bn1", "_bn2"], ["expand", "depthwise", "project"]))
            assert expands or rest[0] != "_bn0"
        else:
            block, rest = "", words
            norms = {"_bn0": "stem", "_bn1": "head"}
            parts |= {"_conv_stem": "stem", "_conv_head": "head"}
        if rest[0] in parts:
            out[f"{block}{parts[rest[0]]}.conv.weight"] = v
        elif rest[0] in norms:
            out[f"{block}{norms[rest[0]]}.norm.{rest[1]}"] = v
    return out


def see(picture):
    """Centre crop of 7/8 of the shorter side, bilinear to 224."""
    side = int(0.875 * min(picture.size))
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return picture.crop((left, top, left + side, top + side)).resize(
        (224, 224), Image.Resampling.BILINEAR)


def real(weights, where):
    stages = [(3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3),
              (5, 1, 6, 112, 3), (5, 2, 6, 192, 4), (3, 1, 6, 320, 1)]
    blocks, width = [], 32
    for k, s, e, out, repeats in stages:
        for i in range(repeats):
            blocks.append({"kernel": k, "stride": 1 if i else s,
                           "expanded": width * e if e > 1 else 0, "out": out})
            width = out
    state = torch.load(weights, map_location="cpu", weights_only=True)
    model = Lite(lite_names(state), {"batch_norm_eps": 1e-3, "blocks": blocks})
    tensors, hashes = {}, {}
    for name in ("chelsea.png", "astronaut.png", "coffee.png", "china.jpg", "flower.jpg"):
        seen = np.asarray(see(Image.open(where / name).convert("RGB"))).copy()
        hashes[name] = hashlib.sha256(seen.tobytes()).hexdigest()
        x = ((torch.from_numpy(seen).float() - 127) / 128).permute(2, 0, 1)[None].contiguous()
        x.requires_grad_(True)
        logits = model(x)
        p, ids = logits[0].softmax(-1).topk(5)
        print(name, [(int(i), round(v, 3)) for i, v in zip(ids, p.tolist())])
        tensors[f"{name}.logits"], tensors[f"{name}.top"] = logits[0], ids
        if name == "chelsea.png":
            tensors["seen"] = torch.from_numpy(seen)
            g, = torch.autograd.grad(logits[0, ids[0]], x)
            tensors["gradient"] = site(g)[::3, ::3]
            for k in (0, 5, 15):
                tensors[f"blocks.{k}.hook_out"] = site(model.nodes[f"blocks.{k}.hook_out"])[::4, ::4]
    store(OUT / "real" / "efficientnet-lite0.safetensors", tensors, {"seen": hashes})


def main():
    torch.set_num_threads(2)
    torch.use_deterministic_algorithms(True)
    (OUT / "real").mkdir(parents=True, exist_ok=True)
    if sys.argv[1:2] == ["--real"]:
        real(pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]))
        return
    publish_lite("efficientnet-lite", "hwio", torch.float32)
    publish_lite("efficientnet-lite-f16", "oihw", torch.float16)
    publish_lite("efficientnet-lite-bf16", "hwio", torch.bfloat16)
    publish_mobile("mobilenet-v2", finegrained_output=False)
    publish_mobile("mobilenet-v2-expands", finegrained_output=False, first_layer_is_expansion=False,
                   tf_padding=False)
    pictures()


if __name__ == "__main__":
    main()
