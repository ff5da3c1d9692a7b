/* arena.c - a bump allocator over one mapping. */
#include "dataplane/base/arena.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of <linux/mempolicy.h>. */
#define MPOL_F_NODE    1
#define MPOL_F_ADDR    2
#define HUGE_BYTES     ((size_t)2 << 20)
#define MPOL_PREFERRED 1

static void bind_to_node(void *base, size_t bytes, int node)
{
    if (node < 0 || node >= 64)
        return;
    unsigned long mask = 1ul << node;
    /* On a host without NUMA this fails and means nothing. */
    (void)syscall(SYS_mbind, base, bytes, MPOL_PREFERRED, &mask, 64ul, 0ul);
}

int arena_open(struct arena *arena, size_t bytes, int node, bool huge)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    bytes = arena_round(bytes, HUGE_BYTES);
    void *base = MAP_FAILED;
    if (huge)
        base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags | MAP_HUGETLB, -1, 0);
    if (base == MAP_FAILED) {
        base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
        if (base == MAP_FAILED)
            return -ENOMEM;
        (void)madvise(base, bytes, MADV_HUGEPAGE);
    }
    bind_to_node(base, bytes, node);
    for (size_t at = 0; at < bytes; at += 4096)
        ((volatile uint8_t *)base)[at] = 0;
    *arena = (struct arena){.base = base, .bytes = bytes, .mapped = true};
    return 0;
}

void arena_close(struct arena *arena)
{
    if (arena->mapped)
        munmap(arena->base, arena->bytes);
    *arena = (struct arena){0};
}

void arena_init(struct arena *arena, void *memory, size_t bytes)
{
    *arena = (struct arena){.base = memory, .bytes = bytes};
}

void *arena_alloc(struct arena *arena, size_t bytes, size_t align)
{
    assert(!arena->sealed && align && !(align & (align - 1)));
    size_t skip = -(uintptr_t)(arena->base + arena->used) & (align - 1);
    if (skip > arena->bytes - arena->used || bytes > arena->bytes - arena->used - skip)
        return NULL;
    uint8_t *at = arena->base + arena->used + skip;
    arena->used += skip + bytes;
    if (!arena->mapped)
        memset(at, 0, bytes);
    return at;
}

void arena_seal(struct arena *arena)
{
    arena->sealed = true;
}

int arena_elsewhere(const struct arena *arena, int node, uint64_t *pages, uint64_t *elsewhere)
{
    *pages = *elsewhere = 0;
    if (node < 0)
        return -EINVAL;
    for (size_t at = 0; at < arena->bytes; at += HUGE_BYTES) {
        int found = -1;
        if (syscall(SYS_get_mempolicy, &found, NULL, 0ul, arena->base + at,
                    (unsigned long)(MPOL_F_NODE | MPOL_F_ADDR)) < 0)
            return -errno;
        (*pages)++;
        *elsewhere += found != node;
    }
    return 0;
}
