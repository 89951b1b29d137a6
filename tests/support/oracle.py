#!/usr/bin/env python3
"""What the published hunts must find, worked out without the product: a small interpreter of the KQL they use, over the
records as they were sent. Standard library only.

oracle.py vary HUNTS.json OUT.ndjson AS_OF
  writes records made of the hunts' own words, so that nearly every hunt has hits and near misses
oracle.py compare RECORDS.ndjson HUNTS.json RESULT.json AS_OF
  RECORDS  streaming records, one a line, repeats included
  HUNTS    [{"slug", "query"}, ...] as GET /v1/hunts/{slug} gives them
  RESULT   what the run of all hunts answered
Exit 0 when every hunt's devices, times, counts, report ids and groups are the same; else the differences and exit 1.
"""
import datetime
import json
import random
import re
import sys

TOKEN = re.compile(r"""
    (?P<space>\s+|//[^\n]*)
  | (?P<verbatim>@'(?:[^']|'')*'|@"(?:[^"]|"")*")
  | (?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
  | (?P<span>\d+(?:\.\d+)?(?:d|h|m|s|ms)\b)
  | (?P<number>\d+(?:\.\d+)?)
  | (?P<name>!?[A-Za-z_][A-Za-z0-9_]*~?)
  | (?P<mark>\.\.|==|!=|=~|!~|<=|>=|[-+*/<>=|(),;:\[\].])
""", re.X)

SPANS = {"d": 864000000000, "h": 36000000000, "m": 600000000, "s": 10000000, "ms": 10000}
EPOCH = datetime.date(1, 1, 1).toordinal()


def ticks(text):
    """Ticks of 100 ns since 0001-01-01."""
    match = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,7})0*)?Z", text)
    year, month, day, hour, minute, second = (int(match.group(i)) for i in range(1, 7))
    days = datetime.date(year, month, day).toordinal() - EPOCH
    return ((days * 24 + hour) * 60 + minute) * 600000000 + second * 10000000 + int((match.group(7) or "").ljust(7, "0"))


def print_ticks(value):
    seconds, fraction = divmod(value, 10000000)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    date = datetime.date.fromordinal(days + EPOCH)
    return f"{date.isoformat()}T{hour:02}:{minute:02}:{second:02}.{fraction:07}Z"


class Unsupported(Exception):
    pass


def tokenize(text):
    at, tokens = 0, []
    while at < len(text):
        match = TOKEN.match(text, at)
        if not match:
            raise Unsupported(f"can't read {text[at:at + 20]!r}")
        kind, value = match.lastgroup, match.group()
        at = match.end()
        if kind == "space":
            continue
        if kind == "verbatim":
            kind, value = "string", value[2:-1].replace(value[1] * 2, value[1])
        elif kind == "string":
            value = re.sub(r"\\(.)", lambda m: {"n": "\n", "t": "\t", "r": "\r"}.get(m.group(1), m.group(1)), value[1:-1])
        elif kind == "span":
            number, unit = re.fullmatch(r"([\d.]+)([a-z]+)", value).groups()
            value = int(float(number) * SPANS[unit])
        elif kind == "number":
            value = int(value) if "." not in value else float(value)
        tokens.append((kind, value))
    return tokens + [("end", None)]


def is_word(char):
    return char.isalnum()


def has(text, needle):
    """A term: its alphanumeric edges must not go on in the text."""
    text, needle = text.lower(), needle.lower()
    if not needle:
        return True
    at = text.find(needle)
    while at >= 0:
        end = at + len(needle)
        open_left = not is_word(needle[0]) or at == 0 or not is_word(text[at - 1])
        open_right = not is_word(needle[-1]) or end == len(text) or not is_word(text[end])
        if open_left and open_right:
            return True
        at = text.find(needle, at + 1)
    return False


COMPARE = {
    "has": has,
    "contains": lambda a, b: b.lower() in a.lower(),
    "startswith": lambda a, b: a.lower().startswith(b.lower()),
    "endswith": lambda a, b: a.lower().endswith(b.lower()),
    "=~": lambda a, b: a.lower() == b.lower(),
    "==": lambda a, b: a == b,
    "<": lambda a, b: a < b, ">": lambda a, b: a > b, "<=": lambda a, b: a <= b, ">=": lambda a, b: a >= b,
}
LISTS = {
    "in": lambda a, items: a in items,
    "in~": lambda a, items: a.lower() in [i.lower() for i in items],
    "has_any": lambda a, items: any(has(a, i) for i in items),
    "has_all": lambda a, items: all(has(a, i) for i in items),
}
NEGATED = {"!=": "==", "!~": "=~", **{"!" + k: k for k in ("has", "contains", "startswith", "endswith", "in", "in~", "has_any")}}


