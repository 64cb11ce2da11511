"""Files as other programs write them, made from one of our generators with stand-ins for their classes."""

from __future__ import annotations

import math
import pickle
import sys
import types
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from get3d_models.stylegan2 import ImageGenerator

SOURCE = "raise SystemExit('the source in a file must never run')\n"


@dataclass
class Network:
    """A pickled module: class, attributes, tensors and children, reduced as NVIDIA's persistence does."""

    class_name: str
    attributes: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Tensor] = field(default_factory=dict)
    buffers: dict[str, Tensor] = field(default_factory=dict)
    modules: dict[str, Network] = field(default_factory=dict)

    def __getitem__(self, path: str) -> Network:
        """The module at a dotted path; "" for this one."""
        found = self
        for name in filter(None, path.split(".")):
            found = found.modules[name]
        return found

    def __reduce__(self) -> Any:
        state = {
            "training": False,
            "_parameters": OrderedDict((k, _parameter(v)) for k, v in self.parameters.items()),
            "_buffers": OrderedDict(self.buffers),
            "_non_persistent_buffers_set": set(),
            "_modules": OrderedDict(self.modules),
            **self.attributes,
            "_init_args": (),
            "_init_kwargs": {},
        }
        meta = {"type": "class", "version": 6, "module_src": SOURCE, "class_name": self.class_name, "state": state}
        return sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj, (meta,)  # type: ignore[attr-defined]


def _parameter(value: Any) -> Any:
    """A tensor as a parameter; what stands for one in a damaged network as it is."""
    return torch.nn.Parameter(value, requires_grad=False) if isinstance(value, Tensor) else value


def _reconstruct_persistent_obj(meta: Any) -> None:
    raise AssertionError("only a name in the pickle")


class TensorFlowNetwork:
    """A pickled dnnlib.tflib network."""


@contextmanager
def foreign_names() -> Iterator[None]:
    """The stand-ins under the names that official files give."""
    homes = {"torch_utils.persistence": _reconstruct_persistent_obj, "dnnlib.tflib.network": TensorFlowNetwork}
    packages = ["torch_utils", "dnnlib", "dnnlib.tflib"]
    before = {thing: (thing.__module__, thing.__qualname__, thing.__name__) for thing in homes.values()}
    try:
        for name in [*packages, *homes]:
            sys.modules[name] = types.ModuleType(name)
        for home, thing in homes.items():
            short = "Network" if thing is TensorFlowNetwork else "_reconstruct_persistent_obj"
            thing.__module__, thing.__qualname__, thing.__name__ = home, short, short
            setattr(sys.modules[home], short, thing)
        yield
    finally:
        for name in [*packages, *homes]:
            del sys.modules[name]
        for thing, (module, qualname, short) in before.items():
            thing.__module__, thing.__qualname__, thing.__name__ = module, qualname, short


# ---- NVIDIA's PyTorch snapshots ----------------------------------------------------------------------------------

LAYERS = {"conv0": "SynthesisLayer", "conv1": "SynthesisLayer", "torgb": "ToRGBLayer", "skip": "Conv2dLayer"}
TOP = {"": "Generator", "mapping": "MappingNetwork", "synthesis": "SynthesisNetwork"}


def network_of(generator: ImageGenerator, sizes: bool = True) -> Network:
    """The generator as a tree of modules; with the sizes that the stylegan3 repository stores, or without, as ADA's."""
    tree = Network("Generator")
    parameters = dict(generator.named_parameters())
    for name, tensor in generator.state_dict().items():
        *path, entry = name.split(".")
        module = tree
        for i, child in enumerate(path):
            module = module.modules.setdefault(child, Network(_class_of(path[: i + 1])))
        (module.parameters if name in parameters else module.buffers)[entry] = tensor.clone()
    _describe(tree, generator, sizes)
    return tree


def _class_of(path: list[str]) -> str:
    if path[-1] in LAYERS:
        return LAYERS[path[-1]]
    if path[-1] in TOP:
        return TOP[path[-1]]
    return "SynthesisBlock" if path[0] == "synthesis" and len(path) == 2 else "FullyConnectedLayer"


