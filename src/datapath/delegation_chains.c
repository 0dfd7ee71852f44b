// SPDX-License-Identifier: GPL-2.0-or-later
#include "datapath/delegation_chains.h"

#include "common/cleanup.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/xt_bpf.h>
#include <string.h>
#include <sys/syscall.h>

#define TABLE_NAME "bpf-iptables-targets"
#define COMMENT    "bpf-iptablesd: what its rules delegate to the kernel"

#define HELD_CHAIN "unreached"

#define MAX_ACTIONS (1u << DOCKET_BITS)

#define MATCH_BPF_REVISION 1

static const struct {
	uint32_t number;
	const char *name;
} hooks[] = {
	{NF_INET_LOCAL_IN, "input"},
	{NF_INET_FORWARD, "forward"},
	{NF_INET_LOCAL_OUT, "output"},
};

void delegation_chains_init(struct delegation_chains *chains, uint8_t family)
{
	*chains = (struct delegation_chains){
		.family = family,
		.actions = {.first = DOCKET_DROP + 1, .end = MAX_ACTIONS},
		.conditions = {.end = DOCKET_CONDITIONS},
	};
}

/* The kernel's own match, without what is to be had only where a packet gets to it. */
static int add_condition(struct delegation_chains *chains, struct delegate *delegate)
{
	const struct extension *extension = delegate->extension;
	_cleanup_free_ void *payload = calloc(1, delegated_payload_size(extension));
	enum match_effect effect = MATCH_NO_EFFECT;
	int number;

	if (!payload)
		return -ENOMEM;
	memcpy(payload, delegate->payload, extension->size);
	delegate->inverted = false;
	if (extension->observe)
		extension->observe(payload, &effect, &delegate->inverted);
	number = delegated_list_add(&chains->conditions, delegate, payload, &chains->changed);
	if (number < 0)
		return number;
	delegate->condition = (uint16_t)number;
	delegate->action = 0;
	delegate->always = effect == MATCH_EFFECT_ALWAYS;
	if (effect == MATCH_NO_EFFECT)
		return 0;
	number =
		delegated_list_add(&chains->actions, delegate, delegate->payload, &chains->changed);
	if (number < 0)
		chains->conditions.items[delegate->condition].users--;
	else
		delegate->action = (uint16_t)number;
	return number < 0 ? number : 0;
}

static int add_action(struct delegation_chains *chains, struct delegate *delegate)
{
	int number =
		delegated_list_add(&chains->actions, delegate, delegate->payload, &chains->changed);

	if (number < 0)
		return number;
	delegate->action = (uint16_t)number;
	return 0;
}

int delegation_chains_add(struct delegation_chains *chains, struct delegate *delegate,
			  struct message *message)
{
	int error = delegate->extension->delegation == DELEGATION_CONDITION
			    ? add_condition(chains, delegate)
			    : add_action(chains, delegate);

	if (error == -E2BIG)
		return message_error(message, E2BIG,
				     "more than %u different matches, or %u targets, are left to "
				     "the kernel",
				     DOCKET_CONDITIONS, MAX_ACTIONS - 1);
	return error ? message_error(message, -error, "out of memory") : 0;
}

void delegation_chains_remove(struct delegation_chains *chains, const struct delegate *delegate)
{
	if (delegate->extension->delegation == DELEGATION_CONDITION)
		chains->conditions.items[delegate->condition].users--;
	if (delegate->action)
		chains->actions.items[delegate->action].users--;
}

/*
 * Returns when packets that were on their way through the chains have left them. That takes an RCU
 * grace period, which this waits for unless there is a single CPU: then it returns false.
 */
static bool await_packets(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN) > 1 &&
	       !syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

/* The transaction that makes a tree. */
struct planting {
	struct delegation_chains *chains;
	struct nft_transaction transaction;
	char (*nodes)[32]; /* of the new tree */
	uint32_t n_nodes;
	uint32_t max_nodes;
	bool failed;
};

static void put_condition(struct nft_rule *rule, int program)
{
	struct xt_bpf_info_v1 info = {
		.mode = XT_BPF_MODE_FD_ELF,
		.fd = program,
	};

	nft_put_match(rule, "bpf", MATCH_BPF_REVISION, &info, XT_ALIGN(sizeof(info)));
}

/* "@program: @verdict (@target)"; @program -1: in any case. */
static void put_rule(struct nft_transaction *transaction, const char *chain, int program,
		     int verdict, const char *target)
{
	struct nft_rule rule;

	nft_begin_rule(transaction, chain, &rule);
	if (program >= 0)
		put_condition(&rule, program);
	nft_put_verdict(&rule, verdict, target);
	nft_end_rule(&rule);
}