class Rows(list):
    """A table: rows as dicts, and its columns in order (None: whatever the event table has)."""

    def __init__(self, rows, columns=None, table=None):
        super().__init__(rows)
        self.columns, self.table = columns, table


class Interpreter:
    def __init__(self, tables, as_of):
        self.tables, self.as_of = tables, as_of

    # tokens
    def peek(self, offset=0):
        return self.tokens[min(self.at + offset, len(self.tokens) - 1)]

    def take(self, value=None):
        token = self.peek()
        if value is not None and token != ("mark", value) and token != ("name", value):
            raise Unsupported(f"{value!r} expected, {token[1]!r} found")
        self.at += 1
        return token[1]

    def found(self, value):
        if self.peek() in (("mark", value), ("name", value)):
            self.at += 1
            return True
        return False

    # statements
    def run(self, query):
        self.tokens, self.at, self.lets = tokenize(query), 0, {}
        result = None
        while self.peek()[0] != "end":
            if self.found("let"):
                name = self.take()
                self.take("=")
                self.lets[name] = self.tabular() if self.starts_table() else self.expression()({})
            else:
                result = self.tabular()
            if not self.found(";"):
                break
        if self.peek()[0] != "end":
            raise Unsupported(f"{self.peek()[1]!r} not understood")
        return result

    def starts_table(self):
        kind, value = self.peek()
        if kind != "name":
            return False
        return value == "datatable" or value in self.tables or value.startswith("Device") or isinstance(self.lets.get(value), Rows)

    def tabular(self):
        if self.found("("):
            rows = self.tabular()
            self.take(")")
        elif self.found("datatable"):
            rows = self.datatable()
        else:
            name = self.take()
            rows = self.lets[name] if name in self.lets else Rows(self.tables.get(name, []), None, name)
        while self.found("|"):
            rows = getattr(self, "op_" + self.take(), self.unknown)(rows)
        return rows

    def unknown(self, rows):
        raise Unsupported(f"operator before {self.peek()[1]!r}")

    def datatable(self):
        columns, values = [], []
        self.take("(")
        while not self.found(")"):
            columns.append(self.take())
            self.take(":")
            self.take()
            self.found(",")
        self.take("[")
        while not self.found("]"):
            values.append(self.take())
            self.found(",")
        width = len(columns)
        return Rows([dict(zip(columns, values[i:i + width])) for i in range(0, len(values), width)], columns)

    def op_where(self, rows):
        self.scope = rows
        condition = self.expression()
        return Rows([r for r in rows if condition(r)], rows.columns, rows.table)

    def op_extend(self, rows):
        self.scope = rows
        name = self.take()
        self.take("=")
        value = self.expression()
        return Rows([{**r, name: value(r)} for r in rows], rows.columns, rows.table)

    def op_distinct(self, rows):
        self.scope = rows
        names = self.names()
        seen = dict.fromkeys(tuple(self.column(n)(r) for n in names) for r in rows)
        return Rows([dict(zip(names, key)) for key in seen], names)

    def names(self):
        names = [self.take()]
        while self.found(","):
            names.append(self.take())
        return names

    def op_summarize(self, rows):
        self.scope = rows
        figures = []
        while True:
            name = self.take()
            self.take("=")
            function = self.take()
            self.take("(")
            argument = None if self.found(")") else self.expression()
            if argument:
                self.take(")")
            figures.append((name, function, argument))
            if not self.found(","):
                break
        self.take("by")
        keys = self.names()
        groups = {}
        for row in rows:
            groups.setdefault(tuple(self.column(k)(row) for k in keys), []).append(row)
        out = []
        for key, members in groups.items():
            row = dict(zip(keys, key))
            for name, function, argument in figures:
                row[name] = self.aggregate(function, argument, members)
            out.append(row)
        return Rows(out, keys + [f[0] for f in figures])

    def aggregate(self, function, argument, members):
        if function == "count":
            return len(members)
        values = [v for v in map(argument, members) if v is not None]
        if function == "make_set":
            return list(dict.fromkeys(values))
        return {"min": min, "max": max}[function](values)

    # expressions: each gives a function of a row
    def expression(self):
        left = self.conjunction()
        while self.found("or"):
            left = (lambda a, b: lambda r: a(r) or b(r))(left, self.conjunction())
        return left

    def conjunction(self):
        left = self.comparison()
        while self.found("and"):
            left = (lambda a, b: lambda r: a(r) and b(r))(left, self.comparison())
        return left

    def comparison(self):
        left = self.primary()
        kind, name = self.peek()
        if kind == "string" or name == "end":
            return left
        negated = name in NEGATED
        name = NEGATED.get(name, name)
        if name == "between":
            self.take()
            self.take("(")
            low = self.primary()
            self.take("..")
            high = self.primary()
            self.take(")")
            return lambda r: low(r) <= left(r) <= high(r)
        if name in LISTS:
            self.take()
            items, test = self.items(), LISTS[name]
            return lambda r: test(left(r), items) != negated
        if name in COMPARE:
            self.take()
            right, test = self.primary(), COMPARE[name]
            return lambda r: test(left(r), right(r)) != negated
        return left

    def items(self):
        """Constants, or a table's first column."""
        self.take("(")
        items, scope = [], self.scope
        while not self.found(")"):
            if self.peek() == ("mark", "(") or self.starts_table():
                rows = self.tabular()
                column = rows.columns[0]
                items += [row[column] for row in rows]
            else:
                items.append(self.expression()({}))
            self.found(",")
        self.scope = scope
        return items

    def primary(self):
        kind, value = self.peek()
        self.at += 1
        if (kind, value) == ("mark", "("):
            inner = self.expression()
            self.take(")")
        elif (kind, value) == ("mark", "-"):
            inner = (lambda f: lambda r: -f(r))(self.primary())
        elif kind in ("string", "span", "number"):
            inner = lambda r: value
        elif kind == "name" and self.peek() == ("mark", "("):
            inner = self.call(value)
        elif kind == "name":
            inner = (lambda v: lambda r: v)(self.lets[value]) if value in self.lets else self.column(value)
        else:
            raise Unsupported(f"{value!r} in an expression")
        while self.found("["):
            place = self.expression()
            self.take("]")
            inner = (lambda f, p: lambda r: f(r)[p(r)] if p(r) < len(f(r)) else None)(inner, place)
        return inner

    def call(self, name):
        arguments = []
        self.take("(")
        while not self.found(")"):
            arguments.append(self.expression())
            self.found(",")
        a = arguments + [lambda r: 0]
        if name == "now":
            return lambda r: self.as_of + a[0](r)
        if name == "ago":
            return lambda r: self.as_of - a[0](r)
        if name == "isempty":
            return lambda r: a[0](r) in ("", None)
        if name == "isnotempty":
            return lambda r: a[0](r) not in ("", None)
        if name == "tostring":
            return lambda r: "" if a[0](r) is None else str(a[0](r))
        if name == "split":
            return lambda r: a[0](r).split(a[1](r))
        if name == "trim_start":
            return lambda r: re.sub("^(?:" + a[0](r) + ")", "", a[1](r), count=1)
        raise Unsupported(f"function {name}")

    def column(self, name):
        """With what the product's lenient mode lets pass in published hunts."""
        scope = self.scope
        if scope.columns is None:
            if scope.table == "DeviceNetworkEvents" and name == "AccountUpn":
                name = "InitiatingProcessAccountUpn"
            if name == "Sha1":
                name = "SHA1"
        if name in ("Timestamp", "ReportId"):
            return lambda r: r.get(name)
        return lambda r: "" if r.get(name) is None else r[name]


