/* For tests of the event reader: bodies read whole, what became of each record, and the pieces that bodies are made of. */
#pragma once
#include "store/reader.h"

#define STAMP "\"Timestamp\":\"2026-07-18T17:00:30.754549Z\""
#define ROW STAMP ",\"DeviceId\":\"d1\""
#define BOM "\xEF\xBB\xBF"

enum { SEEN_MOST = 64 };

struct seen {
    char verdicts[SEEN_MOST]; /* E event, I ignored, R rejected, in order */
    enum err_code codes[SEEN_MOST];
    struct event events[SEEN_MOST];
    struct str raws[SEEN_MOST];
    struct reader *reader;
};

/* Reads the body to its end; borrowed by what is seen until reader_seen_free. */
struct seen *seen_read(struct str body, const struct reader_options *options);
void reader_seen_free(struct seen *seen);
/* A zone of one offset: "Z", or else +02:00; NULL for NULL. */
const struct zone *zone_fixed(const char *hours);
/* The verdicts of the body's records, as letters. table: of the path, or NULL. */
void expect_verdicts(struct str body, const char *table, const char *wanted);
/* The same of a body whose local times are of that zone, for zone_fixed. */
void expect_verdicts_zoned(struct str body, const char *table, const char *zone, const char *wanted);
/* The record at that place is rejected with that code. */
void expect_code(struct str body, const char *table, size_t at, enum err_code code);
const struct value *value_of(const struct event *event, const char *name);
