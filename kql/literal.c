/* Literals: text of the query to values. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "kql/token.h"

static size_t put_utf8(char *out, unsigned code) {
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xC0 | code >> 6);
        out[1] = (char)(0x80 | (code & 63));
        return 2;
    }
    out[0] = (char)(0xE0 | code >> 12);
    out[1] = (char)(0x80 | (code >> 6 & 63));
    out[2] = (char)(0x80 | (code & 63));
    return 3;
}

/* The escape behind a backslash at s[*at]; false when it is unknown. */
static bool escape_decode(struct str s, size_t *at, char *out, size_t *len) {
    static const char from[] = "nrtabfv0\\\"'/", to[] = "\n\r\t\a\b\f\v\0\\\"'/";
    if (*at >= s.len)
        return false;
    char c = s.ptr[(*at)++];
    if (c == 'u' || c == 'x') {
        size_t digits = c == 'u' ? 4 : 2;
        unsigned code = 0;
        if (*at + digits > s.len)
            return false;
        for (size_t i = 0; i < digits; i++) {
            char h = s.ptr[(*at)++];
            if (!isxdigit((unsigned char)h))
                return false;
            code = code * 16 + (unsigned)(isdigit((unsigned char)h) ? h - '0' : (h | 32) - 'a' + 10);
        }
        if (code == 0 || (code >= 0xD800 && code < 0xE000))
            return false;
        *len += put_utf8(out + *len, code);
        return true;
    }
    const char *place = memchr(from, c, sizeof from - 1);
    if (!place || c == '0')
        return false;
    out[(*len)++] = to[place - from];
    return true;
}

static bool string_body(struct str s, size_t *at, char quote, bool verbatim, char *out, size_t *len) {
    while (*at < s.len) {
        char c = s.ptr[(*at)++];
        if (c == quote) {
            if (!verbatim || *at >= s.len || s.ptr[*at] != quote)
                return true;
            (*at)++;
        } else if (c == '\\' && !verbatim) {
            if (!escape_decode(s, at, out, len))
                return false;
            continue;
        } else if (c == '\n' && !verbatim) {
            return false;
        }
        out[(*len)++] = c;
    }
    return false;
}

/* ```…``` spans lines and has no escapes. */
static bool fenced_string(struct str s, size_t at, struct str *out, size_t *used) {
    for (size_t i = at + 3; i + 3 <= s.len; i++)
        if (memcmp(s.ptr + i, "```", 3) == 0) {
            *out = (struct str){s.ptr + at + 3, i - at - 3};
            *used = i + 3;
            return true;
        }
    return false;
}

static size_t string_extent(struct str s, size_t at, char quote, bool verbatim) {
    for (; at < s.len; at++) {
        if (s.ptr[at] == '\\' && !verbatim)
            at++;
        else if (s.ptr[at] == quote && !(verbatim && at + 1 < s.len && s.ptr[at + 1] == quote))
            break;
        else if (s.ptr[at] == quote)
            at++;
    }
    return at < s.len ? at : s.len;
}

bool literal_string(struct arena *arena, struct str s, struct str *out, size_t *used) {
    size_t at = 0, len = 0;
    if (at < s.len && (s.ptr[at] == 'h' || s.ptr[at] == 'H'))
        at++;
    bool verbatim = at < s.len && s.ptr[at] == '@';
    at += verbatim;
    if (at >= s.len)
        return false;
    char quote = s.ptr[at];
    if (quote == '`')
        return fenced_string(s, at, out, used);
    at++;
    char *text = arena_take(arena, string_extent(s, at, quote, verbatim) - at + 4);
    if (!text || !string_body(s, &at, quote, verbatim, text, &len))
        return false;
    *out = (struct str){text, len};
    *used = at;
    return true;
}

