/* Every ready hunt over a made-up estate that arrives as Defender sends it, against an oracle that shares no code with
 * the product, and against what the estate says it planted. */
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <cmocka.h>
#include <zlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "hunts/estate.h"
#include "tests/support/cluster_fixture.h"
#include "tests/support/server_fixture.h"

enum { CAP = 256 << 20, BODIES = 24, DEVICES = 40, DAYS = 6 };
#define AS_OF "2026-07-20T00:00:00.0000000Z"

extern char **environ;

static struct {
    struct estate *estate;
    struct buf records; /* as sent, one a line */
    char folder[64];
    struct answer run;
} world = {.records = {.cap = CAP}};

static void path_of(const char *name, char out[128]) {
    snprintf(out, 128, "%s/%s", world.folder, name);
}

static bool write_file(const char *name, const char *bytes, size_t length) {
    char path[128];
    path_of(name, path);
    FILE *file = fopen(path, "we");
    bool ok = file && fwrite(bytes, 1, length, file) == length;
    return file && fclose(file) == 0 && ok;
}

static bool append_file(const char *name, struct buf *out) {
    char path[128], chunk[4096];
    path_of(name, path);
    FILE *file = fopen(path, "re");
    for (size_t length; file && (length = fread(chunk, 1, sizeof chunk, file)) > 0;)
        buf_add(out, chunk, length);
    return file && fclose(file) == 0 && !out->failed;
}

