// SPDX-License-Identifier: GPL-2.0-or-later
#include "datapath/device_attachment.h"

#include "common/cleanup.h"
#include "datapath/device_links.h"
#include "datapath/xdp_dispatcher.h"

#include <errno.h>
#include <linux/if_arp.h>
#include <string.h>

/* NULL if XDP may be tried. */
static const char *why_not_xdp(const struct device_description *device)
{
	if (device->type == ARPHRD_LOOPBACK)
		return "the loopback device is filtered at TC";
	if (device->type != ARPHRD_ETHER)
		return "a device without Ethernet header is filtered at TC";
	if (device->stacked)
		return "a device above others is filtered at TC";
	return NULL;
}

#define REPLACED_TRIES 16 /* to look at a program, while others replace it */

/* Somebody else's XDP program; no id if there is none. */
struct other_xdp {
	uint32_t id;
	bool dispatcher;
};

/* What is on a device where we have no XDP program, if it can be what @error is about. */
static struct other_xdp find_other_xdp(uint32_t ifindex, int error)
{
	struct device_description now = {0};

	if (error != -EBUSY && error != -EEXIST)
		return (struct other_xdp){0};
	for (int i = 0; i < REPLACED_TRIES; i++) {
		int dispatcher;

		if (device_events_describe(ifindex, &now) || !now.xdp)
			return (struct other_xdp){0};
		dispatcher = xdp_dispatcher_is(now.xdp);
		if (dispatcher >= 0)
			return (struct other_xdp){now.xdp, dispatcher};
	}
	return (struct other_xdp){.id = now.xdp};
}

/* EBUSY, or EEXIST if it is the dispatcher. */
static int refuse_other(const struct device_description *device, const struct other_xdp *other,
			struct message *reason)
{
	char name[DEVICE_LINK_PROGRAM_NAME];

	if (other->dispatcher)
		return message_error(reason, EEXIST,
				     "it has libxdp's dispatcher (XDP program id %u), whose "
				     "programs see its packets first",
				     other->id);
	device_link_program_name(other->id, name);
	return message_error(
		reason, EBUSY,
		"%s already has an XDP program (id %u, '%.*s'), which is left alone: exclude the "
		"device, or use --hook tc, which works beside it, or --hook netfilter",
		device->name, other->id, (int)sizeof(name), name);
}

/*
 * XDP, native or generic. @reason tells what failed: EBUSY if somebody else's program is in the
 * way, EEXIST if that is the dispatcher.
 */
static int attach_xdp(const struct device_description *device, int program,
		      enum device_state *ret_state, bool *ret_beside_others, struct message *reason)
{
	int native = device_link_create(DEVICE_LINK_XDP_NATIVE, device->ifindex, program);
	struct other_xdp other;
	int generic;

	*ret_state = DEVICE_NATIVE;
	*ret_beside_others = false;
	if (native >= 0 || native == -ENODEV)
		return native;
	other = find_other_xdp(device->ifindex, native);
	*ret_beside_others = other.id;
	if (other.id)
		return refuse_other(device, &other, reason);
	generic = device_link_create(DEVICE_LINK_XDP_GENERIC, device->ifindex, program);
	*ret_state = DEVICE_GENERIC;
	if (generic >= 0)
		message_error(reason, 0, "no XDP in the driver: %s", strerror(-native));
	else
		message_error(reason, 0, "no XDP in the driver: %s; no generic XDP: %s",
			      strerrordesc_np(-native), strerrordesc_np(-generic));
	if (generic == -EBUSY)
		return -EEXIST; /* of a device above; not to be taken for another's program */
	return generic;
}

static int attach_tc(const struct device_description *device, int program, struct message *reason)
{
	int link = device_link_create(DEVICE_LINK_TCX_INGRESS, device->ifindex, program);

	if (link < 0)
		return message_error(reason, -link, "cannot filter what comes in at %s by TC: %s",
				     device->name, strerror(-link));
	return link;
}

int device_attachment_ingress(struct device_attachment *attachment,
			      const struct device_description *device, enum devices_mode mode,
			      const struct devices_programs *programs, bool beside_others,
			      struct message *reason)
{
	const char *obstacle = mode == DEVICES_XDP ? why_not_xdp(device) : "";

