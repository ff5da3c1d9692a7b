/* test_journal_uring.c - what is committed is there, and what the rings say of it is believed. */
#include "tests/unit/journal_kit.h"

#include <errno.h>
#include <liburing.h>

#include "dataplane/journal_uring.h"

#define PAGES 4

/* What the kernel is made to have said. */
static struct {
    int submissions;
    int refuse;      /* errno of the next submission; 0: it goes through */
    int write, sync; /* results of the next one, if `lie` */
    bool lie;
    int register_error; /* errno of the next registration */
    int registered;
} kernel;

int __real_io_uring_submit_and_wait(struct io_uring *ring, unsigned wait);
int __wrap_io_uring_submit_and_wait(struct io_uring *ring, unsigned wait);
int __real_io_uring_register_files_update(struct io_uring *ring, unsigned off, const int *files,
                                          unsigned count);
int __wrap_io_uring_register_files_update(struct io_uring *ring, unsigned off, const int *files,
                                          unsigned count);

int __wrap_io_uring_submit_and_wait(struct io_uring *ring, unsigned wait)
{
    kernel.submissions++;
    if (kernel.refuse)
        return -kernel.refuse;
    int rc = __real_io_uring_submit_and_wait(ring, wait);
    assert_int_equal(rc, 2);
    for (unsigned i = 0; kernel.lie && i < 2; i++) {
        struct io_uring_cqe *cqe = &ring->cq.cqes[(*ring->cq.khead + i) & *ring->cq.kring_mask];
        cqe->res = cqe->user_data ? kernel.sync : kernel.write;
    }
    kernel.lie = false;
    return rc;
}

int __wrap_io_uring_register_files_update(struct io_uring *ring, unsigned off, const int *files,
                                          unsigned count)
{
    if (kernel.register_error)
        return -kernel.register_error;
    kernel.registered = *files;
    return __real_io_uring_register_files_update(ring, off, files, count);
}

struct fixture {
    struct kit_dir dir;
    struct journal_uring *uring;
    struct journal_file_ops ops;
    int handle;
};

static uint8_t pages[PAGES][BLOCK_ALIGN] __attribute__((aligned(BLOCK_ALIGN)));

static int set_up(void **state)
{
    static struct fixture f;
    memset(&kernel, 0, sizeof kernel);
    f.uring = NULL;
    int rc = journal_uring_new(&f.uring);
    if (rc)
        print_message("no io_uring here: %s\n", strerror(-rc));
    kit_dir_make_in(&f.dir, "/tmp");
    *state = &f;
    if (rc)
        return 0;
    f.ops = journal_uring_ops(f.uring);
    f.handle = f.ops.make(f.ops.disk, f.dir.fd, "x", 16 * BLOCK_ALIGN, false);
    assert_true(f.handle >= 0);
    for (unsigned i = 0; i < PAGES; i++)
        memset(pages[i], 'a' + (int)i, BLOCK_ALIGN);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    memset(&kernel, 0, sizeof kernel);
    if (f->uring)
        f->ops.close(f->ops.disk, f->handle, JOURNAL_FILE_WHOLE);
    journal_uring_free(f->uring);
    kit_dir_remove(&f->dir);
    return 0;
}

static struct fixture *need(void **state)
{
    struct fixture *f = *state;
    if (!f->uring)
        skip();
    return f;
}

static int commit(struct fixture *f, unsigned count, uint64_t offset)
{
    struct iovec parts[PAGES];
    for (unsigned i = 0; i < count; i++)
        parts[i] = (struct iovec){.iov_base = pages[i], .iov_len = BLOCK_ALIGN};
    return f->ops.commit(f->ops.disk, f->handle, parts, (int)count, offset);
}

static void expect(struct fixture *f, unsigned count, uint64_t offset)
{
    uint8_t page[BLOCK_ALIGN];
    int fd = openat(f->dir.fd, "x", O_RDONLY | O_CLOEXEC);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(pread(fd, page, sizeof page, (off_t)(offset + i * BLOCK_ALIGN)),
                         BLOCK_ALIGN);
        assert_memory_equal(page, pages[i], BLOCK_ALIGN);
    }
    close(fd);
}

