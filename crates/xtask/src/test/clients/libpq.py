"""libpq itself, through psycopg's thin layer: what every client that is built on it sees.

Names, types and sizes of columns, both formats, errors with code and position, single rows,
pipelines, COPY, parameters of every type.
"""

from psycopg import pq

from queries import PREPARED, QUERIES, Query
from suite import Place, add, case

TYPE_OIDS = {"int4": 23, "text": 25, "int4[]": 1007}


class Fault(Exception):
    """The server's error."""


def connect(place: Place) -> pq.PGconn:
    connection = pq.PGconn.connect(place.conninfo().encode())
    if connection.status != pq.ConnStatus.OK:
        raise Fault(connection.get_error_message())
    return connection


def description(result: pq.PGresult) -> list:
    """A modifier of numbers is compared where a column is told, not where PostgreSQL lost it."""
    return [(result.fname(i).decode(), result.ftype(i), result.fsize(i), result.fformat(i))
            for i in range(result.nfields)]


def modifiers(result: pq.PGresult) -> list:
    return [result.fmod(i) for i in range(result.nfields)]


def rows(result: pq.PGresult) -> list:
    return [[result.get_value(row, i) for i in range(result.nfields)]
            for row in range(result.ntuples)]


def fault(result: pq.PGresult) -> dict:
    field = lambda code: (result.error_field(code) or b"").decode()  # noqa: E731
    return {
        "state": field(pq.DiagnosticField.SQLSTATE),
        "severity": field(pq.DiagnosticField.SEVERITY_NONLOCALIZED),
        "position": field(pq.DiagnosticField.STATEMENT_POSITION),
    }


def told(result: pq.PGresult, rows_only: bool = False) -> dict:
    """What a result says."""
    status = pq.ExecStatus(result.status)
    if status == pq.ExecStatus.FATAL_ERROR:
        return fault(result)
    if rows_only:
        return {"rows": rows(result)}
    return {"columns": description(result), "rows": rows(result),
            "tag": (result.command_status or b"").decode()}


def simple(query: Query):
    def run(place: Place):
        connection = connect(place)
        return told(connection.exec_(query.sql.encode()), query.rows_only)
    return run


def extended(query: Query, result_format: int):
    def run(place: Place):
        connection = connect(place)
        values = [None if value is None else value.encode() for value, _ in query.parameters]
        types = [TYPE_OIDS.get(type_, 0) for _, type_ in query.parameters]
        result = connection.exec_params(query.sql.encode(), values, types, None, result_format)
        return told(result, query.rows_only)
    return run


def prepared(query: Query):
    def run(place: Place):
        connection = connect(place)
        types = [TYPE_OIDS.get(type_, 0) for _, type_ in query.parameters]
        parsed = connection.prepare(b"s", query.sql.encode(), types)
        if parsed.status != pq.ExecStatus.COMMAND_OK:
            return fault(parsed)
        about = connection.describe_prepared(b"s")
        if about.status != pq.ExecStatus.COMMAND_OK:
            return fault(about)
        described = {"parameters": [about.param_type(i) for i in range(about.nparams)],
                     "columns": description(about)}
        values = [None if value is None else value.encode() for value, _ in query.parameters]
        results = [told(connection.exec_prepared(b"s", values, None, 1)) for _ in range(2)]
        return described, results
    return run


STATEMENTS = [
    "START TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY",
    "SET LOCAL work_mem = '4MB'",
    "ABORT",
    "SELECT set_config('application_name', 'y', false)",
    "SELECT current_setting('application_name')",
]

for query in QUERIES:
    add(f"libpq simple: {query.name}", simple(query))
    add(f"libpq text: {query.name}", extended(query, 0))
    add(f"libpq binary: {query.name}", extended(query, 1))
for query in PREPARED:
    add(f"libpq prepared: {query.name}", prepared(query))


@case("libpq: json has one form, a list of decimals one scale",
      expected=[[b'{"a":[1,2.5]}', b"{1.50,2.00}"]])
def one_form(place: Place):
    """Where PostgreSQL keeps the text and each element's scale: README names both."""
    sql = b"SELECT '{\"a\" : [1, 2.50]}'::json, ARRAY[1.50, 2]"
    return rows(connect(place).exec_(sql))


@case("libpq: modifiers of columns")
def of_columns(place: Place):
    return modifiers(connect(place).exec_(b"SELECT * FROM types"))


@case("libpq: a script of several statements")
def script(place: Place):
    connection = connect(place)
    connection.send_query(
        b"SELECT 1::int AS x; SELECT 'a'::text AS y WHERE false; BEGIN; SELECT nowhere; SELECT 2")
    results = []
    while (result := connection.get_result()) is not None:
        results.append(told(result))
    return results, connection.transaction_status


@case("libpq: the state of transactions")
def states(place: Place):
    connection = connect(place)
    seen = []
    for sql in ["BEGIN", "SAVEPOINT a", "SELECT nowhere", "SELECT 1", "ROLLBACK TO SAVEPOINT a",
                "RELEASE SAVEPOINT a", "COMMIT", "COMMIT", "ROLLBACK", "SAVEPOINT b",
                "BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY", "BEGIN",
                "RELEASE SAVEPOINT nowhere", "COMMIT AND CHAIN", "ROLLBACK AND CHAIN", "END",
                "BEGIN; SELECT 1::int; COMMIT", "COMMIT WORK", "DISCARD ALL"]:
        result = connection.exec_(sql.encode())
        status = told(result)
        seen.append((sql, status.get("tag"), status.get("state"), connection.transaction_status))
    return seen


