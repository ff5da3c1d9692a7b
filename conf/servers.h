/* servers.h - where several servers of one cluster listen, as a line of the configuration:
 * HOST:PORT or [IPv6]:PORT, with commas or spaces between them.
 *
 * Memory:  the caller's.  Threads: any.
 */
#pragma once

#define SERVERS_MAX 8
#define SERVER_MAX  128 /* with its NUL; what conf_server_parse takes is shorter */

/* servers_split cuts a list into its servers, unchecked.  Returns how many it has: of more than
 * SERVERS_MAX only these are in servers, and one that is too long is cut to a text that
 * conf_server_parse refuses. */
unsigned servers_split(const char *list, char servers[SERVERS_MAX][SERVER_MAX]);
