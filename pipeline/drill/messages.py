"""What comes in: poison among good messages, and a clock that jumps."""

from __future__ import annotations

import random
from collections.abc import Callable

import orjson

from pipeline.drill.case import Case, Extent
from pipeline.drill.rig import Rig
from pipeline.producer import messages
from pipeline.sources import Answer
from pipeline.sources.simulator import Sky

PIECE = 1_000
MEGABYTES = 20
Value = tuple[bytes | None, bytes | None]
Countries = dict[str, str]  # of each address

HOUR = 3600
FORTH, BACK = (HOUR, 12 * HOUR), HOUR // 2  # from the sky's own time, in seconds
ANSWERS_A_JUMP = 6


def poison(rig: Rig, extent: Extent) -> str:
    """In the middle of good answers."""
    chance = random.Random(7)
    good = [value for _, value in messages(Sky(60, seed=5).answer(rig.flow.time), "drill")]
    countries: Countries = {}
    for value in good:
        keeps_country(value, countries)
    for begin in range(0, extent.poison, PIECE):
        rig.flow.pause()
        rig.flow.raw([steady(chance, good, countries) for _ in range(min(PIECE, extent.poison - begin))])
        rig.flow.burst(1)
    rig.flow.raw([(b"big", large(chance, good)) for _ in range(min(MEGABYTES, extent.poison // 1_000))])
    rig.flow.go()
    return f"{extent.poison:,} poison messages went to quarantine, or into Silver where the rules allow them"


def steady(chance: random.Random, good: list[bytes], countries: Countries) -> Value:
    """One poison message that moves no aircraft to another country, which Gold's counts by country do not follow (streaming_gold.md)."""
    while not keeps_country((value := poisoned(chance, good))[1], countries):
        pass
    return value


def keeps_country(value: bytes | None, countries: Countries) -> bool:
    """Whether a message gives its address the country that others gave it; `countries` learns new ones."""
    try:
        message = orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return True
    if not isinstance(message, dict) or not isinstance(message.get("icao24"), str):
        return True
    country = message.get("origin_country") or ""
    if not isinstance(country, str):
        return True  # quarantine's
    return countries.setdefault(message["icao24"].lower(), country) == country


def poisoned(chance: random.Random, good: list[bytes]) -> Value:
    """One message that is not as Contrail's producer would write it."""
    value = chance.choice(WAYS)(chance, chance.choice(good))
    key = chance.choice([b"", None, b"x" * 100, chance.randbytes(6)])
    return (b"" if value is None else key), value  # Kafka takes no message of nothing at all


def large(chance: random.Random, good: list[bytes]) -> bytes:
    """A message of a megabyte: half of them with a text that long, half with a field that nobody knows."""
    message = orjson.loads(chance.choice(good))
    message[chance.choice(["callsign", "unknown"])] = "x" * (1 << 20)
    return orjson.dumps(message)


def _changed(chance: random.Random, good: bytes) -> bytes:
    """A field with a value that may be none of its type or range."""
    message = orjson.loads(good)
    name = chance.choice([*message, "unknown"])
    message[name] = "@"
    return orjson.dumps(message).replace(b'"@"', chance.choice(VALUES))


def _twice(chance: random.Random, good: bytes) -> bytes:
    """A field that stands twice, at the beginning or at the end, in plain or in escaped letters."""
    name = chance.choice(list(orjson.loads(good)))
    again = b'"%s":%s' % (chance.choice([name, f"\\u{ord(name[0]):04x}{name[1:]}"]).encode(), chance.choice(VALUES))
    other = chance.choice([again, b'"icao24":"abcde0"'])
    return chance.choice([b"{" + other + b"," + good[1:], good[:-1] + b"," + other + b"}"])


def _shuffled(chance: random.Random, good: bytes) -> bytes:
    """The same fields in another order, with spaces."""
    fields = list(orjson.loads(good).items())
    chance.shuffle(fields)
    return b" " + orjson.dumps(dict(fields), option=orjson.OPT_INDENT_2)


VALUES = (
    b"null", b"true", b"-1", b"0", b"0.5", b"-0.0", b"1e3", b"1e308", b"1e400", b"-1e400", b"9999999.5", b"10000000",
    b"-9999999", b"91", b"-181", b"4102444800", b"4102444801", b"2147483648", b"9223372036854775808",
    b"18446744073709551616", b"1" + b"0" * 400, b"NaN", b"-Infinity", b'""', b'" "', b'"abcdef"', b'"ABCDEF"', b'"7700"',
    b'"\\ud800"', b'"\\u0000"', b'"\xc3\xa9"', b'"\xff"', b"[]", b"{}", b'{"icao24":"abcdef"}', b"[" * 100 + b"]" * 100,
    b"[" * 5_000 + b"]" * 5_000, b'{"a":' * 1_010 + b"1" + b"}" * 1_010, b"01", b"+1", b"1.", b"'x'",
)  # fmt: skip
WAYS: tuple[Callable[[random.Random, bytes], bytes | None], ...] = (
    _changed,
    _changed,
    _changed,
    _changed,
    _twice,
    _shuffled,
    lambda chance, good: chance.randbytes(chance.randrange(200)),
    lambda chance, good: good[: chance.randrange(len(good))],
    lambda chance, good: good.replace(b"e", chance.randbytes(1), 1),
    lambda chance, good: chance.choice(VALUES),
    lambda chance, good: chance.choice([None, b"", b"\xef\xbb\xbf" + good, good + good, good + b"\x00", good.upper()]),
)


def clock(rig: Rig, extent: Extent) -> str:
    """Forth by an hour and by twelve, with half of the aircraft; then all are heard at their own time, and once behind it."""
    for jump in FORTH:
        told(rig, lambda answer, by=jump: shifted(every_other(answer), by))  # type: ignore[misc]
        told(rig, lambda answer: shifted(answer, -BACK))
        told(rig, lambda answer: answer)
        rig.flow.go()
        rig.mended()
    rig.flow.pause()
    rig.flow.time += max(FORTH) + HOUR
    rig.flow.go()
    return "two jumps forth and four back; rows behind the watermark were counted, what an aircraft had passed was a repeat"


def told(rig: Rig, change: Callable[[Answer], Answer]) -> None:
    """Some answers that are changed so."""
    rig.flow.pause()
    rig.flow.shape(change)
    rig.flow.burst(ANSWERS_A_JUMP)
    rig.flow.shape()


def every_other(answer: Answer) -> Answer:
    """An answer without half of its aircraft, always the same."""
    return Answer(answer.time, [state for state in answer.states if int(state[0], 16) % 2 == 0])


def shifted(answer: Answer, seconds: int) -> Answer:
    """An answer whose times are all off by so much."""
    states = [[*state[:3], *(one and one + seconds for one in state[3:5]), *state[5:]] for state in answer.states]
    return Answer(answer.time + seconds, states)


CASES = (
    Case("poison", "100,000 poison messages among good ones", poison),
    Case("clock", "the feed's clock jumps forth and back", clock),
)
