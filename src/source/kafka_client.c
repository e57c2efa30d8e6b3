/*-------------------------------------------------------------------------
 *
 * kafka_client.c
 *	  A librdkafka handle together with a helper thread of ours.
 *
 * Some calls of the library wait for the network: metadata, offsets by time,
 * and destroying a handle (which waits for a thread that may be in a name
 * lookup).  The main thread must not wait that long and cannot cut them short
 * either, so the helper makes these calls.  It sleeps on a condition variable,
 * takes one question at a time, and ends by destroying the handle.  The main
 * thread looks at answers when it likes, and leaves a client behind whose
 * handle is not gone in time: the helper then frees the rest.
 *
 * Exit.  A process may end while such threads run: on every error path, since
 * rd_kafka_destroy could hang there.  exit() runs the destructors of libraries,
 * OpenSSL's among them, under the feet of threads that still use them; a crash
 * there would make the postmaster restart the whole cluster.  So once
 * PostgreSQL's own exit callbacks have all run (the postmaster's child slot is
 * given back, which is what distinguishes an exit from a crash), and before
 * any library's, end_process() leaves by _exit() with the status that
 * proc_exit() was given, if a handle is still alive.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"

#include "../clock.h"
#include "kafka_common.h"

static pg_atomic_uint32 live_handles;	/* of this process */
static int	exit_status = 1;

/* ---- exit ---- */

static void
remember_status(int code, Datum arg)
{
	exit_status = code;
}

static void
end_process(void)
{
	if (proc_exit_inprogress && pg_atomic_read_u32(&live_handles) > 0)
		_exit(exit_status);
}

/*
 * Called after the first handle was made, so that OpenSSL has registered its
 * destructor before: they run in reverse order.
 */
static void
guard_exit(void)
{
	static bool done = false;

	if (done)
		return;
	done = true;
	on_proc_exit(remember_status, (Datum) 0);
	atexit(end_process);
}

/* ---- what the library says ---- */

static void
add_note(SeKafkaNotes *notes, int level, rd_kafka_resp_err_t err,
		 const char *text)
{
	SeKafkaNote *note;

	if (notes->count == SE_KAFKA_NOTES)
	{
		notes->lost++;
		return;
	}
	note = &notes->note[notes->count++];
	note->level = level;
	note->err = err;
	strlcpy(note->text, text, sizeof(note->text));
}

static void
log_callback(const rd_kafka_t *rk, int level, const char *facility,
			 const char *text)
{
	add_note(rd_kafka_opaque(rk), level, RD_KAFKA_RESP_ERR_NO_ERROR, text);
}

static void
error_callback(rd_kafka_t *rk, int err, const char *reason, void *opaque)
{
	add_note(opaque, 0, err, reason);
}

/*
 * The group's offsets are a courtesy to lag tools; without a callback the
 * library would log every failure to store them.
 */
static void
commit_callback(rd_kafka_t *rk, rd_kafka_resp_err_t err,
				rd_kafka_topic_partition_list_t *offsets, void *opaque)
{
}

/* "[thrd:host:9092/1]: " says nothing to a reader of our log. */
static const char *
skip_thread_name(const char *text)
{
	const char *end;

	if (strncmp(text, "[thrd:", 6) == 0 && (end = strstr(text, "]: ")) != NULL)
		return end + 3;
	return text;
}

void
se_kafka_notes_report(SeKafkaNotes *notes, SeKafkaErrorFn on_error, void *arg)
{
	int			count = notes->count;
	int			lost = notes->lost;

	notes->count = notes->lost = 0;
	for (int i = 0; i < count; i++)
	{
		SeKafkaNote *note = &notes->note[i];

		/* The coordinator of the group matters to nobody but lag tools. */
		if (strstr(note->text, "GroupCoordinator: ") != NULL)
			continue;
		if (note->err != RD_KAFKA_RESP_ERR_NO_ERROR)
			on_error(arg, note);
		else
			ereport(note->level <= 4 ? WARNING : LOG,
					(errmsg_internal("kafka: %s",
									 skip_thread_name(note->text)),
					 errhidestmt(true)));
	}
	if (lost > 0)
		ereport(LOG,
				(errmsg_plural("kafka: %d more message was dropped",
							   "kafka: %d more messages were dropped",
							   lost, lost)));
}

/* ---- the helper ---- */

static void
fetch_metadata(SeKafkaClient *client, SeKafkaAsk *ask)
{
	ask->err = rd_kafka_metadata(client->rk, ask->all_topics,
								 ask->all_topics ? NULL : client->topic,
								 &ask->metadata, ask->timeout_ms);
	if (ask->err == RD_KAFKA_RESP_ERR_NO_ERROR)
		ask->controller = rd_kafka_controllerid(client->rk, 0);
}

