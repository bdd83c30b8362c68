/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file of rows that is read block by block. The index has the first row and the first
 * byte of every block, and a digest of its bytes (BLAKE2b, 16 bytes: as fast as the disk).
 * Rejected: a map of the whole file, which a budget would have to hold; an index of every
 * row, which grows with them.
 */
#include "file/rows.h"
#include "file/row-parser.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK_ROWS = 256, BLOCK_BYTES = 1 << 18, BLOCK_CELLS = 1 << 15, PIECE = 1 << 16, MARK = 16 };

struct block {
    size_t row;     /* first, from 0 */
    uint64_t begin; /* byte */
    unsigned char mark[MARK];
};

struct glim_rows {
    glim_context *ctx;
    char *path;
    int fd;
    struct stat state;
    char digest[2 * crypto_hash_sha256_BYTES + 1];
    glim_row_parser parser;
    glim_arena names, cells; /* cells: of the block that is there */
    struct block *blocks;
    size_t n_blocks, room, n_rows;
    size_t held;        /* which block is there; SIZE_MAX: none */
    const char **block; /* its cells, in `cells` */
    size_t filled;      /* rows of it */
    glim_buffer bytes;
};

static glim_status no_memory(const glim_rows *r, glim_error *err) {
    return glim__oom(r->ctx, err, "the rows of a table", r->room * sizeof *r->blocks);
}

static glim_status changed(const glim_rows *r, glim_error *err) {
    return glim_fail(err, GLIM_EIO, "'%s' has changed since it was opened (begin again)", r->path);
}

/* ---- the first pass ---- */

static void mark_of(const void *bytes, size_t n, unsigned char out[MARK]) {
    crypto_generichash(out, MARK, bytes, n, NULL, 0);
}

/* r->bytes begins where the last block does. */
static void end_block(glim_rows *r, uint64_t at) {
    if (!r->n_blocks)
        return;
    struct block *last = &r->blocks[r->n_blocks - 1];
    mark_of(r->bytes.data, (size_t)(at - last->begin), last->mark);
}

static glim_status begin_block(glim_rows *r, size_t row, uint64_t at, glim_error *err) {
    if (!r->blocks || r->n_blocks == r->room) {
        size_t room = r->room ? 2 * r->room : 64;
        struct block *grown = glim__realloc(r->ctx, r->blocks, room * sizeof *grown);
        if (!grown)
            return no_memory(r, err);
        r->blocks = grown;
        r->room = room;
    }
    uint64_t before = r->n_blocks ? r->blocks[r->n_blocks - 1].begin : 0;
    end_block(r, at);
    size_t gone = (size_t)(at - before);
    r->bytes.len -= gone;
    memmove(r->bytes.data, r->bytes.data + gone, r->bytes.len);
    r->blocks[r->n_blocks++] = (struct block){.row = row, .begin = at};
    return GLIM_OK;
}

static glim_status index_row(void *data, const glim_row_parser *p, const char *const *cells,
                             glim_error *err) {
    glim_rows *r = data;
    const struct block *last = r->n_blocks ? &r->blocks[r->n_blocks - 1] : NULL;
    size_t n = last ? r->n_rows - last->row : 0;
    glim_status status = GLIM_OK;
    if (!last || n >= BLOCK_ROWS || n * p->n_columns >= BLOCK_CELLS ||
        p->begins - last->begin >= BLOCK_BYTES)
        status = begin_block(r, r->n_rows, p->begins, err);
    r->n_rows++;
    glim__arena_reset(&r->cells);
    return status;
}

/* Bytes at an offset; fewer only at the end of the file. */
static glim_status read_at(const glim_rows *r, char *out, size_t n, uint64_t at, size_t *got,
                           glim_error *err) {
    for (*got = 0; *got < n;) {
        ssize_t k = pread(r->fd, out + *got, n - *got, (off_t)(at + *got));
        if (k < 0 && errno != EINTR)
            return glim_fail(err, GLIM_EIO, "cannot read '%s': %s", r->path, strerror(errno));
        if (!k)
            break;
        *got += k > 0 ? (size_t)k : 0;
    }
    return GLIM_OK;
}

static glim_status unchanged(const glim_rows *r, glim_error *err) {
    struct stat now;
    if (fstat(r->fd, &now))
        return glim_fail(err, GLIM_EIO, "cannot read '%s': %s", r->path, strerror(errno));
    bool same = now.st_size == r->state.st_size && now.st_mtim.tv_sec == r->state.st_mtim.tv_sec &&
                now.st_mtim.tv_nsec == r->state.st_mtim.tv_nsec;
    return same ? GLIM_OK : changed(r, err);
}

