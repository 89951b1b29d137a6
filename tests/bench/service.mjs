// What the measurements of hunts share: the service's answers and DuckDB's over the same records, in one form that can be
// compared. Arguments of the program: URL FOLDER.
import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { oneQuery, translate } from './kql_duckdb.mjs';

export const [url, folder] = process.argv.slice(2);
export const AS_OF = '2026-07-20T00:00:00Z';
const { DuckDBInstance } = createRequire(`${process.cwd()}/build/bench/`)('@duckdb/node-api');
const ticks = (text) => BigInt(Date.parse(`${text.slice(0, 19)}Z`)) * 10000n + 621355968000000000n +
  BigInt((text.slice(20).replace('Z', '') || '0').padEnd(7, '0'));
export const TO = ticks(AS_OF), FROM = TO - 5n * 864000000000n;
const started = Number(process.env.STARTED);
export const log = (text) => process.stderr.write(`bench: ${Math.floor(Date.now() / 1000 - started)} s: ${text}\n`);
// Loading sorts more than memory holds beside PostgreSQL; queries need far less than the limit.
export const duckdb = async (file) => (await DuckDBInstance.create(`${folder}/${file}`, { memory_limit: '8GB' })).connect();

/** Files of fill as a query: distinct events, empty text instead of none. */
export function parsed(table, files) {
  const columns = readFileSync(`${folder}/${table}.columns`, 'utf8').trim().split('\n').map((line) => line.split('\t'));
  const types = columns.map(([name, type]) => `'${name}': '${type === 'text' ? 'VARCHAR' : type}'`).join(', ');
  const wanted = columns.map(([name, type]) =>
    type === 'text' ? `coalesce(replace("${name}", '\\\\', '\\'), '') AS "${name}"` : `"${name}"`).join(', ');
  return `SELECT DISTINCT ${wanted} FROM read_csv([${files.map((f) => `'${folder}/${f}'`).join(', ')}],
    delim = '\t', header = false, quote = '', escape = '', nullstr = '\\N', auto_detect = false, columns = {${types}})`;
}

export async function load(db, table) {
  const files = readdirSync(folder).filter((name) => name.startsWith(`${table}.`) && name.endsWith('.tsv'));
  await db.run(`CREATE TABLE "${table}" AS ${parsed(table, files)} ORDER BY "Timestamp"`);
  const [[count]] = (await db.runAndReadAll(`SELECT count(*) FROM "${table}"`)).getRows();
  log(`${table}: DuckDB holds ${count} distinct events`);
}

export async function answer(body) {
  const headers = { 'content-type': 'application/json', prefer: 'wait=60' };
  const reply = await fetch(`${url}/v1/runs`, { method: 'POST', headers, body: JSON.stringify({ ...body, as_of: AS_OF }) });
  const text = await reply.text();
  if (reply.status !== 201) throw new Error(`POST /v1/runs: ${reply.status} ${text.slice(0, 500)}`);
  return text;
}

/** The answer to a query, KQL compiled for it. */
async function ask(query) {
  const reply = await fetch(`${url}/v1/query`, { method: 'POST', headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, as_of: AS_OF }) });
  const text = await reply.text();
  if (reply.status !== 200) throw new Error(`POST /v1/query: ${reply.status} ${text.slice(0, 500)}`);
  return text;
}

// Report ids have up to 18 digits: more than a double holds.
export const parse = (text) => JSON.parse(text.replace(/([[,:]\s*)(\d{16,})(?=\s*[,\]}])/g, '$1"$2"'));
const canonical = (keys, first, last, reports, count) =>
  JSON.stringify([...keys.map((k) => k ?? ''), String(first), String(last), reports.map(String).sort(), String(count)]);

export function ourRows(hunt, result) {
  const place = Object.fromEntries(result.columns.map((c, i) => [c.name, i]));
  return result.rows.map((row) => canonical(hunt.keys.map((k) => row[place[k]]), ticks(row[place.FirstSeen]),
    ticks(row[place.LastSeen]), row[place.Report], row[place.Count])).sort();
}

export const peerRow = (row, keys) => canonical(row.slice(0, keys), row[keys], row[keys + 1], row[keys + 2].items, row[keys + 3]);

export function compare(name, mine, theirs) {
  const same = mine.length === theirs.length && mine.every((row, i) => row === theirs[i]);
  if (!same) {
    const place = mine.findIndex((row, i) => row !== theirs[i]);
    log(`${name}: ${mine.length} rows, DuckDB ${theirs.length}; first difference\n  ${mine[Math.max(place, 0)]}\n  ${theirs[Math.max(place, 0)]}`);
  }
  return same;
}

/** The RemotePC hunt on both sides. check: the number of rows that both found; throws when they are none or differ. */
export async function remotepc(db) {
  const slug = 'remotepc-file-signature';
  const { query } = await (await fetch(`${url}/v1/hunts/${slug}`)).json();
  const hunt = translate(query), sql = oneQuery(hunt, FROM, TO);
  const check = (text, result) => {
    const mine = ourRows(hunt, parse(text)), theirs = result.getRows().map((row) => peerRow(row, hunt.keys.length)).sort();
    if (!mine.length || !compare(slug, mine, theirs)) throw new Error(`${slug}: the answers differ or are empty: not timed`);
    return mine.length;
  };
  return { slug, ours: () => ask(query), peer: () => db.runAndReadAll(sql), check };
}

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];

const WARM_UP = 5;

/** Milliseconds of both, run in turns; the first turns aren't counted. */
export async function medians(ours, peer, rounds) {
  const mine = [], theirs = [];
  for (let i = -WARM_UP; i < rounds; i++) {
    const turns = [[ours, mine], [peer, theirs]];
    for (const [run, times] of i % 2 ? turns.reverse() : turns) {
      const start = performance.now();
      await run();
      if (i >= 0) times.push(performance.now() - start);
    }
  }
  return [median(mine), median(theirs)];
}