def _describe(tree: Network, generator: ImageGenerator, sizes: bool) -> None:
    """The attributes that the official code stores with each module."""
    c = generator.config
    whole = {"z_dim": c.z_dim, "c_dim": c.label_dim, "w_dim": c.w_dim, "num_ws": c.rows}
    tree.attributes = {**whole, "img_resolution": c.resolution, "img_channels": c.image_channels}
    tree["mapping"].attributes = {**whole, "num_layers": c.mapping_layers, "w_avg_beta": 0.995}
    tree["synthesis"].attributes = {"w_dim": c.w_dim, "img_resolution": c.resolution, "num_fp16_res": 4}

    def visit(module: Network, path: list[str]) -> None:
        for name, child in module.modules.items():
            visit(child, [*path, name])
        name = path[-1] if path else ""
        weight = module.parameters.get("weight")
        fan_in = math.prod(weight.shape[1:]) if weight is not None else 1
        if module.class_name == "FullyConnectedLayer":
            multiplier = 0.01 if name.startswith("fc") else 1
            gains = {"weight_gain": np.float64(multiplier / np.sqrt(fan_in)), "bias_gain": multiplier}
            module.attributes = {"activation": "lrelu" if name.startswith("fc") else "linear", **gains}
        elif module.class_name == "SynthesisLayer":
            module.attributes = {
                "resolution": int(path[1][1:]), "up": 2 if name == "conv0" else 1, "use_noise": True,
                "activation": "lrelu", "conv_clamp": c.conv_clamp, "padding": 1, "act_gain": np.float64(np.sqrt(2)),
            }  # fmt: skip
        elif module.class_name == "ToRGBLayer":
            module.attributes = {"conv_clamp": c.conv_clamp, "weight_gain": np.float64(1 / np.sqrt(fan_in))}
        elif module.class_name == "Conv2dLayer":
            module.attributes = {
                "activation": "linear", "up": 2, "down": 1, "conv_clamp": None, "padding": 0,
                "weight_gain": np.float64(1 / np.sqrt(fan_in)), "act_gain": 1,
            }  # fmt: skip
        elif module.class_name == "SynthesisBlock":
            first, last = name == "b4", name == f"b{c.resolution}"
            module.attributes = {"resolution": int(name[1:]), "is_last": last, "architecture": c.architecture}
            module.attributes |= {"num_conv": 1 if first else 2, "use_fp16": not first}
        if sizes and weight is not None:
            module.attributes |= {"in_channels": weight.shape[1], "out_channels": weight.shape[0]}

    visit(tree, [])


def snapshot(tree: Network, protocol: int = 4) -> bytes:
    """The whole file of a training run, with this averaged generator."""
    critic = Network("Discriminator", parameters={"b4.out.weight": torch.zeros(1, 4)})
    content = {"G": critic, "D": critic, "G_ema": tree, "augment_pipe": None, "training_set_kwargs": {"path": "a.zip"}}
    with foreign_names():
        return pickle.dumps(content, protocol=protocol)


def pickled(content: Any, protocol: int = 4) -> bytes:
    """Any content that has stand-ins in it."""
    with foreign_names():
        return pickle.dumps(content, protocol=protocol)


# ---- TensorFlow --------------------------------------------------------------------------------------------------


