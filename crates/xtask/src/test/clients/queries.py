"""What every client asks, simple and prepared: one list."""

from dataclasses import dataclass, field

from data import TYPES


@dataclass
class Query:
    """A statement, and its parameters as text with their types."""

    name: str
    sql: str
    # What differs from PostgreSQL on purpose, so that only the rows are compared.
    rows_only: bool = False
    parameters: list[tuple[str, str | None]] = field(default_factory=list)


QUERIES = [
    Query("all types", "SELECT * FROM types ORDER BY id"),
    *(Query(f"column {name}", f"SELECT id, {name} FROM types ORDER BY id")
      for name, _, _, _ in TYPES),
    Query("no rows", "SELECT id, t FROM types WHERE id < 0"),
    Query("quoted names", 'SELECT "Upper", "select" FROM names ORDER BY 1'),
    Query("an alias", 'SELECT id AS "An id", t tt FROM types WHERE id = 1'),
    Query("count", "SELECT count(*) AS n, count(note) AS notes FROM orders"),
    Query("sum of integers", "SELECT sum(customer) AS s FROM orders"),
    Query("sums and extremes of decimals", "SELECT sum(price) AS s, min(price) AS low, "
          "max(price) AS high FROM orders"),
    Query("groups", "SELECT customer, count(*) AS n, sum(price) AS s FROM orders GROUP BY customer "
          "ORDER BY n DESC, customer LIMIT 20"),
    Query("a join", "SELECT o.id, p.id FROM orders o JOIN orders p ON p.id = o.id + 1 "
          "WHERE o.customer = 3 ORDER BY 1 LIMIT 10"),
    Query("a sub-query", "SELECT id FROM orders WHERE price = (SELECT max(price) FROM orders) "
          "ORDER BY id LIMIT 5"),
    Query("a CTE", "WITH c AS (SELECT customer, sum(price) AS s FROM orders GROUP BY 1) "
          "SELECT customer, s FROM c WHERE s > 13000 ORDER BY s, customer"),
    Query("a recursive CTE", "WITH RECURSIVE r(n) AS (SELECT 1::bigint UNION ALL "
          "SELECT n + 1::bigint FROM r WHERE n < 10) SELECT sum(n)::bigint AS s FROM r"),
    Query("a window", "SELECT id, row_number() OVER (ORDER BY price, id) AS r FROM orders "
          "WHERE customer = 5 ORDER BY 1 LIMIT 10"),
    Query("values", "SELECT * FROM (VALUES (1::int, 'a'::text), (2::int, NULL)) v(x, y) ORDER BY x"),
    Query("typed NULLs", "SELECT NULL::int AS a, NULL::text AS b, NULL::date AS c, "
          "NULL::numeric AS d"),
    Query("an untyped NULL", "SELECT NULL AS x"),
    Query("an untyped text", "SELECT 'abc' AS x"),
    Query("a literal number", "SELECT 1 AS x"),
    Query("columns without names", "SELECT count(*), 1::int, upper('a'), NULL::date, true"),
    Query("mixed literals in a list", "SELECT ARRAY[1::int, 2] AS x"),
    Query("names", "SELECT current_user AS x"),
    Query("a literal decimal", "SELECT 1.50 AS x", rows_only=True),
    Query("booleans", "SELECT true AS a, false AS b, NULL::boolean AS c"),
    Query("text functions", "SELECT lower(t) AS u, length(t) AS l, t || '!' AS c FROM types WHERE id <= 3 "
          "ORDER BY id"),
    Query("like", "SELECT count(*) AS n FROM orders WHERE note LIKE 'note 1%'"),
    Query("case", "SELECT CASE WHEN customer < 50 THEN 'low' ELSE 'high' END AS c, count(*) AS n "
          "FROM orders GROUP BY 1 ORDER BY 1"),
    Query("dates", "SELECT day, extract(year FROM day)::int AS y, date_trunc('month', day)::date AS m "
          "FROM orders WHERE id < 40 ORDER BY id"),
    Query("intervals", "SELECT INTERVAL '1 year 2 months 3 days 04:05:06.789' AS a, "
          "INTERVAL '-1 day' AS b"),
    Query("a date plus an interval", "SELECT DATE '2024-01-31' + INTERVAL '1 month' AS x"),
    Query("difference of timestamps", "SELECT TIMESTAMP '2024-03-01 12:00:00' - "
          "TIMESTAMP '2024-02-28 10:30:00' AS x"),
    Query("a timestamp without seconds", "SELECT TIMESTAMP '2024-03-01 12:00' AS x"),
    Query("a timestamp beyond 2262", "SELECT TIMESTAMP '9999-07-23 14:31:28.5' AS x"),
    Query("difference of dates", "SELECT DATE '2024-03-01' - DATE '2024-02-28' AS x"),
    Query("uuid", "SELECT '123e4567-e89b-12d3-a456-426614174000'::uuid AS x"),
    Query("json", "SELECT '{\"a\":[1,2]}'::json AS x"),
    Query("an array", "SELECT ARRAY[1::int, 2::int, NULL] AS a, ARRAY['a', 'b,c'] AS b"),
    Query("array of arrays", "SELECT ARRAY[ARRAY[1::int, 2::int], ARRAY[3::int, 4::int]] AS x"),
    Query("unnest", "SELECT unnest(ai) AS x FROM types WHERE id = 1"),
    Query("array_agg", "SELECT array_agg(id ORDER BY id) AS ids FROM types"),
    Query("any", "SELECT id FROM types WHERE id = ANY(ARRAY[1::int, 3]) ORDER BY id"),
    Query("many rows", "SELECT * FROM generate_series(1::bigint, 20000::bigint) AS g(n) "
          "ORDER BY n"),
    Query("a wide text", "SELECT repeat('x', 100000) AS x"),
    Query("division by zero", "SELECT 1/0"),
    Query("an unknown table", "SELECT * FROM nowhere"),
    Query("an unknown column", "SELECT id, nowhere FROM types"),
    Query("an unknown function", "SELECT nowhere(1)"),
    Query("a mistake", "SELEC 1"),
    Query("an unfinished statement", "SELECT (1"),
    Query("no number", "SELECT 'x'::int"),
    Query("no date", "SELECT '2024-02-30'::date"),
    Query("an overflow", "SELECT 9223372036854775807::bigint + 1::bigint"),
    Query("smallint out of range", "SELECT 40000::int::smallint"),
    Query("grouping", "SELECT customer, id FROM orders GROUP BY customer"),
    Query("ambiguous", "SELECT id FROM orders a JOIN orders b ON a.id = b.id"),
    Query("name of a type", "SELECT pg_typeof(1::int)::text AS x"),
    Query("current user", "SELECT current_user::text AS u, current_database()::text AS d, "
          "current_schema()::text AS s"),
    Query("an error after rows", "SELECT 10 / (n - 15000) FROM "
          "generate_series(1::bigint, 20000::bigint) AS g(n)"),
    Query("text with a zero in it", "SELECT chr(0) AS x"),
    # The major version: PostgreSQL's minor one is that of its package.
    Query("the server's version", "SELECT (current_setting('server_version_num')::int / 10000)::int AS x"),
]

