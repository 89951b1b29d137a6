#include "hunts/estate_record.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/json.h"

static void add_hex(struct buf *out, uint64_t seed, size_t digits) {
    static const char hex[] = "0123456789abcdef";
    char text[64];
    for (size_t i = 0; i < digits && i < sizeof text; i++) {
        if (i % 16 == 0)
            seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        text[i] = hex[seed >> (60 - i % 16 * 4) & 15];
    }
    buf_add_char(out, '"');
    buf_add(out, text, digits);
    buf_add_char(out, '"');
}

static uint64_t name_seed(const char *name, unsigned variant) {
    uint64_t seed = 1469598103934665603u + variant;
    for (; *name; name++)
        seed = (seed ^ (unsigned char)*name) * 1099511628211u;
    return seed;
}

static void add_text(struct buf *out, const char *text) {
    json_add_string(out, str_from(text));
}

static void add_path(struct buf *out, const struct software *program) {
    BUF_AUTO path = BUF(512);
    buf_printf(&path, "%s\\%s", program->folder, program->file);
    json_add_string(out, buf_str(&path));
}

static void add_command(struct buf *out, const struct software *program, uint64_t salt) {
    BUF_AUTO line = BUF(512);
    buf_printf(&line, "\"%s\\%s\" --session %" PRIx64, program->folder, program->file, salt & 0xffffff);
    json_add_string(out, buf_str(&line));
}

/* What a file or version column says of a program; true when the column is one of those. */
static bool add_program(struct buf *out, const char *name, const struct software *program, unsigned variant) {
    uint64_t seed = name_seed(program->file, variant);
    if (!strcmp(name, "FileName"))
        add_text(out, program->file);
    else if (!strcmp(name, "FolderPath"))
        add_path(out, program);
    else if (!strcmp(name, "SHA1"))
        add_hex(out, seed, 40);
    else if (!strcmp(name, "SHA256"))
        add_hex(out, seed + 1, 64);
    else if (!strcmp(name, "MD5"))
        add_hex(out, seed + 2, 32);
    else if (!strcmp(name, "FileSize"))
        buf_printf(out, "%" PRIu64, 100000 + seed % 9000000);
    else if (!strcmp(name, "VersionInfoCompanyName"))
        add_text(out, program->company);
    else if (!strcmp(name, "VersionInfoProductName"))
        add_text(out, program->product);
    else if (!strcmp(name, "VersionInfoFileDescription"))
        add_text(out, program->description);
    else if (!strcmp(name, "VersionInfoProductVersion"))
        buf_printf(out, "\"%s.%u\"", program->version, variant);
    else if (!strcmp(name, "VersionInfoInternalFileName") || !strcmp(name, "VersionInfoOriginalFileName"))
        add_text(out, program->file);
    else
        return false;
    return true;
}

static bool add_account(struct buf *out, const char *name, const struct happening *h) {
    if (!strcmp(name, "AccountDomain"))
        buf_add_str(out, STR("\"corp\""));
    else if (!strcmp(name, "AccountName"))
        add_text(out, h->account);
    else if (!strcmp(name, "AccountUpn"))
        buf_printf(out, "\"%s@corp.example\"", h->account);
    else if (!strcmp(name, "AccountSid"))
        buf_printf(out, "\"S-1-5-21-1004336348-1177238915-682003330-%" PRIu64 "\"", 1000 + name_seed(h->account, 0) % 9000);
    else if (!strcmp(name, "AccountObjectId"))
        add_hex(out, name_seed(h->account, 7), 32);
    else
        return false;
    return true;
}

static bool add_certificate(struct buf *out, const char *name, const struct software *program, unsigned variant) {
    if (!strcmp(name, "Signer") && variant)
        buf_printf(out, "\"%s %u\"", program->signer, variant);
    else if (!strcmp(name, "Signer"))
        add_text(out, program->signer);
    else if (!strcmp(name, "Issuer"))
        add_text(out, program->issuer);
    else if (!strcmp(name, "SignerHash"))
        add_hex(out, name_seed(program->signer, variant + 1), 40);
    else if (!strcmp(name, "IssuerHash"))
        add_hex(out, name_seed(program->issuer, 1), 40);
    else if (!strcmp(name, "CertificateSerialNumber") && variant)
        add_hex(out, name_seed(program->serial, variant), 32);
    else if (!strcmp(name, "CertificateSerialNumber"))
        add_text(out, program->serial);
    else if (!strcmp(name, "SignatureType"))
        buf_add_str(out, STR("\"Embedded\""));
    else if (!strcmp(name, "CrlDistributionPointUrls"))
        buf_add_str(out, STR("\"[]\""));
    else if (!strcmp(name, "CertificateCreationTime"))
        buf_add_str(out, STR("\"2024-02-08T22:32:55Z\""));
    else if (!strcmp(name, "CertificateExpirationTime"))
        buf_add_str(out, STR("\"2028-02-01T22:12:15Z\""));
    else
        return false;
    return true;
}

static bool add_identity(struct buf *out, const char *name, const struct happening *h) {
    if (!strcmp(name, "Timestamp"))
        json_add_ticks(out, h->ts);
    else if (!strcmp(name, "DeviceId"))
        add_text(out, h->device_id);
    else if (!strcmp(name, "DeviceName"))
        add_text(out, h->device_name);
    else if (!strcmp(name, "MachineGroup"))
        add_text(out, h->group);
    else if (!strcmp(name, "ReportId"))
        json_add_int(out, h->report_id);
    else if (!strcmp(name, "ActionType"))
        add_text(out, h->action);
    else
        return false;
    return true;
}

