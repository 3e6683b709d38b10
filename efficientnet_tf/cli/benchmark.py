"""`efficientnet-benchmark`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from efficientnet_tf.cli.command import run_command
from efficientnet_tf.config import BenchmarkConfig
from efficientnet_tf.errors import EfficientNetError, require_tensorflow
from efficientnet_tf.flags import CommandLine


def main(argv: Sequence[str] | None = None) -> int:
    """Hold networks against published figures, and our speed against others'; return the exit code."""
    return run_command("benchmark", _benchmark, argv, needs_tensorflow=lambda line: _config(line).needs_tensorflow)


def _config(line: CommandLine) -> BenchmarkConfig:
    assert isinstance(line.config, BenchmarkConfig)
    return line.config


def _benchmark(line: CommandLine) -> dict[str, Any]:
    config = _config(line)
    if config.starts_networks:
        require_tensorflow()
    if config.table is not None:
        return {f"table{config.table}": {"2": _table2, "4": _table4}[config.table](config)}
    return {mode: MODES[mode](config) for mode in config.mode}


def _table2(config: BenchmarkConfig) -> list[dict[str, Any]]:
    from efficientnet_tf.benchmarking.count_report import print_table2
    from efficientnet_tf.benchmarking.plots import COSTS, plot_accuracy, save_figure
    from efficientnet_tf.benchmarking.table2 import table2_rows

    rows = table2_rows()
    print_table2(rows)
    _write(config, "table2.csv", rows)
    if config.output_dir is not None:
        for name, cost in COSTS.items():
            print(f"Written to {save_figure(plot_accuracy(rows, cost), Path(config.output_dir) / name)}.")
    return rows


def _table4(config: BenchmarkConfig) -> list[dict[str, Any]]:
    from efficientnet_tf.benchmarking.latency import table4_rows
    from efficientnet_tf.benchmarking.latency_report import print_table4

    rows = table4_rows(report=_progress)
    print_table4(rows)
    _write(config, "table4.csv", rows)
    return rows


def _params(config: BenchmarkConfig) -> list[dict[str, Any]]:
    from efficientnet_tf.benchmarking.count_report import print_zoo
    from efficientnet_tf.benchmarking.zoo_count import zoo_rows

    rows = zoo_rows(config.variants, build=config.build)
    print_zoo(rows)
    _write(config, "params.csv", rows)
    different = [row["network"] for row in rows if row["equal"] is False]
    if different:
        raise EfficientNetError(f"Not of the official size: {', '.join(different)}.")
    return rows


def _latency(config: BenchmarkConfig) -> list[dict[str, Any]]:
    from efficientnet_tf.benchmarking.latency import BATCH_SIZE, ROUNDS, THREADS, latency_rows
    from efficientnet_tf.benchmarking.latency_report import plot_latency, print_latency
    from efficientnet_tf.benchmarking.plots import save_figure

    rows = latency_rows(
        config.chosen,
        compare=config.peers,
        batch_size=config.batch_size or BATCH_SIZE,
        image_size=config.image_size,
        threads=config.threads or THREADS,
        rounds=config.rounds or ROUNDS,
        report=_progress,
    )
    print_latency(rows)
    _write(config, "network_latency.csv", rows)
    if config.output_dir is not None:
        print(f"Written to {save_figure(plot_latency(rows), Path(config.output_dir) / 'network_latency.png')}.")
    return rows


def _input(config: BenchmarkConfig) -> list[dict[str, Any]]:
    from efficientnet_tf.benchmarking.input_report import print_input
    from efficientnet_tf.benchmarking.input_speed import ROUNDS, input_rows

    rows = input_rows(
        config.data or "sample",
        threads=config.threads,
        rounds=config.rounds or ROUNDS,
        report=_progress,
    )
    print_input(rows)
    _write(config, "input.csv", rows)
    return rows


def _train(config: BenchmarkConfig) -> list[dict[str, Any]]:
    from efficientnet_tf.benchmarking.training_report import print_train
    from efficientnet_tf.benchmarking.training_speed import ROUNDS, train_rows

    rows = train_rows(config.chosen, threads=config.threads, rounds=config.rounds or ROUNDS, **_training(config))
    print_train(rows)
    _write(config, "train.csv", rows)
    return rows


def _memory(config: BenchmarkConfig) -> list[dict[str, Any]]:
    from efficientnet_tf.benchmarking.training_report import print_memory
    from efficientnet_tf.benchmarking.training_speed import memory_rows

    rows = memory_rows(config.chosen, **_training(config))
    print_memory(rows)
    _write(config, "memory.csv", rows)
    return rows


def _startup(config: BenchmarkConfig) -> list[dict[str, Any]]:
    from efficientnet_tf.benchmarking.startup import ROUNDS, print_startup, startup_rows

    rows = startup_rows(rounds=config.rounds or ROUNDS, report=_progress)
    print_startup(rows)
    _write(config, "startup.csv", rows)
    return rows


def _training(config: BenchmarkConfig) -> dict[str, Any]:
    """Return what both modes that train are told."""
    from efficientnet_tf.benchmarking.training_speed import BATCH_SIZE

    return {
        "compare": config.peers,
        "batch_size": config.batch_size or BATCH_SIZE,
        "image_size": config.image_size,
        "report": _progress,
    }


MODES = {
    "params": _params,
    "latency": _latency,
    "train": _train,
    "memory": _memory,
    "input": _input,
    "startup": _startup,
}


def _progress(text: str) -> None:
    print(text, file=sys.stderr)


def _write(config: BenchmarkConfig, name: str, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows into --output_dir, if it is given."""
    from efficientnet_tf.benchmarking.tables import write_csv

    if config.output_dir is not None:
        path = Path(config.output_dir) / name
        write_csv(path, rows)
        print(f"Written to {path}.")


if __name__ == "__main__":
    raise SystemExit(main())