/*
 * A time after the last record gives no offset: the end is meant.  The ends are
 * looked up first, so that a record written in between is not passed over.
 */
static void
fetch_offsets(SeKafkaClient *client, SeKafkaAsk *ask)
{
	rd_kafka_topic_partition_list_t *ends = NULL;
	rd_kafka_topic_partition_t *elems = ask->offsets->elems;
	int			n = ask->offsets->cnt;

	ask->err = RD_KAFKA_RESP_ERR_NO_ERROR;
	if (elems[0].offset >= 0)
	{
		ends = rd_kafka_topic_partition_list_copy(ask->offsets);
		for (int i = 0; i < n; i++)
			ends->elems[i].offset = RD_KAFKA_OFFSET_END;
		ask->err = rd_kafka_offsets_for_times(client->rk, ends,
											  ask->timeout_ms);
	}
	if (ask->err == RD_KAFKA_RESP_ERR_NO_ERROR)
		ask->err = rd_kafka_offsets_for_times(client->rk, ask->offsets,
											  ask->timeout_ms);
	for (int i = 0; ends && i < n; i++)
		if (elems[i].err == RD_KAFKA_RESP_ERR_NO_ERROR && elems[i].offset < 0)
		{
			elems[i].err = ends->elems[i].err;
			elems[i].offset = ends->elems[i].offset;
		}
	if (ends)
		rd_kafka_topic_partition_list_destroy(ends);
}

static void
destroy_handle(SeKafkaClient *client)
{
	if (client->topic)
		rd_kafka_topic_destroy(client->topic);
	rd_kafka_queue_destroy(client->queue);
	rd_kafka_queue_destroy(client->answers);
	rd_kafka_destroy_flags(client->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
	pg_atomic_fetch_sub_u32(&live_handles, 1);
}

static void
free_client(SeKafkaClient *client)
{
	pthread_mutex_destroy(&client->lock);
	pthread_cond_destroy(&client->changed);
	close(client->event_fd[0]);
	close(client->event_fd[1]);
	se_kafka_ask_reset(&client->ask_metadata);
	se_kafka_ask_reset(&client->ask_offsets);
	free(client->notes);
	free(client);
}

static void *
helper_main(void *arg)
{
	SeKafkaClient *client = arg;
	bool		abandoned;

	pthread_mutex_lock(&client->lock);
	while (!client->closing)
	{
		SeKafkaAsk *ask = NULL;

		if (client->ask_offsets.state == SE_KAFKA_ASK_WAITING)
			ask = &client->ask_offsets;
		else if (client->ask_metadata.state == SE_KAFKA_ASK_WAITING)
			ask = &client->ask_metadata;
		if (ask == NULL)
		{
			pthread_cond_wait(&client->changed, &client->lock);
			continue;
		}
		pthread_mutex_unlock(&client->lock);
		if (ask == &client->ask_offsets)
			fetch_offsets(client, ask);
		else
			fetch_metadata(client, ask);
		pthread_mutex_lock(&client->lock);
		ask->state = SE_KAFKA_ASK_DONE;
		pthread_cond_broadcast(&client->changed);
		if (!client->closing)
			se_kafka_client_signal(client);
	}
	pthread_mutex_unlock(&client->lock);
	destroy_handle(client);

	pthread_mutex_lock(&client->lock);
	client->destroyed = true;
	abandoned = client->abandoned;
	pthread_cond_broadcast(&client->changed);
	pthread_mutex_unlock(&client->lock);
	if (abandoned)
		free_client(client);
	return NULL;
}

/* Signals are for the main thread alone. */
static int
start_helper(SeKafkaClient *client)
{
	sigset_t	all;
	sigset_t	before;
	int			rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&client->helper, NULL, helper_main, client);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}

/* ---- open ---- */

