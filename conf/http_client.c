/* http_client.c - libcurl's easy interface, one handle a client. */
#include "conf/http_client.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct http_client {
    CURL *curl;
    char *text;
    size_t len, room, max;
    bool head_whole; /* the answer's head came to its end */
    const _Atomic bool *cancel;
    char error[CURL_ERROR_SIZE];
};

static void global_init(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

struct http_client *http_client_new(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, global_init);
    struct http_client *client = calloc(1, sizeof *client);
    if (!client)
        return NULL;
    client->curl = curl_easy_init();
    if (client->curl)
        return client;
    free(client);
    return NULL;
}

void http_client_free(struct http_client *client)
{
    if (!client)
        return;
    curl_easy_cleanup(client->curl);
    free(client->text);
    free(client);
}

static size_t on_bytes(char *bytes, size_t one, size_t len, void *arg)
{
    struct http_client *client = arg;
    (void)one; /* always 1 */
    if (len > client->max - client->len)
        return 0;
    size_t room = client->room ? client->room : 4096;
    while (room < client->len + len)
        room *= 2;
    if (room > client->room) {
        char *text = realloc(client->text, room);
        if (!text)
            return 0;
        client->text = text;
        client->room = room;
    }
    memcpy(client->text + client->len, bytes, len);
    client->len += len;
    return len;
}

/* libcurl takes a head that the server broke off for one that ended. */
static size_t on_header(char *bytes, size_t one, size_t len, void *arg)
{
    struct http_client *client = arg;
    (void)one; /* always 1 */
    client->head_whole = (len == 2 && bytes[0] == '\r') || (len == 1 && bytes[0] == '\n');
    return len;
}

static int on_progress(void *arg, curl_off_t down, curl_off_t down_now, curl_off_t up,
                       curl_off_t up_now)
{
    const struct http_client *client = arg;
    (void)down, (void)down_now, (void)up, (void)up_now;
    return client->cancel && atomic_load_explicit(client->cancel, memory_order_relaxed);
}

/* errno_of says in errno's terms why a transfer failed. */
static int errno_of(CURL *curl, CURLcode code)
{
    long os = 0;
    switch (code) {
    case CURLE_COULDNT_CONNECT:
        curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &os);
        return os > 0 ? (int)-os : -ECONNREFUSED;
    case CURLE_OPERATION_TIMEDOUT:
        return -ETIMEDOUT;
    case CURLE_ABORTED_BY_CALLBACK:
        return -ECANCELED;
    case CURLE_OUT_OF_MEMORY:
        return -ENOMEM;
    default:
        return -EIO;
    }
}

static struct curl_slist *headers_make(const char *const *lines)
{
    struct curl_slist *headers = curl_slist_append(NULL, "Accept: application/json");
    for (; headers && lines && *lines; lines++) {
        struct curl_slist *more = curl_slist_append(headers, *lines);
        if (!more) {
            curl_slist_free_all(headers);
            return NULL;
        }
        headers = more;
    }
    return headers;
}

static void set_path(CURL *curl, CURLoption option, const char *path)
{
    if (path && *path)
        curl_easy_setopt(curl, option, path);
}

static void set_request(struct http_client *client, const struct http_request *request)
{
    CURL *curl = client->curl;
    curl_easy_reset(curl); /* keeps the connection */
    if (request->unix_path)
        curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, request->unix_path);
    curl_easy_setopt(curl, CURLOPT_URL, request->url);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, request->unix_path ? "http" : "http,https");
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(request->timeout_ns / 1000000));
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->error);
    if (request->sign) {
        curl_easy_setopt(curl, CURLOPT_AWS_SIGV4, request->sign);
        curl_easy_setopt(curl, CURLOPT_USERPWD, request->key);
    }
    set_path(curl, CURLOPT_CAINFO, request->ca_file);
    set_path(curl, CURLOPT_SSLCERT, request->cert_file);
    set_path(curl, CURLOPT_SSLKEY, request->key_file);
    bool head = strcmp(request->method, "HEAD") == 0;
    curl_easy_setopt(curl, CURLOPT_NOBODY, head ? 1L : 0L);
    if (!head && (request->body || strcmp(request->method, "GET") != 0)) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                         (curl_off_t)(request->body ? request->body_len : 0));
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body ? request->body : "");
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, client);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, client);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, client);
}

int http_client_call(struct http_client *client, const struct http_request *request,
                     struct http_answer *answer)
{
    struct curl_slist *headers = headers_make(request->headers);
    if (!headers)
        return -ENOMEM;
    client->len = 0;
    client->max = request->answer_max;
    client->cancel = request->cancel;
    client->error[0] = '\0';
    client->head_whole = false;
    *answer = (struct http_answer){0};
    set_request(client, request);
    curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, headers);
    CURLcode code = curl_easy_perform(client->curl);
    curl_slist_free_all(headers);
    if (code != CURLE_OK) {
        if (!client->error[0])
            strncpy(client->error, curl_easy_strerror(code), sizeof client->error - 1);
        return errno_of(client->curl, code);
    }
    if (!client->head_whole) {
        snprintf(client->error, sizeof client->error, "the answer ends within its head");
        return -EIO;
    }
    long status = 0;
    curl_off_t after = 0;
    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(client->curl, CURLINFO_RETRY_AFTER, &after);
    answer->status = (int)status;
    answer->text = client->text ? client->text : "";
    answer->len = client->len;
    answer->retry_after_s = after > 0 ? (uint64_t)after : 0;
    const char *date = http_client_header(client, "Date");
    time_t date_s = date ? curl_getdate(date, NULL) : -1;
    answer->date_s = date_s > 0 ? date_s : 0;
    return 0;
}

const char *http_client_error(const struct http_client *client)
{
    return client->error;
}

const char *http_client_header(const struct http_client *client, const char *name)
{
    struct curl_header *header;
    if (curl_easy_header(client->curl, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
        return NULL;
    return header->value;
}
