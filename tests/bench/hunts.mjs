// hunts.mjs URL FOLDER: the service's answers to hunts beside DuckDB's over the same records, in a file of its own.
// Answers are compared first; then both are timed in turns, medians of ROUNDS. JSON lines on stdout.
import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { oneQuery, sharedQuery, translate } from './kql_duckdb.mjs';

const [url, folder] = process.argv.slice(2);
const { DuckDBInstance } = createRequire(`${process.cwd()}/build/bench/`)('@duckdb/node-api');
const TABLES = ['DeviceFileCertificateInfo', 'DeviceProcessEvents', 'DeviceNetworkEvents'];
const AS_OF = '2026-07-20T00:00:00Z', ROUNDS = 15;
const ticks = (text) => BigInt(Date.parse(`${text.slice(0, 19)}Z`)) * 10000n + 621355968000000000n +
  BigInt((text.slice(20).replace('Z', '') || '0').padEnd(7, '0'));
const TO = ticks(AS_OF), FROM = TO - 5n * 864000000000n;
const log = (text) => process.stderr.write(`bench: ${text}\n`);

async function load(db, table) {
  const columns = readFileSync(`${folder}/${table}.columns`, 'utf8').trim().split('\n').map((line) => line.split('\t'));
  const files = readdirSync(folder).filter((name) => name.startsWith(`${table}.`) && name.endsWith('.tsv'));
  const types = columns.map(([name, type]) => `'${name}': '${type === 'text' ? 'VARCHAR' : type}'`).join(', ');
  const wanted = columns.map(([name, type]) =>
    type === 'text' ? `coalesce(replace("${name}", '\\\\', '\\'), '') AS "${name}"` : `"${name}"`).join(', ');
  await db.run(`CREATE TABLE "${table}" AS SELECT DISTINCT ${wanted} FROM read_csv([${files.map((f) => `'${folder}/${f}'`).join(', ')}],
    delim = '\t', header = false, quote = '', escape = '', nullstr = '\\N', auto_detect = false, columns = {${types}}) ORDER BY "Timestamp"`);
  const [[count]] = (await db.runAndReadAll(`SELECT count(*) FROM "${table}"`)).getRows();
  log(`${table}: DuckDB holds ${count} distinct events`);
}

async function answer(body) {
  const headers = { 'content-type': 'application/json', prefer: 'wait=60' };
  const reply = await fetch(`${url}/v1/runs`, { method: 'POST', headers, body: JSON.stringify({ ...body, as_of: AS_OF }) });
  const text = await reply.text();
  if (reply.status !== 201) throw new Error(`POST /v1/runs: ${reply.status} ${text.slice(0, 500)}`);
  return text;
}

async function ask(query) {
  const reply = await fetch(`${url}/v1/query`, { method: 'POST', headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, as_of: AS_OF }) });
  const text = await reply.text();
  if (reply.status !== 200) throw new Error(`POST /v1/query: ${reply.status} ${text.slice(0, 500)}`);
  return text;
}

// Report ids have up to 18 digits: more than a double holds.
const parse = (text) => JSON.parse(text.replace(/([[,:]\s*)(\d{16,})(?=\s*[,\]}])/g, '$1"$2"'));
const canonical = (keys, first, last, reports, count) =>
  JSON.stringify([...keys.map((k) => k ?? ''), String(first), String(last), reports.map(String).sort(), String(count)]);

function ourRows(hunt, result) {
  const place = Object.fromEntries(result.columns.map((c, i) => [c.name, i]));
  return result.rows.map((row) => canonical(hunt.keys.map((k) => row[place[k]]), ticks(row[place.FirstSeen]),
    ticks(row[place.LastSeen]), row[place.Report], row[place.Count])).sort();
}

const peerRow = (row, keys) => canonical(row.slice(0, keys), row[keys], row[keys + 1], row[keys + 2].items, row[keys + 3]);

function compare(name, mine, theirs) {
  const same = mine.length === theirs.length && mine.every((row, i) => row === theirs[i]);
  if (!same) {
    const place = mine.findIndex((row, i) => row !== theirs[i]);
    log(`${name}: ${mine.length} rows, DuckDB ${theirs.length}; first difference\n  ${mine[Math.max(place, 0)]}\n  ${theirs[Math.max(place, 0)]}`);
  }
  return same;
}

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];

