"""SQLAlchemy, ADBC, node's and Rust's drivers, and a foreign table of PostgreSQL's own."""

import json
import subprocess
from pathlib import Path

import adbc_driver_postgresql.dbapi as adbc
import psycopg
import sqlalchemy as sa

from suite import Place, case

# The script of node's drivers, beside its packages; the runner fills it in.
NODE: Path
# The program of Rust's clients.
RUST: Path

# SQLAlchemy


def engine(place: Place, driver: str) -> sa.Engine:
    return sa.create_engine(place.url(f"postgresql+{driver}"))


for driver in ("psycopg", "psycopg2"):

    def core(place: Place, driver=driver):
        orders = sa.table("orders", sa.column("customer"), sa.column("price"))
        total = sa.func.sum(orders.c.price)
        query = sa.select(orders.c.customer, total).group_by(orders.c.customer)
        query = query.where(orders.c.customer.in_([1, 2, 3])).order_by(total, orders.c.customer)
        with engine(place, driver).connect() as connection:
            return [tuple(row) for row in connection.execute(query)]

    case(f"SQLAlchemy with {driver}: a query made of parts")(core)

    def reflected(place: Place, driver=driver):
        inspector = sa.inspect(engine(place, driver))
        columns = inspector.get_columns("types")
        return (sorted(inspector.get_table_names()), inspector.get_view_names(),
                inspector.get_pk_constraint("orders"), inspector.get_foreign_keys("orders"),
                inspector.get_indexes("orders"), inspector.default_schema_name,
                [(c["name"], str(c["type"]), c["nullable"], c["default"]) for c in columns])

    case(f"SQLAlchemy with {driver}: reflection")(reflected)

    def metadata(place: Place, driver=driver):
        tables = sa.MetaData()
        source = engine(place, driver)
        orders = sa.Table("orders", tables, autoload_with=source)
        with source.connect() as connection:
            query = sa.select(orders).where(orders.c.id < 3).order_by(orders.c.id)
            return [tuple(row) for row in connection.execute(query)]

    case(f"SQLAlchemy with {driver}: a table by its name alone")(metadata)


# ADBC


def arrow(sql: str):
    def run(place: Place):
        with adbc.connect(place.url()) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            table = cursor.fetch_arrow_table()
            return [(field.name, str(field.type)) for field in table.schema], table.to_pylist()
    return run


case("ADBC: all types")(arrow("SELECT * FROM types ORDER BY id"))
case("ADBC: many rows")(arrow("SELECT * FROM orders ORDER BY id"))


@case("ADBC: parameters")
def adbc_parameters(place: Place):
    with adbc.connect(place.url()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT t FROM types WHERE id = $1", [2])
        return cursor.fetchall()


@case("ADBC: what there is")
def adbc_objects(place: Place):
    with adbc.connect(place.url()) as connection:
        schema = connection.adbc_get_table_schema("orders")
        objects = connection.adbc_get_objects(depth="tables", db_schema_filter="public")
        found = objects.read_all().to_pylist()
        tables = [table["table_name"] for catalog in found if catalog["catalog_name"] == "sheaf"
                  for part in catalog["catalog_db_schemas"] for table in part["db_schema_tables"]]
        return [(field.name, str(field.type)) for field in schema], sorted(tables)


# node


def program(begin, task: str):
    """What a program says that takes a task and a place, and gives JSON."""

    def run(place: Place):
        done = subprocess.run([*begin(), task, json.dumps(vars(place))],
                              capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise RuntimeError(done.stderr[-1500:])
        return json.loads(done.stdout)
    return run


def node(task: str):
    return program(lambda: ["node", NODE], task)


def rust(task: str):
    return program(lambda: [RUST], task)


NODE_TYPES = ["int", "bigint", "float8", "numeric", "text", "bool", "date", "timestamp", "bytea",
              "int[]", "text[]"]

for kind in NODE_TYPES:
    case(f"node: a parameter of {kind} to pg")(
        node(f"pg_parameter {kind}"))

for name in ["pg_types", "pg_errors", "pg_cursor", "pg_copy", "postgres_types",
             "postgres_parameters", "postgres_cursor", "postgres_errors"]:
    case(f"node: {name}")(node(name))

# Rust

for name in ["types", "parameters", "typed parameters", "faults", "transactions", "portals",
             "pipeline", "simple", "copy", "cancel", "rows one by one"]:
    case(f"tokio-postgres: {name}")(rust(f"tokio-postgres {name}"))

for name in ["types", "parameters", "faults", "transactions", "what a statement takes and gives",
             "rows one by one", "a pool"]:
    case(f"sqlx: {name}")(rust(f"sqlx {name}"))


# A foreign table

REMOTE: dict = {}


def foreign(sql: str):
    """What PostgreSQL gives over a table of its own and over the same one behind a server."""

    def run(place: Place):
        own: Place = REMOTE["postgres"]
        with psycopg.connect(own.conninfo(), autocommit=True) as connection:
            server = f"far_{place.name}"
            connection.execute(f"DROP SERVER IF EXISTS {server} CASCADE")
            connection.execute(f"CREATE SERVER {server} FOREIGN DATA WRAPPER postgres_fdw OPTIONS "
                               f"(host '{place.host}', port '{place.port}', dbname 'sheaf')")
            connection.execute(f"CREATE USER MAPPING FOR CURRENT_USER SERVER {server} OPTIONS "
                               f"(user '{place.user}', password '{place.password}')")
            connection.execute(f"CREATE FOREIGN TABLE far (id bigint, customer integer, price "
                               f"numeric(10,2), day date, note text) SERVER {server} OPTIONS "
                               f"(schema_name 'public', table_name 'orders')")
            try:
                return connection.execute(sql).fetchall()
            finally:
                connection.execute(f"DROP SERVER {server} CASCADE")
    return run


for name, sql in [
    ("scan", "SELECT * FROM far WHERE customer = 7 ORDER BY id"),
    ("aggregate", "SELECT customer, count(*), sum(price) FROM far GROUP BY 1 ORDER BY 1"),
    ("join", "SELECT count(*), sum(f.price) FROM far f JOIN orders o USING (id) WHERE o.note IS NULL"),
]:
    case(f"postgres_fdw: {name}")(foreign(sql))
