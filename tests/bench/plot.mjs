// plot.mjs FILE [FOLDER]: draws the JSON lines of a bench run as SVG: docs/hunt-growth.svg from hunt.growth, and
// docs/serving.svg from serve.results.*. A line that isn't there leaves its picture as it was.
import { readFileSync, writeFileSync } from 'node:fs';

const [file, folder = 'docs'] = process.argv.slice(2);
const lines = readFileSync(file, 'utf8').split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
const WIDTH = 640, HEIGHT = 320, LEFT = 70, RIGHT = 130, TOP = 40, BOTTOM = 50;
const COLOURS = ['#0b6e99', '#c05717'];

const number = (value) => value >= 1e6 ? `${+(value / 1e6).toPrecision(3)} M` : value >= 1e4 ? `${+(value / 1e3).toPrecision(3)} k` : `${+value.toPrecision(3)}`;
const escape = (text) => text.replace(/[&<>]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[c]);

/** 1, 2 or 5 times a power of ten, about five of them up to most. */
function ticks(most) {
  const raw = most / 5, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find((n) => n * power >= raw) * power;
  return Array.from({ length: Math.floor(most / step) + 1 }, (_, i) => i * step);
}

/** series: [{name, points: [[x, y], …]}]; x on a logarithmic scale with a mark at each point. */
function plot(title, xTitle, yTitle, series) {
  const xs = [...new Set(series.flatMap(({ points }) => points.map(([x]) => x)))].sort((a, b) => a - b);
  const most = Math.max(...series.flatMap(({ points }) => points.map(([, y]) => y))) * 1.1;
  const [low, high] = [Math.log(xs[0]), Math.log(xs.at(-1))];
  const x = (value) => +(LEFT + (Math.log(value) - low) / (high - low || 1) * (WIDTH - LEFT - RIGHT)).toFixed(1);
  const y = (value) => +(HEIGHT - BOTTOM - value / most * (HEIGHT - TOP - BOTTOM)).toFixed(1);
  const text = (px, py, anchor, words, more = '') => `<text x="${px}" y="${py}" text-anchor="${anchor}"${more}>${escape(words)}</text>`;
  const parts = [text(LEFT, 22, 'start', title, ' font-weight="bold"'), text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, 'middle', xTitle),
    text(16, HEIGHT / 2, 'middle', yTitle, ` transform="rotate(-90 16 ${HEIGHT / 2})"`)];
  for (const value of ticks(most))
    parts.push(`<path d="M${LEFT} ${y(value)}H${WIDTH - RIGHT}" stroke="#ddd"/>`, text(LEFT - 6, y(value) + 4, 'end', number(value)));
  for (const value of xs) parts.push(text(x(value), HEIGHT - BOTTOM + 18, 'middle', number(value)));
  series.forEach(({ name, points }, i) => {
    parts.push(`<polyline fill="none" stroke="${COLOURS[i]}" stroke-width="2" points="${points.map(([a, b]) => `${x(a)},${y(b)}`).join(' ')}"/>`);
    for (const [a, b] of points) parts.push(`<circle cx="${x(a)}" cy="${y(b)}" r="3" fill="${COLOURS[i]}"/>`);
    parts.push(text(x(points.at(-1)[0]) + 8, y(points.at(-1)[1]) + 4, 'start', name, ` fill="${COLOURS[i]}"`));
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12" fill="#333">
<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>\n${parts.join('\n')}\n</svg>\n`;
}

const growth = lines.find(({ name }) => name === 'hunt.growth');
if (growth)
  writeFileSync(`${folder}/hunt-growth.svg`, plot('One hunt over 5 of 30 days, the same hits', 'certificate rows', 'ms',
    [['rmmhunt', 'ours'], ['DuckDB', 'peer']].map(([name, key]) => ({ name, points: growth.points.map((point) => [point.rows, point[key]]) }))));

const served = lines.filter(({ name }) => /^serve\.results\.(200|c\d+)$/.test(name))
  .map((line) => ({ ...line, connections: line.name.endsWith('.200') ? 16 : Number(/\d+$/.exec(line.name)[0]) })).sort((a, b) => a.connections - b.connections);
if (served.length > 1)
  writeFileSync(`${folder}/serving.svg`, plot("Polls of a hunt's results, from memory", 'keep-alive connections', 'requests/s',
    [['rmmhunt', 'ours'], ['nginx', 'peer']].map(([name, key]) => ({ name, points: served.map((line) => [line.connections, line[key]]) }))));