async function race(name, ours, peer, peerName, note) {
  const mine = [], theirs = [];
  for (let i = 0; i < ROUNDS; i++) {
    const turns = [[ours, mine], [peer, theirs]];
    for (const [run, times] of i % 2 ? turns.reverse() : turns) {
      const start = performance.now();
      await run();
      times.push(performance.now() - start);
    }
  }
  const [a, b] = [median(mine), median(theirs)];
  console.log(JSON.stringify({ name, ours: +a.toFixed(2), peer: +b.toFixed(2), peer_name: peerName, ratio: +(b / a).toFixed(2), unit: 'ms', note }));
}

async function allHunts() {
  const hunts = [];
  let total = 0;
  for (let cursor = ''; cursor !== null;) {
    const page = await (await fetch(`${url}/v1/hunts?limit=1000${cursor && `&cursor=${encodeURIComponent(cursor)}`}`)).json();
    for (const { slug, state } of page.hunts) {
      total++;
      const { query } = await (await fetch(`${url}/v1/hunts/${slug}`)).json();
      const hunt = state === 'ready' && query && translate(query);
      if (hunt && TABLES.includes(hunt.table)) hunts.push({ ...hunt, slug });
      else log(`hunt ${slug} is left out (${state})`);
    }
    cursor = page.next ?? null;
  }
  return { hunts, total };
}

async function one(db) {
  const slug = 'remotepc-file-signature';
  const { query } = await (await fetch(`${url}/v1/hunts/${slug}`)).json();
  const hunt = translate(query), sql = oneQuery(hunt, FROM, TO);
  const mine = ourRows(hunt, parse(await ask(query)));
  const theirs = (await db.runAndReadAll(sql)).getRows().map((row) => peerRow(row, hunt.keys.length)).sort();
  if (!mine.length || !compare(slug, mine, theirs)) throw new Error(`${slug}: the answers differ or are empty: not timed`);
  await race('hunt.remotepc.window', () => ask(query), () => db.runAndReadAll(sql), 'DuckDB, contains then regex',
    `5 of 30 days; both found the same ${mine.length} rows; ours is POST /v1/query with its answer, KQL compiled each time`);
}

async function all(db) {
  const { hunts, total } = await allHunts();
  const groups = new Map();
  for (const hunt of hunts) groups.set(`${hunt.table} ${hunt.keys}`, [...(groups.get(`${hunt.table} ${hunt.keys}`) ?? []), hunt]);
  const queries = [...groups.values()].map((list) => ({ sql: sharedQuery(list, FROM, TO), keys: list[0].keys.length }));
  const peer = async () => { for (const { sql } of queries) await db.runAndReadAll(sql); };
  const ours = () => answer({ hunts: hunts.map((hunt) => hunt.slug) });
  const theirs = new Map(hunts.map((hunt) => [hunt.slug, []]));
  for (const { sql, keys } of queries)
    for (const row of (await db.runAndReadAll(sql)).getRows()) theirs.get(row[0]).push(peerRow(row.slice(1), keys));
  const results = new Map(parse(await ours()).hunts.map((result) => [result.hunt.slug, result]));
  let rows = 0, wrong = 0;
  for (const hunt of hunts) {
    const result = results.get(hunt.slug), mine = result?.rows ? ourRows(hunt, result) : [];
    rows += mine.length;
    wrong += !result?.rows || !compare(hunt.slug, mine, theirs.get(hunt.slug).sort());
  }
  if (wrong || !rows) throw new Error(`${wrong} of ${hunts.length} hunts differ, ${rows} rows: not timed`);
  await race('hunt.all.window', ours, peer, `DuckDB, shared scans (${queries.length})`,
    `${hunts.length} of ${total} hunts (those that DuckDB's side can state), 5 of 30 days, 3 tables; ${rows} rows, all equal`);
}

const instance = await DuckDBInstance.create(`${folder}/duckdb.file`);
const db = await instance.connect();
let failed = 0;
for (const table of TABLES) await load(db, table);
await db.run('CHECKPOINT');
for (const part of [one, all]) await part(db).catch((error) => { failed = 1; log(error.message); });
process.exitCode = failed;
