#include "tests/support/receiver.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum { MESSAGES = 8192, REQUEST_CAP = 64 * 1024, WAIT_S = 60 };

struct receiver {
    int fd;
    unsigned short port;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct received *messages;
    size_t count, open;
    bool released, stopping;
};

struct visit {
    struct receiver *receiver;
    int fd;
};

static void header_copy(const char *request, const char *name, char *out, size_t size) {
    const char *end = strstr(request, "\r\n\r\n");
    out[0] = 0;
    for (const char *line = strstr(request, "\r\n"); line && line < end; line = strstr(line + 2, "\r\n"))
        if (!strncasecmp(line + 2, name, strlen(name)))
            snprintf(out, size, "%.*s", (int)strcspn(line + 2 + strlen(name) + 2, "\r"), line + 2 + strlen(name) + 2);
}

/* A whole request; where its body is. NULL: the sender went away. */
static const char *request_read(int fd, char *request) {
    size_t length = 0;
    char digits[24];
    for (;;) {
        const char *body = strstr(request, "\r\n\r\n");
        if (body) {
            header_copy(request, "Content-Length", digits, sizeof digits);
            if (request + length >= body + 4 + strtoul(digits, NULL, 10))
                return body + 4;
        }
        ssize_t got = read(fd, request + length, REQUEST_CAP - 1 - length);
        if (got <= 0)
            return NULL;
        length += (size_t)got;
        request[length] = 0;
    }
}

static size_t count_locked(const struct receiver *receiver, const char *path, const char *id) {
    size_t count = 0;
    for (size_t i = 0; i < receiver->count; i++)
        count += !strcmp(receiver->messages[i].path, path) && (!id || !strcmp(receiver->messages[i].id, id));
    return count;
}

/* Keeps the message; how often it has come to that path. */
static size_t message_keep(struct receiver *receiver, const char *request, const char *body, struct received *message) {
    *message = (struct received){.body = strdup(body), .at_ms = mono_ms()};
    snprintf(message->path, sizeof message->path, "%.*s", (int)strcspn(request + 5, " "), request + 5);
    header_copy(request, "webhook-id", message->id, sizeof message->id);
    header_copy(request, "webhook-timestamp", message->timestamp, sizeof message->timestamp);
    header_copy(request, "webhook-signature", message->signature, sizeof message->signature);
    pthread_mutex_lock(&receiver->lock);
    if (receiver->count < MESSAGES)
        receiver->messages[receiver->count++] = *message;
    pthread_cond_broadcast(&receiver->changed);
    size_t times = count_locked(receiver, message->path, message->id);
    while (!strcmp(message->path, "/stuck") && !receiver->released && !receiver->stopping)
        pthread_cond_wait(&receiver->changed, &receiver->lock);
    pthread_mutex_unlock(&receiver->lock);
    return times;
}

static const char *answer_for(const char *path, size_t times) {
    if (!strcmp(path, "/down") || (!strcmp(path, "/flaky") && times == 1))
        return "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    if (!strcmp(path, "/gone"))
        return "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    if (!strcmp(path, "/busy") && times == 1)
        return "HTTP/1.1 429 Busy\r\nRetry-After: 6\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    if (!strcmp(path, "/moved"))
        return "HTTP/1.1 302 Found\r\nLocation: /ok\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    if (!strcmp(path, "/chatty"))
        return "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n";
    return "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
}

/* Talks until nobody listens. */
static void chat(int fd) {
    char words[4096];
    memset(words, 'x', sizeof words);
    while (send(fd, words, sizeof words, MSG_NOSIGNAL) > 0) {
    }
}

static void *visit_run(void *argument) {
    struct visit *visit = argument;
    struct received message;
    char *request = calloc(1, REQUEST_CAP);
    const char *body = request ? request_read(visit->fd, request) : NULL;
    if (body) {
        size_t times = message_keep(visit->receiver, request, body, &message);
        const char *answer = answer_for(message.path, times);
        send(visit->fd, answer, strlen(answer), MSG_NOSIGNAL);
        if (!strcmp(message.path, "/chatty"))
            chat(visit->fd);
    }
    free(request);
    close(visit->fd);
    pthread_mutex_lock(&visit->receiver->lock);
    visit->receiver->open--;
    pthread_cond_broadcast(&visit->receiver->changed);
    pthread_mutex_unlock(&visit->receiver->lock);
    free(visit);
    return NULL;
}

