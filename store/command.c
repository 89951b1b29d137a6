#include "store/command.h"

/* The closing quote counts; 0: there is none. */
static size_t quoted_length(struct str line) {
    struct str inside = {line.ptr + 1, line.len - 1};
    const char *quote = str_find(inside, '"');
    return quote ? (size_t)(quote - line.ptr) + 1 : 0;
}

static size_t word_length(struct str line) {
    size_t length = 0;
    while (length < line.len && (unsigned char)line.ptr[length] > ' ')
        length++;
    return length;
}

/* Whole names only: a path has few of them, so that its program has few spellings. */
static bool names_end_of(struct str path, struct str name) {
    if (!name.len || name.len > path.len)
        return false;
    struct str end = {path.ptr + path.len - name.len, name.len};
    return (end.ptr == path.ptr || end.ptr[-1] == '\\') && (str_eq(end, name) || str_eq_nocase(end, name));
}

size_t command_program(struct str line, struct str path) {
    bool quoted = line.len && line.ptr[0] == '"';
    size_t length = quoted ? quoted_length(line) : word_length(line);
    struct str name = length > quoted ? (struct str){line.ptr + quoted, length - 2 * quoted} : (struct str){0};
    return names_end_of(path, name) ? length : 0;
}
