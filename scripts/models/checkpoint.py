"""Reads a PyTorch checkpoint of the form before 1.6 (five pickles, then the raw storages) without PyTorch.

A pickle can call anything when it is loaded, so the reader knows four names and refuses all others.
Format: torch/serialization.py, `_legacy_save` and `_legacy_load`.
"""

import collections
import pickle
import struct
from typing import BinaryIO

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C
STORAGE_DTYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


class _Storage:
    """A flat array that is filled after the pickle that refers to it has been read."""

    def __init__(self, dtype: np.dtype, size: int):
        self.dtype = dtype
        self.size = size
        self.values: np.ndarray | None = None


class _Tensor:
    def __init__(self, storage: _Storage, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]):
        self.storage, self.offset, self.shape, self.stride = storage, offset, shape, stride

    def array(self) -> np.ndarray:
        values = self.storage.values
        last = self.offset + sum((size - 1) * step for size, step in zip(self.shape, self.stride, strict=True))
        if self.offset < 0 or min(self.stride, default=0) < 0 or last >= len(values):
            raise ValueError(f"a tensor of shape {self.shape} reaches outside its storage")
        strides = [step * values.itemsize for step in self.stride]
        return np.lib.stride_tricks.as_strided(values[self.offset :], self.shape, strides).copy()


def _rebuild_tensor(storage, offset, shape, stride, _requires_grad, _hooks, *_metadata):
    return _Tensor(storage, offset, shape, stride)


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: BinaryIO):
        super().__init__(file)
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if module == "torch" and name in STORAGE_DTYPES:
            return STORAGE_DTYPES[name]
        raise pickle.UnpicklingError(f"{module}.{name} is not part of a checkpoint of plain tensors")

    def persistent_load(self, reference):
        kind, dtype, key, _location, size, view = reference
        if kind != "storage" or view is not None:
            raise pickle.UnpicklingError(f"unknown reference {kind}")
        return self.storages.setdefault(key, _Storage(dtype, size))


def read_checkpoint(path: str) -> dict[str, np.ndarray]:
    """The state dict of a legacy `.pth` file: parameter name to array."""
    with open(path, "rb") as file:
        if _Unpickler(file).load() != MAGIC:
            raise ValueError(f"{path} is not a legacy PyTorch checkpoint")
        _Unpickler(file).load()  # protocol version
        if _Unpickler(file).load()["little_endian"] is not True:
            raise ValueError(f"{path} is big endian")
        unpickler = _Unpickler(file)
        state = unpickler.load()
        for key in _Unpickler(file).load():
            storage = unpickler.storages[key]
            (size,) = struct.unpack("<q", file.read(8))
            if size != storage.size:
                raise ValueError(f"storage {key} has {size} elements, not {storage.size}")
            storage.values = np.frombuffer(file.read(size * storage.dtype.itemsize), storage.dtype)
    return {name: tensor.array() for name, tensor in state.items()}
