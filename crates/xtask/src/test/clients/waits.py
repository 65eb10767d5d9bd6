"""What is not yet as in PostgreSQL: each fault, and the cases that wait for its end.

A case that waits and passes fails the run: it is to be taken off this list.
"""

WAITS: dict[str, list[str]] = {
    "a whole number without a cast is bigint, not integer": [
        "libpq simple: a literal number",
        "libpq text: a literal number",
        "libpq binary: a literal number",
        "libpq simple: mixed literals in a list",
        "libpq text: mixed literals in a list",
        "libpq binary: mixed literals in a list",
    ],
    "a column without a name is called by its text, not count, int4, upper, date, ?column?": [
        "libpq simple: columns without names",
        "libpq text: columns without names",
        "libpq binary: columns without names",
    ],
    "an interval with a clock in its text is not read": [
        "libpq simple: intervals",
        "libpq text: intervals",
        "libpq binary: intervals",
    ],
    "a timestamp's text without seconds is not read": [
        "libpq simple: a timestamp without seconds",
        "libpq text: a timestamp without seconds",
        "libpq binary: a timestamp without seconds",
    ],
    "timestamps in SQL count nanoseconds, so they end in 2262": [
        "libpq simple: a timestamp beyond 2262",
        "libpq text: a timestamp beyond 2262",
        "libpq binary: a timestamp beyond 2262",
        "random values both ways: timestamp",
        "random values both ways: timestamptz",
        "random values both ways: timestamptz[]",
    ],
    "a difference of dates is bigint, not integer": [
        "libpq simple: difference of dates",
        "libpq text: difference of dates",
        "libpq binary: difference of dates",
    ],
    "there is no type uuid in SQL": [
        "libpq simple: uuid",
        "libpq text: uuid",
        "libpq binary: uuid",
        "psycopg 3: a parameter UUID('00000000-0000-0000-0000-000000000005')",
        "psycopg 2: a parameter UUID('00000000-0000-0000-0000-000000000005')",
        "asyncpg: a parameter UUID('00000000-0000-0000-0000-000000000005')",
        "random values both ways: uuid",
    ],
    "json is written in its normal form, not as it was typed": [
        "libpq simple: json",
        "libpq text: json",
        "libpq binary: json",
        "random values both ways: json",
    ],
    "an error about a value has no position": [
        "libpq simple: no number",
        "libpq text: no number",
        "libpq binary: no number",
    ],
    "a date that is none is 22P02, not 22008": [
        "libpq simple: no date",
        "libpq text: no date",
        "libpq binary: no date",
    ],
    "a column that is not grouped is 42000, not 42803": [
        "libpq simple: grouping",
        "libpq text: grouping",
        "libpq binary: grouping",
    ],
    "pg_typeof says INTEGER, not integer": [
        "libpq simple: name of a type",
        "libpq text: name of a type",
        "libpq binary: name of a type",
    ],
    "chr(0) gives a text that PostgreSQL cannot have, and it is sent": [
        "libpq simple: text with a zero in it",
        "libpq text: text with a zero in it",
        "libpq binary: text with a zero in it",
    ],
    "the server says that it is 18.0, whose number is 180000": [
        "libpq simple: SHOW",
        "libpq text: SHOW",
        "libpq binary: SHOW",
    ],
    "parameters that are declared as text are not taken as text in $1 || $2": [
        "libpq prepared: two texts of no table",
    ],
    "there is no set_config": [
        "libpq: SELECT set_config('application_name', 'y', false)",
    ],
    "there is no current_setting": [
        "libpq: SELECT current_setting('application_name')",
    ],
    "numeric without a scale has ten decimal places": [
        "psycopg 3: a parameter Decimal('12.50')",
        "psycopg 2: a parameter Decimal('12.50')",
        "asyncpg: a parameter Decimal('12.50')",
        "random values both ways: numeric",
        "random values both ways: numeric[]",
        "node: a parameter of numeric to pg",
    ],
    "there are no cursors yet": [
        "psycopg 3: a cursor that scrolls and outlives its transaction",
        "asyncpg: a connection is reset as a pool does",
    ],
    "there is no COPY TO STDOUT yet": [
        "asyncpg: COPY of a query",
    ],
    "JDBC's getColumns gives numeric[] another size": [
        "JDBC: getColumns",
    ],
    "SCRAM-SHA-256-PLUS is not offered": [
        "TLS and SCRAM: channel binding is asked for",
    ],
    "a date's text with a zone behind it is not read": [
        "JDBC: parameters",
    ],
}
