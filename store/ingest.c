#include "store/ingest.h"

#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/commit.h"

enum {
    COMMITTERS = 2, /* one waits for its flush or for PostgreSQL while the other prepares */
    GROUP_ROWS = 60000,             /* rows after which a commit takes no further request */
    GROUP_PARTS = 256,
    BESIDE_ROWS = 2000,             /* that are worth a commit while another one writes its rows */
    COMMIT_TRIES = 4,
    BYTES_IN_FLIGHT = 128 << 20,
    REJECTED_BYTES = 32 << 20,      /* of a body, that are kept */
    MESSAGE_BYTES = 512 * INGEST_MAX_REJECTED,
};

/* A request that waits for its commit. */
struct job {
    struct job *next;
    struct commit_part part;
    size_t rows; /* events and dead letters */
    int64_t deadline_ms;
    bool done, ok;
    struct commit_end end;
    struct err err;
    pthread_cond_t finished;
};

struct ingest {
    struct db *db;
    struct intern *intern;
    struct commit_memory *memory;
    unsigned char key[IDENTITY_KEY_BYTES];
    pthread_mutex_t lock;
    pthread_cond_t arrived;
    struct job *first, **last;
    size_t queued;    /* rows of the jobs that wait */
    unsigned writing; /* commits that aren't at their flush yet */
    bool stopping;
    pthread_t threads[COMMITTERS];
    size_t thread_count;
    atomic_size_t in_flight;
};

/* A commit costs PostgreSQL as much as some 200 rows: few rows wait for more until the commit under way only waits for the
 * disk. With the lock held. */
static bool is_due(const struct ingest *ingest) {
    return ingest->first && (!ingest->writing || ingest->queued >= BESIDE_ROWS);
}

/* Takes the jobs of the next commit off the queue; waits for one. 0 when stopping and nothing is left. */
static size_t jobs_take(struct ingest *ingest, struct job **jobs) {
    size_t count = 0, rows = 0;
    pthread_mutex_lock(&ingest->lock);
    while (!is_due(ingest) && (ingest->first || !ingest->stopping))
        pthread_cond_wait(&ingest->arrived, &ingest->lock);
    while (ingest->first && count < GROUP_PARTS && (!count || rows + ingest->first->rows <= GROUP_ROWS)) {
        jobs[count] = ingest->first;
        rows += jobs[count++]->rows;
        ingest->first = ingest->first->next;
    }
    if (!ingest->first)
        ingest->last = &ingest->first;
    ingest->queued -= rows;
    ingest->writing += count > 0;
    pthread_mutex_unlock(&ingest->lock);
    return count;
}

static void writing_end(struct ingest *ingest) {
    pthread_mutex_lock(&ingest->lock);
    ingest->writing--;
    pthread_cond_broadcast(&ingest->arrived);
    pthread_mutex_unlock(&ingest->lock);
}

static void jobs_finish(struct ingest *ingest, struct job **jobs, size_t count, bool ok,
                        const struct commit_end *end, const struct err *err) {
    pthread_mutex_lock(&ingest->lock);
    for (size_t i = 0; i < count; i++) {
        jobs[i]->ok = ok;
        jobs[i]->end = *end;
        jobs[i]->err = *err;
        jobs[i]->done = true;
        pthread_cond_signal(&jobs[i]->finished);
    }
    pthread_mutex_unlock(&ingest->lock);
}

