/* trovectl_stop.c - asks the daemon to stop, and waits until it has. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/base/clock.h"
#include "dataplane/trovectl.h"

#define STOP_WAIT_S 60

/* socket_connect returns a connection, or -1. */
static int socket_connect(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len >= sizeof address.sun_path)
        return -1;
    memcpy(address.sun_path, path, len + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* daemon_open returns a pidfd of who listens on the socket, or -1: when the daemon is in another
 * PID namespace it has no process id here. */
static int daemon_open(const char *path)
{
    struct ucred peer = {0};
    socklen_t bytes = sizeof peer;
    int fd = socket_connect(path);
    if (fd < 0)
        return -1;
    int pidfd = -1;
    if (!getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) && peer.pid > 0)
        pidfd = pidfd_open(peer.pid, 0);
    close(fd);
    return pidfd;
}

static bool wait_exit(int pidfd)
{
    uint64_t deadline = clock_monotonic_ns() + STOP_WAIT_S * NS_PER_S;
    struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};
    for (uint64_t now = clock_monotonic_ns(); now < deadline; now = clock_monotonic_ns()) {
        int ready = poll(&poll_fd, 1, (int)((deadline - now) / NS_PER_MS) + 1);
        if (ready > 0)
            return true;
        if (ready < 0 && errno != EINTR)
            return false;
    }
    return false;
}

static bool wait_silence(const char *path)
{
    uint64_t deadline = clock_monotonic_ns() + STOP_WAIT_S * NS_PER_S;
    while (clock_monotonic_ns() < deadline) {
        int fd = socket_connect(path);
        if (fd < 0)
            return true;
        close(fd);
        nanosleep(&(struct timespec){.tv_nsec = 50 * (long)NS_PER_MS}, NULL);
    }
    return false;
}

static int wait_stopped(struct trovectl *ctl, int pidfd)
{
    if (!(pidfd >= 0 ? wait_exit(pidfd) : wait_silence(ctl->socket)))
        return trovectl_fail(ctl, TROVECTL_FAILED, "still_draining", "trovectl status",
                             "troved is still draining after %d s", STOP_WAIT_S);
    fputs(ctl->json ? "{\n  \"state\": \"stopped\"\n}\n" : "stopped\n", ctl->out);
    return TROVECTL_OK;
}

int trovectl_stop(struct trovectl *ctl)
{
    struct trovectl_request request = {.method = "POST", .path = "/v1/stop", .member = "state"};
    json_t *answer = NULL;
    int pidfd = ctl->no_wait ? -1 : daemon_open(ctl->socket);
    int code = trovectl_call(ctl, &request, &answer);
    if (!code && ctl->no_wait && ctl->json)
        trovectl_print_json(answer, ctl->out);
    else if (!code && ctl->no_wait)
        fprintf(ctl->out, "%s\n", field_text(answer, "state"));
    else if (!code)
        code = wait_stopped(ctl, pidfd);
    json_decref(answer);
    if (pidfd >= 0)
        close(pidfd);
    return code;
}
