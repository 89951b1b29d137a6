// The published hunts' small part of KQL as DuckDB conditions, in the best form known there: a hunt's literals first as
// plain substrings (cheap, a superset), then the regular expression with word boundaries that `has` means.
// What isn't understood gives null: such a hunt is left out of the comparison and counted.

const quote = (text) => `'${text.replaceAll("'", "''")}'`;
const column = (name) => `"${name}"`;
const escapeRegex = (text) => text.replace(/[^\p{L}\p{N}_ ]/gu, (c) => `\\${c}`);

function tokens(text) {
  const rule = /\s+|\/\/[^\n]*|@'([^']*)'|@"([^"]*)"|'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([A-Za-z_][\w]*)|(\d\w*)|(\.\.|=~|[-|()=,;.[\]:])/gy;
  const out = [];
  while (rule.lastIndex < text.length) {
    const found = rule.exec(text);
    if (!found) return null;
    const raw = found[1] ?? found[2], escaped = found[3] ?? found[4];
    if (raw !== undefined) out.push({ kind: 'text', value: raw });
    else if (escaped !== undefined) out.push({ kind: 'text', value: escaped.replace(/\\(.)/g, '$1') });
    else if (found[5] ?? found[6]) out.push({ kind: 'word', value: found[5] ?? found[6] });
    else if (found[7]) out.push({ kind: 'mark', value: found[7] });
  }
  return out;
}

class Parser {
  constructor(list) { this.list = list; this.at = 0; }
  peek(value) { return this.list[this.at]?.kind !== 'text' && this.list[this.at]?.value === value; }
  take(value) { if (this.peek(value)) { this.at++; return true; } return false; }
  need(value) { if (!this.take(value)) throw new Error(`no ${value} at ${this.list[this.at]?.value}`); }
  word() {
    if (this.list[this.at]?.kind !== 'word') throw new Error('no name');
    return this.list[this.at++].value;
  }
  text() {
    if (this.list[this.at]?.kind !== 'text') throw new Error('no literal');
    return this.list[this.at++].value;
  }
  literals() {
    const out = [];
    this.need('(');
    do out.push(this.text()); while (this.take(','));
    this.need(')');
    return out;
  }
  // guards: pairs of column and text of which one must be in a row that fulfils the condition; null: can't be said
  either() {
    let left = this.both();
    while (this.take('or')) {
      const right = this.both();
      left = { sql: `(${left.sql} OR ${right.sql})`, guards: left.guards && right.guards && [...left.guards, ...right.guards] };
    }
    return left;
  }
  both() {
    let left = this.one();
    while (this.take('and')) {
      const right = this.one();
      left = { sql: `(${left.sql} AND ${right.sql})`, guards: left.guards ?? right.guards };
    }
    return left;
  }
  one() {
    if (this.take('(')) { const inner = this.either(); this.need(')'); return inner; }
    const name = this.word();
    if (name === 'isempty') {
      this.need('(');
      const inner = this.word();
      this.need(')');
      return { sql: `${column(inner)} = ''`, guards: null };
    }
    const operator = this.word();
    if (operator === 'has') return has(name, [this.text()]);
    if (operator === 'has_any') return has(name, this.literals());
    if (operator === 'contains') return plain(name, this.text(), 'contains');
    if (operator === 'startswith') return plain(name, this.text(), 'starts_with');
    throw new Error(`operator ${operator}`);
  }
}

// ASCII edges on lowered text: RE2 compiles them ten times faster than (?i) with \pL\pN, and that is most of the time
// here. The answers are compared, so a record where it mattered would show.
function has(name, words) {
  const edge = (word) => (/^[\p{L}\p{N}]/u.test(word) ? '(?:^|[^0-9a-z])' : '') + escapeRegex(word) +
    (/[\p{L}\p{N}]$/u.test(word) ? '(?:$|[^0-9a-z])' : '');
  const low = words.map((word) => word.toLowerCase()), value = `lower(${column(name)})`;
  const near = low.map((word) => `contains(${value}, ${quote(word)})`).join(' OR ');
  const exact = `regexp_matches(${value}, ${quote(low.map(edge).join('|'))})`;
  return { sql: `((${near}) AND ${exact})`, guards: low.map((word) => [name, word]) };
}

