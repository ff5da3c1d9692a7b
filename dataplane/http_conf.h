/* http_conf.h - what listen.http means to TCP and HTTP.
 *
 * What the configuration counts over all connections is shared out among the rx parts: each has an
 * equal share and, where there are several, an eighth more, since a hash spreads connections.
 *
 * Memory:  plain values.  Threads: any.
 */
#pragma once

#include "conf/conf.h"
#include "dataplane/http.h"
#include "dataplane/tcp.h"

/* http_conf_tcp_limits and http_conf_limits return what sizes the memory of one of `parts` rx
 * parts, in [1, 64]. */
struct tcp_limits http_conf_tcp_limits(const struct conf *conf, uint32_t parts);
struct http_limits http_conf_limits(const struct conf *conf, uint32_t parts, uint32_t shard_count);

/* http_conf_settings fills in what a reload may change, from conf; what memory was made for stays
 * as the configuration says that the daemon started with. */
void http_conf_settings(const struct conf *started, const struct conf *conf, uint32_t parts,
                        struct tcp_settings *tcp, struct http_settings *http);
