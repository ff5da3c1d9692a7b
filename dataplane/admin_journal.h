/* admin_journal.h - what the status says of the journals.
 *
 * Threads: the control thread, and whoever starts and stops troved; they read what the journals'
 * threads write.
 */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "dataplane/topo.h"

/* admin_journals returns an array, one object a shard. */
json_t *admin_journals(const struct topo *topo);

/* admin_packed returns what was compressed since start. */
json_t *admin_packed(const struct topo *topo);

/* admin_journal_state returns journal_failed or disk_full when a journal is that, else `well`. */
const char *admin_journal_state(const struct topo *topo, const char *well);

/* admin_journal_refusing says whether a journal takes nothing: it cannot write, or has begun its
 * reserve. */
bool admin_journal_refusing(const struct topo *topo);

/* admin_journal_warn adds what an operator has to do something about. */
void admin_journal_warn(const struct topo *topo, json_t *warnings);

/* admin_journal_report writes a line for each journal whose state has changed since the last call.
 */
void admin_journal_report(const struct topo *topo, FILE *out);
