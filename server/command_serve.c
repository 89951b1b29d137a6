/* The service: database, ingest, runner, ports; then waits for SIGTERM or SIGINT and drains. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/log.h"
#include "handlers/cache.h"
#include "handlers/service.h"
#include "hunts/ledger.h"
#include "hunts/registry.h"
#include "hunts/runner.h"
#include "hunts/scheduler.h"
#include "hunts/warm.h"
#include "hunts/webhooks.h"
#include "server/commands.h"
#include "server/config.h"
#include "server/database.h"
#include "server/listen.h"
#include "server/reviver.h"
#include "server/upkeep.h"
#include "server/version.h"
#include "store/pulse.h"

enum { DRAIN_MS = 7000, SYNC_MS = 60000, FILES_WANTED = 8192 };

struct server {
    struct config config;
    struct database database;
    struct service *service;
    struct listener *listener;
    struct upkeep_settings settings;
    struct upkeep *upkeep;
    struct worker *reviver;
    struct scheduler *scheduler; /* NULL: other servers start what is scheduled */
    struct pulse_keeper *keeper;
    struct warmer *warmer;
};

/* No core dumps, as memory holds events and keys; room for a file a connection. */
static void set_process_limits(void) {
    struct rlimit none = {0, 0}, files;
    setrlimit(RLIMIT_CORE, &none);
    if (!getrlimit(RLIMIT_NOFILE, &files) && files.rlim_cur < FILES_WANTED) {
        files.rlim_cur = files.rlim_max < FILES_WANTED ? files.rlim_max : FILES_WANTED;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    signal(SIGPIPE, SIG_IGN);
}

/* Blocked in every thread, so that only the wait below takes them. */
static void block_stop_signals(sigset_t *set) {
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    pthread_sigmask(SIG_BLOCK, set, NULL);
}

static bool make_service(struct server *server, struct err *err) {
    const struct config *config = &server->config;
    long long max_body, max_in_flight, seconds, cache_bytes;
    if (!config_number("max-body", config->max_body, 1024, 64 * 1024 * 1024, &max_body, err) ||
        !config_number("max-in-flight", config->max_in_flight, max_body, 1LL << 40, &max_in_flight, err) ||
        !config_number("cache-bytes", config->cache_bytes, 0, 1LL << 40, &cache_bytes, err) ||
        !config_number("database-seconds", config->database_seconds, 1, 600, &seconds, err))
        return false;
    struct service *service = calloc(1, sizeof *service);
    if (!service)
        return err_memory(err);
    service->started = ticks_now();
    service->in_flight.limit = (size_t)max_in_flight;
    service->max_body = (size_t)max_body;
    service->database_ms = seconds * 1000;
    service->version = RMMHUNT_VERSION;
    service->open = true;
    service->cache = cache_new((size_t)cache_bytes);
    server->service = service;
    return service->cache || err_memory(err);
}

static bool configure_ledger(const struct config *config, struct db *db, struct err *err) {
    long long quiet_days, new_days;
    return config_number("quiet-days", config->quiet_days, 1, 3650, &quiet_days, err) &&
           config_number("new-days", config->new_days, 1, 3650, &new_days, err) &&
           ledger_configure(db, quiet_days, new_days, mono_ms() + SYNC_MS, err);
}

static bool open_database(struct server *server, struct err *err) {
    const struct config *config = &server->config;
    bool is_default = !strcmp(config->data, "./.rmmhunt");
    if (!database_open(config->database_url, config->data, is_default, DATABASE_SERVES, &server->database, err))
        return false;
    struct service *service = server->service;
    service->db = server->database.db;
    if (!retention_set(service->db, &server->settings.retention, err))
        return false;
    service->ingest = ingest_open(service->db, err);
    if (!service->ingest || !registry_sync(service->db, mono_ms() + SYNC_MS, err) ||
        !configure_ledger(config, service->db, err) ||
        (config->hunts[0] && !hunts_import_folder(service->db, config->hunts, err)))
        return false;
    service->runner = runner_open(service->db, false, err);
    bool schedules = !strcmp(config->schedules, "yes");
    if (!schedules && strcmp(config->schedules, "no") != 0)
        return err_set(err, ERR_CONFIG, "schedules: '%s' is neither yes nor no", config->schedules);
    service->webhook_private = config_yes(config->webhook_private);
    if (service->runner)
        service->webhooks = webhooks_open(service->db, service->webhook_private, err);
    if (service->webhooks && schedules)
        server->scheduler = scheduler_open(service->db, service->runner, err);
    if (!service->webhooks || (!server->scheduler && schedules))
        return false;
    server->keeper = pulse_keeper_start(service->db, err);
    server->warmer = server->keeper ? warmer_start(service->db, &service->metrics.prepared, err) : NULL;
    return server->warmer != NULL;
}

/* Wrong addresses are told before a database is started for nothing. */
static bool check_addresses(const struct config *config, struct err *err) {
    struct address address;
    return address_parse(config->listen, &address, err) && config_check_listen(config, &address, err) &&
           (!config->admin_listen[0] || (address_parse(config->admin_listen, &address, err) &&
                                         config_check_listen(config, &address, err)));
}

static bool server_open(struct server *server, struct err *err) {
    if (!log_set_level(str_from(server->config.log_level)))
        return err_set(err, ERR_CONFIG, "log-level: '%s' is none of debug, info, warn, error",
                       server->config.log_level);
    if (!check_addresses(&server->config, err) || !upkeep_settings(&server->config, &server->settings, err) ||
        !make_service(server, err) || !open_database(server, err))
        return false;
    server->listener = listener_open(&server->config, server->service, err);
    server->upkeep = server->listener ? upkeep_start(server->service, &server->settings, err) : NULL;
    if (server->upkeep && server->database.cluster && !(server->reviver = reviver_start(server->database.cluster, err)))
        return false;
    return server->upkeep != NULL;
}

static void server_close(struct server *server) {
    listener_close(server->listener);
    worker_stop(server->reviver);
    upkeep_stop(server->upkeep);
    scheduler_close(server->scheduler);
    warmer_stop(server->warmer);
    pulse_keeper_stop(server->keeper);
    if (server->service) {
        webhooks_close(server->service->webhooks);
        runner_close(server->service->runner);
        ingest_close(server->service->ingest);
        cache_free(server->service->cache);
    }
    if (server->database.db)
        database_close(&server->database);
    free(server->service);
    config_free(&server->config);
}

static void say_hello(const struct server *server) {
    const char *url = listener_url(server->listener);
    printf("listening on %s\n", url);
    printf("  curl -s %s/v1/events --data-binary @events.json\n", url);
    printf("  curl -s '%s/v1/hunts?tool=RemotePC&format=table'\n", url);
    printf("  curl -s '%s/v1/hunts/remotepc-file-signature/results?pretty'\n", url);
    fflush(stdout);
    log_line(LOG_WARN, "server.open", "no keys are asked for: whoever reaches this address may read and write");
    log_line(LOG_INFO, "server.started", "listening on %s, health and metrics also on %s", url,
             listener_admin_url(server->listener));
}

static int serve(struct server *server) {
    struct err err = {0};
    sigset_t stop;
    int number = 0;
    set_process_limits();
    block_stop_signals(&stop);
    if (!server_open(server, &err)) {
        log_err("server.failed", "", &err);
        fprintf(stderr, "rmmhunt serve: %s\n", err.text);
        return 1;
    }
    say_hello(server);
    while (sigwait(&stop, &number)) {
    }
    log_line(LOG_INFO, "server.draining", "signal %d", number);
    runner_stop(server->service->runner);
    if (!listener_drain(server->listener, DRAIN_MS))
        log_line(LOG_WARN, "server.cut", "requests were still under way");
    return 0;
}

int command_serve(int argc, char **argv) {
    struct server server = {0};
    struct err err = {0};
    int code = 2;
    if (!config_read(&server.config, argc, argv, &err)) {
        fprintf(stderr, "rmmhunt serve: %s\n", err.text);
    } else if (server.config.help) {
        config_help(stdout);
        code = 0;
    } else if (server.config.next_argument < argc) {
        fprintf(stderr, "rmmhunt serve: what is '%s' for? --help lists the flags\n", argv[server.config.next_argument]);
    } else {
        code = serve(&server);
    }
    server_close(&server);
    return code;
}
