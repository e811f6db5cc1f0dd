/* record_kafka.c
 * A producer and a consumer against librdkafka's mock cluster, saying when each request was sent
 * and each response received; record_kafka.py captures the traffic meanwhile.
 *
 *   stdout: "brokers PORT,PORT"   then it waits for a line on stdin: time to start a capture
 *           "NS CLIENT_PORT BROKER_PORT TEXT"   one per request sent or response received
 *
 * TEXT is librdkafka's own log line (debug=protocol). Its threads serve one connection each, so the
 * ports of the connection a thread opened last are those of what it logs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TOPIC "orders"
#define BROKERS 2
static const int rtt_ms[BROKERS] = {20, 45}; /* of broker 1 and 2 */

static __thread unsigned local_port, broker_port;

/* Connects as librdkafka would and notes the ports. The socket does not block, and
 * librdkafka takes EINPROGRESS from a callback for a failure. */
static int connect_cb(int fd, const struct sockaddr *address, int length, const char *id,
                      void *opaque)
{
    struct sockaddr_in own;
    socklen_t own_length = sizeof own;
    int error = connect(fd, address, (socklen_t)length) == 0 ? 0 : errno;

    (void)id;
    (void)opaque;
    if (getsockname(fd, (struct sockaddr *)&own, &own_length) == 0) {
        local_port = ntohs(own.sin_port);
    }
    broker_port = ntohs(((const struct sockaddr_in *)address)->sin_port);
    return error == EINPROGRESS ? 0 : error;
}

static void log_cb(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
    struct timespec now;

    (void)client;
    (void)level;
    clock_gettime(CLOCK_REALTIME, &now);
    if (strcmp(facility, "SEND") == 0 || strcmp(facility, "RECV") == 0) {
        printf("%lld%09ld %u %u %s\n", (long long)now.tv_sec, now.tv_nsec, local_port, broker_port,
               text);
    }
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char error[256];

    if (rd_kafka_conf_set(conf, name, value, error, sizeof error) != RD_KAFKA_CONF_OK) {
        fprintf(stderr, "%s=%s: %s\n", name, value, error);
        exit(1);
    }
}

static rd_kafka_t *new_client(rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
    char error[256];
    rd_kafka_t *client = rd_kafka_new(type, conf, error, sizeof error);

    if (!client) {
        fprintf(stderr, "%s\n", error);
        exit(1);
    }
    return client;
}

static rd_kafka_conf_t *measured_conf(const char *id, const char *bootstraps)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();

    set(conf, "client.id", id);
    set(conf, "bootstrap.servers", bootstraps);
    set(conf, "debug", "protocol");
    set(conf, "socket.nagle.disable", "true"); /* or "sent" is up to 20 ms before the wire */
    rd_kafka_conf_set_log_cb(conf, log_cb);
    rd_kafka_conf_set_connect_cb(conf, connect_cb);
    return conf;
}

/* Produces one record after the other without waiting, so that several requests are in flight. */
static void produce(const char *id, const char *bootstraps, const char *acks, int records)
{
    rd_kafka_conf_t *conf = measured_conf(id, bootstraps);
    rd_kafka_t *producer;
    char value[300];

    memset(value, 'v', sizeof value);
    set(conf, "acks", acks);
    set(conf, "linger.ms", "0");
    set(conf, "batch.num.messages", "1");
    producer = new_client(RD_KAFKA_PRODUCER, conf);
    for (int i = 0; i < records; i++) {
        rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(TOPIC), RD_KAFKA_V_PARTITION(i % BROKERS),
                          RD_KAFKA_V_VALUE(value, sizeof value), RD_KAFKA_V_END);
        usleep(7000);
    }
    rd_kafka_flush(producer, 10000);
    rd_kafka_destroy(producer);
}

/* Joins a group, reads what was produced, then polls in vain for a while. */
static void consume(const char *bootstraps, int polls)
{
    rd_kafka_conf_t *conf = measured_conf("reader", bootstraps);
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_t *consumer;

    set(conf, "group.id", "readers");
    set(conf, "auto.offset.reset", "earliest");
    set(conf, "auto.commit.interval.ms", "1000");
    set(conf, "heartbeat.interval.ms", "1000");
    consumer = new_client(RD_KAFKA_CONSUMER, conf);
    rd_kafka_poll_set_consumer(consumer);
    rd_kafka_topic_partition_list_add(topics, TOPIC, RD_KAFKA_PARTITION_UA);
    rd_kafka_subscribe(consumer, topics);
    for (int i = 0; i < polls; i++) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, 100);
        if (message) {
            rd_kafka_message_destroy(message);
        }
    }
    rd_kafka_consumer_close(consumer);
    rd_kafka_topic_partition_list_destroy(topics);
    rd_kafka_destroy(consumer);
}

static void print_ports(const char *bootstraps)
{
    const char *next = bootstraps;

    printf("brokers ");
    while ((next = strchr(next, ':')) != NULL) {
        printf("%ld%s", strtol(next + 1, NULL, 10), strchr(next + 1, ':') ? "," : "\n");
        next++;
    }
    fflush(stdout);
}

static void run_clients(const char *bootstraps)
{
    produce("writer-all", bootstraps, "all", 30);
    produce("writer-1", bootstraps, "1", 30);
    produce("writer-0", bootstraps, "0", 10);
    consume(bootstraps, 160);
}

/* Without an argument: the cluster, and after a line on standard input the clients. "serve": the
 * cluster alone, until standard input ends. Anything else: the clients alone, of that cluster. */
int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "serve") != 0) {
        run_clients(argv[1]);
        return 0;
    }
    rd_kafka_t *host = new_client(RD_KAFKA_PRODUCER, rd_kafka_conf_new());
    rd_kafka_mock_cluster_t *cluster = rd_kafka_mock_cluster_new(host, BROKERS);
    const char *bootstraps = rd_kafka_mock_cluster_bootstraps(cluster);

    rd_kafka_mock_topic_create(cluster, TOPIC, BROKERS, BROKERS);
    for (int i = 0; i < BROKERS; i++) {
        rd_kafka_mock_partition_set_leader(cluster, TOPIC, i, i + 1);
        rd_kafka_mock_broker_set_rtt(cluster, i + 1, rtt_ms[i]);
    }
    print_ports(bootstraps);
    if (getchar() != EOF && argc == 1) {
        run_clients(bootstraps);
    }
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(host);
    return 0;
}