def load(path):
    """Table -> distinct events. A repeat has the same properties under another envelope."""
    tables, seen = {}, set()
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            table = record["category"].removeprefix("AdvancedHunting-")
            properties = record["properties"]
            key = (table, json.dumps(properties, sort_keys=True))
            if key in seen:
                continue
            seen.add(key)
            properties["Timestamp"] = ticks(properties["Timestamp"])
            if properties.get("ReportId") is not None:
                properties["ReportId"] = int(properties["ReportId"])
            tables.setdefault(table, []).append(properties)
    return tables


FIGURES = ("FirstSeen", "LastSeen", "Report", "Count")


def figures(rows):
    return {
        "first_seen": print_ticks(min(r["FirstSeen"] for r in rows)),
        "last_seen": print_ticks(max(r["LastSeen"] for r in rows)),
        "count": sum(r["Count"] for r in rows),
        "report_ids": [str(i) for i in sorted({i for r in rows for i in r["Report"]})],
    }


def group_order(group):
    return json.dumps(group["keys"], sort_keys=True)


def expected_devices(rows):
    devices = {}
    for row in rows:
        devices.setdefault(row["DeviceId"], []).append(row)
    out = []
    for device, members in sorted(devices.items()):
        entry = {"device_id": device, "device_name": members[0]["DeviceName"], **figures(members)}
        keys = [c for c in rows.columns if c not in FIGURES and c not in ("DeviceId", "DeviceName")]
        if keys:
            groups = [{"keys": {k: m[k] for k in keys}, **figures([m])} for m in members]
            entry["groups"] = sorted(groups, key=group_order)
        out.append(entry)
    return out


