/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sentences with a tag for each word, in three forms:
 *
 *   .conll, .conllu    "word<tab>tag" a line, an empty line behind a sentence; with ten columns
 *                      it is CoNLL-U: the second and the fourth; "#" lines, ranges (1-2) and
 *                      empty nodes (1.1) are passed over
 *   .jsonl             {"tokens": [...], "tags": [...]}, and "text" where words are not parted
 *                      by single spaces
 *   others             "word/tag word/tag" a line; the last "/" of each parts them
 *
 * What a model reads is "text", else the words with a space between them.
 */
#include "base/json.h"
#include "structure/probe-data.h"

#include <stdio.h>
#include <string.h>

struct reader {
    glim_probe_data *d;
    glim_buffer text; /* of the sentence that is read */
    size_t line, began;
    size_t first; /* row */
    char where[320];
};

static glim_status oom(const struct reader *r, glim_error *err) {
    return glim__oom(r->d->ctx, err, "the words of a probe", r->text.len);
}

static const char *place(struct reader *r) {
    snprintf(r->where, sizeof r->where, "line %zu of '%.200s'", r->line, r->d->path);
    return r->where;
}

/* ---- a word, a sentence ---- */

static glim_status add_span(struct reader *r, const char *word, size_t n, size_t start,
                            const char *tag, glim_error *err) {
    glim_probe_data *d = r->d;
    int32_t type = glim__intern(&d->types, word, n);
    if (type < 0)
        return oom(r, err);
    if (!*tag)
        return glim_fail(err, GLIM_EFORMAT, "%s: '%.*s' has no tag", place(r),
                         (int)(n < 60 ? n : 60), word);
    glim_status status =
        glim__probe_add(d, tag, (uint32_t)d->n_sentences, (uint32_t)type, place(r), err);
    if (!status)
        d->spans[d->n - 1] = (glim_probe_span){(uint32_t)start, (uint32_t)(start + n)};
    return status;
}

/* A word behind those before, with a space. */
static glim_status add_word(struct reader *r, const char *word, size_t n, const char *tag,
                            glim_error *err) {
    if (!n)
        return glim_fail(err, GLIM_EFORMAT, "%s: a word is empty", place(r));
    if (r->text.len)
        glim__buffer_putc(&r->text, ' ');
    else
        r->began = r->line;
    size_t start = r->text.len;
    glim__buffer_append(&r->text, word, n);
    return r->text.failed ? oom(r, err) : add_span(r, word, n, start, tag, err);
}

static glim_status end_sentence(struct reader *r, glim_error *err) {
    glim_probe_data *d = r->d;
    if (d->n == r->first) {
        glim__buffer_clear(&r->text);
        return GLIM_OK;
    }
    if (d->n_sentences == d->sentence_room) {
        size_t room = d->sentence_room ? 2 * d->sentence_room : 64;
        glim_probe_sentence *grown =
            glim__realloc(d->ctx, d->sentences, room * sizeof *d->sentences);
        if (!grown)
            return oom(r, err);
        d->sentences = grown;
        d->sentence_room = room;
    }
    const char *text = glim__arena_strndup(&d->arena, r->text.data, r->text.len);
    if (!text)
        return oom(r, err);
    d->sentences[d->n_sentences++] = (glim_probe_sentence){
        .text = text, .line = r->began, .first = r->first, .count = d->n - r->first};
    r->first = d->n;
    glim__buffer_clear(&r->text);
    return GLIM_OK;
}

/* ---- columns ---- */

/* The columns of a line, cut at tabs; at most 11. */
static size_t cut(char *line, char *columns[11]) {
    size_t n = 0;
    for (char *at = line; n < 11;) {
        columns[n++] = at;
        at = strchr(at, '\t');
        if (!at)
            break;
        *at++ = 0;
    }
    return n;
}

static glim_status read_columns(struct reader *r, char *line, glim_error *err) {
    char *c[11];
    if (!*line)
        return end_sentence(r, err);
    size_t n = cut(line, c);
    if (n == 1 && *line == '#')
        return GLIM_OK;
    if (n == 10 && (strchr(c[0], '-') || strchr(c[0], '.')))
        return GLIM_OK;
    if (n == 10)
        return add_word(r, c[1], strlen(c[1]), c[3], err);
    if (n != 2)
        return glim_fail(err, GLIM_EFORMAT,
                         "%s has %zu column%s: a word, a tab and its tag are two (ten are CoNLL-U)",
                         place(r), n, n == 1 ? "" : "s");
    return add_word(r, c[0], strlen(c[0]), c[1], err);
}

/* ---- word/tag ---- */

