/* RE2's regular expressions, which KQL has, to PostgreSQL's. What RE2 refuses is refused here with its reason, and so is
 * the little that PostgreSQL would read otherwise. Kusto's \d, \w and \s are Unicode's. */
#include "kql/internal.h"

enum { REPEAT_MAX = 255, /* PostgreSQL's limit; RE2's is 1000 */ REPEATS_MAX = 40 };

#define DIGIT \
    "0-9\\u0660-\\u0669\\u06F0-\\u06F9\\u07C0-\\u07C9\\u0966-\\u096F\\u09E6-\\u09EF\\u0A66-\\u0A6F\\u0AE6-\\u0AEF\\u0B66-\\u0B6F" \
    "\\u0BE6-\\u0BEF\\u0C66-\\u0C6F\\u0CE6-\\u0CEF\\u0D66-\\u0D6F\\u0E50-\\u0E59\\u0ED0-\\u0ED9\\u0F20-\\u0F29\\u1040-\\u1049\\u17E0-\\u17E9" \
    "\\u1810-\\u1819\\uFF10-\\uFF19"
#define WORD "[:alnum:]_"
#define SPACE "[:space:]\\u0085\\u00A0\\u1680\\u2000-\\u200A\\u2028\\u2029\\u202F\\u205F\\u3000"

struct reader {
    struct str pattern;
    size_t at;
    struct buf out;
    int depth;
    bool atom;       /* something stands before that can be repeated */
    bool any;        /* (?s): . is a newline too */
    bool lazy, greedy;
    bool set[128];      /* the ASCII characters that the item before may be; a group may be any */
    bool pending;       /* a greedy repetition was the last item, of one of repeated */
    bool repeated[128];
    bool bound;         /* a greedy repetition that matches otherwise when it is lazy */
    size_t ends[REPEATS_MAX]; /* in out: behind each greedy repetition */
    size_t end_count;
    int groups;
    bool flags;
    const char *problem;
};

static bool refuse(struct reader *r, const char *problem) {
    r->problem = problem;
    return false;
}

static char ahead(const struct reader *r, size_t n) {
    return r->at + n < r->pattern.len ? r->pattern.ptr[r->at + n] : '\0';
}

static void set_fill(struct reader *r, bool value) {
    for (size_t i = 0; i < sizeof r->set; i++)
        r->set[i] = value;
}

static void set_add(struct reader *r, char c) {
    unsigned char code = (unsigned char)c;
    if (code >= 128)
        return;
    r->set[code] = true;
    if ((code | 32) >= 'a' && (code | 32) <= 'z') /* the pattern may fold case */
        r->set[code ^ 32] = true;
}

/* The next item begins with this character: greedy and lazy are the same for a repetition that can't be it. */
static void pending_check(struct reader *r, char next) {
    unsigned char code = (unsigned char)next;
    r->bound = r->bound || (r->pending && (code >= 128 || code == '\0' || r->repeated[code]));
    r->pending = false;
}

static bool is_alnum(char c) {
    return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
}

void regex_quote(struct buf *out, struct str text) {
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if ((unsigned char)c < 0x80 && !is_alnum(c) && c != '_' && c != ' ')
            buf_add_char(out, '\\');
        buf_add_char(out, c);
    }
}

static void literal_add(struct reader *r, char c) {
    regex_quote(&r->out, (struct str){&c, 1});
}

static bool read_hex(struct reader *r) {
    unsigned code = 0;
    size_t digits = 0;
    bool braced = ahead(r, 0) == '{';
    r->at += braced;
    for (; digits < (braced ? 6U : 2U); digits++, r->at++) {
        char c = ahead(r, 0);
        if (!is_alnum(c) || (c > '9' && (c | 32) > 'f'))
            break;
        code = code * 16 + (unsigned)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
    }
    if (!digits || (!braced && digits != 2) || (braced && ahead(r, 0) != '}') || code == 0 || code > 0xFFFF)
        return refuse(r, "\\x needs two hexadecimal digits");
    r->at += braced;
    buf_printf(&r->out, "\\u%04X", code);
    return true;
}

/* The letters that mean a class, as the inside of a bracket; NULL for the others. */
static const char *class_letter(char c) {
    return c == 'd' ? DIGIT : c == 'w' ? WORD : c == 's' ? SPACE : NULL;
}

static void set_letter(struct reader *r, char letter) {
    for (int c = 1; c < 128; c++) {
        bool digit = c >= '0' && c <= '9', space = c == ' ' || (c >= 9 && c <= 13);
        bool in = letter == 'd' ? digit : letter == 's' ? space : is_alnum((char)c) || c == '_';
        r->set[c] = r->set[c] || in;
    }
}

