/* Files that travel inside the binary: migrations, SQL statements, the hunt catalogue. Sorted by name within a folder.
 * The table is made by base/embed.sh at build time; a NUL stands behind each file's bytes and isn't counted. */
#pragma once
#include <stddef.h>

struct embedded_file {
    const char *name; /* path from the project's root, such as "migrations/0001_base.sql"; NULL ends the list */
    const unsigned char *bytes;
    size_t length;
};

extern const struct embedded_file embedded_files[];
