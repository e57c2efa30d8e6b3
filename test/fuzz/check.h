/*-------------------------------------------------------------------------
 *
 * check.h
 *	  What must be true of every input; a fuzzer keeps the one for which it is not.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SE_FUZZ_CHECK_H
#define SE_FUZZ_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, \
					#condition); \
			abort(); \
		} \
	} while (0)

#endif							/* SE_FUZZ_CHECK_H */
