#include "hunts/webhook_send.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "hunts/webhook_address.h"

enum { TIMEOUT_S = 15, ANSWER_CAP = 64 * 1024, URL_CAP = 2048, IDLE_CONNECTIONS = 32 };
#define REFUSED "webhooks may not reach; RMMHUNT_WEBHOOK_PRIVATE=yes allows private addresses"

struct webhook_sender {
    CURLM *multi;
    bool private_allowed;
    struct transfer *transfers;
    int active;
};

struct transfer {
    struct transfer *next, *previous;
    struct webhook_sender *sender;
    CURL *easy;
    struct curl_slist *headers;
    void *tag;
    size_t received;
    char refused[INET6_ADDRSTRLEN]; /* an address that wasn't connected to, or "" */
    char error[CURL_ERROR_SIZE];
};

static void transfer_free(struct transfer *transfer) {
    struct webhook_sender *sender = transfer->sender;
    if (transfer->previous)
        transfer->previous->next = transfer->next;
    else if (sender->transfers == transfer)
        sender->transfers = transfer->next;
    if (transfer->next)
        transfer->next->previous = transfer->previous;
    if (transfer->easy)
        curl_multi_remove_handle(sender->multi, transfer->easy);
    curl_easy_cleanup(transfer->easy);
    curl_slist_free_all(transfer->headers);
    sender->active--;
    free(transfer);
}

/* An answer's body says nothing to us; one that goes on and on is cut. */
static size_t body_drop(char *bytes, size_t size, size_t count, void *context) {
    struct transfer *transfer = context;
    (void)bytes;
    transfer->received += size * count;
    return transfer->received > ANSWER_CAP ? 0 : size * count;
}

static void address_text(const struct sockaddr *address, char out[INET6_ADDRSTRLEN]) {
    struct sockaddr_in four;
    struct sockaddr_in6 six;
    snprintf(out, INET6_ADDRSTRLEN, "address of a family");
    if (address->sa_family == AF_INET) {
        memcpy(&four, address, sizeof four);
        inet_ntop(AF_INET, &four.sin_addr, out, INET6_ADDRSTRLEN);
    } else if (address->sa_family == AF_INET6) {
        memcpy(&six, address, sizeof six);
        inet_ntop(AF_INET6, &six.sin6_addr, out, INET6_ADDRSTRLEN);
    }
}

static curl_socket_t socket_open(void *context, curlsocktype purpose, struct curl_sockaddr *address) {
    struct transfer *transfer = context;
    if (purpose != CURLSOCKTYPE_IPCXN)
        return CURL_SOCKET_BAD;
    if (!transfer->sender->private_allowed && !webhook_address_public(&address->addr)) {
        address_text(&address->addr, transfer->refused);
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

__attribute__((format(printf, 2, 3))) static bool header_add(struct transfer *transfer, const char *format, ...) {
    char line[512];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    struct curl_slist *longer =
        length > 0 && length < (int)sizeof line ? curl_slist_append(transfer->headers, line) : NULL;
    if (longer)
        transfer->headers = longer;
    return longer != NULL;
}

static bool headers_make(struct transfer *transfer, const struct webhook_message *message) {
    return header_add(transfer, "Content-Type: application/json") && header_add(transfer, "Expect:") &&
           header_add(transfer, "webhook-id: %.*s", STR_ARG(message->id)) &&
           header_add(transfer, "webhook-timestamp: %" PRId64, message->timestamp) &&
           header_add(transfer, "webhook-signature: %.*s", STR_ARG(message->signature));
}

/* All that decides where a request may go is set here. */
static bool limits_set(struct transfer *transfer) {
    CURL *easy = transfer->easy;
    return !curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") &&
           !curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) && !curl_easy_setopt(easy, CURLOPT_PROXY, "") &&
           !curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) &&
           !curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, socket_open) &&
           !curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer) &&
           !curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) &&
           !curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)TIMEOUT_S) && !curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) &&
           !curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* a resolver that hangs is left behind */
}

static bool request_set(struct transfer *transfer, const struct webhook_message *message) {
    CURL *easy = transfer->easy;
    char url[URL_CAP + 1];
    if (message->url.len > URL_CAP)
        return false;
    snprintf(url, sizeof url, "%.*s", STR_ARG(message->url));
    return !curl_easy_setopt(easy, CURLOPT_URL, url) && !curl_easy_setopt(easy, CURLOPT_USERAGENT, "rmmhunt") &&
           !curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)message->body.len) &&
           !curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, message->body.ptr) &&
           !curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers) &&
           !curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, body_drop) &&
           !curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer) &&
           !curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error) &&
           !curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
}

bool webhook_sender_start(struct webhook_sender *sender, const struct webhook_message *message, void *tag,
                          struct err *err) {
    struct transfer *transfer = calloc(1, sizeof *transfer);
    if (!transfer)
        return err_memory(err);
    transfer->sender = sender;
    transfer->tag = tag;
    transfer->easy = curl_easy_init();
    transfer->next = sender->transfers;
    if (transfer->next)
        transfer->next->previous = transfer;
    sender->transfers = transfer;
    sender->active++;
    if (transfer->easy && headers_make(transfer, message) && limits_set(transfer) && request_set(transfer, message) &&
        !curl_multi_add_handle(sender->multi, transfer->easy))
        return true;
    transfer_free(transfer);
    return err_memory(err);
}

void webhook_sender_wait(struct webhook_sender *sender, int timeout_ms) {
    int running;
    curl_multi_perform(sender->multi, &running);
    if (running < sender->active)
        return; /* something has ended */
    curl_multi_poll(sender->multi, NULL, 0, timeout_ms, NULL);
    curl_multi_perform(sender->multi, &running);
}

