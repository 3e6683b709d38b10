"""Make weights.pth and weights.safetensors: tensors of every kind as PyTorch's own libraries write them.

Run in an environment that has PyTorch and safetensors:

    python tests/golden/make_weight_files.py tests/golden

All numbers are such that bfloat16 and float16 hold them exactly; tests/test_torch_file.py says what they must be.
"""

from __future__ import annotations

import sys
from pathlib import Path

import safetensors.torch
import torch


def tensors() -> dict[str, torch.Tensor]:
    """Return the tensors by name: of every type, a parameter, and views of one storage."""
    eighths = torch.arange(24, dtype=torch.float32) / 8
    shared = torch.arange(12, dtype=torch.float32)
    return {
        "float32": eighths.reshape(2, 3, 4),
        "float64": eighths[:3].double(),
        "float16": eighths[:4].half().reshape(2, 2),
        "bfloat16": -eighths[:6].bfloat16().reshape(3, 2),
        "int64": torch.tensor(1 << 40),
        "int32": torch.tensor([-1, 2], dtype=torch.int32),
        "uint8": torch.tensor([255], dtype=torch.uint8),
        "bool": torch.tensor([True, False]),
        "parameter": torch.nn.Parameter(torch.ones(2, 2)),
        "shared": shared,
        "transposed": shared.reshape(3, 4).t(),
        "strided": shared[1:9:2],
    }


def main(folder: Path) -> None:
    """Write both files; `.safetensors` holds no views, so it holds copies."""
    torch.save(tensors(), folder / "weights.pth")
    copies = {name: tensor.detach().clone().contiguous() for name, tensor in tensors().items()}
    safetensors.torch.save_file(copies, folder / "weights.safetensors", metadata={"format": "pt"})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
