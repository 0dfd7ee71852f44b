// SPDX-License-Identifier: GPL-2.0-or-later
/* bpf-iptablesd: the filter of one network namespace, for as long as it runs. */
#include "common/cleanup.h"
#include "daemon/clock_watch.h"
#include "daemon/conntrack_switch.h"
#include "daemon/control_server.h"
#include "daemon/device_watch.h"
#include "daemon/event_loop.h"
#include "daemon/hook_switch.h"
#include "daemon/kernel_features.h"
#include "daemon/namespace.h"
#include "daemon/table_service.h"
#include "datapath/datapath.h"
#include "rest/routes.h"
#include "rest/server.h"

#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#define EXIT_USAGE 2

/* Bytes: pieces that are larger are given back at once, and what is free beyond that. */
#define LARGE_PIECE (4 << 20)
#define KEPT_MEMORY (16 << 20)

/* In the order in which they are made; daemon_close() undoes them in the opposite one. */
struct daemon {
	struct namespace *namespace;
	struct event_loop *loop;
	int signal_fd;
	struct event_source *signal_source;
	struct conntrack_switch *conntrack;
	struct datapath *datapath;
	struct table_service *service;
	struct hook_switch *hook;
	struct clock_watch *clock;
	struct control_server *server;
	struct rest_context rest_context;
	struct rest_server *rest;
};

static const char usage[] =
	"Usage: bpf-iptablesd [--hook netfilter|xdp|tc] [--exclude DEVICE]...\n"
	"Filters the packets of the network namespace that it is started in, by the rules that\n"
	"bpf-iptables and bpf-ip6tables give it. Stays in the foreground; SIGTERM and SIGINT end\n"
	"it, and the filter.\n"
	"\n"
	"  --hook HOOK       where to filter: netfilter (default), xdp (on devices, TC where XDP\n"
	"                    is not possible) or tc\n"
	"  --exclude DEVICE  xdp, tc: do not filter this device; eth+ means all that begin so\n"
	"  --connections N   xdp, tc: so many connections can be tracked, and so many that are "
	"new\n"
	"  --half-open N     (131072 and 32768 without these options)\n"
	"  --help            show this text\n"
	"  --version         show the version\n";

#define MAX_EXCLUDED 64

static const char *excluded[MAX_EXCLUDED];

static struct datapath_options filter_options = {
	.hook = DATAPATH_NETFILTER,
	.sizes =
		{
			.settled = TRACKER_DEFAULT_SETTLED,
			.half_open = TRACKER_DEFAULT_HALF_OPEN,
			.fragmented_datagrams = TRACKER_DEFAULT_FRAGMENTS,
		},
	.excluded = excluded,
	.report = device_watch_report,
};

static void on_signal(void *data, uint32_t events)
{
	struct daemon *daemon = data;
	struct signalfd_siginfo information;

	(void)events;
	if (read(daemon->signal_fd, &information, sizeof(information)) > 0)
		event_loop_stop(daemon->loop);
}

/* From here on the signals wait until the event loop runs, so that all is undone in any case. */
static int open_signals(struct daemon *daemon, struct message *message)
{
	struct sigaction hangup;
	sigset_t stopping;
	int error;

	sigemptyset(&stopping);
	sigaddset(&stopping, SIGTERM);
	sigaddset(&stopping, SIGINT);
	/* Started by nohup it is to survive its terminal. */
	if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN)
		sigaddset(&stopping, SIGHUP);
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_BLOCK, &stopping, NULL);

	daemon->signal_fd = signalfd(-1, &stopping, SFD_CLOEXEC | SFD_NONBLOCK);
	if (daemon->signal_fd < 0)
		return message_error(message, errno, "signalfd: %s", strerror(errno));
	error = event_source_new(daemon->loop, daemon->signal_fd, EPOLLIN, on_signal, daemon,
				 &daemon->signal_source);
	if (error)
		return message_error(message, -error, "epoll: %s", strerror(-error));
	return 0;
}

static int open_filter(struct daemon *daemon, struct message *message)
{
	int error = conntrack_switch_open(&daemon->conntrack, message);

	if (!error)
		error = datapath_open(&filter_options, &daemon->datapath, message);
	if (!error)
		error = table_service_new(daemon->datapath, daemon->conntrack, &daemon->service,
					  message);
	if (!error)
		error = hook_switch_new(daemon->loop, daemon->datapath, daemon->service,
					&daemon->hook, message);
	if (!error)
		error = clock_watch_new(daemon->loop, daemon->datapath, &daemon->clock, message);
	return error;
}

static int handle_request(void *data, const struct control_request *request, void **payload,
			  struct control_answer *ret_answer, struct message *message)
{
	struct daemon *daemon = data;
	int error = table_service_handle(daemon->service, request, payload, ret_answer, message);

	clock_watch_update(daemon->clock);
	return error;
}

static int open_server(struct daemon *daemon, struct message *message)
{
	const struct control_server_options options = {
		.handler = handle_request,
		.data = daemon,
		.max_clients = CONTROL_SERVER_CLIENTS,
		.idle_timeout = CONTROL_SERVER_IDLE_TIMEOUT,
		.max_memory = CONTROL_SERVER_MEMORY,
	};

	return control_server_new(daemon->loop, namespace_socket_path(daemon->namespace), &options,
				  &daemon->server, message);
}

