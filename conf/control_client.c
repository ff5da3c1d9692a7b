/* control_client.c - the client's side of the control socket. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "conf/control.h"
#include "conf/http_client.h"

#define ANSWER_MAX      ((size_t)64 << 20)
#define CALL_TIMEOUT_NS (8ull * 1000000000) /* an apply is answered within 5 s */

int control_call(const char *socket_path, const char *method, const char *path_and_query,
                 const char *body, size_t body_len, const char *const *lines, json_t **answer)
{
    struct http_answer said;
    char *url = NULL;

    *answer = NULL;
    if (strlen(socket_path) >= sizeof((struct sockaddr_un *)0)->sun_path)
        return -ENAMETOOLONG;
    struct http_client *client = http_client_new();
    if (!client || asprintf(&url, "http://trove%s", path_and_query) < 0) {
        http_client_free(client);
        return -ENOMEM;
    }
    int rc = http_client_call(client,
                              &(struct http_request){.method = method,
                                                     .url = url,
                                                     .unix_path = socket_path,
                                                     .headers = lines,
                                                     .body = body,
                                                     .body_len = body_len,
                                                     .answer_max = ANSWER_MAX,
                                                     .timeout_ns = CALL_TIMEOUT_NS},
                              &said);
    if (!rc && said.len)
        *answer = json_loadb(said.text, said.len, 0, NULL);
    free(url);
    http_client_free(client);
    return rc ? rc : said.status;
}
