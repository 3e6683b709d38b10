"""The end of the report: what the comparison shows and what it does not, and what it ran on."""

from __future__ import annotations

from efficientnet_tf.exporting.figures import CLEAR
from efficientnet_tf.exporting.report.overview import section
from efficientnet_tf.exporting.report.subject import Subject, compared_in_words
from efficientnet_tf.exporting.report.words import NONE_CLEAR
from efficientnet_tf.exporting.verify import BOUNDS, FEW, Bounds
from efficientnet_tf.markup import Html, element

#: What a clear photograph is.
CLEAR_IN_WORDS = f"A photograph is clear if Keras\u2019 top class leads the next by {100 * CLEAR:g}\u00a0% or more."


def checks_section(subject: Subject) -> Html:
    """Return what was verified, with the bounds, and what was not."""
    done = [
        f"{subject.number_of(len(subject.photographs))} went from file to class: decoded, "
        "cropped and resized by the record in preprocessing.json, and run by Keras and by each artifact in its own "
        "runtime, in a process of its own.",
        *(f"{row['file']}: earlier, on {compared_in_words(row)}." for row in subject.elsewhere),
        *(
            f"{name}: {bounds_in_words(BOUNDS[name], classes=subject.has_classes, others=subject.has_other_outputs)}."
            for name in dict.fromkeys(row["quantize"] for row in subject.rows)
        ),
        CLEAR_IN_WORDS,
        "An export with an artifact that breaks a bound fails, and nothing of it is published.",
    ]
    left = [
        "Whether the network is right: that is measured on photographs with known classes, by efficientnet-evaluate.",
        "Accelerators: every artifact ran on the processor of the machine below. Phones and their delegates, browsers "
        "and GPUs round otherwise.",
        "Other programs\u2019 decoding and resizing: a client that crops or resizes otherwise than the record gets "
        "other answers.",
        "The lines of code above, which are the same for every export.",
        *(f"{row['file']}: {row['reason']}" for row in subject.unverified),
        *(f"The classes of {row['file']}: {NONE_CLEAR}" for row in subject.unclear),
    ]
    if len(subject.photographs) < 100:
        left.append(
            f"Rare differences: what happens to one photograph in a hundred is not seen on {len(subject.photographs)}. "
            "More are compared with --verify_images."
        )
    lists = [
        element("div", element("h3", title), element("ul", *(element("li", words) for words in each)))
        for title, each in (("Verified", done), ("Not verified", left))
    ]
    return section("checks", "What was verified, and what was not", element("div", *lists, class_="beside"))


def bounds_in_words(bounds: Bounds, *, classes: bool = True, others: bool = False) -> str:
    """Return what an artifact of a quantisation must keep.

    Args:
        bounds: of the quantisation.
        classes: whether artifacts have probabilities.
        others: whether artifacts have other outputs than probabilities.

    >>> bounds_in_words(Bounds(largest=1e-4))
    'no probability differs by more than 0.0001'
    >>> bounds_in_words(Bounds(total_variation=0.05, same_top=1.0)).replace("\u00a0", " ")
    'at most 5 % of the probability moves to other classes; the top class is the same on every clear photograph'
    """
    parts = []
    if not classes:
        bounds = Bounds(sqnr_db=bounds.sqnr_db)
    if bounds.largest is not None:
        parts.append(f"no probability differs by more than {bounds.largest:g}")
    elif bounds.total_variation is not None:
        parts.append(f"at most {100 * bounds.total_variation:g}\u00a0% of the probability moves to other classes")
    if bounds.same_top == 1:
        parts.append("the top class is the same on every clear photograph")
    elif bounds.same_top:
        share = f"{100 * bounds.same_top:g}\u00a0%"
        parts.append(
            f"the top class is the same on {share} of the clear photographs, or, of {FEW} or more, on all but one"
        )
    if others:
        parts.append(f"other outputs have {bounds.sqnr_db:g}\u00a0dB of signal to noise or more")
    return "; ".join(parts)


def machine_section(subject: Subject) -> Html:
    """Return what ran: the machine, the versions, the time."""
    items = [element("div", element("dt", name), element("dd", value)) for name, value in subject.machine.items()]
    return section("machine", "What ran", element("dl", *items, class_="machine"))
