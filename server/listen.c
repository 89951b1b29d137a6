#include "server/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/exchange.h"

enum { THREAD_STACK = 512 * 1024, ADMIN_CONNECTIONS = 64, CALM_MS = 100, DRAIN_LOOK_MS = 10, MOST_SOCKET_THREADS = 8 };

struct listener {
    struct service *service;
    struct watchdog *watchdog;
    struct workers *workers;
    struct port main_port, admin_port;
    struct MHD_Daemon *daemon, *admin;
    int quiesced; /* the listening socket after a drain has begun, -1 before */
    char url[96], admin_url[96];
};

struct limits {
    unsigned connections, per_address;
};

static void fill_sockaddr(const struct address *address, struct sockaddr_storage *out) {
    struct sockaddr_in *four = (struct sockaddr_in *)(void *)out;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)(void *)out;
    *out = (struct sockaddr_storage){0};
    if (strchr(address->host, ':')) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons(address->port);
        inet_pton(AF_INET6, address->host, &six->sin6_addr);
        return;
    }
    four->sin_family = AF_INET;
    four->sin_port = htons(address->port);
    inet_pton(AF_INET, address->host, &four->sin_addr);
}

/* As many as there are processors to run them, within reason: they never wait. */
static unsigned socket_threads(void) {
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    return processors < 2 ? 2 : processors > MOST_SOCKET_THREADS ? MOST_SOCKET_THREADS : (unsigned)processors;
}

static void refuse_address(const struct port *port, const struct address *address, int reason, struct err *err) {
    const char *setting = port->admin ? "admin-listen, which is one port above listen unless set" : "listen";
    err_set(err, ERR_CONFIG, "can't listen on %s port %u (%s): %s%s", address->host, (unsigned)address->port, setting,
            strerror(reason), reason == EADDRINUSE ? "; another program, maybe another rmmhunt, serves there" : "");
}

/* SO_REUSEADDR, libmicrohttpd's default, lets a restart take the port at once and shares no port that is listened on;
 * its LISTENING_ADDRESS_REUSE would set SO_REUSEPORT, and the kernel would spread requests over two servers. */
static struct MHD_Daemon *start_daemon(struct port *port, const struct address *address, const struct limits *limits,
                                       struct err *err) {
    struct sockaddr_storage place;
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ITC, threads = port->workers ? socket_threads() : 0;
    flags |= port->workers ? MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME : MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL;
    fill_sockaddr(address, &place);
    if (place.ss_family == AF_INET6)
        flags |= MHD_USE_IPv6;
    /* No CONNECTION_TIMEOUT: it counts inactivity, and it would cut a handler that takes its time. */
    struct MHD_Daemon *daemon = MHD_start_daemon(
        flags, address->port, NULL, NULL, exchange_handle, port, MHD_OPTION_SOCK_ADDR,
        (struct sockaddr *)(void *)&place, MHD_OPTION_URI_LOG_CALLBACK, exchange_begin, port,
        MHD_OPTION_NOTIFY_COMPLETED, exchange_end, port, MHD_OPTION_NOTIFY_CONNECTION, exchange_connection, port,
        MHD_OPTION_CONNECTION_LIMIT, limits->connections, MHD_OPTION_PER_IP_CONNECTION_LIMIT, limits->per_address,
        MHD_OPTION_THREAD_STACK_SIZE, (size_t)THREAD_STACK, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_MEMORY, MHD_OPTION_STRICT_FOR_CLIENT, 0,
        threads ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, threads, MHD_OPTION_END);
    if (!daemon)
        refuse_address(port, address, errno, err);
    return daemon;
}

static uint16_t port_of(struct MHD_Daemon *daemon) {
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);
    return info ? info->port : 0;
}

static void write_url(char *out, size_t size, const struct address *address, uint16_t port) {
    bool six = strchr(address->host, ':') != NULL;
    snprintf(out, size, "http://%s%s%s:%u", six ? "[" : "", address->host, six ? "]" : "", (unsigned)port);
}

