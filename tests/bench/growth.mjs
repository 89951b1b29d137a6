// growth.mjs URL FOLDER PID SOCKETS: each kind of growth by itself, every point in `points` of its JSON line.
import { execFile, execFileSync, spawn } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { AS_OF, duckdb, folder, log, medians, parsed, remotepc, url } from './service.mjs';

const [pid, sockets] = process.argv.slice(4);
const list = (name) => process.env[name].split(' ').map(Number);
const BIN = 'build/tests/bench', TABLE = 'DeviceFileCertificateInfo', SLUG = 'remotepc-file-signature';
const ROUNDS = 15, RUNS = 3, BATCH = 250000, PAGES = 500, LIMIT_MS = 20, SCHEDULE_SECONDS = Number(process.env.SCHEDULE_SECONDS);
const sql = (text) => execFileSync('psql', ['-XAtq', '-F', ' ', '-h', sockets, '-U', 'rmmhunt', '-d', 'rmmhunt', '-c', text], { encoding: 'utf8' }).trim();
const round = (value, digits = 2) => +value.toFixed(digits);
const figure = (name, ours, peer, peerName, ratio, unit, note, points) =>
  console.log(JSON.stringify({ name, ours: round(ours), peer: round(peer), peer_name: peerName, ratio: round(ratio), unit, note, points }));
const cpu = () => { // seconds that the server has used
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
};
const peak = () => round(Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024, 1); // MB of the server so far
const send = (file) => promisify(execFile)(`${BIN}/send`, [`${url}/v1/events`, `${folder}/${file}`, '4']);
const post = (path, body, type) => fetch(url + path, { method: 'POST', headers: { 'content-type': type }, body });

/** Loads that many more on both sides, while fill writes the next batch. What the hunt finds comes with the first ones only. */
async function rowsAdd(db, count, place) {
  const batches = Math.ceil(count / BATCH), seed = String(place / 10); // another share of repeats is another seed
  const fill = spawn(`${BIN}/fill`, [TABLE, count, batches, folder, seed, place ? 'others' : 'all'].map(String), { stdio: ['pipe', 'pipe', 'inherit'] });
  const filled = createInterface({ input: fill.stdout })[Symbol.asyncIterator]();
  fill.stdin.write('\n');
  for (let n = 0; n < batches; n++) {
    if ((await filled.next()).done) throw new Error('fill ended');
    if (n + 1 < batches) fill.stdin.write('\n');
    await send(`${TABLE}.${n}.ndjson`);
    const rows = parsed(TABLE, [`${TABLE}.${n}.tsv`]);
    await db.run(`CREATE TABLE IF NOT EXISTS arrived AS ${rows} LIMIT 0`);
    await db.run(`INSERT INTO arrived ${rows}`);
    for (const kind of ['ndjson', 'tsv', 'wide']) rmSync(`${folder}/${TABLE}.${n}.${kind}`);
    log(`growth: ${Math.min((n + 1) * BATCH, count)} of ${count} rows more`);
  }
  fill.stdin.end();
  sql('VACUUM (ANALYZE)');
  await db.run(`CREATE OR REPLACE TABLE "${TABLE}" AS SELECT * FROM arrived ORDER BY "Timestamp"`);
  await db.run('CHECKPOINT');
}

async function rows(db) {
  const points = [], { ours, peer, check } = await remotepc(db);
  let hits;
  for (const [place, wanted] of list('POINTS').entries()) {
    await rowsAdd(db, wanted - (place ? list('POINTS')[place - 1] : 0), place);
    const found = check(await ours(), await peer());
    hits ??= found;
    if (found !== hits) throw new Error(`${wanted} rows: ${found} hits instead of ${hits}`);
    const [mine, theirs] = await medians(ours, peer, ROUNDS);
    points.push({ rows: Number(sql('SELECT count(*) FROM data.device_file_certificate_info')), ours: round(mine), peer: round(theirs) });
    log(`growth: ${JSON.stringify(points.at(-1))}`);
  }
  const [first, last] = [points[0], points.at(-1)];
  figure('hunt.growth', last.ours / first.ours, last.peer / first.peer, "DuckDB's growth", last.peer / first.peer / (last.ours / first.ours), 'times',
    `the RemotePC hunt, POST /v1/query, at ${last.rows} rows over the same at ${first.rows}, the same ${hits} rows found; points in ms`, points);
}

