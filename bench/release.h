/* release.h - whether a program was built as one that may be measured.
 *
 * Memory:  none.  Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#ifndef __has_feature
#define __has_feature(name) 0
#endif

#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) &&    \
    !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
#define RELEASE_BUILD true
#else
#define RELEASE_BUILD false
#endif

/* release_need ends a program that would measure a debug build or one with sanitizers. */
static inline void release_need(void)
{
    if (RELEASE_BUILD)
        return;
    fputs("error: figures of a debug build say nothing: meson setup --buildtype=release\n", stderr);
    exit(2);
}
