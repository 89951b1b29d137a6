#include "hunts/estate.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "hunts/estate_record.h"

enum {
    MAX_PLANTS = 64,
    MAX_EVENTS = 16,
    KEPT = 64, /* records that may come again */
    WINDOW_HOURS = 120, /* the published hunts look back five days */
    CERTIFICATE = 1,
    PROCESS = 8,
    NETWORK = 6, /* places in the schema's list of tables */
};

static const struct software background[] = {
    {"chrome.exe", "C:\\Program Files\\Google\\Chrome\\Application", "Google LLC", "Google Chrome", "Google Chrome",
     "126.0.6478", "Google LLC", "DigiCert Trusted G4 Code Signing", "0e4418e2dede36dd2974c3443afb5ce5", "www.google.com"},
    {"msedge.exe", "C:\\Program Files (x86)\\Microsoft\\Edge\\Application", "Microsoft Corporation", "Microsoft Edge",
     "Microsoft Edge", "126.0.2592", "Microsoft Corporation", "Microsoft Code Signing PCA 2011",
     "33000003af30400e4ca34d05410000000003af", "edge.microsoft.com"},
    {"WINWORD.EXE", "C:\\Program Files\\Microsoft Office\\root\\Office16", "Microsoft Corporation", "Microsoft Office",
     "Microsoft Word", "16.0.17628", "Microsoft Corporation", "Microsoft Code Signing PCA 2010",
     "330000048498e212d078ab1d3c000000000484", "officecdn.microsoft.com"},
    {"svchost.exe", "C:\\Windows\\System32", "Microsoft Corporation", "Microsoft Windows Operating System",
     "Host Process for Windows Services", "10.0.22621", "Microsoft Windows Publisher",
     "Microsoft Windows Production PCA 2011", "330000046696c0b4d9ad43b84a000000000466", "settings-win.data.microsoft.com"},
    {"powershell.exe", "C:\\Windows\\System32\\WindowsPowerShell\\v1.0", "Microsoft Corporation",
     "Microsoft Windows Operating System", "Windows PowerShell", "10.0.22621", "Microsoft Windows",
     "Microsoft Windows Production PCA 2011", "3300000460cf42a912315f6fb3000000000460", "www.powershellgallery.com"},
    {"AcroRd32.exe", "C:\\Program Files (x86)\\Adobe\\Acrobat Reader DC\\Reader", "Adobe Systems Incorporated",
     "Adobe Acrobat Reader DC", "Adobe Acrobat Reader DC", "24.2.20857", "Adobe Inc.", "DigiCert EV Code Signing CA",
     "0dcd73a3d0a5a2dcdb2c1d2e77c8c4f1", "acroipm2.adobe.com"},
    {"Zoom.exe", "C:\\Program Files\\Zoom\\bin", "Zoom Communications", "Zoom Workplace", "Zoom Workplace", "6.1.1",
     "Zoom Video Communications, Inc.", "DigiCert Trusted G4 Code Signing", "07a3b0f3c5d94b1f2b6d0c6f70a9a1e2", "us04web.zoom.us"},
    {"slack.exe", "C:\\Program Files\\Slack", "Slack Technologies", "Slack", "Slack", "4.39.90",
     "Slack Technologies, Inc.", "DigiCert Trusted G4 Code Signing", "0aa1b2c3d4e5f60718293a4b5c6d7e8f", "app.slack.com"},
    {"HiDrive.exe", "C:\\Program Files\\STRATO\\HiDrive", "STRATO AG", "HiDrive", "STRATO HiDrive", "6.3.0",
     "STRATO HiDrive", "Sectigo Public Code Signing CA", "00b1c2d3e4f5061728394a5b6c7d8e9f", "my.hidrive.com"},
    {"xidrive.exe", "C:\\Tools\\xidrive", "xidrive", "xidrive tools", "xidrive", "1.0", "xidrive",
     "Sectigo Public Code Signing CA", "00c1c2d3e4f5061728394a5b6c7d8e9f", "xidrive.example"},
};
enum { BACKGROUND = sizeof background / sizeof *background };

