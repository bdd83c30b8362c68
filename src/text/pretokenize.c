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
#include "text/new-letters.h"
#include "text/vocabulary.h"

#include <pcre2.h>
#include <stdio.h>
#include <string.h>

/* Categories with what Unicode 14 lacks, for use inside a class. */
#define LU   "\\p{Lu}" NEW_LU
#define LL   "\\p{Ll}" NEW_LL
#define LM   "\\p{Lm}" NEW_LM
#define LO   "\\p{Lo}" NEW_LO
#define LET  "\\p{L}" NEW_LU NEW_LL NEW_LM NEW_LO
#define MARK "\\p{M}" NEW_M
#define NUM  "\\p{N}" NEW_N
#define PUN  "\\p{P}" NEW_P
#define SYM  "\\p{S}" NEW_S
#define WS                                                                                         \
    "\\t-\\r "                                                                                     \
    "\\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}\\x{205F}\\x{3000}"
#define S     "[" WS "]"
#define NOT_S "[^" WS "]"
#define LAST  S "+(?!" NOT_S ")|" S "+"
#define TAIL  S "*[\\r\\n]+|" LAST
#define SHORT "(?:'(?i:[sdmt]|ll|ve|re))"
#define GPT2  "'s|'t|'re|'ve|'m|'ll|'d| ?[" LET "]+| ?[" NUM "]+| ?[^" WS LET NUM "]+|" LAST
#define LLAMA3(digits)                                                                             \
    SHORT "|[^\\r\\n" LET NUM "]?[" LET "]+|" digits "| ?[^" WS LET NUM "]+[\\r\\n]*|" TAIL
#define UPPER "[" LU "\\p{Lt}" LM LO MARK "]"
#define LOWER "[" LL LM LO MARK "]"
#define GPT4O(end, digits)                                                                         \
    "[^\\r\\n" LET NUM "]?" UPPER "*" LOWER "+" end "|[^\\r\\n" LET NUM "]?" UPPER "+" LOWER       \
    "*" end "|" digits "| ?[^" WS LET NUM "]+[\\r\\n/]*|" TAIL
#define CJK_MIXED  "[\\x{4E00}-\\x{9FA5}\\x{0800}-\\x{4E00}\\x{AC00}-\\x{D7FF}]+"
#define CJK_KANA   "[\\x{4E00}-\\x{9FA5}\\x{3040}-\\x{309F}\\x{30A0}-\\x{30FF}]+"
#define ASCII_MARK "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~]"
#define DEEPSEEK3(line_ends, tail)                                                                 \
    ASCII_MARK "[A-Za-z]+|[^\\r\\n" LET PUN SYM "]?[" LET MARK "]+| ?[" PUN SYM "]+" line_ends     \
               "|" tail
#define STOPS   " ?[^(" WS "|.,!?\\x{2026}\\x{3002}\\x{FF0C}\\x{3001}\\x{964}\\x{6D4}\\x{60C})]+"
#define HAN     "[\\p{sc:Han}\\x{2EBF0}-\\x{2EE5D}\\x{31350}-\\x{323AF}]"
#define NOT_HAN "(?!" HAN ")"
#define KIMI_WORD(upper, lower)                                                                    \
    "[^\\r\\n" LET NUM "]?(?:" NOT_HAN UPPER ")" upper "(?:" NOT_HAN LOWER ")" lower SHORT "?"
