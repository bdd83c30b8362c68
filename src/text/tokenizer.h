/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tokenizer.h: text to ids and back, for the tokenizers that GGUF files carry.
 * Each algorithm is a descriptor (`glim_tokenizer_kind`) in a file of its own:
 * byte-level BPE (bpe.c, model `gpt2`) and SentencePiece BPE (spm.c, `llama`); Unigram
 * (`t5`) goes the way of model directories.
 */
#ifndef GLIM_TEXT_TOKENIZER_H
#define GLIM_TEXT_TOKENIZER_H

#include "base/arena.h"
#include "file/gguf.h"

#include <glim/text.h>

typedef struct glim_tokenizer glim_tokenizer;

typedef struct glim_tokenizer_info {
    const char *model; /* "gpt2", "llama" */
    const char *pre;   /* "smollm", ...; "" when it has none */
    int32_t vocab;
    int32_t bos, eos, unk, pad;                              /* -1 = none */
    int32_t mask, cls, sep;                                  /* of model directories; -1 = none */
    glim_gguf_string bos_text, eos_text, unk_text, pad_text; /* data NULL = none */
    bool add_bos, add_eos;
    const char *chat_template; /* its source, or NULL */
    size_t chat_template_len;
    const char *warning; /* one line worth telling, or NULL */
} glim_tokenizer_info;

/* Reads tokenizer.* of the file. `arch` matters for a few rules (NFC).
   Errors: EFORMAT, EUNSUPPORTED (naming model or pre), ENOMEM. */
glim_status glim__tokenizer_open(glim_tokenizer **out, glim_context *ctx, const glim_gguf *g,
                                 const char *arch, glim_error *err);
/* Reads the tokenizer of a model directory: tokenizer.json; else, by family, vocab.txt
   (WordPiece), vocab.json and merges.txt (byte-level BPE), spiece.model,
   tokenizer.model or source.spm (SentencePiece; GLM-4's list of tokens). What
   stands beside it: tokenizer_config.json, special_tokens_map.json,
   generation_config.json, the chat template. `model_type` is config.json's, or
   NULL. Errors: EIO (no such directory, no tokenizer in it), EFORMAT,
   EUNSUPPORTED (naming the part), ELIMIT, ENOMEM, EBUDGET. */
glim_status glim__tokenizer_open_dir(glim_tokenizer **out, glim_context *ctx, const char *dir,
                                     const char *model_type, glim_error *err);
/* Marian's tokenizer of translations, from target.spm; *out is NULL when the directory
   has none. */
glim_status glim__tokenizer_open_target(glim_tokenizer **out, glim_context *ctx, const char *dir,
                                        const char *model_type, glim_error *err);
void glim__tokenizer_close(glim_tokenizer *t);
const glim_tokenizer_info *glim__tokenizer_info(const glim_tokenizer *t);

/* A growing list of tokens. */
typedef struct glim_token_list {
    glim_context *ctx;
    glim_token *at;
    size_t count, cap;
} glim_token_list;
void glim__token_list_release(glim_token_list *list);

/* Appends the tokens of text[0..n). `base` is added to byte offsets. `first`
   is true at the start of a sequence (space prefix rules). Control tokens in
   the text are recognised only with parse_special. No BOS or EOS is added.
   Errors: EFORMAT (invalid UTF-8, with the byte position), ELIMIT, ENOMEM. */
glim_status glim__tokenize(const glim_tokenizer *t, glim_token_list *out, const char *text,
                           size_t n, size_t base, bool first, bool parse_special, glim_error *err);

/* The bytes of one token as it appears in text (a leading space included;
   byte tokens give one byte); control tokens give their name. Borrowed. */
glim_gguf_string glim__token_bytes(const glim_tokenizer *t, int32_t id);
bool glim__token_is_control(const glim_tokenizer *t, int32_t id);
/* True for any id that ends generation (eos, eot, <|im_end|>, ...). */
bool glim__token_ends(const glim_tokenizer *t, int32_t id);
/* The id of a token by its exact bytes (" Paris"), or -1. */
int32_t glim__token_by_bytes(const glim_tokenizer *t, const char *bytes, size_t n);
/* The id of a control token by its name ("<|im_start|>"), or -1. */
int32_t glim__token_by_name(const glim_tokenizer *t, const char *name);

