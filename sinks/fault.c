/* fault.c - faults as text. */
#include "sinks/fault.h"

#include <stdarg.h>
#include <stdio.h>

int fault_say(struct sink_fault *fault, int rc, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(fault->text, sizeof fault->text, format, args);
    va_end(args);
    fault_clean(fault->text);
    return rc;
}

void fault_clean(char *text)
{
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
}
