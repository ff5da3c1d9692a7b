/* s3_credentials.c - two or three lines of a file. */
#include "sinks/s3_credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int read_file(const char *path, char text[S3_CREDENTIALS_MAX])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -errno;
    ssize_t n = read(fd, text, S3_CREDENTIALS_MAX - 1);
    int rc = n < 0 ? -errno : n == S3_CREDENTIALS_MAX - 1 ? -EFBIG : 0;
    close(fd);
    text[rc ? 0 : n] = '\0';
    return rc;
}

/* Ends the line at text, and returns the one behind it; NULL when it is none that can be used. */
static char *end_line(char *text)
{
    char *end = text + strcspn(text, "\r\n");
    char *next = end + strspn(end, "\r\n");
    for (const char *c = text; c < end; c++)
        if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f)
            return NULL;
    *end = '\0';
    return next;
}

int s3_credentials_read(const char *path, struct s3_credentials *credentials)
{
    char *id = credentials->text, *colon = NULL;
    int rc = read_file(path, credentials->text);
    if (rc)
        return rc;
    char *secret = end_line(id);
    char *token = secret ? end_line(secret) : NULL;
    char *rest = token ? end_line(token) : NULL;
    if (!rest || !*id || !*secret || strchr(id, ':'))
        rc = -EINVAL;
    else
        colon = id + strlen(id);
    if (rc) {
        s3_credentials_wipe(credentials);
        return rc;
    }
    /* Behind the id stand the ends of lines; the secret moves up to the colon. */
    memmove(colon + 1, secret, strlen(secret) + 1);
    *colon = ':';
    credentials->token = token;
    return 0;
}

void s3_credentials_wipe(struct s3_credentials *credentials)
{
    explicit_bzero(credentials, sizeof *credentials);
    credentials->token = "";
}
