/* Events into PostgreSQL: decode, intern, one COPY and one COMMIT for many requests. A result is given only behind the
 * COMMIT that holds it. Any thread may call; a committer thread per connection does the writing. */
#pragma once
#include "base/attr.h"
#include "store/db.h"
#include "store/reader.h"

enum {
    INGEST_MAX_ERRORS = 100,
    INGEST_MAX_REJECTED = 50000, /* bad records in a body, past which it is refused whole */
};

struct ingest_error {
    size_t index; /* place of the record in the body, from 0 */
    enum err_code code;
    char message[512];
    int64_t dead_letter; /* id in the dead-letter table; 0: none, the body was refused */
};

struct ingest_table_count {
    int64_t stored, duplicate, rejected;
};

struct ingest_result {
    int64_t received, stored, duplicate, ignored, rejected;
    struct ingest_table_count tables[SCHEMA_TABLES];
    struct ingest_error errors[INGEST_MAX_ERRORS];
    size_t error_count;
};

struct ingest;
void ingest_close(struct ingest *ingest); /* waits for what is under way */
/* db is borrowed and must outlive it. */
OWNED_BY(ingest_close) struct ingest *ingest_open(struct db *db, struct err *err);
/* One inflated body, whole: when it gives true, every acceptable record is committed and rejected ones are dead
 * letters. False: ERR_UNPROCESSABLE (nothing readable; too many bad ones; or atomic and one is bad), ERR_TOO_MANY (over the bytes in
 * flight), ERR_DATABASE/ERR_DISK_FULL/ERR_DEADLINE with *unknown telling whether the outcome is unknown (a COMMIT was
 * sent and not answered). deadline_ms: mono_ms() value. */
bool ingest_body(struct ingest *ingest, struct str body, const struct reader_options *options, bool atomic,
                 int64_t deadline_ms, struct ingest_result *result, bool *unknown, struct err *err);
