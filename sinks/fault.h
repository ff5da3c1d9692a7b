/* fault.h - what an operator is told about a sink that failed: text that may hold what a server has
 * said, and so is cleaned before anybody sees it.
 *
 * Memory:  the caller's.  Threads: any, each fault and text by one.
 */
#pragma once

#include "sinks/sink.h"

/* fault_say notes why an operation failed, cut to what the text holds and cleaned; the rest of the
 * fault stays as it is.  Returns rc. */
int fault_say(struct sink_fault *fault, int rc, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* fault_clean turns control characters into '?': a terminal would obey them. */
void fault_clean(char *text);