def tensorflow(generator: ImageGenerator, change: Callable[[TensorFlowNetwork], None] = lambda network: None) -> bytes:
    """The triple of a TensorFlow snapshot, by the table in the facts (section 13)."""
    state, c = generator.state_dict(), generator.config
    mapping, synthesis = {}, {"4x4/Const/const": state["synthesis.b4.const"][None]}
    for i in range(c.mapping_layers):
        mapping[f"Dense{i}/weight"] = state[f"mapping.fc{i}.weight"].T
        mapping[f"Dense{i}/bias"] = state[f"mapping.fc{i}.bias"]
    if c.label_dim:
        mapping["LabelEmbed/weight"] = state["mapping.embed.weight"].T
        mapping["LabelEmbed/bias"] = state["mapping.embed.bias"]
    for level in range(2, 2 + len(c.channels)):
        r = 1 << level
        for ours, theirs in (("conv0", "Conv0_up"), ("conv1", "Conv1" if r > 4 else "Conv"), ("torgb", "ToRGB")):
            key = f"synthesis.b{r}.{ours}"
            if f"{key}.weight" not in state:
                continue
            weight = state[f"{key}.weight"].permute(2, 3, 1, 0)
            there = f"{r}x{r}/{theirs}"
            synthesis[f"{there}/weight"] = weight.flip(0, 1) if ours == "conv0" else weight
            synthesis[f"{there}/bias"] = state[f"{key}.bias"]
            synthesis[f"{there}/mod_weight"] = state[f"{key}.affine.weight"].T
            synthesis[f"{there}/mod_bias"] = state[f"{key}.affine.bias"] - 1
            if ours != "torgb":
                synthesis[f"{there}/noise_strength"] = state[f"{key}.noise_strength"]
                n = 0 if r == 4 else 2 * level - 5 + (ours == "conv1")
                synthesis[f"noise{n}"] = state[f"{key}.noise_const"][None, None]
        if f"synthesis.b{r}.skip.weight" in state:
            weight = state[f"synthesis.b{r}.skip.weight"].permute(2, 3, 1, 0)
            synthesis[f"{r}x{r}/Skip/weight"] = weight.flip(0, 1)
    settings = {
        "num_channels": c.image_channels, "resolution": c.resolution, "label_size": c.label_dim, "latent_size": c.z_dim,
        "dlatent_size": c.w_dim, "architecture": c.architecture, "truncation_psi": 0.5, "randomize_noise": True,
    }  # fmt: skip
    if c.conv_clamp is not None:
        settings["conv_clamp"] = c.conv_clamp
    parts = {"mapping": _tf_network("mapping", mapping), "synthesis": _tf_network("synthesis", synthesis)}
    averaged = _tf_network("Gs", {"lod": torch.zeros(()), "dlatent_avg": state["mapping.w_avg"]}, settings, parts)
    change(averaged)
    critic = _tf_network("D", {"4x4/Dense0/weight": torch.zeros(4, 4)})
    return pickled((averaged, critic, averaged))


def _tf_network(
    name: str, tensors: dict[str, Tensor], settings: dict[str, Any] | None = None, parts: dict[str, Any] | None = None
) -> TensorFlowNetwork:
    network = TensorFlowNetwork()
    network.__dict__.update(
        version=4, name=name, static_kwargs=settings or {}, components=parts or {}, build_module_src=SOURCE,
        build_func_name="G_main", variables=[(k, np.ascontiguousarray(v.numpy())) for k, v in tensors.items()],
    )  # fmt: skip
    return network


# ---- rosinality --------------------------------------------------------------------------------------------------


def rosinality(generator: ImageGenerator) -> dict[str, Tensor]:
    """The state `g_ema`, by the table in the facts (section 12)."""
    state = generator.state_dict()
    found = {"input.input": state["synthesis.b4.const"][None]}
    for i in range(generator.config.mapping_layers):
        for entry in ("weight", "bias"):
            found[f"style.{i + 1}.{entry}"] = state[f"mapping.fc{i}.{entry}"]
    for level in range(2, 2 + len(generator.config.channels)):
        layers = {"conv1": "conv1", "torgb": "to_rgb1"}
        if level > 2:
            layers = {"conv0": f"convs.{2 * (level - 3)}", "conv1": f"convs.{2 * (level - 3) + 1}"}
            layers["torgb"] = f"to_rgbs.{level - 3}"
        for ours, theirs in layers.items():
            key = f"synthesis.b{1 << level}.{ours}"
            found[f"{theirs}.conv.weight"] = state[f"{key}.weight"][None]
            found[f"{theirs}.conv.modulation.weight"] = state[f"{key}.affine.weight"]
            found[f"{theirs}.conv.modulation.bias"] = state[f"{key}.affine.bias"]
            if ours == "torgb":
                found[f"{theirs}.bias"] = state[f"{key}.bias"][None, :, None, None]
                continue
            found[f"{theirs}.activate.bias"] = state[f"{key}.bias"]
            found[f"{theirs}.noise.weight"] = state[f"{key}.noise_strength"][None]
            k = 0 if level == 2 else 2 * (level - 3) + (1 if ours == "conv0" else 2)
            found[f"noises.noise_{k}"] = state[f"{key}.noise_const"][None, None]
            if ours == "conv0":
                found[f"{theirs}.conv.blur.kernel"] = state[f"{key}.resample_filter"] * 4
        if level > 2:
            found[f"to_rgbs.{level - 3}.upsample.kernel"] = state["synthesis.b4.resample_filter"] * 4
    return found
