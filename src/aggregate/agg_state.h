/*-------------------------------------------------------------------------
 *
 * agg_state.h
 *	  Serialized transition states as values of type stream.agg_state.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SE_AGG_STATE_H
#define SE_AGG_STATE_H

/*
 * What is stored.  The serialized state is a whole bytea of its own, so that
 * a deserialization function can be given its address.
 */
typedef struct SeAggState
{
	int32		vl_len_;		/* varlena header, do not touch directly */
	uint16		format;			/* SE_AGG_STATE_FORMAT */
	uint16		server_major;	/* PostgreSQL that serialized it */
	uint32		identity[2];	/* se_aggregate_identity() */
	char		data[FLEXIBLE_ARRAY_MEMBER];	/* a bytea */
} SeAggState;

#define SE_AGG_STATE_FORMAT 1

/* Oid of the type. */
extern Oid	se_agg_state_type(void);

/* Wraps what a serialization function returned. */
extern SeAggState *se_agg_state_make(const bytea *serialized, uint64 identity);

/*
 * The serialized state inside, which points into a detoasted value.  Refuses
 * the state of another aggregate.
 */
extern bytea *se_agg_state_open(Datum value, uint64 identity);

#endif							/* SE_AGG_STATE_H */