struct planted_tool {
    struct software software;
    const char *slugs[3]; /* signature, process, network; NULL: the published hunt needs more than this shows */
};

static const struct planted_tool tools[] = {
    {{"RemotePCService.exe", "C:\\Program Files (x86)\\RemotePC", "IDrive, Inc.", "RemotePC", "RemotePC Service",
      "7.6.62", "IDrive, Inc.", "DigiCert Trusted G4 Code Signing", "0b5e9d1c7a3f42e8916d20c4f7ab83e5", "web1.remotepc.com"},
     {"remotepc-file-signature", "remotepc-create-process", "remotepc-network-connection"}},
    {{"AnyDesk.exe", "C:\\Users\\Public\\Downloads", "AnyDesk Software GmbH", "AnyDesk", "AnyDesk", "8.0.10",
      "AnyDesk Software GmbH", "DigiCert Trusted G4 Code Signing", "0a8177fcd8936a91b5e0eddf995b0ba5", "relay-1.net.anydesk.com"},
     {"anydesk-file-signature", "anydesk-create-process", "anydesk-network-connection"}},
    {{"TeamViewer.exe", "C:\\Program Files\\TeamViewer", "TeamViewer Germany GmbH", "TeamViewer", "TeamViewer",
      "15.55.3", "TeamViewer Germany GmbH", "DigiCert Trusted G4 Code Signing", "0c4a1e0b6b5d4e6f8a9b0c1d2e3f4051", "router7.teamviewer.com"},
     {"teamviewer-file-signature", "teamviewer-create-process", "teamviewer-network-connection"}},
    {{"ScreenConnect.ClientService.exe", "C:\\Program Files (x86)\\ScreenConnect Client (f00dfeed)",
      "ScreenConnect Software", "ScreenConnect", "ScreenConnect Client Service", "24.1.6", "ConnectWise, LLC",
      "DigiCert Trusted G4 Code Signing", "0b9360051bccf66642998998d5ba97ce", "instance-a1b2c3-relay.screenconnect.com"},
     {"connectwise-file-signature", "connectwise-create-process", "connectwise-network-connection"}},
    {{"AteraAgent.exe", "C:\\Program Files\\ATERA Networks\\AteraAgent", "ATERA Networks Ltd.", "AteraAgent",
      "AteraAgent", "1.8.7", "Atera Networks Ltd", "DigiCert Trusted G4 Code Signing", "0a28499e21cafe6b5d9bf5ccb1ea2b4c",
      "agent-api.atera.com"},
     {"atera-file-signature", "atera-create-process", "atera-network-connection"}},
    {{"client32.exe", "C:\\ProgramData\\cache", "NetSupport Ltd", "NetSupport Remote Control", "NetSupport Client Application",
      "14.10", "NetSupport Ltd", "GlobalSign GCC R45 EV CodeSigning", "3c1a2b3c4d5e6f708192a3b4", "geo.netsupportsoftware.com"},
     {"netsupport-file-signature", "netsupport-create-process", "netsupport-network-connection"}},
    {{"rpcsuite.exe", "C:\\ProgramData\\x_idrive_y", "x_idrive_y", "x_idrive_y", "x_idrive_y", "1.0", "x_idrive_y",
      "Sectigo Public Code Signing CA", "00d1c2d3e4f5061728394a5b6c7d8e9f", "x-idrive-y.example"},
     {"remotepc-file-signature", NULL, NULL}},
    {{"HiDrive.exe", "C:\\Program Files\\STRATO\\HiDrive", "STRATO AG", "HiDrive", "STRATO HiDrive", "6.3.0",
      "STRATO HiDrive", "Sectigo Public Code Signing CA", "00b1c2d3e4f5061728394a5b6c7d8e9f", "my.hidrive.com"},
     {NULL, NULL, NULL}},
    {{"xidrive.exe", "C:\\Tools\\xidrive", "xidrive", "xidrive tools", "xidrive", "1.0", "xidrive",
      "Sectigo Public Code Signing CA", "00c1c2d3e4f5061728394a5b6c7d8e9f", "xidrive.example"},
     {NULL, NULL, NULL}},
};

