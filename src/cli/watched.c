/* SPDX-License-Identifier: Apache-2.0 */
/* Progress for programs (watched.h). A reader that is gone is no reason to stop. */
#include "cli/watched.h"
#include "base/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The descriptor, or -1; looked for once. */
static int reader(void) {
    static int fd = -2;
    if (fd > -2)
        return fd;
    const char *given = getenv("GLIM_PROGRESS_FD");
    char *end = NULL;
    long n = given && *given ? strtol(given, &end, 10) : -1;
    bool open = end && !*end && n > STDERR_FILENO && n < 1024 && fcntl((int)n, F_GETFD) >= 0;
    fd = open ? (int)n : -1;
    if (open)
        fcntl(fd, F_SETFD, FD_CLOEXEC); /* not for children of ours */
    return fd;
}

bool cli_watched(void) {
    return reader() >= 0;
}

/* The whole line in one write where it can be. Takes the value. */
static void tell(json_t *line, bool ok) {
    char *text = ok && line ? json_dumps(line, JSON_COMPACT) : NULL;
    size_t n = text ? strlen(text) : 0;
    if (text)
        text[n++] = '\n';
    for (size_t at = 0; at < n;) {
        ssize_t done = write(reader(), text + at, n - at);
        if (done < 0 && errno != EINTR)
            break;
        at += done > 0 ? (size_t)done : 0;
    }
    free(text);
    json_decref(line);
}

bool cli_watched_progress(const glim_progress *p) {
    bool ok = true;
    if (!cli_watched())
        return false;
    json_t *o = json_object();
    glim__json_set(&ok, o, "fraction",
                   p->total ? json_real((double)p->done / (double)p->total) : json_null());
    glim__json_set(&ok, o, "stage", json_string(p->stage));
    glim__json_set(&ok, o, "left_s",
                   p->seconds_left < 0 ? json_null() : glim__json_number(p->seconds_left));
    tell(o, ok);
    return true;
}

void cli_watched_token(int32_t id, const char *text, size_t n, double probability) {
    bool ok = true;
    json_t *o = json_object(), *line = json_object();
    glim__json_set(&ok, o, "text", glim__json_text(text, n));
    glim__json_set(&ok, o, "id", json_integer(id));
    glim__json_set(&ok, o, "prob", glim__json_number(probability));
    glim__json_set(&ok, line, "token", o);
    tell(line, ok);
}
