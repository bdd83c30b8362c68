/* SPDX-License-Identifier: Apache-2.0 */
/* What is answered at once by a short run: plans, tokens, advice. */
#include "serve/request.h"

#include <string.h>

serve_result serve_reply_failure(serve_request *r) {
    bool ok = true;
    int code = r->errand->child.exit;
    json_t *all = json_object();
    glim__json_set(&ok, all, "error", serve_child_error(&ok, &r->errand->child));
    return serve_reply_json(r, code >= 2 && code <= 4 ? 400 : 503, all, ok);
}

static serve_result put_answer(serve_request *r) {
    const serve_child *c = &r->errand->child;
    if (c->exit)
        return serve_reply_failure(r);
    if (c->overflown)
        return serve_reply_error(r, 400, "the answer: it is too large (make it a job)");
    return serve_reply_text(r, 200, "application/json", &c->out.text);
}

static serve_result ask(serve_request *r, bool dry_run, serve_handler *then) {
    glim_server *s = r->server;
    glim_error err;
    json_t *body = NULL;
    serve_words words;
    glim_status status = serve_body_json(r, &body, &err);
    if (!status)
        status =
            serve_words_make(&words, s->o, &s->models, &s->places, body, r->route->command, &err);
    json_decref(body);
    if (!status) {
        status = serve_words_answer(&words, "-", dry_run, &err);
        if (status)
            serve_words_release(&words);
    }
    return status ? serve_reply_status(r, status, &err) : serve_wait(r, &words, then);
}

serve_result serve_ask(serve_request *r) {
    return ask(r, false, put_answer);
}

static void copy(bool *ok, json_t *to, const json_t *from, const char *name, json_t *otherwise) {
    json_t *v = json_object_get(from, name);
    glim__json_set(ok, to, name, v ? json_incref(v) : json_incref(otherwise));
    json_decref(otherwise);
}

/* {text, seconds, bytes, ...} of a glim.plan/1. */
static serve_result put_plan(serve_request *r) {
    const serve_child *c = &r->errand->child;
    char size[24], text[256], time[48] = "";
    bool ok = true;
    if (c->exit)
        return serve_reply_failure(r);
    json_t *plan = json_loadb(c->out.text.data ? c->out.text.data : "", c->out.text.len, 0, NULL);
    double forward = json_number_value(json_object_get(plan, "forward_tokens"));
    double backward = json_number_value(json_object_get(plan, "backward_tokens"));
    double bytes = json_number_value(json_object_get(plan, "bytes"));
    json_t *seconds = json_object_get(plan, "seconds");
    if (!plan)
        return serve_reply_error(r, 503, "plan: the command told none");
    if (json_is_number(seconds))
        snprintf(time, sizeof time, ", about %.3g s", json_number_value(seconds));
    snprintf(text, sizeof text, "%.0f tokens forward, %.0f backward, %s%s", forward, backward,
             glim__size_text((uint64_t)bytes, size), time);
    json_t *o = json_object();
    glim__json_set(&ok, o, "text", json_string(text));
    copy(&ok, o, plan, "seconds", json_null());
    copy(&ok, o, plan, "bytes", json_null());
    copy(&ok, o, plan, "disk_bytes", json_integer(0));
    copy(&ok, o, plan, "forward_tokens", json_integer(0));
    copy(&ok, o, plan, "backward_tokens", json_integer(0));
    copy(&ok, o, plan, "bounded", json_true());
    json_decref(plan);
    return serve_reply_json(r, 200, o, ok);
}

serve_result serve_post_plan(serve_request *r) {
    return ask(r, true, put_plan);
}
