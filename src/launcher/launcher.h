/*-------------------------------------------------------------------------
 *
 * launcher.h
 *	  Keeps a worker process running for every stream that should run.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SE_LAUNCHER_H
#define SE_LAUNCHER_H

extern void se_launcher_register(void); /* from _PG_init */
extern PGDLLEXPORT void se_launcher_main(Datum arg);
extern PGDLLEXPORT void se_probe_main(Datum database);

/*
 * Called in a transaction that changes what should run: at its commit the
 * stream's workers and the launcher look again.
 */
extern void se_launcher_announce(Oid stream);

#endif							/* SE_LAUNCHER_H */