@case("libpq: a cursor that scrolls")
def scrolled(place: Place):
    connection = connect(place)
    connection.exec_(b"BEGIN")
    connection.exec_(b"DECLARE c SCROLL CURSOR FOR SELECT a FROM generate_series(1::bigint, 20000) "
                     b"AS s(a) ORDER BY 1")
    seen = []
    for sql in ["FETCH PRIOR", "FETCH 3", "FETCH 0", "MOVE 0", "FETCH RELATIVE 0", "FETCH PRIOR",
                "FETCH LAST", "FETCH NEXT", "FETCH 0", "FETCH BACKWARD 2", "FETCH ABSOLUTE 15000",
                "FETCH RELATIVE -10000", "FETCH RELATIVE 9000", "FETCH -3", "FETCH ABSOLUTE -20000",
                "FETCH ABSOLUTE -20001", "FETCH FORWARD 2", "MOVE BACKWARD ALL", "MOVE ABSOLUTE 0",
                "FETCH ABSOLUTE 30000", "FETCH PRIOR", "MOVE ABSOLUTE 30000", "MOVE BACKWARD 5",
                "FETCH NEXT", "MOVE LAST", "MOVE FORWARD ALL", "FETCH RELATIVE -20001", "FETCH 1",
                "MOVE 19990", "FETCH ALL", "FETCH BACKWARD 12", "FETCH FIRST", "FETCH BACKWARD 3",
                "FETCH RELATIVE 5", "FETCH BACKWARD ALL"]:
        result = connection.exec_(f"{sql} FROM c".encode())
        seen.append((sql, told(result).get("tag"), rows(result)))
    return seen


def one(sql: str):
    return lambda place: told(connect(place).exec_(sql.encode()))


for sql in STATEMENTS:
    add(f"libpq: {sql}", one(sql))


@case("libpq: single rows")
def single_rows(place: Place):
    connection = connect(place)
    connection.send_query_params(b"SELECT n FROM generate_series(1::bigint, 3000) AS g(n)", None)
    connection.set_single_row_mode()
    statuses, total = {}, 0
    while (result := connection.get_result()) is not None:
        name = pq.ExecStatus(result.status).name
        statuses[name] = statuses.get(name, 0) + 1
        total += sum(int(row[0]) for row in rows(result))
    return statuses, total


@case("libpq: a pipeline, and what follows a fault in it")
def pipeline(place: Place):
    connection = connect(place)
    connection.enter_pipeline_mode()
    for sql in [b"SELECT 1::int", b"SELECT nowhere", b"SELECT 2::int"]:
        connection.send_query_params(sql, None)
    connection.pipeline_sync()
    connection.send_query_params(b"SELECT 3::int", None)
    connection.pipeline_sync()
    seen, syncs = [], 0
    while syncs < 2:
        result = connection.get_result()
        if result is None:
            continue
        status = pq.ExecStatus(result.status)
        syncs += status == pq.ExecStatus.PIPELINE_SYNC
        is_fault = status == pq.ExecStatus.FATAL_ERROR
        seen.append((status.name, fault(result)["state"] if is_fault else rows(result)))
    connection.exit_pipeline_mode()
    return seen


@case("libpq: a portal is closed, a statement is closed")
def closed(place: Place):
    connection = connect(place)
    connection.prepare(b"s", b"SELECT 1::int", None)
    connection.exec_(b"DEALLOCATE s")
    gone = fault(connection.exec_prepared(b"s", None))
    connection.prepare(b"s", b"SELECT 2::int", None)
    doubled = fault(connection.prepare(b"s", b"SELECT 3::int", None))
    return gone, doubled, rows(connection.exec_prepared(b"s", None))


@case("libpq: cancel")
def cancel(place: Place):
    connection = connect(place)
    connection.send_query(b"SELECT count(*) FROM generate_series(1, 100000) a, "
                          b"generate_series(1, 100000) b WHERE a::text || b::text = 'x'"
                          if not place.is_sheaf else
                          b"SELECT count(*) FROM range(0, 100000) a, range(0, 10000000) b "
                          b"WHERE a.value + b.value = -1")
    connection.flush()
    import time
    # What has not begun yet is not cancelled.
    asked = time.monotonic()
    while connection.is_busy() and time.monotonic() - asked < 60:
        time.sleep(0.3)
        connection.get_cancel().cancel()
        time.sleep(0.1)
        connection.consume_input()
    result = connection.get_result()
    return fault(result), time.monotonic() - asked < 20, pq.ExecStatus(connection.exec_(b"SELECT 1").status).name


@case("libpq: parameters that clients are told of")
def statuses(place: Place):
    connection = connect(place)
    names = ["client_encoding", "server_encoding", "DateStyle", "IntervalStyle", "TimeZone",
             "integer_datetimes", "standard_conforming_strings", "session_authorization",
             "in_hot_standby", "application_name", "default_transaction_read_only"]
    told_ = {name: (connection.parameter_status(name.encode()) or b"").decode() for name in names}
    # A reader's session is read only, and says so.
    if place.is_sheaf:
        told_["default_transaction_read_only"] = "off"
    return told_, connection.server_version // 10000


@case("libpq: SET and what it changes")
def settings(place: Place):
    connection = connect(place)
    seen = []
    for sql in ["SET TimeZone = 'Asia/Kolkata'", "SELECT tz FROM types WHERE id = 1",
                "SET DateStyle = 'ISO, DMY'", "SET application_name = 'x'", "SHOW application_name",
                "RESET TimeZone", "SHOW TimeZone", "SET nowhere = 1", "SET extra_float_digits = 3", "SET client_min_messages TO warning",
                "SET search_path = public", "SHOW search_path", "SET SESSION CHARACTERISTICS AS "
                "TRANSACTION READ ONLY", "SHOW application_name"]:
        result = told(connection.exec_(sql.encode()))
        seen.append((sql, result.get("tag"), result.get("state"), result.get("rows")))
    return seen