static void jobs_commit(struct ingest *ingest, struct job **jobs, size_t count) {
    struct commit_part *parts[GROUP_PARTS];
    int64_t deadline_ms = jobs[0]->deadline_ms;
    struct err err = {0};
    struct commit_end end = {0};
    bool ok = false;
    for (size_t i = 0; i < count; i++) {
        parts[i] = &jobs[i]->part;
        if (jobs[i]->deadline_ms > deadline_ms)
            deadline_ms = jobs[i]->deadline_ms;
    }
    for (unsigned attempt = 0; !ok && attempt < COMMIT_TRIES; attempt++) {
        struct db_conn *conn = db_take(ingest->db, deadline_ms, &err);
        struct commit *commit =
            conn ? commit_write(conn, ingest->memory, parts, count, deadline_ms, &end, &err) : NULL;
        if (!attempt)
            writing_end(ingest);
        ok = commit && commit_finish(commit, deadline_ms, &end, &err);
        db_give(conn);
        if (!ok && (end.unknown || end.stale || err.code != ERR_DATABASE_RETRY))
            break;
    }
    if (end.stale)
        intern_renew(ingest->intern, end.epoch);
    jobs_finish(ingest, jobs, count, ok, &end, &err);
}

static void *committer(void *argument) {
    struct ingest *ingest = argument;
    struct job *jobs[GROUP_PARTS];
    size_t count;
    while ((count = jobs_take(ingest, jobs)) > 0)
        jobs_commit(ingest, jobs, count);
    return NULL;
}

static bool read_key(struct ingest *ingest, struct err *err) {
    int64_t deadline_ms = mono_ms() + 10000;
    struct db_conn *conn = db_take(ingest->db, deadline_ms, err);
    DB_ROWS_AUTO *rows = conn ? db_query(conn, db_statement("instance_key"), NULL, 0, deadline_ms, err) : NULL;
    bool ok = rows != NULL;
    if (ok) {
        struct str hex = db_text(rows, 0, 0);
        ok = sodium_hex2bin(ingest->key, sizeof ingest->key, hex.ptr, 2 * sizeof ingest->key, NULL, NULL, NULL) == 0;
        if (!ok)
            err_set(err, ERR_DATABASE, "rmm.instance holds no key: the database is not whole");
    }
    db_give(conn);
    return ok;
}

static bool threads_start(struct ingest *ingest, struct err *err) {
    for (; ingest->thread_count < COMMITTERS; ingest->thread_count++)
        if (pthread_create(&ingest->threads[ingest->thread_count], NULL, committer, ingest) != 0)
            return err_set(err, ERR_OUT_OF_MEMORY, "no thread for committing");
    return true;
}

static void ingest_stop(struct ingest *ingest) {
    pthread_mutex_lock(&ingest->lock);
    ingest->stopping = true;
    pthread_cond_broadcast(&ingest->arrived);
    pthread_mutex_unlock(&ingest->lock);
    for (size_t i = 0; i < ingest->thread_count; i++)
        pthread_join(ingest->threads[i], NULL);
    pthread_cond_destroy(&ingest->arrived);
    pthread_mutex_destroy(&ingest->lock);
    intern_free(ingest->intern);
    commit_memory_free(ingest->memory);
}

struct ingest *ingest_open(struct db *db, struct err *err) {
    struct ingest *ingest = calloc(1, sizeof *ingest);
    if (!ingest || sodium_init() < 0) {
        free(ingest);
        err_memory(err);
        return NULL;
    }
    ingest->db = db;
    ingest->last = &ingest->first;
    pthread_mutex_init(&ingest->lock, NULL);
    pthread_cond_init(&ingest->arrived, NULL);
    ingest->intern = intern_new(err);
    ingest->memory = ingest->intern ? commit_memory_new(err) : NULL;
    if (!ingest->memory || !read_key(ingest, err) || !threads_start(ingest, err)) {
        ingest_stop(ingest);
        free(ingest);
        return NULL;
    }
    return ingest;
}

void ingest_close(struct ingest *ingest) {
    if (!ingest)
        return;
    ingest_stop(ingest);
    free(ingest);
}

/* A message of the part's; bad records in a row mostly have the same one. */
static struct str message_keep(struct commit_part *part, const char *text) {
    const struct rejected *last = part->rejected_count ? &part->rejected[part->rejected_count - 1] : NULL;
    struct str message = str_from(text);
    if (last && str_eq(last->message, message))
        return last->message;
    while (!str_utf8_valid(message))
        message.len--;
    if (!part->messages)
        part->messages = arena_new(MESSAGE_BYTES);
    return part->messages ? arena_copy(part->messages, message) : (struct str){0};
}

