#include "store/batch.h"

#include <stdlib.h>

#include "base/mem.h"
#include "store/command.h"
#include "store/copy.h"

enum { HOST_GROUP = 1, PATH_PROGRAM = 1 }; /* machine_group in the host's tuple, program in a path's */

/* A place in a row that waits for a miss's id. */
struct waiting {
    uint8_t table, slot;
    uint32_t row, miss; /* miss: its number */
};

struct miss_list {
    struct intern_miss *items;
    struct value *members; /* of each item as many as the dictionary has fields */
    size_t count, room, member_room;
    struct waiting *waiting;
    size_t waiting_count, waiting_room;
    uint32_t *seen; /* open addressing over items: place + 1, 0 free */
    size_t seen_mask;
};

struct batch_misses {
    struct miss_list lists[DICT_COUNT];
};

bool batch_init(struct batch *batch, const struct intern *intern, struct err *err) {
    *batch = (struct batch){.scratch = BUF(4u << 20), .epoch = intern_epoch(intern)};
    for (size_t t = 0; t < SCHEMA_TABLES; t++)
        batch->tables[t].plain = BUF(512u << 20);
    batch->misses = calloc(1, sizeof *batch->misses);
    return batch->misses || err_memory(err);
}

static void misses_free(struct batch *batch) {
    for (size_t d = 0; batch->misses && d < DICT_COUNT; d++) {
        free(batch->misses->lists[d].items);
        free(batch->misses->lists[d].members);
        free(batch->misses->lists[d].waiting);
        free(batch->misses->lists[d].seen);
    }
    free(batch->misses);
    batch->misses = NULL;
}

void batch_free(struct batch *batch) {
    for (size_t t = 0; t < SCHEMA_TABLES; t++) {
        free(batch->tables[t].rows);
        buf_free(&batch->tables[t].plain);
    }
    misses_free(batch);
    groups_free(&batch->groups);
    buf_free(&batch->scratch);
}

/* Makes room for one more item; NULL when memory is out. */
static void *grow(void *items, size_t count, size_t *room, size_t size) {
    if (count < *room)
        return items;
    size_t wanted = *room ? *room * 2 : 64;
    void *grown = reallocarray(items, wanted, size);
    if (grown)
        *room = wanted;
    return grown;
}

static uint32_t *seen_at(struct miss_list *list, const struct tuple_digest *digest) {
    uint64_t hash;
    memcpy(&hash, digest->bytes + 8, sizeof hash);
    size_t at = (size_t)hash & list->seen_mask;
    while (list->seen[at] && memcmp(&list->items[list->seen[at] - 1].digest, digest, sizeof *digest) != 0)
        at = (at + 1) & list->seen_mask;
    return &list->seen[at];
}

static bool seen_grow(struct miss_list *list) {
    size_t size = list->seen ? (list->seen_mask + 1) * 2 : 256;
    uint32_t *seen = calloc(size, sizeof *seen);
    if (!seen)
        return false;
    free(list->seen);
    list->seen = seen;
    list->seen_mask = size - 1;
    for (size_t i = 0; i < list->count; i++)
        *seen_at(list, &list->items[i].digest) = (uint32_t)i + 1;
    return true;
}

static bool item_add(struct miss_list *list, size_t fields, const struct value *members, const struct tuple_digest *digest) {
    void *grown = grow(list->items, list->count, &list->room, sizeof *list->items);
    if (!grown)
        return false;
    list->items = grown;
    grown = grow(list->members, list->count, &list->member_room, fields * sizeof *members);
    if (!grown)
        return false;
    list->members = grown;
    memcpy(list->members + list->count * fields, members, fields * sizeof *members);
    list->items[list->count] = (struct intern_miss){.digest = *digest, .number = (uint32_t)list->count};
    list->count++;
    return true;
}

static bool miss_add(struct miss_list *list, const struct schema_dictionary *dictionary, const struct value *members,
                     const struct tuple_digest *digest, struct waiting waiting) {
    if ((!list->seen || list->count * 2 > list->seen_mask) && !seen_grow(list))
        return false;
    void *grown = grow(list->waiting, list->waiting_count, &list->waiting_room, sizeof *list->waiting);
    if (!grown)
        return false;
    list->waiting = grown;
    uint32_t *seen = seen_at(list, digest);
    if (!*seen) {
        if (!item_add(list, dictionary->field_count, members, digest))
            return false;
        *seen = (uint32_t)list->count;
    }
    waiting.miss = *seen - 1;
    list->waiting[list->waiting_count++] = waiting;
    return true;
}

static struct str text_of(const struct value *value) {
    return value->kind == VALUE_TEXT ? value->text : (struct str){0};
}

/* Parts the command line in this column: its program goes into the path's tuple, the rest into the row. */
static struct str command_cut(const struct event *event, size_t place, struct str *rest) {
    struct str line = text_of(&event->values[place]);
    size_t length = command_program(line, text_of(&event->values[event->table->columns[place].path_index]));
    *rest = length ? (struct str){line.ptr + length, line.len - length} : line;
    return (struct str){line.ptr, length};
}

static struct value value_of(struct str text) {
    return (struct value){text.len ? VALUE_TEXT : VALUE_NULL, text, 0};
}

static void member_set(struct value members[][SCHEMA_MAX_FIELDS], const struct event *event, size_t place) {
    const struct schema_column *column = &event->table->columns[place];
    struct str rest;
    if (column->storage == STORED_TUPLE)
        members[column->slot_index][column->field_index] = event->values[place];
    else if (column->storage == STORED_COMMAND)
        members[column->slot_index][PATH_PROGRAM] = value_of(command_cut(event, place, &rest));
}

