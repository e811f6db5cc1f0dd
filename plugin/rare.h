/* rare.h
 * What few frames need is compiled apart: the way of all others then touches less code, of which
 * Wireshark's own has been driven out of the processor's caches.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_RARE_H
#define WIRELAT_RARE_H

/* Before a function. A branch that leads to a call of it is taken for the less likely one. */
#define WL_RARE __attribute__((cold, noinline))

#endif
