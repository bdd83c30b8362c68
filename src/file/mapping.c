/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mapping.c: mmap of a regular file. Private and read-only: the kernel's cache
 * is shared with every other reader and nothing is copied. No read-ahead is
 * asked for: opening reads the tables alone, and asking for all of a large file
 * costs more than reading them.
 */
#include "file/mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static glim_status cannot_open(glim_error *err, const char *path, const char *why) {
    return glim_fail(err, GLIM_EIO, "cannot open '%s': %s", path, why);
}

/* Maps the open file; its size is at least 1. */
static glim_status map(glim_mapping *m, int fd, glim_error *err) {
    uint64_t size = (uint64_t)m->state.st_size;
    if (size > SIZE_MAX || !glim__reserve(m->ctx, size))
        return glim__oom(m->ctx, err, m->path, size);
    void *data = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED) {
        int code = errno;
        glim__unreserve(m->ctx, size);
        return cannot_open(err, m->path, strerror(code));
    }
    m->data = data;
    m->size = size;
    return GLIM_OK;
}

static glim_status open_and_map(glim_mapping *m, glim_error *err) {
    int fd = open(m->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return cannot_open(err, m->path, strerror(errno));
    glim_status status = GLIM_OK;
    if (fstat(fd, &m->state) != 0)
        status = cannot_open(err, m->path, strerror(errno));
    else if (S_ISDIR(m->state.st_mode))
        status = cannot_open(err, m->path, "it is a directory; name a file");
    else if (!S_ISREG(m->state.st_mode))
        status = cannot_open(err, m->path, "it is no regular file and cannot be mapped");
    else if (m->state.st_size > 0)
        status = map(m, fd, err);
    close(fd);
    return status;
}

glim_status glim__mapping_open(glim_mapping *m, glim_context *ctx, const char *path,
                               glim_error *err) {
    *m = (glim_mapping){.ctx = ctx, .path = glim__strdup(ctx, path)};
    if (!m->path)
        return glim__oom(ctx, err, path, strlen(path));
    glim_status status = open_and_map(m, err);
    if (status != GLIM_OK)
        glim__mapping_close(m);
    return status;
}

glim_status glim__mapping_borrow(glim_mapping *m, glim_context *ctx, const void *bytes, size_t n,
                                 const char *name, glim_error *err) {
    *m = (glim_mapping){.ctx = ctx, .data = bytes, .size = n, .borrowed = true};
    m->path = glim__strdup(ctx, name);
    return m->path ? GLIM_OK : glim__oom(ctx, err, name, strlen(name));
}

void glim__mapping_close(glim_mapping *m) {
    if (m->data && !m->borrowed) {
        munmap((void *)m->data, (size_t)m->size);
        glim__unreserve(m->ctx, m->size);
    }
    glim__free(m->ctx, m->path);
    *m = (glim_mapping){.ctx = m->ctx};
}

void glim__mapping_forget(const glim_mapping *m) {
    if (m->data && !m->borrowed)
        madvise((void *)m->data, (size_t)m->size, MADV_DONTNEED);
}

glim_status glim__mapping_unchanged(const glim_mapping *m, glim_error *err) {
    struct stat now;
    if (m->borrowed)
        return GLIM_OK;
    if (stat(m->path, &now) != 0)
        return glim_fail(err, GLIM_EIO, "'%s' is gone: %s", m->path, strerror(errno));
    const struct stat *then = &m->state;
    if (now.st_size != then->st_size || now.st_mtim.tv_sec != then->st_mtim.tv_sec ||
        now.st_mtim.tv_nsec != then->st_mtim.tv_nsec || now.st_ino != then->st_ino ||
        now.st_dev != then->st_dev)
        return glim_fail(err, GLIM_EIO, "'%s' has changed since it was opened (open it again)",
                         m->path);
    return GLIM_OK;
}