/* The kernel's own match or target. */
static void put_extension(struct nft_rule *rule, const struct delegated *item)
{
	const struct extension *extension = item->extension;
	size_t size = delegated_payload_size(extension);

	if (extension->kind == EXTENSION_MATCH)
		nft_put_match(rule, extension->name, extension->revision, item->payload, size);
	else
		nft_put_target(rule, extension->name, extension->revision, item->payload, size);
}

static void put_protocol(struct nft_rule *rule, const struct delegated *item)
{
	nft_put_protocol(rule, item->context.protocol, item->context.protocol_inverted);
}

static void put_target(struct nft_rule *rule, const struct delegated *action)
{
	const struct extension *extension = action->extension;
	struct rejection rejection;

	if (!extension->reject) {
		put_extension(rule, action);
		return;
	}
	extension->reject(&action->context, action->payload, &rejection);
	if (rejection.silent)
		nft_put_verdict(rule, NF_DROP, NULL);
	else
		nft_put_reject(rule, rejection.type, rejection.icmp_code);
}

/* The rules that do action number @number. */
static void put_action(struct planting *planting, const char *chain, uint32_t number)
{
	struct delegation_chains *chains = planting->chains;
	struct delegated *action = &chains->actions.items[number];
	struct nft_rule rule;

	if (number == DOCKET_DROP) {
		put_rule(&planting->transaction, chain, chains->programs.last, NF_DROP, NULL);
		return;
	}
	action->change = planting->transaction.sequence;
	nft_begin_rule(&planting->transaction, chain, &rule);
	if (action->extension->delegation == DELEGATION_ENDS)
		put_condition(&rule, chains->programs.last);
	put_target(&rule, action);
	put_protocol(&rule, action);
	nft_end_rule(&rule);
	if (action->extension->delegation == DELEGATION_ENDS)
		put_rule(&planting->transaction, chain, -1, NF_DROP, NULL);
}

static const char *new_node(struct planting *planting, const char *hook)
{
	char(*node)[32];

	if (planting->n_nodes == planting->max_nodes) {
		uint32_t max = planting->max_nodes * 2 + 16;
		char(*nodes)[32] = reallocarray(planting->nodes, max, sizeof(*nodes));

		if (!nodes) {
			planting->failed = true;
			return NULL;
		}
		planting->nodes = nodes;
		planting->max_nodes = max;
	}
	node = &planting->nodes[planting->n_nodes];
	snprintf(*node, sizeof(*node), "%s-%u-%u", hook, planting->chains->version,
		 planting->n_nodes);
	planting->n_nodes++;
	nft_new_chain(&planting->transaction, *node);
	return *node;
}

/* Those of @numbers whose bit @bit is not set come first. Returns how many. */
static uint32_t split(uint32_t *numbers, uint32_t n, uint32_t bit)
{
	uint32_t clear = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t number = numbers[i];

		if (number >> bit & 1)
			continue;
		numbers[i] = numbers[clear];
		numbers[clear++] = number;
	}
	return clear;
}

/* Into @chain what finds and does one of the actions @numbers, which differ from bit @bit on. */
static void plant(struct planting *planting, const char *hook, const char *chain, uint32_t *numbers,
		  uint32_t n, uint32_t bit)
{
	char set[32], clear[32];
	const char *node;
	uint32_t n_clear;

	if (n == 1) {
		put_action(planting, chain, numbers[0]);
		return;
	}
	while ((n_clear = split(numbers, n, bit)) == 0 || n_clear == n)
		bit++;
	/* The array of names may move. */
	node = new_node(planting, hook);
	if (!node)
		return;
	strcpy(set, node);
	node = new_node(planting, hook);
	if (!node)
		return;
	strcpy(clear, node);
	put_rule(&planting->transaction, chain, planting->chains->programs.bit[bit], NFT_GOTO, set);
	put_rule(&planting->transaction, chain, -1, NFT_GOTO, clear);
	plant(planting, hook, set, numbers + n_clear, n - n_clear, bit + 1);
	plant(planting, hook, clear, numbers, n_clear, bit + 1);
}

static void hook_chain(char name[static 32], const char *hook, const char *what)
{
	snprintf(name, 32, "%s-%s", hook, what);
}

static void plant_hook(struct planting *planting, uint32_t hook, const char *name)
{
	const struct delegated_list *actions = &planting->chains->actions;
	uint32_t *numbers = malloc(MAX_ACTIONS * sizeof(*numbers));
	uint32_t n = 1;
	char chain[32];

	if (!numbers) {
		planting->failed = true;
		return;
	}
	numbers[0] = DOCKET_DROP;
	for (uint32_t i = actions->first; actions->items && i < actions->end; i++)
		if (actions->items[i].extension && actions->items[i].context.hooks & HOOK_BIT(hook))
			numbers[n++] = i;
	hook_chain(chain, name, "actions");
	nft_flush_chain(&planting->transaction, chain);
	plant(planting, name, chain, numbers, n, 0);
	free(numbers);
}