PREPARED = [
    Query("an integer", "SELECT id, t FROM types WHERE id = $1", parameters=[("2", "int4")]),
    Query("an integer without a type", "SELECT id, t FROM types WHERE id = $1",
          parameters=[("2", None)]),
    Query("two texts of no table", "SELECT $1 || $2 AS x", parameters=[("a", "text"), ("ß", "text")]),
    Query("a cast", "SELECT $1::numeric(10,2) + 1 AS x", parameters=[("1.25", None)]),
    Query("a date", "SELECT count(*) AS n FROM orders WHERE day >= $1",
          parameters=[("2024-06-01", None)]),
    Query("limit", "SELECT id FROM orders ORDER BY id LIMIT $1 OFFSET $2",
          parameters=[("3", None), ("10", None)]),
    Query("an array", "SELECT id FROM types WHERE id = ANY($1) ORDER BY id",
          parameters=[("{1,3}", "int4[]")]),
    Query("an array without a type", "SELECT id FROM types WHERE id = ANY($1) ORDER BY id",
          parameters=[("{1,3}", None)]),
    Query("twice the same", "SELECT $1::int AS x, $1::int + $1::int AS y", parameters=[("41", None)]),
    Query("NULL", "SELECT $1::text IS NULL AS x", parameters=[(None, None)]),
    Query("like", "SELECT count(*) AS n FROM orders WHERE note LIKE $1", parameters=[("note 2%", None)]),
    Query("in", "SELECT id FROM types WHERE id IN ($1, $2) ORDER BY id",
          parameters=[("1", None), ("4", None)]),
    Query("between", "SELECT count(*) AS n FROM orders WHERE price BETWEEN $1 AND $2",
          parameters=[("1.00", None), ("500", None)]),
    Query("no number", "SELECT $1::int AS x", parameters=[("abc", "int4")]),
    Query("too few", "SELECT $1::int + $2::int AS x", parameters=[("1", "int4")]),
    Query("nobody knows its type", "SELECT $1 AS x", parameters=[("abc", None)]),
]
