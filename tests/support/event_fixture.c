#include "tests/support/event_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

void event_add_properties(struct buf *out, const char *device, unsigned second, const char *report,
                          const char *signer) {
    buf_printf(
        out,
        "{\"DeviceId\":\"%s\",\"DeviceName\":\"%s.example\",\"ReportId\":%s,\"SHA1\":\"%040u\",\"IsSigned\":true,"
        "\"Signer\":\"%s\",\"CertificateSerialNumber\":\"0a\",\"CertificateCountersignatureTime\":null,"
        "\"Timestamp\":\"2026-07-18T%02u:%02u:%02u.1234567Z\",\"MachineGroup\":\"main\"}",
        device, device, report, second, signer, second / 3600 % 24, second / 60 % 60, second % 60);
}

void event_add(struct buf *out, const char *device, unsigned second) {
    char report[24];
    snprintf(report, sizeof report, "%u", second + 1);
    buf_add_str(out, STR("{\"time\":\"2026-07-18T17:02:32.3990663Z\",\"tenantId\":\"t\",\"operationName\":\"Publish\","
                         "\"category\":\"" CERTIFICATE "\",\"properties\":"));
    event_add_properties(out, device, second, report, "Example Corp");
    buf_add_char(out, '}');
}

long long events_stored(const char *device) {
    char kql[256];
    snprintf(kql, sizeof kql, "DeviceFileCertificateInfo | where DeviceId == '%s' | count", device);
    return server_query_int(&server_fixture, kql);
}

struct answer events_post(const char *path, const char *type, const char *body, size_t length) {
    return server_expect(&server_fixture, 200,
                         &(struct send){.path = path, .headers = {type}, .body = body, .length = length});
}

void events_check(const struct answer *answer, long long received, long long stored, long long duplicate,
                  long long ignored, long long rejected) {
    const long long expected[] = {received, stored, duplicate, ignored, rejected};
    const char *const names[] = {"received", "stored", "duplicate", "ignored", "rejected"};
    for (size_t i = 0; i < 5; i++)
        if (answer_int(answer, names[i]) != expected[i])
            fail_msg("%s is not %lld: %.2000s", names[i], expected[i], answer->body);
}
