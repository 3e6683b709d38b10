"""The tables of a `.tflite` file and of its metadata, read and written as flatbuffers.

Only what metadata needs is named. Fields are in the order of TensorFlow Lite's schema.fbs and of TensorFlow Lite
Support's metadata_schema.fbs 1.5.0, whose numbers are theirs in the file; `-` stands for one that is not read here.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Mapping
from typing import Any

from efficientnet_tf.errors import EfficientNetError

#: What a file has first, after the place of its outermost table.
MODEL_IDENTIFIER = b"TFL3"
METADATA_IDENTIFIER = b"M001"

#: The buffer of a model that holds its metadata.
METADATA_NAME = "TFLITE_METADATA"

#: A damaged file may claim any number of anything.
MOST_TABLES = 1 << 16
MOST_BYTES = 1 << 16

NUMBERS = {
    "int8": "<b",
    "uint8": "<B",
    "int32": "<i",
    "uint32": "<I",
    "int64": "<q",
    "uint64": "<Q",
    "float32": "<f",
}

#: A union is two fields: the number of the table that it holds, counted from 1, and that table.
UNIONS = {
    "ContentProperties": ("FeatureProperties", "ImageProperties"),
    "ProcessUnitOptions": ("NormalizationOptions",),
}

_FIELDS = """
    Model                   version:uint32 operator_codes:- subgraphs:[SubGraph] description:string buffers:[Buffer]
                            metadata_buffer:- metadata:[Metadata] signature_defs:[SignatureDef]
                            external_buffer_groups:- external_buffers:-
    SubGraph                tensors:[Tensor] inputs:[int32] outputs:[int32]
    Tensor                  shape:[int32] type:int8 buffer:- name:- quantization:QuantizationParameters
    QuantizationParameters  min:- max:- scale:[float32] zero_point:[int64]
    Buffer                  data:bytes offset:uint64 size:uint64
    Metadata                name:string buffer:uint32
    SignatureDef            inputs:[TensorMap] outputs:[TensorMap]
    TensorMap               name:string tensor_index:uint32

    ModelMetadata           name:string description:string version:string subgraph_metadata:[SubGraphMetadata]
                            author:string license:string associated_files:[AssociatedFile] min_parser_version:string
    SubGraphMetadata        name:string description:string input_tensor_metadata:[TensorMetadata]
                            output_tensor_metadata:[TensorMetadata]
    TensorMetadata          name:string description:string dimension_names:- content:Content
                            process_units:[ProcessUnit] stats:Stats associated_files:[AssociatedFile]
    Content                 content_properties:ContentProperties
    FeatureProperties
    ImageProperties         color_space:int8
    ProcessUnit             options:ProcessUnitOptions
    NormalizationOptions    mean:[float32] std:[float32]
    Stats                   max:[float32] min:[float32]
    AssociatedFile          name:string description:string type:int8
