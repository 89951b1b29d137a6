/* Arguments that Kusto wants to know when it compiles: units of time and formats. */
#include "kql/internal.h"

static bool words_have(const char *words, struct str word) {
    struct str text = str_from(words);
    for (size_t at = 0; word.len && at + word.len <= text.len; at++) {
        bool starts = at == 0 || text.ptr[at - 1] == ' ', ends = at + word.len == text.len || text.ptr[at + word.len] == ' ';
        if (starts && ends && str_eq_nocase((struct str){text.ptr + at, word.len}, word))
            return true;
    }
    return false;
}

static bool unit_check(struct kql *kql, const struct node *node, const struct expr *unit) {
    const char *known = str_eq(node->text, STR("datetime_part"))
                            ? "year quarter month week_of_year weekofyear day dayofyear hour minute second millisecond microsecond nanosecond"
                            : "year quarter month week day hour minute second millisecond microsecond nanosecond";
    if (!unit->constant || unit->type != KQL_STRING)
        return kql_fail(kql, unit->offset, unit->length, "%.*s needs a constant unit here: %s", STR_ARG(node->text), known);
    return words_have(known, unit->literal.text) ||
           kql_fail(kql, unit->offset, unit->length, "%.*s isn't a unit that %.*s knows: %s", STR_ARG(unit->literal.text),
                    STR_ARG(node->text), known);
}

/* Kusto's formats know these letters and marks, nothing else. */
static bool format_check(struct kql *kql, const struct node *node, const struct expr *format) {
    const char *known = str_eq(node->text, STR("format_datetime")) ? "yMdHhmsfFt /-:,._[]" : "dHhmsfF /-:,._[]";
    struct str text = format->literal.text;
    if (!format->constant || format->type != KQL_STRING)
        return true;
    for (size_t i = 0; i < text.len; i++)
        if (!strchr(known, text.ptr[i]) && text.ptr[i] != '\0')
            return kql_fail(kql, format->offset, format->length, "'%c' can't stand in the format of %.*s; it takes %s",
                            (unsigned char)text.ptr[i] < 0x80 ? text.ptr[i] : '?', STR_ARG(node->text), known);
    return true;
}

bool arguments_check(struct kql *kql, const struct node *node, struct expr *args) {
    bool format = str_eq(node->text, STR("format_datetime")) || str_eq(node->text, STR("format_timespan"));
    bool unit = str_eq(node->text, STR("datetime_add")) || str_eq(node->text, STR("datetime_diff")) || str_eq(node->text, STR("datetime_part"));
    if (unit && node->count)
        return unit_check(kql, node, &args[0]);
    if (str_starts(node->text, STR("array_sort_")) && node->count > 1 && args[1].type != KQL_BOOL)
        return kql_fail(kql, args[1].offset, args[1].length, "%.*s of several arrays isn't supported here", STR_ARG(node->text));
    return !format || node->count < 2 || format_check(kql, node, &args[1]);
}
