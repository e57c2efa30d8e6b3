/*-------------------------------------------------------------------------
 *
 * kafka_admin.c
 *	  Questions of a session to the cluster: who is there, where are the ends.
 *
 * Each call makes a client of its own and drops it again, on errors and
 * cancels too: it never holds a record, so nothing can hang on that.  The
 * client's helper waits for the network; we look at the answer and at
 * interrupts every SLICE_MS.
 *
 * A client that reaches nobody goes on trying for as long as it is let.  To
 * spare the user most of the timeout we give up GIVE_UP_MS after the library
 * said that no broker can be reached or lets us in; by then it has tried all
 * addresses of a name more than once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/wait_event.h"

#include "../clock.h"
#include "kafka_common.h"

#define SLICE_MS		100
#define GIVE_UP_MS		2000
#define CLOSE_WAIT_MS	200

typedef struct Session
{
	SeKafkaClient *client;
	const char *topic;
	int64		deadline;
	int64		hopeless_since; /* 0: not */
	rd_kafka_resp_err_t err;	/* the most telling error so far */
	char		text[SE_KAFKA_TEXT];
} Session;

static void pg_attribute_noreturn()
fail(Session *session, rd_kafka_resp_err_t err, const char *text)
{
	SeProblem	problem;

	if (!se_kafka_problem(&problem, err, text, session->topic, -1, -1))
		elog(ERROR, "unexpected error: %s", text);
	if (strncmp(problem.hint, "Check the broker", 16) == 0)
		strlcpy(problem.hint, "Check the broker and \"bootstrap.servers\".",
				sizeof(problem.hint));
	ereport(ERROR,
			(errcode(problem.sqlstate),
			 errmsg("could not read from Kafka: %s", problem.message),
			 problem.hint[0] ? errhint("%s", problem.hint) : 0));
}

static void
take_note(Session *session, const SeKafkaNote *note)
{
	switch (note->err)
	{
		case RD_KAFKA_RESP_ERR_NO_ERROR:
			return;
		case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
			if (session->hopeless_since == 0)
				session->hopeless_since = se_clock_us();
			if (session->err != RD_KAFKA_RESP_ERR_NO_ERROR)
				return;
			break;
		case RD_KAFKA_RESP_ERR__AUTHENTICATION:
		case RD_KAFKA_RESP_ERR__SSL:
			if (session->hopeless_since == 0)
				session->hopeless_since = se_clock_us();
			break;
		default:
			break;
	}
	session->err = note->err;
	strlcpy(session->text, note->text, sizeof(session->text));
}

/* What the library has to say about its connections. */
static void
take_notes(Session *session)
{
	SeKafkaNotes *notes = session->client->notes;
	rd_kafka_message_t *message;

	while (rd_kafka_consume_batch_queue(session->client->queue, 0,
										&message, 1) > 0)
		rd_kafka_message_destroy(message);
	for (int i = 0; i < notes->count; i++)
		take_note(session, &notes->note[i]);
	notes->count = notes->lost = 0;
}

static int
remaining_ms(Session *session)
{
	return Max(0, (session->deadline - se_clock_us()) / 1000);
}

