/* SPDX-License-Identifier: Apache-2.0 */
/*
 * param.h: the parameter table, the only place where a parameter of a command
 * or a method is described. Flags, --help, man pages, completions, document
 * fields and the docs all come from these rows.
 */
#ifndef GLIM_PARAM_H
#define GLIM_PARAM_H

#include <glim/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum glim_param_type {
    GLIM_PARAM_END, /* closes a table */
    GLIM_BOOL,      /* bool field; a flag without value */
    GLIM_INT,       /* int64_t field */
    GLIM_REAL,      /* double field */
    GLIM_STRING,    /* const char * field, borrowed */
    GLIM_CHOICE,    /* const char * field, one of `choices` */
    GLIM_SIZE       /* uint64_t field; "2G", "512M", "1GiB", "4096" */
} glim_param_type;

typedef struct glim_param {
    const char *name; /* long flag without dashes, e.g. "steps" */
    glim_param_type type;
    size_t offset; /* of the field in the options struct */
    struct {
        int64_t i;
        double r;
        const char *s;
    } def;                  /* default (bools are false) */
    double min, max;        /* bounds of INT, REAL; both 0 = none. Of a STRING of the command
                               line: max > 1 = it may be given so often, into an array */
    const char *choices;    /* CHOICE: "zero|mean|token" */
    const char *value_name; /* help: "N", "FILE"; NULL = from the type */
    const char *help;       /* one line */
    char letter;            /* short flag, or 0 */
    bool optional_value;    /* STRING flag whose value may be left out: "" then */
    const char *group;      /* help heading; NULL = the table's own */
} glim_param;

/* Writes every default into the options struct. */
GLIM_API void glim_param_defaults(const glim_param *table, void *options);
/* Parses one value into its field. Errors: EUSAGE naming the flag, the value
   and the bounds or choices. `value` must outlive the options for strings. */
GLIM_API glim_status glim_param_set(const glim_param *param, void *options, const char *value,
                                    glim_error *err);
/* The row with this name, or NULL. */
GLIM_API const glim_param *glim_param_find(const glim_param *table, const char *name);

#ifdef __cplusplus
}
#endif
#endif
