/* SPDX-License-Identifier: Apache-2.0 */
/* drawing-testing.h: for tests that draw. What fontconfig and cairo keep for the whole process is
   no leak of ours. */
#ifndef GLIM_TESTS_DRAWING_TESTING_H
#define GLIM_TESTS_DRAWING_TESTING_H

__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
    return "leak:libfontconfig\nleak:libcairo\nleak:libpango\n";
}

#endif
