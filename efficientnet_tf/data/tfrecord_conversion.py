"""`efficientnet-convert --to=tfrecord`: a source of photographs becomes TFRecord files."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from efficientnet_tf.config import ConvertConfig
from efficientnet_tf.data.sources import Examples, read_source
from efficientnet_tf.data.sources.examples import SPLITS, Records
from efficientnet_tf.data.sources.grammar import parse_source
from efficientnet_tf.data.tfrecord_spooling import spool
from efficientnet_tf.data.tfrecord_writing import Progress, check_space, refuse_used, write_tfrecords
from efficientnet_tf.errors import EfficientNetError, UsageError

_EXAMPLE = "For example: --to=tfrecord --data=flowers/ --output=flowers-tfrecord"
_LINES = 10


def convert_data(config: ConvertConfig) -> dict[str, Any]:
    """Write the splits of a source as TFRecord files.

    Returns:
        `output`, and what its dataset.json holds; see `write_tfrecords`.

    Raises:
        UsageError: no source or output, an output that is taken or lies inside the source, or a value that is not
            allowed.
        EfficientNetError: the source holds nothing to use, or as `write_tfrecords`.
    """
    if config.data is None or config.output is None:
        raise UsageError(f"--{'data' if config.data is None else 'output'} is missing. {_EXAMPLE}")
    output = Path(config.output)
    refuse_used(output)
    _refuse_inside(output, {parse_source(config.data)[1]})
    found = dict(_read_splits(config.data, config))
    _refuse_inside(output, {os.path.dirname(file) or "." for source in found.values() for file in _files(source)})
    with contextlib.ExitStack() as stack:
        record = write_tfrecords(
            _in_any_order(found, output, config, stack),
            output,
            shards=config.shards,
            seed=config.seed,
            about={"data": config.data, "name": found["train"].name},
            progress=stack.enter_context(_shown(output.name)),
        )
    return {"output": str(output), **record}


def _read_splits(data: str, config: ConvertConfig) -> Iterator[tuple[str, Examples | Records]]:
    """Yield every split that a source has."""
    settings = {"validation_fraction": config.validation_fraction, "max_bad_files": config.max_bad_files}
    for split in SPLITS:
        try:
            found = read_source(data, split, **settings)
        except EfficientNetError as error:
            if split == "train" or f"has no images for {split!r}" not in str(error):
                raise
        else:
            yield split, found


def _files(source: Examples | Records) -> Iterable[str]:
    return source.paths if isinstance(source, Examples) else [part.file for part in source.parts]


def _in_any_order(
    found: Mapping[str, Examples | Records], output: Path, config: ConvertConfig, stack: contextlib.ExitStack
) -> dict[str, Examples]:
    """Return splits whose examples can be read in any order; records are laid down beside the output for as long."""
    streams = {split: source for split, source in found.items() if isinstance(source, Records)}
    files = {file for source in streams.values() for file in _files(source) if os.path.isfile(file)}
    # Once as they are laid down, once in their final order.
    check_space(output, 2 * sum(map(os.path.getsize, files)))
    laid_down = {}
    for split, source in streams.items():
        output.parent.mkdir(parents=True, exist_ok=True)
        folder = stack.enter_context(tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}."))
        laid_down[split] = spool(source, Path(folder, "images"), max_bad_files=config.max_bad_files)
    return {split: laid_down[split] if isinstance(source, Records) else source for split, source in found.items()}


def _refuse_inside(output: Path, folders: set[str]) -> None:
    """Raise if the output lies in a folder of the source; what is no folder is passed over."""
    place = Path(os.path.realpath(output))
    for folder in sorted(folders):
        if os.path.isdir(folder) and place.is_relative_to(os.path.realpath(folder)):
            raise UsageError(f"--output must lie outside the source {folder!r}, got {str(output)!r}.")


@contextlib.contextmanager
def _shown(name: str) -> Iterator[Progress]:
    """Show on standard error how far the writing is: a bar on a terminal, else a line for every tenth."""
    if not sys.stderr.isatty():

        def line(done: int, whole: int) -> None:
            if done * _LINES // whole > (done - 1) * _LINES // whole:
                print(f"{name}: {done:,} of {whole:,} images written", file=sys.stderr)

        yield line
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    with Bar(
        TextColumn(name), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=Console(stderr=True)
    ) as bar:
        task = bar.add_task("write", total=None)
        yield lambda done, whole: bar.update(task, completed=done, total=whole)
