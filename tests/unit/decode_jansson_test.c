/* Records decoded twice, by the decoder and the slow way: a tree of jansson's and rules written down anew. Both must
 * accept and refuse the same ones and read the same values. Deliberate differences, left out of the comparison: numbers
 * over 64 bits (jansson refuses the record, ours keeps them as text), a member given twice (ours judges both), a NUL byte
 * (jansson skips it behind a number), numbers with a fraction or exponent in integer columns (jansson gives a double; ours
 * must agree with it where it accepts). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/buf.h"
#include "base/clock.h"
#include "store/decode.h"

static const struct schema_table *process;

static bool slow_digits(const char *s, size_t from, size_t count, int *out) {
    *out = 0;
    for (size_t i = from; i < from + count; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        *out = *out * 10 + (s[i] - '0');
    }
    return true;
}

/* Behind the seconds: fraction and zone. */
static bool slow_zone(const char *s, int64_t *ticks) {
    int hours, minutes;
    if (*s == '.') {
        int64_t unit = TICKS_SECOND;
        const char *start = ++s;
        for (; *s >= '0' && *s <= '9'; s++) {
            unit /= 10;
            if (!unit && *s != '0')
                return false;
            *ticks += unit * (*s - '0');
        }
        if (s == start)
            return false;
    }
    if (!strcmp(s, "Z") || !strcmp(s, "z"))
        return true;
    if (strlen(s) != 6 || (*s != '+' && *s != '-') || s[3] != ':' || !slow_digits(s, 1, 2, &hours) ||
        !slow_digits(s, 4, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *ticks -= (*s == '+' ? 1 : -1) * (hours * TICKS_HOUR + minutes * TICKS_MINUTE);
    return true;
}

static bool slow_ticks(const char *s, int64_t *ticks) {
    struct tm tm = {0};
    if (strlen(s) < 20 || !slow_digits(s, 0, 4, &tm.tm_year) || !slow_digits(s, 5, 2, &tm.tm_mon) ||
        !slow_digits(s, 8, 2, &tm.tm_mday) || !slow_digits(s, 11, 2, &tm.tm_hour) ||
        !slow_digits(s, 14, 2, &tm.tm_min) || !slow_digits(s, 17, 2, &tm.tm_sec) || s[4] != '-' || s[7] != '-' ||
        !strchr("Tt ", s[10]) || s[13] != ':' || s[16] != ':' || tm.tm_year < 1)
        return false;
    struct tm given = {.tm_year = tm.tm_year - 1900,
                       .tm_mon = tm.tm_mon - 1,
                       .tm_mday = tm.tm_mday,
                       .tm_hour = tm.tm_hour,
                       .tm_min = tm.tm_min,
                       .tm_sec = tm.tm_sec};
    struct tm normal = given;
    time_t seconds = timegm(&normal);
    if (normal.tm_mon != given.tm_mon || normal.tm_mday != given.tm_mday || normal.tm_hour != given.tm_hour ||
        normal.tm_min != given.tm_min || normal.tm_sec != given.tm_sec)
        return false;
    *ticks = (int64_t)seconds * TICKS_SECOND + TICKS_UNIX;
    return slow_zone(s + 19, ticks) && *ticks >= 0 && *ticks <= TICKS_MAX;
}

enum slow { SLOW_NO, SLOW_YES, SLOW_UNKNOWN };

static enum slow slow_integer(const char *text, int64_t *number) {
    char *end;
    double real = strtod(text, &end);
    *number = 0;
    if (!*text || *end || strspn(text, "+-.0123456789") != strlen(text))
        return SLOW_NO;
    if (strchr(text, '.'))
        return floor(real) == real && fabs(real) < 9e15 ? (*number = (int64_t)real, SLOW_UNKNOWN) : SLOW_NO;
    json_error_t reason;
    json_t *tree = json_loads(text + (*text == '+'), JSON_DECODE_ANY, &reason);
    enum slow result = json_is_integer(tree) ? SLOW_YES : SLOW_UNKNOWN; /* leading zeros are no JSON, but a number */
    *number = json_is_integer(tree) ? json_integer_value(tree) : (int64_t)real;
    if (!tree && json_error_code(&reason) == json_error_numeric_overflow)
        result = SLOW_NO;
    json_decref(tree);
    return result;
}

/* What a member makes of a column that isn't text: refused, or a number, or nothing (*null). */
static enum slow slow_number(const struct schema_column *c, const json_t *member, int64_t *number, bool *null) {
    const char *text = json_is_string(member) ? json_string_value(member) : "?";
    *null = json_is_null(member) || !*text || (c->type == KQL_DATETIME && !strcmp(text, "{}")) ||
            (json_is_object(member) && !json_object_size(member));
    if (*null)
        return SLOW_YES;
    if (c->type == KQL_DATETIME)
        return slow_ticks(text, number) ? SLOW_YES : SLOW_NO;
    if (c->type == KQL_BOOL && (json_is_boolean(member) || json_is_string(member))) {
        *number = json_is_true(member) || !strcasecmp(text, "true") || !strcmp(text, "1");
        return *number || json_is_false(member) || !strcasecmp(text, "false") || !strcmp(text, "0") ? SLOW_YES
                                                                                                    : SLOW_NO;
    }
    if (json_is_integer(member)) {
        *number = json_integer_value(member);
        return c->type != KQL_BOOL || *number == 0 || *number == 1 ? SLOW_YES : SLOW_NO;
    }
    if (json_is_real(member)) {
        double real = json_real_value(member);
        *number = fabs(real) < 9e15 ? (int64_t)real : 0;
        return c->type != KQL_BOOL && floor(real) == real ? SLOW_UNKNOWN : SLOW_NO;
    }
    return json_is_string(member) ? slow_integer(text, number) : SLOW_NO;
}

static bool text_agrees(const json_t *member, const struct value *value) {
    if (json_is_null(member) || (json_is_string(member) && !json_string_length(member)))
        return value->kind == VALUE_NULL;
    if (value->kind != VALUE_TEXT)
        return false;
    if (json_is_string(member))
        return str_eq(value->text, (struct str){json_string_value(member), json_string_length(member)});
    json_t *tree = json_loadb(value->text.ptr, value->text.len, JSON_DECODE_ANY, NULL);
    bool equal = tree && json_equal(tree, member);
    json_decref(tree);
    return equal;
}

struct slow_event {
    enum slow accepted;
    int64_t numbers[SCHEMA_MAX_COLUMNS];
    bool nulls[SCHEMA_MAX_COLUMNS];
    json_t *extra;
};

static void slow_decode(json_t *tree, struct slow_event *slow) {
    const char *name;
    json_t *member;
    *slow = (struct slow_event){.accepted = SLOW_YES, .extra = json_object()};
    if (!json_is_object(tree)) {
        slow->accepted = SLOW_NO;
        return;
    }
    memset(slow->nulls, true, sizeof slow->nulls);
    json_object_foreach(tree, name, member) {
        const struct schema_column *c = schema_column_find(process, str_from(name));
        size_t place = c ? (size_t)(c - process->columns) : 0;
        if (!c) {
            if (!json_is_null(member) && !(json_is_string(member) && !json_string_length(member)))
                json_object_set(slow->extra, name, member);
            continue;
        }
        enum slow one = SLOW_YES;
        slow->nulls[place] = json_is_null(member) || (json_is_string(member) && !json_string_length(member));
        if (c->type != KQL_STRING)
            one = slow_number(c, member, &slow->numbers[place], &slow->nulls[place]);
        if (one == SLOW_NO || slow->accepted == SLOW_NO)
            slow->accepted = SLOW_NO;
        else if (one == SLOW_UNKNOWN)
            slow->accepted = SLOW_UNKNOWN;
    }
    if (slow->nulls[0] || slow->nulls[decode_column(process, STR("DeviceId"))])
        slow->accepted = SLOW_NO;
}

static bool values_agree(const struct event *event, json_t *tree, const struct slow_event *slow) {
    for (size_t i = 0; i < process->column_count; i++) {
        const struct schema_column *c = &process->columns[i];
        const struct value *value = &event->values[i];
        json_t *member = json_object_get(tree, c->name);
        if (!member || slow->nulls[i]) {
            if (value->kind != VALUE_NULL)
                return false;
        } else if (c->type == KQL_STRING ? !text_agrees(member, value)
                                         : value->kind != VALUE_NUMBER || value->number != slow->numbers[i]) {
            return false;
        }
    }
    json_t *extra = event->extra.len ? json_loadb(event->extra.ptr, event->extra.len, 0, NULL) : json_object();
    bool equal = extra && json_equal(extra, slow->extra);
    json_decref(extra);
    return equal;
}

static uint64_t seed = 20261124;

static size_t random_below(size_t limit) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (size_t)(seed % limit);
}

/* One to three changes: a byte, a piece dropped or doubled, or a morsel that means something to JSON put in. */
static void mutate(struct buf *body) {
    static const char *const morsels[] = {"\"",
                                          "\\",
                                          "{",
                                          "}",
                                          "[",
                                          "]",
                                          ",",
                                          ":",
                                          "null",
                                          "true",
                                          "0",
                                          "-1",
                                          "1.0",
                                          "1.5",
                                          "9223372036854775807",
                                          "\\u0000",
                                          "\\ud83d",
                                          "\\u00e9",
                                          "\xff",
                                          "\xC3\xA9",
                                          "{}",
                                          "\"\"",
                                          "e5",
                                          " ",
                                          "\n",
                                          "\\n",
                                          "Z",
                                          "+02:00",
                                          "\"k\":[1,{\"a\":\"b\"}],"};
    for (size_t round = 1 + random_below(3); round; round--) {
        size_t at = random_below(body->len), length = 1 + random_below(6);
        length = length > body->len - at ? body->len - at : length;
        struct str morsel = str_from(morsels[random_below(sizeof morsels / sizeof *morsels)]);
        BUF_AUTO rest = BUF(1 << 20);
        switch (random_below(4)) {
        case 0: body->ptr[at] = (char)random_below(256); continue;
        case 1: buf_add(&rest, body->ptr + at + length, body->len - at - length); break;
        case 2:
            buf_add(&rest, body->ptr + at - (at < length ? at : length), body->len - at + (at < length ? at : length));
            break;
        default: buf_add_str(&rest, morsel); buf_add(&rest, body->ptr + at, body->len - at);
        }
        body->len = at;
        buf_add_str(body, buf_str(&rest));
        if (!body->len)
            buf_add_char(body, '{');
    }
}

struct tally {
    unsigned accepted, rejected, left_out;
};

static void compare(struct str body, struct tally *tally) {
    struct arena *arena = arena_new(1 << 20);
    struct slow_event slow = {0};
    struct event event;
    struct err err = {0};
    json_error_t reason;
    bool ok = event_decode(process, body, arena, &event, &err);
    json_t *tree = json_loadb(body.ptr, body.len, 0, &reason),
           *strict = json_loadb(body.ptr, body.len, JSON_REJECT_DUPLICATES, NULL);
    if (tree)
        slow_decode(tree, &slow);
    bool nul = memchr(body.ptr, '\0', body.len) != NULL;
    assert_false(ok && nul);
    if ((!tree && json_error_code(&reason) == json_error_numeric_overflow) || (tree && !strict) || nul) {
        tally->left_out++;
    } else {
        if (slow.accepted != SLOW_UNKNOWN && ok != (slow.accepted == SLOW_YES))
            fail_msg("ours %s (%s), jansson %s: %.*s", ok ? "accepts" : "rejects", ok ? "" : err.text,
                     tree ? "accepts" : reason.text, STR_ARG(body));
        if (ok && !values_agree(&event, tree, &slow))
            fail_msg("a value differs: %.*s", STR_ARG(body));
        tally->accepted += ok;
        tally->rejected += !ok;
    }
    json_decref(slow.extra);
    json_decref(tree);
    json_decref(strict);
    arena_free(arena);
}

static void mutated_records_are_judged_as_jansson_judges_them(void **state) {
    static const char record[] =
        "{\"Timestamp\":\"2026-07-18T17:00:30.754549Z\",\"DeviceId\":\"d1\",\"DeviceName\":\"fin-lt-07.example\","
        "\"FileSize\":9123,"
        "\"FileName\":\"RemotePC.exe\",\"FolderPath\":\"C:\\\\Program "
        "Files\\\\RemotePC\",\"ProcessId\":\"4711\",\"IsProcessRemoteSession\":"
        "true,\"ProcessCreationTime\":\"2026-07-18T19:00:30+02:00\",\"InitiatingProcessCreationTime\":{},\"ReportId\":"
        "45720,"
        "\"AdditionalFields\":{\"a\":[1,2.5,\"\\u00e9\\ud83d\\ude00\"]},\"IsInitiatingProcessRemoteSession\":0,"
        "\"SHA1\":null,"
        "\"ProcessUniqueId\":17,\"NewColumn\":{\"b\":[true,null,\"x\"]},\"ProcessCommandLine\":\"\\\"a\\\" \\/b\\t\"}";
    struct tally tally = {0};
    BUF_AUTO body = BUF(1 << 20);
    (void)state;
    compare(str_from(record), &tally);
    assert_int_equal(tally.accepted, 1);
    for (int i = 0; i < 20000; i++) {
        body.len = 0;
        buf_add_str(&body, str_from(record));
        mutate(&body);
        compare(buf_str(&body), &tally);
    }
    assert_true(tally.accepted > 2000 && tally.rejected > 2000 && tally.left_out < 2000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mutated_records_are_judged_as_jansson_judges_them),
    };
    schema_init();
    process = schema_table_find(STR("DeviceProcessEvents"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
