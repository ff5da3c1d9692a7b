/* s3.c - requests and what their answers mean. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dataplane/base/clock.h"
#include "sinks/fault.h"
#include "sinks/s3_call.h"
#include "sinks/s3_credentials.h"
#include "sinks/s3_xml.h"

#define URL_MAX          (4096u + S3_KEY_MAX)
#define HEADERS_MAX      10
#define HEADER_MAX       (S3_CREDENTIALS_MAX + 64)
#define BYTES_A_SECOND   (64u << 10)
#define RETRY_MAX_S      300u
#define SKEW_TOLERATED_S 300

struct s3 *s3_new(const struct s3_target *target)
{
    struct s3 *s3 = calloc(1, sizeof *s3);
    if (!s3)
        return NULL;
    s3->target = *target;
    s3->client = http_client_new();
    s3->sha = sha256_new();
    if (s3->client && s3->sha)
        return s3;
    s3_free(s3);
    return NULL;
}

void s3_free(struct s3 *s3)
{
    if (!s3)
        return;
    http_client_free(s3->client);
    sha256_free(s3->sha);
    free(s3);
}

const char *s3_error(const struct s3 *s3)
{
    return s3->error;
}

uint64_t s3_retry_after(const struct s3 *s3)
{
    return s3->retry_after_ns;
}

int s3_fail(struct s3 *s3, int rc, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(s3->error, sizeof s3->error, format, args);
    va_end(args);
    fault_clean(s3->error);
    return rc;
}

bool s3_encode(const char *text, char *out, size_t room)
{
    size_t at = 0;
    for (; *text; text++) {
        bool plain = isalnum((unsigned char)*text) || strchr("-._~", *text);
        int len = at + 4 > room
                      ? -1
                      : snprintf(out + at, 4, plain ? "%c" : "%%%02X", (unsigned char)*text);
        if (len < 0)
            return false;
        at += (size_t)len;
    }
    if (room)
        out[at] = '\0';
    return room > 0;
}

/* ---- a request ---- */

/* The headers of a request, and their texts. */
struct headers {
    unsigned count;
    const char *at[HEADERS_MAX + 1];
    char text[HEADERS_MAX][128];
    char token[HEADER_MAX];
};

static __attribute__((format(printf, 2, 3))) void add(struct headers *headers, const char *format,
                                                      ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(headers->text[headers->count], sizeof headers->text[0], format, args);
    va_end(args);
    headers->at[headers->count] = headers->text[headers->count];
    headers->count++;
}

static int make_headers(struct s3 *s3, const struct s3_request *request, const char *token,
                        struct headers *headers)
{
    char hex[SHA256_HEX];
    sha256_reset(s3->sha);
    sha256_update(s3->sha, request->body ? request->body : "", request->len);
    if (sha256_final(s3->sha, hex))
        return s3_fail(s3, -ENOMEM, "no memory to sign");
    add(headers, "x-amz-content-sha256: %s", hex);
    if (strcmp(request->method, "GET") != 0 && strcmp(request->method, "HEAD") != 0)
        add(headers, "Content-Type: application/octet-stream");
    if (request->create)
        add(headers, "If-None-Match: *");
    if (request->range)
        add(headers, "%s", request->range);
    if (request->meta && request->meta->sha256[0]) {
        add(headers, "x-amz-meta-trove-last: %" PRIu64, request->meta->last);
        add(headers, "x-amz-meta-trove-sha256: %s", request->meta->sha256);
    }
    if (*token) {
        snprintf(headers->token, sizeof headers->token, "x-amz-security-token: %s", token);
        headers->at[headers->count++] = headers->token;
    }
    headers->at[headers->count] = NULL;
    return 0;
}

static int send_signed(struct s3 *s3, const struct s3_request *request,
                       const struct s3_credentials *credentials)
{
    const struct s3_target *target = &s3->target;
    struct headers headers = {0};
    char url[URL_MAX], sign[128];
    size_t moved = request->len + request->answer_max;
    int len = snprintf(url, sizeof url, "%s/%s%s%s%s%s", target->endpoint, target->bucket,
                       *request->key ? "/" : "", request->key, *request->query ? "?" : "",
                       request->query);
    if (len >= (int)sizeof url)
        return s3_fail(s3, -ENAMETOOLONG, "%.120s: the name is too long", request->key);
    snprintf(sign, sizeof sign, "aws:amz:%.64s:s3", target->region);
    int rc = make_headers(s3, request, credentials->token, &headers);
    if (rc)
        return rc;
    const struct http_request http = {
        .method = request->method,
        .url = url,
        .headers = headers.at,
        .body = request->body,
        .body_len = request->len,
        .answer_max = request->answer_max ? request->answer_max : S3_ANSWER_MAX,
        .timeout_ns = target->timeout_ns + moved / BYTES_A_SECOND * NS_PER_S,
        .cancel = target->cancel,
        .sign = sign,
        .key = credentials->text,
        .ca_file = target->tls ? target->tls->ca_file : NULL,
        .cert_file = target->tls ? target->tls->cert_file : NULL,
        .key_file = target->tls ? target->tls->key_file : NULL,
    };
    rc = http_client_call(s3->client, &http, &s3->answer);
    explicit_bzero(headers.token, sizeof headers.token);
    if (!rc)
        return 0;
    return s3_fail(s3, rc, "%.100s: %.140s", target->endpoint, http_client_error(s3->client));
}

