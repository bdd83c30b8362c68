/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process:COMMAND: a child that reads a line of JSON for each batch and writes one.
 * It is started with the first batch and kept; its standard error is ours. A shell
 * is started only for a command that needs one. The child leads a process group of
 * its own, so that Ctrl-C reaches glim alone, and what the child started ends with
 * it. Both pipes are polled together: a child that answers while it still reads
 * cannot block us. Rejected: popen (one direction, a shell always) and threads for
 * the pipes (poll does it).
 */
#include "predict/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { MOST_RESTARTS = 16, SLICE_MS = 50 };

struct process {
    char *command;
    glim_child child; /* pid 0: none */
    glim_buffer in, out;
    size_t sent;
};

/* ---- one exchange ---- */

enum outcome { ANSWERED, DIED, FAILED };

struct exchange {
    glim_black_box *box;
    struct process *p;
    size_t limit;
    double deadline;
    glim_status status;
    glim_error *err;
};

static enum outcome fail(struct exchange *x, glim_status status) {
    x->status = status;
    return FAILED;
}

/* The child said something although nobody asked it. */
static enum outcome chatter(struct exchange *x, const char *text, size_t n) {
    return fail(x,
                glim__box_fail(x->box, x->err, GLIM_EFORMAT, text, n,
                               "it wrote more than one line to a batch (notes belong on standard "
                               "error)"));
}

static enum outcome pump_out(struct exchange *x) {
    struct process *p = x->p;
    ssize_t n = glim__child_write(&p->child, p->out.data + p->sent, p->out.len - p->sent);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? ANSWERED : DIED;
    p->sent += (size_t)n;
    return ANSWERED;
}

/* True once a whole line is there. */
static bool has_line(const glim_buffer *in, size_t from) {
    return in->len > from && memchr(in->data + from, '\n', in->len - from);
}

static enum outcome pump_in(struct exchange *x, bool *whole) {
    char piece[1 << 16];
    struct process *p = x->p;
    ssize_t n = read(p->child.out, piece, sizeof piece);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? ANSWERED : DIED;
    if (n == 0)
        return DIED;
    size_t from = p->in.len;
    glim__buffer_append(&p->in, piece, (size_t)n);
    if (p->in.failed)
        return fail(x, glim__oom(x->box->ctx, x->err, "the answer", from + (size_t)n));
    *whole = has_line(&p->in, from);
    if (!*whole && p->in.len > x->limit)
        return fail(x,
                    glim__box_fail(x->box, x->err, GLIM_ELIMIT, p->in.data, p->in.len,
                                   "its answer is longer than %zu bytes and has no end", x->limit));
    return ANSWERED;
}

/* Sends the request and reads until a whole line is there. */
static enum outcome exchange(struct exchange *x) {
    struct process *p = x->p;
    bool whole = false;
    enum outcome way = ANSWERED;
    while (!whole && way == ANSWERED) {
        bool sending = p->sent < p->out.len;
        struct pollfd fds[2] = {{.fd = p->child.out, .events = POLLIN},
                                {.fd = sending ? p->child.in : -1, .events = POLLOUT}};
        x->status = glim__check_cancel(x->box->ctx, x->err);
        if (x->status)
            return FAILED;
        if (glim__seconds() > x->deadline)
            return fail(x, glim__box_fail(x->box, x->err, GLIM_EIO, p->in.data, p->in.len,
                                          "no whole answer within %g seconds (raise --timeout, or "
                                          "lower --batch-size)",
                                          x->box->timeout));
        if (poll(fds, 2, SLICE_MS) < 0 && errno != EINTR)
            return fail(x, glim__box_fail(x->box, x->err, GLIM_EIO, NULL, 0, "cannot poll: %s",
                                          strerror(errno)));
        if (fds[0].revents)
            way = pump_in(x, &whole);
        if (way == ANSWERED && !whole && sending && fds[1].revents)
            way = pump_out(x);
    }
    return way;
}

