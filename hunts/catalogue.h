/* The catalogue in the binary: hunts/catalogue/<tool>.yaml, strictly valid YAML, each a tool with its facts and hunts. All
 * of it lives in the caller's arena, text included. Knows no database: hunts/registry brings it there. */
#pragma once
#include "hunts/hunt.h"

struct tool {
    struct str id, name, vendor, description;
    struct str *aliases;  size_t alias_count;
    struct str *signers;  size_t signer_count;
    struct str *companies; size_t company_count;
    struct str *products; size_t product_count;
    struct str *domains;  size_t domain_count;
    struct str *processes; size_t process_count;
    struct str *serials;  size_t serial_count;
    struct str also_matches; /* what else the same facts match, or "" */
    struct hunt *hunts;   size_t hunt_count;
};

struct catalogue {
    struct tool *tools;
    size_t tool_count;
};

/* Reads every embedded tool file. A mistake in one is a fault of ours: false with file, line and column in err. */
bool catalogue_load(struct arena *arena, struct catalogue *catalogue, struct err *err);
/* One tool file, for tests and checks. */
bool catalogue_parse(struct arena *arena, struct str bytes, struct str file_name, struct tool *tool, struct err *err);
/* By GUID (any case) or slug; NULL when there is none. */
const struct hunt *catalogue_hunt_find(const struct catalogue *catalogue, struct str id_or_slug);
