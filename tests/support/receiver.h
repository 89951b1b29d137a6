/* A receiver of webhooks for tests: a small HTTP server on 127.0.0.1 that keeps what it was sent. What it answers goes
 * by the path: /ok 200; /flaky 500 once a message, then 200; /down 500; /gone 410; /busy 429 with Retry-After: 6 once a
 * message, then 200; /moved 302 to /ok; /chatty 200 and a body without end; /stuck nothing until receiver_release, then
 * 200. A thread a connection; any thread may ask. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct receiver;

struct received {
    char path[64], id[64], timestamp[24], signature[512];
    char *body;
    long long at_ms; /* mono_ms() */
};

struct receiver *receiver_start(void);
void receiver_stop(struct receiver *receiver);
/* http://127.0.0.1:port and the path, into out. */
void receiver_url(const struct receiver *receiver, const char *path, char out[128]);
/* How many messages came to path with that id (NULL: any). */
size_t receiver_count(struct receiver *receiver, const char *path, const char *id);
/* Waits until so many have come; false after 60 s. */
bool receiver_wait(struct receiver *receiver, const char *path, const char *id, size_t count);
/* The nth message to path, in order of arrival; its body lives as long as the receiver. False when it hasn't come. */
bool receiver_get(struct receiver *receiver, const char *path, size_t n, struct received *out);
void receiver_release(struct receiver *receiver);
