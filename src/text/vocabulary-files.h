/* SPDX-License-Identifier: Apache-2.0 */
/* vocabulary-files.h: what the readers of a model directory share. */
#ifndef GLIM_TEXT_VOCABULARY_FILES_H
#define GLIM_TEXT_VOCABULARY_FILES_H

#include "text/pipeline.h"

/* Parsed files, each an object or NULL. */
typedef struct glim_side_files {
    json_t *config, *specials, *generation;
    bool target; /* of Marian's two: the one for translations */
} glim_side_files;

bool glim__dir_has(const char *dir, const char *name);
glim_status glim__dir_read(glim_buffer *out, const char *dir, const char *name, size_t limit,
                           glim_error *err);
/* The text of a token that a file names: "bos_token": "<s>" or {"content": "<s>"}. */
const char *glim__token_name(const json_t *config, const char *key);

/* Reads the vocabulary of a directory without tokenizer.json. */
glim_status glim__vocabulary_files_read(glim_pipeline *p, const char *dir, const char *model_type,
                                        const glim_side_files *f, glim_error *err);
/* Adds a token that is looked for in the text; its content is copied. */
glim_status glim__added_put(glim_pipeline *p, glim_added a, const char *content, size_t n,
                            glim_error *err);

/* First the count of pieces and what else the file says, then the pieces, once the
   vocabulary has room. All read p->file. `table`: the ids are those of the texts
   that the vocabulary has already (Marian). */
glim_status glim__sentencepiece_scan(glim_pipeline *p, const char *name, glim_error *err);
glim_status glim__sentencepiece_read(glim_pipeline *p, const char *name, bool table,
                                     glim_error *err);
glim_status glim__tiktoken_count(glim_pipeline *p, glim_error *err);
glim_status glim__tiktoken_read(glim_pipeline *p, glim_error *err);

#endif