static bool unit_find(struct str unit, int64_t *ticks) {
    static const struct {
        const char *names;
        int64_t ticks;
    } units[] = {
        {" d day days ", TICKS_DAY},
        {" h hr hrs hour hours ", TICKS_HOUR},
        {" m min minute minutes ", TICKS_MINUTE},
        {" s sec second seconds ", TICKS_SECOND},
        {" ms milli millis millisec millisecond milliseconds ", TICKS_SECOND / 1000},
        {" micro micros microsec microsecond microseconds ", 10},
        {" tick ticks ", 1},
    };
    char wanted[24];
    if (unit.len == 0 || unit.len > 16)
        return false;
    snprintf(wanted, sizeof wanted, " %.*s ", STR_ARG(unit));
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strstr(units[i].names, wanted)) {
            *ticks = units[i].ticks;
            return true;
        }
    return false;
}

static bool hex_number(struct str s, struct literal *out, size_t *used) {
    char text[24];
    size_t n = 2;
    while (n < s.len && isxdigit((unsigned char)s.ptr[n]))
        n++;
    *used = n;
    if (n == 2 || n > 18)
        return false;
    snprintf(text, sizeof text, "%.*s", (int)n, s.ptr);
    *out = (struct literal){.type = KQL_LONG, .number = (int64_t)strtoull(text, NULL, 16)};
    return true;
}

static size_t number_extent(struct str s, bool *real) {
    size_t n = 0;
    *real = false;
    while (n < s.len && isdigit((unsigned char)s.ptr[n]))
        n++;
    if (n + 1 < s.len && s.ptr[n] == '.' && isdigit((unsigned char)s.ptr[n + 1])) {
        *real = true;
        for (n++; n < s.len && isdigit((unsigned char)s.ptr[n]);)
            n++;
    }
    if (n + 1 < s.len && (s.ptr[n] == 'e' || s.ptr[n] == 'E')) {
        size_t digits = n + 1 + (s.ptr[n + 1] == '-' || s.ptr[n + 1] == '+');
        if (digits < s.len && isdigit((unsigned char)s.ptr[digits])) {
            *real = true;
            for (n = digits; n < s.len && isdigit((unsigned char)s.ptr[n]);)
                n++;
        }
    }
    return n;
}

bool literal_number(struct str s, struct literal *out, size_t *used) {
    char text[64];
    bool real;
    int64_t unit;
    long long whole;
    if (s.len > 2 && s.ptr[0] == '0' && (s.ptr[1] == 'x' || s.ptr[1] == 'X'))
        return hex_number(s, out, used);
    size_t n = number_extent(s, &real), end = n;
    while (end < s.len && (isalnum((unsigned char)s.ptr[end]) || s.ptr[end] == '_'))
        end++;
    *used = end;
    if (n == 0 || n >= sizeof text)
        return false;
    memcpy(text, s.ptr, n);
    text[n] = '\0';
    double value = strtod(text, NULL);
    bool fits = str_to_int64((struct str){text, n}, &whole);
    if (end > n) {
        if (!unit_find((struct str){s.ptr + n, end - n}, &unit) || fabs(value * (double)unit) > 9.2e18)
            return false;
        *out = (struct literal){.type = KQL_TIMESPAN};
        out->number = real || !fits ? (int64_t)llround(value * (double)unit) : (int64_t)whole * unit;
        return true;
    }
    bool least = !real && str_eq((struct str){text, n}, STR("9223372036854775808"));
    if (!real && !fits && !least)
        return false;
    *out = (struct literal){.type = real ? KQL_REAL : KQL_LONG, .number = real ? 0 : least ? INT64_MIN : whole, .real = value, .least = least};
    return true;
}

