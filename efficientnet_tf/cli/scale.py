"""`efficientnet-scale`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from efficientnet_tf.cli.command import run_command
from efficientnet_tf.config import ScaleConfig
from efficientnet_tf.errors import require_tensorflow
from efficientnet_tf.flags import CommandLine
from efficientnet_tf.specs import Spec


def main(argv: Sequence[str] | None = None) -> int:
    """Scale a network, recount the paper's tables of it, or train networks to search; return the exit code."""
    return run_command("scale", _scale, argv, needs_tensorflow=False)


def _scale(line: CommandLine) -> dict[str, Any]:
    from efficientnet_tf.benchmarking.tables import write_csv

    config = line.config
    assert isinstance(config, ScaleConfig)
    if config.kind is not None:
        from efficientnet_tf.search.asked import run_asked

        require_tensorflow()
        return run_asked(config)
    network = None
    if config.table:
        result, rows = _tables(config)
    elif config.targets():
        result, rows, network = _budget(config)
    elif config.factors():
        result, rows, network = _dimensions(config)
    else:
        result, rows, network = _family(config)
    if config.output is not None:
        write_csv(config.output, rows)
        print(f"Written to {config.output}.")
    if config.save is not None and network is not None:
        _save(network, config.save)
    return result


def _save(network: Spec, path: str) -> None:
    """Write a network as a file that every --variant takes."""
    from efficientnet_tf.files import atomic_write_text
    from efficientnet_tf.specs import spec_text

    atomic_write_text(path, spec_text(network))
    print(f"{network.name} is in {path}: --variant={path}")


def _tables(config: ScaleConfig) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    from efficientnet_tf.benchmarking.paper_scaling import recount
    from efficientnet_tf.benchmarking.scaling_report import print_paper

    rows = recount({int(table) for table in config.table})
    print_paper(rows)
    return {"rows": rows}, rows


def _budget(config: ScaleConfig) -> tuple[dict[str, Any], list[dict[str, Any]], Spec]:
    from efficientnet_tf.benchmarking.families import row_of
    from efficientnet_tf.benchmarking.scaling_report import print_solution
    from efficientnet_tf.specs import solve_scale, spec

    base = spec(config.base)
    solution = solve_scale(
        base,
        **config.targets(),
        batch_size=config.batch_size or 1,
        alpha=config.alpha,
        beta=config.beta,
        gamma=config.gamma,
    )
    print_solution(base.name, solution, config.batch_size or 1)
    row = {
        **row_of(solution.spec, base, "compound"),
        "phi": solution.phi,
        "batch_size": config.batch_size or 1,
        "training_bytes": solution.memory.total,
        **{f"share_of_{name}": share for name, share in solution.shares.items()},
    }
    return row, [row], solution.spec


def _dimensions(config: ScaleConfig) -> tuple[dict[str, Any], list[dict[str, Any]], Spec]:
    from efficientnet_tf.benchmarking.families import row_of
    from efficientnet_tf.benchmarking.scaling_report import NETWORK
    from efficientnet_tf.benchmarking.tables import print_table
    from efficientnet_tf.specs import scale, spec

    base = spec(config.base)
    scaled = scale(base, **config.factors())
    rows = [row_of(base, base, "base"), row_of(scaled, base, " and ".join(config.factors()))]
    print_table(f"{base.name}, and scaled by {rows[1]['way']}", NETWORK, rows)
    return {"rows": rows}, rows, scaled


def _family(config: ScaleConfig) -> tuple[dict[str, Any], list[dict[str, Any]], Spec]:
    from efficientnet_tf.benchmarking.families import compound_rows, published_rows, single_rows
    from efficientnet_tf.benchmarking.scaling_report import print_family
    from efficientnet_tf.specs import Coefficients, scale, spec

    base = spec(config.base)
    coefficients = Coefficients(config.alpha, config.beta, config.gamma)
    compound = compound_rows(base, config.phis(), coefficients)
    single, published = single_rows(base, compound), published_rows(base, coefficients)
    print_family(compound, single, published, coefficients)
    if config.plot is not None:
        from efficientnet_tf.benchmarking.scaling_plot import plot_scaling

        plot_scaling(base, compound, coefficients, config.plot)
        print(f"Drawn in {config.plot}.")
    rows = [*compound, *single, *published]
    last = scale(base, phi=config.phis()[-1], **dataclasses.asdict(coefficients))
    return {"product": coefficients.product, "rows": rows}, rows, last


if __name__ == "__main__":
    raise SystemExit(main())
