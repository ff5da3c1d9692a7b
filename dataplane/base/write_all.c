/* write_all.c - bytes into a file, all of them, a piece at a time. */
#include "dataplane/base/write_all.h"

#include <errno.h>
#include <unistd.h>

int write_all(int fd, const void *bytes, size_t len, uint64_t *written)
{
    const uint8_t *at = bytes;
    while (len) {
        ssize_t n = write(fd, at, len < WRITE_PIECE ? len : WRITE_PIECE);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        at += n;
        len -= (size_t)n;
        if (written)
            *written += (uint64_t)n;
    }
    return 0;
}
