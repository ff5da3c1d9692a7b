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

enum stage { STAGE_DECISION, STAGE_DURABLE, STAGE_RING_WAIT, STAGE_SYNC, STAGE_COUNT };

/* admin_stage_sum sums a stage over all shards into a fresh histogram, the caller's to free; NULL
 * without memory. */
struct histogram *admin_stage_sum(const struct topo *topo, enum stage stage);

/* admin_status says all that GET /v1/status does; the caller's to decref. */
json_t *admin_status(struct topo *topo);

/* admin_metrics answers GET /metrics in Prometheus' text format 0.0.4; admin_healthz GET /healthz:
 * it is alive; admin_readyz GET /readyz: whether this host should get traffic. */
void admin_metrics(void *context, const struct control_request *request,
                   struct control_response *response);
void admin_healthz(void *context, const struct control_request *request,
                   struct control_response *response);
void admin_readyz(void *context, const struct control_request *request,
                  struct control_response *response);

/* admin_lcores answers GET /v1/lcores; admin_lcore_roles says what a core runs. */
void admin_lcores(void *context, const struct control_request *request,
                  struct control_response *response);
const char *admin_lcore_roles(const struct core *core);

/* admin_sinks answers GET /v1/sinks, admin_sink GET /v1/sinks/{name}, admin_sink_change
 * POST /v1/sinks/{name}:pause, :resume, :drain and :skip (prefix routes). */
void admin_sinks(void *context, const struct control_request *request,
                 struct control_response *response);
void admin_sink(void *context, const struct control_request *request,
                struct control_response *response);
void admin_sink_change(void *context, const struct control_request *request,
                       struct control_response *response);
/* admin_sink_list is what the status says of the sinks; admin_sink_warn adds what is not well. */
json_t *admin_sink_list(struct topo *topo);

/* What the publishing of leaderboards says of itself. */
json_t *admin_feed(const struct topo *topo);
void admin_sink_warn(struct topo *topo, json_t *warnings);

/* What the status says of the start, and of checkpoints; admin_checkpoint_warn adds what is not
 * well. */
json_t *admin_recovery_json(const struct topo *topo);
json_t *admin_checkpoint_json(const struct topo *topo);
json_t *admin_retained_json(struct topo *topo);
void admin_checkpoint_warn(const struct topo *topo, json_t *warnings);

/* admin_http_status adds what TCP and HTTP have counted to the status: zeros where the port is 0.
 */
void admin_http_status(const struct topo *topo, json_t *status);

/* admin_leaderboard answers GET /v1/leaderboards/{hunt} (a prefix route). */
void admin_leaderboard(void *context, const struct control_request *request,
                       struct control_response *response);

/* admin_correct answers POST /v1/corrections: Idempotency-Key, ?dry_run=. */
void admin_correct(void *context, const struct control_request *request,
                   struct control_response *response);
