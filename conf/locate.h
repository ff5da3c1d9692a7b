/* locate.h - where a key of a configuration stands, for `explain`: file, line and the line itself.
 *
 * Found again in the text when somebody asks, so that the configuration itself carries no places
 * for this.
 *
 * Memory:  the tree that is built to look is freed before the call returns.  Threads: any.
 */
#pragma once

#include "conf/conf.h"

/* conf_locate finds the key at a path such as events/lateness, or hunts/spring-26/min_step: an
 * element of a list is named by its `name`.  A hunt that has the key from its template has it
 * there.  When the key is not given, and so has its default, the nearest mapping around it that is
 * given stands for it, and *given is false.  place->file, line, column and source are filled in. */
void conf_locate(const struct conf *conf, const char *path, struct diag *place, bool *given);
