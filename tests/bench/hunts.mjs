// hunts.mjs URL FOLDER: the service's answers to hunts beside DuckDB's over the same records, in a file of its own.
// Answers are compared first; then both are timed in turns, medians of ROUNDS. JSON lines on stdout.
import { sharedQuery, translate } from './kql_duckdb.mjs';
import { answer, compare, duckdb, FROM, load, log, medians, ourRows, parse, peerRow, remotepc, TO, url } from './service.mjs';

const TABLES = ['DeviceFileCertificateInfo', 'DeviceProcessEvents', 'DeviceNetworkEvents'];
const ROUNDS = 15;

async function race(name, ours, peer, peerName, note) {
  const [a, b] = await medians(ours, peer, ROUNDS);
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
  const { ours, peer, check } = await remotepc(db), count = check(await ours(), await peer());
  await race('hunt.remotepc.window', ours, peer, 'DuckDB, contains then regex',
    `5 of 30 days; both found the same ${count} rows; ours is POST /v1/query with its answer, KQL compiled each time`);
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

const db = await duckdb('duckdb.file');
let failed = 0;
for (const table of TABLES) await load(db, table);
await db.run('CHECKPOINT');
for (const part of [one, all]) await part(db).catch((error) => { failed = 1; log(error.message); });
process.exitCode = failed;
