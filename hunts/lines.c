#include "hunts/lines.h"

#include "base/mem.h"

/* The keys that Sentinel's hunting and analytics templates have at the top. A line that starts with one of them and a
 * colon ends the text before it, also where all indentation is lost. */
static const char *const top_keys[] = {
    "id", "name", "description", "requiredDataConnectors", "tactics", "relevantTechniques", "query", "severity", "version",
    "entityMappings", "kind", "status", "tags", "metadata", "queryFrequency", "queryPeriod", "triggerOperator",
    "triggerThreshold", "customDetails", "alertDetailsOverride", "eventGroupingSettings", "incidentConfiguration",
    "suppressionDuration", "suppressionEnabled", "description-detailed", "slug", "signal",
};

struct lines {
    struct str text;
    size_t at;     /* offset of the next line */
    size_t number; /* 1-based, of the line last given */
};

static bool line_next(struct lines *lines, struct str *line) {
    if (lines->at >= lines->text.len)
        return false;
    const char *start = lines->text.ptr + lines->at;
    size_t left = lines->text.len - lines->at;
    const char *end = memchr(start, '\n', left);
    size_t length = end ? (size_t)(end - start) : left;
    lines->at += length + (end ? 1 : 0);
    lines->number++;
    if (length && start[length - 1] == '\r') length--;
    *line = (struct str){start, length};
    return true;
}

static size_t line_indent(struct str line) {
    size_t i = 0;
    while (i < line.len && line.ptr[i] == ' ') i++;
    return i;
}

static bool line_blank(struct str line) {
    return str_trim(line).len == 0;
}

/* The known key that the line starts with in its first column, and the rest behind the colon. */
static const char *line_key(struct str line, struct str *rest) {
    struct str key, value;
    if (!str_cut(line, ':', &key, &value))
        return NULL;
    if (value.len && value.ptr[0] != ' ' && value.ptr[0] != '\t')
        return NULL;
    for (size_t i = 0; i < sizeof top_keys / sizeof *top_keys; i++) {
        if (!str_eq(key, str_from(top_keys[i])))
            continue;
        *rest = str_trim(value);
        return top_keys[i];
    }
    return NULL;
}

/* '|' or '>' with an optional chomping and indentation indicator. */
static bool is_block_mark(struct str rest) {
    if (rest.len == 0 || rest.len > 3 || (rest.ptr[0] != '|' && rest.ptr[0] != '>'))
        return false;
    for (size_t i = 1; i < rest.len; i++)
        if (!strchr("+-123456789", rest.ptr[i]))
            return false;
    return true;
}

static void add_line(struct str *text, char *room, struct str line) {
    mem_copy(room + text->len, line.ptr, line.len);
    text->len += line.len;
    room[text->len++] = '\n';
}

static void trim_end(struct str *text) {
    while (text->len > 1 && text->ptr[text->len - 1] == '\n' && text->ptr[text->len - 2] == '\n') text->len--;
}

/* The lines of a block. Indented as its first line that isn't blank, which is YAML's rule; when that line has no
 * indentation, the shape is flattened and the block runs to the next known key. */
static bool block_read(struct arena *arena, struct lines *lines, struct str *text, bool *flattened, struct err *err) {
    char *room = arena_take(arena, lines->text.len - lines->at + 2);
    if (!room)
        return err_memory(err);
    *text = (struct str){room, 0};
    size_t indent = 0;
    bool started = false;
    struct lines back = *lines;
    struct str line, rest;
    while (line_next(lines, &line)) {
        bool blank = line_blank(line);
        if (!started && !blank) {
            if (line_key(line, &rest))
                break;
            started = true;
            indent = line_indent(line);
            *flattened = *flattened || indent == 0;
        } else if (!blank && line_indent(line) < indent && (indent == 0 || line_indent(line) == 0)) {
            break;
        } else if (indent == 0 && line_key(line, &rest)) {
            break;
        }
        size_t cut = line_indent(line) < indent ? line_indent(line) : indent;
        add_line(text, room, (struct str){line.ptr + cut, line.len - cut});
        back = *lines;
    }
    *lines = back;
    trim_end(text);
    return true;
}

static struct str unquote(struct str text) {
    if (text.len >= 2 && (text.ptr[0] == '\'' || text.ptr[0] == '"') && text.ptr[text.len - 1] == text.ptr[0])
        return (struct str){text.ptr + 1, text.len - 2};
    for (size_t i = 1; i < text.len; i++)
        if (text.ptr[i] == '#' && text.ptr[i - 1] == ' ')
            return str_trim((struct str){text.ptr, i});
    return text;
}

/* "- a" lines below a key, or "[a, b]" behind it, as "a, b". */
static struct str list_read(struct arena *arena, struct lines *lines, struct str rest) {
    if (rest.len >= 2 && rest.ptr[0] == '[' && rest.ptr[rest.len - 1] == ']')
        return arena_copy(arena, str_trim((struct str){rest.ptr + 1, rest.len - 2}));
    struct str all = arena_copy(arena, unquote(rest)), line;
    struct lines back = *lines;
    while (all.ptr && line_next(lines, &line)) {
        struct str item = str_trim(line);
        if (item.len < 2 || item.ptr[0] != '-' || item.ptr[1] != ' ')
            break;
        item = unquote(str_trim((struct str){item.ptr + 1, item.len - 1}));
        all = arena_printf(arena, "%.*s%s%.*s", STR_ARG(all), all.len ? ", " : "", STR_ARG(item));
        back = *lines;
    }
    *lines = back;
    return all;
}

