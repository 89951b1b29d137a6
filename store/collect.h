/* Deletes dictionary values that no event uses any more, once partitions have been dropped. Values are looked for beside
 * everything else; then commits are kept out for as long as it takes to look through those that came meanwhile and to
 * delete. A commit whose ids were read before that fails with commit.c's ERR_DATABASE_RETRY and is read anew: see
 * rmm.dictionary_hold. Ids are never used again, so what hunts noted of deleted ones does no harm. Devices and hosts stay:
 * presence and findings refer to them. */
#pragma once
#include "store/db.h"

/* *collected: values deleted. When commits can't be kept out soon, or for long enough, nothing is deleted this time. */
bool dictionary_collect(struct db_conn *conn, int64_t *collected, struct err *err);
