/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A corpus is read once, in order. What was seen is known by a hash of 64 bits, as many as
 * 32 MiB hold, or a budget allows; beyond that no more are remembered, and it says so. Rejected:
 * tokens of a long text cut as they are, for the bytes of a piece need not give its tokens again.
 */
#include "structure/corpus.h"
#include "base/buffer.h"
#include "base/map.h"
#include "base/utf8.h"
#include "file/rows.h"
#include "model/model.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 1 << 16, LONGEST_LINE = 256 << 20, REMEMBERED = 1 << 22, FIRST_TABLE = 1 << 10 };
enum { BYTES_OF_A_TOKEN = 16 };

struct glim_corpus {
    glim_context *ctx;
    const glim_model *m;
    const char *path;
    size_t window, column;
    glim_rows *rows; /* a table; NULL: lines */
    glim_arena cells;
    int fd;
    uint64_t bytes, done; /* of the file; handed out */
    glim_buffer ahead;    /* read and not yet handed out, from `at` on */
    size_t at;
    bool ended;
    const char *text; /* what is being cut, NULL: none */
    size_t left, row, part;
    size_t next_row;
    uint64_t *seen; /* open addressing; 0 = free */
    size_t n_seen, room;
    glim_corpus_counts counts;
};

static glim_status oom(const glim_corpus *c, uint64_t bytes, glim_error *err) {
    return glim__oom(c->ctx, err, "the texts of a corpus", bytes);
}

/* ---- opening ---- */

static bool is_lines(const char *path) {
    size_t n = strlen(path);
    return n > 4 && !strcmp(path + n - 4, ".txt");
}

static glim_status open_lines(glim_corpus *c, glim_error *err) {
    struct stat st;
    c->fd = open(c->path, O_RDONLY | O_CLOEXEC);
    if (c->fd < 0 || fstat(c->fd, &st))
        return glim_fail(err, GLIM_EIO, "cannot open '%.200s': %s", c->path, strerror(errno));
    if (S_ISDIR(st.st_mode))
        return glim_fail(err, GLIM_EIO, "cannot read '%.200s': it is a directory", c->path);
    c->bytes = st.st_size > 0 ? (uint64_t)st.st_size : 0;
    return GLIM_OK;
}

glim_status glim__corpus_open(glim_corpus **out, const glim_model *m, const char *path,
                              const char *column, size_t window, glim_error *err) {
    size_t most = (size_t)m->hyper.context * 3 / 4;
    glim_corpus *c = glim__calloc(m->ctx, 1, sizeof *c);
    *out = NULL;
    if (!c)
        return glim__oom(m->ctx, err, "a corpus", sizeof *c);
    *c = (glim_corpus){.ctx = m->ctx,
                       .m = m,
                       .path = path,
                       .window = window < most ? window
                                 : most > 4    ? most
                                               : 4,
                       .fd = -1};
    glim__arena_init(&c->cells, c->ctx, 1 << 14);
    glim__buffer_init(&c->ahead, c->ctx);
    glim_status status =
        is_lines(path) ? open_lines(c, err) : glim__rows_open(&c->rows, c->ctx, path, true, err);
    if (!status && c->rows)
        status = glim__rows_column(c->rows, column ? column : "text", &c->column, err);
    if (status) {
        glim__corpus_close(c);
        return status;
    }
    *out = c;
    return GLIM_OK;
}

void glim__corpus_close(glim_corpus *c) {
    if (!c)
        return;
    glim__rows_close(c->rows);
    if (c->fd >= 0)
        close(c->fd);
    glim__arena_release(&c->cells);
    glim__buffer_release(&c->ahead);
    glim__free(c->ctx, c->seen);
    glim__free(c->ctx, c);
}

/* ---- texts ---- */