const BEFORE_DEVICES = '2026-07-15T00:00:00Z'; // a run's results hold nothing of what devices() adds
const huntText = (n) => `id: 00000000-0000-4000-8000-${String(n).padStart(12, '0')}
name: 'Growth ${n}'
description: 'A signer that only this hunt looks for'
tactics: [CommandAndControl]
relevantTechniques: [T1219]
query: |
  let Time_start = now(-5d);
  let Time_end = now();
  DeviceFileCertificateInfo
  | where Timestamp between (Time_start..Time_end)
  | where Signer has 'growth${n}'
  | summarize FirstSeen=min(Timestamp), LastSeen=max(Timestamp), Report=make_set(ReportId), Count=count() by DeviceId, DeviceName, Signer
`;

async function runAll(body) { // ms; a long run is waited for
  const start = performance.now();
  const reply = await fetch(`${url}/v1/runs`, { method: 'POST', headers: { 'content-type': 'application/json', prefer: 'wait=60' },
    body: JSON.stringify({ as_of: AS_OF, ...body }) });
  let run = await reply.json();
  const id = run.run_id;
  while (run.state === 'queued' || run.state === 'running') {
    await new Promise((go) => setTimeout(go, 100));
    run = await (await fetch(`${url}/v1/runs/${id}`)).json();
  }
  if (run.state !== 'succeeded') throw new Error(`run ${id}: ${JSON.stringify(run).slice(0, 300)}`);
  return performance.now() - start;
}

/** Imports until that many are known; ms a hunt. */
async function huntsAdd(known, wanted) {
  const start = performance.now();
  for (let at = known; at < wanted;) {
    const texts = Array.from({ length: Math.min(100, wanted - at) }, (_, i) => huntText(at + i));
    const reply = await post('/v1/hunts/import', texts.join('\n---\n'), 'application/yaml');
    if (!reply.ok) throw new Error(`import: ${reply.status} ${(await reply.text()).slice(0, 300)}`);
    at += texts.length;
  }
  return (performance.now() - start) / (wanted - known);
}

async function hunts() {
  const points = [], { hunts: listed } = await (await fetch(`${url}/v1/hunts?limit=1000`)).json();
  const slugs = listed.filter((hunt) => hunt.state === 'ready').map((hunt) => hunt.slug);
  let known = slugs.length;
  for (const wanted of list('HUNTS')) {
    const added = wanted > known && await huntsAdd(known, wanted), times = [];
    known = Math.max(known, wanted);
    for (let i = 0; i < RUNS; i++) times.push(await runAll({ as_of: BEFORE_DEVICES, ...(wanted < known ? { hunts: slugs.slice(0, wanted) } : { all: true }) }));
    const ms = times.sort((a, b) => a - b)[RUNS >> 1];
    points.push({ hunts: wanted, ms: round(ms), ms_a_hunt: round(ms / wanted, 3), ...(added && { import_ms_a_hunt: round(added, 3) }), server_mb: peak() });
    log(`growth: ${JSON.stringify(points.at(-1))}`);
  }
  const [first, last] = [points[0], points.at(-1)];
  figure('growth.hunts', last.ms_a_hunt, first.ms_a_hunt, `a hunt's share with ${first.hunts} hunts`, first.ms_a_hunt / last.ms_a_hunt, 'ms',
    `a hunt's share of a run of all ${last.hunts} (the catalogue's and generated ones over signers that find nothing)`, points);
}

