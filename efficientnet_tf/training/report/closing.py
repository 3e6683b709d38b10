"""The sections of a report on what to do next, on what ran, and on what could not be used."""

from __future__ import annotations

import dataclasses
import json
import shlex
from typing import Any

from efficientnet_tf.config import TrainConfig
from efficientnet_tf.markup import Html, count, element, join
from efficientnet_tf.specs import variant_name
from efficientnet_tf.training.report.headline import duration
from efficientnet_tf.training.report.hints import Hint, hints, train_again
from efficientnet_tf.training.report.sections import section
from efficientnet_tf.training.report.subject import Subject

#: Hints that are shown at once, and skipped files that are listed.
HINTS, SKIPPED = 4, 200
#: Settings that say what was trained rather than how.
OBJECTS = ("variant", "data", "weights", "recipe", "model_dir", "preview")


def next_section(subject: Subject) -> Html:
    """Return what to do next: what the figures suggest, and the commands that use the network."""
    found = hints(subject)
    shown = element("ol", *(_hint(hint) for hint in found[:HINTS]), class_="hints") if found else None
    more = None
    if len(found) > HINTS:
        rest = element("ol", *(_hint(hint) for hint in found[HINTS:]), class_="hints", start=HINTS + 1)
        more = element("details", element("summary", f"{count(len(found) - HINTS, 'hint')} more"), rest)
    if not found:
        shown = element("p", "Nothing in the figures asks for another training.")
    run = f"--model_dir={subject.path}"
    commands = (
        ("Ask it about photographs", ["efficientnet-predict", run, "PHOTOGRAPHS"]),
        ("Export it, for servers, phones and web pages", ["efficientnet-export", run]),
        ("Measure it on other photographs", ["efficientnet-evaluate", run, "--data=FOLDER"]),
    )
    use = [element("div", element("p", words), command_line(shlex.join(command))) for words, command in commands]
    return section("next", "What to do next", shown, more, element("h3", "Use it"), element("div", *use, class_="uses"))


def _hint(hint: Hint) -> Html:
    command = command_line(hint.command) if hint.command else None
    return element("li", element("div", element("h3", hint.title), element("p", hint.why)), command)


def command_line(command: str) -> Html:
    """Return a command as it is typed."""
    # Each word in one piece, where a line ends: a browser would break after every hyphen.
    words = [item for word in command.split(" ") for item in (" ", element("span", word))][1:]
    return element("pre", element("code", *words), class_="command")


def configuration_section(subject: Subject) -> Html:
    """Return the settings: what was trained, what differs from the recipe, and folded all of them."""
    config = subject.config
    objects = [("variant", variant_name(config.variant), None)]
    objects += [(name, getattr(config, name), None) for name in OBJECTS[1:4]]
    if all(subject.image_size):
        objects.append(("image_size", " \u00d7 ".join(map(str, subject.image_size)), None))
    changed = differences(config)
    parts = [_settings(objects)]
    if changed:
        parts += [element("h3", f"Not as in the recipe {config.recipe}"), _settings(changed, "Recipe")]
    else:
        parts.append(element("p", f"All else as in the recipe {config.recipe}.", class_="note"))
    rerun = element("p", "The same training once more:")
    return section("settings", "Settings", *parts, rerun, command_line(train_again(subject)), _all_settings(config))


def differences(config: TrainConfig) -> list[tuple[str, Any, Any]]:
    """Return (setting, its value, the recipe's) where a resolved configuration differs from its recipe.

    >>> differences(TrainConfig(data="sample", epochs=3, head_epochs=1).resolve())
    [('epochs', 3, 10), ('head_epochs', 1, 4)]
    """
    same = {name: getattr(config, name) for name in OBJECTS[:4]}
    usual = TrainConfig(**same).resolve()
    return [
        (field.name, getattr(config, field.name), getattr(usual, field.name))
        for field in dataclasses.fields(config)
        if field.name not in OBJECTS and getattr(config, field.name) != getattr(usual, field.name)
    ]


def _settings(rows: list[tuple[str, Any, Any]], other: str | None = None) -> Html:
    head = None
    if other is not None:
        head = element("thead", element("tr", *(element("th", name) for name in ("Setting", "Here", other))))
    body = [
        element(
            "tr",
            element("td", element("code", name)),
            element("td", _shown(value)),
            element("td", _shown(usual), class_="note") if other is not None else None,
        )
        for name, value, usual in rows
    ]
    return element("table", head, element("tbody", *body), class_="settings")


def _all_settings(config: TrainConfig) -> Html:
    groups: dict[str, list[Html]] = {}
    for field in dataclasses.fields(config):
        if field.name == "preview":
            continue
        row = element(
            "tr",
            element("td", element("code", field.name)),
            element("td", _shown(getattr(config, field.name))),
            element("td", field.metadata["text"], class_="note"),
        )
        groups.setdefault(field.metadata["group"], []).append(row)
    bodies = [
        element("tbody", element("tr", element("th", group, colspan=3, scope="rowgroup")), *rows)
        for group, rows in groups.items()
    ]
    return element("details", element("summary", "All settings"), element("table", *bodies, class_="settings all"))


def _shown(value: Any) -> str:
    if value is None:
        return "\u2013"
    return value if isinstance(value, str) else json.dumps(value)


def machine_section(subject: Subject) -> Html:
    """Return what ran: the machine, the versions, the time."""
    rows = dict(subject.machine)
    if subject.seconds is not None:
        rows["Training took"] = duration(subject.seconds)
    items = [element("div", element("dt", name), element("dd", value)) for name, value in rows.items()]
    return section("machine", "What ran", element("dl", *items, class_="machine"))


def skipped_section(subject: Subject) -> Html | None:
    """Return the files that could not be used; None if there were none."""
    if not subject.skipped:
        return None
    rows = [
        element("li", element("code", file), " ", element("span", reason, class_="note"))
        for file, reason in subject.skipped[:SKIPPED]
    ]
    left_out = len(subject.skipped) - len(rows)
    more = element("p", f"And {count(left_out, 'file')} more.") if left_out else None
    title = f"{count(len(subject.skipped), 'file')} could not be used"
    listed = join([element("ul", *rows, class_="skipped"), more])
    return section(
        "skipped", title, listed if len(rows) <= 5 else element("details", element("summary", "Which, and why"), listed)
    )
