/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Splitting text before byte-level BPE. A name (tokenizer.ggml.pre) stands for
 * a list of expressions applied in turn: each splits the pieces of the one
 * before; matches and the gaps between them become pieces. The expressions are
 * those of the models' own tokenizers, as llama.cpp lists them by name; an
 * unknown name is refused, because a wrong split gives plausible, wrong tokens.
 *
 * White space is spelled out: PCRE2's \s also holds U+180E, which the models'
 * engines do not count.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/vocabulary.h"

#include <pcre2.h>
#include <stdio.h>
#include <string.h>

#define WS                                                                                         \
    "\\t-\\r "                                                                                     \
    "\\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}\\x{205F}\\x{3000}"
#define S     "[" WS "]"
#define NOT_S "[^" WS "]"
#define LAST  S "+(?!" NOT_S ")|" S "+"
#define TAIL  S "*[\\r\\n]+|" LAST
#define SHORT "(?:'(?i:[sdmt]|ll|ve|re))"
#define GPT2  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^" WS "\\p{L}\\p{N}]+|" LAST
#define LLAMA3(digits)                                                                             \
    SHORT "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits "| ?[^" WS "\\p{L}\\p{N}]+[\\r\\n]*|" TAIL
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define GPT4O(end, digits)                                                                         \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" end "|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER     \
    "*" end "|" digits "| ?[^" WS "\\p{L}\\p{N}]+[\\r\\n/]*|" TAIL
#define CJK_MIXED "[\\x{4E00}-\\x{9FA5}\\x{0800}-\\x{4E00}\\x{AC00}-\\x{D7FF}]+"

enum { MOST_EXPRESSIONS = 4, MOST_NAMES = 12 };

struct row {
    const char *names[MOST_NAMES];
    const char *expressions[MOST_EXPRESSIONS];
    bool ignore_merges, add_bos;
};

static const struct row rows[] = {
    {{"gpt-2", "phi-2", "roberta-bpe", "mpt", "olmo", "jais", "modern-bert", "exaone4"},
     {GPT2},
     0,
     0},
    {{"llama-bpe", "llama3", "llama-v3", "falcon3", "pixtral", "lfm2"},
     {LLAMA3("\\p{N}{1,3}")},
     true,
     true},
    {{"dbrx", "smaug-bpe", "chatglm-bpe"}, {LLAMA3("\\p{N}{1,3}")}, 0, 0},
    {{"glm4", "glm5"}, {LLAMA3("\\p{N}{1,3}")}, true, 0},
    {{"qwen2", "deepseek-r1-qwen", "kormo", "megrez", "stablelm2", "hunyuan", "grok-2"},
     {LLAMA3("\\p{N}")},
     0,
     0},
    {{"qwen35"},
     {SHORT "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^" WS
            "\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" TAIL},
     0,
     0},
    {{"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"},
     {"\\p{N}", GPT2},
     0,
     0},
    {{"gpt-4o", "llama4", "kanana2"}, {GPT4O(SHORT "?", "\\p{N}{1,3}")}, 0, 0},
    {{"tekken"}, {GPT4O("", "\\p{N}")}, true, true},
    {{"deepseek-coder"}, {"[\\r\\n]", S "?\\p{L}+", S "?\\p{P}+", CJK_MIXED "|\\p{N}"}, 0, 0},
    {{"deepseek-v3", "hunyuan-dense", "joyai-llm"},
     {"\\p{N}{1,3}", "[\\x{4E00}-\\x{9FA5}\\x{3040}-\\x{309F}\\x{30A0}-\\x{30FF}]+",
      "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?"
      "[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|" TAIL},
     0,
     0},
    {{"falcon"}, {"[\\p{P}\\$\\+<=>\\^~\\|`]+", GPT2, "[0-9][0-9][0-9]"}, 0, 0},
    {{"default", ""}, {"[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"}, 0, 0},
};

struct glim_pretokenizer {
    glim_context *ctx;
    pcre2_general_context *memory;
    pcre2_code *code[MOST_EXPRESSIONS];
    unsigned count; /* at most MOST_EXPRESSIONS */
};

static const struct row *find_row(const char *pre) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int k = 0; k < MOST_NAMES && rows[i].names[k]; k++)
            if (!strcmp(rows[i].names[k], pre))
                return &rows[i];
    return NULL;
}

const char *glim__pretokenizer_name(size_t i) {
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++)
        for (int k = 0; k < MOST_NAMES && rows[row].names[k]; k++)
            if (!i--)
                return rows[row].names[k];
    return NULL;
}

bool glim__pretokenizer_ignores_merges(const char *pre) {
    const struct row *r = find_row(pre);
    return r && r->ignore_merges;
}

bool glim__pretokenizer_adds_bos(const char *pre) {
    const struct row *r = find_row(pre);
    return r && r->add_bos;
}

static void *take(size_t n, void *ctx) {
    return glim__alloc(ctx, n);
}

static void give(void *p, void *ctx) {
    glim__free(ctx, p);
}