static void *accept_run(void *argument) {
    struct receiver *receiver = argument;
    for (;;) {
        int fd = accept4(receiver->fd, NULL, NULL, SOCK_CLOEXEC);
        pthread_t thread;
        struct visit *visit = fd >= 0 ? calloc(1, sizeof *visit) : NULL;
        if (!visit)
            return NULL;
        *visit = (struct visit){receiver, fd};
        pthread_mutex_lock(&receiver->lock);
        receiver->open++;
        pthread_mutex_unlock(&receiver->lock);
        if (pthread_create(&thread, NULL, visit_run, visit))
            return NULL;
        pthread_detach(thread);
    }
}

struct receiver *receiver_start(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    struct receiver *receiver = calloc(1, sizeof *receiver);
    if (!receiver)
        return NULL;
    pthread_mutex_init(&receiver->lock, NULL);
    pthread_cond_init(&receiver->changed, NULL);
    receiver->messages = calloc(MESSAGES, sizeof *receiver->messages);
    receiver->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receiver->messages && !bind(receiver->fd, (struct sockaddr *)&address, sizeof address) &&
        !listen(receiver->fd, 128) && !getsockname(receiver->fd, (struct sockaddr *)&address, &length) &&
        !pthread_create(&receiver->thread, NULL, accept_run, receiver)) {
        receiver->port = ntohs(address.sin_port);
        return receiver;
    }
    close(receiver->fd);
    free(receiver->messages);
    free(receiver);
    return NULL;
}

void receiver_stop(struct receiver *receiver) {
    shutdown(receiver->fd, SHUT_RDWR);
    pthread_join(receiver->thread, NULL);
    close(receiver->fd);
    pthread_mutex_lock(&receiver->lock);
    receiver->stopping = true;
    pthread_cond_broadcast(&receiver->changed);
    while (receiver->open)
        pthread_cond_wait(&receiver->changed, &receiver->lock);
    pthread_mutex_unlock(&receiver->lock);
    for (size_t i = 0; i < receiver->count; i++)
        free(receiver->messages[i].body);
    free(receiver->messages);
    free(receiver);
}

void receiver_url(const struct receiver *receiver, const char *path, char out[128]) {
    snprintf(out, 128, "http://127.0.0.1:%u%s", receiver->port, path);
}

size_t receiver_count(struct receiver *receiver, const char *path, const char *id) {
    pthread_mutex_lock(&receiver->lock);
    size_t count = count_locked(receiver, path, id);
    pthread_mutex_unlock(&receiver->lock);
    return count;
}

bool receiver_wait(struct receiver *receiver, const char *path, const char *id, size_t count) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_S;
    int late = 0;
    pthread_mutex_lock(&receiver->lock);
    while (count_locked(receiver, path, id) < count && !late)
        late = pthread_cond_timedwait(&receiver->changed, &receiver->lock, &until);
    pthread_mutex_unlock(&receiver->lock);
    return !late;
}

bool receiver_get(struct receiver *receiver, const char *path, size_t n, struct received *out) {
    bool found = false;
    pthread_mutex_lock(&receiver->lock);
    for (size_t i = 0; i < receiver->count && !found; i++) {
        if (strcmp(receiver->messages[i].path, path) != 0 || n--)
            continue;
        *out = receiver->messages[i];
        found = true;
    }
    pthread_mutex_unlock(&receiver->lock);
    return found;
}

void receiver_release(struct receiver *receiver) {
    pthread_mutex_lock(&receiver->lock);
    receiver->released = true;
    pthread_cond_broadcast(&receiver->changed);
    pthread_mutex_unlock(&receiver->lock);
}
