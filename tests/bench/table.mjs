// table.mjs FILE…: JSON lines of bench runs as the table of docs/performance.md, a pair of columns a file.
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

const TARGETS = {
  'hunt.remotepc.window': '≥ 7', 'hunt.all.window': '≥ 15', 'hunt.remotepc.cold': '≥ 3', 'hunt.growth': 'ours ≤ 1.5', 'hunt.excluded': '≥ 0.5',
  'ingest.http.process': '≥ 1.0', 'ingest.http.certificate': '≥ 1.5', 'ingest.http.network': '', 'ingest.http.small': '≥ 0.7', 'ingest.repeats': '≥ 0.8',
  'ingest.hostile': '', 'decode.process': '≥ 15', 'storage.process': '≥ 3.5', 'storage.certificate': '≥ 3.5', 'storage.network': '',
  'serve.results.200': '≥ 1.0', 'serve.results.304': '≥ 1.0', 'serve.results.c64': '', 'serve.results.c512': '≥ 0.8', 'serve.results.c1000': '≥ 0.8',
  'serve.devices': '≤ 20 ms', 'mixed.poll': '≥ 0.5', 'mixed.ingest': '≥ 0.5', 'memory.server': '≤ 256 MB',
  'growth.schedules': '', 'growth.devices': '≤ 20 ms', 'growth.hunts': '',
};

const runs = process.argv.slice(2).map((file) => ({ name: basename(file, '.jsonl'),
  lines: new Map(readFileSync(file, 'utf8').split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line)).map((line) => [line.name, line])) }));
const number = (value) => (value >= 1000 ? Math.round(value).toLocaleString('en') : String(value));
const cells = (line) => (line ? `${number(line.ours)} / ${number(line.peer)} | ${line.ratio.toFixed(2)}` : ' | ');

console.log(`| name | unit | ${runs.map(({ name }) => `${name}: ours / peer | ratio`).join(' | ')} | target |`);
console.log(`| --- | --- | ${runs.map(() => '---: | ---:').join(' | ')} | ---: |`);
for (const [name, target] of Object.entries(TARGETS)) {
  const unit = runs.map(({ lines }) => lines.get(name)?.unit).find(Boolean) ?? '';
  console.log(`| \`${name}\` | ${unit} | ${runs.map(({ lines }) => cells(lines.get(name))).join(' | ')} | ${target} |`);
}
