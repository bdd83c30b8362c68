/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outfile.c: create beside the target, write, close, rename. The temporary
 * name is opened with O_EXCL and the mode 0666, so that the user's umask holds
 * (mkstemp would leave results readable by their owner alone). Every write and
 * the close are checked: on a full disk or at a quota it is often only the
 * close that tells. No fsync: results can be computed again, and a power cut is
 * not worth the wait on every run.
 */
#include "base/outfile.h"
#include "base/buffer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TRIES = 16, MAX_WRITE = 1 << 30 };

static glim_status cannot(glim_error *err, const char *verb, const char *name, int code) {
    return glim_fail(err, GLIM_EIO, "cannot %s '%s': %s", verb, name, strerror(code));
}

/* A name beside f->path that nobody else has; f->fd is its descriptor. */
static glim_status create_temporary(glim_outfile *f, glim_error *err) {
    for (int i = 0; i < TRIES; i++) {
        unsigned stamp = (unsigned)(uint64_t)(glim__seconds() * 1e6) + (unsigned)i;
        int n = snprintf(f->temporary, sizeof f->temporary, "%s.%ld-%x.part", f->path,
                         (long)getpid(), stamp);
        if (n < 0 || (size_t)n >= sizeof f->temporary) {
            f->temporary[0] = '\0';
            return cannot(err, "create", f->name, ENAMETOOLONG);
        }
        f->fd = open(f->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (f->fd >= 0)
            return GLIM_OK;
        if (errno != EEXIST)
            break;
    }
    int code = errno;
    f->temporary[0] = '\0';
    return cannot(err, "create", f->name, code);
}

static glim_status open_direct(glim_outfile *f, const char *path, glim_error *err) {
    f->fd = open(path, O_WRONLY | O_CLOEXEC);
    return f->fd < 0 ? cannot(err, "open", f->name, errno) : GLIM_OK;
}

glim_status glim__outfile_open(glim_outfile *f, const char *path, glim_error *err) {
    f->fd = -1;
    f->path[0] = f->temporary[0] = '\0';
    snprintf(f->name, sizeof f->name, "%s", strcmp(path, "-") ? path : "standard output");
    struct stat st, shown;
    bool exists = strcmp(path, "-") != 0 && stat(path, &st) == 0;
    bool is_shown = exists && fstat(STDOUT_FILENO, &shown) == 0 && shown.st_dev == st.st_dev &&
                    shown.st_ino == st.st_ino; /* /dev/stdout; its file is the shell's */
    if (is_shown || strcmp(path, "-") == 0) {
        f->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
        return f->fd < 0 ? cannot(err, "write", f->name, errno) : GLIM_OK;
    }
    if (exists && S_ISDIR(st.st_mode))
        return cannot(err, "write", f->name, EISDIR);
    if (exists && !S_ISREG(st.st_mode))
        return open_direct(f, path, err);
    if (exists && access(path, W_OK) != 0)
        return cannot(err, "write", f->name, errno);
    if (strlen(path) >= sizeof f->path)
        return cannot(err, "create", f->name, ENAMETOOLONG);
    if (exists && !realpath(path, f->path)) /* a descriptor whose file has no name any more */
        return open_direct(f, path, err);
    if (!exists)
        memcpy(f->path, path, strlen(path) + 1);
    glim_status status = create_temporary(f, err);
    if (status == GLIM_OK && exists && fchmod(f->fd, st.st_mode & 07777) != 0)
        errno = 0; /* another owner's file: the new one keeps the default mode */
    return status;
}

glim_status glim__outfile_write(glim_outfile *f, const void *data, size_t n, glim_error *err) {
    const char *p = data;
    while (n > 0) {
        ssize_t done = write(f->fd, p, n < MAX_WRITE ? n : MAX_WRITE);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return cannot(err, "write", f->name, done < 0 ? errno : EIO);
        p += done;
        n -= (size_t)done;
    }
    return GLIM_OK;
}

glim_status glim__outfile_write_at(glim_outfile *f, uint64_t offset, const void *data, size_t n,
                                   glim_error *err) {
    const char *p = data;
    if (offset > INT64_MAX || n > INT64_MAX - offset)
        return cannot(err, "write", f->name, EFBIG);
    while (n > 0) {
        ssize_t done = pwrite(f->fd, p, n < MAX_WRITE ? n : MAX_WRITE, (off_t)offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return cannot(err, "write", f->name, done < 0 ? errno : EIO);
        p += done;
        n -= (size_t)done;
        offset += (uint64_t)done;
    }
    return GLIM_OK;
}

glim_status glim__outfile_commit(glim_outfile *f, glim_error *err) {
    int fd = f->fd;
    f->fd = -1;
    if (close(fd) != 0 && errno != EINTR) {
        int code = errno;
        glim__outfile_abort(f);
        return cannot(err, "write", f->name, code);
    }
    if (f->temporary[0] && rename(f->temporary, f->path) != 0) {
        int code = errno;
        glim__outfile_abort(f);
        return cannot(err, "write", f->name, code);
    }
    f->temporary[0] = '\0';
    return GLIM_OK;
}

void glim__outfile_abort(glim_outfile *f) {
    if (f->fd >= 0)
        close(f->fd);
    if (f->temporary[0])
        unlink(f->temporary);
    f->fd = -1;
    f->temporary[0] = '\0';
}

glim_status glim__file_write(const char *path, const void *data, size_t n, glim_error *err) {
    glim_outfile f;
    glim_status status = glim__outfile_open(&f, path, err);
    if (status == GLIM_OK)
        status = glim__outfile_write(&f, data, n, err);
    if (status == GLIM_OK)
        return glim__outfile_commit(&f, err);
    glim__outfile_abort(&f);
    return status;
}
