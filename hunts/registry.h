/* The hunts that the database knows: the embedded catalogue and what users load. Keeps every version of a query and what
 * compiling it said; knows nothing of runs. Texts for humans about a hunt's mistakes are made here, so that all who show
 * them show the same. */
#pragma once
#include "base/buf.h"
#include "hunts/catalogue.h"
#include "store/db.h"

/* REGISTRY_CHECKED: not stored. */
enum registry_outcome { REGISTRY_CHECKED, REGISTRY_CREATED, REGISTRY_UPDATED, REGISTRY_UNCHANGED };

struct registry_saved {
    int version;
    enum registry_outcome outcome;
};

const char *registry_outcome_name(enum registry_outcome outcome); /* "checked", "created", … */
/* Stores a hunt under its id, with a new version when its query changed; state and errors come from compiling it.
 * ERR_CONFLICT when another hunt has the slug. */
bool registry_save(struct db_conn *conn, const struct hunt *hunt, const char *origin, const struct hunt_check *check,
                   int64_t deadline_ms, struct registry_saved *saved, struct err *err);
/* Brings the database up to the embedded catalogue; cheap when nothing changed. */
bool registry_sync(struct db *db, int64_t deadline_ms, struct err *err);
/* {"code","message","line","column","excerpt"} of an error in a query, as JSON. */
void registry_add_error(struct buf *out, const struct err *err, struct str query);
/* The same with "file_line", the line in the hunt's file: for an error in a file as a whole, and in its query. */
void registry_add_file_error(struct buf *out, const struct err *err, struct str file);
void registry_add_hunt_error(struct buf *out, const struct err *err, const struct hunt *hunt);
/* [{"line","column","file_line","message"},…] */
void registry_add_warnings(struct buf *out, const struct kql_program *program, size_t query_line);
/* [{"scenario","description","filter"},…] */
void registry_add_scenarios(struct buf *out, const struct hunt *hunt);
