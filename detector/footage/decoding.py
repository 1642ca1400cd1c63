"""Packets and frames as FFmpeg gives them, past what is damaged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import av

_MOST_AGAIN = 100  # times in a row that FFmpeg may ask to be asked again


def packets(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[av.Packet]:
    """The stream's packets up to the end of the file, or to where it cannot be read."""
    for _ in range(_MOST_AGAIN):
        try:
            for packet in container.demux(stream):
                if packet.size:
                    yield packet
            return
        except BlockingIOError:  # nothing is lost, and it goes on where it was
            continue
        except (av.FFmpegError, IndexError):  # the index ends here, and what is missing of the duration is reported;
            return  # PyAV's IndexError is a stream that began midway


def rising(frames: Iterator[tuple[int, av.VideoFrame]]) -> Iterator[tuple[int, av.VideoFrame]]:
    """Numbered frames without those that are ahead of the next one, by a damaged time."""
    last, held = -1, None
    for number, frame in frames:
        if held is not None and held[0] < number:
            yield held
            last, held = held[0], (number, frame)
        elif number > last:
            held = number, frame
    if held is not None:
        yield held


def decode(decoder: av.VideoCodecContext, packet: av.Packet | None) -> list[av.VideoFrame]:
    """The frames that a packet, or with None the end, sets free; none if it is damaged."""
    try:
        return decoder.decode(packet)
    except BlockingIOError:  # after damage, frames may be left in the decoder: they come out before it takes the packet
        held = [] if packet is None else decode(decoder, None)
        decoder.flush_buffers()
        with suppress(av.FFmpegError):
            return held + (decoder.decode(packet) if packet is not None else [])
        return held
    except av.FFmpegError:
        return []
