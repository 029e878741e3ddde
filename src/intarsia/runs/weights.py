"""Weights on disk: safetensors, written atomically, checked name by name when read."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from intarsia.errors import RunError
from intarsia.files import atomic, partial_folder


def save_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write named tensors, whole or not at all."""
    whole = {name: tensor.contiguous() for name, tensor in tensors.items()}
    with atomic(path) as temporary, partial_folder(path) as folder:  # safetensors writes to a `.tmpXXXXXX` first
        save_file(whole, folder / path.name, metadata)
        (folder / path.name).replace(temporary)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Named tensors and the metadata of a safetensors file."""
    metadata = read_metadata(path)
    with _readable(path):
        return load_file(path), metadata


def read_metadata(path: Path) -> dict[str, str]:
    """What a safetensors file says beside its tensors."""
    with _readable(path), safe_open(path, framework="pt") as file:
        return file.metadata() or {}


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise RunError(f"There is no file `{path}`.") from None
    except (SafetensorError, OSError) as error:
        raise RunError(f"`{path}` is damaged ({error}); train the run again or copy it anew.") from error


def load_into(net: nn.Module, path: Path) -> None:
    """Fill ``net`` from ``path``; names and shapes must be those of the network."""
    tensors, _ = read_tensors(path)
    own = net.state_dict()
    wrong = sorted(own.keys() ^ tensors.keys()) or [n for n in own if own[n].shape != tensors[n].shape]
    if wrong:
        raise RunError(
            f"`{path}` holds the weights of another network: {len(wrong)} tensors differ, the first is `{wrong[0]}`."
        )
    net.load_state_dict(tensors)
