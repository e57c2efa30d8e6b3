/*-------------------------------------------------------------------------
 *
 * kafka_problem.c
 *	  What an error of librdkafka means for a stream.
 *
 * Fatal is what cannot heal by itself, or where reading on would lose or
 * repeat records: the caller stops the stream, its offsets unmoved.  All else
 * the library goes on trying by itself.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "../clock.h"
#include "kafka_common.h"

#define FORGET_US	5000000

#define HINT_SEEK "Decide where to go on with stream.seek, then resume the stream."
#define HINT_SIZE "Raise message_max_bytes of the stream."
#define HINT_NETWORK "Check the broker and \"bootstrap.servers\"; reading goes on by itself."

typedef struct Meaning
{
	rd_kafka_resp_err_t err;
	SeProblemKind kind;
	int			sqlstate;
	const char *hint;
} Meaning;

static const Meaning meanings[] = {
	/* the log does not have what we want to read */
	{RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, SE_PROBLEM_FATAL,
	ERRCODE_DATA_EXCEPTION, HINT_SEEK},
	{RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE, SE_PROBLEM_FATAL,
	ERRCODE_DATA_EXCEPTION, HINT_SEEK},
#if RD_KAFKA_VERSION >= 0x020100ff
	{RD_KAFKA_RESP_ERR__LOG_TRUNCATION, SE_PROBLEM_FATAL,
	ERRCODE_DATA_EXCEPTION, HINT_SEEK},
#endif

	/* the log is damaged, or we cannot read its form */
	{RD_KAFKA_RESP_ERR__BAD_MSG, SE_PROBLEM_FATAL,
	ERRCODE_DATA_CORRUPTED, HINT_SEEK},
	{RD_KAFKA_RESP_ERR_INVALID_MSG, SE_PROBLEM_FATAL,
	ERRCODE_DATA_CORRUPTED, HINT_SEEK},
	{RD_KAFKA_RESP_ERR__BAD_COMPRESSION, SE_PROBLEM_FATAL,
	ERRCODE_DATA_CORRUPTED, HINT_SEEK},
	{RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED, SE_PROBLEM_FATAL,
	ERRCODE_FEATURE_NOT_SUPPORTED, HINT_SEEK},
	{RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE, SE_PROBLEM_FATAL,
	ERRCODE_PROGRAM_LIMIT_EXCEEDED, HINT_SEEK},
	{RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, SE_PROBLEM_FATAL,
	ERRCODE_PROGRAM_LIMIT_EXCEEDED, HINT_SIZE},
	{RD_KAFKA_RESP_ERR__FATAL, SE_PROBLEM_FATAL,
	ERRCODE_SYSTEM_ERROR, NULL},

	/* somebody has to let us in */
	{RD_KAFKA_RESP_ERR__AUTHENTICATION, SE_PROBLEM_TRANSIENT,
		ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
	"Check \"sasl.username\" and \"sasl.password\" of the user mapping and \"sasl.mechanism\" of the server."},
	{RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, SE_PROBLEM_TRANSIENT,
		ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
	"Check \"sasl.username\" and \"sasl.password\" of the user mapping."},
	{RD_KAFKA_RESP_ERR__SSL, SE_PROBLEM_TRANSIENT,
		ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
	"Check \"security.protocol\", \"ssl.ca.pem\" and the certificates."},
	{RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, SE_PROBLEM_TRANSIENT,
		ERRCODE_INSUFFICIENT_PRIVILEGE,
	"The broker must allow this user to read and describe the topic."},
	{RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, SE_PROBLEM_TRANSIENT,
	ERRCODE_INSUFFICIENT_PRIVILEGE, NULL},

	/* the way to the broker */
	{RD_KAFKA_RESP_ERR__TRANSPORT, SE_PROBLEM_TRANSIENT,
	ERRCODE_CONNECTION_FAILURE, HINT_NETWORK},
	{RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, SE_PROBLEM_TRANSIENT,
	ERRCODE_CONNECTION_FAILURE, HINT_NETWORK},
	{RD_KAFKA_RESP_ERR__RESOLVE, SE_PROBLEM_TRANSIENT,
	ERRCODE_CONNECTION_FAILURE, HINT_NETWORK},
	{RD_KAFKA_RESP_ERR__TIMED_OUT, SE_PROBLEM_TRANSIENT,
	ERRCODE_CONNECTION_FAILURE, HINT_NETWORK},

	/* the topic; the reader makes it fatal when it stays away */
	{RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, SE_PROBLEM_TRANSIENT,
	ERRCODE_UNDEFINED_OBJECT, "Check the topic's name, or create it."},
	{RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, SE_PROBLEM_TRANSIENT,
	ERRCODE_UNDEFINED_OBJECT, "Check the topic's name, or create it."},
	{RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, SE_PROBLEM_TRANSIENT,
	ERRCODE_UNDEFINED_OBJECT, NULL},
	{RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, SE_PROBLEM_FATAL,
	ERRCODE_INVALID_NAME, NULL},
};

/*
 * The group is for lag tools only: whether we may write to it or who
 * coordinates it does not concern reading.
 */
static bool
is_about_group(rd_kafka_resp_err_t err)
{
	return err == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED ||
		err == RD_KAFKA_RESP_ERR_GROUP_COORDINATOR_NOT_AVAILABLE ||
		err == RD_KAFKA_RESP_ERR_GROUP_LOAD_IN_PROGRESS ||
		err == RD_KAFKA_RESP_ERR_NOT_COORDINATOR_FOR_GROUP ||
		err == RD_KAFKA_RESP_ERR__WAIT_COORD ||
		err == RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED;
}

