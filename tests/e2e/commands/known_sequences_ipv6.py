# SPDX-License-Identifier: GPL-2.0-or-later
"""Sequences for ip6tables, and for both families in one namespace, that chance meets too seldom."""

from known_sequences import sequence

KNOWN_SEQUENCES_IPV6 = {
    "ip6tables: a fresh namespace": sequence("""
ip6tables-save
ip6tables -S
ip6tables -L -n -v
ip6tables-save -c
ip6tables-save -t filter
"""),
    "ip6tables: prefixes and masks of every kind": sequence("""
ip6tables -A INPUT -s 2001:db8::1 -j ACCEPT
ip6tables -A INPUT -s 2001:db8::1/128 -d ::/0 -j ACCEPT
ip6tables -A INPUT ! -s ::/0 -j ACCEPT
ip6tables -A INPUT -s 2001:db8:ffff::1/33 ! -d ff00::/8 -j ACCEPT
ip6tables -A INPUT -s ::ff00:0/0:0:0:0:0:0:ffff:0 -j ACCEPT
ip6tables -A INPUT -d 1:2:3:4:5:6:7:8/ffff:0:ffff:0:ffff:0:ffff:0 -j ACCEPT
ip6tables -A INPUT -s ::ffff:192.0.2.1 -j ACCEPT
ip6tables -A INPUT -s 192.0.2.1 -j ACCEPT
ip6tables -A INPUT -s 2001:db8::1,2001:db8::2 -d fd00::1,fd00::/64 -j ACCEPT
ip6tables -A INPUT -s 2001:db8::/129 -j ACCEPT
ip6tables -A INPUT -s fe80::1%lo -j ACCEPT
ip6tables -D INPUT -s 2001:db8::1 -j ACCEPT
ip6tables -L -n -v
ip6tables -S
"""),
    "ip6tables: with names instead of numbers, and with more and more words": sequence("""
ip6tables -A INPUT -s ::1 -p tcp --dport 22 -j ACCEPT
ip6tables -A INPUT -p icmpv6 --icmpv6-type echo-request -j ACCEPT
ip6tables -A INPUT -p icmp --icmpv6-type echo-request -j ACCEPT
ip6tables -A INPUT -m conntrack --ctstate NEW --ctproto udp -j ACCEPT
ip6tables -L
ip6tables -L -v
ip6tables -vv -L -n
ip6tables -vv -A OUTPUT -p udp --sport 53 -j DROP
ip6tables -v -D OUTPUT 1
ip6tables -v -I INPUT 2 -i eth+ -j DROP
ip6tables -A INPUT -f -j DROP
"""),
    "ip6tables: protocols that are headers, and what a match asks for": sequence("""
ip6tables -A INPUT -p 0 -j DROP
ip6tables -A INPUT ! -p 0 -j DROP
ip6tables -A INPUT -p hopopt -j DROP
ip6tables -A INPUT -p ipv6-route -j DROP
ip6tables -A INPUT -p 44 -j DROP
ip6tables -A INPUT -p ah -j DROP
ip6tables -A INPUT -p esp -j DROP
ip6tables -A INPUT -p 59 -j DROP
ip6tables -A INPUT -p 60 -j DROP
ip6tables -A INPUT ! -p ipv6-nonxt -j DROP
ip6tables -A INPUT -m tcp --dport 80 -j DROP
ip6tables -A INPUT -m icmp6 --icmpv6-type 128 -j DROP
ip6tables -A INPUT ! -p ipv6-icmp -m icmp6 --icmpv6-type 128 -j DROP
ip6tables -A INPUT -p ipv6-icmp -m icmp6 ! --icmpv6-type 135/0 -j DROP
ip6tables -A INPUT -m mh --mh-type 1 -j DROP
ip6tables -A INPUT -p mh -m mh --mh-type 1:3 -j DROP
ip6tables -A INPUT -p mh ! --mh-type bu -j DROP
ip6tables -A INPUT -p ipv6-icmp -m multiport --dports 80 -j DROP
ip6tables -L -n
ip6tables -D INPUT -p mh ! --mh-type bu -j DROP
"""),
    "ip6tables: extension headers": sequence("""
ip6tables -A INPUT -m ipv6header --header hop,dst,route,frag,auth,esp,none,prot -j DROP
ip6tables -A INPUT -m ipv6header ! --header frag --soft -j DROP
ip6tables -A INPUT -m ipv6header --header frag ! --soft -j DROP
ip6tables -A INPUT -m ipv6header --soft -j DROP
ip6tables -A INPUT -m ipv6header -j DROP
ip6tables -A INPUT -m frag --fragid 1:10 --fragres --fragfirst --fragmore -j DROP
ip6tables -A INPUT -m frag --fragid 10:1 --fraglast -j DROP
ip6tables -A INPUT -m frag --fragmore --fraglast -j DROP
ip6tables -A INPUT -m frag --fraglen 8 -j DROP
ip6tables -A INPUT -m frag -j DROP
ip6tables -A INPUT -m rt --rt-type 0 --rt-segsleft 1:3 --rt-len 24 --rt-0-res -j DROP
ip6tables -A INPUT -m rt --rt-type 0 --rt-0-addrs ::1,2001:db8::1 --rt-0-not-strict -j DROP
ip6tables -A INPUT -m rt --rt-type 2 --rt-0-res -j DROP
ip6tables -A INPUT -m rt ! --rt-type 0 -j DROP
ip6tables -A INPUT -m rt --rt-0-not-strict -j DROP
ip6tables -A INPUT -m hbh --hbh-len 8 --hbh-opts 5:2,194:4,1 -j DROP
ip6tables -A INPUT -m dst ! --dst-len 8 --dst-opts 1:4 -j DROP
ip6tables -A INPUT -m dst -m hbh -m rt -m frag -m eui64 -m hl --hl-lt 5 -j DROP
ip6tables -A INPUT -m hl ! --hl-eq 64 -j DROP
ip6tables -A INPUT -m hl --hl-gt 300 -j DROP
ip6tables -A FORWARD -m eui64 -j DROP
ip6tables -A OUTPUT -m eui64 -j DROP
ip6tables -N any
ip6tables -A any -m eui64 -j RETURN
ip6tables -A INPUT -j any
ip6tables -A OUTPUT -j any
ip6tables -L -n -v -x
ip6tables -C INPUT -m hbh --hbh-len 8 --hbh-opts 5:2,194:4,1 -j DROP
ip6tables -D INPUT -m rt --rt-type 0 --rt-0-addrs ::1,2001:db8::1 --rt-0-not-strict -j DROP
ip6tables -D INPUT -m frag --fragid 1:10 --fragres --fragfirst --fragmore -j DROP
ip6tables -D INPUT -m dst ! --dst-len 8 --dst-opts 1:4 -j DROP
"""),
    "ip6tables: the same match and option twice": sequence("""
ip6tables -A INPUT -p tcp -m tcp -m tcp --dport 80 -j ACCEPT
ip6tables -A INPUT -m rt --rt-type 0 -m rt --rt-type 2 -j ACCEPT
ip6tables -A INPUT -m frag --fragfirst -m frag --fragmore -j ACCEPT
ip6tables -A INPUT -m hbh --hbh-len 8 -m hbh --hbh-len 16 -j ACCEPT
ip6tables -A INPUT -m rt --rt-type 0 --rt-type 2 -j ACCEPT
ip6tables -A INPUT -m conntrack --ctorigsrc 2001:db8::/32 -m conntrack ! --ctrepldst fd00::1 -j ACCEPT
ip6tables -C INPUT -m conntrack --ctorigsrc 2001:db8::/32 -m conntrack ! --ctrepldst fd00::1 -j ACCEPT
ip6tables -S
"""),
    "ip6tables: counters survive changes": sequence("""
ip6tables -N one
ip6tables -A one -s 2001:db8::1 -c 11 1100 -j ACCEPT
ip6tables -A one -s 2001:db8::2 -c 22 2200 -j ACCEPT
ip6tables -A one -s 2001:db8::3 -c 33 3300 -j ACCEPT
ip6tables -P FORWARD DROP -c 44 4400
ip6tables -I one 2 -s 2001:db8::4 -j DROP
ip6tables -D one 1
ip6tables -R one 2 -s 2001:db8::5 -j ACCEPT
ip6tables -E one two
ip6tables -A INPUT -c 18446744073709551615 18446744073709551615 -j two
ip6tables -L -n -v -x
ip6tables -Z two 3
ip6tables -Z INPUT
ip6tables -L -n -v -x -Z
"""),
    "ip6tables: restore": sequence("""
ip6tables-restore -c <<END
*nat
:PREROUTING ACCEPT [0:0]
-A POSTROUTING -o eth0 -j MASQUERADE
COMMIT
*filter
:INPUT DROP [1:2]
:a - [0:0]
[3:4] -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
[5:6] -A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 135 -j a
-A a -m rt --rt-type 0 -j DROP
COMMIT
END
ip6tables-save -t nat
ip6tables-restore <<END
*filter
-A INPUT -s 2001:db8::1 -j ACCEPT
-A INPUT -s nowhere.invalid. -j ACCEPT
COMMIT
END
ip6tables-restore <<END
*filter
:a - [0:0]
-A INPUT -j a
-A a -j a
COMMIT
END
ip6tables-restore -n <<END
*filter
-N made
-A made -s 2001:db8::1 -j ACCEPT
-I made -m frag -j DROP
-R made 1 -s 2001:db8::3 -j RETURN
-P FORWARD DROP
-Z
-E made named
COMMIT
END
ip6tables-restore -t <<END
*filter
COMMIT
END
"""),
}

