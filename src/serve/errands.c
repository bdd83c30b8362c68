/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Short runs of the program for a request that waits: a plan, tokens, a report of a document. A
 * few at a time, whatever the queue of jobs has, each with an end in time. Requests that want the
 * same words share a run.
 */
#include "serve/request.h"

#include <string.h>

static const double LONGEST = 120; /* seconds, in the line and at work */

static bool same(const glim_buffer *a, const glim_buffer *b) {
    return a->len == b->len && (!a->len || !memcmp(a->data, b->data, a->len));
}

serve_errand *serve_errand_new(glim_server *s, serve_words *words, glim_error *err) {
    size_t n = 0;
    serve_errand *e = NULL, **last = &s->errands;
    for (; *last; last = &(*last)->next, n++)
        if ((*last)->state != ERRAND_ENDED && same(&(*last)->words.words, &words->words) &&
            same(&(*last)->words.blob, &words->blob)) {
            serve_words_release(words);
            (*last)->users++;
            return *last;
        }
    if (n >= MOST_ERRANDS)
        glim_fail(err, GLIM_EBUDGET, "the server is busy: %zu requests wait (try again later)", n);
    else if (!(e = glim__calloc(s->ctx, 1, sizeof *e)))
        glim__oom(s->ctx, err, "a request", sizeof *e);
    if (!e) {
        serve_words_release(words);
        return NULL;
    }
    e->words = *words;
    *words = (serve_words){0};
    e->users = 1;
    e->ends_at = glim__seconds() + LONGEST;
    serve_child_init(&e->child, s->ctx);
    *last = e;
    serve_wake(s);
    return e;
}

void serve_errand_free(glim_server *s, serve_errand *e) {
    if (!e || --e->users)
        return;
    for (serve_errand **at = &s->errands; *at; at = &(*at)->next)
        if (*at == e) {
            *at = e->next;
            break;
        }
    serve_child_release(&e->child);
    serve_words_release(&e->words);
    glim__free(s->ctx, e);
}

static void end(serve_errand *e) {
    e->state = ERRAND_ENDED;
    for (serve_request *r; (r = e->waiting);) {
        e->waiting = r->also;
        MHD_resume_connection(r->connection);
    }
}

static void fail(serve_errand *e, const char *what) {
    serve_child_kill(&e->child);
    e->failed = true;
    glim_fail(&e->err, GLIM_EBUDGET, "%s", what);
    end(e);
}

void serve_errands_turn(glim_server *s) {
    size_t running = 0;
    double now = glim__seconds();
    for (serve_errand *e = s->errands, *next; e; e = next) {
        next = e->next;
        if (e->state == ERRAND_RUNS && serve_child_pump(&e->child))
            end(e);
        if (e->state != ERRAND_ENDED && now > e->ends_at)
            fail(e, "the answer took too long (make it a job)");
        running += e->state == ERRAND_RUNS;
    }
    for (serve_errand *e = s->errands; e && running < SERVE_ERRANDS; e = e->next)
        if (e->state == ERRAND_WAITS) {
            e->failed = serve_child_start(&e->child, &e->words.words, e->words.n, &e->words.blob,
                                          true, &e->err) != GLIM_OK;
            e->state = ERRAND_RUNS;
            if (e->failed)
                end(e);
            running++;
        }
    for (serve_errand **at = &s->errands; *at;)
        if ((*at)->state == ERRAND_ENDED)
            *at = (*at)->next; /* the request has it */
        else
            at = &(*at)->next;
}

void serve_errands_stop(glim_server *s) {
    for (serve_errand *e = s->errands; e; e = e->next)
        if (e->state != ERRAND_ENDED)
            fail(e, "the server ends (start it again)");
    s->errands = NULL;
}