static glim_status scan(glim_rows *r, char *piece, glim_error *err) {
    crypto_hash_sha256_state all;
    unsigned char hash[crypto_hash_sha256_BYTES];
    uint64_t at = 0;
    glim_status status = GLIM_OK;
    crypto_hash_sha256_init(&all);
    for (size_t n = PIECE; n == PIECE && !status; at += n) {
        status = read_at(r, piece, PIECE, at, &n, err);
        if (status)
            break;
        crypto_hash_sha256_update(&all, (const unsigned char *)piece, n);
        glim__buffer_append(&r->bytes, piece, n);
        status =
            r->bytes.failed ? no_memory(r, err) : glim__row_parser_feed(&r->parser, piece, n, err);
        if (!status)
            status = glim__check_cancel(r->ctx, err);
    }
    if (!status)
        status = glim__row_parser_end(&r->parser, err);
    if (!status)
        status = glim__row_parser_check(&r->parser, r->n_rows, err);
    if (status)
        return status;
    end_block(r, at);
    crypto_hash_sha256_final(&all, hash);
    sodium_bin2hex(r->digest, sizeof r->digest, hash, sizeof hash);
    return at == (uint64_t)r->state.st_size ? unchanged(r, err) : changed(r, err);
}

static glim_status open_file(glim_rows *r, glim_error *err) {
    /* A named pipe is not waited for: it is refused. */
    r->fd = open(r->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (r->fd < 0 || fstat(r->fd, &r->state))
        return glim_fail(err, GLIM_EIO, "cannot open '%s': %s", r->path, strerror(errno));
    if (S_ISDIR(r->state.st_mode))
        return glim_fail(err, GLIM_EIO, "'%s' is a directory", r->path);
    if (!S_ISREG(r->state.st_mode))
        return glim_fail(err, GLIM_EUSAGE,
                         "'%s' is a pipe or a device, and these rows are read more than once "
                         "(write them to a file first)",
                         r->path);
    glim_table_format format;
    glim_status status = glim__table_format_of(r->path, &format, err);
    r->parser.format = format;
    return status;
}

static glim_status fill(glim_rows *r, bool nested, glim_error *err) {
    glim_status status = open_file(r, err);
    if (status)
        return status;
    glim__row_parser_init(&r->parser, r->ctx, r->parser.format, r->path);
    r->parser.nested = nested;
    r->parser.names = &r->names;
    r->parser.cells = &r->cells;
    r->parser.take = index_row;
    r->parser.data = r;
    char *piece = glim__alloc(r->ctx, PIECE);
    status = piece ? scan(r, piece, err) : no_memory(r, err);
    glim__free(r->ctx, piece);
    return status;
}

glim_status glim__rows_open(glim_rows **out, glim_context *ctx, const char *path, bool nested,
                            glim_error *err) {
    *out = NULL;
    glim_rows *r = glim__calloc(ctx, 1, sizeof *r);
    if (!r)
        return glim__oom(ctx, err, "the rows of a table", sizeof *r);
    *r = (glim_rows){.ctx = ctx, .fd = -1, .held = SIZE_MAX};
    r->path = glim__strdup(ctx, path);
    glim__arena_init(&r->names, ctx, 1 << 12);
    glim__arena_init(&r->cells, ctx, 1 << 16);
    glim__buffer_init(&r->bytes, ctx);
    glim__row_parser_init(&r->parser, ctx, GLIM_TABLE_CSV, r->path);
    glim_status status = r->path ? fill(r, nested, err) : no_memory(r, err);
    if (status) {
        glim__rows_close(r);
        return status;
    }
    *out = r;
    return GLIM_OK;
}

void glim__rows_close(glim_rows *r) {
    if (!r)
        return;
    glim_context *ctx = r->ctx;
    if (r->fd >= 0)
        close(r->fd);
    glim__row_parser_release(&r->parser);
    glim__arena_release(&r->names);
    glim__arena_release(&r->cells);
    glim__buffer_release(&r->bytes);
    glim__free(ctx, r->blocks);
    glim__free(ctx, r->path);
    glim__free(ctx, r);
}

/* ---- any rows again ---- */

static size_t rows_of(const glim_rows *r, size_t b) {
    return (b + 1 < r->n_blocks ? r->blocks[b + 1].row : r->n_rows) - r->blocks[b].row;
}

static glim_status take_row(void *data, const glim_row_parser *p, const char *const *cells,
                            glim_error *err) {
    glim_rows *r = data;
    if (r->filled == rows_of(r, r->held))
        return changed(r, err);
    memcpy(r->block + r->filled++ * p->n_columns, cells, p->n_columns * sizeof *cells);
    return GLIM_OK;
}

static glim_status load_bytes(glim_rows *r, size_t b, glim_error *err) {
    unsigned char mark[MARK];
    uint64_t begin = r->blocks[b].begin;
    uint64_t end = b + 1 < r->n_blocks ? r->blocks[b + 1].begin : (uint64_t)r->state.st_size;
    size_t n = (size_t)(end - begin), got = 0;
    if (r->bytes.cap < n + 1) {
        char *grown = glim__realloc(r->ctx, r->bytes.data, n + 1);
        if (!grown)
            return no_memory(r, err);
        r->bytes.data = grown;
        r->bytes.cap = n + 1;
    }
    glim_status status = unchanged(r, err);
    if (!status)
        status = read_at(r, r->bytes.data, n, begin, &got, err);
    if (status)
        return status;
    mark_of(r->bytes.data, got, mark);
    r->bytes.len = got;
    return got == n && !memcmp(mark, r->blocks[b].mark, MARK) ? GLIM_OK : changed(r, err);
}

static glim_status load(glim_rows *r, size_t b, glim_error *err) {
    if (r->held == b)
        return GLIM_OK;
    r->held = SIZE_MAX;
    glim_status status = load_bytes(r, b, err);
    if (status)
        return status;
    glim__arena_reset(&r->cells);
    r->block =
        glim__arena_calloc(&r->cells, rows_of(r, b) * r->parser.n_columns + 1, sizeof *r->block);
    if (!r->block)
        return no_memory(r, err);
    r->filled = 0;
    r->held = b;
    r->parser.take = take_row;
    glim__row_parser_seek(&r->parser, r->blocks[b].begin, r->blocks[b].row);
    status = glim__row_parser_feed(&r->parser, r->bytes.data, r->bytes.len, err);
    if (!status)
        status = glim__row_parser_end(&r->parser, err);
    if (!status && r->filled != rows_of(r, b))
        status = changed(r, err);
    if (status)
        r->held = SIZE_MAX;
    return status;
}

static size_t block_of(const glim_rows *r, size_t row) {
    size_t low = 0, high = r->n_blocks;
    while (low + 1 < high) {
        size_t middle = (low + high) / 2;
        if (r->blocks[middle].row <= row)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Cells into the caller's arena, in one piece. */
static glim_status copy_cells(glim_rows *r, const char *const *from, size_t n, glim_arena *arena,
                              const char **to, glim_error *err) {
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes += strlen(from[i]) + 1;
    char *at = glim__arena_alloc(arena, bytes);
    if (!at)
        return glim__oom(r->ctx, err, "cells", bytes);
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(from[i]) + 1;
        to[i] = memcpy(at, from[i], len);
        at += len;
    }
    return GLIM_OK;
}

glim_status glim__rows_read(glim_rows *r, size_t first, size_t count, glim_arena *arena,
                            const char ***cells, glim_error *err) {
    size_t C = r->parser.n_columns, bytes = 0;
    *cells = NULL;
    if (first > r->n_rows || count > r->n_rows - first)
        return glim_fail(err, GLIM_EUSAGE, "'%s' has %zu rows, not %zu", r->path, r->n_rows,
                         first + count);
    if (__builtin_mul_overflow(count * C + 1, sizeof **cells, &bytes))
        return glim_fail(err, GLIM_ELIMIT, "%zu rows at once are too many", count);
    const char **out = glim__arena_alloc(arena, bytes);
    if (!out)
        return glim__oom(r->ctx, err, "cells", bytes);
    glim_status status = GLIM_OK;
    for (size_t i = 0, n; i < count && !status; i += n) {
        size_t b = block_of(r, first + i), from = first + i - r->blocks[b].row;
        n = rows_of(r, b) - from;
        n = n < count - i ? n : count - i;
        status = load(r, b, err);
        if (!status)
            status = copy_cells(r, r->block + from * C, n * C, arena, out + i * C, err);
    }
    *cells = status ? NULL : out;
    return status;
}

/* ---- facts ---- */

size_t glim__rows_count(const glim_rows *r) {
    return r->n_rows;
}

const char *const *glim__rows_columns(const glim_rows *r, size_t *n) {
    *n = r->parser.n_columns;
    return r->parser.columns;
}

size_t glim__rows_find(const glim_rows *r, const char *name) {
    for (size_t c = 0; c < r->parser.n_columns; c++)
        if (!strcmp(r->parser.columns[c], name))
            return c;
    return SIZE_MAX;
}

glim_status glim__rows_column(const glim_rows *r, const char *name, size_t *out, glim_error *err) {
    return glim__columns_find(r->parser.columns, r->parser.n_columns, r->path, name, out, err);
}

const char *glim__rows_path(const glim_rows *r) {
    return r->path;
}

const char *glim__rows_digest(const glim_rows *r) {
    return r->digest;
}