static bool read_quoted(struct reader *r) {
    while (r->at < r->pattern.len) {
        if (ahead(r, 0) == '\\' && ahead(r, 1) == 'E') {
            r->at += 2;
            break;
        }
        literal_add(r, r->pattern.ptr[r->at++]);
        r->atom = true;
    }
    return true;
}

static bool read_boundary(struct reader *r, char c) {
    buf_printf(&r->out, "\\%c", c == 'b' ? 'y' : 'Y');
    r->atom = false;
    return true;
}

/* Behind a backslash, outside of brackets. */
static bool read_escape(struct reader *r) {
    char c = ahead(r, 0);
    if (r->at >= r->pattern.len)
        return refuse(r, "it ends with a backslash");
    r->at++;
    r->atom = true;
    if (class_letter(c) || class_letter((char)(c | 32)))
        buf_printf(&r->out, class_letter(c) ? "[%s]" : "[^%s]", class_letter((char)(c | 32)));
    else if (c == 'b' || c == 'B')
        return read_boundary(r, c);
    else if (c == 'A' || c == 'z')
        buf_add_str(&r->out, c == 'A' ? STR("\\A") : STR("\\Z"));
    else if (c == 'x')
        return read_hex(r);
    else if (c == 'Q')
        return read_quoted(r);
    else if (memchr("nrtfva", c, 6))
        buf_printf(&r->out, "\\%c", c);
    else if (c >= '0' && c <= '9')
        return refuse(r, "back-references don't exist in RE2");
    else if (c == 'p' || c == 'P' || c == 'C')
        return refuse(r, "\\p, \\P and \\C aren't supported here");
    else if (is_alnum(c))
        return refuse(r, "this escape doesn't exist in RE2");
    else
        literal_add(r, c);
    return true;
}

static bool read_posix_class(struct reader *r) {
    static const struct {
        const char *name, *members;
    } classes[] = {{"[:alpha:]", "A-Za-z"}, {"[:digit:]", "0-9"}, {"[:alnum:]", "A-Za-z0-9"}, {"[:upper:]", "A-Z"},
                   {"[:lower:]", "a-z"}, {"[:space:]", "\\t\\n\\f\\r\\v "}, {"[:word:]", "A-Za-z0-9_"}, {"[:xdigit:]", "0-9A-Fa-f"},
                   {"[:punct:]", "!-/:-@\\[-`{-~"}};
    struct str rest = {r->pattern.ptr + r->at, r->pattern.len - r->at};
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (str_starts(rest, str_from(classes[i].name))) {
            buf_add_str(&r->out, str_from(classes[i].members));
            r->at += strlen(classes[i].name);
            return true;
        }
    return refuse(r, "this class isn't known");
}

/* A member of a bracket; *low is its character when it can begin a range. */
static bool read_member(struct reader *r, int *low) {
    char c = r->pattern.ptr[r->at++];
    *low = -1;
    if (c == '[' && ahead(r, 0) == ':') {
        r->at--;
        set_fill(r, true);
        return read_posix_class(r);
    }
    if (c != '\\') {
        *low = (unsigned char)c;
        set_add(r, c);
        literal_add(r, c);
        return true;
    }
    char letter = ahead(r, 0);
    if (class_letter(letter)) {
        buf_add_str(&r->out, str_from(class_letter(letter)));
        set_letter(r, letter);
        r->at++;
        return true;
    }
    if (letter == 'b') {
        r->at++;
        buf_add_str(&r->out, STR("\\b"));
        return true;
    }
    if (class_letter((char)(letter | 32)))
        return refuse(r, "\\D, \\W and \\S inside of brackets aren't supported here");
    if (letter && !is_alnum(letter)) {
        *low = (unsigned char)letter;
        set_add(r, letter);
    } else {
        set_fill(r, true);
    }
    return read_escape(r);
}

static bool read_bracket(struct reader *r) {
    bool negated = ahead(r, 0) == '^';
    buf_add_char(&r->out, '[');
    set_fill(r, false);
    if (negated) {
        buf_add_char(&r->out, '^');
        r->at++;
    }
    for (bool first = true; first || ahead(r, 0) != ']'; first = false) {
        int low, high;
        if (r->at >= r->pattern.len)
            return refuse(r, "a [ isn't closed");
        if (!read_member(r, &low))
            return false;
        if (ahead(r, 0) != '-' || ahead(r, 1) == ']' || ahead(r, 1) == '\0')
            continue;
        r->at++;
        buf_add_char(&r->out, '-');
        if (!read_member(r, &high))
            return false;
        if (low < 0 || high < 0 || (low < 0x80 && high < 0x80 && low > high))
            return refuse(r, "a range in brackets goes backwards or has no ends");
        for (int c = low; c <= high && c < 128; c++)
            set_add(r, (char)c);
    }
    for (size_t i = 0; i < sizeof r->set && negated; i++)
        r->set[i] = !r->set[i];
    r->at++;
    r->atom = true;
    buf_add_char(&r->out, ']');
    return true;
}