static SeKafkaClient *
allocate_client(void)
{
	SeKafkaClient *client = calloc(1, sizeof(SeKafkaClient));
	pthread_condattr_t attr;

	if (client)
		client->notes = calloc(1, sizeof(SeKafkaNotes));
	if (client == NULL || client->notes == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	if (pipe2(client->event_fd, O_NONBLOCK | O_CLOEXEC) != 0)
	{
		free(client->notes);
		free(client);
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create a pipe: %m")));
	}
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&client->changed, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_init(&client->lock, NULL);
	return client;
}

SeKafkaClient *
se_kafka_client_open(const SeSourceConfig *config, SeKafkaLimits *limits)
{
	rd_kafka_conf_t *conf = se_kafka_conf(config, limits);
	SeKafkaClient *client = allocate_client();
	char		reason[256];
	int			rc;

	rd_kafka_conf_set_opaque(conf, client->notes);
	rd_kafka_conf_set_log_cb(conf, log_callback);
	rd_kafka_conf_set_error_cb(conf, error_callback);
	rd_kafka_conf_set_offset_commit_cb(conf, commit_callback);
	client->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof(reason));
	if (client->rk == NULL)
	{
		rd_kafka_conf_destroy(conf);
		free_client(client);
		ereport(ERROR,
				(errcode(ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION),
				 errmsg("could not set up a Kafka client: %s", reason)));
	}
	pg_atomic_fetch_add_u32(&live_handles, 1);
	guard_exit();

	rd_kafka_poll_set_consumer(client->rk);
	client->queue = rd_kafka_queue_get_consumer(client->rk);
	rd_kafka_set_log_queue(client->rk, client->queue);
	client->answers = rd_kafka_queue_new(client->rk);
	if (config->topic)
		client->topic = rd_kafka_topic_new(client->rk, config->topic, NULL);
	rc = start_helper(client);
	if (rc != 0)
	{
		destroy_handle(client);
		free_client(client);
		errno = rc;
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("could not start a thread: %m")));
	}
	rd_kafka_queue_io_event_enable(client->queue, client->event_fd[1], "", 1);
	rd_kafka_queue_io_event_enable(client->answers, client->event_fd[1], "", 1);
	return client;
}

/* ---- questions ---- */

void
se_kafka_ask_reset(SeKafkaAsk *ask)
{
	if (ask->metadata)
		rd_kafka_metadata_destroy(ask->metadata);
	if (ask->offsets)
		rd_kafka_topic_partition_list_destroy(ask->offsets);
	ask->metadata = NULL;
	ask->offsets = NULL;
	ask->state = SE_KAFKA_ASK_IDLE;
}

void
se_kafka_client_ask(SeKafkaClient *client, SeKafkaAsk *ask, int timeout_ms)
{
	pthread_mutex_lock(&client->lock);
	ask->timeout_ms = timeout_ms;
	ask->state = SE_KAFKA_ASK_WAITING;
	pthread_cond_broadcast(&client->changed);
	pthread_mutex_unlock(&client->lock);
}

static void
deadline_in(struct timespec *ts, int wait_ms)
{
	clock_gettime(CLOCK_MONOTONIC, ts);
	ts->tv_sec += wait_ms / 1000;
	ts->tv_nsec += (long) (wait_ms % 1000) * 1000000;
	if (ts->tv_nsec >= 1000000000)
	{
		ts->tv_sec++;
		ts->tv_nsec -= 1000000000;
	}
}

bool
se_kafka_client_answered(SeKafkaClient *client, SeKafkaAsk *ask, int wait_ms)
{
	struct timespec deadline;
	bool		done;

	deadline_in(&deadline, wait_ms);
	pthread_mutex_lock(&client->lock);
	while (ask->state == SE_KAFKA_ASK_WAITING && wait_ms > 0 &&
		   pthread_cond_timedwait(&client->changed, &client->lock,
								  &deadline) == 0)
		;
	done = ask->state == SE_KAFKA_ASK_DONE;
	pthread_mutex_unlock(&client->lock);
	return done;
}

void
se_kafka_client_signal(SeKafkaClient *client)
{
	/* A full pipe is readable already. */
	if (write(client->event_fd[1], "", 1) < 0)
		return;
}

/* ---- close ---- */

void
se_kafka_client_close(SeKafkaClient *client, int wait_ms)
{
	struct timespec deadline;
	bool		destroyed;

	rd_kafka_queue_io_event_enable(client->queue, -1, NULL, 0);
	rd_kafka_queue_io_event_enable(client->answers, -1, NULL, 0);

	deadline_in(&deadline, wait_ms);
	pthread_mutex_lock(&client->lock);
	client->closing = true;
	pthread_cond_broadcast(&client->changed);
	while (!client->destroyed &&
		   pthread_cond_timedwait(&client->changed, &client->lock,
								  &deadline) == 0)
		;
	destroyed = client->destroyed;
	client->abandoned = !destroyed;
	if (!destroyed)
		pthread_detach(client->helper);
	pthread_mutex_unlock(&client->lock);
	if (!destroyed)
		return;
	pthread_join(client->helper, NULL);
	free_client(client);
}
