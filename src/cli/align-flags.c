/* SPDX-License-Identifier: Apache-2.0 */
/* The flags of alignment, for the commands that take them. */
#include "cli/align-flags.h"

#include <string.h>
#include <sys/stat.h>

enum { MOST_GOLD = 1 << 24 };

/* The one line of a file that holds links. */
static glim_status find_line(cli_run *run, const glim_buffer *gold, glim_align_options *out) {
    size_t lines = 0;
    const char *at = gold->data, *end = gold->data ? gold->data + gold->len : NULL;
    for (size_t number = 1; at < end; number++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t n = (size_t)((stop ? stop : end) - at);
        if (n && strspn(at, " \t\r") < n && ++lines == 1) {
            out->gold = at;
            out->gold_len = n;
            out->gold_line = number;
        }
        at += n + 1;
    }
    return lines < 2
               ? GLIM_OK
               : glim_fail(&run->err, GLIM_EUSAGE, "'%s' has %zu lines of links; one text has one",
                           run->o.gold, lines);
}

glim_status cli_align(cli_run *run, glim_buffer *gold, glim_align_options *out) {
    const cli_options *o = &run->o;
    struct stat st;
    *out = (glim_align_options){.extract = o->extract, .gold_name = o->gold};
    if (!o->align && (o->extract || o->gold))
        return glim_fail(&run->err, GLIM_EUSAGE, "--%s is for --align",
                         o->gold ? "gold" : "extract");
    if (!o->gold)
        return GLIM_OK;
    out->gold = o->gold;
    out->gold_len = strlen(o->gold);
    out->gold_line = 1;
    if (stat(o->gold, &st) != 0 || S_ISDIR(st.st_mode))
        return GLIM_OK;
    out->gold = "";
    out->gold_len = 0;
    glim_status status = glim__file_read(gold, o->gold, MOST_GOLD, &run->err);
    return status ? status : find_line(run, gold, out);
}
