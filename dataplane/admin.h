/* admin.h - the management API's handlers: what the control socket answers about the running
 * daemon.
 *
 * Memory:  none of its own.  Threads: the control socket's thread.
 */
#pragma once

#include "conf/control.h"
#include "dataplane/topo.h"

/* admin_routes is the table for control_start; its context is the struct topo. */
extern const struct control_route admin_routes[];

/* admin_leaderboard answers GET /v1/leaderboards/{hunt} (a prefix route). */
void admin_leaderboard(void *context, const struct control_request *request,
                       struct control_response *response);

/* admin_correct answers POST /v1/corrections: Idempotency-Key, ?dry_run=. */
void admin_correct(void *context, const struct control_request *request,
                   struct control_response *response);