/* Cased letters as DeepSeek's first tokenizer lists them. */
#define CASED                                                                                      \
    "A-Za-z\\x{B5}\\x{C0}-\\x{D6}\\x{D8}-\\x{F6}\\x{F8}-\\x{1BA}\\x{1BC}-\\x{1BF}\\x{1C4}-"        \
    "\\x{293}\\x{295}-\\x{2AF}\\x{370}-\\x{373}\\x{376}\\x{377}\\x{37B}-\\x{37D}\\x{37F}"          \
    "\\x{386}\\x{388}-\\x{38A}\\x{38C}\\x{38E}-\\x{3A1}\\x{3A3}-\\x{3F5}\\x{3F7}-\\x{481}"         \
    "\\x{48A}-\\x{52F}\\x{531}-\\x{556}\\x{10A0}-\\x{10C5}\\x{13A0}-\\x{13F5}\\x{13F8}-"           \
    "\\x{13FD}\\x{1C90}-\\x{1CBA}\\x{1CBD}-\\x{1CBF}\\x{1D00}-\\x{1D2B}\\x{1D6B}-\\x{1D77}"        \
    "\\x{1D79}-\\x{1D9A}\\x{1E00}-\\x{1F15}\\x{1F18}-\\x{1F1D}\\x{1F20}-\\x{1F45}\\x{1F48}-"       \
    "\\x{1F4D}\\x{1F50}-\\x{1F57}\\x{1F59}\\x{1F5B}\\x{1F5D}\\x{1F5F}-\\x{1F7D}\\x{1F80}-"         \
    "\\x{1FB4}\\x{1FB6}-\\x{1FBC}\\x{1FBE}\\x{1FC2}-\\x{1FC4}\\x{1FC6}-\\x{1FCC}\\x{1FD0}-"        \
    "\\x{1FD3}\\x{1FD6}-\\x{1FDB}\\x{1FE0}-\\x{1FEC}\\x{1FF2}-\\x{1FF4}\\x{1FF6}-\\x{1FFC}"        \
    "\\x{2102}\\x{2107}\\x{210A}-\\x{2113}\\x{2115}\\x{2119}-\\x{211D}\\x{2124}\\x{2126}"          \
    "\\x{2128}\\x{212A}-\\x{212D}\\x{212F}-\\x{2134}\\x{2139}\\x{213C}-\\x{213F}\\x{2145}-"        \
    "\\x{2149}\\x{214E}\\x{2183}\\x{2184}\\x{2C00}-\\x{2C7B}\\x{2C7E}-\\x{2CE4}\\x{2CEB}-"         \
    "\\x{2CEE}\\x{2CF2}\\x{2CF3}\\x{A640}-\\x{A66D}\\x{A680}-\\x{A69B}\\x{A722}-\\x{A76F}"         \
    "\\x{A771}-\\x{A787}\\x{A78B}-\\x{A78E}\\x{AB70}-\\x{ABBF}\\x{FB00}-\\x{FB06}\\x{FB13}-"       \
    "\\x{FB17}\\x{FF21}-\\x{FF3A}\\x{FF41}-\\x{FF5A}\\x{10400}-\\x{1044F}\\x{104B0}-"              \
    "\\x{104D3}\\x{104D8}-\\x{104FB}\\x{10C80}-\\x{10CB2}\\x{10CC0}-\\x{10CF2}\\x{118A0}-"         \
    "\\x{118DF}\\x{1E900}-\\x{1E943}"

enum { MOST_EXPRESSIONS = 6, MOST_NAMES = 20 };

struct row {
    const char *names[MOST_NAMES];
    const char *expressions[MOST_EXPRESSIONS];
    bool ignore_merges, add_bos;
};

