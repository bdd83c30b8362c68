/* SPDX-License-Identifier: Apache-2.0 */
/*
 * published.h: a Hugging Face directory as the GGUF file that its conversion would
 * give: the same keys and tensor names, over the published tensors as they lie.
 * What conversion would change in the numbers (the order of rows, w + 1) is left
 * to the architecture, which asks glim_loader.published.
 */
#ifndef GLIM_MODEL_PUBLISHED_H
#define GLIM_MODEL_PUBLISHED_H

#include "file/directory.h"
#include "file/gguf-tables.h"

/* Errors: those of the directory; EUNSUPPORTED for a model_type or a setting that
   is not known, EFORMAT for one that is missing or wrong. */
glim_status glim__published_open(glim_gguf **out, glim_context *ctx, const char *path,
                                 glim_error *err);

/* A GGUF file, or a directory presented as one. */
glim_status glim__model_file_open(glim_gguf **out, glim_context *ctx, const char *path,
                                  glim_error *err);

/* ---- inside: one family of model types (published-families.c) ---- */

/* "mlp.gate_proj" -> "ffn_gate"; '#' stands for the same number on both sides. */
typedef struct glim_published_name {
    const char *theirs, *ours;
} glim_published_name;

typedef struct glim_published glim_published;

typedef struct glim_published_family {
    const char *type, *arch;            /* model_type; GGUF architecture */
    const char *act_key, *act;          /* the activation it must have; act may list two by '|' */
    const glim_published_name *names;   /* of a block, without .weight and .bias */
    const glim_published_name *outside; /* of the blocks; NULL = a decoder's */
    bool tied;                          /* when config.json does not say */
    bool own_head;                      /* a head that is there is used, whatever it says */
    void (*keys)(glim_published *p);    /* what the common keys do not cover */
} glim_published_family;

/* One conversion; the status is sticky. */
struct glim_published {
    glim_gguf *g;
    glim_directory *d;
    const json_t *config;
    const glim_published_family *family;
    glim_status status;
    glim_error *err;
};

extern const glim_published_family *const glim__published_families[];

/* Reads of config.json: an absent or null member leaves *out and gives false; one of
   the wrong kind fails. Integral reals serve as integers. */
bool glim__published_int(glim_published *p, const json_t *o, const char *key, int64_t *out);
bool glim__published_real(glim_published *p, const json_t *o, const char *key, double *out);
bool glim__published_true(glim_published *p, const char *key, bool otherwise);
/* Fails with the name of the key. */
void glim__published_refuse(glim_published *p, glim_status status, const char *key,
                            const char *why);
/* Puts "ARCH.suffix". */
void glim__published_put_int(glim_published *p, const char *suffix, int64_t value);
void glim__published_put_real(glim_published *p, const char *suffix, double value);
void glim__published_put_text(glim_published *p, const char *suffix, const char *value);
void glim__published_put_bool(glim_published *p, const char *suffix, bool value);
/* config[key] as "ARCH.suffix"; needed or not. */
void glim__published_copy_int(glim_published *p, const char *key, const char *suffix, bool need);
void glim__published_copy_real(glim_published *p, const char *key, const char *suffix, bool need);
/* What the model is for, by architectures[0], and the names of its classes
   (published-encoders.c). */
void glim__published_task(glim_published *p);
/* The names of classes, from id2label. */
void glim__published_labels(glim_published *p);
/* Which blocks slide, from layer_types, else every block but each period-th; 0: all. */
void glim__published_windows(glim_published *p, int period);
/* The rotation over heads of width D (published-rope.c). */
void glim__published_rope(glim_published *p, int64_t head_width);

#endif
