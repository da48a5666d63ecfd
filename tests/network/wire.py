"""A bad cable between two interfaces: some frames are lost, the others come late.

wire.py LEFT RIGHT LOSS DELAY    carries frames; LOSS of 1, DELAY in seconds; ends with its input
wire.py plain INTERFACE          lets the interface send whole packets with their checksums
"""

import fcntl
import heapq
import random
import select
import socket
import struct
import sys
import time

EVERY_PROTOCOL = 3
SENT_BY_US = 4
SIOCETHTOOL = 0x8946
# ethtool's commands to set: checksums at the sender, scatter-gather, segmentation for TCP and in general.
OFFLOADS = (0x17, 0x19, 0x1F, 0x24)


def plain(interface):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for command in OFFLOADS:
            value = bytearray(struct.pack("II", command, 0))
            pointer = (struct.pack("P", address_of(value)))
            request = struct.pack("16s", interface.encode()) + pointer + bytes(16)
            fcntl.ioctl(any_socket, SIOCETHTOOL, request)


def address_of(value):
    import ctypes

    return ctypes.addressof((ctypes.c_char * len(value)).from_buffer(value))


def end(interface):
    one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(EVERY_PROTOCOL))
    one.bind((interface, 0))
    return one


def carry(left, right, loss, delay):
    left, right = end(left), end(right)
    other = {left: right, right: left}
    # The same frames are lost at each run with the same traffic.
    chance = random.Random(1)
    late, number = [], 0
    print(flush=True)
    while True:
        wait = max(0, late[0][0] - time.monotonic()) if late else None
        ready, _, _ = select.select([left, right, sys.stdin], [], [], wait)
        if sys.stdin in ready:
            return
        for one in ready:
            frame, address = one.recvfrom(65536)
            if address[2] != SENT_BY_US and chance.random() >= loss:
                number += 1
                heapq.heappush(late, (time.monotonic() + delay, number, other[one], frame))
        while late and late[0][0] <= time.monotonic():
            _, _, to, frame = heapq.heappop(late)
            to.send(frame)


if sys.argv[1] == "plain":
    plain(sys.argv[2])
else:
    carry(sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4]))
