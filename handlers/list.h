/* Lists and results in the format the client asked for, from JSON texts that the database or a run made. */
#pragma once
#include "handlers/request.h"
#include "store/db.h"

/* {"<member>":[…],"next":…} from rows whose first column is the cursor and whose second is an object as JSON; the query
 * asked for limit + 1 rows. columns: members shown by csv, ndjson (all) and table, NULL-ended. */
bool list_reply(struct request *request, struct reply *reply, const char *member, const struct db_rows *rows,
                long long limit, const char *const *columns, struct err *err);
/* The common ?limit= and ?cursor=; limit 1..1000, default 100. */
bool list_parameters(struct request *request, long long *limit, struct str *limit_text, struct str *cursor,
                     struct err *err);
/* A result body ({"columns","rows","devices",…} or {"hunts":[…]}) as it is or converted; pretty on request. */
bool result_reply(struct request *request, struct reply *reply, struct str body, struct err *err);
/* A JSON text as the reply's body, pretty on request. */
bool json_reply(struct request *request, struct reply *reply, struct str json, struct err *err);
