#include "store/flight.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/cond.h"

struct flight {
    struct flight *next; /* that started later */
    size_t mask;
    uint64_t keys[]; /* hashed, at most half full; 0: free */
};

struct flights {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    struct flight *first;
};

struct flights *flights_new(struct err *err) {
    struct flights *flights = calloc(1, sizeof *flights);
    if (!flights) {
        err_memory(err);
        return NULL;
    }
    pthread_mutex_init(&flights->lock, NULL);
    cond_init(&flights->ended);
    return flights;
}

void flights_free(struct flights *flights) {
    if (!flights)
        return;
    pthread_cond_destroy(&flights->ended);
    pthread_mutex_destroy(&flights->lock);
    free(flights);
}

struct flight *flight_new(size_t count, struct err *err) {
    size_t slots = 16;
    while (slots < 2 * count)
        slots *= 2;
    struct flight *flight = calloc(1, sizeof *flight + slots * sizeof *flight->keys);
    if (!flight) {
        err_memory(err);
        return NULL;
    }
    flight->mask = slots - 1;
    return flight;
}

/* Where the key is, or would be. */
static size_t place_of(const struct flight *flight, uint64_t key) {
    size_t at = (size_t)(key * UINT64_C(0x9E3779B97F4A7C15) >> 32) & flight->mask;
    while (flight->keys[at] && flight->keys[at] != key)
        at = (at + 1) & flight->mask;
    return at;
}

void flight_add(struct flight *flight, uint64_t key) {
    flight->keys[place_of(flight, key)] = key;
}

static bool share_key(const struct flight *one, const struct flight *other) {
    const struct flight *small = one->mask < other->mask ? one : other, *large = small == one ? other : one;
    for (size_t i = 0; i <= small->mask; i++)
        if (small->keys[i] && large->keys[place_of(large, small->keys[i])])
            return true;
    return false;
}

/* With the lock held: is there one before it on the board that it must wait for? */
static bool is_behind(const struct flights *flights, const struct flight *flight) {
    for (const struct flight *one = flights->first; one != flight; one = one->next)
        if (share_key(one, flight))
            return true;
    return false;
}

void flight_start(struct flights *flights, struct flight *flight, int64_t deadline_ms) {
    pthread_mutex_lock(&flights->lock);
    struct flight **last = &flights->first;
    while (*last)
        last = &(*last)->next;
    *last = flight;
    while (is_behind(flights, flight) && cond_wait(&flights->ended, &flights->lock, deadline_ms))
        ;
    pthread_mutex_unlock(&flights->lock);
}

void flight_end(struct flights *flights, struct flight *flight) {
    if (!flight)
        return;
    pthread_mutex_lock(&flights->lock);
    struct flight **link = &flights->first;
    while (*link && *link != flight)
        link = &(*link)->next;
    if (*link)
        *link = flight->next;
    pthread_cond_broadcast(&flights->ended);
    pthread_mutex_unlock(&flights->lock);
    free(flight);
}