/* What is planted: the tool, on which device, by which signals, how many events a signal, from when. */
static const struct planting {
    unsigned tool, device, signals, count, hours_before_end;
    const char *story;
} plantings[] = {
    {0, 7, 7, 4, 100, "a stranger called as \"IT\", had RemotePC installed, and has come back every night since"},
    {0, 23, 1, 3, 60, "RemotePC was dropped to disk and never started: a signature without a process"},
    {6, 31, 1, 2, 50, "a repackaged RemotePC under its own certificate: x_idrive_y"},
    {1, 42, 7, 5, 44, "AnyDesk out of a public download folder, a minute after a phishing mail was opened"},
    {3, 58, 7, 3, 30, "ScreenConnect's client pointing at an instance nobody here owns"},
    {5, 77, 3, 3, 20, "NetSupport's client32.exe below ProgramData, the name that fake updates leave"},
    {4, 91, 7, 2, 72, "Atera's agent, registered to a free mail address"},
    {2, 21, 7, 6, 110, "sanctioned: TeamViewer on the help desk"},
    {2, 13, 7, 6, 90, "sanctioned: TeamViewer on the help desk"},
    {1, 7, 4, 2, 10, "AnyDesk beside RemotePC on one device: two ways in"},
    {7, 55, 1, 2, 26, "no RemotePC: STRATO HiDrive ends in idrive, within a word"},
    {8, 56, 1, 2, 25, "no RemotePC: xidrive holds idrive, within a word"},
    {0, 64, 7, 3, 240, "RemotePC was here, and went more than five days ago"},
};
enum { PLANTINGS = sizeof plantings / sizeof *plantings };

struct planted_event {
    unsigned planting, table;
    int64_t ts, report_id;
};

struct kept {
    const struct schema_table *table;
    int64_t ts;
    struct buf properties;
};

struct estate {
    struct estate_options options;
    uint64_t random;
    uint64_t left[SCHEMA_TABLES], rows_left, rows_total, emitted;
    struct planted_event events[MAX_PLANTS * MAX_EVENTS];
    size_t event_count, event_next;
    struct estate_plant plants[MAX_PLANTS];
    size_t plant_count;
    struct kept kept[KEPT];
    uint64_t made;         /* distinct records so far */
    uint64_t repeat_every; /* 0: never */
};

