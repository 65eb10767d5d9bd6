// node's two drivers, `pg` and `postgres`: one part of the tests a run, its result as JSON.

import pg from "pg";
import Cursor from "pg-cursor";
import { to as copyTo } from "pg-copy-streams";
import postgres from "postgres";

const [, , task, given] = process.argv;
const [part, type] = task.split(" ");
const place = JSON.parse(given);
const options = {
  host: place.host,
  port: place.port,
  user: place.user,
  password: place.password,
  database: place.database,
};

const fault = async (act) => {
  try {
    await act();
    return "no error";
  } catch (error) {
    return { code: error.code, severity: error.severity, position: error.position ?? null };
  }
};

const withPg = async (act) => {
  const client = new pg.Client(options);
  await client.connect();
  try {
    return await act(client);
  } finally {
    await client.end();
  }
};

const withPostgres = async (act) => {
  const sql = postgres({ ...options, max: 1 });
  try {
    return await act(sql);
  } finally {
    await sql.end({ timeout: 5 });
  }
};

const values = {
  int: [7, null],
  bigint: ["1099511627776"],
  float8: [1.5],
  numeric: ["12.50"],
  text: ["zß水", "", null],
  bool: [true, false],
  date: ["2024-02-29"],
  timestamp: ["2024-02-29 12:34:56.007"],
  bytea: [Buffer.from([0, 255])],
  "int[]": [[1, 2], []],
  "text[]": [["a", "b,c"]],
};

const parts = {
  pg_types: () =>
    withPg(async (client) => {
      const result = await client.query("SELECT * FROM types ORDER BY id");
      const fields = result.fields.map(({ name, dataTypeID, dataTypeSize, format }) => [
        name,
        dataTypeID,
        dataTypeSize,
        format,
      ]);
      return { fields, rows: result.rows, command: result.command, n: result.rowCount };
    }),
  pg_parameter: (type) =>
    withPg(async (client) => {
      const rows = [];
      for (const value of values[type]) {
        const query = { text: `SELECT $1::${type} AS x`, values: [value] };
        rows.push((await client.query(query)).rows);
        rows.push((await client.query({ ...query, name: type })).rows);
        rows.push((await client.query({ ...query, name: type })).rows);
      }
      return rows;
    }),
  pg_errors: () =>
    withPg(async (client) => [
      await fault(() => client.query("SELECT nowhere FROM types")),
      await fault(() => client.query("SELECT * FROM nowhere WHERE id = $1", [1])),
      await fault(() => client.query("SELEC")),
      (await client.query("SELECT 'on' AS x")).rows,
    ]),
  pg_cursor: () =>
    withPg(async (client) => {
      const cursor = client.query(new Cursor("SELECT id FROM orders ORDER BY id"));
      const rows = [...(await cursor.read(3)), ...(await cursor.read(2))];
      await cursor.close();
      return [rows, (await client.query("SELECT 'on' AS x")).rows];
    }),
  pg_copy: () =>
    withPg(async (client) => {
      const stream = client.query(copyTo("COPY (SELECT id, t FROM types ORDER BY id) TO STDOUT"));
      let text = "";
      for await (const block of stream) text += block;
      return text;
    }),
  postgres_types: () =>
    withPostgres(async (sql) => {
      const rows = await sql`SELECT * FROM types ORDER BY id`;
      return { rows, columns: rows.columns.map(({ name, type }) => [name, type]) };
    }),
  postgres_parameters: () =>
    withPostgres(async (sql) => [
      await sql`SELECT t FROM types WHERE id = ${2}`,
      await sql`SELECT id FROM types WHERE id IN ${sql([1, 3])} ORDER BY id`,
      await sql`SELECT ${"text"}::text AS x, ${[1, 2]}::int[] AS y, ${null}::int AS z`,
      await sql.begin("read only", async (sql) => await sql`SELECT 'within' AS x`),
    ]),
  postgres_cursor: () =>
    withPostgres(async (sql) => {
      const counts = [];
      await sql`SELECT id FROM orders ORDER BY id`.cursor(1500, (rows) => {
        counts.push(rows.length);
      });
      return counts;
    }),
  postgres_errors: () =>
    withPostgres(async (sql) => [
      await fault(() => sql`SELECT nowhere FROM types`),
      await fault(() => sql`SELEC`),
    ]),
};

process.stdout.write(JSON.stringify(await parts[part](type)));
