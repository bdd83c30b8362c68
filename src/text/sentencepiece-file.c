/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sentencepiece-file.c: the protobuf that SentencePiece writes: pieces with
 * scores and types, and the few options that matter; and its normalisation, which
 * replaces by longest match, collapses spaces and writes them as U+2581. Wire
 * format: key = field << 3 | type, where type is 0 (varint), 1 (8 bytes), 2
 * (length and bytes) or 5 (4 bytes).
 */
#include "base/utf8.h"
#include "text/vocabulary-files.h"

#include <float.h>
#include <string.h>

struct cursor {
    const uint8_t *at, *end;
    bool broken;
};

struct field {
    uint32_t number, type;
    uint64_t value;
    glim_gguf_string bytes;
};

static uint64_t varint(struct cursor *c) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70 && c->at < c->end; shift += 7) {
        uint8_t byte = *c->at++;
        value |= shift < 64 ? (uint64_t)(byte & 0x7f) << shift : 0;
        if (byte < 0x80)
            return value;
    }
    c->broken = true;
    return 0;
}

/* The next field; false at the end or where the bytes are no field. */
static bool next_field(struct cursor *c, struct field *f) {
    if (c->at >= c->end || c->broken)
        return false;
    uint64_t key = varint(c), len = 0;
    *f = (struct field){.number = (uint32_t)(key >> 3), .type = key & 7};
    switch (f->type) {
    case 0:
        f->value = varint(c);
        break;
    case 1:
        len = 8;
        break;
    case 2:
        len = varint(c);
        break;
    case 5:
        len = 4;
        break;
    default:
        c->broken = true;
    }
    if (len > (uint64_t)(c->end - c->at))
        c->broken = true;
    if (c->broken)
        return false;
    f->bytes = (glim_gguf_string){(const char *)c->at, (size_t)len};
    c->at += len;
    return true;
}

static struct cursor over(glim_gguf_string s) {
    const uint8_t *at = (const uint8_t *)s.data;
    return (struct cursor){at, at + s.len, false};
}

static bool read_trainer(glim_spm_options *o, glim_gguf_string bytes) {
    struct cursor c = over(bytes);
    struct field f;
    while (next_field(&c, &f)) {
        int64_t value = (int64_t)f.value;
        switch (f.type ? 0 : f.number) {
        case 3:
            o->type = value;
            break;
        case 24:
            o->suffix = value != 0;
            break;
        case 35:
            o->byte_fallback = value != 0;
            break;
        case 40:
            o->unk = value;
            break;
        case 41:
            o->bos = value;
            break;
        case 42:
            o->eos = value;
            break;
        case 43:
            o->pad = value;
            break;
        default:
            break;
        }
    }
    return !c.broken;
}

static bool read_normalizer(glim_spm_options *o, glim_gguf_string bytes) {
    struct cursor c = over(bytes);
    struct field f;
    while (next_field(&c, &f)) {
        if (f.number == 2 && f.type == 2)
            o->charsmap = f.bytes;
        else if (f.number == 3 && !f.type)
            o->dummy_prefix = f.value != 0;
        else if (f.number == 4 && !f.type)
            o->collapse = f.value != 0;
        else if (f.number == 5 && !f.type)
            o->escape = f.value != 0;
    }
    return !c.broken;
}

glim_status glim__sentencepiece_scan(glim_pipeline *p, const char *name, glim_error *err) {
    struct cursor c = over((glim_gguf_string){p->file.data ? p->file.data : "", p->file.len});
    struct field f;
    bool ok = true;
    p->spm = (glim_spm_options){.type = 1,
                                .bos = 1,
                                .eos = 2,
                                .pad = -1,
                                .dummy_prefix = true,
                                .collapse = true,
                                .escape = true};
    while (ok && next_field(&c, &f)) {
        p->n_pieces += f.number == 1 && f.type == 2;
        if (f.number == 2 && f.type == 2)
            ok = read_trainer(&p->spm, f.bytes);
        else if (f.number == 3 && f.type == 2)
            ok = read_normalizer(&p->spm, f.bytes);
    }
    if (!ok || c.broken || !p->n_pieces)
        return glim_fail(err, GLIM_EFORMAT, "%s is not a SentencePiece model: byte %zu is no field",
                         name, (size_t)(c.at - (const uint8_t *)p->file.data));
    if (p->spm.type != 1 && p->spm.type != 2)
        return glim_fail(err, GLIM_EUNSUPPORTED,
                         "%s has the model type %lld (known: 1 unigram, 2 BPE)", name,
                         (long long)p->spm.type);
    if (p->spm.suffix)
        return glim_fail(err, GLIM_EUNSUPPORTED, "%s treats white space as a suffix", name);
    return GLIM_OK;
}

/* ---- pieces ---- */

struct piece {
    glim_gguf_string text;
    float score;
    uint8_t type;
};

