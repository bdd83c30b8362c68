/* SPDX-License-Identifier: Apache-2.0 */
#include "influence/spool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

glim_status glim__spool_open(glim_spool *s, const char *what, glim_error *err) {
    char path[] = P_tmpdir "/glim-scores-XXXXXX";
    s->what = what;
    s->fd = mkstemp(path);
    if (s->fd < 0)
        return glim_fail(err, GLIM_EIO, "no temporary file in %s: %s", P_tmpdir, strerror(errno));
    unlink(path);
    return GLIM_OK;
}

glim_status glim__spool_put(const glim_spool *s, uint64_t at, const void *data, size_t n,
                            glim_error *err) {
    for (size_t done = 0; done < n;) {
        ssize_t k = pwrite(s->fd, (const char *)data + done, n - done, (off_t)(at + done));
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return glim_fail(err, GLIM_EIO, "%s in %s: %s", s->what, P_tmpdir,
                             k ? strerror(errno) : "nothing is written");
        done += (size_t)k;
    }
    return GLIM_OK;
}

glim_status glim__spool_get(const glim_spool *s, uint64_t at, void *data, size_t n,
                            glim_error *err) {
    for (size_t done = 0; done < n;) {
        ssize_t k = pread(s->fd, (char *)data + done, n - done, (off_t)(at + done));
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return glim_fail(err, GLIM_EIO, "%s in %s: %s", s->what, P_tmpdir,
                             k ? strerror(errno) : "the file is shorter than what was written");
        done += (size_t)k;
    }
    return GLIM_OK;
}

glim_status glim__spool_write(const glim_spool *s, uint64_t at, const double *x, size_t n,
                              glim_error *err) {
    return glim__spool_put(s, at * sizeof *x, x, n * sizeof *x, err);
}

glim_status glim__spool_read(const glim_spool *s, uint64_t at, double *x, size_t n,
                             glim_error *err) {
    return glim__spool_get(s, at * sizeof *x, x, n * sizeof *x, err);
}

void glim__spool_close(glim_spool *s) {
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}
