/* SPDX-License-Identifier: Apache-2.0 */
/* student.h: Student's t distribution. */
#ifndef GLIM_BASE_STUDENT_H
#define GLIM_BASE_STUDENT_H

/* P(T > t) for `df` degrees of freedom (> 0, not only whole ones), to 13 digits. */
double glim__student_tail(double t, double df);
/* The t above which a share p (0 to 0.5) lies; NaN for df <= 0. */
double glim__student_quantile(double p, double df);

#endif