function plain(name, word, call) {
  return { sql: `${call}(lower(${column(name)}), ${quote(word.toLowerCase())})`, guards: [[name, word]] };
}

const AGGREGATES = 'FirstSeen=min(Timestamp),LastSeen=max(Timestamp),Report=make_set(ReportId),Count=count()';

function summarize(parser) {
  let text = '';
  while (!parser.peek('by')) {
    if (parser.at >= parser.list.length) throw new Error('no by');
    text += parser.list[parser.at++].value;
  }
  if (text !== AGGREGATES) throw new Error(`aggregates ${text}`);
  const keys = [];
  parser.need('by');
  do keys.push(parser.word()); while (parser.take(','));
  return keys;
}

function window(parser) {
  for (const mark of ['let', 'Time_start', '=', 'now', '(', '-', '5d', ')', ';', 'let', 'Time_end', '=', 'now', '(', ')', ';'])
    parser.need(mark);
}

function pipeline(parser) {
  const table = parser.word(), conditions = [];
  for (const mark of ['|', 'where', 'Timestamp', 'between', '(', 'Time_start', '..', 'Time_end', ')']) parser.need(mark);
  for (;;) {
    parser.need('|');
    const operator = parser.word();
    if (operator === 'where') conditions.push(parser.either());
    else if (operator === 'summarize') break;
    else throw new Error(`operator ${operator}`);
  }
  const keys = summarize(parser);
  if (parser.at !== parser.list.length && !(parser.take(';') && parser.at === parser.list.length)) throw new Error('more');
  return { table, keys, sql: conditions.map((c) => c.sql).join(' AND '), guards: conditions.find((c) => c.guards)?.guards };
}

/** {table, keys, sql, guards} of a hunt over its last five days, or null. */
export function translate(query) {
  const list = tokens(query);
  if (!list) return null;
  try {
    const parser = new Parser(list);
    window(parser);
    const hunt = pipeline(parser);
    return hunt.guards ? hunt : null;
  } catch {
    return null;
  }
}

const TAIL = 'min("Timestamp") AS first, max("Timestamp") AS last, list(DISTINCT "ReportId") AS reports, count(*) AS n';

// The published network hunts name a column that their table lacks; the service reads it as this one, with a warning.
const keyColumns = (hunt) => hunt.keys.map((key) =>
  column(hunt.table === 'DeviceNetworkEvents' && key === 'AccountUpn' ? 'InitiatingProcessAccountUpn' : key)).join(', ');

export function oneQuery(hunt, from, to) {
  const keys = keyColumns(hunt);
  return `SELECT ${keys}, ${TAIL} FROM "${hunt.table}" WHERE "Timestamp" BETWEEN ${from} AND ${to} AND ${hunt.sql} GROUP BY ${keys}`;
}

/** Hunts of one table and one set of keys in one scan: rows that hold any literal, then which hunts each fulfils. */
export function sharedQuery(hunts, from, to) {
  const byColumn = new Map();
  for (const hunt of hunts)
    for (const [name, word] of hunt.guards) byColumn.set(name, (byColumn.get(name) ?? new Set()).add(escapeRegex(word.toLowerCase())));
  const near = [...byColumn].map(([name, words]) => `regexp_matches(lower(${column(name)}), ${quote([...words].join('|'))})`).join(' OR ');
  const keys = keyColumns(hunts[0]);
  const which = hunts.map((hunt) => `CASE WHEN ${hunt.sql} THEN ${quote(hunt.slug)} END`).join(', ');
  return `SELECT hunt, ${keys}, ${TAIL} FROM (SELECT "Timestamp", "ReportId", ${keys}, unnest([${which}]) AS hunt
    FROM "${hunts[0].table}" WHERE "Timestamp" BETWEEN ${from} AND ${to} AND (${near})) WHERE hunt IS NOT NULL GROUP BY hunt, ${keys}`;
}