glim_status glim__pretokenizer_open(glim_pretokenizer **out, glim_context *ctx, const char *pre,
                                    glim_error *err) {
    const struct row *row = find_row(pre);
    *out = NULL;
    if (!row)
        return glim_fail(err, GLIM_EUNSUPPORTED,
                         "the pre-tokenizer '%.60s' is not known (glim will not guess how the text "
                         "is split)",
                         pre);
    glim_pretokenizer *p = glim__calloc(ctx, 1, sizeof *p);
    if (!p)
        return glim__oom(ctx, err, "the tokenizer", sizeof *p);
    p->ctx = ctx;
    p->memory = pcre2_general_context_create(take, give, ctx);
    pcre2_compile_context *how = p->memory ? pcre2_compile_context_create(p->memory) : NULL;
    glim_status status = how ? GLIM_OK : glim__oom(ctx, err, "the tokenizer", 0);
    for (int i = 0; i < MOST_EXPRESSIONS && row->expressions[i] && !status; i++) {
        int number;
        PCRE2_SIZE at;
        pcre2_code *code =
            pcre2_compile((PCRE2_SPTR)row->expressions[i], PCRE2_ZERO_TERMINATED,
                          PCRE2_UTF | PCRE2_UCP | PCRE2_NO_UTF_CHECK, &number, &at, how);
        if (!code)
            status = number == PCRE2_ERROR_HEAP_FAILED
                         ? glim__oom(ctx, err, "the tokenizer", 0)
                         : glim_fail(err, GLIM_EINTERNAL,
                                     "expression %d of '%s' has error %d at "
                                     "%zu",
                                     i, pre, number, at);
        if (code) {
            p->code[i] = code;
            p->count = (unsigned)i + 1;
            pcre2_jit_compile(code, PCRE2_JIT_COMPLETE); /* without it, it only runs slower */
        }
    }
    pcre2_compile_context_free(how);
    if (status) {
        glim__pretokenizer_close(p);
        return status;
    }
    *out = p;
    return GLIM_OK;
}

void glim__pretokenizer_close(glim_pretokenizer *p) {
    if (!p)
        return;
    for (int i = 0; i < MOST_EXPRESSIONS; i++)
        pcre2_code_free(p->code[i]);
    pcre2_general_context_free(p->memory);
    glim__free(p->ctx, p);
}

/* ---- matching ---- */

struct splitter {
    const glim_pretokenizer *p;
    const char *text;
    pcre2_match_data *match;
    pcre2_match_context *how;
    glim_piece_fn *fn;
    void *data;
    glim_error *err;
};

static glim_status match_failed(const struct splitter *s, int code) {
    if (code == PCRE2_ERROR_NOMEMORY || code == PCRE2_ERROR_HEAPLIMIT)
        return glim__oom(s->p->ctx, s->err, "splitting the text", 0);
    return glim_fail(s->err, GLIM_ELIMIT,
                     "the text is too intricate to split (engine error %d); "
                     "shorten runs of equal characters",
                     code);
}

/* Splits [start, end) by expression `level`; the last level hands pieces out. */
static glim_status split(const struct splitter *s, unsigned level, size_t start, size_t end) {
    if (level >= s->p->count || level >= MOST_EXPRESSIONS)
        return start < end ? s->fn(s->data, start, end, s->err) : GLIM_OK;
    size_t at = start;
    while (at < end) {
        int code = pcre2_match(s->p->code[level], (PCRE2_SPTR)s->text + start, end - start,
                               at - start, PCRE2_NO_UTF_CHECK, s->match, s->how);
        if (code < 0 && code != PCRE2_ERROR_NOMATCH)
            return match_failed(s, code);
        PCRE2_SIZE *v = pcre2_get_ovector_pointer(s->match);
        bool found = code > 0 && v[1] > v[0];
        size_t from = found ? start + v[0] : end, to = found ? start + v[1] : end;
        glim_status status = from > at ? split(s, level + 1, at, from) : GLIM_OK;
        if (!status && found)
            status = split(s, level + 1, from, to);
        if (status)
            return status;
        at = to;
    }
    return GLIM_OK;
}

glim_status glim__pretokenize(const glim_pretokenizer *p, const char *text, size_t n,
                              glim_piece_fn *fn, void *data, glim_error *err) {
    struct splitter s = {.p = p, .text = text, .fn = fn, .data = data, .err = err};
    s.match = pcre2_match_data_create(1, p->memory);
    s.how = pcre2_match_context_create(p->memory);
    pcre2_jit_stack *stack = pcre2_jit_stack_create(1 << 15, 1 << 22, p->memory);
    glim_status status =
        s.match && s.how && stack ? GLIM_OK : glim__oom(p->ctx, err, "splitting the text", 0);
    if (!status) {
        pcre2_jit_stack_assign(s.how, NULL, stack);
        status = split(&s, 0, 0, n);
    }
    pcre2_match_data_free(s.match);
    pcre2_match_context_free(s.how);
    pcre2_jit_stack_free(stack);
    return status;
}
