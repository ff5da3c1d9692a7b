/* test_store.c - the data directory: made, locked, kept, and refused when it is not ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/store.h"

static char dir[64], path[96], error[512];

static int setup(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/trove-store-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/a/b", dir);
    return 0;
}

static int drop(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(name);
}

static int teardown(void **state)
{
    (void)state;
    return nftw(dir, drop, 8, FTW_DEPTH | FTW_PHYS);
}

static void write_file(const char *name, const char *text)
{
    char full[192];
    snprintf(full, sizeof full, "%s/%s", dir, name);
    FILE *out = fopen(full, "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
}

static void makes_what_is_missing_and_keeps_its_key(void **state)
{
    (void)state;
    struct store store;
    uint8_t seed[HASH_SEED_BYTES];
    assert_int_equal(store_open(&store, path, 256, error), 0);
    assert_int_equal(store.epoch, 1);
    assert_int_equal(store.version, 0);
    memcpy(seed, store.seed, sizeof seed);
    store_close(&store);
    assert_int_equal(store_open(&store, path, 256, error), 0);
    assert_memory_equal(store.seed, seed, sizeof seed);
    store_close(&store);
}

static void a_second_daemon_is_told_who_has_it(void **state)
{
    (void)state;
    struct store one, two;
    char pid[32];
    assert_int_equal(store_open(&one, path, 256, error), 0);
    assert_int_equal(store_open(&two, path, 256, error), -1);
    snprintf(pid, sizeof pid, "pid %d", (int)getpid());
    assert_non_null(strstr(error, pid));
    store_close(&two);
    store_close(&one);
    assert_int_equal(store_open(&two, path, 256, error), 0);
    store_close(&two);
}

static void the_number_of_partitions_is_for_life(void **state)
{
    (void)state;
    struct store store;
    assert_int_equal(store_open(&store, path, 256, error), 0);
    store_close(&store);
    assert_int_equal(store_open(&store, path, 128, error), -1);
    assert_non_null(strstr(error, "256 partitions"));
    store_close(&store);
}

static void a_damaged_key_or_meta_is_refused_not_replaced(void **state)
{
    (void)state;
    struct store store;
    assert_int_equal(store_open(&store, path, 256, error), 0);
    store_close(&store);
    write_file("a/b/key", "short");
    assert_int_equal(store_open(&store, path, 256, error), -1);
    assert_non_null(strstr(error, "key"));
    store_close(&store);
    write_file("a/b/meta", "format 9\npartitions 256\n");
    assert_int_equal(store_open(&store, path, 256, error), -1);
    assert_non_null(strstr(error, "later version"));
    store_close(&store);
    write_file("a/b/meta", "what");
    assert_int_equal(store_open(&store, path, 256, error), -1);
    assert_non_null(strstr(error, "damaged"));
    store_close(&store);
}

static void the_epoch_follows_the_highest_segment(void **state)
{
    (void)state;
    struct store store;
    assert_int_equal(store_open(&store, path, 256, error), 0);
    store_close(&store);
    write_file("a/b/journal/000041-000-000007.seg", "");
    write_file("a/b/journal/notes.txt", "left alone");
    assert_int_equal(store_open(&store, path, 256, error), 0);
    assert_int_equal(store.epoch, 42);
    store_close(&store);
}

static const char yaml[] = "version: 1\n"
                           "data_dir: /tmp/unused\n"
                           "ports: [{name: p0, device: net_null0, address: 192.0.2.1/24}]\n"
                           "events: {types: {view: {require: [item]}}}\n"
                           "hunts:\n"
                           "  - {name: h, kind: basket, catalog: %s/c.tsv}\n";

static struct conf *load(void)
{
    char text[512];
    struct diag_list diags = {0};
    snprintf(text, sizeof text, yaml, dir);
    struct conf *conf = conf_load("t.yaml", text, strlen(text), &diags);
    diag_print(&diags, stderr);
    assert_non_null(conf);
    return conf;
}

static void versions_are_kept_with_the_catalogs_they_used(void **state)
{
    (void)state;
    struct store store;
    struct diag_list diags = {0};
    write_file("c.tsv", "a\tb\t1\n");
    assert_int_equal(store_open(&store, path, 256, error), 0);
    struct conf *conf = load();
    assert_int_equal(store_catalogs(&store, conf), 0);
    assert_int_equal(store_save(&store, conf), 1);
    assert_int_equal(store_save(&store, conf), 1); /* word for word the same */
    conf_free(conf);

    write_file("c.tsv", "a\tb\t2\n"); /* the same text, another catalog */
    conf = load();
    assert_int_equal(store_catalogs(&store, conf), 0);
    assert_int_equal(store_save(&store, conf), 2);

    struct conf *first = store_load(&store, 1, &diags), *second = store_load(&store, 2, &diags);
    assert_non_null(first);
    assert_non_null(second);
    assert_string_not_equal(first->hunts[0].catalog, second->hunts[0].catalog);
    assert_string_equal(second->hunts[0].catalog, conf->hunts[0].catalog);
    assert_int_equal(access(first->hunts[0].catalog, R_OK), 0);
    assert_null(store_load(&store, 3, &diags));
    assert_int_equal(diags.count, 1);
    diag_list_fini(&diags);
    conf_free(first);
    conf_free(second);
    conf_free(conf);
    store_close(&store);
    assert_int_equal(store_open(&store, path, 256, error), 0);
    assert_int_equal(store.version, 2);
    store_close(&store);
}