static bool reject(struct commit_part *part, size_t index, const struct err *why, const struct schema_table *table,
                   struct str raw, struct err *err) {
    if (why->code == ERR_OUT_OF_MEMORY) { /* not the record's fault */
        *err = *why;
        return false;
    }
    part->rejected_bytes += raw.len;
    if (part->rejected_count == INGEST_MAX_REJECTED || part->rejected_bytes > REJECTED_BYTES)
        return err_set(err, ERR_UNPROCESSABLE, "more than %d records or %d MiB of the body are bad, such as record %zu: %s",
                       INGEST_MAX_REJECTED, REJECTED_BYTES >> 20, index, why->text);
    struct str message = message_keep(part, why->text);
    if (!message.ptr)
        return err_memory(err);
    if (part->rejected_count == part->rejected_room) {
        size_t room = part->rejected_room ? part->rejected_room * 2 : 16;
        struct rejected *grown = reallocarray(part->rejected, room, sizeof *grown);
        if (!grown)
            return err_memory(err);
        part->rejected = grown;
        part->rejected_room = room;
    }
    part->rejected[part->rejected_count++] = (struct rejected){(int64_t)index, why->code, message, table, raw, 0};
    return true;
}

/* What was rejected is a record all the same when it is a row of CSV or begins like a JSON object. */
static bool is_record(const struct commit_part *part, struct str raw) {
    return part->csv_header.ptr || (raw.len && raw.ptr[0] == '{');
}

/* Reads the body into the job. readable counts what could be told to be records, whatever came of them. */
static bool read_records(struct ingest *ingest, struct reader *reader, struct job *job, struct ingest_result *result,
                         int64_t *readable, struct err *err) {
    struct event event;
    struct str raw = {0};
    struct err why = {0};
    size_t index;
    for (;;) {
        enum verdict verdict = reader_next(reader, &event, &raw, &index, &why);
        if (verdict == VERDICT_END)
            return true;
        result->received++;
        *readable += verdict != VERDICT_REJECTED || is_record(&job->part, raw);
        job->rows += verdict != VERDICT_IGNORED;
        if (verdict == VERDICT_IGNORED) {
            result->ignored++;
        } else if (verdict == VERDICT_REJECTED) {
            result->rejected++;
            if (event.table)
                result->tables[schema_table_index(event.table)].rejected++;
            if (!reject(&job->part, index, &why, event.table, raw, err))
                return false;
        } else if (!batch_add(&job->part.batch, ingest->intern, ingest->key, &event, err)) {
            return false;
        }
    }
}

static bool job_run(struct ingest *ingest, struct job *job, bool *unknown, struct err *err) {
    pthread_mutex_lock(&ingest->lock);
    *ingest->last = job;
    ingest->last = &job->next;
    ingest->queued += job->rows;
    pthread_cond_signal(&ingest->arrived);
    while (!job->done)
        pthread_cond_wait(&job->finished, &ingest->lock);
    pthread_mutex_unlock(&ingest->lock);
    *unknown = job->end.unknown;
    if (!job->ok)
        *err = job->err;
    return job->ok;
}

static bool resolve(struct ingest *ingest, struct job *job, struct err *err) {
    struct db_conn *conn = db_take(ingest->db, job->deadline_ms, err);
    bool ok = conn && batch_resolve(&job->part.batch, ingest->intern, conn, job->deadline_ms, err);
    db_give(conn);
    return ok;
}

static void errors_fill(const struct commit_part *part, struct ingest_result *result) {
    for (size_t i = 0; i < part->rejected_count && i < INGEST_MAX_ERRORS; i++) {
        const struct rejected *rejected = &part->rejected[i];
        struct ingest_error *error = &result->errors[result->error_count++];
        *error = (struct ingest_error){(size_t)rejected->index, rejected->code, "", rejected->dead_letter};
        snprintf(error->message, sizeof error->message, "%s", rejected->message.ptr);
    }
}