/*
 * A response that the library cannot read.  When we have talked with that
 * broker before, it is one that is larger than we take; else there is no
 * Kafka broker behind that address, or it speaks another protocol.
 */
static void
explain_response(SeProblem *problem, const char *text)
{
	if (strstr(text, "Invalid response size") && strstr(text, "in state UP"))
	{
		problem->sqlstate = ERRCODE_PROGRAM_LIMIT_EXCEEDED;
		strlcpy(problem->hint, HINT_SIZE, sizeof(problem->hint));
		return;
	}
	problem->kind = SE_PROBLEM_TRANSIENT;
	problem->sqlstate = ERRCODE_PROTOCOL_VIOLATION;
	strlcpy(problem->hint,
			"Check that this is a Kafka broker and that \"security.protocol\" is what it speaks.",
			sizeof(problem->hint));
}

/* Cuts off what the library adds for itself. */
static void
clean_text(char *text)
{
	char	   *tail = strstr(text, " (after ");

	if (tail)
		*tail = '\0';
	tail = strstr(text, ": increase receive.message.max.bytes");
	if (tail)
		*tail = '\0';
	tail = strstr(text, "/bootstrap: ");
	if (tail)
		memmove(tail, tail + strlen("/bootstrap"),
				strlen(tail + strlen("/bootstrap")) + 1);
}

bool
se_kafka_problem(SeProblem *problem, rd_kafka_resp_err_t err,
				 const char *text, const char *topic,
				 int32 partition, int64 offset)
{
	const char *hint = NULL;

	if (is_about_group(err))
		return false;
	memset(problem, 0, sizeof(*problem));
	problem->kind = SE_PROBLEM_TRANSIENT;
	problem->sqlstate = ERRCODE_CONNECTION_EXCEPTION;
	problem->partition = partition;
	problem->offset = offset;
	for (int i = 0; i < lengthof(meanings); i++)
		if (meanings[i].err == err)
		{
			problem->kind = meanings[i].kind;
			problem->sqlstate = meanings[i].sqlstate;
			hint = meanings[i].hint;
			break;
		}
	if (text == NULL || *text == '\0')
		text = rd_kafka_err2str(err);
	if (partition >= 0 && offset >= 0)
		snprintf(problem->message, sizeof(problem->message),
				 "topic \"%s\", partition %d, offset " INT64_FORMAT ": %s",
				 topic, partition, offset, text);
	else if (partition >= 0)
		snprintf(problem->message, sizeof(problem->message),
				 "topic \"%s\", partition %d: %s", topic, partition, text);
	else
		snprintf(problem->message, sizeof(problem->message), "%s", text);
	if (hint)
		strlcpy(problem->hint, hint, sizeof(problem->hint));
	if (err == RD_KAFKA_RESP_ERR__BAD_MSG && partition < 0)
		explain_response(problem, text);
	clean_text(problem->message);
	return true;
}

/* ---- the problem that a source has ---- */

static void
raise_problem(SeSource *s, const SeProblem *problem)
{
	if (s->problem.kind == SE_PROBLEM_FATAL)
		return;
	s->problem = *problem;
	s->problem_at = se_clock_us();
}

void
se_kafka_raise(SeSource *s, rd_kafka_resp_err_t err, const char *text,
			   int32 partition, int64 offset)
{
	SeProblem	problem;

	/* It says less than what led to it. */
	if (err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN &&
		s->problem.kind != SE_PROBLEM_NONE)
		return;
	if (se_kafka_problem(&problem, err, text, s->topic, partition, offset))
		raise_problem(s, &problem);
}

void
se_kafka_raise_fatal(SeSource *s, int sqlstate, int32 partition, int64 offset,
					 const char *format,...)
{
	SeProblem	problem;
	va_list		args;
	size_t		used;

	memset(&problem, 0, sizeof(problem));
	problem.kind = SE_PROBLEM_FATAL;
	problem.sqlstate = sqlstate;
	problem.partition = partition;
	problem.offset = offset;
	used = snprintf(problem.message, sizeof(problem.message),
					"topic \"%s\", ", s->topic);
	used = Min(used, sizeof(problem.message) - 1);
	va_start(args, format);
	vsnprintf(problem.message + used, sizeof(problem.message) - used,
			  format, args);
	va_end(args);
	if (sqlstate == ERRCODE_PROGRAM_LIMIT_EXCEEDED)
		strlcpy(problem.hint, "Raise message_max_bytes of the stream.",
				sizeof(problem.hint));
	else
		strlcpy(problem.hint,
				"Decide where to go on with stream.seek, then resume the stream.",
				sizeof(problem.hint));
	raise_problem(s, &problem);
}

/* Something of this partition came from a broker. */
void
se_kafka_clear(SeSource *s, int32 partition)
{
	s->missing_since = 0;
	if (s->problem.kind == SE_PROBLEM_TRANSIENT &&
		(s->problem.partition == -1 || s->problem.partition == partition))
		s->problem.kind = SE_PROBLEM_NONE;
}

/*
 * A partition without new records does not say that it is well again.  The
 * library repeats what still goes wrong with every fetch; only a refusal of
 * the broker is told once.
 */
void
se_kafka_forget_old(SeSource *s)
{
	if (s->problem.kind == SE_PROBLEM_TRANSIENT && s->problem.partition >= 0 &&
		s->problem.sqlstate != ERRCODE_INSUFFICIENT_PRIVILEGE &&
		s->missing_since == 0 &&
		se_clock_us() - s->problem_at > FORGET_US)
		s->problem.kind = SE_PROBLEM_NONE;
}
