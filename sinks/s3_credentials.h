/* s3_credentials.h - the keys that requests are signed with, from a file read for each request, so
 * that they can be changed there.
 *
 * Its first line is the access key's id, the second the secret key; a third, where there is one, is
 * a session token.
 *
 * Memory:  the caller's, who wipes it.  Threads: any.
 */
#pragma once

#include <stddef.h>

#define S3_CREDENTIALS_MAX 4096u

struct s3_credentials {
    char text[S3_CREDENTIALS_MAX]; /* "ID:SECRET", NUL, token, NUL */
    const char *token;             /* "": none */
};

/* s3_credentials_read returns 0, or a negative errno: -EINVAL it has not two lines, one of them is
 * empty or has a blank or a control character in it, or the id has a colon; -EFBIG it is too
 * long. */
int s3_credentials_read(const char *path, struct s3_credentials *credentials);
void s3_credentials_wipe(struct s3_credentials *credentials);