/* ---- its answer ---- */

static int errno_of(int status)
{
    switch (status) {
    case 403:
        return -EACCES;
    case 404:
        return -ENOENT;
    case 412:
        return -EEXIST;
    default:
        return -EREMOTEIO;
    }
}

/* A signature is good for some minutes around the server's time. */
static bool fail_skewed(struct s3 *s3)
{
    int64_t ahead = s3->answer.date_s ? (int64_t)time(NULL) - s3->answer.date_s : 0;
    if (ahead <= SKEW_TOLERATED_S && ahead >= -SKEW_TOLERATED_S)
        return false;
    s3_fail(s3, 0,
            "%.100s: status 403: the clock of this host is %" PRId64 " s %s the server's; mend it",
            s3->target.endpoint, ahead > 0 ? ahead : -ahead, ahead > 0 ? "ahead of" : "behind");
    return true;
}

static int judge(struct s3 *s3, const struct s3_request *request)
{
    const struct http_answer *answer = &s3->answer;
    char code[64] = "", message[128] = "";
    if (answer->status >= 200 && answer->status < 300)
        return 0;
    uint64_t wait = answer->retry_after_s < RETRY_MAX_S ? answer->retry_after_s : RETRY_MAX_S;
    s3->retry_after_ns = wait * NS_PER_S;
    if (answer->status == 403 && fail_skewed(s3))
        return -EACCES;
    if (answer->len) {
        s3_xml_find(answer->text, answer->len, "Code", code, sizeof code);
        s3_xml_find(answer->text, answer->len, "Message", message, sizeof message);
    }
    return s3_fail(s3, errno_of(answer->status), "%s %.100s: status %d%s%.40s%s%.60s",
                   request->method, *request->key ? request->key : s3->target.bucket,
                   answer->status, *code ? " " : "", code, *message ? ": " : "", message);
}

int s3_call(struct s3 *s3, const struct s3_request *request)
{
    struct s3_credentials credentials;
    s3->retry_after_ns = 0;
    int rc = s3_credentials_read(s3->target.credentials, &credentials);
    if (rc)
        return s3_fail(s3, rc, "credentials %.150s: %s", s3->target.credentials,
                       rc == -EINVAL ? "its first two lines are the access key's id and the secret"
                                     : strerror(-rc));
    rc = send_signed(s3, request, &credentials);
    s3_credentials_wipe(&credentials);
    return rc ? rc : judge(s3, request);
}

/* ---- objects ---- */

int s3_put(struct s3 *s3, const char *key, const struct s3_meta *meta, const char *body, size_t len)
{
    return s3_call(s3, &(struct s3_request){.method = "PUT",
                                            .key = key,
                                            .query = "",
                                            .meta = meta,
                                            .create = true,
                                            .body = body,
                                            .len = len});
}

int s3_head(struct s3 *s3, const char *key, struct s3_meta *meta)
{
    *meta = (struct s3_meta){0};
    int rc = s3_call(s3, &(struct s3_request){.method = "HEAD", .key = key, .query = ""});
    if (rc)
        return rc;
    const char *last = http_client_header(s3->client, "x-amz-meta-trove-last");
    meta->last = last ? strtoull(last, NULL, 10) : 0;
    const char *sha256 = http_client_header(s3->client, "x-amz-meta-trove-sha256");
    if (sha256 && strlen(sha256) == SHA256_HEX - 1)
        memcpy(meta->sha256, sha256, SHA256_HEX);
    return 0;
}

int s3_get(struct s3 *s3, const char *key, uint64_t offset, char *buffer, size_t room, size_t *len)
{
    char range[80];
    *len = 0;
    snprintf(range, sizeof range, "Range: bytes=%" PRIu64 "-%" PRIu64, offset, offset + room - 1);
    int rc = s3_call(s3, &(struct s3_request){.method = "GET",
                                              .key = key,
                                              .query = "",
                                              .range = range,
                                              .answer_max = room > 65536 ? room : 65536});
    if (rc == -EREMOTEIO && s3->answer.status == 416)
        return 0;
    if (rc)
        return rc;
    if (s3->answer.len > room || s3->answer.status != 206)
        return s3_fail(s3, -EBADMSG, "GET %.120s: status %d, and not the range that was asked for",
                       key, s3->answer.status);
    memcpy(buffer, s3->answer.text, s3->answer.len);
    *len = s3->answer.len;
    return 0;
}