def found_devices(result):
    members = ("device_id", "device_name", "first_seen", "last_seen", "count", "report_ids")
    out = []
    for device in result["devices"]:
        entry = {m: device[m] for m in members}
        if "groups" in device:
            groups = [{m: g[m] for m in ("keys",) + members[2:]} for g in device["groups"]]
            entry["groups"] = sorted(groups, key=group_order)
        out.append(entry)
    return out


VARIANTS = ("{}", "{}", "{}, Inc.", "a {} b", "x_{}_y", "x{}", "{}x", "{}9", "\u0436{}", "({})")
OPERATORS = ("has", "has_any", "has_all", "startswith", "contains", "in", "==", "=~")


def words(query):
    """Column -> the literals that the query compares it with; and its tables."""
    tokens, found, tables = tokenize(query), {}, []
    for at, (kind, value) in enumerate(tokens):
        if kind == "name" and value.startswith("Device") and value not in ("DeviceId", "DeviceName"):
            tables.append(value)
        if kind != "name" or tokens[at + 1][1] not in OPERATORS:
            continue
        at += 2
        while tokens[at] in (("mark", "("), ("mark", ",")) or tokens[at][0] == "string":
            if tokens[at][0] == "string":
                found.setdefault(value, []).append(tokens[at][1])
            at += 1
    if "datatable" in query:
        found.setdefault("RemoteUrl", []).extend(v for k, v in tokens if k == "string" and "." in v)
    return found, tables


def vary_value(chance, column, literals):
    value = chance.choice(VARIANTS).format(chance.choice(literals))
    if column == "RemoteUrl" and chance.random() < 0.5:
        value = "https://www." + value + ":443/path"
    return chance.choice((value, value, value.upper(), value.lower()))


def vary(hunts_path, out_path, as_of):
    chance, end = random.Random(20260720), ticks(as_of)
    with open(hunts_path, encoding="utf-8") as file:
        hunts = json.load(file)
    with open(out_path, "w", encoding="utf-8") as out:
        for number, hunt in enumerate(hunts):
            found, tables = words(hunt["query"])
            for i in range(16):
                device = chance.randrange(12)
                properties = {
                    "Timestamp": print_ticks(end - chance.randrange(-SPANS["h"], 6 * SPANS["d"])),
                    "DeviceId": f"vary-{device}", "DeviceName": f"vary-{device}.example",
                    "ReportId": chance.choice((i, 639199803770463703 + i)), "SHA1": f"{chance.randrange(3):040}",
                    "InitiatingProcessSHA1": f"{chance.randrange(3):040}",
                    "AccountUpn": f"user{chance.randrange(3)}@corp.example",
                    "InitiatingProcessAccountUpn": chance.choice((None, "", "boss@corp.example")),
                }
                for column, literals in found.items():
                    if chance.random() < 0.9:
                        properties[column] = vary_value(chance, column, literals)
                table = chance.choice(tables)
                if table == "DeviceNetworkEvents":
                    del properties["SHA1"], properties["AccountUpn"]
                record = {"time": as_of, "category": "AdvancedHunting-" + table, "properties": properties}
                for _ in range(1 + (number + i) % 19 // 18):
                    out.write(json.dumps(record) + "\n")


def compare(records, hunts_path, result_path, as_of):
    tables = load(records)
    with open(hunts_path, encoding="utf-8") as file:
        hunts = json.load(file)
    with open(result_path, encoding="utf-8") as file:
        answered = {r["hunt"]["slug"]: r for r in json.load(file)["hunts"]}
    interpreter = Interpreter(tables, ticks(as_of))
    differences = hits = silent = 0
    for hunt in hunts:
        slug = hunt["slug"]
        if slug not in answered:
            print(f"{slug}: not in the run's result")
            differences += 1
            continue
        expected = expected_devices(interpreter.run(hunt["query"]))
        found = found_devices(answered[slug])
        hits += len(expected)
        silent += not expected
        if expected != found:
            differences += 1
            print(f"{slug}: expected {json.dumps(expected)[:1500]}\n   found {json.dumps(found)[:1500]}")
    print(f"{len(hunts)} hunts, {hits} devices found, {silent} hunts without any, {differences} hunts differ")
    return 1 if differences or silent * 10 > len(hunts) else 0


if __name__ == "__main__":
    sys.exit({"vary": vary, "compare": compare}[sys.argv[1]](*sys.argv[2:]))
