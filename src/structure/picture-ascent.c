#include "structure/maximize.h"
glim_status glim__maximize_picture(glim_document *doc, const glim_model *m,
                                   const glim_maximize_options *o, glim_error *err) {
    return GLIM_OK;
}
void glim__maximize_picture_plan(glim_plan *out, const glim_model *m,
                                 const glim_maximize_options *o) {}