/* Chat messages as read from a file. */
typedef struct glim_message {
    const char *role;
    const char *content;
    size_t content_len;
} glim_message;

/* The model's own chat template (NULL `name`), or a family that the user names:
   chatml, llama2, mistral, phi3, glm4, chatglm3, zephyr, gemma, llama3. */
typedef struct glim_chat_template glim_chat_template;
/* Errors: EUNSUPPORTED (the model has none, or it says what glim does not know;
   names --template and the families), EUSAGE (no such name), ENOMEM. */
glim_status glim__chat_template_find(const glim_chat_template **out, glim_context *ctx,
                                     const char *name, const glim_tokenizer_info *info,
                                     glim_error *err);
/* "own", or the family's name. */
const char *glim__chat_template_name(const glim_chat_template *t);

/* Text of a prompt -> tokens: BOS by the tokenizer's rule, then the text, then
   EOS if the tokenizer adds it. */
glim_status glim__tokens_from_text(glim_tokens **out, const glim_tokenizer *t, const char *text,
                                   size_t n, glim_error *err);
/* The same of a text with masked words: where it has the mask's name ("[MASK]") there
   is the mask, as a token of kind TEMPLATE. */
glim_status glim__tokens_from_masked(glim_tokens **out, const glim_tokenizer *t, const char *text,
                                     size_t n, glim_error *err);
/* Two texts -> tokens, as the tokenizer puts a pair together. The source is both
   texts joined by a newline; they are the turns 0 and 1, with the roles "first"
   and "second". */
glim_status glim__tokens_from_pair(glim_tokens **out, const glim_tokenizer *t, const char *a,
                                   size_t na, const char *b, size_t nb, glim_error *err);
/* The token type (segment) of every token of a text or a pair, into types[count]:
   all 0 unless the tokenizer tells them apart. */
void glim__token_types(const glim_tokenizer *t, const glim_tokens *tokens, uint8_t *types);
/* A chat -> tokens with the generation prompt at the end; BOS by the tokenizer's
   rule, unless the template writes it. Errors: those of glim__chat_write. */
glim_status glim__tokens_from_chat(glim_tokens **out, const glim_tokenizer *t,
                                   const glim_chat_template *tmpl, const glim_message *messages,
                                   size_t n, glim_error *err);
/* Which tokens stay, kept (count), when at most `most` may: a text that is too long loses its
   end, not the marks behind it. Returns how many. */
size_t glim__tokens_shorten(const glim_tokens *tokens, size_t most, uint32_t *kept);
/* Makes tokens of the text without a byte in [from, to) the template's; they keep
   their bytes. One that lies on an edge keeps those inside, and spaces before them. */
void glim__tokens_frame(glim_tokens *tokens, size_t from, size_t to);
/* Appends the tokens of a text that is read behind the input, whatever stands before it: kind
   TEXT; of a chat they are a turn of the assistant. */
glim_status glim__tokens_prefix(glim_tokens *tokens, const glim_tokenizer *t, const char *text,
                                size_t n, glim_error *err);
/* Appends generated tokens: their text is appended to the source and they get
   kind GENERATED and turn `turn`. */
glim_status glim__tokens_append(glim_tokens *tokens, const glim_tokenizer *t, const int32_t *ids,
                                size_t n, int turn, glim_error *err);

/* The same for the first and later tokens of a second text: its first token starts a
   line of its own, without the space that may stand before it. */
glim_status glim__tokens_append_text(glim_tokens *tokens, const glim_tokenizer *t,
                                     const int32_t *ids, size_t n, glim_error *err);

/* Parses a chat file: a JSON list of {"role", "content"}. Messages live in the
   arena. Errors: EFORMAT with the index of the wrong message. */
glim_status glim__chat_parse(glim_message **out, size_t *n, glim_arena *arena, const char *json,
                             size_t len, const char *name, glim_error *err);

#endif