static const struct row rows[] = {
    {{"gpt-2", "phi-2", "roberta-bpe", "mpt", "olmo", "jais", "modern-bert", "exaone4", "jina-es",
      "jina-de", "jina-v1-en", "jina-v2-es", "jina-v2-de", "jina-v2-code", "gigachat", "a.x-4.0",
      "mellum", "trillion", "granite-docling"},
     {GPT2},
     0,
     0},
    {{"llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2",
      "jina-v5-nano"},
     {LLAMA3("[" NUM "]{1,3}")},
     true,
     true},
    {{"dbrx", "smaug-bpe", "chatglm-bpe"}, {LLAMA3("[" NUM "]{1,3}")}, 0, 0},
    {{"glm4", "glm5"}, {LLAMA3("[" NUM "]{1,3}")}, true, 0},
    {{"minicpm5"}, {"[" NUM "]{1,3}", LLAMA3("[" NUM "]+")}, true, 0},
    {{"qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "megrez", "stablelm2", "hunyuan", "grok-2",
      "solar-open"},
     {LLAMA3("[" NUM "]")},
     0,
     0},
    {{"laguna"}, {"[^\\n]+|[\\n]+", LLAMA3("[" NUM "]")}, 0, 0},
    {{"ufakzeka"},
     {"[^\\r\\n" LET NUM "]?[" LET "]+|[" NUM "]| ?[^" WS LET NUM "]+[\\r\\n]*|" TAIL},
     0,
     0},
    {{"seed-coder"},
     {SHORT "|[^\\r\\n" LET NUM "]?[" LET "]+|[" NUM "]| ?[^" WS LET NUM "]+|" TAIL},
     0,
     0},
    {{"bailingmoe", "bailingmoe2", "llada-moe"},
     {SHORT "|[^\\r\\n" LET NUM "]?+[" LET "]+|[" NUM "]| ?[^" WS LET NUM "]++[\\r\\n]*|" S
            "*[\\r\\n]|" LAST},
     0,
     0},
    {{"exaone-moe"},
     {SHORT "|[^\\r\\n" LET NUM "]?[" LET "](?:[" MARK "]| ?[" LET "])*+|[" NUM "]| ?[^" WS LET NUM
            "]+[\\r\\n/]?|" S "*[\\r\\n]|" LAST},
     0,
     0},
    {{"jais-2"},
     {SHORT "|[^\\r\\n" LET NUM "]?[" LET "]+|[" NUM "]{1,3}| ?[^" WS LET NUM "]+[\\r\\n]*|" S
            "*[\\r\\n]+|" S "{512}(?!" NOT_S ")|" S "{256}(?!" NOT_S ")|" S "{128}(?!" NOT_S ")|" S
            "{64}(?!" NOT_S ")|" S "{32}(?!" NOT_S ")|" S "{16}(?!" NOT_S ")|" S "{8}(?!" NOT_S
            ")|" S "{4}(?!" NOT_S ")|" S "{1,2}(?!" NOT_S ")|" S},
     0,
     0},
    {{"qwen35"},
     {SHORT "|[^\\r\\n" LET NUM "]?[" LET MARK "]+|[" NUM "]| ?[^" WS LET MARK NUM
            "]+[\\r\\n]*|" TAIL},
     0,
     0},
    {{"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2"},
     {"[" NUM "]", GPT2},
     0,
     0},
    {{"gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"},
     {GPT4O(SHORT "?", "[" NUM "]{1,3}")},
     0,
     0},
    {{"tekken"}, {GPT4O("", "[" NUM "]")}, true, true},
    {{"youtu"},
     {"[\\x{AC00}-\\x{D7A3}\\x{3131}-\\x{318E}]+|[\\x{FF01}\\x{2026}\\x{201C}\\x{201D}\\x{2018}"
      "\\x{2019}\\x{2014}\\x{FF1A}\\x{FF1B}\\x{FF0C}\\x{3001}-\\x{303F}\\x{FE30}-\\x{FE4F}]+|"
      "[\\x{3105}-\\x{312F}]+|" CJK_KANA,
      GPT4O(SHORT "?", "[" NUM "]")},
     true,
     0},
    {{"kimi-k2"},
     {HAN "+|" KIMI_WORD("*", "+") "|" KIMI_WORD("+", "*") "|[" NUM "]{1,3}| ?[^" WS LET NUM
                                                           "]+[\\r\\n]*|" TAIL},
     0,
     0},
    {{"deepseek-llm"},
     {"[\\r\\n]", S "?[" CASED "]+",
      S "?[!-/:-~\\x{FF01}-\\x{FF0F}\\x{FF1A}-\\x{FF5E}\\x{2018}-\\x{201F}\\x{3000}-\\x{3002}]+",
      S "+$", CJK_MIXED, "[" NUM "]+"},
     0,
     0},
    {{"deepseek-coder"},
     {"[\\r\\n]", S "?[" LET "]+", S "?[" PUN "]+", CJK_MIXED, "[" NUM "]"},
     0,
     0},
    {{"deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"},
     {"[" NUM "]{1,3}", CJK_KANA, DEEPSEEK3("[\\r\\n]*", TAIL)},
     0,
     0},
    {{"spark2_5"},
     {"[" NUM "]{1,3}", CJK_KANA, DEEPSEEK3("", "[\\r\\n]|" LAST), "[" NUM "]"},
     0,
     0},
    {{"bloom", "poro-chat", "gpt3-finnish"}, {STOPS}, 0, 0},
    {{"viking"}, {STOPS, "[" NUM "]"}, 0, 0},
    {{"falcon"}, {"[" PUN "\\$\\+<=>\\^~\\|`]+", GPT2, "[0-9][0-9][0-9]"}, 0, 0},
    {{"default", ""}, {"[" PUN "\\$\\+<=>\\^~\\|]+", GPT2, "[" NUM "]+", "[0-9][0-9][0-9]"}, 0, 0},
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
        return glim_fail(
            err, GLIM_EUNSUPPORTED,
            "the pre-tokenizer '%.60s' is not known, and glim will not guess how the "
            "text is split (convert the model again so that tokenizer.ggml.pre names a "
            "known one, like llama-bpe or qwen2)",
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
