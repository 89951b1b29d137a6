/* One Defender streaming record as text, out of what happened: who, where, which program. Same happening, same bytes.
 * Used by hunts/estate only, which decides what happens. */
#pragma once
#include "hunts/estate.h"

struct software {
    const char *file, *folder, *company, *product, *description, *version, *signer, *issuer, *serial, *url;
};

struct happening {
    const struct schema_table *table;
    int64_t ts, report_id;
    uint64_t salt; /* makes hashes, ids and the like */
    unsigned device;
    char device_id[41], device_name[64];
    const char *group, *account, *action;
    const struct software *program, *parent;
    unsigned variant; /* of the program: distinguishes versions in benchmarks, 0: none */
};

/* Appends the properties object. */
void estate_add_properties(struct buf *out, const struct happening *happening);
/* Appends a whole line: the envelope around properties. received: ticks. */
void estate_add_line(struct buf *out, const struct schema_table *table, struct str properties, int64_t ts,
                     int64_t received);
