/* interrupts.c - sysfs for which interrupts are a disk's, procfs for who gets them: a PCI device
 * lists its own in msi_irqs (the kernel's Documentation/ABI/testing/sysfs-bus-pci), and a device
 * that is made of others lists these in slaves. */
#include "dataplane/interrupts.h"

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define CORES_MAX 1024
#define DEPTH_MAX 4 /* a mapper on a RAID on disks is three */

struct counts {
    const char *root;
    uint64_t of[CORES_MAX];
    bool unknown; /* a disk's interrupts cannot be seen */
};

/* total adds up what a line of /proc/interrupts says behind its number: one count for each core
 * that is online, and then text. */
static uint64_t total(const char *at)
{
    uint64_t sum = 0;
    for (;;) {
        char *end;
        unsigned long long count = strtoull(at, &end, 10);
        if (end == at || (*end != ' ' && *end != '\n'))
            return sum;
        sum += count;
        at = end;
    }
}

/* handler returns the core that has an interrupt, which may be a list: then the first of it. */
static unsigned long handler(const char *root, unsigned long number)
{
    char path[PATH_MAX], list[32], *end;
    snprintf(path, sizeof path, "%s/proc/irq/%lu/effective_affinity_list", root, number);
    FILE *file = fopen(path, "re");
    if (!file)
        return CORES_MAX;
    unsigned long core = fgets(list, sizeof list, file) ? strtoul(list, &end, 10) : CORES_MAX;
    fclose(file);
    return core < CORES_MAX && end != list ? core : CORES_MAX;
}

/* count adds the interrupts that are listed in a directory to those of the cores that have them. */
static void count(struct counts *counts, const char *listed)
{
    char path[PATH_MAX], *line = NULL;
    size_t size = 0;
    snprintf(path, sizeof path, "%s/proc/interrupts", counts->root);
    FILE *file = fopen(path, "re");
    while (file && getline(&line, &size, file) > 0) {
        char *behind;
        unsigned long number = strtoul(line, &behind, 10);
        struct stat st;
        if (*behind != ':' ||
            snprintf(path, sizeof path, "%s/%lu", listed, number) >= (int)sizeof path ||
            stat(path, &st))
            continue;
        unsigned long core = handler(counts->root, number);
        if (core < CORES_MAX)
            counts->of[core] += total(behind + 1);
    }
    free(line);
    if (file)
        fclose(file);
}

/* count_own looks for a device's interrupts in its directory and those above it. */
static bool count_own(struct counts *counts, const char *device)
{
    char path[PATH_MAX], listed[PATH_MAX + 16];
    struct stat st;
    snprintf(path, sizeof path, "%s", device);
    for (char *slash; (slash = strrchr(path, '/')) && slash != path; *slash = '\0') {
        snprintf(listed, sizeof listed, "%s/msi_irqs", path);
        if (stat(listed, &st) == 0 && S_ISDIR(st.st_mode)) {
            count(counts, listed);
            return true;
        }
    }
    return false;
}

static void count_device(struct counts *counts, const char *link, unsigned depth);

/* count_parts counts what a device is made of.  Returns whether there was anything. */
static bool count_parts(struct counts *counts, const char *device, unsigned depth)
{
    char path[PATH_MAX];
    bool any = false;
    if (snprintf(path, sizeof path, "%s/slaves", device) >= (int)sizeof path)
        return false;
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        if (entry->d_name[0] == '.' ||
            snprintf(path, sizeof path, "%s/slaves/%s", device, entry->d_name) >= (int)sizeof path)
            continue;
        any = true;
        count_device(counts, path, depth + 1);
    }
    if (dir)
        closedir(dir);
    return any;
}

static void count_device(struct counts *counts, const char *link, unsigned depth)
{
    char device[PATH_MAX];
    if (depth == DEPTH_MAX || !realpath(link, device) ||
        (!count_parts(counts, device, depth) && !count_own(counts, device)))
        counts->unknown = true;
}

int interrupts_core(const char *root, dev_t device)
{
    struct counts counts = {.root = root};
    char path[PATH_MAX];
    uint64_t sum = 0;
    int most = 0;
    snprintf(path, sizeof path, "%s/sys/dev/block/%u:%u", root, major(device), minor(device));
    count_device(&counts, path, 0);
    for (int core = 0; core < CORES_MAX; core++) {
        sum += counts.of[core];
        most = counts.of[core] > counts.of[most] ? core : most;
    }
    bool nine_of_ten = sum && counts.of[most] >= sum - sum / 10;
    return nine_of_ten && !counts.unknown ? most : INTERRUPTS_SPREAD;
}