static void command_add(struct buf *plain, const struct event *event, size_t place) {
    struct str rest;
    command_cut(event, place, &rest);
    struct value value = value_of(rest);
    copy_value(plain, KQL_STRING, &value);
}

static bool row_tuples(struct batch *batch, struct intern *intern, const unsigned char *key,
                       const struct event *event, struct batch_row *row, uint32_t row_place) {
    struct value members[SCHEMA_MAX_SLOTS][SCHEMA_MAX_FIELDS];
    const struct schema_table *table = event->table;
    for (size_t s = 0; s < table->slot_count; s++)
        memset(members[s], 0, schema_dictionary(table->slots[s].dictionary)->field_count * sizeof members[s][0]);
    for (size_t c = 0; c < table->column_count; c++)
        member_set(members, event, c);
    struct tuple_digest digests[SCHEMA_MAX_SLOTS];
    for (size_t s = 0; s < table->slot_count; s++) {
        enum schema_dictionary_id id = table->slots[s].dictionary;
        const struct schema_dictionary *dictionary = schema_dictionary(id);
        if (id == DICT_host && event->tenant.len) /* no column of Kusto's tables, and the last field of the tuple */
            members[s][dictionary->field_count - 1] = (struct value){VALUE_TEXT, event->tenant, 0};
        if (id == DICT_host && !groups_place(&batch->groups, members[s][HOST_GROUP].text, &row->group))
            return false;
        digests[s] = identity_tuple(dictionary, members[s], key, &batch->scratch);
        intern_prefetch(intern, id, &digests[s]);
    }
    for (uint8_t s = 0; s < table->slot_count; s++) {
        enum schema_dictionary_id id = table->slots[s].dictionary;
        struct waiting waiting = {(uint8_t)schema_table_index(table), s, row_place, 0};
        if (!intern_find(intern, id, &digests[s], &row->ids[s]) &&
            !miss_add(&batch->misses->lists[id], schema_dictionary(id), members[s], &digests[s], waiting))
            return false;
    }
    return true;
}

bool batch_add(struct batch *batch, struct intern *intern, const unsigned char *key, const struct event *event,
               struct err *err) {
    struct batch_table *into = &batch->tables[schema_table_index(event->table)];
    void *grown = grow(into->rows, into->count, &into->room, sizeof *into->rows);
    if (!grown || into->plain.len > UINT32_MAX / 2)
        return err_memory(err);
    into->rows = grown;
    struct batch_row *row = &into->rows[into->count];
    *row = (struct batch_row){.plain_offset = (uint32_t)into->plain.len};
    for (size_t c = 0; c < event->table->column_count; c++) {
        const struct schema_column *column = &event->table->columns[c];
        const struct value *value = &event->values[c];
        into->filled[c / 64] |= (uint64_t)(value->kind != VALUE_NULL) << c % 64;
        if (column->storage == STORED_TS) {
            row->ts = value->number;
        } else if (column->storage == STORED_REPORT) {
            row->has_report = value->kind != VALUE_NULL;
            row->report_id = row->has_report ? value->number : 0;
        } else if (column->storage == STORED_PLAIN) {
            copy_value(&into->plain, column->type, value);
        } else if (column->storage == STORED_COMMAND) {
            command_add(&into->plain, event, c);
        }
    }
    struct value extra = value_of(event->extra);
    copy_value(&into->plain, KQL_STRING, &extra);
    row->plain_length = (uint32_t)(into->plain.len - row->plain_offset);
    row->digest = identity_event(event, key, &batch->scratch);
    if (!row_tuples(batch, intern, key, event, row, (uint32_t)into->count) || into->plain.failed ||
        batch->scratch.failed)
        return err_memory(err);
    batch->bytes += sizeof *row + row->plain_length;
    into->count++;
    return true;
}

static int compare_misses(const void *a, const void *b) {
    return memcmp(&((const struct intern_miss *)a)->digest, &((const struct intern_miss *)b)->digest,
                  sizeof(struct tuple_digest));
}

/* Gives the rows that wait the ids of their misses. */
static bool ids_fill(struct batch *batch, const struct miss_list *list) {
    int32_t *ids = calloc(list->count, sizeof *ids); /* by number */
    for (size_t i = 0; ids && i < list->count; i++)
        ids[list->items[i].number] = list->items[i].id;
    for (size_t i = 0; ids && i < list->waiting_count; i++) {
        const struct waiting *waiting = &list->waiting[i];
        batch->tables[waiting->table].rows[waiting->row].ids[waiting->slot] = ids[waiting->miss];
    }
    free(ids);
    return ids != NULL;
}

bool batch_resolve(struct batch *batch, struct intern *intern, struct db_conn *conn, int64_t deadline_ms,
                   struct err *err) {
    for (enum schema_dictionary_id d = 0; d < DICT_COUNT; d++) {
        struct miss_list *list = &batch->misses->lists[d];
        if (!list->count)
            continue;
        for (size_t i = 0; i < list->count; i++)
            list->items[i].members = list->members + list->items[i].number * schema_dictionary(d)->field_count;
        mem_sort(list->items, list->count, sizeof *list->items, compare_misses);
        if (!intern_resolve(intern, batch->epoch, conn, d, list->items, list->count, deadline_ms, err))
            return false;
        if (!ids_fill(batch, list))
            return err_memory(err);
    }
    misses_free(batch);
    return true;
}
