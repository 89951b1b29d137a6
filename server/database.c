#include "server/database.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/migrate.h"

enum { CONNECTIONS = 24, MIGRATE_LIMIT_MS = 10 * 60 * 1000 };
#define FALLBACK_FOLDER "/var/lib/rmmhunt"

static struct cluster *cluster_start(const char *data_dir, bool is_default, enum database_use use, struct err *err) {
    if (is_default && !cluster_reachable(data_dir)) {
        log_line(LOG_WARN, "cluster.folder", "PostgreSQL's user can't enter %s: using " FALLBACK_FOLDER, data_dir);
        data_dir = FALLBACK_FOLDER;
    }
    bool made = cluster_made(data_dir);
    if (!made && use == DATABASE_READS) {
        err_set(err, ERR_CONFIG,
                "there is no data in %s: RMMHUNT_DATA names the folder, or DATABASE_URL the database; "
                "'rmmhunt serve' or 'rmmhunt import' makes a new one",
                data_dir);
        return NULL;
    }
    if (!made)
        log_line(LOG_WARN, "database.new", "there is no data in %s: making a new database", data_dir);
    return cluster_open(data_dir, use == DATABASE_SERVES, err);
}

bool database_open(const char *database_url, const char *data_dir, bool data_dir_is_default, enum database_use use,
                   struct database *out, struct err *err) {
    *out = (struct database){0};
    struct db_options options = {database_url, CONNECTIONS};
    if (!database_url || !database_url[0]) {
        out->cluster = cluster_start(data_dir, data_dir_is_default, use, err);
        if (!out->cluster)
            return false;
        options.conninfo = cluster_conninfo(out->cluster);
    }
    out->db = db_open(&options, err);
    if (out->db && migrate(out->db, mono_ms() + MIGRATE_LIMIT_MS, err))
        return true;
    database_close(out);
    return false;
}

void database_close(struct database *database) {
    db_close(database->db);
    cluster_close(database->cluster);
    *database = (struct database){0};
}