static glim_status read_slashes(struct reader *r, char *line, glim_error *err) {
    glim_status status = GLIM_OK;
    for (char *save, *w = strtok_r(line, " \t", &save); w && !status;
         w = strtok_r(NULL, " \t", &save)) {
        char *slash = strrchr(w, '/');
        if (!slash || slash == w || !slash[1])
            return glim_fail(err, GLIM_EFORMAT,
                             "%s: '%.60s' has no tag (word/tag word/tag is a line)", place(r), w);
        *slash = 0;
        status = add_word(r, w, (size_t)(slash - w), slash + 1, err);
    }
    return status ? status : end_sentence(r, err);
}

/* ---- JSON ---- */

/* Words of a given text, each behind the one before. */
static glim_status find_words(struct reader *r, const json_t *words, const json_t *tags,
                              const char *text, glim_error *err) {
    size_t n = json_array_size(words), at = 0;
    glim_status status = GLIM_OK;
    r->began = r->line;
    glim__buffer_puts(&r->text, text);
    if (r->text.failed)
        return oom(r, err);
    for (size_t i = 0; i < n && !status; i++) {
        const char *word = json_string_value(json_array_get(words, i));
        const char *found = *word ? strstr(text + at, word) : NULL;
        if (!found)
            return glim_fail(err, GLIM_EFORMAT,
                             "%s: token %zu, '%.60s', is not in the text behind those before",
                             place(r), i + 1, word);
        size_t start = (size_t)(found - text);
        at = start + strlen(word);
        status =
            add_span(r, word, strlen(word), start, json_string_value(json_array_get(tags, i)), err);
    }
    return status;
}

static glim_status check_lists(struct reader *r, const json_t *words, const json_t *tags,
                               glim_error *err) {
    size_t n = json_array_size(words), m = json_array_size(tags);
    if (!json_is_array(words) || !json_is_array(tags))
        return glim_fail(err, GLIM_EFORMAT, "%s needs \"tokens\" and \"tags\", two lists",
                         place(r));
    if (n != m)
        return glim_fail(err, GLIM_EFORMAT, "%s has %zu tokens and %zu tags", place(r), n, m);
    for (size_t i = 0; i < n; i++)
        if (!json_is_string(json_array_get(words, i)) || !json_is_string(json_array_get(tags, i)))
            return glim_fail(err, GLIM_EFORMAT, "%s: token or tag %zu is no string", place(r),
                             i + 1);
    return GLIM_OK;
}

static glim_status read_object(struct reader *r, char *line, glim_error *err) {
    json_t *o = NULL;
    if (!*line)
        return GLIM_OK;
    glim_status status = glim__json_parse(&o, line, strlen(line), place(r), err);
    const json_t *words = json_object_get(o, "tokens"), *tags = json_object_get(o, "tags");
    const char *text = json_string_value(json_object_get(o, "text"));
    if (!status)
        status = check_lists(r, words, tags, err);
    if (!status && text)
        status = find_words(r, words, tags, text, err);
    for (size_t i = 0; i < json_array_size(words) && !status && !text; i++) {
        const char *word = json_string_value(json_array_get(words, i));
        status = add_word(r, word, strlen(word), json_string_value(json_array_get(tags, i)), err);
    }
    json_decref(o);
    return status ? status : end_sentence(r, err);
}

/* ---- lines ---- */

glim_status glim__probe_read_tags(glim_probe_data *d, char *bytes, size_t n, glim_error *err) {
    struct reader r = {.d = d};
    const char *end = strrchr(d->path, '.');
    bool columns = end && (!strncmp(end, ".conll", 6) || !strcmp(end, ".tsv"));
    bool json = end && !strcmp(end, ".jsonl");
    glim_status status = GLIM_OK;
    glim__buffer_init(&r.text, d->ctx);
    if (strlen(bytes) != n)
        return glim_fail(err, GLIM_EFORMAT, "'%.200s' has a NUL in it: this is no text", d->path);
    if (!strncmp(bytes, "\xef\xbb\xbf", 3))
        bytes += 3;
    for (char *line = bytes, *next; line && !status; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        size_t last = strlen(line);
        if (last && line[last - 1] == '\r')
            line[last - 1] = 0;
        r.line++;
        status = json      ? read_object(&r, line, err)
                 : columns ? read_columns(&r, line, err)
                           : read_slashes(&r, line, err);
        if (!status && !(r.line & 255))
            status = glim__check_cancel(d->ctx, err);
    }
    if (!status)
        status = end_sentence(&r, err);
    glim__buffer_release(&r.text);
    return status;
}