static bool add_other(struct buf *out, const char *name, const struct happening *h) {
    if (!strcmp(name, "RemoteUrl"))
        add_text(out, h->program->url);
    else if (!strcmp(name, "RemoteIP") || !strcmp(name, "PublicIP"))
        buf_printf(out, "\"203.0.113.%u\"", (unsigned)(h->salt % 250 + 1));
    else if (!strcmp(name, "LocalIP"))
        buf_printf(out, "\"10.%u.%u.%u\"", h->device / 250 % 250, h->device % 250, 20u);
    else if (!strcmp(name, "RemotePort"))
        buf_add_str(out, STR("443"));
    else if (!strcmp(name, "Protocol"))
        buf_add_str(out, STR("\"Tcp\""));
    else if (!strcmp(name, "ProcessCommandLine"))
        add_command(out, h->program, h->salt);
    else if (!strcmp(name, "InitiatingProcessCommandLine"))
        add_command(out, strcmp(h->table->name, "DeviceNetworkEvents") ? h->parent : h->program, h->salt >> 8);
    else if (!strcmp(name, "InitiatingProcessParentFileName"))
        buf_add_str(out, STR("\"explorer.exe\""));
    else if (!strcmp(name, "ProcessCreationTime") || !strcmp(name, "InitiatingProcessCreationTime"))
        json_add_ticks(out, h->ts - (int64_t)(h->salt % 600) * TICKS_SECOND);
    else if (!strcmp(name, "RegistryKey"))
        buf_add_str(out, STR("\"HKEY_LOCAL_MACHINE\\\\SOFTWARE\\\\Microsoft\\\\Windows\\\\CurrentVersion\\\\Run\""));
    else if (!strcmp(name, "RegistryValueName"))
        add_text(out, h->program->product);
    else if (!strcmp(name, "LogonType"))
        buf_add_str(out, STR("\"Interactive\""));
    else if (!strcmp(name, "OSPlatform"))
        buf_add_str(out, STR("\"Windows11\""));
    else if (!strcmp(name, "NetworkAdapterName") || !strcmp(name, "MacAddress"))
        add_hex(out, h->device * 7u + 3, 12);
    else if (!strcmp(name, "AdditionalFields"))
        buf_add_str(out, STR("\"{}\""));
    else
        return false;
    return true;
}

static void add_default(struct buf *out, const struct schema_column *column, uint64_t salt) {
    switch (column->type) {
    case KQL_LONG:
    case KQL_INT: buf_printf(out, "%u", (unsigned)(salt >> 16) % 60000); break;
    case KQL_BOOL: buf_add_str(out, STR("true")); break;
    case KQL_DATETIME: buf_add_str(out, STR("null")); break;
    case KQL_STRING:
    case KQL_TIMESPAN:
    case KQL_REAL:
    case KQL_DECIMAL:
    case KQL_GUID:
    case KQL_DYNAMIC: buf_add_str(out, STR("\"\"")); break;
    }
}

/* A certificate is of the program's file; a connection is made by the program itself. */
static void add_column(struct buf *out, const struct schema_column *column, const struct happening *h) {
    bool network = !strcmp(h->table->name, "DeviceNetworkEvents");
    const struct software *initiating = network ? h->program : h->parent;
    unsigned initiating_variant = network ? h->variant : 0;
    const char *name = column->name;
    if (add_identity(out, name, h) || add_other(out, name, h))
        return;
    if (!strncmp(name, "InitiatingProcess", 17)) {
        if (!add_program(out, name + 17, initiating, initiating_variant) && !add_account(out, name + 17, h))
            add_default(out, column, h->salt);
        return;
    }
    const char *rest = strncmp(name, "ProcessVersionInfo", 18) ? name : name + 7;
    if (!add_certificate(out, rest, h->program, h->variant) && !add_program(out, rest, h->program, h->variant) &&
        !add_account(out, rest, h))
        add_default(out, column, h->salt);
}

void estate_add_properties(struct buf *out, const struct happening *h) {
    for (size_t c = 0; c < h->table->column_count; c++) {
        buf_add_char(out, c ? ',' : '{');
        buf_add_char(out, '"');
        buf_add_str(out, str_from(h->table->columns[c].name));
        buf_add_str(out, STR("\":"));
        add_column(out, &h->table->columns[c], h);
    }
    buf_add_char(out, '}');
}

void estate_add_line(struct buf *out, const struct schema_table *table, struct str properties, int64_t ts,
                     int64_t received) {
    buf_add_str(out, STR("{\"time\":"));
    json_add_ticks(out, received);
    buf_add_str(out, STR(",\"tenantId\":\"5f3a9a1e-6f0e-4c6e-9b59-4f2f8f5d1c11\",\"operationName\":\"Publish\","
                         "\"category\":\"AdvancedHunting-"));
    buf_add_str(out, str_from(table->name));
    buf_add_str(out, STR("\",\"_TimeReceivedBySvc\":"));
    json_add_ticks(out, ts + 9 * TICKS_SECOND);
    buf_add_str(out, STR(",\"Tenant\":\"DefaultTenant\",\"properties\":"));
    buf_add_str(out, properties);
    buf_add_str(out, STR("}\n"));
}
