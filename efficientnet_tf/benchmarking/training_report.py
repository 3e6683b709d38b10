"""The speed and the memory of training steps as tables on the screen."""

from __future__ import annotations

from collections.abc import Sequence

from efficientnet_tf.benchmarking.tables import Columns, Row, print_notes, print_table

_GIB, _MIB = 2**30, 2**20

TRAIN: Columns = {
    "network": lambda row: row["candidate"],
    "images/s": lambda row: f"{row['images_per_second']:.1f}",
    "slowest - fastest": lambda row: f"{row['slowest']:.1f} - {row['fastest']:.1f}",
    "ours is\nx times": lambda row: f"{row['ratio']:.2f}",
    "processor\nms/image": lambda row: f"{row['processor_ms_per_image']:.0f}",
    "first\nstep, s": lambda row: f"{row['first_step_seconds']:.1f}",
    "memory\nGiB": lambda row: f"{row['peak_bytes'] / _GIB:.2f}",
}
MEMORY: Columns = {
    "network": lambda row: row["candidate"],
    "memory\nGiB": lambda row: f"{row['peak_bytes'] / _GIB:.2f}",
    "x ours": lambda row: f"{row['ratio']:.2f}",
    "MiB/image": lambda row: f"{row['bytes_per_image'] / _MIB:.1f}",
    "largest batch\n(predicted)": lambda row: str(row["largest_batch"] or "-"),
}


def print_train(rows: Sequence[Row]) -> None:
    """Print the rows of `training_speed.train_rows`, a table for each architecture."""
    for variant, found in _by_task(rows):
        first = found[0]
        title = f"Training {variant}: {first['batch_size']} images of {first['image_size']} pixels, float32"
        _print(title, TRAIN, found)
    first = rows[0]
    print(
        f"Medians of {first['rounds']} rounds in which all took turns, of single steps, on {first['threads']} cores of "
        f"{first['processor']}."
    )


def print_memory(rows: Sequence[Row]) -> None:
    """Print the rows of `training_speed.memory_rows`, a table for each architecture."""
    for variant, found in _by_task(rows):
        _print(f"The most memory that training {variant} took, {found[0]['batch_size']} images", MEMORY, found)
        first = found[0]
        print(
            f"Counted from the rows of {variant} for Keras' own formulation: "
            f"{first['counted_activation_bytes'] / _GIB:.2f} GiB of activations and "
            f"{first['counted_parameter_bytes'] / _MIB:.0f} MiB of parameters, gradients and slots."
        )


def _by_task(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    variants = dict.fromkeys(row["task"] for row in rows)
    return [(variant, [row for row in rows if row["task"] == variant]) for variant in variants]


def _print(title: str, columns: Columns, found: Sequence[Row]) -> None:
    print_table(title, columns, [row for row in found if not row["note"]])
    print_notes(found)