/* Asks until there is an answer without error. */
static void
ask(Session *session, SeKafkaAsk *question)
{
	for (;;)
	{
		se_kafka_client_ask(session->client, question,
							Max(remaining_ms(session), SLICE_MS));
		while (!se_kafka_client_answered(session->client, question, SLICE_MS))
		{
			CHECK_FOR_INTERRUPTS();
			take_notes(session);
			if (remaining_ms(session) == 0 ||
				(session->hopeless_since != 0 &&
				 se_clock_us() - session->hopeless_since > GIVE_UP_MS * 1000))
				break;
		}
		take_notes(session);
		if (!se_kafka_client_answered(session->client, question, 0))
			break;
		if (question->err == RD_KAFKA_RESP_ERR_NO_ERROR)
			return;
		if (session->err == RD_KAFKA_RESP_ERR_NO_ERROR)
			session->err = question->err;
		if (remaining_ms(session) == 0)
			break;
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 SLICE_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	if (session->err == RD_KAFKA_RESP_ERR_NO_ERROR ||
		session->err == RD_KAFKA_RESP_ERR__TIMED_OUT)
		fail(session, RD_KAFKA_RESP_ERR__TIMED_OUT, "no answer in time");
	fail(session, session->err, session->text);
}

static void
begin(Session *session, const SeSourceConfig *config, int timeout_ms)
{
	SeKafkaLimits limits;

	memset(session, 0, sizeof(*session));
	session->topic = config->topic ? config->topic : "";
	session->deadline = se_clock_us() + (int64) timeout_ms * 1000;
	session->client = se_kafka_client_open(config, &limits);
}

/* ---- connection test ---- */

static int
compare_names(const ListCell *a, const ListCell *b)
{
	const SeConnectionFact *fa = lfirst(a);
	const SeConnectionFact *fb = lfirst(b);

	return strcmp(fa->name, fb->name);
}

static SeConnectionFact *
make_fact(const char *kind, char *name, int id, int partitions,
		  const char *detail)
{
	SeConnectionFact *fact = palloc(sizeof(SeConnectionFact));

	fact->kind = kind;
	fact->name = name;
	fact->id = id;
	fact->partitions = partitions;
	fact->detail = detail;
	return fact;
}

static List *
list_facts(const SeKafkaAsk *answer)
{
	const struct rd_kafka_metadata *metadata = answer->metadata;
	List	   *brokers = NIL;
	List	   *topics = NIL;

	for (int i = 0; i < metadata->broker_cnt; i++)
	{
		const rd_kafka_metadata_broker_t *broker = &metadata->brokers[i];

		brokers = lappend(brokers,
						  make_fact("broker",
									psprintf("%s:%d", broker->host, broker->port),
									broker->id, 0,
									broker->id == answer->controller ?
									"controller" : NULL));
	}
	for (int i = 0; i < metadata->topic_cnt; i++)
	{
		const rd_kafka_metadata_topic_t *topic = &metadata->topics[i];

		topics = lappend(topics,
						 make_fact("topic", pstrdup(topic->topic), -1,
								   topic->partition_cnt,
								   topic->err ?
								   pstrdup(rd_kafka_err2str(topic->err)) : NULL));
	}
	list_sort(brokers, compare_names);
	list_sort(topics, compare_names);
	return list_concat(brokers, topics);
}

List *
se_source_kafka_test(const SeSourceConfig *config, int timeout_ms)
{
	Session		session;
	List	   *facts;

	begin(&session, config, timeout_ms);
	PG_TRY();
	{
		SeKafkaAsk *question = &session.client->ask_metadata;

		question->all_topics = config->topic == NULL;
		ask(&session, question);
		facts = list_facts(question);
	}
	PG_FINALLY();
	{
		se_kafka_client_close(session.client, CLOSE_WAIT_MS);
	}
	PG_END_TRY();
	return facts;
}

/* ---- ends ---- */

static int
ask_partitions(Session *session)
{
	SeKafkaAsk *question = &session->client->ask_metadata;
	const rd_kafka_metadata_topic_t *topic;

	ask(session, question);
	if (question->metadata->topic_cnt != 1)
		elog(ERROR, "unexpected metadata of %d topics",
			 question->metadata->topic_cnt);
	topic = &question->metadata->topics[0];
	if (topic->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("topic \"%s\" does not exist", session->topic)));
	if (topic->err != RD_KAFKA_RESP_ERR_NO_ERROR)
		fail(session, topic->err, rd_kafka_err2str(topic->err));
	return topic->partition_cnt;
}

static int64 *
ask_ends(Session *session, int n)
{
	SeKafkaAsk *question = &session->client->ask_offsets;
	int64	   *ends = palloc(n * sizeof(int64));

	question->offsets = rd_kafka_topic_partition_list_new(n);
	for (int i = 0; i < n; i++)
		rd_kafka_topic_partition_list_add(question->offsets, session->topic,
										  i)->offset = RD_KAFKA_OFFSET_END;
	ask(session, question);
	for (int i = 0; i < n; i++)
	{
		rd_kafka_topic_partition_t *found = &question->offsets->elems[i];

		if (found->err)
			fail(session, found->err, rd_kafka_err2str(found->err));
		ends[found->partition] = found->offset;
	}
	return ends;
}

int64 *
se_source_kafka_end_offsets(const SeSourceConfig *config, int timeout_ms,
							int *n)
{
	Session		session;
	int64	   *ends;

	begin(&session, config, timeout_ms);
	PG_TRY();
	{
		*n = ask_partitions(&session);
		ends = ask_ends(&session, *n);
	}
	PG_FINALLY();
	{
		se_kafka_client_close(session.client, CLOSE_WAIT_MS);
	}
	PG_END_TRY();
	return ends;
}
