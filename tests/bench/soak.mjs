// soak.mjs URL FOLDER PID: ingest at a set rate, polls and runs at once, for MINUTES. Latency is counted from the moment at
// which a request was due, so that a stall shows in all that had to wait for it. One JSON line an interval.
import { execFile } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { promisify } from 'node:util';

const [url, folder, pid] = process.argv.slice(2);
const { MINUTES, RATE, DAY_SECONDS, KEEP_DAYS, INTERVAL } = Object.fromEntries(Object.entries(process.env).map(([k, v]) => [k, Number(v)]));
const BODY = 500, POLLS = 10, RUN_SECONDS = 10, DAY = 86400000;
const STALL = { times: 10, least_ms: 500 }; // a stall: the slowest is this many times the usual p99, and not just noise
const psql = (sql) => promisify(execFile)('psql', ['-XAtq', '-F', ' ', '-h', `${folder}/data/run`, '-U', 'rmmhunt', '-d', 'rmmhunt', '-c', sql])
  .then(({ stdout }) => stdout.trim().split(' ').map(Number));

// Records of the benchmark's estate, cut where their time goes.
const records = readdirSync(folder).filter((name) => name.endsWith('.ndjson'))
  .map((name) => readFileSync(`${folder}/${name}`, 'utf8').trimEnd().split('\n').map((line) => line.split(/(?<="Timestamp":")[^"]*/)));
const start = performance.now(), end = start + MINUTES * 60000;
const firstDay = Math.floor(Date.now() / DAY) - Math.ceil(MINUTES * 60 / DAY_SECONDS) - 2; // all of it lies in the past
const eventTime = () => firstDay * DAY + (performance.now() - start) / (DAY_SECONDS * 1000) * DAY;
let place = 0;

function body() {
  const now = eventTime(), lines = [];
  for (let i = 0; i < BODY; i++, place++) {
    const list = records[place % records.length], [before, after] = list[Math.floor(place / records.length) % list.length];
    const spread = now - Math.random() * DAY / 24; // events come up to an hour late
    lines.push(`${before}${new Date(spread).toISOString().slice(0, -1)}${String(place % 10000).padStart(4, '0')}Z${after}`);
  }
  return `${lines.join('\n')}\n`;
}

const times = { ingest: [], poll: [], run: [] };
let rows = 0, failures = 0;

async function call(path, options, wanted) {
  const reply = await fetch(url + path, options);
  const text = await reply.text();
  if (reply.status === wanted) return text;
  failures++;
  process.stderr.write(`soak: ${path}: ${reply.status} ${text.slice(0, 300)}\n`);
  return '{}';
}

let last;
const repeat = { every: 50, turn: 0 };
async function ingest() {
  if (!last || repeat.turn++ % repeat.every) last = body(); // else a repeat, as senders make them
  const answer = JSON.parse(await call('/v1/events', { method: 'POST', headers: { 'content-type': 'application/x-ndjson' }, body: last }, 200));
  rows += answer.stored ?? 0;
}
const paths = ['/v1/devices?limit=100', '/v1/changes?limit=100', '/v1/findings?limit=100', '/v1/coverage'];
let turn = 0;
const poll = () => call(paths[turn++ % paths.length], {}, 200);
const run = () => call('/v1/runs', { method: 'POST', headers: { 'content-type': 'application/json', prefer: 'wait=60' },
  body: JSON.stringify({ all: true, as_of: new Date(eventTime()).toISOString() }) }, 201);

// Each kind of request at its own pace, whether or not the ones before are done.
async function pace(kind, perSecond, work) {
  const open = new Set();
  for (let n = 0; start + n * 1000 / perSecond < end; n++) {
    const due = start + n * 1000 / perSecond;
    await new Promise((go) => setTimeout(go, Math.max(0, due - performance.now())));
    const one = work().catch((error) => { failures++; process.stderr.write(`soak: ${kind}: ${error}\n`); })
      .then(() => { times[kind].push(performance.now() - due); open.delete(one); });
    open.add(one);
  }
  await Promise.all(open);
}

const at = (sorted, share) => +(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(1);
function drain(kind) {
  const sorted = times[kind].splice(0).sort((a, b) => a - b);
  return { n: sorted.length, p50: at(sorted, 0.5), p99: at(sorted, 0.99), max: at(sorted, 1) };
}

// The clock can't be moved on: days that would be old by now are told so, and the server's own retention drops them.
const age = () => psql(`UPDATE rmm.days SET archived = 0 WHERE archived > 0 AND day < ${Math.floor(eventTime() / DAY) + 719162 - KEEP_DAYS}`);
const database = () => psql(`SELECT count(*), coalesce(sum(autovacuum_count), 0), coalesce(sum(autoanalyze_count), 0),
  pg_database_size(current_database()) / 1000000, (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'autovacuum worker'),
  (SELECT max(age(relfrozenxid)) FROM pg_class WHERE relkind = 'r') FROM pg_stat_user_tables WHERE schemaname = 'data'`);
const resident = () => +(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1] / 1024).toFixed(1);

const lines = [];
async function report() {
  for (let n = 1; n * INTERVAL <= MINUTES * 60; n++) {
    const before = rows;
    await new Promise((go) => setTimeout(go, Math.max(0, start + n * INTERVAL * 1000 - performance.now())));
    const line = { name: 'soak', at_s: n * INTERVAL, rows_s: Math.round((rows - before) / INTERVAL), ingest_ms: drain('ingest'), poll_ms: drain('poll'), run_ms: drain('run') };
    lines.push(line);
    await age();
    const [partitions, vacuums, analyzes, megabytes, workers, oldest] = await database();
    console.log(JSON.stringify({ ...line, partitions, vacuums, analyzes, vacuum_workers: workers, oldest_xid_age: oldest, database_mb: megabytes, server_mb: resident() }));
  }
}

await Promise.all([report(), pace('ingest', RATE / BODY, ingest), pace('poll', POLLS, poll), pace('run', 1 / RUN_SECONDS, run)]);

const settled = lines.slice(1); // the first interval fills caches
const stalls = [], usual = {};
for (const kind of ['ingest_ms', 'poll_ms', 'run_ms']) {
  const p99 = settled.map((line) => line[kind].p99).sort((a, b) => a - b)[settled.length >> 1] ?? 0;
  usual[kind] = p99;
  for (const line of settled)
    if (line[kind].max > Math.max(STALL.times * p99, STALL.least_ms)) stalls.push({ at_s: line.at_s, kind, max: line[kind].max });
}
console.log(JSON.stringify({ name: 'soak.verdict', steady: !stalls.length && !failures, median_p99: usual, stalls, failures, rows,
  note: `${MINUTES} min, ${RATE} rows/s wanted, a day in ${DAY_SECONDS} s, runs of all hunts every ${RUN_SECONDS} s, ${POLLS} polls/s` }));
process.exit(stalls.length || failures ? 1 : 0);