static uint64_t random_next(struct estate *estate) {
    uint64_t z = (estate->random += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static void device_name(const struct estate *estate, unsigned device, struct happening *h) {
    static const char *const departments[] = {"fin", "hr", "eng", "ops", "sales", "it", "legal", "lab"};
    static const char *const groups[] = {"Workstations", "Workstations", "Engineering", "Servers",
                                         "Workstations", "Help desk",    "Workstations", "Lab"};
    uint64_t seed = estate->options.seed * 1000003 + device;
    for (int i = 0; i < 5; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        snprintf(h->device_id + i * 8, 9, "%08" PRIx32, (uint32_t)(seed >> 32));
    }
    snprintf(h->device_name, sizeof h->device_name, "%s-lt-%02u.corp.example", departments[device % 8], device);
    h->group = groups[device % 8];
    h->device = device;
}

static void plant_count_event(struct estate *estate, const struct planting *planting, const char *slug, int64_t ts,
                              int64_t report) {
    struct happening h = {0};
    struct estate_plant *plant = NULL;
    device_name(estate, planting->device % estate->options.devices, &h);
    for (size_t i = 0; i < estate->plant_count; i++)
        if (estate->plants[i].hunt_slug == slug && !strcmp(estate->plants[i].device_id, h.device_id))
            plant = &estate->plants[i];
    if (!plant) {
        plant = &estate->plants[estate->plant_count++];
        *plant = (struct estate_plant){.hunt_slug = slug, .first = ts, .story = planting->story};
        memcpy(plant->device_id, h.device_id, sizeof plant->device_id);
        memcpy(plant->device_name, h.device_name, sizeof plant->device_name);
    }
    plant->first = ts < plant->first ? ts : plant->first;
    plant->last = ts > plant->last ? ts : plant->last;
    plant->count++;
    size_t at = plant->report_count++;
    for (; at && plant->report_ids[at - 1] > report; at--)
        plant->report_ids[at] = plant->report_ids[at - 1];
    plant->report_ids[at] = report;
}

static void plant(struct estate *estate, unsigned place) {
    static const unsigned tables[3] = {CERTIFICATE, PROCESS, NETWORK};
    const struct planting *planting = &plantings[place];
    for (unsigned signal = 0; signal < 3; signal++)
        for (unsigned i = 0; planting->signals & 1u << signal && i < planting->count; i++) {
            struct planted_event *event = &estate->events[estate->event_count++];
            /* Spread until the end; what went long ago stops a day before the window of the hunts. */
            bool gone = planting->hours_before_end > WINDOW_HOURS;
            int64_t hours = gone ? planting->hours_before_end - WINDOW_HOURS - 24 : planting->hours_before_end;
            int64_t step = hours * TICKS_HOUR / (int64_t)(planting->count + 1);
            event->planting = place;
            event->table = tables[signal];
            event->ts = estate->options.end - (gone ? (WINDOW_HOURS + 24) * TICKS_HOUR : 0) -
                        (int64_t)(planting->count - i) * step - signal * TICKS_MINUTE -
                        (int64_t)(random_next(estate) % 9999999);
            event->report_id = place == 0 && signal == 0 && i == 1 ? INT64_C(639199803770463703)
                                                                   : (int64_t)(40000 + place * 1000 + signal * 100 + i);
            const char *slug = tools[planting->tool].slugs[signal];
            if (slug && !gone)
                plant_count_event(estate, planting, slug, event->ts, event->report_id);
        }
}

static void rows_default(struct estate_options *options) {
    static const unsigned per_device_day[SCHEMA_TABLES] = {3, 3, 4, 3, 1, 2, 6, 1, 8, 3};
    for (size_t t = 0; t < SCHEMA_TABLES; t++)
        options->rows[t] = (uint64_t)per_device_day[t] * options->devices * options->days;
}

struct estate *estate_new(const struct estate_options *options) {
    struct estate *estate = options->devices && options->days ? calloc(1, sizeof *estate) : NULL;
    bool any = false;
    if (!estate)
        return NULL;
    estate->options = *options;
    for (size_t t = 0; t < SCHEMA_TABLES; t++)
        any = any || options->rows[t];
    if (!any)
        rows_default(&estate->options);
    estate->random = options->seed;
    for (size_t t = 0; t < SCHEMA_TABLES; t++) {
        estate->left[t] = estate->options.rows[t];
        estate->rows_total += estate->options.rows[t];
    }
    estate->rows_left = estate->rows_total;
    for (unsigned place = 0; place < PLANTINGS; place++)
        plant(estate, place);
    if (options->repeat_rate > 0)
        estate->repeat_every = (uint64_t)(1 / options->repeat_rate);
    for (size_t i = 0; i < KEPT; i++)
        estate->kept[i].properties = BUF(64 * 1024);
    return estate;
}

void estate_free(struct estate *estate) {
    if (!estate)
        return;
    for (size_t i = 0; i < KEPT; i++)
        buf_free(&estate->kept[i].properties);
    free(estate);
}

const struct estate_plant *estate_plants(const struct estate *estate, size_t *count) {
    *count = estate->plant_count;
    return estate->plants;
}

uint64_t estate_total(const struct estate *estate) {
    uint64_t distinct = estate->rows_total + estate->event_count;
    return distinct + (estate->repeat_every ? distinct / estate->repeat_every : 0);
}

static const char *action_of(size_t table) {
    static const char *const actions[SCHEMA_TABLES] = {
        "PowerShellCommand", "", "FileCreated", "ImageLoaded", "", "LogonSuccess", "ConnectionSuccess", "",
        "ProcessCreated", "RegistryValueSet"};
    return actions[table];
}

/* The table of the next background record: by what is left of each. */
static size_t table_pick(struct estate *estate) {
    uint64_t at = random_next(estate) % estate->rows_left;
    size_t table = 0;
    while (at >= estate->left[table])
        at -= estate->left[table++];
    return table;
}

static void happen_background(struct estate *estate, struct happening *h) {
    static const char *const accounts[] = {"a.meyer", "b.okafor", "c.lindqvist", "d.novak", "e.tanaka",
                                           "f.garcia", "g.dubois", "h.silva", "i.haddad", "j.kim"};
    size_t table = table_pick(estate);
    uint64_t salt = random_next(estate), span = (uint64_t)estate->options.days * (uint64_t)TICKS_DAY;
    uint64_t done = estate->rows_total - estate->rows_left;
    bool late = estate->options.late_rate > 0 &&
                (double)(random_next(estate) % 100000) < estate->options.late_rate * 100000;
    /* Time goes on with the stream, give or take ten minutes; a late record may be from any time before. */
    uint64_t at = (uint64_t)((double)span * ((double)done / (double)estate->rows_total));
    uint64_t jitter = salt % (20 * (uint64_t)TICKS_MINUTE);
    if (late)
        at = random_next(estate) % (at + 1);
    at = at > jitter ? at - jitter : jitter % span;
    device_name(estate, (unsigned)(random_next(estate) % estate->options.devices), h);
    h->table = &schema_tables()[table];
    h->ts = estate->options.end - (int64_t)(span - at);
    h->report_id = (int64_t)(salt % 60000);
    h->salt = salt;
    h->account = accounts[h->device % 10];
    h->action = action_of(table);
    h->program = &background[salt >> 20 & 0xfff ? (salt >> 40) % 8 : 8 + (salt >> 40) % 2];
    h->parent = &background[(salt >> 50) % 5];
    unsigned variants = table == CERTIFICATE ? estate->options.distinct_signers : estate->options.distinct_images;
    h->variant = variants ? (unsigned)(random_next(estate) % (variants / 8 + 1)) : 0;
    estate->left[table]--;
    estate->rows_left--;
}

static void happen_planted(struct estate *estate, struct happening *h) {
    const struct planted_event *event = &estate->events[estate->event_next++];
    const struct planting *planting = &plantings[event->planting];
    device_name(estate, planting->device % estate->options.devices, h);
    h->table = &schema_tables()[event->table];
    h->ts = event->ts;
    h->report_id = event->report_id;
    h->salt = random_next(estate);
    h->account = "svc.helper";
    h->action = action_of(event->table);
    h->program = &tools[planting->tool].software;
    h->parent = &background[4];
}

/* Planted events are spread over the stream, so that some come early and some late for their time. */
static void record_make(struct estate *estate, struct kept *kept) {
    struct happening h = {0};
    uint64_t stride = estate->rows_total / (estate->event_count + 1) + 1;
    bool planted = estate->event_next < estate->event_count && (estate->made % stride == stride - 1 || !estate->rows_left);
    if (planted)
        happen_planted(estate, &h);
    else
        happen_background(estate, &h);
    kept->table = h.table;
    kept->ts = h.ts;
    kept->properties.len = 0;
    estate_add_properties(&kept->properties, &h);
    estate->made++;
}

size_t estate_next(struct estate *estate, struct buf *out, size_t max_records) {
    size_t count = 0;
    uint64_t total = estate_total(estate);
    while (count < max_records && estate->emitted < total) {
        uint64_t distinct = estate->rows_total + estate->event_count;
        bool repeat = estate->repeat_every && estate->made &&
                      (estate->emitted % (estate->repeat_every + 1) == estate->repeat_every || estate->made == distinct);
        uint64_t place = repeat ? (estate->made - 1 - random_next(estate) % (estate->made < KEPT ? estate->made : KEPT)) % KEPT
                                : estate->made % KEPT;
        struct kept *kept = &estate->kept[place];
        if (!repeat)
            record_make(estate, kept);
        estate_add_line(out, kept->table, buf_str(&kept->properties), kept->ts,
                        kept->ts + (int64_t)(random_next(estate) % 120) * TICKS_SECOND + 12 * TICKS_SECOND);
        if (out->failed)
            break;
        estate->emitted++;
        count++;
    }
    return count;
}