	*attachment = (struct device_attachment)DEVICE_DETACHED;
	message_error(reason, 0, "%s", obstacle ? obstacle : "");
	if (!obstacle) {
		int link = attach_xdp(device, programs->xdp, &attachment->way,
				      &attachment->beside_others, reason);

		attachment->ingress = link;
		if (link >= 0)
			return 0;
		if (link == -ENODEV || (link == -EBUSY && !beside_others))
			return link;
	}
	attachment->way = DEVICE_TC;
	attachment->ingress = attach_tc(device, programs->ingress, reason);
	return attachment->ingress < 0 ? attachment->ingress : 0;
}

int device_attachment_egress(struct device_attachment *attachment,
			     const struct device_description *device,
			     const struct devices_programs *programs, struct message *reason)
{
	attachment->egress =
		device_link_create(DEVICE_LINK_TCX_EGRESS, device->ifindex, programs->egress);
	if (attachment->ingress < 0)
		return attachment->ingress;
	if (attachment->egress < 0)
		return message_error(reason, -attachment->egress,
				     "cannot filter what leaves by %s: %s", device->name,
				     strerror(-attachment->egress));
	attachment->state = attachment->way;
	return 0;
}

static void close_link(int *link)
{
	if (*link >= 0)
		close(*link);
	*link = -1;
}

void device_attachment_remove(struct device_attachment *attachment)
{
	close_link(&attachment->ingress);
	close_link(&attachment->egress);
	attachment->state = DEVICE_FAILED;
}

static bool is_xdp(enum device_state state)
{
	return state == DEVICE_NATIVE || state == DEVICE_GENERIC;
}

/* The ingress program of @programs for a device in @state. */
static int ingress_program(enum device_state state, const struct devices_programs *programs)
{
	return is_xdp(state) ? programs->xdp : programs->ingress;
}

static int update(int link, int program, const struct device_description *device,
		  struct message *reason)
{
	int error = device_link_update(link, program);

	if (error)
		return message_error(reason, -error, "cannot exchange the programs of %s: %s",
				     device->name, strerror(-error));
	return 0;
}

static int change_ingress(struct device_change *change, const struct device_attachment *attachment,
			  const struct device_description *device, enum devices_mode mode,
			  const struct devices_programs *programs, struct message *reason)
{
	bool xdp = mode == DEVICES_XDP && !why_not_xdp(device);
	int error;

	if (xdp && !is_xdp(attachment->state)) {
		change->new_ingress = attach_xdp(device, programs->xdp, &change->state,
						 &change->beside_others, reason);
		if (change->new_ingress >= 0)
			return 0;
		if (change->new_ingress == -EBUSY || change->new_ingress == -ENODEV)
			return change->new_ingress;
		change->state = attachment->state;
	}
	if (mode == DEVICES_TC && is_xdp(attachment->state)) {
		change->state = DEVICE_TC;
		change->new_ingress = attach_tc(device, programs->ingress, reason);
		return change->new_ingress < 0 ? change->new_ingress : 0;
	}
	error = update(attachment->ingress, ingress_program(attachment->state, programs), device,
		       reason);
	change->updated_ingress = !error;
	return error;
}

int device_change_prepare(struct device_change *change, const struct device_attachment *attachment,
			  const struct device_description *device, enum devices_mode mode,
			  const struct devices_programs *programs, struct message *reason)
{
	int error;

	*change = (struct device_change){.new_ingress = -1, .state = attachment->state};
	error = change_ingress(change, attachment, device, mode, programs, reason);
	if (error)
		return error;
	error = update(attachment->egress, programs->egress, device, reason);
	change->updated_egress = !error;
	return error;
}

void device_change_complete(struct device_change *change, struct device_attachment *attachment)
{
	attachment->state = change->state;
	attachment->beside_others = change->beside_others;
	if (change->new_ingress < 0)
		return;
	close_link(&attachment->ingress);
	attachment->ingress = take_fd(change->new_ingress);
}

void device_change_undo(struct device_change *change, const struct device_attachment *attachment,
			const struct devices_programs *old)
{
	close_link(&change->new_ingress);
	/* These were there a moment ago: only the device itself can be gone. */
	if (change->updated_ingress)
		(void)device_link_update(attachment->ingress,
					 ingress_program(attachment->state, old));
	if (change->updated_egress)
		(void)device_link_update(attachment->egress, old->egress);
}
