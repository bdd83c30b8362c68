/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe-data.h: the file of a probe: texts with a label each, or sentences whose words have
 * tags. Labels are in memory, words of tagged sentences too; texts of tables stream.
 */
#ifndef GLIM_STRUCTURE_PROBE_DATA_H
#define GLIM_STRUCTURE_PROBE_DATA_H

#include "base/map.h"
#include "file/rows.h"
#include "structure/probe-rows.h"

/* Different strings, numbered as they come. */
typedef struct glim_interned {
    glim_map map;
    glim_arena *arena;
    const char **at;
    size_t n, cap;
} glim_interned;

/* A sentence with tags: its text, and where it stands in the file. */
typedef struct glim_probe_sentence {
    const char *text;
    size_t line;
    size_t first, count; /* rows: words */
} glim_probe_sentence;

/* Bytes of a word in its sentence; later its tokens. */
typedef struct glim_probe_span {
    uint32_t start, end;
} glim_probe_span;

typedef struct glim_probe_data {
    glim_context *ctx;
    const char *path;
    bool words, numbers;
    glim_arena arena;
    glim_interned classes, groups, types;
    /* texts */
    glim_rows *table;
    size_t text;     /* column */
    uint32_t *taken; /* (n) rows of the table */
    size_t left_out;
    /* words */
    glim_probe_sentence *sentences;
    size_t n_sentences, sentence_room;
    glim_probe_span *spans; /* (n) */
    /* rows of both */
    size_t n, room;
    int32_t *labels;
    double *values;
    uint32_t *group, *type;
    glim_probe_target target; /* points into the above */
} glim_probe_data;

/* Reads and checks. Errors: those of tables; EFORMAT with file and line; EUSAGE (one class, no
   rows, too many classes). */
glim_status glim__probe_data_open(glim_probe_data *d, glim_context *ctx,
                                  const glim_probe_options *o, glim_error *err);
void glim__probe_data_close(glim_probe_data *d); /* zeroed is fine */
/* How many texts go through the model, and one of them; `where` names its place. */
size_t glim__probe_texts(const glim_probe_data *d);
glim_status glim__probe_text(glim_probe_data *d, size_t i, glim_arena *arena, const char **text,
                             char where[320], glim_error *err);

/* probe-tags.c: appends sentences of a file with tags, whose bytes outlive the data. */
glim_status glim__probe_read_tags(glim_probe_data *d, char *bytes, size_t n, glim_error *err);
/* True for names of files that only words with tags have. */
bool glim__probe_is_tagged(const char *path);

/* For both readers: a row's label and what it belongs to; the number of a string, or -1. */
int32_t glim__intern(glim_interned *s, const char *text, size_t n);
glim_status glim__probe_add(glim_probe_data *d, const char *label, uint32_t group, uint32_t type,
                            const char *where, glim_error *err);

#endif
