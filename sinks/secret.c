/* secret.c - the first line of a file. */
#include "sinks/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int secret_read(const char *path, char out[SECRET_MAX + 2])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    ssize_t n = fd < 0 ? -1 : read(fd, out, SECRET_MAX + 1);
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (n < 0)
        return -error;
    out[n] = '\0';
    size_t len = strcspn(out, "\r\n");
    if (len > SECRET_MAX)
        return -EFBIG;
    out[len] = '\0';
    return (int)len;
}

void secret_wipe(char secret[SECRET_MAX + 2])
{
    explicit_bzero(secret, SECRET_MAX + 2);
}
