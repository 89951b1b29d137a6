/* Lists and results in the format the client asked for, from JSON texts that the database or a run made; and the cursors
 * by which a client pages through them. What the rows are is for each resource to know. All that is made lives in the
 * request's arena. */
#pragma once
#include <jansson.h>

#include "handlers/format.h"
#include "store/db.h"

/* store/sql/<name>.sql on a connection of the pool, within 10 s. */
struct db_rows *statement_run(struct request *request, const char *name, const struct str *params, size_t count,
                              struct err *err);

struct list_items {
    const char *member;          /* {"<member>":[…],"next":…} */
    const struct str *objects;   /* each a JSON object */
    size_t count;
    struct str next;             /* the key that the next page starts behind; ptr NULL: the end */
    const char *const *columns;  /* members shown by csv and table ("hunts.done" is one of hunts), NULL-ended; ndjson
                                    shows all */
    size_t kept;                 /* columns of a table, from the left, that are cut last */
    struct str more;             /* further members as JSON (",\"warnings\":[…]"), or empty */
    struct str note;             /* a line for people behind a table without rows, or empty */
};
/* The page as the request's format wants it, with its cursor and Link. */
bool list_reply_items(struct request *request, struct reply *reply, const struct list_items *items, struct err *err);
/* The same from rows whose first column is the key and whose second is the object; the query asked for limit + 1 rows. */
bool list_reply(struct request *request, struct reply *reply, const char *member, const struct db_rows *rows,
                long long limit, const char *const *columns, struct err *err);
/* The same; what the rows don't give comes from *items. */
bool list_reply_rows(struct request *request, struct reply *reply, struct list_items *items, const struct db_rows *rows,
                     long long limit, struct err *err);
/* Parts of a page: a JSON array's objects as a table behind what is there, cells in the request's arena; … */
bool list_table(struct request *request, const json_t *objects, const char *const *columns, size_t kept,
                enum format format, struct buf *out, struct err *err);
/* … and an object's members as lines. */
bool list_pairs(struct request *request, const json_t *object, struct buf *out, struct err *err);
/* How fresh the data is that a list of findings rests on: ,"freshness":{…} into items->more behind what is there, and
 * the note that no events are kept; no hits must not look like no data. */
bool list_freshness(struct request *request, struct list_items *items, struct err *err);
/* The common ?limit= and ?cursor=; limit 1..1000, default 100. *cursor is the key inside the client's cursor, which is
 * opaque and good for the list that gave it with the same filters only; ptr NULL without one. */
bool list_parameters(struct request *request, long long *limit, struct str *limit_text, struct str *cursor,
                     struct err *err);
/* False with the error for a cursor that this list didn't give: for keys that aren't what the list makes. */
bool list_cursor_refuse(struct request *request, struct err *err);
/* Lists by descending id: the cursor's key, or one above all ids. */
bool list_below(struct request *request, struct str *cursor, struct err *err);
/* A result body ({"columns","rows","devices",…} or {"hunts":[…]}) as it is or converted. */
bool result_reply(struct request *request, struct reply *reply, struct str body, struct err *err);
/* A JSON text as the reply's body. */
bool json_reply(struct reply *reply, struct str json, struct err *err);
