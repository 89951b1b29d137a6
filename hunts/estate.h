/* A made-up estate for the demo, tests and benchmarks: devices, background software, sanctioned tools and planted
 * attacks, as Defender streaming records. Same options, same bytes. Knows no database, no HTTP. */
#pragma once
#include "base/attr.h"
#include "base/buf.h"
#include "kql/schema.h"

struct estate_options {
    uint64_t seed;
    unsigned devices;        /* 200 for the demo */
    unsigned days;           /* 14; 0 of either: no estate, NULL */
    int64_t end;             /* ticks: the last event's day ends here */
    uint64_t rows[SCHEMA_TABLES]; /* records a table; all 0: a demo's mix for devices x days */
    double repeat_rate;      /* 0.05: that share arrives again, properties byte-identical, other envelope */
    double late_rate;        /* share that comes at the very end, out of order */
    uint32_t distinct_signers, distinct_images; /* 0: a believable default */
};

struct estate;
void estate_free(struct estate *estate);
OWNED_BY(estate_free) struct estate *estate_new(const struct estate_options *options);
/* Appends up to max_records records as NDJSON lines ({"time":…,"category":"AdvancedHunting-…","properties":{…}}); the
 * number appended, 0 at the end. */
size_t estate_next(struct estate *estate, struct buf *out, size_t max_records);
/* One planted thing, known without looking at the records: what the hunt must find on that device. */
struct estate_plant {
    const char *hunt_slug;    /* "remotepc-file-signature" */
    char device_id[41], device_name[64];
    int64_t first, last;      /* ticks */
    uint32_t count;           /* distinct events */
    int64_t report_ids[16];   /* ascending, distinct */
    uint32_t report_count;
    const char *story;        /* a line for people: what the attacker did */
};
/* All plants, *count of them; they live as long as the estate. */
const struct estate_plant *estate_plants(const struct estate *estate, size_t *count);
/* Records that estate_next will give in all, repeats included. */
uint64_t estate_total(const struct estate *estate);
