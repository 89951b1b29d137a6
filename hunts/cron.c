#include "hunts/cron.h"

#include "base/clock.h"

enum { DAY_MINUTES = 24 * 60, SEARCH_DAYS = 40 * 366 + 10, LEAST_DAY = 2000 * 365 };

static const char *const month_names[] = {"JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                                          "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};
static const char *const day_names[] = {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"};

static const struct field {
    const char *name;
    int low, high;
    const char *const *names;
    int name_count;
    const char *example;
} fields[] = {
    {"minute", 0, 59, NULL, 0, "0, */15, 0-29/5 or 10,40"},
    {"hour", 0, 23, NULL, 0, "6, */2, 8-18 or 6,18"},
    {"day of month", 1, 31, NULL, 0, "1, */2, 1-7 or 1,15"},
    {"month", 1, 12, month_names, 12, "1, JAN, 1-6 or JAN,JUL"},
    {"day of week", 0, 7, day_names, 7, "1, MON, MON-FRI or SAT,SUN; 0 and 7 are Sunday"},
};
enum { FIELDS = sizeof fields / sizeof *fields };

static bool field_fail(const struct field *field, struct str text, struct err *err) {
    return err_set(err, ERR_BAD_REQUEST,
                   "cron: the %s '%.*s' is not one: %d to %d, such as %s; a range runs upwards, a step fits into it",
                   field->name, text.len > 40 ? 40 : (int)text.len, text.ptr, field->low, field->high, field->example);
}

/* A number or a name at the start of *s. */
static bool take_value(const struct field *field, struct str *s, int *value) {
    for (int i = 0; i < field->name_count; i++)
        if (s->len >= 3 && str_eq_nocase((struct str){s->ptr, 3}, str_from(field->names[i]))) {
            *value = field->low + i;
            *s = (struct str){s->ptr + 3, s->len - 3};
            return true;
        }
    size_t digits = 0;
    for (*value = 0; digits < s->len && digits < 3 && (unsigned)(s->ptr[digits] - '0') <= 9; digits++)
        *value = *value * 10 + (s->ptr[digits] - '0');
    *s = (struct str){s->ptr + digits, s->len - digits};
    return digits > 0;
}

static bool take_char(struct str *s, char c) {
    if (!s->len || s->ptr[0] != c)
        return false;
    *s = (struct str){s->ptr + 1, s->len - 1};
    return true;
}

/* item: "*" | value | value "-" value, and "/" step behind the first and the last. */
static bool parse_item(const struct field *field, struct str item, uint64_t *bits) {
    int from = field->low, to = field->high, step = 1;
    bool range = take_char(&item, '*');
    if (!range) {
        if (!take_value(field, &item, &from))
            return false;
        to = from;
        range = take_char(&item, '-');
        if (range && !take_value(field, &item, &to))
            return false;
    }
    if (range && take_char(&item, '/') &&
        (!take_value(&fields[0], &item, &step) || step < 1 || step > field->high - field->low + 1))
        return false;
    if (item.len || from < field->low || to > field->high || from > to)
        return false;
    for (int value = from; value <= to; value += step)
        *bits |= UINT64_C(1) << value;
    return true;
}

static bool parse_field(const struct field *field, struct str text, uint64_t *bits, struct err *err) {
    struct str rest = text, item;
    bool more = true;
    *bits = 0;
    while (more) {
        more = str_cut(rest, ',', &item, &rest);
        if (!parse_item(field, item, bits))
            return field_fail(field, text, err);
    }
    return true;
}

static bool is_space(char c) {
    return c == ' ' || c == '\t';
}

/* Exactly five words. */
static bool split(struct str text, struct str words[FIELDS]) {
    size_t count = 0, at = 0;
    for (;;) {
        while (at < text.len && is_space(text.ptr[at]))
            at++;
        if (at == text.len)
            return count == FIELDS;
        size_t from = at;
        while (at < text.len && !is_space(text.ptr[at]))
            at++;
        if (count == FIELDS)
            return false;
        words[count++] = (struct str){text.ptr + from, at - from};
    }
}

bool cron_parse(struct str text, struct cron *cron, struct err *err) {
    struct str words[FIELDS];
    uint64_t bits[FIELDS];
    if (!split(text, words))
        return err_set(err, ERR_BAD_REQUEST,
                       "cron: five fields are wanted: minute, hour, day of month, month, day of week, such as "
                       "'30 6 * * MON-FRI'");
    for (int i = 0; i < FIELDS; i++)
        if (!parse_field(&fields[i], words[i], &bits[i], err))
            return false;
    bits[4] |= bits[4] >> 7 & 1;
    *cron = (struct cron){.minutes = bits[0],
                          .hours = bits[1],
                          .days = bits[2],
                          .months = bits[3],
                          .weekdays = bits[4] & 0x7f,
                          .either_day = words[2].ptr[0] != '*' && words[4].ptr[0] != '*'};
    return cron_next(cron, (int64_t)LEAST_DAY * DAY_MINUTES) >= 0 ||
           err_set(err, ERR_BAD_REQUEST, "cron: no date has day of month '%.*s' in month '%.*s'", STR_ARG(words[2]),
                   STR_ARG(words[3]));
}

static bool day_fits(const struct cron *cron, int64_t day) {
    int year, month, date;
    civil_from_days(day, &year, &month, &date);
    /* 0001-01-01 was a Monday */
    bool weekday = cron->weekdays >> (day + 1) % 7 & 1, monthday = cron->days >> date & 1;
    return cron->months >> month & 1 && (cron->either_day ? weekday || monthday : weekday && monthday);
}

int64_t cron_next(const struct cron *cron, int64_t minute) {
    minute++;
    for (int64_t day = minute / DAY_MINUTES, last = day + SEARCH_DAYS; day < last; day++) {
        int from = day == minute / DAY_MINUTES ? (int)(minute % DAY_MINUTES) : 0;
        if (!day_fits(cron, day))
            continue;
        for (int at = from; at < DAY_MINUTES; at++)
            if (cron->hours >> at / 60 & 1 && cron->minutes >> at % 60 & 1)
                return day * DAY_MINUTES + at;
    }
    return -1;
}
