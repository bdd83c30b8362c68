/* SPDX-License-Identifier: Apache-2.0 */
/* What requests to glim serve may say of the program's own flags. */
#include "cli/commands.h"
#include "serve/job-words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Files that are written, and those that the server says itself. A new flag of a file is put
   here, or among those that may be read (src/serve/flag-kinds.c). */
static const char *const closed[] = {"json", "csv",          "html",  "raw",   "out", "store",
                                     "save", "save-picture", "svg",   "png",   "pdf", "fit",
                                     "file", "chat",         "model", "header"};

static bool is_closed(const char *name) {
    for (size_t i = 0; i < sizeof closed / sizeof *closed; i++)
        if (!strcmp(closed[i], name))
            return true;
    return false;
}

static void check_row(const char *of, const glim_param *p) {
    const char *value = p->value_name ? p->value_name : "";
    serve_flag kind = serve_flag_kind(p);
    bool file = p->type == GLIM_STRING && (strstr(value, "FILE") || strstr(value, "DIR") ||
                                           strstr(value, "SPEC") || !strcmp(value, "MAP"));
    if (file && kind == SERVE_PLAIN)
        fail_msg("%s --%s: a file that any request may name", of, p->name);
    if (file && kind == SERVE_HIDDEN && !is_closed(p->name))
        fail_msg("%s --%s: may requests name this file?", of, p->name);
    if (is_closed(p->name) && p->type == GLIM_STRING && file && kind != SERVE_HIDDEN)
        fail_msg("%s --%s is open", of, p->name);
    /* "or a file", "@FILE": values that are files at times */
    if (kind == SERVE_PLAIN && p->type == GLIM_STRING && p->help &&
        (strstr(p->help, "file") || strstr(p->help, "FILE#")) && strcmp(p->name, "corrupt") != 0)
        fail_msg("%s --%s: '%s'", of, p->name, p->help);
}

static void check_table(const char *of, const glim_param *p) {
    for (; p && p->type != GLIM_PARAM_END; p++)
        check_row(of, p);
}

static void every_flag_of_a_file_has_been_thought_of(void **state) {
    serve_command commands[64];
    cli_serve_commands(commands, 64);
    for (const serve_command *c = commands; c->name; c++)
        for (size_t g = 0; c->groups[g]; g++)
            check_table(c->name, c->groups[g]);
    for (size_t i = 0; glim_methods()[i]; i++)
        check_table(glim_methods()[i]->name, glim_methods()[i]->params);
    for (size_t i = 0; glim_metrics()[i]; i++)
        check_table(glim_metrics()[i]->name, glim_metrics()[i]->params);
    for (size_t i = 0; glim__influence_methods()[i]; i++)
        check_table(glim__influence_methods()[i]->name, glim__influence_methods()[i]->params);
}

static void a_job_writes_no_file_and_serves_nothing(void **state) {
    serve_command commands[64];
    size_t n = 0;
    cli_serve_commands(commands, 64);
    for (; commands[n].name; n++) {
        assert_string_not_equal(commands[n].name, "serve");
        assert_string_not_equal(commands[n].name, "view");
        assert_null(serve_param_find(&commands[n], NULL, "out"));
        assert_null(serve_param_find(&commands[n], NULL, "json"));
        assert_null(serve_param_find(&commands[n], NULL, "kernels"));
    }
    assert_true(n > 10);
    cli_serve_commands(commands, 3); /* no more than there is room for */
    assert_null(commands[2].name);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_flag_of_a_file_has_been_thought_of),
        cmocka_unit_test(a_job_writes_no_file_and_serves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