static void a_group_is_one_submission(void **state)
{
    struct fixture *f = need(state);
    assert_int_equal(commit(f, 3, BLOCK_ALIGN), 0);
    assert_int_equal(kernel.submissions, 1);
    assert_int_equal(kernel.registered, f->handle);
    expect(f, 3, BLOCK_ALIGN);
    assert_int_equal(commit(f, 1, 4 * BLOCK_ALIGN), 0);
    assert_int_equal(kernel.submissions, 2);
    expect(f, 1, 4 * BLOCK_ALIGN);
    assert_int_equal(f->ops.close(f->ops.disk, f->handle, 5 * BLOCK_ALIGN), 0);
    assert_int_equal(kernel.registered, -1);
    f->handle = f->ops.make(f->ops.disk, f->dir.fd, "y", BLOCK_ALIGN, false);
    assert_int_equal(commit(f, 1, 0), 0);
}

static void a_short_write_goes_on_where_it_stopped(void **state)
{
    struct fixture *f = need(state);
    kernel.lie = true;
    kernel.write = BLOCK_ALIGN + 512;
    kernel.sync = -ECANCELED;
    assert_int_equal(commit(f, 3, 0), 0);
    assert_int_equal(kernel.submissions, 2);
    expect(f, 3, 0);
    kernel.lie = true;
    kernel.write = 512;
    assert_int_equal(commit(f, 3, 0), -EIO);
}

static void what_fails_is_told_and_not_tried_again(void **state)
{
    struct fixture *f = need(state);
    static const int results[][3] = {{-EIO, -ECANCELED, -EIO},
                                     {-ENOSPC, -ECANCELED, -ENOSPC},
                                     {2 * BLOCK_ALIGN, -EIO, -EIO},
                                     {2 * BLOCK_ALIGN, -ECANCELED, -ECANCELED}};
    for (unsigned i = 0; i < sizeof results / sizeof *results; i++) {
        kernel.submissions = 0;
        kernel.lie = true;
        kernel.write = results[i][0];
        kernel.sync = results[i][1];
        assert_int_equal(commit(f, 2, 0), results[i][2]);
        assert_int_equal(kernel.submissions, 1);
    }
    assert_true(journal_uring_works(f->uring));
}

/* A kernel that really refuses: the file is not open for writing. */
static void an_error_of_the_kernel_comes_through(void **state)
{
    struct fixture *f = need(state);
    int handle = openat(f->dir.fd, "x", O_RDONLY | O_CLOEXEC);
    struct iovec part = {.iov_base = pages[0], .iov_len = BLOCK_ALIGN};
    assert_int_equal(f->ops.commit(f->ops.disk, handle, &part, 1, 0), -EBADF);
    assert_int_equal(f->ops.close(f->ops.disk, handle, JOURNAL_FILE_WHOLE), 0);
    assert_int_equal(commit(f, 1, 0), 0);
    expect(f, 1, 0);
}

static void rings_that_refuse_are_left(void **state)
{
    struct fixture *f = need(state);
    kernel.refuse = EBUSY;
    assert_int_equal(commit(f, 2, 0), -EBUSY);
    assert_false(journal_uring_works(f->uring));
    kernel.refuse = 0;
    assert_int_equal(commit(f, 2, 0), 0);
    assert_int_equal(kernel.submissions, 1);
    expect(f, 2, 0);
}

static void a_file_that_cannot_be_registered_goes_the_other_way(void **state)
{
    struct fixture *f = need(state);
    kernel.register_error = ENOMEM;
    assert_int_equal(commit(f, 2, 0), 0);
    assert_int_equal(kernel.submissions, 0);
    assert_false(journal_uring_works(f->uring));
    expect(f, 2, 0);
}

int main(void)
{
#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        IN_DIR(a_group_is_one_submission),
        IN_DIR(a_short_write_goes_on_where_it_stopped),
        IN_DIR(what_fails_is_told_and_not_tried_again),
        IN_DIR(an_error_of_the_kernel_comes_through),
        IN_DIR(rings_that_refuse_are_left),
        IN_DIR(a_file_that_cannot_be_registered_goes_the_other_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