async function schedules() {
  const points = [];
  await fetch(`${url}/v1/schedules/catalogue`, { method: 'DELETE' });
  let made = 0;
  for (const wanted of list('SCHEDULES')) {
    for (; made < wanted; made++) {
      const reply = await post('/v1/schedules', JSON.stringify({ id: `growth-${made}`, every: '30s', hunts: [SLUG] }), 'application/json');
      if (reply.status !== 201) throw new Error(`schedule: ${reply.status} ${await reply.text()}`);
    }
    const from = sql('SELECT clock_timestamp()'), used = cpu(), start = performance.now();
    await new Promise((go) => setTimeout(go, SCHEDULE_SECONDS * 1000));
    const share = (cpu() - used) / (performance.now() - start) * 1000;
    const [due, half, most, worst, begun] = sql(`SELECT count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY lag), percentile_cont(0.99) WITHIN GROUP (ORDER BY lag), max(lag),
      percentile_cont(0.99) WITHIN GROUP (ORDER BY begun) FROM (SELECT extract(epoch FROM s.created_at) * 1000 - (s.slot - 621355968000000000) / 1e4 AS lag,
      extract(epoch FROM r.started_at) * 1000 - (s.slot - 621355968000000000) / 1e4 AS begun
      FROM rmm.slots s JOIN rmm.runs r ON r.id = s.run_id WHERE s.created_at > '${from}') x`).split(' ').map(Number);
    points.push({ schedules: wanted, slots: due, lag_ms_p50: round(half), lag_ms_p99: round(most), lag_ms_max: round(worst), started_ms_p99: round(begun), cpu_share: round(share, 3) });
    log(`growth: ${JSON.stringify(points.at(-1))}`);
  }
  for (let i = 0; i < made; i++) await fetch(`${url}/v1/schedules/growth-${i}`, { method: 'DELETE' });
  const last = points.at(-1);
  figure('growth.schedules', last.lag_ms_p99, 30000, 'the time between its slots', 30000 / last.lag_ms_p99, 'ms',
    `99th percentile from a slot's time to its run's entry in the queue, ${last.schedules} schedules all due each 30 s; cpu_share: of one core, server alone, runs included`, points);
}

async function devices() {
  const points = [];
  let made = 0;
  for (const wanted of list('FOUND')) {
    const lines = [];
    for (; made < wanted; made++)
      lines.push(JSON.stringify({ category: `AdvancedHunting-${TABLE}`, properties: { Timestamp: `2026-07-19T${String(made % 24).padStart(2, '0')}:00:00Z`,
        DeviceId: `growth${String(made).padStart(6, '0')}`, DeviceName: `grown-${made}.example`, ReportId: made + 1, SHA1: String(made).padStart(40, '0'), IsSigned: true, Signer: 'IDrive, Inc.' } }));
    writeFileSync(`${folder}/devices.ndjson`, `${lines.join('\n')}\n`);
    await send('devices.ndjson');
    const ledger = await runAll({ hunts: [SLUG] });
    sql('VACUUM (ANALYZE)');
    const times = [];
    let cursor = '';
    for (let i = 0; i < PAGES; i++) { // pages in a row, from the start again at the end
      const start = performance.now();
      const page = await (await fetch(`${url}/v1/devices?tool=RemotePC&limit=100${cursor && `&cursor=${encodeURIComponent(cursor)}`}`)).json();
      times.push(performance.now() - start);
      if (!page.devices.length) throw new Error('no devices');
      cursor = page.next ?? '';
    }
    times.sort((a, b) => a - b);
    points.push({ devices: Number(sql('SELECT count(*) FROM rmm.devices')), p50: round(times[PAGES >> 1]), p99: round(times[Math.floor(PAGES * 0.99)]), run_ms: round(ledger), server_mb: peak() });
    log(`growth: ${JSON.stringify(points.at(-1))}`);
  }
  const last = points.at(-1);
  figure('growth.devices', last.p99, LIMIT_MS, 'the limit', LIMIT_MS / last.p99, 'ms',
    `99th percentile of a page of 100, walking all pages, ${last.devices} devices with findings; run_ms: the run that found the newest ones`, points);
}

const db = await duckdb('duckdb.growth');
for (const part of [() => rows(db), schedules, devices, hunts])
  await part().catch((error) => { process.exitCode = 1; log(error.stack); });