/* What is there as long as anything is. */
static void put_frame(struct planting *planting, uint32_t hook, const char *name)
{
	const struct delegation_chains *chains = planting->chains;
	struct nft_transaction *transaction = &planting->transaction;
	char docket[32], actions[32];
	struct nft_rule rule;

	hook_chain(docket, name, "docket");
	hook_chain(actions, name, "actions");
	nft_new_chain(transaction, actions);
	nft_new_chain(transaction, docket);
	for (uint32_t i = 0; i < DOCKET_ACTIONS; i++) {
		put_rule(transaction, docket, chains->programs.done, NF_ACCEPT, NULL);
		put_rule(transaction, docket, -1, NFT_JUMP, actions);
	}
	put_rule(transaction, docket, chains->programs.done, NF_ACCEPT, NULL);
	put_rule(transaction, docket, -1, NF_DROP, NULL);

	nft_new_base_chain(transaction, name, hook, chains->priority + 1);
	nft_begin_rule(transaction, name, &rule);
	put_condition(&rule, chains->programs.present);
	nft_put_verdict(&rule, NFT_GOTO, docket);
	nft_end_rule_with_comment(&rule, COMMENT);
}

/* Those in front of the hook. */
static void put_front(struct planting *planting, uint32_t hook, const char *name)
{
	const struct delegation_chains *chains = planting->chains;
	char before[32], conditions[32];
	struct nft_rule rule;

	hook_chain(before, name, "before");
	hook_chain(conditions, name, "conditions");
	nft_new_chain(&planting->transaction, conditions);
	nft_new_base_chain(&planting->transaction, before, hook, chains->priority - 1);
	nft_begin_rule(&planting->transaction, before, &rule);
	put_condition(&rule, chains->programs.begin);
	nft_put_verdict(&rule, NFT_GOTO, conditions);
	nft_end_rule_with_comment(&rule, COMMENT);
}

static void put_question(struct planting *planting, const char *chain, struct delegated *item)
{
	const struct docket_programs *programs = &planting->chains->programs;
	struct nft_rule rule;

	nft_begin_rule(&planting->transaction, chain, &rule);
	item->change = planting->transaction.sequence - 1;
	put_condition(&rule, programs->step);
	put_extension(&rule, item);
	put_condition(&rule, programs->note);
	put_protocol(&rule, item);
	nft_end_rule(&rule);
}

/* Conditions are counted, so that those which are not asked for here have a rule, too. */
static void put_questions(struct planting *planting, uint32_t hook, const char *name)
{
	const struct delegated_list *list = &planting->chains->conditions;
	char chain[32];
	uint32_t steps = 0;
	struct nft_rule rule;

	hook_chain(chain, name, "conditions");
	nft_flush_chain(&planting->transaction, chain);
	for (uint32_t i = list->first; i < list->end; i++) {
		struct delegated *item = &list->items[i];

		if (!item->extension || !(item->context.hooks & HOOK_BIT(hook)))
			continue;
		for (; steps < i; steps++) {
			nft_begin_rule(&planting->transaction, chain, &rule);
			put_condition(&rule, planting->chains->programs.step);
			nft_end_rule(&rule);
		}
		put_question(planting, chain, item);
		steps++;
	}
}

static void remove_front(struct planting *planting, const char *name)
{
	char before[32], conditions[32];

	hook_chain(before, name, "before");
	hook_chain(conditions, name, "conditions");
	nft_flush_chain(&planting->transaction, before);
	nft_flush_chain(&planting->transaction, conditions);
	nft_delete_chain(&planting->transaction, before);
	nft_delete_chain(&planting->transaction, conditions);
}

static void plant_front(struct planting *planting, uint32_t hook, const char *name, bool wanted)
{
	if (wanted && !planting->chains->in_front)
		put_front(planting, hook, name);
	if (wanted)
		put_questions(planting, hook, name);
	else if (planting->chains->in_front)
		remove_front(planting, name);
}

/* What the kernel is to hold for rules that no packet can get to: no hook leads here. */
static void plant_held(struct planting *planting, const struct delegated_list *list)
{
	struct nft_rule rule;

	for (uint32_t i = list->first; list->items && i < list->end; i++) {
		struct delegated *item = &list->items[i];

		if (!item->extension || item->context.hooks)
			continue;
		item->change = planting->transaction.sequence;
		nft_begin_rule(&planting->transaction, HELD_CHAIN, &rule);
		put_extension(&rule, item);
		put_protocol(&rule, item);
		nft_end_rule(&rule);
	}
}

