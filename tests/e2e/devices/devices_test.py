#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Which devices carry the programs, while devices come, go, move and are renamed."""

import os
import signal
import struct
import unittest

from driver import Driver, Refused
from network import Namespace, build, wait_until

BROADCAST = b"\xff" * 6
ETHERTYPE_TEST = 0x88b5  # of IEEE 802, for experiments


def other_program(namespace: Namespace, device: str, mode: str = "xdpdrv") -> None:
    """Somebody else's XDP program."""
    path = build() / "tests" / "e2e" / "devices" / "other.bpf.o"
    namespace.ip(f"link set dev {device} {mode} obj {path} sec xdp")


# enum device_cover of abi/devices.h: both directions, and what there is to know beside.
COVERED, COVERED_EXCLUDED, COVERED_OF_LATE = 1 | 2, 4, 8

class DevicesTest(unittest.TestCase):
    def setUp(self) -> None:
        self.inside = self.namespace()
        self.outside = self.namespace()
        self.drivers: list[Driver] = []
        self.addCleanup(self.close_drivers)

    def namespace(self) -> Namespace:
        namespace = Namespace()
        self.addCleanup(namespace.close)
        return namespace

    def close_drivers(self) -> None:
        for driver in self.drivers:
            driver.kill()

    def driver(self, mode: str = "xdp", *excluded: str) -> Driver:
        driver = Driver(self.inside, mode, *excluded)
        self.drivers.append(driver)
        return driver

    def veth(self, name: str) -> None:
        """A link to outside, where its end has the same name."""
        self.inside.ip(f"link add {name} type veth peer name {name} netns {self.outside.pid}",
                       f"link set {name} up")
        self.outside.ip(f"link set {name} up")

    def wait_for(self, driver: Driver, name: str, state: str | None) -> None:
        wait_until(lambda: driver.states().get(name) == state,
                   f"{name} is {state}; devices: {driver.states()}")

    def attached(self, name: str) -> str:
        """How ip(8) says XDP is attached: "", "xdp" or "xdpgeneric", with the program's name."""
        text = self.inside.output("ip", "-details", "link", "show", name)
        return " ".join(word for word in ("xdpgeneric", "probe_xdp", "other")
                        if f" {word} " in text.replace("\n", " "))

    def send(self, name: str, count: int = 1) -> None:
        frame = BROADCAST + b"\x02" + bytes(5) + struct.pack("!H", ETHERTYPE_TEST) + bytes(46)
        with self.outside.packet_socket(name) as sender:
            for _ in range(count):
                sender.send(frame)

    def wait_for_counter(self, driver: Driver, counter: str, count: int) -> None:
        wait_until(lambda: driver.counters()[counter] >= count,
                   f"{counter} is {count}; counters: {driver.counters()}")

    def test_each_device_gets_what_it_can(self) -> None:
        self.veth("veth0")
        self.inside.ip("tuntap add tun0 mode tun", "tuntap add tap0 mode tap",
                       "link add ifb9 type ifb", "link add br0 type bridge",
                       "link add link veth0 name macvlan0 type macvlan")
        self.assertEqual(self.driver("xdp").states(), {
            "lo": "tc", "veth0": "native", "tun0": "tc", "tap0": "native", "ifb9": "generic",
            "br0": "tc", "macvlan0": "tc"})

    def test_mode_tc_uses_no_xdp(self) -> None:
        self.veth("veth0")
        self.assertEqual(self.driver("tc").states(), {"lo": "tc", "veth0": "tc"})
        self.assertEqual(self.attached("veth0"), "")

    def test_packets_meet_the_programs(self) -> None:
        self.veth("veth0")
        for mode, counter in ("xdp", "xdp"), ("tc", "ingress"):
            with self.subTest(mode):
                driver = self.driver(mode)
                driver.ask("reset")
                self.send("veth0", 3)
                self.wait_for_counter(driver, counter, 3)
                driver.close()
                self.drivers.remove(driver)

    def test_what_leaves_meets_the_egress_program(self) -> None:
        self.veth("veth0")
        self.inside.ip("address add 10.0.0.1/24 dev veth0")
        driver = self.driver("xdp")
        driver.ask("reset")
        self.inside.run("ping", "-c", "1", "-W", "1", "10.0.0.2")
        self.wait_for_counter(driver, "egress", 1)

    def test_excluded_by_name_and_by_prefix(self) -> None:
        for name in "eth0", "eth1", "eth12", "wan":
            self.veth(name)
        driver = self.driver("xdp", "eth1+", "wan")
        self.assertEqual(driver.states(), {"lo": "tc", "eth0": "native", "eth1": "excluded",
                                           "eth12": "excluded", "wan": "excluded"})
        self.veth("eth13")
        self.wait_for(driver, "eth13", "excluded")
        self.assertEqual(self.attached("eth13"), "")

    def test_device_comes_and_goes(self) -> None:
        driver = self.driver()
        self.veth("veth0")
        self.wait_for(driver, "veth0", "native")
        self.inside.ip("link delete veth0")
        self.wait_for(driver, "veth0", None)
        self.assertEqual([(report.name, report.state) for report in driver.reports],
                         [("veth0", "native"), ("veth0", "gone")])

    def test_device_goes_down_and_up(self) -> None:
        self.veth("veth0")
        driver = self.driver()
        self.inside.ip("link set veth0 down", "link set veth0 up")
        driver.ask("reset")
        self.send("veth0")
        self.wait_for_counter(driver, "xdp", 1)
        self.assertEqual(driver.states()["veth0"], "native")
        self.assertEqual(driver.reports, [])

    def test_device_moves_in(self) -> None:
        driver = self.driver()
        self.outside.ip("link add here type veth peer name there",
                        f"link set here netns {self.inside.pid}", "link set there up")
        self.wait_for(driver, "here", "native")
        self.inside.ip("link set here up")
        driver.ask("reset")
        self.send("there")
        self.wait_for_counter(driver, "xdp", 1)

    def test_device_moves_out_without_our_programs(self) -> None:
        self.inside.ip("link add here type veth peer name there")
        driver = self.driver()
        self.inside.ip(f"link set here netns {self.outside.pid}")
        self.wait_for(driver, "here", None)
        self.assertNotIn("probe", self.outside.output("ip", "-details", "link", "show", "here"))

    def test_rename_keeps_the_programs(self) -> None:
        self.veth("veth0")
        driver = self.driver()
        before = self.inside.output("ip", "-details", "link", "show", "veth0").split("prog/xdp")[1]
        self.inside.ip("link set veth0 down", "link set veth0 name other0", "link set other0 up")
        self.wait_for(driver, "other0", "native")
        after = self.inside.output("ip", "-details", "link", "show", "other0").split("prog/xdp")[1]
        self.assertEqual(before, after)

    def test_rename_into_and_out_of_the_excluded_names(self) -> None:
        self.veth("veth0")
        driver = self.driver("xdp", "free+")
        self.inside.ip("link set veth0 down", "link set veth0 name free0")
        self.wait_for(driver, "free0", "excluded")
        self.assertEqual(self.attached("free0"), "")
        self.inside.ip("link set free0 name veth0")
        self.wait_for(driver, "veth0", "native")
        self.assertEqual(self.attached("veth0"), "probe_xdp")

    def test_device_that_leaves_a_bridge_stays(self) -> None:
        """The kernel announces it as the end of a link, of the bridge's family."""
        self.veth("veth0")
        self.inside.ip("link add br0 type bridge", "link set veth0 master br0")
        driver = self.driver()
        self.inside.ip("link set veth0 nomaster", "link add later type veth peer name later1")
        self.wait_for(driver, "later", "native")
        self.assertEqual(driver.states()["veth0"], "native")
        self.assertNotIn("gone", [report.state for report in driver.reports])

    def test_same_number_again(self) -> None:
        self.inside.ip("link add index 77 name first type veth peer name first1")
        driver = self.driver()
        self.inside.ip("link delete first",
                       "link add index 77 name second type veth peer name second1")
        self.wait_for(driver, "second", "native")
        self.assertEqual(self.attached("second"), "probe_xdp")

    def test_lost_events(self) -> None:
        """So many events that the socket loses the last ones while the driver does not read."""
        self.inside.ip("link add first up type ifb", "link add second type ifb")
        driver = self.driver("tc")
        driver.process.send_signal(signal.SIGSTOP)
        self.inside.ip(*(f"link set first alias {number}" for number in range(4000)),
                       *(f"link add later{number} type ifb" for number in range(5)),
                       "link delete second")
        driver.process.send_signal(signal.SIGCONT)
        expected = {"lo", "first", *(f"later{number}" for number in range(5))}
        wait_until(lambda: driver.states() == dict.fromkeys(expected, "tc"),
                   f"the devices that are left: {driver.states()}")

    def test_many_devices(self) -> None:
        names = [f"many{number}" for number in range(40)]
        self.inside.ip(*(f"link add {name} type ifb" for name in names))
        self.assertEqual(self.driver("tc").states(), dict.fromkeys(["lo", *names], "tc"))

    def test_other_xdp_program_is_refused_and_left_alone(self) -> None:
        self.veth("veth0")
        for mode in "xdpdrv", "xdpgeneric":
            with self.subTest(mode):
                other_program(self.inside, "veth0", mode)
                before = self.attached("veth0")
                self.assertIn("other", before)
                with self.assertRaises(Refused) as caught:
                    self.driver("xdp")
                text = str(caught.exception)
                number = self.inside.output("ip", "-details", "link", "show", "veth0")
                number = number.split("prog/xdp id ")[1].split()[0]
                for part in "veth0", f"id {number}", "'other'", "exclude", "--hook tc":
                    self.assertIn(part, text)
                self.assertEqual(self.attached("veth0"), before)
                self.inside.ip(f"link set dev veth0 {mode} off")

    def test_the_refused_start_leaves_nothing_behind(self) -> None:
        for name in "veth0", "veth1":
            self.veth(name)
        other_program(self.inside, "veth1")
        with self.assertRaises(Refused):
            self.driver("xdp")
        self.assertEqual(self.attached("veth0"), "")

    def test_the_ways_out_of_another_xdp_program(self) -> None:
        self.veth("veth0")
        other_program(self.inside, "veth0")
        self.assertEqual(self.driver("tc").states()["veth0"], "tc")
        self.assertEqual(self.driver("xdp", "veth0").states()["veth0"], "excluded")
        self.assertEqual(self.attached("veth0"), "other")

    def test_a_later_device_with_another_xdp_program_is_filtered_at_tc(self) -> None:
        driver = self.driver("xdp")
        self.outside.ip("link add here type veth peer name there", "link set there up")
        path = build() / "tests" / "e2e" / "devices" / "other.bpf.o"
        self.outside.ip(f"link set dev here xdpdrv obj {path} sec xdp")
        self.outside.ip(f"link set here netns {self.inside.pid}")
        self.wait_for(driver, "here", "tc")
        self.assertIn("already has an XDP program", driver.devices()["here"].reason)
        self.assertEqual(self.attached("here"), "other")
        self.inside.ip("link set here up")
        driver.ask("reset")
        self.send("there")
        self.wait_for_counter(driver, "ingress", 1)

    def test_nobody_can_replace_our_xdp_program(self) -> None:
        self.veth("veth0")
        self.driver("xdp")
        path = build() / "tests" / "e2e" / "devices" / "other.bpf.o"
        for mode in "xdpdrv", "xdpgeneric":
            done = self.inside.run("ip", "-force", "link", "set", "dev", "veth0", mode, "obj",
                                   str(path), "sec", "xdp")
            self.assertNotEqual(done.returncode, 0)
        self.assertEqual(self.attached("veth0"), "probe_xdp")

    def test_others_at_tc_go_on(self) -> None:
        """Another tcx user (a second driver), and a filter of tc(8)."""
        self.veth("veth0")
        path = build() / "tests" / "e2e" / "devices" / "other.bpf.o"
        self.inside.output("tc", "qdisc", "add", "dev", "veth0", "clsact")
        self.inside.output("tc", "filter", "add", "dev", "veth0", "ingress", "bpf", "direct-action",
                           "object-file", str(path), "section", "classifier")
        first, second = self.driver("tc"), self.driver("tc")
        for driver in first, second:
            driver.ask("reset")
        self.send("veth0", 5)
        for driver in first, second:
            self.wait_for_counter(driver, "ingress", 5)
        text = self.inside.output("tc", "-statistics", "filter", "show", "dev", "veth0", "ingress")
        self.assertIn("other", text)

    def test_switch_of_programs_and_modes(self) -> None:
        self.veth("veth0")
        self.inside.ip("tuntap add tun0 mode tun")
        driver = self.driver("xdp")
        steps = (("xdp again", "native", "xdp again"), ("tc again", "tc", "ingress again"),
                 ("tc", "tc", "ingress"), ("xdp", "native", "xdp"))
        for arguments, state, counter in steps:
            with self.subTest(arguments):
                driver.ask(f"switch {arguments}")
                self.assertEqual(driver.states(), {"lo": "tc", "veth0": state, "tun0": "tc"})
                driver.ask("reset")
                self.send("veth0")
                self.wait_for_counter(driver, counter, 1)
                counted = driver.counters()
                others = {name for name, count in counted.items() if count} - {counter, "egress"}
                self.assertEqual(others, set(), counted)

    def test_refused_switch_changes_nothing(self) -> None:
        for name in "veth0", "veth1":
            self.veth(name)
        driver = self.driver("tc")
        other_program(self.inside, "veth1")
        with self.assertRaisesRegex(Refused, "veth1 already has an XDP program"):
            driver.ask("switch xdp again")
        self.assertEqual(driver.states(), {"lo": "tc", "veth0": "tc", "veth1": "tc"})
        self.assertEqual(self.attached("veth0"), "")
        driver.ask("reset")
        self.send("veth0")
        self.wait_for_counter(driver, "ingress", 1)
        self.assertEqual(driver.counters()["ingress again"], 0)

    def test_no_packet_passes_unseen_while_programs_are_switched(self) -> None:
        self.veth("veth0")
        driver = self.driver("xdp")
        driver.ask("reset")
        sent = 0
        for arguments in ("tc", "xdp again", "tc again", "xdp", "xdp again", "xdp") * 3:
            child = os.fork()
            if child == 0:
                self.send("veth0", 3000)
                os._exit(0)
            driver.ask(f"switch {arguments}")
            self.assertEqual(os.waitpid(child, 0)[1], 0)
            sent += 3000
        received = self.received("veth0")
        self.assertGreater(received, sent // 2)
        wait_until(lambda: sum(driver.counters().values()) - driver.counters()["egress"] >= received,
                   f"{received} packets have been seen; counters: {driver.counters()}")

    def received(self, name: str) -> int:
        """Packets that came through, and so must have been seen."""
        path = f"/sys/class/net/{name}/statistics/rx_packets"
        return int(self.inside.output("cat", path))

    def test_devices_that_are_covered(self) -> None:
        for name in "veth0", "free0":
            self.veth(name)
        driver = self.driver("xdp", "free+")
        lo, veth, free = (self.inside.ifindex(name) for name in ("lo", "veth0", "free0"))
        new = COVERED | COVERED_OF_LATE
        self.assertEqual(driver.covered(), {lo: new, veth: new, free: COVERED | COVERED_EXCLUDED})
        self.inside.ip("link delete veth0")
        self.wait_for(driver, "veth0", None)
        self.assertEqual(driver.covered(), {lo: new, free: COVERED | COVERED_EXCLUDED})

    def test_devices_with_great_numbers_are_covered(self) -> None:
        self.inside.ip("link add veth0 index 70000 type veth peer name veth1")
        driver = self.driver("xdp")
        self.assertEqual(driver.covered()[70000], COVERED | COVERED_OF_LATE)
        self.inside.ip("link delete veth0")
        self.wait_for(driver, "veth0", None)
        self.assertNotIn(70000, driver.covered())

    def test_programs_leave_with_the_driver(self) -> None:
        self.veth("veth0")
        driver = self.driver("xdp")
        self.assertEqual(self.attached("veth0"), "probe_xdp")
        driver.close()
        self.drivers.remove(driver)
        self.assertEqual(self.attached("veth0"), "")


if __name__ == "__main__":
    unittest.main()
