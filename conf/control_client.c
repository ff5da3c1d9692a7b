/* control_client.c - the client's side of the control socket, over libcurl. */
#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "conf/control.h"

#define ANSWER_MAX      ((size_t)64 << 20)
#define CALL_TIMEOUT_MS 8000L /* an apply is answered within 5 s */

struct answer_text {
    char *text;
    size_t len;
    size_t room;
};

static size_t on_bytes(char *bytes, size_t one, size_t len, void *arg)
{
    struct answer_text *answer = arg;
    (void)one; /* always 1 */
    if (len > ANSWER_MAX - answer->len)
        return 0;
    size_t room = answer->room ? answer->room : 16384;
    while (room < answer->len + len)
        room *= 2;
    if (room > answer->room) {
        char *text = realloc(answer->text, room);
        if (!text)
            return 0;
        answer->text = text;
        answer->room = room;
    }
    memcpy(answer->text + answer->len, bytes, len);
    answer->len += len;
    return len;
}

static void global_init(void)
{
    curl_global_init(CURL_GLOBAL_NOTHING);
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

static void request_set(CURL *curl, const char *socket_path, const char *url, const char *method,
                        const char *body, size_t body_len)
{
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket_path);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, CALL_TIMEOUT_MS);
    if (body || strcmp(method, "GET") != 0) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)(body ? body_len : 0));
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body ? body : "");
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
}

/* call_perform returns the HTTP status or a negative errno. */
static int call_perform(CURL *curl, struct curl_slist *headers, struct answer_text *answer)
{
    long status = 0;
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    CURLcode code = curl_easy_perform(curl);
    if (code != CURLE_OK)
        return errno_of(curl, code);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    return (int)status;
}

int control_call(const char *socket_path, const char *method, const char *path_and_query,
                 const char *body, size_t body_len, const char *const *lines, json_t **answer)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct answer_text text = {0};
    struct curl_slist *headers = NULL;
    char *url = NULL;
    int result = -ENOMEM;

    *answer = NULL;
    if (strlen(socket_path) >= sizeof((struct sockaddr_un *)0)->sun_path)
        return -ENAMETOOLONG;
    pthread_once(&once, global_init);
    CURL *curl = curl_easy_init();
    if (!curl)
        return -ENOMEM;
    headers = headers_make(lines);
    if (asprintf(&url, "http://trove%s", path_and_query) < 0)
        url = NULL;
    if (headers && url) {
        request_set(curl, socket_path, url, method, body, body_len);
        result = call_perform(curl, headers, &text);
        if (result > 0 && text.len)
            *answer = json_loadb(text.text, text.len, 0, NULL);
    }
    free(url);
    free(text.text);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return result;
}
