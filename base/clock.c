#include "base/clock.h"

#include <limits.h>
#include <stdio.h>
#include <time.h>

int64_t ticks_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return TICKS_UNIX + now.tv_sec * TICKS_SECOND + now.tv_nsec / 100;
}

int64_t mono_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

int64_t mono_ms(void) {
    return mono_us() / 1000;
}

int ms_left(int64_t deadline_ms) {
    int64_t left = deadline_ms - mono_ms();
    return left <= 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

/* Howard Hinnant's public-domain algorithm, shifted to 0001-01-01. */
int64_t days_from_civil(int year, int month, int day) {
    int64_t y = year - (month <= 2);
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t yoe = y - era * 400;
    int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + doe - 306;
}

void civil_from_days(int64_t days, int *year, int *month, int *day) {
    int64_t z = days + 306;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    *day = (int)(doy - (153 * mp + 2) / 5 + 1);
    *month = (int)(mp < 10 ? mp + 3 : mp - 9);
    *year = (int)(yoe + era * 400 + (*month <= 2));
}

static bool digits(struct str *s, unsigned count, int *out) {
    int value = 0;
    if (s->len < count)
        return false;
    for (unsigned i = 0; i < count; i++) {
        unsigned digit = (unsigned)(s->ptr[i] - '0');
        if (digit > 9)
            return false;
        value = value * 10 + (int)digit;
    }
    s->ptr += count;
    s->len -= count;
    *out = value;
    return true;
}

static bool character(struct str *s, char c) {
    if (!s->len || s->ptr[0] != c)
        return false;
    s->ptr++;
    s->len--;
    return true;
}

static bool parse_date(struct str *s, int64_t *ticks) {
    static const int month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year, month, day;
    if (!digits(s, 4, &year) || !character(s, '-') || !digits(s, 2, &month) || !character(s, '-') ||
        !digits(s, 2, &day) || year < 1 || month < 1 || month > 12 || day < 1)
        return false;
    bool leap = month == 2 && ((year % 4 == 0 && year % 100 != 0) || year % 400 == 0);
    if (day > month_days[month - 1] + leap)
        return false;
    *ticks = days_from_civil(year, month, day) * TICKS_DAY;
    return true;
}

static bool parse_fraction(struct str *s, int64_t *ticks) {
    int64_t unit = TICKS_SECOND;
    size_t count = 0;
    if (!character(s, '.'))
        return true;
    for (; s->len && (unsigned)(s->ptr[0] - '0') <= 9; s->ptr++, s->len--, count++) {
        unit /= 10;
        if (!unit && s->ptr[0] != '0')
            return false;
        *ticks += (s->ptr[0] - '0') * unit;
    }
    return count > 0;
}

static bool parse_offset(struct str *s, int64_t *ticks) {
    int hours, minutes;
    if (character(s, 'Z') || character(s, 'z'))
        return true;
    bool west = s->len && s->ptr[0] == '-';
    if (!(character(s, '+') || character(s, '-')) || !digits(s, 2, &hours) || !character(s, ':') ||
        !digits(s, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    int64_t offset = hours * TICKS_HOUR + minutes * TICKS_MINUTE;
    *ticks += west ? offset : -offset;
    return true;
}

bool ticks_parse(struct str s, int64_t *ticks) {
    int hour, minute, second;
    int64_t value;
    if (!parse_date(&s, &value) || !(character(&s, 'T') || character(&s, 't') || character(&s, ' ')) ||
        !digits(&s, 2, &hour) || !character(&s, ':') || !digits(&s, 2, &minute) || !character(&s, ':') ||
        !digits(&s, 2, &second) || hour > 23 || minute > 59 || second > 59)
        return false;
    value += hour * TICKS_HOUR + minute * TICKS_MINUTE + second * TICKS_SECOND;
    if (!parse_fraction(&s, &value) || !parse_offset(&s, &value) || s.len || value < 0 || value > TICKS_MAX)
        return false;
    *ticks = value;
    return true;
}

bool ticks_parse_loose(struct str text, int64_t *ticks) {
    struct str rest = text;
    if (ticks_parse(text, ticks))
        return true;
    return parse_date(&rest, ticks) && !rest.len;
}

void ticks_print(int64_t ticks, char out[TICKS_TEXT]) {
    int year, month, day;
    uint64_t rest = (uint64_t)(ticks % TICKS_DAY);
    civil_from_days(ticks / TICKS_DAY, &year, &month, &day);
    snprintf(out, TICKS_TEXT, "%04u-%02u-%02uT%02u:%02u:%02u.%07uZ", (unsigned)year % 10000, (unsigned)month % 100, (unsigned)day % 100,
             (unsigned)(rest / TICKS_HOUR % 24), (unsigned)(rest / TICKS_MINUTE % 60), (unsigned)(rest / TICKS_SECOND % 60),
             (unsigned)(rest % TICKS_SECOND) % 10000000);
}

static int64_t unit_ticks(char unit, bool time_part) {
    switch (unit) {
    case 'd': return TICKS_DAY;
    case 'D': return TICKS_DAY;
    case 'w': return 7 * TICKS_DAY;
    case 'W': return 7 * TICKS_DAY;
    case 'h': return TICKS_HOUR;
    case 'H': return TICKS_HOUR;
    case 's': return TICKS_SECOND;
    case 'S': return TICKS_SECOND;
    case 'm': return TICKS_MINUTE;
    case 'M': return time_part ? TICKS_MINUTE : 0;
    default: return 0;
    }
}

/* number: digits with an optional fraction, in units of a tick's share. */
static bool parse_number(struct str *s, double *out) {
    double value = 0, scale = 1;
    size_t count = 0;
    bool fraction = false;
    for (; s->len; s->ptr++, s->len--) {
        if (s->ptr[0] == '.' && !fraction) {
            fraction = true;
        } else if ((unsigned)(s->ptr[0] - '0') <= 9) {
            value = value * 10 + (s->ptr[0] - '0');
            scale *= fraction ? 10 : 1;
            count++;
        } else {
            break;
        }
    }
    *out = value / scale;
    return count > 0 && count < 16;
}

bool timespan_parse(struct str s, int64_t *ticks) {
    double total = 0, number;
    bool iso = character(&s, 'P'), time_part = false;
    if (!s.len)
        return false;
    while (s.len) {
        if (iso && character(&s, 'T'))
            time_part = true;
        if (!parse_number(&s, &number) || !s.len)
            return false;
        int64_t unit = unit_ticks(s.ptr[0], !iso || time_part);
        if (!unit || (iso && s.ptr[0] >= 'a'))
            return false;
        total += number * (double)unit;
        s.ptr++;
        s.len--;
    }
    if (total < 1 || total > 3650.0 * (double)TICKS_DAY)
        return false;
    *ticks = (int64_t)total;
    return true;
}

void sleep_us(int64_t us) {
    struct timespec pause = {us / 1000000, us % 1000000 * 1000};
    nanosleep(&pause, NULL);
}

void sleep_ms(int ms) {
    sleep_us(ms * INT64_C(1000));
}
