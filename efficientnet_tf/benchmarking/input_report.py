"""The speed of the input as a table on the screen."""

from __future__ import annotations

from collections.abc import Sequence

from efficientnet_tf.benchmarking.tables import Columns, Row, print_notes, print_table

#: What each task is, by its name in the rows.
TASKS = {
    "crop": "JPEG, random crop, resized, mirrored, batch",
    "autoaugment": "AutoAugment v0 of pictures in memory, batch",
    "randaugment": "RandAugment n=2, m=10 of pictures in memory, batch",
    "trivialaugment": "TrivialAugment of pictures in memory, batch",
    "whole": "JPEG, random crop, resized, mirrored, augmented, batch",
}

SPEED: Columns = {
    "network": lambda row: row["candidate"],
    "images/s": lambda row: _rounded(row["images_per_second"]),
    "slowest - fastest": lambda row: f"{_rounded(row['slowest'])} - {_rounded(row['fastest'])}",
    "ours is\nx times": lambda row: _digits(row["ratio"]),
    "processor\nms/image": lambda row: _digits(row["processor_ms_per_image"]),
    "first\nbatch, s": lambda row: _digits(row["start_seconds"]),
    "start of\nepoch, s": lambda row: _digits(row["pass_start_seconds"]),
}
PROFILE: Columns = {
    "network": lambda row: row["stage"],
    "images/s": lambda row: _rounded(row["images_per_second"]),
    "processor\nms/image": lambda row: _digits(row["processor_ms_per_image"]),
    "of which\nthis stage": lambda row: _digits(row["stage_ms_per_image"]),
}


def print_input(rows: Sequence[Row]) -> None:
    """Print the rows of `input_speed.input_rows`, a table for each task."""
    for task, title in TASKS.items():
        found = [row for row in rows if row["task"] == task]
        measured = [row for row in found if not row["note"]]
        if measured:
            print_table(title, SPEED, measured)
        print_notes(found)
    first = rows[0]
    print(
        f"Medians of {first['rounds']} rounds in which all took turns, on {first['threads']} cores of "
        f"{first['processor']}, with {first['photographs']} photographs of {first['data']}.\n"
        f"Pillow x {first['threads']} is Pillow in so many processes; where pictures stay there, they are not brought "
        "to the process that trains, as they would have to be."
    )


def print_profile(rows: Sequence[Row]) -> None:
    """Print the rows of `input_profile.profile_rows`."""
    print_table("Where the time of the training input goes: stages added one after another", PROFILE, rows)


def _rounded(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _digits(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
