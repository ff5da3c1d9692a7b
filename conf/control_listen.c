/* control_listen.c - listening sockets; of a Unix socket's file, only what is stale makes way. */
#include "conf/control_listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKLOG 16

int control_remove_stale(const struct sockaddr_un *address)
{
    struct stat st;
    if (lstat(address->sun_path, &st))
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(st.st_mode))
        return -EEXIST;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int err = connect(fd, (const struct sockaddr *)address, sizeof *address) ? errno : 0;
    close(fd);
    if (err != ECONNREFUSED)
        return err && err != EAGAIN ? -err : -EADDRINUSE;
    return unlink(address->sun_path) ? -errno : 0;
}

/* socket_listen returns a listening socket.  Its file never has a wider mode than 0660: the file
 * takes its mode from the socket's inode less the umask, and what the umask took is given back
 * before anybody can connect. */
static int socket_listen(struct control_socket *own)
{
    const struct sockaddr_un *address = &own->address;
    struct stat st;
    int err;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (fchmod(fd, 0660) || bind(fd, (const struct sockaddr *)address, sizeof *address))
        goto fail;
    if (chmod(address->sun_path, 0660) || lstat(address->sun_path, &st) || listen(fd, BACKLOG))
        goto fail_bound;
    own->dev = st.st_dev;
    own->ino = st.st_ino;
    own->gid = st.st_gid;
    return fd;

fail_bound:
    err = errno;
    unlink(address->sun_path);
    errno = err;
fail:
    err = errno;
    close(fd);
    return -err;
}

/* socket_claim lets one daemon at a time look for a stale file and replace it: without the lock on
 * the directory, the slower of two would remove the socket of the faster. */
int control_listen_unix(struct control_socket *own)
{
    char path[sizeof own->address.sun_path];
    memcpy(path, own->address.sun_path, sizeof path);
    int dir = open(dirname(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return -errno;
    int result = flock(dir, LOCK_EX | LOCK_NB) ? -errno : 0;
    if (result == -EWOULDBLOCK)
        result = -EADDRINUSE;
    if (!result)
        result = control_remove_stale(&own->address);
    if (!result)
        result = socket_listen(own);
    close(dir);
    return result;
}

void control_unlink(const struct control_socket *own)
{
    struct stat st;
    if (!lstat(own->address.sun_path, &st) && st.st_dev == own->dev && st.st_ino == own->ino)
        unlink(own->address.sun_path);
}

static socklen_t tcp_address(const char *host, uint16_t port, struct sockaddr_storage *address)
{
    struct sockaddr_in *four = (struct sockaddr_in *)address;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)address;
    memset(address, 0, sizeof *address);
    if (inet_pton(AF_INET, host, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons(port);
        return sizeof *four;
    }
    if (inet_pton(AF_INET6, host, &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons(port);
        return sizeof *six;
    }
    return 0;
}

int control_listen_tcp(const char *host, uint16_t port)
{
    struct sockaddr_storage address;
    const int on = 1;
    socklen_t bytes = tcp_address(host, port, &address);
    if (!bytes)
        return -EINVAL;
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int err = 0;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) ||
        bind(fd, (const struct sockaddr *)&address, bytes) || listen(fd, BACKLOG))
        err = -errno;
    if (!err)
        return fd;
    close(fd);
    return err;
}