KNOWN_SEQUENCES_OF_BOTH = {
    "both families: rulesets that know nothing of each other": sequence("""
iptables -A INPUT -s 10.0.0.1 -c 1 10 -j DROP
ip6tables -S
ip6tables -A INPUT -s 2001:db8::1 -c 2 20 -j DROP
iptables -N same
ip6tables -N same
iptables -A same -p tcp --dport 22 -c 3 30 -j ACCEPT
ip6tables -A INPUT -j same
iptables -X same
ip6tables -X same
iptables -P FORWARD DROP -c 4 40
ip6tables -P OUTPUT ACCEPT -c 5 50
iptables -Z
ip6tables -L -n -v -x
ip6tables -F
iptables -L -n -v -x
ip6tables -D INPUT 1
iptables -D INPUT 1
"""),
    "both families: addresses and options of the other one": sequence("""
iptables -A INPUT -s 2001:db8::1 -j DROP
ip6tables -A INPUT -s 10.0.0.1 -j DROP
iptables -A INPUT -p ipv6-icmp -j DROP
ip6tables -A INPUT -p icmp -j DROP
iptables -A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 128 -j DROP
ip6tables -A INPUT -p icmp -m icmp --icmp-type 8 -j DROP
iptables -A INPUT -m ipv6header --header frag -j DROP
iptables -A INPUT -m hl --hl-eq 1 -j DROP
iptables -4 -A INPUT -j ACCEPT
iptables -6 -A INPUT -j ACCEPT
ip6tables -4 -A INPUT -j ACCEPT
ip6tables -6 -A INPUT -j ACCEPT
"""),
    "both families: one file for the two of them": sequence("""
iptables-restore <<END
*filter
-4 -A INPUT -s 10.0.0.1 -j ACCEPT
-6 -A INPUT -s 2001:db8::1 -j ACCEPT
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
COMMIT
END
ip6tables-restore <<END
*filter
-4 -A INPUT -s 10.0.0.1 -j ACCEPT
-6 -A INPUT -s 2001:db8::1 -j ACCEPT
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
COMMIT
END
ip6tables-restore <<END
*filter
-A INPUT -s 10.0.0.1 -j ACCEPT
COMMIT
END
ip6tables-restore -n <<END
*nat
-A POSTROUTING -s fd00::/8 -j SNAT --to-source 2001:db8::1
COMMIT
*filter
:INPUT DROP [0:0]
COMMIT
END
iptables-save
iptables -t nat -S
"""),
}
