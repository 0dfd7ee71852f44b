// SPDX-License-Identifier: GPL-2.0-or-later
#include "frontend/preload_check.h"

#include "common/cleanup.h"
#include "frontend/preload_version.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

struct file {
	const uint8_t *bytes;
	uint64_t size;
};

static int refuse(const char *reason, struct message *message)
{
	return message_error(message, ELIBACC, "cannot load the preload library: %s", reason);
}

/* Mapped as ld.so will: the file system or a security module may forbid it. */
static int map_file(const char *path, struct file *ret_file, struct message *message)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	void *bytes;

	if (fd < 0 || fstat(fd, &status) < 0)
		return refuse(strerror(errno), message);
	if (status.st_size == 0)
		return refuse("it is empty", message);
	bytes = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
		return refuse(strerror(errno), message);
	*ret_file = (struct file){bytes, (uint64_t)status.st_size};
	return 0;
}

static bool is_inside(const struct file *file, uint64_t offset, uint64_t size)
{
	return offset <= file->size && size <= file->size - offset;
}

static int check_header(const struct file *file, Elf64_Ehdr *ret_header, struct message *message)
{
	if (!is_inside(file, 0, sizeof(*ret_header)) || memcmp(file->bytes, ELFMAG, SELFMAG) != 0)
		return refuse("it is not an ELF file", message);
	memcpy(ret_header, file->bytes, sizeof(*ret_header));
	if (ret_header->e_ident[EI_CLASS] != ELFCLASS64 || ret_header->e_type != ET_DYN ||
	    ret_header->e_phentsize != sizeof(Elf64_Phdr))
		return refuse("it is not a library for this machine", message);
	if (!is_inside(file, ret_header->e_phoff, ret_header->e_phnum * sizeof(Elf64_Phdr)))
		return refuse("it is cut short", message);
	return 0;
}

/* The version in this segment of notes, if there is one; it ends with a NUL. */
static const char *find_version(const struct file *file, const Elf64_Phdr *segment)
{
	const struct preload_note *note;
	uint64_t position = segment->p_offset, end = position + segment->p_filesz;
	Elf64_Nhdr header;

	while (end - position >= sizeof(header)) {
		uint64_t size;

		note = (const struct preload_note *)(file->bytes + position);
		memcpy(&header, note, sizeof(header));
		size = sizeof(header) + ((header.n_namesz + 3ull) & ~3ull) +
		       ((header.n_descsz + 3ull) & ~3ull);
		if (size > end - position)
			break;
		if (header.n_type == PRELOAD_NOTE_TYPE && header.n_namesz == sizeof(note->owner) &&
		    memcmp(note->owner, PRELOAD_NOTE_OWNER, sizeof(note->owner)) == 0 &&
		    memchr(note->version, '\0', header.n_descsz))
			return note->version;
		position += size;
	}
	return NULL;
}

static int check_segments(const struct file *file, struct message *message)
{
	const char *version = NULL;
	Elf64_Ehdr header = {};
	int error = check_header(file, &header, message);

	for (uint32_t i = 0; i < header.e_phnum && !error; i++) {
		Elf64_Phdr segment;

		memcpy(&segment, file->bytes + header.e_phoff + i * sizeof(segment),
		       sizeof(segment));
		if (!is_inside(file, segment.p_offset, segment.p_filesz))
			error = refuse("it is cut short", message);
		else if (segment.p_type == PT_NOTE && !version)
			version = find_version(file, &segment);
	}
	if (error)
		return error;
	if (!version || strcmp(version, PRELOAD_VERSION) != 0)
		return message_error(message, ELIBBAD,
				     "the preload library is of another version: %.64s instead of "
				     "%s",
				     version ? version : "none", PRELOAD_VERSION);
	return 0;
}

int preload_check(const char *path, struct message *message)
{
	struct file file = {};
	int error = map_file(path, &file, message);

	if (error)
		return error;
	error = check_segments(&file, message);
	munmap((void *)file.bytes, file.size);
	if (error)
		message_prefix(message, "%s", path);
	return error;
}
