// SPDX-License-Identifier: GPL-2.0-or-later
/* bpf-iptablesctl: speaks to a running bpf-iptablesd, over its REST interface. */
#include "common/cleanup.h"
#include "ctl/command.h"

#include <curl/curl.h>
#include <errno.h>
#include <string.h>

static const char usage[] =
	"Usage: bpf-iptablesctl COMMAND [OPTION]...\n"
	"Talks to the bpf-iptablesd of the network namespace that it is started in.\n"
	"\n"
	"  hook [--json]                        where packets are judged\n"
	"  hook [--json] netfilter|xdp|tc       judge them there from now on\n"
	"  status [--json]                      the daemon, its hook, rules and connections\n"
	"  conntrack [list] [--json] [FILTER]   the connections that are tracked in eBPF\n"
	"  conntrack count [--json] [FILTER]    how many they are\n"
	"  conntrack delete [--json] FILTER     end those that match\n"
	"  conntrack flush [--json]             end all of them\n"
	"  recent [--json] [NAME]               the lists of -m recent, or one of them\n"
	"  recent [--json] NAME add ADDRESS | remove ADDRESS | flush\n"
	"\n"
	"FILTER is one or more of these, about the first packet of a connection:\n"
	"  -f, --family ipv4|ipv6               -p, --protocol NAME|NUMBER\n"
	"  -s, --source ADDRESS[/LENGTH]        -d, --destination ADDRESS[/LENGTH]\n"
	"      --sport PORT                         --dport PORT\n"
	"      --state ESTABLISHED|SYN_SENT|...|UNREPLIED|ASSURED\n"
	"\n"
	"  --help                               show this text\n"
	"  --version                            show the version\n"
	"\n"
	"Exit status: 0 done, 1 refused or failed, 2 wrong usage, 3 no daemon is running.\n";

static const struct {
	const char *name;
	ctl_run run;
} commands[] = {
	{"conntrack", conntrack_run},
	{"hook", hook_run},
	{"recent", recent_run},
	{"status", status_run},
};

static ctl_run find_command(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (strcmp(commands[i].name, name) == 0)
			return commands[i].run;
	return NULL;
}

static enum ctl_status run(int count, char **arguments, struct message *message)
{
	ctl_run command;

	if (count < 2)
		return ctl_usage(message, "there is no command; see bpf-iptablesctl --help");
	if (strcmp(arguments[1], "--help") == 0) {
		fputs(usage, stdout);
		return CTL_DONE;
	}
	if (strcmp(arguments[1], "--version") == 0) {
		puts("bpf-iptablesctl " PROJECT_VERSION);
		return CTL_DONE;
	}
	command = find_command(arguments[1]);
	if (!command)
		return ctl_usage(message, "there is no command '%s'; see bpf-iptablesctl --help",
				 arguments[1]);
	return command(count - 1, arguments + 1, message);
}

int main(int count, char **arguments)
{
	struct message message = {""};
	enum ctl_status status;

	if (curl_global_init(CURL_GLOBAL_DEFAULT))
		return CTL_FAILED;
	status = run(count, arguments, &message);
	/* What could not be written has not been shown. */
	if ((fflush(stdout) || ferror(stdout)) && status == CTL_DONE) {
		message_error(&message, EIO, "cannot write the output");
		status = CTL_FAILED;
	}
	if (message.text[0])
		fprintf(stderr, "bpf-iptablesctl: %s\n", message.text);
	curl_global_cleanup();
	return (int)status;
}
