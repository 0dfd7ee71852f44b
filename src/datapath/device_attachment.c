// SPDX-License-Identifier: GPL-2.0-or-later
#include "datapath/device_attachment.h"

#include "common/cleanup.h"
#include "datapath/device_links.h"

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

/*
 * The id of another's XDP program, on a device where we have none, if it can be what @error is
 * about; 0 if there is none.
 */
static uint32_t other_xdp(uint32_t ifindex, int error)
{
	struct device_description now;

	if ((error != -EBUSY && error != -EEXIST) || device_events_describe(ifindex, &now))
		return 0;
	return now.xdp;
}

static int refuse_other(const struct device_description *device, uint32_t id,
			struct message *reason)
{
	char name[DEVICE_LINK_PROGRAM_NAME];

	device_link_program_name(id, name);
	return message_error(
		reason, EBUSY,
		"%s already has an XDP program (id %u, '%.*s'%s), which is left alone: exclude the "
		"device, or use --hook tc, which works beside it, or --hook netfilter",
		device->name, id, (int)sizeof(name), name,
		strncmp(name, XDP_DISPATCHER, sizeof(name)) == 0
			? ", of libxdp, whose programs we cannot join"
			: "");
}

/* XDP, native or generic. EBUSY with a reason if others have it; else @reason tells what failed. */
static int attach_xdp(const struct device_description *device, int program,
		      enum device_state *ret_state, struct message *reason)
{
	int native = device_link_create(DEVICE_LINK_XDP_NATIVE, device->ifindex, program);
	int generic;
	uint32_t id;

	*ret_state = DEVICE_NATIVE;
	if (native >= 0 || native == -ENODEV)
		return native;
	id = other_xdp(device->ifindex, native);
	if (id)
		return refuse_other(device, id, reason);
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

/* Returns a link. */
static int attach_ingress(const struct device_description *device, enum devices_mode mode,
			  const struct devices_programs *programs, bool beside_others,
			  enum device_state *ret_state, struct message *reason)
{
	const char *obstacle = mode == DEVICES_XDP ? why_not_xdp(device) : "";

	if (obstacle) {
		message_error(reason, 0, "%s", obstacle);
	} else {
		int link = attach_xdp(device, programs->xdp, ret_state, reason);

		if (link >= 0 || link == -ENODEV || (link == -EBUSY && !beside_others))
			return link;
	}
	*ret_state = DEVICE_TC;
	return attach_tc(device, programs->ingress, reason);
}

int device_attachment_ingress(struct device_attachment *attachment,
			      const struct device_description *device, enum devices_mode mode,
			      const struct devices_programs *programs, bool beside_others,
			      struct message *reason)
{
	*attachment = (struct device_attachment)DEVICE_DETACHED;
	reason->text[0] = '\0';
	attachment->ingress =
		attach_ingress(device, mode, programs, beside_others, &attachment->way, reason);
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
		change->new_ingress = attach_xdp(device, programs->xdp, &change->state, reason);
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
