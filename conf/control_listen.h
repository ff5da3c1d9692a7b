/* control_listen.h - where the control server listens: a Unix socket's file, and an address.
 *
 * Memory:  none.  Threads: the one that starts and stops the server.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>
#include <sys/un.h>

struct control_socket {
    struct sockaddr_un address;
    dev_t dev; /* of the socket file that is ours */
    ino_t ino;
    gid_t gid;
};

/* control_listen_unix returns a listening socket, and fills in whose file it is; or a negative
 * errno as control_start has them. */
int control_listen_unix(struct control_socket *own);

/* control_remove_stale makes way for a new socket file: one that nobody listens at is removed.
 * Returns 0, or what is in the way: -EADDRINUSE, somebody listens; -EEXIST, it is no socket; or
 * another errno. */
int control_remove_stale(const struct sockaddr_un *address);

/* control_unlink removes the file if it is still the one that was made. */
void control_unlink(const struct control_socket *own);

/* control_listen_tcp returns a socket that listens on an address (IPv4 or IPv6, as text) and a
 * port, or a negative errno. */
int control_listen_tcp(const char *host, uint16_t port);
