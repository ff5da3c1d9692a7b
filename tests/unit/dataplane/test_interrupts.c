/* test_interrupts.c - whose core a disk interrupts, in trees that look like the kernel's. */
#include "tests/unit/journal_kit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "dataplane/interrupts.h"

static struct kit_dir dir;

static void at(char path[PATH_MAX], const char *name)
{
    snprintf(path, PATH_MAX, "%s/%s", dir.path, name);
}

/* make_dirs makes a directory and what is above it. */
static void make_dirs(const char *name)
{
    char path[PATH_MAX];
    at(path, name);
    for (char *slash = path + strlen(dir.path); slash; slash = strchr(slash + 1, '/')) {
        char kept = *slash;
        *slash = '\0';
        (void)mkdir(path, 0700);
        *slash = kept;
    }
    assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
}

static void put(const char *in, const char *name, const char *text)
{
    char path[PATH_MAX];
    make_dirs(in);
    snprintf(path, sizeof path, "%s/%s/%s", dir.path, in, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

/* name_device has sysfs know a device by its number. */
static void name_device(const char *number, const char *device)
{
    char target[PATH_MAX], path[PATH_MAX];
    make_dirs("sys/dev/block");
    make_dirs(device);
    at(target, device);
    snprintf(path, sizeof path, "%s/sys/dev/block/%s", dir.path, number);
    assert_int_equal(symlink(target, path), 0);
}

static void make_part(const char *device, const char *name, const char *part)
{
    char slaves[PATH_MAX], target[PATH_MAX], path[PATH_MAX * 2];
    snprintf(slaves, sizeof slaves, "%s/slaves", device);
    make_dirs(slaves);
    at(target, part);
    snprintf(path, sizeof path, "%s/%s/%s", dir.path, slaves, name);
    assert_int_equal(symlink(target, path), 0);
}

#define DISK  "sys/devices/pci0000:00/0000:00:02.0/virtio1/block/vda"
#define IRQS  "sys/devices/pci0000:00/0000:00:02.0/msi_irqs"
#define OTHER "sys/devices/pci0000:00/0000:00:03.0"

static int set_up(void **state)
{
    (void)state;
    kit_dir_make(&dir);
    name_device("254:0", DISK);
    name_device("254:1", DISK "/vda1");
    put(IRQS, "35", "msix\n");
    put(IRQS, "36", "msix\n");
    put("proc", "interrupts",
        "           CPU0       CPU1       \n"
        " 24:          9          9  IO-APIC   5-edge      ACPI:Ged\n"
        " 35:          0          1  PCI-MSIX-0000:00:02.0   0-edge      virtio1-config\n"
        " 36:          5   89492399  PCI-MSIX-0000:00:02.0   1-edge      virtio1-req.0\n"
        " 38:    4000000          0  PCI-MSIX-0000:00:03.0   1-edge      virtio2-req.0\n"
        "NMI:          0          0   Non-maskable interrupts\n");
    put("proc/irq/35", "effective_affinity_list", "0\n");
    put("proc/irq/36", "effective_affinity_list", "1\n");
    put("proc/irq/38", "effective_affinity_list", "0\n");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kit_dir_remove(&dir);
    return 0;
}

static void a_disk_of_one_queue_and_its_partitions(void **state)
{
    (void)state;
    assert_int_equal(interrupts_core(dir.path, makedev(254, 0)), 1);
    assert_int_equal(interrupts_core(dir.path, makedev(254, 1)), 1);
}

static void where_they_are_now_counts(void **state)
{
    (void)state;
    put("proc/irq/36", "effective_affinity_list", "0\n");
    assert_int_equal(interrupts_core(dir.path, makedev(254, 0)), 0);
}

static void a_disk_with_a_queue_for_each_core_has_none(void **state)
{
    (void)state;
    put("proc", "interrupts",
        "  CPU0 CPU1\n 35: 0 300 PCI-MSIX 0-edge a\n 36: 2000 0 PCI-MSIX 1-edge b\n");
    assert_int_equal(interrupts_core(dir.path, makedev(254, 0)), INTERRUPTS_SPREAD);
    put("proc", "interrupts",
        "  CPU0 CPU1\n 35: 0 200 PCI-MSIX 0-edge a\n 36: 2000 0 PCI-MSIX 1-edge b\n");
    assert_int_equal(interrupts_core(dir.path, makedev(254, 0)), 1);
}

static void what_is_made_of_disks_has_theirs(void **state)
{
    (void)state;
    name_device("253:0", "sys/devices/virtual/block/dm-0");
    make_part("sys/devices/virtual/block/dm-0", "vda1", DISK "/vda1");
    assert_int_equal(interrupts_core(dir.path, makedev(253, 0)), 1);
    make_dirs(OTHER "/virtio2/block/vdb");
    put(OTHER "/msi_irqs", "38", "msix\n");
    make_part("sys/devices/virtual/block/dm-0", "vdb", OTHER "/virtio2/block/vdb");
    assert_int_equal(interrupts_core(dir.path, makedev(253, 0)), 1); /* 4 of 93 million */
    put("proc/irq/36", "effective_affinity_list", "none\n");
    assert_int_equal(interrupts_core(dir.path, makedev(253, 0)), 0);
}

static void what_cannot_be_seen_is_nowhere(void **state)
{
    (void)state;
    assert_int_equal(interrupts_core(dir.path, makedev(9, 9)), INTERRUPTS_SPREAD);
    assert_int_equal(interrupts_core("/nowhere", makedev(254, 0)), INTERRUPTS_SPREAD);
    name_device("0:40", "sys/devices/virtual/bdi/0:40");
    assert_int_equal(interrupts_core(dir.path, makedev(0, 40)), INTERRUPTS_SPREAD);
    /* A part that cannot be seen, beside one that can; and a circle. */
    name_device("253:1", "sys/devices/virtual/block/dm-1");
    make_part("sys/devices/virtual/block/dm-1", "a", DISK);
    make_part("sys/devices/virtual/block/dm-1", "b", "sys/devices/virtual/block/gone");
    assert_int_equal(interrupts_core(dir.path, makedev(253, 1)), INTERRUPTS_SPREAD);
    name_device("253:2", "sys/devices/virtual/block/dm-2");
    make_part("sys/devices/virtual/block/dm-2", "c", "sys/devices/virtual/block/dm-2");
    assert_int_equal(interrupts_core(dir.path, makedev(253, 2)), INTERRUPTS_SPREAD);
}

static void odd_files_are_no_counts(void **state)
{
    (void)state;
    put("proc/irq/36", "effective_affinity_list", "99999\n");
    assert_int_equal(interrupts_core(dir.path, makedev(254, 0)), 0); /* one of 35's is left */
    put("proc", "interrupts", "");
    assert_int_equal(interrupts_core(dir.path, makedev(254, 0)), INTERRUPTS_SPREAD);
    put("proc", "interrupts", " 36: x\n:\n36\n 36:\n 36: 18446744073709551615000 y");
    assert_int_equal(interrupts_core(dir.path, makedev(254, 0)), INTERRUPTS_SPREAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_disk_of_one_queue_and_its_partitions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(where_they_are_now_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_disk_with_a_queue_for_each_core_has_none, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_made_of_disks_has_theirs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_seen_is_nowhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(odd_files_are_no_counts, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
