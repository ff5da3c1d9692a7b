/* require.h - a check that also ends programs that are no unit tests: fuzz targets and simulators.
 *
 * Memory:  none.  Threads: any.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#define REQUIRE(holds)                                                                             \
    do {                                                                                           \
        if (!(holds)) {                                                                            \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #holds);              \
            abort();                                                                               \
        }                                                                                          \
    } while (0)
