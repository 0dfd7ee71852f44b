# SPDX-License-Identifier: GPL-2.0-or-later
"""What bench/run measures, and how."""