/* (?i) and its kin, at the start of the pattern only. */
static bool read_flags(struct reader *r, bool start) {
    bool fold = false, lines = false;
    for (char c; (c = ahead(r, 0)) != ')'; r->at++) {
        fold = fold || c == 'i';
        lines = lines || c == 'm';
        r->any = r->any || c == 's';
        if (c != 'i' && c != 'm' && c != 's')
            return refuse(r, c == '=' || c == '!' || c == '<' ? "look-around doesn't exist in RE2" : "these flags aren't supported here");
    }
    r->at++;
    if (!start)
        return refuse(r, "flags are supported at the start only");
    r->flags = true;
    if (fold || lines)
        buf_printf(&r->out, "(?%s%s)", fold ? "i" : "", lines ? "w" : "");
    return true;
}

static bool read_group(struct reader *r) {
    bool start = r->at == 1;
    r->atom = false;
    if (ahead(r, 0) != '?') {
        buf_add_char(&r->out, '(');
        r->groups++;
    } else if (ahead(r, 1) == ':') {
        r->at += 2;
        buf_add_str(&r->out, STR("(?:"));
    } else if ((ahead(r, 1) == 'P' && ahead(r, 2) == '<') || (ahead(r, 1) == '<' && is_alnum(ahead(r, 2)))) {
        while (r->at < r->pattern.len && ahead(r, 0) != '>')
            r->at++;
        if (r->at++ >= r->pattern.len)
            return refuse(r, "a group's name isn't closed");
        r->groups++;
        buf_add_char(&r->out, '(');
    } else {
        r->at++;
        return read_flags(r, start);
    }
    r->depth++;
    return true;
}

/* {n}, {n,} or {n,m} at r->at: its length, 0 when it is plain text. */
static size_t count_length(const struct reader *r, unsigned *most) {
    size_t n = 1;
    unsigned number = 0;
    *most = 0;
    while (ahead(r, n) >= '0' && ahead(r, n) <= '9' && n < 8)
        number = number * 10 + (unsigned)(ahead(r, n++) - '0');
    if (n == 1)
        return 0;
    *most = number;
    if (ahead(r, n) == ',') {
        size_t from = ++n;
        for (number = 0; ahead(r, n) >= '0' && ahead(r, n) <= '9' && n < 16; n++)
            number = number * 10 + (unsigned)(ahead(r, n) - '0');
        *most = n > from && number > *most ? number : n > from && number < *most ? REPEAT_MAX + 1 : *most;
    }
    return ahead(r, n) == '}' ? n + 1 : 0;
}

static bool read_repeat(struct reader *r) {
    char c = ahead(r, 0);
    unsigned most = 0;
    size_t length = c == '{' ? count_length(r, &most) : 1;
    if (!length) {
        literal_add(r, '{');
        r->at++;
        r->atom = true;
        return true;
    }
    if (!r->atom)
        return refuse(r, "there is nothing to repeat before * + ? or {");
    if (most > REPEAT_MAX)
        return refuse(r, "a repetition is over 255, or its limits are the wrong way round");
    buf_add(&r->out, r->pattern.ptr + r->at, length);
    r->at += length;
    bool lazy = ahead(r, 0) == '?';
    if (lazy)
        buf_add_char(&r->out, r->pattern.ptr[r->at++]);
    else if (r->end_count < REPEATS_MAX)
        r->ends[r->end_count++] = r->out.len;
    else
        r->bound = true;
    r->bound = r->bound || r->pending; /* a group that ends with a repetition is repeated */
    r->pending = !lazy;
    memcpy(r->repeated, r->set, sizeof r->set);
    r->lazy = r->lazy || lazy;
    r->greedy = r->greedy || !lazy;
    r->atom = false;
    return true;
}

/* What the item at r->at begins with, '\0' when that isn't one known character. */
static char item_first(const struct reader *r) {
    char c = ahead(r, 0);
    if (c == '\\')
        return is_alnum(ahead(r, 1)) ? '\0' : ahead(r, 1);
    return memchr(".[(|^$", c, 6) ? '\0' : c;
}