/* [d.]hh:mm[:ss[.fffffff]] */
static bool timespan_clock(struct str s, int64_t *ticks) {
    int64_t parts[4] = {0}, fraction = 0, scale = TICKS_SECOND;
    size_t at = 0, count = 0;
    bool days = false;
    while (at < s.len && count < 4) {
        size_t digits = 0;
        while (at < s.len && isdigit((unsigned char)s.ptr[at]) && digits++ < 8)
            parts[count] = parts[count] * 10 + (s.ptr[at++] - '0');
        if (!digits)
            return false;
        count++;
        if (at == s.len)
            break;
        if (s.ptr[at] == '.' && count == 1)
            days = true;
        else if (s.ptr[at] == '.')
            break;
        else if (s.ptr[at] != ':')
            return false;
        at++;
    }
    if (at < s.len && s.ptr[at] == '.')
        for (at++; at < s.len && isdigit((unsigned char)s.ptr[at]); at++)
            fraction += (scale /= 10) * (s.ptr[at] - '0');
    if (at != s.len)
        return false;
    const int64_t *clock = days ? parts + 1 : parts;
    if (count - days < 1 || (!days && count < 2) || clock[0] > 23 || clock[1] > 59 || (count - days > 2 && clock[2] > 59))
        return false;
    int64_t rest = clock[0] * TICKS_HOUR + clock[1] * TICKS_MINUTE + (count - days > 2 ? clock[2] * TICKS_SECOND : 0) + fraction;
    int64_t whole_days = days ? parts[0] : 0;
    if (__builtin_mul_overflow(whole_days, TICKS_DAY, ticks) || __builtin_add_overflow(*ticks, rest, ticks))
        return false;
    return true;
}

bool literal_timespan(struct str text, int64_t *ticks) {
    struct literal literal;
    size_t used = 0;
    long long days;
    text = str_trim(text);
    bool minus = text.len && text.ptr[0] == '-';
    if (minus)
        text = (struct str){text.ptr + 1, text.len - 1};
    if (str_to_int64(text, &days) && days < 10000000)
        *ticks = (int64_t)days * TICKS_DAY;
    else if (literal_number(text, &literal, &used) && used == text.len && literal.type == KQL_TIMESPAN)
        *ticks = literal.number;
    else if (!timespan_clock(text, ticks))
        return false;
    if (minus)
        *ticks = (int64_t)(0 - (uint64_t)*ticks);
    return true;
}

/* "12-02-2022", months first, and one-digit months and days, as RFC 3339 writes them. */
static struct str date_normal(struct str text, char full[64]) {
    unsigned parts[3];
    size_t at = 0, widths[3];
    for (size_t i = 0; i < 3; i++) {
        size_t start = at;
        for (parts[i] = 0; at < text.len && isdigit((unsigned char)text.ptr[at]) && at - start < 4; at++)
            parts[i] = parts[i] * 10 + (unsigned)(text.ptr[at] - '0');
        widths[i] = at - start;
        if (!widths[i] || (i < 2 && (at >= text.len || (text.ptr[at] != '-' && text.ptr[at] != '/'))))
            return text;
        at += i < 2;
    }
    bool year_last = widths[2] == 4 && widths[0] <= 2;
    if (!year_last && (widths[0] != 4 || widths[2] > 2))
        return text;
    snprintf(full, 64, "%04u-%02u-%02u%.*s", parts[year_last ? 2 : 0], parts[year_last ? 0 : 1], parts[year_last ? 1 : 2],
             (int)(text.len - at), text.ptr + at);
    return str_from(full);
}

bool literal_datetime(struct str text, int64_t *ticks) {
    char full[64], normal[64];
    text = str_trim(text);
    if (text.len > 1 && (text.ptr[0] == '"' || text.ptr[0] == '\''))
        text = str_trim((struct str){text.ptr + 1, text.len - 2});
    if (text.len < 4 || text.len > 40)
        return false;
    text = date_normal(text, normal);
    if (ticks_parse_loose(text, ticks))
        return true;
    snprintf(full, sizeof full, "%.*sZ", STR_ARG(text));
    if (ticks_parse(str_from(full), ticks))
        return true;
    if (text.len == 16)
        snprintf(full, sizeof full, "%.*s:00Z", STR_ARG(text));
    else if (text.len == 17 && text.ptr[16] == 'Z')
        snprintf(full, sizeof full, "%.16s:00Z", text.ptr);
    else if (text.len == 7)
        snprintf(full, sizeof full, "%.*s-01", STR_ARG(text));
    else if (text.len == 4)
        snprintf(full, sizeof full, "%.*s-01-01", STR_ARG(text));
    else
        return false;
    return ticks_parse_loose(str_from(full), ticks);
}

