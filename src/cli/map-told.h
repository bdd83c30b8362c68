/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map-told.h: what `glim map` draws and saves. A run fills a cli_map (map-make.c), or a saved
 * document does (map-read.c); the terminal (map-show.c), the report (map-html.c), the table
 * (map-csv.c) and the document (map-json.c) are made of it alone. Everything lies in its arena.
 */
#ifndef GLIM_CLI_MAP_TOLD_H
#define GLIM_CLI_MAP_TOLD_H

#include "base/arena.h"
#include "cli/cli.h"
#include "file/table.h"
#include "reduce/texts-at-site.h"

#include <glim/map.h>

enum { CLI_MAP_TEXT = 200, CLI_MAP_COLORS = 8, CLI_MAP_CLASSES = 1000 };

/* What points can be coloured by: a category for each, -1 for none, or a number, NaN for none. */
typedef struct cli_map_color {
    const char *name;
    const char **names;
    size_t n_names;
    int32_t *category; /* (n), or NULL: numbers */
    double *number;    /* (n) */
} cli_map_color;

typedef struct cli_map_shot {
    size_t iteration;
    double kl;
    const float *xy;
} cli_map_shot;

typedef struct cli_map {
    glim_context *ctx;
    glim_arena arena, later; /* later: of placed points */
    const char *title, *file, *kind, *version;
    const char *method, *params; /* "tsne", "pca"; JSON text of an object */
    const char *model, *architecture, *quantisation, *digest, *site, *pool; /* NULL: none */
    size_t n, placed, width;
    size_t pca; /* components before t-SNE; 0: none */
    double pca_explained;
    float *xy;            /* (n, 2) */
    cli_map_color *label; /* or NULL */
    cli_map_color *colors;
    size_t n_colors;
    const char *color_by; /* "label", a color's name, or NULL */
    const char **texts, **ids;
    size_t texts_cut;
    size_t k;
    int32_t *of; /* (n, k) */
    float *distance;
    bool approximate;
    double index_recall;
    double variance[2]; /* of a PCA; NaN: none */
    double kl;
    cli_map_shot *history, *shots;
    size_t n_history, n_shots, done, asked; /* asked 0: no iterations */
    glim_map_quality quality;               /* sample 0: none */
    const char *verdict, *caption;
    int trust; /* 0 ok, 1 careful, 2 distrust */
    double seconds;
    uint64_t peak, seed;
    int threads;
    const char **notes;
    size_t n_notes;
    /* Of several sites: a map each in their order, whole, the document itself as the last; they
       share the points and what is known of them. None: the document is the only one. */
    struct cli_map *sites;
    size_t n_sites;
} cli_map;

/* The points as they came. */
typedef struct cli_points {
    float *x; /* (n, width) */
    size_t n, width;
    glim_table *facts; /* labels, texts and other columns of the points, or NULL */
    size_t *row;       /* (n) of the facts, or NULL: the same as the points */
    size_t *used;      /* columns that are coordinates */
    size_t n_used, left_out, cut;
    const char *file, *kind;
    int32_t *predicted; /* (n) classes of the model, or NULL */
    /* of texts */
    glim_texts_at_site texts;
    uint32_t *text_rows;
    size_t n_sites; /* 1 of what has none */
    const char *site, *pool;
} cli_points;

void cli_map_init(cli_map *m, glim_context *ctx);
void cli_map_release(cli_map *m); /* zeroed is fine */
/* A note in the arena; nothing when memory is refused. */
void cli_map_note(cli_map *m, const char *format, ...) GLIM_PRINTF(2, 3);
/* Verdict and caption of a map's numbers. */
void cli_map_judge(cli_map *m);

/* map-flags.c */
extern const glim_param cli_map_flags_points[], cli_map_flags_own[];
glim_map_options cli_map_options(const cli_run *run);
json_t *cli_map_params(const glim_map_options *o, bool *ok);

/* map-points.c: opens what the flags name. Of texts x comes later, a site at a time; the others
   have it at once. Release in any case. */
glim_status cli_points_open(cli_run *run, cli_points *p);
void cli_points_release(cli_run *run, cli_points *p);
/* x and width become those of a site; the first time texts go through the model. */
glim_status cli_points_at(cli_run *run, cli_points *p, size_t site);
/* map-texts.c: the same of texts. */
glim_status cli_map_texts_open(cli_run *run, cli_points *p);
glim_status cli_map_texts_at(cli_run *run, cli_points *p, size_t site);
void cli_map_texts_release(cli_run *run, cli_points *p);
/* map-make.c: maps of all sites, and where the flags want them. */
glim_status cli_map_make(cli_run *run, cli_map *m, cli_points *p, const glim_map_options *how);
/* What making the maps takes; tokens of texts, operations of what has no model. */
glim_status cli_map_plan(cli_run *run, const cli_points *p, const glim_map_options *how,
                         glim_plan *plan);
/* Before anything is run: whether the columns that are named are there. */
glim_status cli_points_named(cli_run *run, const cli_points *p);
/* map-facts.c: labels, texts, ids and colours of points. */
glim_status cli_map_facts(cli_run *run, cli_map *m, const cli_points *p);
/* EUSAGE: what --color-by names is not there. */
glim_status cli_map_no_color(cli_run *run);
/* map-save.c: the map with the points it was made of, for --place; and new points in it. */
glim_status cli_map_save(cli_run *run, const cli_map *m, const glim_embedding *e, const float *x);
glim_status cli_map_place(cli_run *run, cli_map *m, const cli_points *p);

/* The document; takes no reference. */
json_t *cli_map_json(const cli_map *m, bool *ok);
glim_status cli_map_read(cli_map *m, const json_t *all, const char *name, glim_error *err);
/* Leaves the maps of sites that a list of names and patterns has. Errors: EUSAGE (none has). */
glim_status cli_map_only(cli_map *m, const char *sites, glim_error *err);
/* To every place that the flags name. */
glim_status cli_map_answer(cli_run *run, const cli_map *m);
glim_status cli_map_show(cli_run *run, const cli_map *m);
glim_status cli_map_html(cli_run *run, const cli_map *m);
glim_status cli_map_csv(cli_run *run, const cli_map *m);
/* "tsne" and "pca" as people write them; the caption of a method. */
const char *cli_map_method_name(const cli_map *m);
/* The color that is drawn: of --color-by, the labels, or NULL. */
const cli_map_color *cli_map_drawn(const cli_map *m);
/* order (names): categories by size, largest first; counts (names). */
void cli_map_sizes(const cli_map *m, const cli_map_color *c, size_t *order, size_t *counts);

#endif
