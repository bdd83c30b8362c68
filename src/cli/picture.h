/* SPDX-License-Identifier: Apache-2.0 */
/* picture.h: what commands do with a model that reads pictures. */
#ifndef GLIM_CLI_PICTURE_H
#define GLIM_CLI_PICTURE_H

#include "cli/cli.h"

/* True when the open model reads pictures. */
bool cli_reads_pictures(const cli_run *run);
/* --task image. */
bool cli_wants_picture(const cli_run *run);
/* How flags and method want a picture cut, and its name; the rest is not there. */
glim_image_options cli_cut(const cli_run *run);
/* The picture as it is. Errors: as of cli_see. */
glim_status cli_read_picture(cli_run *run, glim_image **image);
/* The picture that the word without a flag names, as the model sees it. Errors: EUSAGE
   (no picture, or flags of texts), those of reading. */
glim_status cli_see(cli_run *run, glim_image **seen);
/* The name of a class; `number` is room for one without a name. */
const char *cli_class_name(const cli_run *run, int id, char number[16]);
/* One pass over a picture: hooks, and with `grad` a walk back from the top class' logit.
   `pixels` NULL: of the picture itself. */
glim_status cli_picture_pass(cli_run *run, const float *pixels, const glim_hook *hooks,
                             size_t n_hooks, bool grad, int target);

glim_status cli_predict_picture(cli_run *run);
/* What a pass over one picture would cost. */
glim_status cli_plan_picture(cli_run *run, bool backward);
glim_status cli_picture_predictor(cli_run *run, glim_predictor **out);

#endif