static bool read_piece(struct piece *out, glim_gguf_string bytes) {
    struct cursor c = over(bytes);
    struct field f;
    *out = (struct piece){.type = GLIM_TT_NORMAL, .text = {"", 0}};
    while (next_field(&c, &f)) {
        if (f.number == 1 && f.type == 2)
            out->text = f.bytes;
        else if (f.number == 2 && f.type == 5)
            memcpy(&out->score, f.bytes.data, 4);
        else if (f.number == 3 && !f.type)
            out->type = f.value >= 1 && f.value <= 6 ? (uint8_t)f.value : GLIM_TT_NORMAL;
    }
    return !c.broken && out->score - out->score == 0 &&
           glim__utf8_check(out->text.data, out->text.len) == out->text.len;
}

/* One piece into the vocabulary. */
static glim_status set_piece(glim_pipeline *p, int32_t id, const struct piece *x, glim_error *err) {
    glim_tokenizer *t = p->t;
    glim_status status = glim__vocabulary_set(t, id, x->text, err);
    if (status)
        return status;
    t->type[id] = x->type;
    if (x->type == GLIM_TT_CONTROL)
        status = glim__added_put(p, (glim_added){.id = id, .special = true}, x->text.data,
                                 x->text.len, err);
    return status;
}

struct reading {
    glim_gguf_string *texts;
    float *floats;
    int32_t *trie_ids, *user_ids;
    bool table;
};

static glim_status take_piece(glim_pipeline *p, struct reading *r, int32_t i, const struct piece *x,
                              glim_error *err) {
    bool normal = x->type == GLIM_TT_NORMAL, user = x->type == GLIM_TT_USER;
    r->texts[i] = x->text;
    r->floats[i] = x->score;
    p->scores[i] = x->score;
    r->trie_ids[i] = normal || user ? i : -1;
    r->user_ids[i] = user ? i : -1;
    if (normal && x->score - 10 < p->unknown_score)
        p->unknown_score = x->score - 10;
    if (normal && x->score > p->user_score)
        p->user_score = x->score;
    if (!r->table)
        return set_piece(p, i, x, err);
    int32_t id = glim__vocabulary_find(p->t, x->text.data, x->text.len);
    p->piece_ids[i] = id >= 0 ? id : p->t->info.unk;
    return GLIM_OK;
}

static int32_t in_range(const glim_pipeline *p, int64_t id) {
    return id >= 0 && id < p->t->info.vocab ? (int32_t)id : -1;
}

/* The ids with a role; Marian's are those of its table. */
static glim_status read_roles(glim_pipeline *p, bool table, glim_error *err) {
    glim_tokenizer *t = p->t;
    if (!table) {
        t->info.unk = in_range(p, p->spm.unk);
        t->info.bos = in_range(p, p->spm.bos);
        t->info.eos = in_range(p, p->spm.eos);
        t->info.pad = in_range(p, p->spm.pad);
        return GLIM_OK;
    }
    t->info.unk = glim__vocabulary_find(t, "<unk>", 5);
    t->info.eos = glim__vocabulary_find(t, "</s>", 4);
    t->info.pad = glim__vocabulary_find(t, "<pad>", 5);
    if (t->info.unk < 0)
        return glim_fail(err, GLIM_EFORMAT, "vocab.json has no token '<unk>'");
    glim_status status = GLIM_OK;
    for (int32_t i = 0; i < t->info.vocab && !status; i++) {
        glim_gguf_string s = t->text[i];
        bool language =
            s.len > 4 && !memcmp(s.data, ">>", 2) && !memcmp(s.data + s.len - 2, "<<", 2);
        if (language || i == t->info.eos || i == t->info.pad || i == t->info.unk)
            status =
                glim__added_put(p, (glim_added){.id = i, .special = !language}, s.data, s.len, err);
    }
    return status;
}

static glim_status add_normalizer(glim_pipeline *p, glim_error *err) {
    glim_step *s = &p->normalizers.at[p->normalizers.count++];
    *s = (glim_step){.kind = &glim_norm_sentencepiece};
    return p->spm.charsmap.len
               ? glim__charsmap_read(s, p->spm.charsmap.data, p->spm.charsmap.len, err)
               : GLIM_OK;
}

static glim_status read_pieces(glim_pipeline *p, struct reading *r, const char *name,
                               glim_error *err) {
    struct cursor c = over((glim_gguf_string){p->file.data, p->file.len});
    struct field f;
    glim_status status = read_roles(p, r->table, err);
    for (int32_t i = 0; !status && next_field(&c, &f);) {
        struct piece x;
        if (f.number != 1 || f.type != 2)
            continue;
        status = read_piece(&x, f.bytes)
                     ? take_piece(p, r, i, &x, err)
                     : glim_fail(err, GLIM_EFORMAT, "%s: piece %d is broken", name, i);
        i++;
    }
    if (!status)
        status = glim__trie_build(&p->users, &p->t->arena, r->texts, r->user_ids, p->n_pieces, err);
    if (!status && p->model == &glim_model_unigram)
        status = glim__trie_build(&p->trie, &p->t->arena, r->texts, r->trie_ids, p->n_pieces, err);
    return status ? status : add_normalizer(p, err);
}

