/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hint as a command to run. The user's own flags are printed again by walking the tables of
 * the command that is advised, so that a flag that is added there needs nothing here; what
 * was not named is filled in with words in capitals.
 */
#include "cli/advise.h"

#include <string.h>

enum { LONGEST_TEXT = 60, INDENT = 6 };

struct line {
    glim_buffer *out;
    int width, column;
};

/* ---- words of a shell ---- */

static void quote(glim_buffer *out, const char *s, bool always) {
    static const char safe[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./,:=@%+";
    if (!always && *s && strspn(s, safe) == strlen(s)) {
        glim__buffer_puts(out, s);
    } else if (!strpbrk(s, "\"$`\\!")) {
        glim__buffer_printf(out, "\"%s\"", s);
    } else {
        glim__buffer_putc(out, '\'');
        for (; *s; s++)
            if (*s == '\'')
                glim__buffer_puts(out, "'\\''");
            else
                glim__buffer_putc(out, *s);
        glim__buffer_putc(out, '\'');
    }
}

/* One argument, or a flag with its value, on a new line when this one is full. */
static void add(struct line *l, const char *flag, const char *value, bool always) {
    size_t from = l->out->len;
    glim__buffer_putc(l->out, ' ');
    if (flag)
        glim__buffer_printf(l->out, "%s%s", flag, value ? " " : "");
    if (value)
        quote(l->out, value, always);
    int n = (int)(l->out->len - from);
    if (l->width && l->column + n > l->width - 2 && !l->out->failed) {
        l->out->len = from;
        glim__buffer_printf(l->out, " \\\n%*s", INDENT, "");
        if (flag)
            glim__buffer_printf(l->out, "%s%s", flag, value ? " " : "");
        if (value)
            quote(l->out, value, always);
        l->column = INDENT;
        n--;
    }
    l->column += n;
}

/* ---- flags ---- */

/* A number as it is written, with its sort of emptiness: NULL when it is the default. */
static const char *value_of(const glim_param *p, const cli_options *o, char number[32]) {
    const char *at = (const char *)o + p->offset;
    if (p->type == GLIM_STRING || p->type == GLIM_CHOICE) {
        const char *s = *(const char *const *)(const void *)at;
        return s && (!p->def.s || strcmp(s, p->def.s) != 0) ? s : NULL;
    }
    if (p->type == GLIM_BOOL)
        return *(const bool *)(const void *)at ? "" : NULL;
    if (p->type == GLIM_REAL) {
        double x = *(const double *)(const void *)at;
        snprintf(number, 32, "%g", x);
        return x == p->def.r ? NULL : number;
    }
    int64_t i = *(const int64_t *)(const void *)at;
    snprintf(number, 32, "%lld", (long long)i);
    return i == p->def.i ? NULL : number;
}

/* What can be set here, too: other fields were never given their defaults. */
static bool is_ours(const cli_run *run, const glim_param *p) {
    for (size_t g = 0; run->command->groups[g]; g++) {
        const glim_param *mine = glim_param_find(run->command->groups[g], p->name);
        if (mine && mine->offset == p->offset)
            return true;
    }
    return false;
}

static bool is_output(const glim_param *group) {
    return group == cli_flags_output || group == cli_flags_figure || group == cli_flags_json ||
           group == cli_flags_raw || group == cli_flags_resources || group == cli_flags_plan ||
           group == cli_flags_talk;
}

/* A flag that the hint sets is the hint's. */
static bool is_told(const glim_hint *hint, const char *name) {
    const char *at = strstr(hint->flags, name);
    size_t n = strlen(name);
    return at && at - hint->flags >= 2 && at[-1] == '-' && at[-2] == '-' &&
           (at[n] == ' ' || !at[n]);
}

static void add_flags(struct line *l, const cli_run *run, const cli_options *o,
                      const glim_hint *hint) {
    const cli_command *c = cli_find(hint->command);
    for (size_t g = 0; c->groups[g]; g++)
        for (const glim_param *p = c->groups[g];
             p->type != GLIM_PARAM_END && !is_output(c->groups[g]); p++) {
            char number[32], flag[48];
            bool ours = is_ours(run, p) && !is_told(hint, p->name);
            const char *value = ours ? value_of(p, o, number) : NULL;
            if (!value)
                continue;
            snprintf(flag, sizeof flag, p->letter == 'm' ? "-m" : "--%s", p->name);
            add(l, flag, p->type == GLIM_BOOL ? NULL : value, false);
        }
}

/* ---- what was not named ---- */

static void fill_input(cli_options *o, const glim_question *q) {
    bool decoder = q->access == GLIM_ACCESS_DECODER;
    if (q->job == GLIM_JOB_TABLE) {
        o->table = o->table ? o->table : "rows.csv";
        o->row = 1;
    } else if (q->job == GLIM_JOB_DIALOGUE) {
        o->chat = "talk.json";
    } else if (q->job == GLIM_JOB_IMAGE) {
        o->text = "PICTURE";
    } else if (q->job == GLIM_JOB_ANSWER && q->access == GLIM_ACCESS_ENCODER) {
        o->text = "QUESTION";
        o->context = "CONTEXT";
    } else if (decoder && q->job == GLIM_JOB_TRANSLATE &&
               (q->want == GLIM_WANT_PARTS || q->want == GLIM_WANT_ALIGNMENT)) {
        o->text = "English: SOURCE French:";
        o->source = "SOURCE";
        o->continuation = " TRANSLATION";
    } else {
        o->text = "TEXT";
    }
    if (decoder && q->job == GLIM_JOB_CLASSIFY && !o->labels)
        o->labels = "A,B";
    if (q->want == GLIM_WANT_CONTRAST) {
        o->target = o->target ? o->target : "A";
        o->against = o->against ? o->against : "B";
    } else if (decoder && !o->labels && !o->continuation && !o->generate && !o->target) {
        o->generate = 24;
    }
}

/* What is asked of `glim influence`: samples, and a query with what it says. */
static void fill_training(cli_options *o, const glim_question *q, const glim_hint *hint,
                          bool given) {
    bool table = q->job == GLIM_JOB_TABLE, chat = q->job == GLIM_JOB_DIALOGUE;
    bool decoder = q->access == GLIM_ACCESS_DECODER;
    bool exact = !strcmp(hint->name, "influence-functions");
    bool asks = strcmp(hint->name, "diagnostics") != 0;
    o->train = o->train ? o->train : table ? "samples.csv" : "samples.jsonl";
    if (table) {
        o->table = !asks ? NULL : o->table ? o->table : "rows.csv";
        o->row = !asks ? 0 : o->row ? o->row : o->table != NULL;
        o->text = NULL;
    } else if (chat) {
        o->query = "questions.jsonl"; /* chats, as the samples are */
        o->text = NULL;
    } else if (!o->text) {
        o->text = "TEXT";
    }
    o->target = o->target ? o->target : o->continuation;
    o->against = exact ? o->against : NULL;
    if (!decoder || !o->text || o->target || exact)
        return;
    if (q->job == GLIM_JOB_CLASSIFY)
        o->target = given ? o->target : " A";
    else
        o->generate = o->generate ? o->generate : given ? 1 : 24; /* what the model says */
}

static cli_options filled(const cli_run *run, const glim_question *q, const glim_hint *hint) {
    cli_options o = run->o;
    bool box = q->access == GLIM_ACCESS_BLACK_BOX;
    if (!o.model && !o.predictor) {
        o.model = box || q->access == GLIM_ACCESS_FITTED ? NULL : "MODEL";
        o.predictor = box ? "SPEC" : q->access == GLIM_ACCESS_FITTED ? "fit:FILE" : NULL;
    }
    if (q->want == GLIM_WANT_TRAINING)
        fill_training(&o, q, hint, cli_advise_has_input(run));
    else if (!cli_advise_has_input(run))
        fill_input(&o, q);
    if (q->want == GLIM_WANT_EXAMPLES)
        o.row = 0;
    if (!strcmp(hint->command, "attention")) { /* its flags of these names say something else */
        o.source = q->want == GLIM_WANT_ALIGNMENT ? o.source : NULL;
        o.target = q->access == GLIM_ACCESS_ENCODER_DECODER ? o.target : NULL;
    }
    return o;
}

void cli_advise_command(const cli_run *run, const glim_question *q, const glim_hint *hint,
                        int width, glim_buffer *out) {
    cli_options o = filled(run, q, hint);
    struct line l = {out, width, 0};
    size_t from = out->len;
    glim__buffer_printf(out, "  glim %s" + (width ? 0 : 2), hint->command);
    l.column = (int)(out->len - from);
    add_flags(&l, run, &o, hint);
    if (q->access == GLIM_ACCESS_BLACK_BOX && q->job == GLIM_JOB_IMAGE)
        add(&l, "--task", "image", false);
    if (o.query)
        add(&l, "--query", o.query, false);
    if (strcmp(hint->command, "attention") != 0)
        add(&l, "--method", hint->name, false);
    if (*hint->flags)
        add(&l, hint->flags, NULL, false);
    bool odd = o.text && width && (strlen(o.text) > LONGEST_TEXT || strpbrk(o.text, "\n\r\t\033"));
    if (o.text && o.text[0] == '-' && !odd)
        add(&l, "--", NULL, false);
    if (odd)
        add(&l, "\"$TEXT\"", NULL, false);
    else if (o.text)
        add(&l, NULL, o.text, q->job != GLIM_JOB_IMAGE);
}
