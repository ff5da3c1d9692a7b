/* admin_story.h - the management API's handlers that read the journal: explain, an event, rejects.
 *
 * They read segment files up to the durable mark and touch no part of the data plane.  The control
 * thread serves one request at a time, so each ends within STORY_WAIT_NS with an answer, be it that
 * the journal is too long for it.
 *
 * Memory:  as story.h, at most STORY_STATE_MAX for a partition's state.  Threads: the control
 * thread.
 */
#pragma once

#include "conf/control.h"

#define STORY_WAIT_NS   5000000000ull
#define STORY_STATE_MAX ((size_t)256 << 20)

/* GET /v1/users/{u}/explain?hunt=   GET /v1/events/{id}   GET
 * /v1/rejects?reason=&limit=&seq=&whole= context is the struct topo. */
void admin_explain(void *context, const struct control_request *request,
                   struct control_response *response);
void admin_event(void *context, const struct control_request *request,
                 struct control_response *response);
void admin_rejects(void *context, const struct control_request *request,
                   struct control_response *response);

/* GET /v1/corrections?user=&limit=   GET /v1/corrections/{id} */
void admin_corrections(void *context, const struct control_request *request,
                       struct control_response *response);
void admin_correction(void *context, const struct control_request *request,
                      struct control_response *response);