glim_status glim__sentencepiece_read(glim_pipeline *p, const char *name, bool table,
                                     glim_error *err) {
    glim_arena *arena = &p->t->arena;
    size_t n = p->n_pieces, room = n > (size_t)p->t->info.vocab ? n : (size_t)p->t->info.vocab;
    struct reading r = {.table = table};
    bool bpe = p->spm.type == 2;
    p->model = bpe ? &glim_model_bpe : &glim_model_unigram;
    p->t->info.model = bpe ? "llama" : "t5";
    p->by_score = bpe;
    p->user_pieces = true;
    p->byte_fallback = p->spm.byte_fallback;
    p->unknown_score = FLT_MAX;
    p->user_score = FLT_MIN; /* so SentencePiece begins, too */
    if (table && bpe)
        return glim_fail(err, GLIM_EUNSUPPORTED, "%s is BPE, and vocab.json numbers its pieces",
                         name);
    r.texts = glim__arena_calloc(arena, n, sizeof *r.texts);
    r.floats = glim__arena_calloc(arena, room, sizeof *r.floats);
    r.trie_ids = glim__arena_calloc(arena, n, sizeof *r.trie_ids);
    r.user_ids = glim__arena_calloc(arena, n, sizeof *r.user_ids);
    p->scores = glim__arena_calloc(arena, room, sizeof *p->scores);
    p->piece_ids = table ? glim__arena_calloc(arena, n, sizeof *p->piece_ids) : NULL;
    if (!r.texts || !r.floats || !r.trie_ids || !r.user_ids || !p->scores ||
        (table && !p->piece_ids))
        return glim__oom(p->t->ctx, err, "the vocabulary", n * sizeof *r.texts);
    p->t->scores = bpe ? r.floats : NULL;
    return read_pieces(p, &r, name, err);
}

/* ---- normalisation ---- */

static bool ends_in_space(const glim_run *r) {
    return r->n >= 3 && !memcmp(r->text + r->n - 3, "\xe2\x96\x81", 3);
}

static void put_space(glim_run *out, bool escape, uint32_t from, uint32_t to) {
    glim__run_put(out, escape ? "\xe2\x96\x81" : " ", escape ? 3 : 1, from, to);
}

/* What the text at `at` becomes: *with[0..len), for the `used` bytes there. */
static size_t prefix(const glim_step *s, const glim_work *w, size_t at, const char **with,
                     size_t *len, bool *same) {
    const glim_run *in = &w->now;
    size_t used = 0;
    uint32_t cp;
    *same = true;
    if (glim__trie_longest(&w->t->pipeline->users, 0, in->text + at, in->n - at, &used) < 0) {
        used = glim__charsmap_find(s, in->text + at, in->n - at, true, with, len);
        *same = !used;
        if (!used)
            used = (size_t)glim__utf8_decode(in->text + at, in->n - at, &cp);
        used = used ? used : 1;
    }
    if (*same) {
        *with = in->text + at;
        *len = used;
    }
    return used;
}

static void put_prefix(glim_work *w, size_t at, size_t used, const char *with, size_t len,
                       bool same) {
    const glim_run *in = &w->now;
    bool escape = w->t->pipeline->spm.escape;
    uint32_t from = in->from[at], to = in->to[at + used - 1], cp;
    for (size_t i = 0, step; i < len; i += step) {
        step = (size_t)glim__utf8_decode(with + i, len - i, &cp);
        step = step ? step : 1;
        if (same) {
            from = in->from[at + i];
            to = in->to[at + i + step - 1];
        }
        if (cp == ' ')
            put_space(&w->next, escape, from, to);
        else
            glim__run_put(&w->next, with + i, step, from, to);
    }
}

static glim_status run_sentencepiece(const glim_step *s, glim_work *w, glim_error *err) {
    const glim_spm_options *o = &w->t->pipeline->spm;
    const glim_run *in = &w->now;
    bool after_space = o->collapse, begun = false;
    for (size_t at = 0, used; at < in->n; at += used) {
        const char *with = NULL;
        size_t len = 0, cut = 0;
        bool same;
        used = prefix(s, w, at, &with, &len, &same);
        if (!begun && o->collapse && len == 1 && *with == ' ')
            continue;
        if (!begun && o->dummy_prefix)
            put_space(&w->next, o->escape, in->from[at], in->from[at]);
        begun = true;
        while (after_space && cut < len && with[cut] == ' ')
            cut++;
        if (cut == len)
            continue;
        put_prefix(w, at + (same ? cut : 0), same ? used - cut : used, with + cut, len - cut, same);
        after_space = o->collapse && with[len - 1] == ' ';
    }
    while (o->collapse && o->escape && ends_in_space(&w->next))
        w->next.n -= 3;
    while (o->collapse && !o->escape && w->next.n && w->next.text[w->next.n - 1] == ' ')
        w->next.n--;
    return glim__run_status(&w->next, err);
}

const glim_step_kind glim_norm_sentencepiece = {"SentencePiece", NULL, run_sentencepiece, true};
