"""JDBC and ODBC, behind which most tools stand: PostgreSQL's own drivers, driven from Python."""

import threading
import time
from pathlib import Path

import jpype
import pyodbc

from python_drivers import SLOW
from suite import Place, case

JAR = Path("/usr/share/java/postgresql.jar")
ODBC_DRIVER = next(Path("/usr/lib").glob("*/odbc/psqlodbcw.so"))

# JDBC


def jdbc(place: Place, **properties: str):
    """A connection; `properties` are the driver's."""
    if not jpype.isJVMStarted():
        jpype.startJVM(classpath=[str(JAR)])
    given = jpype.JClass("java.util.Properties")()
    for name, value in ({"user": place.user, "password": place.password, "sslmode": "disable"}
                        | properties).items():
        given.setProperty(name, value)
    url = f"jdbc:postgresql://{place.host}:{place.port}/{place.database}"
    return jpype.JClass("org.postgresql.Driver")().connect(url, given)


def text(value) -> str | None:
    if value is None:
        return None
    if isinstance(value, jpype.JArray):
        return bytes(value).hex()
    return str(value.toString()) if hasattr(value, "toString") else str(value)


def table(result) -> tuple:
    """Names and types of columns, and rows as texts with their Java types."""
    about = result.getMetaData()
    numbers = range(1, about.getColumnCount() + 1)
    columns = [(str(about.getColumnLabel(n)), str(about.getColumnTypeName(n)),
                int(about.getColumnType(n)), str(about.getColumnClassName(n))) for n in numbers]
    rows = []
    while result.next():
        rows.append([text(result.getBytes(n) if columns[n - 1][1] == "bytea" else
                          result.getString(n)) for n in numbers])
    return columns, rows


def java_fault(act) -> tuple:
    try:
        act()
    except jpype.JException as error:
        place = error.getServerErrorMessage() if hasattr(error, "getServerErrorMessage") else None
        return str(error.getSQLState()), place and int(place.getPosition())
    return ("no error",)


SCALARS = "id, b, i2, i4, i8, f4, f8, n, n38, t, by, d, tm, ts, tz"


@case("JDBC: types, text")
def jdbc_text(place: Place):
    connection = jdbc(place, binaryTransfer="false")
    return table(connection.createStatement().executeQuery("SELECT * FROM types ORDER BY id"))


@case("JDBC: types, binary")
def jdbc_binary(place: Place):
    # Below 0 everything is prepared and binary from the first time on.
    connection = jdbc(place, prepareThreshold="-1")
    statement = connection.prepareStatement(f"SELECT {SCALARS} FROM types WHERE id > ? ORDER BY id")
    statement.setInt(1, 0)
    return table(statement.executeQuery())


@case("JDBC: values without their types' names")
def jdbc_values(place: Place):
    result = jdbc(place).createStatement().executeQuery(
        "SELECT id, n, t, d FROM types ORDER BY id")
    rows = []
    while result.next():
        rows.append((int(result.getInt(1)), text(result.getBigDecimal(2)), text(result.getString(3)),
                     text(result.getDate(4)), bool(result.wasNull())))
    return rows


@case("JDBC: parameters")
def jdbc_parameters(place: Place):
    connection = jdbc(place)
    statement = connection.prepareStatement(
        "SELECT id, t FROM types WHERE id = ? OR t = ? OR n = ? OR d = ? ORDER BY id")
    statement.setInt(1, 2)
    statement.setString(2, "plain")
    statement.setBigDecimal(3, jpype.JClass("java.math.BigDecimal")("0.00"))
    statement.setDate(4, jpype.JClass("java.sql.Date").valueOf("9999-12-31"))
    # The sixth time it is a statement of the server's.
    return [table(statement.executeQuery()) for _ in range(7)]


@case("JDBC: rows in portions")
def jdbc_portions(place: Place):
    connection = jdbc(place)
    connection.setAutoCommit(False)
    statement = connection.createStatement()
    statement.setFetchSize(700)
    result = statement.executeQuery("SELECT id FROM orders ORDER BY id")
    total = 0
    while result.next():
        total += int(result.getLong(1))
    connection.commit()
    return total


@case("JDBC: transactions, savepoints, faults")
def jdbc_transactions(place: Place):
    connection = jdbc(place)
    connection.setAutoCommit(False)
    statement = connection.createStatement()
    mark = connection.setSavepoint("mark")
    seen = [java_fault(lambda: statement.executeQuery(sql)) for sql in
            ["SELECT nowhere FROM types", "SELECT 1"]]
    connection.rollback(mark)
    result = statement.executeQuery("SELECT 'on' AS x")
    result.next()
    seen.append(str(result.getString(1)))
    connection.commit()
    return seen