/* python3 oracle.py with these arguments; its exit code. */
static int oracle(char *verb, char *a, char *b, char *c) {
    char program[] = "python3", script[] = "tests/support/oracle.py", as_of[] = AS_OF;
    char *argv[] = {program, script, verb, a, b, c ? c : as_of, c ? as_of : NULL, NULL};
    pid_t child;
    int status = -1;
    if (posix_spawnp(&child, program, NULL, NULL, argv, environ) || waitpid(child, &status, 0) != child)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Every ready hunt, whole. */
static json_t *ready_hunts(void) {
    json_t *hunts = json_array();
    char path[512] = "/v1/hunts?state=ready&limit=50";
    for (const char *next = path; next;) {
        ANSWER_AUTO list = server_send(&server_fixture, &(struct send){.path = path});
        size_t i;
        const json_t *item;
        json_array_foreach(json_at(list.json, "hunts"), i, item) {
            char one[256];
            snprintf(one, sizeof one, "/v1/hunts/%s", json_string_value(json_at(item, "slug")));
            ANSWER_AUTO hunt = server_send(&server_fixture, &(struct send){.path = one});
            json_array_append(hunts, hunt.json);
        }
        next = json_string_value(json_at(list.json, "next"));
        if (next)
            snprintf(path, sizeof path, "/v1/hunts?state=ready&limit=50&cursor=%s", next);
    }
    return hunts;
}

static bool hunts_write(void) {
    json_t *all = ready_hunts();
    char *text = json_dumps(all, JSON_COMPACT);
    bool ok = json_array_size(all) > 100 && text && write_file("hunts.json", text, strlen(text));
    free(text);
    json_decref(all);
    return ok;
}

/* The estate's records, then some made of the hunts' own words. */
static bool records_make(void) {
    char verb[] = "vary", hunts[128], out[128];
    while (estate_next(world.estate, &world.records, 10000)) {
    }
    path_of("hunts.json", hunts);
    path_of("varied.ndjson", out);
    return !world.records.failed && oracle(verb, hunts, out, NULL) == 0 && append_file("varied.ndjson", &world.records);
}

/* Lines are dealt out to bodies, which are then sent last one first: records come long after later ones. */
static bool deal(struct buf bodies[BODIES]) {
    uint64_t random = 7;
    for (size_t i = 0; i < BODIES; i++)
        bodies[i] = BUF(CAP);
    for (size_t at = 0; at < world.records.len;) {
        const char *line = world.records.ptr + at;
        const char *end = memchr(line, '\n', world.records.len - at);
        size_t length = (size_t)(end - line) + 1;
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        buf_add(&bodies[(random >> 33) % BODIES], line, length);
        at += length;
    }
    for (size_t i = 0; i < BODIES; i++)
        if (bodies[i].failed)
            return false;
    return true;
}

static long long member_of(const struct answer *answer, const char *name) {
    return answer->status == 200 ? json_integer_value(json_at(answer->json, name)) : -1;
}

static bool send_gzipped(const struct server *server, const struct buf *body, long long *stored, long long *duplicate) {
    size_t room = body->len + 1024;
    unsigned char *packed = malloc(room);
    z_stream stream = {.next_in = (unsigned char *)body->ptr,
                       .avail_in = (unsigned)body->len,
                       .next_out = packed,
                       .avail_out = (unsigned)room};
    bool ok = packed && deflateInit2(&stream, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) == Z_OK &&
              deflate(&stream, Z_FINISH) == Z_STREAM_END;
    size_t length = stream.total_out;
    deflateEnd(&stream);
    ANSWER_AUTO answer = server_send(server, &(struct send){.path = "/v1/events",
                                                            .headers = {"Content-Encoding: gzip"},
                                                            .body = packed,
                                                            .length = ok ? length : 0});
    free(packed);
    *stored += member_of(&answer, "stored");
    *duplicate += member_of(&answer, "duplicate");
    if (answer.status != 200 || member_of(&answer, "rejected")) {
        fprintf(stderr, "events: %ld %.2000s\n", answer.status, answer.body ? answer.body : "");
        return false;
    }
    return ok;
}

static bool send_all(void) {
    struct buf bodies[BODIES];
    long long stored = 0, duplicate = 0;
    bool ok = deal(bodies);
    for (size_t i = BODIES; i-- > 0;) {
        ok = ok && (!bodies[i].len || send_gzipped(&server_fixture, &bodies[i], &stored, &duplicate));
        buf_free(&bodies[i]);
    }
    long long lines = 0;
    for (size_t i = 0; i < world.records.len; i++)
        lines += world.records.ptr[i] == '\n';
    if (!ok || stored + duplicate != lines || !duplicate || lines < (long long)estate_total(world.estate)) {
        fprintf(stderr, "%lld stored, %lld duplicates of %lld\n", stored, duplicate, lines);
        return false;
    }
    return true;
}

static int setup(void **state) {
    struct estate_options options = {
        .seed = 11, .devices = DEVICES, .days = DAYS, .repeat_rate = 0.05, .late_rate = 0.03};
    if (server_fixture_setup(state))
        return -1;
    schema_init();
    ticks_parse(str_from(AS_OF), &options.end);
    world.estate = estate_new(&options);
    if (!world.estate || !folder_make_temporary(world.folder) || !hunts_write() || !records_make() || !send_all())
        return -1;
    world.run = server_send(&server_fixture, &(struct send){.path = "/v1/runs",
                                                            .headers = {"Prefer: wait=60"},
                                                            .body = "{\"all\":true,\"as_of\":\"" AS_OF "\"}"});
    if (world.run.status != 201)
        fprintf(stderr, "run: %ld %.2000s\n", world.run.status, world.run.body ? world.run.body : "");
    return world.run.status == 201 ? 0 : -1;
}

static int teardown(void **state) {
    answer_free(&world.run);
    buf_free(&world.records);
    estate_free(world.estate);
    folder_remove(world.folder);
    return server_fixture_teardown(state);
}

static void every_ready_hunt_finds_what_the_oracle_finds(void **state) {
    (void)state;
    char verb[] = "compare", records[128], hunts[128], result[128];
    path_of("records.ndjson", records);
    path_of("hunts.json", hunts);
    path_of("result.json", result);
    assert_true(write_file("records.ndjson", world.records.ptr, world.records.len));
    assert_true(write_file("result.json", world.run.body, world.run.length));
    assert_int_equal(oracle(verb, records, hunts, result), 0);
}

static const json_t *result_of(const char *slug) {
    size_t i;
    const json_t *result;
    json_array_foreach(answer_at(&world.run, "hunts"), i,
                       result) if (!strcmp(json_string_value(json_at(result, "hunt.slug")), slug)) return result;
    fail_msg("no result of %s", slug);
    return NULL;
}

static void check_plant(const struct estate_plant *plant) {
    char first[TICKS_TEXT], last[TICKS_TEXT];
    size_t i;
    const json_t *device, *found = NULL;
    json_array_foreach(json_at(result_of(plant->hunt_slug), "devices"), i,
                       device) if (!strcmp(json_string_value(json_at(device, "device_id")), plant->device_id)) found =
        device;
    if (!found)
        fail_msg("%s does not find %s: %s", plant->hunt_slug, plant->device_name, plant->story);
    ticks_print(plant->first, first);
    ticks_print(plant->last, last);
    assert_string_equal(json_string_value(json_at(found, "first_seen")), first);
    assert_string_equal(json_string_value(json_at(found, "last_seen")), last);
    assert_string_equal(json_string_value(json_at(found, "device_name")), plant->device_name);
    assert_int_equal(json_integer_value(json_at(found, "count")), plant->count);
    const json_t *reports = json_at(found, "report_ids");
    assert_int_equal(json_array_size(reports), plant->report_count);
    for (size_t r = 0; r < plant->report_count; r++) {
        char id[24];
        snprintf(id, sizeof id, "%lld", (long long)plant->report_ids[r]);
        assert_string_equal(json_string_value(json_array_get(reports, r)), id);
    }
}

static void everything_that_was_planted_is_found(void **state) {
    (void)state;
    size_t count;
    const struct estate_plant *plants = estate_plants(world.estate, &count);
    assert_true(count >= 8);
    for (size_t i = 0; i < count; i++)
        check_plant(&plants[i]);
}

static void the_remotepc_signature_hunt_finds_nothing_else(void **state) {
    (void)state;
    size_t count, expected = 0;
    const struct estate_plant *plants = estate_plants(world.estate, &count);
    for (size_t i = 0; i < count; i++)
        expected += !strcmp(plants[i].hunt_slug, "remotepc-file-signature");
    assert_true(expected > 0);
    size_t place, found = 0;
    const json_t *device;
    json_array_foreach(json_at(result_of("remotepc-file-signature"), "devices"), place, device) found +=
        strncmp(json_string_value(json_at(device, "device_id")), "vary-", 5) != 0;
    assert_int_equal(found, expected);
}

static void hunts_that_cannot_run_are_listed_as_broken_with_a_place(void **state) {
    (void)state;
    ANSWER_AUTO list = server_expect(&server_fixture, 200, &(struct send){.path = "/v1/hunts?state=broken"});
    size_t i;
    const json_t *hunt;
    assert_true(json_array_size(answer_at(&list, "hunts")) > 0);
    json_array_foreach(answer_at(&list, "hunts"), i, hunt) {
        char path[256];
        snprintf(path, sizeof path, "/v1/hunts/%s", json_string_value(json_at(hunt, "slug")));
        ANSWER_AUTO one = server_expect(&server_fixture, 200, &(struct send){.path = path});
        assert_true(answer_int(&one, "errors.0.line") > 0);
        assert_true(answer_int(&one, "errors.0.column") > 0);
        assert_true(strlen(answer_text(&one, "errors.0.message")) > 0);
    }
}

/* A result's devices without the links to their run; the error's text where the hunt can't run. */
static char *devices_text(const json_t *result) {
    const json_t *kept = json_at(result, "devices");
    json_t *devices = json_deep_copy(kept ? kept : json_at(result, "error"));
    size_t i;
    json_t *device;
    json_array_foreach(devices, i, device) json_object_del(device, "evidence");
    char *text = json_dumps(devices, JSON_COMPACT | JSON_PRESERVE_ORDER);
    json_decref(devices);
    assert_non_null(text);
    return text;
}

static struct answer run_all(const struct server *server) {
    return server_expect(server, 201,
                         &(struct send){.path = "/v1/runs",
                                        .headers = {"Prefer: wait=60"},
                                        .body = "{\"all\":true,\"as_of\":\"" AS_OF "\"}"});
}

static void check_same_devices(const struct answer *a, const struct answer *b) {
    const json_t *before = answer_at(a, "hunts"), *after = answer_at(b, "hunts");
    assert_int_equal(json_array_size(before), json_array_size(after));
    for (size_t i = 0; i < json_array_size(before); i++) {
        char *first = devices_text(json_array_get(before, i)), *second = devices_text(json_array_get(after, i));
        assert_string_equal(first, second);
        free(first);
        free(second);
    }
}

static void the_same_run_again_gives_the_same_devices(void **state) {
    (void)state;
    ANSWER_AUTO again = run_all(&server_fixture);
    check_same_devices(&world.run, &again);
}

static void the_same_records_in_order_and_in_one_go_give_the_same_devices(void **state) {
    (void)state;
    struct server other = {0};
    long long stored = 0, duplicate = 0;
    assert_true(server_start(&other));
    bool sent = send_gzipped(&other, &world.records, &stored, &duplicate);
    ANSWER_AUTO run = run_all(&other);
    int code = server_stop(&other);
    server_remove(&other);
    assert_true(sent);
    assert_int_equal(code, 0);
    check_same_devices(&world.run, &run);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_ready_hunt_finds_what_the_oracle_finds),
        cmocka_unit_test(everything_that_was_planted_is_found),
        cmocka_unit_test(the_remotepc_signature_hunt_finds_nothing_else),
        cmocka_unit_test(hunts_that_cannot_run_are_listed_as_broken_with_a_place),
        cmocka_unit_test(the_same_run_again_gives_the_same_devices),
        cmocka_unit_test(the_same_records_in_order_and_in_one_go_give_the_same_devices),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