static void plant_all_held(struct planting *planting)
{
	if (!planting->chains->published)
		nft_new_chain(&planting->transaction, HELD_CHAIN);
	nft_flush_chain(&planting->transaction, HELD_CHAIN);
	plant_held(planting, &planting->chains->actions);
	plant_held(planting, &planting->chains->conditions);
}

/* First all rules, which name other chains, then the chains. */
static void uproot(struct planting *planting)
{
	const struct delegation_chains *chains = planting->chains;

	for (uint32_t i = 0; i < chains->n_nodes; i++)
		nft_flush_chain(&planting->transaction, chains->nodes[i]);
	for (uint32_t i = 0; i < chains->n_nodes; i++)
		nft_delete_chain(&planting->transaction, chains->nodes[i]);
}

static const char *refused_name(const struct delegation_chains *chains,
				const struct delegated_list *list)
{
	for (uint32_t i = list->first; list->items && i < list->end; i++)
		if (list->items[i].extension && list->items[i].change == chains->nft.refused)
			return list->items[i].extension->name;
	return NULL;
}

static int explain(const struct delegation_chains *chains, int error, struct message *message)
{
	const char *name = refused_name(chains, &chains->actions);

	if (error == -EPERM)
		return message_error(message, EPERM,
				     "another process owns the nftables table '" TABLE_NAME "'");
	if (!name)
		name = refused_name(chains, &chains->conditions);
	return message_error(message, -error,
			     "the kernel refuses %s in the nftables table '" TABLE_NAME "': %s",
			     name ? name : "what it is asked for", strerror(-error));
}

static void plant_all(struct planting *planting, bool in_front)
{
	struct delegation_chains *chains = planting->chains;

	if (!chains->published) {
		nft_destroy_table(&planting->transaction);
		nft_new_table(&planting->transaction, false);
	}
	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++) {
		if (!chains->published)
			put_frame(planting, hooks[i].number, hooks[i].name);
		plant_hook(planting, hooks[i].number, hooks[i].name);
		plant_front(planting, hooks[i].number, hooks[i].name, in_front);
	}
	plant_all_held(planting);
	uproot(planting);
	planting->transaction.failed |= planting->failed;
}

static int replant(struct delegation_chains *chains, struct message *message)
{
	struct planting planting = {.chains = chains};
	bool in_front = delegated_list_used(&chains->conditions);
	int error;

	chains->version++;
	nft_begin(&planting.transaction, &chains->nft, chains->family, TABLE_NAME);
	plant_all(&planting, in_front);
	error = nft_commit(&chains->nft, &planting.transaction);
	if (error) {
		free(planting.nodes);
		return explain(chains, error, message);
	}
	free(chains->nodes);
	chains->nodes = planting.nodes;
	chains->n_nodes = planting.n_nodes;
	chains->published = true;
	chains->in_front = in_front;
	chains->changed = false;
	return 0;
}

int delegation_chains_publish(struct delegation_chains *chains, struct message *message)
{
	int error = 0;

	if (!chains->changed)
		return 0;
	if (!chains->nft.socket)
		error = nft_open(&chains->nft);
	if (error)
		return message_error(message, -error, "cannot speak to netfilter: %s",
				     strerror(-error));
	error = replant(chains, message);
	if (!error && chains->in_front)
		await_packets();
	return error;
}

static void remove_table(struct delegation_chains *chains)
{
	struct nft_transaction transaction;

	if (chains->published) {
		nft_begin(&transaction, &chains->nft, chains->family, TABLE_NAME);
		nft_destroy_table(&transaction);
		if (nft_commit(&chains->nft, &transaction))
			return;
	}
	free(chains->nodes);
	chains->nodes = NULL;
	chains->n_nodes = 0;
	chains->published = false;
	chains->in_front = false;
	chains->changed = false;
}

/* What cannot be removed now is removed next time. */
void delegation_chains_settle(struct delegation_chains *chains)
{
	bool used =
		delegated_list_used(&chains->actions) || delegated_list_used(&chains->conditions);
	struct message message = {""};

	if (!delegated_list_unused(&chains->actions) && !delegated_list_unused(&chains->conditions))
		return;
	if (chains->published && !await_packets())
		return;
	delegated_list_forget(&chains->actions);
	delegated_list_forget(&chains->conditions);
	if (!used)
		remove_table(chains);
	else if (chains->published && replant(chains, &message))
		fprintf(stderr, "bpf-iptablesd: %s\n", message.text);
	nft_await_removal();
}

void delegation_chains_close(struct delegation_chains *chains)
{
	/* The table is gone with its owner. */
	nft_close(&chains->nft);
	free(chains->nodes);
	delegated_list_free(&chains->actions);
	delegated_list_free(&chains->conditions);
}