@case("JDBC: cancel")
def jdbc_cancel(place: Place):
    statement = jdbc(place).createStatement()
    # The limit is for a cancel that comes before the statement has begun.
    statement.setQueryTimeout(60)
    threading.Timer(1.0, statement.cancel).start()
    begun = time.monotonic()
    return java_fault(lambda: statement.executeQuery(SLOW)), time.monotonic() - begun < 20


@case("JDBC: a time limit")
def jdbc_limit(place: Place):
    statement = jdbc(place).createStatement()
    statement.setQueryTimeout(1)
    begun = time.monotonic()
    return java_fault(lambda: statement.executeQuery(SLOW)), time.monotonic() - begun < 4


def listed(name: str, columns: list[str], ask):
    @case(f"JDBC: {name}")
    def run(place: Place):
        result = ask(jdbc(place).getMetaData())
        rows = []
        while result.next():
            rows.append([text(result.getString(column)) for column in columns])
        return rows


listed("getTables", ["TABLE_SCHEM", "TABLE_NAME", "TABLE_TYPE"],
       lambda about: about.getTables(None, "public", "%", ["TABLE"]))
listed("getColumns", ["COLUMN_NAME", "TYPE_NAME", "DATA_TYPE", "COLUMN_SIZE", "DECIMAL_DIGITS",
                      "ORDINAL_POSITION", "IS_NULLABLE"],
       lambda about: about.getColumns(None, "public", "types", "%"))
listed("getPrimaryKeys", ["COLUMN_NAME"], lambda about: about.getPrimaryKeys(None, "public", "orders"))
listed("getSchemas", ["TABLE_SCHEM"], lambda about: about.getSchemas(None, "public"))


@case("JDBC: what the server is")
def jdbc_server(place: Place):
    about = jdbc(place).getMetaData()
    return (str(about.getDatabaseProductName()), int(about.getDatabaseMajorVersion()),
            str(about.getUserName()))


# ODBC


def odbc(place: Place, **options: str) -> pyodbc.Connection:
    fields = {"Driver": str(ODBC_DRIVER), "Server": place.host, "Port": str(place.port),
              "Database": place.database, "Uid": place.user, "Pwd": place.password,
              "SSLmode": "disable"} | options
    return pyodbc.connect(";".join(f"{name}={value}" for name, value in fields.items()))


def odbc_rows(cursor: pyodbc.Cursor) -> tuple:
    columns = [(name, kind.__name__, *rest) for name, kind, _, *rest in cursor.description]
    return columns, [tuple(row) for row in cursor.fetchall()]


@case("ODBC: types")
def odbc_types(place: Place):
    return odbc_rows(odbc(place).execute(f"SELECT {SCALARS} FROM types ORDER BY id"))


@case("ODBC: some columns")
def odbc_some(place: Place):
    return odbc_rows(odbc(place).execute("SELECT id, n, t, d FROM types ORDER BY id"))


@case("ODBC: parameters")
def odbc_parameters(place: Place):
    cursor = odbc(place).execute("SELECT id, t FROM types WHERE id = ? OR t = ? ORDER BY id", 2,
                                 "plain")
    return odbc_rows(cursor)


@case("ODBC: rows in portions")
def odbc_portions(place: Place):
    connection = odbc(place, UseDeclareFetch="1", Fetch="700")
    return sum(row[0] for row in connection.execute("SELECT id FROM orders ORDER BY id"))


@case("ODBC: faults")
def odbc_faults(place: Place):
    connection = odbc(place)
    seen = []
    for sql in ["SELECT nowhere FROM types", "SELECT * FROM nowhere", "SELEC"]:
        try:
            connection.execute(sql)
        except pyodbc.Error as error:
            seen.append(error.args[0])
        connection.rollback()
    return seen, connection.execute("SELECT 'on'").fetchone()[0]


@case("ODBC: tables and columns")
def odbc_listed(place: Place):
    cursor = odbc(place).cursor()
    tables = sorted((row.table_schem, row.table_name, row.table_type)
                    for row in cursor.tables(schema="public"))
    columns = [(row.column_name, row.type_name, row.data_type, row.ordinal_position)
               for row in cursor.columns(table="types", schema="public")]
    return tables, columns