static void result_read(struct transfer *transfer, CURLcode code, struct webhook_result *result) {
    curl_off_t retry_after = 0;
    bool cut_by_us = code == CURLE_WRITE_ERROR && transfer->received > ANSWER_CAP;
    *result = (struct webhook_result){.tag = transfer->tag, .refused = transfer->refused[0] && code};
    if (code && !cut_by_us) {
        if (result->refused)
            snprintf(result->error, sizeof result->error, "%s is an address that " REFUSED, transfer->refused);
        else
            snprintf(result->error, sizeof result->error, "%s",
                     transfer->error[0] ? transfer->error : curl_easy_strerror(code));
        return;
    }
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &result->status);
    curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &retry_after);
    result->retry_after_s = (long)retry_after;
}

bool webhook_sender_next(struct webhook_sender *sender, struct webhook_result *result) {
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(sender->multi, &left)) != NULL) {
        struct transfer *transfer = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
        result_read(transfer, message->data.result, result);
        transfer_free(transfer);
        return true;
    }
    return false;
}

void *webhook_sender_cut(struct webhook_sender *sender) {
    struct transfer *transfer = sender->transfers;
    void *tag = transfer ? transfer->tag : NULL;
    if (transfer)
        transfer_free(transfer);
    return tag;
}

void webhook_sender_wake(struct webhook_sender *sender) {
    curl_multi_wakeup(sender->multi);
}

struct webhook_sender *webhook_sender_open(bool private_allowed, struct err *err) {
    struct webhook_sender *sender = calloc(1, sizeof *sender);
    if (sender && !curl_global_init(CURL_GLOBAL_ALL)) {
        sender->private_allowed = private_allowed;
        sender->multi = curl_multi_init();
        if (sender->multi) {
            curl_multi_setopt(sender->multi, CURLMOPT_MAXCONNECTS, (long)IDLE_CONNECTIONS);
            return sender;
        }
        curl_global_cleanup();
    }
    free(sender);
    err_memory(err);
    return NULL;
}

void webhook_sender_close(struct webhook_sender *sender) {
    if (!sender)
        return;
    while (webhook_sender_cut(sender)) {
    }
    curl_multi_cleanup(sender->multi);
    curl_global_cleanup();
    free(sender);
}

/* A host that is an address itself: told at once rather than at the first attempt. */
static bool host_check(const char *host, struct err *err) {
    struct sockaddr_in four = {.sin_family = AF_INET};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    char bare[INET6_ADDRSTRLEN + 2];
    size_t length = strlen(host);
    bool bracketed = length > 2 && host[0] == '[';
    snprintf(bare, sizeof bare, "%.*s", (int)(bracketed ? length - 2 : length), bracketed ? host + 1 : host);
    bool closed =
        (inet_pton(AF_INET, bare, &four.sin_addr) == 1 && !webhook_address_public((struct sockaddr *)&four)) ||
        (inet_pton(AF_INET6, bare, &six.sin6_addr) == 1 && !webhook_address_public((struct sockaddr *)&six));
    return !closed || err_set(err, ERR_BAD_REQUEST, "%s is an address that " REFUSED, bare);
}

static bool parts_check(CURLU *parts, bool private_allowed, struct err *err) {
    char *scheme = NULL, *user = NULL, *password = NULL, *host = NULL, *port = NULL, *fragment = NULL;
    curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0);
    curl_url_get(parts, CURLUPART_USER, &user, 0);
    curl_url_get(parts, CURLUPART_PASSWORD, &password, 0);
    curl_url_get(parts, CURLUPART_HOST, &host, 0);
    curl_url_get(parts, CURLUPART_PORT, &port, 0);
    curl_url_get(parts, CURLUPART_FRAGMENT, &fragment, 0);
    bool ok = true;
    if (!scheme || (strcmp(scheme, "https") != 0 && strcmp(scheme, "http") != 0))
        ok = err_set(err, ERR_BAD_REQUEST, "url must start with https:// or http://");
    else if (user || password)
        ok = err_set(err, ERR_BAD_REQUEST, "url must not hold a user or password");
    else if (!host || !host[0])
        ok = err_set(err, ERR_BAD_REQUEST, "url has no host");
    else if (port && strcmp(port, "0") == 0)
        ok = err_set(err, ERR_BAD_REQUEST, "url has port 0, which nothing listens on");
    else if (fragment)
        ok = err_set(err, ERR_BAD_REQUEST, "url has a #fragment, which would never be sent");
    else if (!private_allowed)
        ok = host_check(host, err);
    curl_free(scheme);
    curl_free(user);
    curl_free(password);
    curl_free(host);
    curl_free(port);
    curl_free(fragment);
    return ok;
}

bool webhook_url_check(struct str url, bool private_allowed, struct err *err) {
    char text[URL_CAP + 1];
    if (url.len > URL_CAP)
        return err_set(err, ERR_BAD_REQUEST, "url is longer than %d bytes", URL_CAP);
    snprintf(text, sizeof text, "%.*s", STR_ARG(url));
    CURLU *parts = curl_url();
    if (!parts)
        return err_memory(err);
    bool ok = strlen(text) == url.len && !curl_url_set(parts, CURLUPART_URL, text, 0);
    ok = ok ? parts_check(parts, private_allowed, err)
            : err_set(err, ERR_BAD_REQUEST, "url is not a URL such as https://soar.example/hooks/rmm");
    curl_url_cleanup(parts);
    return ok;
}
