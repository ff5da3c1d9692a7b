/* servers.c - a list of servers, cut at commas and spaces. */
#include "conf/servers.h"

#include <stdio.h>
#include <string.h>

unsigned servers_split(const char *list, char servers[SERVERS_MAX][SERVER_MAX])
{
    static const char between[] = ", ";
    unsigned count = 0;
    for (list += strspn(list, between); *list; list += strspn(list, between)) {
        size_t len = strcspn(list, between);
        if (count < SERVERS_MAX)
            snprintf(servers[count], SERVER_MAX, "%.*s", (int)len, list);
        count++;
        list += len;
    }
    return count;
}
