/* Dead letters: what a commit keeps of the records that were bad, within its own transaction. A record that comes
 * again, byte for byte, is the letter that is there, seen once more. */
#pragma once
#include "store/commit.h"

/* All parts' in one statement, which locks letters that are there already in one order. Fills in their ids. */
bool letters_write(struct db_conn *conn, struct commit_part *const *parts, size_t count, int64_t deadline_ms,
                   struct err *err);
