/* secret.h - a password or a key from the first line of a file, read when it is needed so that it
 * can be changed there.
 *
 * Memory:  the caller's, who wipes it.  Threads: any.
 */
#pragma once

#include <stddef.h>

#define SECRET_MAX 512u

/* secret_read writes the line without its end, NUL-terminated.  Returns its length in [0,
 * SECRET_MAX], or a negative errno: -EFBIG it is longer. */
int secret_read(const char *path, char out[SECRET_MAX + 2]);
void secret_wipe(char secret[SECRET_MAX + 2]);
