/* trovectl_reject.c - rejected events: listed, shown, written or sent again. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/text.h"
#include "dataplane/story_reject.h"
#include "dataplane/trovectl_files.h"

#define LIST_LIMIT    "20"
#define REDRIVE_LIMIT "10000"
#define LIST_WIDTH    90u  /* bytes shown in a list */
#define CARET_WIDTH   100u /* and on the caret's line */

/* ---- asking ---- */

static int read_rejects(struct trovectl *ctl, const struct reject_request *asked, json_t **rejects)
{
    struct reject_request request = *asked;
    struct trovectl_files files;
    char error[512];
    enum story_result result = STORY_FAULT;
    request.store = &files.store;
    request.key = &files.key;
    if (trovectl_files_open(ctl, &files, error))
        result = reject_tell(&request, rejects, error);
    trovectl_files_close(&files);
    return trovectl_files_told(ctl, result, "trovectl rejects list", error);
}

static bool limit_read(const char *text, uint32_t *limit)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    *limit = (uint32_t)value;
    return *text >= '0' && *text <= '9' && !*end && value >= 1 && value <= REJECT_SHOWN_MAX;
}

/* fetch gets the rejects that the options name. */
static int fetch(struct trovectl *ctl, const char *seq, const char *limit, bool whole,
                 json_t **rejects)
{
    char path[512] = "/v1/rejects";
    struct reject_request request = {.reason = ctl->reason, .one = seq, .whole = whole};
    if (seq && !reject_seq_parse(seq, &request.partition, &request.seq))
        return trovectl_fail(ctl, TROVECTL_USAGE, "usage", "trovectl rejects list",
                             "a sequence is written like 17:4211, not '%s'", seq);
    if (!limit_read(ctl->limit ? ctl->limit : limit, &request.limit))
        return trovectl_fail(ctl, TROVECTL_USAGE, "usage", "trovectl rejects list",
                             "--limit is 1 to %u", REJECT_SHOWN_MAX);
    if (ctl->data_dir)
        return read_rejects(ctl, &request, rejects);
    trovectl_query(path, sizeof path, "limit", ctl->limit ? ctl->limit : limit);
    if (ctl->reason)
        trovectl_query(path, sizeof path, "reason", ctl->reason);
    if (seq)
        trovectl_query(path, sizeof path, "seq", seq);
    if (whole)
        trovectl_query(path, sizeof path, "whole", "1");
    struct trovectl_request call = {.method = "GET", .path = path};
    return trovectl_call(ctl, &call, rejects);
}

/* ---- showing ---- */

void trovectl_print_rejects(const json_t *rejects, FILE *out)
{
    const char *reason;
    json_t *count;
    const json_t *one;
    size_t i;
    fprintf(out, "%llu rejected events in the journal",
            (unsigned long long)field_count(rejects, "total"));
    json_object_foreach(json_object_get(rejects, "by_reason"), reason, count)
        fprintf(out, "  %s %lld", reason, (long long)json_integer_value(count));
    fputc('\n', out);
    json_array_foreach(json_object_get(rejects, "rejects"), i, one)
    {
        fprintf(out, "%-12s %-27s  %-14s at %-4llu ", field_text(one, "seq"),
                field_text(one, "received"), field_text(one, "reason"),
                (unsigned long long)field_count(one, "offset"));
        field_print(one, "text", LIST_WIDTH, out);
        fputc('\n', out);
    }
}

/* bytes_of decodes a letter's bytes, the caller's to free. */
static uint8_t *bytes_of(const json_t *reject, size_t *len)
{
    const char *hex = json_string_value(json_object_get(reject, "hex"));
    size_t digits = hex ? strlen(hex) : 0;
    uint8_t *bytes = malloc(digits / 2 + 1);
    *len = 0;
    for (size_t i = 0; bytes && i + 1 < digits; i += 2) {
        int high = text_hex_digit((uint8_t)hex[i]), low = text_hex_digit((uint8_t)hex[i + 1]);
        if (high < 0 || low < 0)
            break;
        bytes[(*len)++] = (uint8_t)(high << 4 | low);
    }
    return bytes;
}

void trovectl_print_reject(const json_t *reject, FILE *out)
{
    size_t len, offset = field_count(reject, "offset");
    uint8_t *bytes = bytes_of(reject, &len);
    fprintf(out, "%s  %s  %s at byte %zu of %zu: %s\n", field_text(reject, "seq"),
            field_text(reject, "received"), field_text(reject, "reason"), offset, len,
            field_text(reject, "help"));
    if (offset > len)
        offset = len;
    size_t from = offset > CARET_WIDTH / 2 ? offset - CARET_WIDTH / 2 : 0;
    size_t to = len - from > CARET_WIDTH ? from + CARET_WIDTH : len;
    fputs(from ? "..." : "", out);
    for (size_t i = from; bytes && i < to; i++)
        fputc(bytes[i] >= 0x20 && bytes[i] < 0x7f ? bytes[i] : '.', out);
    fputs(to < len ? "...\n" : "\n", out);
    fprintf(out, "%*s^\n", (int)(offset - from + (from ? 3 : 0)), "");
    free(bytes);
}