/* What the child wrote after its last answer, before the next request. */
static enum outcome check_silence(struct exchange *x) {
    struct process *p = x->p;
    char piece[256];
    ssize_t n = read(p->child.out, piece, sizeof piece);
    if (n > 0)
        return chatter(x, piece, (size_t)n);
    return n == 0 || (errno != EAGAIN && errno != EINTR) ? DIED : ANSWERED;
}

/* ---- batches ---- */

static enum outcome try_once(struct exchange *x) {
    struct process *p = x->p;
    p->sent = 0;
    glim__buffer_clear(&p->in);
    if (!p->child.pid) {
        x->status = glim__child_start(&p->child, x->box, p->command, x->err);
        if (x->status)
            return FAILED;
    } else {
        enum outcome silent = check_silence(x);
        if (silent != ANSWERED)
            return silent;
    }
    x->deadline = glim__seconds() + x->box->timeout;
    return exchange(x);
}

static glim_status died(struct exchange *x, const char *how) {
    const glim_buffer *in = &x->p->in;
    return glim__box_fail(x->box, x->err, GLIM_EIO, in->len ? in->data : NULL, in->len,
                          "the process %s before it had answered%s", how,
                          in->len ? "" : " (what it said may stand above)");
}

static glim_status ask_batch(struct exchange *x) {
    struct process *p = x->p;
    char how[48];
    for (int attempt = 0;; attempt++) {
        enum outcome way = try_once(x);
        if (way == ANSWERED)
            return GLIM_OK;
        glim__child_stop(&p->child, way == FAILED, how);
        if (way == FAILED)
            return x->status;
        if (attempt || x->box->info.restarts >= MOST_RESTARTS)
            return died(x, how);
        x->box->info.restarts++;
    }
}

static glim_status ask(glim_black_box *box, const glim_input *inputs, size_t n, glim_error *err) {
    struct process *p = box->state;
    size_t most = box->info.batch_size;
    glim_status status = GLIM_OK;
    for (size_t at = 0; at < n && !status; at += most) {
        size_t m = n - at < most ? n - at : most;
        struct exchange x = {.box = box, .p = p, .limit = glim__batch_limit(m), .err = err};
        glim__buffer_clear(&p->out);
        glim__batch_request(&p->out, box->kind, inputs + at, m);
        if (p->out.failed)
            return glim__oom(box->ctx, err, "the request", p->out.len);
        status = ask_batch(&x);
        if (status)
            break;
        box->info.calls++;
        size_t line = (size_t)((char *)memchr(p->in.data, '\n', p->in.len) - p->in.data);
        if (line + 1 < p->in.len) {
            chatter(&x, p->in.data + line + 1, p->in.len - line - 1);
            status = x.status;
        }
        if (!status)
            status = glim__batch_answer(box, p->in.data, line, at, m, err);
        if (status) /* it may be out of step: the next call starts a new one */
            glim__child_stop(&p->child, true, NULL);
    }
    return status;
}

static void close_process(glim_black_box *box) {
    struct process *p = box->state;
    if (!p)
        return;
    glim__child_stop(&p->child, false, NULL);
    glim__buffer_release(&p->in);
    glim__buffer_release(&p->out);
    glim__free(box->ctx, p->command);
    glim__free(box->ctx, p);
    box->state = NULL;
}

static glim_status open_process(glim_black_box *box, const char *rest, glim_error *err) {
    struct process *p = box->state = glim__calloc(box->ctx, 1, sizeof *p);
    if (!p)
        return glim__oom(box->ctx, err, "the predictor", sizeof *p);
    glim__buffer_init(&p->in, box->ctx);
    glim__buffer_init(&p->out, box->ctx);
    box->info.concurrency = 1;
    return glim__box_copy(box, &p->command, rest, strlen(rest), err);
}

const glim_backend glim__backend_process = {
    .kind = "process", .open = open_process, .ask = ask, .close = close_process};
