/* The database that the settings name, or the private one, opened and migrated. For the service and the command-line tools
 * alike; whoever opens it closes it, and a cluster goes behind its pool. */
#pragma once
#include "store/cluster.h"
#include "store/db.h"

struct database {
    struct db *db;
    struct cluster *cluster; /* NULL: a database elsewhere */
};

/* What for: a server keeps the folder to itself; who only reads is refused where there is nothing yet, as an empty
 * answer from a mistyped folder would say that nothing was found. */
enum database_use { DATABASE_SERVES, DATABASE_WRITES, DATABASE_READS };

/* database_url NULL or "": a private cluster in data_dir (where the default can't be used, /var/lib/rmmhunt). */
bool database_open(const char *database_url, const char *data_dir, bool data_dir_is_default, enum database_use use,
                   struct database *out, struct err *err);
void database_close(struct database *database);
