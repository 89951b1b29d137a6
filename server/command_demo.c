/* rmmhunt demo: a small made-up estate, attacks included, and what to look at. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "hunts/estate.h"
#include "hunts/registry.h"
#include "hunts/runner.h"
#include "server/cli.h"
#include "server/commands.h"
#include "store/ingest.h"

enum { PIECE_RECORDS = 5000, PIECE_CAP = 64 << 20, WAIT_MS = 300000 };

static bool demo_fill(struct ingest *ingest, struct estate *estate, struct ingest_result *total, struct err *err) {
    const struct reader_options options = {0};
    struct ingest_result *result = calloc(1, sizeof *result);
    uint64_t done = 0;
    size_t count;
    bool ok = result || err_memory(err), unknown;
    BUF_AUTO piece = BUF(PIECE_CAP);
    while (ok && (count = estate_next(estate, &piece, PIECE_RECORDS)) > 0) {
        ok = ingest_body(ingest, buf_str(&piece), &options, false, mono_ms() + WAIT_MS, result, &unknown, err);
        total->stored += result->stored;
        total->duplicate += result->duplicate;
        total->rejected += result->rejected;
        piece.len = 0;
        done += count;
        cli_progress("demo: %" PRIu64 " of %" PRIu64 " records", done, estate_total(estate));
    }
    cli_progress_end();
    free(result);
    return ok;
}

static bool demo_hunt(struct db *db, int64_t as_of, int64_t *run_id, struct err *err) {
    struct run_request request = {.all = true, .from = -1, .to = -1, .as_of = as_of};
    struct runner *runner = runner_open(db, true, err);
    if (!runner)
        return false;
    bool ok = runner_submit(runner, &request, run_id, err);
    if (ok && !runner_wait(runner, *run_id, mono_ms() + WAIT_MS))
        ok = err_set(err, ERR_DEADLINE, "the hunts didn't finish in time");
    runner_close(runner);
    return ok;
}

/* Port 0: only the server that takes one knows it. */
static void demo_tell_command(void) {
    const char *listen = getenv("RMMHUNT_LISTEN");
    if (listen && str_ends(str_from(listen), STR(":0")))
        printf("  rmmhunt devices --tool RemotePC\n");
    else
        printf("  curl -s '%s/v1/hunts/remotepc-file-signature/results?pretty'\n", listen && listen[0] ? listen : "localhost:8080");
}

static void demo_tell(const struct estate *estate, const struct ingest_result *total, int64_t run_id) {
    size_t count, told = 0;
    const struct estate_plant *plants = estate_plants(estate, &count);
    printf("demo: %" PRId64 " events stored, %" PRId64 " repeats recognised; all hunts ran as run %" PRId64 "\n",
           total->stored, total->duplicate, run_id);
    printf("look at:\n");
    for (size_t i = 0; i < count && told < 4; i++) {
        if (strstr(plants[i].hunt_slug, "remotepc") != plants[i].hunt_slug)
            continue;
        printf("  %s on %s: %s\n", plants[i].hunt_slug, plants[i].device_name, plants[i].story);
        told++;
    }
    demo_tell_command();
}

static bool demo_run(struct database *database, struct err *err) {
    int64_t run_id = 0;
    struct estate_options options = {.seed = 1, .devices = 200, .days = 14, .end = ticks_now(), .repeat_rate = 0.05,
                                     .late_rate = 0.02};
    struct ingest_result *total = calloc(1, sizeof *total);
    struct estate *estate = estate_new(&options);
    struct ingest *ingest = total && estate ? ingest_open(database->db, err) : (err_memory(err), NULL);
    bool ok = ingest && demo_fill(ingest, estate, total, err) &&
              registry_sync(database->db, mono_ms() + WAIT_MS, err) &&
              demo_hunt(database->db, options.end, &run_id, err);
    if (ok)
        demo_tell(estate, total, run_id);
    ingest_close(ingest);
    estate_free(estate);
    free(total);
    return ok;
}

/* Events that are there already are somebody's: a made-up estate isn't mixed into them. */
static bool demo_wanted(struct db *db, bool *wanted, struct err *err) {
    struct db_conn *conn = db_take(db, mono_ms() + WAIT_MS, err);
    DB_ROWS_AUTO *rows =
        conn ? db_query(conn, db_statement("events_any"), NULL, 0, mono_ms() + WAIT_MS, err) : NULL;
    *wanted = rows && !db_count(rows);
    db_give(conn);
    return rows != NULL;
}

int command_demo(int argc, char **argv) {
    struct database database = {0};
    struct err err = {0};
    bool wanted = false;
    (void)argv;
    if (argc > 1)
        return cli_usage("demo");
    bool ok = cli_open(&database, DATABASE_WRITES, &err) && demo_wanted(database.db, &wanted, &err);
    if (ok && !wanted)
        printf("demo: the database holds events already; nothing was added\n");
    if (ok && wanted)
        ok = demo_run(&database, &err);
    int code = ok ? 0 : cli_fail("demo", &err, STR(""));
    database_close(&database);
    return code;
}

int command_migrate(int argc, char **argv) {
    struct database database = {0};
    struct err err = {0};
    (void)argv;
    if (argc > 1)
        return cli_usage("migrate");
    if (!cli_open(&database, DATABASE_WRITES, &err) || !registry_sync(database.db, mono_ms() + WAIT_MS, &err))
        return cli_fail("migrate", &err, STR(""));
    database_close(&database);
    printf("the schema and the catalogue are up to date\n");
    return 0;
}