static int open_rest(struct daemon *daemon, struct message *message)
{
	const struct rest_server_options options = {
		.context = &daemon->rest_context,
		.routes = rest_routes,
		.n_routes = rest_n_routes,
		.max_clients = REST_SERVER_CLIENTS,
		.request_time = REST_SERVER_REQUEST_TIME,
		.answer_time = REST_SERVER_ANSWER_TIME,
		.silence_seconds = REST_SERVER_SILENCE_SECONDS,
	};

	daemon->rest_context = (struct rest_context){
		.hook = daemon->hook,
		.datapath = daemon->datapath,
		.namespace_cookie = namespace_cookie(daemon->namespace),
	};
	return rest_server_new(daemon->loop, namespace_rest_socket_path(daemon->namespace),
			       &options, &daemon->rest, message);
}

static int daemon_open(struct daemon *daemon, struct message *message)
{
	int error = kernel_features_check(message);

	if (!error)
		error = namespace_open(&daemon->namespace, message);
	if (error)
		return error;

	error = event_loop_new(&daemon->loop);
	if (error)
		return message_error(message, -error, "epoll: %s", strerror(-error));
	error = open_signals(daemon, message);
	if (!error)
		error = open_filter(daemon, message);
	if (!error)
		error = open_server(daemon, message);
	if (!error)
		error = open_rest(daemon, message);
	return error;
}

static void daemon_close(struct daemon *daemon)
{
	rest_server_free(daemon->rest);
	control_server_free(daemon->server);
	hook_switch_free(daemon->hook);
	clock_watch_free(daemon->clock);
	/* Connections are tracked until no rule asks for their state any more. */
	datapath_close(daemon->datapath);
	table_service_free(daemon->service);
	conntrack_switch_close(daemon->conntrack);
	event_source_free(daemon->signal_source);
	cleanup_close(&daemon->signal_fd);
	event_loop_free(daemon->loop);
	namespace_close(daemon->namespace);
}

/*
 * A replace takes memory in large pieces and gives it back; without this each of them would be
 * mapped, cleared and unmapped by the kernel, which takes as long as all the rest. With 100,000
 * rules there is more to do, and the memory matters more.
 */
static void keep_memory(void)
{
	mallopt(M_MMAP_THRESHOLD, LARGE_PIECE);
	mallopt(M_TRIM_THRESHOLD, KEPT_MEMORY);
	/* What loading the programs took: the kernel's type information is large. */
	malloc_trim(0);
}

static int run_daemon(void)
{
	struct daemon daemon = {.signal_fd = -1};
	struct message message = {""};
	int error;

	umask(0077);
	error = daemon_open(&daemon, &message);
	if (!error) {
		keep_memory();
		puts("bpf-iptablesd: ready");
		fflush(stdout);
		error = event_loop_run(daemon.loop);
		if (error)
			message_error(&message, -error, "epoll: %s", strerror(-error));
	}
	daemon_close(&daemon);
	if (error)
		fprintf(stderr, "bpf-iptablesd: %s\n", message.text);
	return error ? EXIT_FAILURE : EXIT_SUCCESS;
}

static bool choose_hook(const char *hook)
{
	if (hook_switch_find(hook, &filter_options.hook))
		return true;
	fprintf(stderr, "bpf-iptablesd: there is no hook '%s', only netfilter, xdp and tc\n", hook);
	return false;
}

static bool exclude_device(const char *name)
{
	if (filter_options.n_excluded == MAX_EXCLUDED) {
		fprintf(stderr, "bpf-iptablesd: --exclude can be given %d times\n", MAX_EXCLUDED);
		return false;
	}
	excluded[filter_options.n_excluded++] = name;
	return true;
}

/* Sizes that make no sense are refused by the tracker. */
static bool read_size(const char *text, uint32_t *ret_size)
{
	char *end;
	unsigned long number;

	errno = 0;
	number = strtoul(text, &end, 10);
	if (errno || *end || end == text || number > UINT32_MAX || *text == '-') {
		fprintf(stderr, "bpf-iptablesd: '%s' is no number of connections\n", text);
		return false;
	}
	*ret_size = (uint32_t)number;
	return true;
}

/* Returns -1 to go on, or the exit status. */
static int parse_arguments(int count, char **arguments)
{
	static const struct option options[] = {
		{"hook", required_argument, NULL, 'k'},
		{"exclude", required_argument, NULL, 'x'},
		{"connections", required_argument, NULL, 'c'},
		{"half-open", required_argument, NULL, 'o'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	int option;

	while ((option = getopt_long(count, arguments, "", options, NULL)) != -1) {
		switch (option) {
		case 'k':
			if (!choose_hook(optarg))
				return EXIT_USAGE;
			break;
		case 'x':
			if (!exclude_device(optarg))
				return EXIT_USAGE;
			break;
		case 'c':
			if (!read_size(optarg, &filter_options.sizes.settled))
				return EXIT_USAGE;
			break;
		case 'o':
			if (!read_size(optarg, &filter_options.sizes.half_open))
				return EXIT_USAGE;
			break;
		case 'h':
			fputs(usage, stdout);
			return EXIT_SUCCESS;
		case 'V':
			puts("bpf-iptablesd " PROJECT_VERSION);
			return EXIT_SUCCESS;
		default:
			fputs(usage, stderr);
			return EXIT_USAGE;
		}
	}
	if (optind == count)
		return -1;

	fprintf(stderr, "bpf-iptablesd: unexpected argument '%s'\n", arguments[optind]);
	return EXIT_USAGE;
}

int main(int count, char **arguments)
{
	int status = parse_arguments(count, arguments);

	return status >= 0 ? status : run_daemon();
}