static void result_fill(const struct job *job, struct ingest_result *result) {
    const struct commit_part *part = &job->part;
    for (size_t t = 0; t < SCHEMA_TABLES; t++) {
        result->tables[t].stored = part->stored[t];
        result->tables[t].duplicate = part->duplicate[t];
        result->stored += part->stored[t];
        result->duplicate += part->duplicate[t];
    }
    errors_fill(part, result);
}

/* A refused body: what was wrong with its records, none of which has a dead letter. */
static bool body_refused(const struct job *job, struct ingest_result *result) {
    errors_fill(&job->part, result);
    return false;
}

static bool ingest_job(struct ingest *ingest, struct reader *reader, struct job *job, bool blank, bool atomic,
                       struct ingest_result *result, bool *unknown, struct err *err) {
    int64_t readable = 0;
    if (!read_records(ingest, reader, job, result, &readable, err))
        return err->code == ERR_UNPROCESSABLE && body_refused(job, result);
    if (!readable && (job->part.rejected_count || blank)) {
        err_set(err, ERR_UNPROCESSABLE, "nothing in the body can be read as event records; send JSON objects, NDJSON or CSV");
        return body_refused(job, result);
    }
    if (atomic && job->part.rejected_count) {
        err_set(err, ERR_UNPROCESSABLE, "record %lld: %s; nothing was stored, as ?atomic=true asks",
                (long long)job->part.rejected[0].index, job->part.rejected[0].message.ptr);
        return body_refused(job, result);
    }
    if (!job->rows)
        return true;
    if (!resolve(ingest, job, err) || !job_run(ingest, job, unknown, err))
        return false;
    result_fill(job, result);
    return true;
}

static bool body_take(struct ingest *ingest, size_t bytes, struct err *err) {
    size_t before = atomic_fetch_add(&ingest->in_flight, bytes);
    if (before && before + bytes > BYTES_IN_FLIGHT) {
        atomic_fetch_sub(&ingest->in_flight, bytes);
        return err_set(err, ERR_TOO_MANY, "too many bytes are being stored already; send the same bytes again");
    }
    return true;
}

/* Reads and stores the body once. *stale: it must be read anew, since dictionary values were deleted meanwhile. */
static bool body_run(struct ingest *ingest, struct str body, const struct reader_options *options, bool atomic,
                     int64_t deadline_ms, struct ingest_result *result, bool *unknown, bool *stale, struct err *err) {
    struct job *job = calloc(1, sizeof *job);
    *result = (struct ingest_result){0};
    *unknown = *stale = false;
    if (!job)
        return err_memory(err);
    job->deadline_ms = deadline_ms;
    pthread_cond_init(&job->finished, NULL);
    struct reader *reader = batch_init(&job->part.batch, ingest->intern, err) ? reader_open(body, options, err) : NULL;
    if (reader) {
        job->part.csv_header = reader_csv_header(reader);
        job->part.zone = options->zone;
    }
    bool ok = reader && ingest_job(ingest, reader, job, !str_trim(body).len, atomic, result, unknown, err);
    *stale = job->end.stale;
    reader_free(reader);
    batch_free(&job->part.batch);
    free(job->part.rejected);
    arena_free(job->part.messages);
    pthread_cond_destroy(&job->finished);
    free(job);
    return ok;
}

bool ingest_body(struct ingest *ingest, struct str body, const struct reader_options *options, bool atomic,
                 int64_t deadline_ms, struct ingest_result *result, bool *unknown, struct err *err) {
    bool ok = false, stale = true;
    *result = (struct ingest_result){0};
    *unknown = false;
    if (!body_take(ingest, body.len, err))
        return false;
    for (unsigned attempt = 0; !ok && stale && attempt < COMMIT_TRIES; attempt++) {
        *err = (struct err){0};
        ok = body_run(ingest, body, options, atomic, deadline_ms, result, unknown, &stale, err);
    }
    atomic_fetch_sub(&ingest->in_flight, body.len);
    return ok;
}
