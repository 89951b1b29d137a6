/* Hunt files of users: the Sentinel hunting-query YAML in the three shapes that circulate (strict, mis-indented,
 * flattened), the hunt card, and JSON. Tolerant where the published collection is broken, exact about the place of what it
 * can't read. */
#pragma once
#include "hunts/hunt.h"

enum { HUNT_FILE_LIMIT = 4 << 20 }; /* bytes, however the file comes */

/* One file's bytes into a hunt. Missing id: a UUID v5-like id from the query's digest; missing slug: from the name.
 * False with ERR_UNPROCESSABLE, line and column in the file, when it is not a hunt. */
bool hunt_load(struct arena *arena, struct str bytes, struct str file_name, struct hunt *hunt, struct err *err);
/* Tool, signal and slug out of names such as
 * "Remote Management and Monitoring tool - RemotePC - File Signature". */
void hunt_name_parse(struct arena *arena, struct hunt *hunt);
