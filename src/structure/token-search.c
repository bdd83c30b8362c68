#include "structure/maximize.h"
glim_status glim__maximize_search(glim_maximized *r, glim_activation *a, glim_error *err) {
    return GLIM_OK;
}