static void a_directory_that_cannot_be_is_said_so(void **state)
{
    (void)state;
    struct store store;
    write_file("file", "");
    snprintf(path, sizeof path, "%s/file/b", dir);
    assert_int_equal(store_open(&store, path, 256, error), -1);
    assert_non_null(strstr(error, "Not a directory"));
    store_close(&store);
}

static void a_view_reads_beside_the_owner_and_makes_nothing(void **state)
{
    (void)state;
    struct store owner, view;
    assert_int_equal(store_view(&view, path, error), -1);
    assert_non_null(strstr(error, "cannot open it"));
    store_close(&view);
    assert_int_equal(store_open(&owner, path, 64, error), 0);
    assert_int_equal(store_view(&view, path, error), 0);
    assert_int_equal(view.partition_count, 64);
    assert_memory_equal(view.seed, owner.seed, sizeof view.seed);
    assert_int_equal(view.lock_fd, -1);
    store_close(&view);
    store_close(&owner);
    assert_int_equal(store_view(&view, dir, error), -1);
    assert_non_null(strstr(error, "is no data directory"));
    store_close(&view);
    write_file("meta", "format 1\npartitions 63\n");
    assert_int_equal(store_view(&view, dir, error), -1);
    assert_non_null(strstr(error, "`meta` is damaged"));
    store_close(&view);
    write_file("meta", "format 1\npartitions 64\n");
    write_file("key", "short");
    assert_int_equal(store_view(&view, dir, error), -1);
    assert_non_null(strstr(error, "`key` is not 32 bytes"));
    store_close(&view);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(makes_what_is_missing_and_keeps_its_key, setup, teardown),
        cmocka_unit_test_setup_teardown(a_second_daemon_is_told_who_has_it, setup, teardown),
        cmocka_unit_test_setup_teardown(the_number_of_partitions_is_for_life, setup, teardown),
        cmocka_unit_test_setup_teardown(a_damaged_key_or_meta_is_refused_not_replaced, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_epoch_follows_the_highest_segment, setup, teardown),
        cmocka_unit_test_setup_teardown(versions_are_kept_with_the_catalogs_they_used, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_directory_that_cannot_be_is_said_so, setup, teardown),
        cmocka_unit_test_setup_teardown(a_view_reads_beside_the_owner_and_makes_nothing, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
