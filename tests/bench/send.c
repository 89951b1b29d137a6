/* send URL FILE SENDERS [RECORDS]: posts a file of records, RECORDS a body (BENCH_BODY), over that many connections at once. Prints
 * "seconds received stored duplicate rejected resent" once everything is committed. Anything but 200 (after resending
 * what got 429 or 503) ends it. */
#include <curl/curl.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/bench/bench.h"

enum { MAX_SENDERS = 64, TRIES = 50, ANSWER_CAP = 1 << 20 };

struct load {
    const char *url;
    struct str rest; /* not yet handed out */
    long records;    /* a body */
    pthread_mutex_t lock;
    atomic_llong received, stored, duplicate, rejected, resent;
    atomic_bool failed;
};

/* The next body; empty at the end. */
static struct str body_take(struct load *load) {
    pthread_mutex_lock(&load->lock);
    struct str body = {load->rest.ptr, 0};
    for (long i = 0; i < load->records && body.len < load->rest.len; i++) {
        const char *end = memchr(body.ptr + body.len, '\n', load->rest.len - body.len);
        body.len = end ? (size_t)(end - body.ptr) + 1 : load->rest.len;
    }
    load->rest.ptr += body.len;
    load->rest.len -= body.len;
    pthread_mutex_unlock(&load->lock);
    return body;
}

static size_t answer_add(char *bytes, size_t size, size_t count, void *answer) {
    buf_add(answer, bytes, size * count);
    return size * count;
}

static long long member(const json_t *root, const char *name) {
    return json_integer_value(json_object_get(root, name));
}

static bool answer_count(struct load *load, const struct buf *answer) {
    json_t *root = json_loadb(answer->ptr, answer->len, 0, NULL);
    atomic_fetch_add(&load->received, member(root, "received"));
    atomic_fetch_add(&load->stored, member(root, "stored"));
    atomic_fetch_add(&load->duplicate, member(root, "duplicate"));
    atomic_fetch_add(&load->rejected, member(root, "rejected"));
    bool ok = root != NULL;
    json_decref(root);
    return ok;
}

static bool post(struct load *load, CURL *curl, struct str body) {
    BUF_AUTO answer = BUF(ANSWER_CAP);
    long status = 0;
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.ptr);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
    for (int i = 0; i < TRIES; i++) {
        answer.len = 0;
        CURLcode code = curl_easy_perform(curl);
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        if (code != CURLE_OK)
            fprintf(stderr, "send: %s\n", curl_easy_strerror(code));
        if (code != CURLE_OK || (status != 429 && status != 503))
            break;
        atomic_fetch_add(&load->resent, 1);
    }
    if (status == 200)
        return answer_count(load, &answer);
    fprintf(stderr, "send: status %ld: %.*s\n", status, (int)answer.len, answer.len ? answer.ptr : "");
    return false;
}

static void *sender(void *argument) {
    struct load *load = argument;
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/x-ndjson");
    headers = curl_slist_append(headers, "Expect:");
    curl_easy_setopt(curl, CURLOPT_URL, load->url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, answer_add);
    for (struct str body; !atomic_load(&load->failed) && (body = body_take(load)).len > 0;)
        if (!post(load, curl, body))
            atomic_store(&load->failed, true);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return NULL;
}

static bool file_map(const char *path, struct str *out) {
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) < 0)
        return false;
    void *bytes = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    close(fd);
    *out = (struct str){bytes, (size_t)info.st_size};
    return bytes != MAP_FAILED;
}

int main(int argc, char **argv) {
    struct load load = {.lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_t threads[MAX_SENDERS];
    long senders = argc >= 4 ? strtol(argv[3], NULL, 10) : 0;
    load.records = argc == 5 ? strtol(argv[4], NULL, 10) : BENCH_BODY;
    if (senders < 1 || senders > MAX_SENDERS || load.records < 1 || argc > 5 || !file_map(argv[2], &load.rest)) {
        fprintf(stderr, "usage: send URL FILE SENDERS [RECORDS]\n");
        return 2;
    }
    load.url = argv[1];
    curl_global_init(CURL_GLOBAL_DEFAULT);
    double start = bench_seconds();
    for (long i = 0; i < senders; i++)
        if (pthread_create(&threads[i], NULL, sender, &load) != 0)
            return 1;
    for (long i = 0; i < senders; i++)
        pthread_join(threads[i], NULL);
    printf("%.6f %lld %lld %lld %lld %lld\n", bench_seconds() - start, atomic_load(&load.received),
           atomic_load(&load.stored), atomic_load(&load.duplicate), atomic_load(&load.rejected),
           atomic_load(&load.resent));
    return atomic_load(&load.failed) ? 1 : 0;
}
