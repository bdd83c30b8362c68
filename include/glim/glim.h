/* SPDX-License-Identifier: Apache-2.0 */
/* glim.h: everything public. docs/TOUR.md says where to begin. */
#ifndef GLIM_H
#define GLIM_H

#include <glim/advise.h>
#include <glim/array.h>
#include <glim/attention.h>
#include <glim/base.h>
#include <glim/directions.h>
#include <glim/document.h>
#include <glim/evaluate.h>
#include <glim/explain.h>
#include <glim/fit.h>
#include <glim/heads.h>
#include <glim/image.h>
#include <glim/influence.h>
#include <glim/lens.h>
#include <glim/map.h>
#include <glim/maximize.h>
#include <glim/model.h>
#include <glim/panel.h>
#include <glim/param.h>
#include <glim/patch.h>
#include <glim/predictor.h>
#include <glim/probe.h>
#include <glim/site.h>
#include <glim/steer.h>
#include <glim/text.h>
#include <glim/view.h>

#endif