int trovectl_rejects_list(struct trovectl *ctl)
{
    json_t *rejects = NULL;
    int code = fetch(ctl, NULL, LIST_LIMIT, false, &rejects);
    if (!code)
        trovectl_show(ctl, rejects, trovectl_print_rejects);
    json_decref(rejects);
    return code;
}

int trovectl_rejects_show(struct trovectl *ctl)
{
    json_t *rejects = NULL;
    int code = fetch(ctl, ctl->file, "1", true, &rejects);
    const json_t *one = json_array_get(json_object_get(rejects, "rejects"), 0);
    if (!code)
        trovectl_show(ctl, one, trovectl_print_reject);
    json_decref(rejects);
    return code;
}

/* ---- again ---- */

/* udp_open connects to ADDR:PORT, [ADDR]:PORT for IPv6; -1 when it is no such address. */
static int udp_open(const char *to)
{
    char host[128];
    struct addrinfo *found = NULL;
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICHOST};
    const char *colon = strrchr(to, ':');
    if (!colon || (size_t)(colon - to) >= sizeof host)
        return -1;
    bool boxed = *to == '[' && colon > to && colon[-1] == ']';
    snprintf(host, sizeof host, "%.*s", (int)(colon - to) - 2 * boxed, to + boxed);
    if (getaddrinfo(host, colon + 1, &hints, &found))
        return -1;
    int fd = socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen)) {
        close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    return fd;
}

struct redrive {
    int fd; /* -1: to out */
    FILE *out;
    uint64_t written, failed;
};

/* A line break would part the event in two; between tokens a space means the same, and within a
 * string neither is JSON. */
static void drive(struct redrive *redrive, uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (bytes[i] == '\n' || bytes[i] == '\r')
            bytes[i] = ' ';
    bool done;
    if (redrive->fd < 0) {
        done = fwrite(bytes, 1, len, redrive->out) == len && fputc('\n', redrive->out) != EOF;
    } else {
        done = send(redrive->fd, bytes, len, 0) == (ssize_t)len;
        nanosleep(&(struct timespec){.tv_nsec = 100 * (long)NS_PER_US}, NULL);
    }
    redrive->written += done;
    redrive->failed += !done;
}

/* The oldest go first, as they came. */
static void drive_all(struct redrive *redrive, const json_t *list)
{
    for (size_t i = json_array_size(list); i-- > 0;) {
        size_t len;
        uint8_t *bytes = bytes_of(json_array_get(list, i), &len);
        if (bytes)
            drive(redrive, bytes, len);
        free(bytes);
    }
}

int trovectl_rejects_redrive(struct trovectl *ctl)
{
    struct redrive redrive = {.fd = -1, .out = ctl->out};
    json_t *rejects = NULL;
    if (ctl->to && (redrive.fd = udp_open(ctl->to)) < 0)
        return trovectl_fail(ctl, TROVECTL_USAGE, "usage", "trovectl help",
                             "--to is an address and a port such as 192.0.2.1:7001, not '%s'",
                             ctl->to);
    int code = fetch(ctl, ctl->seq, REDRIVE_LIMIT, true, &rejects);
    const json_t *list = json_object_get(rejects, "rejects");
    if (!code && ctl->json && !ctl->to)
        trovectl_print_json(rejects, ctl->out);
    else if (!code)
        drive_all(&redrive, list);
    uint64_t matched = field_count(rejects, "matched");
    if (!code && ctl->json && ctl->to)
        fprintf(ctl->out, "{\n  \"sent\": %llu,\n  \"failed\": %llu,\n  \"matched\": %llu\n}\n",
                (unsigned long long)redrive.written, (unsigned long long)redrive.failed,
                (unsigned long long)matched);
    if (!code && !ctl->json)
        fprintf(ctl->err, "%s %llu of %llu rejected events, %llu failed\n",
                ctl->to ? "sent" : "wrote", (unsigned long long)redrive.written,
                (unsigned long long)matched, (unsigned long long)redrive.failed);
    if (redrive.fd >= 0)
        close(redrive.fd);
    json_decref(rejects);
    return code ? code : redrive.failed ? TROVECTL_FAILED : TROVECTL_OK;
}
