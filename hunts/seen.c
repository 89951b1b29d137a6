#include "hunts/seen.h"

#include "hunts/summary.h"
#include "store/array.h"

enum { LIST_CAP = 256 << 20 };

void seen_start(struct seen *seen) {
    *seen = (struct seen){.hunts = BUF(LIST_CAP), .devices = BUF(LIST_CAP)};
}

void seen_free(struct seen *seen) {
    buf_free(&seen->hunts);
    buf_free(&seen->devices);
}

bool seen_add(struct seen *seen, int64_t number, const struct result *result) {
    const struct summaries *table = &result->summaries;
    for (size_t i = 0; i < table->device_count; i++) {
        array_add_int(&seen->hunts, number);
        array_add(&seen->devices, table->devices[i].total.device_id);
    }
    seen->count += table->device_count;
    return !seen->hunts.failed && !seen->devices.failed;
}

bool seen_count(struct seen *seen, struct db_conn *conn, int64_t deadline_ms, struct err *err) {
    if (!seen->count)
        return true;
    array_end(&seen->hunts);
    array_end(&seen->devices);
    struct str params[] = {buf_str(&seen->hunts), buf_str(&seen->devices)};
    return seen->hunts.failed || seen->devices.failed
               ? err_memory(err)
               : db_exec(conn, db_statement("ledger_runs"), params, 2, deadline_ms, NULL, err);
}