static bool read_one(struct reader *r) {
    char c = r->pattern.ptr[r->at];
    if (memchr("*+?{", c, 4))
        return read_repeat(r);
    if (c != ')')
        pending_check(r, item_first(r));
    set_fill(r, c == ')' || c == '(' || c == '.');
    r->at++;
    if (c == '\\') {
        if (class_letter(ahead(r, 0)))
            set_letter(r, ahead(r, 0));
        else if (is_alnum(ahead(r, 0)))
            set_fill(r, true);
        else
            set_add(r, ahead(r, 0));
        return read_escape(r);
    }
    if (c == '[')
        return read_bracket(r);
    if (c == '(')
        return read_group(r);
    if (!memchr(".)^$|", c, 5))
        set_add(r, c);
    if (c == ')' && r->depth-- == 0)
        return refuse(r, "a ) closes nothing");
    r->atom = !memchr("^$|", c, 3);
    if (c == '.')
        buf_add_str(&r->out, r->any ? STR(".") : STR("[^\\n]"));
    else if (memchr("^$|)", c, 4))
        buf_add_char(&r->out, c);
    else
        literal_add(r, c);
    return true;
}

/* Every greedy repetition made lazy, which changes nothing for those that aren't bound. */
static void make_lazy(struct reader *r, struct buf *out) {
    size_t from = 0;
    for (size_t i = 0; i < r->end_count; i++) {
        buf_add(out, r->out.ptr + from, r->ends[i] - from);
        buf_add_char(out, '?');
        from = r->ends[i];
    }
    buf_add(out, r->out.ptr + from, r->out.len - from);
    r->greedy = false;
}

/* An earlier alternative that begins a later one: RE2 takes the first that fits, PostgreSQL the longest. */
static bool alternatives_differ(struct str pattern) {
    for (size_t bar = 0; bar < pattern.len; bar++) {
        if (pattern.ptr[bar] != '|')
            continue;
        size_t start = bar, end = bar + 1, n = 0;
        while (start && !memchr("(|", pattern.ptr[start - 1], 2))
            start--;
        start += start < bar && pattern.ptr[start] == '?' && start + 1 < bar && pattern.ptr[start + 1] == ':' ? 2 : 0;
        while (end < pattern.len && !memchr(")|", pattern.ptr[end], 2))
            end++;
        while (start + n < bar && bar + 1 + n < end && pattern.ptr[start + n] == pattern.ptr[bar + 1 + n])
            n++;
        if (start + n == bar && bar + 1 + n < end)
            return true;
    }
    return false;
}

struct str regex_translate(struct kql *kql, struct str pattern, enum regex_use use, const char **problem) {
    struct reader r = {.pattern = pattern, .out = BUF(QUERY_MAX_BYTES * 4)};
    bool good = true;
    while (good && r.at < pattern.len)
        good = read_one(&r);
    if (good && r.depth)
        good = refuse(&r, "a ( isn't closed");
    pending_check(&r, '\0');
    BUF_AUTO lazy = BUF(QUERY_MAX_BYTES * 4);
    if (good && use > REGEX_PART && r.lazy && r.greedy && !r.bound && !r.out.failed)
        make_lazy(&r, &lazy);
    bool ends = str_ends(pattern, STR("$")) && !str_ends(pattern, STR("\\$"));
    if (good && use > REGEX_PART && r.lazy && r.greedy && !ends)
        good = refuse(&r, "lazy and greedy repetitions in one pattern are supported only when it ends with $");
    if (good && use == REGEX_PART && (r.groups || r.flags))
        good = refuse(&r, "groups with numbers and flags can't be part of a pattern here; (?:…) can");
    if (good && use == REGEX_ALL_GROUPS && !r.groups)
        good = refuse(&r, "it has no group in parentheses to extract");
    if (good && use > REGEX_PART && alternatives_differ(pattern))
        good = refuse(&r, "an alternative that begins a later one isn't supported here; put the longer one first");
    struct str text = lazy.len ? buf_str(&lazy) : buf_str(&r.out);
    size_t flags = str_starts(text, STR("(?i)")) || str_starts(text, STR("(?w)")) ? 4 : str_starts(text, STR("(?iw)")) ? 5 : 0;
    const char *open = use >= REGEX_GROUPS ? "(" : "(?:", *close = r.lazy && r.greedy ? "){1,1}" : ")";
    struct str out = !good || r.out.failed ? (struct str){0} : use <= REGEX_PART ? arena_copy(kql->arena, text)
                     : sql_print(kql, "%.*s%s%.*s%s", (int)flags, text.ptr ? text.ptr : "", open, (int)(text.len - flags),
                                 text.ptr ? text.ptr + flags : "", close);
    *problem = r.problem;
    kql->failed = kql->failed || (good && !out.ptr);
    buf_free(&r.out);
    return out;
}
