#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Record Grad-CAM maps, for tests/explain/test_grad_cam.c.

    scripts/record-grad-cam.py [DIR]    writes tests/golden/images/methods/grad-cam.safetensors;
                                       with the directory that `scripts/fetch
                                       efficientnet-lite0` prints, grad-cam of real weights, too

MobileNet-V2 (tiny) by Captum's LayerGradCam on transformers' own modules; the EfficientNets by
PyTorch from the formula on the network of scripts/record-images.py. Both are interpolated to
the picture's size (bilinear). Needs captum, transformers, torch, safetensors.
"""
import importlib.util
import json
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F
import transformers
from captum.attr import LayerAttribution, LayerGradCam
from safetensors.numpy import load_file as load_numpy
from safetensors.torch import load_file, save_file

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "tests/golden/images"
spec = importlib.util.spec_from_file_location("images", ROOT / "scripts/record-images.py")
images = importlib.util.module_from_spec(spec)
spec.loader.exec_module(images)


def picture(side):
    """The recorded cat, its corner repeated to be large enough."""
    cat = load_numpy(OUT / "methods/superpixels.safetensors")["chelsea"]
    times = -(-side // 64)
    return np.ascontiguousarray(np.tile(cat, (times, times, 1))[:side, :side])


def lite(where):
    tensors = load_file(where / "model.safetensors")
    for name, t in tensors.items():
        if name.endswith("conv.weight"):  # glim's order to PyTorch's
            tensors[name] = (t.permute(3, 2, 0, 1) if t.dim() == 4
                             else t.permute(2, 0, 1)[:, None]).contiguous()
    return images.Lite(tensors, json.loads((where / "config.json").read_text()))


def by_formula(model, x, site, target, relu):
    score = model(x)[0, target]
    a = model.nodes[site]
    g, = torch.autograd.grad(score, a)
    cam = (g.mean((2, 3), keepdim=True) * a).sum(1, keepdim=True)
    return (F.relu(cam) if relu else cam).detach()


def store(out, name, cam, side):
    big = LayerAttribution.interpolate(cam, (side, side), "bilinear")
    out[name] = big[0, 0].detach().contiguous()


def main():
    out = {}
    seen = picture(37)
    x = ((torch.from_numpy(seen).float() - 127) / 128).permute(2, 0, 1)[None].requires_grad_()
    model = lite(OUT / "efficientnet-lite")
    out["efficientnet-lite.seen"] = torch.from_numpy(seen)
    for site, relu in (("head.hook_out", True), ("head.hook_out", False),
                       ("blocks.1.hook_out", False)):
        store(out, f"efficientnet-lite.{site}.{'on' if relu else 'off'}",
              by_formula(model, x, site, 2, relu), 37)
    seen = picture(32)
    mean, std = torch.tensor([0.5, 0.4, 0.3]), torch.tensor([0.5, 0.25, 0.5])
    x = ((torch.from_numpy(seen).float() / 255 - mean) / std).permute(2, 0, 1)[None]
    mobile = transformers.MobileNetV2ForImageClassification.from_pretrained(
        OUT / "mobilenet-v2").eval()
    out["mobilenet-v2.seen"] = torch.from_numpy(seen)
    base = mobile.mobilenet_v2
    for site, layer in (("blocks.3.hook_out", base.layer[2]), ("blocks.6.hook_out", base.layer[5])):
        for relu in (True, False):
            cam = LayerGradCam(lambda v: mobile(v).logits, layer).attribute(
                x, target=1, relu_attributions=relu)
            store(out, f"mobilenet-v2.{site}.{'on' if relu else 'off'}", cam, 32)
    if len(sys.argv) > 1:
        seen = picture(224)
        x = ((torch.from_numpy(seen).float() - 127) / 128).permute(2, 0, 1)[None].requires_grad_()
        real = by_formula(lite(pathlib.Path(sys.argv[1])), x, "head.hook_out", 282, True)
        big = LayerAttribution.interpolate(real, (224, 224), "bilinear")
        out["efficientnet-lite0.patches"] = F.avg_pool2d(big, 32)[0, 0].contiguous()
    print({k: (tuple(v.shape), round(float(v.float().abs().max()), 4)) for k, v in out.items()})
    save_file(out, OUT / "methods/grad-cam.safetensors")
    (OUT / "methods/grad-cam.safetensors").chmod(0o644)


if __name__ == "__main__":
    main()
