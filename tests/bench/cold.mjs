// cold.mjs URL FOLDER: one cold answer of each side, "ours peer" in ms. For a fresh server and a fresh process: what
// opening reads is dropped from the page cache again before each of the two.
import { execFileSync } from 'node:child_process';
import { duckdb, folder, remotepc } from './service.mjs';

async function timed(work) {
  execFileSync('sh', ['tests/bench/drop_caches.sh', folder], { stdio: 'inherit' });
  const start = performance.now(), result = await work();
  return [performance.now() - start, result];
}

const db = await duckdb('duckdb.file');
await db.run('SELECT 1');
const { ours, peer, check } = await remotepc(db);
const [mine, answer] = await timed(ours), [theirs, rows] = await timed(peer);
check(answer, rows);
console.log(`${mine.toFixed(2)} ${theirs.toFixed(2)}`);
