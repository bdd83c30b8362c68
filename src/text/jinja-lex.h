/* SPDX-License-Identifier: Apache-2.0 */
/* jinja-lex.h: a template's source as words, for its parser. */
#ifndef GLIM_TEXT_JINJA_LEX_H
#define GLIM_TEXT_JINJA_LEX_H

#include "text/jinja-inside.h"

enum glim_jinja_word { END, NAME, NUMBER, STRING, OPERATOR, TAG_END };

typedef struct glim_jinja_parser {
    glim_arena *arena;
    glim_error *err;
    glim_status status;
    const char *s, *end;
    int depth, brackets;       /* of the tree; open in this tag */
    bool print;                /* the tag ends with }} */
    bool line_start;           /* the text begins at a line's start */
    enum glim_jinja_word kind; /* of the word that the parser stands at */
    glim_jinja_text word;
} glim_jinja_parser;

/* Notes the first error, which quotes `what`; returns NULL. */
glim_jinja_node *glim__jinja_wrong(glim_jinja_parser *p, const char *why, glim_jinja_text what);
/* Goes to the next word of a tag. */
void glim__jinja_next(glim_jinja_parser *p);
void glim__jinja_skip_space(glim_jinja_parser *p);
bool glim__jinja_starts(const glim_jinja_parser *p, const char *word);
bool glim__jinja_at(const glim_jinja_parser *p, const char *word);
bool glim__jinja_skip(glim_jinja_parser *p, const char *word);
void glim__jinja_expect(glim_jinja_parser *p, const char *word);
glim_jinja_text glim__jinja_take_name(glim_jinja_parser *p);
/* A string's text without its quotes and escapes, written to `to`; its length. */
size_t glim__jinja_unescape(glim_jinja_text word, char *to);
/* The next {{, {% or {# at or after p->s, or the end. */
const char *glim__jinja_find_tag(const glim_jinja_parser *p);
/* What is left of the text before a tag, by the tag's sign and lstrip_blocks. */
size_t glim__jinja_text_length(const glim_jinja_parser *p, const char *text, size_t n,
                               const char *tag);
void glim__jinja_skip_comment(glim_jinja_parser *p);

#endif
