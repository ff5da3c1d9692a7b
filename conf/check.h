/* check.h - the rules that tie several keys together, called by the reader behind each set of keys.
 *
 * Threads: the reader's.
 */
#pragma once

#include "conf/reader.h"

void check_member(struct reader *reader, const struct yaml_node *map, void *base);
void check_type(struct reader *reader, const struct yaml_node *map, void *base);
void check_events(struct reader *reader, const struct yaml_node *map, void *base);
void check_hunt(struct reader *reader, const struct yaml_node *map, void *base);
void check_sink(struct reader *reader, const struct yaml_node *map, void *base);
void check_tcp(struct reader *reader, const struct yaml_node *map, void *base);
void check_cors(struct reader *reader, const struct yaml_node *map, void *base);
void check_http_listen(struct reader *reader, const struct yaml_node *map, void *base);
void check_root(struct reader *reader, const struct yaml_node *map, void *base);

/* check_archive checks what is of an s3 sink alone. */
void check_archive(struct reader *reader, const struct yaml_node *map, struct conf_sink *sink);

/* check_login and check_tls look at how a sink of any type shows who it is, and whom it trusts. */
void check_login(struct reader *reader, const struct yaml_node *map, const struct conf_sink *sink);
void check_tls(struct reader *reader, const struct yaml_node *map, const struct conf_sink *sink);

/* check_servers looks at the key `address` where it is several servers, with commas between them.
 */
void check_servers(struct reader *reader, const struct yaml_node *map, const char *servers,
                   const char *example);

/* check_http_event compares listen.http with limits, once both are read. */
void check_http_event(struct reader *reader, const struct yaml_node *root, const struct conf *conf);