static struct str *hunt_field(struct hunt *hunt, const char *key) {
    const struct { const char *key; struct str *field; } fields[] = {
        {"id", &hunt->id}, {"name", &hunt->name}, {"description", &hunt->description}, {"query", &hunt->query},
        {"tactics", &hunt->tactics}, {"relevantTechniques", &hunt->techniques}, {"slug", &hunt->slug},
        {"signal", &hunt->signal},
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (strcmp(fields[i].key, key) == 0)
            return fields[i].field;
    return NULL;
}

struct reading {
    struct lines lines;
    bool flattened, found;
    size_t id_line;
};

static bool key_read(struct arena *arena, struct reading *reading, struct hunt *hunt, const char *key, struct str rest,
                     struct err *err) {
    struct str *field = hunt_field(hunt, key);
    reading->found = true;
    if (!field || field->len) return true; /* the first one counts, as a card repeats itself */
    if (field == &hunt->id) reading->id_line = reading->lines.number;
    if (is_block_mark(rest)) {
        if (field == &hunt->query) hunt->query_line = reading->lines.number + 1;
        return block_read(arena, &reading->lines, field, &reading->flattened, err);
    }
    if (field == &hunt->tactics || field == &hunt->techniques) {
        *field = list_read(arena, &reading->lines, rest);
    } else {
        if (field == &hunt->query) hunt->query_line = reading->lines.number;
        *field = arena_copy(arena, unquote(rest));
    }
    return field->ptr ? true : err_memory(err);
}

static bool is_heading(struct str line) {
    return str_eq_nocase(str_trim(line), STR("KQL Query")) || str_starts(line, STR("Scenario:"));
}

/* A card is prose around the hunt: its YAML part begins at the id (or the name) and ends where the scenarios begin, which
 * is behind the query. */
static void card_find(struct str bytes, struct lines *part, bool *card) {
    struct lines lines = {.text = bytes}, before = lines;
    struct str line, rest;
    bool started = false, query = false;
    *card = false;
    *part = lines;
    while (line_next(&lines, &line)) {
        const char *key = line_key(line, &rest);
        query = query || (started && key && strcmp(key, "query") == 0);
        if (is_heading(line) && query) {
            *card = true;
            part->text.len = before.at;
            return;
        }
        *card = *card || (is_heading(line) && !started);
        if (!started && key && (strcmp(key, "id") == 0 || strcmp(key, "name") == 0)) {
            *part = before;
            started = true;
        }
        before = lines;
    }
}

/* The text behind a word and a colon at the line's start; false when the line starts with another. */
static bool labelled(struct str line, struct str label, struct str *text) {
    if (!str_starts(line, label))
        return false;
    *text = str_trim((struct str){line.ptr + label.len, line.len - label.len});
    return true;
}

/* What a card says behind its YAML part. A line without a label goes on with the text before it. */
static bool scenarios_read(struct arena *arena, struct str bytes, struct hunt *hunt) {
    size_t room = 0;
    struct str line, text, *last = NULL;
    for (struct lines lines = {.text = bytes}; line_next(&lines, &line);) room += str_starts(line, STR("Scenario:"));
    hunt->scenarios = arena_array(arena, room + 1, sizeof *hunt->scenarios);
    if (!hunt->scenarios)
        return false;
    for (struct lines lines = {.text = bytes}; line_next(&lines, &line);) {
        struct hunt_scenario *scenario = hunt->scenario_count ? &hunt->scenarios[hunt->scenario_count - 1] : NULL;
        if (labelled(line, STR("Scenario:"), &text)) {
            scenario = &hunt->scenarios[hunt->scenario_count++];
            *scenario = (struct hunt_scenario){text, STR(""), STR("")};
            last = &scenario->title;
        } else if (scenario && labelled(line, STR("Description:"), &text)) {
            *(last = &scenario->description) = text;
        } else if (scenario && labelled(line, STR("Filter/Exclusion:"), &text)) {
            *(last = &scenario->filter) = text;
        } else if (last && !line_blank(line)) {
            *last = arena_printf(arena, "%.*s\n%.*s", STR_ARG(*last), STR_ARG(str_trim(line)));
            if (!last->ptr)
                return false;
        }
    }
    return true;
}

bool lines_read(struct arena *arena, struct str bytes, struct hunt *hunt, size_t *id_line, struct err *err) {
    struct reading reading = {0};
    struct str line, rest;
    bool card = false;
    card_find(bytes, &reading.lines, &card);
    size_t end = card ? reading.lines.text.len : bytes.len;
    if (!card) reading.lines = (struct lines){.text = bytes};
    if (!scenarios_read(arena, (struct str){bytes.ptr + end, bytes.len - end}, hunt))
        return err_memory(err);
    while (line_next(&reading.lines, &line)) {
        const char *key = line_key(line, &rest);
        if (key && !key_read(arena, &reading, hunt, key, rest, err))
            return false;
    }
    *id_line = reading.id_line;
    hunt->shape = card ? HUNT_CARD : reading.flattened ? HUNT_FLATTENED : HUNT_MISINDENTED;
    if (reading.found)
        return true;
    err_set(err, ERR_UNPROCESSABLE, "no key of a hunt file (id, name, query, …) starts a line");
    err->line = err->column = 1;
    return false;
}
