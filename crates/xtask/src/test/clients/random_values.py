"""Random values of every type: PostgreSQL reads what Sheaf sends, and Sheaf what PostgreSQL sends.

Each round has one value of each type. PostgreSQL makes its binary and text forms; Sheaf takes each
as a parameter and gives both forms back; PostgreSQL takes these again. All have to be the same,
byte for byte.
"""

import random
import struct

from libpq import connect, rows, told
from suite import Place, case

ROUNDS = 30
SEED = 20261130


def digits(source: random.Random, most: int) -> str:
    return "".join(source.choice("0123456789") for _ in range(source.randint(1, most)))


def decimal(source: random.Random) -> str:
    whole = digits(source, source.choice([1, 4, 20])).lstrip("0") or "0"
    fraction = source.choice(["", "." + digits(source, source.choice([1, 3, 10]))])
    return source.choice(["", "-"]) + whole + fraction


def floating(source: random.Random, form: str, size: int) -> str:
    bits = source.getrandbits(8 * size).to_bytes(size, "big")
    value = struct.unpack(form, bits)[0]
    odd = ["0", "-0", "NaN", "Infinity", "-Infinity", "1e-7", "123456789012345680", "1e15", "0.1"]
    # repr of a float32 has more digits than it needs, and reads back as the same.
    return source.choice([repr(value), repr(value), source.choice(odd)])


def text(source: random.Random) -> str:
    letters = "ab \"'\\{},\n\t.;$ßé水😀NULL"
    return "".join(source.choice(letters) for _ in range(source.randint(0, 12)))


def date(source: random.Random) -> str:
    year = source.choice([1, 1582, 1899, 1970, 2000, 2024, 9999, source.randint(1, 9999)])
    return f"{year:04}-{source.randint(1, 12):02}-{source.randint(1, 28):02}"


def time(source: random.Random) -> str:
    fraction = source.choice(["", f".{source.randint(0, 999999):06}", ".5"])
    return (f"{source.randint(0, 23):02}:{source.randint(0, 59):02}:{source.randint(0, 59):02}"
            f"{fraction}")


def interval(source: random.Random) -> str:
    number = lambda most: source.choice([0, 1, -1, source.randint(-most, most)])  # noqa: E731
    return f"{number(9999)} months {number(99999)} days {number(10**12)} microseconds"


def array(of, source: random.Random) -> str:
    items = [None if source.random() < 0.2 else of(source) for _ in range(source.randint(0, 4))]
    quoted = ["NULL" if item is None else
              '"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"' for item in items]
    return "{" + ",".join(quoted) + "}"


def whole(bits: int):
    def make(source: random.Random) -> str:
        low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
        return str(source.choice([0, 1, -1, low, high, source.randint(low, high)]))
    return make


def four(source: random.Random) -> str:
    return floating(source, ">f", 4)


def eight(source: random.Random) -> str:
    return floating(source, ">d", 8)


def binary(source: random.Random) -> str:
    return "\\x" + source.randbytes(source.randint(0, 20)).hex()


def identifier(source: random.Random) -> str:
    hex_ = source.randbytes(16).hex()
    return "-".join([hex_[:8], hex_[8:12], hex_[12:16], hex_[16:20], hex_[20:]])


def moment(source: random.Random) -> str:
    return f"{date(source)} {time(source)}"


def instant(source: random.Random) -> str:
    return moment(source) + source.choice(["+00", "+05:30", "-08"])


def document(source: random.Random) -> str:
    """In the one form that Sheaf gives json; PostgreSQL keeps the text that was typed."""
    return source.choice(["1", "null", '"x"', "[]", "{}", '{"a":[1,2.5,{"b":null}]}', "true"])


def decimals(source: random.Random) -> str:
    """With ten digits after the point, as all elements have in Sheaf; in PostgreSQL each has its own number."""
    fraction = lambda: "".join(source.choice("0123456789") for _ in range(10))  # noqa: E731
    return array(lambda s: f"{decimal(s).split('.')[0]}.{fraction()}", source)


def flag(source: random.Random) -> str:
    return source.choice(["t", "f"])


# Name, number, generator.
KINDS = [
    ("boolean", 16, flag),
    ("smallint", 21, whole(16)),
    ("integer", 23, whole(32)),
    ("bigint", 20, whole(64)),
    ("real", 700, four),
    ("double precision", 701, eight),
    ("numeric", 1700, decimal),
    ("text", 25, text),
    ("bytea", 17, binary),
    ("date", 1082, date),
    ("time", 1083, time),
    ("timestamp", 1114, moment),
    ("timestamptz", 1184, instant),
    ("interval", 1186, interval),
    ("uuid", 2950, identifier),
    ("json", 114, document),
    ("integer[]", 1007, lambda s: array(whole(32), s)),
    ("bigint[]", 1016, lambda s: array(whole(64), s)),
    ("double precision[]", 1022, lambda s: array(eight, s)),
    ("text[]", 1009, lambda s: array(text, s)),
    ("numeric[]", 1231, decimals),
    ("date[]", 1182, lambda s: array(date, s)),
    ("timestamptz[]", 1185, lambda s: array(instant, s)),
    ("boolean[]", 1000, lambda s: array(flag, s)),
]
ORACLE: dict[str, Place] = {}


def forms(connection, sql: bytes, value: bytes, oid: int, value_format: int) -> tuple:
    """A value's text and binary form after it went through a server."""
    given = []
    for result_format in (0, 1):
        result = connection.exec_params(sql, [value], [oid], [value_format], result_format)
        about = told(result)
        if "state" in about:
            return ("error", about["state"], (result.error_message or b"").decode()[:200])
        given.append((result.ftype(0), rows(result)[0][0]))
    return tuple(given)


def both_ways(name: str, oid: int, make):
    def run(place: Place):
        source = random.Random(f"{SEED} {name}")
        theirs, ours = connect(ORACLE["postgres"]), connect(place)
        sql = f"SELECT $1::{name}".encode()
        faults = []
        for _ in range(ROUNDS):
            value = make(source)
            expected = forms(theirs, sql, value.encode(), oid, 0)
            if expected[0] == "error":
                continue
            for value_format in (0, 1):
                sent = expected[value_format][1]
                given = forms(ours, sql, sent, oid, value_format)
                if given != expected:
                    faults.append((value, value_format, expected, given))
                    continue
                back = forms(theirs, sql, given[1][1], oid, 1)
                if back != expected:
                    faults.append((value, "PostgreSQL reads", back))
        return faults[:3], len(faults)
    return run


for name, oid, make in KINDS:
    case(f"random values both ways: {name}", expected=([], 0))(
        both_ways(name, oid, make))