static glim_status read_more(glim_corpus *c, glim_error *err) {
    char piece[PIECE];
    ssize_t n;
    do {
        n = read(c->fd, piece, sizeof piece);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return glim_fail(err, GLIM_EIO, "cannot read '%.200s': %s", c->path, strerror(errno));
    if (c->at) { /* what was handed out goes */
        memmove(c->ahead.data, c->ahead.data + c->at, c->ahead.len - c->at);
        c->ahead.len -= c->at;
        c->at = 0;
    }
    glim__buffer_append(&c->ahead, piece, (size_t)n);
    c->ended = !n;
    if (c->ahead.failed)
        return oom(c, c->ahead.len, err);
    if (c->ahead.len > LONGEST_LINE)
        return glim_fail(err, GLIM_ELIMIT, "line %zu of '%.200s' is longer than 256 MiB",
                         c->next_row + 1, c->path);
    return glim__check_cancel(c->ctx, err);
}

static glim_status next_line(glim_corpus *c, bool *more, glim_error *err) {
    const char *end = NULL;
    size_t looked = 0;
    glim_status status = GLIM_OK;
    while (!status) {
        size_t n = c->ahead.len - c->at;
        end = n > looked ? memchr(c->ahead.data + c->at + looked, '\n', n - looked) : NULL;
        if (end || c->ended)
            break;
        looked = n;
        status = read_more(c, err);
    }
    *more = end || c->ahead.len > c->at;
    if (status || !*more)
        return status;
    c->text = c->ahead.data + c->at;
    c->left = end ? (size_t)(end - c->text) : c->ahead.len - c->at;
    c->at += c->left + (end != NULL);
    c->done += c->left + (end != NULL);
    if (!c->next_row && c->left >= 3 && !memcmp(c->text, "\xef\xbb\xbf", 3)) {
        c->text += 3;
        c->left -= 3;
    }
    c->left -= c->left && c->text[c->left - 1] == '\r';
    return GLIM_OK;
}

static glim_status next_cell(glim_corpus *c, bool *more, glim_error *err) {
    const char **cells = NULL;
    *more = c->next_row < glim__rows_count(c->rows);
    if (!*more)
        return GLIM_OK;
    glim__arena_reset(&c->cells);
    glim_status status = glim__rows_read(c->rows, c->next_row, 1, &c->cells, &cells, err);
    if (status)
        return status;
    c->text = cells[c->column];
    c->left = strlen(c->text);
    c->done++;
    return GLIM_OK;
}

static bool only_spaces(const char *s, size_t n) {
    size_t i = 0;
    while (i < n && (s[i] == ' ' || s[i] == '\t' || s[i] == '\n' || s[i] == '\r'))
        i++;
    return i == n;
}

static glim_status next_text(glim_corpus *c, bool *more, glim_error *err) {
    glim_status status = GLIM_OK;
    for (c->text = NULL, *more = true; !status && *more && !c->text; c->next_row++) {
        status = c->rows ? next_cell(c, more, err) : next_line(c, more, err);
        if (status || !*more)
            break;
        c->row = c->next_row;
        c->part = 0;
        bool none = only_spaces(c->text, c->left);
        if (none || memchr(c->text, 0, c->left) || glim__utf8_check(c->text, c->left) < c->left) {
            c->counts.broken += !none || c->rows;
            c->text = NULL;
            continue;
        }
        c->counts.texts++;
    }
    return status;
}

/* ---- passages ---- */

/* Whether a byte begins a character, and whether a word. */
static bool begins(const char *s, size_t at) {
    return ((unsigned char)s[at] & 0xc0) != 0x80;
}

static bool begins_word(const char *s, size_t at) {
    return s[at] == ' ' || s[at] == '\n' || s[at] == '\t';
}

/* Where to cut n bytes whose tokens are too many: before a token behind the window's middle. */
static size_t find_cut(const glim_corpus *c, const glim_tokens *t, const char *text, size_t n) {
    size_t last = t->count < c->window ? t->count : c->window;
    for (int word = 1; word >= 0; word--)
        for (size_t i = last; i-- > (word ? last / 2 : 1);) {
            size_t at = t->at[i].start;
            if (t->at[i].kind == GLIM_TOKEN_TEXT && at && at < n && begins(text, at) &&
                (!word || begins_word(text, at)))
                return at;
        }
    size_t half = n / 2;
    while (half > 1 && !begins(text, half))
        half--;
    return half ? half : n;
}

static glim_status tokenize(glim_corpus *c, size_t n, glim_passage *out, glim_error *err) {
    glim_tokens_free(out->tokens);
    out->tokens = NULL;
    out->n = n;
    return glim_model_tokenize(c->m, &out->tokens, c->text, n, err);
}

/* The first passage of what is left. A piece is a text of its own, whose tokens are not quite
   those that it had within the whole. */
static glim_status cut(glim_corpus *c, glim_passage *out, glim_error *err) {
    size_t n = c->left, most = c->window * BYTES_OF_A_TOKEN, context = (size_t)c->m->hyper.context;
    if (n > most)
        for (n = most; n > 1 && !begins(c->text, n);)
            n--;
    glim_status status = tokenize(c, n, out, err);
    bool longer = !status && (n < c->left || out->tokens->count > c->window);
    while (longer) {
        n = find_cut(c, out->tokens, c->text, n);
        status = tokenize(c, n, out, err);
        longer = !status && out->tokens->count > context && n > 1;
    }
    return status;
}

/* ---- what was seen ---- */

/* Twice the room, unless that would take what others need. */
static bool grow(glim_corpus *c) {
    size_t room = c->room ? 2 * c->room : FIRST_TABLE;
    if (c->n_seen >= REMEMBERED / 2 || (c->room && glim__budget_left(c->ctx) / 4 < room * 8))
        return false;
    uint64_t *fresh = glim__calloc(c->ctx, room, sizeof *fresh);
    if (!fresh)
        return false;
    for (size_t i = 0; i < c->room; i++) {
        size_t at = c->seen[i] & (room - 1);
        while (c->seen[i] && fresh[at])
            at = (at + 1) & (room - 1);
        if (c->seen[i])
            fresh[at] = c->seen[i];
    }
    glim__free(c->ctx, c->seen);
    c->seen = fresh;
    c->room = room;
    return true;
}

static glim_status remember(glim_corpus *c, const char *text, size_t n, bool *twice,
                            glim_error *err) {
    uint64_t hash = glim__hash(text, n);
    hash += !hash;
    *twice = false;
    if (2 * c->n_seen >= c->room && !c->counts.forgot && !grow(c)) {
        if (!c->room)
            return oom(c, FIRST_TABLE * sizeof *c->seen, err);
        c->counts.forgot = true;
    }
    size_t at = hash & (c->room - 1);
    while (c->seen[at] && c->seen[at] != hash)
        at = (at + 1) & (c->room - 1);
    *twice = c->seen[at] != 0;
    if (!*twice && !c->counts.forgot) {
        c->seen[at] = hash;
        c->n_seen++;
    }
    return GLIM_OK;
}

glim_status glim__corpus_next(glim_corpus *c, glim_arena *arena, glim_passage *out, bool *more,
                              glim_error *err) {
    *out = (glim_passage){0};
    for (;;) {
        bool twice = false;
        glim_status status = GLIM_OK;
        *more = true;
        if (!c->text)
            status = next_text(c, more, err);
        if (status || !*more)
            return status;
        out->row = c->row;
        out->part = c->part++;
        const char *text = c->text;
        status = cut(c, out, err);
        bool none = status == GLIM_EUSAGE || only_spaces(text, out->n); /* nothing to read */
        status = none ? GLIM_OK : status;
        c->left -= status ? 0 : out->n;
        c->text = c->left ? c->text + out->n : NULL;
        if (!status && !none)
            status = remember(c, text, out->n, &twice, err);
        c->counts.twice += twice;
        if (!status && !twice && !none && !(out->text = glim__arena_strndup(arena, text, out->n)))
            status = oom(c, out->n, err);
        if (!status && out->text) {
            c->counts.passages++;
            return GLIM_OK;
        }
        glim_tokens_free(out->tokens);
        out->tokens = NULL;
        if (status)
            return glim_prefix(err, status, "row %zu of '%.200s'", c->row + 1, c->path);
    }
}

/* ---- how much ---- */

uint64_t glim__corpus_total(const glim_corpus *c) {
    return c->rows ? glim__rows_count(c->rows) : c->bytes;
}

uint64_t glim__corpus_done(const glim_corpus *c) {
    return c->done;
}

const glim_corpus_counts *glim__corpus_counts(const glim_corpus *c) {
    return &c->counts;
}

size_t glim__corpus_window(const glim_corpus *c) {
    return c->window;
}

glim_status glim__corpus_estimate(glim_corpus *c, uint64_t *tokens, glim_error *err) {
    enum { LOOKED_AT = 512 };
    glim_arena arena;
    glim_status status = GLIM_OK;
    bool more = true;
    glim__arena_init(&arena, c->ctx, 1 << 14);
    *tokens = 0;
    for (size_t i = 0; i < LOOKED_AT && !status && more; i++) {
        glim_passage p;
        status = glim__corpus_next(c, &arena, &p, &more, err);
        *tokens += p.tokens ? p.tokens->count : 0;
        glim_tokens_free(p.tokens);
        glim__arena_reset(&arena);
    }
    if (!status && more && c->done)
        *tokens = (uint64_t)((double)*tokens * (double)glim__corpus_total(c) / (double)c->done);
    glim__arena_release(&arena);
    return status;
}