bool literal_type_find(struct str name, enum kql_type *type) {
    static const struct {
        const char *name;
        enum kql_type type;
    } types[] = {{"string", KQL_STRING}, {"long", KQL_LONG}, {"int", KQL_INT}, {"bool", KQL_BOOL}, {"boolean", KQL_BOOL},
                 {"datetime", KQL_DATETIME}, {"date", KQL_DATETIME}, {"timespan", KQL_TIMESPAN}, {"time", KQL_TIMESPAN},
                 {"real", KQL_REAL}, {"double", KQL_REAL}, {"decimal", KQL_DECIMAL}, {"guid", KQL_GUID}, {"uuid", KQL_GUID},
                 {"uniqueid", KQL_GUID}, {"dynamic", KQL_DYNAMIC}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (str_eq(name, str_from(types[i].name))) {
            *type = types[i].type;
            return types[i].type != KQL_STRING;
        }
    return false;
}

static bool guid_parse(struct arena *arena, struct str text, struct literal *out) {
    if (text.len > 1 && (text.ptr[0] == '"' || text.ptr[0] == '\''))
        text = (struct str){text.ptr + 1, text.len - 2};
    if (text.len != 36)
        return false;
    char *copy = arena_take(arena, 37);
    for (size_t i = 0; copy && i < 36; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text.ptr[i] != '-' : !isxdigit((unsigned char)text.ptr[i]))
            return false;
        copy[i] = (char)tolower((unsigned char)text.ptr[i]);
    }
    out->text = (struct str){copy, 36};
    return copy != NULL;
}

static bool number_parse(struct arena *arena, struct str text, struct literal *out) {
    struct literal number;
    size_t used = 0;
    bool minus = text.len && (text.ptr[0] == '-' || text.ptr[0] == '+');
    bool negate = minus && text.ptr[0] == '-';
    struct str digits = str_trim((struct str){text.ptr + minus, text.len - minus});
    if (out->type == KQL_REAL && (str_eq_nocase(digits, STR("nan")) || str_eq_nocase(digits, STR("inf")))) {
        out->real = (digits.ptr[0] | 32) == 'n' ? (double)NAN : negate ? -HUGE_VAL : HUGE_VAL;
        return true;
    }
    if (!literal_number(digits, &number, &used) || used != digits.len || number.type == KQL_TIMESPAN || (number.least && !negate))
        return false;
    if (out->type == KQL_DECIMAL)
        out->text = arena_copy(arena, text);
    if (out->type == KQL_REAL || out->type == KQL_DECIMAL) {
        out->real = negate ? -number.real : number.real;
        return true;
    }
    out->number = negate ? (int64_t)(0 - (uint64_t)number.number) : number.number;
    return number.type == KQL_LONG && (out->type != KQL_INT || (out->number <= INT32_MAX && out->number >= INT32_MIN));
}

bool literal_parse(struct arena *arena, struct str type, struct str inside, struct literal *out) {
    struct str text = str_trim(inside);
    *out = (struct literal){0};
    if (!literal_type_find(type, &out->type))
        return false;
    if (str_eq(text, STR("null")) || text.len == 0) {
        out->null = true;
        return true;
    }
    if (out->type == KQL_DYNAMIC)
        return literal_dynamic(arena, text, out);
    if (out->type == KQL_DATETIME)
        return literal_datetime(text, &out->number);
    if (out->type == KQL_TIMESPAN)
        return literal_timespan(text, &out->number);
    if (out->type == KQL_GUID)
        return guid_parse(arena, text, out);
    if (out->type == KQL_BOOL) {
        out->number = str_eq_nocase(text, STR("true")) || str_eq(text, STR("1"));
        return out->number || str_eq_nocase(text, STR("false")) || str_eq(text, STR("0"));
    }
    return number_parse(arena, text, out);
}