/* One more than the port, but for a port that the kernel picks: the next may be taken. */
static bool admin_address(const struct config *config, const struct address *address, uint16_t port,
                          struct address *out, struct err *err) {
    if (config->admin_listen[0])
        return address_parse(config->admin_listen, out, err) && config_check_listen(config, out, err);
    *out = *address;
    out->port = (uint16_t)(address->port && port < 65535 ? port + 1 : 0);
    return true;
}

static bool read_limits(const struct config *config, struct listener *listener, struct limits *limits,
                        struct err *err) {
    long long connections, per_address, header_seconds, request_seconds;
    if (!config_number("max-connections", config->max_connections, 1, 100000, &connections, err) ||
        !config_number("max-per-address", config->max_per_address, 0, 100000, &per_address, err) ||
        !config_number("header-seconds", config->header_seconds, 1, 3600, &header_seconds, err) ||
        !config_number("request-seconds", config->request_seconds, 1, 3600, &request_seconds, err))
        return false;
    *limits = (struct limits){(unsigned)connections, (unsigned)per_address};
    listener->main_port = (struct port){.service = listener->service, .watchdog = listener->watchdog,
                                        .header_ms = header_seconds * 1000, .request_ms = request_seconds * 1000};
    listener->admin_port = listener->main_port;
    listener->admin_port.admin = true;
    pace_init(&listener->main_port.pace, socket_threads());
    listener->main_port.workers = listener->workers = workers_open(limits->connections);
    return listener->workers || err_memory(err);
}

static bool open_ports(struct listener *listener, const struct config *config, struct err *err) {
    struct limits limits, admin_limits = {ADMIN_CONNECTIONS, 0};
    struct address address, admin;
    if (!address_parse(config->listen, &address, err) || !config_check_listen(config, &address, err) ||
        !read_limits(config, listener, &limits, err))
        return false;
    listener->daemon = start_daemon(&listener->main_port, &address, &limits, err);
    if (!listener->daemon)
        return false;
    uint16_t port = port_of(listener->daemon);
    if (!admin_address(config, &address, port, &admin, err))
        return false;
    listener->admin = start_daemon(&listener->admin_port, &admin, &admin_limits, err);
    if (!listener->admin)
        return false;
    write_url(listener->url, sizeof listener->url, &address, port);
    write_url(listener->admin_url, sizeof listener->admin_url, &admin, port_of(listener->admin));
    return true;
}

struct listener *listener_open(const struct config *config, struct service *service, struct err *err) {
    struct listener *listener = calloc(1, sizeof *listener);
    if (!listener) {
        err_memory(err);
        return NULL;
    }
    listener->service = service;
    listener->quiesced = -1;
    listener->watchdog = watchdog_new(&service->metrics.cut_connections);
    if (!listener->watchdog)
        err_memory(err);
    else if (open_ports(listener, config, err))
        return listener;
    listener_close(listener);
    return NULL;
}

const char *listener_url(const struct listener *listener) {
    return listener->url;
}

const char *listener_admin_url(const struct listener *listener) {
    return listener->admin_url;
}

bool listener_drain(struct listener *listener, int64_t limit_ms) {
    int64_t deadline = mono_ms() + limit_ms, calm_since = -1;
    atomic_store(&listener->service->draining, true);
    listener->quiesced = MHD_quiesce_daemon(listener->daemon);
    if (listener->quiesced >= 0)
        shutdown(listener->quiesced, SHUT_RDWR); /* who comes now is refused and doesn't wait */
    while (mono_ms() < deadline) {
        bool calm = atomic_load(&listener->service->active) == 0;
        if (!calm)
            calm_since = -1;
        else if (calm_since < 0)
            calm_since = mono_ms();
        else if (mono_ms() - calm_since >= CALM_MS)
            return true;
        sleep_ms(DRAIN_LOOK_MS);
    }
    return false;
}

void listener_close(struct listener *listener) {
    if (!listener)
        return;
    workers_finish(listener->workers); /* no connection may be suspended when its daemon stops */
    if (listener->daemon)
        MHD_stop_daemon(listener->daemon);
    if (listener->admin)
        MHD_stop_daemon(listener->admin);
    if (listener->quiesced >= 0)
        close(listener->quiesced);
    workers_free(listener->workers);
    watchdog_free(listener->watchdog);
    free(listener);
}
