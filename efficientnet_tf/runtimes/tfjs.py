"""TensorFlow.js graph models, run by TensorFlow.js itself in Node.

`python -m efficientnet_tf.runtimes.tfjs` installs its modules; it does nothing where they are installed.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import queue
import reprlib
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

from efficientnet_tf.errors import EfficientNetError, UsageError, unknown_name
from efficientnet_tf.runtimes.artifact import labels_inside, record_inside
from efficientnet_tf.runtimes.nodejs import PROGRAM, find_modules, find_node, install_modules
from efficientnet_tf.specs import Preprocessing

#: B0 takes 16 images in 0.8 s with `wasm` and in 23 s with `cpu`, plain JavaScript (two cores, Node 24).
BACKENDS = ("wasm", "cpu")

PROBABILITIES = "probabilities"
#: Nodes of a graph that compute nothing.
DATA_NODES = frozenset({"Const", "Placeholder"})

Array = np.ndarray[Any, Any]


class TfjsModel:
    """An exported `tfjs` folder, loaded by TensorFlow.js in a Node process that lives until `close`.

    Args:
        directory: holds `model.json` and its shards.
        backend: `wasm` (WebAssembly with SIMD, one thread) or `cpu` (plain JavaScript).
        timeout: seconds that loading, and each call of `predict` or `answers`, may take.

    Attributes:
        metadata: what the exporter was given; `labels` and `preprocessing` read it.
        batch: the number of images that the model takes at a time; None for any number.

    Raises:
        MissingDependencyError: Node or the modules are not installed.
        EfficientNetError: no graph model in the folder, or TensorFlow.js cannot load it.

    Example:
        with TfjsModel("export/tfjs") as model:
            probabilities = model.predict(images)

    >>> TfjsModel("no/such/folder")
    Traceback (most recent call last):
    efficientnet_tf.errors.EfficientNetError: Expected a TensorFlow.js model in no/such/folder, found no model.json.
    """

    def __init__(self, directory: str | os.PathLike[str], *, backend: str = "wasm", timeout: float = 300.0) -> None:
        if backend not in BACKENDS:
            raise unknown_name("backend", backend, BACKENDS)
        self.directory = Path(directory)
        document = read_model_json(self.directory)
        try:
            self.metadata: dict[str, Any] = _metadata(document)
            (batch, *shape), self._outputs = _interface(document)
            self._operations = _operations(document)
        except UsageError as error:
            raise EfficientNetError(f"{self.directory / 'model.json'} cannot be used: {error}") from None
        self.batch = batch if batch > 0 else None
        self._image_shape = tuple(shape)
        self._timeout = timeout
        command = [find_node(), PROGRAM, find_modules(), self.directory.absolute(), backend]
        with contextlib.ExitStack() as resources:
            scratch = resources.enter_context(tempfile.TemporaryDirectory(prefix="efficientnet_tf-"))
            self._scratch = Path(scratch)
            self._process = _Process([str(part) for part in command], self._scratch)
            resources.callback(self._process.end)
            self._process.answer(self._timeout, f"load {self.directory}")
            self._resources = resources.pop_all()

    @property
    def labels(self) -> list[str] | None:
        """The names of the classes, in the order of the probabilities; None where the export has none."""
        return labels_inside(self.metadata.get("labels"))

    @property
    def preprocessing(self) -> Preprocessing | None:
        """How a photograph becomes an image for `predict`; None where the export does not say."""
        return record_inside(self.metadata.get("preprocessing"))

    def predict(self, images: Array) -> Array:
        """Return the probabilities of images.

        Args:
            images: uint8 [N, height, width, 3], RGB, of the size that the model takes; N may be 0.

        Returns:
            float32 [N, classes].

        Raises:
            UsageError: another type or shape.
            EfficientNetError: no probabilities among the outputs; or TensorFlow.js failed, or took longer than
                `timeout`; the process is then ended.
        """
        if PROBABILITIES not in self._outputs:
            raise EfficientNetError(
                f"The model in {self.directory} answers no {PROBABILITIES}, only {', '.join(self._outputs)}."
            )
        return self.answers(images)[PROBABILITIES]

    def answers(self, images: Array) -> dict[str, Array]:
        """Return every output for images, by its name: float32 [N, ...]; arguments and errors as `predict`."""
        expected = (*images.shape[:1], *self._image_shape)
        if images.dtype != np.uint8 or images.shape != expected:
            allowed = ", ".join(map(str, self._image_shape))
            raise UsageError(
                f"The model in {self.directory} takes uint8 images [N, {allowed}], "
                f"got {images.dtype} {list(images.shape)}."
            )
        if not self._scratch.is_dir():
            raise UsageError(f"The model in {self.directory} has been closed.")
        source = self._scratch / "images.bin"
        targets = {name: self._scratch / f"output{index}.bin" for index, name in enumerate(self._outputs)}
        source.write_bytes(np.ascontiguousarray(images).tobytes())
        request = {
            "input": str(source),
            "outputs": {name: str(target) for name, target in targets.items()},
            "shape": list(images.shape),
            "batch": self.batch,
        }
        self._process.send(request)
        self._process.answer(self._timeout, f"run {self.directory} on {len(images)} images")
        return {
            name: np.fromfile(target, "<f4").reshape(len(images), *self._outputs[name]).astype(np.float32)
            for name, target in targets.items()
        }

    def operations(self) -> dict[str, int]:
        """Return how many operations of each kind the graph has, by TensorFlow's names for them."""
        return dict(self._operations)

    def close(self) -> None:
        """End the Node process; can be called again."""
        self._resources.close()

    def __enter__(self) -> TfjsModel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Process:
    """A process that answers with one JSON object a line, read with a time limit."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self._complaints = folder / "stderr.txt"
        with open(self._complaints, "wb") as stderr:
            self._popen = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr)
        assert self._popen.stdout is not None
        self._lines: queue.Queue[bytes] = queue.Queue()
        # A thread, since a pipe cannot be read with a time limit on every system.
        self._reader = threading.Thread(target=self._read, args=(self._popen.stdout,), daemon=True)
        self._reader.start()

    def _read(self, stdout: IO[bytes]) -> None:
        for line in stdout:
            self._lines.put(line)
        self._lines.put(b"")

    def send(self, request: dict[str, Any]) -> None:
        assert self._popen.stdin is not None
        # A process that has ended is reported by `answer`, with the reason.
        with contextlib.suppress(OSError, ValueError):
            self._popen.stdin.write(json.dumps(request).encode() + b"\n")
            self._popen.stdin.flush()

    def answer(self, timeout: float, task: str) -> dict[str, Any]:
        """Return the next answer, or raise an error that says which task failed and why."""
        try:
            line = self._lines.get(timeout=timeout)
        except queue.Empty:
            self.end()
            raise EfficientNetError(f"TensorFlow.js did not {task} within {timeout:g} s.") from None
        if not line:
            self.end()
            raise EfficientNetError(f"Node ended before it could {task}: {self._last_complaint()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            self.end()
            reason = " ".join(str(answer["error"]).split())
            raise EfficientNetError(f"TensorFlow.js could not {task}: {reason}")
        return answer

    def end(self) -> None:
        """End the process and its reader; whoever waits for an answer then hears that it has ended."""
        self._popen.kill()
        self._popen.wait()
        self._reader.join()
        for pipe in (self._popen.stdin, self._popen.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        self._lines.put(b"")

    def _last_complaint(self) -> str:
        lines = [
            line.strip()
            for line in self._complaints.read_text("utf-8", "replace").splitlines()
            if line.strip() and not line.startswith((" ", "\t", "Node.js"))
        ]
        code = self._popen.returncode
        return next((line for line in reversed(lines) if "Error" in line), f"exit code {code}")


def read_model_json(directory: Path) -> dict[str, Any]:
    """Return the `model.json` of an exported folder, checked: its shards are files of that folder.

    Raises:
        EfficientNetError: not a graph model, a missing shard, or one outside the folder.
    """
    path = directory / "model.json"
    if not path.is_file():
        raise EfficientNetError(f"Expected a TensorFlow.js model in {directory}, found no model.json.")
    try:
        document: dict[str, Any] = json.loads(path.read_text("utf-8"))
        groups = document["weightsManifest"] if document["format"] == "graph-model" else None
        shards = [str(name) for group in groups or () for name in group["paths"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        groups = None
    if groups is None:
        raise EfficientNetError(f"{path} is not a TensorFlow.js graph model.")
    for name in shards:
        shard = directory / name
        if Path(name).name != name or shard.is_symlink() or not shard.is_file():
            raise EfficientNetError(f"{path} names the shard {name!r}, which is not a file of its folder.")
    return document


def _interface(document: dict[str, Any]) -> tuple[tuple[int, ...], dict[str, tuple[int, ...]]]:
    """Return the shape of the input `image`, and of each output by its name, without its first dimension."""

    def shape(tensor: dict[str, Any]) -> tuple[int, ...]:
        return tuple(int(size["size"]) for size in tensor["tensorShape"]["dim"])

    try:
        signature = document["signature"]
        image = shape(signature["inputs"]["image"])
        outputs = {str(name): shape(tensor)[1:] for name, tensor in signature["outputs"].items()}
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        raise UsageError("its signature has no input 'image', or an output without a shape.") from None
    if len(image) != 4 or not outputs:
        raise UsageError("its signature has no images or no outputs.")
    return image, outputs


def _metadata(document: dict[str, Any]) -> dict[str, Any]:
    """Return what the exporter was given: `labels` and `preprocessing` are read to see that they can be."""
    metadata = document.get("userDefinedMetadata") or {}
    if not isinstance(metadata, dict):
        raise UsageError(f"userDefinedMetadata must be an object, got {reprlib.repr(metadata)}.")
    labels_inside(metadata.get("labels"))
    record_inside(metadata.get("preprocessing"))
    return metadata


def _operations(document: dict[str, Any]) -> dict[str, int]:
    try:
        nodes = [str(node["op"]) for node in document["modelTopology"]["node"]]
    except (KeyError, TypeError):
        raise UsageError("its modelTopology is not a list of operations.") from None
    return dict(sorted(collections.Counter(name for name in nodes if name not in DATA_NODES).items()))


def main() -> int:
    """Install the modules and say where they are; the exit code."""
    try:
        print(f"TensorFlow.js is installed in {install_modules()}")
    except EfficientNetError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
