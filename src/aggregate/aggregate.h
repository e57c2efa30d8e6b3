/*-------------------------------------------------------------------------
 *
 * aggregate.h
 *	  What PostgreSQL's catalogs say about an aggregate, with polymorphic
 *	  types resolved.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SE_AGGREGATE_H
#define SE_AGGREGATE_H

#include "nodes/primnodes.h"

typedef struct SeAggregate
{
	Oid			fn;				/* the aggregate itself */
	Oid			owner;
	char		kind;			/* pg_aggregate.aggkind */
	Oid			transfn;
	Oid			combinefn;		/* InvalidOid: states cannot be merged */
	Oid			serialfn;
	Oid			deserialfn;
	Oid			finalfn;		/* InvalidOid: the state is the result */
	bool		final_extra;	/* finalfn takes the aggregate's inputs too */
	bool		final_modifies; /* finalfn may write to the state */
	Oid			sortop;			/* min, max: the state grows in this order */
	Oid			transtype;		/* resolved; INTERNALOID for internal */
	Oid			rettype;		/* resolved */
	bool		polymorphic;	/* types depend on the inputs */
	int			ninputs;
	Oid			inputs[FUNC_MAX_ARGS];	/* actual types */
} SeAggregate;

/* The aggregate as this call uses it; stream.total() as the sum() that it stands for. */
extern void se_aggregate_load_call(Aggref *aggref, SeAggregate *out);

/*
 * The aggregate over these input types.  With ninputs 0 the declared types
 * are taken, which a polymorphic aggregate refuses.
 */
extern void se_aggregate_load(Oid fn, const Oid *inputs, int ninputs,
								   SeAggregate *out);

/*
 * The aggregate that takes its place in a delta query, where it yields states as
 * they are kept; and the way back.  Most are themselves.
 */
extern Oid	se_aggregate_in_delta(Oid fn);
extern Oid	se_aggregate_of_user(Oid fn);

/*
 * What a serialized state of this aggregate is made of: the C functions that
 * build, write, read and finish it, and the types they were given.  Two
 * aggregates with the same identity can read each other's states.
 */
extern uint64 se_aggregate_identity(const SeAggregate *agg);

#endif							/* SE_AGGREGATE_H */
