"""How `fuzz.py` damages files: bytes of any file, and values of files of text."""

import re

import numpy as np

INTERESTING = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 13000, 65500)
# Of JSON, CSV and .pts: a string, a number or a word; an empty cell; a list or an object without others in it.
_VALUES = tuple(
    re.compile(pattern)
    for pattern in (
        rb'"[^"\n]*"|-?\d[\d.eE+-]*|null|true|false|[A-Za-z]+|(?<=,)(?=,)',
        rb"\[[^\[\]]*\]|\{[^{}]*\}|\[\[[^{}]*\]\]|\n[^\n]*",
    )
)
STRANGE = (
    *(b"NaN", b"Infinity", b"-Infinity", b"nan", b"inf", b"1e39", b"-3.5e38", b"1e999", b"1e-320", b"2147483648"),
    *(b"-1", b"0", b"0.5", b"1_0", "\u0663".encode(), b"9" * 19, b"9" * 30, b"9" * 5000, b"", b" ", b"null", b"true"),
    *(b'"', b'"x"', b'"1"', b"a,b", b"\r", b"\x00", b"\xff", b"x" * 140_000),
    *(b"[]", b"{}", b"[[1]]", b"[1, 2]", b'{"a": 1}', b"[" * 50_000),
)


def mutated(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """The file, damaged in one to three ways."""
    for _ in range(int(rng.integers(1, 4))):
        data = MUTATIONS[int(rng.integers(len(MUTATIONS)))](data, other, rng)
    return data


def flip_bits(data: bytes, _: bytes, rng: np.random.Generator) -> bytes:
    """One to sixteen bits anywhere."""
    changed = bytearray(data)
    for place in rng.integers(0, max(len(data), 1), int(rng.integers(1, 17))) if data else ():
        changed[place] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def cut(data: bytes, _: bytes, rng: np.random.Generator) -> bytes:
    """The beginning only."""
    return data[: int(rng.integers(0, len(data) + 1))]


def edit_header(data: bytes, _: bytes, rng: np.random.Generator) -> bytes:
    """One to four numbers of the first 512 bytes, of one, two or four bytes, in either order."""
    changed = bytearray(data)
    for _again in range(int(rng.integers(1, 5))):
        size, order = int(rng.choice([1, 2, 4])), str(rng.choice(["little", "big"]))
        place = int(rng.integers(0, max(1, min(len(changed), int(rng.choice([64, 512]))) - size)))
        value = int(rng.choice(INTERESTING)) if rng.random() < 0.7 else int(rng.integers(1 << 32))
        changed[place : place + size] = (value % (1 << 8 * size)).to_bytes(size, order)
    return bytes(changed)


def leave_out(data: bytes, _: bytes, rng: np.random.Generator) -> bytes:
    """Without a piece of up to 64 bytes."""
    place = int(rng.integers(0, len(data) + 1))
    return data[:place] + data[place + int(rng.integers(1, 65)) :]


def repeat(data: bytes, _: bytes, rng: np.random.Generator) -> bytes:
    """A piece of up to 256 bytes once more."""
    place = int(rng.integers(0, len(data) + 1))
    return data[:place] + data[place : place + int(rng.integers(1, 257))] + data[place:]


def splice(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """The beginning of one file and the end of another."""
    return data[: int(rng.integers(0, len(data) + 1))] + other[int(rng.integers(0, len(other) + 1)) :]


MUTATIONS = (flip_bits, flip_bits, cut, edit_header, edit_header, edit_header, leave_out, repeat, splice)


def values_or_bytes(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Text with one to three values exchanged, of three files in four; else damaged as any file."""
    if rng.random() < 0.25:
        return mutated(data, other, rng)
    for _ in range(int(rng.integers(1, 4))):
        data = exchange_value(data, other, rng)
    return data


def exchange_value(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """One value replaced by a strange one, or by another of the same file."""
    found = list(_VALUES[int(rng.random() < 0.2)].finditer(data))
    if not found:
        return mutated(data, other, rng)
    place, giver = (found[int(rng.integers(len(found)))] for _ in range(2))
    new = STRANGE[int(rng.integers(len(STRANGE)))] if rng.random() < 0.8 else giver[0]
    return data[: place.start()] + new + data[place.end() :]
