/* One attempt at a run: its hunts in one snapshot, then everything written in one transaction that checks the attempt, so
 * that a worker which lost its lease changes nothing. Knows nothing of threads and queues but that others may stop it. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>

#include "hunts/hunt.h"
#include "store/db.h"

enum run_stop {
    RUN_GOES_ON,
    RUN_CANCELLED,   /* somebody asked for it */
    RUN_HANDED_BACK, /* this server stops: another one is to take the run */
    RUN_LOST,        /* another attempt has begun */
};

struct run_attempt {
    struct run_attempt *next; /* the runner's, as is the next */
    bool asked;               /* named in the heartbeat under way */
    int64_t run_id, attempt;
    int64_t as_of, from, to;  /* ticks; from and to -1: not given */
    atomic_llong done;        /* hunts */
    atomic_bool finishing;    /* results are being written, under a lock on the run's row */
    atomic_bool stopping;     /* no further hunt is begun */
    pthread_mutex_t lock;     /* over the members below */
    struct db_conn *conn;     /* while a statement may run on it */
    enum run_stop stop;
};

/* Runs and finishes it, or gives it back. False: it stays as it is until the lease is over; *err says why. */
bool run_execute(struct db *db, struct run_attempt *attempt, struct err *err);
/* Any thread: cuts what runs. The first reason counts. */
void run_stop(struct run_attempt *attempt, enum run_stop reason);