"""


def _tables(text: str) -> dict[str, dict[str, tuple[int, str]]]:
    """Return the number and the kind of each field of each table."""
    tables: dict[str, dict[str, tuple[int, str]]] = {}
    slot = 0
    for word in text.split():
        field, colon, kind = word.partition(":")
        if not colon:
            fields, slot = tables.setdefault(field, {}), 0
            continue
        slot += kind in UNIONS
        fields[field] = slot, kind
        slot += 1
    return tables


TABLES = _tables(_FIELDS)


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of a flatbuffer, of which nothing is believed.

    Attributes:
        data: the whole flatbuffer.
        position: where in it the table begins.
        kind: a key of `TABLES`.
    """

    data: bytes
    position: int
    kind: str

    @classmethod
    def root(cls, data: bytes, kind: str, identifier: bytes) -> Table:
        """Return the outermost table.

        Raises:
            EfficientNetError: the data are of another kind.
        """
        if data[4:8] != identifier:
            raise EfficientNetError(f"{kind} must begin with {identifier.decode()}, got {data[4:8]!r}.")
        return cls(data, _number(data, "uint32", 0), kind)

    def __getitem__(self, field: str) -> Any:
        """Return a field's value: a number, a string, bytes, a table, or a list of numbers or tables.

        Of a union it is the name of the table that it holds, and that table. One that the file leaves out is 0, None,
        or empty.

        Raises:
            EfficientNetError: it lies outside of the data, or is larger than such a thing can be.
        """
        slot, kind = TABLES[self.kind][field]
        place = self.place(slot)
        inner = kind.strip("[]")
        if kind in NUMBERS:
            return 0 if place is None else _number(self.data, kind, place)
        if kind in UNIONS:
            return self._member(slot, UNIONS[kind])
        if kind == inner and kind != "bytes":
            return None if place is None else self._single(kind, self._follow(place))
        if place is None:
            return b"" if kind == "bytes" else []
        start = self._follow(place)
        if kind == "bytes":
            return self._bytes(start, len(self.data))
        count = _number(self.data, "uint32", start)
        if count > MOST_TABLES:
            raise EfficientNetError(f"{self.kind}.{field} must be at most {MOST_TABLES} long, got {count}.")
        if inner in NUMBERS:
            size = struct.calcsize(NUMBERS[inner])
            return [_number(self.data, inner, start + 4 + size * row) for row in range(count)]
        return [Table(self.data, self._follow(start + 4 + 4 * row), inner) for row in range(count)]

    def _member(self, slot: int, members: tuple[str, ...]) -> tuple[str, Table] | None:
        number, start = self.place(slot - 1), self.target(slot)
        member = 0 if number is None else _number(self.data, "uint8", number)
        if start is None or not 1 <= member <= len(members):
            return None
        return members[member - 1], Table(self.data, start, members[member - 1])

    def place(self, slot: int) -> int | None:
        """Return where the value of a field, by its number, is; None where the file leaves it out."""
        index = self.position - _number(self.data, "int32", self.position)
        # Two bytes for each number of an index: its own length, the table's, and then one for each field.
        entry = 4 + 2 * slot
        if entry + 2 > _short(self.data, index):
            return None
        offset = _short(self.data, index + entry)
        return self.position + offset if offset else None

    def count(self) -> int:
        """Return how many numbered fields the table may have in this file."""
        index = self.position - _number(self.data, "int32", self.position)
        return max(0, _short(self.data, index) - 4) // 2

    def target(self, slot: int) -> int | None:
        """Return where that begins to which a field, by its number, points."""
        place = self.place(slot)
        return None if place is None else self._follow(place)

    def _follow(self, place: int) -> int:
        return place + int(_number(self.data, "uint32", place))

    def _single(self, kind: str, start: int) -> Any:
        return (
            self._bytes(start, MOST_BYTES).decode("utf-8", "replace")
            if kind == "string"
            else Table(self.data, start, kind)
        )

    def _bytes(self, start: int, most: int) -> bytes:
        count = _number(self.data, "uint32", start)
        if count > most or start + 4 + count > len(self.data):
            raise EfficientNetError(f"A text or a buffer of {count} bytes cannot be in these {len(self.data)} bytes.")
        return self.data[start + 4 : start + 4 + count]


def pack(builder: Any, kind: str, values: Mapping[str, Any]) -> int:
    """Write a table and all that it holds into a `flatbuffers.Builder`, and return its offset there.

    Args:
        builder: that no table is open in.
        kind: a key of `TABLES`.
        values: of its fields, by name; of a table, such a mapping; of a union, the name of a table and its values.
    """
    # What a table holds must stand before it: flatbuffers are written from the end.
    slots: list[tuple[int, str, Any]] = []
    for field, value in values.items():
        slot, of = TABLES[kind][field]
        if of in UNIONS:
            member, inner = value
            slots += [
                (slot - 1, "uint8", UNIONS[of].index(member) + 1),
                (slot, "", pack(builder, member, inner)),
            ]
        else:
            slots.append((slot, of, value if of in NUMBERS else _packed(builder, of, value)))
    builder.StartObject(max((slot for slot, *_ in slots), default=-1) + 1)
    for slot, of, value in slots:
        if of in NUMBERS:
            _prepend(builder, of, value)
            builder.Slot(slot)
        else:
            builder.PrependUOffsetTRelativeSlot(slot, value, 0)
    return int(builder.EndObject())


def _packed(builder: Any, kind: str, value: Any) -> int:
    inner = kind.strip("[]")
    if kind == "string":
        return int(builder.CreateString(value))
    if kind == inner:
        return pack(builder, kind, value)
    if inner in NUMBERS:
        size = struct.calcsize(NUMBERS[inner])
        builder.StartVector(size, len(value), size)
        for number in reversed(value):
            _prepend(builder, inner, number)
        return int(builder.EndVector())
    return pack_offsets(builder, [pack(builder, inner, each) for each in value])


def pack_offsets(builder: Any, offsets: list[int]) -> int:
    """Write a list of what is already in a `flatbuffers.Builder`, by its offsets, and return the list's own."""
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _prepend(builder: Any, kind: str, value: float) -> None:
    getattr(builder, f"Prepend{kind.capitalize()}")(value)


def _number(data: bytes, kind: str, place: int) -> Any:
    form = NUMBERS[kind]
    if not 0 <= place <= len(data) - struct.calcsize(form):
        raise EfficientNetError(f"A value at byte {place} cannot be in these {len(data)} bytes.")
    value: Any = struct.unpack_from(form, data, place)[0]
    return value


def _short(data: bytes, place: int) -> int:
    if not 0 <= place <= len(data) - 2:
        raise EfficientNetError(f"A value at byte {place} cannot be in these {len(data)} bytes.")
    return int.from_bytes(data[place : place + 2], "little")
