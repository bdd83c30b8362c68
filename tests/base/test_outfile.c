/* SPDX-License-Identifier: Apache-2.0 */
/* Results appear whole or not at all, and leave nothing else in the folder. */
#include "base-testing.h"

#include "base/buffer.h"
#include "base/outfile.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];
static char path[128];

static int make_folder(void **state) {
    strcpy(folder, "/tmp/glim-out-XXXXXX");
    snprintf(path, sizeof path, "%s/result", mkdtemp(folder));
    return 0;
}

static int files_in_folder(void) {
    int n = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static int remove_folder(void **state) {
    char command[96];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command);
}

static void assert_holds(const char *name, const char *expected) {
    glim_context *ctx = make_context(1, 0);
    glim_buffer b;
    glim__buffer_init(&b, ctx);
    assert_int_equal(glim__file_read(&b, name, 1 << 20, NULL), GLIM_OK);
    assert_string_equal(b.data, expected);
    glim__buffer_release(&b);
    end_context(ctx);
}

static void writing_replaces_the_file_and_keeps_its_mode(void **state) {
    struct stat st;
    mode_t mask = umask(022);
    assert_int_equal(glim__file_write(path, "first", 5, NULL), GLIM_OK);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0644);
    chmod(path, 0600);
    assert_int_equal(glim__file_write(path, "second", 6, NULL), GLIM_OK);
    assert_holds(path, "second");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(files_in_folder(), 1);
    umask(mask);
}

static void the_target_of_a_link_is_replaced_not_the_link(void **state) {
    char name[160];
    struct stat st;
    snprintf(name, sizeof name, "%s/link", folder);
    assert_int_equal(glim__file_write(path, "old", 3, NULL), GLIM_OK);
    assert_int_equal(symlink("result", name), 0);
    assert_int_equal(glim__file_write(name, "new", 3, NULL), GLIM_OK);
    assert_holds(path, "new");
    assert_int_equal(lstat(name, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(files_in_folder(), 2);
}

static void the_old_file_stays_until_the_commit(void **state) {
    glim_outfile f;
    assert_int_equal(glim__file_write(path, "old", 3, NULL), GLIM_OK);
    assert_int_equal(glim__outfile_open(&f, path, NULL), GLIM_OK);
    assert_int_equal(glim__outfile_write(&f, "half", 4, NULL), GLIM_OK);
    assert_holds(path, "old");
    glim__outfile_abort(&f);
    glim__outfile_abort(&f);
    assert_holds(path, "old");
    assert_int_equal(files_in_folder(), 1);
}

static void writing_at_an_offset_fills_later(void **state) {
    glim_outfile f;
    assert_int_equal(glim__outfile_open(&f, path, NULL), GLIM_OK);
    assert_int_equal(glim__outfile_write_at(&f, 4, "last", 4, NULL), GLIM_OK);
    assert_int_equal(glim__outfile_write_at(&f, 0, "head", 4, NULL), GLIM_OK);
    assert_int_equal(glim__outfile_commit(&f, NULL), GLIM_OK);
    assert_holds(path, "headlast");
}

static void a_full_device_is_told(void **state) {
    glim_error err;
    assert_int_equal(glim__file_write("/dev/full", "x", 1, &err), GLIM_EIO);
    assert_contains(err.message, "No space left on device");
    assert_int_equal(access("/dev/full", F_OK), 0);
    assert_int_equal(glim__file_write("/dev/null", "x", 1, &err), GLIM_OK);
}

static void a_disk_that_fills_up_leaves_the_old_file(void **state) {
    glim_error err;
    struct rlimit old, small;
    static char big[100000];
    assert_int_equal(glim__file_write(path, "old", 3, NULL), GLIM_OK);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small = (struct rlimit){.rlim_cur = 4096, .rlim_max = old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    glim_status status = glim__file_write(path, big, sizeof big, &err);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(status, GLIM_EIO);
    assert_contains(err.message, "File too large");
    assert_holds(path, "old");
    assert_int_equal(files_in_folder(), 1);
}

static void an_impossible_place_is_told_with_its_name(void **state) {
    glim_error err;
    assert_int_equal(glim__file_write(folder, "x", 1, &err), GLIM_EIO);
    assert_contains(err.message, "Is a directory");
    assert_int_equal(glim__file_write("/nowhere/at/all", "x", 1, &err), GLIM_EIO);
    assert_contains(err.message, "'/nowhere/at/all'");
    char *longest = malloc(6000);
    memset(longest, 'a', 5999);
    longest[5999] = '\0';
    assert_int_equal(glim__file_write(longest, "x", 1, &err), GLIM_EIO);
    free(longest);
    assert_int_equal(files_in_folder(), 0);
}

static void a_failed_rename_removes_the_temporary_file(void **state) {
    glim_error err;
    glim_outfile f;
    assert_int_equal(glim__outfile_open(&f, path, &err), GLIM_OK);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(glim__outfile_commit(&f, &err), GLIM_EIO);
    assert_int_equal(files_in_folder(), 1);
}

static void standard_output_is_a_file_named_dash(void **state) {
    fflush(stdout);
    int saved = dup(STDOUT_FILENO), fd = open(path, O_RDWR | O_CREAT, 0600);
    dup2(fd, STDOUT_FILENO);
    glim_status status = glim__file_write("-", "answer", 6, NULL);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    close(fd);
    assert_int_equal(status, GLIM_OK);
    assert_holds(path, "answer");
}

#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_FOLDER(writing_replaces_the_file_and_keeps_its_mode),
        IN_FOLDER(the_target_of_a_link_is_replaced_not_the_link),
        IN_FOLDER(the_old_file_stays_until_the_commit),
        IN_FOLDER(writing_at_an_offset_fills_later),
        IN_FOLDER(a_full_device_is_told),
        IN_FOLDER(a_disk_that_fills_up_leaves_the_old_file),
        IN_FOLDER(an_impossible_place_is_told_with_its_name),
        IN_FOLDER(a_failed_rename_removes_the_temporary_file),
        IN_FOLDER(standard_output_is_a_file_named_dash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
